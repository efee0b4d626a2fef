package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// hostAge is how old addresses have to be before a connection that fails makes the host
	// looked up again: a resolver that is down does not turn every query into a lookup.
	hostAge = 5 * time.Second
	// hostKept is when the host is looked up again although nothing fails: a UDP socket to
	// an address that the resolver has left opens all the same.
	hostKept = 5 * time.Minute
)

// host is where a resolver is: at the address in its URL, or at those that its name has.
//
// The name is looked up when a connection needs it, in a goroutine of its own, and no lock
// is held meanwhile. So it does no more harm than a slow resolver does where the system's
// resolver does not answer, or is the very one that waits for us.
type host struct {
	url    URL
	fixed  []string // the address in the URL, with port; nil for a name
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	lookUp func() ([]netip.Addr, error)
	limit  time.Duration // for one connection, the lookup included

	running sync.WaitGroup // lookups

	mu      sync.Mutex
	closed  bool
	known   []string // addresses with port, the one that worked last in front
	since   time.Time
	looking *hostLookup
}

// hostLookup is a lookup under way that all who need it wait for.
type hostLookup struct {
	done  chan struct{}
	found []string
	err   error
}

// newHost looks nothing up yet. Lookups end with ctx.
func newHost(ctx context.Context, u URL, opts Options) *host {
	h := &host{url: u, dial: opts.Dial, limit: opts.QueryTimeout}
	if isAddress(u.Host) {
		h.fixed = []string{h.withPort(u.Host)}
		return h
	}
	resolver := opts.Bootstrap
	if resolver == nil {
		resolver = &net.Resolver{Dial: dialUntilDone}
	}
	h.lookUp = func() ([]netip.Addr, error) {
		limited, cancel := context.WithTimeout(ctx, opts.TargetTimeout)
		defer cancel()
		return resolver.LookupNetIP(limited, "ip", u.Host)
	}
	return h
}

// dialUntilDone closes the socket when the lookup is over: [net.Resolver] reads on for
// seconds after its context has ended.
func dialUntilDone(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		context.AfterFunc(ctx, func() { conn.Close() })
	}
	return conn, err
}

func (h *host) withPort(address string) string {
	return net.JoinHostPort(address, strconv.Itoa(int(h.url.Port)))
}

// close returns when no lookup is under way; the context that the host was made with has to
// have ended.
func (h *host) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.running.Wait()
}

// ready waits until an address is known, and has old ones looked up again meanwhile. It is
// for UDP, where opening a socket must not wait.
func (h *host) ready(ctx context.Context) error {
	if h.isReady() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.limit)
	defer cancel()
	_, err := h.addresses(ctx)
	return err
}

// isReady tells whether a socket can be opened at once.
func (h *host) isReady() bool {
	if h.fixed != nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known != nil && time.Since(h.since) < hostKept
}

// datagramDialer gives a function that opens a UDP socket to the address known best.
func (h *host) datagramDialer(ctx context.Context) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		addresses := h.fixed
		if addresses == nil {
			h.mu.Lock()
			addresses = h.known
			h.mu.Unlock()
		}
		if len(addresses) == 0 {
			return nil, h.unknown(ReasonNetwork, "it was not looked up")
		}
		var first error
		for _, address := range addresses {
			conn, err := h.dial(ctx, "udp", address)
			if err == nil {
				return conn, nil
			}
			if first == nil {
				first = err
			}
		}
		return nil, first
	}
}

// dialer gives a function that opens a connection, for [newStreams].
func (h *host) dialer(ctx context.Context, network string) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		var conn net.Conn
		err := h.connect(ctx, func(ctx context.Context, address string) (err error) {
			conn, err = h.dial(ctx, network, address)
			return err
		})
		return conn, err
	}
}

// connect calls try with one address of the host after the other until it succeeds. Where
// all fail, the host may have moved: it is looked up again and tried once more.
func (h *host) connect(ctx context.Context, try func(ctx context.Context, address string) error) error {
	ctx, cancel := context.WithTimeout(ctx, h.limit)
	defer cancel()
	for {
		found, err := h.addresses(ctx)
		if err != nil {
			return err
		}
		if err = h.tryAll(ctx, found, try); err == nil {
			return nil
		}
		if !h.forget() || ctx.Err() != nil {
			return err
		}
	}
}

// tryAll gives each address its share of the time that is left. The first error is the one
// that counts.
func (h *host) tryAll(ctx context.Context, addresses []string, try func(ctx context.Context, address string) error) error {
	deadline, _ := ctx.Deadline()
	var first error
	for i, address := range addresses {
		share := time.Until(deadline) / time.Duration(len(addresses)-i)
		limited, cancel := context.WithTimeout(ctx, share)
		err := try(limited, address)
		cancel()
		if err == nil {
			h.prefer(address)
			return nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}

// addresses waits for a lookup no longer than leaves time to connect.
func (h *host) addresses(ctx context.Context) ([]string, error) {
	if h.fixed != nil {
		return h.fixed, nil
	}
	h.mu.Lock()
	if known := h.known; known != nil && time.Since(h.since) < hostKept {
		h.mu.Unlock()
		return known, nil
	}
	if h.closed {
		h.mu.Unlock()
		return nil, errClosed
	}
	l := h.looking
	if l == nil {
		l = &hostLookup{done: make(chan struct{})}
		h.looking = l
		h.running.Go(func() { h.find(l) })
	}
	h.mu.Unlock()

	deadline, _ := ctx.Deadline()
	patience := time.NewTimer(time.Until(deadline) * 3 / 4)
	defer patience.Stop()
	select {
	case <-l.done:
		return l.found, l.err
	case <-patience.C:
		return nil, h.unknown(ReasonTimeout, errTimeout.Error())
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, h.unknown(ReasonTimeout, errTimeout.Error())
		}
		return nil, ctx.Err()
	}
}

func (h *host) find(l *hostLookup) {
	found, err := h.lookUp()
	for _, addr := range found {
		l.found = append(l.found, h.withPort(addr.Unmap().String()))
	}
	var notFound *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		l.err = errClosed
	case err == nil && l.found == nil:
		l.err = h.unknown(ReasonNetwork, "it has no address")
	case errors.As(err, &notFound) && notFound.IsTimeout:
		l.err = h.unknown(ReasonTimeout, errTimeout.Error())
	case errors.As(err, &notFound):
		l.err = h.unknown(ReasonNetwork, notFound.Err)
	case err != nil:
		l.err = h.unknown(ReasonNetwork, networkText(err))
	}
	h.mu.Lock()
	if l.err != nil && h.known != nil {
		l.found, l.err = h.known, nil // better old ones than none
	}
	if l.err == nil {
		h.known, h.since = l.found, time.Now()
	}
	h.looking = nil
	h.mu.Unlock()
	close(l.done)
}

// unknown is the failure of a lookup. It names the URL, because the name that could not be
// looked up is not the one that was asked for.
func (h *host) unknown(reason Reason, why string) *failure {
	return failuref(reason, "the host name in %s cannot be looked up: %s", h.url, why)
}

// forget drops what is known of the host, so that the next connection looks it up. It is
// false where nothing new is to be expected.
func (h *host) forget() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || time.Since(h.since) < hostAge {
		return false
	}
	h.known = nil
	return true
}

// prefer puts the address that works in front.
func (h *host) prefer(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.Index(h.known, address)
	if at <= 0 {
		return
	}
	// A new slice: others may be going through the old one.
	h.known = slices.Concat([]string{address}, h.known[:at], h.known[at+1:])
}
