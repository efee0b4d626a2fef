package zonefile

import (
	"github.com/cespare/xxhash/v2"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The hashes of the index have a seed of their process, so that nobody can
// write a zone whose names fall into one bucket. Sums that are remembered need
// hashes without a seed: XXH64 of the owner name in lower case and of the RDATA
// in canonical form, joined by hashRecord. They are compared with those of the
// same zone alone. Who makes two of its record sets have one sum keeps its own
// serial from moving, and nobody else's.
//
// None of this may change from one release to the next: every serial would move
// once.

// lastingName is the lasting hash of a wire name in lower case.
func lastingName(wire []byte) uint64 { return xxhash.Sum64(wire) }

// lastingRDATA is the lasting form of hashRDATA.
func lastingRDATA(typ uint16, rdata []byte) uint64 {
	return xxhash.Sum64(rdata)&^0xffff | uint64(typ)
}

func lastingRecord(owner zone.Name, typ uint16, ttl uint32, rdata []byte) uint64 {
	return hashRecord(xxhash.Sum64String(owner.Wire()), lastingRDATA(typ, rdata), ttl)
}

// lastingRecord is the lasting hash of the current record. The owner name is
// hashed once for all its records.
func (r *reader) lastingRecord(h *head, wire []byte) uint64 {
	if r.lastOwner[0] != r.ownerHash || r.lastOwner[1] == 0 {
		r.lastOwner = [2]uint64{r.ownerHash, lastingName(r.lower[:r.lowerLen])}
	}
	return hashRecord(r.lastOwner[1], lastingRDATA(h.typ, wire), h.ttl)
}

// lastingAt reads the RDATA of a record again, and gives its lasting hash.
func (z *Zone) lastingAt(t *tuple) uint64 {
	p, e := z.placeAt(t.pos)
	text, origin := p.seg.text, p.seg.originAt(e.Start)
	i, ok := typeToken(text, e, t.typ())
	if !ok {
		return 0 // it was read before
	}
	tokens := e.Tokens[i+1:]
	var buf [512]byte
	wire, verified, _ := appendRDATA(buf[:0], t.typ(), text, tokens, origin, true)
	if !verified {
		wire = unverified(buf[:0], origin, text, tokens)
	}
	return lastingRDATA(t.typ(), wire)
}

// repeat is a record that stands there again, n times.
type repeat struct {
	tuple
	n uint64
}

// repeat notes a duplicate, where lasting hashes are wanted.
func (c *ownerCheck) repeat(t *tuple) {
	if !c.lasting {
		return
	}
	if n := len(c.repeats); n > 0 {
		if last := &c.repeats[n-1]; last.owner == t.owner && last.rdata == t.rdata && last.ttl == t.ttl {
			last.n++
			return
		}
	}
	c.repeats = append(c.repeats, repeat{*t, 1})
}

// lastingRepeats is the sum of the lasting hashes of duplicates. An owner name
// that is not found stands in an entry with an error: nothing is published then.
func (z *Zone) lastingRepeats(repeats []repeat) uint64 {
	sum := uint64(0)
	for i := range repeats {
		r := &repeats[i]
		if owner, ok := z.ownerOf(r.owner); ok {
			sum += r.n * hashRecord(lastingName([]byte(owner.Wire())), z.lastingAt(&r.tuple), r.ttl)
		}
	}
	return sum
}
