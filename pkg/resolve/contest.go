package resolve

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// lookup is one target and type on its way through the resolvers.
//
// Most lookups are one query to the first resolver and its answer: they never have a
// goroutine of their own. One whose first resolver fails or is late becomes a contest.
type lookup struct {
	client *Client
	target zone.Name
	qtype  uint16
	subnet Subnet
	done   func(Answer)
	order  []*upstream
	began  time.Time
	first  visit
	query  ask // the first one of first

	settled atomic.Bool // set with mu held

	mu       sync.Mutex
	verdicts chan verdict // nil unless it is a contest
}

// verdict is what came of a visit.
type verdict struct {
	visit  *visit
	answer Answer
}

func (l *lookup) question() Question {
	return Question{Target: l.target, Subnet: l.subnet, Type: l.qtype}
}

// style is how resolvers are asked first.
func (l *lookup) style() style {
	validated := l.client.opts.RequireAD
	return style{ad: validated, signed: validated, subnet: l.subnet.Prefix()}
}

// unasked is the answer where nobody could be asked.
func (l *lookup) unasked(f failure) Answer {
	return Answer{Target: l.target, Type: l.qtype, Last: l.target}.failed(f)
}

// step asks the next query of a visit over UDP, without waiting.
func (l *lookup) step(ctx context.Context, v *visit) {
	a := &l.query
	if a.timeout != 0 {
		a = &ask{} // that of the lookup is used up
	}
	a.query, a.timeout = v.next(), v.u.timeout
	a.ended = func() error {
		if l.settled.Load() {
			return context.Canceled // another resolver was quicker
		}
		return ctx.Err()
	}
	a.done = func(r reply) { l.heard(ctx, v, r) }
	if len(l.order) > 1 {
		a.hedge = v.u.hedge()
		a.late = func() { l.compete(ctx, nil) }
	}
	v.u.udp.add(a)
}

// heard goes on with a reply.
func (l *lookup) heard(ctx context.Context, v *visit, r reply) {
	if l.settled.Load() {
		return
	}
	asked := r.sent
	if asked.IsZero() {
		asked = v.asked
	}
	answer, done := v.take(r, asked)
	switch {
	case done:
	case !v.overConn:
		l.step(ctx, v)
		return
	default:
		if l.client.spawn(func() {
			d := newDeadline(l.client.opts.TargetTimeout)
			l.judge(ctx, verdict{v, v.run(ctx, d)})
			l.client.Flush()
		}) {
			return
		}
		answer = l.unasked(failure{reason: ReasonCanceled, detail: errClosed.Error()})
	}
	l.judge(ctx, verdict{v, answer})
}

// judge ends the lookup with the first verdict, if it will do.
func (l *lookup) judge(ctx context.Context, v verdict) {
	if !l.conclusive(v.answer) {
		l.compete(ctx, &v)
		return
	}
	l.mu.Lock()
	if l.verdicts != nil {
		l.verdicts <- v
		l.mu.Unlock()
		return
	}
	l.settled.Store(true)
	l.mu.Unlock()
	l.finish(v.answer, v.visit.attempts)
}

// conclusive tells whether no other resolver need be asked.
func (l *lookup) conclusive(a Answer) bool {
	switch {
	case a.Reason == ReasonCanceled:
		return true
	case a.Outcome == Failure:
		return len(l.order) == 1 && !a.Reason.transient()
	}
	return !a.Stale || len(l.order) == 1
}

// finish hands the answer over. Attempts that explain nothing are left out: they are most of
// what an answer would take.
func (l *lookup) finish(a Answer, attempts []Attempt) {
	switch {
	case a.Outcome == Failure:
		a.Attempts = attempts
		l.client.failures.note(l.question(), &a)
		l.done(a)
		return
	case l.client.opts.KeepAttempts, a.Stale, a.Outcome == WeakNoData, a.Outcome == NXDomain:
		a.Attempts = attempts
	}
	l.client.failures.forget(l.question())
	l.done(a)
}

// compete makes a contest of a lookup, or hands the verdict to the one that it is already.
func (l *lookup) compete(ctx context.Context, v *verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled.Load() {
		return
	}
	if l.verdicts == nil {
		// Room for all there can be: nobody waits to tell a contest that is over.
		l.verdicts = make(chan verdict, 1+len(l.order)*l.client.opts.Rounds)
		c := &contest{lookup: l, deadline: newDeadline(l.client.opts.TargetTimeout), queue: l.order}
		if l.first.u != nil {
			c.pending, c.queue = []*visit{&l.first}, l.order[1:]
		}
		if !l.client.spawn(func() { c.run(ctx) }) {
			l.settled.Store(true)
			l.finish(l.unasked(failure{reason: ReasonCanceled, detail: errClosed.Error()}), nil)
			return
		}
	}
	if v != nil {
		l.verdicts <- *v
	}
}

// deadline is when a lookup ends in any case. It moves on while the lookup waits for its turn
// behind others.
type deadline struct {
	nano atomic.Int64
}

