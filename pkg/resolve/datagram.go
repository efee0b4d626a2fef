package resolve

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	batchLen      = 64      // datagrams in one system call
	receiveBuffer = 4 << 20 // octets, for bursts of replies; the system may give less
	packetBuffer  = 2048    // octets; a reply has 1232 at most, and one that fills this is taken for cut short
)

// packetConn is a connected UDP socket, or what stands for one in a test. It moves many
// datagrams in one system call where the system can.
type packetConn struct {
	net.Conn
	batch batchConn // nil where datagrams go one at a time
}

// batchConn is the part that ipv4 and ipv6 connections share.
type batchConn interface {
	ReadBatch(messages []ipv4.Message, flags int) (int, error)
	WriteBatch(messages []ipv4.Message, flags int) (int, error)
}

func newPacketConn(conn net.Conn) packetConn {
	p := packetConn{Conn: conn}
	c, ok := conn.(*net.UDPConn)
	if !ok {
		return p
	}
	// A smaller buffer loses bursts, which the window makes good.
	_ = c.SetReadBuffer(receiveBuffer)
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok && a.IP.To4() != nil {
		p.batch = ipv4.NewPacketConn(c)
	} else {
		p.batch = ipv6.NewPacketConn(c)
	}
	return p
}

// inbox has room for the datagrams of one call.
type inbox struct {
	messages [batchLen]ipv4.Message
	last     int // how many the call before gave
}

func newInbox() *inbox {
	in := &inbox{}
	room := make([]byte, batchLen*packetBuffer)
	for i := range in.messages {
		in.messages[i].Buffers = [][]byte{room[i*packetBuffer : (i+1)*packetBuffer]}
	}
	return in
}

// receive waits for at least one datagram and gives all that fit the inbox, until the next
// call.
func (p *packetConn) receive(in *inbox) ([]ipv4.Message, error) {
	if p.batch == nil {
		n, err := p.Read(in.messages[0].Buffers[0])
		in.messages[0].N = n
		if err != nil {
			return nil, err
		}
		return in.messages[:1], nil
	}
	// Each message that is offered costs, filled or not.
	n, err := p.batch.ReadBatch(in.messages[:min(2*in.last+4, batchLen)], 0)
	if err != nil {
		return nil, err
	}
	in.last = n
	return in.messages[:n], nil
}

// outbox has the datagrams of one call.
type outbox struct {
	messages [batchLen]ipv4.Message
	buffers  [batchLen][1][]byte
	n        int
}

func (o *outbox) add(datagram []byte) {
	o.buffers[o.n][0] = datagram
	o.messages[o.n].Buffers = o.buffers[o.n][:]
	o.n++
}

// send sends what is in the outbox. What the system does not take is lost, as on the way.
func (p *packetConn) send(o *outbox) error {
	if p.batch == nil {
		for i := range o.n {
			if _, err := p.Write(o.buffers[i][0]); err != nil {
				return err
			}
		}
		return nil
	}
	for rest := o.messages[:o.n]; len(rest) > 0; {
		n, err := p.batch.WriteBatch(rest, 0)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}
