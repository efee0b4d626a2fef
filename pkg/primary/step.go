package primary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// step is the difference between two generations of a zone, as IXFR tells it (RFC 1995 §4).
type step struct {
	from, to       zone.Serial
	oldSOA, newSOA []byte // records in wire form
	deleted, added []byte // records in wire form, one behind the other, in the order of the zone
	records        int
	sum            uint64 // that of the later zone
}

// size is about how many octets it takes in a transfer.
func (s *step) size() int {
	return len(s.oldSOA) + len(s.newSOA) + len(s.deleted) + len(s.added)
}

// difference gives the step from one generation to the next.
func difference(old, latest *Zone) *step {
	s := &step{
		from: old.serial, to: latest.serial, sum: latest.sum, records: 2,
		oldSOA: old.soa.append(nil), newSOA: latest.soa.append(nil),
	}
	a, b := old.open(place{}), latest.open(place{})
	for a.valid() || b.valid() {
		if a.valid() && b.valid() && !a.started && !b.started && sameMessage(a.message(), b.message()) {
			a.skip()
			b.skip()
			continue
		}
		switch c := compareCursors(a, b); {
		case c < 0:
			s.deleted = s.take(s.deleted, a)
			a.move()
		case c > 0:
			s.added = s.take(s.added, b)
			b.move()
		default:
			if a.current.ttl != b.current.ttl {
				s.deleted, s.added = s.take(s.deleted, a), s.take(s.added, b)
			}
			a.move()
			b.move()
		}
	}
	return s
}

// take appends the record at a cursor. The SOA stands apart.
func (s *step) take(dst []byte, c *cursor) []byte {
	if c.current.typ == dns.TypeSOA {
		return dst
	}
	s.records++
	return c.current.append(dst)
}

// empty tells whether nothing but the SOA differs.
func (s *step) empty() bool { return len(s.deleted) == 0 && len(s.added) == 0 }

func sameMessage(a, b *message) bool {
	return a == b || a.sum == b.sum && bytes.Equal(a.wire, b.wire)
}

// compareCursors orders the records at two cursors; past the end is last.
func compareCursors(a, b *cursor) int {
	switch {
	case !a.valid():
		return 1
	case !b.valid():
		return -1
	}
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	if c := typeOrder(a.current.typ) - typeOrder(b.current.typ); c != 0 {
		return c
	}
	if a.current.typ == dns.TypeSOA {
		return 0
	}
	return compareRDATA(a.current.typ, a.current.rdata, b.current.rdata)
}

// A step is kept as: version, sum, four lengths, and the four parts.
const (
	stepVersion = 1
	stepHead    = 1 + 8 + 4*4
)

// encode gives the form in which a step is kept.
func (s *step) encode() []byte {
	b := make([]byte, 0, stepHead+s.size())
	b = append(b, stepVersion)
	b = binary.BigEndian.AppendUint64(b, s.sum)
	parts := [...][]byte{s.oldSOA, s.newSOA, s.deleted, s.added}
	for _, part := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	}
	return append(b, bytes.Join(parts[:], nil)...)
}

// errStep says that octets are no step of a zone.
var errStep = errors.New("what is kept is no difference between two generations")

// decodeStep reads a step of a zone that was kept. All of its records are checked.
func decodeStep(name zone.Name, b []byte) (*step, error) {
	if len(b) < stepHead || b[0] != stepVersion {
		return nil, errStep
	}
	s := &step{sum: binary.BigEndian.Uint64(b[1:]), records: 2}
	lengths, rest := b[9:stepHead], b[stepHead:]
	for _, part := range []*[]byte{&s.oldSOA, &s.newSOA, &s.deleted, &s.added} {
		n := int(binary.BigEndian.Uint32(lengths))
		lengths = lengths[4:]
		if n < 0 || n > len(rest) {
			return nil, errStep
		}
		*part, rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, errStep
	}
	var err error
	if s.from, err = decodeSOA(name, s.oldSOA); err != nil {
		return nil, err
	}
	if s.to, err = decodeSOA(name, s.newSOA); err != nil {
		return nil, err
	}
	c := newCollection(name)
	for _, part := range [...][]byte{s.deleted, s.added} {
		for len(part) > 0 {
			var r record
			if r, part, err = cutRecord(part); err == nil {
				err = c.check(&r)
			}
			if err == nil && r.typ == dns.TypeSOA {
				err = errors.New("an SOA")
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errStep, err)
			}
			s.records++
		}
	}
	return s, nil
}

func decodeSOA(name zone.Name, wire []byte) (zone.Serial, error) {
	r, rest, err := cutRecord(wire)
	if err != nil || len(rest) > 0 || r.typ != dns.TypeSOA || len(r.owner) != len(name.Wire()) {
		return 0, errStep
	}
	return soaSerial(r.rdata), nil
}
