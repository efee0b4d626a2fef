package watch

import (
	"context"
	"hash/maphash"
	"math"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// start asks about targets that are due, as long as not too many are under way.
func (l *loop) start(ctx context.Context) {
	now := time.Now()
	started := false
	for l.inFlight < l.most() {
		t := l.queue.next(now)
		if t == nil {
			break
		}
		l.inFlight++
		l.lookUp(ctx, t)
		started = true
	}
	if started {
		l.flush()
	}
}

// lookUp asks about one target. The answer comes into the inbox.
func (l *loop) lookUp(ctx context.Context, t *target) {
	q := t.question
	lookup := l.work.Options.Lookup
	if of, ok := lookup.(resolve.SubnetLookuper); ok && q.Subnet != (resolve.Subnet{}) {
		lookup = of.For(q.Subnet)
	}
	if s, ok := lookup.(resolve.Starter); ok {
		s.Start(ctx, q.Target, q.Type, func(a resolve.Answer) { l.inbox.put(answered{target: t, answer: a}) })
		return
	}
	l.tasks.Go(func() { l.inbox.put(answered{target: t, answer: lookup.Lookup(ctx, q.Target, q.Type)}) })
}

// take takes an answer in, and has the zones compiled to which it makes a difference.
func (l *loop) take(ctx context.Context, a answered) {
	t := a.target
	early := l.early(t, &a.answer)
	if !a.confirmed && early == 0 && l.doubts(t, &a.answer) {
		l.tasks.Go(func() {
			l.inbox.put(answered{target: t, answer: l.work.Options.Confirm(ctx, a.answer), confirmed: true})
		})
		return
	}
	if l.surprises(t, &a.answer) {
		t.doubted = true
		l.doubted = append(l.doubted, t)
		l.probe(ctx)
		return
	}
	t.doubted = false
	l.inFlight--
	if t.gone || ctx.Err() != nil {
		return
	}
	now := l.now()
	options := l.work.Options
	options.Now = now
	settled := options.Settled(a.answer)
	if early > 0 {
		settled.Confirmed, settled.NegativeTTL = false, max(settled.NegativeTTL, early)
	}
	l.tally(&settled)
	l.distrusts = l.distrusts || settled.Reason == resolve.ReasonBadResolver
	old, was := t.last(), t.fresh()
	l.table.count(t, func() {
		t.answer, t.asked = stand(&settled), momentOf(now)
		t.failed = failures(t.failed, &settled)
		t.had, t.lost = t.had || t.fresh(), t.lost && !t.fresh()
	})
	differs := !same(old, &settled)
	l.askAgain(t, &a.answer, old != nil && !differs)
	if t.fresh() && !was {
		l.contradict(t)
	}
	l.answered(t, differs)
	l.tellTarget(t, &settled, old)
}

// contradict is for the other type of a name that is back, which was said not to exist before that:
// nobody has confirmed that of the type.
func (l *loop) contradict(t *target) {
	other := t.question
	other.Type = dns.TypeA + dns.TypeAAAA - other.Type
	o := l.table.targets[other]
	if o == nil || o.answer == nil || o.answer.Outcome != resolve.NXDomain {
		return
	}
	doubtful := *o.answer
	doubtful.Confirmed = false
	l.table.count(o, func() { o.answer = &doubtful })
}

// early is for how many seconds it cannot be told of a name that is said not to exist whether
// that is so, or only the fault of a server that means the type: as long as the addresses of the
// other type may come from before. 0: it can be told.
func (l *loop) early(t *target, a *resolve.Answer) uint32 {
	other := t.question
	other.Type = dns.TypeA + dns.TypeAAAA - other.Type
	o := l.table.targets[other]
	if a.Outcome != resolve.NXDomain || !t.had || o == nil || !o.fresh() {
		return 0
	}
	now := momentOf(l.now())
	if t.answer == nil || t.answer.Outcome != resolve.NXDomain {
		t.denied = now
	}
	known := t.denied + moment(time.Duration(o.answer.TTL+1)*time.Second) // to all caches
	if o.asked > known {
		return 0
	}
	return uint32(max(known-now, 0)/moment(time.Second)) + 1
}

// doubts tells whether an answer takes addresses away, so that others are asked about it.
func (l *loop) doubts(t *target, a *resolve.Answer) bool {
	return l.work.Options.Confirm != nil && t.had && !a.Confirmed && (a.Outcome == resolve.NoData || a.Outcome == resolve.NXDomain)
}

// failures counts those running.
func failures(before uint16, a *resolve.Answer) uint16 {
	if fails(a) && before < math.MaxUint16 {
		return before + 1
	}
	if fails(a) {
		return before
	}
	return 0
}

// tally counts lookups by what came of them.
func (l *loop) tally(a *resolve.Answer) {
	c := &l.lookups
	switch a.Outcome {
	case resolve.Addresses:
		c.Addresses++
	case resolve.NoData:
		c.NoData++
	case resolve.NXDomain:
		c.NXDomain++
	case resolve.WeakNoData:
		c.Weak++
	case resolve.Failure:
		c.Failures++
	}
}

// leftOver is the TTL, in seconds, up to which an answer that was asked for when it had to be
// gone is what a cache had left of it: caches count whole seconds, each in its own way.
const leftOver = 1

// chanceSeed spreads targets in time, in each process in another way.
var chanceSeed = maphash.MakeSeed()

// chance is so much that a target is asked later than it could be, so that many do not fall
// together for ever. It is the same for both types, which are asked side by side.
func chance(name zone.Name) time.Duration {
	return time.Duration(maphash.String(chanceSeed, name.Wire()) % uint64(200*time.Millisecond))
}

// askAgain has a target asked again when what it was seen with has expired. again tells that the
// answer is the one before.
func (l *loop) askAgain(t *target, seen *resolve.Answer, again bool) {
	floor := l.work.Floor
	if floor == 0 {
		floor = DefaultFloor
	}
	wait := after(seen, t.failed, floor)
	if !fails(seen) && seen.Outcome == resolve.Addresses && seen.TTL <= leftOver && t.answer.TTL > leftOver && again && !t.left {
		// It is asked once more only: a resolver that has nothing but such answers is not asked
		// more often for it.
		t.left = true
		wait = time.Duration(seen.TTL+1) * time.Second
	} else {
		t.left = false
	}
	l.queue.at(t, time.Now().Add(wait+chance(t.question.Target)))
}

// answered has zones compiled that an answer makes a difference to, if it differs from the one
// before, or that waited for it.
func (l *loop) answered(t *target, differs bool) {
	now := time.Now()
	for _, m := range l.waiting[t] {
		if m.open--; m.open == 0 {
			l.dueAt(m, now)
		}
	}
	if delete(l.waiting, t); len(l.waiting) == 0 {
		l.waiting = map[*target][]*member{} // a map keeps the room that it once had
	}
	for _, i := range t.zones {
		m := l.zones[i]
		if differs || (m.Held || m.Guarded) && l.counts(t) {
			// What comes together goes out together, and is judged together by the guards.
			l.dueAt(m, now.Add(coalesce))
			l.collects = true
		}
	}
}

// hasten has what was collected go out where nothing more can come before it would.
func (l *loop) hasten(now time.Time) {
	if !l.collects || l.inFlight > 0 {
		return
	}
	if due, ok := l.queue.first(); ok && due.Before(now.Add(coalesce)) {
		return
	}
	for _, m := range l.due {
		if m.due.Before(now.Add(coalesce)) {
			m.due = earlier(m.due, now)
		}
	}
	l.collects = false
}

// counts tells whether an answer that is as before is news all the same: what is not acted on
// when it is seen first is when it is seen again.
func (l *loop) counts(t *target) bool {
	switch t.answer.Outcome {
	case resolve.NoData, resolve.NXDomain:
		return t.had
	case resolve.Addresses:
		if t.answer.Stale || l.work.Options.Known == nil {
			return false
		}
		k := l.work.Options.Known(t.question)
		return k != nil && k.Held.Times > 0
	case resolve.WeakNoData, resolve.Failure:
	}
	return false
}

// tellTarget tells when a target begins to fail, and when it answers again.
func (l *loop) tellTarget(t *target, a, old *resolve.Answer) {
	e := Event{Kind: KindTarget, Type: t.question.Type, Target: t.question.Target, Resolver: a.Resolver}
	switch {
	case fails(a) && t.failed == 1:
		e.Severity, e.Message = diag.Warning, "fails: "+whyFails(a)
	case !fails(a) && old != nil && fails(old):
		e.Message = "answers again"
	default:
		return
	}
	if l.spoken(fails(a)) {
		l.daemon.tell(e)
	}
}

// whyFails is a clause on an answer that settles nothing.
func whyFails(a *resolve.Answer) string {
	switch {
	case a.Outcome == resolve.WeakNoData:
		return "no addresses, and nothing proves that there are none"
	case a.Stale:
		return "the resolver has old addresses only"
	}
	return a.Detail
}

// refresh has targets asked at once.
func (l *loop) refresh(name zone.Name) (zones, targets int) {
	now := time.Now()
	soon := map[*target]bool{}
	for _, m := range l.zones {
		if !name.IsZero() && m.Name != name {
			continue
		}
		zones++
		m.source = true
		l.dueAt(m, now)
		for _, t := range m.questions {
			soon[t] = true
		}
	}
	for q, t := range l.table.targets {
		if q.Target == name {
			soon[t] = true
		}
	}
	for t := range soon {
		if t.place >= 0 {
			l.queue.at(t, now)
		}
	}
	return zones, len(soon)
}

// keep remembers now and then that targets are as they were.
func (l *loop) keep(ctx context.Context) {
	if l.keeping || time.Since(l.kept) < keepEvery {
		return
	}
	l.keeping, l.kept = true, time.Now()
	seen, learned := l.seenAgain(2 * keepEvery)
	l.tasks.Go(func() {
		err := l.work.Host.Keep(seen, learned)
		_ = l.daemon.do(ctx, func(*loop) { // the loop may have ended
			l.keeping = false
			l.trouble(err)
		})
	})
}

func (l *loop) trouble(err error) {
	if err != nil {
		l.daemon.tell(Event{Kind: KindTrouble, Severity: diag.Error, Message: err.Error()})
	}
}

// seenAgain gives what questions were answered with since it was remembered, if that is so long
// ago, and what was learned of their TTLs.
func (l *loop) seenAgain(age time.Duration) (map[resolve.Question]resolve.Seen, resolve.Estimates) {
	seen, learned := map[resolve.Question]resolve.Seen{}, resolve.Estimates{}
	for q, t := range l.table.targets {
		if t.fresh() && !t.gone && t.asked.Time().Sub(t.kept.Time()) > age {
			seen[q] = resolve.Seen{Addresses: t.answer.Addresses, Time: t.asked.Time()}
			t.kept = t.asked
			l.learned(t, learned)
		}
	}
	return seen, learned
}

// learned adds what is known of the TTLs on the way of a target.
func (l *loop) learned(t *target, to resolve.Estimates) {
	estimates := l.work.Options.Estimates
	a := t.last()
	if a == nil || estimates == nil {
		return
	}
	for _, link := range a.Chain {
		k := resolve.LinkKey{Owner: link.Owner, Type: link.Type}
		if e, ok := estimates[k]; ok {
			to[k] = e
		}
	}
	k := resolve.LinkKey{Owner: a.Last, Type: a.Type}
	if e, ok := estimates[k]; ok {
		to[k] = e
	}
}
