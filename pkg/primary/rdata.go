package primary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// shape tells where domain names stand in the RDATA of a type: behind skip octets, one after
// the other.
type shape struct {
	skip, names int
	compress    bool // by RFC 3597 §4 the names may be compressed
}

// shapeOf gives the shape of the types whose names are compared without regard to case (RFC
// 4034 §6.2). All others are octets.
func shapeOf(typ uint16, rdata []byte) shape {
	switch typ {
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR, dns.TypeMD, dns.TypeMF, dns.TypeMB, dns.TypeMG, dns.TypeMR:
		return shape{names: 1, compress: true}
	case dns.TypeSOA, dns.TypeMINFO:
		return shape{names: 2, compress: true}
	case dns.TypeMX:
		return shape{skip: 2, names: 1, compress: true}
	case dns.TypeDNAME, dns.TypeNSEC, dns.TypeNXT:
		return shape{names: 1}
	case dns.TypeRP:
		return shape{names: 2}
	case dns.TypeAFSDB, dns.TypeRT, dns.TypeKX:
		return shape{skip: 2, names: 1}
	case dns.TypePX:
		return shape{skip: 2, names: 2}
	case dns.TypeSRV:
		return shape{skip: 6, names: 1}
	case dns.TypeRRSIG, dns.TypeSIG:
		return shape{skip: 18, names: 1}
	case dns.TypeNAPTR:
		return shape{skip: naptrName(rdata), names: 1}
	}
	return shape{}
}

// naptrName is where the replacement of a NAPTR stands: behind two numbers and three strings.
func naptrName(rdata []byte) int {
	at := 4
	for range 3 {
		if at >= len(rdata) {
			return len(rdata)
		}
		at += 1 + int(rdata[at])
	}
	return at
}

// What is wrong with a record.
var (
	errBadRDATA  = errors.New("RDATA that does not fit the type")
	errTooLarge  = errors.New("a record that no message can carry")
	errNotInZone = errors.New("an owner name outside of the zone")
	errMetaType  = errors.New("a type that no zone can have")
)

// soaFixed is how many octets of an SOA stand behind its names.
const soaFixed = 20

// checkRDATA makes sure that what the packer and the answers rely on holds.
func checkRDATA(typ uint16, rdata []byte) error {
	if len(rdata) > 1<<16-1 {
		return errTooLarge
	}
	want := -1
	switch typ {
	case dns.TypeA:
		want = net4
	case dns.TypeAAAA:
		want = net6
	case dns.TypeNone, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeIXFR, dns.TypeAXFR, dns.TypeMAILA, dns.TypeMAILB, dns.TypeANY:
		return errMetaType
	}
	if s := shapeOf(typ, rdata); s.names > 0 {
		at := s.skip
		for range s.names {
			n := 0
			if at <= len(rdata) {
				n = zone.WireNameLen(rdata[at:])
			}
			if n == 0 {
				return errBadRDATA
			}
			at += n
		}
		switch typ {
		case dns.TypeSOA:
			want = at + soaFixed
		case dns.TypeRRSIG, dns.TypeSIG, dns.TypeNSEC, dns.TypeNXT:
		default:
			want = at
		}
	}
	if want >= 0 && len(rdata) != want {
		return errBadRDATA
	}
	return nil
}

// Octets of addresses.
const (
	net4 = 4
	net6 = 16
)

// foldRDATA appends RDATA with the letters of its names in lower case.
func foldRDATA(dst []byte, typ uint16, rdata []byte) []byte {
	from := len(dst)
	dst = append(dst, rdata...)
	s := shapeOf(typ, rdata)
	at := from + s.skip
	for range s.names {
		n := zone.WireNameLen(dst[at:])
		zone.FoldCase(dst[at : at+n])
		at += n
	}
	return dst
}

// compareRDATA orders the RDATA of one type as octets, the case of letters in names apart.
func compareRDATA(typ uint16, a, b []byte) int {
	c := bytes.Compare(a, b)
	if c == 0 || shapeOf(typ, a).names == 0 {
		return c
	}
	var bufA, bufB [512]byte
	return bytes.Compare(foldRDATA(bufA[:0], typ, a), foldRDATA(bufB[:0], typ, b))
}

// record is a record in wire form, uncompressed.
type record struct {
	owner []byte
	typ   uint16
	ttl   uint32
	rdata []byte
}

// recordFixed is how many octets of a record stand between owner name and RDATA.
const recordFixed = 10

// size is how many octets the record has.
func (r *record) size() int { return len(r.owner) + recordFixed + len(r.rdata) }

// append appends the record in wire form.
func (r *record) append(dst []byte) []byte {
	dst = append(dst, r.owner...)
	dst = appendFixed(dst, r.typ, r.ttl)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.rdata)))
	return append(dst, r.rdata...)
}

// appendFixed appends what stands between the owner name and the length of the RDATA.
func appendFixed(dst []byte, typ uint16, ttl uint32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, typ)
	dst = binary.BigEndian.AppendUint16(dst, dns.ClassINET)
	return binary.BigEndian.AppendUint32(dst, ttl)
}

// errCut says that octets do not hold the records they should.
var errCut = errors.New("records in wire form are cut short")

// cutRecord takes the record that octets begin with, uncompressed, and gives what follows.
func cutRecord(wire []byte) (r record, rest []byte, err error) {
	n := zone.WireNameLen(wire)
	if n == 0 || len(wire) < n+recordFixed {
		return r, nil, errCut
	}
	fixed := wire[n:]
	size := n + recordFixed + int(binary.BigEndian.Uint16(fixed[8:]))
	if len(wire) < size {
		return r, nil, errCut
	}
	r = record{
		owner: wire[:n:n], typ: binary.BigEndian.Uint16(fixed), ttl: binary.BigEndian.Uint32(fixed[4:]),
		rdata: wire[n+recordFixed : size : size],
	}
	if err := checkRDATA(r.typ, r.rdata); err != nil {
		return r, nil, fmt.Errorf("%s: %w", dns.Type(r.typ), err)
	}
	return r, wire[size:], nil
}

// typeOrder puts an SOA before all other types of its owner name.
func typeOrder(typ uint16) int {
	if typ == dns.TypeSOA {
		return -1
	}
	return int(typ)
}

// hash is that of a record whose owner name has a key. Sums of it over a zone tell whether two
// processes have the same records, so it has no seed. It is no defense: who makes two zones with
// one sum makes them for himself.
func (r *record) hash(key []byte) uint64 {
	h := fnv(fnvBasis, key)
	h = (h ^ uint64(r.typ)) * fnvPrime
	h = (h ^ uint64(r.ttl)) * fnvPrime
	if shapeOf(r.typ, r.rdata).names > 0 {
		var buf [512]byte
		h = fnv(h, foldRDATA(buf[:0], r.typ, r.rdata))
	} else {
		h = fnv(h, r.rdata)
	}
	// The sum needs every bit to depend on every octet.
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return h
}

// The hash FNV-1a.
const (
	fnvBasis = 0xcbf29ce484222325
	fnvPrime = 0x100000001b3
)

func fnv(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}
