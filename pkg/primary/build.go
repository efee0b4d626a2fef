package primary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Builder gathers the records of a zone in any order. The zero Builder is not usable; see
// [NewBuilder]. It is not for concurrent use.
type Builder struct {
	name zone.Name
	c    collection
}

// NewBuilder begins a zone.
func NewBuilder(name zone.Name) *Builder {
	return &Builder{name: name, c: newCollection(name)}
}

// Grow makes room for so many records more, where that is known.
func (b *Builder) Grow(records int) { b.c.entries = slices.Grow(b.c.entries, records) }

// Add adds a record: the owner name and the RDATA in wire form, uncompressed, letter case as it
// is to be served. Both are copied. A record that is there already is not added again, and of
// several TTLs in one RRset the last one added counts. An error names the record; the builder
// stays usable.
func (b *Builder) Add(owner []byte, typ uint16, ttl uint32, rdata []byte) error {
	r := record{owner: owner, typ: typ, ttl: ttl, rdata: rdata}
	if err := b.c.check(&r); err != nil {
		return fmt.Errorf("%s %s: %w", ownerText(owner), dns.Type(typ), err)
	}
	b.c.add(&r)
	return nil
}

func ownerText(owner []byte) string {
	if n := zone.WireNameLen(owner); n > 0 {
		return string(zone.AppendNameText(nil, owner[:n]))
	}
	return fmt.Sprintf("%x", owner)
}

// What keeps records from being a zone.
var (
	ErrNoSOA       = errors.New("the zone has no SOA")
	ErrSeveralSOAs = errors.New("the zone has several SOAs")
)

// Zone packs the zone. The builder must not be used any more.
func (b *Builder) Zone() (*Zone, error) {
	z, err := newZone(b.name, b.c.pack())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.name, err)
	}
	return z, nil
}

// collection is records of one zone in any order. They stand one behind the other, and small
// entries without pointers are sorted in their place.
type collection struct {
	apex    []byte
	wire    arena // the records
	keys    arena // the keys of their owner names
	entries []entry
	last    int // where the record before stands in wire
}

// arena is octets that are written once. They stand in blocks, so that they stay where they are
// when there are more of them.
type arena struct{ blocks [][]byte }

const blockBits = 20

// open gives the block to append n octets to, and where they will stand.
func (a *arena) open(n int) (block *[]byte, at int) {
	last := len(a.blocks) - 1
	if last < 0 || cap(a.blocks[last])-len(a.blocks[last]) < n {
		size := 1 << blockBits
		if last < 0 {
			size = max(n, 1<<12) // a small zone needs no more
		}
		a.blocks = append(a.blocks, make([]byte, 0, size))
		last++
	}
	block = &a.blocks[last]
	return block, last<<blockBits | len(*block)
}

// from gives the octets from a place on.
func (a *arena) from(at int) []byte { return a.blocks[at>>blockBits][at&(1<<blockBits-1):] }

// entry is a record of a collection.
type entry struct {
	prefix uint64 // the first octets of the key, as a number of the same order
	key    int    // where the key begins
	at     int    // where the record begins
	keyLen uint16
	typ    uint16
}

func newCollection(name zone.Name) collection {
	return collection{apex: []byte(name.Wire())}
}

// check tells what keeps a record from being added.
func (c *collection) check(r *record) error {
	n := zone.WireNameLen(r.owner)
	if n == 0 || n != len(r.owner) {
		return zone.ErrNameTooLong
	}
	var folded [zone.MaxNameLen]byte
	lower := folded[:copy(folded[:], r.owner)]
	zone.FoldCase(lower)
	if !isIn(lower, c.apex) {
		return errNotInZone
	}
	if err := checkRDATA(r.typ, r.rdata); err != nil {
		return err
	}
	if r.typ == dns.TypeSOA && len(r.owner) != len(c.apex) {
		return errors.New("an SOA below the apex")
	}
	if headerLen+len(c.apex)+4+r.size() > mostMessage {
		return errTooLarge
	}
	return nil
}

// isIn tells whether a wire name in lower case is at or below another.
func isIn(name, apex []byte) bool {
	cut := len(name) - len(apex)
	if !bytes.HasSuffix(name, apex) {
		return false
	}
	i := 0
	for i < cut {
		i += int(name[i]) + 1
	}
	return i == cut
}

