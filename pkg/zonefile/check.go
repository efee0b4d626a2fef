package zonefile

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Checks of the whole zone. They run over the index, where all records of an
// owner name lie together, and note candidates; only those that are shown are
// looked at again in the text.

// candidate is a record that breaks a rule, and the record it breaks it with.
type candidate struct {
	code   diag.Code
	pos    uint32
	other  uint32
	typ    uint16
	n      int
	target uint64 // hash of the host, where it is about one
	apexNS bool   // an NS record of the apex: always reported
}

// Limits of BIND 9.18 for a zone that it loads (max-records-per-type,
// max-types-per-name).
const (
	maxRecordsPerType = 100
	maxTypesPerName   = 100
)

// check judges the zone after reading.
func (b *builder) check() {
	z := b.zone
	found, trimmed := z.settle()
	b.reportCandidates(found, trimmed)
	b.checkApex()
	b.checkBelowDNAME()
}

// settle sorts the index and goes through the records of each owner name and
// the hosts that records name, on all workers.
func (z *Zone) settle() (found []candidate, trimmed map[diag.Code]int) {
	z.index.spare = nil
	workers := z.options.Workers
	parts := make([]ownerCheck, workers)
	var next atomic.Int32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			c := &parts[w]
			c.strip, c.lasting = z.strip, z.lasting
			var s sorter
			for i := next.Add(1); i <= bucketCount; i = next.Add(1) {
				b := &z.index.buckets[i-1]
				c.owners(s.sort(b))
				c.hosts(z, b)
			}
		})
	}
	wg.Wait()
	trimmed = map[diag.Code]int{}
	for i := range parts {
		found = append(found, parts[i].found...)
		for code, n := range parts[i].trimmed {
			trimmed[code] += n
		}
		z.duplicates += parts[i].duplicates
		z.duplicateN += parts[i].duplicateN
		z.mixed = z.mixed || parts[i].mixed
		z.repeated += z.lastingRepeats(parts[i].repeats)
	}
	return found, trimmed
}

// ownerCheck is what one worker finds.
type ownerCheck struct {
	found      []candidate
	enough     int               // of these, once trimmed
	trimmed    map[diag.Code]int // by code, those that are not among them any more; nil: none
	duplicates uint64
	duplicateN int
	mixed      bool
	strip      bool     // as in settings
	lasting    bool     // as in settings
	repeats    []repeat // the duplicates, with lasting
}

// owners judges the records of one bucket, in their order.
func (c *ownerCheck) owners(sorted []tuple) {
	for lo := 0; lo < len(sorted); {
		owner, hi := sorted[lo].owner, lo+1
		for hi < len(sorted) && sorted[hi].owner == owner {
			hi++
		}
		if hi > lo+1 {
			c.owner(sorted[lo:hi])
		}
		lo = hi
	}
}

// owner judges the records at one owner name, sorted by type and RDATA.
func (c *ownerCheck) owner(s []tuple) {
	types, cname := 0, -1
	for lo := 0; lo < len(s); {
		hi := lo + 1
		for hi < len(s) && s[hi].typ() == s[lo].typ() {
			hi++
		}
		if s[lo].typ() == dns.TypeCNAME {
			cname = lo
		}
		types++
		if hi-lo > 1 {
			c.rrset(s[lo:hi])
		}
		lo = hi
	}
	if types > maxTypesPerName {
		first, _ := earliest(s, func(tuple) bool { return true })
		c.note(diag.CodeRRsetTooBig, first, first, types)
		c.found[len(c.found)-1].typ = 0 // it is about no type in particular
	}
	if cname < 0 || types == 1 {
		return
	}
	if other, bad := earliest(s, func(t tuple) bool { return !besideCNAME(t.typ()) }); bad {
		first, _ := earliest(s[cname:], func(t tuple) bool { return t.typ() == dns.TypeCNAME })
		c.note(diag.CodeCNAMEAndOther, other, first, 0)
	}
}

// earliest gives the first record in the text for which a condition holds. The
// order of hashes must not show in what is reported.
func earliest(s []tuple, holds func(tuple) bool) (first tuple, found bool) {
	for _, t := range s {
		if (!found || t.pos < first.pos) && holds(t) {
			first, found = t, true
		}
	}
	return first, found
}

// besideCNAME tells whether a type may stand beside a CNAME; ALIAS is judged
// elsewhere.
func besideCNAME(typ uint16) bool {
	switch typ {
	case dns.TypeCNAME, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeSIG, dns.TypeNXT, dns.TypeKEY, typeALIAS:
		return true
	}
	return false
}

