package resolve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var v4 = zone.MustParseName("v4.example.net.")

// encryptedSchemes are those of this build, in the order of their names.
func encryptedSchemes() []Scheme { return slices.Sorted(maps.Keys(encryptedServers())) }

// startTrusted starts a relay and gives the options with which its certificate is trusted.
func startTrusted(t *testing.T, scheme Scheme) (*relay, Options) {
	t.Helper()
	ca := newAuthority(t, "Test CA")
	return startRelay(t, scheme, dnstest.Start(t, testWorld), ca.sign(t, nil)), Options{RootCAs: ca.pool}
}

func wantAnswer(t *testing.T, a Answer) {
	t.Helper()
	if a.Outcome != Addresses {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
}

func TestEncryptedLookup(t *testing.T) {
	tests := []struct {
		name  string
		qtype uint16
		fault string
		want  string
	}{
		{"v4.example.net.", dns.TypeA, "", "addresses [198.51.100.4] ttl=600"},
		{"cdn.example.net.", dns.TypeAAAA, "", "addresses [2001:db8::1] ttl=100 CNAME>www.example.org. CNAME>edge.example.org."},
		{"v4.example.net.", dns.TypeAAAA, "", "NODATA neg=120"},
		{"none.example.net.", dns.TypeA, "", "NXDOMAIN neg=120"},
		{"a1.wild.example.net.", dns.TypeA, "servfail,nth=1", "addresses [192.0.2.77] ttl=30"},
		{"a2.wild.example.net.", dns.TypeA, "servfail", "failure [SERVFAIL]"},
		{"a3.wild.example.net.", dns.TypeA, "no-edns", "addresses [192.0.2.77] ttl=30"},
		{"a4.wild.example.net.", dns.TypeA, "wrong-case", "addresses [192.0.2.77] ttl=30"},
		{"a5.wild.example.net.", dns.TypeA, "truncate-tcp", "failure [truncated answer]"},
		{"a6.wild.example.net.", dns.TypeA, "hangup,nth=1", "addresses [192.0.2.77] ttl=30"},
		{"a7.wild.example.net.", dns.TypeA, "hangup", "failure [network error]"},
		{"a8.wild.example.net.", dns.TypeA, "drop", "failure [timeout]"},
		{"a9.wild.example.net.", dns.TypeA, "cname-and-address", "failure [malformed answer]"},
	}
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			opts.QueryTimeout = fast.QueryTimeout
			c := newClient(t, opts, r.url())
			for _, tt := range tests {
				setFault(t, r.world, tt.name, tt.fault)
				a := c.Lookup(t.Context(), zone.MustParseName(tt.name), tt.qtype)
				if got := short(a); got != tt.want {
					t.Errorf("%s %s: got %s, want %s (%s)", tt.name, tt.fault, got, tt.want, a.Detail)
				}
				for _, at := range a.Attempts {
					if at.Transport != string(r.scheme) || at.Resolver != r.url() {
						t.Errorf("%s: attempt over %s at %s", tt.name, at.Transport, at.Resolver)
					}
				}
			}
			for _, m := range r.received() {
				if m[11] == 1 && len(m)%padBlock != 0 {
					t.Errorf("a query has %d octets", len(m))
				}
				if id := binary.BigEndian.Uint16(m); r.scheme != SchemeTLS && id != 0 {
					t.Errorf("a query has the identifier %d", id)
				}
			}
		})
	}
}

// A reply that does not fit the question is never taken.
func TestEncryptedMismatch(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			opts.QueryTimeout = fast.QueryTimeout
			for fault, detail := range map[string]string{
				"wrong-id": "the reply does not fit the question", "wrong-question": "the reply does not fit the question",
				"garbage": "the message is cut short or not well formed",
			} {
				r.world.ClearFaults()
				setFault(t, r.world, "v4.example.net.", fault)
				a := newClient(t, opts, r.url()).Lookup(t.Context(), v4, dns.TypeA)
				reason := ReasonMalformed
				if r.scheme == SchemeTLS { // others queries' replies may be on their way there
					reason, detail = ReasonTimeout, "no reply in time"
				}
				if a.Reason != reason || !strings.HasPrefix(a.Detail, detail) {
					t.Errorf("%s: %s, %s", fault, short(a), a.Detail)
				}
			}
		})
	}
}

// Many queries are under way on one connection before the first reply comes.
func TestEncryptedAtOnce(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			opts.Sockets = 1
			opts.QueryTimeout = 5 * time.Second
			const atOnce = 2 * maxOnStream // what the two TLS connections take
			r.holdUntil(atOnce)
			c := newClient(t, opts, r.url())
			var questions []Question
			for i := range 400 {
				questions = append(questions, Question{Target: zone.MustParseName(fmt.Sprintf("n%d.wild.example.net.", i)), Type: dns.TypeA})
			}
			for _, a := range All(t.Context(), c, questions, atOnce, nil) {
				if a.Outcome != Addresses || len(a.Attempts) != 1 {
					t.Errorf("%s: %s after %d attempts, %s", a.Target, short(a), len(a.Attempts), a.Detail)
				}
			}
			most := 1
			if r.scheme == SchemeTLS {
				most = 2
			}
			if conns, _ := r.counts(); conns > most {
				t.Errorf("%d connections for %d queries", conns, len(questions))
			}
		})
	}
}

