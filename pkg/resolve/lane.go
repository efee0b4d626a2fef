package resolve

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

const (
	// A UDP socket is replaced after so many queries, or so many packets that fit none,
	// so that a forger cannot learn its port and go on guessing.
	maxAsked  = 1000
	maxForged = 20

	maxSends = 3 // of one query to one resolver (RFC 9520 §3.1)
	maxMoves = 2 // to another socket, away from a forger, before UDP is given up

	tickLen = 10 * time.Millisecond // how exactly queries are sent again

	tidyEvery = 5 // ticks; the queue may be long, and its first one mostly tells when a run has ended

	dealLen = 32 // queries that a lane gets in its turn, at most
)

var (
	errClosed  = errors.New("the client is closed")
	errTimeout = errors.New("no reply in time")
	errForged  = errors.New("too many packets that did not fit the question")
)

// reply is what came of one query.
type reply struct {
	packet    []byte // over UDP only good until whoever is told returns
	caseDiffs bool   // the question came back in other letter case
	sent      moment // over UDP when it was first sent; zero where it never was
	came      moment // over UDP when it was read; zero where nothing was
	wrong     int    // packets with its identifier that did not fit, where there is no other reply
	others    int    // replies to other queries that the connection carried meanwhile, where it has ended
	err       error
}

// ask is a query over UDP on its way.
type ask struct {
	query   query
	timeout time.Duration // from when it is first sent
	stands  *deadline     // stands still until the query is first sent, or is over
	hedge   time.Duration // from when it is first sent; 0 for none
	probe   bool          // the resolver is known to be silent, and this is to find out whether it is back
	owner   asker

	// These belong to the lane.
	socket  *socket
	sent    moment // first
	last    moment // sent last
	due     moment // when to look at it again
	again   moment // when it is taken for lost; zero once it is
	spared  moment // when the window no longer counts it
	at      int32  // place in flying
	wrong   int32
	id      uint16
	sends   int16
	moves   int16
	hedged  bool
	counted bool // in the window
	queued  bool // to be sent again
	over    bool
	clean   bool // over, and in no queue any more
}

// asker is who waits for the reply to a query. None of its methods may block.
type asker interface {
	heard(reply)  // called once; the query is done with
	late()        // called once when hedge has passed without a reply, or the resolver is silent
	ended() error // why nobody waits for the reply any more, or nil
}

// expires is when no reply is awaited any more.
func (a *ask) expires() moment { return a.sent.add(a.timeout) }

// told is a reply for one who asked, kept until no lock is held.
type told struct {
	a *ask
	r reply
}

func tell(list []told) {
	for i := range list {
		list[i].a.end(list[i].r)
	}
}

// end tells what came of a query that the lane is done with.
func (a *ask) end(r reply) {
	if a.sends == 0 {
		a.stands.goOn(rightNow())
	}
	a.owner.heard(r)
}

// datagrams is the UDP side of one resolver: a few lanes, each with a socket of its own.
type datagrams struct {
	dial    func() (net.Conn, error)
	silent  func() bool // tells whether the resolver has not replied for a while
	lanes   []*lane
	rate    *rate.Limiter // nil for none
	deal    uint32        // queries that a lane gets in its turn
	dealt   atomic.Uint32
	dealTo  atomic.Int32 // the lane whose turn it is
	took    atomic.Int64 // the first reply to a lane, in nanoseconds; 0 before the first of all
	running sync.WaitGroup
	closing chan struct{}
	closed  sync.Once
}

func newDatagrams(lanes, inFlight int, tick time.Duration, limit *rate.Limiter, silent func() bool, dial func() (net.Conn, error)) *datagrams {
	d := &datagrams{dial: dial, silent: silent, rate: limit, closing: make(chan struct{})}
	d.deal = uint32(max(1, min(dealLen, inFlight/lanes/8))) // few, so that all lanes have something to do
	for range lanes {
		l := &lane{pool: d, tick: min(tickLen, tick), window: newWindow(max(1, inFlight/lanes)), busy: make(chan struct{}, 1)}
		d.lanes = append(d.lanes, l)
	}
	return d
}

