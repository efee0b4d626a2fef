package zonefile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// CanonicalRecord is one record for canonical output.
type CanonicalRecord struct {
	Owner zone.Name
	Type  uint16
	TTL   uint32
	owner string // as it is written
	rdata string // wire form, letter case as written
	text  string // RDATA as it is written, where there is no wire form
	key   string // RDATA with names in lower case, for order and duplicates
	// comment goes before the records that have it, once for those that stand together.
	comment string
}

// AddressRecord makes the record of an address in wire form; owner is the text
// to write, and comment what goes before it, once for all that have it.
func AddressRecord(name zone.Name, owner string, typ uint16, ttl uint32, wire []byte, comment string) CanonicalRecord {
	return CanonicalRecord{Owner: name, Type: typ, TTL: ttl, owner: owner, rdata: string(wire), key: string(wire), comment: comment}
}

// NoRecord is a comment at an owner name in place of records.
func NoRecord(name zone.Name, comment string) CanonicalRecord {
	return CanonicalRecord{Owner: name, Type: dns.TypeNone, comment: comment}
}

// CanonicalSet is the records of a zone in canonical order (RFC 4034 §6.1).
type CanonicalSet []CanonicalRecord

// Canonical gives the records of the zone, sorted and each once. Records at
// the places of skip, and ALIAS entries, are left out; more are put in. Of the
// comments those stay that an earlier run has written, for the next one to read.
func (z *Zone) Canonical(skip map[Place]bool, more []CanonicalRecord) CanonicalSet {
	comments, records := z.flattenedComments()
	records = append(records, more...)
	z.walk(func(r *reader, e *Entry, h *head) {
		kind := kindOf(h.typ, z.strip)
		if h.typ == typeALIAS || kind != 0 && kind != MarkSOA || skip[Place{r.place(e)}] {
			return
		}
		rec := r.canonical(e, h)
		if len(comments) > 0 {
			rec.comment = comments[flattenedKey{rec.Owner, rec.Type, rec.key}]
		}
		records = append(records, rec)
	})
	settleTTLs(records)
	slices.SortStableFunc(records, compareCanonical)
	last := 0
	for i := range records {
		if i+1 < len(records) && records[i].same(&records[i+1]) {
			continue // BIND keeps the last spelling
		}
		records[last] = records[i]
		last++
	}
	return records[:last]
}

// Content is the content of the set, with lasting hashes where they are asked
// for.
func (s CanonicalSet) Content(lasting bool) Content {
	var c Content
	for i := range s {
		r := &s[i]
		if r.Type == dns.TypeNone {
			continue
		}
		key := []byte(r.key)
		if r.Type == dns.TypeSOA {
			key = withoutSerial(key)
		}
		c.Sum += hashRecord(hashOf(r.Owner), hashRDATA(r.Type, key), r.TTL)
		c.Count++
		if lasting {
			c.Lasting += lastingRecord(r.Owner, r.Type, r.TTL, key)
		}
	}
	c.Raw, c.Lines = c.Sum, c.Count
	return c
}

// Text is the set as a zone file: one record a line, absolute, without control
// entries, and with no comments but those that tell what an ALIAS stands behind.
// serial, if not nil, replaces that of the SOA.
func (s CanonicalSet) Text(serial *zone.Serial) *Text {
	t := &Text{}
	var out []byte
	for i := range s {
		r := &s[i]
		if r.comment != "" && (i == 0 || s[i-1].comment != r.comment || s[i-1].Owner != r.Owner) {
			out = append(append(out, r.comment...), '\n')
		}
		if r.Type == dns.TypeNone {
			continue
		}
		out = append(out, r.owner...)
		out = append(strconv.AppendUint(append(out, ' '), uint64(r.TTL), 10), " IN "...)
		out = append(append(out, TypeName(r.Type)...), ' ')
		switch {
		case r.text != "":
			out = append(out, r.text...)
		case r.Type == dns.TypeSOA && serial != nil:
			text := AppendRDATAText(nil, r.Type, withSerial([]byte(r.rdata), *serial))
			fields := bytes.SplitAfterN(text, []byte(" "), 4)
			t.add(append(append(out, fields[0]...), fields[1]...))
			t.add(bytes.TrimSuffix(fields[2], []byte(" ")))
			t.serial = len(t.parts)
			out = append([]byte(" "), fields[3]...)
		default:
			out = AppendRDATAText(out, r.Type, []byte(r.rdata))
		}
		out = append(out, '\n')
	}
	t.add(out)
	return t
}

// withSerial puts a serial into an SOA in wire form, in place.
func withSerial(wire []byte, serial zone.Serial) []byte {
	n := zone.WireNameLen(wire)
	n += zone.WireNameLen(wire[n:])
	binary.BigEndian.PutUint32(wire[n:], uint32(serial))
	return wire
}

func (c *CanonicalRecord) same(other *CanonicalRecord) bool {
	return c.Owner == other.Owner && c.Type == other.Type && c.key == other.key
}

func compareCanonical(a, b CanonicalRecord) int {
	if c := a.Owner.Compare(b.Owner); c != 0 {
		return c
	}
	if a.Type != b.Type {
		if a.Type == dns.TypeSOA || b.Type != dns.TypeSOA && a.Type < b.Type {
			return -1
		}
		return 1
	}
	return strings.Compare(a.key, b.key)
}

// settleTTLs gives all records of an RRset one TTL, that of its last run of
// records, which is what BIND ends up with.
func settleTTLs(records []CanonicalRecord) {
	type rrset struct {
		owner zone.Name
		typ   uint16
	}
	last := map[rrset]uint32{}
	mixed := map[rrset]bool{}
	for i := range records {
		k := rrset{records[i].Owner, records[i].Type}
		if ttl, ok := last[k]; ok && ttl != records[i].TTL {
			mixed[k] = true
		}
		last[k] = records[i].TTL
	}
	if len(mixed) == 0 {
		return
	}
	for i := range records {
		r := &records[i]
		if k := (rrset{r.Owner, r.Type}); mixed[k] {
			r.TTL = last[k]
		}
	}
}

// canonical makes the record of an entry.
func (r *reader) canonical(e *Entry, h *head) CanonicalRecord {
	owner, _ := zone.NameFromWire(r.ctx.ownerName())
	rec := CanonicalRecord{Owner: owner, Type: h.typ, TTL: h.ttl, owner: nameText(r.ctx.ownerName())}
	tokens := e.Tokens[h.typeAt+1:]
	wire, verified, _ := appendRDATA(nil, h.typ, r.text, tokens, r.ctx.origin, true)
	if !verified {
		rec.text = string(r.appendRDATAText(nil, e, h))
		rec.key = string(unverified(nil, r.apex, r.text, tokens))
		return rec
	}
	rec.key = string(wire)
	spelled, _, _ := appendRDATA(nil, h.typ, r.text, tokens, r.ctx.origin, false)
	rec.rdata = string(spelled)
	return rec
}
