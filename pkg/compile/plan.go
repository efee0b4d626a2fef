package compile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// plan is what is to be changed in a zone.
type plan struct {
	file    *zonefile.Zone
	results []flatten.Result
	add     []zonefile.Addresses // until the content is known
	adds    bool                 // there were any
	drop    map[zone.Name][]uint16
	drafted zone.Serial // in text

	canonical zonefile.CanonicalSet // in canonical style
	text      *zonefile.Text
	explicit  []zonefile.Place // entries of text that were made explicit
}

func newPlan(m *alias.Member, results []flatten.Result) *plan {
	p := &plan{file: m.File, results: results, drop: map[zone.Name][]uint16{}}
	rrsets := 0
	for i := range results {
		rrsets += len(results[i].RRsets)
	}
	p.add, p.adds = make([]zonefile.Addresses, 0, rrsets), rrsets > 0
	for i := range results {
		res := &results[i]
		for _, rr := range res.RRsets {
			p.add = append(p.add, zonefile.Addresses{Owner: res.Rule.Owner, Type: rr.Type, TTL: rr.TTL, Wire: wireOf(rr.Addresses)})
		}
		if len(res.Drop) > 0 {
			p.drop[res.Rule.Owner] = res.Drop
		}
	}
	return p
}

// readBack finds the content of a zone whose RRsets have several TTLs by
// reading the output: where an ALIAS or $INCLUDE between two records goes, BIND
// takes another of the TTLs.
func (p *plan) readBack(s *Source, r *Result) {
	options := zonefile.Options{Origin: r.Name, For: s.For, StripDNSSEC: s.StripDNSSEC, Lasting: s.Lasting}
	if r.Content.Lines > r.Content.Count { // some stand twice
		r.Content = zonefile.Read(s.Name, p.text.Bytes(), options).Content(nil, nil)
		return
	}
	z := zonefile.Summarize(s.Name, p.text.Bytes(), options)
	r.Content = zonefile.Content{Sum: z.Sum, Count: z.Count, Raw: z.Sum, Lines: z.Count, Lasting: z.Lasting}
}

// serial chooses the serial; false means it cannot be chosen.
func (p *plan) serial(s *Source, r *Result, now time.Time) bool {
	source, ok := p.file.Serial()
	if !ok {
		return false
	}
	var published *zone.Serial
	if s.Published != nil {
		published = &s.Published.Serial
		same, err := s.Published.Same(p.text, r.Content)
		if err != nil {
			r.Problems = append(r.Problems, problemUnreadable(err))
			return false
		}
		r.Changed = !same
	} else {
		r.Changed = true
	}
	at, editable := p.file.SerialPlace()
	choice, err := s.Serial.Choose(source, published, r.Changed, now)
	if err != nil {
		r.Problems = append(r.Problems, at.Report(problemSerial(s.Serial, source, *published, err)))
		return false
	}
	if choice.FellBack != zone.SerialAuto {
		r.Problems = append(r.Problems, at.Report(warnFallback(choice, *r.OldSerial)))
	}
	if s.Published == nil && !s.Remembers && p.adds && s.Serial.Style != zone.SerialKeep && s.Serial.Style != zone.SerialNumber {
		r.Problems = append(r.Problems, at.Report(warnUnknownPublished()))
	}
	if !editable && choice.Serial != source && s.Style == StyleSource {
		r.Problems = append(r.Problems, at.Report(problemGenericSOA()))
		return false
	}
	r.Serial, r.Clock = choice.Serial, choice.Clock
	return true
}

// leastRecords is how many records a zone has at least for a part of them to tell anything.
const leastRecords = 10

// whole holds a zone back that has lost so many records that its source may be half of one, or
// of another zone.
func (p *plan) whole(s *Source, r *Result, options *Options) bool {
	old := s.Published
	if old == nil || old.Gone == nil || !r.Changed || options.Force || old.Count > 0 && old.Count < leastRecords {
		return true
	}
	gone, count, err := old.Gone(p.text, r.Content)
	if err != nil {
		r.Problems = append(r.Problems, problemUnreadable(err))
		return false
	}
	most := s.guards().Shrink
	if count < leastRecords || float64(gone) <= most*float64(count) {
		return true
	}
	d := problemShrink(gone, count, most)
	d.Span.File = s.Name
	r.Guarded = true
	if options.Preview {
		d.Severity = diag.Warning
	}
	r.Problems = append(r.Problems, d)
	return options.Preview
}