// add queues a query. It is sent with the next flush, which whoever adds has to see to; those
// who are told of a reply need not.
//
// Queries are dealt out to the lanes at random, but several to one before the next: they go out
// in one system call.
func (d *datagrams) add(a *ask) {
	if (d.dealt.Add(1)-1)%d.deal == 0 {
		d.dealTo.Store(int32(rand.IntN(len(d.lanes))))
	}
	d.lanes[d.dealTo.Load()].add(a)
}

// flush sends what is queued and may be sent.
func (d *datagrams) flush() {
	for _, l := range d.lanes {
		if l.queued.Load() > 0 {
			l.flush()
		}
	}
}

// close ends every query with errClosed and returns when no goroutine is left.
func (d *datagrams) close() {
	d.closed.Do(func() { close(d.closing) })
	for _, l := range d.lanes {
		l.close()
	}
	d.running.Wait()
}

// lane is a UDP socket with the queries that wait for it or for a reply. Sockets that were
// replaced live on beside it until their last query is done.
type lane struct {
	pool *datagrams
	tick time.Duration
	busy chan struct{} // wakes the timer, with room for one

	queued atomic.Int32 // waiting and resend together

	mu       sync.Mutex
	closed   bool
	started  bool // the timer runs
	awake    bool // and has something to look after
	flushing bool // somebody sends, and looks again before leaving
	looks    int  // how often the timer has looked
	current  *socket
	sockets  []*socket
	waiting  queue
	resend   queue
	flying   []*ask
	window   window
	rtt      rtt
	outbox   outbox // of whoever is flushing
}

// queue is first in, first out.
type queue struct {
	asks []*ask
	head int
}

// push makes room where the asks were that are gone, before it takes more memory: under load a
// queue is never empty.
func (q *queue) push(a *ask) {
	if len(q.asks) == cap(q.asks) && q.head > len(q.asks)/2 {
		left := copy(q.asks, q.asks[q.head:])
		clear(q.asks[left:])
		q.asks, q.head = q.asks[:left], 0
	}
	q.asks = append(q.asks, a)
}

func (q *queue) len() int { return len(q.asks) - q.head }

func (q *queue) peek() *ask {
	if q.len() == 0 {
		return nil
	}
	return q.asks[q.head]
}

func (q *queue) pop() {
	q.asks[q.head] = nil
	if q.head++; q.head == len(q.asks) {
		q.asks, q.head = q.asks[:0], 0
	}
}

// remove takes out the asks for which gone is true.
func (q *queue) remove(gone func(*ask) bool) {
	rest := slices.DeleteFunc(q.asks[q.head:], gone)
	q.asks = q.asks[:q.head+len(rest)]
}

func (l *lane) add(a *ask) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		a.end(reply{err: errClosed})
		return
	}
	l.waiting.push(a)
	l.queued.Add(1)
	l.wake()
	l.mu.Unlock()
}

// wake is called with mu held.
func (l *lane) wake() {
	if !l.started {
		l.started = true
		l.pool.running.Go(l.keepTime)
	}
	if !l.awake {
		l.awake = true
		l.busy <- struct{}{}
	}
}

// flush sends what is queued, batch by batch, until the window is full or nothing is left.
// While somebody is at it, others leave it to them.
func (l *lane) flush() {
	l.mu.Lock()
	if l.flushing || l.closed {
		l.mu.Unlock()
		return
	}
	l.flushing = true
	for {
		s, failed := l.fill(rightNow())
		if s == nil {
			l.flushing = false
		}
		l.mu.Unlock()
		tell(failed)
		if s == nil {
			return
		}
		if err := s.conn.send(&l.outbox); err != nil && fatal(err) {
			l.fail(s, err)
		}
		l.mu.Lock()
	}
}

// fatal tells whether an error of sending or receiving is about the socket and not about one
// packet or about a moment without memory.
func fatal(err error) bool {
	return !errors.Is(err, syscall.ENOBUFS) && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EMSGSIZE) &&
		!errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.EPERM)
}

