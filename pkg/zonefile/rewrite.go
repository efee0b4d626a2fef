package zonefile

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Rewrite says what of a source is to be changed.
type Rewrite struct {
	Aliases  [][]byte       // what stands in place of each ALIAS entry: whole lines, by Aliases; may be empty
	Siblings map[Place]bool // address records that go: their RRsets are in Aliases
	Serial   *zone.Serial   // nil keeps the serial's text
}

// Text is a text in parts, most of which lie in the source.
type Text struct {
	parts  [][]byte
	size   int64
	zone   *Zone   // that it is a rewrite of; nil for others
	stands []stand // in order
	serial int     // the part that is the serial, counted from 1; 0 without one
}

// Len is the length in bytes.
func (t *Text) Len() int64 { return t.size }

// Checksums gives a CRC-32C of the text, and one of the text without its serial. Without a
// serial in a part of its own they are the same.
func (t *Text) Checksums() (whole, apart uint32) {
	table := crc32.MakeTable(crc32.Castagnoli)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, p := range t.parts {
			whole = crc32.Update(whole, table, p)
		}
	})
	for i, p := range t.parts {
		if i != t.serial-1 {
			apart = crc32.Update(apart, table, p)
		}
	}
	wg.Wait()
	return whole, apart
}

// WriteTo writes the text.
func (t *Text) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for _, p := range t.parts {
		k, err := w.Write(p)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Halves gives two texts of about one length that, joined, are the text.
func (t *Text) Halves() (first, second *Text) {
	first, second = &Text{}, &Text{}
	left := t.size / 2
	for _, p := range t.parts {
		n := int(min(left, int64(len(p))))
		left -= int64(n)
		first.add(p[:n])
		second.add(p[n:])
	}
	return first, second
}

// Bytes is the text in one piece.
func (t *Text) Bytes() []byte { return bytes.Join(t.parts, nil) }

func (t *Text) add(p []byte) {
	if len(p) > 0 {
		t.parts = append(t.parts, p)
		t.size += int64(len(p))
	}
}

func (t *Text) endsLine() bool {
	return len(t.parts) == 0 || bytes.HasSuffix(t.parts[len(t.parts)-1], []byte{'\n'})
}

// edit is a change of one entry, and what it means for the entries behind it.
type edit struct {
	place
	text     []byte // whole lines
	inline   bool   // text replaces a span inside an entry
	opens    *segment
	expand   bool // opens is written out in place of the entry
	context  *saved
	owner    []byte // of the record, wire form, case as written
	ttl      uint32 // that a record behind it inherits
	explicit bool   // the record has a TTL of its own
	records  bool   // text has records, not comments alone
	alias    bool   // text stands for an ALIAS entry
	lastTTL  uint32 // of the last of these
	moved    bool   // opens ends with another owner name
}

// Rewrite gives the source with the changes, $INCLUDE inlined and entries
// behind a change made explicit where they would mean something else
// otherwise; these are listed.
func (z *Zone) Rewrite(w Rewrite) (*Text, []Place) {
	rw := &rewriter{zone: z, eol: "\n", edits: map[*segment][]edit{}}
	if z.segs[0].crlf && bytes.Contains(z.segs[0].text, []byte("\r\n")) && z.servers&Knot == 0 {
		rw.eol = "\r\n"
	}
	rw.out.zone = z
	rw.collect(w)
	rw.segment(z.segs[0])
	return &rw.out, rw.explicit
}

type rewriter struct {
	zone     *Zone
	edits    map[*segment][]edit
	out      Text
	explicit []Place
	eol      string
	serial   *zone.Serial
	repaired place // the SOA, where it is written anew as a whole

	// What the next records mean in the source but not in the output.
	ownerDiffers bool
	ttlDiffers   bool
	owner        []byte // that a blank owner field means, if ownerDiffers
	ttl          uint32 // that a missing TTL means, if ttlDiffers
}

// collect makes the edits, by segment and in order.
func (rw *rewriter) collect(w Rewrite) {
	z := rw.zone
	rw.serial = w.Serial
	alias := 0
	aliases := z.Aliases()
	siblings := rw.siblingEdits(w.Siblings)
	rw.edits[z.segs[0]] = make([]edit, 0, len(z.Marks)+len(siblings))
	put := func(e edit) {
		for len(siblings) > 0 && isBefore(siblings[0].place, e.place) {
			s := siblings[0]
			siblings = siblings[1:]
			rw.edits[s.seg] = append(rw.edits[s.seg], s)
		}
		rw.edits[e.seg] = append(rw.edits[e.seg], e)
	}
	for i := range z.Marks {
		m := &z.Marks[i]
		if m.Kind == MarkALIAS {
			put(aliasEdit(&aliases[alias], w.Aliases[alias]))
			alias++
			continue
		}
		if m.Kind == MarkRepair && w.Siblings[Place{m.place}] {
			continue // it goes
		}
		if e, ok := rw.markEdit(m); ok {
			put(e)
		}
	}
	for _, s := range siblings {
		rw.edits[s.seg] = append(rw.edits[s.seg], s)
	}
	for i := range z.Marks {
		rw.expandNeeded(&z.Marks[i])
	}
}

func aliasEdit(a *AliasEntry, text []byte) edit {
	e := edit{place: a.Place.place, text: text, context: a.context, owner: a.owner, ttl: a.TTL, explicit: a.explicit, alias: true}
	e.lastTTL, e.records = lastTTL(text)
	return e
}

// lastTTL gives the TTL of the last of our own records, which begin with owner
// and TTL; false where there are only comments.
func lastTTL(text []byte) (ttl uint32, ok bool) {
	for rest := bytes.TrimRight(text, "\r\n"); len(rest) > 0; {
		line := rest[bytes.LastIndexByte(rest, '\n')+1:]
		rest = rest[:max(len(rest)-len(line)-1, 0)]
		if ttl, ok = recordTTL(line); ok {
			return ttl, true
		}
	}
	return 0, false
}

// recordTTL gives the second field of a line that is no comment, and has two more behind it.
func recordTTL(line []byte) (ttl uint32, ok bool) {
	var fields [4][]byte
	n := 0
	for field := range bytes.FieldsSeq(line) {
		if n++; n == len(fields) || n == 1 && field[0] == ';' {
			break
		}
		fields[n-1] = field
	}
	if n < len(fields) {
		return 0, false
	}
	seconds, err := strconv.ParseUint(string(fields[1]), 10, 32)
	return uint32(seconds), err == nil
}

// expandNeeded has a $GENERATE written out where something in it changes, or
// where the output is for a server that does not know it.
func (rw *rewriter) expandNeeded(m *Mark) {
	if m.child == nil {
		return
	}
	edits := rw.edits[m.place.seg]
	for i := range edits {
		if edits[i].opens == m.child {
			edits[i].expand = m.Kind == MarkInclude || len(rw.edits[m.child]) > 0 || rw.zone.servers&(NSD|Knot) != 0
		}
	}
}

// markEdit makes the edit that a mark asks for.
func (rw *rewriter) markEdit(m *Mark) (edit, bool) {
	e := edit{place: m.place, context: &m.context}
	switch m.Kind {
	case MarkALIAS:
		return e, false
	case MarkSOA:
		return rw.serialEdit(m)
	case MarkInclude, MarkGenerate:
		if m.child == nil {
			return e, false
		}
		e.opens, e.moved = m.child, m.moved
		return e, true
	case MarkSigned, MarkSigning, MarkZONEMD:
		rw.record(&e)
		return e, true
	case MarkRepair:
		rec := rw.record(&e)
		if m.code == diag.CodeOutOfZone {
			return e, true
		}
		e.text = rec
		e.lastTTL, e.records = e.ttl, true
		return e, true
	case MarkDirective:
		e.text = rw.directive(m)
		return e, true
	}
	return e, false
}

// record reads the record of an edit, fills in what it leaves behind, and
// gives it as one explicit line with its comments.
func (rw *rewriter) record(e *edit) []byte {
	var line []byte
	s := rw.zone.settings
	s.hashOnly = true
	seen := false
	s.each = func(r *reader, entry *Entry, h *head) {
		seen = true
		e.owner, e.ttl, e.explicit = bytes.Clone(r.ctx.ownerName()), h.ttl, h.explicit
		line = rw.explicitLine(r, entry, h)
	}
	r := newReader(&s, e.seg, e.context.restore())
	r.read(int(e.start), int(e.end))
	if !seen { // an out-of-zone record
		e.owner, e.ttl = bytes.Clone(r.ctx.ownerName()), r.ctx.ttl
		e.explicit = r.ctx.ttl != e.context.ttl
	}
	return line
}

func (rw *rewriter) explicitLine(r *reader, entry *Entry, h *head) []byte {
	var line []byte
	comments := entry.comments(r.text)
	for i, c := range comments {
		if i < len(comments)-1 || c[0] < int(entry.lastEnd()) {
			line = append(append(line, r.text[c[0]:c[1]]...), rw.eol...)
		}
	}
	line = zone.AppendNameText(line, r.ctx.ownerName())
	line = append(strconv.AppendUint(append(line, ' '), uint64(h.ttl), 10), " IN "...)
	if rw.zone.servers&unknownTo(h.typ) != 0 {
		line = r.appendGeneric(line, entry, h)
	} else {
		line = append(append(line, TypeName(h.typ)...), ' ')
		line = rw.appendRDATAText(line, r, entry, h)
	}
	if n := len(comments); n > 0 && comments[n-1][0] >= int(entry.lastEnd()) {
		line = append(append(line, ' '), r.text[comments[n-1][0]:comments[n-1][1]]...)
	}
	return append(line, rw.eol...)
}

// appendRDATAText appends the RDATA of an entry, an SOA with its new serial.
func (rw *rewriter) appendRDATAText(dst []byte, r *reader, e *Entry, h *head) []byte {
	if h.typ != dns.TypeSOA || rw.serial == nil {
		return r.appendRDATAText(dst, e, h)
	}
	rw.repaired = r.place(e)
	wire, _, fault := appendRDATA(nil, h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin, false)
	if fault != nil {
		return r.appendRDATAText(dst, e, h)
	}
	return AppendRDATAText(dst, h.typ, withSerial(wire, *rw.serial))
}

// appendRDATAText appends the RDATA of an entry on one line, names absolute;
// where it could not be verified, as it stands.
func (r *reader) appendRDATAText(dst []byte, e *Entry, h *head) []byte {
	tokens := e.Tokens[h.typeAt+1:]
	wire, verified, fault := appendRDATA(nil, h.typ, r.text, tokens, r.ctx.origin, false)
	if verified && fault == nil {
		return AppendRDATAText(dst, h.typ, wire)
	}
	return appendTokens(dst, r.text, tokens)
}

// appendTokens appends tokens as they are written, with a blank between them.
func appendTokens(dst, text []byte, tokens []Token) []byte {
	for i, tok := range tokens {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, tok.raw(text)...)
	}
	return dst
}

