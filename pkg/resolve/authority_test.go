package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Zones of the world outside, as their servers have them.
const (
	netZone = `
net. 3600 IN SOA a.servers.test. hostmaster.test. 1 3600 600 86400 900
net. 3600 IN NS a.servers.test.
example.net. 86400 IN NS ns1.example.net.
example.net. 86400 IN NS ns2.example.net.
ns1.example.net. 86400 IN A 198.51.100.1
ns2.example.net. 86400 IN A 198.51.100.2
`
	exampleZone = `
example.net. 3600 IN SOA ns1.example.net. hostmaster.example.net. 1 3600 600 86400 120
example.net. 3600 IN NS ns1.example.net.
example.net. 3600 IN NS ns2.example.net.
ns1.example.net. 3600 IN A 198.51.100.1
ns2.example.net. 3600 IN A 198.51.100.2
www.example.net. 3600 IN A 192.0.2.80
web.example.net. 1800 IN CNAME www.example.net.
out.example.net. 1700 IN CNAME edge.cdn.test.
in.example.net. 1700 IN CNAME www.sub.example.net.
tree.example.net. 1600 IN DNAME cdn.test.
gone.example.net. 1500 IN CNAME none.example.net.
loop.example.net. 60 IN CNAME back.cdn.test.
sub.example.net. 3600 IN NS ns.sub.example.net.
ns.sub.example.net. 3600 IN A 198.51.100.3
`
	subZone = `
sub.example.net. 3600 IN SOA ns.sub.example.net. hostmaster.example.net. 1 3600 600 86400 60
sub.example.net. 3600 IN NS ns.sub.example.net.
ns.sub.example.net. 3600 IN A 198.51.100.3
www.sub.example.net. 900 IN A 192.0.2.90
`
	cdnZone = `
cdn.test. 3600 IN SOA ns.cdn.test. hostmaster.cdn.test. 1 3600 600 86400 30
cdn.test. 3600 IN NS ns.cdn.test.
ns.cdn.test. 3600 IN A 203.0.113.1
edge.cdn.test. 60 IN A 192.0.2.99
edge.cdn.test. 60 IN AAAA 2001:db8::99
back.cdn.test. 60 IN CNAME loop.example.net.
`
)

// outside is the servers of these zones and a resolver that knows them all and counts TTLs
// down.
type outside struct {
	network            *dnstest.Network
	resolver           *dnstest.Server
	ns1, ns2, sub, cdn *dnstest.Server
	client             *Client
	authority          *Authority
}

func newOutside(t *testing.T, policy Policy) *outside {
	t.Helper()
	o := &outside{network: dnstest.NewNetwork(1)}
	start := func(address string, zones ...string) *dnstest.Server {
		s := o.network.Start(t, address, strings.Join(zones, ""))
		return s
	}
	o.resolver = start(firstResolver, netZone, exampleZone, subZone, cdnZone)
	setFault(t, o.resolver, "", "countdown=20s")
	o.ns1 = start("198.51.100.1:53", exampleZone)
	o.ns2 = start("198.51.100.2:53", exampleZone)
	o.sub = start("198.51.100.3:53", subZone)
	o.cdn = start("203.0.113.1:53", cdnZone)
	for _, s := range []*dnstest.Server{o.ns1, o.ns2, o.sub, o.cdn} {
		setFault(t, s, "", "authoritative")
	}
	o.client = newClient(t, onNetwork(o.network), "udp://192.0.2.53")
	o.authority = NewAuthority(o.client, policy)
	t.Cleanup(o.close)
	return o
}

// close ends what a synctest bubble has to see the end of.
func (o *outside) close() {
	_ = o.authority.Close()
	o.client.Close()
}

func (o *outside) lookup(t *testing.T, name string, qtype uint16) Answer {
	t.Helper()
	return o.authority.Lookup(t.Context(), zone.MustParseName(name), qtype)
}

func (o *outside) asked() int { return len(o.ns1.Queries()) + len(o.ns2.Queries()) }

