package resolve

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Options says how a [Client] asks.
type Options struct {
	QueryTimeout  time.Duration // for one question to one resolver; 0 means 2 seconds
	TargetTimeout time.Duration // for one lookup over all resolvers; 0 means 10 seconds
	Rounds        int           // how often the list of resolvers is gone through; 0 means 2
	Sockets       int           // UDP sockets to one resolver at a time; 0 means 2
	Connections   int           // to one resolver at a time; 0 means twice Sockets, and 8 where that is 0 too
	InFlight      int           // queries to one resolver under way at once over UDP, at most; 0 means 2000
	Rate          float64       // queries a second to one resolver, at most; 0 means 500, and any number to a loopback or private one; negative: any number
	ResolvConf    string        // what "system" reads; empty means /etc/resolv.conf
	KeepAttempts  bool          // answers that need no explaining keep their attempts too
	// RequireAD takes only answers that the resolver has validated: with the AD bit, which
	// means something on this machine and over an encrypted transport alone.
	RequireAD bool

	// Dial opens a socket or a connection to a resolver; nil means that of the system.
	// network is "udp" or "tcp". Each Read and Write of a UDP one is one datagram.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Probe has every resolver asked, before the first question of all, for a name that
	// does not exist and for the prefixes of its DNS64. One that gives addresses to the
	// former is not believed, see [BadResolver].
	Probe bool
	// RootCAs are whom to trust for tls, https and quic; nil means whom the system trusts.
	RootCAs *x509.CertPool
	// Bootstrap looks up host names in the URLs of resolvers, when a connection is opened and
	// again when connections fail; nil means the system's resolver.
	Bootstrap *net.Resolver
}

func (o Options) withDefaults() Options {
	if o.QueryTimeout <= 0 {
		o.QueryTimeout = 2 * time.Second
	}
	if o.TargetTimeout <= 0 {
		o.TargetTimeout = 10 * time.Second
	}
	if o.Rounds <= 0 {
		o.Rounds = 2
	}
	if o.Connections <= 0 {
		o.Connections = 2 * o.Sockets
	}
	if o.Sockets <= 0 {
		o.Sockets = 2
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.InFlight <= 0 {
		o.InFlight = 2000
	}
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: o.QueryTimeout}).DialContext
	}
	return o
}

// Client asks recursive resolvers, in the order of a list: the next one is asked where one
// fails, or is slow. It is a [Lookuper] and a [Starter].
type Client struct {
	upstreams []*upstream
	opts      Options
	failures  failures
	probes    probes
	cancel    context.CancelFunc // ends dialing and what contests ask
	onClose   func(f func()) (stop func() bool)

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // contests
}

var (
	_ Starter        = (*Client)(nil)
	_ SubnetLookuper = (*Client)(nil)
)

// ErrInsecureResolver is what a resolver gives whose AD bit cannot be believed.
var ErrInsecureResolver = errors.New("its AD bit cannot be believed")

// New makes a client for a list of resolver URLs, as [ParseURL] reads them; an empty list
// means "system". Nothing is sent yet. Close ends it.
func New(urls []string, opts Options) (*Client, error) {
	opts = opts.withDefaults()
	servers, err := opts.Servers(urls)
	if err != nil {
		return nil, err
	}
	for _, u := range servers {
		if opts.RequireAD && !u.isSecure() {
			return nil, fmt.Errorf("resolver %s: %w: over %s from another machine, who can change a packet can set it", u, ErrInsecureResolver, u.Scheme)
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{opts: opts, cancel: cancel}
	c.onClose = func(f func()) func() bool { return context.AfterFunc(ctx, f) }
	for _, u := range servers {
		c.upstreams = append(c.upstreams, newUpstream(ctx, u, opts))
	}
	return c, nil
}

// Servers gives the resolvers that [New] makes of a list of URLs, each once: those of
// "system" one by one.
func (o Options) Servers(urls []string) ([]URL, error) {
	o = o.withDefaults()
	if len(urls) == 0 {
		urls = []string{string(SchemeSystem)}
	}
	var servers []URL
	for _, s := range urls {
		u, err := ParseURL(s)
		if err != nil {
			return nil, err
		}
		if u.InMemory() {
			return nil, fmt.Errorf("resolver %q: answers from memory and cannot stand in a list with servers", s)
		}
		expanded := []URL{u}
		if u.Scheme == SchemeSystem {
			if expanded, err = systemResolvers(o.ResolvConf); err != nil {
				return nil, err
			}
		}
		for _, u := range expanded {
			if !slices.Contains(servers, u) {
				servers = append(servers, u)
			}
		}
	}
	return servers, nil
}

// Close ends every lookup under way and returns when no goroutine of the client is left.
// It always returns nil, and may be called more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	for _, u := range c.upstreams {
		u.close()
	}
	c.probes.close()
	c.running.Wait()
	return nil
}

