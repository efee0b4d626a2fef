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

// A server may answer the queries on one connection one after the other, so that more of them
// would wait for each other until they time out.
const maxOnStream = 16

var errHungUp = errors.New("the resolver closed the connection")

// waiter is a query that waits for its reply.
type waiter struct {
	query query
	ch    chan reply // room for one, so that a reader never blocks
	wrong int        // messages with its identifier that did not fit; under stream.mu
	at    int        // how many replies the connection had carried before; under stream.mu
}

// stream is one connection that carries many queries at once, each message with its length
// in front (RFC 7766 §6.2.1.1, RFC 7858 §3.3): each reply finds its query by the identifier.
// A reader goroutine serves it until it is closed.
type stream struct {
	conn net.Conn

	writing sync.Mutex

	mu      sync.Mutex
	waiters map[uint16]*waiter
	replies int  // carried so far
	retired bool // takes no more queries; closed when the last one is done
}

// room says whether a connection takes one more query.
type room uint8

const (
	hasRoom room = iota
	full         // not until another one is done
	gone         // never again
)

// register gives a waiter an identifier that no other query on the connection has.
func (m *stream) register(w *waiter) (uint16, room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.retired:
		return 0, gone
	case len(m.waiters) >= maxOnStream:
		return 0, full
	}
	id := randomID()
	for m.waiters[id] != nil {
		id = randomID()
	}
	m.waiters[id], w.at = w, m.replies
	return id, hasRoom
}

// giveUp ends the wait for a reply with err and tells how many packets did not fit. A reply
// that is already on its way to the waiter wins.
func (m *stream) giveUp(id uint16, w *waiter, err error) (reply, int) {
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
func (m *stream) retire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired = true
	m.closeIfIdle()
}

// closeIfIdle is called with mu held. The reader sees the closed connection and ends.
func (m *stream) closeIfIdle() {
	if m.retired && len(m.waiters) == 0 {
		m.conn.Close()
	}
}

// fail closes the connection and hands err to every waiter.
func (m *stream) fail(err error) {
	m.mu.Lock()
	waiters, replies := m.waiters, m.replies
	m.waiters = nil
	m.retired = true
	m.mu.Unlock()
	m.conn.Close()
	for _, w := range waiters {
		w.ch <- reply{err: err, others: replies - w.at}
	}
}

// deliver hands a message to the query it fits. One that fits none is passed over: the right
// reply may still come.
func (m *stream) deliver(packet []byte) {
	if len(packet) < headerLen {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := binary.BigEndian.Uint16(packet)
	w := m.waiters[id]
	if w == nil {
		return
	}
	fit := w.query.fit(packet)
	if fit == noMatch {
		w.wrong++
		return
	}
	delete(m.waiters, id)
	m.replies++
	w.ch <- reply{packet: append([]byte(nil), packet...), caseDiffs: fit == caseDiffs}
	m.closeIfIdle()
}

// read delivers what arrives until the connection is closed.
func (m *stream) read() {
	err := m.readMessages(make([]byte, 1<<16))
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

func (m *stream) readMessages(buf []byte) error {
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
func (m *stream) send(q query, deadline time.Time) error {
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

// streams is the few connections to one resolver.
type streams struct {
	dial  func() (net.Conn, error)
	slots []slot
	turns

	running sync.WaitGroup // dialing and reading goroutines

	mu     sync.Mutex
	closed bool
	open   map[*stream]struct{}
}

// slot holds a connection that is opened when first needed and again when it has retired.
type slot struct {
	mu      sync.Mutex
	current *stream
	dialing *dialing
}

// dialing is an attempt to open a connection that all who need it wait for.
type dialing struct {
	done chan struct{}
	got  *stream
	err  error
}

func newStreams(size int, dial func() (net.Conn, error)) *streams {
	return &streams{dial: dial, slots: make([]slot, size), turns: make(turns, size*maxOnStream), open: map[*stream]struct{}{}}
}

// close ends every query with errClosed and returns when no goroutine is left. A dial under
// way has to be ended by whoever made the dial function.
func (p *streams) close() {
	p.mu.Lock()
	p.closed = true
	var open []*stream
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
func (p *streams) start(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.running.Go(f)
	return true
}

// connect opens a connection and starts its reader.
func (p *streams) connect() (*stream, error) {
	conn, err := p.dial()
	if err != nil {
		return nil, err
	}
	m := &stream{conn: conn, waiters: map[uint16]*waiter{}}
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

// register finds a connection for the waiter, opening one where needed. It starts at a random
// one, and passes over those that are full: as there are no more turns than places
// (see upstream), one has room.
func (p *streams) register(ctx context.Context, w *waiter, expired <-chan time.Time) (*stream, uint16, error) {
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
			at-- // this one again
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		case <-expired:
			return nil, 0, errTimeout
		}
	}
}

func (s *slot) run(d *dialing, p *streams) {
	d.got, d.err = p.connect()
	s.mu.Lock()
	s.current, s.dialing = d.got, nil
	s.mu.Unlock()
	close(d.done)
}

// exchange asks a query and waits for its reply until the timeout.
func (p *streams) exchange(ctx context.Context, q query, timeout time.Duration) (reply, int) {
	start := time.Now()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	w := &waiter{query: q, ch: make(chan reply, 1)}
	m, id, err := p.register(ctx, w, timer.C)
	if err != nil {
		return reply{err: err}, 0
	}
	q.setID(id)
	if err := m.send(q, start.Add(timeout)); err != nil {
		return m.giveUp(id, w, err)
	}
	select {
	case r := <-w.ch:
		return r, 0
	case <-ctx.Done():
		return m.giveUp(id, w, context.Cause(ctx))
	case <-timer.C:
	}
	m.retire() // the peer may be gone without a word
	return m.giveUp(id, w, errTimeout)
}
