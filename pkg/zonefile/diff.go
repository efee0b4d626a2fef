package zonefile

import (
	"strconv"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Diff gives the difference between the records of two zones, in canonical
// order. ALIAS entries, and DNSSEC records that hang on the others, are no part
// of it. A serial is no difference by itself; an SOA that differs otherwise
// comes with both serials. Without an old zone all of the latest is added.
//
// The zones are compared by their indexes, and only RRsets that differ there
// are read again.
func Diff(old, latest *Zone) zone.Difference {
	if old == nil {
		return zone.Diff(nil, latest.rrsets())
	}
	before, after := picked{zone: old}, picked{zone: latest}
	for i := range bucketCount {
		compareBuckets(&before, &after, i)
	}
	var list []zone.RRset
	var wg sync.WaitGroup
	wg.Go(func() { list = before.sorted() })
	latestList := after.sorted()
	wg.Wait()
	return zone.Diff(list, latestList)
}

// picked gathers RRsets of a zone.
type picked struct {
	zone    *Zone
	list    []zone.RRset
	unnamed map[rrsetKey]bool // whose owner name cannot be seen from their entries
}

// rrsetKey is an RRset by the hash of its owner name.
type rrsetKey struct {
	owner uint64
	typ   uint16
}

// pick reads an RRset again.
func (p *picked) pick(g *group) {
	z := p.zone
	owner, ok := z.ownerOf(g.at(g.lo).owner)
	set := zone.RRset{Owner: owner, Type: g.key().typ, TTL: g.ttl()}
	for i := g.lo; ok && i < g.hi; i = g.after(i) {
		var d zone.RDATA
		if d, ok = z.rdataAt(g.at(i)); ok {
			set.RDATA = append(set.RDATA, d)
		}
	}
	if ok {
		p.list = append(p.list, set)
		return
	}
	if p.unnamed == nil {
		p.unnamed = map[rrsetKey]bool{}
	}
	p.unnamed[g.key()] = true
}

// sorted gives what was picked.
func (p *picked) sorted() []zone.RRset {
	if len(p.unnamed) > 0 {
		p.list = append(p.list, p.zone.walkRRsets(p.unnamed)...)
	}
	return zone.SortRRsets(p.list)
}

// ownerOf finds the owner name with a hash: one of its records has it in its
// owner field, unless that stands in another entry, as one that makes none.
func (z *Zone) ownerOf(hash uint64) (zone.Name, bool) {
	for _, t := range z.index.owner(hash) {
		p, e := z.placeAt(t.pos)
		if e.Blank || len(e.Tokens) == 0 {
			continue
		}
		n, err := parseWithOrigin(string(e.Tokens[0].content(p.seg.text)), p.seg.originAt(e.Start))
		if err == nil && hashOf(n) == hash {
			return n, true
		}
	}
	return zone.Name{}, false
}

// rdataAt reads the RDATA of a record again.
func (z *Zone) rdataAt(t *tuple) (zone.RDATA, bool) {
	p, e := z.placeAt(t.pos)
	text := p.seg.text
	i, ok := typeToken(text, e, t.typ())
	if !ok {
		return zone.RDATA{}, false
	}
	return rdataOf(t.typ(), text, e.Tokens[i+1:], p.seg.originAt(e.Start)), true
}

// rdataOf gives the RDATA in some tokens, which were read before.
func rdataOf(typ uint16, text []byte, tokens []Token, origin []byte) zone.RDATA {
	var buf [512]byte
	if wire, verified, _ := appendRDATA(buf[:0], typ, text, tokens, origin, true); verified {
		return zone.RDATA{Wire: string(wire)}
	}
	return zone.RDATA{Text: string(appendTokens(nil, text, tokens))}
}

// compareBuckets picks the RRsets that are not the same in two sorted buckets.
func compareBuckets(old, latest *picked, i int) {
	a, b := old.zone.groups(i), latest.zone.groups(i)
	a.next()
	b.next()
	for a.lo < a.hi || b.lo < b.hi {
		switch c := a.compare(&b); {
		case c < 0:
			old.pick(&a)
			a.next()
		case c > 0:
			latest.pick(&b)
			b.next()
		default:
			if !a.equal(&b) {
				old.pick(&a)
				latest.pick(&b)
			}
			a.next()
			b.next()
		}
	}
}

// group is one RRset of a sorted bucket: the tuples from lo to before hi, none
// of them at the end of the bucket.
type group struct {
	*bucket
	strip  bool
	lo, hi int
}

// groups goes through the RRsets of a bucket.
func (z *Zone) groups(i int) group {
	return group{bucket: z.index.bucket(i), strip: z.strip}
}

func (g *group) key() rrsetKey {
	t := g.at(g.lo)
	return rrsetKey{t.owner, t.typ()}
}

// next goes to the next RRset that is published.
func (g *group) next() {
	for {
		g.lo = g.hi
		if g.lo == g.n {
			return
		}
		first := g.key()
		for g.hi < g.n && g.at(g.hi).owner == first.owner && g.at(g.hi).typ() == first.typ {
			g.hi++
		}
		if isPublished(first.typ, g.strip) {
			return
		}
	}
}

// isPublished tells whether records of a type are part of what is compared.
func isPublished(typ uint16, strip bool) bool {
	kind := kindOf(typ, strip)
	return typ != typeALIAS && (kind == 0 || kind == MarkSOA)
}

func (g *group) compare(other *group) int {
	switch {
	case other.lo == other.hi:
		return -1
	case g.lo == g.hi:
		return 1
	}
	a, b := g.key(), other.key()
	switch {
	case a == b:
		return 0
	case a.owner < b.owner || a.owner == b.owner && a.typ < b.typ:
		return -1
	}
	return 1
}

// equal compares the records of two RRsets, each once, and their TTL.
func (g *group) equal(other *group) bool {
	if g.hi-g.lo == 1 && other.hi-other.lo == 1 {
		a, b := g.at(g.lo), other.at(other.lo)
		return a.rdata == b.rdata && a.ttl == b.ttl
	}
	i, j := g.lo, other.lo
	for i < g.hi && j < other.hi {
		if g.at(i).rdata != other.at(j).rdata {
			return false
		}
		i, j = g.after(i), other.after(j)
	}
	return i == g.hi && j == other.hi && g.ttl() == other.ttl()
}

// after gives the next record that is not the one at i again.
func (g *group) after(i int) int {
	rdata := g.at(i).rdata
	for i < g.hi && g.at(i).rdata == rdata {
		i++
	}
	return i
}

// ttl is that of the RRset: where its records have several, BIND takes that of
// the last one in the text.
func (g *group) ttl() uint32 {
	last := g.at(g.lo)
	for i := g.lo + 1; i < g.hi; i++ {
		if t := g.at(i); t.pos > last.pos {
			last = t
		}
	}
	return last.ttl
}

// rrsets gives all RRsets.
func (z *Zone) rrsets() []zone.RRset { return zone.SortRRsets(z.walkRRsets(nil)) }

// walkRRsets reads RRsets again, in the order of the text and each in one part
// or several; nil reads all.
func (z *Zone) walkRRsets(which map[rrsetKey]bool) []zone.RRset {
	var list []zone.RRset
	var owner zone.Name
	z.walk(func(r *reader, e *Entry, h *head) {
		if which != nil && !which[rrsetKey{r.ownerHash, h.typ}] || !isPublished(h.typ, z.strip) {
			return
		}
		if lower := r.lower[:r.lowerLen]; string(lower) != owner.Wire() {
			owner, _ = zone.NameFromWire(lower)
		}
		d := rdataOf(h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin)
		if n := len(list); n > 0 && list[n-1].Owner == owner && list[n-1].Type == h.typ {
			list[n-1].TTL = h.ttl
			list[n-1].RDATA = append(list[n-1].RDATA, d)
			return
		}
		list = append(list, zone.RRset{Owner: owner, Type: h.typ, TTL: h.ttl, RDATA: []zone.RDATA{d}})
	})
	return list
}

// AppendRecord appends a record in presentation format, absolute and on one
// line, without a line end.
func AppendRecord(dst []byte, owner zone.Name, typ uint16, ttl uint32, rdata zone.RDATA) []byte {
	dst = zone.AppendNameText(dst, []byte(owner.Wire()))
	dst = append(strconv.AppendUint(append(dst, ' '), uint64(ttl), 10), " IN "...)
	dst = append(append(dst, TypeName(typ)...), ' ')
	return AppendData(dst, typ, rdata)
}

// AppendData appends the RDATA of a record in presentation format.
func AppendData(dst []byte, typ uint16, rdata zone.RDATA) []byte {
	if rdata.Text != "" {
		return append(dst, rdata.Text...)
	}
	return AppendRDATAText(dst, typ, []byte(rdata.Wire))
}

// WithoutSerial is the RDATA of a record as it is compared: that of an SOA has
// serial 0.
func WithoutSerial(typ uint16, rdata zone.RDATA) zone.RDATA {
	if typ != dns.TypeSOA || rdata.Text != "" {
		return rdata
	}
	return zone.RDATA{Wire: string(withoutSerial([]byte(rdata.Wire)))}
}