// rrset judges one RRset of several records.
func (c *ownerCheck) rrset(s []tuple) {
	typ, distinct, mismatch := s[0].typ(), 1, false
	for i := 1; i < len(s); i++ {
		mismatch = mismatch || s[i].ttl != s[0].ttl
		if s[i].rdata == s[i-1].rdata && typ != typeALIAS && typ != dns.TypeSOA {
			if kindOf(typ, c.strip) == 0 {
				c.duplicates += hashRecord(s[i].owner, s[i].rdata, s[i].ttl)
				c.duplicateN++
				c.repeat(&s[i])
			}
			c.note(diag.CodeDuplicateRecord, s[i], s[i-1], 0)
			continue
		}
		distinct++
	}
	if typ == typeALIAS {
		return
	}
	if !mismatch && distinct <= maxRecordsPerType && typ != dns.TypeSOA && typ != dns.TypeCNAME && typ != dns.TypeDNAME {
		return
	}
	first, _ := earliest(s, func(tuple) bool { return true })
	if mismatch {
		c.mixed = true
		other, _ := earliest(s, func(t tuple) bool { return t.ttl != first.ttl })
		c.note(diag.CodeTTLMismatch, other, first, 0)
	}
	other, _ := earliest(s, func(t tuple) bool { return t.pos != first.pos && (t.rdata != first.rdata || typ == dns.TypeSOA) })
	switch {
	case typ == dns.TypeSOA:
		c.note(diag.CodeSeveralSOA, other, first, 0)
	case distinct > 1 && typ == dns.TypeCNAME:
		c.note(diag.CodeSeveralCNAME, other, first, 0)
	case distinct > 1 && typ == dns.TypeDNAME:
		c.note(diag.CodeSeveralDNAME, other, first, 0)
	case distinct > maxRecordsPerType:
		c.note(diag.CodeRRsetTooBig, first, first, distinct)
	}
}

func (c *ownerCheck) note(code diag.Code, t, other tuple, n int) {
	pos, earlier := t.pos, other.pos
	if pos < earlier {
		pos, earlier = earlier, pos
	}
	c.found = append(c.found, candidate{code: code, pos: pos, other: earlier, typ: t.typ(), n: n})
	if len(c.found) >= c.enough+maxCandidates {
		c.trim()
	}
}

// maxCandidates is how many candidates are gathered before those are dropped
// that will not be shown.
const maxCandidates = 1 << 14

// trim keeps the first candidates of each kind; a few more than are shown, as
// the names may turn out to differ.
func (c *ownerCheck) trim() {
	slices.SortFunc(c.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.code, b.code), cmp.Compare(a.pos, b.pos), cmp.Compare(a.other, b.other))
	})
	kept := map[diag.Code]int{}
	c.found = slices.DeleteFunc(c.found, func(f candidate) bool {
		kept[f.code]++
		if f.target != 0 || kept[f.code] <= 4*maxFindings {
			return false
		}
		if c.trimmed == nil {
			c.trimmed = map[diag.Code]int{}
		}
		c.trimmed[f.code]++
		return true
	})
	c.enough = len(c.found)
}

// hosts looks for the addresses of the in-domain hosts of NS, MX and SRV whose
// records are in one bucket.
func (c *ownerCheck) hosts(z *Zone, b *bucket) {
	for _, ref := range b.refs {
		if found, bad := z.checkHost(ref); bad {
			c.found = append(c.found, found)
		}
	}
	b.refs = nil
}

func (z *Zone) checkHost(ref ref) (candidate, bool) {
	c := candidate{code: diag.CodeHostWithoutAddress, pos: ref.pos, typ: ref.typ, target: ref.target, apexNS: ref.apexNS}
	if z.broken[ref.target] {
		return c, false // its address may be the broken one
	}
	for _, t := range z.index.owner(ref.target) {
		switch t.typ() {
		case dns.TypeA, dns.TypeAAAA:
			return c, false
		case typeALIAS:
			c.code, c.other = diag.CodeAliasNSHost, t.pos
			return c, ref.typ == dns.TypeNS
		case dns.TypeCNAME:
			c.code, c.other = diag.CodePointsAtCNAME, t.pos
			return c, true
		}
	}
	return c, true
}

// host is a host that records of a type name.
type host struct {
	target uint64
	typ    uint16
}

