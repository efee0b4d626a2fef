package primary

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// message is one message of a transfer as it goes out, but for its ID, its flags, the case of
// letters in its question and its signature. It is never changed; generations of a zone share
// those in which they do not differ.
type message struct {
	wire    []byte // header, question, records
	owners  []uint16
	records int
	first   []byte // the key of the first owner name
	sum     uint64 // of the hashes of its records, an SOA apart
}

// Sizes of messages in octets.
const (
	headerLen = 12
	// messageSize is how far a message of a transfer is filled. A name can be pointed at in the
	// first 16 KiB of a message alone (RFC 1035 §4.1.4), so that longer ones compress worse.
	messageSize = 16 << 10
	// mostMessage is how far it is filled for one large record: behind it there is room for a
	// signature.
	mostMessage = 1<<16 - 1 - signatureRoom
	// signatureRoom holds a TSIG record: two names, the longest MAC and what is fixed.
	signatureRoom = 2*zone.MaxNameLen + 64 + 64
)

// Compression pointers (RFC 1035 §4.1.4): the two bits that make one, and where their targets
// end.
const (
	pointer    = 0xc000
	pointerTop = 1 << 14
)

// slot is a place in the table of a packer: a name that stands at an offset of the message.
type slot struct {
	hash   uint32
	offset uint16
	round  uint16
}

// packer packs records into messages. The question, which every message has, is for the apex.
type packer struct {
	apex     []byte
	apexHash uint32
	qtype    uint16

	buf       []byte
	owners    []uint16
	records   int
	lastOwner []byte // of the record before, in this message
	lastAt    int    // where that stands; 0: nowhere that can be pointed at
	round     uint16
	table     [1 << 10]slot
}

func newPacker(apex []byte, qtype uint16) *packer {
	p := &packer{apex: apex, qtype: qtype, buf: make([]byte, 0, messageSize+1<<10)}
	p.apexHash = hashSuffix(apex)
	p.begin()
	return p
}

// begin begins the next message.
func (p *packer) begin() {
	p.buf = append(p.buf[:0], make([]byte, headerLen)...)
	binary.BigEndian.PutUint16(p.buf[4:], 1)
	p.buf = append(p.buf, p.apex...)
	p.buf = binary.BigEndian.AppendUint16(p.buf, p.qtype)
	p.buf = binary.BigEndian.AppendUint16(p.buf, dns.ClassINET)
	p.owners, p.records = p.owners[:0], 0
	p.lastAt = 0
	p.round++
	if p.round == 0 {
		p.table, p.round = [len(p.table)]slot{}, 1
	}
	// The labels above the apex.
	for i := 0; p.apex[i] != 0; i += int(p.apex[i]) + 1 {
		p.note(hashSuffix(p.apex[i:]), headerLen+i)
	}
}

// add adds a record, and tells whether it had room. A message that is empty has room for
// every record.
func (p *packer) add(r *record, limit int) bool {
	before := len(p.buf)
	same := p.records > 0 && bytes.Equal(r.owner, p.lastOwner)
	if same && p.lastAt > 0 {
		p.buf = binary.BigEndian.AppendUint16(p.buf, pointer|uint16(p.lastAt))
	} else {
		p.name(r.owner)
	}
	p.buf = appendFixed(p.buf, r.typ, r.ttl)
	length := len(p.buf)
	p.buf = append(p.buf, 0, 0)
	p.rdata(r.typ, r.rdata)
	if len(p.buf) > limit && p.records > 0 {
		p.buf = p.buf[:before]
		return false
	}
	binary.BigEndian.PutUint16(p.buf[length:], uint16(len(p.buf)-length-2))
	if !same {
		p.owners = append(p.owners, uint16(before))
		p.lastOwner, p.lastAt = append(p.lastOwner[:0], r.owner...), 0
		switch c := p.buf[before]; {
		case c >= pointer>>8: // nothing else stands there
			p.lastAt = int(binary.BigEndian.Uint16(p.buf[before:]) &^ pointer)
		case before < pointerTop:
			p.lastAt = before
		}
	}
	p.records++
	return true
}

func (p *packer) rdata(typ uint16, rdata []byte) {
	s := shapeOf(typ, rdata)
	if !s.compress {
		p.buf = append(p.buf, rdata...)
		return
	}
	p.buf = append(p.buf, rdata[:s.skip]...)
	rdata = rdata[s.skip:]
	for range s.names {
		n := zone.WireNameLen(rdata)
		p.name(rdata[:n])
		rdata = rdata[n:]
	}
	p.buf = append(p.buf, rdata...)
}

