//go:build !nodoq

package resolve

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// This build has DNS over QUIC; the build tag "nodoq" leaves it out.
const (
	haveDoQ = true
	doqForm = "quic://HOST[:PORT][#NAME], " // part of supported
)

const (
	// Queries at a time on the one connection: what many servers let a client have open.
	maxOnQUIC = 100
	doqIdle   = 10 * time.Second // before an unused connection is closed
)

// Error codes (RFC 9250 §4.3).
const (
	doqNoError         = 0x0
	doqRequestCanceled = 0x3
)

// doqErrors are the meanings of the error codes, from 0.
var doqErrors = [...]string{"no error", "internal error", "protocol error", "request canceled", "excessive load", "unspecified error"}

var _ exchanger = (*doq)(nil)

// doq is DNS over QUIC (RFC 9250): one connection at a time, with a stream for each query.
// No query is sent as 0-RTT data, which a third party could send again.
type doq struct {
	turns
	config *quic.Config
	dial   func() (*doqConn, error)

	running sync.WaitGroup // dialing, and the goroutines that clean up behind connections

	mu      sync.Mutex
	closed  bool
	current *doqConn
	dialing *doqDialing
	open    map[*doqConn]struct{}
}

// doqConn is a connection and the socket that it has for itself.
type doqConn struct {
	conn      *quic.Conn
	transport *quic.Transport
	socket    net.Conn

	users   int  // queries under way; under doq.mu
	retired bool // takes no more queries; closed when the last one is done
}

// doqDialing is an attempt to connect that all who need it wait for.
type doqDialing struct {
	done chan struct{}
	conn *doqConn
	err  error
}

func newDoQ(ctx context.Context, h *host, opts Options) exchanger {
	tlsConf := tlsConfig(h.url, opts, "doq")
	d := &doq{
		turns: make(turns, maxOnQUIC),
		open:  map[*doqConn]struct{}{},
		config: &quic.Config{
			HandshakeIdleTimeout:  opts.QueryTimeout,
			MaxIdleTimeout:        doqIdle,
			MaxIncomingStreams:    -1, // a server opens none (RFC 9250 §4.2)
			MaxIncomingUniStreams: -1,
			TokenStore:            quic.NewLRUTokenStore(1, 4),
		},
	}
	d.dial = func() (*doqConn, error) {
		var c *doqConn
		err := h.connect(ctx, func(ctx context.Context, address string) (err error) {
			c, err = dialQUIC(ctx, address, tlsConf, d.config)
			return err
		})
		return c, err
	}
	return d
}

func dialQUIC(ctx context.Context, address string, tlsConf *tls.Config, config *quic.Config) (*doqConn, error) {
	socket, err := new(net.Dialer).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	t := &quic.Transport{Conn: quicSocket{socket}}
	conn, err := t.Dial(ctx, socket.RemoteAddr(), tlsConf, config)
	if err != nil {
		// The error of the handshake is the one to tell.
		_ = t.Close()
		socket.Close()
		return nil, quicDialError(ctx, err, tlsConf.ServerName)
	}
	return &doqConn{conn: conn, transport: t, socket: socket}, nil
}

// quicDialError says why there is no connection.
func quicDialError(ctx context.Context, err error, name string) error {
	var crypto *quic.TransportError
	var handshake *quic.HandshakeTimeoutError
	var idle *quic.IdleTimeoutError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isCertificateError(err):
		return handshakeError(ctx, err, name)
	case errors.As(err, &handshake), errors.As(err, &idle):
		return errTimeout
	case errors.As(err, &crypto) && crypto.ErrorCode.IsCryptoError():
		return failuref(ReasonNetwork, "the TLS handshake fails: %s", printable([]byte(crypto.Error())))
	}
	return failuref(ReasonNetwork, "%s", networkText(err))
}

// close ends every query and returns when no goroutine is left; the context that the
// transport was made with has to have ended.
func (d *doq) close() {
	d.mu.Lock()
	d.closed = true
	var open []*doqConn
	for c := range d.open {
		open = append(open, c)
	}
	d.mu.Unlock()
	for _, c := range open {
		c.close()
	}
	d.running.Wait()
}

func (c *doqConn) close() {
	// It fails where the connection has ended before.
	_ = c.conn.CloseWithError(doqNoError, "")
}