// exactGone is up to which length, in bytes, two zones are compared record by record to tell how
// much of the old one is gone. Longer ones are counted, which takes a tenth of the time.
const exactGone = 16 << 20

// Gone is what [Published].Gone does for an old output, which read reads with an index and
// summarize counts.
func Gone(size int64, draft *zonefile.Text, content zonefile.Content, summarize func() (zonefile.Summary, error), read func() (old, latest *zonefile.Zone, err error)) (gone, count int, err error) {
	if max(size, draft.Len()) > exactGone {
		if draft.Len() >= size {
			return 0, 0, nil
		}
		old, err := summarize()
		return old.Count - content.Count, old.Count, err
	}
	old, latest, err := read()
	if err != nil {
		return 0, 0, err
	}
	c := old.Content(nil, nil)
	return zonefile.Diff(old, latest).Gone(), c.Count, nil
}

// write makes the output with a serial.
func (p *plan) write(s *Source, serial zone.Serial) {
	if s.Style == StyleCanonical {
		p.text = p.canonical.Text(&serial)
		return
	}
	aliases := make([][]byte, len(p.file.Aliases()))
	eol := p.file.EOL()
	var room []byte
	for i := range p.results {
		room = appendLines(room[:0], &p.results[i], eol)
		aliases[i] = bytes.Clone(room)
	}
	siblings := map[zonefile.Place]bool{}
	for owner, types := range p.drop {
		for _, typ := range types {
			for _, place := range p.file.Places(owner, typ) {
				siblings[place] = true
			}
		}
	}
	p.text, p.explicit = p.file.Rewrite(zonefile.Rewrite{Aliases: aliases, Siblings: siblings, Serial: &serial})
}

// deliver hands the output over, with the serial that was chosen.
func (p *plan) deliver(s *Source, r *Result) {
	if r.Serial != p.drafted && !p.text.SetSerial(r.Serial) {
		p.write(s, r.Serial)
	}
	r.Text = p.text
	for _, e := range p.explicit {
		r.Explicit = append(r.Explicit, e.Note("made explicit: it inherited from an ALIAS, an $INCLUDE or a record left out"))
	}
}

// appendLines appends what stands in place of an ALIAS entry: the author's
// comments, what the addresses are from, and one explicit record for each.
func appendLines(out []byte, res *flatten.Result, eol string) []byte {
	e := res.Rule.Entry
	for _, c := range e.Comments {
		out = append(append(out, c...), eol...)
	}
	if len(res.RRsets) == 0 {
		if res.Gone {
			out = append(zonefile.AppendEmptyComment(out, e.OwnerText(), res.Rule.Target), eol...)
		}
		if e.Comment != "" {
			out = append(append(out, e.Comment...), eol...)
		}
		return out
	}
	out = append(appendComment(out, res, nil), eol...)
	for _, rr := range res.RRsets {
		start := len(out)
		out = append(e.AppendOwnerText(out), ' ')
		out = strconv.AppendUint(out, uint64(rr.TTL), 10)
		out = append(append(append(out, " IN "...), dns.TypeToString[rr.Type]...), ' ')
		before := out[start:]
		for i, a := range rr.Addresses {
			if i > 0 {
				out = append(out, before...)
			}
			out = append(a.AppendTo(out), eol...)
		}
	}
	return out
}

// appendComment appends the comment that goes before flattened records, with the author's. Own
// are addresses right behind them that are not the target's, beside those that are among them.
func appendComment(out []byte, res *flatten.Result, own []netip.Addr) []byte {
	least := uint32(0)
	for _, rr := range res.RRsets {
		own = append(own, rr.Beside...)
		least = max(least, rr.Least)
	}
	out = zonefile.AppendFlattenedComment(out, res.Rule.Target, least, own)
	if c := res.Rule.Entry.Comment; c != "" {
		out = append(append(out, ' '), c...)
	}
	return out
}

