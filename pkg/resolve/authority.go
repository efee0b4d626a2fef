package resolve

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds of what one lookup at authoritative servers costs, itself and others.
const (
	maxAuthorityQueries = 200 // of one lookup, those for finding servers among them
	maxServersTried     = 3   // for one name
	maxServersSought    = 12  // with those that cannot be reached from here
	maxHosts            = 13  // of the NS records of a zone; the root has as many

	serverTurns = 64   // queries to one server at a time
	maxServers  = 1000 // that are remembered while nothing is asked of them

	// maxZoneAge and leastZoneAge bound how long is remembered who serves a zone.
	maxZoneAge   = time.Hour
	leastZoneAge = 5 * time.Second
)

// Authority is a Lookuper that asks the authoritative servers of a target, so that no cache
// has part in an answer and its TTLs are original.
//
// Where a zone begins, which servers it has, and their addresses, is what resolvers say. The
// servers themselves are asked without recursion and believed in their zone alone: where a
// chain leaves it, the servers of the next zone are asked. Servers at addresses that may not
// be published are not asked, so that no target can point us at a network of ours.
type Authority struct {
	through *Client
	policy  Policy
	ctx     func() context.Context // that dialing ends with
	cancel  context.CancelFunc

	apexes memo[zone.Name, zone.Name]
	zones  memo[zone.Name, *delegation]
	hosts  memo[Question, nsAddresses]

	failures failures

	mu      sync.Mutex
	closed  bool
	servers map[netip.Addr]*authServer
}

// delegation is who serves a zone.
type delegation struct {
	apex  zone.Name
	hosts []zone.Name // sorted
}

// nsAddresses is where the host of an NS record is.
type nsAddresses struct {
	addrs  []netip.Addr
	denied string // why some are not there; empty where none is left out
}

// authServer is an authoritative server, and how many are about to ask it.
type authServer struct {
	*upstream

	users int
}

var _ SubnetLookuper = (*Authority)(nil)

// NewAuthority makes an Authority that finds servers through resolvers. The options are those
// that the client was made with, and the policy says which addresses no query may go to.
// Nothing is sent yet. Close ends it, and leaves the client to its maker.
func NewAuthority(through *Client, policy Policy) *Authority {
	ctx, cancel := context.WithCancel(context.Background())
	return &Authority{
		through: through,
		policy:  policy,
		ctx:     func() context.Context { return ctx },
		cancel:  cancel,
		servers: map[netip.Addr]*authServer{},
	}
}

var _ io.Closer = (*Authority)(nil)

// Close ends every lookup under way. It always returns nil, and may be called more than once.
func (s *Authority) Close() error {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	servers := s.servers
	s.servers = map[netip.Addr]*authServer{}
	s.mu.Unlock()
	for _, server := range servers {
		server.close()
	}
	return nil
}

// Lookup asks the servers of the target's zone, and those of the next where a chain leads out
// of it. It blocks at most for the target timeout of the client, and for that once more where
// the resolvers are slow.
func (s *Authority) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	return s.lookUp(ctx, Question{Target: target, Type: qtype})
}

// For gives a Lookuper that tells authoritative servers for which subnet it asks. The resolvers
// are not told.
func (s *Authority) For(subnet Subnet) Lookuper { return authorityVantage{s, subnet} }

// authorityVantage is an Authority that asks for a subnet.
type authorityVantage struct {
	*Authority

	subnet Subnet
}

func (v authorityVantage) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	return v.lookUp(ctx, Question{Target: target, Type: qtype, Subnet: v.subnet})
}

func (s *Authority) lookUp(ctx context.Context, q Question) Answer {
	if a, ok := s.failures.recent(q); ok {
		return a
	}
	p := &pursuit{
		Authority: s,
		question:  q,
		chain:     newChain(q.Target, q.Type),
		style:     &style{iterative: true, subnet: q.Subnet.Prefix()},
		deadline:  newDeadline(s.through.opts.TargetTimeout),
	}
	a, f := p.run(ctx)
	if f != nil {
		a = p.chain.answer().failed(*f)
		a.Resolver = p.said
	}
	a.SubnetUnused = p.noSubnet
	if a.Outcome == Failure {
		a.Attempts = p.attempts
		s.failures.note(q, &a)
		return a
	}
	s.failures.forget(q)
	if s.through.opts.KeepAttempts || a.Outcome == WeakNoData || a.Outcome == NXDomain {
		a.Attempts = p.attempts
	}
	return a
}

// server gives the server at an address, which the caller gives back with release.
func (s *Authority) server(addr netip.Addr) (*authServer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	server := s.servers[addr]
	if server == nil {
		s.makeRoom()
		server = &authServer{upstream: s.newServer(addr)}
		s.servers[addr] = server
	}
	server.users++
	return server, nil
}

func (s *Authority) release(server *authServer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	server.users--
}

// makeRoom forgets servers that nothing is asked of. It is called with mu held.
func (s *Authority) makeRoom() {
	if len(s.servers) < maxServers {
		return
	}
	for addr, server := range s.servers {
		if server.users == 0 {
			server.close()
			delete(s.servers, addr)
		}
	}
}

