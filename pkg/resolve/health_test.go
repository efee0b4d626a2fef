package resolve

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// A resolver that falls silent is told from one that answers.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		n.SetLink(firstResolver, dnstest.Link{Latency: 10 * time.Millisecond})
		n.Start(t, firstResolver, testWorld)
		silent := n.Start(t, secondResolver, testWorld)
		silent.Fault("", 0, dnstest.Fault{Mistake: dnstest.Mistake{Drop: true}})
		c := newClient(t, onNetwork(n), "udp://"+secondResolver, "udp://"+firstResolver)
		defer c.Close()
		if h := c.Health(); len(h) != 2 || !h[0].Up || h[0].Answered != 0 || h[1].RoundTrip != 0 {
			t.Errorf("%+v", h)
		}
		for range 2 * silentLimit {
			c.Lookup(t.Context(), zone.MustParseName("cdn.example.net."), dns.TypeA)
		}
		time.Sleep(20 * time.Second)
		h := c.Health()
		if h[0].Up || h[0].Down == 0 || h[0].Silent < silentLimit || h[0].Answered != 0 {
			t.Errorf("the silent one: %+v", h[0])
		}
		if !h[1].Up || h[1].Down != 0 || h[1].Answered == 0 || h[1].RoundTrip < 20*time.Millisecond || h[1].RoundTrip > time.Second {
			t.Errorf("the other: %+v", h[1])
		}
	})
}
