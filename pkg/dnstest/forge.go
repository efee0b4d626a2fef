package dnstest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Field is what a forged packet has wrong.
type Field uint8

// The fields that a client has to compare with its query (RFC 5452 §4, §9.1).
const (
	ForgedID Field = iota
	ForgedName
	ForgedType
	ForgedClass
	ForgedCase // letters of the name
	ForgedQR   // it is a query
	ForgedOpcode
	fieldCount
)

// Forger is an attacker who sees no traffic but knows what is asked, from where and when: for
// each query over UDP it sends packets that look like the server's and carry an address of
// its own. In each of them one field is wrong; all others are right, so that a client that
// does not compare that field believes it.
type Forger struct {
	Count  int     // packets for each query; 0 means there is no forger
	Fields []Field // the wrong ones, in turn; nil means all
}

// The addresses in forged packets.
var (
	Forged4 = netip.MustParseAddr("203.0.113.66")
	Forged6 = netip.MustParseAddr("2001:db8:bad::66")
)

// Forge puts a forger beside every client, in place of one that is there. Its packets reach
// the client before the query leaves, whatever the link is like. They have a queue of their
// own and wait for room in it, so that they displace no answer.
func (n *Network) Forge(f Forger) {
	f.Fields = slices.Clone(f.Fields)
	if len(f.Fields) == 0 {
		for field := range fieldCount {
			f.Fields = append(f.Fields, field)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forger = f
}

// forge lets the forger have its turn between a query and the way to the server.
func (c *packetConn) forge(query []byte) {
	c.network.mu.Lock()
	f := c.network.forger
	c.network.mu.Unlock()
	s := c.network.host(c.address)
	template, nameEnd := forgery(query)
	if f.Count == 0 || s == nil || template == nil {
		c.transmit(query)
		return
	}
	s.start(func() {
		r := c.network.dice.throw("forge " + c.address + " " + subject(query))
		for i := range f.Count {
			packet := slices.Clone(template)
			spoil(packet, f.Fields[i%len(f.Fields)], nameEnd, r)
			c.count.received.Add(1) // before a reader can have it
			c.count.forged.Add(1)
			select {
			case c.forged <- packet:
			case <-c.done:
				return
			case <-s.closing:
				return
			}
		}
		c.transmit(query)
	})
}

// forgery is an answer to a query that nothing is wrong with but the address, and where the
// name in its question ends. It is nil where the query is none.
func forgery(query []byte) ([]byte, int) {
	const header = 12
	if subject(query) == "" {
		return nil, 0
	}
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := end + 5
	packet := slices.Clone(query[:question])
	packet[2] |= 0x80 // QR
	packet[3] = 0x80  // RA, NOERROR
	clear(packet[6:header])
	qtype := binary.BigEndian.Uint16(query[end+1:])
	addr := Forged4
	if qtype == dns.TypeAAAA {
		addr = Forged6
	}
	packet[7] = 1 // one answer
	packet = append(packet, 0xc0, header)
	packet = binary.BigEndian.AppendUint16(packet, qtype)
	packet = binary.BigEndian.AppendUint16(packet, dns.ClassINET)
	packet = binary.BigEndian.AppendUint32(packet, uint32(time.Hour/time.Second))
	packet = binary.BigEndian.AppendUint16(packet, uint16(addr.BitLen()/8))
	return append(packet, addr.AsSlice()...), end
}

// spoil makes one field of a packet wrong. The identifier takes the place of one that the
// name does not have.
func spoil(packet []byte, field Field, nameEnd int, r *rand.Rand) {
	var letters []int
	for i := 12; i < nameEnd; i += int(packet[i]) + 1 {
		for at := i + 1; at <= i+int(packet[i]); at++ {
			if c := packet[at] | 0x20; 'a' <= c && c <= 'z' {
				letters = append(letters, at)
			}
		}
	}
	if (field == ForgedName || field == ForgedCase) && len(letters) == 0 {
		field = ForgedID
	}
	switch field {
	case ForgedName:
		at := letters[r.IntN(len(letters))]
		other := (int(packet[at]|0x20-'a') + 1 + r.IntN(25)) % 26
		packet[at] = packet[at]&0x20 | 'A' + byte(other)
	case ForgedCase:
		sure := r.IntN(len(letters))
		for i, at := range letters {
			if i == sure || r.IntN(2) == 0 {
				packet[at] ^= 0x20
			}
		}
	case ForgedType:
		packet[nameEnd+1] ^= byte(1 + r.IntN(255))
	case ForgedClass:
		packet[nameEnd+3] ^= byte(1 + r.IntN(255))
	case ForgedQR:
		packet[2] &^= 0x80
	case ForgedOpcode:
		packet[2] ^= byte(1+r.IntN(15)) << 3
	case ForgedID, fieldCount:
		id := binary.BigEndian.Uint16(packet) ^ uint16(1+r.IntN(0xffff))
		binary.BigEndian.PutUint16(packet, id)
	}
}
