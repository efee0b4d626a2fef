package zonefile

import (
	"bytes"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// MarkKind says why an entry is remembered.
type MarkKind uint8

// Entries that a rewrite may have to change. All others are only indexed.
const (
	MarkALIAS     MarkKind = iota + 1
	MarkSOA                // holds the serial
	MarkInclude            // $INCLUDE, to be replaced by what it reads
	MarkGenerate           // $GENERATE
	MarkSigned             // RRSIG, NSEC, NSEC3: the source is signed
	MarkSigning            // NSEC3PARAM and BIND's TYPE65534: go with the signatures
	MarkZONEMD             // a digest that flattening makes wrong
	MarkRepair             // a record that some servers read otherwise
	MarkDirective          // a control entry that some servers read otherwise
)

// Mark is one such entry, with what the entries before it mean for it.
type Mark struct {
	Kind    MarkKind
	differ  Servers // the servers that read it otherwise
	moved   bool    // the last owner name of child is not the one before it
	place   place
	child   *segment // what an $INCLUDE or $GENERATE reads
	code    diag.Code
	context saved
}

// saved is a context in little memory.
type saved struct {
	origin     []byte
	owner      string
	run        []typeTTL
	ttl        uint32
	defaultTTL uint32
	hasOwner   bool
	outside    bool
	hasDefault bool
	hasTTL     bool
	guessed    bool // saved in a piece read ahead: owner and TTL may be missing
	setTTL     bool // ttl is not missing
}

// earlier is what of the context the current entry may change.
type earlier struct {
	ttl        uint32
	defaultTTL uint32
	hasTTL     bool
	hasDefault bool
	hasOwner   bool
	outside    bool
	setTTL     bool
	changed    bool // the entry has another owner name than the one before
	ownerLen   uint8
}

// remember keeps the context as it stands in front of an entry.
func (r *reader) remember() {
	c := &r.ctx
	r.owned = false
	r.was = earlier{
		ttl: c.ttl, defaultTTL: c.defaultTTL, hasTTL: c.hasTTL, hasDefault: c.hasDefault,
		hasOwner: c.hasOwner, outside: c.outside, setTTL: c.setTTL,
	}
}

// saveBefore is the context in front of the current entry.
func (r *reader) saveBefore() saved {
	c, w := &r.ctx, &r.was
	s := saved{
		origin: c.origin, ttl: w.ttl, defaultTTL: w.defaultTTL,
		hasOwner: w.hasOwner, outside: w.outside, hasDefault: w.hasDefault, hasTTL: w.hasTTL,
		guessed: c.guessed, setTTL: w.setTTL,
	}
	if w.changed {
		s.owner = string(r.oldOwner[:w.ownerLen])
		return s
	}
	s.owner = string(c.ownerName())
	if c.runLen > 0 && !c.hasDefault {
		s.run = append(s.run, c.run[:c.runLen]...)
	}
	return s
}

// complete fills in what a piece did not know, from the context it turned out
// to begin in.
func (s *saved) complete(c *context) {
	if !s.guessed {
		return
	}
	s.guessed = false
	if !s.hasOwner {
		s.owner, s.hasOwner, s.outside = string(c.ownerName()), c.hasOwner, c.outside
	}
	if !s.setTTL {
		s.ttl = c.ttl
	}
	s.hasTTL = s.hasTTL || c.hasTTL
}

func (s *saved) restore() *context {
	c := &context{
		origin: s.origin, ttl: s.ttl, defaultTTL: s.defaultTTL,
		hasOwner: s.hasOwner, outside: s.outside, hasDefault: s.hasDefault, hasTTL: s.hasTTL,
	}
	c.ownerLen = uint8(copy(c.owner[:], s.owner))
	c.runLen = uint8(copy(c.run[:], s.run))
	return c
}

// kindOf gives the mark of a record type that a rewrite treats apart, or 0.
// Records with a mark other than MarkSOA are not part of what is published.
func kindOf(typ uint16, strip bool) MarkKind {
	switch typ {
	case dns.TypeSOA:
		return MarkSOA
	case dns.TypeZONEMD:
		return MarkZONEMD
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3:
		return MarkSigned
	case dns.TypeNSEC3PARAM, typeSigning:
		if strip {
			return MarkSigning
		}
	}
	return 0
}

// maxSigned is how many signatures are remembered of a text that is refused
// for them.
const maxSigned = 4

// mark remembers the entry. The context before it is what the last entry left,
// but for the owner name, which a rewrite finds in the entry itself.
func (r *reader) mark(e *Entry, _ *head, kind MarkKind) *Mark {
	if kind == MarkSigned && !r.strip {
		if r.out.signed++; r.out.signed > maxSigned {
			return nil
		}
	}
	m := Mark{Kind: kind, place: r.place(e)}
	if kind != MarkSOA {
		m.context = r.saveBefore()
	}
	r.out.marks = append(r.out.marks, m)
	return &r.out.marks[len(r.out.marks)-1]
}

func (r *reader) place(e *Entry) place { return place{r.seg, e.Start, e.End} }

// alias remembers an ALIAS entry and indexes it as a record of its type.
func (r *reader) alias(e *Entry, h *head) {
	if !r.settleTTL(e, h, nil) {
		return
	}
	if r.ctx.broken {
		return // its owner name is broken, which is said already
	}
	if r.ctx.outside {
		tok := e.Tokens[0]
		r.out.found = slices.DeleteFunc(r.out.found, func(f finding) bool {
			if f.start != tok.Start || f.d.Code != diag.CodeOutOfZone {
				return false
			}
			r.seen[f.d.Code]--
			return true // said once, as an error
		})
		if r.unshown == (unshown{diag.CodeOutOfZone, tok.Start}) && r.out.more[diag.CodeOutOfZone] > 0 {
			r.out.more[diag.CodeOutOfZone]--
		}
		r.fail(tok.Start, tok.End, faultAliasOutside(r.lower[:r.lowerLen], r.apex))
		return
	}
	if h.typeAt+1 >= len(e.Tokens) {
		r.fail(e.lastEnd(), e.lastEnd(), faultAliasNoTarget())
		return
	}
	if !r.hashOnly && !r.checkAliasOwner(e) {
		return
	}
	r.checkTTL(e, h)
	if r.each != nil {
		r.each(r, e, h)
		return
	}
	r.mark(e, h, MarkALIAS)
	if r.hashOnly {
		return
	}
	r.out.tuples = append(r.out.tuples, tuple{
		owner: r.ownerHash,
		rdata: hashRDATA(typeALIAS, r.text[e.Tokens[h.typeAt+1].Start:e.lastEnd()]),
		ttl:   h.ttl,
		pos:   r.seg.base + uint32(e.Start),
	})
}

// checkAliasOwner wants a host name, since the owner is to have addresses. What
// BIND excepts is not the same for A and AAAA, and which an ALIAS asks for is
// not known here, so it must do for both.
func (r *reader) checkAliasOwner(e *Entry) bool {
	bad, _ := checkHostNames(dns.TypeAAAA, r.lower[:r.lowerLen], nil)
	if !bad {
		return true
	}
	tok := e.Tokens[0]
	d := faultBadHost(true, typeALIAS, r.ctx.ownerName())
	if d.Severity = r.options.CheckNames; d.Severity != diag.Error {
		d.Severity = diag.Warning
		r.warn(tok.Start, tok.End, d)
		return true
	}
	r.fail(tok.Start, tok.End, d)
	return false
}

func faultAliasOutside(owner, apex []byte) *diag.Diagnostic {
	return problem(diag.CodeAliasTarget, "ALIAS at "+nameText(owner)+", which is not in zone "+nameText(apex), "move it to the zone it belongs to, or add the missing dot")
}

func faultAliasNoTarget() *diag.Diagnostic {
	return problem(diag.CodeMissingRDATA, "ALIAS without a target", "write the name whose addresses are wanted: @ ALIAS cdn.example.net.")
}

// directive reads a control entry. $INCLUDE and $GENERATE are left to whoever
// can open what they name: the reader stops in front of them.
func (r *reader) directive(e *Entry) {
	tok := e.Tokens[0]
	word := r.text[tok.Start:tok.End]
	if r.seg.made {
		r.record(e)
		return
	}
	switch {
	case foldEqual(word, "$ORIGIN"):
		r.originDirective(e)
	case foldEqual(word, "$TTL"):
		r.ttlDirective(e)
	case foldEqual(word, "$INCLUDE"), foldEqual(word, "$GENERATE"):
		r.stuck, r.barrier = true, true
	case foldEqual(word, "$DATE"):
		if r.argument(e, "a date") {
			r.repair(e, MarkDirective, diag.CodePortableDate, "$DATE is known to BIND alone", NSD|Knot|PowerDNS)
		}
	default:
		r.fail(tok.Start, tok.End, faultUnknownDirective(word))
	}
}

// argument tells whether a control entry has exactly one argument.
func (r *reader) argument(e *Entry, want string) bool {
	word := e.Tokens[0].raw(r.text)
	switch {
	case len(e.Tokens) < 2:
		r.fail(e.lastEnd(), e.lastEnd(), faultDirectiveArgument(word, want))
		return false
	case len(e.Tokens) > 2:
		tok := e.Tokens[2]
		r.fail(tok.Start, e.lastEnd(), faultDirectiveJunk(word, tok.raw(r.text)))
		return false
	case e.unended(r.text):
		r.fail(e.lastEnd(), e.lastEnd(), faultNoLineEnd(word))
		return false
	}
	return true
}

func (r *reader) originDirective(e *Entry) {
	if !r.argument(e, "a name") {
		return
	}
	tok := e.Tokens[1]
	if tok.Quoted {
		r.fail(tok.Start, tok.End, faultQuotedOrigin(tok.raw(r.text)))
		return
	}
	text := tok.content(r.text)
	wire, err := zone.AppendName(nil, text, r.ctx.origin)
	if err != nil || bytes.IndexByte(text, 0) >= 0 {
		r.fail(tok.Start, tok.End, faultName(text, err))
		return
	}
	absolute := text[len(text)-1] == '.'
	switch {
	case !absolute || len(text) > 1 && text[len(text)-2] == '\\':
		r.repair(e, MarkDirective, diag.CodePortableOrigin, "relative $ORIGIN", NSD|Knot)
	case string(e.Tokens[0].raw(r.text)) != "$ORIGIN":
		r.lowerCaseDirective(e)
	}
	r.setOrigin(wire)
	r.ctx.newOrigin = true
	r.ownerSpan = [2]int32{}
	r.out.origins = append(r.out.origins, originAt{e.End, wire})
}

func (r *reader) ttlDirective(e *Entry) {
	if !r.argument(e, "a TTL") {
		return
	}
	tok := e.Tokens[1]
	text := tok.raw(r.text)
	ttl, status := parseTTL(text)
	if status != ttlOK || tok.Quoted {
		r.fail(tok.Start, tok.End, faultDirectiveTTL(text, status))
		return
	}
	r.ctx.defaultTTL, r.ctx.hasDefault, r.ctx.minimum = ttl, true, false
	switch {
	case combinedUnits(text):
		r.repair(e, MarkDirective, diag.CodePortableTTLUnits, "TTL "+quote(text)+" with several units", NSD|PowerDNS)
	case string(e.Tokens[0].raw(r.text)) != "$TTL":
		r.lowerCaseDirective(e)
	}
}

func (r *reader) lowerCaseDirective(e *Entry) {
	r.repair(e, MarkDirective, diag.CodePortableDirective, "control entry "+quote(e.Tokens[0].raw(r.text))+" that is not upper case", NSD)
}

// combinedUnits tells whether a TTL has more than one unit.
func combinedUnits(text []byte) bool {
	units := 0
	for _, c := range text {
		if c > '9' {
			units++
		}
	}
	return units > 1
}

// repair notes that some servers read an entry otherwise, and remembers the
// entry so that a rewrite for one of them can put it right.
func (r *reader) repair(e *Entry, kind MarkKind, code diag.Code, what string, differ Servers) {
	if r.hashOnly {
		return
	}
	if r.servers&differ == 0 {
		if code != diag.CodeOutOfZone {
			tok := e.Tokens[0]
			r.warn(tok.Start, tok.End, faultPortable(code, what, differ))
		}
		return
	}
	if m := r.mark(e, nil, kind); m != nil {
		m.differ, m.code = differ, code
	}
}

func foldEqual(word []byte, upper string) bool {
	if len(word) != len(upper) {
		return false
	}
	for i, c := range word {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}
