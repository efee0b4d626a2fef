// Package zonegen writes large zones for benchmarks and property tests: one
// like those that people keep by hand, with ALIAS lines in it, one like that of
// a top-level domain, one of ALIAS lines alone, and the addresses that the ALIAS
// targets have.
//
// The same arguments give the same bytes. Every zone loads without a complaint
// in BIND, NSD and Knot once [Plain] has put address records in place of the
// ALIAS lines: no duplicates, no CNAME beside other data, hosts for all name
// servers. Names and addresses are those reserved for documentation.
package zonegen

import (
	"bufio"
	"io"
	"math/rand/v2"
	"strconv"
)

// Origin is the zone name of [Realistic], [Plain] and [Aliases], TLD that of
// [Delegations].
const (
	Origin = "example.com."
	TLD    = "test."
)

// The seeds keep the zones apart and are otherwise of no meaning.
const (
	seedRealistic = iota + 1
	seedWorld
	seedDelegations
)

// Realistic writes a zone of the given number of records, some 45 bytes each,
// among them the given number of ALIAS records. The targets are
// t0.cdn.example.net. and so on, each used once; [World] has their addresses.
// A zone has at least 16 records beside its ALIAS records, whatever is asked.
func Realistic(w io.Writer, records, aliases int) error {
	return realistic(w, records, aliases, false)
}

// Plain writes the zone of [Realistic] with an A record in place of each ALIAS
// record, for tools that refuse those.
func Plain(w io.Writer, records, aliases int) error {
	return realistic(w, records, aliases, true)
}

// World writes the answers for the targets of [Realistic], as a file of
// absolute names: one to four A records each, none to two AAAA records, and
// the SOA of example.net.
func World(w io.Writer, aliases int) error {
	return world(w, aliases, false)
}

// ChangedWorld writes the answers of [World] with other addresses for the
// targets t0, t5, t10 and so on: few enough that no guard takes them for a
// fault.
func ChangedWorld(w io.Writer, aliases int) error {
	return world(w, aliases, true)
}

func world(w io.Writer, aliases int, changed bool) error {
	t := newText(w, seedWorld)
	t.put("example.net. 3600 IN SOA ns.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n")
	for i := range aliases {
		name := "t" + strconv.Itoa(i) + ".cdn.example.net."
		ttl := []string{"20", "60", "300", "3600"}[t.rnd.IntN(4)]
		v4 := t.ipv4s(1 + t.rnd.IntN(4))
		if changed && i%5 == 0 {
			v4 = []string{"198.51.100.255"}
		}
		for _, address := range v4 {
			t.put(name, " ", ttl, " IN A ", address, "\n")
		}
		for _, address := range t.ipv6s(t.rnd.IntN(3)) {
			t.put(name, " ", ttl, " IN AAAA ", address, "\n")
		}
	}
	return t.out.Flush()
}

// Delegations writes a zone like that of a top-level domain: delegations to
// two or three name servers each, most of them at hosters outside the zone,
// the others with glue, and DS records for some.
func Delegations(w io.Writer, records int) error {
	t := newText(w, seedDelegations)
	t.put("$ORIGIN test.\n$TTL 86400\n",
		"@ IN SOA ns1.nic.test. hostmaster.nic.test. 2026112201 1800 900 604800 3600\n",
		"@ IN NS ns1.nic.test.\n@ IN NS ns2.nic.test.\n",
		"ns1.nic IN A 192.0.2.1\nns1.nic IN AAAA 2001:db8::1\nns2.nic IN A 198.51.100.1\n")
	written := 6
	for i := 0; written < records; i++ {
		owner := words[t.rnd.IntN(len(words))] + words[t.rnd.IntN(len(words))] + strconv.Itoa(i)
		servers := min(2+t.rnd.IntN(2), records-written)
		if t.chance(70) {
			hoster := "hoster" + strconv.Itoa(t.rnd.IntN(5000)) + ".example.net."
			for n := range servers {
				t.put(owner, " IN NS ns", strconv.Itoa(n+1), ".", hoster, "\n")
			}
			written += servers
		} else if written+2*servers <= records {
			for n, address := range t.ipv4s(servers) {
				host := "ns" + strconv.Itoa(n+1) + "." + owner
				t.put(owner, " IN NS ", host, "\n", host, " IN A ", address, "\n")
			}
			written += 2 * servers
		} else {
			continue
		}
		if written < records && t.chance(15) {
			t.put(owner, " IN DS ", t.number(65536), " 13 2 ", t.hex(64), "\n")
			written++
		}
	}
	return t.out.Flush()
}

var words = []string{
	"alpha", "apple", "atlas", "birch", "blue", "cedar", "cloud", "coral", "delta", "dune",
	"echo", "ember", "fern", "fjord", "flint", "forest", "glade", "harbor", "hill", "iris",
	"jade", "lake", "lark", "maple", "mesa", "north", "oak", "ocean", "pine", "quartz",
	"river", "rose", "sage", "sierra", "stone", "sun", "tide", "vale", "willow", "zephyr",
}

// text is a writer with a source of randomness. Errors of the writer come out
// at the flush.
type text struct {
	out *bufio.Writer
	rnd *rand.Rand
}

func newText(w io.Writer, seed uint64) *text {
	return &text{bufio.NewWriterSize(w, 1<<20), rand.New(rand.NewPCG(seed, 0))}
}

func (t *text) put(parts ...string) {
	for _, part := range parts {
		_, _ = t.out.WriteString(part) // bufio keeps the error for Flush
	}
}

// chance is true in so many cases of a hundred.
func (t *text) chance(percent int) bool { return t.rnd.IntN(100) < percent }

func (t *text) number(limit int) string { return strconv.Itoa(t.rnd.IntN(limit)) }

func (t *text) word() string { return words[t.rnd.IntN(len(words))] }

const hexDigits = "0123456789abcdef"

func (t *text) hex(digits int) string {
	b := make([]byte, digits)
	for i := range b {
		b[i] = hexDigits[t.rnd.IntN(16)]
	}
	return string(b)
}

func (t *text) base64(chars int) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	b := make([]byte, chars)
	for i := range b {
		b[i] = digits[t.rnd.IntN(64)]
	}
	return string(b)
}

// ipv4s gives n different addresses, at most 254.
func (t *text) ipv4s(n int) []string {
	networks := []string{"192.0.2.", "198.51.100.", "203.0.113."}
	network, first := networks[t.rnd.IntN(3)], t.rnd.IntN(254)
	addresses := make([]string, n)
	for i := range addresses {
		addresses[i] = network + strconv.Itoa(1+(first+i)%254)
	}
	return addresses
}

// ipv6s gives n different addresses, at most 65,535.
func (t *text) ipv6s(n int) []string {
	network, first := "2001:db8:"+t.hex(4)+"::", t.rnd.IntN(65535)
	addresses := make([]string, n)
	for i := range addresses {
		addresses[i] = network + strconv.FormatInt(int64(1+(first+i)%65535), 16)
	}
	return addresses
}
