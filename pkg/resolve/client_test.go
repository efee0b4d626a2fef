package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testWorld = `
example.net.       3600 IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 120
cdn.example.net.   300  IN CNAME www.example.org.
www.example.org.   200  IN CNAME edge.example.org.
edge.example.org.  100  IN A 192.0.2.2
edge.example.org.  100  IN A 192.0.2.10
edge.example.org.  100  IN AAAA 2001:db8::1
v4.example.net.    600  IN A 198.51.100.4
dead.example.net.  600  IN CNAME gone.example.net.
old.example.net.   500  IN DNAME example.org.
*.wild.example.net. 30  IN A 192.0.2.77
a.b.ent.example.net. 60 IN A 192.0.2.78
loop1.example.net. 60   IN CNAME loop2.example.net.
loop2.example.net. 60   IN CNAME loop1.example.net.
`

// fast keeps failures short; nothing in the tests waits for real packets to be lost.
var fast = Options{QueryTimeout: 400 * time.Millisecond, TargetTimeout: 5 * time.Second, KeepAttempts: true}

func newClient(tb testing.TB, opts Options, urls ...string) *Client {
	tb.Helper()
	opts.KeepAttempts = true
	c, err := New(urls, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// short is an answer on one line.
func short(a Answer) string {
	var b strings.Builder
	b.WriteString(a.Outcome.String())
	switch a.Outcome {
	case Failure:
		fmt.Fprintf(&b, " [%s]", a.Reason)
	case Addresses:
		fmt.Fprintf(&b, " %v ttl=%d", a.Addresses, a.TTL)
	case NoData, NXDomain:
		fmt.Fprintf(&b, " neg=%d", a.NegativeTTL)
	case WeakNoData:
	}
	for _, l := range a.Chain {
		fmt.Fprintf(&b, " %s>%s", dns.TypeToString[l.Type], l.Target)
	}
	if a.Stale {
		b.WriteString(" stale")
	}
	return b.String()
}

func TestLookup(t *testing.T) {
	edge := "addresses [192.0.2.2 192.0.2.10] ttl=100"
	chain := " CNAME>www.example.org. CNAME>edge.example.org."
	v4 := "addresses [198.51.100.4] ttl=600"
	tests := []struct {
		name  string
		qtype uint16
		fault string
		want  string
	}{
		{"edge.example.org.", dns.TypeA, "", edge},
		{"cdn.example.net.", dns.TypeA, "", edge + chain},
		{"cdn.example.net.", dns.TypeAAAA, "", "addresses [2001:db8::1] ttl=100" + chain},
		{"cdn.example.net.", dns.TypeA, "reverse", edge + chain},
		{"cdn.example.net.", dns.TypeA, "extra", edge + chain},
		{"cdn.example.net.", dns.TypeA, "cut-chain", edge + chain},
		{"v4.example.net.", dns.TypeAAAA, "", "NODATA neg=120"},
		{"none.example.net.", dns.TypeA, "", "NXDOMAIN neg=120"},
		{"none.test.", dns.TypeA, "", "NXDOMAIN neg=60"},
		{"dead.example.net.", dns.TypeA, "", "NXDOMAIN neg=120 CNAME>gone.example.net."},
		{"b.ent.example.net.", dns.TypeA, "", "NODATA neg=120"},
		{"x.wild.example.net.", dns.TypeA, "", "addresses [192.0.2.77] ttl=30"},
		{"edge.old.example.net.", dns.TypeA, "", edge + " DNAME>example.org."},
		{"www.old.example.net.", dns.TypeA, "", edge + " DNAME>example.org. CNAME>edge.example.org."},
		{"loop1.example.net.", dns.TypeA, "", "failure [loop] CNAME>loop2.example.net. CNAME>loop1.example.net."},

		{"v4.example.net.", dns.TypeA, "servfail", "failure [SERVFAIL]"},
		{"v4.example.net.", dns.TypeA, "servfail,nth=1", v4},
		{"v4.example.net.", dns.TypeA, "refused", "failure [REFUSED]"},
		{"v4.example.net.", dns.TypeA, "formerr", "failure [error code]"},
		{"v4.example.net.", dns.TypeA, "notimp", "failure [error code]"},
		{"v4.example.net.", dns.TypeA, "rcode=16", "failure [error code]"},
		{"v4.example.net.", dns.TypeA, "yxdomain", "failure [name too long]"},
		{"v4.example.net.", dns.TypeA, "nxdomain", "failure [NXDOMAIN without SOA]"},
		{"v4.example.net.", dns.TypeA, "formerr,nth=1", v4},
		{"v4.example.net.", dns.TypeA, "no-edns", v4},
		{"v4.example.net.", dns.TypeA, "drop", "failure [timeout]"},
		{"v4.example.net.", dns.TypeA, "drop,nth=1", v4},
		{"v4.example.net.", dns.TypeA, "garbage", "failure [timeout]"},
		{"v4.example.net.", dns.TypeA, "garbage,first", v4},
		{"v4.example.net.", dns.TypeA, "delay=20ms", v4},
		{"v4.example.net.", dns.TypeA, "truncate", v4},
		{"v4.example.net.", dns.TypeA, "truncate-tcp", "failure [truncated answer]"},
		{"v4.example.net.", dns.TypeA, "wrong-id,first", v4},
		{"v4.example.net.", dns.TypeA, "wrong-question,first", v4},
		{"v4.example.net.", dns.TypeA, "wrong-question", "failure [timeout]"},
		{"v4.example.net.", dns.TypeA, "wrong-case", v4},
		{"v4.example.net.", dns.TypeA, "wrong-case,udp", v4},
		{"v4.example.net.", dns.TypeA, "lame", "failure [lame answer]"},
		{"v4.example.net.", dns.TypeAAAA, "lame", "failure [lame answer]"},
		{"v4.example.net.", dns.TypeA, "referral", "failure [lame answer]"},
		{"v4.example.net.", dns.TypeAAAA, "no-soa", "weak NODATA"},
		{"none.example.net.", dns.TypeA, "no-soa", "failure [NXDOMAIN without SOA]"},
		{"v4.example.net.", dns.TypeA, "cname-and-address", "failure [malformed answer]"},
		{"cdn.example.net.", dns.TypeA, "two-cnames", "failure [malformed answer]"},
		{"v4.example.net.", dns.TypeA, "ede=3", v4 + " stale"},
		{"v4.example.net.", dns.TypeA, "ede=4", "failure [blocked]"},
		{"v4.example.net.", dns.TypeA, "ede=15", "failure [blocked]"},
		{"v4.example.net.", dns.TypeA, "ede=16", "failure [blocked]"},
		{"none.example.net.", dns.TypeA, "ede=17", "failure [blocked]"},
		{"none.example.net.", dns.TypeA, "ede=19", "failure [stale NXDOMAIN]"},
		{"v4.example.net.", dns.TypeA, "ede=22", v4},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+dns.TypeToString[tt.qtype]+" "+tt.fault, func(t *testing.T) {
			t.Parallel()
			server := dnstest.Start(t, testWorld)
			setFault(t, server, tt.name, tt.fault)
			c := newClient(t, fast, server.URL())
			a := c.Lookup(t.Context(), zone.MustParseName(tt.name), tt.qtype)
			if got := short(a); got != tt.want {
				t.Errorf("got  %s\nwant %s\n(%s)", got, tt.want, a.Detail)
			}
			if a.Target != zone.MustParseName(tt.name) || a.Type != tt.qtype || a.Resolver != server.URL() {
				t.Errorf("answer is about %s %d of %q", a.Target, a.Type, a.Resolver)
			}
			if len(a.Attempts) == 0 || (a.Detail != "") != (a.Outcome == Failure) {
				t.Errorf("attempts %d, detail %q", len(a.Attempts), a.Detail)
			}
		})
	}
}

func setFault(tb testing.TB, server *dnstest.Server, name, text string) {
	tb.Helper()
	if text == "" {
		return
	}
	f, err := dnstest.ParseFault(text)
	if err != nil {
		tb.Fatal(err)
	}
	server.Fault(name, 0, f)
}

func TestTCPAlone(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	setFault(t, server, "edge.example.org.", "hangup,nth=1")
	c := newClient(t, fast, "tcp://"+server.Addr())
	for _, name := range []string{"cdn.example.net.", "edge.example.org."} {
		a := c.Lookup(t.Context(), zone.MustParseName(name), dns.TypeA)
		if a.Outcome != Addresses {
			t.Errorf("%s: %s, %s", name, short(a), a.Detail)
		}
	}
	for _, q := range server.Queries() {
		if q.Transport != "tcp" {
			t.Errorf("asked over %s", q.Transport)
		}
	}
}

// A connection on which a query got no reply is not trusted with another.
func TestSilentConnection(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	setFault(t, server, "v4.example.net.", "drop,nth=2")
	c := newClient(t, Options{QueryTimeout: 100 * time.Millisecond, Sockets: 1}, "tcp://"+server.Addr())
	for range 3 {
		if a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA); a.Outcome != Addresses {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
	}
	if n := server.Count("v4.example.net.", dns.TypeA); n != 4 {
		t.Errorf("asked %d times", n)
	}
}

// The test server closes a connection after 128 queries; no lookup notices.
func TestManyOverTCP(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	c := newClient(t, Options{Sockets: 1}, "tcp://"+server.Addr())
	var questions []Question
	for i := range 500 {
		questions = append(questions, Question{Target: zone.MustParseName(fmt.Sprintf("n%d.wild.example.net.", i)), Type: dns.TypeA})
	}
	for _, a := range All(t.Context(), c, questions, 200, nil) {
		if a.Outcome != Addresses {
			t.Errorf("%s: %s, %s", a.Target, short(a), a.Detail)
		}
	}
}

func TestDetail(t *testing.T) {
	tests := []struct{ fault, want string }{
		{"servfail", "SERVFAIL"},
		{"servfail,ede=22:all \x1b[31mdown", "SERVFAIL (EDE 22 No Reachable Authority: all ?[31mdown)"},
		{"refused,ede=18", "REFUSED (EDE 18 Prohibited)"},
		{"ede=15:by order", "NOERROR (EDE 15 Blocked: by order)"},
		{"rcode=16", "BADVERS"},
		{"rcode=4000", "rcode 4000"},
		{"drop", "no reply in time"},
		{"wrong-question", "no reply in time; packets that did not fit the question: 3"},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			server := dnstest.Start(t, testWorld)
			setFault(t, server, "v4.example.net.", tt.fault)
			c := newClient(t, fast, server.URL())
			if a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA); a.Detail != tt.want {
				t.Errorf("got %q, want %q", a.Detail, tt.want)
			}
		})
	}
}