// spawn runs f in a goroutine that Close waits for, or gives false once closed.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.running.Go(f)
	return true
}

// untilClosed gives a context that ends with the client too, and then has errClosed as its
// cause. Whoever gets one has to call stop.
func (c *Client) untilClosed(ctx context.Context) (until context.Context, stop func()) {
	until, cancel := context.WithCancelCause(ctx)
	forget := c.onClose(func() { cancel(errClosed) })
	return until, func() {
		forget()
		cancel(nil)
	}
}

// Lookup asks the resolvers in order until one of them knows. One that only has a stale
// answer, or an empty one without proof, is believed when no other knows better. Lookup
// blocks at most for the target timeout.
func (c *Client) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	return c.lookUp(ctx, Question{Target: target, Type: qtype})
}

func (c *Client) lookUp(ctx context.Context, q Question) Answer {
	got := make(chan Answer, 1)
	c.start(ctx, q, func(a Answer) { got <- a })
	c.Flush()
	return <-got
}

// Start begins a lookup and returns at once; the first query is sent with the next Flush, or
// with what any answer under way lets go. done is called once, perhaps before Start returns,
// and must not block. When ctx ends, done is called soon.
func (c *Client) Start(ctx context.Context, target zone.Name, qtype uint16, done func(Answer)) {
	c.start(ctx, Question{Target: target, Type: qtype}, done)
}

func (c *Client) start(ctx context.Context, q Question, done func(Answer)) {
	if a, ok := c.failures.recent(q); ok {
		done(a)
		return
	}
	l, _ := lookupPool.Get().(*lookup)
	l.client, l.ctx, l.target, l.qtype, l.subnet, l.done = c, ctx, q.Target, q.Type, q.Subnet, done
	now := rightNow()
	l.began = now
	if c.isDead(now) {
		done(l.unasked(failure{reason: ReasonTimeout, detail: "no resolver has answered for a while; not asked"}))
		return
	}
	l.deadline.start(now, c.opts.TargetTimeout)
	l.order = c.order(now)
	p := c.probeOf(ctx, l.order[0])
	if u := l.order[0]; u.udp != nil && u.host.isReady() && (p == nil || !p.isDone() || p.bad == nil) {
		l.first.init(u, q.Target, q.Type, l.style(u))
		l.step(now)
		return
	}
	l.compete(nil, 0)
}

// Flush sends the queries of lookups that were started and not yet sent.
func (c *Client) Flush() {
	for _, u := range c.upstreams {
		if u.udp != nil {
			u.udp.flush()
		}
	}
}

// order is the list with those at its end that have been silent.
func (c *Client) order(now moment) []*upstream {
	if !slices.ContainsFunc(c.upstreams, func(u *upstream) bool { return u.health.down.Load() }) {
		return c.upstreams
	}
	up := make([]*upstream, 0, len(c.upstreams))
	var down []*upstream
	for _, u := range c.upstreams {
		if u.health.isUp(now) {
			up = append(up, u)
		} else {
			down = append(down, u)
		}
	}
	return append(up, down...)
}

// allDown tells whether no resolver of the list has answered for a while. Nothing is asked
// twice then: a run against a dead network ends sooner.
func (c *Client) allDown() bool {
	return !slices.ContainsFunc(c.upstreams, func(u *upstream) bool { return !u.health.down.Load() })
}

// isDead tells whether no resolver has answered for so long that nothing more is asked of
// them, but for a query now and then that finds out whether one is back.
func (c *Client) isDead(now moment) bool {
	if !c.allDown() {
		return false
	}
	for _, u := range c.upstreams {
		if u.health.downFor(now) < c.opts.TargetTimeout || u.health.isUp(now) {
			return false
		}
	}
	return true
}

// transient tells whether the same resolver may know better a moment later.
func (r Reason) transient() bool {
	switch r {
	case ReasonServfail, ReasonTimeout, ReasonNetwork, ReasonMalformed, ReasonHTTP:
		return true
	case ReasonRefused, ReasonRcode, ReasonLame, ReasonNoSOA, ReasonLoop, ReasonChainTooLong,
		ReasonNameTooLong, ReasonTruncated, ReasonBlocked, ReasonStale, ReasonRefusedAddress,
		ReasonTooManyAddresses, ReasonDNS64, ReasonBadResolver, ReasonCertificate, ReasonDisagree,
		ReasonNotValidated, ReasonNoServer, ReasonCanceled, ReasonNotLocked:
	}
	return false
}

// pauseUnit is the middle of the first pause; each further one is twice as long.
const pauseUnit = 50 * time.Millisecond

// pauseBefore is how long to wait before the list is gone through again, at random between
// half and one and a half of a length, so that many lookups do not come back together.
func pauseBefore(round int) time.Duration {
	return time.Duration(float64(pauseUnit<<(round-1)) * (0.5 + rand.Float64()))
}
