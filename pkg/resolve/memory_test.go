package resolve

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func parse(tb testing.TB, text string) []dns.RR {
	tb.Helper()
	var records []dns.RR
	p := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		records = append(records, rr)
	}
	if p.Err() != nil {
		tb.Fatal(p.Err())
	}
	return records
}

func newMemory(tb testing.TB, text string) *Memory {
	tb.Helper()
	m, err := NewMemory(parse(tb, text))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

const memoryWorld = testWorld + `
sub.old.example.net.     60 IN A 192.0.2.80
mail.example.net.        60 IN MX 10 edge.example.org.
*.cwild.example.net.     50 IN CNAME www.example.org.
sub.cwild.example.net.   50 IN A 192.0.2.81
x.*.star.example.net.    50 IN A 192.0.2.82
week.example.net.        4294967295 IN A 192.0.2.83
*.org-wild.example.org.  50 IN DNAME example.net.
`

func TestMemory(t *testing.T) {
	tests := []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"cdn.example.net.", dns.TypeA, "addresses [192.0.2.2 192.0.2.10] ttl=100 CNAME>www.example.org. CNAME>edge.example.org."},
		{"v4.example.net.", dns.TypeAAAA, "NODATA neg=120"},
		{"mail.example.net.", dns.TypeA, "NODATA neg=120"},
		{"mail.example.net.", dns.TypeMX, "NODATA neg=120"},
		{"none.example.net.", dns.TypeA, "NXDOMAIN neg=120"},
		{"none.test.", dns.TypeA, "NXDOMAIN neg=0"},
		{".", dns.TypeA, "NODATA neg=0"},
		{"dead.example.net.", dns.TypeA, "NXDOMAIN neg=120 CNAME>gone.example.net."},
		{"b.ent.example.net.", dns.TypeA, "NODATA neg=120"},
		{"ent.example.net.", dns.TypeA, "NODATA neg=120"},
		{"x.wild.example.net.", dns.TypeA, "addresses [192.0.2.77] ttl=30"},
		{"y.x.wild.example.net.", dns.TypeA, "addresses [192.0.2.77] ttl=30"},
		{"*.wild.example.net.", dns.TypeA, "addresses [192.0.2.77] ttl=30"},
		{"wild.example.net.", dns.TypeA, "NODATA neg=120"},
		{"a.cwild.example.net.", dns.TypeAAAA, "addresses [2001:db8::1] ttl=50 CNAME>www.example.org. CNAME>edge.example.org."},
		{"a.sub.cwild.example.net.", dns.TypeA, "NXDOMAIN neg=120"},
		{"a.star.example.net.", dns.TypeA, "NODATA neg=120"},
		{"edge.old.example.net.", dns.TypeA, "addresses [192.0.2.2 192.0.2.10] ttl=100 DNAME>example.org."},
		{"sub.old.example.net.", dns.TypeA, "NXDOMAIN neg=0 DNAME>example.org."},
		{"old.example.net.", dns.TypeA, "NODATA neg=120"},
		{"loop1.example.net.", dns.TypeA, "failure [loop] CNAME>loop2.example.net. CNAME>loop1.example.net."},
		{"week.example.net.", dns.TypeA, "addresses [192.0.2.83] ttl=0"},
		{strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + "." + strings.Repeat("c", 60) + "." + strings.Repeat("d", 50) + ".old.example.net.", dns.TypeA, "NXDOMAIN neg=0 DNAME>example.org."},
	}
	m := newMemory(t, memoryWorld)
	for _, tt := range tests {
		name := zone.MustParseName(tt.name)
		a := m.Lookup(t.Context(), name, tt.qtype)
		if got := short(a); got != tt.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", tt.name, dns.TypeToString[tt.qtype], got, tt.want)
		}
		if a.Target != name || a.Type != tt.qtype || a.Resolver != "memory" {
			t.Errorf("%s: the answer is about %s %d by %s", tt.name, a.Target, a.Type, a.Resolver)
		}
	}
}

