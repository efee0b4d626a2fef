package zonefile

import (
	"bytes"
	"strconv"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The form of lines that an edit writes. What a line has that stands there is left as it is; a
// new line takes the form of one beside it: the order of its fields, its columns, and whether it
// says owner name, TTL and class.

// patched gives an entry with an owner name in place of the blank one, unless that is nil, and
// with a TTL.
func patched(text []byte, e *Entry, h *head, name []byte, ttl bool, seconds uint32) []byte {
	var out []byte
	at := int32(0)
	first := 1
	if e.Blank {
		first = 0
	}
	if e.Blank && name != nil {
		for int(at) < len(text) && (text[at] == ' ' || text[at] == '\t') {
			at++
		}
		out = fill(append(out, name...), 0, columnOf(text[:at]), text[:at])
	}
	switch {
	case ttl && h.explicit:
		tok := e.Tokens[h.ttlAt]
		out = append(out, text[at:tok.Start]...)
		out = strconv.AppendUint(out, uint64(seconds), 10)
		at = tok.End
	case ttl && first < len(e.Tokens):
		tok := e.Tokens[first]
		out = append(out, text[at:tok.Start]...)
		out = append(strconv.AppendUint(out, uint64(seconds), 10), ' ')
		at = tok.Start
	}
	return append(out, text[at:]...)
}

// columnOf gives the column behind a text at the start of a line, as people see it.
func columnOf(text []byte) int {
	column := 0
	for _, c := range text {
		if c == '\t' {
			column += 8 - column%8
		} else {
			column++
		}
	}
	return column
}

// fill appends white space behind a line's text to reach a column, of the kind that stands before
// it elsewhere; at least one.
func fill(dst []byte, start, column int, like []byte) []byte {
	now := columnOf(dst[start:])
	tabs := bytes.IndexByte(like, '\t') >= 0
	if now >= column {
		if tabs {
			return append(dst, '\t')
		}
		return append(dst, ' ')
	}
	for tabs && now+8-now%8 <= column {
		dst = append(dst, '\t')
		now += 8 - now%8
	}
	for ; now < column; now++ {
		dst = append(dst, ' ')
	}
	return dst
}

// put writes a new record, in place of an entry where it replaces one.
func (w *editWriter) put(d *draft, e *Entry) {
	s := d.set
	want := heard{owner: []byte(s.owner.Wire())}
	if d.replaces { // what stands before the type stays
		want.seen, want.head = w.read.seen, w.read.head
	}
	pin := d.replaces && w.read.head.explicit && s.asked
	if s.ttl == nil {
		s.ttl = w.inherited()
	}
	at := place{seg: w.ed.top, start: d.template.start, end: d.template.end}
	if s.ttl == nil {
		w.ed.found = append(w.ed.found, w.ed.at(at, faultNoTTL()))
		return
	}
	want.ttl = *s.ttl
	var text []byte
	var ok bool
	if d.replaces {
		text, ok = w.replacement(d, e)
	} else {
		text, ok = w.newLine(d)
	}
	if !ok {
		w.ed.found = append(w.ed.found, w.ed.at(at, faultEditOrigin(&s.rrsetName, w.ctx.origin)))
		return
	}
	if _, ok = w.settle(text, &want, pin); !ok {
		w.ed.found = append(w.ed.found, w.ed.at(at, faultEditMeaning("a new "+TypeName(s.typ)+" record of "+s.owner.String())))
	}
}

// inherited is the TTL of an RRset that was not there and that nobody gave one: what a record
// without one gets at this place. Nil where there is none.
func (w *editWriter) inherited() *uint32 {
	ttl := w.ctx.ttl
	switch {
	case w.ctx.hasDefault:
		ttl = w.ctx.defaultTTL
	case !w.ctx.hasTTL:
		return nil
	}
	return &ttl
}

// replacement gives an entry with other RDATA.
func (w *editWriter) replacement(d *draft, e *Entry) ([]byte, bool) {
	h := &w.read.head
	typ := e.Tokens[h.typeAt]
	keyword := w.keyword(d, typ.raw(w.text))
	rdata, ok := d.record.appendGiven(nil, d.set.typ, w.ed.zone.apex, w.source.ctx.origin, isGenericWord(d.set.typ, keyword))
	if !ok {
		return nil, false
	}
	tail := w.text[e.lastEnd():e.End]
	if d.bare {
		tail = lineEndOf(tail)
	}
	if isPlain(w.text, e) && len(e.Tokens) > h.typeAt+1 {
		out := append([]byte(nil), w.text[e.Start:typ.Start]...)
		out = append(out, keyword...)
		out = append(out, w.text[typ.End:e.Tokens[h.typeAt+1].Start]...)
		return append(append(out, rdata...), tail...), true
	}
	return w.joined(e, h, keyword, rdata, d.bare), true
}

// joined gives an entry that runs over several lines, or has parentheses, as one line with other
// RDATA. The comments inside of it are written as lines before it.
func (w *editWriter) joined(e *Entry, h *head, keyword, rdata []byte, bare bool) []byte {
	var out, comment []byte
	for _, c := range e.comments(w.text) {
		text := w.text[c[0]:c[1]]
		if len(bytes.Trim(w.text[c[1]:e.End], "\r\n")) == 0 {
			comment = text
			continue
		}
		w.add(append(bytes.Clone(text), w.eol()...))
	}
	if e.Blank {
		out = append(out, leading(w.text[e.Start:e.End])...)
	}
	for i := range e.Tokens[:h.typeAt] {
		out = append(append(out, e.Tokens[i].raw(w.text)...), ' ')
	}
	out = append(append(append(out, keyword...), ' '), rdata...)
	if comment != nil && !bare {
		out = append(append(out, ' '), comment...)
	}
	return append(out, lineEndOf(w.text[e.Start:e.End])...)
}

// leading gives the white space at the start of a text.
func leading(text []byte) []byte {
	return text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
}

// lineEndOf gives the line end of a text; empty without one.
func lineEndOf(text []byte) []byte {
	return text[len(bytes.TrimRight(text, "\r\n")):]
}

// keyword gives the word for a type: that of a line where it is the same type, else what is usual
// for an ALIAS in the file, else its name.
func (w *editWriter) keyword(d *draft, like []byte) []byte {
	typ := d.set.typ
	word := like
	if t, ok := parseType(like); !ok || t != typ {
		word = []byte(TypeName(typ))
		if typ == typeALIAS {
			word = []byte("ALIAS")
			if w.ed.survey.keyword != "" {
				return w.generic(d, []byte(w.ed.survey.keyword))
			}
		}
		if len(like) > 0 && !bytes.ContainsFunc(like, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
			word = bytes.ToLower(word)
		}
	}
	return w.generic(d, word)
}

// generic has an ALIAS with parameters called by name: in generic form it has none.
func (w *editWriter) generic(d *draft, word []byte) []byte {
	if isGenericWord(d.set.typ, word) && len(d.record.tokens) > 1 && string(d.record.tokens[0].raw(d.record.text)) != `\#` {
		return []byte("ALIAS")
	}
	return word
}

// isGenericWord tells whether an ALIAS is called TYPE65401.
func isGenericWord(typ uint16, word []byte) bool {
	return typ == typeALIAS && equalFold(word, "TYPE65401")
}

// newLine gives a line for a new record.
func (w *editWriter) newLine(d *draft) ([]byte, bool) {
	var e Entry
	var h head
	like := w.template(d, &e, &h)
	var word []byte
	if like {
		word = e.Tokens[h.typeAt].raw(w.text)
	}
	keyword := w.keyword(d, word)
	rdata, ok := d.record.appendGiven(nil, d.set.typ, w.ed.zone.apex, w.ctx.origin, isGenericWord(d.set.typ, keyword))
	if !ok {
		return nil, false
	}
	if !like {
		out := append(w.ownerText(d, nil), ' ')
		out = append(append(append(out, keyword...), ' '), rdata...)
		return append(out, w.eol()...), true
	}
	l := layout{w: w, e: &e}
	first := 1
	if e.Blank {
		first = 0
	}
	if !w.leavesOut(d, &e) {
		l.out = append(l.out, w.ownerText(d, &e)...)
	}
	for i := first; i < h.typeAt; i++ {
		raw := e.Tokens[i].raw(w.text)
		if h.explicit && i == h.ttlAt {
			if ttl, _ := parseTTL(raw); ttl != *d.set.ttl {
				raw = strconv.AppendUint(nil, uint64(*d.set.ttl), 10)
			}
		}
		l.field(i, raw, d.template.columns.fields <= 0)
	}
	l.field(h.typeAt, keyword, d.template.columns.fields <= 0)
	if h.typeAt+1 < len(e.Tokens) {
		l.field(h.typeAt+1, rdata, d.template.columns.data <= 0)
	} else {
		l.out = append(append(l.out, ' '), rdata...)
	}
	end := lineEndOf(w.text[e.Start:e.End])
	if len(end) == 0 {
		end = []byte(w.eol())
	}
	return append(l.out, end...), true
}

// template reads the line whose form a new one takes; false without one.
func (w *editWriter) template(d *draft, e *Entry, h *head) bool {
	if d.template.end == 0 {
		return false
	}
	scanEntry(w.text, int(d.template.start), e)
	i := 1
	if e.Blank {
		i = 0
	}
	for h.classAt = -1; i < len(e.Tokens); i++ {
		raw := e.Tokens[i].raw(w.text)
		if _, status := parseTTL(raw); status == ttlOK {
			h.explicit, h.ttlAt = true, i
			continue
		}
		if _, ok := parseType(raw); ok {
			h.typeAt = i
			return true
		}
		h.classAt = i
	}
	return false
}

// layout sets fields into the columns of a line.
type layout struct {
	w   *editWriter
	e   *Entry
	out []byte
}

// field appends a field where the line has one of its tokens. A single blank before it is one
// here too, if that is how such lines are written.
func (l *layout) field(i int, text []byte, single bool) {
	from := l.e.Start
	if i > 0 {
		from = l.e.Tokens[i-1].End
	}
	gap := l.w.text[from:l.e.Tokens[i].Start]
	switch {
	case len(gap) == 1 && gap[0] == ' ' && single && len(l.out) > 0:
		l.out = append(l.out, ' ')
	default:
		l.out = fill(l.out, 0, columnOf(l.w.text[l.e.Start:l.e.Tokens[i].Start]), gap)
	}
	l.out = append(l.out, text...)
}

// leavesOut tells whether a new line says no owner name: as the line beside it, or as its author
// does where a name goes on.
func (w *editWriter) leavesOut(d *draft, e *Entry) bool {
	o := w.ed.survey.owners[d.set.owner.Wire()]
	if !bytes.Equal(w.lowerOwner(), []byte(d.set.owner.Wire())) {
		return false
	}
	switch {
	case o.blank:
		return true
	case o.repeated:
		return false
	}
	return e.Blank && o.last.end > 0 || w.ed.survey.blank > 0 && w.ed.survey.blank >= w.ed.survey.repeated
}

// lowerOwner is the owner name that a blank one means in the output, in lower case.
func (w *editWriter) lowerOwner() []byte {
	name := bytes.Clone(w.ctx.ownerName())
	zone.FoldCase(name)
	return name
}

// ownerText spells the owner name of a new line: as its author has spelled it, else absolute or
// relative as the line beside it.
func (w *editWriter) ownerText(d *draft, like *Entry) []byte {
	o := w.ed.survey.owners[d.set.owner.Wire()]
	if o.text != "" && bytes.Equal(o.below, w.ctx.origin) {
		return []byte(o.text)
	}
	absolute := w.ed.survey.absolute > w.ed.survey.relative
	if like != nil && !like.Blank {
		if raw := like.Tokens[0].raw(w.text); string(raw) != "@" {
			absolute = raw[len(raw)-1] == '.'
		}
	}
	wire := []byte(d.set.owner.Wire())
	origin := bytes.Clone(w.ctx.origin)
	zone.FoldCase(origin)
	if absolute || !inDomain(wire, origin) {
		return zone.AppendNameText(nil, wire)
	}
	if len(wire) == len(origin) {
		return []byte{'@'}
	}
	labels := append(bytes.Clone(wire[:len(wire)-len(origin)]), 0)
	text := zone.AppendNameText(nil, labels)
	return text[:len(text)-1]
}
