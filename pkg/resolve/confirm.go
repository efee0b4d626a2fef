package resolve

import (
	"context"
	"fmt"
	"slices"
)

// confirmable tells whether an answer says, with proof, that there are no addresses.
func (a *Answer) confirmable() bool {
	return (a.Outcome == NoData || a.Outcome == NXDomain) && !a.Stale && !a.DNS64.IsValid()
}

// Confirm asks further resolvers of the list about a negative answer, that its target has no
// addresses of the type, and gives the answer with Confirmed set where one of them proves the
// same kind: NODATA for NODATA, NXDOMAIN for NXDOMAIN. The answer may be of another client.
//
// The first of them that knows decides. Where it has addresses, or proves the other kind,
// the answer stays unconfirmed and its Detail says who said what; no third one is asked,
// since a majority of caches proves nothing. Those that fail, have no proof, only a stale
// answer, or sit on the host that gave the first one are passed over. An answer that is no
// proven negative, or was confirmed before, comes back as it is. Confirm blocks at most for
// the target timeout.
//
// With one resolver nothing is confirmed in this way: then the same answer after its
// NegativeTTL, in a later run, confirms it.
func (c *Client) Confirm(ctx context.Context, a Answer) Answer {
	if !a.confirmable() || a.Confirmed {
		return a
	}
	second, attempts, ok := c.askAnother(ctx, a)
	a.Attempts = slices.Concat(a.Attempts, attempts)
	switch {
	case !ok:
	case second.Outcome == a.Outcome:
		a.Confirmed = true
	default:
		a.Detail = fmt.Sprintf("%s says %s, but %s says %s", a.Resolver, a.Outcome, second.Resolver, second.Outcome)
		if second.Outcome == Addresses {
			a.Detail += fmt.Sprintf(" (%s)", joined(second.Addresses))
		}
	}
	return a
}

// askAnother gives the answer of the first resolver that knows and is not the one that gave a,
// and all attempts.
func (c *Client) askAnother(ctx context.Context, a Answer) (second Answer, attempts []Attempt, ok bool) {
	d := newDeadline(c.opts.TargetTimeout)
	for _, u := range c.order(rightNow()) {
		if ctx.Err() != nil || d.left() <= 0 {
			break
		}
		if sameHost(u, a.Resolver) {
			continue
		}
		second = c.trusted(ctx, u, a.Target, a.Type, d)
		if attempts = append(attempts, second.Attempts...); second.Known() {
			return second, attempts, true
		}
	}
	return Answer{}, attempts, false
}

// sameHost tells whether a resolver is the one that another URL names: what it says over
// another transport comes from the same cache. Over the same one another port is another
// server.
func sameHost(u *upstream, other string) bool {
	if u.name == other {
		return true
	}
	o, err := ParseURL(other)
	return err == nil && o.Host != "" && o.Host == u.url.Host && o.Scheme != u.url.Scheme
}
