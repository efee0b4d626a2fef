package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// pursuit is one lookup at authoritative servers.
type pursuit struct {
	*Authority

	question Question
	chain    chain
	style    *style
	deadline *deadline
	queries  int
	attempts []Attempt
	said     string // whose word a failure is; empty where it is that of several servers
	noSubnet bool
}

// run follows the chain from zone to zone.
func (p *pursuit) run(ctx context.Context) (Answer, *failure) {
	var d *delegation
	for {
		last := p.chain.last
		if d == nil || !last.IsIn(d.apex) {
			found, f := p.zoneOf(ctx, last)
			if f != nil {
				return Answer{}, f
			}
			d = found
		}
		m, server, f := p.askZone(ctx, d)
		if f != nil {
			return Answer{}, f
		}
		if child := m.referral(d.apex, last); child != nil {
			p.zones.put(child.apex, child, age(m.delegations[0].ttl))
			m.release()
			d = child
			continue
		}
		m.confine(d.apex)
		a, done := p.chain.walk(m)
		m.release()
		if done {
			a.Resolver = fmt.Sprintf("%s (authoritative for %s)", server, d.apex)
			a.Authoritative = a.Outcome != Failure
			return a, nil
		}
	}
}

// spend takes one query from what the lookup may cost.
func (p *pursuit) spend() *failure {
	if p.deadline.left() <= 0 {
		return &failure{reason: ReasonTimeout, detail: errTimeout.Error(), own: true}
	}
	if p.queries >= maxAuthorityQueries {
		f := failuref(ReasonNoServer, "%d queries have not led to an authoritative answer", maxAuthorityQueries)
		f.own = true
		return f
	}
	p.queries++
	return nil
}

// zoneOf finds the servers for a name: those of the closest zone above it that is known, who
// refer to those of a zone below if there is one, or else those that resolvers name.
func (p *pursuit) zoneOf(ctx context.Context, name zone.Name) (*delegation, *failure) {
	// Zones of one label and the root are not asked for what resolvers know: they would be
	// for each target that has no closer zone yet.
	for at := name; at.Labels() > 1; at = at.Parent() {
		if d, ok := p.zones.peek(at); ok {
			return d, nil
		}
	}
	apex, f := p.apexes.get(ctx, name, func() (zone.Name, time.Duration, *failure) { return p.apexOf(ctx, name) })
	if f != nil {
		return nil, f
	}
	return p.zones.get(ctx, apex, func() (*delegation, time.Duration, *failure) { return p.serversOf(ctx, apex) })
}

// trial is what came of the servers of a zone so far.
type trial struct {
	zone  *delegation
	tried int // that replied, or could have
	told  []string
}

// noServer is the failure where none had an answer.
func (t *trial) noServer() *failure {
	if len(t.told) == 0 {
		return failuref(ReasonNoServer, "no authoritative server of %s has an address", t.zone.apex)
	}
	return failuref(ReasonNoServer, "no authoritative server of %s has an answer: %s", t.zone.apex, strings.Join(t.told, "; "))
}

// end is the failure where a lookup gives up: what is known of the servers tells more than
// that the time is over.
func (t *trial) end(f *failure) *failure {
	if f.own && len(t.told) > 0 {
		return t.noServer()
	}
	return f
}

// askZone asks the servers of a zone until one knows, and gives its name. Those with IPv4
// addresses come first, as there are networks without IPv6.
func (p *pursuit) askZone(ctx context.Context, d *delegation) (*message, string, *failure) {
	t := &trial{zone: d}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		for i := range d.hosts {
			// Names begin with different hosts, so that all get their share, and the same
			// name always with the same one.
			host := d.hosts[(i+share(p.chain.last))%len(d.hosts)]
			m, server, f := p.askHost(ctx, t, host, qtype)
			if m != nil || f != nil {
				return m, server, f
			}
		}
	}
	return nil, "", t.noServer()
}

