package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// scripted is a resolver that gives one answer after the other, and the last one ever after.
// An answer is words: addresses, nodata, weak, nxdomain or the name of a failure, then ttl=N
// or stale.
type scripted struct {
	name    string
	answers []string

	mu    sync.Mutex
	asked int
}

func (s *scripted) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	s.mu.Lock()
	text := s.answers[min(s.asked, len(s.answers)-1)]
	s.asked++
	s.mu.Unlock()
	a := Answer{Target: target, Type: qtype, Last: target, Resolver: s.name, Outcome: Addresses, TTL: 300}
	a.Attempts = []Attempt{{Resolver: s.name}}
	if ctx.Err() != nil {
		return a.failed(failure{reason: ReasonCanceled, detail: "canceled"})
	}
	for word := range strings.FieldsSeq(text) {
		switch word {
		case "nodata":
			a.Outcome, a.NegativeTTL, a.TTL = NoData, 60, 0
		case "weak":
			a.Outcome, a.TTL = WeakNoData, 0
		case "nxdomain":
			a.Outcome, a.NegativeTTL, a.TTL = NXDomain, 60, 0
		case "servfail":
			return a.failed(failure{reason: ReasonServfail, detail: "SERVFAIL"})
		case "timeout":
			return a.failed(failure{reason: ReasonTimeout, detail: "no reply in time"})
		case "stale":
			a.Stale = true
		default:
			if _, err := fmt.Sscanf(word, "ttl=%d", &a.TTL); err != nil {
				a.Addresses = append(a.Addresses, netip.MustParseAddr("192.0.2."+word))
			}
		}
	}
	return a
}

func resolversOf(texts ...string) (list []Lookuper, asked func() int) {
	var all []*scripted
	for i, text := range texts {
		s := &scripted{name: "r" + string(rune('1'+i)), answers: strings.Split(text, " | ")}
		all, list = append(all, s), append(list, s)
	}
	return list, func() int {
		n := 0
		for _, s := range all {
			n += s.asked
		}
		return n
	}
}

