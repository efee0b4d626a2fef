package zonefile

import (
	"bytes"
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
	key   string // RDATA with names in lower case, for order and duplicates
	text  string // the line
}

// AddressRecord makes the record of an address; owner is the text to write.
func AddressRecord(owner zone.Name, ownerText string, typ uint16, ttl uint32, wire []byte) CanonicalRecord {
	text := ownerText + " " + strconv.FormatUint(uint64(ttl), 10) + " IN " + TypeName(typ) + " "
	return CanonicalRecord{
		Owner: owner, Type: typ, TTL: ttl, key: string(wire),
		text: string(AppendRDATAText([]byte(text), typ, wire)),
	}
}

// Canonical gives the zone as one record a line, absolute, sorted (RFC 4034
// §6.1), control entries gone. Records of skip, and ALIAS entries, are left
// out; more are put in. serial, if not nil, replaces that of the SOA.
func (z *Zone) Canonical(skip map[Place]bool, more []CanonicalRecord, serial *zone.Serial) *Text {
	records := slices.Clone(more)
	z.walk(func(r *reader, e *Entry, h *head) {
		kind := kindOf(h.typ, z.strip)
		if h.typ == typeALIAS || kind != 0 && kind != MarkSOA || skip[Place{r.place(e)}] {
			return
		}
		records = append(records, r.canonical(e, h, serial))
	})
	settleTTLs(records)
	slices.SortStableFunc(records, compareCanonical)
	var out bytes.Buffer
	for i := range records {
		if i+1 < len(records) && records[i].same(&records[i+1]) {
			continue // BIND keeps the last spelling
		}
		out.WriteString(records[i].text)
		out.WriteByte('\n')
	}
	t := &Text{}
	t.add(out.Bytes())
	return t
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
		k := rrset{r.Owner, r.Type}
		if mixed[k] && r.TTL != last[k] {
			r.text = strings.Replace(r.text, " "+strconv.FormatUint(uint64(r.TTL), 10)+" IN ", " "+strconv.FormatUint(uint64(last[k]), 10)+" IN ", 1)
			r.TTL = last[k]
		}
	}
}

// canonical makes the record of an entry.
func (r *reader) canonical(e *Entry, h *head, serial *zone.Serial) CanonicalRecord {
	owner, _ := zone.NameFromWire(r.ctx.ownerName())
	rec := CanonicalRecord{Owner: owner, Type: h.typ, TTL: h.ttl}
	text := zone.AppendNameText(nil, r.ctx.ownerName())
	text = append(strconv.AppendUint(append(text, ' '), uint64(h.ttl), 10), " IN "...)
	text = append(append(text, TypeName(h.typ)...), ' ')
	tokens := e.Tokens[h.typeAt+1:]
	wire, verified, _ := appendRDATA(nil, h.typ, r.text, tokens, r.ctx.origin, true)
	if !verified {
		start := len(text)
		text = r.appendRDATAText(text, e, h)
		rec.key = string(text[start:])
		rec.text = string(text)
		return rec
	}
	rec.key = string(wire)
	spelled, _, _ := appendRDATA(nil, h.typ, r.text, tokens, r.ctx.origin, false)
	if h.typ == dns.TypeSOA && serial != nil {
		n := zone.WireNameLen(spelled)
		n += zone.WireNameLen(spelled[n:])
		s := uint32(*serial)
		copy(spelled[n:], []byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)})
	}
	rec.text = string(AppendRDATAText(text, h.typ, spelled))
	return rec
}
