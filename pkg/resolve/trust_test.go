package resolve

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestTellsMore(t *testing.T) {
	steps := [][]Answer{ // from what tells least to what tells most
		{{Outcome: Failure, Reason: ReasonTimeout}, {Outcome: Failure, Reason: ReasonNetwork}, {Outcome: Failure, Reason: ReasonCanceled}},
		{{Outcome: Failure, Reason: ReasonServfail}, {Outcome: Failure, Reason: ReasonLame, Stale: true}, {Outcome: Failure, Reason: ReasonBadResolver}},
		{{Outcome: WeakNoData}, {Outcome: WeakNoData, Stale: true}, {Outcome: NoData, Stale: true}, {Outcome: NXDomain, Stale: true}},
		{{Outcome: Addresses, Stale: true}},
		{{Outcome: Addresses}, {Outcome: NoData}, {Outcome: NXDomain}},
	}
	for i, step := range steps {
		for _, a := range step {
			if a.Known() != (i == len(steps)-1) {
				t.Errorf("%s: known is %v", short(a), a.Known())
			}
			for j, other := range steps {
				for _, b := range other {
					if a.TellsMore(&b) != (i > j) {
						t.Errorf("%s tells more than %s: %v", short(a), short(b), i <= j)
					}
				}
			}
		}
	}
}

// What the first resolver cannot prove is asked of the second.
func TestWeakAnswersGoOn(t *testing.T) {
	tests := []struct {
		name          string
		first, second string // faults
		want          string
		by            int
	}{
		{"v4.example.net.", "no-soa", "", "NODATA neg=120", 1},
		{"v4.example.net.", "no-soa", "servfail", "weak NODATA", 0},
		{"v4.example.net.", "servfail", "no-soa", "weak NODATA", 1},
		{"v4.example.net.", "no-soa", "no-soa", "weak NODATA", 0},
		{"v4.example.net.", "ede=3", "", "NODATA neg=120", 1},
		{"v4.example.net.", "ede=3", "drop", "NODATA neg=120 stale", 0},
		{"edge.example.org.", "no-soa", "", "addresses [2001:db8::1] ttl=100", 0},
	}
	for _, tt := range tests {
		t.Run(tt.first+" "+tt.second, func(t *testing.T) {
			t.Parallel()
			servers := []*dnstest.Server{dnstest.Start(t, testWorld), dnstest.Start(t, testWorld)}
			setFault(t, servers[0], tt.name, tt.first)
			setFault(t, servers[1], tt.name, tt.second)
			a := newClient(t, fast, servers[0].URL(), servers[1].URL()).Lookup(t.Context(), zone.MustParseName(tt.name), dns.TypeAAAA)
			if got := short(a); got != tt.want || a.Resolver != servers[tt.by].URL() {
				t.Errorf("got %s by %s, want %s by server %d", got, a.Resolver, tt.want, tt.by)
			}
		})
	}
}
