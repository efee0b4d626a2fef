package pull

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const headerLen = 12

var errCut = errors.New("a message is cut short")

// message is a DNS message as it came. Records are read from it one by one, in the wire form that
// they have: what is not known of a type is kept as it is (RFC 3597).
type message struct {
	wire    []byte
	answers int // where they begin
	count   int // of them
	tsig    *dns.TSIG
	signed  int // where the TSIG record begins; it holds where tsig is set
}

func (m *message) id() uint16  { return binary.BigEndian.Uint16(m.wire) }
func (m *message) rcode() int  { return int(m.wire[3] & 0x0f) }
func (m *message) isCut() bool { return m.wire[2]&0x02 != 0 }

func (m *message) isAuthoritative() bool { return m.wire[2]&0x04 != 0 }

// readMessage looks through a message, which is an answer to a question.
func readMessage(wire []byte, id uint16, name zone.Name, qtypes ...uint16) (*message, error) {
	if len(wire) < headerLen {
		return nil, errCut
	}
	m := &message{wire: wire}
	questions := int(binary.BigEndian.Uint16(wire[4:]))
	switch {
	case m.id() != id:
		return nil, errors.New("a message has the ID of another question")
	case wire[2]&0x80 == 0:
		return nil, errors.New("a message is no answer")
	case wire[2]>>3&0x0f != dns.OpcodeQuery:
		return nil, errors.New("a message is the answer to no query")
	case questions > 1:
		return nil, errors.New("a message has several questions")
	}
	at := headerLen
	if questions == 1 {
		var err error
		if at, err = checkQuestion(wire, name, qtypes); err != nil {
			return nil, err
		}
	}
	m.answers, m.count = at, int(binary.BigEndian.Uint16(wire[6:]))
	rest := m.count + int(binary.BigEndian.Uint16(wire[8:])) + int(binary.BigEndian.Uint16(wire[10:]))
	for n := range rest {
		h, err := readHead(wire, at)
		if err != nil {
			return nil, err
		}
		if h.typ == dns.TypeTSIG {
			if n != rest-1 || n < rest-int(binary.BigEndian.Uint16(wire[10:])) {
				return nil, errors.New("its TSIG record is not the last record")
			}
			rr, _, err := dns.UnpackRR(wire, at)
			t, ok := rr.(*dns.TSIG)
			if err != nil || !ok {
				return nil, errors.New("its TSIG record cannot be read")
			}
			m.tsig, m.signed = t, at
		}
		at = h.end
	}
	if at != len(wire) {
		return nil, errors.New("something follows the last record of a message")
	}
	return m, nil
}

func checkQuestion(wire []byte, name zone.Name, qtypes []uint16) (int, error) {
	asked, at, err := appendNameAt(nil, wire, headerLen)
	if err != nil {
		return 0, err
	}
	if at+4 > len(wire) {
		return 0, errCut
	}
	n, err := zone.NameFromWire(asked)
	typ, right := binary.BigEndian.Uint16(wire[at:]), false
	for _, t := range qtypes {
		right = right || t == typ
	}
	if err != nil || n != name || !right || binary.BigEndian.Uint16(wire[at+2:]) != dns.ClassINET {
		return 0, errors.New("a message is the answer to another question")
	}
	return at + 4, nil
}

// head is where a record is.
type head struct {
	typ, class uint16
	ttl        uint32
	rdata, end int
}

func readHead(wire []byte, at int) (head, error) {
	at, err := skipName(wire, at)
	if err != nil {
		return head{}, err
	}
	if at+10 > len(wire) {
		return head{}, errCut
	}
	h := head{
		typ: binary.BigEndian.Uint16(wire[at:]), class: binary.BigEndian.Uint16(wire[at+2:]), ttl: binary.BigEndian.Uint32(wire[at+4:]),
		rdata: at + 10,
	}
	h.end = h.rdata + int(binary.BigEndian.Uint16(wire[at+8:]))
	if h.end > len(wire) {
		return head{}, errCut
	}
	return h, nil
}

// skipName gives what follows a name without following its pointer.
func skipName(wire []byte, at int) (int, error) {
	for at < len(wire) {
		switch c := int(wire[at]); {
		case c == 0:
			return at + 1, nil
		case c >= 0xc0:
			if at+2 > len(wire) {
				return 0, errCut
			}
			return at + 2, nil
		case c > zone.MaxLabelLen:
			return 0, errors.New("a name has a label of an unknown kind")
		default:
			at += c + 1
		}
	}
	return 0, errCut
}

// appendNameAt appends the name at a place of a message, uncompressed. Pointers lead back only,
// so that there is an end.
func appendNameAt(dst, wire []byte, at int) (name []byte, next int, err error) {
	start, from := len(dst), at
	for at < len(wire) {
		c := int(wire[at])
		switch {
		case c >= 0xc0:
			if at+2 > len(wire) {
				return dst, 0, errCut
			}
			if next == 0 {
				next = at + 2
			}
			to := c&0x3f<<8 | int(wire[at+1])
			if to >= from {
				return dst, 0, errors.New("a name points forward")
			}
			at, from = to, to
			continue
		case c > zone.MaxLabelLen:
			return dst, 0, errors.New("a name has a label of an unknown kind")
		case at+1+c > len(wire):
			return dst, 0, errCut
		}
		dst = append(dst, wire[at:at+1+c]...)
		if len(dst)-start > zone.MaxNameLen {
			return dst, 0, errors.New("a name is too long")
		}
		at += 1 + c
		if c == 0 {
			if next == 0 {
				next = at
			}
			return dst, next, nil
		}
	}
	return dst, 0, errCut
}

