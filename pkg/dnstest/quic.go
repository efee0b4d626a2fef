package dnstest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
)

// alpnDoQ is the protocol of DNS over QUIC in the handshake.
const alpnDoQ = "doq"

// The error codes of RFC 9250 §4.3.
const (
	doqNoError       = 0x0
	doqInternalError = 0x1
	doqProtocolError = 0x2
)

// StartQUIC runs a server for DNS over QUIC on the loopback interface (RFC 9250).
func StartQUIC(tb TB, zoneText string, c Certificate) *Server {
	tb.Helper()
	s := newServer(tb, "", zoneText, 1)
	var config net.ListenConfig
	packets, err := config.ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	transport := &quic.Transport{Conn: packets}
	l, err := transport.Listen(c.config(alpnDoQ), &quic.Config{MaxIdleTimeout: 30 * time.Second})
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	s.addr, s.scheme = packets.LocalAddr().String(), "quic"
	socket := &quicSocket{listener: l, transport: transport, packets: packets}
	s.start(func() { s.serveQUIC(socket) }, socket)
	tb.Cleanup(s.close)
	return s
}

// quicSocket is a UDP socket with QUIC on it.
type quicSocket struct {
	listener  *quic.Listener
	transport *quic.Transport
	packets   net.PacketConn

	mu    sync.Mutex
	conns []*quic.Conn
}

// Close ends the connections first, because otherwise their clients would never hear of it.
func (q *quicSocket) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.conns {
		closeQUIC(c, doqNoError)
	}
	return errors.Join(q.listener.Close(), q.transport.Close(), q.packets.Close())
}

func (s *Server) serveQUIC(q *quicSocket) {
	for {
		c, err := q.listener.Accept(context.Background())
		if err != nil {
			return
		}
		q.mu.Lock()
		q.conns = append(q.conns, c)
		q.mu.Unlock()
		if !s.start(func() { s.serveQUICConn(c) }) {
			return
		}
	}
}

func (s *Server) serveQUICConn(c *quic.Conn) {
	for asked := 1; ; asked++ {
		st, err := c.AcceptStream(c.Context())
		if err != nil {
			return
		}
		if !s.start(func() { s.serveQUICStream(c, st, asked) }) {
			return
		}
	}
}

// serveQUICStream answers the one query of a stream, which is the nth of its connection.
func (s *Server) serveQUICStream(c *quic.Conn, st *quic.Stream, nth int) {
	// The query ends with the stream (RFC 9250 §4.2).
	octets, err := io.ReadAll(io.LimitReader(st, maxPacket+3))
	if err != nil {
		return
	}
	if len(octets) < 2 || int(octets[0])<<8|int(octets[1]) != len(octets)-2 || !allowedOverQUIC(octets[2:]) {
		closeQUIC(c, doqProtocolError)
		return
	}
	from := origin{
		transport:  "quic",
		client:     addrPort(c.RemoteAddr()),
		server:     addrPort(c.LocalAddr()),
		serverName: c.ConnectionState().TLS.ServerName,
	}
	p, ok := s.handle(octets[2:], from)
	if !ok {
		closeQUIC(c, doqProtocolError)
		return
	}
	if !s.sleepFor(st.Context(), p.delay) {
		return
	}
	switch f := &p.fault; {
	case f.Hangup:
		st.CancelWrite(doqInternalError)
		return
	case f.Reset:
		closeQUIC(c, doqInternalError)
		return
	case f.HalfClose:
		_ = st.Close() // a client that has gone away is no concern of the server
		return
	case len(p.replies) == 0: // the client gives up
		s.sleepFor(st.Context(), time.Hour)
		return
	}
	s.writeQUIC(st, &p)
	if k := p.fault.CloseAfter; k > 0 && nth >= k {
		// Closing a connection throws away what is not acknowledged, and nothing tells when
		// it is.
		s.sleep(holdFor)
		closeQUIC(c, doqNoError)
	}
}

// writeQUIC sends the replies of a plan and ends the stream.
func (s *Server) writeQUIC(st *quic.Stream, p *plan) {
	for _, r := range p.replies {
		if r.stray {
			continue
		}
		octets := frame(r.packet)
		if p.fault.Partial > 0 {
			octets = octets[:min(p.fault.Partial, len(octets))]
		}
		if err := s.drip(st, octets, p.fault.Slow); err != nil {
			return
		}
	}
	_ = st.Close() // a client that has gone away is no concern of the server
}

func closeQUIC(c *quic.Conn, code quic.ApplicationErrorCode) {
	// The connection may be gone already.
	_ = c.CloseWithError(code, "")
}

// allowedOverQUIC tells whether a query keeps to RFC 9250 §4.2.1 and §5.5.2: the identifier
// is zero, and there is no option about TCP.
func allowedOverQUIC(packet []byte) bool {
	m := new(dns.Msg)
	if m.Unpack(packet) != nil || m.Id != 0 {
		return false
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if o.Option() == dns.EDNS0TCPKEEPALIVE {
				return false
			}
		}
	}
	return true
}
