package dnstest

import (
	"encoding/binary"
	"io"
	"net"
)

// maxOnStream is how many queries one connection carries before the server closes it.
// Servers do that to share their connections out, and clients have to cope.
const maxOnStream = 128

// stream is a connection on which messages have a length in front (RFC 1035 §4.2.2).
type stream struct {
	server *Server
	conn   net.Conn
	// turn is held while a message is written. It is no mutex, because time would stand
	// still in a synctest bubble for those who wait for one.
	turn chan struct{}
}

// serveStream answers queries until either side closes the connection.
func (s *Server) serveStream(c net.Conn, transport string) {
	defer c.Close()
	st := &stream{server: s, conn: c, turn: make(chan struct{}, 1)}
	from := origin{transport: transport, client: addrPort(c.RemoteAddr()), server: addrPort(c.LocalAddr())}
	for range maxOnStream {
		packet, err := readMessage(c)
		if err != nil {
			return
		}
		if counted, ok := c.(interface{ countQuery() }); ok {
			counted.countQuery()
		}
		p, ok := s.handle(packet, from)
		if !ok {
			continue
		}
		if p.fault.Hangup {
			s.sleep(p.delay)
			return
		}
		s.after(p.delay, func() { st.send(p) })
	}
}

// send writes the replies of a plan.
func (st *stream) send(p plan) {
	st.turn <- struct{}{}
	defer func() { <-st.turn }()
	for _, r := range p.replies {
		if r.stray {
			continue
		}
		// A client that has gone away is no concern of the server.
		_, _ = st.conn.Write(frame(r.packet))
	}
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
