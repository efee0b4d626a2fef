package resolve

import (
	"net/netip"
	"sync"
)

// verdict is what becomes of an answer with an address of a block when neither --deny-net
// nor --allow-net says otherwise. The zero verdict is none: every block needs one.
type verdict uint8

const (
	passes   verdict = iota + 1 // as any address does
	reported                    // passes with a warning: only some clients can reach it
	refused                     // means something else on each machine, or nothing
)

// reach says whether a registry calls a block globally reachable (RFC 6890 §2.2.1).
type reach uint8

const (
	reachNo reach = iota + 1
	reachYes
	reachUnsaid // not applicable, or empty for a block that was given back
)

// block is a part of the address space with a purpose of its own.
type block struct {
	prefix  netip.Prefix
	name    string // as registered
	rfc     string
	reach   reach
	verdict verdict
	what    string // an address of it, for messages; empty where it passes
}

// registryDate is the version of both special-purpose address registries that registry4 and
// registry6 hold, see https://www.iana.org/assignments/iana-ipv4-special-registry/ and
// https://www.iana.org/assignments/iana-ipv6-special-registry/.
const registryDate = "2025-10-09"

// Addresses for documentation pass without a word: they are in the zones of tests and
// examples, where a refusal would hide what the example shows, and a provider's answer
// never has them.

// registry4 is the IANA IPv4 Special-Purpose Address Registry.
var registry4 = sync.OnceValue(func() []block {
	return []block{
		{pfx("0.0.0.0/8"), "This network", "RFC 791", reachNo, refused, `a "this network" address`},
		{pfx("0.0.0.0/32"), "This host on this network", "RFC 1122", reachNo, refused, "the unspecified address"},
		{pfx("10.0.0.0/8"), "Private-Use", "RFC 1918", reachNo, reported, "a private address"},
		{pfx("100.64.0.0/10"), "Shared Address Space", "RFC 6598", reachNo, reported, "an address of carrier-grade NAT"},
		{pfx("127.0.0.0/8"), "Loopback", "RFC 1122", reachNo, refused, "a loopback address"},
		{pfx("169.254.0.0/16"), "Link Local", "RFC 3927", reachNo, refused, "a link-local address"},
		{pfx("172.16.0.0/12"), "Private-Use", "RFC 1918", reachNo, reported, "a private address"},
		{pfx("192.0.0.0/24"), "IETF Protocol Assignments", "RFC 6890", reachNo, refused, "an address for protocol assignments"},
		{pfx("192.0.0.0/29"), "IPv4 Service Continuity Prefix", "RFC 7335", reachNo, refused, "an address for protocol assignments"},
		{pfx("192.0.0.8/32"), "IPv4 dummy address", "RFC 7600", reachNo, refused, "an address for protocol assignments"},
		// The nearest host of a kind answers there, which is never the target of an ALIAS.
		{pfx("192.0.0.9/32"), "Port Control Protocol Anycast", "RFC 7723", reachYes, refused, "an address for protocol assignments"},
		{pfx("192.0.0.10/32"), "Traversal Using Relays around NAT Anycast", "RFC 8155", reachYes, refused, "an address for protocol assignments"},
		{pfx("192.0.0.170/32"), "NAT64/DNS64 Discovery", "RFC 8880", reachNo, refused, "an address for protocol assignments"},
		{pfx("192.0.0.171/32"), "NAT64/DNS64 Discovery", "RFC 8880", reachNo, refused, "an address for protocol assignments"},
		{pfx("192.0.2.0/24"), "Documentation (TEST-NET-1)", "RFC 5737", reachNo, passes, ""},
		{pfx("192.31.196.0/24"), "AS112-v4", "RFC 7535", reachYes, passes, ""},
		{pfx("192.52.193.0/24"), "AMT", "RFC 7450", reachYes, passes, ""},
		{pfx("192.88.99.0/24"), "Deprecated (6to4 Relay Anycast)", "RFC 7526", reachUnsaid, passes, ""},
		{pfx("192.88.99.2/32"), "6a44-relay anycast address", "RFC 6751", reachNo, reported, "an address for relays"},
		{pfx("192.168.0.0/16"), "Private-Use", "RFC 1918", reachNo, reported, "a private address"},
		{pfx("192.175.48.0/24"), "Direct Delegation AS112 Service", "RFC 7534", reachYes, passes, ""},
		{pfx("198.18.0.0/15"), "Benchmarking", "RFC 2544", reachNo, reported, "an address for benchmarks"},
		{pfx("198.51.100.0/24"), "Documentation (TEST-NET-2)", "RFC 5737", reachNo, passes, ""},
		{pfx("203.0.113.0/24"), "Documentation (TEST-NET-3)", "RFC 5737", reachNo, passes, ""},
		{pfx("240.0.0.0/4"), "Reserved", "RFC 1112", reachNo, refused, "a reserved address"},
		{pfx("255.255.255.255/32"), "Limited Broadcast", "RFC 8190", reachNo, refused, "the broadcast address"},
	}
})

