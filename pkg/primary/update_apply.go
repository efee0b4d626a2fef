package primary

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// UpdateRecord is a record of a zone that is updated.
type UpdateRecord struct {
	Type  uint16
	TTL   uint32 // in seconds
	RDATA string // uncompressed, letter case as it came; that of an ALIAS its target alone
	Known bool   // RDATA holds; else nothing that an UPDATE says can mean the record alone
	Of    int    // for whoever gives the records, to know one again; it is kept
}

// RRsetReplacement is an RRset that an UPDATE changes.
type RRsetReplacement struct {
	Owner zone.Name
	Type  uint16
	TTL   *uint32        // of the whole RRset; nil: it stays as it is
	Stay  []UpdateRecord // as they are, but for their TTL
	Gone  []UpdateRecord // without Stay and Come it is the whole RRset
	Come  []UpdateRecord
}

// Apply judges the prerequisites by the records that the owner names have, in the order of RFC 2136
// §3.2, and gives the RRsets that the changes change, by the rules of §3.4.2: what may not be
// touched so, such as the SOA and the last NS of the apex, is left out without an error. Of CNAME,
// DNAME and ALIAS a name has one; another one takes its place. With another code than NOERROR
// there are no changes, and the problem says which prerequisite does not hold. records is called
// once for each name.
func (u *Update) Apply(records func(owner zone.Name) []UpdateRecord) (changes []RRsetReplacement, rcode int, problem string) {
	a := application{update: u, records: records, names: map[zone.Name]*updatedName{}}
	for i := range u.Prerequisites {
		if rcode, problem = a.judge(&u.Prerequisites[i]); rcode != dns.RcodeSuccess {
			return nil, rcode, problem
		}
	}
	if rcode, problem = a.judgeSets(); rcode != dns.RcodeSuccess {
		return nil, rcode, problem
	}
	for i := range u.Changes {
		a.change(&u.Changes[i])
	}
	return a.changes(), dns.RcodeSuccess, ""
}

// application is an UPDATE that is being applied.
type application struct {
	update  *Update
	records func(owner zone.Name) []UpdateRecord
	names   map[zone.Name]*updatedName
	order   []zone.Name // that are changed
}

// updatedName is an owner name before the changes and after those that are made.
type updatedName struct {
	had, has []keyedRecord
	ttl      map[uint16]uint32 // of RRsets to which something was added
	touched  bool
}

// keyedRecord is a record with what is the same for equal ones of its type.
type keyedRecord struct {
	UpdateRecord

	key string
}

// equals tells whether two records are the same but for their TTL. One that is not known is the
// same as itself alone.
func (r *keyedRecord) equals(o *keyedRecord) bool {
	return r.Type == o.Type && r.Known && o.Known && r.key == o.key || !r.Known && *r == *o
}

// keyed finds what the RDATA is compared by: letter case in names apart.
func keyed(r UpdateRecord) keyedRecord {
	rdata := []byte(r.RDATA)
	if !r.Known || checkRDATA(r.Type, rdata) != nil {
		return keyedRecord{UpdateRecord: r, key: r.RDATA}
	}
	const priority = 2 // octets before the target of a SVCB record
	switch {
	case r.Type == TypeALIAS:
		zone.FoldCase(rdata)
	case (r.Type == dns.TypeSVCB || r.Type == dns.TypeHTTPS) && len(rdata) > priority:
		zone.FoldCase(rdata[priority : priority+zone.WireNameLen(rdata[priority:])])
	default:
		rdata = foldRDATA(nil, r.Type, rdata)
	}
	return keyedRecord{UpdateRecord: r, key: string(rdata)}
}

func (a *application) name(owner zone.Name) *updatedName {
	n := a.names[owner]
	if n == nil {
		n = &updatedName{ttl: map[uint16]uint32{}}
		for _, r := range a.records(owner) {
			n.had = append(n.had, keyed(r))
		}
		n.has = slices.Clone(n.had)
		a.names[owner] = n
	}
	return n
}

func (n *updatedName) count(typ uint16) int {
	count := 0
	for i := range n.has {
		if n.has[i].Type == typ {
			count++
		}
	}
	return count
}

// judge judges a prerequisite that stands for itself.
func (a *application) judge(c *Prerequisite) (rcode int, problem string) {
	n := a.name(c.Owner)
	switch c.Kind {
	case NameUsed:
		if len(n.has) == 0 {
			return dns.RcodeNameError, fmt.Sprintf("%s has no records", c.Owner)
		}
	case NameUnused:
		if len(n.has) > 0 {
			return dns.RcodeYXDomain, fmt.Sprintf("%s has records", c.Owner)
		}
	case RRsetExists:
		if n.count(c.Type) == 0 {
			return dns.RcodeNXRrset, fmt.Sprintf("%s has no records of type %s", c.Owner, typeText(c.Type))
		}
	case RRsetAbsent:
		if n.count(c.Type) > 0 {
			return dns.RcodeYXRrset, fmt.Sprintf("%s has records of type %s", c.Owner, typeText(c.Type))
		}
	case RRsetIs: // judged together with others of its name and type
	}
	return dns.RcodeSuccess, ""
}

func typeText(typ uint16) string {
	if typ == TypeALIAS {
		return "ALIAS"
	}
	return dns.Type(typ).String()
}

