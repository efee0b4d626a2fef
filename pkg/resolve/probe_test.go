package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	lyingWorld = testWorld + "*.invalid. 60 IN CNAME search.test.\nsearch.test. 60 IN A 192.0.2.66\n"
	dns64World = testWorld + "ipv4only.arpa. 60 IN AAAA 2001:db8:64::c000:aa\nipv4only.arpa. 60 IN AAAA 2001:db8:64::c000:ab\n"
)

// probed is what is known of resolvers on a line, each with the name that a test gives it.
func probed(p Probed, names map[string]string) string {
	var b strings.Builder
	for _, url := range p.Resolvers {
		b.WriteString(" " + names[url])
		for _, bad := range p.Bad {
			if bad.Resolver == url {
				fmt.Fprintf(&b, " bad %v", bad.Addresses)
			}
		}
		if prefixes := p.Pref64s[url]; prefixes != nil {
			fmt.Fprintf(&b, " %v", prefixes)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestProbe(t *testing.T) {
	tests := []struct {
		name   string
		worlds []string
		faults []string // for every name
		want   string
		lookup string // of v4.example.net A, and who answers
	}{
		{"good", []string{testWorld}, []string{""}, "r0", "addresses [198.51.100.4] ttl=600 by r0"},
		{"lies", []string{lyingWorld}, []string{""}, "r0 bad [192.0.2.66]", "failure [resolver that invents addresses] by r0"},
		{"the first lies", []string{lyingWorld, testWorld}, []string{"", ""}, "r0 bad [192.0.2.66] r1", "addresses [198.51.100.4] ttl=600 by r1"},
		{"the second lies", []string{testWorld, lyingWorld}, []string{"", ""}, "r0 r1 bad [192.0.2.66]", "addresses [198.51.100.4] ttl=600 by r0"},
		{"both lie", []string{lyingWorld, lyingWorld}, []string{"", ""}, "r0 bad [192.0.2.66] r1 bad [192.0.2.66]", "failure [resolver that invents addresses] by r0"},
		{"one lies, the other fails", []string{testWorld, lyingWorld}, []string{"servfail", ""}, "r0 r1 bad [192.0.2.66]", "failure [SERVFAIL] by r0"},
		{"makes AAAA records", []string{dns64World}, []string{""}, "r0 [2001:db8:64::/96]", "addresses [198.51.100.4] ttl=600 by r0"},
		{"refuses", []string{testWorld}, []string{"refused"}, "r0", "failure [REFUSED] by r0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			names := map[string]string{}
			var urls []string
			for i, world := range tt.worlds {
				server := dnstest.Start(t, world)
				setFault(t, server, "", tt.faults[i])
				urls = append(urls, server.URL())
				names[server.URL()] = fmt.Sprintf("r%d", i)
			}
			opts := fast
			opts.Probe = true
			c := newClient(t, opts, urls...)
			if p := c.Probed(); !p.At.IsZero() || len(p.Bad) > 0 {
				t.Errorf("asked before the first question: %+v", p)
			}
			a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA)
			if got := short(a) + " by " + names[a.Resolver]; got != tt.lookup {
				t.Errorf("got  %s\nwant %s", got, tt.lookup)
			}
			p := c.Probe(t.Context())
			if got := probed(p, names); got != tt.want || p.At.IsZero() {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			for url, prefixes := range p.Pref64s {
				if got := c.Pref64s(url); !slices.Equal(got, prefixes) || c.Pref64s("udp://192.0.2.53") != nil {
					t.Errorf("%s: %v, want %v", url, got, prefixes)
				}
			}
		})
	}
}

// However many questions there are, each resolver is probed once; without the option never.
func TestProbedOnce(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		server := dnstest.Start(t, dns64World)
		opts := fast
		opts.Probe = wanted
		c := newClient(t, opts, server.URL())
		var questions []Question
		for i := range 50 {
			questions = append(questions, Question{Target: zone.MustParseName(fmt.Sprintf("n%d.wild.example.net.", i)), Type: dns.TypeA})
		}
		for _, a := range All(t.Context(), c, questions, 50, nil) {
			if a.Outcome != Addresses {
				t.Errorf("%s: %s, %s", a.Target, short(a), a.Detail)
			}
		}
		canaries := 0
		for _, q := range server.Queries() {
			if strings.HasSuffix(strings.ToLower(q.Name), ".invalid.") && q.Type == dns.TypeA {
				canaries++
			}
		}
		if n := server.Count("ipv4only.arpa.", dns.TypeAAAA); wanted != (n == 1) || wanted != (canaries == 1) {
			t.Errorf("wanted %v: %d questions for prefixes, %d canaries", wanted, n, canaries)
		}
	}
}

// A daemon probes again: a resolver gets better or worse, and each canary is another name.
func TestProbeAgain(t *testing.T) {
	server := dnstest.Start(t, lyingWorld)
	c := newClient(t, fast, server.URL())
	name := zone.MustParseName("v4.example.net.")
	first := c.Probe(t.Context())
	if a := c.Lookup(t.Context(), name, dns.TypeA); len(first.Bad) != 1 || a.Reason != ReasonBadResolver || !strings.Contains(a.Detail, "192.0.2.66") {
		t.Errorf("%+v; %s", first, short(a))
	}
	before := server.Count("v4.example.net.", dns.TypeA)
	if err := server.SetWorld(testWorld); err != nil {
		t.Fatal(err)
	}
	if a := c.Lookup(t.Context(), name, dns.TypeA); a.Reason != ReasonBadResolver || server.Count("v4.example.net.", dns.TypeA) != before {
		t.Errorf("a bad resolver is asked: %s", short(a))
	}
	second := c.Probe(t.Context())
	if a := c.Lookup(t.Context(), name, dns.TypeA); len(second.Bad) != 0 || a.Outcome != Addresses || second.At.Before(first.At) {
		t.Errorf("%+v; %s", second, short(a))
	}
	if err := server.SetWorld(lyingWorld); err != nil {
		t.Fatal(err)
	}
	third := c.Probe(t.Context())
	if len(third.Bad) != 1 || third.Bad[0].Canary == first.Bad[0].Canary {
		t.Errorf("%+v", third)
	}
}

// A resolver that is silent to the probes alone is not bad, and holds a lookup up for as long
// as the probes may take at most; a lookup that is given up does not wait for them.
func TestProbesWithoutReply(t *testing.T) {
	server := dnstest.Start(t, testWorld)
	setFault(t, server, "ipv4only.arpa.", "drop")
	opts := fast
	opts.Probe = true
	c := newClient(t, opts, server.URL())
	if a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA); a.Outcome != Addresses {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
	if p := c.Probed(); len(p.Bad) != 0 || len(p.Pref64s) != 0 {
		t.Errorf("%+v", p)
	}

	slow := newClient(t, Options{QueryTimeout: time.Minute, Probe: true}, server.URL())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if a := slow.Lookup(ctx, zone.MustParseName("v4.example.net."), dns.TypeA); a.Reason != ReasonCanceled {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
	if p := slow.Probe(ctx); len(p.Bad) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestProbeAfterClose(t *testing.T) {
	server := dnstest.Start(t, lyingWorld)
	c := newClient(t, Options{Probe: true}, server.URL())
	c.Close()
	if p := c.Probe(t.Context()); len(p.Bad) != 0 {
		t.Errorf("%+v", p)
	}
	if a := c.Lookup(t.Context(), zone.MustParseName("v4.example.net."), dns.TypeA); a.Reason != ReasonCanceled {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
}
