package dnstest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many octets are under way or unread in one direction before writes wait.
const window = 1 << 20

// half is one direction of a connection, at the end that reads it.
type half struct {
	mu      sync.Mutex
	line    line
	arrived []byte
	unread  int   // octets written and not yet read, wherever they are
	ended   error // what reads give behind what arrived
	broken  error // what writes give
	closed  bool  // nobody reads any more
	stuck   bool  // nothing comes through any more
	changed chan struct{}
}

func newHalf() *half {
	h := &half{changed: make(chan struct{})}
	h.line.inOrder = true
	return h
}

// change alters the state and wakes those who wait for it.
func (h *half) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.changed)
	h.changed = make(chan struct{})
}

// reset ends the direction at once for both its ends. What arrived before can be read, as on
// Linux, and an end that arrived before stays one.
func (h *half) reset() {
	h.change(func() {
		if h.ended == nil {
			h.ended = os.NewSyscallError("read", syscall.ECONNRESET)
		}
		h.broken = os.NewSyscallError("write", syscall.ECONNRESET)
	})
}

// streamConn is one end of a connection.
type streamConn struct {
	network       *Network
	address       string // of the server
	client        bool   // this is the client's end
	count         *connCount
	local, remote netip.AddrPort
	in, out       *half

	readDeadline, writeDeadline *deadline
	closing                     sync.Once
	done                        chan struct{}
}

