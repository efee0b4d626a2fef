package resolve

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	headerLen  = 12
	udpPayload = 1232 // EDNS buffer size that no path has to fragment
)

// Bits of the second pair of octets of the header (RFC 1035 §4.1.1).
const (
	flagQR     = 1 << 15
	maskOpcode = 15 << 11
	flagAA     = 1 << 10
	flagTC     = 1 << 9
	flagRD     = 1 << 8
	flagRA     = 1 << 7
	maskRcode  = 15
)

var errBadMessage = errors.New("the message is cut short or not well formed")

// query is a question ready to be sent.
type query struct {
	// packet has the length that TCP wants in its first two octets; the identifier is
	// filled in when the query is sent.
	packet   []byte
	question []byte // part of packet: name in the letter case sent, type, class
	anyCase  bool   // the resolver is known not to keep letter case
}

// newQuery builds a recursive query. Unless anyCase is set the letters of the name get a
// random case, which a forger has to guess too.
func newQuery(name zone.Name, qtype uint16, edns, anyCase bool) query {
	const optLen = 11
	wire := name.Wire()
	p := make([]byte, 2+headerLen, 2+headerLen+len(wire)+4+optLen)
	binary.BigEndian.PutUint16(p[4:], flagRD)
	p[7] = 1 // one question
	p = append(p, wire...)
	q := query{anyCase: anyCase}
	if !anyCase {
		mixCase(p[2+headerLen:])
	}
	p = binary.BigEndian.AppendUint16(p, qtype)
	p = binary.BigEndian.AppendUint16(p, dns.ClassINET)
	q.question = p[2+headerLen:]
	if edns {
		p[13] = 1 // one additional record: the root, OPT, payload size, no flags, no options
		p = append(p, 0, 0, byte(dns.TypeOPT), udpPayload>>8, udpPayload&255, 0, 0, 0, 0, 0, 0)
	}
	binary.BigEndian.PutUint16(p, uint16(len(p)-2))
	q.packet = p
	return q
}

func (q query) setID(id uint16) { binary.BigEndian.PutUint16(q.packet[2:], id) }

// datagram is the query as UDP carries it.
func (q query) datagram() []byte { return q.packet[2:] }

// mixCase turns letters of a lower-case wire name into capitals at random. A length octet
// is below 64 and so never a letter.
func mixCase(wire []byte) {
	var coins [(zone.MaxNameLen + 7) / 8]byte
	rand.Read(coins[:]) // never fails; it ends the program where the system has no randomness
	for i, c := range wire {
		if 'a' <= c && c <= 'z' && coins[i/8]&(1<<(i%8)) != 0 {
			wire[i] = c - 'a' + 'A'
		}
	}
}

func randomID() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails, see mixCase
	return binary.BigEndian.Uint16(b[:])
}

// match says how a packet fits a query with the same identifier.
type match uint8

const (
	noMatch   match = iota
	caseDiffs       // right but for the letter case of the question
	fullMatch
)

// fit compares the question of a packet with the one asked. A server that cannot read a
// query may leave the question out of its FORMERR or NOTIMP.
func (q query) fit(packet []byte) match {
	flags := binary.BigEndian.Uint16(packet[2:])
	if flags&flagQR == 0 || flags&maskOpcode != 0 {
		return noMatch
	}
	switch binary.BigEndian.Uint16(packet[4:]) {
	case 0:
		rcode := flags & maskRcode
		if rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented {
			return fullMatch
		}
		return noMatch
	case 1:
	default:
		return noMatch
	}
	got := packet[headerLen:]
	if len(got) < len(q.question) {
		return noMatch
	}
	got = got[:len(q.question)]
	if string(got) == string(q.question) {
		return fullMatch
	}
	name := len(got) - 4
	if string(got[name:]) != string(q.question[name:]) || !sameFolded(got[:name], q.question[:name]) {
		return noMatch
	}
	if q.anyCase {
		return fullMatch
	}
	return caseDiffs
}

func sameFolded(a, b []byte) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c - 'A' + 'a'
	}
	return c
}

// isTruncated reads the TC bit of a packet that fits a query.
func isTruncated(packet []byte) bool {
	return binary.BigEndian.Uint16(packet[2:])&flagTC != 0
}

