package zonefile

import (
	"bytes"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Record types that this package treats apart.
const (
	typeALIAS   = 65401 // private use, the number that PowerDNS and Knot gave it
	typeSigning = 65534 // BIND's record of signing in progress
)

// collector gathers what a stretch of text holds.
type collector struct {
	tuples   []tuple
	refs     []ref
	marks    []Mark
	found    []finding
	more     map[diag.Code]int // warnings that are not among them; nil: none
	origins  []originAt
	sum      uint64   // of hashRecord over all records that stay
	lasting  uint64   // as sum, of lasting hashes
	count    int      // of these
	errors   int      // entries with an error
	brokenAt []uint64 // hashes of owner names with such entries
	signed   int      // signatures that flattening makes wrong
	dnames   int
	mixed    bool // some record has another TTL than is written, that of its run
}

// finding is a diagnostic whose place is still an offset.
type finding struct {
	place
	d *diag.Diagnostic
}

// reader turns entries into records. One reader reads one stretch of one
// segment at a time; several may work side by side.
type reader struct {
	*settings
	seg     *segment
	text    []byte
	ctx     context
	entry   Entry
	fields  head // of the current record
	out     collector
	unshown unshown // the last one

	lower     [zone.MaxNameLen]byte // owner name in lower case
	lowerLen  int
	ownerHash uint64
	ownerHost hostName                    // whether it may be a host
	origin    []byte                      // the origin in lower case
	capitals  bool                        // the origin has capitals
	ownerSpan [2]int32                    // the token that gave the owner name, in text
	name      [2*zone.MaxNameLen + 2]byte // for a name while it is read
	folded    [zone.MaxNameLen]byte
	rdata     []byte
	refCache  [256]uint64
	lastOwner [2]uint64 // an owner name by its hash, and by its lasting hash
	was       earlier
	oldOwner  [zone.MaxNameLen]byte // the owner name before, where the entry changed it

	unclosed    int  // entries that are never closed
	stuck       bool // the entry needs a context that is not known, is broken in a piece, or is a barrier
	owned       bool // the entry has an owner name, or repeats one
	barrier     bool // the entry is an $INCLUDE or $GENERATE
	needsRepair bool // the record has no TTL and needs one for some servers
	seen        map[diag.Code]int
}

// settings are what all readers of one zone share.
type settings struct {
	apex     []byte // wire form, lower case
	doubled  []byte // the apex twice, as a forgotten final dot gives it
	options  *Options
	strip    bool // DNSSEC records are to go
	servers  Servers
	hashOnly bool                               // no index, no checks beyond syntax: for comparing
	lasting  bool                               // lasting hashes are summed too
	each     func(r *reader, e *Entry, h *head) // called for each record, when set
}

// newReader starts a reader in a context.
func newReader(s *settings, seg *segment, ctx *context) *reader {
	r := &reader{settings: s, seg: seg, text: seg.text, seen: map[diag.Code]int{}, rdata: make([]byte, 0, 1024)}
	r.ctx = *ctx
	r.resume()
	return r
}

// resume makes the owner hash fit the context.
func (r *reader) resume() {
	r.lowerLen = copy(r.lower[:], r.ctx.ownerName())
	zone.FoldCase(r.lower[:r.lowerLen])
	r.ownerHash = hashName(r.lower[:r.lowerLen])
	r.ownerSpan, r.ownerHost = [2]int32{}, hostUnknown
	r.setOrigin(r.ctx.origin)
}

// setOrigin takes a name, in wire form, to complete relative names.
func (r *reader) setOrigin(wire []byte) {
	r.ctx.origin = wire
	r.origin = bytes.Clone(wire)
	zone.FoldCase(r.origin)
	r.capitals = !bytes.Equal(r.origin, wire)
}

// read reads entries from one offset until it is at or past another, and gives
// the offset it stopped at: more than to where the last entry is longer. It
// stops early, in front of the entry, when it is stuck.
func (r *reader) read(from, to int) int {
	e := &r.entry
	for pos := from; pos < to; pos = int(e.End) {
		scanEntry(r.text, pos, e)
		if e.fault != scanOK {
			r.reportScan(e)
			if r.stuck {
				return pos
			}
			continue
		}
		if len(e.Tokens) == 0 {
			continue
		}
		r.remember()
		if e.directive(r.text) {
			r.directive(e)
		} else {
			r.record(e)
		}
		if r.stuck {
			return pos
		}
	}
	return max(from, int(e.End))
}

// maxUnclosed is how many parentheses of a text may be left open before the
// rest of it is not read: to find that one is costs going to the end.
const maxUnclosed = 20

// head is what stands before the RDATA of a record.
type head struct {
	ttl      uint32
	explicit bool
	typ      uint16
	typeAt   int // index of the type's token
	ttlAt    int // index of the TTL's token, if explicit
	classAt  int // index of the class's token, -1 without one
}

// record reads one record.
func (r *reader) record(e *Entry) {
	first := 1
	if e.Blank {
		first = 0
		if !r.inheritOwner(e) {
			return
		}
	} else if !r.setOwner(e) {
		return
	}
	r.ctx.newOrigin, r.owned = false, true
	h := &r.fields
	*h = head{}
	if !r.head(e, first, h) {
		return
	}
	if h.typ == typeALIAS {
		r.alias(e, h)
		return
	}
	wire, ok := r.readRDATA(e, h)
	if !ok || !r.settleTTL(e, h, wire) {
		return
	}
	r.portable(e, h)
	if r.ctx.outside {
		return
	}
	if !r.hashOnly && !r.checkRecord(e, h, wire) {
		return
	}
	r.keep(e, h, wire)
}

// keep puts a record into the index and the sum.
func (r *reader) keep(e *Entry, h *head, wire []byte) {
	if r.each != nil {
		r.each(r, e, h)
		return
	}
	mark := kindOf(h.typ, r.strip)
	if mark != 0 {
		r.mark(e, h, mark)
	}
	t := tuple{
		owner: r.ownerHash,
		rdata: hashRDATA(h.typ, wire),
		ttl:   h.ttl,
		pos:   r.seg.base + uint32(e.Start),
	}
	if mark == 0 || mark == MarkSOA {
		if h.typ == dns.TypeSOA && string(r.lower[:r.lowerLen]) == string(r.apex) {
			t.rdata = hashRDATA(h.typ, withoutSerial(wire))
		}
		r.out.sum += hashRecord(t.owner, t.rdata, t.ttl)
		r.out.count++
		if r.lasting {
			r.out.lasting += r.lastingRecord(h, wire)
		}
	}
	if r.hashOnly {
		return
	}
	r.out.tuples = append(r.out.tuples, t)
	switch h.typ {
	case dns.TypeNS, dns.TypeMX, dns.TypeSRV:
		r.refer(h.typ, wire, t.pos)
	case dns.TypeDNAME:
		r.out.dnames++
	}
}

// withoutSerial blanks the serial of an SOA in wire form, in place.
func withoutSerial(wire []byte) []byte {
	n := zone.WireNameLen(wire)
	n += zone.WireNameLen(wire[n:])
	clear(wire[n : n+4])
	return wire
}

// refer notes an in-domain host that ought to have addresses. A host named
// again and again is noted once.
func (r *reader) refer(typ uint16, wire []byte, pos uint32) {
	offset, _ := targetOffset(typ)
	target := wire[offset:]
	if !inDomain(target, r.apex) {
		return
	}
	apexNS := typ == dns.TypeNS && bytes.Equal(r.lower[:r.lowerLen], r.apex)
	h := hashName(target)
	slot := &r.refCache[(h^uint64(typ))&255]
	if *slot == h^uint64(typ) && typ != dns.TypeNS {
		return
	}
	*slot = h ^ uint64(typ)
	r.out.refs = append(r.out.refs, ref{target: h, pos: pos, typ: typ, apexNS: apexNS})
}

// inDomain tells whether a wire name in lower case is at or below another.
func inDomain(name, apex []byte) bool {
	cut := len(name) - len(apex)
	if cut < 0 || !bytes.HasSuffix(name, apex) {
		return false
	}
	for i := 0; i <= cut; i += int(name[i]) + 1 {
		if i == cut {
			return true
		}
	}
	return false
}

// inheritOwner lets a blank owner field repeat the last owner name.
func (r *reader) inheritOwner(e *Entry) bool {
	c := &r.ctx
	if !c.hasOwner {
		if c.guessed {
			r.stuck = true
			return false
		}
		r.fail(e.Start, e.Start+1, faultNoOwner())
		return false
	}
	if c.newOrigin && !r.hashOnly && !bytes.Equal(c.ownerName(), c.origin) {
		r.warn(e.Start, e.Start+1, faultInheritedAfterOrigin(c.ownerName(), c.origin))
	}
	return true
}

// setOwner reads the owner field.
func (r *reader) setOwner(e *Entry) bool {
	c, tok := &r.ctx, e.Tokens[0]
	text := tok.content(r.text)
	if last := r.ownerSpan; last[1]-last[0] == int32(len(text)) && last[1] > 0 &&
		string(text) == string(r.text[last[0]:last[1]]) {
		return true
	}
	wire, capitals, plain := r.name[:0], false, false
	if !e.odd && !r.capitals {
		wire, capitals, plain = appendPlainName(wire, r.text, int(tok.Start), int(tok.End), r.origin)
	}
	name := wire
	if !plain || capitals {
		var err error
		wire, err = zone.AppendName(r.name[:0], text, c.origin)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			c.outside, c.hasOwner, c.broken = true, true, true
			r.ownerSpan = [2]int32{}
			r.fail(tok.Start, tok.End, faultName(text, err))
			return false
		}
		name = append(r.folded[:0], wire...)
		zone.FoldCase(name)
	}
	r.ownerSpan = [2]int32{tok.Start, tok.End}
	if tok.Quoted {
		r.ownerSpan = [2]int32{tok.Start + 1, tok.End - 1}
	}
	same := c.hasOwner && string(name) == string(r.lower[:r.lowerLen])
	if !same {
		r.was.changed, r.was.ownerLen = true, uint8(copy(r.oldOwner[:], c.ownerName()))
	}
	c.ownerLen = uint8(copy(c.owner[:], wire))
	c.hasOwner = true
	if same {
		if c.broken {
			c.broken, c.outside = false, !inDomain(name, r.apex)
		}
		return true
	}
	c.broken = false
	r.lowerLen = copy(r.lower[:], name)
	r.ownerHash, r.ownerHost = hashName(name), hostUnknown
	if c.guessed && c.firstHash == 0 {
		c.firstHash = r.ownerHash
	}
	c.runLen = 0
	c.outside = !inDomain(name, r.apex)
	if c.outside {
		r.outOfZone(tok)
	} else if !r.hashOnly && bytes.HasSuffix(name, r.doubled) && text[len(text)-1] != '.' {
		r.warn(tok.Start, tok.End, faultRelativeLooking(text, wire))
	}
	return true
}