// A server closes idle connections. The next lookup does not notice, and resumes the session.
func TestEncryptedReconnect(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			opts.Sockets = 1
			c := newClient(t, opts, r.url())
			const rounds = 6 // more than connections are allowed at a time
			for range rounds {
				a := c.Lookup(t.Context(), v4, dns.TypeA)
				if a.Outcome != Addresses || len(a.Attempts) != 1 {
					t.Errorf("%s after %d attempts, %s", short(a), len(a.Attempts), a.Detail)
				}
				r.closeConns()
			}
			conns, resumed := r.counts()
			if conns < rounds || resumed < rounds/2 {
				t.Errorf("%d connections, %d of them resumed", conns, resumed)
			}
		})
	}
}

// A connection on which a query got no reply is given up; the next one works.
func TestEncryptedFrozen(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			if r.scheme == SchemeHTTPS {
				t.Skip("one stream says nothing about the others; see TestFrozenNetwork")
			}
			opts.Sockets, opts.Rounds = 1, 1
			opts.QueryTimeout = 250 * time.Millisecond
			c := newClient(t, opts, r.url())
			answered := func() bool { return c.Lookup(t.Context(), v4, dns.TypeA).Outcome == Addresses }
			eventually(t, "an answer", answered)
			r.freeze()
			eventually(t, "an answer on a new connection", answered)
		})
	}
}

// A connection whose network is gone without a word is found out, and the next one works.
func TestFrozenNetwork(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			if r.scheme == SchemeQUIC {
				t.Skip("no stream of octets to freeze; see TestEncryptedFrozen")
			}
			frozen := make(chan struct{})
			opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				select {
				case <-frozen:
					return conn, err
				default:
					return &freezing{conn, frozen}, err
				}
			}
			opts.Sockets, opts.Rounds = 1, 1
			opts.QueryTimeout = 250 * time.Millisecond
			c := newClient(t, opts, r.url())
			answered := func() bool { return c.Lookup(t.Context(), v4, dns.TypeA).Outcome == Addresses }
			eventually(t, "an answer", answered)
			close(frozen)
			eventually(t, "an answer on a new connection", answered)
		})
	}
}

// freezing is a connection that loses everything from a moment on.
type freezing struct {
	net.Conn
	frozen chan struct{}
}

func (c *freezing) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		select {
		case <-c.frozen:
			if err != nil {
				return 0, err
			}
		default:
			return n, err
		}
	}
}

func (c *freezing) Write(p []byte) (int, error) {
	select {
	case <-c.frozen:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func TestCertificates(t *testing.T) {
	ca, stranger := newAuthority(t, "Test CA"), newAuthority(t, "Strange CA\x1b")
	day := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02") }
	hours := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
	}
	tests := []struct {
		name   string
		ca     *certificateAuthority
		change func(*x509.Certificate)
		verify string // name in the URL
		want   string // detail; empty where it is good
	}{
		{"name", ca, nil, "dns.example.com", ""},
		{"address", ca, nil, "", ""},
		{"wildcard", ca, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }, "dns.example.com", ""},
		{"other name", ca, nil, "dns.example.net", "the certificate is for dns.example.com, 127.0.0.1, not for dns.example.net"},
		{
			"many names", ca, func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "b.example", "c.example"} }, "dns.example.net",
			"the certificate is for a.example, b.example, c.example and others, not for dns.example.net",
		},
		{"no address", ca, func(c *x509.Certificate) { c.IPAddresses = nil }, "", "the certificate is for dns.example.com, not for 127.0.0.1"},
		{
			"no name", ca, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }, "dns.example.com",
			"the certificate is for no name, not for dns.example.com",
		},
		{"expired", ca, hours(-50*time.Hour, -49*time.Hour), "dns.example.com", "the certificate expired on " + day(-49*time.Hour)},
		{"too early", ca, hours(49*time.Hour, 50*time.Hour), "dns.example.com", "the certificate is not valid before " + day(49*time.Hour)},
		{"stranger", stranger, nil, "dns.example.com", "the certificate is signed by an authority that is not trusted: Strange CA?"},
		{
			"for clients", ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "dns.example.com",
			"the certificate is refused: certificate specifies an incompatible key usage",
		},
	}
	for _, scheme := range encryptedSchemes() {
		for _, tt := range tests {
			t.Run(string(scheme)+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				world := dnstest.Start(t, testWorld)
				r := startRelay(t, scheme, world, tt.ca.sign(t, tt.change))
				a := newClient(t, Options{RootCAs: ca.pool}, r.urlFor(tt.verify)).Lookup(t.Context(), v4, dns.TypeA)
				if tt.want == "" {
					wantAnswer(t, a)
					return
				}
				if a.Reason != ReasonCertificate || a.Detail != tt.want || len(a.Attempts) != 1 {
					t.Errorf("%s after %d attempts: %s", short(a), len(a.Attempts), a.Detail)
				}
				if len(world.Queries()) > 0 || len(r.received()) > 0 {
					t.Error("the query went out all the same")
				}
			})
		}
	}
}