// judgeSets judges the prerequisites on what RRsets have (RFC 2136 §3.2.3).
func (a *application) judgeSets() (rcode int, problem string) {
	type set struct {
		owner zone.Name
		typ   uint16
	}
	sets := map[set][]keyedRecord{}
	var order []set
	for i := range a.update.Prerequisites {
		c := &a.update.Prerequisites[i]
		if c.Kind != RRsetIs {
			continue
		}
		of := set{c.Owner, c.Type}
		if sets[of] == nil {
			order = append(order, of)
		}
		sets[of] = append(sets[of], keyed(UpdateRecord{Type: c.Type, RDATA: c.RDATA, Known: true}))
	}
	for _, of := range order {
		has := slices.Clone(a.name(of.owner).has)
		has = slices.DeleteFunc(has, func(r keyedRecord) bool { return r.Type != of.typ })
		if !within(has, sets[of]) || !within(sets[of], has) {
			return dns.RcodeNXRrset, fmt.Sprintf("%s has other records of type %s", of.owner, typeText(of.typ))
		}
	}
	return dns.RcodeSuccess, ""
}

// within tells whether each of some records is among others.
func within(list, others []keyedRecord) bool {
	return !slices.ContainsFunc(list, func(r keyedRecord) bool { return index(others, &r) < 0 })
}

// index is where a record stands in a list; -1: nowhere.
func index(list []keyedRecord, r *keyedRecord) int {
	return slices.IndexFunc(list, func(o keyedRecord) bool { return o.equals(r) })
}

// change makes one change, or leaves it out (RFC 2136 §3.4.2).
func (a *application) change(c *UpdateChange) {
	if c.Type == dns.TypeSOA {
		return // its serial is not the client's, and a zone has to have one
	}
	n := a.name(c.Owner)
	if !n.touched {
		n.touched = true
		a.order = append(a.order, c.Owner)
	}
	apex := c.Owner == a.update.Zone
	stays := func(typ uint16) bool { return apex && (typ == dns.TypeSOA || typ == dns.TypeNS) }
	r := keyed(UpdateRecord{Type: c.Type, TTL: c.TTL, RDATA: c.RDATA, Known: true})
	switch c.Kind {
	case UpdateAdd:
		n.add(r)
	case UpdateDelete:
		if !stays(c.Type) || n.count(c.Type) > 1 {
			n.drop(func(o *keyedRecord) bool { return o.equals(&r) })
		}
	case UpdateDeleteRRset:
		n.drop(func(o *keyedRecord) bool { return o.Type == c.Type && !stays(o.Type) })
	case UpdateDeleteRRsets:
		n.drop(func(o *keyedRecord) bool { return !stays(o.Type) })
	}
}

func (n *updatedName) drop(goes func(*keyedRecord) bool) {
	n.has = slices.DeleteFunc(n.has, func(r keyedRecord) bool { return goes(&r) })
}

// add adds a record, unless it is a CNAME beside others or another beside a CNAME.
func (n *updatedName) add(r keyedRecord) {
	for i := range n.has {
		other := n.has[i].Type
		if (other == dns.TypeCNAME) != (r.Type == dns.TypeCNAME) && !besideCNAME(other) && !besideCNAME(r.Type) {
			return
		}
	}
	n.ttl[r.Type] = r.TTL
	if index(n.has, &r) >= 0 {
		return
	}
	switch r.Type {
	case dns.TypeCNAME, dns.TypeDNAME, TypeALIAS:
		n.drop(func(o *keyedRecord) bool { return o.Type == r.Type })
	}
	n.has = append(n.has, r)
}

// besideCNAME tells whether records of a type may stand beside a CNAME (RFC 4035 §2.5).
func besideCNAME(typ uint16) bool {
	return typ == dns.TypeRRSIG || typ == dns.TypeNSEC || typ == dns.TypeKEY
}

// changes gives the RRsets that are others than before.
func (a *application) changes() []RRsetReplacement {
	var list []RRsetReplacement
	for _, owner := range a.order {
		n := a.names[owner]
		var types []uint16
		for _, r := range slices.Concat(n.had, n.has) {
			if !slices.Contains(types, r.Type) {
				types = append(types, r.Type)
				if c := n.changed(r.Type); c.TTL != nil || len(c.Gone)+len(c.Come) > 0 {
					c.Owner = owner
					list = append(list, c)
				}
			}
		}
	}
	return list
}

// changed compares one RRset with what it was.
func (n *updatedName) changed(typ uint16) RRsetReplacement {
	c := RRsetReplacement{Type: typ}
	ttl, given := n.ttl[typ]
	for i := range n.had {
		r := &n.had[i]
		if r.Type != typ {
			continue
		}
		if r.TTL != ttl {
			c.TTL = &ttl
		}
		if index(n.has, r) >= 0 {
			c.Stay = append(c.Stay, r.UpdateRecord)
		} else {
			c.Gone = append(c.Gone, r.UpdateRecord)
		}
	}
	for i := range n.has {
		if r := &n.has[i]; r.Type == typ && index(n.had, r) < 0 {
			c.Come = append(c.Come, r.UpdateRecord)
			c.TTL = &ttl
		}
	}
	if !given || len(c.Stay)+len(c.Come) == 0 {
		c.TTL = nil
	}
	return c
}