// appendGeneric appends type and RDATA in generic form (RFC 3597 §5). Reading
// has refused what has none.
func (r *reader) appendGeneric(dst []byte, e *Entry, h *head) []byte {
	wire, _, _ := appendRDATA(nil, h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin, false)
	return fmt.Appendf(dst, `TYPE%d \# %d %x`, h.typ, len(wire), wire)
}

// directive gives a control entry in the form that all servers read.
func (rw *rewriter) directive(m *Mark) []byte {
	var e Entry
	scanEntry(m.place.seg.text, int(m.place.start), &e)
	text := m.place.seg.text
	word := e.Tokens[0].raw(text)
	var line []byte
	switch {
	case foldEqual(word, "$ORIGIN"):
		wire, err := zone.AppendName(nil, e.Tokens[1].content(text), m.context.origin)
		if err != nil {
			return text[e.Start:e.End]
		}
		line = zone.AppendNameText([]byte("$ORIGIN "), wire)
	case foldEqual(word, "$TTL"):
		ttl, _ := parseTTL(e.Tokens[1].raw(text))
		line = strconv.AppendUint([]byte("$TTL "), uint64(ttl), 10)
	default: // $DATE
		return nil
	}
	for _, c := range e.comments(text) {
		line = append(append(line, ' '), text[c[0]:c[1]]...)
	}
	return append(line, rw.eol...)
}

