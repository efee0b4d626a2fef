package compile

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const opinionsWorld = `
example.net. 300 IN SOA ns.example.net. hostmaster.example.net. 1 7200 900 1209600 300
example.net. 300 IN NS ns.example.net.
ns.example.net. 300 IN A 198.51.100.54
cdn.example.net. 60 IN A 192.0.2.1
`

// open opens resolvers on a network in memory, and files of that world.
func openOn(t *testing.T, n *dnstest.Network, o ResolverOptions, urls ...string) *Resolvers {
	t.Helper()
	o.Dial = n.Dial
	r, problems, err := OpenResolvers(urls, o, func(string) ([]byte, error) { return []byte(opinionsWorld), nil })
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems.Err())
	}
	return r
}

func faulty(t *testing.T, s *dnstest.Server, text string) {
	t.Helper()
	f, err := dnstest.ParseFault(text)
	if err != nil {
		t.Fatal(err)
	}
	s.Fault("", 0, f)
}

// Each resolver of a list counts, those in memory too.
func TestOpenAgreement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		first := n.Start(t, "192.0.2.53:53", opinionsWorld)
		second := n.Start(t, "198.51.100.53:53", opinionsWorld)
		r := openOn(t, n, ResolverOptions{Agree: 3}, "udp://192.0.2.53", "file:world.zone", "udp://198.51.100.53")
		defer r.Close()
		cdn := zone.MustParseName("cdn.example.net.")
		if a := r.Lookuper().Lookup(t.Context(), cdn, dns.TypeA); a.Outcome != resolve.Addresses || a.Resolver != "udp://192.0.2.53" {
			t.Errorf("%s of %s: %s", a.Outcome, a.Resolver, a.Detail)
		}
		if a, b := first.Count("cdn.example.net.", dns.TypeA), second.Count("cdn.example.net.", dns.TypeA); a != 1 || b != 1 {
			t.Errorf("asked %d and %d times", a, b)
		}
		if err := second.SetWorld(strings.ReplaceAll(opinionsWorld, "192.0.2.1", "192.0.2.9")); err != nil {
			t.Fatal(err)
		}
		if a := r.Lookuper().Lookup(t.Context(), cdn, dns.TypeA); a.Reason != resolve.ReasonDisagree {
			t.Errorf("%s: %s", a.Outcome, a.Detail)
		}
	})
}

// The resolvers of "system" and of a list written twice are as many as there are.
func TestOpenTooFew(t *testing.T) {
	for _, urls := range [][]string{{"demo:"}, {"udp://192.0.2.53", "udp://192.0.2.53"}, {"udp://192.0.2.53"}} {
		_, _, err := OpenResolvers(urls, ResolverOptions{Agree: 2}, nil)
		if !errors.Is(err, resolve.ErrFewResolvers) {
			t.Errorf("%v: %v", urls, err)
		}
	}
	_, _, err := OpenResolvers([]string{"udp://127.0.0.1", "udp://192.0.2.53"}, ResolverOptions{Agree: 2, Options: resolve.Options{RequireAD: true}}, nil)
	if !errors.Is(err, resolve.ErrInsecureResolver) {
		t.Errorf("AD of another machine: %v", err)
	}
	_, _, err = OpenResolvers(nil, ResolverOptions{Authoritative: true, Options: resolve.Options{RequireAD: true}}, nil)
	if !errors.Is(err, ErrNotValidated) {
		t.Errorf("validated and authoritative: %v", err)
	}
	if _, _, err = OpenResolvers([]string{"udp://192.0.2.53", "udp://"}, ResolverOptions{Agree: 2}, nil); err == nil {
		t.Error("a bad URL was opened")
	}
}

// Authoritative servers are asked for what each resolver leads to.
func TestOpenAuthoritative(t *testing.T) {
	for agree := range 3 {
		t.Run(fmt.Sprint(agree), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.NewNetwork(1)
				for _, address := range []string{"192.0.2.53:53", "198.51.100.53:53"} {
					faulty(t, n.Start(t, address, opinionsWorld), "countdown=30s")
				}
				server := n.Start(t, "198.51.100.54:53", opinionsWorld)
				faulty(t, server, "authoritative")
				r := openOn(t, n, ResolverOptions{Agree: agree, Authoritative: true}, "udp://192.0.2.53", "udp://198.51.100.53")
				defer r.Close()
				a := r.Lookuper().Lookup(t.Context(), zone.MustParseName("cdn.example.net."), dns.TypeA)
				if a.Outcome != resolve.Addresses || a.TTL != 60 || !a.Authoritative || a.Resolver != "udp://198.51.100.54 (authoritative for example.net.)" {
					t.Errorf("%s, TTL %d of %s: %s", a.Outcome, a.TTL, a.Resolver, a.Detail)
				}
				if got, want := server.Count("cdn.example.net.", dns.TypeA), max(agree, 1); got != want {
					t.Errorf("asked %d times, want %d", got, want)
				}
				if r.InFlight() != DefaultInFlight {
					t.Errorf("%d in flight", r.InFlight())
				}
			})
		})
	}
}

// Two zones with other clients get other addresses of one target, each asked for once; a world
// in memory has one answer for all.
func TestRunSubnets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, "192.0.2.53:53", opinionsWorld)
		near := netip.MustParsePrefix("198.51.100.0/24")
		if err := server.SetWorldFor(near, strings.ReplaceAll(opinionsWorld, "192.0.2.1", "192.0.2.9")); err != nil {
			t.Fatal(err)
		}
		source := func(name string, subnet netip.Prefix) Source {
			text := "$ORIGIN " + name + "\n@ 60 SOA ns1.example.net. h 1 2 3 4 5\n@ 60 NS ns1.example.net.\n@ 60 ALIAS cdn.example.net.\nwww 60 ALIAS cdn.example.net.\n"
			return Source{Name: name, Text: []byte(text), Subnet: subnet}
		}
		sources := []Source{source("example.com.", near), source("example.org.", netip.Prefix{}), source("example.edu.", near)}
		for _, urls := range [][]string{{"udp://192.0.2.53"}, {"udp://192.0.2.53", "file:world.zone"}} {
			r := openOn(t, n, ResolverOptions{}, urls...)
			before := len(server.Queries())
			results := Run(t.Context(), sources, Options{Lookup: r.Lookuper(), Now: zonesNow})
			r.Close()
			for i, want := range []string{"192.0.2.9", "192.0.2.1", "192.0.2.9"} {
				if !results[i].OK() || strings.Count(string(results[i].Text.Bytes()), " 60 IN A "+want+"\n") != 2 {
					t.Errorf("%v: %s has not %s:\n%s", urls, sources[i].Name, want, diagText(results[i:i+1]))
				}
			}
			if got := len(server.Queries()) - before; got != 4 {
				t.Errorf("%v: %d queries, want A and AAAA for each of two", urls, got)
			}
		}
	})
}
