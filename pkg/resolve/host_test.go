package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const bootstrapWorld = `
example.com.      60 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
dns.example.com.  60 IN A 127.0.0.1
empty.example.com. 60 IN TXT "no address"
`

// bootstrap is a resolver that asks a test server, with the timeouts of the real one.
func bootstrap(server *dnstest.Server) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialUntilDone(ctx, network, server.Addr())
	}}
}

// The name in the URL is looked up once, and the certificate has to be for it.
func TestBootstrap(t *testing.T) {
	for _, scheme := range encryptedSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			r, opts := startTrusted(t, scheme)
			names := dnstest.Start(t, bootstrapWorld)
			opts.Bootstrap = bootstrap(names)
			_, port, err := net.SplitHostPort(r.addr)
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, opts, string(r.scheme)+"://dns.example.com:"+port)
			if len(names.Queries()) > 0 {
				t.Error("the name was looked up before it was needed")
			}
			for range 3 {
				wantAnswer(t, c.Lookup(t.Context(), v4, dns.TypeA))
				r.closeConns()
			}
			if n := names.Count("dns.example.com.", dns.TypeA); n != 1 {
				t.Errorf("the name was looked up %d times", n)
			}
		})
	}
}

func TestBootstrapFails(t *testing.T) {
	tests := []struct {
		host, fault string
		reason      Reason
		why         string
	}{
		{"none.example.com", "", ReasonNetwork, "no such host"},
		{"empty.example.com", "", ReasonNetwork, "no such host"},
		{"dns.example.com", "servfail", ReasonNetwork, "server misbehaving"},
		{"dns.example.com", "drop", ReasonTimeout, "no reply in time"},
	}
	for _, scheme := range []string{"udp", "tls", "https"} {
		for _, tt := range tests {
			t.Run(scheme+" "+tt.host+" "+tt.fault, func(t *testing.T) {
				t.Parallel()
				names := dnstest.Start(t, bootstrapWorld)
				setFault(t, names, tt.host, tt.fault)
				url := scheme + "://" + tt.host
				c := newClient(t, Options{Bootstrap: bootstrap(names), QueryTimeout: 200 * time.Millisecond}, url)
				a := c.Lookup(t.Context(), v4, dns.TypeA)
				u, err := ParseURL(url)
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("the host name in %s cannot be looked up: %s", u, tt.why); a.Reason != tt.reason || !strings.HasPrefix(a.Detail, want) {
					t.Errorf("%s, %q, want %q", short(a), a.Detail, want)
				}
			})
		}
	}
}

// Close ends a lookup under way, and whoever waits for it.
func TestCloseWhileBootstrapping(t *testing.T) {
	names := dnstest.Start(t, bootstrapWorld)
	setFault(t, names, "dns.example.com", "drop")
	c := newClient(t, Options{Bootstrap: bootstrap(names), QueryTimeout: time.Minute, TargetTimeout: time.Minute}, "tls://dns.example.com")
	got := make(chan Answer)
	go func() { got <- c.Lookup(context.Background(), v4, dns.TypeA) }()
	eventually(t, "the lookup begins", func() bool { return len(names.Queries()) > 0 })
	c.Close()
	if a := <-got; a.Reason != ReasonCanceled || a.Detail != "the client is closed" {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
	h := c.upstreams[0].host
	if _, err := h.addresses(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The system's resolver may ask the very client that waits for it. Both give up in time.
func TestBootstrapAsksItself(t *testing.T) {
	var c *Client
	asked := make(chan struct{}, 1)
	answered := make(chan Answer, 1)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case asked <- struct{}{}:
			a := c.Lookup(ctx, zone.MustParseName("dns.example.com."), dns.TypeA)
			answered <- a
			return nil, errors.New(a.Detail)
		default:
			return nil, errors.New("asked again")
		}
	}}
	c = newClient(t, Options{Bootstrap: resolver, QueryTimeout: 100 * time.Millisecond, TargetTimeout: time.Second}, "tls://dns.example.com")
	a := c.Lookup(t.Context(), v4, dns.TypeA)
	if a.Outcome != Failure || !strings.HasPrefix(a.Detail, "the host name in tls://dns.example.com cannot be looked up: ") {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
	if inner := <-answered; inner.Reason != ReasonTimeout {
		t.Errorf("inner %s, %s", short(inner), inner.Detail)
	}
}

func TestDialUntilDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := dialUntilDone(ctx, "udp", silence(t, "udp"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := dialUntilDone(ctx, "udp", "127.0.0.1:1"); err == nil {
		t.Error("a socket was opened after the end")
	}
}

// The system's resolver finds this name in its table of hosts.
func TestLocalhost(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, newClient(t, fast, "tcp://localhost:"+port).Lookup(t.Context(), v4, dns.TypeA))
}

// network is a world of addresses of which some answer.
type network struct {
	server *dnstest.Server

	mu     sync.Mutex
	alive  map[string]bool
	dialed []string
}

func (n *network) dial(ctx context.Context, proto, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	alive := n.alive[address]
	n.mu.Unlock()
	if !alive {
		return nil, &net.OpError{Op: "dial", Net: proto, Err: syscall.ECONNREFUSED}
	}
	return new(net.Dialer).DialContext(ctx, proto, n.server.Addr())
}

// take gives what was dialed since it was called last.
func (n *network) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	dialed := n.dialed
	n.dialed = nil
	return dialed
}