// record is one record in wire form, uncompressed, letter case as it came.
type record struct {
	name  zone.Name
	owner string // as it is spelled
	rdata string
	ttl   uint32
	typ   uint16
}

// recordReader reads the answers of messages.
type recordReader struct {
	zone  zone.Name
	last  zone.Name // the owner of the record before
	text  string    // the same as it is spelled
	owner []byte    // memory that is used again
	rdata []byte    // the same
}

// each gives the answers of a message.
func (r *recordReader) each(m *message, f func(record) error) error {
	at := m.answers
	for range m.count {
		h, err := readHead(m.wire, at)
		if err != nil {
			return err
		}
		rec, err := r.read(m.wire, at, h)
		if err != nil {
			return err
		}
		if err := f(rec); err != nil {
			return err
		}
		at = h.end
	}
	return nil
}

func (r *recordReader) read(wire []byte, at int, h head) (record, error) {
	owner, _, err := appendNameAt(r.owner[:0], wire, at)
	if err != nil {
		return record{}, err
	}
	r.owner = owner
	if r.text == "" || string(owner) != r.text {
		if r.last, err = zone.NameFromWire(owner); err != nil {
			return record{}, err
		}
		if r.text = r.last.Wire(); r.text != string(owner) {
			r.text = string(owner)
		}
	}
	rec := record{name: r.last, owner: r.text, ttl: h.ttl, typ: h.typ}
	switch {
	case h.class != dns.ClassINET:
		return rec, fmt.Errorf("%s has a record of class %s", rec.name, dns.Class(h.class))
	case !rec.name.IsIn(r.zone):
		return rec, fmt.Errorf("%s is not in the zone", rec.name)
	case isMeta(h.typ):
		return rec, fmt.Errorf("%s has a record of type %s, which is no data", rec.name, dns.Type(h.typ))
	}
	if r.rdata, err = appendRDATA(r.rdata[:0], wire, h); err != nil {
		return rec, fmt.Errorf("%s %s: %w", rec.name, dns.Type(h.typ), err)
	}
	rec.rdata = string(r.rdata)
	return rec, nil
}

// isMeta tells whether a type belongs to messages alone (RFC 6895 §3.1).
func isMeta(t uint16) bool {
	return t == dns.TypeNone || t == dns.TypeOPT || 128 <= t && t <= 255
}

// typeALIAS is the type of ALIAS that PowerDNS transfers.
const typeALIAS = 65401

// shape tells where names are in the RDATA of a type: octets before the first, whether character
// strings stand there, and how many there are. Only in those that are older than RFC 3597 may a
// name be compressed (§4), and one that is in another type by mistake is put right too where it
// can be nothing else.
type shape struct{ fixed, strings, names int }

func shapeOf(t uint16) (shape, bool) {
	switch t {
	case dns.TypeNS, dns.TypeMD, dns.TypeMF, dns.TypeCNAME, dns.TypeMB, dns.TypeMG, dns.TypeMR, dns.TypePTR, dns.TypeDNAME, dns.TypeNXT:
		return shape{names: 1}, true
	case dns.TypeSOA, dns.TypeMINFO, dns.TypeRP:
		return shape{names: 2}, true
	case dns.TypeMX, dns.TypeAFSDB, dns.TypeRT, dns.TypeKX:
		return shape{fixed: 2, names: 1}, true
	case dns.TypePX:
		return shape{fixed: 2, names: 2}, true
	case dns.TypeSRV:
		return shape{fixed: 6, names: 1}, true
	case dns.TypeNAPTR:
		return shape{fixed: 4, strings: 3, names: 1}, true
	case dns.TypeSIG, dns.TypeRRSIG:
		return shape{fixed: 18, names: 1}, true
	}
	return shape{}, false
}

// appendRDATA appends the RDATA of a record, its names uncompressed.
func appendRDATA(dst, wire []byte, h head) ([]byte, error) {
	if h.typ == typeALIAS {
		// Payloads of other forms are refused by whoever reads the zone.
		if out, next, err := appendNameAt(dst, wire[:h.end], h.rdata); err == nil && next == h.end {
			return out, nil
		}
	}
	s, ok := shapeOf(h.typ)
	if !ok || h.rdata == h.end {
		return append(dst, wire[h.rdata:h.end]...), nil
	}
	at := h.rdata + s.fixed
	for range s.strings {
		if at < h.end {
			at += 1 + int(wire[at])
		}
	}
	if at > h.end {
		return dst, errCut
	}
	dst = append(dst, wire[h.rdata:at]...)
	for range s.names {
		var err error
		if dst, at, err = appendNameAt(dst, wire[:h.end], at); err != nil {
			return dst, err
		}
	}
	if at > h.end {
		return dst, errCut
	}
	return append(dst, wire[at:h.end]...), nil
}

// soa is what is needed of an SOA.
type soa struct {
	serial                 zone.Serial
	refresh, retry, expire uint32 // seconds
}

// readSOA reads the RDATA of an SOA.
func readSOA(rdata string) (soa, error) {
	b := []byte(rdata)
	n := zone.WireNameLen(b)
	if n > 0 {
		if m := zone.WireNameLen(b[n:]); m > 0 && len(b) == n+m+20 {
			b = b[n+m:]
			return soa{
				serial: zone.Serial(binary.BigEndian.Uint32(b)), refresh: binary.BigEndian.Uint32(b[4:]),
				retry: binary.BigEndian.Uint32(b[8:]), expire: binary.BigEndian.Uint32(b[12:]),
			}, nil
		}
	}
	return soa{}, errors.New("its SOA cannot be read")
}
