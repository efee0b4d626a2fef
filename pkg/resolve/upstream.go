package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Transports, as attempts name them.
const (
	transportUDP = "udp"
	transportTCP = "tcp"
)

const (
	// A resolver that was silent so often in a row is asked after the others, until one
	// query after the pause below finds it back. Each further pause is twice as long.
	silentLimit = 8
	firstPause  = time.Second
	longPause   = 30 * time.Second

	// How long a resolver may take before the next one of the list is asked too.
	leastHedge = 200 * time.Millisecond
	mostHedge  = 500 * time.Millisecond

	// publicRate is how many queries a second a resolver gets at most that is neither on
	// this machine nor in a private network.
	publicRate = 500
)

// upstream is one resolver of the list.
type upstream struct {
	url      URL
	name     string // url as text
	timeout  time.Duration
	host     *host
	udp      *datagrams    // nil where the resolver is asked over connections alone
	conns    exchanger     // over TCP or encrypted: nothing is forged or cut short there
	overConn string        // what conns is, as attempts name it
	rate     *rate.Limiter // nil for none
	cookies  *cookies
	style    style // of all queries
	keep     bool  // attempts that need no explaining

	anyCase   atomic.Bool  // learned over TCP: the resolver does not keep letter case
	roundTrip atomic.Int64 // nanoseconds, smoothed; 0 before the first reply

	health health
}

// newUpstream sends nothing yet. What it opens later ends with ctx, and with close.
func newUpstream(ctx context.Context, u URL, opts Options) *upstream {
	up := &upstream{
		url: u, name: u.String(), timeout: opts.QueryTimeout, host: newHost(ctx, u, opts),
		overConn: transportTCP, cookies: newCookies(), keep: opts.KeepAttempts,
	}
	up.style.ad, up.style.signed = opts.RequireAD, opts.RequireAD
	if limit := opts.rateFor(u); limit > 0 {
		up.rate = rate.NewLimiter(rate.Limit(limit), batchLen)
	}
	if u.encrypted() {
		up.conns, up.overConn = newEncrypted(ctx, up.host, opts), string(u.Scheme)
		// Letter case proves nothing beyond what the certificate does.
		up.style.anyCase, up.style.pad = true, true
		return up
	}
	up.conns = newStreams(opts.Connections, up.host.dialer(ctx, "tcp"))
	if u.Scheme == SchemeUDP {
		up.udp = newDatagrams(opts.Sockets, opts.InFlight, opts.QueryTimeout/10, up.rate, up.health.down.Load, up.host.datagramDialer(ctx))
	}
	return up
}

// rateFor is how many queries a second a resolver may get; 0 means any number.
func (o Options) rateFor(u URL) float64 {
	if o.Rate != 0 {
		return max(o.Rate, 0)
	}
	addr, err := netip.ParseAddr(u.Host)
	if err == nil && (addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()) {
		return 0
	}
	return publicRate
}

func (u *upstream) close() {
	if u.udp != nil {
		u.udp.close()
	}
	u.conns.close()
	u.host.close()
}

// hedge is how long to wait for a reply before another resolver is asked too.
func (u *upstream) hedge() time.Duration {
	most := min(mostHedge, u.timeout/4)
	took := time.Duration(u.roundTrip.Load())
	if took == 0 {
		return most
	}
	return min(max(8*took, leastHedge), most)
}

// answered notes a reply, and how long it took if it was not asked for more than once.
func (u *upstream) answered(took time.Duration, now moment) {
	u.health.answered(now)
	if old := u.roundTrip.Load(); old != 0 {
		took = (7*time.Duration(old) + took) / 8
	}
	u.roundTrip.Store(int64(max(took, 1)))
}

// health is whether a resolver answers.
type health struct {
	silent atomic.Int32 // queries in a row without any reply
	down   atomic.Bool
	heard  atomic.Int64 // the moment when it last replied; zero before the first reply

	answers, silences atomic.Uint64 // since the start

	mu    sync.Mutex
	since moment // when it went down
	next  moment // when one query may find out whether it is back
	pause time.Duration
}

// answered finds the resolver well.
func (h *health) answered(now moment) {
	h.heard.Store(int64(now))
	h.answers.Add(1)
	if h.silent.Load() != 0 {
		h.silent.Store(0)
	}
	if h.down.Load() {
		h.down.Store(false)
	}
}

// silence takes note of a query without a reply. Where the resolver has replied to others
// since, it is the name that gets none.
func (h *health) silence(asked, now moment) {
	h.silences.Add(1)
	if heard := moment(h.heard.Load()); heard != 0 && heard >= asked || h.silent.Add(1) < silentLimit {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.down.Load() {
		h.down.Store(true)
		h.since, h.pause, h.next = now, firstPause, now.add(firstPause)
	}
}

// isUp tells whether the resolver answers as far as is known. While it is silent, one caller
// after each pause is told yes and so finds out.
func (h *health) isUp(now moment) bool {
	if !h.down.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now < h.next {
		return false
	}
	h.pause = min(2*h.pause, longPause)
	h.next = now.add(h.pause)
	return true
}

// downFor tells how long the resolver has been silent; 0 while it answers.
func (h *health) downFor(now moment) time.Duration {
	if !h.down.Load() {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.since(h.since)
}

// failureOf says why there is no reply.
func failureOf(err error, wrong int) *failure {
	var timeout net.Error
	var told *failure
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Timeout():
		// The error of a dialer that has waited long enough is DeadlineExceeded too
		// (net.Dialer.Timeout), and has nothing to do with the end of the run.
		return &failure{reason: ReasonTimeout, detail: errTimeout.Error()}
	case errors.Is(err, errClosed):
		return &failure{reason: ReasonCanceled, detail: errClosed.Error()}
	case errors.As(err, &told):
		return told
	case errors.Is(err, errTimeout):
		text := errTimeout.Error()
		if wrong > 0 {
			text += fmt.Sprintf("; packets that did not fit the question: %d", wrong)
		}
		return &failure{reason: ReasonTimeout, detail: text}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{reason: ReasonCanceled, detail: canceledText(err)}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &failure{reason: ReasonTimeout, detail: errTimeout.Error()}
	}
	return &failure{reason: ReasonNetwork, detail: networkText(err)}
}

// networkText leaves out the addresses of a network error: the port on our side differs
// from run to run, and the resolver is named beside it.
func networkText(err error) string {
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		return call.Err.Error()
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	}
	return err.Error()
}

func canceledText(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the time for the whole run is over"
	}
	return "canceled"
}