func TestAuthority(t *testing.T) {
	const (
		ofExample = " (authoritative for example.net.)"
		ofSub     = "udp://198.51.100.3 (authoritative for sub.example.net.)"
		ofCDN     = "udp://203.0.113.1 (authoritative for cdn.test.)"
	)
	tests := []struct {
		name  string
		qtype uint16
		want  string
		by    string
	}{
		{"www.example.net.", dns.TypeA, "addresses [192.0.2.80] ttl=3600", ofExample},
		{"www.example.net.", dns.TypeAAAA, "NODATA neg=120", ofExample},
		{"none.example.net.", dns.TypeA, "NXDOMAIN neg=120", ofExample},
		{"example.net.", dns.TypeA, "NODATA neg=120", ofExample},
		{"web.example.net.", dns.TypeA, "addresses [192.0.2.80] ttl=1800 CNAME>www.example.net.", ofExample},
		{"gone.example.net.", dns.TypeA, "NXDOMAIN neg=120 CNAME>none.example.net.", ofExample},
		{"www.sub.example.net.", dns.TypeA, "addresses [192.0.2.90] ttl=900", ofSub},
		{"in.example.net.", dns.TypeA, "addresses [192.0.2.90] ttl=900 CNAME>www.sub.example.net.", ofSub},
		{"out.example.net.", dns.TypeA, "addresses [192.0.2.99] ttl=60 CNAME>edge.cdn.test.", ofCDN},
		{"out.example.net.", dns.TypeAAAA, "addresses [2001:db8::99] ttl=60 CNAME>edge.cdn.test.", ofCDN},
		{"edge.tree.example.net.", dns.TypeA, "addresses [192.0.2.99] ttl=60 DNAME>cdn.test.", ofCDN},
		{"none.tree.example.net.", dns.TypeA, "NXDOMAIN neg=30 DNAME>cdn.test.", ofCDN},
		{"loop.example.net.", dns.TypeA, "failure [loop] CNAME>back.cdn.test. CNAME>loop.example.net.", ofCDN},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+dns.TypeToString[tt.qtype], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t, Policy{})
				a := o.lookup(t, tt.name, tt.qtype)
				if got := short(a); got != tt.want || !strings.HasSuffix(a.Resolver, tt.by) || a.Authoritative != (a.Outcome != Failure) {
					t.Errorf("got  %s of %s, authoritative %v\nwant %s of %s\n(%s)", got, a.Resolver, a.Authoritative, tt.want, tt.by, a.Detail)
				}
				for _, q := range slices.Concat(o.ns1.Queries(), o.ns2.Queries(), o.sub.Queries(), o.cdn.Queries()) {
					if q.RD {
						t.Errorf("%s is asked with RD", q.Name)
					}
				}
				if len(a.Attempts) == 0 || len(a.Attempts) > 20 {
					t.Errorf("%d attempts", len(a.Attempts))
				}
				o.close()
			})
		})
	}
}

