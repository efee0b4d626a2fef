package resolve

import "net"

const (
	batchLen      = 64      // datagrams in one system call
	receiveBuffer = 4 << 20 // octets, for bursts of replies; the system may give less
	packetBuffer  = 2048    // octets; a reply has 1232 at most, and one that fills this is taken for cut short
)

// packetConn is a connected UDP socket, or what stands for one in a test. It moves many
// datagrams in one system call where the system can.
type packetConn struct {
	net.Conn
	batch *batchConn // nil where datagrams go one at a time
}

func newPacketConn(conn net.Conn) packetConn {
	p := packetConn{Conn: conn}
	if c, ok := conn.(*net.UDPConn); ok {
		// A smaller buffer loses bursts, which the window makes good.
		_ = c.SetReadBuffer(receiveBuffer)
		p.batch = newBatchConn(c)
	}
	return p
}

// inbox has room for the datagrams of one call, and for what comes of them.
type inbox struct {
	room     [batchLen][packetBuffer]byte
	batch    receiving
	delivery delivery
}

// receive waits for at least one datagram and gives all that fit the inbox, until the next
// call. It appends them to packets.
func (p *packetConn) receive(in *inbox, packets [][]byte) ([][]byte, error) {
	if p.batch != nil {
		return p.batch.receive(in, packets)
	}
	n, err := p.Read(in.room[0][:])
	if err != nil {
		return packets, err
	}
	return append(packets, in.room[0][:n]), nil
}

// outbox has the datagrams of one call.
type outbox struct {
	datagrams [batchLen][]byte
	n         int
	repeated  int // of these, the first ones, which were sent before
	batch     sending
}

func (o *outbox) clear() { o.n, o.repeated = 0, 0 }

// add puts a datagram in. What was sent before comes first.
func (o *outbox) add(datagram []byte, repeated bool) {
	o.datagrams[o.n] = datagram
	o.n++
	if repeated {
		o.repeated = o.n
	}
}

// send sends what is in the outbox. What the system does not take is lost, as on the way.
func (p *packetConn) send(o *outbox) error {
	if p.batch != nil {
		return p.batch.send(o)
	}
	for _, d := range o.datagrams[:o.n] {
		if _, err := p.Write(d); err != nil {
			return err
		}
	}
	return nil
}
