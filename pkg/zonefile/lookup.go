package zonefile

import (
	"fmt"
	"slices"
	"sort"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Place is an entry of a zone file that was read.
type Place struct{ place }

// Report puts a diagnostic at the entry.
func (p Place) Report(d *diag.Diagnostic) *diag.Diagnostic {
	d.Span, d.Source = p.span()
	d.Related = append(d.Related, p.included()...)
	return d
}

// Note is another place that a diagnostic points at.
func (p Place) Note(message string) diag.Note {
	span, source := p.span()
	return diag.Note{Span: span, Source: source, Message: message}
}

// Before tells whether p is read before other.
func (p Place) Before(other Place) bool { return isBefore(p.place, other.place) }

// Record is one record of a zone, its RDATA in uncompressed wire form.
type Record struct {
	Owner zone.Name
	Type  uint16
	TTL   uint32
	RDATA []byte
	Place Place
}

// placeAt gives the entry at a global position.
func (z *Zone) placeAt(pos uint32) (place, *Entry) {
	i := sort.Search(len(z.segs), func(i int) bool { return z.segs[i].base > pos }) - 1
	seg := z.segs[i]
	e := &Entry{}
	scanEntry(seg.text, int(pos-seg.base), e)
	return place{seg, e.Start, e.End}, e
}

// ownerIs tells whether the record at a position has an owner name, where
// that can be seen from the entry. A blank owner field is believed.
func (z *Zone) ownerIs(p place, e *Entry, name zone.Name) bool {
	if e.Blank || len(e.Tokens) == 0 {
		return true
	}
	n, err := parseWithOrigin(string(e.Tokens[0].content(p.seg.text)), p.seg.originAt(e.Start))
	return err == nil && n == name
}

func parseWithOrigin(text string, origin []byte) (zone.Name, error) {
	o, err := zone.NameFromWire(origin)
	if err != nil {
		return zone.Name{}, fmt.Errorf("origin: %w", err)
	}
	return zone.ParseName(text, o)
}

// decode reads the record at a place again, RDATA and all. False where it is
// not of that type.
func (z *Zone) decode(t tuple, owner zone.Name, fold bool) (Record, bool) {
	p, e := z.placeAt(t.pos)
	i, ok := typeToken(p.seg.text, e, t.typ())
	if !ok || !z.ownerIs(p, e, owner) {
		return Record{}, false
	}
	wire, verified, fault := appendRDATA(nil, t.typ(), p.seg.text, e.Tokens[i+1:], p.seg.originAt(e.Start), fold)
	if fault != nil || !verified {
		return Record{}, false
	}
	return Record{Owner: owner, Type: t.typ(), TTL: t.ttl, RDATA: wire, Place: Place{p}}, true
}

// typeToken finds the type's token of an entry.
func typeToken(text []byte, e *Entry, typ uint16) (int, bool) {
	first := 1
	if e.Blank {
		first = 0
	}
	for i := first; i < len(e.Tokens) && i < first+3; i++ {
		if t, ok := parseType(e.Tokens[i].raw(text)); ok && t == typ && !e.Tokens[i].Quoted {
			return i, true
		}
	}
	return 0, false
}

// Types gives the record types at an owner name, each once, in order. ALIAS
// is 65401.
func (z *Zone) Types(name zone.Name) []uint16 {
	var types []uint16
	for _, t := range z.index.owner(hashOf(name)) {
		if n := len(types); n == 0 || types[n-1] != t.typ() {
			types = append(types, t.typ())
		}
	}
	return types
}

// Has tells whether there are records of a type at an owner name.
func (z *Zone) Has(name zone.Name, typ uint16) bool {
	return slices.ContainsFunc(z.index.owner(hashOf(name)), func(t tuple) bool { return t.typ() == typ })
}

// Records gives the records of a type at an owner name, in the order of their
// RDATA; names inside are lower case.
func (z *Zone) Records(name zone.Name, typ uint16) []Record {
	var records []Record
	seen := uint64(0)
	for _, t := range z.index.owner(hashOf(name)) {
		if t.typ() != typ || t.rdata == seen {
			continue
		}
		for _, rec := range z.expand(t, name) {
			records = append(records, rec)
			seen = t.rdata
		}
	}
	return records
}

func (z *Zone) expand(t tuple, name zone.Name) []Record {
	if rec, ok := z.decode(t, name, true); ok {
		return []Record{rec}
	}
	return nil
}

// PlaceOf gives the first entry of a type at an owner name.
func (z *Zone) PlaceOf(name zone.Name, typ uint16) (Place, bool) {
	var first place
	found := false
	for _, t := range z.index.owner(hashOf(name)) {
		if t.typ() != typ {
			continue
		}
		p, _ := z.placeAt(t.pos)
		if !found || isBefore(p, first) {
			first, found = p, true
		}
	}
	return Place{first}, found
}

// Cut gives the zone cut that name is at or below: the highest owner of NS
// records below the apex. It is zero where there is none.
func (z *Zone) Cut(name zone.Name) zone.Name {
	return z.highest(name, dns.TypeNS, true)
}

// DNAMEAbove gives the highest owner of a DNAME above name; zero without one.
func (z *Zone) DNAMEAbove(name zone.Name) zone.Name {
	if z.dnames == 0 {
		return zone.Name{}
	}
	return z.highest(name, dns.TypeDNAME, false)
}

// highest finds the owner of a type nearest to the apex on the way from name:
// below the apex and with name itself, or at the apex and without.
func (z *Zone) highest(name zone.Name, typ uint16, below bool) zone.Name {
	var found zone.Name
	n := name
	if !below {
		n = name.Parent()
	}
	for ; n.IsIn(z.Name); n = n.Parent() {
		if below && n == z.Name {
			break
		}
		if z.Has(n, typ) {
			found = n
		}
	}
	return found
}

// Exists tells whether a name has records or stands above one that has: an
// empty non-terminal exists too (RFC 4592 §2.2.2).
func (z *Zone) Exists(name zone.Name) bool {
	if len(z.index.owner(hashOf(name))) > 0 {
		return true
	}
	if z.ents == nil {
		z.findEmptyNonTerminals()
	}
	_, ok := z.ents[hashOf(name)]
	return ok
}

// findEmptyNonTerminals collects the names between owners and the apex. It is
// the price of the first question for a name that is no owner.
func (z *Zone) findEmptyNonTerminals() {
	z.ents = map[uint64]struct{}{}
	last := uint64(0)
	z.eachOwner(func(wire []byte) {
		for i := int(wire[0]) + 1; len(wire)-i > len(z.apex); i += int(wire[i]) + 1 {
			h := hashName(wire[i:])
			if h == last {
				return
			}
			if i == int(wire[0])+1 {
				last = h
			}
			if _, ok := z.ents[h]; ok {
				return
			}
			z.ents[h] = struct{}{}
		}
	})
}

// eachOwner calls f with each record's owner name in lower case, as long as
// it is in the zone.
func (z *Zone) eachOwner(f func(wire []byte)) {
	z.walk(func(r *reader, _ *Entry, _ *head) {
		f(r.lower[:r.lowerLen])
	})
}

// walk reads all records once more, one after the other.
func (z *Zone) walk(f func(r *reader, e *Entry, h *head)) {
	s := z.settings
	s.hashOnly = true
	s.each = f
	ctx := &context{origin: z.apex}
	marks := z.Marks
	z.walkSegment(&s, z.segs[0], ctx, &marks)
}

func (z *Zone) walkSegment(s *settings, seg *segment, ctx *context, marks *[]Mark) {
	r := newReader(s, seg, ctx)
	for pos := 0; pos < len(seg.text); {
		r.read(pos, len(seg.text))
		r.out = collector{}
		if !r.barrier {
			break
		}
		r.stuck, r.barrier = false, false
		pos = int(r.entry.End)
		for len(*marks) > 0 && (*marks)[0].Kind != MarkInclude && (*marks)[0].Kind != MarkGenerate {
			*marks = (*marks)[1:]
		}
		if len(*marks) == 0 {
			continue
		}
		m := (*marks)[0]
		*marks = (*marks)[1:]
		if m.child == nil {
			continue
		}
		if m.Kind == MarkInclude {
			r.ctx.runLen = 0
		}
		inner := r.ctx
		inner.origin = m.child.originAt(0)
		z.walkSegment(s, m.child, &inner, marks)
		r.ctx.ttl, r.ctx.hasTTL = inner.ttl, inner.hasTTL
		r.ctx.defaultTTL, r.ctx.hasDefault, r.ctx.minimum = inner.defaultTTL, inner.hasDefault, inner.minimum
	}
	*ctx = r.ctx
}
