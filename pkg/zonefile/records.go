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
	z.walk(func(r *reader, e *Entry, h *head) {
		if h.typ == typeALIAS {
			return
		}
		wire = append(wire[:0], r.ctx.ownerName()...)
		wire = binary.BigEndian.AppendUint16(wire, h.typ)
		wire = binary.BigEndian.AppendUint16(wire, dns.ClassINET)
		wire = binary.BigEndian.AppendUint32(wire, h.ttl)
		at := len(wire)
		wire = append(wire, 0, 0)
		var verified bool
		wire, verified, _ = appendRDATA(wire, h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin, false)
		if !verified {
			return
		}
		binary.BigEndian.PutUint16(wire[at:], uint16(len(wire)-at-2))
		if rr, _, err := dns.UnpackRR(wire, 0); err == nil {
			records = append(records, rr)
		}
	})
	return records, z.Found
}