// What goes wrong at servers is made good by another one of the zone, or named.
func TestAuthorityFaults(t *testing.T) {
	www := "addresses [192.0.2.80] ttl=3600"
	tests := []struct {
		first, second string // faults of the servers of example.net.
		want          string
		detail        string // part of it
	}{
		{"drop", "", www, ""},
		{"refused", "", www, ""},
		{"servfail", "", www, ""},
		{"lame", "", www, ""},
		{"recursive", "", www, ""}, // it has an answer, from its cache
		{"garbage", "", www, ""},
		{"wrong-id", "", www, ""},
		{"truncate", "truncate", www, ""},
		{"wrong-case", "wrong-case", www, ""},
		{"no-edns", "no-edns", www, ""},
		{"drop,udp,nth=1", "drop,udp,nth=1", www, ""},
		{"wrong-question,first", "wrong-question,first", www, ""},
		{"refused", "servfail", "failure [no authoritative server]", "no authoritative server of example.net. has an answer: "},
		{"refused", "servfail", "failure [no authoritative server]", "198.51.100.1 REFUSED"},
		{"refused", "servfail", "failure [no authoritative server]", "198.51.100.2 SERVFAIL"},
		{"drop", "drop", "failure [no authoritative server]", "198.51.100.1 no reply in time"},
		{"lame", "lame", "failure [no authoritative server]", "198.51.100.2 the server neither is authoritative"},
		{"no-soa", "no-soa", www, ""},
		{"two-cnames", "two-cnames", "failure [malformed answer]", "a CNAME and an address at www.example.net."},
		{"referral", "referral", "failure [no authoritative server]", ""},
	}
	for _, tt := range tests {
		t.Run(tt.first+" "+tt.second+" "+tt.detail, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t, Policy{})
				for server, fault := range map[*dnstest.Server]string{o.ns1: tt.first, o.ns2: tt.second} {
					if fault == "recursive" {
						server.ClearFaults()
					}
					setFault(t, server, "", fault)
				}
				a := o.lookup(t, "www.example.net.", dns.TypeA)
				if got := short(a); got != tt.want || !strings.Contains(a.Detail, tt.detail) {
					t.Errorf("got  %s: %s\nwant %s: %s", got, a.Detail, tt.want, tt.detail)
				}
				if n := len(a.Attempts); n > 20 {
					t.Errorf("%d attempts", n)
				}
				o.close()
			})
		})
	}
}

// Servers and zones are found once, and every further target costs one query.
func TestAuthorityRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		for i := range 20 {
			o.lookup(t, fmt.Sprintf("n%d.example.net.", i), dns.TypeA)
		}
		if got := len(o.resolver.Queries()); got > 6 {
			t.Errorf("%d queries to the resolver", got)
		}
		if got := o.asked(); got != 20 {
			t.Errorf("%d queries to the servers", got)
		}
		if a, b := len(o.ns1.Queries()), len(o.ns2.Queries()); a == 0 || b == 0 {
			t.Errorf("one server gets %d and the other %d", a, b)
		}
		time.Sleep(2 * time.Hour)
		before := len(o.resolver.Queries())
		o.lookup(t, "www.example.net.", dns.TypeA)
		if len(o.resolver.Queries()) == before {
			t.Error("what is known never gets too old")
		}
		o.close()
	})
}

// Many who need the same server find it together.
func TestAuthorityTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		o.network.SetLink(firstResolver, dnstest.Link{Latency: 20 * time.Millisecond})
		var questions []Question
		for i := range 200 {
			questions = append(questions, Question{Target: zone.MustParseName(fmt.Sprintf("n%d.example.net.", i)), Type: dns.TypeA})
		}
		for _, a := range All(t.Context(), o.authority, questions, 200, nil) {
			if a.Outcome != NXDomain {
				t.Fatalf("%s: %s, %s", a.Target, short(a), a.Detail)
			}
		}
		if got := o.resolver.Count("example.net.", dns.TypeNS); got != 1 {
			t.Errorf("asked %d times for the servers", got)
		}
		if got := o.resolver.Count("ns1.example.net.", dns.TypeA); got != 1 {
			t.Errorf("asked %d times for an address", got)
		}
		o.close()
	})
}

// Private networks are not asked whoever points there.
func TestAuthorityDenied(t *testing.T) {
	tests := []struct {
		addr   string
		policy Policy
		detail string
	}{
		{"127.0.0.1", Policy{}, "ns.evil.test. has 127.0.0.1, a loopback address"},
		{"10.0.0.1", Policy{}, "ns.evil.test. has 10.0.0.1, a private address"},
		{"198.51.100.1", Policy{Deny: []NetRule{{Prefix: netip.MustParsePrefix("198.51.100.0/24")}}}, "198.51.100.1, an address in the denied network"},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t, tt.policy)
				o.resolver.ClearFaults()
				if err := o.resolver.SetWorld("evil.test. 60 IN SOA ns.evil.test. h.evil.test. 1 1 1 1 1\nevil.test. 60 IN NS ns.evil.test.\nns.evil.test. 60 IN A " + tt.addr); err != nil {
					t.Fatal(err)
				}
				a := o.lookup(t, "www.evil.test.", dns.TypeA)
				if a.Reason != ReasonNoServer || !strings.Contains(a.Detail, tt.detail) {
					t.Errorf("%s: %s", short(a), a.Detail)
				}
				if o.asked() > 0 {
					t.Error("asked in spite of it")
				}
				o.close()
			})
		})
	}
}

