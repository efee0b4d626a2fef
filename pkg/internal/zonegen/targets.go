package zonegen

import (
	"io"
	"net/netip"
	"strconv"
)

// TargetOrigin is the zone name of [Targets].
const TargetOrigin = "target.test."

// Aliases writes a zone of the name [Origin] with the given number of ALIAS
// records and next to nothing else: a0 to t0.target.test. and so on, as
// [AliasOwner] and [TargetName] have it. [Targets] has the addresses.
func Aliases(w io.Writer, aliases int) error {
	t := newText(w, 0)
	t.top(Origin)
	for i := range aliases {
		t.put("a", strconv.Itoa(i), " ALIAS ", TargetName(i), "\n")
	}
	return t.out.Flush()
}

// Targets writes the zone [TargetOrigin], for a name server that answers for
// the targets of [Aliases]: two A records and one AAAA record each.
func Targets(w io.Writer, targets int) error {
	t := newText(w, 0)
	t.top(TargetOrigin)
	for i := range targets {
		for _, address := range TargetAddresses(i) {
			record := " A "
			if address.Is6() {
				record = " AAAA "
			}
			t.put("t", strconv.Itoa(i), record, address.String(), "\n")
		}
	}
	return t.out.Flush()
}

// top writes what a zone has to have: the SOA, and a name server with its
// address 192.0.2.1.
func (t *text) top(origin string) {
	t.put("$ORIGIN ", origin, "\n$TTL 300\n",
		"@ IN SOA ns hostmaster 2026112201 7200 900 1209600 300\n@ IN NS ns\nns IN A 192.0.2.1\n")
}

// AliasOwner is the owner name of ALIAS record n of [Aliases], from 0.
func AliasOwner(n int) string { return "a" + strconv.Itoa(n) + "." + Origin }

// TargetName is the target of ALIAS record n of [Aliases], from 0.
func TargetName(n int) string { return "t" + strconv.Itoa(n) + "." + TargetOrigin }

// TargetAddresses gives the addresses of target n of [Targets], from 0: two
// IPv4 addresses, then an IPv6 address that no other target has. Up to target
// 129,031 the two together are those of no other target either.
func TargetAddresses(n int) []netip.Addr {
	first, second, third := byte(1+n%254), byte(1+n/254%254), n/254/254%2
	v4 := netip.AddrFrom4([4]byte{198, 51, 100, second})
	if third == 1 {
		v4 = netip.AddrFrom4([4]byte{203, 0, 113, second})
	}
	v6 := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}
	return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, first}), v4, netip.AddrFrom16(v6)}
}