// reportCandidates looks at the first candidates of each kind in the text.
// A host that many records name is reported once for each type of these; for
// name servers each record counts, since its owner is what cannot be reached. Warnings that
// are not reported are counted, those that were trimmed among them.
func (b *builder) reportCandidates(found []candidate, trimmed map[diag.Code]int) {
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.pos, b.pos), cmp.Compare(a.code, b.code), cmp.Compare(a.other, b.other))
	})
	shown := map[diag.Code]int{}
	hosts := map[host]bool{}
	for _, c := range found {
		enough := shown[c.code] >= maxFindings && !c.apexNS
		if c.target != 0 && c.typ != dns.TypeNS {
			if hosts[host{c.target, c.typ}] {
				continue
			}
			hosts[host{c.target, c.typ}] = true
		}
		d, at := b.zone.judge(c)
		switch {
		case d == nil:
		case !enough:
			shown[d.Code]++
			b.report(finding{at, d})
		case d.Severity == diag.Warning:
			b.more[d.Code]++
		}
		if d != nil && d.Severity == diag.Warning {
			b.more[d.Code] += trimmed[c.code]
			delete(trimmed, c.code)
		}
	}
}

// judge compares the names and RDATA of a candidate, where so far only hashes
// were compared, and gives the diagnostic and its place.
func (z *Zone) judge(c candidate) (*diag.Diagnostic, place) {
	p, e := z.placeAt(c.pos)
	p = tokenPlace(p, e, c.typ)
	switch c.code {
	case diag.CodeHostWithoutAddress, diag.CodePointsAtCNAME, diag.CodeAliasNSHost:
		d := z.judgeHost(c, p, e)
		last := e.Tokens[len(e.Tokens)-1]
		p.start, p.end = last.Start, last.End
		return d, p
	}
	d := faultRecord(c)
	if c.code == diag.CodeSeveralSOA && z.sameRecord(c) {
		d = faultRecord(candidate{code: diag.CodeDuplicateRecord, typ: c.typ})
		if z.servers&NSD != 0 {
			d.Severity = diag.Error
			d.Message += ": NSD refuses the zone"
		}
	}
	if c.other != c.pos {
		q, f := z.placeAt(c.other)
		q = tokenPlace(q, f, c.typ)
		span, source := q.span()
		d.Related = append(d.Related, diag.Note{Span: span, Source: source, Message: "the other record is here"})
	}
	return d, p
}

// tokenPlace narrows the place of an entry to its first field, and that of a
// record without an owner field to its type.
func tokenPlace(p place, e *Entry, typ uint16) place {
	i := 0
	if e.Blank {
		i, _ = typeToken(p.seg.text, e, typ)
	}
	if i < len(e.Tokens) {
		p.start, p.end = e.Tokens[i].Start, e.Tokens[i].End
	}
	return p
}

func (z *Zone) sameRecord(c candidate) bool {
	var rdata [2]string
	for i, pos := range []uint32{c.pos, c.other} {
		p, e := z.placeAt(pos)
		at, ok := typeToken(p.seg.text, e, c.typ)
		if !ok {
			return false
		}
		wire, verified, fault := appendRDATA(nil, c.typ, p.seg.text, e.Tokens[at+1:], p.seg.originAt(e.Start), true)
		if !verified || fault != nil {
			return false
		}
		rdata[i] = string(wire)
	}
	return rdata[0] == rdata[1]
}

func faultRecord(c candidate) *diag.Diagnostic {
	typ := TypeName(c.typ)
	switch c.code {
	case diag.CodeCNAMEAndOther:
		return problem(c.code, "CNAME and other data at one owner name", "a CNAME stands alone (RFC 1034 section 3.6.2); ALIAS may stand beside other types")
	case diag.CodeSeveralCNAME, diag.CodeSeveralDNAME:
		return problem(c.code, "second, different "+typ+" at one owner name", "an owner name has one "+typ)
	case diag.CodeSeveralSOA:
		return problem(c.code, "second, different SOA record", "a zone has one SOA")
	case diag.CodeDuplicateRecord:
		return notice(c.code, typ+" record stands here twice", "delete one")
	case diag.CodeTTLMismatch:
		return notice(c.code, typ+" record has another TTL than the first of its RRset", "all records of an RRset have one TTL (RFC 2181 section 5.2); servers pick differently")
	case diag.CodeRRsetTooBig:
		if c.typ == 0 {
			typ = "record type"
			return problem(c.code, count(c.n, typ)+" at one owner name", "BIND loads no zone with more than 100 types at a name")
		}
		return problem(c.code, count(c.n, typ+" record")+" at one owner name", "BIND loads no zone with more than 100 records in an RRset")
	}
	panic("aliasflat: internal error: no text for " + string(c.code))
}