// Where the resolvers cannot name the servers, that is the failure.
func TestAuthorityUnknownZone(t *testing.T) {
	tests := []struct {
		name   string
		fault  string
		want   Reason
		detail string
	}{
		{"", "servfail", ReasonServfail, "asking for www.example.net. SOA, to find authoritative servers: SERVFAIL"},
		{"", "drop", ReasonTimeout, "no reply in time"},
		{"example.net.", "servfail", ReasonServfail, "asking for example.net. NS, to find authoritative servers: SERVFAIL"},
		{"example.net.", "no-soa,nxdomain", ReasonNoServer, "the resolvers know no name server of example.net."},
		{"", "no-soa,nxdomain", ReasonNoServer, "the resolvers do not tell which zone www.example.net. is in"},
		{"ns1.example.net.", "servfail", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t, Policy{})
				setFault(t, o.resolver, tt.name, tt.fault)
				a := o.lookup(t, "www.example.net.", dns.TypeA)
				if a.Reason != tt.want || !strings.Contains(a.Detail, tt.detail) {
					t.Errorf("%s: %s", short(a), a.Detail)
				}
				o.close()
			})
		})
	}
}

// Where no host has an address that can be found, or the time is over, what happened is said.
func TestAuthorityToldFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		setFault(t, o.resolver, "ns1.example.net.", "servfail")
		setFault(t, o.resolver, "ns2.example.net.", "refused")
		a := o.lookup(t, "www.example.net.", dns.TypeA)
		for _, want := range []string{"no authoritative server of example.net. has an answer: ", "ns1.example.net. SERVFAIL", "ns2.example.net. REFUSED"} {
			if a.Reason != ReasonNoServer || !strings.Contains(a.Detail, want) {
				t.Errorf("%s: %s; it lacks %q", short(a), a.Detail, want)
			}
		}
		o.close()
	})
	for _, limit := range []time.Duration{3 * time.Second, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutside(t, Policy{})
			o.network.SetLink("", dnstest.Link{Latency: time.Millisecond})
			setFault(t, o.ns1, "", "drop")
			setFault(t, o.ns2, "", "drop")
			o.client.opts.TargetTimeout = limit
			a := o.lookup(t, "www.example.net.", dns.TypeA)
			want := "198.51.100.1 no reply in time"
			if limit < time.Second {
				want = "no reply in time"
			}
			if !strings.Contains(a.Detail, want) {
				t.Errorf("%s: %s, want %q", short(a), a.Detail, want)
			}
			o.close()
		})
	}
}

// A server is believed in its zone and nowhere else.
func TestAuthorityConfined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		evil := exampleZone + "cdn.test. 60 IN SOA ns.example.net. h.example.net. 1 1 1 1 1\nedge.cdn.test. 9999 IN A 192.0.2.66\n"
		for _, s := range []*dnstest.Server{o.ns1, o.ns2} {
			if err := s.SetWorld(evil); err != nil {
				t.Fatal(err)
			}
		}
		a := o.lookup(t, "out.example.net.", dns.TypeA)
		if got, want := short(a), "addresses [192.0.2.99] ttl=60 CNAME>edge.cdn.test."; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		o.close()
	})
}