func TestFailover(t *testing.T) {
	name := zone.MustParseName("v4.example.net.")
	tests := []struct {
		fault string // of the first server
		want  int    // which server's word counts
		stale bool
	}{
		{"", 0, false},
		{"servfail", 1, false},
		{"refused", 1, false},
		{"drop", 1, false},
		{"lame", 1, false},
		{"ede=15", 1, false},
		{"ede=3", 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			servers := []*dnstest.Server{dnstest.Start(t, testWorld), dnstest.Start(t, testWorld)}
			setFault(t, servers[0], "v4.example.net.", tt.fault)
			c := newClient(t, fast, servers[0].URL(), servers[1].URL())
			a := c.Lookup(t.Context(), name, dns.TypeA)
			if a.Outcome != Addresses || a.Resolver != servers[tt.want].URL() || a.Stale {
				t.Errorf("%s by %s, want server %d", short(a), a.Resolver, tt.want)
			}
		})
	}
	t.Run("stale where nothing else is known", func(t *testing.T) {
		t.Parallel()
		servers := []*dnstest.Server{dnstest.Start(t, testWorld), dnstest.Start(t, testWorld)}
		setFault(t, servers[0], "v4.example.net.", "ede=3")
		setFault(t, servers[1], "v4.example.net.", "servfail")
		a := newClient(t, fast, servers[0].URL(), servers[1].URL()).Lookup(t.Context(), name, dns.TypeA)
		if a.Outcome != Addresses || !a.Stale || len(a.Attempts) != 2 {
			t.Errorf("%s after %d attempts", short(a), len(a.Attempts))
		}
	})
	t.Run("an error tells more than silence", func(t *testing.T) {
		t.Parallel()
		servers := []*dnstest.Server{dnstest.Start(t, testWorld), dnstest.Start(t, testWorld)}
		setFault(t, servers[0], "v4.example.net.", "drop")
		setFault(t, servers[1], "v4.example.net.", "refused")
		a := newClient(t, fast, servers[0].URL(), servers[1].URL()).Lookup(t.Context(), name, dns.TypeA)
		if a.Reason != ReasonRefused {
			t.Errorf("got %s", short(a))
		}
	})
}

