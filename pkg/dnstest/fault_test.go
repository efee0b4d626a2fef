package dnstest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/bits"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func setFault(t *testing.T, s *Server, name string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		f, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fault(name, 0, f)
	}
}

// describe is a reply, or what came instead, on one line: what differs from the query, the
// records, the options of EDNS and how long it took.
func describe(q *dns.Msg, packet []byte, err error, took time.Duration) string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	m := new(dns.Msg)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, io.EOF):
		return "end"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "end within a message"
	case err != nil:
		return err.Error()
	case m.Unpack(packet) != nil || len(packet) < 12:
		return fmt.Sprintf("%d bad octets", len(packet))
	}
	say("%s", dns.RcodeToString[m.Rcode])
	for _, bit := range []struct {
		name string
		set  bool
	}{
		{"not-aa", !m.Authoritative},
		{"not-ra", !m.RecursionAvailable},
		{"tc", m.Truncated},
		{"ad", m.AuthenticatedData},
		{"qr-clear", !m.Response},
		{"other-id", m.Id != q.Id},
		{"other-opcode", m.Opcode != q.Opcode},
		{"no-opt", m.IsEdns0() == nil},
	} {
		if bit.set {
			say("%s", bit.name)
		}
	}
	if len(m.Question) != 1 {
		say("%d questions", len(m.Question))
	} else if m.Question[0] != q.Question[0] {
		say("about %s", strings.ReplaceAll(m.Question[0].String()[1:], "\t", " "))
	}
	say("%s", section("", m.Answer))
	say("%s", section("ns: ", m.Ns))
	say("%s", section("extra: ", m.Extra))
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			switch o := o.(type) {
			case *dns.EDNS0_EDE:
				say("ede=%d:%s", o.InfoCode, o.ExtraText)
			case *dns.EDNS0_PADDING:
				say("padded=%d", len(o.Padding))
			case *dns.EDNS0_SUBNET:
				say("ecs=%s/%d/%d", o.Address, o.SourceNetmask, o.SourceScope)
			case *dns.EDNS0_COOKIE:
				say("cookie=%d", len(o.Cookie)/2)
			}
		}
	}
	if took > 0 {
		say("after %v", took)
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// section is records as TTL and RDATA, without OPT.
func section(name string, rrs []dns.RR) string {
	var words []string
	for _, rr := range rrs {
		h := rr.Header()
		switch rr := rr.(type) {
		case *dns.OPT:
		case *dns.RRSIG:
			words = append(words, fmt.Sprintf("%d:RRSIG(%s,%d)", h.Ttl, dns.TypeToString[rr.TypeCovered], rr.OrigTtl))
		case *dns.SOA:
			words = append(words, fmt.Sprintf("%d:SOA(%s)", h.Ttl, h.Name))
		default:
			words = append(words, fmt.Sprintf("%d:%s", h.Ttl, dns.Field(rr, 1)))
		}
	}
	switch {
	case len(words) == 0:
		return ""
	case len(words) > 8:
		return fmt.Sprintf("%s%d records", name, len(words))
	}
	return name + strings.Join(words, " ")
}

// askNetwork asks over a socket in fake time and describes what comes within 5 seconds.
func askNetwork(t *testing.T, n *Network, network string, q *dns.Msg) string {
	t.Helper()
	c := dialServer(t, n, network)
	defer c.Close()
	start := time.Now()
	send(t, c, q)
	must(t, c.SetReadDeadline(start.Add(5*time.Second)))
	var packet []byte
	var err error
	if network == "tcp" {
		packet, err = readMessage(c)
	} else {
		packet = make([]byte, maxPacket)
		var k int
		k, err = c.Read(packet)
		packet = packet[:k]
	}
	return describe(q, packet, err, time.Since(start))
}

const faultWorld = testWorld + `
many.example.net.   300 IN A 192.0.2.11
many.example.net.   300 IN A 192.0.2.12
many.example.net.   300 IN A 192.0.2.13
many.example.net.   300 IN A 192.0.2.14
`

// faultTest is a fault and what each of some questions brings.
type faultTest struct {
	fault string // several are apart by a blank
	ask   string // "udp NAME TYPE", with "do", "ad" or "noedns" behind
	want  []string
}

var faultTests = []faultTest{
	{"drop,nth=2", "udp a A", []string{"NOERROR 60:192.0.2.1", "timeout", "NOERROR 60:192.0.2.1"}},
	{"drop,nth=2-3", "udp a A", []string{"NOERROR 60:192.0.2.1", "timeout", "timeout", "NOERROR 60:192.0.2.1"}},
	{"drop,nth=2-", "tcp a A", []string{"NOERROR 60:192.0.2.1", "timeout", "timeout"}},
	{"drop,nth=1 servfail,nth=1-2", "udp a A", []string{"timeout", "SERVFAIL", "NOERROR 60:192.0.2.1"}},
	{"servfail,tcp", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"servfail,udp", "udp a A", []string{"SERVFAIL"}},
	{"servfail,tls servfail,https servfail,quic", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"drop,at=5s,until=15s", "udp a A", []string{"NOERROR 60:192.0.2.1", "NOERROR 60:192.0.2.1"}},
	{"drop,until=4s", "udp a A", []string{"timeout", "NOERROR 60:192.0.2.1"}},
	{"drop,at=4s", "udp a A", []string{"NOERROR 60:192.0.2.1", "NOERROR 60:192.0.2.1"}},
	{"refused,over=2", "udp a A", []string{"NOERROR 60:192.0.2.1", "NOERROR 60:192.0.2.1", "REFUSED", "REFUSED"}},

	{"refused", "udp a A", []string{"REFUSED"}},
	{"formerr", "udp a A", []string{"FORMERR"}},
	{"notimp", "udp a A", []string{"NOTIMP"}},
	{"nxdomain", "udp a A", []string{"NXDOMAIN"}},
	{"yxdomain", "udp a A", []string{"YXDOMAIN"}},
	// The library calls 16 by what it means in TSIG.
	{"badvers", "udp a A", []string{"BADSIG"}},
	{"badcookie", "udp a A noedns", []string{"BADCOOKIE"}},
	{"rcode=9", "udp a A", []string{"NOTAUTH"}},
	{"garbage", "udp a A", []string{"7 bad octets"}},
	{"noise", "udp a A", []string{"121 bad octets", "996 bad octets"}},
	{"noise=11", "tcp a A", []string{"11 bad octets"}},

	{"delay=200ms", "udp a A", []string{"NOERROR 60:192.0.2.1 after 200ms"}},
	{"delay=200ms", "tcp a A", []string{"NOERROR 60:192.0.2.1 after 200ms"}},
	{"delay=1s-2s", "udp a A", []string{"NOERROR 60:192.0.2.1 after 1.080933167s", "NOERROR 60:192.0.2.1 after 1.664155532s"}},
	{"truncate", "udp a A", []string{"NOERROR tc"}},
	{"truncate", "tcp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"truncate-tcp", "tcp a A", []string{"NOERROR tc"}},
	{"addresses=101", "udp a A", []string{"NOERROR tc 74 records"}},
	{"addresses=101", "tcp a A", []string{"NOERROR 101 records"}},
	{"addresses=101,oversize", "udp a A", []string{"NOERROR 101 records"}},
	{"addresses=101", "tcp a AAAA", []string{"NOERROR 101 records"}},
	{"addresses=5000", "tcp a A", []string{"NOERROR tc 4093 records"}},
	{"addresses=2", "udp none TXT", []string{"NOERROR"}},
	{"pad=5000", "udp a A", []string{"NOERROR 60:192.0.2.1 padded=5000"}},
	{"pad=65535", "tcp a A noedns", []string{"NOERROR 60:192.0.2.1 padded=65473"}},
	{"cut", "udp a A", []string{"4 bad octets"}},
	{"cut=20", "udp a A", []string{"20 bad octets"}},

	{"wrong-id", "udp a A", []string{"NOERROR other-id 60:192.0.2.1"}},
	{"wrong-port", "udp a A", []string{"timeout"}},
	{"wrong-port,first", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"wrong-port", "tcp a A", []string{"timeout"}},
	{"wrong-question", "udp a A", []string{"NOERROR about other.test. IN A 60:192.0.2.1"}},
	{"wrong-type", "udp a A", []string{"NOERROR about a.example.net. IN TXT 60:192.0.2.1"}},
	{"wrong-class", "udp a A", []string{"NOERROR about a.example.net. CH A 60:192.0.2.1"}},
	{"wrong-case", "udp a A", []string{"NOERROR about A.EXAMPLE.NET. IN A 60:192.0.2.1"}},
	{"wrong-opcode", "udp a A", []string{"NOERROR other-opcode 60:192.0.2.1"}},
	{"query-bit", "udp a A", []string{"NOERROR qr-clear 60:192.0.2.1"}},
	{"no-question", "udp a A", []string{"NOERROR 0 questions 60:192.0.2.1"}},
	{"no-edns", "udp a A", []string{"FORMERR no-opt"}},
	{"no-edns", "udp a A noedns", []string{"NOERROR no-opt 60:192.0.2.1"}},
	{"no-opt", "udp a A", []string{"NOERROR no-opt 60:192.0.2.1"}},
	{"lame", "udp a A", []string{"NOERROR not-aa not-ra 60:192.0.2.1"}},
	{"ede=15:no,ede=22", "udp a A", []string{"NOERROR 60:192.0.2.1 ede=15:no ede=22:"}},

	{"referral", "udp a A", []string{"NOERROR ns: 60:ns.test."}},
	{"no-soa", "udp a AAAA", []string{"NOERROR"}},
	{"extra", "udp a A", []string{"NOERROR 60:192.0.2.66 60:192.0.2.1 ns: 60:192.0.2.66 extra: 60:192.0.2.66"}},
	{"two-cnames", "udp c A", []string{"NOERROR 60:a.example.net. 60:192.0.2.1 60:second.test."}},
	{"cname-and-address", "udp a A", []string{"NOERROR 60:192.0.2.1 60:second.test. 60:192.0.2.99"}},
	{"loop", "udp a A", []string{"NOERROR 60:loop.test. 60:a.example.net."}},
	{"self", "udp a A", []string{"NOERROR 60:a.example.net."}},
	{"chain=2", "udp a A", []string{"NOERROR 60:1.chain.test. 60:2.chain.test. 60:192.0.2.1"}},
	{"chain=1000", "tcp a A", []string{"NOERROR 1001 records"}},
	{"endless-chain", "udp a A", []string{"NOERROR 60:1.chain.test."}},
	{"endless-chain", "udp 7.chain.test. A", []string{"NOERROR 60:8.chain.test."}},
	{"cut-chain", "udp c A", []string{"NOERROR 60:a.example.net."}},
	{"chain=1,reverse", "udp a A", []string{"NOERROR 60:192.0.2.1 60:1.chain.test."}},
	{"shuffle", "udp many A", []string{
		"NOERROR 300:192.0.2.11 300:192.0.2.14 300:192.0.2.13 300:192.0.2.12",
		"NOERROR 300:192.0.2.11 300:192.0.2.13 300:192.0.2.14 300:192.0.2.12",
	}},
	{"ttl=7", "udp a AAAA", []string{"NOERROR ns: 7:SOA(example.net.)"}},
	{"ttl=max", "udp a A", []string{"NOERROR 2147483647:192.0.2.1"}},
	{"ttl=300/4294967295/max", "udp a A", []string{"NOERROR 300:192.0.2.1", "NOERROR 4294967295:192.0.2.1", "NOERROR 2147483647:192.0.2.1", "NOERROR 2147483647:192.0.2.1"}},
	{"mixed-ttl", "udp many A", []string{"NOERROR 300:192.0.2.11 301:192.0.2.12 302:192.0.2.13 303:192.0.2.14"}},

	{"hangup", "udp a A", []string{"timeout"}},
	{"hangup", "tcp a A", []string{"end"}},
	{"reset", "tcp a A", []string{"reset"}},
	{"reset", "udp a A", []string{"timeout"}},
	{"half-close", "tcp a A", []string{"end"}},
	{"slow=10ms", "tcp a A", []string{"NOERROR 60:192.0.2.1 after 590ms"}},
	{"slow=10ms", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"partial=1", "tcp a A", []string{"end within a message"}},
	{"partial=20", "tcp a A", []string{"end within a message"}},
	{"out-of-order", "tcp a A", []string{"NOERROR 60:192.0.2.1 after 100ms"}},
	{"close-after=1", "tcp a A", []string{"NOERROR 60:192.0.2.1"}},

	{"recursive", "udp a A", []string{"NOERROR not-aa 60:192.0.2.1"}},
	{"rotate", "udp many A", []string{
		"NOERROR 300:192.0.2.11 300:192.0.2.12 300:192.0.2.13 300:192.0.2.14",
		"NOERROR 300:192.0.2.12 300:192.0.2.13 300:192.0.2.14 300:192.0.2.11",
	}},
	{"subset=3", "udp many A", []string{
		"NOERROR 300:192.0.2.11 300:192.0.2.12 300:192.0.2.13",
		"NOERROR 300:192.0.2.14 300:192.0.2.11 300:192.0.2.12",
	}},
	{"rotate", "udp a AAAA", []string{"NOERROR ns: 3600:SOA(example.net.)"}},
	{"dns64=64:ff9b::/96", "udp a AAAA", []string{"NOERROR 60:64:ff9b::c000:201"}},
	{"dns64=2001:db8::/32", "udp c AAAA", []string{"NOERROR 60:a.example.net. 60:2001:db8:c000:201::"}},
	{"dns64=2001:db8:100::/40", "udp a AAAA", []string{"NOERROR 60:2001:db8:1c0:2:1::"}},
	{"dns64=2001:db8:122::/48", "udp a AAAA", []string{"NOERROR 60:2001:db8:122:c000:2:100::"}},
	{"dns64=2001:db8:122:344::/64", "udp a AAAA", []string{"NOERROR 60:2001:db8:122:344:c0:2:100:0"}},
	{"dns64=64:ff9b::/96", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"dns64=64:ff9b::/96", "udp y AAAA", []string{"NOERROR ns: 3600:SOA(example.net.)"}},
	{"dns64=64:ff9b::/96", "udp none AAAA", []string{"NXDOMAIN ns: 3600:SOA(example.net.)"}},
	{"dns64=64:ff9b::/96", "udp ipv4only.arpa. AAAA", []string{"NOERROR 60:64:ff9b::c000:aa 60:64:ff9b::c000:ab"}},
	{"dns64=64:ff9b::/96", "udp ipv4only.arpa. A", []string{"NOERROR 60:192.0.0.170 60:192.0.0.171"}},
	{"dns64=64:ff9b::/96,rrsig", "udp a AAAA do", []string{"NOERROR 60:64:ff9b::c000:201"}},
	{"rewrite=203.0.113.80", "udp none A", []string{"NOERROR 60:203.0.113.80"}},
	{"rewrite=203.0.113.80", "udp none AAAA", []string{"NOERROR"}},
	{"rewrite=203.0.113.80,rewrite=2001:db8::80", "udp none AAAA", []string{"NOERROR 60:2001:db8::80"}},
	{"rewrite=203.0.113.80", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"ad", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"ad", "udp a A ad", []string{"NOERROR ad 60:192.0.2.1"}},
	{"ad", "udp a A do", []string{"NOERROR ad 60:192.0.2.1"}},
	{"rrsig", "udp a A", []string{"NOERROR 60:192.0.2.1"}},
	{"rrsig", "udp c A do", []string{"NOERROR 60:a.example.net. 60:RRSIG(CNAME,60) 60:192.0.2.1 60:RRSIG(A,60)"}},
	{"rrsig", "udp a.d A do", []string{"NOERROR 60:example.net. 60:RRSIG(DNAME,60) 60:a.example.net. 60:192.0.2.1 60:RRSIG(A,60)"}},
	{"rrsig", "udp many A do", []string{"NOERROR 300:192.0.2.11 300:192.0.2.12 300:192.0.2.13 300:192.0.2.14 300:RRSIG(A,300)"}},

	// Behaviors hold beside a mistake and each other; of those that contradict the first counts.
	{"recursive rewrite=203.0.113.80 servfail,nth=1 ad", "udp none A ad", []string{"SERVFAIL not-aa ad", "NOERROR not-aa ad 60:203.0.113.80"}},
	{"subset=1 subset=2", "udp many A", []string{"NOERROR 300:192.0.2.11"}},
	{"drop,nth=1,recursive servfail,rotate", "udp a A", []string{"timeout", "SERVFAIL"}},
}

func TestFaultWords(t *testing.T) {
	for _, tt := range faultTests {
		t.Run(tt.fault+" "+tt.ask, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(1)
				s := n.Start(t, serverAddr, faultWorld)
				setFault(t, s, "", strings.Fields(tt.fault)...)
				words := strings.Fields(tt.ask)
				name := words[1]
				if !strings.HasSuffix(name, ".") {
					name += ".example.net."
				}
				for turn, want := range tt.want {
					q := query(name, dns.StringToType[words[2]])
					switch strings.Join(words[3:], " ") {
					case "do":
						q.SetEdns0(1232, true)
						q.Extra = q.Extra[1:]
					case "ad":
						q.AuthenticatedData = true
					case "noedns":
						q.Extra = nil
					}
					if got := askNetwork(t, n, words[0], q); got != want {
						t.Errorf("turn %d\ngot  %s\nwant %s", turn+1, got, want)
					}
				}
			})
		})
	}
}