// A zone above refers to the one below, and further; a referral upward or aside is none.
func TestAuthorityReferral(t *testing.T) {
	name := zone.MustParseName("www.sub.example.net.")
	ns := func(owner string) nsHost {
		return nsHost{owner: zone.MustParseName(owner), host: zone.MustParseName("ns.test."), section: sectionAuthority}
	}
	tests := []struct {
		name string
		m    message
		want string
	}{
		{"below", message{delegations: []nsHost{ns("sub.example.net.")}}, "sub.example.net."},
		{"the closest", message{delegations: []nsHost{ns("sub.example.net."), ns("www.sub.example.net.")}}, "www.sub.example.net."},
		{"with AA", message{aa: true, delegations: []nsHost{ns("sub.example.net.")}}, "sub.example.net."},
		{"itself", message{delegations: []nsHost{ns("example.net.")}}, ""},
		{"upward", message{delegations: []nsHost{ns("net.")}}, ""},
		{"aside", message{delegations: []nsHost{ns("other.example.net.")}}, ""},
		{"beside an answer", message{answer: []record{{owner: name, typ: dns.TypeA}}, delegations: []nsHost{ns("sub.example.net.")}}, ""},
		{"beside SOA", message{soas: []soa{{owner: name}}, delegations: []nsHost{ns("sub.example.net.")}}, ""},
		{"NXDOMAIN", message{rcode: dns.RcodeNameError, delegations: []nsHost{ns("sub.example.net.")}}, ""},
	}
	for _, tt := range tests {
		got := ""
		if d := tt.m.referral(zone.MustParseName("example.net."), name); d != nil {
			got = d.apex.String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The work for one target has bounds, whatever is made up for it.
func TestAuthorityBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		var world strings.Builder
		world.WriteString("evil.test. 60 IN SOA ns.evil.test. h.evil.test. 1 1 1 1 1\n")
		for i := range 100 {
			fmt.Fprintf(&world, "evil.test. 60 IN NS ns%d.deep.evil.test.\n", i)
		}
		o.resolver.ClearFaults()
		if err := o.resolver.SetWorld(world.String()); err != nil {
			t.Fatal(err)
		}
		a := o.lookup(t, "www.evil.test.", dns.TypeA)
		if a.Reason != ReasonNoServer || len(o.resolver.Queries()) > 3+2*maxHosts {
			t.Errorf("%s: %s, after %d queries", short(a), a.Detail, len(o.resolver.Queries()))
		}
		p := &pursuit{Authority: o.authority, deadline: newDeadline(time.Minute), queries: maxAuthorityQueries}
		if f := p.spend(); f == nil || f.reason != ReasonNoServer || !f.own {
			t.Errorf("query %d: %v", maxAuthorityQueries+1, f)
		}
		o.close()
	})
}

// No server is asked again at once for what it failed to tell.
func TestAuthorityFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		setFault(t, o.ns1, "", "refused")
		setFault(t, o.ns2, "", "refused")
		o.lookup(t, "www.example.net.", dns.TypeA)
		before := o.asked()
		if a := o.lookup(t, "www.example.net.", dns.TypeA); a.Reason != ReasonNoServer || o.asked() != before {
			t.Errorf("%s, and %d queries more", short(a), o.asked()-before)
		}
		o.ns1.ClearFaults()
		setFault(t, o.ns1, "", "authoritative")
		time.Sleep(time.Minute)
		if a := o.lookup(t, "www.example.net.", dns.TypeA); a.Outcome != Addresses {
			t.Errorf("%s: %s", short(a), a.Detail)
		}
		o.close()
	})
}

