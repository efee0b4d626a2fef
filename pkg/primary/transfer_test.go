package primary

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// apply makes the changes of an IXFR to records, as a secondary does.
func apply(t *testing.T, have []string, rrs []dns.RR) []string {
	t.Helper()
	set := map[string]bool{}
	for _, line := range have {
		set[line] = true
	}
	adding := true // the first SOA opens nothing
	for _, rr := range rrs[1 : len(rrs)-1] {
		line := strings.ReplaceAll(rr.String(), "\t", " ")
		if rr.Header().Rrtype == dns.TypeSOA {
			adding = !adding
		}
		if set[line] == adding {
			t.Fatalf("%s: adding %v, and there: %v", line, adding, set[line])
		}
		if adding {
			set[line] = true
		} else {
			delete(set, line)
		}
	}
	var list []string
	for line := range set {
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

func TestTransferWhole(t *testing.T) {
	text := soaLine(7) + `
@ MX 10 mail
Mail A 192.0.2.1
mail AAAA 2001:db8::1
*.wild TXT "one" "two"
sub NS ns.sub
ns.sub A 192.0.2.2
_sip._tcp SRV 1 2 5060 mail
www CNAME mail
r\.x.y\000z TXT "odd"
typed TYPE65280 \# 3 010203
`
	s := start(t, Options{}, setup(t, example))
	s.publish(t, zoneOf(t, example, text))
	want := lines(parse(t, example, text))
	got := s.pull(t, axfr(example))
	if got[0].Header().Rrtype != dns.TypeSOA || got[len(got)-1].Header().Rrtype != dns.TypeSOA {
		t.Errorf("it begins with %v and ends with %v", got[0], got[len(got)-1])
	}
	if list := lines(got); !slices.Equal(list, want) {
		t.Errorf("transferred:\n%s\nwant:\n%s", strings.Join(list, "\n"), strings.Join(want, "\n"))
	}
	s.seen.wait(t, "the transfer is told", func() bool { return len(s.seen.transfers) == 1 })
	if tr := s.seen.transfers[0]; tr.Err != nil || tr.Records != len(want)+1 || tr.Serial != 7 || tr.Key != keyName || tr.Incremental || tr.Zone != example {
		t.Errorf("told: %+v", tr)
	}
}

// TestTransferMany goes through many messages, with compression across all kinds of names.
func TestTransferMany(t *testing.T) {
	var text strings.Builder
	text.WriteString(soaLine(1))
	for i := range 5000 {
		fmt.Fprintf(&text, "host%d.dept%d A 192.0.2.%d\n", i, i%17, i%250)
		fmt.Fprintf(&text, "host%d.dept%d MX 10 mail%d.example.net.\n", i, i%17, i%13)
		fmt.Fprintf(&text, "Host%d.Dept%d.other TXT \"%s\"\n", i, i%17, strings.Repeat("x", i%250))
	}
	for i := range 400 { // one owner name in several messages
		fmt.Fprintf(&text, "big TXT \"%d %s\"\n", i, strings.Repeat("y", 200))
	}
	long := strings.Repeat("\""+strings.Repeat("z", 255)+"\" ", 250)
	fmt.Fprintf(&text, "long TXT %s\n", long) // one that takes most of 64 KiB
	s := start(t, Options{}, setup(t, example))
	z := zoneOf(t, example, text.String())
	s.publish(t, z)
	want := lines(parse(t, example, text.String()))
	if got := lines(s.pull(t, axfr(example))); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	if len(z.messages) < 10 {
		t.Errorf("%d messages", len(z.messages))
	}
	for _, m := range z.messages {
		if len(m.wire) > mostMessage {
			t.Errorf("a message of %d octets", len(m.wire))
		}
	}
}

// randomZone is a zone that changes at random.
type randomZone struct {
	rnd  *rand.Rand
	sets map[string]string
}

func newRandomZone(seed uint64) *randomZone {
	z := &randomZone{rnd: rand.New(rand.NewPCG(seed, 1)), sets: map[string]string{}}
	for range 300 {
		z.change()
	}
	return z
}

func (z *randomZone) change() {
	n := z.rnd.IntN(400)
	owner := fmt.Sprintf("h%d.d%d", n, n%7)
	if n%5 == 0 {
		owner = fmt.Sprintf("d%d", n%7)
	}
	if z.rnd.IntN(4) == 0 {
		delete(z.sets, owner)
		return
	}
	var text strings.Builder
	for range 1 + z.rnd.IntN(3) {
		fmt.Fprintf(&text, "%s %d A 192.0.2.%d\n", owner, 60+n%2*z.rnd.IntN(2), z.rnd.IntN(200))
	}
	if z.rnd.IntN(3) == 0 {
		fmt.Fprintf(&text, "%s 60 TXT \"%s\"\n", owner, strings.Repeat("t", z.rnd.IntN(255)))
	}
	z.sets[owner] = text.String()
}

func (z *randomZone) text(serial zone.Serial) string {
	var text strings.Builder
	fmt.Fprintf(&text, "@ 300 SOA ns.example.net. hostmaster.example.net. %d 300 60 86400 60\n@ NS ns.example.net.\n", serial)
	for _, set := range z.sets {
		text.WriteString(set)
	}
	return text.String()
}

// TestIncremental makes random histories across the wrap of the serial: from every serial that is
// still known, the changes lead to exactly the zone, and from others the zone comes whole.
func TestIncremental(t *testing.T) {
	s := start(t, Options{Limits: Limits{Generations: 20}}, setup(t, example))
	rz := newRandomZone(42)
	serial := zone.Serial(1<<32 - 15)
	was := map[zone.Serial][]string{}
	incremental := 0
	for range 40 {
		for range 1 + rz.rnd.IntN(4) {
			rz.change()
		}
		text := rz.text(serial)
		z := zoneOf(t, example, text)
		s.publish(t, z)
		was[serial] = lines(s.pull(t, axfr(example)))
		if want := lines(wholeRRsets(parse(t, example, text))); !slices.Equal(was[serial], want) {
			t.Fatalf("serial %d: %d records, want %d", serial, len(was[serial]), len(want))
		}
		for from, have := range was {
			if from == serial {
				continue
			}
			rrs := s.pull(t, ixfr(example, uint32(from)))
			got := lines(rrs)
			if len(rrs) > 1 && rrs[1].Header().Rrtype == dns.TypeSOA {
				incremental++
				got = apply(t, have, rrs)
			}
			if !slices.Equal(got, was[serial]) {
				t.Fatalf("from %d to %d: %d records, want %d", from, serial, len(got), len(was[serial]))
			}
		}
		serial = serial.Next()
	}
	if incremental < 200 {
		t.Errorf("%d transfers were incremental", incremental)
	}
}

// wholeRRsets gives the records of RRsets the TTL of their last record.
func wholeRRsets(rrs []dns.RR) []dns.RR {
	type key struct {
		owner string
		typ   uint16
	}
	last := map[key]uint32{}
	for _, rr := range rrs {
		last[key{rr.Header().Name, rr.Header().Rrtype}] = rr.Header().Ttl
	}
	for _, rr := range rrs {
		rr.Header().Ttl = last[key{rr.Header().Name, rr.Header().Rrtype}]
	}
	return rrs
}

func TestIncrementalNothingNew(t *testing.T) {
	s := start(t, Options{}, setup(t, example))
	s.publish(t, zoneOf(t, example, soaLine(10)+"a A 192.0.2.1\n"))
	s.publish(t, zoneOf(t, example, soaLine(11)+"a A 192.0.2.2\n"))
	for serial, reason := range map[uint32]string{
		11: "", 11 + 1<<31: "", // as late, and neither later nor earlier
		12: "it has serial 12, which is later than the 11 that is served",
	} {
		if rrs := s.pull(t, ixfr(example, serial)); len(rrs) != 1 || rrs[0].Header().Rrtype != dns.TypeSOA {
			t.Errorf("from %d: %v", serial, rrs)
		}
		told := ""
		for _, r := range s.seen.takeRefusals() {
			told += r.Reason
			if r.Rcode != dns.RcodeSuccess || r.Type != dns.TypeIXFR {
				t.Errorf("from %d: %+v", serial, r)
			}
		}
		if told != reason {
			t.Errorf("from %d: told %q, want %q", serial, told, reason)
		}
	}
	answer := s.ask(t, "udp", sign(ixfr(example, 10)))
	if soa, ok := answer.Answer[0].(*dns.SOA); len(answer.Answer) != 1 || !ok || soa.Serial != 11 {
		t.Errorf("over UDP: %v", answer)
	}
}

func TestReplace(t *testing.T) {
	rz := newRandomZone(3)
	for range 3000 {
		rz.change()
	}
	serial := zone.Serial(1)
	z := zoneOf(t, example, rz.text(serial))
	for range 60 {
		before := maps.Clone(rz.sets)
		for range 1 + rz.rnd.IntN(5) {
			rz.change()
		}
		serial = serial.Next()
		var sets []RRset
		for owner, set := range rz.sets {
			if before[owner] != set {
				sets = append(sets, setsOf(t, owner, set)...)
			}
		}
		for owner := range before {
			if _, there := rz.sets[owner]; !there {
				sets = append(sets, setsOf(t, owner, "")...)
			}
		}
		next, err := z.Replace(serial, sets)
		if err != nil {
			t.Fatal(err)
		}
		want := zoneOf(t, example, rz.text(serial))
		if next.sum != want.sum || next.records != want.records || next.serial != serial {
			t.Fatalf("serial %d: %d records, want %d", serial, next.records, want.records)
		}
		if st := difference(next, want); !st.empty() {
			t.Fatalf("serial %d: not the same", serial)
		}
		a, b := difference(z, next), difference(z, want)
		if string(a.encode()) != string(b.encode()) {
			t.Fatalf("serial %d: another difference", serial)
		}
		z = next
	}
}

// setsOf gives the address and text RRsets of an owner name; those that are not in the text are
// empty.
func setsOf(t *testing.T, owner, text string) []RRset {
	t.Helper()
	name, err := zone.ParseName(owner, example)
	if err != nil {
		t.Fatal(err)
	}
	sets := []RRset{{Owner: []byte(name.Wire()), Type: dns.TypeA}, {Owner: []byte(name.Wire()), Type: dns.TypeTXT}}
	if text == "" {
		return sets
	}
	for _, rr := range parse(t, example, text) {
		wire := make([]byte, 512)
		n, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		set := &sets[0]
		if rr.Header().Rrtype == dns.TypeTXT {
			set = &sets[1]
		}
		set.TTL = rr.Header().Ttl
		set.RDATA = append(set.RDATA, wire[zone.WireNameLen(wire)+recordFixed:n])
	}
	return sets
}