// judgeHost looks at a host without addresses of its own: a wildcard may give
// it some, and below a zone cut they are not this zone's to give.
func (z *Zone) judgeHost(c candidate, p place, e *Entry) *diag.Diagnostic {
	at, ok := typeToken(p.seg.text, e, c.typ)
	if !ok {
		return nil
	}
	wire, _, fault := appendRDATA(nil, c.typ, p.seg.text, e.Tokens[at+1:], p.seg.originAt(e.Start), true)
	offset, _ := targetOffset(c.typ)
	if fault != nil || len(wire) <= offset {
		return nil
	}
	host, _ := zone.NameFromWire(wire[offset:]) // it was checked on reading
	cut := z.Cut(host)
	switch {
	case c.code == diag.CodeAliasNSHost:
		return notice(c.code, "name server "+host.String()+" is an ALIAS: the glue at the parent does not follow it", "give a name server addresses of its own")
	case c.code == diag.CodePointsAtCNAME && c.apexNS:
		return problem(diag.CodeApexNSCNAME, "name server "+host.String()+" is a CNAME", "name servers refuse the zone; give it addresses (RFC 2181 section 10.3)")
	case c.code == diag.CodePointsAtCNAME:
		return notice(c.code, TypeName(c.typ)+" points at "+host.String()+", which is a CNAME", "name the host that has the addresses (RFC 2181 section 10.3)")
	case !cut.IsZero() && c.typ != dns.TypeNS:
		return nil
	case !cut.IsZero() && c.apexNS:
		return nil
	case !cut.IsZero():
		return notice(diag.CodeMissingGlue, "name server "+host.String()+" has no glue", "write its A or AAAA records here: nobody can reach "+cut.String()+" without")
	case z.wildcardAddress(host):
		return nil
	case c.apexNS:
		return problem(diag.CodeApexNSAddress, "name server "+host.String()+" has no A or AAAA record", "name servers refuse the zone; add one")
	}
	return notice(c.code, TypeName(c.typ)+" points at "+host.String()+", which has no A or AAAA record", "add one, or write the dot that makes the name absolute")
}

// wildcardAddress tells whether a wildcard gives a name addresses, or an ALIAS
// there will (RFC 4592 §3.3.1).
func (z *Zone) wildcardAddress(name zone.Name) bool {
	if z.Exists(name) {
		return false
	}
	n := name.Parent()
	for n.IsIn(z.Name) && n != z.Name && !z.Exists(n) {
		n = n.Parent()
	}
	for _, t := range z.index.owner(hashOf(n.Wildcard())) {
		switch t.typ() {
		case dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, typeALIAS:
			return true
		}
	}
	return false
}

// checkApex wants one SOA and at least one NS.
func (b *builder) checkApex() {
	z := b.zone
	top := place{z.segs[0], 0, 0}
	if b.broken > 0 {
		return // the record that is missing may be the broken one
	}
	if !z.Has(z.Name, dns.TypeSOA) {
		b.report(finding{top, problem(diag.CodeNoSOA, "zone "+z.Name.String()+" has no SOA record", "is this its file? --origin names the zone")})
		return
	}
	if !z.Has(z.Name, dns.TypeNS) {
		at := top
		if p, ok := z.PlaceOf(z.Name, dns.TypeSOA); ok {
			at = p.place
		}
		b.report(finding{at, problem(diag.CodeNoApexNS, "zone "+z.Name.String()+" has no NS record at its apex", "add one: BIND and Knot refuse the zone")})
	}
}

// checkBelowDNAME looks for owner names below a DNAME, which answers for them
// (RFC 6672 §2.4).
func (b *builder) checkBelowDNAME() {
	z := b.zone
	if z.dnames == 0 {
		return
	}
	owners := map[uint64]bool{}
	for i := range bucketCount {
		bucket := z.index.bucket(i)
		for j := range bucket.n {
			if t := bucket.at(j); t.typ() == dns.TypeDNAME {
				owners[t.owner] = true
			}
		}
	}
	z.walk(func(r *reader, e *Entry, h *head) {
		wire := r.lower[:r.lowerLen]
		for i := int(wire[0]) + 1; len(wire)-i >= len(z.apex); i += int(wire[i]) + 1 {
			if owners[hashName(wire[i:])] && h.typ != typeALIAS {
				tok := e.Tokens[0]
				b.report(finding{place{r.seg, tok.Start, tok.End}, faultBelowDNAME(z.servers)})
				return
			}
		}
	})
}
