package resolve

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// A UDP socket is replaced after so many queries, or so many packets that fit none,
	// so that a forger cannot learn its port and go on guessing.
	maxAsked  = 1000
	maxForged = 20

	// A server may answer the queries on one connection one after the other, so that more
	// of them would wait for each other until they time out.
	maxOnStream = 16

	receiveBuffer = 4 << 20 // octets, for bursts of replies; the system may give less
	maxPacket     = 1 << 16
)

var (
	errClosed  = errors.New("the client is closed")
	errTimeout = errors.New("no reply in time")
	errHungUp  = errors.New("the resolver closed the connection")
)

// reply is what a waiter gets, once.
type reply struct {
	packet    []byte
	caseDiffs bool // the question came back in other letter case
	err       error
}

// waiter is a query that waits for its reply.
type waiter struct {
	query query
	ch    chan reply // room for one, so that a reader never blocks
	wrong int        // packets with its identifier that did not fit; under mux.mu
}

// mux is one connected socket that carries many queries at once: each reply finds its
// query by the identifier. A reader goroutine serves it until it is closed.
type mux struct {
	conn   net.Conn
	stream bool // TCP: messages have a length in front

	writing sync.Mutex // streams only; a datagram is written whole

	mu      sync.Mutex
	waiters map[uint16]*waiter
	asked   int
	forged  int
	retired bool // takes no more queries; closed when the last one is done
}

// room says whether a socket takes one more query.
type room uint8

const (
	hasRoom room = iota
	full         // not until another one is done
	gone         // never again
)

// register gives a waiter an identifier that no other query on the socket has.
func (m *mux) register(w *waiter) (uint16, room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.retired:
		return 0, gone
	case m.stream && len(m.waiters) >= maxOnStream:
		return 0, full
	}
	id := randomID()
	for m.waiters[id] != nil {
		id = randomID()
	}
	m.waiters[id] = w
	m.asked++
	m.retired = !m.stream && m.asked >= maxAsked
	return id, hasRoom
}

// giveUp ends the wait for a reply with err and tells how many packets did not fit. A reply
// that is already on its way to the waiter wins.
func (m *mux) giveUp(id uint16, w *waiter, err error) (reply, int) {
	m.mu.Lock()
	waiting := m.waiters[id] == w
	if waiting {
		delete(m.waiters, id)
	}
	m.closeIfIdle()
	wrong := w.wrong
	m.mu.Unlock()
	if !waiting {
		return <-w.ch, wrong
	}
	return reply{err: err}, wrong
}

// retire lets the queries under way finish and takes no more.
func (m *mux) retire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired = true
	m.closeIfIdle()
}

// closeIfIdle is called with mu held. The reader sees the closed socket and ends.
func (m *mux) closeIfIdle() {
	if m.retired && len(m.waiters) == 0 {
		m.conn.Close()
	}
}

// fail closes the socket and hands err to every waiter.
func (m *mux) fail(err error) {
	m.mu.Lock()
	waiters := m.waiters
	m.waiters = nil
	m.retired = true
	m.mu.Unlock()
	m.conn.Close()
	for _, w := range waiters {
		w.ch <- reply{err: err}
	}
}

// noteForged counts a packet that fits no query; it is called with mu held.
func (m *mux) noteForged() {
	m.forged++
	if !m.stream && m.forged >= maxForged {
		m.retired = true
		m.closeIfIdle()
	}
}

// deliver hands a packet to the query it fits. One that fits none is passed over: the
// right reply may still come.
func (m *mux) deliver(packet []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(packet) < headerLen {
		m.noteForged()
		return
	}
	id := binary.BigEndian.Uint16(packet)
	w := m.waiters[id]
	if w == nil {
		m.noteForged()
		return
	}
	fit := w.query.fit(packet)
	if fit == noMatch {
		w.wrong++
		m.noteForged()
		return
	}
	delete(m.waiters, id)
	w.ch <- reply{packet: append([]byte(nil), packet...), caseDiffs: fit == caseDiffs}
	m.closeIfIdle()
}

// read delivers what arrives until the socket is closed.
func (m *mux) read() {
	buf := make([]byte, maxPacket)
	var err error
	if m.stream {
		err = m.readStream(buf)
	} else {
		for err == nil {
			var n int
			if n, err = m.conn.Read(buf); err == nil {
				m.deliver(buf[:n])
			}
		}
	}
	if hungUp(err) {
		err = errHungUp
	}
	m.fail(err)
}

// hungUp tells whether the peer ended a connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errHungUp) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (m *mux) readStream(buf []byte) error {
	in := bufio.NewReaderSize(m.conn, 16<<10)
	for {
		if _, err := io.ReadFull(in, buf[:2]); err != nil {
			return err
		}
		packet := buf[:binary.BigEndian.Uint16(buf)]
		if _, err := io.ReadFull(in, packet); err != nil {
			return err
		}
		m.deliver(packet)
	}
}

