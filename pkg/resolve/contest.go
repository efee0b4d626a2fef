package resolve

import (
	"context"
	"slices"
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
	ctx    context.Context //nolint:containedctx // a lookup is one call under way and ends with it; a closure for each would cost as much as the rest
	target zone.Name
	qtype  uint16
	subnet Subnet
	done   func(Answer)
	order  []*upstream
	began  moment
	first  visit
	query  ask // the first one of first

	deadline deadline

	settled atomic.Bool // set with mu held

	mu    sync.Mutex
	words chan word // nil unless it is a contest
}

// word is what came of a visit.
type word struct {
	visit  *visit
	answer Answer
}

func (l *lookup) question() Question {
	return Question{Target: l.target, Subnet: l.subnet, Type: l.qtype}
}

// style is how a resolver is asked first.
func (l *lookup) style(u *upstream) *style {
	if l.subnet == (Subnet{}) {
		return &u.style
	}
	s := u.style
	s.subnet = l.subnet.Prefix()
	return &s
}

// unasked is the answer where nobody could be asked.
func (l *lookup) unasked(f failure) Answer {
	return Answer{Target: l.target, Type: l.qtype, Last: l.target}.failed(f)
}

// step asks the next query of the first visit over UDP, without waiting.
func (l *lookup) step(now moment) {
	a, v := &l.query, &l.first
	if a.timeout != 0 {
		a = &ask{} // that of the lookup is used up
	}
	a.query, a.timeout = v.next(now), l.deadline.bound(now, v.u.timeout)
	a.stands, a.owner = &l.deadline, l
	l.deadline.wait(now)
	if len(l.order) > 1 {
		a.hedge, a.probe = v.u.hedge(), v.u.health.down.Load()
	}
	v.u.udp.add(a)
}

// ended tells why the first query needs no reply any more.
func (l *lookup) ended() error {
	if l.settled.Load() {
		return context.Canceled // another resolver was quicker
	}
	return l.ctx.Err()
}

// late has the next resolver asked too.
func (l *lookup) late() { l.compete(nil, 0) }

// heard goes on with a reply.
func (l *lookup) heard(r reply) {
	if l.settled.Load() {
		return
	}
	v := &l.first
	answer, done := v.take(r)
	switch {
	case done:
	case !v.overConn:
		l.step(rightNow())
		return
	default:
		if len(l.order) > 1 {
			l.compete(nil, v.u.hedge()) // over a connection the resolver may be late too
		}
		client := l.client
		if client.spawn(func() {
			until, stop := client.untilClosed(l.ctx)
			defer stop()
			a := v.run(until, &l.deadline)
			l.judge(v, &a)
			client.Flush()
		}) {
			return
		}
		answer = l.unasked(failure{reason: ReasonCanceled, detail: errClosed.Error()})
	}
	l.judge(v, &answer)
}

// judge ends the lookup with the first word, if it will do. A resolver whose probe is not
// done yet is not believed before.
func (l *lookup) judge(v *visit, a *Answer) {
	if p := l.client.probeOf(l.ctx, v.u); p != nil && a.Reason != ReasonCanceled {
		if !p.isDone() {
			l.wait(p, v, a)
			return
		}
		if p.bad != nil {
			judged := p.judge(l.target, l.qtype, v.u, *a)
			a = &judged
		}
	}
	if !l.conclusive(a) {
		l.compete(&word{v, *a}, 0)
		return
	}
	l.mu.Lock()
	if l.words != nil {
		l.words <- word{v, *a}
		l.mu.Unlock()
		return
	}
	l.settled.Store(true)
	l.mu.Unlock()
	l.finish(a, v.attempts)
}

// wait judges once the probe is done, or ctx has ended.
func (l *lookup) wait(p *probe, v *visit, a *Answer) {
	waiting, client := *a, l.client
	stop := context.AfterFunc(l.ctx, func() {
		waiting = l.unasked(failure{reason: ReasonCanceled, detail: canceledText(l.ctx.Err())})
		l.judge(v, &waiting)
		client.Flush()
	})
	p.then(func() {
		if stop() {
			l.judge(v, &waiting)
			client.Flush()
		}
	})
}

// conclusive tells whether no other resolver need be asked.
func (l *lookup) conclusive(a *Answer) bool {
	switch {
	case a.Known(), a.Reason == ReasonCanceled:
		return true
	case a.Outcome == Failure && a.Reason.transient():
		return false
	}
	return len(l.order) == 1
}

var lookupPool = sync.Pool{New: func() any { return new(lookup) }}

// finish hands the answer over. The lookup is not to be touched afterwards: where nobody else
// can know of it, it becomes another one.
func (l *lookup) finish(a *Answer, attempts []Attempt) {
	a.Attempts = attempts
	if a.Outcome == Failure {
		l.client.failures.note(l.question(), a)
	} else {
		l.client.failures.forget(l.question())
	}
	done := l.done
	if len(l.order) == 1 && l.words == nil && l.query.clean { // in this order: the lane of a contest may still write
		*l = lookup{first: visit{room: l.spareRoom()}}
		lookupPool.Put(l)
	}
	done(*a)
}

// spareRoom is the memory of the first query, where nobody reads it any more: it was sent
// once, and there is a reply. One that was sent again may be on its way out right now.
func (l *lookup) spareRoom() []byte {
	if l.query.sends != 1 || !l.first.heard.Load() {
		return nil
	}
	return l.query.query.packet[:0]
}

