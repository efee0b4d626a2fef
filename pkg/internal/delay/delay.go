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
	front   *net.UDPConn // to those who ask
	back    *net.UDPConn // to the server
	wake    chan struct{}
	closed  chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	last   uint16
	asked  map[uint16]query // by the identifier towards the server
	held   []answer         // in the order in which they leave
	counts Counts
}

// query waits for its answer. One that gets none stays until its identifier
// comes round again.
type query struct {
	from netip.AddrPort
	id   uint16
	came time.Time
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
		hold: hold, front: front, back: back, asked: map[uint16]query{},
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	f.running.Go(f.takeQueries)
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

// takeQueries forwards under an identifier of the forwarder's own, because
// those of several clients may be alike.
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
		came := time.Now()
		f.mu.Lock()
		f.last++
		id := f.last
		f.asked[id] = query{from, binary.BigEndian.Uint16(packet[:]), came}
		f.counts.Queries++
		f.mu.Unlock()
		binary.BigEndian.PutUint16(packet[:], id)
		if _, err := f.back.Write(packet[:n]); err != nil {
			f.lose()
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
	f.mu.Lock()
	defer f.mu.Unlock()
	id := binary.BigEndian.Uint16(packet)
	q, found := f.asked[id]
	if !found {
		return
	}
	delete(f.asked, id)
	binary.BigEndian.PutUint16(packet, q.id)
	f.held = append(f.held, answer{append([]byte(nil), packet...), q.from, q.came.Add(f.hold)})
	f.counts.Held = max(f.counts.Held, len(f.held))
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// send gives the answers back, each at its time.
func (f *Forwarder) send() {
	for {
		f.mu.Lock()
		if len(f.held) == 0 {
			f.mu.Unlock()
			select {
			case <-f.wake:
				continue
			case <-f.closed:
				return
			}
		}
		first := f.held[0]
		f.held[0].packet = nil
		f.held = f.held[1:]
		f.mu.Unlock()
		if !f.waitUntil(first.leaves) {
			return
		}
		if _, err := f.front.WriteToUDPAddrPort(first.packet, first.to); err != nil {
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
