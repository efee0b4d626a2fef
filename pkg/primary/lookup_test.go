package primary

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

const lookupZone = `$ORIGIN example.com.
@ 300 SOA ns hostmaster 1 300 60 86400 60
@ 300 NS ns
@ 300 A 192.0.2.80
@ 300 MX 10 mail
ns 300 A 192.0.2.1
mail 300 A 192.0.2.2
mail 300 AAAA 2001:db8::2
www 300 CNAME mail
far 300 CNAME www.example.net.
chain 300 CNAME www
dangling 300 CNAME nothing
loop1 300 CNAME loop2
loop2 300 CNAME loop1
deep.a.b 300 A 192.0.2.3
*.wild 300 TXT "wild"
*.wild 300 A 192.0.2.4
there.wild 300 A 192.0.2.5
below.ent.wild 300 A 192.0.2.6
*.alias 300 CNAME mail
sub 300 NS ns.sub
sub 300 NS ns.example.net.
sub 300 DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.sub 300 A 192.0.2.7
ns.sub 300 AAAA 2001:db8::7
tree 300 DNAME other
other 300 A 192.0.2.8
leaf.other 300 A 192.0.2.9
out 300 DNAME example.net.
to-sub 300 CNAME x.sub
_sip._tcp 300 SRV 1 2 3 mail
`

// TestLookupsAgree asks the same of this server, named and knotd: all owner names, names around
// them, and some types.
func TestLookupsAgree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(lookupZone), 0o600); err != nil {
		t.Fatal(err)
	}
	zones := map[string]string{"example.com": file}
	named, knot := judge.StartNamed(t, zones), judge.StartKnot(t, zones)
	named.WaitReady(t, "example.com")
	knot.WaitReady(t, "example.com")
	st := setup(t, example)
	st.Zones[0].Access = append(st.Zones[0].Access, Access{From: loop, Unsigned: true, Lookup: true})
	s := start(t, Options{}, st)
	s.publish(t, zoneOf(t, example, lookupZone))
	names := []string{
		"example.com.", "nothing.example.com.", "x.nothing.example.com.", "a.b.example.com.", "b.example.com.", "x.b.example.com.",
		"x.wild.example.com.", "x.y.wild.example.com.", "x.there.wild.example.com.", "ent.wild.example.com.", "x.ent.wild.example.com.",
		"wild.example.com.", "x.alias.example.com.", "x.sub.example.com.", "x.tree.example.com.", "leaf.tree.example.com.", "x.out.example.com.",
		"_tcp.example.com.", "WWW.example.com.",
	}
	for _, rr := range parse(t, example, lookupZone) {
		names = append(names, rr.Header().Name)
	}
	slices.Sort(names)
	asked := 0
	for _, name := range slices.Compact(names) {
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeCNAME, dns.TypeDS, dns.TypeMX} {
			m := new(dns.Msg).SetQuestion(name, typ)
			got := shown(s.ask(t, "tcp", m.Copy()))
			want, other := shown(named.Query(t, name, typ)), shown(knot.Query(t, name, typ))
			if got != want && got != other {
				t.Errorf("%s %s:\n%s\nnamed:\n%s\nknotd:\n%s", name, dns.Type(typ), got, want, other)
			}
			asked++
		}
	}
	if asked < 300 {
		t.Errorf("%d questions", asked)
	}
}

// shown is an answer in a form that is compared. What servers add to be kind is left out: the NS
// of the zone beside an answer, and addresses.
func shown(m *dns.Msg) string {
	referral := !m.Authoritative && len(m.Answer) == 0
	part := func(rrs []dns.RR) string {
		var list []string
		for _, rr := range rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				list = append(list, strings.ToLower(strings.ReplaceAll(rr.String(), "\t", " ")))
			}
		}
		slices.Sort(list)
		return strings.Join(slices.Compact(list), "\n")
	}
	ns := slices.DeleteFunc(slices.Clone(m.Ns), func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeNS && strings.EqualFold(rr.Header().Name, "example.com.")
	})
	text := fmt.Sprintf("%s aa=%v\n%s\n-\n%s", dns.RcodeToString[m.Rcode], m.Authoritative, part(m.Answer), part(ns))
	if referral {
		text += "\n-\n" + part(m.Extra)
	}
	return text
}

func TestLookupAny(t *testing.T) {
	st := setup(t, example)
	s := start(t, Options{}, st)
	s.publish(t, zoneOf(t, example, lookupZone))
	answer := s.ask(t, "tcp", sign(new(dns.Msg).SetQuestion("example.com.", dns.TypeANY)))
	if len(answer.Answer) != 4 || !answer.Authoritative {
		t.Errorf("answered:\n%v", answer)
	}
}

// TestLookupTooLong: a DNAME that makes a name too long is YXDOMAIN (RFC 6672 §2.2).
func TestLookupTooLong(t *testing.T) {
	label := strings.Repeat("l", 60)
	long := strings.Join([]string{label, label, label}, ".")
	s := start(t, Options{}, setup(t, example))
	s.publish(t, zoneOf(t, example, soaLine(1)+"d DNAME "+long+"\n"))
	answer := s.ask(t, "tcp", sign(new(dns.Msg).SetQuestion(label+".d.example.com.", dns.TypeA)))
	if answer.Rcode != dns.RcodeYXDomain || len(answer.Answer) != 1 {
		t.Errorf("answered:\n%v", answer)
	}
}

// TestDatagrams: an answer over UDP that is not signed is short, whatever the client offers.
func TestDatagrams(t *testing.T) {
	st := setup(t, example)
	st.Zones[0].Access = append(st.Zones[0].Access, Access{From: loop, Unsigned: true, Lookup: true})
	s := start(t, Options{}, st)
	var text strings.Builder
	text.WriteString(soaLine(1))
	for i := range 40 {
		fmt.Fprintf(&text, "a A 192.0.2.%d\n", i)
	}
	for i := range 4 {
		fmt.Fprintf(&text, "b TXT \"%d%s\"\n", i, strings.Repeat("x", 250))
	}
	s.publish(t, zoneOf(t, example, text.String()))
	for _, name := range []string{"a", "b"} {
		q := new(dns.Msg).SetQuestion(name+".example.com.", dns.TypeANY)
		q.SetEdns0(4096, false)
		answer := s.ask(t, "udp", q.Copy())
		answer.Compress = true
		if !answer.Truncated || answer.Len() > dns.MinMsgSize {
			t.Errorf("%s: %d octets, truncated: %v", name, answer.Len(), answer.Truncated)
		}
		if answer = s.ask(t, "tcp", q); answer.Truncated || len(answer.Answer) < 4 {
			t.Errorf("%s over TCP: %v", name, answer)
		}
	}
	signed := new(dns.Msg).SetQuestion("a.example.com.", dns.TypeA)
	signed.SetEdns0(4096, false)
	if answer := s.ask(t, "udp", sign(signed)); answer.Truncated || len(answer.Answer) != 40 {
		t.Errorf("signed: %v", answer)
	}
}
