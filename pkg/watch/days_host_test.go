package watch

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// owned is an RRset of an owner.
type owned struct {
	owner string
	qtype uint16
}

// rrset is what is published.
type rrset struct {
	set []netip.Addr
	ttl uint32
}

// dayHost looks at all that is published.
type dayHost struct {
	*host

	day       *day
	published map[int]map[owned]rrset
	rules     []map[string]*mover // by zone: the owners of ALIAS records, and their targets
}

func (h *dayHost) Publish(ctx context.Context, i int, r *compile.Result, learned resolve.Estimates) Delivery {
	h.mu.Lock()
	before, serial := h.host.published[i], h.serials[i]
	h.mu.Unlock()
	delivery := h.host.Publish(ctx, i, r, learned)
	h.mu.Lock()
	after := h.host.published[i]
	h.mu.Unlock()
	h.day.mu.Lock()
	defer h.day.mu.Unlock()
	h.compare(i, before, after, serial, r)
	return delivery
}

// compare looks at one publication against the one before. It is called with the day's mu held.
func (h *dayHost) compare(i int, before, after string, serial zone.Serial, r *compile.Result) {
	d := h.day
	old, now := recordsOf(d, before), recordsOf(d, after)
	same := slices.Equal(old, now)
	switch {
	case before == "":
	case same && (r.Serial != serial || r.Changed):
		d.fault(zone.Name{}, "zone %d: serial %d became %d, and no record is another one", i, serial, r.Serial)
	case !same && !r.Serial.After(serial):
		d.fault(zone.Name{}, "zone %d: records have changed, but not serial %d", i, serial)
	}
	if !same {
		d.counts.publications++
	}
	shown := map[owned]rrset{}
	for _, text := range now {
		f := strings.Fields(text)
		k := owned{f[0], dns.StringToType[f[3]]}
		if a, err := netip.ParseAddr(f[4]); err == nil {
			rr := shown[k]
			_, _ = fmt.Sscan(f[1], &rr.ttl)
			rr.set = append(rr.set, a)
			slices.SortFunc(rr.set, netip.Addr.Compare)
			shown[k] = rr
		}
	}
	previous := h.published[i]
	h.published[i] = shown
	for k := range h.rules[i] {
		h.compareOwner(i, k, previous, shown)
	}
}

// rules are the owners of ALIAS records of a zone, and their targets.
func (d *day) rules(i int) map[string]*mover {
	all := map[string]*mover{}
	targets := d.world.targets
	for k := range perZone + 1 {
		m := targets[(i*perZone+k)%len(targets)]
		owner := fmt.Sprintf("a%d.z%d.example.com.", m.number, i)
		if k == 0 {
			owner = fmt.Sprintf("z%d.example.com.", i)
		}
		all[owner] = m
	}
	return all
}

// compareOwner looks at whether what an owner has is what its target had.
func (h *dayHost) compareOwner(i int, owner string, previous, shown map[owned]rrset) {
	d, m := h.day, h.rules[i][owner]
	empty := true
	for _, qtype := range addressTypes {
		k := owned{owner, qtype}
		was, is := previous[k], shown[k]
		empty = empty && len(is.set) == 0
		if slices.Equal(was.set, is.set) && was.ttl == is.ttl {
			continue
		}
		d.log(m.name, "published at %s: %s %v, TTL %d", owner, dns.TypeToString[qtype], is.set, is.ttl)
		if slices.Equal(was.set, is.set) && is.ttl < was.ttl {
			d.counts.shorter++
			if !m.hadTTL(is.ttl) {
				d.fault(m.name, "TTL %d became %d, which it never was", was.ttl, is.ttl)
			}
		}
		if len(is.set) > 0 && !m.everHad(qtype, is.set) {
			d.fault(m.name, "%s: %v is published, which it never had", dns.TypeToString[qtype], is.set)
		} else if !slices.Equal(was.set, is.set) {
			a := d.asked[resolve.Question{Target: m.name, Type: qtype}]
			if a == nil || !m.had(qtype, is.set, a.begun) && !m.had(qtype, is.set, time.Now()) {
				d.fault(m.name, "%s: %v is published, which it has no more", dns.TypeToString[qtype], is.set)
			}
		}
	}
	if empty && (!m.drops() || !m.wasGone()) {
		d.fault(m.name, "nothing is published at %s", owner)
	}
}

// hadTTL tells whether a TTL is one that the target has had.
func (m *mover) hadTTL(ttl uint32) bool { return slices.Contains(m.allTTLs, ttl) }

// wasGone tells whether the target had no addresses at all at some time.
func (m *mover) wasGone() bool { return m.everHad(dns.TypeA, nil) && m.everHad(dns.TypeAAAA, nil) }

// shown gives what is published for a question, by all who have it.
func (h *dayHost) shown(q resolve.Question) (list []rrset) {
	m := h.day.world.byName[q.Target]
	zones := len(h.sources)
	for _, i := range []int{m.number / perZone, (m.number/perZone + zones - 1) % zones} {
		for owner, target := range h.rules[i] {
			if target == m && h.published[i] != nil {
				list = append(list, h.published[i][owned{owner, q.Type}])
			}
		}
	}
	return list
}

// recordsOf gives the records of a zone file but the SOA, sorted.
func recordsOf(d *day, text string) []string {
	var list []string
	p := dns.NewZoneParser(strings.NewReader(text), "", "published")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if rr.Header().Rrtype != dns.TypeSOA {
			list = append(list, rr.String())
		}
	}
	if err := p.Err(); err != nil {
		d.Error(err)
	}
	slices.Sort(list)
	return list
}
