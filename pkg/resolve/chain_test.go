package resolve

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// pack builds a reply to "target.example.net. A" from records in text form.
func pack(tb testing.TB, answer, authority []string, edit func(*dns.Msg)) []byte {
	tb.Helper()
	m := new(dns.Msg)
	m.SetQuestion("target.example.net.", dns.TypeA)
	m.Response, m.RecursionAvailable, m.Compress = true, true, true
	for _, s := range answer {
		m.Answer = append(m.Answer, mustRR(tb, s))
	}
	for _, s := range authority {
		m.Ns = append(m.Ns, mustRR(tb, s))
	}
	if edit != nil {
		edit(m)
	}
	packet, err := m.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return packet
}

func mustRR(tb testing.TB, s string) dns.RR {
	tb.Helper()
	rr, err := dns.NewRR(s)
	if err != nil {
		tb.Fatal(err)
	}
	return rr
}

// walkPacket gives the answer of one reply on a line, "more" where it has to be asked on.
func walkPacket(tb testing.TB, packet []byte) string {
	tb.Helper()
	m, err := parseMessage(packet, zone.Name{})
	if err != nil {
		return err.Error()
	}
	target := zone.MustParseName("target.example.net.")
	c := newChain(target, dns.TypeA)
	a, done := c.walk(m)
	if !done {
		return "more " + c.last.String()
	}
	return short(a)
}

var netSOA = []string{"example.net. 3600 IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 120"}

func longChain(links int) []string {
	records := []string{"target.example.net. 60 CNAME n1.example.net."}
	for i := 1; i < links; i++ {
		records = append(records, fmt.Sprintf("n%d.example.net. 60 CNAME n%d.example.net.", i, i+1))
	}
	return append(records, fmt.Sprintf("n%d.example.net. 60 A 192.0.2.1", links))
}

