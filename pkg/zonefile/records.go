package zonefile

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Records reads a text of records of any zones, relative names below the root,
// for use other than as a zone. Types whose RDATA cannot be verified are left
// out.
func Records(name string, text []byte) ([]dns.RR, diag.List) {
	z := Summarize(name, text, Options{Origin: zone.Root})
	if z.Found.HasErrors() {
		return nil, z.Found
	}
	records := make([]dns.RR, 0, z.Count)
	var wire []byte
	z.EachRecord(func(owner []byte, typ uint16, ttl uint32, rdata []byte) {
		if rdata == nil {
			return
		}
		wire = append(wire[:0], owner...)
		wire = binary.BigEndian.AppendUint16(wire, typ)
		wire = binary.BigEndian.AppendUint16(wire, dns.ClassINET)
		wire = binary.BigEndian.AppendUint32(wire, ttl)
		wire = binary.BigEndian.AppendUint16(wire, uint16(len(rdata)))
		if rr, _, err := dns.UnpackRR(append(wire, rdata...), 0); err == nil {
			records = append(records, rr)
		}
	})
	return records, z.Found
}

// EachRecord gives every record that is published, in the order of the text: owner name and
// RDATA in wire form, uncompressed, letter case as written. They are valid until f returns.
// RDATA that cannot be verified has no wire form, and is nil. ALIAS entries are left out.
func (z *Zone) EachRecord(f func(owner []byte, typ uint16, ttl uint32, rdata []byte)) {
	buf := make([]byte, 0, 512)
	z.walk(func(r *reader, e *Entry, h *head) {
		if !isPublished(h.typ, z.strip) {
			return
		}
		rdata, verified, _ := appendRDATA(buf, h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin, false)
		if !verified {
			rdata = nil
		}
		f(r.ctx.ownerName(), h.typ, h.ttl, rdata)
	})
}
