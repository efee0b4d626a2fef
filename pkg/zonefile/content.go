package zonefile

import (
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Content stands for a set of records, the serial apart: two sets with the
// same records and TTLs have equal contents, in any order and layout. But for
// Lasting it is good within one process only.
type Content struct {
	Sum   uint64 // over the records, each once
	Count int
	Raw   uint64 // over the records as often as they are written
	Lines int    // of Raw
	// Lasting is as Sum, and may be remembered: other processes, of other releases too, get the
	// same. It is 0 where it was not asked for with [Options].Lasting.
	Lasting uint64
	Mixed   bool // some RRset has several TTLs: which one BIND takes hangs on what stands between its records
}

// Addresses is an address RRset to be.
type Addresses struct {
	Owner zone.Name
	Type  uint16
	TTL   uint32
	Wire  [][]byte
}

// Content gives what the zone publishes, without the address records of drop
// and with the RRsets of add.
func (z *Zone) Content(drop map[zone.Name][]uint16, add []Addresses) Content {
	c := Content{
		Sum: z.Sum - z.duplicates, Count: z.Count - z.duplicateN,
		Raw: z.Sum, Lines: z.Count, Mixed: z.mixed, Lasting: z.Lasting - z.repeated,
	}
	for owner, types := range drop {
		for _, typ := range types {
			z.dropRRset(&c, owner, typ)
		}
	}
	for _, a := range add {
		owner := hashOf(a.Owner)
		for _, wire := range a.Wire {
			h := hashRecord(owner, hashRDATA(a.Type, wire), a.TTL)
			c.Sum += h
			c.Raw += h
			c.Count++
			c.Lines++
			if z.lasting {
				c.Lasting += lastingRecord(a.Owner, a.Type, a.TTL, wire)
			}
		}
	}
	return c
}

func (z *Zone) dropRRset(c *Content, owner zone.Name, typ uint16) {
	last := uint64(0)
	for _, t := range z.index.owner(hashOf(owner)) {
		if t.typ() != typ {
			continue
		}
		h := hashRecord(t.owner, t.rdata, t.ttl)
		c.Raw -= h
		c.Lines--
		if t.rdata != last {
			c.Sum -= h
			c.Count--
			last = t.rdata
			if z.lasting {
				c.Lasting -= hashRecord(lastingName([]byte(owner.Wire())), z.lastingAt(&t), t.ttl)
			}
		}
	}
}

// Places gives every entry of a type at an owner name.
func (z *Zone) Places(owner zone.Name, typ uint16) []Place {
	var places []Place
	for _, t := range z.index.owner(hashOf(owner)) {
		if t.typ() == typ {
			p, _ := z.placeAt(t.pos)
			places = append(places, Place{p})
		}
	}
	return places
}

// Serial gives the serial of the SOA; false without one.
func (z *Zone) Serial() (zone.Serial, bool) {
	for i := range z.Marks {
		m := &z.Marks[i]
		if m.Kind != MarkSOA {
			continue
		}
		var e Entry
		text := m.place.seg.text
		scanEntry(text, int(m.place.start), &e)
		at, ok := typeToken(text, &e, dns.TypeSOA)
		if !ok {
			continue
		}
		wire, _, fault := appendRDATA(nil, dns.TypeSOA, text, e.Tokens[at+1:], m.place.seg.originAt(e.Start), true)
		if fault != nil || len(wire) < 20 {
			continue
		}
		b := wire[len(wire)-20:]
		return zone.Serial(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])), true
	}
	return 0, false
}

// SerialPlace gives where the serial stands; false for an SOA in generic form,
// whose serial cannot be edited as text.
func (z *Zone) SerialPlace() (Place, bool) {
	for i := range z.Marks {
		if m := &z.Marks[i]; m.Kind == MarkSOA {
			tok, ok := m.serialToken()
			if !ok {
				return Place{m.place}, false
			}
			return Place{place{m.place.seg, tok.Start, tok.End}}, true
		}
	}
	return Place{}, false
}

// Marked gives the entries with a kind of mark.
func (z *Zone) Marked(kind MarkKind) []Place {
	var places []Place
	for i := range z.Marks {
		if z.Marks[i].Kind == kind {
			places = append(places, Place{z.Marks[i].place})
		}
	}
	return places
}

// EOL is how the lines of the source end.
func (z *Zone) EOL() string {
	if z.segs[0].crlf && z.servers&Knot == 0 {
		return "\r\n"
	}
	return "\n"
}