// borrow gives a connection that takes queries, opening one where needed. Whoever has it
// gives it back.
func (d *doq) borrow(ctx context.Context) (*doqConn, error) {
	for {
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			return nil, errClosed
		}
		if c := d.current; c != nil && !c.retired && c.conn.Context().Err() == nil {
			c.users++
			d.mu.Unlock()
			return c, nil
		}
		d.current = nil
		dialing := d.dialing
		if dialing == nil {
			dialing = &doqDialing{done: make(chan struct{})}
			d.dialing = dialing
			d.running.Go(func() { d.connect(dialing) })
		}
		d.mu.Unlock()
		select {
		case <-dialing.done:
			if dialing.err != nil {
				return nil, dialing.err
			}
			if d.use(dialing.conn) {
				return dialing.conn, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// use borrows a connection that was opened a moment ago, even if it has ended since: whoever
// asks on it then sees that the server hung up, and does not come back for ever.
func (d *doq) use(c *doqConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !c.retired {
		c.users++
	}
	return !c.retired
}

// giveBack ends a query on a connection. One that is spent takes no more.
func (d *doq) giveBack(c *doqConn, spent bool) {
	d.mu.Lock()
	c.users--
	if spent {
		c.retired = true
	}
	idle := c.retired && c.users == 0
	d.mu.Unlock()
	if idle {
		c.close()
	}
}

func (d *doq) connect(dialing *doqDialing) {
	c, err := d.dial()
	d.mu.Lock()
	dialing.conn, dialing.err = c, err
	d.dialing = nil
	closed := d.closed
	if err == nil {
		d.current = c
		d.open[c] = struct{}{}
		d.running.Go(func() { d.cleanUp(c) })
	}
	d.mu.Unlock()
	if closed && err == nil {
		c.close()
	}
	close(dialing.done)
}

// cleanUp waits for the end of a connection and closes its socket.
func (d *doq) cleanUp(c *doqConn) {
	<-c.conn.Context().Done()
	d.mu.Lock()
	delete(d.open, c)
	d.mu.Unlock()
	// Nothing is left on the socket that could fail.
	_ = c.transport.Close()
	c.socket.Close()
}

func (d *doq) exchange(ctx context.Context, q query, timeout time.Duration) (reply, int) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := d.borrow(limited)
	if err == nil {
		q.setID(0) // RFC 9250 §4.2.1
		var packet []byte
		packet, err = c.ask(limited, q)
		// After a query without reply the peer may be gone without a word.
		silent := err != nil && limited.Err() != nil && ctx.Err() == nil
		d.giveBack(c, silent || errors.Is(err, errHungUp))
		if err == nil {
			return q.accept(packet), 0
		}
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case limited.Err() != nil:
		err = errTimeout
	}
	if errors.Is(err, errHungUp) && d.isClosed() {
		err = errClosed
	}
	return reply{err: err}, 0
}

func (d *doq) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// ask sends a query on a stream of its own and reads the reply.
func (c *doqConn) ask(ctx context.Context, q query) ([]byte, error) {
	stream, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, streamError(err)
	}
	stop := context.AfterFunc(ctx, func() {
		stream.CancelRead(doqRequestCanceled)
		stream.CancelWrite(doqRequestCanceled)
	})
	defer stop()
	// Whatever else the server sends is not read; without it this does nothing.
	defer stream.CancelRead(doqNoError)
	if _, err := stream.Write(q.packet); err != nil {
		return nil, streamError(err)
	}
	if err := stream.Close(); err != nil { // that is the FIN of RFC 9250 §4.2
		return nil, streamError(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(stream, length[:]); err != nil {
		return nil, streamError(err)
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(stream, packet); err != nil {
		return nil, streamError(err)
	}
	return packet, nil
}

// streamError tells a stream that the server ended from a connection that is gone, on which
// the query may just be asked again.
func streamError(err error) error {
	var reset *quic.StreamError
	switch {
	case errors.As(err, &reset) && reset.Remote:
		return failuref(ReasonNetwork, "the resolver gave the query up: %s", doqErrorText(uint64(reset.ErrorCode)))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{reason: ReasonMalformed, detail: errBadMessage.Error()}
	case errors.Is(err, net.ErrClosed): // so is every error of the connection
		return errHungUp
	}
	return err
}

func doqErrorText(code uint64) string {
	if code < uint64(len(doqErrors)) {
		return doqErrors[code]
	}
	return fmt.Sprintf("error %#x", code)
}

// quicSocket is a connected UDP socket in the shape that quic-go wants. Connected, it takes
// no packets from elsewhere and learns at once that nobody listens.
type quicSocket struct{ net.Conn }

// ReadFrom reads a packet from the peer.
func (s quicSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := s.Read(p)
	return n, s.RemoteAddr(), err
}

// WriteTo writes a packet to the peer; there is no other.
func (s quicSocket) WriteTo(p []byte, _ net.Addr) (int, error) { return s.Write(p) }

// SetReadBuffer does what can be done: packets that find no room are sent again. Without this
// method, or with the one of [net.UDPConn], quic-go would write to standard error where the
// system gives less than it wants.
func (s quicSocket) SetReadBuffer(octets int) error {
	if c, ok := s.Conn.(*net.UDPConn); ok {
		_ = c.SetReadBuffer(octets)
	}
	return nil
}

// SetWriteBuffer is as SetReadBuffer.
func (s quicSocket) SetWriteBuffer(octets int) error {
	if c, ok := s.Conn.(*net.UDPConn); ok {
		_ = c.SetWriteBuffer(octets)
	}
	return nil
}
