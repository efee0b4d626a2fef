package flatten

import (
	"net/netip"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// verdict is what becomes of one type at the owner of a rule.
type verdict uint8

const (
	verdictWrite verdict = iota + 1 // what was answered is published
	verdictHold                     // the last good addresses stay
	verdictEmpty                    // nothing is published, and that is right
	verdictFail                     // nothing is known
)

// cause is why a verdict is not simply what was answered.
type cause uint8

const (
	causeNone        cause = iota
	causeFailure           // the lookup failed
	causeStaleAnswer       // the resolver gave old addresses
	causeUnconfirmed       // it is said that there are none, and not confirmed
	causeOther             // it is said that there are none, but nothing is known of the other type
	causeConfirmed         // it is confirmed that there are none
	causeGuard             // a guard holds them back
	causeForbidden         // they may not be dropped
	causeStillGone         // they were dropped before, and nothing new is known
)

// ofType is the verdict on one type.
type ofType struct {
	verdict   verdict
	cause     cause
	recalled  bool // known is what is remembered, not what an output shows
	past      bool // they are held past max-stale
	dropped   bool // there were some, and none are any more
	explicit  bool // explicit records of the type serve where nothing else does
	ttl       uint32
	found     *found
	known     *resolve.Known // nil: nothing is
	addresses []netip.Addr   // that are published, explicit ones aside
	guard     *guarded       // with causeGuard
}

// settlement is what becomes of a rule. While it is being made it says that nothing is known.
type settlement struct {
	types     [len(qtypes)]*ofType // nil: not asked for
	fresh     bool                 // some type has fresh addresses
	knew      bool                 // something is known from before
	negative  bool                 // every type is said to have none
	forbidden string               // why what is gone is not dropped
}

// of is the verdict on a type.
func (s *settlement) of(qtype uint16) *ofType {
	if of := s.types[slices.Index(qtypes[:], qtype)]; of != nil {
		return of
	}
	return &ofType{verdict: verdictFail, found: &found{outcome: resolve.Failure}}
}

// resolves tells whether the target has addresses of any type that are published.
func (s *settlement) resolves() bool {
	return slices.ContainsFunc(s.types[:], func(of *ofType) bool { return of != nil && len(of.addresses) > 0 })
}

// explicitServes tells whether explicit addresses of a type are published, whose target has
// none of it. A rule that publishes nothing at all has none to give to others.
func (s *settlement) explicitServes(r *alias.Rule, of *ofType) bool {
	switch r.Siblings {
	case alias.SiblingsFallback:
		return of.verdict == verdictFail && !of.isNegative() || !s.resolves()
	case alias.SiblingsMerge:
		return of.verdict != verdictFail && s.resolves()
	case alias.SiblingsError, alias.SiblingsOverride:
	}
	return false
}

// settle decides what becomes of a rule, by the table of outcomes: what was answered against
// what is known from before, per type, and both types together where neither has addresses.
func (f *Run) settle(m *alias.Member, r *alias.Rule) *settlement {
	if s := f.settled[r]; s != nil {
		return s
	}
	s := &settlement{}
	f.settled[r] = s
	var types [len(qtypes)]*ofType
	s.negative = true
	for i, qtype := range qtypes {
		if !r.Wants(qtype) {
			continue
		}
		of := &ofType{found: f.find(m, r, qtype)}
		of.known, of.recalled = f.knownOf(m, r, qtype, of.found)
		types[i] = of
		s.knew = s.knew || of.has() || of.known != nil && of.known.Gone
		s.negative = s.negative && of.isNegative()
	}
	for _, of := range types {
		s.fresh = s.fresh || of != nil && of.found.outcome == resolve.Addresses && !s.isOld(of) && f.guardOf(of.found) == nil
	}
	s.types = types
	for i, qtype := range qtypes {
		if of := types[i]; of != nil {
			of.explicit = r.Siblings == alias.SiblingsFallback && len(r.Explicit[qtype]) > 0
			f.judge(r, s, of)
		}
	}
	f.forbid(m, r, s)
	for _, of := range types {
		if of != nil {
			of.publish()
		}
	}
	return s
}

// knownOf gives what is known of a type: what is remembered of the question, or else what the
// last output shows.
func (f *Run) knownOf(m *alias.Member, r *alias.Rule, qtype uint16, g *found) (known *resolve.Known, recalled bool) {
	k := key{r, qtype}
	if known, ok := f.known[k]; ok {
		return known, false
	}
	if g.answer != nil && f.memory.Known != nil {
		if known := f.memory.Known(g.question); !known.IsZero() {
			return known, true
		}
	}
	if f.memory.Published == nil {
		return nil, false
	}
	known = f.memory.Published(m, r, qtype)
	f.known[k] = known
	return known, false
}

// has tells whether there are last good addresses.
func (of *ofType) has() bool { return of.known != nil && len(of.known.Addresses) > 0 }

// isDropped tells whether the last good addresses are not published any more.
func (of *ofType) isDropped() bool { return of.has() && of.known.Dropped }

// isNegative tells whether it is said, with proof, that there are no addresses.
func (of *ofType) isNegative() bool {
	return of.found.outcome == resolve.NoData || of.found.outcome == resolve.NXDomain
}

// isOld tells whether the addresses are old ones that the resolver could not refresh, of a target
// that more is known of: they may be from before what is known, and no guard looks at them.
func (s *settlement) isOld(of *ofType) bool {
	return s.knew && of.found.answer != nil && of.found.answer.Stale
}

func (f *Run) judge(r *alias.Rule, s *settlement, of *ofType) {
	switch of.found.outcome {
	case resolve.Addresses:
		switch {
		case s.isOld(of):
			f.judgeFailure(r, s, of, causeStaleAnswer)
		case f.guardOf(of.found) != nil:
			f.judgeGuarded(r, s, of)
		default:
			of.verdict = verdictWrite
		}
	case resolve.NoData, resolve.NXDomain:
		// What has gone does not come back because somebody has doubts again.
		f.judgeNegative(r, s, of, of.isDropped() || f.confirmed(s, of), !of.isDropped() && f.otherFails(s, of))
	case resolve.WeakNoData:
		if s.fresh && !of.has() {
			of.verdict = verdictEmpty
			return
		}
		f.judgeFailure(r, s, of, causeFailure)
	case resolve.Failure:
		f.judgeFailure(r, s, of, causeFailure)
	}
}

// otherFails tells whether nothing is learned of another type that is asked for.
func (f *Run) otherFails(s *settlement, than *ofType) bool {
	return slices.ContainsFunc(s.types[:], func(of *ofType) bool {
		if of == nil || of == than {
			return false
		}
		o := of.found.outcome
		return o == resolve.Failure || o == resolve.WeakNoData || o == resolve.Addresses && (s.isOld(of) || f.guardOf(of.found) != nil)
	})
}

// isBack tells whether a type that is said to have no addresses was gone together with all of the
// target, which is back: what was confirmed was said of both.
func (s *settlement) isBack(of *ofType) bool {
	return s.fresh && of.known != nil && of.known.Gone && !of.known.Dropped
}

// confirmed tells whether a negative answer is confirmed: by a second resolver, or because
// the same was answered before and is still so after the negative TTL (RFC 2308 §5).
func (f *Run) confirmed(s *settlement, of *ofType) bool {
	a := of.found.answer
	if a == nil || a.Confirmed {
		return true // the zones of the run need no second opinion
	}
	if of.known == nil || s.isBack(of) {
		return false
	}
	missing := &of.known.Missing
	if missing.Outcome != a.Outcome {
		return false
	}
	return missing.Confirmed || f.memory.Now.Sub(missing.First) > time.Duration(missing.NegativeTTL)*time.Second
}

// judgeNegative is for a type that the target is said not to have.
func (f *Run) judgeNegative(r *alias.Rule, s *settlement, of *ofType, confirmed, otherFails bool) {
	switch {
	case !of.has() && (s.fresh || s.knew):
		of.verdict = verdictEmpty
		if !s.fresh {
			of.cause = causeStillGone
		}
	case !of.has():
		of.verdict = verdictFail
	case !s.fresh && otherFails:
		f.judgeFailure(r, s, of, causeOther)
	case !confirmed && (!s.fresh || !f.force):
		of.hold(causeUnconfirmed)
	case s.fresh || r.OnEmpty == alias.EmptyDrop || r.OnEmpty == alias.EmptyHold && f.pastStale(r, of):
		of.drop(causeConfirmed)
	default:
		of.hold(causeConfirmed)
	}
}

// judgeFailure is for a type that nothing was learned about.
func (f *Run) judgeFailure(r *alias.Rule, s *settlement, of *ofType, why cause) {
	switch {
	case f.memory.Strict && of.found.outcome == resolve.Failure && !of.explicit:
		of.verdict, of.cause = verdictFail, why
	case of.has() && of.known.Gone && (of.known.Dropped || why != causeOther && !s.fresh):
		f.judgeNegative(r, s, of, true, false) // it was confirmed before, and nothing else is known since
		of.cause = why
	case !of.has() && s.knew && !of.explicit:
		of.verdict, of.cause = verdictEmpty, why
	case !of.has():
		of.verdict, of.cause = verdictFail, why
	case !f.pastStale(r, of) || r.OnStale == alias.StaleHold:
		of.hold(why)
		of.past = f.pastStale(r, of)
	case r.OnStale == alias.StaleDrop:
		of.drop(why)
		of.past = true
	default:
		of.verdict, of.cause, of.past = verdictFail, why, true
	}
}

// judgeGuarded is for addresses that a guard holds back: all stays as if they had not come.
func (f *Run) judgeGuarded(r *alias.Rule, s *settlement, of *ofType) {
	of.guard = f.guardOf(of.found)
	if of.known == nil {
		of.known = of.guard.known // of another owner with the same target
	}
	switch {
	case of.isDropped() && r.OnEmpty != alias.EmptyKeep:
		of.drop(causeGuard)
	case of.known.Gone && of.has():
		s := *s
		s.fresh = false
		f.judgeNegative(r, &s, of, true, false)
	default:
		of.hold(causeGuard)
	}
	of.cause, of.dropped = causeGuard, false
}

// pastStale tells whether the last good addresses are older than they may get. Those of
// unknown age never are.
func (f *Run) pastStale(r *alias.Rule, of *ofType) bool {
	seen := of.known.Seen
	return !seen.IsZero() && f.memory.Now.Sub(seen) > time.Duration(r.MaxStale)*time.Second
}

func (of *ofType) hold(why cause) { of.verdict, of.cause = verdictHold, why }

func (of *ofType) drop(why cause) { of.verdict, of.cause, of.dropped = verdictEmpty, why, true }

// forbid turns drops back into holds where nothing may be dropped: because the fault seems to
// be ours, or because of what the owner name is for.
func (f *Run) forbid(m *alias.Member, r *alias.Rule, s *settlement) {
	if !slices.ContainsFunc(s.types[:], func(of *ofType) bool { return of != nil && of.dropped }) {
		return
	}
	s.forbidden = f.ours
	if s.forbidden == "" && !f.leaves(m, r, s) {
		switch {
		case m.HostsApex(r.Owner):
			s.forbidden = r.Owner.String() + " is a name server of the zone, and would have no address"
		case m.Uncovers(r):
			s.forbidden = "a wildcard would answer for " + r.Owner.String() + " then"
		}
	}
	if s.forbidden == "" {
		return
	}
	for _, of := range s.types {
		if of != nil && of.dropped && (f.ours == "" || !of.isDropped()) {
			of.verdict, of.dropped = verdictHold, false
			if of.cause != causeFailure && of.cause != causeStaleAnswer {
				of.cause = causeForbidden
			}
			of.past = true
		}
	}
}

// leaves tells whether the owner of a rule has any address left.
func (f *Run) leaves(m *alias.Member, r *alias.Rule, s *settlement) bool {
	for i, qtype := range qtypes {
		of := s.types[i]
		switch {
		case of == nil:
			if m.File.Has(r.Owner, qtype) {
				return true
			}
		case of.verdict == verdictWrite, of.verdict == verdictHold && of.has():
			return true
		case r.Siblings == alias.SiblingsFallback && len(r.Explicit[qtype]) > 0:
			return true
		}
	}
	return false
}

// publish fills in the addresses that are published for the verdict.
func (of *ofType) publish() {
	g := of.found
	switch of.verdict {
	case verdictWrite:
		of.addresses, of.ttl = g.addresses, g.ttl
		// A cache counts TTLs down. Where no estimate is kept, the one that is published is
		// the best that is known, unless what was answered is exact.
		if a := g.answer; a != nil && g.inner == nil && of.known != nil && !of.known.Raised && !of.recalled && !a.Authoritative && a.OriginalTTL == 0 {
			of.ttl = max(of.ttl, min(of.known.TTL, g.way))
		}
	case verdictHold:
		if of.has() {
			of.addresses, of.ttl = of.known.Addresses, min(of.known.TTL, g.way)
		}
	case verdictEmpty, verdictFail:
	}
}