// name appends a name, the longest end of it that stands in the message already as a pointer.
func (p *packer) name(name []byte) {
	var starts [maxLabels]int
	var hashes [maxLabels]uint32
	n, end := 0, len(name)-1
	hash, above := uint32(hashRoot), 0 // where the name that hash is of stands; 0: it is the root
	if len(p.apex) > 1 && bytes.HasSuffix(name, p.apex) {
		end, hash, above = len(name)-len(p.apex), p.apexHash, headerLen
	}
	i := 0
	for ; i < end; i += int(name[i]) + 1 {
		starts[n] = i
		n++
	}
	if i != end { // the apex is no name of its own in there
		n, end, hash, above = 0, len(name)-1, hashRoot, 0
		for i = 0; i < end; i += int(name[i]) + 1 {
			starts[n] = i
			n++
		}
	}
	for k := n - 1; k >= 0; k-- {
		hash = hashLabel(hash, name[starts[k]:starts[k]+1+int(name[starts[k]])])
		hashes[k] = hash
	}
	stop := n
	for k := range n {
		if at := p.find(hashes[k], name[starts[k]:]); at > 0 {
			stop, above = k, at
			break
		}
	}
	for k := range stop {
		p.note(hashes[k], len(p.buf)+starts[k])
	}
	if stop < n {
		end = starts[stop]
	}
	p.buf = append(p.buf, name[:end]...)
	if above == 0 {
		p.buf = append(p.buf, 0)
		return
	}
	p.buf = binary.BigEndian.AppendUint16(p.buf, pointer|uint16(above))
}

// note remembers where a name stands.
func (p *packer) note(hash uint32, at int) {
	if at < pointerTop {
		p.table[hash%uint32(len(p.table))] = slot{hash, uint16(at), p.round}
	}
}

// find tells where a name stands, in the same case; 0: nowhere that is known.
func (p *packer) find(hash uint32, name []byte) int {
	s := p.table[hash%uint32(len(p.table))]
	// A place behind the end is that of a record that had no room.
	if s.hash != hash || s.round != p.round || int(s.offset) >= len(p.buf) {
		return 0
	}
	at := int(s.offset)
	for {
		c := p.buf[at]
		if c >= pointer>>8 {
			at = int(binary.BigEndian.Uint16(p.buf[at:]) &^ pointer)
			continue
		}
		if c != name[0] || !bytes.Equal(p.buf[at:at+1+int(c)], name[:1+int(c)]) {
			return 0
		}
		if c == 0 {
			return int(s.offset)
		}
		at += 1 + int(c)
		name = name[1+int(c):]
	}
}

const hashRoot = 0x9e3779b9

func hashLabel(h uint32, label []byte) uint32 {
	for _, c := range label {
		h = (h ^ uint32(c)) * 0x01000193
	}
	return h ^ h>>15
}

// hashSuffix is the hash of a whole name.
func hashSuffix(name []byte) uint32 {
	var starts [maxLabels]int
	n := 0
	for i := 0; name[i] != 0; i += int(name[i]) + 1 {
		starts[n] = i
		n++
	}
	h := uint32(hashRoot)
	for n--; n >= 0; n-- {
		at := starts[n]
		h = hashLabel(h, name[at:at+1+int(name[at])])
	}
	return h
}

// message gives what was packed, for good.
func (p *packer) message() *message {
	m := &message{wire: bytes.Clone(p.buf), owners: append([]uint16(nil), p.owners...), records: p.records}
	binary.BigEndian.PutUint16(m.wire[6:], uint16(p.records))
	return m
}

// nameAt reads a name of a message. The message is one of ours.
func nameAt(wire []byte, at int, dst []byte) (name []byte, next int) {
	for {
		c := wire[at]
		if c >= pointer>>8 {
			if next == 0 {
				next = at + 2
			}
			at = int(binary.BigEndian.Uint16(wire[at:]) &^ pointer)
			continue
		}
		dst = append(dst, wire[at:at+1+int(c)]...)
		at += 1 + int(c)
		if c == 0 {
			if next == 0 {
				next = at
			}
			return dst, next
		}
	}
}

// recordAt reads a record of a message into a buffer, and gives the offset of the next one.
func recordAt(wire []byte, at int, buf []byte) (r record, out []byte, next int) {
	buf, at = nameAt(wire, at, buf[:0])
	owner := len(buf)
	r.typ, r.ttl = binary.BigEndian.Uint16(wire[at:]), binary.BigEndian.Uint32(wire[at+4:])
	next = at + recordFixed + int(binary.BigEndian.Uint16(wire[at+8:]))
	at += recordFixed
	if s := shapeOf(r.typ, nil); s.compress {
		buf = append(buf, wire[at:at+s.skip]...)
		at += s.skip
		for range s.names {
			buf, at = nameAt(wire, at, buf)
		}
	}
	buf = append(buf, wire[at:next]...)
	r.owner, r.rdata = buf[:owner:owner], buf[owner:]
	return r, buf, next
}

// keyAt gives the key of an owner name of a message.
func (m *message) keyAt(i, apexLen int, dst []byte) []byte {
	var buf [zone.MaxNameLen]byte
	name, _ := nameAt(m.wire, int(m.owners[i]), buf[:0])
	return appendKey(dst, name, apexLen)
}

// search gives the first owner name of a message that is not before a key.
func (m *message) search(key []byte, apexLen int) int {
	var buf [2 * zone.MaxNameLen]byte
	return sort.Search(len(m.owners), func(i int) bool {
		return bytes.Compare(m.keyAt(i, apexLen, buf[:0]), key) >= 0
	})
}

// end is where the records of an owner name end.
func (m *message) end(i int) int {
	if i+1 < len(m.owners) {
		return int(m.owners[i+1])
	}
	return len(m.wire)
}