// serialEdit replaces the digits of the serial and nothing else.
func (rw *rewriter) serialEdit(m *Mark) (edit, bool) {
	tok, ok := m.serialToken()
	if rw.serial == nil || !ok || m.place == rw.repaired {
		return edit{}, false
	}
	text := strconv.AppendUint(nil, uint64(*rw.serial), 10)
	return edit{place: place{m.place.seg, tok.Start, tok.End}, text: text, inline: true}, true
}

// serialToken finds the token of the serial; false for an SOA in generic form.
func (m *Mark) serialToken() (Token, bool) {
	var e Entry
	text := m.place.seg.text
	scanEntry(text, int(m.place.start), &e)
	i, ok := typeToken(text, &e, dns.TypeSOA)
	if !ok || i+3 >= len(e.Tokens) || string(e.Tokens[i+1].raw(text)) == `\#` {
		return Token{}, false
	}
	return e.Tokens[i+3], true
}

// siblingEdits makes the edits that take address records out. What stands
// before each is found by reading the zone once more.
func (rw *rewriter) siblingEdits(places map[Place]bool) []edit {
	if len(places) == 0 {
		return nil
	}
	var edits []edit
	rw.zone.walk(func(r *reader, e *Entry, h *head) {
		p := r.place(e)
		if !places[Place{p}] {
			return
		}
		before := r.saveBefore()
		edits = append(edits, edit{
			place: p, context: &before, owner: bytes.Clone(r.ctx.ownerName()), ttl: h.ttl, explicit: h.explicit,
			text: rw.ownLines(r.text, e),
		})
	})
	return edits
}