// fill puts queries of one socket into the outbox. It is called with mu held. Without a
// socket nothing can be sent now; failed are those for which no socket can be opened.
func (l *lane) fill(now moment) (s *socket, failed []told) {
	l.outbox.clear()
	for l.outbox.n < batchLen && !l.closed {
		q := &l.resend
		if q.len() == 0 {
			q = &l.waiting
		}
		a := q.peek()
		if a == nil || !l.window.room() || q == &l.waiting && len(l.flying) >= int(l.window.limit) {
			break
		}
		to, err := a.socket, error(nil)
		if to == nil && !a.over {
			to, err = l.open()
		}
		if a.over || err != nil {
			l.pop(q)
			if !a.over {
				failed = append(failed, told{a, reply{err: err, sent: a.sent}})
				l.drop(a)
			}
			continue
		}
		if s != nil && to != s || l.pool.rate != nil && !l.pool.rate.Allow() {
			break
		}
		s = to
		l.pop(q)
		l.launch(a, s, now)
	}
	if l.outbox.n == 0 {
		return nil, failed
	}
	return s, failed
}

func (l *lane) pop(q *queue) {
	q.peek().queued = false
	q.pop()
	l.queued.Add(-1)
}

// launch registers a query with a socket and puts it into the outbox.
func (l *lane) launch(a *ask, s *socket, now moment) {
	if a.socket == nil {
		a.socket, a.id = s, s.register(a)
		s.live++
		a.query.setID(a.id)
		if len(s.asks) >= maxAsked {
			s.retired = true
			l.current = nil
		}
	}
	if a.sends == 0 {
		a.sent = now
		a.stands.goOn(now)
		a.at = int32(len(l.flying))
		l.flying = append(l.flying, a)
	}
	if !a.counted {
		a.counted = true
		l.window.out++
	}
	a.sends, a.last = a.sends+1, now
	if took := time.Duration(l.pool.took.Load()); !l.rtt.known && took != 0 {
		l.rtt.sample(took) // another lane knows more
	}
	wait := l.rtt.timeout(a.timeout) << (a.sends - 1)
	a.again = now.add(time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64())))
	a.spared = now.add(l.rtt.patience(a.timeout))
	a.schedule()
	l.outbox.add(a.query.datagram(), a.sends > 1)
}

// schedule sets when the query has to be looked at next.
func (a *ask) schedule() {
	a.due = a.expires()
	if a.again != 0 {
		a.due = min(a.due, a.again)
	}
	if a.counted {
		a.due = min(a.due, a.spared)
	}
	if a.hedge > 0 && !a.hedged {
		a.due = min(a.due, a.sent.add(a.hedge))
	}
}

// open gives the socket for new queries. It is called with mu held.
func (l *lane) open() (*socket, error) {
	if l.current != nil {
		return l.current, nil
	}
	conn, err := l.pool.dial()
	if err != nil {
		return nil, err
	}
	s := newSocket(conn)
	l.current = s
	l.sockets = append(l.sockets, s)
	l.pool.running.Go(func() { l.read(s) })
	return s, nil
}

// drop ends the part of the lane in a query. It is called with mu held.
func (l *lane) drop(a *ask) {
	a.over, a.clean = true, !a.queued
	if a.sends == 0 {
		return
	}
	if a.counted {
		a.counted = false
		l.window.out--
	}
	last := len(l.flying) - 1
	l.flying[a.at] = l.flying[last]
	l.flying[a.at].at = a.at
	l.flying[last] = nil
	l.flying = l.flying[:last]
	if s := a.socket; s != nil {
		s.forget(a.id)
		s.live--
		l.closeIfIdle(s)
	}
}

// closeIfIdle closes a socket that takes no more queries and waits for none. Its reader sees
// that and ends. It is called with mu held.
func (l *lane) closeIfIdle(s *socket) {
	if s.retired && s.live == 0 && !s.dead {
		l.bury(s)
	}
}

// bury closes a socket. It is called with mu held.
func (l *lane) bury(s *socket) {
	s.dead, s.retired = true, true
	if l.current == s {
		l.current = nil
	}
	if i := slices.Index(l.sockets, s); i >= 0 {
		l.sockets = slices.Delete(l.sockets, i, i+1)
	}
	_ = s.conn.Close() // nothing is lost with it
}

// fail closes a socket and hands err to everyone who waits on it.
func (l *lane) fail(s *socket, err error) {
	var list []told
	l.mu.Lock()
	if !s.dead {
		for _, a := range s.waiting() {
			l.drop(a)
			list = append(list, told{a, reply{err: err, sent: a.sent, wrong: int(a.wrong)}})
		}
		if !s.dead {
			l.bury(s)
		}
	}
	l.mu.Unlock()
	tell(list)
}

