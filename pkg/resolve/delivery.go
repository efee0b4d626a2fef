package resolve

import (
	"encoding/binary"
	"sync"
)

var inboxPool = sync.Pool{New: func() any { return new(inbox) }}

// read delivers what arrives until the socket is closed.
func (l *lane) read(s *socket) {
	in, _ := inboxPool.Get().(*inbox)
	d := &in.delivery
	d.lane, d.socket = l, s
	defer func() {
		d.forget()
		inboxPool.Put(in)
		l.mu.Lock()
		s.giveBack()
		l.mu.Unlock()
	}()
	for {
		var err error
		d.packets, err = s.conn.receive(in, d.packets[:0])
		if err != nil {
			if fatal(err) {
				l.fail(s, err)
				l.pool.flush()
				return
			}
			continue
		}
		d.deliver()
		l.pool.flush()
	}
}

// delivery hands the packets of one batch to those who asked.
type delivery struct {
	lane    *lane
	socket  *socket
	packets [][]byte
	asks    []*ask  // by packet; nil where nobody waits
	queries []query // of those
	fits    []match
	told    []told
}

// forget lets go of all that was delivered; the room for it stays.
func (d *delivery) forget() {
	clear(d.asks[:cap(d.asks)])
	clear(d.queries[:cap(d.queries)])
	clear(d.told[:cap(d.told)])
	d.lane, d.socket = nil, nil
}

// deliver looks the queries up, compares without a lock, and then takes them off the lane.
// A packet that fits none is passed over: the right reply may still come.
func (d *delivery) deliver() {
	l, s := d.lane, d.socket
	d.asks, d.queries, d.fits, d.told = d.asks[:0], d.queries[:0], d.fits[:0], d.told[:0]
	unasked := 0
	l.mu.Lock()
	for _, p := range d.packets {
		var a *ask
		known := false
		if len(p) >= headerLen {
			a, known = s.find(binary.BigEndian.Uint16(p))
		}
		if !known {
			unasked++
		}
		// An ask that is done may become one of another lookup, so its query is copied.
		q := query{}
		if a != nil {
			q = a.query
		}
		d.asks, d.queries = append(d.asks, a), append(d.queries, q)
	}
	l.mu.Unlock()
	for i, a := range d.asks {
		fit := noMatch
		if a != nil {
			fit = d.queries[i].fit(d.packets[i])
		}
		d.fits = append(d.fits, fit)
	}
	now := rightNow()
	l.mu.Lock()
	for i, a := range d.asks {
		switch {
		case a == nil || !s.waits(d.packets[i], a): // answered already
		case d.fits[i] == noMatch:
			a.wrong++
			unasked++
		default:
			l.measure(a, now)
			l.drop(a)
			d.told = append(d.told, told{a, reply{packet: d.packets[i], caseDiffs: d.fits[i] == caseDiffs, sent: a.sent, came: now}})
		}
	}
	if unasked > 0 {
		d.told = append(d.told, l.forged(s, unasked)...)
	}
	l.mu.Unlock()
	tell(d.told)
}

// measure learns from an answer how long answers take and whether queries are lost. It is
// called with mu held.
func (l *lane) measure(a *ask, now moment) {
	switch {
	case a.sends == 1:
		took := now.since(a.sent)
		if !l.rtt.known {
			l.pool.took.Store(int64(took))
		}
		l.rtt.sample(took)
	case now.since(a.last) < l.rtt.soon() && a.moves == 0:
		l.window.lose(now, l.rtt.timeout(a.timeout))
	}
	if a.counted {
		l.window.answer(now, l.rtt.pace())
	}
}

// forged counts packets that fit no query. After too many of them the socket is given up, and
// its queries are asked again from another port with other identifiers; who has moved too
// often is told. It is called with mu held.
func (l *lane) forged(s *socket, n int) []told {
	if s.forged += n; s.forged < maxForged || s.dead {
		return nil
	}
	var list []told
	for _, a := range s.waiting() {
		if a.moves++; a.moves > maxMoves {
			l.drop(a)
			list = append(list, told{a, reply{err: errForged, sent: a.sent, wrong: int(a.wrong)}})
			continue
		}
		a.socket = nil
		l.sendAgain(a)
	}
	s.clear()
	if !s.dead {
		l.bury(s)
	}
	return list
}
