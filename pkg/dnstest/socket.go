package dnstest

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Start runs a server on the loopback interface for a world: a zone file with absolute
// names, one record a line. It is gone when the test is.
func Start(tb TB, zoneText string) *Server {
	tb.Helper()
	s := newServer(tb, "", zoneText, 1)
	packets, streams, err := listen()
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	s.addr = packets.LocalAddr().String()
	s.start(func() { s.servePackets(packets) }, packets)
	s.start(func() { s.serveListener(streams, "tcp") }, streams)
	tb.Cleanup(s.close)
	return s
}

// listen finds a port that is free for UDP and TCP.
func listen() (*net.UDPConn, net.Listener, error) {
	var config net.ListenConfig
	ctx := context.Background()
	var problems []error
	for range 20 {
		streams, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		packets, err := config.ListenPacket(ctx, "udp", streams.Addr().String())
		if c, ok := packets.(*net.UDPConn); ok && err == nil {
			// A smaller buffer loses bursts, which clients make good.
			_ = c.SetReadBuffer(4 << 20)
			return c, streams, nil
		}
		problems = append(problems, err)
		streams.Close()
	}
	return nil, nil, errors.Join(problems...)
}

// maxPacket is the size of the largest message.
const maxPacket = 1<<16 - 1

// servePackets answers datagrams until the socket is closed.
func (s *Server) servePackets(c *net.UDPConn) {
	buf := make([]byte, maxPacket)
	from := origin{transport: "udp", server: addrPort(c.LocalAddr())}
	for {
		n, client, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// An earlier reply found its port closed; the next query has nothing to do with it.
			continue
		}
		from.client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		p, ok := s.handle(buf[:n], from)
		if !ok {
			continue
		}
		s.after(p.delay, func() {
			for _, r := range p.replies {
				if r.stray {
					sendStray(r.packet, client)
					continue
				}
				// A client that has gone away is no concern of the server.
				_, _ = c.WriteToUDPAddrPort(r.packet, client)
			}
		})
	}
}

// sendStray sends a datagram from a socket that the client did not ask.
func sendStray(packet []byte, client netip.AddrPort) {
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "udp", client.String())
	if err != nil {
		return
	}
	defer c.Close()
	// Connected sockets of the client refuse it, and the error of that comes back here.
	_, _ = c.Write(packet)
}

// serveListener serves each connection until the listener is closed.
func (s *Server) serveListener(l net.Listener, transport string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !s.start(func() { s.serveStream(c, transport) }, c) {
			c.Close()
		}
	}
}

// addrPort is an address without its type; the zero AddrPort where it has no port.
func addrPort(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
