package resolve

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The AD bit of another machine means nothing where packets can be changed on the way.
func TestRequireADResolvers(t *testing.T) {
	tests := []struct {
		urls []string
		bad  string
	}{
		{[]string{"udp://127.0.0.1"}, ""},
		{[]string{"tcp://127.0.0.2:5353"}, ""},
		{[]string{"udp://[::1]"}, ""},
		{[]string{"udp://192.0.2.53"}, "udp://192.0.2.53"},
		{[]string{"udp://127.0.0.1", "tcp://[2001:db8::53]"}, "tcp://[2001:db8::53]"},
		{[]string{"udp://localhost"}, "udp://localhost"}, // a name may lead anywhere
		{[]string{"udp://10.0.0.1"}, "udp://10.0.0.1"},
	}
	for _, tt := range tests {
		c, err := New(tt.urls, Options{RequireAD: true})
		if c != nil {
			c.Close()
		}
		if tt.bad == "" && err != nil || tt.bad != "" && (err == nil || !strings.Contains(err.Error(), "resolver "+tt.bad+": ")) {
			t.Errorf("%v: %v", tt.urls, err)
		}
	}
}

func TestRequireAD(t *testing.T) {
	tests := []struct {
		name  string
		qtype uint16
		fault string
		want  string
	}{
		{"v4.example.net.", dns.TypeA, "ad", "addresses [198.51.100.4] ttl=600"},
		{"v4.example.net.", dns.TypeA, "ad,rrsig", "addresses [198.51.100.4] ttl=600"},
		{"v4.example.net.", dns.TypeA, "", "failure [not validated]"},
		{"v4.example.net.", dns.TypeAAAA, "ad", "NODATA neg=120"},
		{"v4.example.net.", dns.TypeAAAA, "", "failure [not validated]"},
		{"none.example.net.", dns.TypeA, "ad", "NXDOMAIN neg=120"},
		{"none.example.net.", dns.TypeA, "", "failure [not validated]"},
		{"v4.example.net.", dns.TypeA, "ad,formerr,nth=1", "failure [not validated]"}, // the second answer has none
		{"v4.example.net.", dns.TypeA, "servfail", "failure [SERVFAIL]"},
		{"v4.example.net.", dns.TypeA, "ad,truncate", "addresses [198.51.100.4] ttl=600"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+dns.TypeToString[tt.qtype]+" "+tt.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.NewNetwork(1)
				server := n.Start(t, "127.0.0.1:53", testWorld)
				setFault(t, server, "", tt.fault)
				opts := onNetwork(n)
				opts.RequireAD = true
				c := newClient(t, opts, "udp://127.0.0.1")
				defer c.Close()
				a := c.Lookup(t.Context(), zone.MustParseName(tt.name), tt.qtype)
				if got := short(a); got != tt.want {
					t.Errorf("got  %s\nwant %s\n(%s)", got, tt.want, a.Detail)
				}
				if q := server.Queries()[0]; !q.AD || !q.DO {
					t.Errorf("AD %v, DO %v", q.AD, q.DO)
				}
			})
		})
	}
}

// One reply without AD spoils a chain, wherever it stands, and the next resolver is asked.
func TestRequireADChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		first := n.Start(t, "127.0.0.1:53", testWorld)
		second := n.Start(t, "127.0.0.2:53", testWorld)
		setFault(t, first, "", "cut-chain")
		setFault(t, first, "cdn.example.net.", "ad")
		setFault(t, first, "edge.example.org.", "ad")
		opts := onNetwork(n)
		opts.RequireAD = true
		c := newClient(t, opts, "udp://127.0.0.1", "udp://127.0.0.2")
		defer c.Close()
		name := zone.MustParseName("cdn.example.net.")
		if a := c.Lookup(t.Context(), name, dns.TypeA); a.Reason != ReasonNotValidated || len(first.Queries()) != 3 {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		setFault(t, second, "", "ad")
		if a := c.Lookup(t.Context(), name, dns.TypeA); a.Outcome != Addresses || a.Resolver != "udp://127.0.0.2" {
			t.Errorf("%s of %s, %s", short(a), a.Resolver, a.Detail)
		}
	})
}
