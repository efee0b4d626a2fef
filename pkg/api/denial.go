package api

import (
	"net/http"
	"sync/atomic"
)

// Denial is why a request was denied before anybody looked at what it asks for.
type Denial uint8

// The denials.
const (
	DenialNoToken Denial = iota // it has no token
	DenialToken                 // its token is not known, or is over
	DenialScope                 // its token has not the scope
	DenialOrigin                // a web page of somebody else has sent it

	denials // how many there are
)

// String is the denial as a label of a metric.
func (d Denial) String() string {
	return [denials]string{"no-token", "token", "scope", "origin"}[d]
}

// denied counts requests that were denied.
type denied [denials]atomic.Uint64

// Denied tells how many requests were denied, by all reasons that there are.
func (f *Faces) Denied() map[string]uint64 {
	counts := make(map[string]uint64, denials)
	for d := range denials {
		counts[d.String()] = f.denied[d].Load()
	}
	return counts
}

// Deny counts a request that was denied.
func (f *Faces) Deny(d Denial) { f.denied[d].Add(1) }

// sameOrigin refuses what a web page of another origin has a browser send, unless it only reads. No
// answer is taken for something else than it says it is.
func (f *Faces) sameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f.Deny(DenialOrigin)
		http.Error(w, "a page of another origin has sent this", http.StatusForbidden)
	}))
	next = p.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
