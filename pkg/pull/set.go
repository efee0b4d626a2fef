package pull

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Observer is told what happens. Each function may be nil, is called by several goroutines at
// once, and must not call the set.
type Observer struct {
	Transferred func(s *Source, t Transfer)
	// Failed is told of a check or a transfer that fails, once for each reason running.
	Failed func(s *Source, problem *diag.Diagnostic)
	// Expired is told once that a copy is older than EXPIRE.
	Expired func(s *Source, problem *diag.Diagnostic)
	// Recovered is told that a check goes well again.
	Recovered func(s *Source)
}

// Status is how one source does. It never changes once it is given.
type Status struct {
	Source      string      // as [Source.String] gives it
	Serial      zone.Serial // of the copy
	Known       bool        // there is one
	Attempted   time.Time   // when the primary was asked last; zero: never by this process
	Checked     time.Time   // when it last was known to have what is kept
	Transferred time.Time   // when it was transferred last by this process; zero: never
	Next        time.Time   // when it is asked again; zero: it is being asked
	Expires     time.Time   // when the copy is too old
	Expired     bool        // it is: what was published of it stands
	Failed      int         // attempts running that failed
	Problem     *diag.Diagnostic

	Checks, Failures, Whole, Incremental uint64 // since the start
}

// Set pulls zones until it is told to end. Its methods may be called concurrently.
type Set struct {
	limits   Limits
	observer Observer
	pullers  []*puller
}

// puller pulls one zone.
type puller struct {
	set    *Set
	source Source
	slots  chan struct{} // for checks of its primary that are under way
	status atomic.Pointer[Status]
	wake   chan struct{} // full: it is to be checked at once
	first  chan struct{} // closed when it was tried once
	copy   *Copy         // nil: there is none
	told   string        // the problem that was told last
}

// NewSet makes a set of sources, which does nothing before Run. Each has a file of its own.
func NewSet(sources []Source, l Limits, o Observer) *Set {
	s := &Set{limits: l.filled(), observer: o}
	slots := map[netip.AddrPort]chan struct{}{} // a primary that is silent holds up its own zones alone
	for _, source := range sources {
		if slots[source.Primary] == nil {
			slots[source.Primary] = make(chan struct{}, s.limits.Transfers)
		}
		p := &puller{set: s, source: source, slots: slots[source.Primary], wake: make(chan struct{}, 1), first: make(chan struct{})}
		st := Status{Source: source.String()}
		var err error
		if p.copy, err = source.Kept(); err != nil {
			st.Problem = Problem(&source, failure(diag.CodeUnreadable, err), false)
		}
		p.show(&st)
		s.pullers = append(s.pullers, p)
	}
	return s
}

// Run pulls until ctx ends.
func (s *Set) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, p := range s.pullers {
		wg.Go(func() { p.run(ctx) })
	}
	wg.Wait()
}

// Status tells how a source does, by its index.
func (s *Set) Status(i int) *Status { return s.pullers[i].status.Load() }

// Check has the primaries of a zone asked at once, and gives how many these are. The zero Name is
// for all zones.
func (s *Set) Check(name zone.Name) int {
	n := 0
	for _, p := range s.pullers {
		if !name.IsZero() && p.source.Zone != name {
			continue
		}
		n++
		select {
		case p.wake <- struct{}{}:
		default: // it is about to be
		}
	}
	return n
}

// First waits until each zone of which there is no copy was tried once, or ctx ends.
func (s *Set) First(ctx context.Context) {
	for _, p := range s.pullers {
		if p.status.Load().Known {
			continue
		}
		select {
		case <-p.first:
		case <-ctx.Done():
			return
		}
	}
}

// run checks one zone when its timers say so, and when somebody asks for it.
func (p *puller) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var ended time.Time // of the last check
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.wake:
			if !pause(ctx, p.set.limits.Apart-time.Since(ended)) {
				return
			}
		}
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		p.check(ctx)
		<-p.slots
		ended = time.Now()
		if ctx.Err() != nil {
			return
		}
		timer.Reset(time.Until(p.status.Load().Next))
	}
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// check looks at the primary once.
func (p *puller) check(ctx context.Context) {
	st := *p.status.Load()
	st.Next = time.Time{}
	p.show(&st)
	r, err := p.source.Once(ctx, p.set.limits, true)
	if ctx.Err() != nil && err != nil {
		return
	}
	now := time.Now()
	st.Attempted = now
	st.Checks++
	wasExpired := st.Expired
	if err != nil {
		p.failed(&st, err, now)
	} else {
		p.succeeded(&st, r, now)
	}
	p.show(&st)
	p.tell(&st, r, wasExpired)
	select {
	case <-p.first:
	default:
		close(p.first)
	}
}

func (p *puller) failed(st *Status, err error, now time.Time) {
	st.Failures++
	st.Failed++
	p.copy = p.keptAgain()
	st.Expired = p.copy != nil && !now.Before(p.copy.Expires(p.set.limits))
	st.Problem = Problem(&p.source, err, st.Expired)
	st.Next = now.Add(early(p.again(st.Failed)))
	if p.copy == nil || st.Expired {
		return
	}
	if at := p.copy.Expires(p.set.limits); at.Before(st.Next) {
		st.Next = at
	}
}

// keptAgain is the copy that is kept, which somebody may have removed.
func (p *puller) keptAgain() *Copy {
	kept, err := p.source.Kept()
	if err != nil {
		return p.copy
	}
	return kept
}

// again is when a check is tried again behind one that failed.
func (p *puller) again(failed int) time.Duration {
	l := &p.set.limits
	if p.copy == nil {
		return min(l.First<<min(failed-1, 10), l.MostFirst)
	}
	return within(p.copy.Retry, l.LeastRetry, l.MostRetry)
}

func (p *puller) succeeded(st *Status, r *Result, now time.Time) {
	p.copy = &r.Copy
	st.Failed, st.Problem, st.Expired = 0, nil, false
	if t := r.Transfer; t != nil {
		st.Transferred = now
		if t.Incremental {
			st.Incremental++
		} else {
			st.Whole++
		}
	}
	l := &p.set.limits
	st.Next = now.Add(early(within(r.Copy.Refresh, l.LeastRefresh, l.MostRefresh)))
}

// show makes a status the one that is given.
func (p *puller) show(st *Status) {
	if c := p.copy; c != nil {
		st.Serial, st.Known, st.Checked, st.Expires = c.Serial, true, c.Checked, c.Expires(p.set.limits)
	} else {
		st.Serial, st.Known, st.Checked, st.Expires = 0, false, time.Time{}, time.Time{}
	}
	shown := *st
	p.status.Store(&shown)
}

// tell lets the observer know what has come of a check.
func (p *puller) tell(st *Status, r *Result, wasExpired bool) {
	o, told := &p.set.observer, p.told
	p.told = ""
	if st.Problem != nil {
		p.told = string(st.Problem.Code)
	}
	switch {
	case st.Problem != nil && st.Expired && !wasExpired:
		if o.Expired != nil {
			o.Expired(&p.source, st.Problem)
		}
	case st.Problem != nil && p.told != told:
		if o.Failed != nil {
			o.Failed(&p.source, st.Problem)
		}
	case st.Problem == nil && told != "" && o.Recovered != nil:
		o.Recovered(&p.source)
	}
	if r != nil && r.Transfer != nil && o.Transferred != nil {
		o.Transferred(&p.source, *r.Transfer)
	}
}