// ownLines gives the comments of an entry that goes, as lines of their own.
func (rw *rewriter) ownLines(text []byte, e *Entry) []byte {
	var lines []byte
	for _, c := range e.comments(text) {
		lines = append(append(lines, text[c[0]:c[1]]...), rw.eol...)
	}
	return lines
}

// segment writes one segment.
func (rw *rewriter) segment(seg *segment) {
	pos := 0
	for _, e := range rw.edits[seg] {
		start := int(e.start)
		pos = rw.settle(seg, pos, start)
		rw.copy(seg, pos, start)
		rw.apply(seg, &e)
		pos = int(e.end)
		if e.opens != nil && !e.expand {
			pos = start
			rw.copy(seg, pos, int(e.end))
			pos = int(e.end)
		}
	}
	pos = rw.settle(seg, pos, len(seg.text))
	rw.copy(seg, pos, len(seg.text))
	if seg.parent != nil && !rw.out.endsLine() {
		rw.out.add([]byte(rw.eol))
	}
}

// copy passes a stretch of the source through.
func (rw *rewriter) copy(seg *segment, from, to int) {
	part := seg.text[from:to]
	if seg.crlf && rw.eol == "\n" && rw.zone.servers&Knot != 0 {
		part = bytes.ReplaceAll(part, []byte("\r\n"), []byte("\n"))
	}
	rw.out.add(part)
}

// apply writes an edit and notes what it leaves behind.
func (rw *rewriter) apply(seg *segment, e *edit) {
	switch {
	case e.inline:
		rw.out.add(e.text)
		rw.out.serial = len(rw.out.parts)
		return
	case e.opens != nil:
		if e.expand || rw.ttlDiffers {
			e.expand = true
			rw.open(seg, e)
		}
		return
	}
	if len(e.text) > 0 && !rw.out.endsLine() {
		rw.out.add([]byte(rw.eol))
	}
	text := e.text
	if n := len(rw.eol); int(e.end) == len(seg.text) && len(text) > n && !bytes.HasSuffix(seg.text, []byte{'\n'}) {
		text = text[:len(text)-n] // the source has no line end here either
	}
	if e.alias && len(text) > 0 {
		rw.out.stands = append(rw.out.stands, stand{part: len(rw.out.parts), owner: e.owner})
	}
	rw.out.add(text)
	if e.owner == nil { // a control entry
		if bytes.HasPrefix(e.text, []byte("$TTL")) {
			rw.ttlDiffers = false
		}
		return
	}
	if !e.records {
		rw.nothingLeft(e)
		return
	}
	rw.ownerDiffers = false
	rw.owner = e.owner
	rw.ttlDiffers = !e.context.hasDefault && e.lastTTL != e.ttl
	rw.ttl = e.ttl
}

