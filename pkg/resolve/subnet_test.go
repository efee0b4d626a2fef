package resolve

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	firstResolver  = "192.0.2.53:53"
	secondResolver = "198.51.100.53:53"
	thirdResolver  = "203.0.113.53:53"
)

// onNetwork gives the options of a client on a network in memory.
func onNetwork(n *dnstest.Network) Options {
	return Options{Dial: n.Dial, KeepAttempts: true}
}

func subnetOf(text string) Subnet { return NewSubnet(netip.MustParsePrefix(text)) }

func TestSubnet(t *testing.T) {
	if got := unsafe.Sizeof(Question{}); got > 32 {
		t.Errorf("a question has %d octets", got)
	}
	if a, b := subnetOf("198.51.100.7/24"), subnetOf("198.51.100.0/24"); a != b || a.Prefix().String() != "198.51.100.0/24" {
		t.Errorf("%s and %s", a.Prefix(), b.Prefix())
	}
	if s := NewSubnet(netip.Prefix{}); s != (Subnet{}) || s.Prefix().IsValid() {
		t.Errorf("the subnet of nothing is %s", s.Prefix())
	}
}

// Each subnet gets its own answer, and each question is asked once.
func TestSubnetAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, firstResolver, testWorld)
		for subnet, addr := range map[string]string{"198.51.100.0/24": "192.0.2.24", "2001:db8:1::/48": "192.0.2.48"} {
			if err := server.SetWorldFor(netip.MustParsePrefix(subnet), "edge.example.org. 60 IN A "+addr+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		c := newClient(t, onNetwork(n), "udp://192.0.2.53")
		defer c.Close()
		edge := zone.MustParseName("edge.example.org.")
		of := func(text string) Question {
			q := Question{Target: edge, Type: dns.TypeA}
			if text != "" {
				q.Subnet = subnetOf(text)
			}
			return q
		}
		questions := []Question{of("198.51.100.0/24"), of(""), of("2001:db8:1::/48"), of("198.51.100.0/24"), of("203.0.113.0/24")}
		everywhere := "addresses [192.0.2.2 192.0.2.10] ttl=100"
		want := []string{"addresses [192.0.2.24] ttl=60", everywhere, "addresses [192.0.2.48] ttl=60", "addresses [192.0.2.24] ttl=60", everywhere}
		for i, a := range All(t.Context(), c, questions, 0, nil) {
			if got := short(a); got != want[i] || a.SubnetUnused {
				t.Errorf("%s: got %s, want %s (%s)", questions[i].Subnet.Prefix(), got, want[i], a.Detail)
			}
		}
		asked := map[netip.Prefix]int{}
		for _, q := range server.Queries() {
			asked[q.Subnet]++
		}
		for _, text := range []string{"198.51.100.0/24", "2001:db8:1::/48", "203.0.113.0/24"} {
			if asked[netip.MustParsePrefix(text)] != 1 {
				t.Errorf("asked %d times for %s", asked[netip.MustParsePrefix(text)], text)
			}
		}
		if asked[netip.Prefix{}] != 1 || len(asked) != 4 {
			t.Errorf("asked %v", asked)
		}
	})
}

// The subnet goes along to every name of a chain.
func TestSubnetOfChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, firstResolver, testWorld)
		setFault(t, server, "", "ecs,cut-chain")
		c := newClient(t, onNetwork(n), "udp://192.0.2.53")
		defer c.Close()
		subnet := subnetOf("198.51.100.0/24")
		a := c.For(subnet).Lookup(t.Context(), zone.MustParseName("cdn.example.net."), dns.TypeA)
		if a.Outcome != Addresses || len(a.Chain) != 2 {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		if got := server.Queries(); len(got) != 3 {
			t.Errorf("%d queries", len(got))
		}
		for _, q := range server.Queries() {
			if q.Subnet != subnet.Prefix() {
				t.Errorf("%s is asked for %s", q.Name, q.Subnet)
			}
		}
	})
}