// registry6 is the IANA IPv6 Special-Purpose Address Registry.
var registry6 = sync.OnceValue(func() []block {
	return []block{
		{pfx("::1/128"), "Loopback Address", "RFC 4291", reachNo, refused, "a loopback address"},
		{pfx("::/128"), "Unspecified Address", "RFC 4291", reachNo, refused, "the unspecified address"},
		{pfx("::ffff:0:0/96"), "IPv4-mapped Address", "RFC 4291", reachNo, refused, "an IPv4-mapped address"},
		{pfx("64:ff9b::/96"), "IPv4-IPv6 Translat.", "RFC 6052", reachYes, passes, ""},
		{pfx("64:ff9b:1::/48"), "IPv4-IPv6 Translat.", "RFC 8215", reachNo, reported, "an address of a local translator"},
		{pfx("100::/64"), "Discard-Only Address Block", "RFC 6666", reachNo, refused, "a discard-only address"},
		{pfx("100:0:0:1::/64"), "Dummy IPv6 Prefix", "RFC 9780", reachNo, reported, "a dummy address"},
		{pfx("2001::/23"), "IETF Protocol Assignments", "RFC 2928", reachNo, reported, "an address for protocol assignments"},
		{pfx("2001::/32"), "TEREDO", "RFC 4380", reachUnsaid, passes, ""},
		{pfx("2001:1::1/128"), "Port Control Protocol Anycast", "RFC 7723", reachYes, passes, ""},
		{pfx("2001:1::2/128"), "Traversal Using Relays around NAT Anycast", "RFC 8155", reachYes, passes, ""},
		{pfx("2001:1::3/128"), "DNS-SD Service Registration Protocol Anycast", "RFC 9665", reachYes, passes, ""},
		{pfx("2001:2::/48"), "Benchmarking", "RFC 5180", reachNo, reported, "an address for benchmarks"},
		{pfx("2001:3::/32"), "AMT", "RFC 7450", reachYes, passes, ""},
		{pfx("2001:4:112::/48"), "AS112-v6", "RFC 7535", reachYes, passes, ""},
		{pfx("2001:10::/28"), "Deprecated (previously ORCHID)", "RFC 4843", reachUnsaid, reported, "an identifier that is not routed"},
		{pfx("2001:20::/28"), "ORCHIDv2", "RFC 7343", reachYes, passes, ""},
		{pfx("2001:30::/28"), "Drone Remote ID Protocol Entity Tags (DETs) Prefix", "RFC 9374", reachYes, passes, ""},
		{pfx("2001:db8::/32"), "Documentation", "RFC 3849", reachNo, passes, ""},
		{pfx("2002::/16"), "6to4", "RFC 3056", reachUnsaid, passes, ""},
		{pfx("2620:4f:8000::/48"), "Direct Delegation AS112 Service", "RFC 7534", reachYes, passes, ""},
		{pfx("3fff::/20"), "Documentation", "RFC 9637", reachNo, passes, ""},
		{pfx("5f00::/16"), "Segment Routing (SRv6) SIDs", "RFC 9602", reachNo, reported, "a segment identifier"},
		{pfx("fc00::/7"), "Unique-Local", "RFC 4193", reachNo, reported, "a unique local address"},
		{pfx("fe80::/10"), "Link-Local Unicast", "RFC 4291", reachNo, refused, "a link-local address"},
	}
})

// unregistered are the blocks that other documents give a purpose.
var unregistered = sync.OnceValue(func() []block {
	return []block{
		{pfx("224.0.0.0/4"), "Multicast", "RFC 5771", reachNo, refused, "a multicast address"},
		{pfx("::/96"), "IPv4-compatible Address", "RFC 4291", reachNo, refused, "an IPv4-compatible address"},
		{pfx("fec0::/10"), "Site-Local", "RFC 3879", reachNo, refused, "a site-local address"},
		{pfx("ff00::/8"), "Multicast", "RFC 4291", reachNo, refused, "a multicast address"},
	}
})

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// blockOf is the smallest block that an address lies in, or nil for an ordinary address.
func blockOf(addr netip.Addr) *block {
	tables := [...][]block{registry4(), unregistered()}
	if addr.Is6() {
		tables[0] = registry6()
	}
	var found *block
	for _, table := range tables {
		for i := range table {
			if b := &table[i]; b.prefix.Contains(addr) && (found == nil || b.prefix.Bits() > found.prefix.Bits()) {
				found = b
			}
		}
	}
	return found
}

// Prefixes whose addresses carry an IPv4 address that packets are sent on to.
var (
	prefix6to4       = pfx("2002::/16")
	prefixTeredo     = pfx("2001::/32")
	prefixNAT64      = pfx("64:ff9b::/96")
	prefixLocalNAT64 = pfx("64:ff9b:1::/48")
)

// embedded gives the IPv4 addresses that an IPv6 address carries. A client that sends to it
// reaches them, so that they are judged as if they stood in an A record. Those of
// IPv4-mapped and IPv4-compatible addresses are left out: no such address passes.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	switch {
	case prefix6to4.Contains(addr): // RFC 3056 §2
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case prefixTeredo.Contains(addr): // RFC 4380 §4: the server, and the client inverted
		return []netip.Addr{
			netip.AddrFrom4([4]byte(b[4:8])),
			netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}),
		}
	case prefixNAT64.Contains(addr):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:16]))}
	case prefixLocalNAT64.Contains(addr):
		return []netip.Addr{localNAT64(addr)}
	}
	return nil
}

// localNAT64 gives the IPv4 address in one of 64:ff9b:1::/48. Which prefix of it a network
// uses cannot be seen from outside (RFC 8215 §5): the shortest that leaves the suffix empty
// counts, as RFC 6052 §2.2 wants it empty.
func localNAT64(addr netip.Addr) netip.Addr {
	for _, bits := range [...]int{48, 56, 64} {
		if v4, rest := embeddedAt(addr, bits); rest == 0 {
			return v4
		}
	}
	v4, _ := embeddedAt(addr, 96)
	return v4
}