// nothingLeft notes what goes along with a record that is taken out.
func (rw *rewriter) nothingLeft(e *edit) {
	before := e.context
	if rw.ownerDiffers || !before.hasOwner || before.owner != string(e.owner) {
		rw.ownerDiffers = true
		rw.owner = e.owner
	}
	if e.explicit && !before.hasDefault && (rw.ttlDiffers || !before.hasTTL || before.ttl != e.ttl) {
		rw.ttlDiffers = true
		rw.ttl = e.ttl
	}
	if e.explicit {
		rw.ttl = e.ttl
	}
}

// open writes what an $INCLUDE or $GENERATE reads in place of it, behind its
// comments.
func (rw *rewriter) open(seg *segment, e *edit) {
	var entry Entry
	scanEntry(seg.text, int(e.start), &entry)
	rw.out.add(rw.ownLines(seg.text, &entry))
	origin := e.context.origin
	inner := e.opens.originAt(0)
	if !bytes.Equal(inner, origin) {
		rw.origin(inner)
	}
	rw.segment(e.opens)
	if last := e.opens.origins[len(e.opens.origins)-1].name; !bytes.Equal(last, origin) {
		rw.origin(origin)
	}
	if e.moved {
		rw.ownerDiffers = true
		rw.owner = []byte(e.context.owner)
	}
}

func (rw *rewriter) origin(name []byte) {
	line := zone.AppendNameText([]byte("$ORIGIN "), name)
	rw.out.add(append(line, rw.eol...))
}

// settle passes entries through, from one offset up to another at most, until
// they mean in the output what they mean in the source.
func (rw *rewriter) settle(seg *segment, pos, to int) int {
	var e Entry
	for pos < to && (rw.ownerDiffers || rw.ttlDiffers) {
		scanEntry(seg.text, pos, &e)
		switch {
		case len(e.Tokens) == 0:
			rw.copy(seg, pos, int(e.End))
		case e.directive(seg.text) && !seg.made:
			if foldEqual(e.Tokens[0].raw(seg.text), "$TTL") {
				rw.ttlDiffers = false
			}
			rw.copy(seg, pos, int(e.End))
		default:
			rw.makeExplicit(seg, &e, to)
		}
		pos = min(int(e.End), to)
	}
	return pos
}

// makeExplicit writes a record with the owner name and TTL that it inherits in
// the source, where it would inherit others.
func (rw *rewriter) makeExplicit(seg *segment, e *Entry, to int) {
	changed := false
	first := 1
	at := int(e.Start)
	if e.Blank {
		first = 0
		if rw.ownerDiffers {
			rw.out.add(zone.AppendNameText(nil, rw.owner))
			changed = true
		}
	}
	if !hasTTL(seg.text, e, first) && rw.ttlDiffers && first < len(e.Tokens) {
		tok := e.Tokens[first]
		rw.copy(seg, at, int(tok.Start))
		rw.out.add(append(strconv.AppendUint(nil, uint64(rw.ttl), 10), ' '))
		at = int(tok.Start)
		changed = true
	}
	rw.copy(seg, at, min(int(e.End), to)) // the serial may be replaced behind to
	rw.ownerDiffers, rw.ttlDiffers = false, false
	if changed {
		rw.explicit = append(rw.explicit, Place{place{seg, e.Start, e.End}})
	}
}

// hasTTL tells whether a record has a TTL of its own.
func hasTTL(text []byte, e *Entry, first int) bool {
	for i := first; i < len(e.Tokens) && i < first+2; i++ {
		raw := e.Tokens[i].raw(text)
		if _, status := parseTTL(raw); status == ttlOK {
			return true
		}
		if _, ok := parseClass(raw); !ok {
			return false
		}
	}
	return false
}