// A world in memory says what a client says that asks a server with the same world.
func TestMemoryIsLikeTheNetwork(t *testing.T) {
	m := newMemory(t, memoryWorld)
	server := dnstest.Start(t, memoryWorld)
	c := newClient(t, fast, server.URL())
	names := []string{"x.wild.example.net.", "b.ent.example.net.", "none.example.net.", "a.sub.cwild.example.net.", "a.cwild.example.net.", "www.old.example.net.", "a.star.example.net."}
	for _, rr := range parse(t, memoryWorld) {
		names = append(names, rr.Header().Name)
	}
	for _, name := range names {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			n := zone.MustParseName(name)
			want, got := m.Lookup(t.Context(), n, qtype), c.Lookup(t.Context(), n, qtype)
			want.NegativeTTL, got.NegativeTTL = 0, 0 // the server makes an SOA where there is none
			if short(got) != short(want) {
				t.Errorf("%s %s\nnetwork %s\nmemory  %s", name, dns.TypeToString[qtype], short(got), short(want))
			}
		}
	}
}

func TestMemoryErrors(t *testing.T) {
	tests := []struct{ world, want string }{
		{"a.test. 60 IN CNAME b.test.\na.test. 60 IN CNAME c.test.", "a.test. CNAME: two different targets, b.test. and c.test."},
		{"a.test. 60 IN DNAME b.test.\na.test. 60 IN DNAME c.test.", "a.test. DNAME: two different targets, b.test. and c.test."},
		{"a.test. 60 IN CNAME b.test.\na.test. 60 IN A 192.0.2.1", "a.test. A: a CNAME and other data at one owner"},
		{"a.test. 60 IN TXT x\na.test. 60 IN CNAME b.test.", "a.test. CNAME: a CNAME and other data at one owner"},
		{"a.test. 60 CH A 192.0.2.1", "a.test. A: class CH; only IN is answered"},
	}
	for _, tt := range tests {
		if _, err := NewMemory(parse(t, tt.world)); err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.world, err, tt.want)
		}
	}
	same := "a.test. 60 IN CNAME b.test.\na.test. 30 IN CNAME B.test.\nb.test. 90 IN A 192.0.2.1"
	if got := short(newMemory(t, same).Lookup(t.Context(), zone.MustParseName("a.test."), dns.TypeA)); got != "addresses [192.0.2.1] ttl=30 CNAME>b.test." {
		t.Errorf("a repeated CNAME: %s", got)
	}
	bad := []dns.RR{
		&dns.A{Hdr: dns.RR_Header{Name: "a.test.", Rrtype: dns.TypeA, Class: dns.ClassINET}},
		&dns.AAAA{Hdr: dns.RR_Header{Name: "a.test.", Rrtype: dns.TypeAAAA, Class: dns.ClassINET}},
		&dns.CNAME{Hdr: dns.RR_Header{Name: "a.test.", Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "b"},
		&dns.CNAME{Hdr: dns.RR_Header{Name: "a", Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "b.test."},
	}
	for _, rr := range bad {
		if _, err := NewMemory([]dns.RR{rr}); err == nil {
			t.Errorf("%s is accepted", rr)
		}
	}
}

func TestDemo(t *testing.T) {
	tests := []struct{ name, a, aaaa string }{
		{"cdn.example.net.", "addresses [198.51.100.10 198.51.100.11] ttl=60", "addresses [2001:db8:100::10 2001:db8:100::11] ttl=60"},
		{"lb.example.net.", "addresses [203.0.113.20 203.0.113.21] ttl=300", "addresses [2001:db8:200::20] ttl=300"},
		{"v4only.example.net.", "addresses [203.0.113.40] ttl=600", "NODATA neg=300"},
		{"v6only.example.net.", "NODATA neg=300", "addresses [2001:db8:400::40] ttl=600"},
		{"docs.pages.example.net.", "addresses [203.0.113.20 203.0.113.21] ttl=300", "addresses [2001:db8:200::20] ttl=300"},
		{"pop1.old.example.net.", "addresses [198.51.100.10 198.51.100.11] ttl=60", "addresses [2001:db8:100::10 2001:db8:100::11] ttl=60"},
		{"nothing.example.net.", "NXDOMAIN neg=300", "NXDOMAIN neg=300"},
	}
	m := Demo()
	for _, tt := range tests {
		for qtype, want := range map[uint16]string{dns.TypeA: tt.a, dns.TypeAAAA: tt.aaaa} {
			a := m.Lookup(context.Background(), zone.MustParseName(tt.name), qtype)
			a.Chain = nil
			if got := short(a); got != want || a.Resolver != "demo:" {
				t.Errorf("%s %s: %s by %s, want %s", tt.name, dns.TypeToString[qtype], got, a.Resolver, want)
			}
		}
	}
}

func TestParseURL(t *testing.T) {
	tests := []struct{ text, want string }{
		{"system", "system"},
		{"demo:", "demo:"},
		{"file:answers.zone", "file:answers.zone"},
		{"file:/srv/answers.zone", "file:/srv/answers.zone"},
		{"file:///srv/answers.zone", "file:/srv/answers.zone"},
		{"udp://192.0.2.53", "udp://192.0.2.53"},
		{"udp://192.0.2.53:53", "udp://192.0.2.53"},
		{"UDP://192.0.2.53:5353/", "udp://192.0.2.53:5353"},
		{"tcp://[2001:db8::53]", "tcp://[2001:db8::53]"},
		{"tcp://[2001:db8::53]:5353", "tcp://[2001:db8::53]:5353"},
		{"udp://[fe80::1%25eth0]", "udp://[fe80::1%25eth0]"},
		{"udp://resolver.example.net", "udp://resolver.example.net"},
	}
	for _, tt := range tests {
		u, err := ParseURL(tt.text)
		if err != nil || u.String() != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.text, u, err, tt.want)
			continue
		}
		if again, err := ParseURL(u.String()); err != nil || again != u {
			t.Errorf("%s does not come back: %+v, %v", tt.want, again, err)
		}
	}
	wrong := []struct{ text, want string }{
		{"", `resolver "": empty; supported are `},
		{"192.0.2.53", `resolver "192.0.2.53": no scheme; write udp://192.0.2.53`},
		{"2001:db8::53", `resolver "2001:db8::53": no scheme; write udp://[2001:db8::53]`},
		{"systen", `resolver "systen": unknown kind of resolver; supported are `},
		{"gopher://192.0.2.53", `resolver "gopher://192.0.2.53": unknown scheme "gopher"; supported are system, udp://HOST[:PORT], tcp://HOST[:PORT], tls://HOST[:PORT][#NAME], https://HOST[:PORT]/PATH[#NAME], `},
		{"demo://x", `resolver "demo://x": unknown scheme "demo"`},
		{"file:", `resolver "file:": file: needs the path`},
		{"file://host/path", `resolver "file://host/path": file: takes a path, not a host`},
		{"udp://", `resolver "udp://": no host`},
		{"udp://:53", `resolver "udp://:53": no host`},
		{"udp://192.0.2.1:0", `resolver "udp://192.0.2.1:0": port "0" is not in 1 to 65535`},
		{"udp://192.0.2.1:65536", `resolver "udp://192.0.2.1:65536": port "65536" is not`},
		{"udp://192.0.2.1:dns", `resolver "udp://192.0.2.1:dns": not a host with an optional port`},
		{"udp://192.0.2.1/path", `resolver "udp://192.0.2.1/path": only a host and a port`},
		{"udp://192.0.2.1?x=1", `resolver "udp://192.0.2.1?x=1": only a host and a port`},
		{"udp://192.0.2.1#name", `resolver "udp://192.0.2.1#name": only a host and a port`},
		{"udp://user@192.0.2.1", `resolver "udp://user@192.0.2.1": only a host and a port`},
		{"udp://192.0.2.300", `resolver "udp://192.0.2.300": "192.0.2.300" is not an address`},
		{"udp://a..test", `resolver "udp://a..test": name "a..test": empty label`},
	}
	for _, tt := range wrong {
		if u, err := ParseURL(tt.text); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v; want %s", tt.text, u, err, tt.want)
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	var world strings.Builder
	var names []zone.Name
	for i := range 100_000 {
		name := fmt.Sprintf("host%d.example.net.", i)
		fmt.Fprintf(&world, "%s 60 IN A 192.0.2.%d\n", name, i%256)
		names = append(names, zone.MustParseName(name))
	}
	m := newMemory(b, world.String())
	for b.Loop() {
		for _, n := range names {
			if a := m.Lookup(b.Context(), n, dns.TypeA); a.Outcome != Addresses {
				b.Fatal(short(a))
			}
		}
	}
}
