package dnstest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Network is a network in memory that servers are attached to. Everything on it waits by
// channels and timers alone, so that time runs by itself in a synctest bubble; a network
// made in a bubble is used in there only.
//
// A datagram's fate depends on the seed, its server, the name and type it asks about and
// how many such datagrams there were, so that it is the same in every run, whatever order
// goroutines run in.
type Network struct {
	seed uint64
	dice *dice

	mu     sync.Mutex
	hosts  map[string]*Server
	links  map[string]Link // that of "" is for servers without one of their own
	ports  map[uint16]bool // in use by clients
	rand   *rand.Rand      // of ports
	conns  []*connCount
	opened map[*streamConn]string // client side, and the server's address
	forger Forger
}

// clientAddr is the address that every client of a network has.
var clientAddr = netip.MustParseAddr("198.51.100.1")

// NewNetwork makes a network without servers. The seed decides what gets lost, delayed,
// doubled and forged.
func NewNetwork(seed uint64) *Network {
	return &Network{
		seed:   seed,
		dice:   newDice(seed),
		hosts:  map[string]*Server{},
		links:  map[string]Link{},
		ports:  map[uint16]bool{},
		rand:   rand.New(rand.NewPCG(seed, 0)),
		opened: map[*streamConn]string{},
	}
}

// Link is the way between the clients and one server. The zero Link loses nothing and takes
// no time.
type Link struct {
	Latency time.Duration // one way
	Jitter  time.Duration // up to so much more, at random

	// What share gets lost on the way to the server and back, from 0 to 1. A lost piece of
	// a TCP stream comes 200 ms later, then 400 ms and so on; a lost SYN, 1 s and so on.
	LossTo, LossFrom float64

	Reorder      float64       // share of datagrams, each way, that are held back
	ReorderDelay time.Duration // for how long; 0 means 10 ms
	Duplicate    float64       // share of datagrams, each way, that come twice

	// Queue is how many datagrams wait at a client's socket for being read; what comes on
	// top is lost. It is read when the socket is opened. 0 means 512.
	Queue int
	// MaxDatagram is the size in octets over which datagrams are lost; 0 means no bound.
	MaxDatagram int

	BlackHoleUDP bool // nothing comes through
	BlackHoleTCP bool // nor does a SYN; an open connection is stuck from its next octet on
	RefuseUDP    bool // the port is closed: ICMP port unreachable
	RefuseTCP    bool // the port is closed: RST to a SYN
	ResetTCP     bool // RST to the first octets of the client
}

const (
	defaultQueue        = 512
	defaultReorderDelay = 10 * time.Millisecond
	firstRetransmission = 200 * time.Millisecond
	firstSYNAgain       = time.Second
	maxRetransmissions  = 6
	// maxConnect is how long a client without a limit of its own waits for a connection.
	maxConnect = 127 * time.Second
)

// SetLink sets the way to a server, at once also for open sockets. The empty address stands
// for every server without a link of its own.
func (n *Network) SetLink(address string, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[address] = l
}

func (n *Network) link(address string) Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l, ok := n.links[address]; ok {
		return l
	}
	return n.links[""]
}

// Start attaches a server for a world at an address, as IP:port, over UDP and TCP. It is
// gone when the test is.
func (n *Network) Start(tb TB, address, zoneText string) *Server {
	tb.Helper()
	if _, err := netip.ParseAddrPort(address); err != nil {
		tb.Fatalf("dnstest: network: %v", err)
	}
	s := newServer(tb, address, zoneText, numbers(n.seed, address, 0).Uint64())
	n.mu.Lock()
	taken := n.hosts[address] != nil
	n.hosts[address] = s
	n.mu.Unlock()
	if taken {
		tb.Fatalf("dnstest: network: %s has a server", address)
	}
	tb.Cleanup(func() {
		n.mu.Lock()
		delete(n.hosts, address)
		n.mu.Unlock()
		s.close()
	})
	return s
}

func (n *Network) host(address string) *Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts[address]
}

// Reset ends the open TCP connections to a server at once, as a server that has lost its
// memory does.
func (n *Network) Reset(address string) {
	n.mu.Lock()
	var conns []*streamConn
	for c, server := range n.opened {
		if server == address {
			conns = append(conns, c)
		}
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.Reset()
	}
}