// askHost asks at the addresses of one host. Without a message and a failure the next host has
// its turn.
func (p *pursuit) askHost(ctx context.Context, t *trial, host zone.Name, qtype uint16) (*message, string, *failure) {
	found, f := p.addressesOf(ctx, host, qtype)
	switch {
	case f != nil && f.isOwn():
		return nil, "", t.end(f)
	case f != nil:
		found.addrs = nil
		t.told = append(t.told, host.String()+" "+f.detail)
	case found.denied != "":
		t.told = append(t.told, found.denied)
	}
	for _, addr := range found.addrs {
		if t.tried == maxServersTried || len(t.told) >= maxServersSought {
			return nil, "", t.noServer()
		}
		m, server, f := p.askServer(ctx, addr, t.zone.apex)
		switch {
		case f == nil:
			return m, server, nil
		case f.isOwn():
			return nil, "", t.end(f)
		case f.reason != ReasonNetwork:
			t.tried++
		}
		t.told = append(t.told, addr.String()+" "+f.detail)
	}
	return nil, "", nil
}

// share is a number that hangs on a name.
func share(name zone.Name) int {
	n := 0
	for _, c := range []byte(name.Wire()) {
		n = (n*31 + int(c)) & 0xffff
	}
	return n
}

// askServer asks one server of a zone. The message is an authoritative answer or a referral.
func (p *pursuit) askServer(ctx context.Context, addr netip.Addr, apex zone.Name) (*message, string, *failure) {
	if f := p.spend(); f != nil {
		return nil, "", f
	}
	server, err := p.server(addr)
	if err != nil {
		return nil, "", failureOf(err, 0)
	}
	defer p.release(server)
	if !server.health.isUp(rightNow()) {
		return nil, "", &failure{reason: ReasonNetwork, detail: "has been silent and is not asked"}
	}
	v := &visit{wantZones: true}
	v.init(server.upstream, p.chain.last, p.question.Type, p.style)
	m, f := v.fetch(ctx, p.deadline)
	p.queries += len(v.attempts) - 1
	p.attempts = append(p.attempts, v.attempts...)
	if f != nil {
		return nil, "", f
	}
	p.noSubnet = p.noSubnet || v.noSubnet
	if f = m.uselessness(apex, p.chain.last); f != nil {
		m.release()
		return nil, "", f
	}
	return m, server.name, nil
}

// uselessness is why another server of a zone has to be asked, or nil. One that neither has
// AA nor refers to a zone below does not serve the zone.
func (m *message) uselessness(apex, name zone.Name) *failure {
	if m.referral(apex, name) != nil {
		return nil
	}
	switch f := m.refusal(); {
	case f != nil && f.reason == ReasonNameTooLong && m.aa:
		return nil // a DNAME did that, and does it everywhere
	case f != nil:
		return f
	case !m.aa:
		return &failure{reason: ReasonLame, detail: "the answer is not authoritative"}
	}
	return nil
}

// referral gives the zone that a server of a zone refers to for a name: one below the server's
// own that the name is in. Anything else is no referral.
func (m *message) referral(apex, name zone.Name) *delegation {
	if m.rcode != dns.RcodeSuccess || len(m.soas) > 0 || slices.ContainsFunc(m.answer, func(r record) bool { return name.IsIn(r.owner) }) {
		return nil
	}
	var child *delegation
	for _, ns := range m.delegations {
		if ns.section != sectionAuthority || !ns.owner.IsBelow(apex) || !name.IsIn(ns.owner) {
			continue
		}
		if child == nil || ns.owner.IsBelow(child.apex) {
			child = &delegation{apex: ns.owner}
		}
		if child.apex == ns.owner {
			child.add(ns.host)
		}
	}
	return child
}

// confine leaves of a message what a server of a zone can say with authority.
func (m *message) confine(apex zone.Name) {
	m.answer = slices.DeleteFunc(m.answer, func(r record) bool { return !r.owner.IsIn(apex) })
	m.soas = slices.DeleteFunc(m.soas, func(s soa) bool { return !s.owner.IsIn(apex) })
}
