package resolve

import (
	"context"
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
	// Probe has every resolver asked, before the first question of all, for a name that
	// does not exist and for the prefixes of its DNS64. One that gives addresses to the
	// former is not believed, see [BadResolver].
	Probe bool
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
	return o
}

// Client asks recursive resolvers, in the order of a list: the next one is asked where one
// fails. It is a [Lookuper].
type Client struct {
	upstreams []*upstream
	opts      Options
	cancel    context.CancelFunc // ends dialing
	probes    probes
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
	d := net.Dialer{Timeout: opts.QueryTimeout}
	c := &Client{opts: opts, cancel: cancel}
	for _, u := range servers {
		c.upstreams = append(c.upstreams, newUpstream(u, opts, func(network, address string) (net.Conn, error) {
			return d.DialContext(ctx, network, address)
		}))
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
	c.probes.close()
	return nil
}

// Lookup asks the resolvers in order until one of them knows. One that only has a stale
// answer, or an empty one without proof, is believed when no other knows better. Lookup
// blocks at most for the target timeout.
func (c *Client) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	r := &run{deadline: time.Now().Add(c.opts.TargetTimeout)}
	none := Answer{Target: target, Type: qtype, Last: target}
	t := told{best: none.failed(failure{reason: ReasonTimeout, detail: errTimeout.Error()})}
	again := c.order()
	for round := 0; round < c.opts.Rounds && len(again) > 0 && t.best.Outcome == Failure; round++ {
		if round > 0 && (c.allDown() || !pause(ctx, round, r.deadline)) {
			break
		}
		again = c.round(ctx, &t, again, target, qtype, r)
	}
	t.best.Attempts = r.attempts
	return t.best
}

// told is the best of what resolvers said.
type told struct {
	best  Answer
	heard bool // best is a resolver's word
}

// round asks each resolver once until one of them knows. Otherwise it gives those that are
// worth asking again.
func (c *Client) round(ctx context.Context, t *told, asked []*upstream, target zone.Name, qtype uint16, r *run) (again []*upstream) {
	for _, u := range asked {
		if time.Now().After(r.deadline) {
			return again
		}
		a := c.trusted(ctx, u, target, qtype, r)
		if !t.heard || a.TellsMore(&t.best) {
			t.best, t.heard = a, true
		}
		if a.Known() || ctx.Err() != nil || a.Reason == ReasonCanceled {
			return nil
		}
		if a.Reason.transient() {
			again = append(again, u)
		}
	}
	return again
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
	case ReasonServfail, ReasonTimeout, ReasonNetwork, ReasonMalformed:
		return true
	case ReasonRefused, ReasonRcode, ReasonLame, ReasonNoSOA, ReasonLoop, ReasonChainTooLong,
		ReasonNameTooLong, ReasonTruncated, ReasonBlocked, ReasonStale, ReasonRefusedAddress,
		ReasonTooManyAddresses, ReasonDNS64, ReasonBadResolver, ReasonCanceled:
	}
	return false
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