// The servers are told the subnet, the resolvers are not.
func TestAuthoritySubnet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		subnet := subnetOf("198.51.100.0/24")
		for _, s := range []*dnstest.Server{o.ns1, o.ns2} {
			setFault(t, s, "", "ecs")
		}
		a := o.authority.For(subnet).Lookup(t.Context(), zone.MustParseName("www.example.net."), dns.TypeA)
		if a.Outcome != Addresses || a.SubnetUnused {
			t.Errorf("%s, unused %v: %s", short(a), a.SubnetUnused, a.Detail)
		}
		for _, q := range slices.Concat(o.ns1.Queries(), o.ns2.Queries()) {
			if q.Subnet != subnet.Prefix() {
				t.Errorf("asked for %s", q.Subnet)
			}
		}
		for _, q := range o.resolver.Queries() {
			if q.Subnet.IsValid() {
				t.Errorf("the resolver is told %s", q.Subnet)
			}
		}
		setFault(t, o.sub, "", "refused,nth=1")
		a = o.authority.For(subnet).Lookup(t.Context(), zone.MustParseName("www.sub.example.net."), dns.TypeA)
		if a.Outcome != Addresses || !a.SubnetUnused {
			t.Errorf("%s, unused %v: %s", short(a), a.SubnetUnused, a.Detail)
		}
		o.close()
	})
}

// Lookups end with their context and with the Authority.
func TestAuthorityEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		setFault(t, o.ns1, "", "drop")
		setFault(t, o.ns2, "", "drop")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		a := o.authority.Lookup(ctx, zone.MustParseName("www.example.net."), dns.TypeA)
		if a.Reason != ReasonCanceled || time.Since(began) > time.Second {
			t.Errorf("%s after %s: %s", short(a), time.Since(began), a.Detail)
		}
		time.AfterFunc(100*time.Millisecond, func() { _ = o.authority.Close() })
		began = time.Now()
		a = o.lookup(t, "web.example.net.", dns.TypeA)
		if a.Reason != ReasonCanceled || time.Since(began) > time.Second {
			t.Errorf("%s after %s: %s", short(a), time.Since(began), a.Detail)
		}
		if a = o.lookup(t, "out.example.net.", dns.TypeA); a.Reason != ReasonCanceled {
			t.Errorf("%s: %s", short(a), a.Detail)
		}
		o.close()
	})
}

// Over real sockets, where the servers are on this machine.
func TestAuthorityOverSockets(t *testing.T) {
	resolver := dnstest.Start(t, netZone+exampleZone+cdnZone)
	server := dnstest.Start(t, exampleZone)
	setFault(t, server, "", "authoritative")
	setFault(t, server, "web.example.net.", "truncate")
	at := map[string]string{"198.51.100.1:53": server.Addr(), "198.51.100.2:53": server.Addr()}
	opts := fast
	opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if to, ok := at[address]; ok {
			address = to
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	c := newClient(t, opts, resolver.URL())
	authority := NewAuthority(c, Policy{})
	t.Cleanup(func() { _ = authority.Close() })
	for name, want := range map[string]string{
		"www.example.net.": "addresses [192.0.2.80] ttl=3600",
		"web.example.net.": "addresses [192.0.2.80] ttl=1800 CNAME>www.example.net.",
	} {
		if a := authority.Lookup(t.Context(), zone.MustParseName(name), dns.TypeA); short(a) != want {
			t.Errorf("%s: got %s, want %s (%s)", name, short(a), want, a.Detail)
		}
	}
}

// A host with IPv6 alone is asked there, and servers that cannot be reached from here leave
// their turn to others.
func TestAuthorityReach(t *testing.T) {
	tests := []struct {
		name  string
		hosts string // records of the hosts ns1 to ns9 of the zone
		want  string
	}{
		{"IPv6", "ns1.far.test. 60 IN AAAA 2001:db8::53", "addresses [192.0.2.7] ttl=60"},
		{"IPv6 at last", "ns1.far.test. 60 IN A 203.0.113.71\nns2.far.test. 60 IN A 203.0.113.72\nns3.far.test. 60 IN A 203.0.113.73\nns4.far.test. 60 IN A 203.0.113.74\nns5.far.test. 60 IN AAAA 2001:db8::53", "addresses [192.0.2.7] ttl=60"},
		{"nowhere", "ns1.far.test. 60 IN A 203.0.113.71", "failure [no authoritative server]"},
		{"too many in vain", "ns1.far.test. 60 IN A 203.0.113.71\nns1.far.test. 60 IN A 203.0.113.72\nns1.far.test. 60 IN A 203.0.113.73\nns1.far.test. 60 IN A 203.0.113.74\nns1.far.test. 60 IN A 203.0.113.75\nns1.far.test. 60 IN A 203.0.113.76\nns1.far.test. 60 IN A 203.0.113.77\nns1.far.test. 60 IN A 203.0.113.78\nns1.far.test. 60 IN A 203.0.113.79\nns1.far.test. 60 IN A 203.0.113.80\nns1.far.test. 60 IN A 203.0.113.81\nns1.far.test. 60 IN A 203.0.113.82\nns2.far.test. 60 IN AAAA 2001:db8::53", "failure [no authoritative server]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t, Policy{})
				world := "far.test. 60 IN SOA ns1.far.test. h.far.test. 1 1 1 1 1\nwww.far.test. 60 IN A 192.0.2.7\n"
				for i := range 9 {
					world += fmt.Sprintf("far.test. 60 IN NS ns%d.far.test.\n", 1+i)
				}
				o.resolver.ClearFaults()
				if err := o.resolver.SetWorld(world + tt.hosts); err != nil {
					t.Fatal(err)
				}
				far := o.network.Start(t, "[2001:db8::53]:53", world)
				setFault(t, far, "", "authoritative")
				a := o.lookup(t, "www.far.test.", dns.TypeA)
				if got := short(a); got != tt.want {
					t.Errorf("got %s, want %s (%s)", got, tt.want, a.Detail)
				}
				o.close()
			})
		})
	}
}