func (n *network) setAlive(addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alive = map[string]bool{}
	for _, a := range addresses {
		n.alive[a] = true
	}
}

// hangUp makes the next query open a connection.
func (u *upstream) hangUp(t *testing.T) {
	t.Helper()
	p, ok := u.conns.(*streams)
	if !ok {
		t.Fatal("no streams")
	}
	for i := range p.slots {
		if m := p.slots[i].current; m != nil {
			m.retire()
		}
	}
}

// All addresses are tried, the one that works comes first the next time, and the name is
// looked up again when all fail, but not for every query.
func TestHostMoves(t *testing.T) {
	const one, two, three = "192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"
	n := &network{server: dnstest.Start(t, testWorld)}
	found := []string{"192.0.2.1", "192.0.2.2"}
	names := dnstest.Start(t, "")
	move := func(addresses ...string) {
		found = addresses
		var world strings.Builder
		for _, a := range found {
			fmt.Fprintf(&world, "dns.example.com. 60 IN A %s\n", a)
		}
		if err := names.SetWorld(world.String()); err != nil {
			t.Fatal(err)
		}
	}
	move("192.0.2.1", "192.0.2.2")
	c := newClient(t, Options{Dial: n.dial, Bootstrap: bootstrap(names), Sockets: 1, Rounds: 1}, "tcp://dns.example.com")
	h := c.upstreams[0].host
	ask := func(want Outcome, dialed ...string) {
		t.Helper()
		c.upstreams[0].hangUp(t)
		c.failures.forget(Question{Target: v4, Type: dns.TypeA})
		n.take()
		if a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA); a.Outcome != want {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		got := n.take()
		slices.Sort(got)
		if !slices.Equal(got, dialed) {
			t.Errorf("dialed %v, want %v", got, dialed)
		}
	}
	lookups := func() int { return names.Count("dns.example.com.", dns.TypeA) }
	older := func(d time.Duration) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.since = h.since.Add(-d)
	}

	n.setAlive()
	ask(Failure, one, two)
	n.setAlive(two)
	ask(Addresses, one, two)
	ask(Addresses, two)
	n.setAlive(one)
	ask(Addresses, one, two)
	ask(Addresses, one)
	if lookups() != 1 {
		t.Errorf("looked up %d times", lookups())
	}
	move("192.0.2.3")
	n.setAlive(three)
	ask(Failure, one, two)
	if lookups() != 1 {
		t.Errorf("looked up %d times while the addresses are new", lookups())
	}
	older(hostAge)
	ask(Addresses, one, two, three)
	ask(Addresses, three)

	// Old addresses are looked up again, and kept where that fails.
	older(hostKept)
	n.setAlive(one)
	move("192.0.2.1")
	ask(Addresses, one)
	older(hostKept)
	setFault(t, names, "dns.example.com", "servfail")
	ask(Addresses, one)
}

// An address that swallows packets leaves the others their share of the time.
func TestSilentAddress(t *testing.T) {
	h := newHost(t.Context(), URL{Scheme: SchemeTCP, Host: "dns.example.com", Port: 53}, Options{QueryTimeout: 200 * time.Millisecond})
	h.known, h.since = []string{"192.0.2.1:53", "192.0.2.2:53"}, time.Now()
	var tried []string
	err := h.connect(t.Context(), func(ctx context.Context, address string) error {
		tried = append(tried, address)
		if address == "192.0.2.2:53" {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil || len(tried) != 2 || h.known[0] != "192.0.2.2:53" {
		t.Errorf("tried %v, %v, then prefers %v", tried, err, h.known)
	}
}
