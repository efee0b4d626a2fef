package resolve

import (
	"cmp"
	"encoding/binary"
	"net"
	"slices"
	"sync"
)

// socket is one connected socket. Each reply finds its query by the identifier.
type socket struct {
	conn    packetConn
	numbers *numbers // nil once given back
	ids     []uint16 // by place
	asks    []*ask   // all that were ever sent; nil once done, so that a late reply is known for what it is
	live    int      // of these, those that wait
	forged  int
	retired bool // takes no more queries; closed when the last one is done
	dead    bool
}

// numbers is the memory for the identifiers of a socket, used by one after the other.
type numbers struct {
	table [1 << 16]uint16 // by identifier: the place in asks, from 1; all zero while nobody uses it
	ids   [maxAsked]uint16
	asks  [maxAsked]*ask
}

var numbersPool = sync.Pool{New: func() any { return new(numbers) }}

func newSocket(conn net.Conn) *socket {
	n, _ := numbersPool.Get().(*numbers)
	return &socket{conn: newPacketConn(conn), numbers: n, ids: n.ids[:0], asks: n.asks[:0]}
}

// giveBack returns the memory for identifiers once nobody reads from the socket.
func (s *socket) giveBack() {
	s.clear()
	n := s.numbers
	s.numbers, s.ids, s.asks = nil, nil, nil
	numbersPool.Put(n)
}

// register gives a query an identifier that no query on the socket has or had.
func (s *socket) register(a *ask) uint16 {
	id := randomID()
	table := &s.numbers.table
	for table[id] != 0 {
		id = randomID()
	}
	s.asks, s.ids = append(s.asks, a), append(s.ids, id)
	table[id] = uint16(len(s.asks))
	return id
}

// find gives the query with an identifier; nil if it is done. Known tells whether there ever
// was one.
func (s *socket) find(id uint16) (a *ask, known bool) {
	if s.numbers == nil || s.numbers.table[id] == 0 {
		return nil, false
	}
	return s.asks[s.numbers.table[id]-1], true
}

// forget takes a query off the socket.
func (s *socket) forget(id uint16) {
	if s.numbers != nil && s.numbers.table[id] != 0 {
		s.asks[s.numbers.table[id]-1] = nil
	}
}

// clear forgets all queries that ever were.
func (s *socket) clear() {
	for _, id := range s.ids {
		s.numbers.table[id] = 0
	}
	clear(s.asks)
	s.ids, s.asks = s.ids[:0], s.asks[:0]
}

// waits tells whether a query still waits for a packet.
func (s *socket) waits(packet []byte, a *ask) bool {
	got, _ := s.find(binary.BigEndian.Uint16(packet))
	return got == a
}

// waiting gives the queries that wait for a reply on the socket, in the order of sending.
func (s *socket) waiting() []*ask {
	var list []*ask
	for _, a := range s.asks {
		if a != nil {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *ask) int { return cmp.Compare(a.sent, b.sent) })
	return list
}