// ConnStats is what became of one client socket.
type ConnStats struct {
	Network               string // "udp" or "tcp"
	LocalAddr, RemoteAddr netip.AddrPort
	Open                  bool
	Queries               int // that the client wrote; for TCP, that the server read
	Received              int // datagrams that were not lost, forged ones too
	Overflowed            int // datagrams for which the queue had no room
	Forged                int // of those received
}

// connCount is a ConnStats that is still counted.
type connCount struct {
	network                               string
	local, remote                         netip.AddrPort
	open                                  atomic.Bool
	queries, received, overflowed, forged atomic.Int64
}

// Conns tells about every socket that was dialed, in that order.
func (n *Network) Conns() []ConnStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]ConnStats, 0, len(n.conns))
	for _, c := range n.conns {
		all = append(all, ConnStats{
			Network:    c.network,
			LocalAddr:  c.local,
			RemoteAddr: c.remote,
			Open:       c.open.Load(),
			Queries:    int(c.queries.Load()),
			Received:   int(c.received.Load()),
			Overflowed: int(c.overflowed.Load()),
			Forged:     int(c.forged.Load()),
		})
	}
	return all
}

// newConn counts a socket from a random port that no open socket has.
func (n *Network) newConn(network string, remote netip.AddrPort) *connCount {
	n.mu.Lock()
	defer n.mu.Unlock()
	port := uint16(0)
	for port < 1024 || n.ports[port] {
		port = uint16(n.rand.Uint32())
	}
	n.ports[port] = true
	c := &connCount{network: network, local: netip.AddrPortFrom(clientAddr, port), remote: remote}
	c.open.Store(true)
	n.conns = append(n.conns, c)
	return c
}

func (n *Network) closeConn(c *connCount) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.open.Store(false)
	delete(n.ports, c.local.Port())
}

// Dial opens a client socket: a datagram socket over "udp", where each Read and Write is
// one datagram, and a connection over "tcp". An address without a server is unreachable.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	remote, err := netip.ParseAddrPort(address)
	if err == nil && n.host(address) == nil {
		err = os.NewSyscallError("connect", syscall.ENETUNREACH)
	}
	if err != nil {
		return nil, dialError(network, nil, err)
	}
	switch network {
	case "udp", "udp4", "udp6":
		return n.dialPackets(address, remote), nil
	case "tcp", "tcp4", "tcp6":
		return n.dialStream(ctx, address, remote)
	default:
		return nil, dialError(network, nil, net.UnknownNetworkError(network))
	}
}

func dialError(network string, addr net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
}

// fate is what happens to one datagram.
type fate struct {
	delays []time.Duration // of each copy; none when it is lost
}

// datagram decides about a datagram of a size that goes one way.
func (l Link) datagram(r *rand.Rand, loss float64, size int) fate {
	// Every number is drawn every time, so that one property does not disturb another.
	lost, late, twice := r.Float64() < loss, r.Float64() < l.Reorder, r.Float64() < l.Duplicate
	delays := []time.Duration{l.delay(r), l.delay(r)}
	if late {
		delays[0] += max(l.ReorderDelay, 0)
		if l.ReorderDelay == 0 {
			delays[0] += defaultReorderDelay
		}
	}
	if l.BlackHoleUDP || lost || l.MaxDatagram > 0 && size > l.MaxDatagram {
		return fate{}
	}
	if !twice {
		delays = delays[:1]
	}
	return fate{delays}
}

// segment is how long a piece of a stream takes, lost ones being sent again.
func (l Link) segment(r *rand.Rand, loss float64, again time.Duration) time.Duration {
	d := l.delay(r)
	for range maxRetransmissions {
		if r.Float64() >= loss {
			break
		}
		d += again
		again *= 2
	}
	return d
}

func (l Link) delay(r *rand.Rand) time.Duration {
	return l.Latency + time.Duration(r.Float64()*float64(l.Jitter))
}

// subject is what a message asks about, for the dice.
func subject(packet []byte) string {
	const header = 12
	if len(packet) < header || binary.BigEndian.Uint16(packet[4:]) == 0 {
		return ""
	}
	end := header
	for end < len(packet) && packet[end] != 0 {
		end += int(packet[end]) + 1
	}
	if end+5 > len(packet) {
		return ""
	}
	return fmt.Sprintf("%s %x", lower(packet[header:end]), packet[end+1:end+3])
}

func lower(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		out[i] = c
	}
	return out
}