// compete makes a contest of a lookup, or hands the word to the one that it is already. The
// next resolver is asked after a time: none where the first one has failed or is late.
func (l *lookup) compete(v *word, hedge time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled.Load() {
		return
	}
	if l.words == nil {
		// Room for all there can be: nobody waits to tell a contest that is over.
		l.words = make(chan word, 1+len(l.order)*l.client.opts.Rounds)
		c := &contest{lookup: l, queue: l.order, hedge: time.Now().Add(hedge)}
		if l.first.u != nil {
			c.pending, c.queue = []*visit{&l.first}, l.order[1:]
		}
		if !l.client.spawn(func() { c.run(l.ctx) }) {
			l.settled.Store(true)
			a := l.unasked(failure{reason: ReasonCanceled, detail: errClosed.Error()})
			l.finish(&a, nil)
			return
		}
	}
	if v != nil {
		l.words <- *v
	}
}

// contest asks several resolvers for one target: the next one where one fails or is late, and
// all of them once more where it may help.
type contest struct {
	lookup   *lookup
	queue    []*upstream // to be asked in this round
	hedge    time.Time   // when the next of them is asked, whatever is under way
	again    []*upstream // worth asking in the next one
	round    int
	pending  []*visit // in the order of asking
	slower   []*visit // those of them that were asked before the one that knew
	attempts []Attempt
	best     *Answer // of those that are not to be relied on
}

// run ends the lookup.
func (c *contest) run(ctx context.Context) {
	l := c.lookup
	visits, stop := l.client.untilClosed(ctx)
	a := c.answer(visits)
	stop()
	if a.Outcome != Failure {
		now := rightNow()
		for _, v := range c.slower {
			if !v.heard.Load() {
				v.u.health.silence(l.began, now) // another one was asked later and knows already
			}
		}
	}
	l.mu.Lock()
	l.settled.Store(true)
	l.mu.Unlock()
	l.finish(&a, c.attempts)
	l.client.Flush()
}

// answer waits for the words and sends for more.
func (c *contest) answer(ctx context.Context) Answer {
	l := c.lookup
	timer := time.NewTimer(mostHedge)
	defer timer.Stop()
	for {
		over := len(c.pending) == 0 && len(c.queue) == 0 && !c.nextRound(ctx)
		left := l.deadline.left()
		switch {
		case over, left <= -wordsLate:
			return c.settle(failure{reason: ReasonTimeout, detail: errTimeout.Error()})
		case ctx.Err() != nil:
			return c.settle(*failureOf(context.Cause(ctx), 0))
		case left > 0 && len(c.queue) > 0 && (len(c.pending) == 0 || !time.Now().Before(c.hedge)):
			c.send(ctx)
		}
		wait := left + wordsLate
		if left > 0 && len(c.queue) > 0 {
			wait = min(wait, max(0, time.Until(c.hedge)))
		}
		timer.Reset(wait)
		select {
		case v := <-l.words:
			if known := c.take(v); known != nil {
				return *known
			}
			c.hedge = time.Now()
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// wordsLate is how long after the end of its time a contest waits for those who are under way:
// their own time ends then too, and what they say is better than nothing.
const wordsLate = 2 * tickLen

// send asks the next resolver, and sets when the one after it is to be asked.
func (c *contest) send(ctx context.Context) {
	l, u := c.lookup, c.queue[0]
	c.queue = c.queue[1:]
	v := &visit{}
	v.init(u, l.target, l.qtype, l.style(u))
	c.pending = append(c.pending, v)
	told := l.words
	if !l.client.spawn(func() { told <- word{v, l.client.visited(ctx, v, &l.deadline)} }) {
		told <- word{v, l.unasked(failure{reason: ReasonCanceled, detail: errClosed.Error()})}
	}
	c.hedge = time.Now().Add(u.hedge())
}

// visited makes a visit to a resolver, if it is not known to be bad. The probes begin before
// the question, and the answer waits for theirs: so they take next to no time of their own.
func (c *Client) visited(ctx context.Context, v *visit, d *deadline) Answer {
	p := c.probeOf(ctx, v.u)
	if p == nil {
		return v.run(ctx, d)
	}
	var a Answer
	if !p.isDone() || p.bad == nil {
		a = v.run(ctx, d)
	}
	select {
	case <-p.done:
		return p.judge(v.chain.target, v.chain.qtype, v.u, a)
	case <-ctx.Done():
		return v.chain.answer().failed(*failureOf(context.Cause(ctx), 0))
	}
}

// take judges what came of a visit. It gives the answer that ends the contest, or nil.
func (c *contest) take(v word) *Answer {
	at := slices.Index(c.pending, v.visit)
	c.pending = slices.Delete(c.pending, at, at+1)
	c.attempts = append(c.attempts, v.visit.attempts...)
	a := &v.answer
	if a.Known() || a.Reason == ReasonCanceled {
		c.slower = c.pending[:at]
		return a
	}
	if c.best == nil || a.TellsMore(c.best) {
		c.best = a
	}
	if a.Reason.transient() {
		c.again = append(c.again, v.visit.u)
	}
	return nil
}

// nextRound waits a little and begins to go through the list again, with those that may know
// better by then. It tells whether there is a next round.
func (c *contest) nextRound(ctx context.Context) bool {
	l := c.lookup
	if c.round++; c.round >= l.client.opts.Rounds || len(c.again) == 0 || c.best.Outcome != Failure || l.client.allDown() {
		return false
	}
	pause := pauseBefore(c.round)
	if pause >= l.deadline.left() {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // nobody is asked any more
	}
	c.queue, c.again = c.again, nil
	return true
}

// settle is the answer where no resolver gave a fresh one; f is why nobody is asked any more.
func (c *contest) settle(f failure) Answer {
	if c.best != nil && f.reason != ReasonCanceled {
		return *c.best
	}
	a := c.lookup.unasked(f)
	if len(c.pending) > 0 {
		a.Resolver = c.pending[0].u.name
	}
	return a
}