// head reads TTL, class and type: [class] [TTL] [class] type, as BIND does.
func (r *reader) head(e *Entry, i int, h *head) bool {
	h.classAt = -1
	for ; ; i++ {
		if i >= len(e.Tokens) {
			r.failOdd(e, e.lastEnd(), e.lastEnd(), faultNoType(r.text[e.Start:e.End]))
			return false
		}
		tok := e.Tokens[i]
		text := r.text[tok.Start:tok.End]
		if tok.Quoted {
			r.fail(tok.Start, tok.End, faultQuoted(text))
			return false
		}
		if c := text[0]; '0' <= c && c <= '9' {
			if !r.ttlField(e, i, h) {
				return false
			}
			continue
		}
		if h.classAt < 0 && len(text) == 2 && text[0]|0x20 == 'i' && text[1]|0x20 == 'n' {
			h.classAt = i
			continue
		}
		if typ, ok := parseType(text); ok {
			h.typ, h.typeAt = typ, i
			if isMetaType(typ) {
				r.fail(tok.Start, tok.End, faultMetaType(text))
				return false
			}
			return true
		}
		class, ok := parseClass(text)
		if !ok || h.classAt >= 0 {
			r.failOdd(e, tok.Start, tok.End, faultUnknownType(text, r.text[e.Start:e.End]))
			return false
		}
		if class != dns.ClassINET {
			r.fail(tok.Start, tok.End, faultClass(text))
			return false
		}
		h.classAt = i
	}
}

