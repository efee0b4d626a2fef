package resolve

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

func TestExamine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		world     string
		fault     string // for every name
		answers   bool
		canary    Outcome
		validated bool
		pref64    string
	}{
		{name: "validates", world: testWorld, fault: "ad", answers: true, canary: NXDomain, validated: true},
		{name: "does not validate", world: testWorld, answers: true, canary: NXDomain},
		{name: "invents", world: lyingWorld, fault: "ad", answers: true, canary: Addresses, validated: true},
		{name: "is a DNS64", world: dns64World, answers: true, canary: NXDomain, pref64: "2001:db8:64::/96"},
		{name: "refuses", world: testWorld, fault: "refused"},
		{name: "is silent", world: testWorld, fault: "drop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := dnstest.Start(t, tt.world)
			if tt.fault != "" {
				fault, err := dnstest.ParseFault(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				server.Fault("", 0, fault)
			}
			// What is asked for validated answers only tells all the same what it is.
			for _, require := range []bool{false, true} {
				c, err := New([]string{server.URL()}, Options{RequireAD: require, QueryTimeout: 300 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				list := c.Examine(t.Context())
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if len(list) != 1 {
					t.Fatalf("%d resolvers", len(list))
				}
				e := &list[0]
				want := []netip.Prefix(nil)
				if tt.pref64 != "" {
					want = []netip.Prefix{netip.MustParsePrefix(tt.pref64)}
				}
				if e.Resolver != server.URL() || !e.Trusted || e.Took <= 0 || e.Answers() != tt.answers || e.Validated != tt.validated || !slices.Equal(e.Pref64s, want) {
					t.Errorf("require %v: %+v", require, e)
				}
				if tt.answers && e.Canary.Outcome != tt.canary || !tt.answers && e.Canary.Detail == "" {
					t.Errorf("canary %v %q, want %v", e.Canary.Outcome, e.Canary.Detail, tt.canary)
				}
			}
		})
	}
}
