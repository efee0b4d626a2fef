package compile

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// readings counts the sources that were read, by all sessions.
var readings atomic.Uint64

// Flat tells results of one reading of a source apart. It keeps neither the source nor the
// result. The zero Flat is that of no result.
type Flat struct {
	reading uint64
	sums    []uint64 // of what each of Result.Flattened has become
}

var flatSeed = maphash.MakeSeed()

// Flat tells what became of the ALIAS entries, for [Result.Since].
func (r *Result) Flat() Flat {
	f := Flat{reading: r.reading, sums: make([]uint64, len(r.Flattened))}
	for i := range r.Flattened {
		f.sums[i] = flatSum(&r.Flattened[i])
	}
	return f
}

func flatSum(res *flatten.Result) uint64 {
	var h maphash.Hash
	h.SetSeed(flatSeed)
	var b [8]byte
	for _, typ := range res.Drop {
		binary.BigEndian.PutUint16(b[:], typ)
		_, _ = h.Write(b[:2]) // a hash takes everything
	}
	for i := range res.RRsets {
		rr := &res.RRsets[i]
		binary.BigEndian.PutUint16(b[:], rr.Type)
		binary.BigEndian.PutUint32(b[2:], rr.TTL)
		binary.BigEndian.PutUint16(b[6:], uint16(len(rr.Addresses)))
		_, _ = h.Write(b[:])
		for _, a := range rr.Addresses {
			octets := a.As16()
			_, _ = h.Write(octets[:])
		}
	}
	return h.Sum64()
}

// AddressSet is an address RRset of an owner of ALIAS.
type AddressSet struct {
	Owner     []byte // in wire form, letter case as written
	Type      uint16 // A or AAAA
	TTL       uint32
	Addresses []netip.Addr // none: there is no such RRset
}

// Since gives all, beside the serial, in which the records of the zone may differ from those of an
// earlier result. It is false where it cannot be told: the source was read anew, or records of its
// author come or go.
func (r *Result) Since(old Flat) (sets []AddressSet, ok bool) {
	if !r.OK() || old.reading != r.reading || len(old.sums) != len(r.Flattened) || r.Content.Mixed {
		return nil, false
	}
	for i := range r.Flattened {
		res := &r.Flattened[i]
		if flatSum(res) == old.sums[i] {
			continue
		}
		if rule := res.Rule; rule.Repeats || len(rule.Explicit[dns.TypeA])+len(rule.Explicit[dns.TypeAAAA]) > 0 {
			return nil, false
		}
		sets = appendSets(sets, res)
	}
	return sets, true
}

// appendSets appends the RRsets of the types that an entry asks for.
func appendSets(sets []AddressSet, res *flatten.Result) []AddressSet {
	owner, err := zone.AppendName(nil, []byte(res.Rule.Entry.OwnerText()), nil)
	if err != nil {
		owner = []byte(res.Rule.Owner.Wire())
	}
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if !res.Rule.Asks(typ) {
			continue
		}
		set := AddressSet{Owner: owner, Type: typ}
		for _, rr := range res.RRsets {
			if rr.Type == typ {
				set.TTL, set.Addresses = rr.TTL, rr.Addresses
			}
		}
		sets = append(sets, set)
	}
	return sets
}
