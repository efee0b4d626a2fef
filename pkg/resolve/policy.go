package resolve

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds on the number of addresses in an RRset.
const (
	DefaultMaxAddresses = 64
	// HardMaxAddresses is where BIND 9.18 stops: it refuses a whole zone for an RRset of
	// more records.
	HardMaxAddresses = 100
)

// NetRule is a network that --allow-net or --deny-net names, for some targets or all.
type NetRule struct {
	Prefix netip.Prefix
	Suffix zone.Name // holds for targets at or below it; the zero Name means every target
}

// String is the rule as it is written: PREFIX or PREFIX@SUFFIX.
func (r NetRule) String() string {
	if r.Suffix.IsZero() {
		return r.Prefix.String()
	}
	return r.Prefix.String() + "@" + r.Suffix.String()
}

// NetRuleError is what is wrong with the text of a [NetRule].
type NetRuleError struct {
	Message string
	Hint    string // may be empty
}

// Error is the message.
func (e *NetRuleError) Error() string { return e.Message }

// ParseNetRule reads PREFIX or PREFIX@SUFFIX; an address alone is the network of it. Errors
// are of type [*NetRuleError].
func ParseNetRule(text string) (NetRule, error) {
	network, suffix, has := strings.Cut(text, "@")
	var r NetRule
	if has {
		name, err := zone.ParseName(suffix, zone.Root)
		if err != nil || suffix == "" {
			return NetRule{}, &NetRuleError{
				Message: fmt.Sprintf("%q: %q is no name", text, suffix),
				Hint:    "behind the @ stands the name that the targets lie at or below, as in 10.0.0.0/8@internal.example.",
			}
		}
		r.Suffix = name
	}
	if addr, err := netip.ParseAddr(network); err == nil && addr.Zone() == "" {
		r.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return r, nil
	}
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return NetRule{}, &NetRuleError{
			Message: fmt.Sprintf("%q is no network", text),
			Hint:    "write an address and the length of its prefix, as in 198.51.100.0/24",
		}
	}
	if r.Prefix = prefix.Masked(); r.Prefix != prefix {
		return NetRule{}, &NetRuleError{
			Message: fmt.Sprintf("%q has bits set beyond its prefix", text),
			Hint:    fmt.Sprintf("did you mean %s?", r),
		}
	}
	return r, nil
}

// Policy says which answers may be published.
type Policy struct {
	Deny         []NetRule // refused beyond the default
	Allow        []NetRule // let pass although refused or reported by default
	MaxAddresses int       // 0 means 64; more than 100 counts as 100
}

// Check turns an answer with an address that is refused, or with too many of them, into a
// Failure; the RRset counts as a whole. An answer that passes has in Special those of its
// addresses that only some clients can reach and that no Allow names.
//
// Of the rules of Deny and Allow that hold for the target and the address, the one with the
// longest suffix decides, then the one with the longest prefix, and Deny where they are
// equal. Where there is none, the special-purpose address registries do. An IPv4 address
// inside an IPv6 address is judged too.
func (p Policy) Check(target zone.Name, a Answer) Answer {
	if a.Outcome != Addresses {
		return a
	}
	limit := p.MaxAddresses
	if limit <= 0 {
		limit = DefaultMaxAddresses
	}
	limit = min(limit, HardMaxAddresses)
	if len(a.Addresses) > limit {
		return a.failed(*failuref(ReasonTooManyAddresses, "%s has %d addresses; at most %d are let pass", target, len(a.Addresses), limit))
	}
	a.Special = nil
	for _, addr := range a.Addresses {
		switch v, what := p.judge(target, addr); v {
		case refused:
			return a.failed(*failuref(ReasonRefusedAddress, "%s has %s, %s", target, addr, what))
		case reported:
			a.Special = append(a.Special, addr)
		case passes:
		}
	}
	return a
}

// judge gives the verdict on an address, and what it is if it does not pass.
func (p Policy) judge(target zone.Name, addr netip.Addr) (v verdict, what string) {
	if v, what := p.ruled(target, addr); v != 0 {
		return v, what
	}
	v = passes
	if b := blockOf(addr); b != nil {
		v, what = b.verdict, b.what
	}
	for _, inner := range embedded(addr) {
		iv, iwhat := p.ruled(target, inner)
		if iv == 0 {
			if b := blockOf(inner); b != nil {
				iv, iwhat = b.verdict, b.what
			}
		}
		if iv > v {
			v, what = iv, fmt.Sprintf("which carries %s, %s", inner, iwhat)
		}
	}
	return v, what
}

// ruled gives the verdict of Deny and Allow, or zero where no rule holds.
func (p Policy) ruled(target zone.Name, addr netip.Addr) (verdict, string) {
	deny, denies := closest(p.Deny, target, addr)
	allow, allows := closest(p.Allow, target, addr)
	switch {
	case denies && (!allows || deny.compare(allow) >= 0):
		return refused, "an address in the denied network " + deny.String()
	case allows:
		return passes, ""
	}
	return 0, ""
}

// closest finds the rule that decides among those that hold for a target and an address.
func closest(rules []NetRule, target zone.Name, addr netip.Addr) (best NetRule, found bool) {
	for _, r := range rules {
		if !r.Prefix.Contains(addr) || !r.Suffix.IsZero() && !target.IsIn(r.Suffix) {
			continue
		}
		if !found || r.compare(best) > 0 {
			best, found = r, true
		}
	}
	return best, found
}

// compare is above 0 where r decides over other. Both hold for one target and one address,
// so that the longer suffix has more labels.
func (r NetRule) compare(other NetRule) int {
	return cmp.Or(cmp.Compare(r.Suffix.Labels(), other.Suffix.Labels()), cmp.Compare(r.Prefix.Bits(), other.Prefix.Bits()))
}
