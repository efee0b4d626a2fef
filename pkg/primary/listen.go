package primary

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// listener is one socket.
type listener struct {
	server *dns.Server
	addr   net.Addr
}

// What is asked of a connection over TLS (RFC 9103 §7).
const alpn = "dot"

// udpSize is the longest request over UDP in octets.
const udpSize = 4096

// attempts is how often a port is looked for that is free for both UDP and TCP.
const attempts = 10

// stopGrace is how long transfers may go on when a server ends.
const stopGrace = 3 * time.Second

// listen opens all sockets, or none.
func (s *Server) listen() error {
	for _, address := range s.options.Listen {
		if err := s.listenPlain(address); err != nil {
			s.closeSockets()
			return err
		}
	}
	for _, address := range s.options.ListenTLS {
		if err := s.listenTLS(address); err != nil {
			s.closeSockets()
			return err
		}
	}
	return nil
}

func (s *Server) listenPlain(address string) error {
	var err error
	for range attempts {
		var config net.ListenConfig
		var tcp net.Listener
		if tcp, err = config.Listen(context.Background(), "tcp", address); err != nil {
			break
		}
		var udp net.PacketConn
		if udp, err = config.ListenPacket(context.Background(), "udp", tcp.Addr().String()); err == nil {
			s.add(&dns.Server{Listener: &limited{tcp, s.gate}}, tcp.Addr())
			s.add(&dns.Server{PacketConn: udp}, udp.LocalAddr())
			return nil
		}
		tcp.Close()
		if _, port, split := net.SplitHostPort(address); split != nil || port != "0" {
			break
		}
	}
	return fmt.Errorf("listen for DNS: %w", err)
}

func (s *Server) listenTLS(address string) error {
	var config net.ListenConfig
	tcp, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for DNS over TLS: %w", err)
	}
	c := s.options.TLS.Clone()
	c.MinVersion, c.NextProtos = tls.VersionTLS13, []string{alpn}
	if c.ClientCAs != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.add(&dns.Server{Listener: tls.NewListener(&limited{tcp, s.gate}, c)}, tcp.Addr())
	return nil
}

func (s *Server) add(server *dns.Server, addr net.Addr) {
	l := s.options.Limits
	server.Handler = dns.HandlerFunc(s.handle)
	server.UDPSize = udpSize
	server.ReadTimeout, server.IdleTimeout = l.Idle, func() time.Duration { return l.Idle }
	server.MaxTCPQueries = -1
	server.TsigProvider = currentRing{s}
	// What is wrong with a request is said by the handler, which knows whose it is.
	server.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
	server.MsgInvalidFunc = func([]byte, error) {
		s.options.Observer.refused(Refusal{Rcode: dns.RcodeFormatError, Reason: "it is no DNS message"})
	}
	server.DecorateReader = func(r dns.Reader) dns.Reader { return gateReader{r, s.gate} }
	s.listeners = append(s.listeners, &listener{server, addr})
}

// currentRing verifies by the keys of the setup in force.
type currentRing struct{ server *Server }

func (c currentRing) Generate(msg []byte, t *dns.TSIG) ([]byte, error) {
	return c.server.rules.Load().ring.Generate(msg, t)
}

func (c currentRing) Verify(msg []byte, t *dns.TSIG) error {
	return c.server.rules.Load().ring.Verify(msg, t)
}

// Addrs gives where the server listens: for each of Options.Listen its TCP and its UDP address,
// and then those of Options.ListenTLS.
func (s *Server) Addrs() []net.Addr {
	var addrs []net.Addr
	for _, l := range s.listeners {
		addrs = append(addrs, l.addr)
	}
	return addrs
}

func (s *Server) closeSockets() {
	for _, l := range s.listeners {
		if l.server.Listener != nil {
			l.server.Listener.Close()
		} else {
			l.server.PacketConn.Close()
		}
	}
}

// serve serves on all sockets until ctx ends or one of them fails.
func (s *Server) serve(ctx context.Context) error {
	failed := make(chan error, len(s.listeners))
	var ready, wg sync.WaitGroup
	for _, l := range s.listeners {
		ready.Add(1)
		started := sync.OnceFunc(ready.Done)
		l.server.NotifyStartedFunc = started
		wg.Go(func() {
			defer started()
			if err := l.server.ActivateAndServe(); err != nil {
				failed <- fmt.Errorf("serve DNS on %s: %w", l.addr, err)
			}
		})
	}
	ready.Wait()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	var stopping sync.WaitGroup
	for _, l := range s.listeners {
		stopping.Go(func() {
			// Its error is that it has ended already, or that time is up.
			_ = l.server.ShutdownContext(stop)
		})
	}
	stopping.Wait()
	s.gate.closeAll()
	s.updates.end()
	wg.Wait()
	return err
}

// gate counts connections, and turns strangers away before anything of theirs is parsed.
type gate struct {
	server *Server

	mu        sync.Mutex
	conns     map[*conn]bool
	byAddress map[netip.Addr]int
	strangers int

	answers, refusals *rate
}

func newGate(s *Server) *gate {
	l, now := &s.options.Limits, s.options.Now()
	return &gate{
		server: s, conns: map[*conn]bool{}, byAddress: map[netip.Addr]int{},
		answers: newRate(l.Answers, now), refusals: newRate(l.Refusals, now),
	}
}

// limited is a TCP listener whose connections the gate counts.
type limited struct {
	net.Listener
	gate *gate
}

// Accept waits for a connection that there is room for.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.gate.admit(c); c != nil {
			return c, nil
		}
	}
}

// conn is a connection that was counted.
type conn struct {
	net.Conn
	gate     *gate
	address  netip.Addr
	stranger bool
}