// ttlField reads the TTL field of a record.
func (r *reader) ttlField(e *Entry, i int, h *head) bool {
	tok := e.Tokens[i]
	text := r.text[tok.Start:tok.End]
	ttl, status := parseTTL(text)
	if h.explicit {
		r.fail(tok.Start, tok.End, faultTwoTTLs(text))
		return false
	}
	if status != ttlOK {
		r.fail(tok.Start, tok.End, faultTTL(text, status))
		return false
	}
	h.ttl, h.explicit, h.ttlAt = ttl, true, i
	return true
}

// readRDATA reads the RDATA to wire form, names in lower case. For types that
// cannot be verified it is the text itself.
func (r *reader) readRDATA(e *Entry, h *head) ([]byte, bool) {
	tokens := e.Tokens[h.typeAt+1:]
	if !e.odd {
		if wire, ok := appendPlainRDATA(r.rdata[:0], h.typ, r.text, tokens, r.origin); ok {
			return wire, true
		}
	}
	wire, verified, fault := appendRDATA(r.rdata[:0], h.typ, r.text, tokens, r.ctx.origin, true)
	if fault != nil {
		r.failRDATA(e, h, fault)
		return nil, false
	}
	if !verified {
		if !r.hashOnly {
			tok := e.Tokens[h.typeAt]
			r.warn(tok.Start, tok.End, faultUnverified(h.typ))
		}
		wire = unverified(wire[:0], r.ctx.origin, r.text, tokens)
	}
	if len(wire) > 65535 {
		tok := tokens[0]
		r.fail(tok.Start, e.lastEnd(), faultRDATATooLong(len(wire)))
		return nil, false
	}
	r.rdata = wire
	return wire, true
}

