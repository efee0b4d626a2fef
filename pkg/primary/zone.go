package primary

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Zone is one generation of a zone, packed as transfers send it: the records in canonical order,
// the SOA first, each once. It never changes.
type Zone struct {
	name     zone.Name
	serial   zone.Serial
	soa      record
	messages []*message // at least one
	records  int        // the SOA included
	size     int        // octets of the messages
	sum      uint64     // of the hashes of all records, the SOA apart
}

// newZone makes a zone of messages in their order.
func newZone(name zone.Name, list []*message) (*Zone, error) {
	z := &Zone{name: name, messages: list}
	for _, m := range list {
		z.records += m.records
		z.size += len(m.wire)
		z.sum += m.sum
	}
	if len(list) == 0 || len(list[0].first) > 0 {
		return nil, ErrNoSOA
	}
	start := headerLen + len(name.Wire()) + 4
	first, _, next := recordAt(list[0].wire, start, nil)
	if first.typ != dns.TypeSOA {
		return nil, ErrNoSOA
	}
	if next < len(list[0].wire) {
		if second, _, _ := recordAt(list[0].wire, next, nil); second.typ == dns.TypeSOA {
			return nil, ErrSeveralSOAs
		}
	}
	z.soa, z.serial = first, soaSerial(first.rdata)
	return z, nil
}

// Name is the name of the zone.
func (z *Zone) Name() zone.Name { return z.name }

// Serial is the serial of its SOA.
func (z *Zone) Serial() zone.Serial { return z.serial }

// Records is how many records it has, the SOA included.
func (z *Zone) Records() int { return z.records }

// Size is how many octets a transfer of it takes, but for signatures.
func (z *Zone) Size() int { return z.size }

// soaSerial is the serial in the RDATA of an SOA.
func soaSerial(rdata []byte) zone.Serial {
	return zone.Serial(binary.BigEndian.Uint32(rdata[len(rdata)-soaFixed:]))
}

// soaMinimum is the TTL for negative answers in the RDATA of an SOA (RFC 2308 §4).
func soaMinimum(rdata []byte) uint32 { return binary.BigEndian.Uint32(rdata[len(rdata)-4:]) }

// place is where an owner name stands in a zone: past the end where message is len(messages).
type place struct{ message, owner int }

// search gives the place of the first owner name that is not before a key.
func (z *Zone) search(key []byte) place {
	i := sort.Search(len(z.messages), func(i int) bool { return bytes.Compare(z.messages[i].first, key) >= 0 })
	if i > 0 {
		if o := z.messages[i-1].search(key, len(z.name.Wire())); o < len(z.messages[i-1].owners) {
			return place{i - 1, o}
		}
	}
	return place{i, 0}
}

// keyAt gives the key of the owner name at a place, and whether there is one.
func (z *Zone) keyAt(p place, dst []byte) ([]byte, bool) {
	if p.message == len(z.messages) {
		return dst, false
	}
	return z.messages[p.message].keyAt(p.owner, len(z.name.Wire()), dst), true
}

// cursor goes through the records of a zone.
type cursor struct {
	zone    *Zone
	place   place
	at      int // offset of the record in its message
	next    int
	current record // valid until the cursor moves
	key     []byte // of its owner name
	buf     []byte
	started bool // the record is not the first one of its message
}

// open puts a cursor at a place.
func (z *Zone) open(p place) *cursor {
	c := &cursor{zone: z, place: p}
	if c.valid() {
		c.at = int(z.messages[p.message].owners[p.owner])
		c.started = p.owner > 0
		c.readKey()
		c.read()
	}
	return c
}

// valid tells whether there is a record.
func (c *cursor) valid() bool { return c.place.message < len(c.zone.messages) }

func (c *cursor) message() *message { return c.zone.messages[c.place.message] }

func (c *cursor) readKey() {
	c.key = c.message().keyAt(c.place.owner, len(c.zone.name.Wire()), c.key[:0])
}

func (c *cursor) read() {
	c.current, c.buf, c.next = recordAt(c.message().wire, c.at, c.buf)
}

// move goes to the next record.
func (c *cursor) move() {
	m := c.message()
	if c.next == len(m.wire) {
		c.skip()
		return
	}
	c.at, c.started = c.next, true
	if c.at == m.end(c.place.owner) {
		c.place.owner++
		c.readKey()
	}
	c.read()
}

// skip goes to the first record of the next message.
func (c *cursor) skip() {
	c.place = place{message: c.place.message + 1}
	c.started = false
	if c.valid() {
		c.at = int(c.message().owners[0])
		c.readKey()
		c.read()
	}
}

// RRset is what takes the place of the RRset of an owner name and a type.
type RRset struct {
	Owner []byte // in wire form, letter case as it is to be served
	Type  uint16
	TTL   uint32
	RDATA [][]byte // in wire form, uncompressed; none: the RRset goes
}

