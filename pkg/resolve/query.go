package resolve

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	headerLen  = 12
	udpPayload = 1232 // EDNS buffer size that no path has to fragment
	optLen     = 11   // octets of an OPT record without options (RFC 6891 §6.1.2)
	padBlock   = 128  // octets that the length of a padded query is a multiple of (RFC 8467 §4.1)
)

// Bits of the second pair of octets of the header (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
const (
	flagQR     = 1 << 15
	maskOpcode = 15 << 11
	flagAA     = 1 << 10
	flagTC     = 1 << 9
	flagRD     = 1 << 8
	flagRA     = 1 << 7
	flagAD     = 1 << 5
	maskRcode  = 15
)

// flagDO is the bit of the TTL of an OPT record that asks for signatures (RFC 3225).
const flagDO = 1 << 15

// style says how a question is put.
type style struct {
	plain     bool         // no EDNS, and so none of what needs it
	anyCase   bool         // letters stay lower case
	iterative bool         // RD clear: the server is asked for what it holds itself
	ad        bool         // AD set: the server is to say whether it validated (RFC 6840 §5.7)
	signed    bool         // DO set: signatures are wanted
	subnet    netip.Prefix // for whom is asked (RFC 7871); zero: nothing is said
	pad       bool         // to a length that tells little (RFC 8467)
}

// query is a question ready to be sent.
type query struct {
	// packet has the length that TCP wants in its first two octets; the identifier is
	// filled in when the query is sent.
	packet      []byte
	questionEnd uint16 // where the question ends in packet
	anyCase     bool   // letter case is of no account in the reply
	cookie      bool   // it has a cookie
	subnetAt    uint16 // where the client subnet option stands in packet, without its head
	subnetLen   uint16 // in octets; 0 without one
}

// questionStart is where the question stands in a packet with its length in front: name in
// the letter case sent, type, class.
const questionStart = 2 + headerLen

func (q *query) question() []byte { return q.packet[questionStart:q.questionEnd] }

// subnet is the client subnet option without its head, empty without one.
func (q *query) subnet() []byte { return q.packet[q.subnetAt:][:q.subnetLen] }

// newQuery builds a query, with a cookie if there is one: the client's part, and the server's
// behind it if known (RFC 7873). Unless the style says otherwise the letters of the name get a
// random case, which a forger has to guess too. It takes the memory of room, a packet that
// nobody needs any more, if that is enough.
func newQuery(room []byte, name zone.Name, qtype uint16, s *style, cookie []byte) query {
	wire := name.Wire()
	p := room
	if size := questionStart + len(wire) + 4 + s.optSize(len(cookie)); cap(p) < size {
		p = make([]byte, size)
	}
	p = p[:questionStart]
	clear(p)
	flags := uint16(flagRD)
	if s.iterative {
		flags = 0
	}
	if s.ad {
		flags |= flagAD
	}
	binary.BigEndian.PutUint16(p[4:], flags)
	p[7] = 1 // one question
	p = append(p, wire...)
	q := query{anyCase: s.anyCase}
	if !s.anyCase {
		mixCase(p[questionStart:])
	}
	p = binary.BigEndian.AppendUint16(p, qtype)
	p = binary.BigEndian.AppendUint16(p, dns.ClassINET)
	q.questionEnd = uint16(len(p))
	if !s.plain {
		p = s.appendOPT(p, cookie)
		at := int(q.questionEnd) + optLen + 4 // behind the head of the first option
		if q.cookie = len(cookie) > 0; q.cookie {
			at += len(cookie) + 4
		}
		if s.subnet.IsValid() {
			q.subnetAt, q.subnetLen = uint16(at), uint16(subnetLen(s.subnet))
		}
	}
	binary.BigEndian.PutUint16(p, uint16(len(p)-2))
	q.packet = p
	return q
}

// optSize is room enough for the OPT record of a query.
func (s *style) optSize(cookieLen int) int {
	n := optLen
	if cookieLen > 0 {
		n += 4 + cookieLen
	}
	if s.subnet.IsValid() {
		n += 8 + 16
	}
	if s.pad {
		n += 4 + padBlock
	}
	return n
}