// A resolver that nobody listens at is a network error at once, not a timeout.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, scheme := range []string{"udp://", "tcp://"} {
		c := newClient(t, Options{}, scheme+address)
		a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA)
		if a.Reason != ReasonNetwork || !strings.Contains(a.Detail, "connection refused") || strings.Contains(a.Detail, "127.0.0.1") {
			t.Errorf("%s: %s, %s", scheme, short(a), a.Detail)
		}
	}
}

func TestSilentResolverGoesLast(t *testing.T) {
	servers := []*dnstest.Server{dnstest.Start(t, testWorld), dnstest.Start(t, testWorld)}
	setFault(t, servers[0], "v4.example.net.", "drop")
	opts := Options{QueryTimeout: 10 * time.Millisecond, KeepAttempts: true}
	c := newClient(t, opts, servers[0].URL(), servers[1].URL())
	var last Answer
	for range silentLimit + 1 {
		last = c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA)
	}
	if last.Outcome != Addresses || last.Attempts[0].Resolver != servers[1].URL() {
		t.Errorf("%s, first asked %s", short(last), last.Attempts[0].Resolver)
	}
	// After the pause one lookup finds out that it is back.
	servers[0].ClearFaults()
	h := &c.upstreams[0].health
	h.mu.Lock()
	h.next = rightNow()
	h.mu.Unlock()
	for range 2 {
		last = c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA)
	}
	if last.Resolver != servers[0].URL() {
		t.Errorf("still answered by %s", last.Resolver)
	}
}

