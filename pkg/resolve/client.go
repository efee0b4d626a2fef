package resolve

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Options says how a [Client] asks.
type Options struct {
	QueryTimeout  time.Duration // for one question to one resolver; 0 means 2 seconds
	TargetTimeout time.Duration // for one lookup over all resolvers; 0 means 10 seconds
	Rounds        int           // how often the list of resolvers is gone through; 0 means 2
	Sockets       int           // UDP sockets to one resolver at a time; twice as many TCP connections; 0 means 4
	ResolvConf    string        // what "system" reads; empty means /etc/resolv.conf

	// Dial opens the sockets for udp, tcp, tls and https; the address is numeric, with a
	// port. nil means a [net.Dialer]. DNS over QUIC always has a socket of its own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
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
	if o.Sockets <= 0 {
		o.Sockets = 4
	}
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

// Client asks recursive resolvers, in the order of a list: the next one is asked where one
// fails. It is a [Lookuper].
type Client struct {
	upstreams []*upstream
	opts      Options
	cancel    context.CancelFunc // ends dialing
}

var _ Lookuper = (*Client)(nil)

// New makes a client for a list of resolver URLs, as [ParseURL] reads them; an empty list
// means "system". Nothing is sent yet. Close ends it.
func New(urls []string, opts Options) (*Client, error) {
	opts = opts.withDefaults()
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
			if expanded, err = systemResolvers(opts.ResolvConf); err != nil {
				return nil, err
			}
		}
		for _, u := range expanded {
			if !slices.Contains(servers, u) {
				servers = append(servers, u)
			}
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{opts: opts, cancel: cancel}
	for _, u := range servers {
		c.upstreams = append(c.upstreams, newUpstream(ctx, u, opts))
	}
	return c, nil
}

// Close ends every lookup under way and returns when no goroutine of the client is left.
// It always returns nil, and may be called more than once.
func (c *Client) Close() error {
	c.cancel()
	for _, u := range c.upstreams {
		u.close()
	}
	return nil
}

// Lookup asks the resolvers in order until one of them knows. One that only has a stale
// answer is believed when no other knows better. Lookup blocks at most for the target
// timeout.
func (c *Client) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	r := &run{deadline: time.Now().Add(c.opts.TargetTimeout)}
	var t told
	again := c.order()
	for round := 0; round < c.opts.Rounds && len(again) > 0 && t.stale == nil; round++ {
		if round > 0 && (c.allDown() || !pause(ctx, round, r.deadline)) {
			break
		}
		var known *Answer
		if known, again = t.round(ctx, again, target, qtype, r); known != nil {
			known.Attempts = r.attempts
			return *known
		}
	}
	return settle(target, qtype, t.stale, t.failed, r.attempts)
}

// told is the best of what resolvers said that is no answer to rely on.
type told struct {
	failed, stale *Answer
}

// round asks each resolver once until one of them knows. Without an answer it
// gives those that are worth asking again.
func (t *told) round(ctx context.Context, asked []*upstream, target zone.Name, qtype uint16, r *run) (known *Answer, again []*upstream) {
	for _, u := range asked {
		if time.Now().After(r.deadline) {
			return nil, again
		}
		a := u.lookup(ctx, target, qtype, r)
		switch {
		case a.Outcome == Failure:
			if t.failed == nil || tellsMore(a.Reason, t.failed.Reason) {
				t.failed = &a
			}
			if a.Reason.transient() {
				again = append(again, u)
			}
		case a.Stale:
			if t.stale == nil {
				t.stale = &a
			}
		default:
			return &a, nil
		}
		if ctx.Err() != nil || a.Reason == ReasonCanceled {
			return nil, nil
		}
	}
	return nil, again
}

// settle is the answer where no resolver gave a fresh one.
func settle(target zone.Name, qtype uint16, stale, failed *Answer, attempts []Attempt) Answer {
	a := Answer{Target: target, Type: qtype, Last: target}
	switch {
	case stale != nil:
		a = *stale
	case failed != nil:
		a = *failed
	default:
		a = a.failed(failure{reason: ReasonTimeout, detail: errTimeout.Error()})
	}
	a.Attempts = attempts
	return a
}

// order is the list with those at its end that have been silent.
func (c *Client) order() []*upstream {
	if len(c.upstreams) == 1 {
		return c.upstreams
	}
	now := time.Now()
	up := make([]*upstream, 0, len(c.upstreams))
	var down []*upstream
	for _, u := range c.upstreams {
		if u.isUp(now) {
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
	for _, u := range c.upstreams {
		if u.downUntil.Load() == 0 {
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
		ReasonTooManyAddresses, ReasonCanceled, ReasonCertificate:
	}
	return false
}

// tellsMore prefers the word of a resolver that answered to the silence of another.
func tellsMore(a, b Reason) bool {
	silence := func(r Reason) bool {
		return r == ReasonTimeout || r == ReasonNetwork || r == ReasonCanceled
	}
	return silence(b) && !silence(a)
}

// pauseUnit is the middle of the first pause; each further one is twice as long.
const pauseUnit = 50 * time.Millisecond

// pause waits a little before the list is gone through again, at random between half and
// one and a half of its length, so that many lookups do not come back together. It is false
// where there is no time left.
func pause(ctx context.Context, round int, deadline time.Time) bool {
	d := time.Duration(float64(pauseUnit<<(round-1)) * (0.5 + rand.Float64()))
	if time.Now().Add(d).After(deadline) {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