// appendOPT adds the additional record of EDNS (RFC 6891 §6.1) to a query with length
// octets, and counts it.
func (s *style) appendOPT(p, cookie []byte) []byte {
	p[13] = 1 // one additional record
	p = append(p, 0, 0, byte(dns.TypeOPT), udpPayload>>8, udpPayload&255, 0, 0, 0, 0)
	if s.signed {
		binary.BigEndian.PutUint16(p[len(p)-2:], flagDO)
	}
	p = append(p, 0, 0)
	options := len(p)
	if len(cookie) > 0 {
		p = append(appendOptionHead(p, dns.EDNS0COOKIE, len(cookie)), cookie...)
	}
	if s.subnet.IsValid() {
		p = appendSubnet(p, s.subnet)
	}
	if s.pad {
		n := (padBlock - (len(p)-2+4)%padBlock) % padBlock
		p = append(appendOptionHead(p, dns.EDNS0PADDING, n), make([]byte, n)...)
	}
	binary.BigEndian.PutUint16(p[options-2:], uint16(len(p)-options))
	return p
}

func appendOptionHead(p []byte, code uint16, length int) []byte {
	p = binary.BigEndian.AppendUint16(p, code)
	return binary.BigEndian.AppendUint16(p, uint16(length))
}

// appendSubnet adds a client subnet (RFC 7871 §6): only the octets that the prefix covers.
func appendSubnet(p []byte, subnet netip.Prefix) []byte {
	family := byte(family4)
	if subnet.Addr().Is6() {
		family = family6
	}
	n := subnetLen(subnet)
	p = appendOptionHead(p, dns.EDNS0SUBNET, n)
	p = append(p, 0, family, byte(subnet.Bits()), 0)
	return append(p, subnet.Masked().Addr().AsSlice()[:n-4]...)
}

// Address families as RFC 7871 §6 has them.
const (
	family4 = 1
	family6 = 2
)

// subnetLen is how many octets a client subnet option has behind its head.
func subnetLen(subnet netip.Prefix) int { return 4 + (subnet.Bits()+7)/8 }

func (q query) setID(id uint16) { binary.BigEndian.PutUint16(q.packet[2:], id) }

// datagram is the query as UDP carries it.
func (q query) datagram() []byte { return q.packet[2:] }

// mixCase turns letters of a lower-case wire name into capitals at random. A length octet
// is below 64 and so never a letter.
func mixCase(wire []byte) {
	r, _ := randomPool.Get().(*randomness)
	coins := r.take((len(wire) + 7) / 8)
	for i, c := range wire {
		if 'a' <= c && c <= 'z' && coins[i/8]&(1<<(i%8)) != 0 {
			wire[i] = c - 'a' + 'A'
		}
	}
	randomPool.Put(r)
}

func randomID() uint16 {
	r, _ := randomPool.Get().(*randomness)
	id := binary.BigEndian.Uint16(r.take(2))
	randomPool.Put(r)
	return id
}

// randomness is octets of the system's random source, fetched many at a time: a query needs
// few, and each call costs as much as all else that is done for the query.
type randomness struct {
	octets [1024]byte
	left   []byte
}

var randomPool = sync.Pool{New: func() any { return new(randomness) }}

// take gives n octets, at most 1024, that are given to nobody else. They are good until the
// next call.
func (r *randomness) take(n int) []byte {
	if len(r.left) < n {
		rand.Read(r.octets[:]) // never fails; it ends the program where the system has no randomness
		r.left = r.octets[:]
	}
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
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
func (q *query) fit(packet []byte) match {
	if len(packet) < headerLen {
		return noMatch
	}
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
	asked, got := q.question(), packet[headerLen:]
	if len(got) < len(asked) {
		return noMatch
	}
	got = got[:len(asked)]
	if string(got) == string(asked) {
		return fullMatch
	}
	name := len(got) - 4
	if string(got[name:]) != string(asked[name:]) || !sameFolded(got[:name], asked[:name]) {
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