// Where no resolver has answered for a while the list is gone through once.
func TestAllSilent(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	setFault(t, server, "", "drop")
	c := newClient(t, Options{QueryTimeout: 5 * time.Millisecond, Rounds: 3}, server.URL())
	var attempts []int
	for i := range silentLimit {
		name := zone.MustParseName(fmt.Sprintf("n%d.example.net.", i))
		attempts = append(attempts, len(c.Lookup(t.Context(), name, dns.TypeA).Attempts))
	}
	if attempts[0] != 3 || attempts[len(attempts)-1] != 1 {
		t.Errorf("asked %v times", attempts)
	}
}

func TestLetterCase(t *testing.T) {
	name := zone.MustParseName("a-rather-long-name-to-have-many-letters.example.net.")
	server := dnstest.Start(t, testWorld)
	c := newClient(t, fast, server.URL())
	c.Lookup(t.Context(), name, dns.TypeA)
	if q := server.Queries()[0].Name; q == strings.ToLower(q) || q == strings.ToUpper(q) {
		t.Errorf("the letter case of %s is not random", q)
	}

	setFault(t, server, name.String(), "wrong-case")
	first := c.Lookup(t.Context(), name, dns.TypeA)
	second := c.Lookup(t.Context(), name, dns.TypeA)
	transports := func(a Answer) string {
		var s []string
		for _, at := range a.Attempts {
			s = append(s, at.Transport)
		}
		return strings.Join(s, " ")
	}
	if got := transports(first); got != "udp tcp" {
		t.Errorf("first lookup over %s", got)
	}
	if got := transports(second); got != "udp" || second.Outcome != NXDomain {
		t.Errorf("second lookup over %s: %s", got, short(second))
	}
}

