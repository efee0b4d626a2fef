package zonefile

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The index answers "what stands at this owner name" for a million records in
// 24 bytes each and without a pointer: records go into buckets by the hash of
// their owner, and each bucket is sorted once everything is read. A hash only
// ever finds candidates; whoever reports on them compares the names.

// tuple is one record of the index.
type tuple struct {
	owner uint64 // hash of the owner name
	rdata uint64 // hash of type and RDATA above the type's 16 bits
	ttl   uint32
	pos   uint32 // global position of its entry
}

func (t tuple) typ() uint16 { return uint16(t.rdata) }

// ref is a host name in RDATA that the zone should have addresses for.
type ref struct {
	target uint64
	pos    uint32
	typ    uint16
	apexNS bool // without an address the zone does not load
}

const (
	bucketBits  = 8
	bucketCount = 1 << bucketBits
	chunkLen    = 340 // tuples: two pages
)

// Chunks are made many at a time, so that the index of a large zone lies in few
// large pieces of memory. How many is a guess from the length of the text: too
// many cost addresses but no memory, and too few are made up for later.
const (
	recordBytes = 40      // of text, guessed
	fewChunks   = 32      // made at a time, where so many turned out to be needed already
	manyChunks  = 1 << 13 // 64 MiB
)

// index holds all records of a zone by owner.
type index struct {
	buckets *[bucketCount]bucket // nil where it is compacted
	packed  *packed
	spare   [][chunkLen]tuple
	made    int                 // chunks
	advise  func(memory []byte) // see Options
}

// bucket keeps its tuples in chunks, so that it grows without copying.
type bucket struct {
	chunks []*[chunkLen]tuple
	flat   []tuple // in place of chunks, in a compacted index
	n      int
	refs   []ref // with a target that belongs here
}

func bucketOf(owner uint64) int { return int(owner >> (64 - bucketBits)) }

// add moves tuples into their buckets. The end is the global position where the
// text known so far ends.
func (x *index) add(tuples []tuple, end uint64) {
	for i := range tuples {
		t := &tuples[i]
		b := &x.buckets[bucketOf(t.owner)]
		at := b.n % chunkLen
		if at == 0 {
			b.chunks = append(b.chunks, x.chunk(int(end)-int(t.pos)))
		}
		b.chunks[len(b.chunks)-1][at] = *t
		b.n++
	}
}

// chunk gives a new chunk, at a place in the text with so many bytes behind it.
func (x *index) chunk(behind int) *[chunkLen]tuple {
	if len(x.spare) == 0 {
		made, records := x.made, behind/recordBytes
		need := min(records, records/chunkLen+bucketCount/2)
		x.made += max(1, min(x.made, fewChunks), min(need, manyChunks))
		x.spare = make([][chunkLen]tuple, x.made-made)
		if x.advise != nil {
			first := &x.spare[0]
			x.advise(unsafe.Slice((*byte)(unsafe.Pointer(first)), len(x.spare)*int(unsafe.Sizeof(*first))))
		}
	}
	c := &x.spare[0]
	x.spare = x.spare[1:]
	return c
}

// refer puts references into the buckets of their targets.
func (x *index) refer(refs []ref) {
	for _, r := range refs {
		b := &x.buckets[bucketOf(r.target)]
		b.refs = append(b.refs, r)
	}
}

// parts gives the tuples of each chunk.
func (b *bucket) parts(yield func([]tuple) bool) {
	left := b.n
	for _, c := range b.chunks {
		if !yield(c[:min(left, chunkLen)]) {
			return
		}
		left -= chunkLen
	}
}

func (b *bucket) at(i int) *tuple {
	if b.flat != nil {
		return &b.flat[i]
	}
	return &b.chunks[i/chunkLen][i%chunkLen]
}

// slice gives the tuples from lo to before hi: a copy where they do not lie
// together.
func (b *bucket) slice(lo, hi int) []tuple {
	if lo == hi {
		return nil
	}
	if b.flat != nil {
		return b.flat[lo:hi]
	}
	if lo/chunkLen == (hi-1)/chunkLen {
		from := lo % chunkLen
		return b.chunks[lo/chunkLen][from : from+hi-lo]
	}
	buf := make([]tuple, 0, hi-lo)
	for ; lo < hi; lo++ {
		buf = append(buf, *b.at(lo))
	}
	return buf
}

// sorter sorts buckets, one after the other in the same memory.
type sorter struct {
	sorted []tuple
	ends   []int32
}