func TestWalk(t *testing.T) {
	long := strings.Repeat("a", 60)
	tests := []struct {
		name      string
		answer    []string
		authority []string
		want      string
	}{
		{"least TTL of the RRset", []string{"target.example.net. 90 A 192.0.2.2", "target.example.net. 60 A 192.0.2.1"}, nil, "addresses [192.0.2.1 192.0.2.2] ttl=60"},
		{"repeated address", []string{"target.example.net. 90 A 192.0.2.2", "target.example.net. 60 A 192.0.2.2"}, nil, "addresses [192.0.2.2] ttl=60"},
		{"least TTL of the chain", []string{"target.example.net. 30 CNAME x.test.", "x.test. 60 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=30 CNAME>x.test."},
		{"repeated link", []string{"target.example.net. 30 CNAME x.test.", "target.example.net. 20 CNAME X.test.", "x.test. 60 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=20 CNAME>x.test."},
		{"TTL of more than a week", []string{"target.example.net. 2147483647 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=604800"},
		{"TTL with the high bit", []string{"target.example.net. 2147483648 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=0"},
		{"16 links", longChain(16), nil, "addresses [192.0.2.1] ttl=60" + linksText(16)},
		{"17 links", longChain(17), nil, "failure [chain too long]" + linksText(16)},
		{"loop", []string{"target.example.net. 60 CNAME x.test.", "x.test. 60 CNAME target.example.net."}, nil, "failure [loop] CNAME>x.test. CNAME>target.example.net."},
		{"loop to itself", []string{"target.example.net. 60 CNAME target.example.net."}, nil, "failure [loop] CNAME>target.example.net."},
		{"two CNAMEs", []string{"target.example.net. 60 CNAME x.test.", "target.example.net. 60 CNAME y.test."}, nil, "failure [malformed answer]"},
		{"CNAME and address", []string{"target.example.net. 60 CNAME x.test.", "target.example.net. 60 AAAA 2001:db8::1"}, nil, "failure [malformed answer]"},
		{"address below a DNAME", []string{"example.net. 60 DNAME x.test.", "target.example.net. 60 A 192.0.2.1"}, nil, "failure [malformed answer]"},
		{"DNAME without its CNAME", []string{"example.net. 60 DNAME x.test.", "target.x.test. 90 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=60 DNAME>x.test."},
		{"DNAME with a CNAME of TTL 0", []string{"example.net. 60 DNAME x.test.", "target.example.net. 0 CNAME target.x.test.", "target.x.test. 90 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=60 DNAME>x.test."},
		{"DNAME with another CNAME", []string{"example.net. 60 DNAME x.test.", "target.example.net. 0 CNAME y.test."}, nil, "failure [malformed answer] DNAME>x.test."},
		{"nearest DNAME", []string{"net. 60 DNAME y.test.", "example.net. 60 DNAME x.test.", "target.x.test. 90 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=60 DNAME>x.test."},
		{"repeated DNAME, and one above it", []string{"example.net. 60 DNAME x.test.", "example.net. 50 DNAME x.test.", "net. 60 DNAME y.test.", "target.x.test. 90 A 192.0.2.1"}, nil, "addresses [192.0.2.1] ttl=50 DNAME>x.test."},
		{"two DNAMEs", []string{"example.net. 60 DNAME x.test.", "example.net. 60 DNAME y.test."}, nil, "failure [malformed answer]"},
		{"DNAME at the name itself", []string{"target.example.net. 60 DNAME x.test."}, netSOA, "NODATA neg=120"},
		{"DNAME that makes the name too long", []string{"example.net. 60 DNAME " + strings.Repeat(long+".", 4) + "test."}, nil, "failure [name too long]"},
		{"other names count for nothing", []string{"other.example.net. 60 A 192.0.2.1"}, netSOA, "NODATA neg=120"},
		{"other classes count for nothing", []string{"target.example.net. 60 CH A 192.0.2.1"}, netSOA, "NODATA neg=120"},
		{"SOA of another zone", nil, []string{strings.Replace(netSOA[0], "example.net.", "example.org.", 1)}, "weak NODATA"},
		{"SOA of the name itself", nil, []string{"target." + netSOA[0]}, "NODATA neg=120"},
		{"TTL of the SOA below its MINIMUM", nil, []string{strings.Replace(netSOA[0], "3600", "60", 1)}, "NODATA neg=60"},
		{"link and no more", []string{"target.example.net. 60 CNAME x.test."}, nil, "more x.test."},
		{"link and a referral", []string{"target.example.net. 60 CNAME x.test."}, []string{"test. 60 NS ns.test."}, "more x.test."},
		{"link and an SOA of the wrong zone", []string{"target.example.net. 60 CNAME x.test."}, netSOA, "more x.test."},
		{"referral", nil, []string{"net. 60 NS ns.test."}, "failure [lame answer]"},
		{"SOA beside NS", nil, append([]string{"net. 60 NS ns.test."}, netSOA...), "NODATA neg=120"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := walkPacket(t, pack(t, tt.answer, tt.authority, nil)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	nx := func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }
	if got := walkPacket(t, pack(t, []string{"target.example.net. 60 A 192.0.2.1"}, netSOA, nx)); got != "failure [malformed answer]" {
		t.Errorf("NXDOMAIN with addresses: %s", got)
	}
}

func linksText(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " CNAME>n%d.example.net.", i+1)
	}
	return b.String()
}

// sig is the RRSIG of an RRset with an original TTL, in text form.
func sig(owner, covered string, ttl, original int) string {
	return fmt.Sprintf("%s %d IN RRSIG %s 13 2 %d 20300101000000 20200101000000 12345 example.net. AAAA", owner, ttl, covered, original)
}

// What an answer says about TTLs: those seen, and what they are where no cache counts.
func TestWalkTTLs(t *testing.T) {
	chain := []string{"target.example.net. 30 CNAME x.old.test.", "old.test. 40 DNAME new.test.", "x.new.test. 50 A 192.0.2.1"}
	tests := []struct {
		name   string
		answer []string
		edit   func(*dns.Msg)
		want   string // TTL of each link/its original TTL, then of the RRset, authoritative
	}{
		{"unsigned", chain, nil, "30/0 40/0 50/0 ttl=30 false"},
		{"signed", append(slices.Clone(chain), sig("target.example.net.", "CNAME", 30, 300), sig("old.test.", "DNAME", 40, 400), sig("X.new.test.", "A", 50, 500)), nil, "30/300 40/400 50/500 ttl=30 false"},
		{"signatures of other types", append(slices.Clone(chain), sig("target.example.net.", "NSEC", 30, 300), sig("x.new.test.", "AAAA", 50, 500)), nil, "30/0 40/0 50/0 ttl=30 false"},
		{"signatures of other names", append(slices.Clone(chain), sig("old.test.", "A", 30, 300), sig("new.test.", "A", 50, 500)), nil, "30/0 40/0 50/0 ttl=30 false"},
		{"two keys", []string{"target.example.net. 30 A 192.0.2.1", sig("target.example.net.", "A", 30, 600), sig("target.example.net.", "A", 30, 300)}, nil, "30/300 ttl=30 false"},
		{"authoritative", chain, func(m *dns.Msg) { m.Authoritative, m.RecursionAvailable = true, false }, "30/0 40/0 50/0 ttl=30 true"},
		{"authoritative, but recurses too", chain, func(m *dns.Msg) { m.Authoritative = true }, "30/0 40/0 50/0 ttl=30 false"},
	}
	for _, tt := range tests {
		m, err := parseMessage(pack(t, tt.answer, nil, tt.edit), zone.Name{})
		if err != nil {
			t.Fatal(err)
		}
		target := zone.MustParseName("target.example.net.")
		c := newChain(target, dns.TypeA)
		a, _ := c.walk(m)
		var got strings.Builder
		for _, l := range a.Chain {
			fmt.Fprintf(&got, "%d/%d ", l.TTL, l.OriginalTTL)
		}
		fmt.Fprintf(&got, "%d/%d ttl=%d %v", a.AddressTTL, a.OriginalTTL, a.TTL, a.Authoritative)
		if got.String() != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got.String(), tt.want)
		}
	}
}

// What holds for one reply on the way holds for the answer.
func TestWalkSeveralReplies(t *testing.T) {
	stale := func(m *dns.Msg) {
		m.SetEdns0(1232, false)
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer})
	}
	authoritative := func(m *dns.Msg) { m.Authoritative, m.RecursionAvailable = true, false }
	tests := []struct {
		name          string
		first, second func(*dns.Msg)
		want          string
	}{
		{"plain", nil, nil, "stale false, authoritative false"},
		{"a stale link", stale, nil, "stale true, authoritative false"},
		{"stale addresses", nil, stale, "stale true, authoritative false"},
		{"authoritative", authoritative, authoritative, "stale false, authoritative true"},
		{"a link from a cache", nil, authoritative, "stale false, authoritative false"},
		{"addresses from a cache", authoritative, nil, "stale false, authoritative false"},
	}
	for _, tt := range tests {
		target := zone.MustParseName("target.example.net.")
		c := newChain(target, dns.TypeA)
		var a Answer
		for i, packet := range [][]byte{
			pack(t, []string{"target.example.net. 60 CNAME x.test."}, nil, tt.first),
			pack(t, []string{"x.test. 60 A 192.0.2.1"}, nil, tt.second),
		} {
			m, err := parseMessage(packet, zone.Name{})
			if err != nil {
				t.Fatal(err)
			}
			var done bool
			if a, done = c.walk(m); done != (i == 1) {
				t.Fatalf("%s: done after reply %d: %v", tt.name, i+1, done)
			}
		}
		if got := fmt.Sprintf("stale %v, authoritative %v", a.Stale, a.Authoritative); got != tt.want || a.Outcome != Addresses {
			t.Errorf("%s: %s, %s; want %s", tt.name, short(a), got, tt.want)
		}
	}
}

// permutations calls f with every order of records.
func permutations(records []string, f func([]string)) {
	var permute func(k int)
	permute = func(k int) {
		if k == len(records) {
			f(records)
			return
		}
		for i := k; i < len(records); i++ {
			records[k], records[i] = records[i], records[k]
			permute(k + 1)
			records[k], records[i] = records[i], records[k]
		}
	}
	permute(0)
}

// The order of the records in an answer says nothing.
func TestWalkInAnyOrder(t *testing.T) {
	records := []string{
		"target.example.net. 300 CNAME a.old.test.",
		"old.test. 200 DNAME new.test.",
		"a.old.test. 0 CNAME a.new.test.",
		"a.new.test. 60 A 192.0.2.10",
		"a.new.test. 60 A 192.0.2.2",
		"unrelated.test. 5 A 192.0.2.99",
	}
	want := "addresses [192.0.2.2 192.0.2.10] ttl=60 CNAME>a.old.test. DNAME>new.test."
	seen := 0
	permutations(records, func(order []string) {
		seen++
		if got := walkPacket(t, pack(t, order, nil, nil)); got != want {
			t.Errorf("%v\ngot  %s\nwant %s", order, got, want)
		}
	})
	if seen != 720 {
		t.Errorf("tried %d orders", seen)
	}
}

func TestParseMessageErrors(t *testing.T) {
	whole := pack(t, []string{"target.example.net. 60 CNAME x.test.", "x.test. 60 A 192.0.2.1", "x.test. 60 AAAA 2001:db8::1"}, netSOA,
		func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			opt := m.IsEdns0()
			opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: 3, ExtraText: "old"})
		})
	if _, err := parseMessage(whole, zone.Name{}); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := parseMessage(whole[:n], zone.Name{}); err == nil {
			t.Errorf("the first %d of %d octets are accepted", n, len(whole))
		}
	}

	header := func(answers byte) []byte {
		return []byte{0, 0, 0x80, 0x80, 0, 0, 0, answers, 0, 0, 0, 0}
	}
	record := func(name []byte, typ byte, data ...byte) []byte {
		b := append(header(1), name...)
		b = append(b, 0, typ, 0, 1, 0, 0, 0, 60, 0, byte(len(data)))
		return append(b, data...)
	}
	edns := func(options ...byte) []byte {
		b := record([]byte{0}, 41, options...)
		b[7], b[11] = 0, 1
		return b
	}
	authority := func(typ byte, data ...byte) []byte {
		b := record([]byte{0}, typ, data...)
		b[7], b[9] = 0, 1
		return b
	}
	tests := []struct {
		name   string
		packet []byte
	}{
		{"A of 3 octets", record([]byte{0}, 1, 1, 2, 3)},
		{"AAAA of 4 octets", record([]byte{0}, 28, 1, 2, 3, 4)},
		{"pointer to itself", record([]byte{0xc0, 12}, 1, 1, 2, 3, 4)},
		{"pointer forward", record([]byte{0xc0, 40}, 1, 1, 2, 3, 4)},
		{"pointer back into a loop", record([]byte{1, 'a', 0xc0, 12}, 1, 1, 2, 3, 4)},
		{"label type 01", record([]byte{0x41, 0}, 1, 1, 2, 3, 4)},
		{"CNAME with octets behind its target", record([]byte{0}, 5, 0, 0)},
		{"OPT in the answer section", record([]byte{0}, 41)},
		{"option cut short", edns(0, 15, 0)},
		{"option longer than OPT", edns(0, 15, 0, 9, 0, 0)},
		{"EDE without its code", edns(0, 15, 0, 1, 0)},
		{"SOA without its numbers", authority(6, 0, 0, 1, 2, 3)},
		{"SOA cut short in a name", authority(6, 3, 'a')},
		{"CNAME without a target", record([]byte{0}, 5)},
		{"RRSIG of 17 octets", record([]byte{0}, 46, make([]byte, 17)...)},
		{"name of 256 octets", record([]byte(strings.Repeat("\x3f"+strings.Repeat("a", 63), 4)+"\x00"), 1, 1, 2, 3, 4)},
	}
	for _, tt := range tests {
		if m, err := parseMessage(tt.packet, zone.Name{}); err == nil {
			t.Errorf("%s is accepted: %+v", tt.name, m)
		}
	}
	twice := pack(t, nil, nil, func(m *dns.Msg) { m.SetEdns0(1232, false).SetEdns0(1232, false) })
	if _, err := parseMessage(twice, zone.Name{}); err == nil {
		t.Error("two OPT records are accepted")
	}
}

