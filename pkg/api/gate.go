package api

import (
	"net/http"
	"sync"
)

// gate counts the requests that are under way. A server of net/http that is closed does not
// wait for them, and what they use may be closed next.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

// guard lets requests through as long as the gate is open.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			fail(w, http.StatusServiceUnavailable, "the daemon ends")
			return
		}
		defer g.inside.Done()
		next.ServeHTTP(w, r)
	})
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

// close lets no request through any more, and waits for those that were.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