// Every word is in the table that people read, and in a test.
func TestWordTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "parse.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var table string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "ParseFault" {
			table = f.Doc.Text()
		}
	}
	documented := map[string]bool{}
	for _, w := range strings.FieldsFunc(table, func(r rune) bool { return strings.ContainsRune(" ,=\n\t", r) }) {
		documented[w] = true
	}
	tested := map[string]bool{}
	for _, tt := range faultTests {
		for _, w := range strings.FieldsFunc(tt.fault, func(r rune) bool { return r == ' ' || r == ',' }) {
			name, _, _ := strings.Cut(w, "=")
			tested[name] = true
		}
	}
	for _, w := range elsewhere {
		tested[w] = true
	}
	if len(words) < 60 {
		t.Errorf("%d words", len(words))
	}
	for w := range words {
		if !documented[w] || !tested[w] {
			t.Errorf("%s: documented %v, tested %v", w, documented[w], tested[w])
		}
	}
}

// elsewhere is the words that have tests of their own.
var elsewhere = []string{"chance", "flip", "http", "content-type", "body", "age", "authoritative", "countdown", "caches", "cookies", "ecs"}

// A share of the questions meets the fault, the same ones in each run.
func TestChance(t *testing.T) {
	var runs []string
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			n, s := attach(t)
			setFault(t, s, "", "drop,chance=0.3")
			runs = append(runs, manyQueries(t, n))
		})
	}
	var replies int
	if _, err := fmt.Sscan(runs[0], &replies); err != nil || replies < 120 || replies > 160 || runs[0] != runs[1] {
		t.Errorf("%q and %q", runs[0], runs[1])
	}
}

