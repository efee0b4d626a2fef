package resolve

import "time"

// Health is how a resolver does, as its answers so far show it.
type Health struct {
	Resolver  string        // URL
	Up        bool          // it answers, as far as is known
	Down      time.Duration // for how long it has been silent; 0 while it is up
	RoundTrip time.Duration // of its answers, smoothed; 0 before the first
	Answered  uint64        // queries with a reply
	Silent    uint64        // queries without any
	Invents   bool          // it gives addresses to names that cannot exist, and is not used
}

// Health tells how each resolver does, in the order of the list. It asks nobody.
func (c *Client) Health() []Health {
	bad := map[string]bool{}
	for _, b := range c.Probed().Bad {
		bad[b.Resolver] = true
	}
	list := make([]Health, len(c.upstreams))
	for i, u := range c.upstreams {
		down := u.health.downFor(rightNow())
		list[i] = Health{
			Resolver: u.name, Up: down == 0, Down: down, RoundTrip: time.Duration(u.roundTrip.Load()),
			Answered: u.health.answers.Load(), Silent: u.health.silences.Load(), Invents: bad[u.name],
		}
	}
	return list
}
