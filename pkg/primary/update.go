package primary

import (
	"context"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Updater takes UPDATE (RFC 2136) for the zones of [Setup.Updates], signed by a key that is named
// there. It is called by several goroutines at once.
type Updater interface {
	// Update makes all changes, durably, or none, and gives the code of the answer: NOERROR, that
	// of a prerequisite that does not hold ([Update.Apply] gives it), REFUSED where the key may
	// not do that or the zone would not be good, or SERVFAIL where it could not be done. The
	// problem says why in a clause. It may block until ctx ends.
	Update(ctx context.Context, u *Update) (rcode int, problem string)
}

// Update is an UPDATE of the right form. All its owner names are in the zone.
type Update struct {
	Zone          zone.Name
	Key           zone.Name // that it is signed with
	Peer          netip.AddrPort
	Prerequisites []Prerequisite
	Changes       []UpdateChange // in their order
}

// PrerequisiteKind is a kind of condition (RFC 2136 §2.4).
type PrerequisiteKind uint8

// The kinds of conditions.
const (
	RRsetExists PrerequisiteKind = iota + 1 // there are records of the type
	RRsetIs                                 // the RRset has the records of all such conditions of its name and type, and no others
	RRsetAbsent                             // there are no records of the type
	NameUsed                                // the name has records; that it stands above others is not enough
	NameUnused                              // the name has no records
)

// Prerequisite is a condition on which an UPDATE is made.
type Prerequisite struct {
	Kind  PrerequisiteKind
	Owner zone.Name
	Type  uint16 // 0 for one on a name
	RDATA string // of one record, with RRsetIs; see [UpdateRecord]
}

// UpdateKind is a kind of change (RFC 2136 §2.5).
type UpdateKind uint8

// The kinds of changes.
const (
	UpdateAdd          UpdateKind = iota + 1 // of a record
	UpdateDelete                             // of a record
	UpdateDeleteRRset                        // of all records of a type
	UpdateDeleteRRsets                       // of all records of a name
)

// UpdateChange is a change that is asked for.
type UpdateChange struct {
	Kind  UpdateKind
	Owner zone.Name
	Type  uint16 // 0 with UpdateDeleteRRsets
	TTL   uint32 // in seconds, with UpdateAdd
	RDATA string // with UpdateAdd and UpdateDelete; see [UpdateRecord]
}

// TypeALIAS is the type of ALIAS records on the wire, whose RDATA is their target: one name,
// uncompressed.
const TypeALIAS = 65401

// mostUpdateRecords is how many conditions and changes an UPDATE has together at most.
const mostUpdateRecords = 1000

// update takes an UPDATE.
func (r *request) update(rules *rules) *problem {
	q := r.msg.Question[0]
	if r.key.IsZero() {
		return refused("it is not signed")
	}
	if q.Qtype != dns.TypeSOA {
		return &problem{rcode: dns.RcodeFormatError, reason: "it names its zone by another type than SOA"}
	}
	name, err := zone.ParseName(q.Name, zone.Root)
	if err != nil {
		return &problem{rcode: dns.RcodeFormatError, reason: "its name is none"}
	}
	list := rules.updates[name]
	switch {
	case q.Qclass != dns.ClassINET || list == nil && rules.zones[name] == nil:
		return &problem{rcode: dns.RcodeNotAuth, reason: "the zone is not served here"}
	case list == nil:
		return refused("the zone takes no UPDATE")
	}
	z := zoneRules{access: list}
	if may, _ := z.may(r.client.Addr(), r.key); !may {
		return refused("its address may not update with its key here")
	}
	// The window that a client may claim is longer than that for which updates are remembered.
	now, signed := seconds(r.server.options.Now()), r.tsig.TimeSigned
	if signed+fudge < now || now+fudge < signed {
		return &problem{rcode: dns.RcodeNotAuth, code: dns.RcodeBadTime, reason: "its clock differs from ours"}
	}
	u := &Update{Zone: name, Key: r.key, Peer: r.client}
	if p := u.read(r.msg); p != nil {
		return p
	}
	if p := r.server.updates.do(r.key.Wire()+r.tsig.MAC, u); p != nil {
		return p
	}
	r.reply(new(dns.Msg).SetReply(r.msg), 0)
	return nil
}

// read takes the conditions and the changes of a message (RFC 2136 §3.2 and §3.4.1).
func (u *Update) read(m *dns.Msg) *problem {
	if len(m.Answer)+len(m.Ns) > mostUpdateRecords {
		return refused("it has too many records")
	}
	for _, rr := range m.Answer {
		owner, p := u.owner(rr)
		if p != nil {
			return p
		}
		c, ok := prerequisite(owner, rr)
		if !ok {
			return &problem{rcode: dns.RcodeFormatError, reason: "a prerequisite of it is none"}
		}
		u.Prerequisites = append(u.Prerequisites, c)
	}
	for _, rr := range m.Ns {
		owner, p := u.owner(rr)
		if p != nil {
			return p
		}
		c, ok := updateChange(owner, rr)
		if !ok {
			return &problem{rcode: dns.RcodeFormatError, reason: "a change of it is none"}
		}
		u.Changes = append(u.Changes, c)
	}
	return nil
}

// owner gives the owner name of a record, which has to be in the zone.
func (u *Update) owner(rr dns.RR) (zone.Name, *problem) {
	name, err := zone.ParseName(rr.Header().Name, zone.Root)
	switch {
	case err != nil:
		return name, &problem{rcode: dns.RcodeFormatError, reason: "an owner name of it is none"}
	case !name.IsIn(u.Zone):
		return name, &problem{rcode: dns.RcodeNotZone, reason: "a record of it is not in the zone"}
	}
	return name, nil
}

// prerequisite reads a condition; false: the record is none.
func prerequisite(owner zone.Name, rr dns.RR) (Prerequisite, bool) {
	h := rr.Header()
	c := Prerequisite{Owner: owner, Type: h.Rrtype}
	every := h.Rrtype == dns.TypeANY
	if h.Ttl != 0 || isMetaType(h.Rrtype) && !every {
		return c, false
	}
	switch h.Class {
	case dns.ClassANY:
		c.Kind = RRsetExists
		if every {
			c.Kind, c.Type = NameUsed, 0
		}
		return c, h.Rdlength == 0
	case dns.ClassNONE:
		c.Kind = RRsetAbsent
		if every {
			c.Kind, c.Type = NameUnused, 0
		}
		return c, h.Rdlength == 0
	case dns.ClassINET:
		var ok bool
		c.Kind = RRsetIs
		c.RDATA, ok = updateRDATA(rr)
		return c, ok && !every
	}
	return c, false
}

// updateChange reads a change; false: the record is none.
func updateChange(owner zone.Name, rr dns.RR) (UpdateChange, bool) {
	h := rr.Header()
	c := UpdateChange{Owner: owner, Type: h.Rrtype}
	every := h.Rrtype == dns.TypeANY
	if isMetaType(h.Rrtype) && !every {
		return c, false
	}
	var ok bool
	switch h.Class {
	case dns.ClassANY:
		c.Kind = UpdateDeleteRRset
		if every {
			c.Kind, c.Type = UpdateDeleteRRsets, 0
		}
		return c, h.Ttl == 0 && h.Rdlength == 0
	case dns.ClassNONE:
		c.Kind = UpdateDelete
		c.RDATA, ok = updateRDATA(rr)
		return c, ok && !every && h.Ttl == 0
	case dns.ClassINET:
		c.Kind, c.TTL = UpdateAdd, h.Ttl
		c.RDATA, ok = updateRDATA(rr)
		return c, ok && !every
	}
	return c, false
}

// isMetaType tells whether no zone has records of a type (RFC 6895 §3.1).
func isMetaType(typ uint16) bool {
	const first, last = 128, 255
	return typ == dns.TypeNone || typ == dns.TypeOPT || first <= typ && typ <= last
}

// emptyTypes are those known types whose RDATA may be empty.
var emptyTypes = []uint16{dns.TypeNULL, dns.TypeAPL}

// updateRDATA gives the RDATA of a record in uncompressed wire form; false: it does not fit the type.
func updateRDATA(rr dns.RR) (string, bool) {
	h := rr.Header()
	if _, known := dns.TypeToRR[h.Rrtype]; known && h.Rdlength == 0 && !slices.Contains(emptyTypes, h.Rrtype) {
		return "", false
	}
	const names = 3 // that a record has at most, and that may have been compressed
	wire := make([]byte, names*zone.MaxNameLen+recordFixed+int(h.Rdlength))
	n, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		return "", false
	}
	rdata := wire[zone.WireNameLen(wire)+recordFixed : n]
	if n := zone.WireNameLen(rdata); h.Rrtype == TypeALIAS && (n == 0 || n != len(rdata)) || checkRDATA(h.Rrtype, rdata) != nil {
		return "", false
	}
	return string(rdata), true
}
