package resolve

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// FuzzAuthority reads any octets as the reply of an authoritative server: whatever they are, a
// referral leads downward and no record from outside the zone has part in the answer.
func FuzzAuthority(f *testing.F) {
	withAA := func(m *dns.Msg) { m.Authoritative = true }
	seeds := [][]byte{
		pack(f, []string{"target.example.net. 60 A 192.0.2.1"}, nil, withAA),
		pack(f, []string{"target.example.net. 60 CNAME x.test.", "x.test. 60 A 192.0.2.1"}, nil, withAA),
		pack(f, []string{"target.example.net. 60 CNAME x.example.net.", "x.example.net. 60 A 192.0.2.1"}, nil, withAA),
		pack(f, nil, netSOA, withAA),
		pack(f, nil, []string{"target.example.net. 60 NS ns.test.", "target.example.net. 60 NS ns.example.net."}, nil),
		pack(f, nil, []string{"net. 60 NS ns.test."}, nil),
		pack(f, []string{"example.net. 60 NS ns.test."}, nil, withAA),
		pack(f, []string{"example.net. 60 SOA ns.test. h.test. 1 2 3 4 5"}, nil, withAA),
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	target, apex := zone.MustParseName("target.example.net."), zone.MustParseName("example.net.")
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := parseZones(packet, zone.Name{})
		if err != nil {
			return
		}
		if d := m.referral(apex, target); d != nil {
			if !d.apex.IsBelow(apex) || !target.IsIn(d.apex) || len(d.hosts) == 0 || len(d.hosts) > maxHosts {
				t.Errorf("referral to %s with %d hosts", d.apex, len(d.hosts))
			}
			return
		}
		if m.uselessness(apex, target) != nil {
			return
		}
		m.confine(apex)
		c := newChain(target, dns.TypeA)
		a, done := c.walk(m)
		for _, l := range c.links {
			if !l.Owner.IsIn(apex) {
				t.Errorf("a link of %s, outside the zone", l.Owner)
			}
		}
		if done {
			checkPromises(t, a)
			if a.Outcome == Addresses && !a.Last.IsIn(apex) {
				t.Errorf("addresses of %s, outside the zone", a.Last)
			}
		}
	})
}
