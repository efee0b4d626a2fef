package flatten

import (
	"net/netip"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// Remember gives what is to be remembered of the questions of a zone once it is published. What
// several owners, of several zones even, have of one question is remembered as long as one of
// them publishes it.
func (f *Run) Remember(m *alias.Member) map[resolve.Question]*resolve.Known {
	if f.remembered == nil {
		f.rememberAll()
	}
	all := map[resolve.Question]*resolve.Known{}
	f.each(m, func(_ *settlement, of *ofType) {
		if known := f.remembered[of.found.question]; !known.IsZero() {
			all[of.found.question] = known
		}
	})
	return all
}

func (f *Run) rememberAll() {
	f.remembered = map[resolve.Question]*resolve.Known{}
	for _, m := range f.members {
		f.each(m, func(s *settlement, of *ofType) {
			q, known := of.found.question, f.remember(s, of)
			if other := f.remembered[q]; other != nil {
				known = joined(other, known)
			}
			f.remembered[q] = known
		})
	}
}

// each calls do with each type of the rules of a zone whose question is its own.
func (f *Run) each(m *alias.Member, do func(*settlement, *ofType)) {
	for i := range m.Rules {
		r := &m.Rules[i]
		if r.Repeats {
			continue
		}
		s := f.settle(m, r)
		for _, of := range s.types {
			if of != nil && of.found.answer != nil && of.found.inner == nil {
				do(s, of)
			}
		}
	}
}

// joined is what is known after two owners have looked at one answer.
func joined(a, b *resolve.Known) *resolve.Known {
	if len(a.Addresses) == 0 {
		a, b = b, a
	}
	k := *a
	k.Gone = a.Gone && b.Gone
	k.Dropped = a.Dropped && (b.Dropped || len(b.Addresses) == 0)
	if k.Missing.Outcome == 0 && len(b.Addresses) == 0 {
		k.Missing = b.Missing
	}
	return &k
}

// remember gives what is known of a question after its answer.
func (f *Run) remember(s *settlement, of *ofType) *resolve.Known {
	var known resolve.Known
	if of.known != nil {
		known = *of.known
	}
	a, now := of.found.answer, f.memory.Now
	switch {
	case a.Outcome == resolve.Addresses && a.Stale:
	case a.Outcome == resolve.Addresses && of.guard != nil:
		known.Held, known.Missing = of.guard.held, resolve.Missing{}
	case a.Outcome == resolve.Addresses:
		if !slices.Equal(known.Addresses, a.Addresses) {
			known.Earlier = earlier(known.Earlier, known.Addresses, a.Addresses)
			known.Since = now
		}
		known.Addresses, known.TTL, known.Chain = a.Addresses, a.TTL, a.Chain
		known.Resolver, known.Seen = a.Resolver, now
		known.Missing, known.Held, known.Gone, known.Dropped = resolve.Missing{}, resolve.Held{}, false, false
	case (a.Outcome == resolve.NoData || a.Outcome == resolve.NXDomain) && of.known != nil:
		f.missed(&known, s, of)
		if f.ours == "" {
			known.Gone = known.Gone || s.negative && known.Missing.Confirmed
		}
		if of.dropped && s.fresh {
			// The target goes on without the type: there is nothing more to say of it.
			known.Earlier, known.Addresses = earlier(known.Earlier, known.Addresses, nil), nil
			known.Missing = resolve.Missing{}
		}
	}
	switch {
	case len(known.Addresses) == 0, of.verdict == verdictHold:
		known.Dropped = false
	case of.dropped:
		known.Dropped = true
	}
	return &known
}

// missed adds a negative answer to what is known.
func (f *Run) missed(known *resolve.Known, s *settlement, of *ofType) {
	a, now := of.found.answer, f.memory.Now
	if s.isBack(of) {
		known.Missing, known.Gone = resolve.Missing{}, false
	}
	if known.Missing.Outcome != a.Outcome {
		known.Missing = resolve.Missing{Outcome: a.Outcome, First: now, NegativeTTL: a.NegativeTTL, Resolver: a.Resolver}
	}
	known.Missing.Last, known.Held = now, resolve.Held{}
	if f.ours == "" { // where the fault may be on this side, nothing is learned
		known.Missing.Confirmed = f.confirmed(s, of)
	}
}

// Sightings gives what is to be remembered of the questions of a zone that is not published:
// what was seen counts towards a confirmation or the end of a guard, and the last good
// addresses stay those that are published.
func (f *Run) Sightings(m *alias.Member) map[resolve.Question]*resolve.Known {
	all := map[resolve.Question]*resolve.Known{}
	f.each(m, func(s *settlement, of *ofType) {
		if of.known == nil {
			return
		}
		q, known := of.found.question, f.sighted(s, of)
		if other := all[q]; other != nil {
			known = joined(other, known)
		}
		if !known.IsZero() {
			all[q] = known
		}
	})
	return all
}

// sighted is remember for an answer that is not published.
func (f *Run) sighted(s *settlement, of *ofType) *resolve.Known {
	known := *of.known
	a := of.found.answer
	switch {
	case a.Outcome == resolve.Addresses && a.Stale:
	case a.Outcome == resolve.Addresses && of.guard != nil:
		known.Held, known.Missing = of.guard.held, resolve.Missing{}
	case a.Outcome == resolve.Addresses:
		if known.Missing = (resolve.Missing{}); slices.Equal(known.Addresses, a.Addresses) {
			known.Held, known.Resolver, known.Seen = resolve.Held{}, a.Resolver, f.memory.Now
		}
	case a.Outcome == resolve.NoData || a.Outcome == resolve.NXDomain:
		f.missed(&known, s, of)
	}
	return &known
}

// earlier puts a set before those that were before it. A set that is published again is no
// earlier one.
func earlier(sets [][]netip.Addr, last, published []netip.Addr) [][]netip.Addr {
	var all [][]netip.Addr
	if len(last) > 0 {
		all = append(all, last)
	}
	for _, set := range sets {
		if len(all) < resolve.MaxEarlier && !slices.Equal(set, last) && !slices.Equal(set, published) {
			all = append(all, set)
		}
	}
	return all
}

// Doubtful gives the questions whose answer takes addresses away that are known from before,
// and that a second resolver may confirm.
func (f *Run) Doubtful() []resolve.Question {
	var list []resolve.Question
	seen := map[resolve.Question]bool{}
	for _, m := range f.members {
		f.each(m, func(s *settlement, of *ofType) {
			if of.isNegative() && of.has() && !f.confirmed(s, of) && !seen[of.found.question] {
				seen[of.found.question] = true
				list = append(list, of.found.question)
			}
		})
	}
	return list
}
