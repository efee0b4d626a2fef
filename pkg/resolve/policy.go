package resolve

import (
	"net/netip"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds on the number of addresses in an RRset.
const (
	DefaultMaxAddresses = 64
	// HardMaxAddresses is where BIND 9.18 stops: it refuses a whole zone for an RRset of
	// more records.
	HardMaxAddresses = 100
)

// Policy says which answers may be published.
type Policy struct {
	Deny         []netip.Prefix // refused beyond the default
	Allow        []netip.Prefix // let pass although refused by default
	MaxAddresses int            // 0 means 64; more than 100 counts as 100
}

// special names a part of the address space.
type special struct {
	prefix netip.Prefix
	what   string
}

// refused are the addresses that no client elsewhere can reach.
var refused = []special{
	{netip.MustParsePrefix("0.0.0.0/8"), `a "this network" address`},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "an address for protocol assignments"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "an IPv4-mapped address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("::/96"), "an unspecified or IPv4-compatible address"},
	{netip.MustParsePrefix("100::/64"), "a discard-only address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("fec0::/10"), "a site-local address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
}

// reported are the addresses that some clients can reach: they pass, and are told of.
var reported = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("fc00::/7"),
}

// Check turns an answer with an address that is refused, or with too many of them, into a
// Failure; the RRset counts as a whole. An answer that passes has its private, ULA and CGNAT
// addresses in Special. The longest prefix of Deny and Allow decides, Deny where they are
// equally long, and the default refusals where none contains the address.
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
		if what := p.refuses(addr); what != "" {
			return a.failed(*failuref(ReasonRefusedAddress, "%s has %s, %s", target, addr, what))
		}
		if isReported(addr) {
			a.Special = append(a.Special, addr)
		}
	}
	return a
}

// refuses says what is wrong with an address, or nothing.
func (p Policy) refuses(addr netip.Addr) string {
	deny, allow := longest(p.Deny, addr), longest(p.Allow, addr)
	switch {
	case deny >= 0 && deny >= allow:
		return "an address in a denied network"
	case allow >= 0:
		return ""
	}
	for _, s := range refused {
		if s.prefix.Contains(addr) {
			return s.what
		}
	}
	return ""
}

// longest is the length of the longest prefix that contains addr, or -1.
func longest(prefixes []netip.Prefix, addr netip.Addr) int {
	bits := -1
	for _, p := range prefixes {
		if p.Contains(addr) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

func isReported(addr netip.Addr) bool {
	for _, p := range reported {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