// Whom the system trusts is trusted by default, and the test's authority is not one of them.
func TestSystemRoots(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, _ := startTrusted(t, scheme)
			if a := newClient(t, Options{}, r.url()).Lookup(t.Context(), v4, dns.TypeA); a.Reason != ReasonCertificate {
				t.Errorf("%s, %s", short(a), a.Detail)
			}
		})
	}
}

func TestEncryptedUnreachable(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		network := "tcp"
		if scheme == SchemeQUIC {
			network = "udp"
		}
		t.Run(string(scheme)+" refused", func(t *testing.T) {
			t.Parallel()
			// The port stays taken on the other protocol, so that nobody else gets it.
			address := halfTaken(t, network)
			a := newClient(t, Options{}, string(scheme)+"://"+address).Lookup(t.Context(), v4, dns.TypeA)
			if a.Reason != ReasonNetwork || a.Detail != "connection refused" {
				t.Errorf("%s, %s", short(a), a.Detail)
			}
		})
		t.Run(string(scheme)+" silent", func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{QueryTimeout: 100 * time.Millisecond}, string(scheme)+"://"+silence(t, network))
			a := c.Lookup(t.Context(), v4, dns.TypeA)
			if a.Reason != ReasonTimeout || a.Detail != "no reply in time" || len(a.Attempts) != 2 {
				t.Errorf("%s after %d attempts, %s", short(a), len(a.Attempts), a.Detail)
			}
		})
	}
}

// halfTaken gives an address where nobody listens on the network.
func halfTaken(t *testing.T, network string) string {
	t.Helper()
	if network == "tcp" {
		return silence(t, "udp")
	}
	return silence(t, "tcp")
}

// A server of another kind is told by its greeting.
func TestNoTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	greeted := make(chan struct{})
	go func() {
		defer close(greeted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail.example.com ESMTP\r\n"))
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-greeted })
	for _, scheme := range []string{"tls://", "https://"} {
		a := newClient(t, fast, scheme+l.Addr().String()).Lookup(t.Context(), v4, dns.TypeA)
		if a.Reason != ReasonNetwork || a.Detail != "the resolver does not speak TLS there" {
			t.Errorf("%s: %s, %s", scheme, short(a), a.Detail)
		}
	}
}

// A server that speaks another protocol there is not asked.
func TestOtherProtocol(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	for _, scheme := range encryptedSchemes() {
		if scheme == SchemeHTTPS {
			continue // without a protocol chosen it is HTTP/1.1
		}
		r := newRelay(scheme, dnstest.Start(t, testWorld), ca.sign(t, nil))
		other := r.tls.Clone()
		other.NextProtos = []string{"other"}
		r.tls.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return other, nil }
		encryptedServers()[scheme](t, r)
		a := newClient(t, Options{RootCAs: ca.pool}, r.url()).Lookup(t.Context(), v4, dns.TypeA)
		if a.Reason != ReasonNetwork || !strings.Contains(a.Detail, "no application protocol") {
			t.Errorf("%s: %s, %s", scheme, short(a), a.Detail)
		}
	}
}

// Versions of TLS that are no longer safe are not spoken.
func TestOldTLS(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	for _, scheme := range []Scheme{SchemeTLS, SchemeHTTPS} {
		for version, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true} {
			r := newRelay(scheme, dnstest.Start(t, testWorld), ca.sign(t, nil))
			r.tls.MinVersion, r.tls.MaxVersion = tls.VersionTLS10, version
			encryptedServers()[scheme](t, r)
			a := newClient(t, Options{RootCAs: ca.pool}, r.url()).Lookup(t.Context(), v4, dns.TypeA)
			if good {
				wantAnswer(t, a)
			} else if a.Reason != ReasonNetwork || a.Detail != "the TLS handshake fails: protocol version not supported" {
				t.Errorf("%s: %s, %s", scheme, short(a), a.Detail)
			}
		}
	}
}

