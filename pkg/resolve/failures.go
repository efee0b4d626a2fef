package resolve

import (
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

	mu    sync.Mutex
	known map[Question]*remembered
}

type remembered struct {
	answer Answer
	until  time.Time
	length time.Duration
}

// recent gives the failure of a lookup if it is too recent to be tried again.
func (f *failures) recent(q Question) *Answer {
	if f.count.Load() == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.known[q]
	if r == nil || !time.Now().Before(r.until) {
		return nil
	}
	return &r.answer
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
	case r == nil && len(f.known) >= maxFailures:
		return
	case r == nil || now.Sub(r.until) > longFailure:
		r = &remembered{length: firstFailure}
	default:
		r.length = min(2*r.length, longFailure)
	}
	r.answer, r.until = *a, now.Add(r.length)
	f.known[q] = r
	f.count.Store(int32(len(f.known)))
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