func TestFlip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		c := dialServer(t, n, "udp")
		setFault(t, s, "", "flip=3,nth=2-")
		q := query("a.example.net.", dns.TypeA)
		read := func() []byte {
			send(t, c, q)
			buf := make([]byte, 512)
			k, err := c.Read(buf)
			must(t, err)
			return buf[:k]
		}
		right, wrong := read(), read()
		differ := 0
		for i := range right {
			differ += bits.OnesCount8(right[i] ^ wrong[i])
		}
		if differ != 3 || len(right) != len(wrong) {
			t.Errorf("%d bits differ", differ)
		}
	})
}

func TestParseFaultErrors(t *testing.T) {
	for _, text := range []string{
		"", "servfial", "servfail,,drop", "servfail=1", "nth", "nth=0", "nth=x", "nth=3-2", "nth=1-x", "rcode=0", "rcode=5000",
		"delay=soon", "delay=-1s", "delay=2s-1s", "delay=1s-x", "ede=x", "ede=70000", "chance=0", "chance=2", "chance=x", "chance=NaN",
		"noise=x", "cut=0", "ttl=x", "ttl=1/", "ttl=4294967296", "countdown=x", "cookies=maybe", "dns64=x", "dns64=192.0.2.0/24",
		"dns64=64:ff9b::1/96", "dns64=2001:db8::/33", "rewrite=x", "ecs=200", "slow=x", "content-type=", "http=700", "body=0", "at=-1s", "over=0",
	} {
		if f, err := ParseFault(text); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		} else if !strings.HasPrefix(err.Error(), "fault \"") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
