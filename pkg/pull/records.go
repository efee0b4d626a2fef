package pull

import (
	"cmp"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// records are those of a zone without its SOA.
type records struct {
	soa  record
	list []record
}

// text gives the records as a zone file: one a line, absolute, sorted in canonical order (RFC 4034
// §6.1) with the SOA first, each once. So the same zone is the same text however it came.
func (r *records) text() []byte {
	slices.SortFunc(r.list, func(a, b record) int {
		return cmp.Or(a.name.Compare(b.name), cmp.Compare(a.typ, b.typ), strings.Compare(a.rdata, b.rdata))
	})
	size := 0
	for i := range r.list {
		size += len(r.list[i].owner) + 2*len(r.list[i].rdata) + 24
	}
	out := appendLine(make([]byte, 0, size+512), &r.soa)
	for i := range r.list {
		if rec := &r.list[i]; i == 0 || !rec.same(&r.list[i-1]) {
			out = appendLine(out, rec)
		}
	}
	return out
}

func (r *record) same(other *record) bool {
	return r.name == other.name && r.typ == other.typ && r.rdata == other.rdata
}

func appendLine(out []byte, r *record) []byte {
	out = zone.AppendNameText(out, []byte(r.owner))
	out = append(strconv.AppendUint(append(out, ' '), uint64(r.ttl), 10), " IN "...)
	rdata := []byte(r.rdata)
	if r.typ == typeALIAS && len(rdata) > 0 && zone.WireNameLen(rdata) == len(rdata) {
		out = zone.AppendNameText(append(out, "ALIAS "...), rdata)
		return append(out, '\n')
	}
	out = append(append(out, zonefile.TypeName(r.typ)...), ' ')
	if r.typ == typeALIAS {
		out = strconv.AppendInt(append(out, `\# `...), int64(len(rdata)), 10)
		out = hex.AppendEncode(append(out, ' '), rdata)
		return append(out, '\n')
	}
	return append(zonefile.AppendRDATAText(out, r.typ, rdata), '\n')
}

// errUnlike says that differences do not fit the copy that is kept.
var errUnlike = errors.New("what has changed does not fit what is kept of the zone")

// base is a copy to which differences are applied.
type base struct {
	serial  zone.Serial
	records map[recordKey]record
}

// recordKey is by what a record is told from others: its TTL is not part of it.
type recordKey struct {
	name  zone.Name
	typ   uint16
	rdata string
}

func (r *record) key() recordKey { return recordKey{r.name, r.typ, r.rdata} }

// readBase reads a copy; nil where anything in it is not as this package writes it, so that only
// a whole transfer is of use.
func readBase(name zone.Name, text []byte) *base {
	z := zonefile.Read("", text, zonefile.Options{Origin: name, CheckNames: diag.Warning})
	if z.Found.HasErrors() {
		return nil
	}
	b := &base{records: map[recordKey]record{}}
	whole, apex := true, false
	put := func(owner []byte, typ uint16, ttl uint32, rdata []byte) {
		n, err := zone.NameFromWire(owner)
		rec := record{name: n, owner: string(owner), typ: typ, ttl: ttl, rdata: string(rdata)}
		switch {
		case err != nil || rdata == nil:
			whole = false
		case typ == dns.TypeSOA && n == name:
			s, err := readSOA(rec.rdata)
			b.serial, apex = s.serial, err == nil
		default:
			b.records[rec.key()] = rec
		}
	}
	z.EachRecord(put)
	for _, a := range z.Aliases() {
		owner, err := zone.AppendName(nil, []byte(a.OwnerText()), nil)
		target, wrong := zone.AppendName(nil, []byte(a.Target.Text), nil)
		if err != nil || wrong != nil || len(a.Fields) > 0 || a.Keyword != "ALIAS" {
			return nil
		}
		put(owner, typeALIAS, a.TTL, target)
	}
	if !whole || !apex {
		return nil
	}
	return b
}

// remove takes a record out.
func (b *base) remove(rec *record) error {
	k := rec.key()
	if _, ok := b.records[k]; !ok {
		return errUnlike
	}
	delete(b.records, k)
	return nil
}

// all gives the records that are left.
func (b *base) all() []record {
	list := make([]record, 0, len(b.records))
	for _, rec := range b.records {
		list = append(list, rec)
	}
	return list
}