func TestFit(t *testing.T) {
	q := newQuery(nil, zone.MustParseName("target.example.net."), dns.TypeA, &style{anyCase: true}, nil)
	right := append([]byte(nil), q.datagram()...)
	right[2] |= 0x80
	edited := func(edit func(b []byte) []byte) []byte { return edit(append([]byte(nil), right...)) }
	tests := []struct {
		name   string
		packet []byte
		want   match
	}{
		{"right", right, fullMatch},
		{"a query", q.datagram(), noMatch},
		{"another opcode", edited(func(b []byte) []byte { b[2] |= 0x10; return b }), noMatch},
		{"two questions", edited(func(b []byte) []byte { b[5] = 2; return b }), noMatch},
		{"cut short", right[:20], noMatch},
		{"another type", edited(func(b []byte) []byte { b[len(q.question())+headerLen-3] = 28; return b }), noMatch},
		{"another name", edited(func(b []byte) []byte { b[headerLen+1]++; return b }), noMatch},
		{"FORMERR without a question", edited(func(b []byte) []byte { b[3], b[5] = 1, 0; return b[:headerLen] }), fullMatch},
		{"NOERROR without a question", edited(func(b []byte) []byte { b[5] = 0; return b[:headerLen] }), noMatch},
	}
	for _, tt := range tests {
		if got := q.fit(tt.packet); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	capital := edited(func(b []byte) []byte { b[headerLen+1] -= 'a' - 'A'; return b })
	if got := q.fit(capital); got != fullMatch {
		t.Errorf("letter case counts although the resolver does not keep it: %d", got)
	}
	q.anyCase = false
	if got := q.fit(capital); got != caseDiffs {
		t.Errorf("another letter case: got %d, want %d", got, caseDiffs)
	}
}

// FuzzAnswer reads and walks any octets as a reply and checks what every answer promises.
func FuzzAnswer(f *testing.F) {
	seeds := [][]byte{
		pack(f, []string{"target.example.net. 60 A 192.0.2.1"}, nil, nil),
		pack(f, []string{"target.example.net. 60 CNAME x.test.", "x.test. 60 A 192.0.2.1"}, nil, nil),
		pack(f, []string{"example.net. 60 DNAME x.test.", "target.x.test. 60 A 192.0.2.1"}, nil, nil),
		pack(f, longChain(17), nil, nil),
		pack(f, nil, netSOA, nil),
		pack(f, nil, netSOA, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }),
		pack(f, nil, nil, func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			opt := m.IsEdns0()
			opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: 15, ExtraText: "\x1b[2Jtext"})
		}),
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	target := zone.MustParseName("target.example.net.")
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := parseMessage(packet, zone.Name{})
		if err != nil {
			return
		}
		c := newChain(target, dns.TypeA)
		a, done := c.walk(m)
		if !done {
			if len(c.links) == 0 || c.last == target {
				t.Error("asked on without a link")
			}
			return
		}
		checkPromises(t, a)
		again, _ := parseMessage(packet, zone.Name{})
		c = newChain(target, dns.TypeA)
		if b, _ := c.walk(again); short(b) != short(a) {
			t.Errorf("once %s, then %s", short(a), short(b))
		}
	})
}

func checkPromises(t *testing.T, a Answer) {
	t.Helper()
	if a.Outcome < Addresses || a.Outcome > Failure {
		t.Errorf("outcome %d", a.Outcome)
	}
	if (a.Outcome == Addresses) != (len(a.Addresses) > 0) {
		t.Errorf("%s with %d addresses", a.Outcome, len(a.Addresses))
	}
	if (a.Outcome == Failure) != (a.Reason != 0) || (a.Reason != 0) != (a.Detail != "") {
		t.Errorf("%s, reason %d, detail %q", a.Outcome, a.Reason, a.Detail)
	}
	if len(a.Chain) > MaxLinks || a.TTL > MaxTTL || a.NegativeTTL > MaxTTL {
		t.Errorf("bounds: %d links, TTL %d, negative TTL %d", len(a.Chain), a.TTL, a.NegativeTTL)
	}
	if !slices.IsSortedFunc(a.Addresses, netip.Addr.Compare) || len(slices.Compact(slices.Clone(a.Addresses))) != len(a.Addresses) {
		t.Errorf("addresses %v", a.Addresses)
	}
	for _, r := range a.Detail {
		if r < ' ' {
			t.Errorf("control character in %q", a.Detail)
		}
	}
}