// dialStream connects to a server: it takes one round trip, and more where SYNs get lost.
func (n *Network) dialStream(ctx context.Context, address string, remote netip.AddrPort) (net.Conn, error) {
	addr := net.TCPAddrFromAddrPort(remote)
	l := n.link(address)
	r := n.dice.throw("connect " + address)
	wait := l.segment(r, l.LossTo, firstSYNAgain) + l.segment(r, l.LossFrom, firstSYNAgain)
	if l.BlackHoleTCP {
		wait = maxConnect
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	if wait > 0 || ctx.Err() != nil {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, dialError("tcp", addr, ctx.Err())
		}
	}
	s := n.host(address)
	switch {
	case l.BlackHoleTCP:
		return nil, dialError("tcp", addr, os.NewSyscallError("connect", syscall.ETIMEDOUT))
	case l.RefuseTCP || s == nil:
		return nil, dialError("tcp", addr, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	client, server := n.pair(address, remote)
	serve := func() { s.serveStream(server, "tcp") }
	if s.tls != nil {
		serve = func() { s.serveStream(tls.Server(server, s.tls), "tls") }
	}
	if !s.start(serve, server) {
		_ = client.Close() // always nil
		return nil, dialError("tcp", addr, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	return client, nil
}

// pair makes both ends of a connection.
func (n *Network) pair(address string, remote netip.AddrPort) (client, server *streamConn) {
	count := n.newConn("tcp", remote)
	up, down := newHalf(), newHalf()
	end := func(isClient bool, local, remote netip.AddrPort, in, out *half) *streamConn {
		c := &streamConn{
			network:       n,
			address:       address,
			client:        isClient,
			count:         count,
			local:         local,
			remote:        remote,
			in:            in,
			out:           out,
			readDeadline:  newDeadline(),
			writeDeadline: newDeadline(),
			done:          make(chan struct{}),
		}
		in.line.deliver = c.arrive
		return c
	}
	client = end(true, count.local, remote, down, up)
	server = end(false, remote, count.local, up, down)
	n.mu.Lock()
	n.opened[client] = address
	n.mu.Unlock()
	return client, server
}

// arrive takes what the other end sent.
func (c *streamConn) arrive(it item) {
	if !c.client && len(it.octets) > 0 && c.network.link(c.address).ResetTCP {
		c.Reset()
		return
	}
	unwanted := false
	c.in.change(func() {
		switch {
		case c.in.ended != nil:
		case it.end:
			c.in.ended = io.EOF
		case c.in.closed:
			unwanted = true
		default:
			c.in.arrived = append(c.in.arrived, it.octets...)
		}
	})
	if unwanted {
		c.Reset()
	}
}

// Reset ends the connection at once for both ends, as a RST does.
func (c *streamConn) Reset() {
	c.in.reset()
	c.out.reset()
}

func (c *streamConn) Read(b []byte) (int, error) {
	for {
		expired := c.readDeadline.wait()
		c.in.mu.Lock()
		changed, ended := c.in.changed, c.in.ended
		ready := len(c.in.arrived)
		c.in.mu.Unlock()
		switch {
		case isClosed(c.done):
			return 0, c.error("read", net.ErrClosed)
		case isClosed(expired):
			return 0, c.error("read", os.ErrDeadlineExceeded)
		case ready > 0 || len(b) == 0:
			n := 0
			c.in.change(func() {
				n = copy(b, c.in.arrived)
				c.in.arrived = c.in.arrived[n:]
				c.in.unread -= n
			})
			if n == 0 && len(b) > 0 {
				continue // another reader was faster
			}
			return n, nil
		case errors.Is(ended, io.EOF):
			return 0, io.EOF
		case ended != nil:
			return 0, c.error("read", ended)
		}
		select {
		case <-changed:
		case <-c.done:
		case <-expired:
		}
	}
}

// Write blocks only while the other end has a full window unread.
func (c *streamConn) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) || len(b) == 0 {
		expired := c.writeDeadline.wait()
		c.out.mu.Lock()
		changed, broken := c.out.changed, c.out.broken
		room := window - c.out.unread
		c.out.mu.Unlock()
		switch {
		case isClosed(c.done):
			return written, c.error("write", net.ErrClosed)
		case isClosed(expired):
			return written, c.error("write", os.ErrDeadlineExceeded)
		case broken != nil:
			return written, c.error("write", broken)
		case len(b) == 0:
			return 0, nil
		case room > 0:
			n := min(room, len(b)-written)
			c.send(item{octets: append([]byte(nil), b[written:written+n]...)})
			written += n
			continue
		}
		select {
		case <-changed:
		case <-c.done:
		case <-expired:
		}
	}
	return written, nil
}

// send puts a piece of the stream on its way.
func (c *streamConn) send(it item) {
	l := c.network.link(c.address)
	loss, way := l.LossFrom, "back"
	if c.client {
		loss, way = l.LossTo, "there"
	}
	stuck := false
	c.out.change(func() {
		c.out.unread += len(it.octets)
		c.out.stuck = c.out.stuck || l.BlackHoleTCP
		stuck = c.out.stuck
	})
	if stuck {
		return
	}
	about := ""
	if len(it.octets) > 2 {
		about = subject(it.octets[2:]) // one write is one message
	}
	r := c.network.dice.throw(way + " " + c.address + " " + about)
	c.out.line.send(it, l.segment(r, loss, firstRetransmission))
}

// CloseWrite ends what this end sends; it still reads.
func (c *streamConn) CloseWrite() error {
	first := false
	c.out.change(func() {
		if first = c.out.broken == nil; first {
			c.out.broken = os.NewSyscallError("write", syscall.EPIPE)
		}
	})
	if first {
		c.send(item{end: true})
	}
	return nil
}

// Close ends reads and writes under way. What was written still arrives.
func (c *streamConn) Close() error {
	c.closing.Do(func() {
		close(c.done)
		c.readDeadline.move(time.Time{})
		c.writeDeadline.move(time.Time{})
		c.in.change(func() { c.in.closed = true })
		_ = c.CloseWrite() // always nil
		if c.client {
			c.network.mu.Lock()
			delete(c.network.opened, c)
			c.network.mu.Unlock()
			c.network.closeConn(c.count)
		}
	})
	return nil
}

func (c *streamConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *streamConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *streamConn) SetDeadline(t time.Time) error {
	c.readDeadline.move(t)
	c.writeDeadline.move(t)
	return nil
}

func (c *streamConn) SetReadDeadline(t time.Time) error {
	c.readDeadline.move(t)
	return nil
}

func (c *streamConn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.move(t)
	return nil
}

func (c *streamConn) error(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
