package primary

import (
	"context"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// updates are those that are under way, and the outcomes of those that were made lately. Over UDP
// a client that waits for an answer sends the same message again, and so can whoever has seen it:
// it gets the same answer, and nothing is done twice.
type updates struct {
	server  *Server
	working sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	running map[*Update]context.CancelFunc
	made    map[string]*madeUpdate // by key and MAC
	order   []string               // of made, the oldest first
}

// madeUpdate is what came of an UPDATE.
type madeUpdate struct {
	done    chan struct{}
	at      time.Time
	problem *problem // once it is done; nil: it is made
}

// Outcomes that are remembered: for as long as a signature holds, from the moment that it may lie
// ahead of our clock, and how many.
const (
	rememberUpdate = 2 * fudge * time.Second
	mostRemembered = 10_000
)

func newUpdates(s *Server) *updates {
	return &updates{server: s, running: map[*Update]context.CancelFunc{}, made: map[string]*madeUpdate{}}
}

// do has an UPDATE made that is known by its signature, unless it is or was.
func (us *updates) do(signature string, u *Update) *problem {
	ctx, cancel := context.WithTimeout(context.Background(), us.server.options.Limits.Update)
	defer cancel()
	m, first, p := us.begin(signature, u, cancel)
	switch {
	case p != nil:
		return p
	case first:
		defer us.working.Done()
		rcode, reason := us.server.options.Updater.Update(ctx, u)
		if rcode != dns.RcodeSuccess {
			m.problem = &problem{rcode: rcode, reason: reason}
		}
		us.mu.Lock()
		delete(us.running, u)
		us.mu.Unlock()
		close(m.done)
		return m.problem
	}
	select {
	case <-m.done:
		return m.problem
	case <-ctx.Done():
		return &problem{rcode: dns.RcodeServerFailure, reason: "the same UPDATE takes too long"}
	}
}

// begin gives the outcome of an UPDATE, which is for the caller to make where it is the first.
func (us *updates) begin(signature string, u *Update, cancel context.CancelFunc) (m *madeUpdate, first bool, p *problem) {
	now := us.server.options.Now()
	us.mu.Lock()
	defer us.mu.Unlock()
	us.forget(now)
	if m = us.made[signature]; m != nil {
		return m, false, nil
	}
	switch {
	case us.ended:
		return nil, false, &problem{rcode: dns.RcodeServerFailure, reason: "the server ends"}
	case len(us.running) >= us.server.options.Limits.Updates:
		return nil, false, &problem{rcode: dns.RcodeServerFailure, reason: "too many are under way"}
	}
	m = &madeUpdate{done: make(chan struct{}), at: now}
	us.made[signature] = m
	us.order = append(us.order, signature)
	us.running[u] = cancel
	us.working.Add(1)
	return m, true, nil
}

// forget forgets outcomes whose signature does not hold any more, and the oldest of too many.
func (us *updates) forget(now time.Time) {
	n := 0
	for n < len(us.order) && (len(us.order)-n >= mostRemembered || now.Sub(us.made[us.order[n]].at) > rememberUpdate) {
		delete(us.made, us.order[n])
		n++
	}
	us.order = us.order[n:]
}

// end stops those that are under way, and waits for them.
func (us *updates) end() {
	us.mu.Lock()
	us.ended = true
	for _, cancel := range us.running {
		cancel()
	}
	us.mu.Unlock()
	us.working.Wait()
}