// unverified stands for RDATA that has no wire form here: its text, and the
// origin that completes names in it.
func unverified(dst, origin, text []byte, tokens []Token) []byte {
	dst = append(dst, origin...)
	for _, tok := range tokens {
		dst = append(append(dst, ' '), tok.raw(text)...)
	}
	return dst
}

func (r *reader) failRDATA(e *Entry, h *head, f *Fault) {
	i := h.typeAt + 1 + f.Token
	start, end := e.lastEnd(), e.lastEnd()
	if i < len(e.Tokens) {
		start, end = e.Tokens[i].Start, e.Tokens[i].End
	}
	r.fail(start, end, &diag.Diagnostic{Severity: diag.Error, Code: f.Code, Message: f.Message, Hint: f.Hint})
}

// settleTTL finds the TTL of the record and passes it on to the next one.
func (r *reader) settleTTL(e *Entry, h *head, wire []byte) bool {
	c := &r.ctx
	switch {
	case h.explicit:
		c.ttl, c.hasTTL, c.setTTL = h.ttl, true, true
	case c.hasDefault:
		c.ttl, c.setTTL = c.defaultTTL, true
		if c.minimum && !r.hashOnly {
			r.warnTTL(e, h)
		}
	case c.guessed && !c.setTTL:
		r.stuck = true
		return false
	case c.hasTTL:
		if !r.hashOnly {
			r.warnTTL(e, h)
		}
	case h.typ == dns.TypeSOA:
		minimum := wire[len(wire)-4:]
		c.ttl = uint32(minimum[0])<<24 | uint32(minimum[1])<<16 | uint32(minimum[2])<<8 | uint32(minimum[3])
		c.defaultTTL, c.hasDefault, c.minimum, c.setTTL = c.ttl, true, true, true
		if !r.hashOnly {
			r.warnTTL(e, h)
		}
	default:
		tok := e.Tokens[h.typeAt]
		r.fail(tok.Start, tok.End, faultNoTTL())
		return false
	}
	if !c.outside {
		if ttl := c.runTTL(h.typ, c.ttl); ttl != c.ttl {
			r.out.mixed = true
			r.warnRunTTL(e, h, ttl)
			c.ttl = ttl
		}
	}
	h.ttl = c.ttl
	return true
}

func (e *Entry) lastEnd() int32 {
	if n := len(e.Tokens); n > 0 {
		return e.Tokens[n-1].End
	}
	return e.Start
}

// maxBroken is how many owner names with broken entries are remembered.
const maxBroken = 1 << 16

// maxFindings is how many diagnostics of one code a stretch of text gives.
const maxFindings = 20

// fail reports an error at a span of the text. A piece ends in front of it:
// errors are left to whoever reads all in order.
func (r *reader) fail(start, end int32, d *diag.Diagnostic) {
	r.stuck = r.stuck || r.ctx.guessed
	if r.out.errors++; r.owned {
		r.out.brokenAt = append(r.out.brokenAt, r.ownerHash)
	}
	r.report(start, end, d)
}

// warn reports a warning at a span of the text.
func (r *reader) warn(start, end int32, d *diag.Diagnostic) {
	r.report(start, end, d)
}

func (r *reader) report(start, end int32, d *diag.Diagnostic) {
	r.seen[d.Code]++
	if r.hashOnly && d.Severity != diag.Error {
		return
	}
	if r.seen[d.Code] <= maxFindings {
		r.out.found = append(r.out.found, finding{place{r.seg, start, end}, d})
	} else if d.Severity == diag.Warning && d.Code != diag.CodePortableNoTTL { // which is told once for a stretch
		if r.out.more == nil {
			r.out.more = map[diag.Code]int{}
		}
		r.out.more[d.Code]++
		r.unshown = unshown{d.Code, start}
	}
}

// unshown is a warning that was only counted.
type unshown struct {
	code  diag.Code
	start int32
}

// reportScan reports an entry that cannot be cut. One that is never closed ends
// with the text when there are too many.
func (r *reader) reportScan(e *Entry) {
	r.owned = false
	if e.fault == scanUnclosedParen {
		if r.unclosed++; r.unclosed > maxUnclosed {
			e.End = int32(len(r.text))
		}
	}
	text := r.text[e.Start:e.End]
	r.fail(e.faultAt, e.faultAt+1, faultScan(e.fault, text))
}