// sort orders a bucket by owner, then type, RDATA and position: a counting
// sort by the next bits of the owner's hash, which spread evenly, and then
// each small group by itself. It gives the tuples of the bucket in one piece,
// to be looked at until the next bucket.
func (s *sorter) sort(b *bucket) []tuple {
	width := bits.Len(uint(b.n))
	shift, mask := (64-bucketBits-width)&63, uint64(1)<<width-1
	s.ends = slices.Grow(s.ends[:0], 1<<width+1)[:1<<width+1]
	s.sorted = slices.Grow(s.sorted[:0], b.n)[:b.n]
	clear(s.ends)
	begins := s.ends[1:]
	for part := range b.parts {
		for i := range part {
			begins[part[i].owner>>shift&mask]++
		}
	}
	sum := int32(0)
	for i, n := range s.ends {
		sum += n
		s.ends[i] = sum
	}
	for part := range b.parts {
		for i := range part {
			end := &s.ends[part[i].owner>>shift&mask]
			s.sorted[*end] = part[i]
			*end++
		}
	}
	from := int32(0)
	for _, end := range s.ends[:1<<width] {
		if end > from+1 {
			sortGroup(s.sorted[from:end])
		}
		from = end
	}
	rest := s.sorted
	for part := range b.parts {
		rest = rest[copy(part, rest):]
	}
	return s.sorted
}

// sortGroup sorts tuples that are few, unless somebody wrote very many records
// at one owner name.
func sortGroup(s []tuple) {
	if len(s) > 32 {
		slices.SortFunc(s, func(a, b tuple) int {
			if less(&a, &b) {
				return -1
			}
			return 1
		})
		return
	}
	for i := 1; i < len(s); i++ {
		t := s[i]
		j := i
		for ; j > 0 && less(&t, &s[j-1]); j-- {
			s[j] = s[j-1]
		}
		s[j] = t
	}
}

func less(a, b *tuple) bool {
	if a.owner != b.owner {
		return a.owner < b.owner
	}
	if a.typ() != b.typ() {
		return a.typ() < b.typ()
	}
	if a.rdata != b.rdata {
		return a.rdata < b.rdata
	}
	return a.pos < b.pos
}

// owner gives the records at an owner, in the order of type, RDATA and
// position.
func (x *index) owner(hash uint64) []tuple {
	b := x.bucket(bucketOf(hash))
	// Hashes spread evenly, so the place is nearly known: go from there.
	guess, _ := bits.Mul64(hash<<bucketBits, uint64(b.n))
	lo := int(guess)
	for step := 1; lo > 0 && b.at(min(lo, b.n-1)).owner >= hash; step *= 2 {
		lo = max(lo-step, 0)
	}
	hi := lo
	for step := 1; hi < b.n && b.at(hi).owner < hash; step *= 2 {
		lo = hi
		hi = min(hi+step, b.n)
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if b.at(mid).owner < hash {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == b.n || b.at(lo).owner != hash {
		return nil
	}
	return b.slice(lo, b.groupEnd(lo))
}

// groupEnd gives the end of the owner's records that begin at lo.
func (b *bucket) groupEnd(lo int) int {
	end := lo
	hash := b.at(lo).owner
	for end < b.n && b.at(end).owner == hash {
		end++
	}
	return end
}

// hashSeed is one for the whole process, so that the hashes of one reading can
// be compared with those of another.
var hashSeed = maphash.MakeSeed()

// hashName hashes a wire name in lower case.
func hashName(wire []byte) uint64 { return maphash.Bytes(hashSeed, wire) }

func hashOf(n zone.Name) uint64 { return maphash.String(hashSeed, n.Wire()) }

// hashRDATA hashes type and RDATA; the low 16 bits are the type.
func hashRDATA(typ uint16, rdata []byte) uint64 {
	return maphash.Bytes(hashSeed, rdata)&^0xffff | uint64(typ)
}

// hashRecord joins the hashes of a record to one for sums over record sets.
func hashRecord(owner, rdata uint64, ttl uint32) uint64 {
	hi, lo := bits.Mul64(owner^0x9e3779b97f4a7c15, rdata^uint64(ttl)<<16*0xd6e8feb86659fd93)
	hi2, lo2 := bits.Mul64(hi^lo^uint64(ttl), 0xa0761d6478bd642f)
	return hi2 ^ lo2
}

// hashLower hashes a wire name, which it makes lower case in place.
func hashLower(wire []byte) uint64 {
	zone.FoldCase(wire)
	return hashName(wire)
}

// compactMost is up to how many records an index is worth being compacted.
const compactMost = 1 << 16

// compact moves all records together, so that the index of a small zone takes no more than
// they do. Nothing can be added then.
func (x *index) compact() {
	total := 0
	for i := range x.buckets {
		total += x.buckets[i].n
	}
	if total > compactMost {
		return
	}
	p := &packed{tuples: make([]tuple, 0, total)}
	for i := range x.buckets {
		for part := range x.buckets[i].parts {
			p.tuples = append(p.tuples, part...)
		}
		p.ends[i] = uint32(len(p.tuples))
	}
	x.buckets, x.packed, x.spare = nil, p, nil
}

// packed is a compacted index: the records of one bucket after those of another.
type packed struct {
	tuples []tuple
	ends   [bucketCount]uint32
}

// bucket gives one bucket, to be looked at.
func (x *index) bucket(i int) *bucket {
	if x.packed == nil {
		return &x.buckets[i]
	}
	from := uint32(0)
	if i > 0 {
		from = x.packed.ends[i-1]
	}
	flat := x.packed.tuples[from:x.packed.ends[i]]
	return &bucket{flat: flat, n: len(flat)}
}
