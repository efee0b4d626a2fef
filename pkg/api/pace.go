package api

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often somebody may do what costs something, or only fails.
const (
	writeRate  = 10  // requests that change something, per second and token
	writeBurst = 200 // of them at once

	wrongRate  = 0.2 // requests with a token that is none, per second and peer
	wrongBurst = 20  // of them at once

	maxPaced = 1000 // who are told apart; all others share one pace
)

// pace bounds how often each of many does something. Its zero value has nobody in it. Its methods
// may be called concurrently.
type pace struct {
	mu   sync.Mutex
	each map[string]*rate.Limiter
	rest *rate.Limiter
}

// take counts something that somebody does now, and gives 0; or how long he has to wait until he
// may do it.
func (p *pace) take(who string, now time.Time, limit rate.Limit, burst int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.each[who]
	if l == nil {
		l = p.add(who, now, limit, burst)
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - l.TokensAt(now)) / float64(limit) * float64(time.Second))
}

// add begins with somebody. Those who did nothing for long make room.
func (p *pace) add(who string, now time.Time, limit rate.Limit, burst int) *rate.Limiter {
	if p.each == nil {
		p.each, p.rest = map[string]*rate.Limiter{}, rate.NewLimiter(limit, burst)
	}
	if len(p.each) >= maxPaced {
		for other, l := range p.each {
			if l.TokensAt(now) >= float64(burst) {
				delete(p.each, other)
			}
		}
	}
	if len(p.each) >= maxPaced {
		return p.rest
	}
	p.each[who] = rate.NewLimiter(limit, burst)
	return p.each[who]
}

// paced refuses what comes too soon, where wait is not 0.
func paced(w http.ResponseWriter, wait time.Duration, message string) error {
	if wait <= 0 {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return &Error{Schema: SchemaError, Status: http.StatusTooManyRequests, Message: message, Hint: "Retry-After tells how many seconds to wait"}
}

// site is what a peer is known by: its address, or the /64 of IPv6 that mostly is one machine's.
func site(peer netip.AddrPort) string {
	addr := peer.Addr().Unmap()
	if addr.Is6() {
		prefix, err := addr.WithZone("").Prefix(64)
		if err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

// reads tells whether a request changes nothing by its method (RFC 9110 §9.2.1).
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}
