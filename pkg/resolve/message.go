package resolve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

var errBadMessage = errors.New("the message is cut short or not well formed")

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

// nsHost is an NS record.
type nsHost struct {
	owner   zone.Name
	host    zone.Name
	ttl     uint32
	section int
}

// message is what a walk needs of a reply.
type message struct {
	rcode           int // with the upper bits of OPT
	aa, ra, ad      bool
	answer          []record
	soas            []soa
	hasNS           bool // an NS in the authority section
	ede             []EDE
	cookie          []byte // client and server cookie, part of the packet; nil without
	subnet          []byte // the client subnet option, part of the packet; nil without (RFC 7871 §6)
	optSeen         bool
	wantZones       bool      // what tells of zones is read too: delegations, and an SOA that is the answer
	delegations     []nsHost  // NS records, if wanted
	names           [8]nameAt // names already read, by offset
	namesRemembered int
}

var messagePool = sync.Pool{New: func() any { return new(message) }}

// flags names the bits that say where an answer comes from.
func (m *message) flags() string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{{"aa", m.aa}, {"ra", m.ra}, {"ad", m.ad}} {
		if f.set {
			set = append(set, f.name)
		}
	}
	return strings.Join(set, " ")
}

// text gives the records that a walk may use, one a line.
func (m *message) text() []string {
	var lines []string
	for _, r := range m.answer {
		var data string
		switch r.typ {
		case dns.TypeA, dns.TypeAAAA:
			data = r.addr.String()
		case dns.TypeRRSIG:
			data = fmt.Sprintf("%s (original TTL %d)", dns.TypeToString[r.covered], r.original)
		default:
			data = r.target.String()
		}
		lines = append(lines, fmt.Sprintf("%s %d %s %s", r.owner, r.ttl, dns.TypeToString[r.typ], data))
	}
	for _, s := range m.soas {
		lines = append(lines, fmt.Sprintf("%s SOA (negative TTL %d)", s.owner, s.ttl))
	}
	return lines
}

// release gives the memory of a message back. What was taken of it stays good, but for its
// slices of records.
func (m *message) release() {
	*m = message{answer: m.answer[:0], soas: m.soas[:0]}
	messagePool.Put(m)
}

type nameAt struct {
	offset int
	name   zone.Name
}

// parseMessage reads a reply to a question for a name; the zero name stands for any.
// Records of other classes and types are passed over, but every one of them has to be well
// formed.
func parseMessage(packet []byte, asked zone.Name) (*message, error) {
	m, _ := messagePool.Get().(*message)
	return m.parse(packet, asked)
}

// parseZones is parseMessage that reads what tells of zones too.
func parseZones(packet []byte, asked zone.Name) (*message, error) {
	m, _ := messagePool.Get().(*message)
	m.wantZones = true
	return m.parse(packet, asked)
}

func (m *message) parse(packet []byte, asked zone.Name) (*message, error) {
	if err := m.read(packet, asked); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

func (m *message) read(packet []byte, asked zone.Name) error {
	if len(packet) < headerLen {
		return errBadMessage
	}
	flags := binary.BigEndian.Uint16(packet[2:])
	m.rcode, m.aa, m.ra, m.ad = int(flags&maskRcode), flags&flagAA != 0, flags&flagRA != 0, flags&flagAD != 0
	offset := headerLen
	questions := binary.BigEndian.Uint16(packet[4:])
	if questions > 0 && !asked.IsZero() {
		m.names[0], m.namesRemembered = nameAt{offset: headerLen, name: asked}, 1
	}
	for range questions {
		end := skipName(packet, offset)
		if end == 0 || end+4 > len(packet) {
			return errBadMessage
		}
		offset = end + 4
	}
	for section := range 3 {
		for range binary.BigEndian.Uint16(packet[6+2*section:]) {
			r, err := readRaw(packet, offset)
			if err != nil {
				return err
			}
			if err := m.take(packet, section, r); err != nil {
				return err
			}
			offset = r.end
		}
	}
	return nil
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
		switch code {
		case dns.EDNS0EDE:
			if end < 6 {
				return errBadMessage
			}
			m.ede = append(m.ede, EDE{Code: binary.BigEndian.Uint16(options[4:]), Text: printable(options[6:end])})
		case dns.EDNS0COOKIE:
			// The first one counts (RFC 7873 §5.2), and only if it has a length that may be.
			if n := end - 4; m.cookie == nil && (n == clientCookieLen || n >= 2*clientCookieLen && n <= maxCookieLen) {
				m.cookie = options[4:end]
			}
		case dns.EDNS0SUBNET:
			if m.subnet == nil {
				m.subnet = options[4:end]
			}
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
	case dns.TypeNS, dns.TypeSOA:
		if m.wantZones {
			return m.takeZone(packet, sectionAnswer, r)
		}
		return nil
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
	if r.typ == dns.TypeNS {
		m.hasNS = true
		if !m.wantZones {
			return nil
		}
	}
	return m.takeZone(packet, sectionAuthority, r)
}

// takeZone reads a record that a zone begins with.
func (m *message) takeZone(packet []byte, section int, r raw) error {
	switch r.typ {
	case dns.TypeNS:
		host, end, err := m.nameAt(packet, r.data)
		if err != nil {
			return err
		}
		owner, _, err := m.nameAt(packet, r.name)
		if err != nil || end != r.end {
			return errBadMessage
		}
		m.delegations = append(m.delegations, nsHost{owner: owner, host: host, ttl: capTTL(r.ttl), section: section})
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
