package primary

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// rate bounds how often networks are answered over UDP, where whoever asks may have forged the
// address: a bucket for each network, which takes in so many tokens a second and holds twice as
// many. What it takes in memory is bounded.
type rate struct {
	perSecond float64

	mu       sync.Mutex
	networks map[netip.Prefix]bucket
	others   bucket // of networks that there is no room for
	swept    time.Time
}

// bucket is what a network had at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

// mostNetworks is how many networks have a bucket of their own.
const mostNetworks = 4096

// Lengths of the prefixes of what is one network: who has an address in there may have them all.
const (
	network4 = 24
	network6 = 56
)

func newRate(perSecond int, now time.Time) *rate {
	r := &rate{perSecond: float64(perSecond), networks: map[netip.Prefix]bucket{}, swept: now}
	r.others = r.full(now)
	return r
}

func (r *rate) full(now time.Time) bucket { return bucket{tokens: 2 * r.perSecond, at: now} }

// take tells whether an address may be answered at a time.
func (r *rate) take(address netip.Addr, now time.Time) bool {
	address = address.Unmap().WithZone("")
	length := network6
	if address.Is4() {
		length = network4
	}
	network, err := address.Prefix(length)
	if err != nil || !address.IsValid() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.networks[network]
	if !known {
		if len(r.networks) >= mostNetworks {
			r.sweep(now)
		}
		if len(r.networks) >= mostNetworks {
			return r.spend(&r.others, now)
		}
		b = r.full(now)
	}
	ok := r.spend(&b, now)
	r.networks[network] = b
	return ok
}

// spend takes a token, if there is one. A clock that goes back brings none.
func (r *rate) spend(b *bucket, now time.Time) bool {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.tokens+passed.Seconds()*r.perSecond, 2*r.perSecond)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// sweep forgets the networks whose buckets are full again, once a second at most.
func (r *rate) sweep(now time.Time) {
	const whole = 2 * time.Second // that it takes an empty bucket to fill
	if passed := now.Sub(r.swept); 0 <= passed && passed < time.Second {
		return
	}
	r.swept = now
	maps.DeleteFunc(r.networks, func(_ netip.Prefix, b bucket) bool { return now.Sub(b.at) >= whole })
}
