package primary

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// everyType has the types with names in their RDATA, and some without.
const everyType = `
a NS b.a
b CNAME c.Example.COM.
c PTR .
d MX 0 .
e DNAME d.e.example.com.
f RP mail.f txt.f
g AFSDB 1 g.g
h RT 1 h
i KX 1 i
j PX 1 j.j k.example.net.
k SRV 1 2 3 k.k
l NAPTR 100 50 "s" "z3950+N2L" "" _z3950._tcp.gatech.edu.
m NAPTR 100 50 "a" "z" "!^.*$!x!" .
n RRSIG A 13 2 300 20300101000000 20200101000000 1 example.com. AAAA
o NSEC p.example.com. A RRSIG NSEC
p MINFO p.p q.p
q HINFO "x" "y"
r CAA 0 issue "ca.test"
s SVCB 1 s.s alpn=h2
t TLSA 3 1 1 00
u LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
x08xexample TXT "not the apex"
`

func TestEveryType(t *testing.T) {
	text := soaLine(1) + everyType
	s := start(t, Options{}, setup(t, example))
	z := zoneOf(t, example, text)
	s.publish(t, z)
	want := lines(parse(t, example, text))
	if got := lines(s.pull(t, axfr(example))); !slices.Equal(got, want) {
		t.Errorf("transferred:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// Letter case of names is kept, and is no difference.
	upper := strings.NewReplacer("b.a", "B.A", "mail.f", "MAIL.F", "_z3950", "_Z3950", "k.k", "K.K").Replace(text)
	if st := difference(z, zoneOf(t, example, upper)); !st.empty() {
		t.Errorf("%d records differ", st.records)
	}
	for what, change := range map[string]string{"TXT": `"not the apex"|"Not the apex"`, "HINFO": `"x" "y"|"X" "y"`, "NAPTR": `"s" "z3950|"S" "z3950`} {
		from, to, _ := strings.Cut(change, "|")
		if st := difference(z, zoneOf(t, example, strings.Replace(text, from, to, 1))); st.records != 4 {
			t.Errorf("%s: %d records differ", what, st.records-2)
		}
	}
}

// TestNamesLikeTheApex: octets that are those of the apex, and no labels.
func TestNamesLikeTheApex(t *testing.T) {
	text := soaLine(1) + "@ MX 1 x\\007example.com.\n@ MX 2 y.com.\n@ MX 3 z.example.com.\nx\\000\\001y A 192.0.2.1\nx\\001 A 192.0.2.2\nx A 192.0.2.3\n"
	s := start(t, Options{}, setup(t, example))
	s.publish(t, zoneOf(t, example, text))
	want := lines(parse(t, example, text))
	if got := lines(s.pull(t, axfr(example))); !slices.Equal(got, want) {
		t.Errorf("transferred:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRootZone(t *testing.T) {
	text := ". 300 SOA ns.test. h.test. 1 300 60 86400 60\n. NS ns.test.\nns.test. A 192.0.2.1\ncom. NS ns.test.\n"
	s := start(t, Options{}, setup(t, zone.Root))
	s.publish(t, zoneOf(t, zone.Root, text))
	if got, want := lines(s.pull(t, axfr(zone.Root))), lines(parse(t, zone.Root, text)); !slices.Equal(got, want) {
		t.Errorf("transferred:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBuilderRefuses(t *testing.T) {
	apex := []byte(example.Wire())
	below := append([]byte("\x01a"), apex...)
	for want, r := range map[string]record{
		"an owner name outside of the zone":       {owner: []byte("\x01a\x04test\x00"), typ: dns.TypeA, rdata: make([]byte, 4)},
		"name longer than 255 octets":             {owner: []byte("\x05ab"), typ: dns.TypeA, rdata: make([]byte, 4)},
		"RDATA that does not fit the type":        {owner: below, typ: dns.TypeAAAA, rdata: make([]byte, 4)},
		"MX: RDATA that does not fit":             {owner: below, typ: dns.TypeMX, rdata: []byte{0}},
		"NS: RDATA that does not fit":             {owner: below, typ: dns.TypeNS, rdata: []byte("\x01a\x00more")},
		"NAPTR: RDATA that does not fit":          {owner: below, typ: dns.TypeNAPTR, rdata: []byte("\x00\x01\x00\x01\xff")},
		"an SOA below the apex":                   {owner: below, typ: dns.TypeSOA, rdata: make([]byte, 22)},
		"a type that no zone can have":            {owner: below, typ: dns.TypeOPT},
		"a record that no message can carry":      {owner: below, typ: dns.TypeTXT, rdata: make([]byte, 1<<16)},
		"TXT: a record that no message can carry": {owner: below, typ: dns.TypeTXT, rdata: make([]byte, 1<<16-100)},
	} {
		b := NewBuilder(example)
		if err := b.Add(r.owner, r.typ, 60, r.rdata); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	for want, text := range map[error]string{
		ErrNoSOA:       "a A 192.0.2.1\n",
		ErrSeveralSOAs: soaLine(1) + soaLine(2),
	} {
		b := NewBuilder(example)
		for _, rr := range parse(t, example, text) {
			if err := addRR(b, rr); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Zone(); !errors.Is(err, want) {
			t.Errorf("%v: %v", want, err)
		}
	}
	b := NewBuilder(example)
	if err := addRR(b, parse(t, example, "@ NS ns.test.\n")[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Zone(); !errors.Is(err, ErrNoSOA) {
		t.Error(err)
	}
	z := zoneOf(t, example, soaLine(1))
	if z.Name() != example || z.Size() < 80 {
		t.Errorf("%s, %d octets", z.Name(), z.Size())
	}
	for want, set := range map[string]RRset{
		" A: name in wire form is cut short":                 {Owner: []byte("\x05ab"), Type: dns.TypeA},
		"a.test. A: an owner name outside of the zone":       {Owner: []byte(zone.MustParseName("a.test").Wire()), Type: dns.TypeA},
		"a.example.com. A: RDATA that does not fit the type": {Owner: []byte(zone.MustParseName("a.example.com").Wire()), Type: dns.TypeA, RDATA: [][]byte{[]byte("x")}},
		"example.com. SOA: RDATA that does not fit the type": {Owner: []byte(example.Wire()), Type: dns.TypeSOA, RDATA: [][]byte{nil}},
		"a.example.com. OPT: a type that no zone can have":   {Owner: []byte(zone.MustParseName("a.example.com").Wire()), Type: dns.TypeOPT, RDATA: [][]byte{nil}},
	} {
		_, err := z.Replace(2, []RRset{set})
		var re *RecordError
		if !errors.As(err, &re) || err.Error() != want || !errors.Is(err, re.Err) {
			t.Errorf("%q: %v", want, err)
		}
	}
	// Another SOA, and what keeps the rest as it is.
	soa := z.soa
	soa.rdata = withSerial(soa.rdata, 99)
	soa.rdata[len(soa.rdata)-1] = 77
	next, err := z.Replace(5, []RRset{{Owner: []byte(example.Wire()), Type: dns.TypeSOA, TTL: 9, RDATA: [][]byte{soa.rdata}}})
	if err != nil || next.Serial() != 5 || next.soa.ttl != 9 || soaMinimum(next.soa.rdata) != 77 || next.records != 2 {
		t.Errorf("%+v, %v", next, err)
	}
}

// TestLongMessages: a last message that has no room for the SOA, and changes in several messages.
func TestLongMessages(t *testing.T) {
	s := start(t, Options{}, setup(t, example))
	build := func(serial int, fill byte) *Zone {
		b := NewBuilder(example)
		for _, rr := range parse(t, example, soaLine(serial)) {
			if err := addRR(b, rr); err != nil {
				t.Fatal(err)
			}
		}
		owner := append([]byte("\x01z"), example.Wire()...)
		long := make([]byte, mostMessage-headerLen-len(example.Wire())-4-len(owner)-recordFixed)
		for i := range long {
			long[i] = fill
		}
		if err := b.Add(owner, 65280, 60, long); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			text := fmt.Sprintf("\x64%c%099d", fill, i)
			if err := b.Add(append([]byte("\x01y"), example.Wire()...), dns.TypeTXT, 60, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		z, err := b.Zone()
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	s.publish(t, build(1, 'a'))
	first := s.pull(t, axfr(example))
	if len(first) != 204 {
		t.Errorf("%d records", len(first))
	}
	z := build(2, 'b')
	s.publish(t, z)
	// The changes are longer than the zone, and so is what is kept of them.
	if rrs := s.pull(t, ixfr(example, 1)); len(rrs) != 204 {
		t.Errorf("%d records", len(rrs))
	}
	// As many changes as may be, in several messages.
	var sets []RRset
	for i := range 150 {
		sets = append(sets, RRset{
			Owner: []byte(zone.MustParseName(fmt.Sprintf("n%d.example.com", i)).Wire()), Type: dns.TypeTXT, TTL: 60,
			RDATA: [][]byte{[]byte("\xc8" + strings.Repeat("n", 200))},
		})
	}
	next, err := z.Replace(3, sets)
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, next)
	rrs := s.pull(t, ixfr(example, 2))
	if len(rrs) != 154 || rrs[1].Header().Rrtype != dns.TypeSOA {
		t.Errorf("%d records", len(rrs))
	}
	s.seen.wait(t, "it was several messages", func() bool {
		last := s.seen.transfers[len(s.seen.transfers)-1]
		return last.Incremental && last.Messages > 1
	})
}

// TestPackerRounds: what is known of a message is not taken for the next one's, however many
// there are.
func TestPackerRounds(t *testing.T) {
	p := newPacker([]byte(example.Wire()), dns.TypeAXFR)
	r := record{owner: append([]byte("\x01a"), example.Wire()...), typ: dns.TypeA, rdata: make([]byte, 4)}
	p.add(&r, messageSize)
	want := string(p.buf)
	for range 1<<16 + 1 {
		p.begin()
	}
	for range 2 {
		p.add(&r, messageSize)
		if string(p.buf) != want {
			t.Fatalf("packed %x, want %x", p.buf, want)
		}
		p.begin()
	}
}

func TestSetupRefused(t *testing.T) {
	k := testKey(t)
	all := netip.MustParsePrefix("0.0.0.0/0")
	address := netip.MustParseAddrPort("192.0.2.1:53")
	zones := func(z ...ZoneSetup) Setup { return Setup{Keys: []Key{k}, Zones: z} }
	for want, st := range map[string]Setup{
		"was not made by NewKey":                       {Keys: []Key{{Name: keyName}}},
		"there are two":                                {Keys: []Key{k, k}},
		"a zone without a name":                        zones(ZoneSetup{}),
		"it is served already":                         zones(ZoneSetup{Name: example}, ZoneSetup{Name: example}),
		"zone example.com.: it is served already":      {Zones: []ZoneSetup{{Name: example}}, Catalog: ZoneSetup{Name: example}},
		"a secondary needs an address and a port":      zones(ZoneSetup{Name: example, Secondaries: []Secondary{{Key: keyName}}}),
		"192.0.2.1/32 has no key":                      zones(ZoneSetup{Name: example, Secondaries: []Secondary{{Address: address}}}),
		"0.0.0.0/0 has no key":                         zones(ZoneSetup{Name: example, Access: []Access{{From: all}}}),
		"0.0.0.0/0 has a key and needs none":           zones(ZoneSetup{Name: example, Access: []Access{{From: all, Key: keyName, Unsigned: true}}}),
		"who may ask is no range of addresses":         zones(ZoneSetup{Name: example, Access: []Access{{Key: keyName}}}),
		"zone example.com.: there is no key else.test": zones(ZoneSetup{Name: example, Access: []Access{{From: all, Key: zone.MustParseName("else.test")}}}),
	} {
		if _, err := New(Options{}, st); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	s := start(t, Options{}, setup(t, example))
	if err := s.Configure(zones(ZoneSetup{})); err == nil || len(s.Status()) != 1 {
		t.Errorf("configured: %v, %v", err, s.Status())
	}
}

// TestUnsignedSecondaries: where it is said, the address is enough.
func TestUnsignedSecondaries(t *testing.T) {
	st := Setup{Zones: []ZoneSetup{{Name: example, Access: []Access{{From: loop, Unsigned: true}}}}}
	s := start(t, Options{}, st)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	m := axfr(example)
	m.SetEdns0(1232, false)
	envelopes, err := new(dns.Transfer).In(m, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		n += len(e.RR)
	}
	if n != 3 {
		t.Errorf("%d records", n)
	}
	for kind, want := range map[FollowKind]string{FollowReached: "reached", FollowFailed: "failed", FollowLagging: "lagging"} {
		if kind.String() != want {
			t.Errorf("%d: %s", kind, kind)
		}
	}
}