// A peer that takes nothing does not hold up whoever closes the connection.
func TestQuickFarewell(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	near, far := net.Pipe() // without room for a single octet
	defer far.Close()
	shaken := make(chan error, 1)
	go func() {
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, nil)}, SessionTicketsDisabled: true})
		shaken <- server.Handshake()
	}()
	quick := &quickFarewell{Conn: near}
	conn := tlsStream{tls.Client(quick, &tls.Config{RootCAs: ca.pool, ServerName: "dns.example.com"}), quick}
	if err := errors.Join(conn.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = conn.Close()
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("closing took %s", d)
	}
}

func TestEncryptedCancel(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			opts.QueryTimeout = 30 * time.Second
			opts.TargetTimeout = time.Minute
			r.holdUntil(1000)
			c := newClient(t, opts, r.url())
			asked := func(n int) func() bool { return func() bool { return len(r.received()) == n } }

			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan Answer)
			go func() { got <- c.Lookup(ctx, v4, dns.TypeA) }()
			eventually(t, "the first question arrives", asked(1))
			cancel()
			if a := <-got; a.Reason != ReasonCanceled || a.Detail != "canceled" {
				t.Errorf("canceled: %s, %s", short(a), a.Detail)
			}

			go func() { got <- c.Lookup(context.Background(), v4, dns.TypeA) }()
			eventually(t, "the second question arrives", asked(2))
			c.Close()
			if a := <-got; a.Reason != ReasonCanceled || a.Detail != "the client is closed" {
				t.Errorf("closed: %s, %s", short(a), a.Detail)
			}
			if a := c.Lookup(t.Context(), v4, dns.TypeA); a.Reason != ReasonCanceled {
				t.Errorf("after Close: %s, %s", short(a), a.Detail)
			}
		})
	}
}

// Close ends a handshake that leads nowhere.
func TestCloseWhileConnecting(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		network := "tcp"
		if scheme == SchemeQUIC {
			network = "udp"
		}
		dialed := make(chan struct{}, 10)
		opts := Options{QueryTimeout: 30 * time.Second, TargetTimeout: time.Minute}
		opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			dialed <- struct{}{}
			return conn, err
		}
		if scheme == SchemeQUIC {
			dialed <- struct{}{} // has a socket of its own
		}
		c := newClient(t, opts, string(scheme)+"://"+silence(t, network))
		got := make(chan Answer)
		go func() { got <- c.Lookup(context.Background(), v4, dns.TypeA) }()
		<-dialed
		c.Close()
		if a := <-got; a.Reason != ReasonCanceled || a.Detail != "the client is closed" {
			t.Errorf("%s: %s, %s", scheme, short(a), a.Detail)
		}
	}
}

// Every transport but QUIC is dialed by the function of the options, with an address.
func TestDial(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	world := dnstest.Start(t, testWorld)
	var dialed []string
	opts := Options{RootCAs: ca.pool, Sockets: 1}
	opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed = append(dialed, network+" "+address)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	dot := startRelay(t, SchemeTLS, world, ca.sign(t, nil))
	doh := startRelay(t, SchemeHTTPS, world, ca.sign(t, nil))
	for _, url := range []string{world.URL(), "tcp://" + world.Addr(), dot.url(), doh.url()} {
		wantAnswer(t, newClient(t, opts, url).Lookup(t.Context(), v4, dns.TypeA))
	}
	want := []string{"udp " + world.Addr(), "tcp " + world.Addr(), "tcp " + dot.addr, "tcp " + doh.addr}
	if !slices.Equal(dialed, want) {
		t.Errorf("dialed %v, want %v", dialed, want)
	}
}

func TestPadded(t *testing.T) {
	for n := 1; n < 64; n++ {
		name := zone.MustParseName(strings.Repeat("x.", n) + "example.")
		q := newQuery(nil, name, dns.TypeA, &style{anyCase: true}, nil)
		p := newQuery(nil, name, dns.TypeA, &style{anyCase: true, pad: true}, nil)
		p.setID(7)
		var m dns.Msg
		if err := m.Unpack(p.datagram()); err != nil {
			t.Fatal(err)
		}
		if len(p.datagram())%padBlock != 0 || int(binary.BigEndian.Uint16(p.packet)) != len(p.datagram()) {
			t.Errorf("%s: %d octets", name, len(p.datagram()))
		}
		opt := m.IsEdns0()
		if m.Id != 7 || m.Question[0].Name != name.String() || opt == nil || len(opt.Option) != 1 || opt.Option[0].Option() != dns.EDNS0PADDING {
			t.Errorf("the message is %v", &m)
		}
		if string(p.question()) != string(q.question()) {
			t.Errorf("the question is %q", p.question())
		}
	}
	plain := newQuery(nil, v4, dns.TypeA, &style{plain: true, anyCase: true, pad: true}, nil)
	if n := len(plain.datagram()); n != headerLen+len(plain.question()) {
		t.Errorf("a query without EDNS grew to %d octets", n)
	}
}
