package primary

import (
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// updating makes a message of prerequisites and changes that the library has words for.
func updating(fill func(m *dns.Msg)) *dns.Msg {
	m := new(dns.Msg).SetUpdate("example.com.")
	fill(m)
	return m
}

// pass has a zone take a message as it comes over a socket.
func pass(tb testing.TB, z *updatedZone, m *dns.Msg) (rcode int, problem string) {
	tb.Helper()
	wire, err := m.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return passWire(tb, z, wire)
}

func passWire(tb testing.TB, z *updatedZone, wire []byte) (rcode int, problem string) {
	tb.Helper()
	read := new(dns.Msg)
	if err := read.Unpack(wire); err != nil {
		tb.Fatal(err)
	}
	u := &Update{Zone: example, Key: keyName}
	if p := u.read(read); p != nil {
		return p.rcode, p.reason
	}
	return z.Update(tb.Context(), u)
}

func TestUpdatePrerequisites(t *testing.T) {
	rrs := func(texts ...string) []dns.RR {
		var list []dns.RR
		for _, text := range texts {
			list = append(list, oneRecord(t, text))
		}
		return list
	}
	const cdn = `example.com. 0 TYPE65401 \# 17 0343444e076578616d706c65036e657400` // in another letter case
	for _, c := range []struct {
		what    string
		fill    func(m *dns.Msg)
		rcode   int
		problem string
	}{
		{"RRset exists", func(m *dns.Msg) { m.RRsetUsed(rrs("www.example.com. A 192.0.2.9")) }, dns.RcodeSuccess, ""},
		{"RRset does not exist", func(m *dns.Msg) { m.RRsetUsed(rrs("www.example.com. AAAA ::1")) }, dns.RcodeNXRrset, "www.example.com. has no records of type AAAA"},
		{"ALIAS exists", func(m *dns.Msg) { m.RRsetUsed(rrs(cdn)) }, dns.RcodeSuccess, ""},
		{"ALIAS does not exist", func(m *dns.Msg) { m.RRsetNotUsed(rrs(cdn)) }, dns.RcodeYXRrset, "example.com. has records of type ALIAS"},
		{"no RRset", func(m *dns.Msg) { m.RRsetNotUsed(rrs("www.example.com. AAAA ::1")) }, dns.RcodeSuccess, ""},
		{"an RRset", func(m *dns.Msg) { m.RRsetNotUsed(rrs("WWW.example.com. A 192.0.2.9")) }, dns.RcodeYXRrset, "www.example.com. has records of type A"},
		{"name in use", func(m *dns.Msg) { m.NameUsed(rrs("www.example.com. A 192.0.2.9")) }, dns.RcodeSuccess, ""},
		{"name not in use", func(m *dns.Msg) { m.NameUsed(rrs("no.example.com. A 192.0.2.9")) }, dns.RcodeNameError, "no.example.com. has no records"},
		{"empty non-terminal", func(m *dns.Msg) { m.NameUsed(rrs("under.example.com. A 192.0.2.9")) }, dns.RcodeNameError, "under.example.com. has no records"},
		{"free name", func(m *dns.Msg) { m.NameNotUsed(rrs("no.example.com. A 192.0.2.9")) }, dns.RcodeSuccess, ""},
		{"free empty non-terminal", func(m *dns.Msg) { m.NameNotUsed(rrs("under.example.com. A 192.0.2.9")) }, dns.RcodeSuccess, ""},
		{"taken name", func(m *dns.Msg) { m.NameNotUsed(rrs("www.example.com. A 192.0.2.9")) }, dns.RcodeYXDomain, "www.example.com. has records"},
		{"values", func(m *dns.Msg) { m.Used(rrs("www.example.com. 0 A 192.0.2.2", "www.example.com. 0 A 192.0.2.1")) }, dns.RcodeSuccess, ""},
		{"a value twice", func(m *dns.Msg) {
			m.Used(rrs("mail.example.com. 0 MX 10 mail.EXAMPLE.net.", "mail.example.com. 0 MX 10 mail.example.net."))
		}, dns.RcodeSuccess, ""},
		{"the target", func(m *dns.Msg) { m.Used(rrs(cdn)) }, dns.RcodeSuccess, ""},
		{"fewer values", func(m *dns.Msg) { m.Used(rrs("www.example.com. 0 A 192.0.2.2")) }, dns.RcodeNXRrset, "www.example.com. has other records of type A"},
		{"more values", func(m *dns.Msg) {
			m.Used(rrs("www.example.com. 0 A 192.0.2.2", "www.example.com. 0 A 192.0.2.1", "www.example.com. 0 A 192.0.2.3"))
		}, dns.RcodeNXRrset, "www.example.com. has other records of type A"},
		{"values of none", func(m *dns.Msg) { m.Used(rrs("no.example.com. 0 A 192.0.2.2")) }, dns.RcodeNXRrset, "no.example.com. has other records of type A"},
		{"two RRsets", func(m *dns.Msg) {
			m.Used(rrs("mail.example.com. 0 MX 10 mail.example.net.", `www.example.com. 0 TXT "www"`))
		}, dns.RcodeSuccess, ""},
		{"one of two RRsets", func(m *dns.Msg) {
			m.Used(rrs("mail.example.com. 0 MX 10 mail.example.net.", `www.example.com. 0 TXT "WWW"`))
		}, dns.RcodeNXRrset, "www.example.com. has other records of type TXT"},
	} {
		t.Run(c.what, func(t *testing.T) {
			z := newUpdatedZone(t)
			rcode, problem := pass(t, z, updating(func(m *dns.Msg) {
				c.fill(m)
				m.Insert(rrs("made.example.com. 60 A 192.0.2.7"))
			}))
			if rcode != c.rcode || problem != c.problem {
				t.Errorf("%s, %q", dns.RcodeToString[rcode], problem)
			}
			if made := len(z.lines(t, "made.example.com.")); (made == 1) != (rcode == dns.RcodeSuccess) {
				t.Errorf("made %d records", made)
			}
		})
	}
}

func TestUpdateChanges(t *testing.T) {
	apex := []string{"300 ALIAS cdn.example.net.", "300 NS ns1.example.net.", "300 NS ns2.example.net.", "300 SOA ns.example.net. hostmaster.example.net. 7 300 60 86400 60", `300 TXT "apex"`}
	without := func(gone ...string) []string {
		return slices.DeleteFunc(slices.Clone(apex), func(line string) bool { return slices.Contains(gone, line) })
	}
	www := []string{"300 A 192.0.2.1", "300 A 192.0.2.2", `300 TXT "www"`}
	const alias = `example.com. 60 TYPE65401 \# 17 0377656207`
	add := func(text string) func(m *dns.Msg) {
		return func(m *dns.Msg) { m.Insert([]dns.RR{oneRecord(t, text)}) }
	}
	remove := func(text string) func(m *dns.Msg) {
		return func(m *dns.Msg) { m.Remove([]dns.RR{oneRecord(t, text)}) }
	}
	removeRRset := func(text string) func(m *dns.Msg) {
		return func(m *dns.Msg) { m.RemoveRRset([]dns.RR{oneRecord(t, text)}) }
	}
	removeName := func(text string) func(m *dns.Msg) {
		return func(m *dns.Msg) { m.RemoveName([]dns.RR{oneRecord(t, text)}) }
	}
	for _, c := range []struct {
		what  string
		owner string
		fill  []func(m *dns.Msg)
		want  []string
	}{
		{"add", "new.example.com.", []func(*dns.Msg){add("new.example.com. 60 A 192.0.2.3")}, []string{"60 A 192.0.2.3"}},
		{"add a type that nobody knows", "new.example.com.", []func(*dns.Msg){add(`new.example.com. 60 TYPE65000 \# 0`)}, nil},
		{"add to an RRset", "www.example.com.", []func(*dns.Msg){add("www.example.com. 60 A 192.0.2.3")}, []string{"60 A 192.0.2.1", "60 A 192.0.2.2", "60 A 192.0.2.3", `300 TXT "www"`}},
		{"add what is there", "www.example.com.", []func(*dns.Msg){add("www.example.com. 300 A 192.0.2.1")}, www},
		{"add what is there with another TTL", "www.example.com.", []func(*dns.Msg){add("www.example.com. 60 A 192.0.2.1")}, []string{"60 A 192.0.2.1", "60 A 192.0.2.2", `300 TXT "www"`}},
		{"add a CNAME beside others", "www.example.com.", []func(*dns.Msg){add("www.example.com. 60 CNAME a.example.net.")}, www},
		{"add others beside a CNAME", "alias.example.com.", []func(*dns.Msg){add("alias.example.com. 60 A 192.0.2.1")}, []string{"300 CNAME Target.example.net."}},
		{"add a KEY beside a CNAME", "alias.example.com.", []func(*dns.Msg){add("alias.example.com. 60 KEY 512 255 1 AQ==")}, []string{"300 CNAME Target.example.net.", "60 KEY 512 255 1 AQ=="}},
		{"replace a CNAME", "alias.example.com.", []func(*dns.Msg){add("alias.example.com. 60 CNAME other.example.net.")}, []string{"60 CNAME other.example.net."}},
		{"the same CNAME", "alias.example.com.", []func(*dns.Msg){add("alias.example.com. 300 CNAME target.EXAMPLE.net.")}, []string{"300 CNAME Target.example.net."}},
		{"replace an ALIAS", "example.com.", []func(*dns.Msg){add(alias + "6578616d706c65036f726700")}, append(without(apex[0]), "60 ALIAS web.example.org.")},
		{"an ALIAS beside a CNAME", "alias.example.com.", []func(*dns.Msg){add("alias." + alias + "6578616d706c65036f726700")}, []string{"300 CNAME Target.example.net."}},
		{"add an SOA", "example.com.", []func(*dns.Msg){add("example.com. 60 SOA a.test. b.test. 8 1 1 1 1")}, apex},
		{"delete a record", "www.example.com.", []func(*dns.Msg){remove("www.example.com. 0 A 192.0.2.1")}, www[1:]},
		{"delete a record in another letter case", "mail.example.com.", []func(*dns.Msg){remove("MAIL.example.com. 0 MX 10 MAIL.example.net.")}, nil},
		{"delete a record that is not there", "www.example.com.", []func(*dns.Msg){remove("www.example.com. 0 A 192.0.2.9")}, www},
		{"delete an ALIAS", "example.com.", []func(*dns.Msg){remove(`example.com. 0 TYPE65401 \# 17 0343444e076578616d706c65036e657400`)}, apex[1:]},
		{"delete an RRset", "www.example.com.", []func(*dns.Msg){removeRRset("www.example.com. 0 A 192.0.2.9")}, www[2:]},
		{"delete a name", "www.example.com.", []func(*dns.Msg){removeName("www.example.com. 0 A 192.0.2.9")}, nil},
		{"delete the apex", "example.com.", []func(*dns.Msg){removeName("example.com. 0 A 192.0.2.9")}, apex[1:4]},
		{"delete the NS of the apex", "example.com.", []func(*dns.Msg){removeRRset("example.com. 0 NS a.test.")}, apex},
		{"delete the SOA", "example.com.", []func(*dns.Msg){removeRRset("example.com. 0 SOA a.test. b.test. 8 1 1 1 1"), remove("example.com. 0 SOA ns.example.net. hostmaster.example.net. 7 300 60 86400 60")}, apex},
		{"delete an NS of the apex", "example.com.", []func(*dns.Msg){remove("example.com. 0 NS ns1.example.net.")}, without(apex[1])},
		{"delete the last NS of the apex", "example.com.", []func(*dns.Msg){remove("example.com. 0 NS ns1.example.net."), remove("example.com. 0 NS ns2.example.net.")}, without(apex[1])},
		{"replace an RRset", "www.example.com.", []func(*dns.Msg){removeRRset("www.example.com. 0 A 192.0.2.9"), add("www.example.com. 60 A 192.0.2.2"), add("www.example.com. 90 A 192.0.2.4")}, []string{"90 A 192.0.2.2", "90 A 192.0.2.4", `300 TXT "www"`}},
		{"delete and add again", "www.example.com.", []func(*dns.Msg){removeName("www.example.com. 0 A 192.0.2.9"), add("www.example.com. 300 A 192.0.2.1"), add("www.example.com. 300 A 192.0.2.2"), add(`www.example.com. 300 TXT "www"`)}, www},
		{"add and delete again", "new.example.com.", []func(*dns.Msg){add("new.example.com. 300 A 192.0.2.1"), removeName("new.example.com. 300 A 192.0.2.1")}, nil},
		{"a CNAME in place of others", "www.example.com.", []func(*dns.Msg){removeName("www.example.com. 0 A 192.0.2.9"), add("www.example.com. 60 CNAME a.example.net.")}, []string{"60 CNAME a.example.net."}},
	} {
		t.Run(c.what, func(t *testing.T) {
			z := newUpdatedZone(t)
			rcode, problem := pass(t, z, updating(func(m *dns.Msg) {
				for _, fill := range c.fill {
					fill(m)
				}
			}))
			if rcode != dns.RcodeSuccess || problem != "" {
				t.Fatalf("%s, %q", dns.RcodeToString[rcode], problem)
			}
			if c.what == "add a type that nobody knows" {
				if list := z.records[zone.MustParseName(c.owner)]; len(list) != 1 || list[0].Type != 65000 || list[0].RDATA != "" {
					t.Errorf("it has %v", list)
				}
				return
			}
			want := slices.Sorted(slices.Values(c.want))
			if got := z.lines(t, c.owner); !slices.Equal(got, want) {
				t.Errorf("it has\n%q, want\n%q", got, want)
			}
		})
	}
}

// TestUpdateReplacements shows what is handed out: what stays apart from what goes and comes, and
// nothing for an RRset that stays as it is.
func TestUpdateReplacements(t *testing.T) {
	had := []UpdateRecord{
		{Type: dns.TypeA, TTL: 300, RDATA: "\xc0\x00\x02\x01", Known: true, Of: 1},
		{Type: dns.TypeA, TTL: 300, RDATA: "\xc0\x00\x02\x02", Known: true, Of: 2},
		{Type: dns.TypeATMA, TTL: 300, RDATA: "+61200000000", Of: 3},
	}
	apply := func(changes ...UpdateChange) []RRsetReplacement {
		u := &Update{Zone: example, Changes: changes}
		list, rcode, problem := u.Apply(func(zone.Name) []UpdateRecord { return had })
		if rcode != dns.RcodeSuccess {
			t.Fatalf("%d, %s", rcode, problem)
		}
		return list
	}
	www := zone.MustParseName("www.example.com")
	list := apply(
		UpdateChange{Kind: UpdateDelete, Owner: www, Type: dns.TypeA, RDATA: "\xc0\x00\x02\x01"},
		UpdateChange{Kind: UpdateAdd, Owner: www, Type: dns.TypeA, TTL: 60, RDATA: "\xc0\x00\x02\x03"},
		UpdateChange{Kind: UpdateDelete, Owner: www, Type: dns.TypeATMA, RDATA: "+61200000000"},
	)
	if len(list) != 1 || list[0].Owner != www || list[0].Type != dns.TypeA || list[0].TTL == nil || *list[0].TTL != 60 ||
		!slices.Equal(list[0].Stay, had[1:2]) || !slices.Equal(list[0].Gone, had[:1]) || len(list[0].Come) != 1 {
		t.Errorf("%+v", list)
	}
	list = apply(UpdateChange{Kind: UpdateDelete, Owner: www, Type: dns.TypeA, RDATA: "\xc0\x00\x02\x01"})
	if len(list) != 1 || list[0].TTL != nil || len(list[0].Stay) != 1 {
		t.Errorf("%+v", list)
	}
	list = apply(UpdateChange{Kind: UpdateDeleteRRsets, Owner: www})
	if len(list) != 2 || len(list[0].Stay)+len(list[1].Stay)+len(list[0].Come)+len(list[1].Come) > 0 || list[1].Gone[0].Of != 3 || list[0].TTL != nil {
		t.Errorf("%+v", list)
	}
	if list = apply(UpdateChange{Kind: UpdateAdd, Owner: www, Type: dns.TypeA, TTL: 300, RDATA: "\xc0\x00\x02\x02"}); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	// The target of HTTPS is compared without regard to case too.
	had = []UpdateRecord{{Type: dns.TypeHTTPS, TTL: 300, RDATA: "\x00\x01\x01a\x00", Known: true}}
	if list = apply(UpdateChange{Kind: UpdateDelete, Owner: www, Type: dns.TypeHTTPS, RDATA: "\x00\x01\x01A\x00"}); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}
