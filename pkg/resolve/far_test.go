package resolve

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// How many round trips many targets take is what a run costs with a resolver far away.
func TestRoundTrips(t *testing.T) {
	const (
		targets = 1000
		trip    = 20 * time.Millisecond
		want    = 4 * trip
	)
	var world strings.Builder
	var questions []Question
	for i := range targets {
		name := fmt.Sprintf("t%d.example.net.", i)
		fmt.Fprintf(&world, "%s 60 IN A 192.0.2.1\n%s 60 IN AAAA 2001:db8::1\n", name, name)
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			questions = append(questions, Question{Target: zone.MustParseName(name), Type: qtype})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, firstResolver, world.String())
		server.StopLog()
		n.SetLink(firstResolver, dnstest.Link{Latency: trip / 2})
		c := newClient(t, Options{Dial: n.Dial, Probe: true, Rate: -1}, "udp://"+firstResolver)
		start := time.Now()
		for _, a := range All(t.Context(), c, questions, 2*targets, nil) {
			if a.Outcome != Addresses {
				t.Errorf("%s: %s", a.Target, short(a))
			}
		}
		took := time.Since(start)
		t.Logf("took %s", took)
		if took > want {
			t.Errorf("%d targets take %s, want %s", targets, took, want)
		}
	})
}