// record is a record of the answer section that a walk may use.
type record struct {
	owner    zone.Name
	typ      uint16 // A, AAAA, CNAME, DNAME or RRSIG
	ttl      uint32
	target   zone.Name  // of CNAME and DNAME
	addr     netip.Addr // of A and AAAA
	covered  uint16     // of RRSIG: the type that it signs
	original uint32     // of RRSIG: the TTL of that RRset where no cache counts it down
}

// soa is what a negative answer needs of an SOA in the authority section.
type soa struct {
	owner zone.Name
	ttl   uint32 // RFC 2308 §5: the less of its TTL and its MINIMUM
}

// message is what a walk needs of a reply.
type message struct {
	rcode           int // with the upper bits of OPT
	aa, ra          bool
	answer          []record
	soas            []soa
	hasNS           bool // an NS in the authority section
	ede             []EDE
	optSeen         bool
	names           [8]nameAt // names already read, by offset
	namesRemembered int
}

type nameAt struct {
	offset int
	name   zone.Name
}

// parseMessage reads a reply. Records of other classes and types are passed over, but every
// one of them has to be well formed.
func parseMessage(packet []byte) (*message, error) {
	if len(packet) < headerLen {
		return nil, errBadMessage
	}
	flags := binary.BigEndian.Uint16(packet[2:])
	m := &message{rcode: int(flags & maskRcode), aa: flags&flagAA != 0, ra: flags&flagRA != 0}
	offset := headerLen
	for range binary.BigEndian.Uint16(packet[4:]) {
		end := skipName(packet, offset)
		if end == 0 || end+4 > len(packet) {
			return nil, errBadMessage
		}
		offset = end + 4
	}
	for section := range 3 {
		for range binary.BigEndian.Uint16(packet[6+2*section:]) {
			r, err := readRaw(packet, offset)
			if err != nil {
				return nil, err
			}
			if err := m.take(packet, section, r); err != nil {
				return nil, err
			}
			offset = r.end
		}
	}
	return m, nil
}

// raw is a record whose name and RDATA are not read yet.
type raw struct {
	name, data, end int // offsets
	typ, class      uint16
	ttl             uint32
}

func readRaw(packet []byte, offset int) (raw, error) {
	const fixed = 10
	end := skipName(packet, offset)
	if end == 0 || end+fixed > len(packet) {
		return raw{}, errBadMessage
	}
	r := raw{
		name:  offset,
		typ:   binary.BigEndian.Uint16(packet[end:]),
		class: binary.BigEndian.Uint16(packet[end+2:]),
		ttl:   binary.BigEndian.Uint32(packet[end+4:]),
		data:  end + fixed,
	}
	r.end = r.data + int(binary.BigEndian.Uint16(packet[end+8:]))
	if r.end > len(packet) {
		return raw{}, errBadMessage
	}
	return r, nil
}

// Sections of a message after the question, in order.
const (
	sectionAnswer = iota
	sectionAuthority
	sectionAdditional
)

func (m *message) take(packet []byte, section int, r raw) error {
	switch {
	case r.typ == dns.TypeOPT:
		if section != sectionAdditional || m.optSeen || packet[r.name] != 0 {
			return errBadMessage
		}
		m.optSeen = true
		m.rcode |= int(r.ttl>>24) << 4
		return m.takeOptions(packet[r.data:r.end])
	case r.class != dns.ClassINET:
		return nil
	case section == sectionAnswer:
		return m.takeAnswer(packet, r)
	case section == sectionAuthority:
		return m.takeAuthority(packet, r)
	}
	return nil
}

func (m *message) takeOptions(options []byte) error {
	for len(options) > 0 {
		if len(options) < 4 {
			return errBadMessage
		}
		code := binary.BigEndian.Uint16(options)
		end := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if end > len(options) {
			return errBadMessage
		}
		if code == dns.EDNS0EDE {
			if end < 6 {
				return errBadMessage
			}
			m.ede = append(m.ede, EDE{Code: binary.BigEndian.Uint16(options[4:]), Text: printable(options[6:end])})
		}
		options = options[end:]
	}
	return nil
}