func (l *lane) close() {
	var list []told
	l.mu.Lock()
	l.closed = true
	for ; l.waiting.len() > 0; l.waiting.pop() {
		list = append(list, told{l.waiting.peek(), reply{err: errClosed}})
	}
	l.resend = queue{}
	l.queued.Store(0)
	for len(l.flying) > 0 {
		a := l.flying[0]
		l.drop(a)
		list = append(list, told{a, reply{err: errClosed, sent: a.sent}})
	}
	for len(l.sockets) > 0 {
		l.bury(l.sockets[0])
	}
	l.mu.Unlock()
	tell(list)
}

// keepTime looks after the queries while there are any.
func (l *lane) keepTime() {
	timer := time.NewTimer(l.tick)
	defer timer.Stop()
	for {
		select {
		case <-l.busy:
		case <-l.pool.closing:
			return
		}
		for awake := true; awake; {
			timer.Reset(l.tick)
			select {
			case <-timer.C:
			case <-l.pool.closing:
				return
			}
			awake = l.look(rightNow())
			l.pool.flush()
		}
	}
}

// look ends queries whose time is over or that nobody waits for, and sends those again that
// are taken for lost. It tells whether any is left.
func (l *lane) look(now moment) bool {
	var list []told
	var late []asker
	silent := l.pool.silent()
	l.mu.Lock()
	for _, a := range slices.Backward(l.flying) { // those that are dropped make room behind
		err := a.owner.ended()
		switch {
		case err != nil:
		case silent && a.isEarly():
			a.hedged = true
			late = append(late, a.owner)
			continue
		case now < a.due:
			continue
		case now >= a.expires():
			err = errTimeout
		}
		if err != nil {
			l.drop(a)
			list = append(list, told{a, reply{err: err, sent: a.sent, wrong: int(a.wrong)}})
			continue
		}
		if a.hedge > 0 && !a.hedged && now >= a.sent.add(a.hedge) {
			a.hedged = true
			late = append(late, a.owner)
		}
		if a.counted && now >= a.spared {
			a.counted = false
			l.window.out--
		}
		if a.again != 0 && now >= a.again {
			l.lose(a)
		}
		a.schedule()
	}
	if l.looks++; l.looks%tidyEvery == 0 || l.waiting.len() > 0 && l.waiting.peek().owner.ended() != nil {
		list = append(list, l.tidy()...)
	}
	if silent {
		late = append(late, l.lateInQueue()...)
	}
	l.awake = len(l.flying)+l.waiting.len() > 0
	awake := l.awake
	l.mu.Unlock()
	for _, o := range late {
		o.late()
	}
	tell(list)
	return awake
}

// isEarly tells whether a query was asked before its resolver was known to be silent, and no
// other one is asked yet.
func (a *ask) isEarly() bool { return a.hedge > 0 && !a.hedged && !a.probe }

// lateInQueue gives what is to be told to those who wait for their turn at a resolver that is
// silent: another one need not wait for that. It is called with mu held.
func (l *lane) lateInQueue() []asker {
	var late []asker
	for _, a := range l.waiting.asks[l.waiting.head:] {
		if a.isEarly() {
			a.hedged = true
			late = append(late, a.owner)
		}
	}
	return late
}

// tidy takes queries out of the queues that nobody waits for. It is called with mu held.
func (l *lane) tidy() []told {
	var list []told
	l.waiting.remove(func(a *ask) bool {
		err := a.owner.ended()
		if err != nil {
			a.over, a.clean = true, true
			list = append(list, told{a, reply{err: err}})
		}
		return err != nil
	})
	l.resend.remove(func(a *ask) bool { return a.over })
	l.queued.Store(int32(l.waiting.len() + l.resend.len()))
	return list
}

// lose takes a query for lost and queues it to be sent again, unless it was often enough. It
// is called with mu held.
func (l *lane) lose(a *ask) {
	a.again = 0
	if a.counted {
		a.counted = false
		l.window.out--
	}
	if a.sends < maxSends {
		l.sendAgain(a)
	}
}

func (l *lane) sendAgain(a *ask) {
	if a.queued {
		return
	}
	a.queued = true
	l.resend.push(a)
	l.queued.Add(1)
}
