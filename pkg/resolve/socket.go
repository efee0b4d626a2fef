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
	table   *[1 << 16]uint16 // by identifier: the place in asks, from 1
	ids     []uint16         // by place
	asks    []*ask           // all that were ever sent; nil once done, so that a late reply is known for what it is
	live    int              // of these, those that wait
	forged  int
	retired bool // takes no more queries; closed when the last one is done
	dead    bool
}

// tables are the identifiers of sockets, all zero while nobody uses them.
var tables = sync.Pool{New: func() any { return new([1 << 16]uint16) }}

func newSocket(conn net.Conn) *socket {
	table, _ := tables.Get().(*[1 << 16]uint16)
	return &socket{conn: newPacketConn(conn), table: table}
}

// register gives a query an identifier that no query on the socket has or had.
func (s *socket) register(a *ask) uint16 {
	id := randomID()
	for s.table[id] != 0 {
		id = randomID()
	}
	s.asks, s.ids = append(s.asks, a), append(s.ids, id)
	s.table[id] = uint16(len(s.asks))
	return id
}

// find gives the query with an identifier; nil if it is done. Known tells whether there ever
// was one.
func (s *socket) find(id uint16) (a *ask, known bool) {
	if s.table == nil || s.table[id] == 0 {
		return nil, false
	}
	return s.asks[s.table[id]-1], true
}

// forget takes a query off the socket.
func (s *socket) forget(id uint16) {
	if s.table != nil && s.table[id] != 0 {
		s.asks[s.table[id]-1] = nil
	}
}

// clear forgets all queries that ever were.
func (s *socket) clear() {
	for _, id := range s.ids {
		s.table[id] = 0
	}
	s.ids, s.asks = nil, nil
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