// A server that has been silent for a while is passed over, and asked again now and then.
func TestAuthoritySilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		setFault(t, o.ns1, "", "drop")
		for i := range 60 {
			if a := o.lookup(t, fmt.Sprintf("n%d.example.net.", i), dns.TypeA); a.Outcome != NXDomain {
				t.Fatalf("%s: %s", short(a), a.Detail)
			}
		}
		// Each query in vain is sent up to three times.
		if got := len(o.ns1.Queries()); got > 3*(silentLimit+5) {
			t.Errorf("%d queries to a silent server", got)
		}
		o.ns1.ClearFaults()
		setFault(t, o.ns1, "", "authoritative")
		time.Sleep(time.Minute)
		before := len(o.ns1.Queries())
		for i := range 20 {
			o.lookup(t, fmt.Sprintf("m%d.example.net.", i), dns.TypeA)
		}
		if got := len(o.ns1.Queries()) - before; got < 5 {
			t.Errorf("%d queries to a server that is back", got)
		}
		o.close()
	})
}

// A DNAME that makes a name too long does so at every server.
func TestAuthorityNameTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t, Policy{})
		setFault(t, o.ns1, "", "yxdomain")
		setFault(t, o.ns2, "", "yxdomain")
		if a := o.lookup(t, "www.example.net.", dns.TypeA); a.Reason != ReasonNameTooLong {
			t.Errorf("%s: %s", short(a), a.Detail)
		}
		if o.asked() != 1 {
			t.Errorf("%d queries", o.asked())
		}
		o.close()
	})
}

// Servers of which nothing is asked are forgotten when there are too many.
func TestAuthorityServers(t *testing.T) {
	o := NewAuthority(newClient(t, fast, "udp://192.0.2.53"), Policy{})
	t.Cleanup(func() { _ = o.Close() })
	addr := netip.MustParseAddr("198.51.100.1")
	busy, err := o.server(addr)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxServers {
		addr = addr.Next()
		s, err := o.server(addr)
		if err != nil {
			t.Fatal(err)
		}
		o.release(s)
	}
	if n := len(o.servers); n > maxServers+1 {
		t.Errorf("%d servers are remembered", n)
	}
	again, err := o.server(netip.MustParseAddr("198.51.100.1"))
	if err != nil || again != busy {
		t.Error("a server in use is forgotten")
	}
	_ = o.Close()
	if _, err := o.server(addr); err == nil {
		t.Error("a server is given after Close")
	}
}