// canonicalSet gives the records of the output in canonical style, with the comments by which
// the next run knows the flattened ones.
func (p *plan) canonicalSet() zonefile.CanonicalSet {
	skip := map[zonefile.Place]bool{}
	for owner, types := range p.drop {
		for _, typ := range types {
			for _, place := range p.file.Places(owner, typ) {
				skip[place] = true
			}
		}
	}
	var more []zonefile.CanonicalRecord
	for i := range p.results {
		res := &p.results[i]
		owner := res.Rule.Entry.OwnerText()
		if len(res.RRsets) == 0 && res.Gone {
			more = append(more, zonefile.NoRecord(res.Rule.Owner, string(zonefile.AppendEmptyComment(nil, owner, res.Rule.Target))))
		}
		comment := string(appendComment(nil, res, p.behind(res)))
		for _, rr := range res.RRsets {
			for _, a := range rr.Addresses {
				more = append(more, zonefile.AddressRecord(res.Rule.Owner, owner, rr.Type, rr.TTL, a.AsSlice(), comment))
			}
		}
	}
	return p.file.Canonical(skip, more)
}

// behind gives the explicit addresses that may come right behind flattened ones in canonical
// style: the AAAA records behind the A records of an owner whose AAAA are its own.
func (p *plan) behind(res *flatten.Result) []netip.Addr {
	var own []netip.Addr
	if len(res.RRsets) != 1 || res.RRsets[0].Type != dns.TypeA {
		return nil
	}
	for _, wire := range p.published(res, dns.TypeAAAA) {
		if a, ok := netip.AddrFromSlice(wire); ok {
			own = append(own, a)
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	return slices.Compact(own)
}

// signed judges DNSSEC records and ZONEMD, which flattening makes wrong.
func signed(z *zonefile.Zone, strip bool) diag.List {
	var list diag.List
	if places := z.Marked(zonefile.MarkSigned); len(places) > 0 && !strip {
		list = append(list, places[0].Report(problemSigned()))
	}
	for _, p := range z.Marked(zonefile.MarkZONEMD) {
		list = append(list, p.Report(warnZONEMD()))
	}
	return list
}

func problem(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Error, Code: code, Message: message, Hint: hint}
}

func warning(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Warning, Code: code, Message: message, Hint: hint}
}

func problemSigned() *diag.Diagnostic {
	return problem(diag.CodeSignedZone, "the source is signed: flattening would make signatures and denial records wrong",
		"flatten the unsigned zone and sign the result, or take the DNSSEC records out with --strip-dnssec")
}

func warnZONEMD() *diag.Diagnostic {
	return warning(diag.CodeZONEMDDropped, "ZONEMD record is left out: its digest is that of the source", "let what signs the zone write it")
}

func problemDependent(target, other zone.Name) *diag.Diagnostic {
	return problem(diag.CodeAliasInDomain, "target "+target.String()+" lies in zone "+other.String()+", which has errors", "mend that zone first")
}

func problemTwice(name zone.Name, source, first string) *diag.Diagnostic {
	d := problem(diag.CodeZoneTwice, "zone "+name.String()+" is in "+first+" too", "compile them in two runs, or give each a view in the configuration")
	d.Span.File = source
	return d
}

func problemUnreadable(err error) *diag.Diagnostic {
	d := problem(diag.CodeUnreadable, err.Error(), "")
	d.Err = err
	return d
}

func problemSerial(p zone.Policy, source, published zone.Serial, err error) *diag.Diagnostic {
	n := source
	if p.Style == zone.SerialNumber {
		n = p.Number
	}
	message := fmt.Sprintf("serial %d is %v %d", n, err, published)
	hint := "choose one between it and 2^31 beyond (RFC 1982)"
	if errors.Is(err, zone.ErrSerialIncomparable) {
		message = fmt.Sprintf("serial %d is exactly 2^31 away from the published serial %d: neither is the later one", n, published)
		hint = fmt.Sprintf("go there in two steps, which aliasflat serial plan --from %d --to %d shows (RFC 1982)", published, n)
	}
	d := problem(diag.CodeSerialOrder, message, hint)
	d.Err = err
	return d
}

func problemShrink(gone, count int, most float64) *diag.Diagnostic {
	d := problem(diag.CodeGuardShrink, fmt.Sprintf("%d of the %d records that were published last would go, which is more than %.0f %%", gone, count, 100*most),
		"nothing is written; --force writes it, if that is meant")
	d.Err = flatten.ErrGuarded
	return d
}

