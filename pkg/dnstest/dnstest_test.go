package dnstest

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testWorld = `
example.net.        3600 IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 120
a.example.net.      60 IN A 192.0.2.1
c.example.net.      60 IN CNAME a.example.net.
d.example.net.      60 IN DNAME example.net.
*.w.example.net.    60 IN A 192.0.2.2
x.y.example.net.    60 IN TXT "text"
`

// ask gives a reply on one line: rcode, header bits, the answer's RDATA, and the owner of
// the SOA.
func ask(t *testing.T, s *Server, network, name string, qtype uint16) string {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.SetEdns0(1232, false)
	c := dns.Client{Net: network}
	r, _, err := c.Exchange(m, s.Addr())
	if err != nil {
		return "error"
	}
	words := []string{dns.RcodeToString[r.Rcode]}
	if r.Authoritative && r.RecursionAvailable {
		words = append(words, "aa ra")
	}
	if r.Truncated {
		words = append(words, "tc")
	}
	for _, rr := range r.Answer {
		words = append(words, dns.Field(rr, 1))
	}
	for _, rr := range r.Ns {
		words = append(words, dns.TypeToString[rr.Header().Rrtype]+" "+rr.Header().Name)
	}
	return strings.Join(words, " ")
}

func TestAnswers(t *testing.T) {
	s := Start(t, testWorld)
	tests := []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"a.example.net.", dns.TypeA, "NOERROR aa ra 192.0.2.1"},
		{"A.Example.NET.", dns.TypeA, "NOERROR aa ra 192.0.2.1"},
		{"a.example.net.", dns.TypeAAAA, "NOERROR aa ra SOA example.net."},
		{"c.example.net.", dns.TypeA, "NOERROR aa ra a.example.net. 192.0.2.1"},
		{"c.example.net.", dns.TypeCNAME, "NOERROR aa ra a.example.net."},
		{"c.d.example.net.", dns.TypeA, "NOERROR aa ra example.net. c.example.net. a.example.net. 192.0.2.1"},
		{"any.w.example.net.", dns.TypeA, "NOERROR aa ra 192.0.2.2"},
		{"y.example.net.", dns.TypeA, "NOERROR aa ra SOA example.net."},
		{"none.example.net.", dns.TypeA, "NXDOMAIN aa ra SOA example.net."},
		{"none.test.", dns.TypeA, "NXDOMAIN aa ra SOA ."},
	}
	for _, tt := range tests {
		for _, network := range []string{"udp", "tcp"} {
			if got := ask(t, s, network, tt.name, tt.qtype); got != tt.want {
				t.Errorf("%s %s over %s: got %q, want %q", tt.name, dns.TypeToString[tt.qtype], network, got, tt.want)
			}
		}
	}
	if n := s.Count("a.example.net.", dns.TypeA); n != 4 {
		t.Errorf("counted %d questions, want 4", n)
	}
}

func TestSetWorld(t *testing.T) {
	s := Start(t, testWorld)
	if err := s.SetWorld("a.example.net. 60 IN A 192.0.2.9"); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(t, s, "udp", "a.example.net.", dns.TypeA), "NOERROR aa ra 192.0.2.9"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := s.SetWorld("a.example.net. 60 IN A nonsense"); err == nil {
		t.Error("a broken world is accepted")
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ text, udp, tcp string }{
		{"servfail", "SERVFAIL aa ra", "SERVFAIL aa ra"},
		{"servfail,udp", "SERVFAIL aa ra", "NOERROR aa ra 192.0.2.1"},
		{"servfail,nth=2", "NOERROR aa ra 192.0.2.1", "SERVFAIL aa ra"},
		// The library calls 16 by what it means in TSIG.
		{"rcode=16", "BADSIG aa ra", "BADSIG aa ra"},
		{"truncate", "NOERROR aa ra tc", "NOERROR aa ra 192.0.2.1"},
		{"truncate-tcp", "NOERROR aa ra tc", "NOERROR aa ra tc"},
		{"lame", "NOERROR 192.0.2.1", "NOERROR 192.0.2.1"},
		{"referral", "NOERROR aa ra NS a.example.net.", "NOERROR aa ra NS a.example.net."},
		{"hangup,tcp", "NOERROR aa ra 192.0.2.1", "error"},
		{"two-cnames", "NOERROR aa ra 192.0.2.1 second.test.", "NOERROR aa ra 192.0.2.1 second.test."},
		{"two-cnames,reverse", "NOERROR aa ra second.test. 192.0.2.1", "NOERROR aa ra second.test. 192.0.2.1"},
		{"delay=1ms,ede=15:no,ede=22", "NOERROR aa ra 192.0.2.1", "NOERROR aa ra 192.0.2.1"},
	}
	for _, tt := range tests {
		s := Start(t, testWorld)
		f, err := ParseFault(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fault("", dns.TypeA, f)
		if got := ask(t, s, "udp", "a.example.net.", dns.TypeA); got != tt.udp {
			t.Errorf("%s over UDP: got %q, want %q", tt.text, got, tt.udp)
		}
		if got := ask(t, s, "tcp", "a.example.net.", dns.TypeA); got != tt.tcp {
			t.Errorf("%s over TCP: got %q, want %q", tt.text, got, tt.tcp)
		}
		s.ClearFaults()
		if got := ask(t, s, "udp", "a.example.net.", dns.TypeA); got != "NOERROR aa ra 192.0.2.1" {
			t.Errorf("%s: after ClearFaults %q", tt.text, got)
		}
	}
}