// Replace gives the generation behind z in which RRsets are others. The SOA is that of z, or of
// the sets, with the serial. It costs what has changed: all else is shared with z. An error is a
// [*RecordError].
func (z *Zone) Replace(serial zone.Serial, sets []RRset) (*Zone, error) {
	changes, err := z.changes(sets)
	if err != nil {
		return nil, err
	}
	list := make([]*message, 0, len(z.messages)+1)
	next := 0 // the first message that is not in list
	for len(changes) > 0 {
		var lo, hi, n int
		lo, hi, n = z.span(changes)
		list = append(list, z.messages[next:lo]...)
		part, err := z.rewrite(z.messages[lo:hi], changes[:n], serial)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
		next, changes = hi, changes[n:]
	}
	return newZone(z.name, append(list, z.messages[next:]...))
}

// change is an RRset that takes the place of another.
type change struct {
	key []byte
	set *RRset
}

// changes gives RRsets in the order of the zone; one without a set, for the SOA, is first.
func (z *Zone) changes(sets []RRset) ([]change, error) {
	changes := make([]change, 1, len(sets)+1)
	for i := range sets {
		set := &sets[i]
		owner, err := zone.NameFromWire(set.Owner)
		if err == nil && !owner.IsIn(z.name) {
			err = errNotInZone
		}
		if err != nil {
			return nil, &RecordError{Owner: owner, Type: set.Type, Err: err}
		}
		changes = append(changes, change{appendKey(nil, set.Owner, len(z.name.Wire())), set})
	}
	slices.SortStableFunc(changes[1:], func(a, b change) int { return bytes.Compare(a.key, b.key) })
	return changes, nil
}

// span gives the messages, from lo to before hi, that the first n changes are about and no
// other change is.
func (z *Zone) span(changes []change) (lo, hi, n int) {
	for n = 0; n < len(changes); n++ {
		key := changes[n].key
		first := sort.Search(len(z.messages), func(i int) bool { return bytes.Compare(z.messages[i].first, key) >= 0 })
		first = max(first-1, 0)
		behind := sort.Search(len(z.messages), func(i int) bool { return bytes.Compare(z.messages[i].first, key) > 0 })
		behind = max(behind, 1)
		switch {
		case n == 0:
			lo, hi = first, behind
		case first >= hi:
			return lo, hi, n
		default:
			hi = max(hi, behind)
		}
		// What is left of a message goes together with its neighbor.
		if hi < len(z.messages) && len(z.messages[hi-1].wire) < messageSize/2 {
			hi++
		}
	}
	return lo, hi, n
}

// rewrite packs messages anew with changes, which are all within them.
func (z *Zone) rewrite(old []*message, changes []change, serial zone.Serial) ([]*message, error) {
	c := newCollection(z.name)
	for i := range changes {
		ch := &changes[i]
		if ch.set == nil {
			continue
		}
		for _, d := range ch.set.RDATA {
			r := record{owner: ch.set.Owner, typ: ch.set.Type, ttl: ch.set.TTL, rdata: d}
			if r.typ == dns.TypeSOA && len(r.rdata) >= soaFixed {
				r.rdata = withSerial(r.rdata, serial)
			}
			if err := c.check(&r); err != nil {
				owner, _ := zone.NameFromWire(r.owner) // it was read before
				return nil, &RecordError{Owner: owner, Type: r.typ, Err: err}
			}
			c.add(&r)
		}
	}
	part := &Zone{name: z.name, messages: old}
	for at := part.open(place{}); at.valid(); at.move() {
		r := at.current
		if replaced(changes, at.key, r.typ) {
			continue
		}
		if r.typ == dns.TypeSOA {
			r.rdata = withSerial(r.rdata, serial)
		}
		c.add(&r)
	}
	return c.pack(), nil
}

// RecordError says which record cannot be served.
type RecordError struct {
	Owner zone.Name
	Type  uint16
	Err   error
}

// Error names the record and what is wrong with it.
func (e *RecordError) Error() string {
	return e.Owner.String() + " " + dns.Type(e.Type).String() + ": " + e.Err.Error()
}

// Unwrap gives what is wrong with the record.
func (e *RecordError) Unwrap() error { return e.Err }

func withSerial(rdata []byte, serial zone.Serial) []byte {
	rdata = bytes.Clone(rdata)
	binary.BigEndian.PutUint32(rdata[len(rdata)-soaFixed:], uint32(serial))
	return rdata
}

// replaced tells whether an RRset is one that changes take the place of.
func replaced(changes []change, key []byte, typ uint16) bool {
	i, found := slices.BinarySearchFunc(changes, key, func(c change, key []byte) int { return bytes.Compare(c.key, key) })
	if !found {
		return false
	}
	for ; i < len(changes) && bytes.Equal(changes[i].key, key); i++ {
		if changes[i].set != nil && changes[i].set.Type == typ {
			return true
		}
	}
	return false
}
