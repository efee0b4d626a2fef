package watch

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// target is one question that is asked again and again. The loop alone changes it, with the
// lock of the table where others read it. There may be very many.
type target struct {
	question  resolve.Question
	answer    *standing // the last one, as runs see it; nil: there is none yet
	asked     moment    // when that came; zero: never
	due       moment    // when it is asked again
	denied    moment    // since when its name is said not to exist
	kept      moment    // when what is remembered was seen last
	turn      uint64    // in the queue
	place     int32     // in the queue; -1: it is being asked, or is gone
	published uint32    // behind so many zones, by one that hangs on it; 0: never
	failed    uint16    // failures running
	had       bool      // it had addresses when it was answered last, failures aside
	lost      bool      // it is confirmed that it has none any more
	left      bool      // it was asked once more behind what a cache had left
	gone      bool      // no zone hangs on it any more
	doubted   bool      // it is asked once more behind a look at the resolvers
	zones     []int32
}

// moment is a time that takes little room.
type moment = resolve.Moment

func momentOf(t time.Time) moment { return resolve.MomentOf(t) }

// table holds all targets. Answers in it never change.
type table struct {
	mu      sync.RWMutex
	targets map[resolve.Question]*target
	without int // targets that had addresses and have none now, which was not known before
	failing int // whose last lookup failed
}

// answered gives the last answer to a question, or nil.
func (t *table) answered(q resolve.Question) *resolve.Answer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if found := t.targets[q]; found != nil {
		return found.last()
	}
	return nil
}

// known lays over what is remembered that the addresses were seen again since.
func (t *table) known(q resolve.Question, remembered *resolve.Known) *resolve.Known {
	t.mu.RLock()
	defer t.mu.RUnlock()
	found := t.targets[q]
	if found == nil || remembered == nil || found.answer == nil || !found.asked.Time().After(remembered.Seen) || !confirms(found.answer, remembered) {
		return remembered
	}
	k := *remembered
	k.Seen = found.asked.Time()
	return &k
}

// confirms tells whether an answer has the addresses that are known.
func confirms(a *standing, known *resolve.Known) bool {
	return a.Outcome == resolve.Addresses && !a.Stale && slices.Equal(a.Addresses, known.Addresses)
}

// same tells whether two answers are one to those who publish them.
func same(a, b *resolve.Answer) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Outcome == b.Outcome && a.Stale == b.Stale && a.Confirmed == b.Confirmed &&
		a.TTL == b.TTL && a.DNS64 == b.DNS64 && a.SubnetUnused == b.SubnetUnused && a.Last == b.Last &&
		slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Special, b.Special) &&
		slices.EqualFunc(a.Chain, b.Chain, func(x, y resolve.Link) bool { return x == y })
}

// fails tells whether an answer settles nothing.
func fails(a *resolve.Answer) bool { return settlesNothing(a.Outcome, a.Stale) }

func settlesNothing(outcome resolve.Outcome, stale bool) bool {
	return outcome == resolve.Failure || outcome == resolve.WeakNoData || stale
}

// after is when a question is asked again, behind an answer as it was seen: when a cache has
// dropped what it gave, not before the floor; behind a failure soon, and later the more have
// failed running.
func after(a *resolve.Answer, failed uint16, floor time.Duration) time.Duration {
	if fails(a) {
		return min(backOffFirst<<min(failed-1, 10), backOffMost)
	}
	ttl := a.TTL
	if a.Outcome != resolve.Addresses {
		ttl = a.NegativeTTL
	}
	// Caches count whole seconds.
	return min(max(time.Duration(ttl)*time.Second, floor), maxWait)
}

// together tells why targets that are gone may be no fault of theirs: more than a fifth of all,
// and at least three, have no addresses at once although they had. Those that are known to be
// gone do not count. Empty: it is not so.
func (t *table) together() string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.without < 3 || 10*t.without <= len(t.targets) {
		return "" // which most often is so, and costs nothing to know; a target has two questions at most
	}
	type state struct{ fresh, had bool }
	names := map[zone.Name]state{}
	for q, found := range t.targets {
		s := names[q.Target]
		s.fresh = s.fresh || found.fresh()
		s.had = s.had || found.had && !found.lost
		names[q.Target] = s
	}
	without := 0
	for _, s := range names {
		if s.had && !s.fresh {
			without++
		}
	}
	if without < 3 || 5*without <= len(names) {
		return ""
	}
	return fmt.Sprintf("%d of %d targets fail together, which looks like a fault on this side", without, len(names))
}

// fresh tells whether the last answer has addresses.
func (t *target) fresh() bool {
	return t.answer != nil && t.answer.Outcome == resolve.Addresses && !t.answer.Stale
}

// count keeps the counts right over a change of a target.
func (t *table) count(found *target, change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(found, -1)
	change()
	t.add(found, 1)
}

func (t *table) add(found *target, n int) {
	if found.had && !found.lost && !found.fresh() {
		t.without += n
	}
	if found.answer != nil && found.answer.fails() {
		t.failing += n
	}
}
