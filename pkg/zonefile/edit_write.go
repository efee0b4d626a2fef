package zonefile

import (
	"bytes"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// editWriter writes the edited text entry by entry. It reads the source along, and where what is
// written may mean something else the output as well, so that each entry is seen to mean what it
// meant. Behind the place where both readings agree again everything is passed through.
type editWriter struct {
	ed       *editor
	text     []byte
	out      Text
	explicit []Place

	source *reader
	read   heard // the last record of the source
	marks  []Mark

	same  bool    // what stands before means the same in the output as in the source
	ctx   context // of the output, unless it is the same
	trial *reader // of what is to be written
	tried heard

	spelled      []byte // the owner name that the last entry with one had, as written there
	spelledBelow []byte // the origin there
	spelledName  []byte // what that means, lower case
}

// heard is what a record means that a reader has read.
type heard struct {
	seen  bool
	mixed bool   // it has the TTL of its run for BIND, and another one for others
	owner []byte // lower case
	ttl   uint32
	head  head
}

func newEditWriter(ed *editor) *editWriter {
	w := &editWriter{ed: ed, text: ed.top.text, marks: ed.zone.Marks, same: true}
	w.source = w.reader(ed.top, &w.read)
	w.trial = w.reader(ed.top, &w.tried)
	return w
}

// reader starts a reader that tells what it has read.
func (w *editWriter) reader(seg *segment, to *heard) *reader {
	s := w.ed.zone.settings
	s.hashOnly = true
	s.each = func(r *reader, _ *Entry, h *head) {
		*to = heard{seen: true, owner: append(to.owner[:0], r.lower[:r.lowerLen]...), ttl: h.ttl, head: *h}
	}
	return newReader(&s, seg, &context{origin: w.ed.zone.apex})
}

// write writes all of the zone file.
func (w *editWriter) write() {
	starts := make([]int32, 0, len(w.ed.actions)+1)
	for at := range w.ed.actions {
		starts = append(starts, at)
	}
	slices.Sort(starts)
	for pos := 0; pos < len(w.text); {
		for len(starts) > 0 && int(starts[0]) < pos {
			starts = starts[1:]
		}
		if w.same && len(starts) == 0 {
			w.out.add(w.text[pos:])
			break
		}
		if w.same && int(starts[0]) > pos {
			pos = w.pass(pos, int(starts[0]))
			continue
		}
		pos = w.entry(pos, w.ed.actions[int32(pos)])
	}
	w.end()
}

// pass reads entries that stay from one offset to another at most, and passes them through.
func (w *editWriter) pass(from, to int) int {
	r := w.source
	stop := r.read(from, to)
	r.out = collector{}
	if r.barrier {
		w.include(&r.ctx, nil)
		r.stuck, r.barrier = false, false
		stop = int(r.entry.End)
	}
	w.out.add(w.text[from:stop])
	return stop
}

// entry writes the entry at an offset, and gives the offset behind it.
func (w *editWriter) entry(pos int, a *action) int {
	r := w.source
	if w.same {
		w.ctx = r.ctx
	}
	w.read.seen = false
	r.read(pos, pos+1)
	w.read.mixed = r.out.mixed
	r.out = collector{}
	e := &r.entry
	end := int(e.End)
	w.spell(e)
	switch {
	case r.barrier:
		w.barrier(e)
	case a != nil && a.gone:
	case a != nil && a.put != nil:
		w.put(a.put, e)
	case w.read.seen:
		w.keep(e, a)
	default:
		w.add(w.text[pos:end])
	}
	if a != nil {
		for _, d := range a.after {
			w.put(d, nil)
		}
	}
	w.same = w.ctx.agrees(&r.ctx)
	return end
}

// spell remembers how the owner name of an entry is written.
func (w *editWriter) spell(e *Entry) {
	if e.fault != scanOK || len(e.Tokens) == 0 || e.Blank || e.directive(w.text) {
		return
	}
	w.spelled, w.spelledBelow = e.Tokens[0].raw(w.text), w.source.ctx.origin
	w.spelledName = append(w.spelledName[:0], w.source.lower[:w.source.lowerLen]...)
}

// agrees tells whether what follows is read alike in both.
func (c *context) agrees(other *context) bool {
	return c.hasOwner == other.hasOwner && c.broken == other.broken && c.outside == other.outside &&
		bytes.EqualFold(c.ownerName(), other.ownerName()) && bytes.Equal(c.origin, other.origin) &&
		c.hasDefault == other.hasDefault && c.minimum == other.minimum && c.defaultTTL == other.defaultTTL &&
		c.hasTTL == other.hasTTL && (c.hasDefault || c.ttl == other.ttl) &&
		slices.Equal(c.run[:c.runLen], other.run[:other.runLen])
}

// barrier writes an $INCLUDE or $GENERATE, which must make the same records as before.
func (w *editWriter) barrier(e *Entry) {
	r := w.source
	marks := w.marks
	var before, after uint64
	w.include(&r.ctx, &before)
	r.stuck, r.barrier = false, false
	left := w.marks
	w.marks = marks
	w.include(&w.ctx, &after)
	w.marks = left
	if before != after {
		p := r.place(e)
		w.ed.found = append(w.ed.found, w.ed.at(p, faultEditMeaning("a record that "+string(e.Tokens[0].raw(w.text))+" makes")))
	}
	w.lines(w.text[e.Start:e.End])
}

// include takes a context over what the next $INCLUDE or $GENERATE reads, and sums up owner names
// and TTLs of its records.
func (w *editWriter) include(ctx *context, sum *uint64) {
	for len(w.marks) > 0 && (w.marks[0].place.seg != w.ed.top || w.marks[0].Kind != MarkInclude && w.marks[0].Kind != MarkGenerate) {
		w.marks = w.marks[1:]
	}
	if len(w.marks) == 0 {
		return
	}
	m := w.marks[0]
	w.marks = w.marks[1:]
	if m.child == nil {
		return
	}
	s := w.ed.zone.settings
	s.hashOnly = true
	s.each = func(r *reader, _ *Entry, h *head) {
		if sum != nil {
			*sum = *sum*31 + hashRecord(r.ownerHash, uint64(h.typ), h.ttl)
		}
	}
	if m.Kind == MarkInclude {
		ctx.runLen = 0
	}
	inner := *ctx
	inner.origin = m.child.originAt(0)
	marks := w.marks
	w.ed.zone.walkSegment(&s, m.child, &inner, &marks)
	w.marks = marks
	ctx.ttl, ctx.hasTTL = inner.ttl, inner.hasTTL
	ctx.defaultTTL, ctx.hasDefault, ctx.minimum = inner.defaultTTL, inner.hasDefault, inner.minimum
}

// lines passes whole lines through, on a line of their own.
func (w *editWriter) lines(text []byte) {
	if !w.out.endsLine() {
		w.out.add([]byte(w.eol()))
	}
	w.out.add(text)
}

// add writes an entry that makes no record, and reads it.
func (w *editWriter) add(text []byte) {
	_, w.ctx = w.try(text)
	w.lines(text)
}

// try reads what is to be written, and tells what it would mean and leave behind.
func (w *editWriter) try(text []byte) (heard, context) {
	r := w.trial
	r.seg = &segment{file: &file{name: w.ed.top.name, text: text, dollars: []bool{true}}}
	r.text = text
	r.ctx = w.ctx
	r.resume()
	r.stuck, r.barrier, r.unclosed = false, false, 0
	w.tried = heard{}
	r.read(0, len(text))
	w.tried.mixed = r.out.mixed
	r.out = collector{}
	clear(r.seen)
	return w.tried, r.ctx
}

// keep writes a record that stays, with the owner name and TTL it has in the source, or with a
// TTL it is to get.
func (w *editWriter) keep(e *Entry, a *action) {
	want := w.read
	want.owner = bytes.Clone(want.owner)
	pin := false
	if a != nil && a.ttl != nil {
		want.ttl, want.mixed, pin = *a.ttl, false, want.head.explicit
	}
	text := w.text[e.Start:e.End]
	changed, ok := w.settle(text, &want, pin)
	if !ok {
		w.ed.found = append(w.ed.found, w.ed.at(w.source.place(e), faultEditMeaning("this record")))
		w.lines(text)
		return
	}
	if changed && (a == nil || a.ttl == nil) {
		w.explicit = append(w.explicit, Place{w.source.place(e)})
	}
}

// settle writes a record so that it has an owner name and TTL, which it says itself where it
// would inherit others; pin has it say the TTL in any case. It tells whether the text had to be
// changed for that, and whether there was a way.
func (w *editWriter) settle(text []byte, want *heard, pin bool) (changed, ok bool) {
	name, ttl := false, pin
	for range 4 {
		got, ctx := w.tryWith(text, want, name, ttl)
		if !got.seen { // a blank owner name may mean one that is outside of the zone
			if name || !want.seen {
				return false, false
			}
			name = true
			continue
		}
		sameName, sameTTL := bytes.Equal(got.owner, want.owner), got.ttl == want.ttl && (want.mixed || !got.mixed)
		switch {
		case sameName && sameTTL:
			w.lines(w.trial.text)
			w.ctx = ctx
			return name || ttl, true
		case !sameName && name, sameName && ttl:
			return false, false
		}
		name, ttl = name || !sameName, ttl || sameName
	}
	return false, false
}

// tryWith tries a record with its owner name or TTL written out.
func (w *editWriter) tryWith(text []byte, want *heard, name, ttl bool) (heard, context) {
	got, ctx := w.try(text)
	if !name && !ttl || !got.seen && !want.seen {
		return got, ctx
	}
	if !got.seen {
		got.head = want.head
	}
	var e Entry
	scanEntry(text, 0, &e)
	return w.try(patched(text, &e, &got.head, func() []byte {
		if !name {
			return nil
		}
		return w.nameText(want.owner)
	}(), ttl, want.ttl))
}

// nameText gives an owner name as it may be written here: as the author wrote it last, where that
// means the same, else absolute.
func (w *editWriter) nameText(owner []byte) []byte {
	if bytes.Equal(w.spelledName, owner) && bytes.Equal(w.spelledBelow, w.ctx.origin) {
		return w.spelled
	}
	return zone.AppendNameText(nil, owner)
}

// end has the text end as that of the source does.
func (w *editWriter) end() {
	if bytes.HasSuffix(w.text, []byte{'\n'}) || !w.out.endsLine() || len(w.out.parts) == 0 {
		if bytes.HasSuffix(w.text, []byte{'\n'}) && !w.out.endsLine() {
			w.out.add([]byte(w.eol()))
		}
		return
	}
	last := len(w.out.parts) - 1
	part := w.out.parts[last]
	trimmed := bytes.TrimSuffix(bytes.TrimSuffix(part, []byte{'\n'}), []byte{'\r'})
	w.out.parts[last] = trimmed
	w.out.size -= int64(len(part) - len(trimmed))
}

// eol is how a line ends that is put in.
func (w *editWriter) eol() string {
	if i := bytes.IndexByte(w.text, '\n'); i > 0 && w.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