func TestAgreement(t *testing.T) {
	one := "addresses [192.0.2.1] ttl=300"
	tests := []struct {
		name      string
		wanted    int
		mode      AgreeMode
		resolvers []string
		want      string
		detail    string
		resolver  string
	}{
		{"equal", 2, AgreeEqual, []string{"1", "1"}, one, "", "r1"},
		{"the least TTL", 2, AgreeEqual, []string{"1 ttl=200", "1 ttl=100"}, "addresses [192.0.2.1] ttl=100", "", "r1"},
		{"other", 2, AgreeEqual, []string{"1", "2"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1; r2 has 192.0.2.2", ""},
		{"one more", 2, AgreeEqual, []string{"1", "1 2"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1; r2 has 192.0.2.1, 192.0.2.2", ""},
		{"long", 2, AgreeEqual, []string{"1 2 3 4 5 6", "7"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 and 2 more; r2 has 192.0.2.7", ""},
		{"the third one is not asked", 2, AgreeEqual, []string{"1", "1", "2"}, one, "", "r1"},
		{"the third one is no judge", 2, AgreeEqual, []string{"1", "2", "1"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1; r2 has 192.0.2.2", ""},
		{"three", 3, AgreeEqual, []string{"1", "1", "2"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1; r3 has 192.0.2.2", ""},
		{"one alone", 1, AgreeEqual, []string{"1", "2"}, one, "", "r1"},
		{"NODATA", 2, AgreeEqual, []string{"nodata", "nodata"}, "NODATA neg=60", "", "r1"},
		{"NXDOMAIN", 2, AgreeEqual, []string{"nxdomain", "nxdomain"}, "NXDOMAIN neg=60", "", "r1"},
		{"NODATA against addresses", 2, AgreeEqual, []string{"1", "nodata"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1; r2 has none", ""},
		{"NXDOMAIN against NODATA", 2, AgreeOverlap, []string{"nodata", "nxdomain"}, "failure [disagreement]", "the resolvers do not agree: r1 has none; r2 says that there is no such name", ""},
		{"weak NODATA", 2, AgreeEqual, []string{"nodata", "weak"}, "weak NODATA", "", "r1"},
		{"proof instead of weak NODATA", 2, AgreeEqual, []string{"weak", "nodata", "nodata"}, "NODATA neg=60", "", "r2"},
		{"a failure is made good", 2, AgreeEqual, []string{"servfail", "1", "1"}, one, "", "r2"},
		{"two failures are made good", 2, AgreeEqual, []string{"servfail", "timeout", "1", "1"}, one, "", "r3"},
		{"too few", 2, AgreeEqual, []string{"1", "timeout", "servfail"}, "failure [SERVFAIL]", "2 resolvers have to agree, and 1 answered: SERVFAIL", "r3"},
		{"none", 2, AgreeEqual, []string{"timeout", "timeout"}, "failure [timeout]", "2 resolvers have to agree, and 0 answered: no reply in time", "r1"},
		{"fresh before stale", 2, AgreeEqual, []string{"2 stale", "1", "1"}, one, "", "r2"},
		{"stale at last", 2, AgreeEqual, []string{"1 stale", "1"}, one + " stale", "", "r2"},

		{"pool", 2, AgreeOverlap, []string{"1 2", "2 3"}, "addresses [192.0.2.1 192.0.2.2] ttl=300", "", "r1"},
		{"pool seen in turns", 2, AgreeOverlap, []string{"1 2 | 3 4 | 1 2", "3 4 | 1 2 ttl=50"}, "addresses [192.0.2.1 192.0.2.2] ttl=50", "", "r1"},
		{"pool of three", 3, AgreeOverlap, []string{"1 2", "3 4", "2 3"}, "addresses [192.0.2.1 192.0.2.2] ttl=300", "", "r1"},
		{"two pools", 2, AgreeOverlap, []string{"1 2", "3 4"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1, 192.0.2.2; r2 has 192.0.2.3, 192.0.2.4", ""},
		{"two pairs", 4, AgreeOverlap, []string{"1 2", "2 3", "4 5", "5 6"}, "failure [disagreement]", "the resolvers do not agree: r1 has 192.0.2.1, 192.0.2.2; r3 has 192.0.2.4, 192.0.2.5", ""},
		{"no end of it", 2, AgreeOverlap, []string{"1 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10", "2"}, "failure [disagreement]", "the resolvers still give new addresses after 9 answers of each", ""},
		{"too large", 2, AgreeOverlap, []string{"1 2 3 4 5 6", "6 7 8 9 10 11"}, "failure [disagreement]", "the resolvers have more than 10 addresses together", ""},
		{"too large in time", 2, AgreeOverlap, []string{"1 2 3 4 5 6", "6 7 8 | 9 10 11"}, "failure [disagreement]", "the resolvers have more than 10 addresses together", ""},
		{"gone meanwhile", 2, AgreeOverlap, []string{"1 2", "2 3 | nxdomain"}, "failure [disagreement]", "the resolvers do not agree: r2 has 192.0.2.2, 192.0.2.3; r2 says that there is no such name", ""},
		{"silent meanwhile", 2, AgreeOverlap, []string{"1 2", "2 3 | timeout"}, "addresses [192.0.2.1 192.0.2.2] ttl=300", "", "r1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resolvers, asked := resolversOf(tt.resolvers...)
			g, err := NewAgreement(resolvers, tt.wanted, tt.mode, 10)
			if err != nil {
				t.Fatal(err)
			}
			a := g.Lookup(t.Context(), zone.MustParseName("cdn.example.net."), dns.TypeA)
			if got := short(a); got != tt.want || a.Detail != tt.detail || a.Resolver != tt.resolver {
				t.Errorf("got  %s of %q: %s\nwant %s of %q: %s", got, a.Resolver, a.Detail, tt.want, tt.resolver, tt.detail)
			}
			if len(a.Attempts) != asked() {
				t.Errorf("%d attempts of %d", len(a.Attempts), asked())
			}
		})
	}
}

func TestAgreementOfTooFew(t *testing.T) {
	resolvers, _ := resolversOf("1", "1")
	for _, wanted := range []int{0, 3} {
		if _, err := NewAgreement(resolvers, wanted, AgreeEqual, 0); !errors.Is(err, ErrFewResolvers) {
			t.Errorf("%d of 2 can agree", wanted)
		}
	}
	_, err := NewAgreement(resolvers, 3, AgreeEqual, 0)
	if got, want := fmt.Sprint(err), "too few resolvers: 3 have to agree, and the list has 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAgreementCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	resolvers, asked := resolversOf("1", "1", "1")
	g, _ := NewAgreement(resolvers, 2, AgreeEqual, 0)
	if a := g.Lookup(ctx, zone.MustParseName("cdn.example.net."), dns.TypeA); a.Reason != ReasonCanceled || a.Detail != "canceled" {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
	if asked() > 2 {
		t.Error("asked on")
	}
}

// What is published is never mixed of several answers, whoever is quicker.
func TestAgreementOnNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		n.SetLink(firstResolver, dnstest.Link{Latency: 100e6})
		var world strings.Builder
		for i := range 6 {
			fmt.Fprintf(&world, "pool.example.net. %d IN A 192.0.2.%d\n", 60, 1+i)
		}
		var list []Lookuper
		for i, address := range []string{firstResolver, secondResolver, thirdResolver} {
			server := n.Start(t, address, world.String())
			setFault(t, server, "", fmt.Sprintf("subset=%d", 2+i))
			c := newClient(t, onNetwork(n), "udp://"+strings.TrimSuffix(address, ":53"))
			defer c.Close()
			list = append(list, c)
		}
		name := zone.MustParseName("pool.example.net.")
		equal, err := NewAgreement(list, 3, AgreeEqual, 0)
		if err != nil {
			t.Fatal(err)
		}
		if a := equal.Lookup(t.Context(), name, dns.TypeA); a.Reason != ReasonDisagree {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		overlap, _ := NewAgreement(list, 3, AgreeOverlap, 0)
		a := overlap.Lookup(t.Context(), name, dns.TypeA)
		if a.Outcome != Addresses || len(a.Addresses) != 2 || a.Resolver != "udp://192.0.2.53" {
			t.Errorf("%s of %s, %s", short(a), a.Resolver, a.Detail)
		}
		if !slices.IsSortedFunc(a.Addresses, netip.Addr.Compare) {
			t.Errorf("%v", a.Addresses)
		}
	})
}

// Each resolver is asked for the subnet; a world in memory has one answer for all.
func TestAgreementForSubnet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, firstResolver, testWorld)
		if err := server.SetWorldFor(netip.MustParsePrefix("198.51.100.0/24"), "cdn.example.net. 60 IN A 192.0.2.24\n"); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, onNetwork(n), "udp://192.0.2.53")
		defer c.Close()
		var records []dns.RR
		rr, err := dns.NewRR("cdn.example.net. 300 IN A 192.0.2.24")
		if err != nil {
			t.Fatal(err)
		}
		memory, err := NewMemory(append(records, rr))
		if err != nil {
			t.Fatal(err)
		}
		g, err := NewAgreement([]Lookuper{c, memory}, 2, AgreeEqual, 0)
		if err != nil {
			t.Fatal(err)
		}
		q := Question{Target: zone.MustParseName("cdn.example.net."), Type: dns.TypeA, Subnet: subnetOf("198.51.100.0/24")}
		if a := All(t.Context(), g, []Question{q}, 0, nil)[0]; short(a) != "addresses [192.0.2.24] ttl=60" {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
		if a := g.Lookup(t.Context(), q.Target, q.Type); a.Reason != ReasonDisagree {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
	})
}