func TestCancel(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	setFault(t, server, "v4.example.net.", "drop")
	name := zone.MustParseName("v4.example.net.")

	t.Run("context", func(t *testing.T) {
		c := newClient(t, Options{}, server.URL())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if a := c.Lookup(ctx, name, dns.TypeA); a.Reason != ReasonCanceled || a.Detail != "the time for the whole run is over" {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
	})
	t.Run("close", func(t *testing.T) {
		silent, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		c := newClient(t, Options{}, "udp://"+silent.LocalAddr().String())
		got := make(chan Answer)
		go func() { got <- c.Lookup(context.Background(), name, dns.TypeA) }()
		if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if a := <-got; a.Reason != ReasonCanceled || a.Detail != "the client is closed" {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		if a := c.Lookup(t.Context(), name, dns.TypeA); a.Reason != ReasonCanceled {
			t.Errorf("after Close: %s", short(a))
		}
	})
	t.Run("target timeout", func(t *testing.T) {
		c := newClient(t, Options{TargetTimeout: 30 * time.Millisecond}, server.URL())
		if a := c.Lookup(t.Context(), name, dns.TypeA); a.Reason != ReasonTimeout {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
	})
	t.Run("before the first question", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a := All(ctx, Demo(), []Question{{Target: name, Type: dns.TypeA}}, 0, nil)
		if a[0].Reason != ReasonCanceled || a[0].Detail != "canceled" {
			t.Errorf("%s, %s", short(a[0]), a[0].Detail)
		}
	})
}

// A socket is given up after maxAsked questions, or maxForged packets that fit none.
func TestSocketsAreReplaced(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	current := func(c *Client) *socket {
		l := c.upstreams[0].udp.lanes[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.current
	}
	opts := fast
	opts.Sockets = 1
	v4 := Question{Target: zone.MustParseName("v4.example.net."), Type: dns.TypeA}

	c := newClient(t, opts, server.URL())
	c.Lookup(t.Context(), v4.Target, v4.Type)
	before := current(c)
	for range maxAsked {
		if a := c.Lookup(t.Context(), v4.Target, v4.Type); a.Outcome != Addresses {
			t.Fatal(short(a))
		}
	}
	if current(c) == before {
		t.Error("the socket was not replaced after many questions")
	}

	setFault(t, server, "v4.example.net.", "wrong-id,first")
	c = newClient(t, opts, server.URL())
	c.Lookup(t.Context(), v4.Target, v4.Type)
	before = current(c)
	for range maxForged {
		if a := c.Lookup(t.Context(), v4.Target, v4.Type); a.Outcome != Addresses {
			t.Fatal(short(a))
		}
	}
	if current(c) == before {
		t.Error("the socket was not replaced after many forged packets")
	}
}

func TestAll(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	c := newClient(t, fast, server.URL())
	names := []string{"v4.example.net.", "cdn.example.net.", "none.example.net.", "v4.example.net."}
	var questions []Question
	for _, n := range names {
		questions = append(questions, Question{Target: zone.MustParseName(n), Type: dns.TypeA}, Question{Target: zone.MustParseName(n), Type: dns.TypeAAAA})
	}
	var steps []int
	answers := All(t.Context(), c, questions, 3, func(done, total int) {
		if total != 6 {
			t.Errorf("total %d", total)
		}
		steps = append(steps, done)
	})
	for i, a := range answers {
		if a.Target != questions[i].Target || a.Type != questions[i].Type || a.Outcome == 0 {
			t.Errorf("answer %d is %s %d", i, a.Target, a.Type)
		}
	}
	if !slices.Equal(steps, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("progress %v", steps)
	}
	if n := server.Count("v4.example.net.", dns.TypeA); n != 1 {
		t.Errorf("one question asked %d times", n)
	}
	if got := All(t.Context(), c, nil, 1, nil); len(got) != 0 {
		t.Errorf("no question gave %d answers", len(got))
	}
}

func TestNewErrors(t *testing.T) {
	for _, url := range []string{"demo:", "file:x", "tls://192.0.2.1/x", "system://x"} {
		if _, err := New([]string{url}, Options{}); err == nil {
			t.Errorf("%s is accepted", url)
		}
	}
}

func TestSystem(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	path := filepath.Join(t.TempDir(), "resolv.conf")
	tests := []struct {
		text string
		want []string
	}{
		{"", []string{"udp://127.0.0.1"}},
		{"# local\nnameserver 192.0.2.1\nsearch example.com\nnameserver 2001:db8::1\nnameserver 192.0.2.1\n", []string{"udp://192.0.2.1", "udp://[2001:db8::1]"}},
		{"nameserver 192.0.2.1\noptions edns0 use-vc\n", []string{"tcp://192.0.2.1"}},
		{"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4", []string{"udp://192.0.2.1", "udp://192.0.2.2", "udp://192.0.2.3"}},
	}
	for _, tt := range tests {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, Options{ResolvConf: path})
		var got []string
		for _, u := range c.upstreams {
			got = append(got, u.name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q gives %v, want %v", tt.text, got, tt.want)
		}
	}
	if c := newClient(t, Options{ResolvConf: path + ".absent"}); c.upstreams[0].name != "udp://127.0.0.1" {
		t.Errorf("without a file %s is asked", c.upstreams[0].name)
	}
	if err := os.WriteFile(path, []byte("nameserver localhost\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New([]string{"system", server.URL()}, Options{ResolvConf: path}); err == nil {
		t.Error("a name instead of an address is accepted")
	}
	if _, err := New(nil, Options{ResolvConf: t.TempDir()}); err == nil {
		t.Error("a folder is accepted")
	}
}

func BenchmarkAll(b *testing.B) {
	const names = 10_000
	var world strings.Builder
	questions := make([]Question, 0, 2*names)
	for i := range names {
		name := fmt.Sprintf("host%d.example.net.", i)
		addr := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		fmt.Fprintf(&world, "%s 60 IN A %s\n%s 60 IN AAAA 2001:db8::%x\n", name, addr, name, i)
		n := zone.MustParseName(name)
		questions = append(questions, Question{Target: n, Type: dns.TypeA}, Question{Target: n, Type: dns.TypeAAAA})
	}
	server := dnstest.Start(b, world.String())
	server.StopLog()
	c := newClient(b, Options{}, server.URL())
	for b.Loop() {
		for _, a := range All(b.Context(), c, questions, 200, nil) {
			if a.Outcome != Addresses {
				b.Fatal(short(a), a.Detail)
			}
		}
	}
	b.ReportMetric(float64(len(questions))*float64(b.N)/b.Elapsed().Seconds(), "queries/s")
}