func warnFallback(c zone.Choice, from zone.Serial) *diag.Diagnostic {
	return warning(diag.CodeSerialFallback, fmt.Sprintf("a %s serial would not be later than %d: %d is used", c.FellBack, from, c.Serial),
		"--serial auto goes on in the style that is published")
}

func warnUnknownPublished() *diag.Diagnostic {
	return warning(diag.CodeSerialUnknownPublished, "the serial stays as in the source: neither -o nor --serial-from says what was published last",
		"write to a file with -o, or name the server with --serial-from, so that the serial moves when addresses change")
}

func problemGenericSOA() *diag.Diagnostic {
	return problem(diag.CodeSerialGeneric, "SOA is in generic form, so its serial cannot be edited", `write it as names and numbers, or use --style canonical`)
}

// checkHints holds HTTPS and SVCB records at an ALIAS owner against its
// addresses.
func (p *plan) checkHints(r *Result) {
	for i := range p.results {
		res := &p.results[i]
		if res.Rule.Repeats {
			continue
		}
		for _, typ := range []uint16{dns.TypeHTTPS, dns.TypeSVCB} {
			for _, rec := range p.file.Records(res.Rule.Owner, typ) {
				if d := p.judgeService(res, rec); d != nil {
					r.Problems = append(r.Problems, rec.Place.Report(d))
				}
			}
		}
	}
}

// Keys of service parameters (RFC 9460 §14.3.2).
const (
	keyIPv4Hint = 4
	keyIPv6Hint = 6
)

func (p *plan) judgeService(res *flatten.Result, rec zonefile.Record) *diag.Diagnostic {
	if len(rec.RDATA) < 3 {
		return nil
	}
	priority := int(rec.RDATA[0])<<8 | int(rec.RDATA[1])
	target, _ := zone.NameFromWire(rec.RDATA[2:]) // it was checked on reading
	rule := res.Rule
	if priority == 0 {
		if target == rule.Target || target == rule.Owner {
			return nil
		}
		return warning(diag.CodeHTTPSTarget, zonefile.TypeName(rec.Type)+" points at "+target.String()+", the ALIAS beside it at "+rule.Target.String(),
			"let both name the same target: clients that know "+zonefile.TypeName(rec.Type)+" go elsewhere than the others")
	}
	if !target.IsRoot() && target != rule.Owner {
		return nil
	}
	params := rec.RDATA[2+len(target.Wire()):]
	for len(params) >= 4 {
		k, n := int(params[0])<<8|int(params[1]), int(params[2])<<8|int(params[3])
		if len(params) < 4+n {
			return nil
		}
		if d := p.judgeHint(res, rec.Type, k, params[4:4+n]); d != nil {
			return d
		}
		params = params[4+n:]
	}
	return nil
}

func (p *plan) judgeHint(res *flatten.Result, typ uint16, k int, value []byte) *diag.Diagnostic {
	qtype, size, name := dns.TypeA, 4, "ipv4hint"
	switch k {
	case keyIPv4Hint:
	case keyIPv6Hint:
		qtype, size, name = dns.TypeAAAA, 16, "ipv6hint"
	default:
		return nil
	}
	known := p.published(res, qtype)
	if len(known) == 0 {
		return warning(diag.CodeHintMismatch, name+" of "+zonefile.TypeName(typ)+", but the ALIAS gives no such address", "take the hint out")
	}
	for hint := range slices.Chunk(value, size) {
		if !slices.ContainsFunc(known, func(w []byte) bool { return slices.Equal(w, hint) }) {
			return warning(diag.CodeHintMismatch, name+" of "+zonefile.TypeName(typ)+" is not among the flattened addresses of "+res.Rule.Owner.String(),
				"take the hint out: it cannot follow the target")
		}
	}
	return nil
}

// published gives the addresses of a type, in wire form, that the owner name of
// an ALIAS has in the output: those of the target, or explicit ones that stay.
func (p *plan) published(res *flatten.Result, qtype uint16) [][]byte {
	for _, rr := range res.RRsets {
		if rr.Type == qtype {
			return wireOf(rr.Addresses)
		}
	}
	if slices.Contains(res.Drop, qtype) {
		return nil
	}
	var wire [][]byte
	for _, rec := range p.file.Records(res.Rule.Owner, qtype) {
		wire = append(wire, rec.RDATA)
	}
	return wire
}
