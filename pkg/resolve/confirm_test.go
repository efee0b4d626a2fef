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

func TestConfirm(t *testing.T) {
	const found = "v4.example.net. 60 IN A 192.0.2.9\nnone.example.net. 60 IN A 192.0.2.9\n"
	const gone = "example.net. 60 IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 120\n"
	tests := []struct {
		name   string
		target string
		qtype  uint16
		worlds []string // of the resolvers behind the first, which has testWorld
		faults []string // of those
		want   string
		detail string
		asked  int // how many resolvers are asked
	}{
		{"NXDOMAIN", "none.example.net.", dns.TypeA, []string{testWorld}, []string{""}, "NXDOMAIN neg=120 confirmed", "", 1},
		{"NODATA", "v4.example.net.", dns.TypeAAAA, []string{testWorld}, []string{""}, "NODATA neg=120 confirmed", "", 1},
		{"alone", "none.example.net.", dns.TypeA, nil, nil, "NXDOMAIN neg=120", "", 0},
		{"addresses elsewhere", "none.example.net.", dns.TypeA, []string{found}, []string{""}, "NXDOMAIN neg=120", "r0 says NXDOMAIN, but r1 says addresses (192.0.2.9)", 1},
		{"no third is asked", "none.example.net.", dns.TypeA, []string{found, testWorld}, []string{"", ""}, "NXDOMAIN neg=120", "r0 says NXDOMAIN, but r1 says addresses (192.0.2.9)", 1},
		{"the other kind", "v4.example.net.", dns.TypeAAAA, []string{gone}, []string{""}, "NODATA neg=120", "r0 says NODATA, but r1 says NXDOMAIN", 1},
		{"the second fails", "none.example.net.", dns.TypeA, []string{testWorld, testWorld}, []string{"servfail", ""}, "NXDOMAIN neg=120 confirmed", "", 2},
		{"all others fail", "none.example.net.", dns.TypeA, []string{testWorld, testWorld}, []string{"servfail", "refused"}, "NXDOMAIN neg=120", "", 2},
		{"the second has no proof", "v4.example.net.", dns.TypeAAAA, []string{testWorld}, []string{"no-soa"}, "NODATA neg=120", "", 1},
		{"the second is stale", "v4.example.net.", dns.TypeAAAA, []string{testWorld}, []string{"ede=3"}, "NODATA neg=120", "", 1},
		{"the second is filtered", "none.example.net.", dns.TypeA, []string{testWorld}, []string{"ede=15"}, "NXDOMAIN neg=120", "", 1},
		{"the second invents", "none.example.net.", dns.TypeA, []string{lyingWorld, testWorld}, []string{"", ""}, "NXDOMAIN neg=120 confirmed", "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := dnstest.Start(t, testWorld)
			urls, names := []string{first.URL()}, []string{first.URL(), "r0"}
			for i, world := range tt.worlds {
				server := dnstest.Start(t, world)
				setFault(t, server, tt.target, tt.faults[i])
				urls, names = append(urls, server.URL()), append(names, server.URL(), fmt.Sprintf("r%d", i+1))
			}
			c := newClient(t, fast, urls...)
			c.Probe(t.Context())
			a := c.Lookup(t.Context(), zone.MustParseName(tt.target), tt.qtype)
			if a.Confirmed {
				t.Error("confirmed by one resolver alone")
			}
			got := c.Confirm(t.Context(), a)
			text := short(got)
			if got.Confirmed {
				text += " confirmed"
			}
			if text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
			if detail := strings.NewReplacer(names...).Replace(got.Detail); detail != tt.detail {
				t.Errorf("got  %q\nwant %q", detail, tt.detail)
			}
			asked := map[string]bool{}
			for _, attempt := range got.Attempts[len(a.Attempts):] {
				asked[attempt.Resolver] = true
			}
			if len(asked) != tt.asked || asked[first.URL()] {
				t.Errorf("asked %v, want %d resolvers", asked, tt.asked)
			}
		})
	}
}

// What is no proven negative is not asked about, nor what is confirmed.
func TestConfirmNothing(t *testing.T) {
	servers := []*dnstest.Server{dnstest.Start(t, testWorld), dnstest.Start(t, testWorld)}
	c := newClient(t, fast, servers[0].URL(), servers[1].URL())
	target := zone.MustParseName("none.example.net.")
	for _, a := range []Answer{
		{Outcome: Addresses, Addresses: addresses("192.0.2.1")},
		{Outcome: WeakNoData},
		{Outcome: Failure, Reason: ReasonServfail},
		{Outcome: NoData, Stale: true},
		{Outcome: NoData, DNS64: NewPref64(prefixNAT64)},
		{Outcome: NXDomain, Confirmed: true},
	} {
		a.Target, a.Type, a.Resolver = target, dns.TypeA, servers[0].URL()
		if got := c.Confirm(t.Context(), a); got.Confirmed != a.Confirmed || short(got) != short(a) || len(got.Attempts) > 0 {
			t.Errorf("%s became %s", short(a), short(got))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := c.Confirm(ctx, Answer{Target: target, Type: dns.TypeA, Outcome: NXDomain}); got.Confirmed || got.Outcome != NXDomain {
		t.Errorf("after the end: %s", short(got))
	}
	if n := len(servers[0].Queries()) + len(servers[1].Queries()); n != 0 {
		t.Errorf("%d questions", n)
	}
}

// The same host over another transport is no second opinion; an answer of another client, as
// from a file, may be confirmed by the first resolver.
func TestConfirmAnotherHost(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	c := newClient(t, fast, server.URL(), "tcp://"+server.Addr())
	a := c.Lookup(t.Context(), zone.MustParseName("none.example.net."), dns.TypeA)
	if got := c.Confirm(t.Context(), a); got.Confirmed || len(got.Attempts) != len(a.Attempts) {
		t.Errorf("confirmed by %v", got.Attempts)
	}
	a.Resolver = "file:answers.zone"
	if got := c.Confirm(t.Context(), a); !got.Confirmed {
		t.Errorf("not confirmed: %s", got.Detail)
	}
}
