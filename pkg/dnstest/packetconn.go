package dnstest

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// packetConn is a client's datagram socket, connected to one server.
type packetConn struct {
	network *Network
	address string // of the server
	count   *connCount

	up   line // to the server
	down line

	queue                       chan []byte
	forged                      chan []byte // read before the queue
	overtaken                   chan []byte // of the queue, by a forged one
	problem                     chan error  // ICMP says so; room for one
	readDeadline, writeDeadline *deadline
	closing                     sync.Once
	done                        chan struct{}
}

func (n *Network) dialPackets(address string, remote netip.AddrPort) *packetConn {
	size := n.link(address).Queue
	if size <= 0 {
		size = defaultQueue
	}
	c := &packetConn{
		network:       n,
		address:       address,
		count:         n.newConn("udp", remote),
		queue:         make(chan []byte, size),
		forged:        make(chan []byte, defaultQueue),
		overtaken:     make(chan []byte, 1),
		problem:       make(chan error, 1),
		readDeadline:  newDeadline(),
		writeDeadline: newDeadline(),
		done:          make(chan struct{}),
	}
	c.up.deliver = func(it item) { c.atServer(it.octets) }
	c.down.deliver = func(it item) { c.atClient(it.octets) }
	return c
}

// Read gives one datagram. What has no room in b is lost.
func (c *packetConn) Read(b []byte) (int, error) {
	expired := c.readDeadline.wait()
	switch {
	case isClosed(c.done):
		return 0, c.error("read", net.ErrClosed)
	case isClosed(expired):
		return 0, c.error("read", os.ErrDeadlineExceeded)
	}
	for {
		select {
		case packet := <-c.forged:
			return copy(b, packet), nil
		default:
		}
		queue := c.queue
		if len(c.overtaken) > 0 {
			queue = nil
		}
		select {
		case packet := <-c.forged:
			return copy(b, packet), nil
		case packet := <-c.overtaken:
			return copy(b, packet), nil
		case packet := <-queue:
			if len(c.forged) > 0 {
				// They came between the two looks.
				select {
				case c.overtaken <- packet:
					continue
				default: // another read holds one back
				}
			}
			return copy(b, packet), nil
		case err := <-c.problem:
			return 0, c.error("read", err)
		case <-c.done:
			return 0, c.error("read", net.ErrClosed)
		case <-expired:
			// The deadline may have been moved meanwhile.
			if expired = c.readDeadline.wait(); isClosed(expired) {
				return 0, c.error("read", os.ErrDeadlineExceeded)
			}
		}
	}
}

// Write sends one datagram. It never blocks.
func (c *packetConn) Write(b []byte) (int, error) {
	switch {
	case isClosed(c.done):
		return 0, c.error("write", net.ErrClosed)
	case isClosed(c.writeDeadline.wait()):
		return 0, c.error("write", os.ErrDeadlineExceeded)
	case len(b) > maxPacket:
		return 0, c.error("write", os.NewSyscallError("write", syscall.EMSGSIZE))
	}
	select {
	case err := <-c.problem:
		return 0, c.error("write", err)
	default:
	}
	c.count.queries.Add(1)
	packet := append([]byte(nil), b...)
	c.forge(packet)
	return len(b), nil
}

// transmit puts a datagram of the client on its way.
func (c *packetConn) transmit(packet []byte) {
	l := c.network.link(c.address)
	r := c.network.dice.throw("to " + c.address + " " + subject(packet))
	if l.RefuseUDP {
		time.AfterFunc(2*l.Latency, func() {
			select {
			case c.problem <- os.NewSyscallError("recvfrom", syscall.ECONNREFUSED):
			default:
			}
		})
		return
	}
	for _, delay := range l.datagram(r, l.LossTo, len(packet)).delays {
		c.up.send(item{octets: packet}, delay)
	}
}

// atServer hands a datagram to the server, if one is there, and its replies to the line
// back.
func (c *packetConn) atServer(packet []byte) {
	s := c.network.host(c.address)
	if s == nil {
		return
	}
	p, ok := s.handle(packet, origin{transport: "udp", client: c.count.local, server: c.count.remote})
	if !ok {
		return
	}
	about := "from " + c.address + " " + subject(packet)
	s.after(p.delay, func() {
		for _, r := range p.replies {
			if r.stray {
				continue // a connected socket takes nothing from elsewhere
			}
			l := c.network.link(c.address)
			for _, delay := range l.datagram(c.network.dice.throw(about), l.LossFrom, len(r.packet)).delays {
				c.down.send(item{octets: r.packet}, delay)
			}
		}
	})
}

// atClient puts a datagram in the client's queue, or loses it where there is no room.
func (c *packetConn) atClient(packet []byte) {
	if isClosed(c.done) {
		return
	}
	c.count.received.Add(1) // before a reader can have it
	select {
	case c.queue <- packet:
	default:
		c.count.received.Add(-1)
		c.count.overflowed.Add(1)
	}
}

// Close ends reads under way. It may be called more than once.
func (c *packetConn) Close() error {
	c.closing.Do(func() {
		close(c.done)
		c.readDeadline.move(time.Time{})
		c.writeDeadline.move(time.Time{})
		c.network.closeConn(c.count)
	})
	return nil
}

func (c *packetConn) LocalAddr() net.Addr  { return net.UDPAddrFromAddrPort(c.count.local) }
func (c *packetConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.count.remote) }

func (c *packetConn) SetDeadline(t time.Time) error {
	c.readDeadline.move(t)
	c.writeDeadline.move(t)
	return nil
}

func (c *packetConn) SetReadDeadline(t time.Time) error {
	c.readDeadline.move(t)
	return nil
}

func (c *packetConn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.move(t)
	return nil
}

func (c *packetConn) error(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
