package dnstest

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxOnStream is how many queries one connection carries before the server closes it.
	// Servers do that to share their connections out, and clients have to cope.
	maxOnStream = 128
	// holdFor is how long a reply waits for one that overtakes it.
	holdFor = 100 * time.Millisecond
)

// stream is a connection on which messages have a length in front (RFC 1035 §4.2.2).
type stream struct {
	server *Server
	conn   net.Conn
	out    chan plan     // has room for all
	total  chan int      // gets how many plans there are, once no more come
	done   chan struct{} // closed where the rest need not be sent
}

// serveStream answers queries until either side closes the connection.
func (s *Server) serveStream(c net.Conn, transport string) {
	st := &stream{
		server: s,
		conn:   c,
		out:    make(chan plan, maxOnStream),
		total:  make(chan int, 1),
		done:   make(chan struct{}),
	}
	var writing sync.WaitGroup
	writing.Go(st.write)
	if total, orderly := st.read(transport); orderly {
		st.total <- total
	} else {
		close(st.done)
		c.Close()
	}
	writing.Wait()
	c.Close()
}

// read answers queries until the connection ends. It gives how many plans there are to
// write, and whether they should be.
func (st *stream) read(transport string) (total int, orderly bool) {
	s, c := st.server, st.conn
	from := origin{transport: transport, client: addrPort(c.RemoteAddr()), server: addrPort(c.LocalAddr())}
	for asked, most := 1, maxOnStream; asked <= most; asked++ {
		packet, err := readMessage(c)
		if err != nil {
			return total, false
		}
		if c, ok := bare(c).(*streamConn); ok {
			c.count.queries.Add(1)
		}
		if c, ok := c.(*tls.Conn); ok {
			from.serverName = c.ConnectionState().ServerName
		}
		p, ok := s.handle(packet, from)
		if !ok {
			continue
		}
		switch f := &p.fault; {
		case f.Hangup:
			s.sleep(p.delay)
			return total, false
		case f.Reset:
			s.sleep(p.delay)
			reset(c)
			return total, false
		case f.HalfClose:
			if c, ok := c.(interface{ CloseWrite() error }); ok {
				_ = c.CloseWrite() // a client that has gone away is no concern of the server
			}
			continue
		case f.Partial > 0:
			most = asked
		case f.CloseAfter > 0:
			most = f.CloseAfter
		}
		total++
		s.after(p.delay, func() { st.out <- p })
	}
	return total, true
}

// bare is a connection without TLS around it.
func bare(c net.Conn) net.Conn {
	if c, ok := c.(*tls.Conn); ok {
		return c.NetConn()
	}
	return c
}

// reset ends a connection with a RST.
func reset(c net.Conn) {
	switch c := bare(c).(type) {
	case *streamConn:
		c.Reset()
	case *net.TCPConn:
		// The connection may be gone already.
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// write sends the replies as they come.
func (st *stream) write() {
	var held *plan // waits to be overtaken
	var overdue <-chan time.Time
	for written, total := 0, -1; total < 0 || written < total; {
		select {
		case total = <-st.total:
		case p := <-st.out:
			if p.fault.OutOfOrder && held == nil {
				held, overdue = &p, time.After(holdFor)
				continue
			}
			st.put(&p)
			written++
			if held != nil {
				st.put(held)
				written++
				held, overdue = nil, nil
			}
		case <-overdue:
			st.put(held)
			written++
			held, overdue = nil, nil
		case <-st.done:
			return
		case <-st.server.closing:
			return
		}
	}
}

// put writes the replies of a plan. A client that has gone away is no concern of the server.
func (st *stream) put(p *plan) {
	for _, r := range p.replies {
		if r.stray {
			continue
		}
		octets := frame(r.packet)
		if p.fault.Partial > 0 {
			octets = octets[:min(p.fault.Partial, len(octets))]
		}
		if st.server.drip(st.conn, octets, p.fault.Slow) != nil {
			return
		}
	}
}

// drip writes octets at once, or one by one with a pause behind each.
func (s *Server) drip(w io.Writer, octets []byte, pause time.Duration) error {
	if pause <= 0 {
		_, err := w.Write(octets)
		return err
	}
	for i := range octets {
		if _, err := w.Write(octets[i : i+1]); err != nil {
			return err
		}
		if !s.sleep(pause) {
			return net.ErrClosed
		}
	}
	return nil
}

// frame puts the length in front of a message.
func frame(packet []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
}

// readMessage reads a message behind its length.
func readMessage(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, packet)
	return packet, err
}
