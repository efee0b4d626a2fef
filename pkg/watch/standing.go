package watch

import (
	"net/netip"
	"unique"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// standing is the answer to the question of a target in little room: there is one for each, and
// most have nothing but addresses and TTLs. It never changes.
type standing struct {
	Outcome       resolve.Outcome
	Reason        resolve.Reason
	Stale         bool
	Authoritative bool
	Confirmed     bool
	SubnetUnused  bool
	TTL           uint32
	addressTTL    uint32
	originalTTL   uint32
	negativeTTL   uint32
	Addresses     []netip.Addr
	resolver      unique.Handle[string]
	rare          *rare // nil: the name of the target owns the addresses, and there is no more to tell
}

// rare is what few answers have.
type rare struct {
	chain    []resolve.Link
	last     zone.Name
	special  []netip.Addr
	dns64    resolve.Pref64
	detail   string
	attempts []resolve.Attempt
}

func stand(a *resolve.Answer) *standing {
	s := &standing{
		Outcome: a.Outcome, Reason: a.Reason, Stale: a.Stale, Authoritative: a.Authoritative, Confirmed: a.Confirmed,
		SubnetUnused: a.SubnetUnused, TTL: a.TTL, addressTTL: a.AddressTTL, originalTTL: a.OriginalTTL, negativeTTL: a.NegativeTTL,
		Addresses: a.Addresses, resolver: unique.Make(a.Resolver),
	}
	if len(a.Chain) > 0 || a.Last != a.Target || len(a.Special) > 0 || a.DNS64 != (resolve.Pref64{}) || a.Detail != "" || len(a.Attempts) > 0 {
		s.rare = &rare{a.Chain, a.Last, a.Special, a.DNS64, a.Detail, a.Attempts}
	}
	return s
}

// fails tells whether it settles nothing.
func (s *standing) fails() bool { return settlesNothing(s.Outcome, s.Stale) }

// last gives the last answer in full, or nil.
func (t *target) last() *resolve.Answer {
	s := t.answer
	if s == nil {
		return nil
	}
	a := &resolve.Answer{
		Target: t.question.Target, Type: t.question.Type, Outcome: s.Outcome, Reason: s.Reason, Stale: s.Stale,
		Authoritative: s.Authoritative, Confirmed: s.Confirmed, SubnetUnused: s.SubnetUnused, Last: t.question.Target,
		Addresses: s.Addresses, TTL: s.TTL, AddressTTL: s.addressTTL, OriginalTTL: s.originalTTL, NegativeTTL: s.negativeTTL,
		Resolver: s.resolver.Value(),
	}
	if r := s.rare; r != nil {
		a.Chain, a.Last, a.Special, a.DNS64, a.Detail, a.Attempts = r.chain, r.last, r.special, r.dns64, r.detail, r.attempts
	}
	return a
}