func (m *message) takeAnswer(packet []byte, r raw) error {
	rec := record{typ: r.typ, ttl: capTTL(r.ttl)}
	switch r.typ {
	case dns.TypeA:
		if r.end-r.data != 4 {
			return errBadMessage
		}
		rec.addr = netip.AddrFrom4([4]byte(packet[r.data:r.end]))
	case dns.TypeAAAA:
		if r.end-r.data != 16 {
			return errBadMessage
		}
		rec.addr = netip.AddrFrom16([16]byte(packet[r.data:r.end]))
	case dns.TypeCNAME, dns.TypeDNAME:
		target, end, err := m.nameAt(packet, r.data)
		if err != nil {
			return err
		}
		if end != r.end {
			return errBadMessage
		}
		rec.target = target
	case dns.TypeRRSIG:
		const fixed = 18 // what stands before the signer's name (RFC 4034 §3.1)
		if r.end-r.data < fixed {
			return errBadMessage
		}
		rec.covered = binary.BigEndian.Uint16(packet[r.data:])
		rec.original = capTTL(binary.BigEndian.Uint32(packet[r.data+4:]))
	default:
		return nil
	}
	owner, _, err := m.nameAt(packet, r.name)
	if err != nil {
		return err
	}
	rec.owner = owner
	m.answer = append(m.answer, rec)
	return nil
}

func (m *message) takeAuthority(packet []byte, r raw) error {
	switch r.typ {
	case dns.TypeNS:
		m.hasNS = true
	case dns.TypeSOA:
		const numbers = 20 // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM
		end := skipName(packet, r.data)
		if end != 0 {
			end = skipName(packet, end)
		}
		if end == 0 || end+numbers != r.end {
			return errBadMessage
		}
		owner, _, err := m.nameAt(packet, r.name)
		if err != nil {
			return err
		}
		minimum := binary.BigEndian.Uint32(packet[r.end-4:])
		m.soas = append(m.soas, soa{owner: owner, ttl: min(capTTL(r.ttl), capTTL(minimum))})
	}
	return nil
}

// capTTL holds a TTL within bounds: one with the high bit set counts as 0 (RFC 2181 §8).
func capTTL(ttl uint32) uint32 {
	if ttl >= 1<<31 {
		return 0
	}
	return min(ttl, MaxTTL)
}

// skipName gives the offset behind the name at offset, or 0 if there is none.
func skipName(packet []byte, offset int) int {
	for offset < len(packet) {
		switch c := int(packet[offset]); {
		case c == 0:
			return offset + 1
		case c >= 0xc0:
			if offset+2 > len(packet) {
				return 0
			}
			return offset + 2
		case c > zone.MaxLabelLen:
			return 0
		default:
			offset += c + 1
		}
	}
	return 0
}

// nameAt reads a name, compressed or not, and gives the offset behind it. Names that many
// records share are read once.
func (m *message) nameAt(packet []byte, offset int) (zone.Name, int, error) {
	end := skipName(packet, offset)
	if end == 0 {
		return zone.Name{}, 0, errBadMessage
	}
	start := offset
	if packet[start] >= 0xc0 {
		start = int(binary.BigEndian.Uint16(packet[start:])) & 0x3fff
		if start >= offset {
			return zone.Name{}, 0, errBadMessage
		}
	}
	for _, known := range m.names[:m.namesRemembered] {
		if known.offset == start {
			return known.name, end, nil
		}
	}
	name, err := readName(packet, start)
	if err != nil {
		return zone.Name{}, 0, err
	}
	if m.namesRemembered < len(m.names) {
		m.names[m.namesRemembered] = nameAt{offset: start, name: name}
		m.namesRemembered++
	}
	return name, end, nil
}

// readName expands the name at offset. Each pointer has to point before the part of the
// name it stands in, so that no chain of pointers is endless.
func readName(packet []byte, offset int) (zone.Name, error) {
	var wire [zone.MaxNameLen]byte
	n, floor := 0, offset
	for offset < len(packet) {
		c := int(packet[offset])
		switch {
		case c >= 0xc0:
			if offset+2 > len(packet) {
				return zone.Name{}, errBadMessage
			}
			offset = int(binary.BigEndian.Uint16(packet[offset:])) & 0x3fff
			if offset >= floor {
				return zone.Name{}, errBadMessage
			}
			floor = offset
		case c > zone.MaxLabelLen, n+c+1 > len(wire), offset+c+1 > len(packet):
			return zone.Name{}, errBadMessage
		default:
			n += copy(wire[n:], packet[offset:offset+c+1])
			offset += c + 1
			if c == 0 {
				name, err := zone.NameFromWire(wire[:n])
				if err != nil {
					return zone.Name{}, errBadMessage
				}
				return name, nil
			}
		}
	}
	return zone.Name{}, errBadMessage
}
