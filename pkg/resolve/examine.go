package resolve

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Examined is what one resolver shows of itself when it is asked for names of which everybody
// knows what they have.
type Examined struct {
	Resolver string // URL
	// Canary is its answer for a name below invalid, which has no names (RFC 6761 §6.4).
	Canary Answer
	// Root is its answer for an address of the root, which is signed and has none.
	Root      Answer
	Validated bool           // Root came with the AD bit: the resolver validates, or says so
	Trusted   bool           // its AD bit can be believed: it is on this machine or encrypted
	Pref64s   []netip.Prefix // where its DNS64 puts IPv4 addresses (RFC 7050); empty: it is none
	Took      time.Duration  // until it had an answer for the root
}

// Answers tells whether the resolver gave any answer of use.
func (e *Examined) Answers() bool { return e.Canary.Outcome != Failure || e.Root.Outcome != Failure }

// Examine asks every resolver about itself, all at once, and returns when each has answered or
// has had twice the time of one question. Neither failures nor lies of a resolver are held
// against it in later lookups.
func (c *Client) Examine(ctx context.Context) []Examined {
	list := make([]Examined, len(c.upstreams))
	var all sync.WaitGroup
	for i, u := range c.upstreams {
		all.Go(func() { list[i] = u.examine(ctx) })
	}
	all.Wait()
	return list
}

func (u *upstream) examine(ctx context.Context) Examined {
	e := Examined{Resolver: u.name, Trusted: u.url.isSecure()}
	// An answer that is not validated is one here.
	asked := u.style
	asked.ad, asked.signed = false, false
	signed := asked
	signed.signed = true
	name := zone.MustParseName(strings.ToLower(rand.Text()) + ".invalid.")
	var arpa Answer
	var each sync.WaitGroup
	each.Go(func() { e.Canary, _ = u.askAs(ctx, name, dns.TypeA, &asked) })
	each.Go(func() { arpa, _ = u.askAs(ctx, ipv4only, dns.TypeAAAA, &asked) })
	each.Go(func() {
		start := rightNow()
		e.Root, e.Validated = u.askAs(ctx, zone.Root, dns.TypeA, &signed)
		e.Took = rightNow().since(start)
	})
	each.Wait()
	if arpa.Outcome == Addresses {
		e.Pref64s = Pref64s(arpa.Addresses)
	}
	return e
}

// askAs looks a name up in another style than that of the resolver, and tells whether all of
// the answer had the AD bit.
func (u *upstream) askAs(ctx context.Context, name zone.Name, qtype uint16, s *style) (a Answer, validated bool) {
	v := &visit{}
	v.init(u, name, qtype, s)
	a = v.run(ctx, newDeadline(2*u.timeout))
	a.Attempts = v.attempts
	return a, a.Outcome != Failure && !v.unverified
}
