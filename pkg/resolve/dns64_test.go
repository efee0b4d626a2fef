package resolve

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func addresses(text string) []netip.Addr {
	var list []netip.Addr
	for s := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// The answers of RFC 6052 §2.4 with the addresses of RFC 7050 §2.2.
func TestPref64s(t *testing.T) {
	tests := []struct{ name, addrs, want string }{
		{"none", "", "[]"},
		{"the well-known prefix", "64:ff9b::c000:aa 64:ff9b::c000:ab", "[64:ff9b::/96]"},
		{"/32", "2001:db8:c000:aa::", "[2001:db8::/32]"},
		{"/40", "2001:db8:1c0:0:0:aa00::", "[]"},
		{"/40 around octet 8", "2001:db8:1c0:0:aa::", "[2001:db8:100::/40]"},
		{"/48", "2001:db8:122:c000:0:aa00::", "[2001:db8:122::/48]"},
		{"/56", "2001:db8:122:3c0:0:aa::", "[2001:db8:122:300::/56]"},
		{"/64", "2001:db8:122:344:c0:0:aa00::", "[2001:db8:122:344::/64]"},
		{"/96", "2001:db8:122:344::192.0.0.170", "[2001:db8:122:344::/96]"},
		{"the other address", "2001:db8:c000:ab::", "[2001:db8::/32]"},
		{"two prefixes", "2001:db8:1::c000:aa 2001:db8:2::c000:aa", "[2001:db8:1::/96 2001:db8:2::/96]"},
		{"another address", "2001:db8:1::c000:201", "[]"},
		{"octet 8 is not zero", "2001:db8:122:c000:100:aa00::", "[]"},
		{"the suffix is not zero", "2001:db8:c000:aa::1", "[]"},
		{"IPv4", "192.0.0.170", "[]"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(Pref64s(addresses(tt.addrs))); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Every prefix is found again, whatever its length and bits.
func TestPref64sOfAnyPrefix(t *testing.T) {
	for seed := range 2000 {
		bits := pref64Lengths[seed%len(pref64Lengths)]
		var b [16]byte
		for i := range b {
			b[i] = byte(seed * (i + 7) * 31)
		}
		b[0], b[8] = 0x20, 0
		prefix := netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
		var made []netip.Addr
		for _, v4 := range wellKnown4 {
			made = append(made, behind(prefix, v4))
		}
		if got := Pref64s(made); len(got) != 1 || got[0] != prefix {
			t.Errorf("%v: found %v, want %s", made, got, prefix)
		}
	}
}

// behind puts an IPv4 address behind a prefix as the table of RFC 6052 §2.2 does.
func behind(prefix netip.Prefix, v4 netip.Addr) netip.Addr {
	places := map[int][4]int{
		32: {4, 5, 6, 7}, 40: {5, 6, 7, 9}, 48: {6, 7, 9, 10},
		56: {7, 9, 10, 11}, 64: {9, 10, 11, 12}, 96: {12, 13, 14, 15},
	}
	b, from := prefix.Addr().As16(), v4.As4()
	for i, at := range places[prefix.Bits()] {
		b[at] = from[i]
	}
	return netip.AddrFrom16(b)
}

func TestSettleDNS64(t *testing.T) {
	target := zone.MustParseName("a.test.")
	answer := func(qtype uint16, addrs string) Answer {
		return Answer{Target: target, Type: qtype, Outcome: Addresses, Addresses: addresses(addrs), TTL: 60, Resolver: "udp://192.0.2.53"}
	}
	a := answer(dns.TypeA, "192.0.2.1")
	nodata := Answer{Target: target, Type: dns.TypeA, Outcome: NoData}
	found := []netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")}
	tests := []struct {
		name  string
		a     *Answer
		addrs string
		found []netip.Prefix
		want  string
	}{
		{"made from the A records", &a, "64:ff9b::c000:201", nil, "NODATA neg=0"},
		{"with a prefix that was found", &a, "2001:db8:64::c000:201", found, "NODATA neg=0"},
		{"with one that was not", &a, "2001:db8:64::c000:201", nil, "addresses [2001:db8:64::c000:201] ttl=60"},
		{"A not asked for", nil, "64:ff9b::c000:201", nil, "failure [made by DNS64]"},
		{"no A", &nodata, "64:ff9b::c000:201", nil, "failure [made by DNS64]"},
		{"one address beside it", &a, "2001:db8::1 64:ff9b::c000:201", nil, "addresses [2001:db8::1 64:ff9b::c000:201] ttl=60"},
		{"addresses of two prefixes", &a, "64:ff9b::c000:201 2001:db8:64::c000:201", found, "addresses [64:ff9b::c000:201 2001:db8:64::c000:201] ttl=60"},
	}
	for _, tt := range tests {
		got := answer(dns.TypeAAAA, tt.addrs)
		if p := DNS64Of(&got, tt.found); p.IsValid() {
			got = SettleDNS64(tt.a, got, p)
		}
		if short(got) != tt.want || got.DNS64.IsValid() != (got.Outcome != Addresses) || (got.Detail != "") != (got.Outcome != Addresses) {
			t.Errorf("%s: %s, %q; want %s", tt.name, short(got), got.Detail, tt.want)
		}
	}
	if got := NewPref64(prefixNAT64); got != NewPref64(netip.MustParsePrefix("64:ff9b::/96")) || got.String() != "64:ff9b::/96" {
		t.Errorf("%s is not the prefix it is made of", got)
	}
	if got := NewPref64(netip.Prefix{}); got.IsValid() || got.String() != "" {
		t.Errorf("%q is made of no prefix", got)
	}
	for _, other := range []Answer{a, nodata, {Type: dns.TypeAAAA, Outcome: NoData}, {Type: dns.TypeAAAA, Outcome: Failure}} {
		if p := DNS64Of(&other, found); p.IsValid() {
			t.Errorf("%s lies in %s", short(other), p)
		}
	}
}
