package zonefile

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"

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
}

const (
	bucketBits  = 8
	bucketCount = 1 << bucketBits
	chunkLen    = 340 // tuples: two pages
)

// index holds all records of a zone by owner.
type index struct {
	buckets [bucketCount]bucket
	refs    []ref
	spare   [][chunkLen]tuple
}

// bucket keeps its tuples in chunks, so that it grows without copying.
type bucket struct {
	chunks []*[chunkLen]tuple
	n      int
}

func bucketOf(owner uint64) int { return int(owner >> (64 - bucketBits)) }

// add moves tuples into their buckets.
func (x *index) add(tuples []tuple) {
	for _, t := range tuples {
		b := &x.buckets[bucketOf(t.owner)]
		if b.n == len(b.chunks)*chunkLen {
			if len(x.spare) == 0 {
				x.spare = make([][chunkLen]tuple, 32)
			}
			b.chunks = append(b.chunks, &x.spare[0])
			x.spare = x.spare[1:]
		}
		*b.at(b.n) = t
		b.n++
	}
}

func (b *bucket) at(i int) *tuple { return &b.chunks[i/chunkLen][i%chunkLen] }

// slice gives the tuples from lo to before hi: a copy where they do not lie
// together.
func (b *bucket) slice(lo, hi int) []tuple {
	if lo == hi {
		return nil
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

// finish sorts every bucket, on all workers.
func (x *index) finish(workers int) {
	x.spare = nil
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var scratch []tuple
			var start []int32
			for i := w; i < bucketCount; i += workers {
				b := &x.buckets[i]
				if cap(scratch) < b.n {
					scratch = make([]tuple, b.n+b.n/4)
				}
				start = b.sort(scratch[:b.n], start)
			}
		})
	}
	wg.Wait()
}

// sort orders the bucket by owner, then type, RDATA and position: a counting
// sort by the next bits of the owner's hash, which spread evenly, and then
// each small group by itself.
func (b *bucket) sort(scratch []tuple, start []int32) []int32 {
	width := bits.Len(uint(b.n))
	shift := max(64-bucketBits-width, 0)
	mask := uint64(1)<<width - 1
	if cap(start) < 1<<width+1 {
		start = make([]int32, 1<<width+1)
	}
	start = start[:1<<width+1]
	clear(start)
	for i := range b.n {
		start[b.at(i).owner>>shift&mask+1]++
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	for i := range b.n {
		t := b.at(i)
		k := t.owner >> shift & mask
		scratch[start[k]] = *t
		start[k]++
	}
	from := int32(0)
	for _, end := range start[:len(start)-1] {
		sortGroup(scratch[from:end])
		from = end
	}
	for i := range scratch {
		*b.at(i) = scratch[i]
	}
	return start
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
	b := &x.buckets[bucketOf(hash)]
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