func newDeadline(after time.Duration) *deadline {
	d := &deadline{}
	d.nano.Store(time.Now().Add(after).UnixNano())
	return d
}

func (d *deadline) extend(waited time.Duration) { d.nano.Add(int64(waited)) }

func (d *deadline) left() time.Duration { return time.Until(time.Unix(0, d.nano.Load())) }

// contest asks several resolvers for one target: the next one where one fails or is late, and
// all of them once more where it may help.
type contest struct {
	lookup   *lookup
	deadline *deadline
	queue    []*upstream // to be asked in this round
	again    []*upstream // worth asking in the next one
	round    int
	pending  []*visit
	attempts []Attempt

	failed, stale *Answer // the best that is no answer to rely on
}

// run ends the lookup.
func (c *contest) run(ctx context.Context) {
	l := c.lookup
	visits, cancel := context.WithCancel(ctx)
	a := c.answer(visits)
	cancel()
	if a.Outcome != Failure {
		now := time.Now()
		for _, v := range c.pending {
			if !v.heard.Load() {
				v.u.health.silence(l.began, now) // another one was asked later and knows already
			}
		}
	}
	l.mu.Lock()
	l.settled.Store(true)
	l.mu.Unlock()
	l.finish(a, c.attempts)
	l.client.Flush()
}

// answer waits for the verdicts and sends for more.
func (c *contest) answer(ctx context.Context) Answer {
	l := c.lookup
	timer := time.NewTimer(c.deadline.left())
	defer timer.Stop()
	hedge := time.Now().Add(mostHedge)
	if len(c.pending) > 0 && len(c.queue) > 0 {
		hedge = time.Now() // it is a contest because the first one is late or has failed
	}
	for {
		if len(c.pending) == 0 && len(c.queue) == 0 && !c.nextRound(ctx) {
			return c.settle(failure{reason: ReasonTimeout, detail: errTimeout.Error()})
		}
		if len(c.queue) > 0 && (len(c.pending) == 0 || !time.Now().Before(hedge)) {
			hedge = c.send(ctx)
		}
		wait := c.deadline.left()
		if wait <= 0 {
			return c.settle(failure{reason: ReasonTimeout, detail: errTimeout.Error()})
		}
		if len(c.queue) > 0 {
			wait = min(wait, max(0, time.Until(hedge)))
		}
		timer.Reset(wait)
		select {
		case v := <-l.verdicts:
			if known := c.take(v); known != nil {
				return *known
			}
			hedge = time.Now()
		case <-timer.C:
		case <-ctx.Done():
			return c.settle(failure{reason: ReasonCanceled, detail: canceledText(ctx.Err())})
		}
	}
}

// send asks the next resolver, and tells when the one after it is to be asked.
func (c *contest) send(ctx context.Context) time.Time {
	l, u := c.lookup, c.queue[0]
	c.queue = c.queue[1:]
	v := &visit{}
	v.init(u, l.target, l.qtype, l.style())
	c.pending = append(c.pending, v)
	told := l.verdicts
	if !l.client.spawn(func() { told <- verdict{v, v.run(ctx, c.deadline)} }) {
		told <- verdict{v, l.unasked(failure{reason: ReasonCanceled, detail: errClosed.Error()})}
	}
	return time.Now().Add(u.hedge())
}

// take judges what came of a visit. It gives the answer that ends the contest, or nil.
func (c *contest) take(v verdict) *Answer {
	for i, p := range c.pending {
		if p == v.visit {
			c.pending = append(c.pending[:i:i], c.pending[i+1:]...)
			break
		}
	}
	c.attempts = append(c.attempts, v.visit.attempts...)
	a := &v.answer
	switch {
	case a.Reason == ReasonCanceled:
		return a
	case a.Outcome == Failure:
		if c.failed == nil || tellsMore(a.Reason, c.failed.Reason) {
			c.failed = a
		}
		if a.Reason.transient() {
			c.again = append(c.again, v.visit.u)
		}
	case a.Stale:
		if c.stale == nil {
			c.stale = a
		}
	default:
		return a
	}
	return nil
}

// nextRound waits a little and begins to go through the list again, with those that may know
// better by then. It tells whether there is a next round.
func (c *contest) nextRound(ctx context.Context) bool {
	l := c.lookup
	if c.round++; c.round >= l.client.opts.Rounds || len(c.again) == 0 || c.stale != nil || l.client.allDown() {
		return false
	}
	pause := pauseBefore(c.round)
	if pause >= c.deadline.left() {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	c.queue, c.again = c.again, nil
	return true
}

// settle is the answer where no resolver gave a fresh one; f is why nobody is asked any more.
func (c *contest) settle(f failure) Answer {
	switch {
	case f.reason == ReasonCanceled:
	case c.stale != nil:
		return *c.stale
	case c.failed != nil:
		return *c.failed
	}
	a := c.lookup.unasked(f)
	if len(c.pending) > 0 {
		a.Resolver = c.pending[0].u.name
	}
	return a
}