// send writes a query. A stream whose peer takes nothing until the deadline is broken.
func (m *mux) send(q query, deadline time.Time) error {
	if !m.stream {
		_, err := m.conn.Write(q.datagram())
		return err
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	err := m.conn.SetWriteDeadline(deadline)
	if err == nil {
		_, err = m.conn.Write(q.packet)
	}
	if err != nil {
		m.fail(err)
	}
	return err
}

// pool is the few sockets to one resolver over one transport.
type pool struct {
	dial   func() (net.Conn, error)
	stream bool
	slots  []slot
	turns  chan struct{} // streams only: one for each query that may be under way

	running sync.WaitGroup // dialing and reading goroutines

	mu     sync.Mutex
	closed bool
	open   map[*mux]struct{}
}

// slot holds a socket that is opened when first needed and again when it has retired.
type slot struct {
	mu      sync.Mutex
	current *mux
	dialing *dialing
}

// dialing is an attempt to open a socket that all who need it wait for.
type dialing struct {
	done chan struct{}
	mux  *mux
	err  error
}

func newPool(size int, stream bool, dial func() (net.Conn, error)) *pool {
	p := &pool{dial: dial, stream: stream, slots: make([]slot, size), open: map[*mux]struct{}{}}
	if stream {
		p.turns = make(chan struct{}, size*maxOnStream)
	}
	return p
}

// close ends every query with errClosed and returns when no goroutine is left. A dial under
// way has to be ended by whoever made the dial function.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var open []*mux
	for m := range p.open {
		open = append(open, m)
	}
	p.mu.Unlock()
	for _, m := range open {
		m.fail(errClosed)
	}
	p.running.Wait()
}

// start runs f in a goroutine that close waits for, or gives false once closed.
func (p *pool) start(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.running.Go(f)
	return true
}

// connect opens a socket and starts its reader.
func (p *pool) connect() (*mux, error) {
	conn, err := p.dial()
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(*net.UDPConn); ok {
		// A smaller buffer loses bursts, which retransmission makes good.
		_ = c.SetReadBuffer(receiveBuffer)
	}
	m := &mux{conn: conn, stream: p.stream, waiters: map[uint16]*waiter{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return nil, errClosed
	}
	p.open[m] = struct{}{}
	p.running.Go(func() {
		m.read()
		p.mu.Lock()
		delete(p.open, m)
		p.mu.Unlock()
	})
	return m, nil
}

// wait takes a turn on a pool of streams and tells how long that took. Whoever has one gives
// it back with done.
func (p *pool) wait(ctx context.Context) (time.Duration, error) {
	if p.turns == nil {
		return 0, nil
	}
	start := time.Now()
	select {
	case p.turns <- struct{}{}:
		return time.Since(start), nil
	case <-ctx.Done():
		return time.Since(start), ctx.Err()
	}
}

func (p *pool) done() {
	if p.turns != nil {
		<-p.turns
	}
}

// register finds a socket for the waiter, opening one where needed. It starts at a random
// socket, and passes over those that are full: as there are no more turns than places, one
// has room.
func (p *pool) register(ctx context.Context, w *waiter, expired <-chan time.Time) (*mux, uint16, error) {
	for at := rand.IntN(len(p.slots)); ; at++ {
		s := &p.slots[at%len(p.slots)]
		s.mu.Lock()
		if s.current != nil {
			id, room := s.current.register(w)
			m := s.current
			if room != gone {
				s.mu.Unlock()
				if room == hasRoom {
					return m, id, nil
				}
				continue
			}
			s.current = nil
		}
		d := s.dialing
		if d == nil {
			d = &dialing{done: make(chan struct{})}
			if !p.start(func() { s.run(d, p) }) {
				s.mu.Unlock()
				return nil, 0, errClosed
			}
			s.dialing = d
		}
		s.mu.Unlock()
		select {
		case <-d.done:
			if d.err != nil {
				return nil, 0, d.err
			}
			at-- // this socket again
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-expired:
			return nil, 0, errTimeout
		}
	}
}

func (s *slot) run(d *dialing, p *pool) {
	d.mux, d.err = p.connect()
	s.mu.Lock()
	s.current, s.dialing = d.mux, nil
	s.mu.Unlock()
	close(d.done)
}

// exchange asks a query and waits for its reply until the timeout. Over UDP the query is
// sent again on the way there, at the shares of the timeout in resendAt, with jitter.
func (p *pool) exchange(ctx context.Context, q query, timeout time.Duration) (reply, int) {
	start := time.Now()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	w := &waiter{query: q, ch: make(chan reply, 1)}
	m, id, err := p.register(ctx, w, timer.C)
	if err != nil {
		return reply{err: err}, 0
	}
	q.setID(id)
	waits := [...]time.Duration{timeout}
	schedule := waits[:]
	if !p.stream {
		jitter := 0.8 + 0.4*rand.Float64()
		first := time.Duration(float64(timeout) * resendAt[0] * jitter)
		second := time.Duration(float64(timeout) * resendAt[1] * jitter)
		schedule = []time.Duration{first, second, timeout}
	}
	for _, until := range schedule {
		if err := m.send(q, start.Add(timeout)); err != nil {
			return m.giveUp(id, w, err)
		}
		timer.Reset(time.Until(start.Add(until)))
		select {
		case r := <-w.ch:
			return r, 0
		case <-ctx.Done():
			return m.giveUp(id, w, ctx.Err())
		case <-timer.C:
		}
	}
	if p.stream {
		m.retire() // the peer may be gone without a word
	}
	return m.giveUp(id, w, errTimeout)
}

// resendAt are shares of the timeout at which a datagram is taken for lost.
var resendAt = [2]float64{0.2, 0.5}
