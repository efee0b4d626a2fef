package resolve

import (
	"net/netip"
	"slices"
	"unique"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// ipv4only is a name that has A records alone, so that an AAAA of it is made by a DNS64
// (RFC 7050 §3).
var ipv4only = zone.MustParseName("ipv4only.arpa.")

// wellKnown4 are the addresses of ipv4only.arpa (RFC 7050 §2.2).
var wellKnown4 = [...]netip.Addr{netip.MustParseAddr("192.0.0.170"), netip.MustParseAddr("192.0.0.171")}

// pref64Lengths are the lengths of a prefix that IPv4 addresses are put behind, from short to
// long (RFC 6052 §2.2).
var pref64Lengths = [...]int{32, 40, 48, 56, 64, 96}

// embeddedAt gives the IPv4 address behind a prefix of some bits, and all bits around it that
// have to be zero: octet 8 and the suffix (RFC 6052 §2.2).
func embeddedAt(addr netip.Addr, bits int) (netip.Addr, byte) {
	b := addr.As16()
	const octetU = 8
	var v4 [4]byte
	at := bits / 8
	for i := range v4 {
		if at == octetU {
			at++
		}
		v4[i] = b[at]
		at++
	}
	rest := byte(0)
	if bits < 96 {
		rest = b[octetU]
	}
	for ; at < len(b); at++ {
		rest |= b[at]
	}
	return netip.AddrFrom4(v4), rest
}

// Pref64s finds the prefixes that a DNS64 puts before IPv4 addresses in the AAAA records it
// gives for ipv4only.arpa. One in which the well-known addresses stand at several places says
// nothing about its prefix, and the one with the other address does (RFC 7050 §3).
func Pref64s(addrs []netip.Addr) []netip.Prefix {
	var found []netip.Prefix
	for _, addr := range addrs {
		if !addr.Is6() {
			continue
		}
		var here []netip.Prefix
		for _, bits := range pref64Lengths {
			if v4, rest := embeddedAt(addr, bits); rest == 0 && slices.Contains(wellKnown4[:], v4) {
				here = append(here, netip.PrefixFrom(addr, bits).Masked())
			}
		}
		if len(here) == 1 && !slices.Contains(found, here[0]) {
			found = append(found, here[0])
		}
	}
	return found
}

// Pref64 is the prefix of a DNS64; the zero Pref64 is none. It is as small as a pointer, for
// the many answers of a run.
type Pref64 struct {
	prefix unique.Handle[netip.Prefix]
}

// NewPref64 makes a Pref64 of a prefix; the zero Prefix gives the zero Pref64.
func NewPref64(p netip.Prefix) Pref64 {
	if !p.IsValid() {
		return Pref64{}
	}
	return Pref64{unique.Make(p)}
}

// IsValid tells whether there is one.
func (p Pref64) IsValid() bool { return p != Pref64{} }

// String is the prefix as RFC 4291 §2.3 writes it, empty without one.
func (p Pref64) String() string {
	if !p.IsValid() {
		return ""
	}
	return p.prefix.Value().String()
}

// DNS64Of gives the prefix that all addresses of an AAAA answer lie in because a DNS64 made
// them: 64:ff9b::/96 or one of those found out. Any other answer gives the zero Prefix.
func DNS64Of(aaaa *Answer, found []netip.Prefix) netip.Prefix {
	if aaaa.Type != dns.TypeAAAA || aaaa.Outcome != Addresses {
		return netip.Prefix{}
	}
	whole := func(p netip.Prefix) bool {
		return !slices.ContainsFunc(aaaa.Addresses, func(a netip.Addr) bool { return !p.Contains(a) })
	}
	if whole(prefixNAT64) {
		return prefixNAT64
	}
	if i := slices.IndexFunc(found, whole); i >= 0 {
		return found[i]
	}
	return netip.Prefix{}
}

// SettleDNS64 judges an AAAA answer whose addresses lie in the prefix of a DNS64, as
// [DNS64Of] gives it: they hold only in networks with its NAT64. Beside A addresses the
// target has no AAAA; without them nothing is known. a is the answer for A of the same
// target, or nil if it was not asked for.
func SettleDNS64(a *Answer, aaaa Answer, prefix netip.Prefix) Answer {
	settled := aaaa.failed(*failuref(ReasonDNS64, "the AAAA records lie in %s: a DNS64 made them from A records", prefix))
	settled.DNS64 = NewPref64(prefix)
	if a != nil && a.Outcome == Addresses {
		settled.Outcome, settled.Reason = NoData, 0
	}
	return settled
}
