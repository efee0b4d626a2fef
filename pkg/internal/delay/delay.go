// Package delay makes a name server on this machine as slow as one far away: a
// UDP forwarder that holds every answer back.
//
// Answers leave in the order in which they came, each one no sooner than the
// given time after its query. The forwarder loses nothing itself as long as it
// gets the processor often enough, and counts what it loses if it does not. It
// listens on the loopback interface only, and forwards no TCP.
package delay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// The system may give less. Some 5,000 small packets fit into 4 MiB.
	socketBuffer = 4 << 20
	headerLen    = 12
	maxPacket    = 1 << 16

	// So many queries at a time fit into the receive buffer of a server that
	// leaves it at the system's default; the others wait here.
	atServer = 128
	// A server that gives no answer for so long, with so many queries at hand,
	// has lost them.
	patience = time.Second
)

// Counts is what a [Forwarder] has seen.
type Counts struct {
	Queries int // forwarded to the server
	Answers int // given back to who asked
	Held    int // the most answers held at a time
	Lost    int // packets that found a socket of the forwarder full or could not be sent, as far as the system tells
}

// Forwarder forwards queries to one server until it is closed.
type Forwarder struct {
	hold    time.Duration
	front   *net.UDPConn   // to those who ask
	back    *net.UDPConn   // to the server
	waiting *queue[query]  // for the server
	held    *queue[answer] // in the order in which they leave
	room    chan struct{}  // the server has answered
	closed  chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	last   uint16
	asked  map[uint16]query // by the identifier towards the server
	counts Counts
}

// query waits for its answer.
type query struct {
	packet []byte // until it is forwarded
	from   netip.AddrPort
	id     uint16
	came   time.Time
}

// answer waits for its time.
type answer struct {
	packet []byte
	to     netip.AddrPort
	leaves time.Time
}

// Start forwards to the server at address, as host:port, and holds each answer
// until hold has passed since the query came. Close ends it.
func Start(address string, hold time.Duration) (*Forwarder, error) {
	server, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	back, err := net.DialUDP("udp", nil, server)
	if err != nil {
		return nil, errors.Join(err, front.Close())
	}
	for _, conn := range []*net.UDPConn{front, back} {
		if err := errors.Join(conn.SetReadBuffer(socketBuffer), conn.SetWriteBuffer(socketBuffer)); err != nil {
			return nil, errors.Join(err, front.Close(), back.Close())
		}
	}
	f := &Forwarder{
		hold: hold, front: front, back: back, waiting: newQueue[query](), held: newQueue[answer](),
		room: make(chan struct{}, 1), closed: make(chan struct{}), asked: map[uint16]query{},
	}
	f.running.Go(f.takeQueries)
	f.running.Go(f.forward)
	f.running.Go(f.takeAnswers)
	f.running.Go(f.send)
	return f, nil
}

// Addr is where the forwarder listens, as 127.0.0.1:port.
func (f *Forwarder) Addr() string { return f.front.LocalAddr().String() }

// Counts tells what has been seen up to now. To be called before Close: what
// the sockets have lost is known only while they are open.
func (f *Forwarder) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.counts
	c.Held = f.held.high()
	c.Lost += overflowed(f.front) + overflowed(f.back)
	return c
}

// Close ends the forwarder with all that it holds, and returns when no
// goroutine is left.
func (f *Forwarder) Close() error {
	close(f.closed)
	err := errors.Join(f.front.Close(), f.back.Close())
	f.running.Wait()
	if err != nil {
		return fmt.Errorf("close forwarder: %w", err)
	}
	return nil
}

// takeQueries does nothing else, so that each query's time begins when it comes.
func (f *Forwarder) takeQueries() {
	var packet [maxPacket]byte
	for {
		n, from, err := f.front.ReadFromUDPAddrPort(packet[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// A client that has gone is told of as an error.
		if err != nil || n < headerLen {
			continue
		}
		id := binary.BigEndian.Uint16(packet[:])
		f.waiting.put(query{append([]byte(nil), packet[:n]...), from, id, time.Now()})
	}
}

// forward gives every query an identifier of the forwarder's own, because those
// of several clients may be alike.
func (f *Forwarder) forward() {
	for {
		q, ok := f.waiting.take(f.closed)
		if !ok || !f.awaitRoom() {
			return
		}
		packet := q.packet
		q.packet = nil
		f.mu.Lock()
		f.last++
		id := f.last
		f.asked[id] = q
		f.counts.Queries++
		f.mu.Unlock()
		binary.BigEndian.PutUint16(packet, id)
		if _, err := f.back.Write(packet); err != nil {
			f.lose()
		}
	}
}

// awaitRoom is false if the forwarder is closed before there is room for one
// more query at the server.
func (f *Forwarder) awaitRoom() bool {
	for {
		f.mu.Lock()
		n := len(f.asked)
		f.mu.Unlock()
		if n < atServer {
			return true
		}
		timer := time.NewTimer(patience)
		select {
		case <-f.room:
		case <-timer.C:
			f.mu.Lock()
			clear(f.asked)
			f.mu.Unlock()
		case <-f.closed:
		}
		timer.Stop()
		select {
		case <-f.closed:
			return false
		default:
		}
	}
}

func (f *Forwarder) takeAnswers() {
	var packet [maxPacket]byte
	for {
		n, err := f.back.Read(packet[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// A server that is not there is told of as an error.
		if err != nil || n < headerLen {
			continue
		}
		f.keep(packet[:n])
	}
}

// keep puts an answer in line. One that nobody waits for is dropped.
func (f *Forwarder) keep(packet []byte) {
	id := binary.BigEndian.Uint16(packet)
	f.mu.Lock()
	q, found := f.asked[id]
	delete(f.asked, id)
	f.mu.Unlock()
	if !found {
		return
	}
	binary.BigEndian.PutUint16(packet, q.id)
	f.held.put(answer{append([]byte(nil), packet...), q.from, q.came.Add(f.hold)})
	select {
	case f.room <- struct{}{}:
	default:
	}
}

// send gives the answers back, each at its time.
func (f *Forwarder) send() {
	for {
		a, ok := f.held.take(f.closed)
		if !ok || !f.waitUntil(a.leaves) {
			return
		}
		if _, err := f.front.WriteToUDPAddrPort(a.packet, a.to); err != nil {
			f.lose()
			continue
		}
		f.mu.Lock()
		f.counts.Answers++
		f.mu.Unlock()
	}
}

// waitUntil is false if the forwarder is closed before.
func (f *Forwarder) waitUntil(due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.closed:
		return false
	}
}

func (f *Forwarder) lose() {
	f.mu.Lock()
	f.counts.Lost++
	f.mu.Unlock()
}