// sendBuffer is how many octets the system keeps of what a client has not taken. Of itself it would
// keep megabytes, and hundreds of slow clients would leave nothing to others.
const sendBuffer = 256 << 10

// admit counts a connection, or closes it.
func (g *gate) admit(raw net.Conn) *conn {
	client := addrPort(raw.RemoteAddr())
	c := &conn{Conn: raw, gate: g, address: client.Addr(), stranger: !g.server.rules.Load().knows(client.Addr())}
	l := &g.server.options.Limits
	g.mu.Lock()
	var full string
	switch {
	case len(g.conns) >= l.Connections:
		full = "too many connections"
	case g.byAddress[c.address] >= l.PerAddress:
		full = "too many connections from its address"
	case c.stranger && g.strangers >= l.Strangers:
		full = "too many connections of strangers"
	default:
		g.conns[c] = true
		g.byAddress[c.address]++
		if c.stranger {
			g.strangers++
		}
	}
	g.mu.Unlock()
	if full != "" {
		raw.Close()
		g.server.options.Observer.refused(Refusal{Client: client, Network: "tcp", Rcode: -1, Reason: full})
		return nil
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // without it the connection is as good
	}
	return c
}

// Write gives a client some time to take a message.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.gate.server.options.Limits.Write)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Close makes room for another connection.
func (c *conn) Close() error {
	c.gate.release(c)
	return c.Conn.Close()
}

func (g *gate) release(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.conns[c] {
		return
	}
	delete(g.conns, c)
	if g.byAddress[c.address]--; g.byAddress[c.address] == 0 {
		delete(g.byAddress, c.address)
	}
	if c.stranger {
		g.strangers--
	}
}

// closeAll ends what is still under way.
func (g *gate) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Conn.Close()
	}
}

// gateReader reads requests, and answers those of strangers itself: they are refused without
// being parsed. What is no request at all is passed over.
type gateReader struct {
	dns.Reader
	gate *gate
}

// errStranger ends the connection of a stranger.
var errStranger = errors.New("a stranger was refused")

// ReadTCP reads the next request of a connection.
func (r gateReader) ReadTCP(c net.Conn, timeout time.Duration) ([]byte, error) {
	for {
		m, err := r.Reader.ReadTCP(c, timeout)
		if err != nil {
			return nil, err
		}
		client := addrPort(c.RemoteAddr())
		_, encrypted := c.(*tls.Conn)
		switch refusal := r.gate.refusal(m, client, networkName(false, encrypted)); {
		case refusal == nil:
			return m, nil
		case len(refusal) > 0:
			framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(refusal))), refusal...)
			if _, err := c.Write(framed); err != nil {
				return nil, err
			}
			return nil, errStranger
		}
	}
}

// ReadUDP reads the next request of a socket.
func (r gateReader) ReadUDP(c *net.UDPConn, timeout time.Duration) ([]byte, *dns.SessionUDP, error) {
	for {
		m, session, err := r.Reader.ReadUDP(c, timeout)
		if err != nil {
			return nil, nil, err
		}
		client := addrPort(session.RemoteAddr())
		if !r.gate.mayAsk(client) {
			continue
		}
		switch refusal := r.gate.refusal(m, client, networkName(true, false)); {
		case refusal == nil:
			return m, session, nil
		case len(refusal) > 0:
			_, _ = dns.WriteToSessionUDP(c, refusal, session) // whoever it is, it is no concern of ours
		}
	}
}

// mayAsk tells whether a client over UDP is answered at all: else nobody could be kept from having
// answers sent to addresses that are not his.
func (g *gate) mayAsk(client netip.AddrPort) bool {
	of := g.refusals
	if g.server.rules.Load().knows(client.Addr()) {
		of = g.answers
	}
	if of.take(client.Addr(), g.server.options.Now()) {
		return true
	}
	g.server.options.Observer.refused(Refusal{Client: client, Network: networkName(true, false), Rcode: -1, Reason: "too many questions over UDP from its network"})
	return false
}

// refusal gives the answer to a stranger, and an empty one for what is no request. For all
// others it is nil.
func (g *gate) refusal(m []byte, client netip.AddrPort, network string) []byte {
	const response = 0x80 // of the third octet
	if len(m) < headerLen || m[2]&response != 0 {
		return []byte{}
	}
	r := Refusal{Client: client, Network: network, Rcode: dns.RcodeRefused, Reason: "its address is not known"}
	if g.server.rules.Load().knows(client.Addr()) {
		if !repeats(m) {
			return nil
		}
		r.Rcode, r.Reason = -1, "it is no DNS message"
		g.server.options.Observer.refused(r)
		return []byte{}
	}
	answer := make([]byte, headerLen, udpSize)
	copy(answer, m[:2])
	answer[2] = response | m[2]&0x79 // opcode and RD
	answer[3] = dns.RcodeRefused
	if n := zone.WireNameLen(m[headerLen:]); binary.BigEndian.Uint16(m[4:]) == 1 && n > 0 && len(m) >= headerLen+n+4 {
		answer[5] = 1
		answer = append(answer, m[headerLen:headerLen+n+4]...)
		r.Name = ownerText(m[headerLen:])
		r.Type = binary.BigEndian.Uint16(m[headerLen+n:])
	}
	g.server.options.Observer.refused(r)
	return answer
}

// repeats tells whether the library would answer a request, which it cannot read, with several
// questions of it: they come out far longer than they went in, where their names are compressed.
func repeats(m []byte) bool {
	return binary.BigEndian.Uint16(m[4:]) > 1 && new(dns.Msg).Unpack(m) != nil
}

func networkName(overUDP, encrypted bool) string {
	switch {
	case overUDP:
		return "udp"
	case encrypted:
		return "tls"
	}
	return "tcp"
}

// addrPort is the address of a client, which is that of a socket.
func addrPort(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