// add adds a record that was checked.
func (c *collection) add(r *record) {
	wire, at := c.wire.open(r.size())
	e := entry{at: at, typ: r.typ}
	if n := len(c.entries); n > 0 && bytes.HasPrefix(c.wire.from(c.last), r.owner) {
		before := &c.entries[n-1]
		e.key, e.keyLen, e.prefix = before.key, before.keyLen, before.prefix
	} else {
		keys, keyAt := c.keys.open(2 * zone.MaxNameLen)
		before := len(*keys)
		*keys = appendKey(*keys, r.owner, len(c.apex))
		key := (*keys)[before:]
		e.key = keyAt
		e.keyLen = uint16(len(key))
		var first [8]byte
		copy(first[:], key)
		e.prefix = binary.BigEndian.Uint64(first[:])
	}
	c.last = e.at
	*wire = r.append(*wire)
	c.entries = append(c.entries, e)
}

func (c *collection) keyOf(e *entry) []byte { return c.keys.from(e.key)[:e.keyLen:e.keyLen] }

// record gives the record of an entry, which was checked when it was added.
func (c *collection) record(e *entry) record {
	wire := c.wire.from(e.at)
	n := zone.WireNameLen(wire)
	fixed := wire[n:]
	end := n + recordFixed + int(binary.BigEndian.Uint16(fixed[8:]))
	return record{owner: wire[:n], typ: e.typ, ttl: binary.BigEndian.Uint32(fixed[4:]), rdata: wire[n+recordFixed : end]}
}

// compareSets orders entries by RRset.
func (c *collection) compareSets(a, b *entry) int {
	if a.prefix != b.prefix {
		if a.prefix < b.prefix {
			return -1
		}
		return 1
	}
	if a.key != b.key {
		if d := bytes.Compare(c.keyOf(a), c.keyOf(b)); d != 0 {
			return d
		}
	}
	return typeOrder(a.typ) - typeOrder(b.typ)
}

func (c *collection) compare(a, b entry) int {
	if d := c.compareSets(&a, &b); d != 0 {
		return d
	}
	ra, rb := c.record(&a), c.record(&b)
	if d := compareRDATA(a.typ, ra.rdata, rb.rdata); d != 0 {
		return d
	}
	return a.at - b.at
}

// pack sorts the records and packs them into messages.
func (c *collection) pack() []*message {
	slices.SortFunc(c.entries, c.compare)
	out := newMessages(c.apex)
	for lo := 0; lo < len(c.entries); {
		latest, hi := lo, lo+1
		for ; hi < len(c.entries) && c.compareSets(&c.entries[lo], &c.entries[hi]) == 0; hi++ {
			if c.entries[hi].at > c.entries[latest].at {
				latest = hi
			}
		}
		ttl := c.record(&c.entries[latest]).ttl
		key := c.keyOf(&c.entries[lo])
		var before []byte
		for i := lo; i < hi; i++ {
			r := c.record(&c.entries[i])
			if i > lo && compareRDATA(r.typ, before, r.rdata) == 0 {
				continue
			}
			before, r.ttl = r.rdata, ttl
			out.add(&r, key)
		}
		lo = hi
	}
	return out.done()
}

// messages fills one message after the other with records in their order.
type messages struct {
	packer *packer
	list   []*message
	first  []byte // the key of the first record of the message that is being filled
	sum    uint64
}

func newMessages(apex []byte) *messages { return &messages{packer: newPacker(apex, dns.TypeAXFR)} }

func (m *messages) add(r *record, key []byte) {
	if !m.packer.add(r, messageSize) {
		m.close()
		m.packer.add(r, messageSize)
	}
	if m.packer.records == 1 {
		m.first = bytes.Clone(key)
	}
	if r.typ != dns.TypeSOA {
		m.sum += r.hash(key)
	}
}

func (m *messages) close() {
	done := m.packer.message()
	done.first, done.sum = m.first, m.sum
	m.list = append(m.list, done)
	m.sum = 0
	m.packer.begin()
}

func (m *messages) done() []*message {
	if m.packer.records > 0 {
		m.close()
	}
	return m.list
}
