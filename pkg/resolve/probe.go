package resolve

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// probeTimeout bounds the probes of a resolver, and so what a silent one costs.
const probeTimeout = time.Second

// BadResolver is a resolver that gives addresses to a name that cannot exist, as those do
// that send the lost to a search page or a login. Nothing it says can be believed: it would
// give addresses to targets that are gone.
type BadResolver struct {
	Resolver  string    // URL
	Canary    zone.Name // below invalid, which has no names (RFC 6761 §6.4)
	Addresses []netip.Addr
}

// String is a clause that tells what it did.
func (b BadResolver) String() string {
	return fmt.Sprintf("the resolver has %s for %s, which does not exist", joined(b.Addresses), b.Canary)
}

func joined(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// Probed is what is known of the resolvers of a [Client] beside their answers.
type Probed struct {
	At        time.Time // when they were asked last; zero: never
	Resolvers []string  // URLs of all, in their order
	Bad       []BadResolver
	Pref64s   map[string][]netip.Prefix // by URL: where a DNS64 puts IPv4 addresses (RFC 7050)
}

// probe is what is asked of one resolver beside the targets. What it found may be read once
// done is closed.
type probe struct {
	done    chan struct{}
	bad     *BadResolver
	pref64s []netip.Prefix

	mu      sync.Mutex
	waiting []func() // called when it is done
}

// probes holds the latest probe of each resolver.
type probes struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
	at      time.Time
	latest  map[*upstream]*probe // nil before the first
}

// close returns when no probe is running. The sockets have to be closed before.
func (p *probes) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.running.Wait()
}

// begin asks all resolvers at once; it is called with mu held. A probe outlives the lookup
// that began it, for others wait for it too.
func (p *probes) begin(ctx context.Context, upstreams []*upstream) map[*upstream]*probe {
	if p.closed {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	begun := make(map[*upstream]*probe, len(upstreams))
	for _, u := range upstreams {
		pr := &probe{done: make(chan struct{})}
		begun[u] = pr
		p.running.Go(func() { pr.run(ctx, u) })
	}
	return begun
}

// run asks a resolver for a name that does not exist and for one that has no AAAA, side by
// side. One that does not answer is not bad: the lookups will tell that it is silent.
func (p *probe) run(ctx context.Context, u *upstream) {
	defer p.end()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	ask := func(name zone.Name, qtype uint16) Answer {
		return u.ask(ctx, name, qtype, newDeadline(2*probeTimeout))
	}
	name := zone.MustParseName(strings.ToLower(rand.Text()) + ".invalid.")
	var canary, arpa Answer
	var both sync.WaitGroup
	both.Go(func() { canary = ask(name, dns.TypeA) })
	both.Go(func() { arpa = ask(ipv4only, dns.TypeAAAA) })
	both.Wait()
	if canary.Outcome == Addresses {
		p.bad = &BadResolver{Resolver: u.name, Canary: name, Addresses: canary.Addresses}
	}
	if arpa.Outcome == Addresses {
		p.pref64s = Pref64s(arpa.Addresses)
	}
}

func (p *probe) end() {
	p.mu.Lock()
	close(p.done)
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

// then calls f once the probe is done: at once, or from its goroutine.
func (p *probe) then(f func()) {
	p.mu.Lock()
	if p.isDone() {
		p.mu.Unlock()
		f()
		return
	}
	p.waiting = append(p.waiting, f)
	p.mu.Unlock()
}

// isDone tells whether the probe has ended.
func (p *probe) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func underWay(begun map[*upstream]*probe) bool {
	for _, pr := range begun {
		if !pr.isDone() {
			return true
		}
	}
	return false
}

// Probe asks every resolver what [Options.Probe] has it asked once, and returns when all have
// answered or a second has passed. What the last probe found holds until then. A daemon calls
// it now and then; nobody else needs to.
func (c *Client) Probe(ctx context.Context) Probed {
	p := &c.probes
	p.mu.Lock()
	begun := p.latest
	if !underWay(begun) {
		p.at, begun = time.Now(), p.begin(ctx, c.upstreams)
	}
	if p.latest == nil {
		p.latest = begun
	}
	p.mu.Unlock()

	for _, pr := range begun {
		select {
		case <-pr.done:
		case <-ctx.Done():
			return c.Probed()
		}
	}
	p.mu.Lock()
	p.latest = begun
	p.mu.Unlock()
	return c.Probed()
}

// Probed is what the latest probes found so far; it does not wait and asks nobody.
func (c *Client) Probed() Probed {
	p := &c.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	found := Probed{At: p.at, Pref64s: map[string][]netip.Prefix{}}
	for _, u := range c.upstreams {
		found.Resolvers = append(found.Resolvers, u.name)
		pr := p.latest[u]
		if pr == nil || !pr.isDone() {
			continue
		}
		if pr.bad != nil {
			found.Bad = append(found.Bad, *pr.bad)
		}
		if len(pr.pref64s) > 0 {
			found.Pref64s[u.name] = pr.pref64s
		}
	}
	return found
}

// Pref64s gives the prefixes of the DNS64 of one resolver, as [Probed] has them.
func (c *Client) Pref64s(resolver string) []netip.Prefix {
	p := &c.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	for u, pr := range p.latest {
		if u.name == resolver && pr.isDone() {
			return pr.pref64s
		}
	}
	return nil
}

// probeOf gives the latest probe of a resolver, or nil where none is wanted. The first
// question of all begins them.
func (c *Client) probeOf(ctx context.Context, u *upstream) *probe {
	p := &c.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest == nil && c.opts.Probe {
		p.at, p.latest = time.Now(), p.begin(ctx, c.upstreams)
	}
	return p.latest[u]
}

// trusted asks a resolver that is not known to be bad, and waits.
func (c *Client) trusted(ctx context.Context, u *upstream, target zone.Name, qtype uint16, d *deadline) Answer {
	v := &visit{}
	v.init(u, target, qtype, &u.style)
	a := c.visited(ctx, v, d)
	a.Attempts = v.attempts
	return a
}

// judge gives an answer of the probed resolver back, or a failure in its place where the
// resolver is bad. The probe is done.
func (p *probe) judge(target zone.Name, qtype uint16, u *upstream, a Answer) Answer {
	if p.bad == nil {
		return a
	}
	bad := Answer{Target: target, Type: qtype, Last: target, Resolver: u.name, Attempts: a.Attempts}
	return bad.failed(failure{reason: ReasonBadResolver, detail: p.bad.String()})
}