// newServer makes a server that is asked over UDP, and over TCP where need be. Nobody who runs
// it expects us, so that it always has a limit.
func (s *Authority) newServer(addr netip.Addr) *upstream {
	opts := s.through.opts
	limit := float64(publicRate)
	if opts.Rate > 0 {
		limit = min(limit, opts.Rate)
	}
	u := URL{Scheme: SchemeUDP, Host: addr.String(), Port: dnsPort}
	h := newHost(s.ctx(), u, opts)
	return &upstream{
		url:      u,
		name:     u.String(),
		timeout:  opts.QueryTimeout,
		host:     h,
		overConn: transportUDP,
		rate:     rate.NewLimiter(rate.Limit(limit), batchLen),
		cookies:  newCookies(),
		keep:     opts.KeepAttempts,
		conns:    newOneShots(serverTurns, func(network string) (net.Conn, error) { return h.dialer(s.ctx(), network)() }),
	}
}

// fetch asks the resolvers in order for records that tell of zones, and hands the first reply
// that is one to use. It gives the resolver that it is from, or whose failure it is.
func (c *Client) fetch(ctx context.Context, name zone.Name, qtype uint16, use func(*message)) (attempts []Attempt, resolver string, f *failure) {
	d := newDeadline(c.opts.TargetTimeout)
	f = &failure{reason: ReasonTimeout, detail: errTimeout.Error()}
	for _, u := range c.order(rightNow()) {
		v := &visit{wantZones: true}
		v.init(u, name, qtype, &u.style)
		m, problem := v.fetch(ctx, d)
		if problem == nil {
			problem = m.refusal()
		}
		attempts = append(attempts, v.attempts...)
		if problem == nil {
			use(m)
			m.release()
			return attempts, u.name, nil
		}
		if resolver == "" || f.reason.silence() && !problem.reason.silence() {
			resolver, f = u.name, problem
		}
		if problem.reason == ReasonCanceled || d.left() <= 0 {
			break
		}
	}
	return attempts, resolver, f
}

// age is how long a zone with NS records of a TTL is remembered.
func age(ttl uint32) time.Duration {
	return max(min(time.Duration(ttl)*time.Second, maxZoneAge), leastZoneAge)
}

// apexOf finds the apex of the zone that a name is in: the owner of the SOA that comes with a
// question for one. A name with a CNAME is no apex, and what comes with it tells of another
// zone.
func (p *pursuit) apexOf(ctx context.Context, name zone.Name) (zone.Name, time.Duration, *failure) {
	for at := name; !at.IsZero(); at = at.Parent() {
		var apex zone.Name
		ttl := uint32(0)
		f := p.consult(ctx, at, dns.TypeSOA, func(m *message) {
			if len(m.answer) > 0 {
				return
			}
			for _, s := range m.soas {
				if at.IsIn(s.owner) && (apex.IsZero() || s.owner.IsBelow(apex)) {
					apex, ttl = s.owner, s.ttl
				}
			}
		})
		if f != nil || !apex.IsZero() {
			return apex, age(ttl), f
		}
	}
	return zone.Name{}, 0, failuref(ReasonNoServer, "the resolvers do not tell which zone %s is in", name)
}

// consult asks the resolvers for records that tell of zones.
func (p *pursuit) consult(ctx context.Context, name zone.Name, qtype uint16, use func(*message)) *failure {
	if f := p.spend(); f != nil {
		return f
	}
	attempts, resolver, f := p.through.fetch(ctx, name, qtype, use)
	p.queries += len(attempts) - 1
	p.attempts = append(p.attempts, attempts...)
	if f != nil {
		p.said = resolver
		return failuref(f.reason, "asking for %s %s, to find authoritative servers: %s", name, dns.TypeToString[qtype], f.detail)
	}
	return nil
}

// serversOf finds the hosts of the NS records at an apex.
func (p *pursuit) serversOf(ctx context.Context, apex zone.Name) (*delegation, time.Duration, *failure) {
	d := &delegation{apex: apex}
	ttl := uint32(MaxTTL)
	f := p.consult(ctx, apex, dns.TypeNS, func(m *message) {
		for _, ns := range m.delegations {
			if ns.section == sectionAnswer && ns.owner == apex {
				d.add(ns.host)
				ttl = min(ttl, ns.ttl)
			}
		}
	})
	if f == nil && len(d.hosts) == 0 {
		f = failuref(ReasonNoServer, "the resolvers know no name server of %s", apex)
	}
	return d, age(ttl), f
}

// add takes a host in, in order and once, as long as there are not too many.
func (d *delegation) add(host zone.Name) {
	at, found := slices.BinarySearchFunc(d.hosts, host, zone.Name.Compare)
	if !found && len(d.hosts) < maxHosts {
		d.hosts = slices.Insert(d.hosts, at, host)
	}
}

// addressesOf finds the addresses of a host of one type, and leaves out those that no query
// may go to.
func (p *pursuit) addressesOf(ctx context.Context, host zone.Name, qtype uint16) (nsAddresses, *failure) {
	return p.hosts.get(ctx, Question{Target: host, Type: qtype}, func() (nsAddresses, time.Duration, *failure) {
		if f := p.spend(); f != nil {
			return nsAddresses{}, 0, f
		}
		a := p.through.Lookup(ctx, host, qtype)
		if a.Outcome == Failure {
			return nsAddresses{}, 0, &failure{reason: a.Reason, detail: a.Detail}
		}
		checked := p.policy.Check(host, a)
		found := nsAddresses{addrs: checked.Addresses}
		switch {
		case checked.Outcome == Failure && a.Outcome == Addresses:
			found.denied = checked.Detail
		case len(checked.Special) > 0:
			found.addrs = slices.DeleteFunc(slices.Clone(checked.Addresses), func(addr netip.Addr) bool {
				return slices.Contains(checked.Special, addr)
			})
			found.denied = host.String() + " has " + checked.Special[0].String() + ", a private address"
		}
		return found, age(max(a.TTL, a.NegativeTTL)), nil
	})
}