// A resolver that does not take the option is asked without, and the answer says so.
func TestSubnetRefused(t *testing.T) {
	v4 := "addresses [198.51.100.4] ttl=600"
	tests := []struct {
		fault   string
		want    string
		unused  bool
		queries int
	}{
		{"", v4, false, 1}, // no option in the reply: it does not know it
		{"ecs", v4, false, 1},
		{"ecs=8", v4, false, 1},
		{"ecs=32", v4, false, 1},
		{"ecs=33", "failure [malformed answer]", false, 2},
		{"refused,nth=1", v4, true, 2},
		{"formerr,nth=1", v4, true, 2},
		{"formerr,nth=1-2", v4, true, 3}, // it was EDNS after all
		{"no-edns", v4, true, 3},
		{"notimp,nth=1", v4, true, 2},
		{"refused", "failure [REFUSED]", true, 2},
		{"servfail", "failure [SERVFAIL]", false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.NewNetwork(1)
				server := n.Start(t, firstResolver, testWorld)
				setFault(t, server, "", tt.fault)
				c := newClient(t, onNetwork(n), "udp://192.0.2.53")
				defer c.Close()
				a := c.For(subnetOf("198.51.100.0/24")).Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA)
				if got := short(a); got != tt.want || a.SubnetUnused != tt.unused {
					t.Errorf("got  %s, unused %v\nwant %s, unused %v\n(%s)", got, a.SubnetUnused, tt.want, tt.unused, a.Detail)
				}
				if got := len(server.Queries()); got != tt.queries {
					t.Errorf("%d queries, want %d", got, tt.queries)
				}
			})
		})
	}
}

// All but the scope of a client subnet option has to come back.
func TestJudgeSubnet(t *testing.T) {
	name := zone.MustParseName("example.net.")
	v4 := newQuery(nil, name, dns.TypeA, &style{subnet: netip.MustParsePrefix("198.51.100.0/24")}, make([]byte, clientCookieLen))
	v6 := newQuery(nil, name, dns.TypeA, &style{subnet: netip.MustParsePrefix("2001:db8:1::/41")}, nil)
	none := newQuery(nil, name, dns.TypeA, &style{subnet: netip.MustParsePrefix("0.0.0.0/0")}, nil)
	tests := []struct {
		name  string
		query query
		reply []byte
		fits  bool
	}{
		{"no option", v4, nil, true},
		{"as sent", v4, []byte{0, 1, 24, 0, 198, 51, 100}, true},
		{"scope 24", v4, []byte{0, 1, 24, 24, 198, 51, 100}, true},
		{"scope 32", v4, []byte{0, 1, 24, 32, 198, 51, 100}, true},
		{"scope 33", v4, []byte{0, 1, 24, 33, 198, 51, 100}, false},
		{"other family", v4, []byte{0, 2, 24, 0, 198, 51, 100}, false},
		{"other source", v4, []byte{0, 1, 23, 0, 198, 51, 100}, false},
		{"other address", v4, []byte{0, 1, 24, 0, 198, 51, 101}, false},
		{"longer address", v4, []byte{0, 1, 24, 0, 198, 51, 100, 0}, false},
		{"empty", v4, []byte{}, false},
		{"IPv6", v6, []byte{0, 2, 41, 128, 0x20, 1, 0x0d, 0xb8, 0, 0}, true},
		{"IPv6 scope", v6, []byte{0, 2, 41, 129, 0x20, 1, 0x0d, 0xb8, 0, 0}, false},
		{"length 0", none, []byte{0, 1, 0, 0}, true},
		{"not asked for", newQuery(nil, name, dns.TypeA, &style{}, nil), []byte{0, 1, 24, 0, 198, 51, 100}, true},
	}
	for _, tt := range tests {
		if f := tt.query.judgeSubnet(&message{subnet: tt.reply}); (f == nil) != tt.fits {
			t.Errorf("%s: %v", tt.name, f)
		}
	}
}

// A failure for one subnet is none for another.
func TestSubnetFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, firstResolver, testWorld)
		setFault(t, server, "", "servfail,nth=1-2")
		c := newClient(t, onNetwork(n), "udp://192.0.2.53")
		defer c.Close()
		name := zone.MustParseName("v4.example.net.")
		a := c.For(subnetOf("198.51.100.0/24")).Lookup(t.Context(), name, dns.TypeA)
		if a.Reason != ReasonServfail {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		if a = c.For(subnetOf("203.0.113.0/24")).Lookup(t.Context(), name, dns.TypeA); a.Outcome != Addresses {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		if a = c.For(subnetOf("198.51.100.0/24")).Lookup(t.Context(), name, dns.TypeA); a.Reason != ReasonServfail {
			t.Errorf("the failure is forgotten: %s, %s", short(a), a.Detail)
		}
		time.Sleep(time.Minute)
		if a = c.For(subnetOf("198.51.100.0/24")).Lookup(t.Context(), name, dns.TypeA); a.Outcome != Addresses {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
	})
}
