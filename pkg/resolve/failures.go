package resolve

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// How long a failure is remembered (RFC 9520 §3.2): the first one so long, each further one
// twice as long, up to the last.
const (
	firstFailure = 5 * time.Second
	longFailure  = 5 * time.Minute

	// maxFailures is how many are remembered. A run with more of them has another problem.
	maxFailures = 10_000
)

// failures remembers lookups that failed, so that nobody is asked for the same again at once:
// when many resolvers fail, every client that repeats its questions makes it worse.
type failures struct {
	count atomic.Int32 // of known, to be read without a lock

	mu     sync.Mutex
	known  map[Question]*remembered
	tidied time.Time
}

type remembered struct {
	answer Answer
	until  time.Time
	length time.Duration
}

// recent gives the failure of a lookup if it is too recent to be tried again.
func (f *failures) recent(q Question) (Answer, bool) {
	if f.count.Load() == 0 {
		return Answer{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.known[q]
	if r == nil || !time.Now().Before(r.until) {
		return Answer{}, false
	}
	return r.answer, true
}

// note remembers a failure that the network or a resolver is to blame for.
func (f *failures) note(q Question, a *Answer) {
	if !a.Reason.transient() && a.Reason != ReasonRefused && a.Reason != ReasonNoServer {
		return
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		f.known = map[Question]*remembered{}
	}
	r := f.known[q]
	switch {
	case r == nil && len(f.known) >= maxFailures && !f.tidy(now):
		return
	case r == nil || r.isOld(now):
		r = &remembered{length: firstFailure}
	case now.Before(r.until): // another lookup failed at the same time
		r.answer = *a
		return
	default:
		r.length = min(2*r.length, longFailure)
	}
	r.answer, r.until = *a, now.Add(r.length)
	f.known[q] = r
	f.count.Store(int32(len(f.known)))
}

// isOld tells whether a failure was so long ago that the next one counts as the first.
func (r *remembered) isOld(now time.Time) bool { return now.Sub(r.until) > longFailure }

// tidy takes out what is old, and tells whether there is room. It is called with mu held.
func (f *failures) tidy(now time.Time) bool {
	if now.Sub(f.tidied) >= firstFailure {
		f.tidied = now
		maps.DeleteFunc(f.known, func(_ Question, r *remembered) bool { return r.isOld(now) })
	}
	return len(f.known) < maxFailures
}

// forget is for a lookup that came to an answer.
func (f *failures) forget(q Question) {
	if f.count.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, q)
	f.count.Store(int32(len(f.known)))
}
