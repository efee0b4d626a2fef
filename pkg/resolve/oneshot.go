package resolve

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// oneShots asks a server over UDP with a socket for each query, and over TCP what does not fit
// or looks wrong. It is for the many servers that get few queries each: no goroutine and no
// socket stays behind, but for a connection.
type oneShots struct {
	turns

	dial func(network string) (net.Conn, error)
	tcp  *streams

	mu     sync.Mutex
	closed bool
	open   map[io.Closer]struct{}
}

// newOneShots makes one for so many queries at a time.
func newOneShots(most int, dial func(network string) (net.Conn, error)) *oneShots {
	return &oneShots{
		turns: make(turns, most),
		dial:  dial,
		tcp:   newStreams(1, func() (net.Conn, error) { return dial("tcp") }),
		open:  map[io.Closer]struct{}{},
	}
}

// close ends every query with errClosed.
func (p *oneShots) close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		_ = c.Close() // it has nothing to tell
	}
	p.mu.Unlock()
	p.tcp.close()
}

// keep has a socket closed when the transport is; false means that it is already.
func (p *oneShots) keep(c io.Closer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[c] = struct{}{}
	}
	return !p.closed
}

func (p *oneShots) drop(c io.Closer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// exchange asks a query and waits for its reply until the timeout.
func (p *oneShots) exchange(ctx context.Context, q query, timeout time.Duration) (reply, int) {
	end := time.Now().Add(timeout)
	r, wrong := p.datagram(ctx, q, end)
	if errors.Is(r.err, errForged) || r.err == nil && (r.caseDiffs || isTruncated(r.packet)) {
		return p.tcp.exchange(ctx, q, max(time.Until(end), 0))
	}
	return r, wrong
}

// datagram asks over UDP, again where no reply comes.
func (p *oneShots) datagram(ctx context.Context, q query, end time.Time) (reply, int) {
	conn, err := p.dial("udp")
	if err != nil {
		return reply{err: err}, 0
	}
	defer conn.Close()
	if !p.keep(conn) {
		return reply{err: errClosed}, 0
	}
	defer p.drop(conn)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	q.setID(randomID())
	packet := make([]byte, 1<<16)
	wrong := 0
	wait := time.Until(end) / 5
	for send := 1; ; send++ {
		until := end
		if again := time.Now().Add(wait); send < maxSends && again.Before(end) {
			until, wait = again, 2*wait
		}
		r := p.send(conn, q, until, packet, &wrong)
		if errors.Is(r.err, os.ErrDeadlineExceeded) {
			if until.Before(end) {
				continue
			}
			r.err = errTimeout
		}
		if r.err != nil && ctx.Err() != nil {
			r.err = ctx.Err()
		}
		return r, wrong
	}
}

// send sends a query and reads until what comes fits it, or the time is up.
func (p *oneShots) send(conn net.Conn, q query, until time.Time, packet []byte, wrong *int) reply {
	if err := conn.SetReadDeadline(until); err != nil {
		return reply{err: p.errorOf(err)}
	}
	if _, err := conn.Write(q.datagram()); err != nil {
		return reply{err: p.errorOf(err)}
	}
	for {
		n, err := conn.Read(packet)
		if err != nil {
			return reply{err: p.errorOf(err)}
		}
		got := packet[:n]
		if n >= headerLen && string(got[:2]) == string(q.datagram()[:2]) {
			if fit := q.fit(got); fit != noMatch {
				return reply{packet: got, caseDiffs: fit == caseDiffs}
			}
		}
		if *wrong++; *wrong > maxForged {
			return reply{err: errForged}
		}
	}
}

// errorOf tells a socket that was closed with the transport.
func (p *oneShots) errorOf(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errClosed
	}
	return err
}
