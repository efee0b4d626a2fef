package zonefile

import (
	"bytes"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// survey is what the first reading of a source finds: where the records are that change, and how
// its author writes.
type survey struct {
	owners  map[string]*ownerLines // of the names that change
	reaches []*reach
	at      map[string]*reach // by origin
	last    *reach            // the one of the last record
	keyword string            // by which an ALIAS is called

	blank    int // records that leave out an owner name that was just said
	repeated int // those that say it again
	absolute int // owner names with their final dot
	relative int // those without

	columns columns
}

// line is an entry of the zone file that holds a record.
type line struct {
	start, end int32
	columns    columns
}

// columns tells whether the lines up to one have their fields below each other, more than 0, or
// not, less than 0: those behind the owner name, and RDATA. A line is held against the one before
// it where what stands in front has another length.
type columns struct {
	fields, data int8
	owner, typ   int // lengths in the line before
	at, dataAt   int // columns there
}

func (c *columns) add(text []byte, e *Entry, typeAt int) {
	vote := func(score *int8, length, was, column, had int) {
		switch {
		case had == 0 || length == was:
		case column == had:
			*score = min(*score+1, 2)
		default:
			*score = max(*score-1, -2)
		}
	}
	column := func(i int) int { return columnOf(text[e.Start:e.Tokens[i].Start]) }
	length := func(i int) int { return int(e.Tokens[i].End - e.Tokens[i].Start) }
	if !e.Blank && len(e.Tokens) > 1 {
		vote(&c.fields, length(0), c.owner, column(1), c.at)
		c.owner, c.at = length(0), column(1)
	}
	if typeAt+1 < len(e.Tokens) {
		vote(&c.data, length(typeAt), c.typ, column(typeAt+1), c.dataAt)
		c.typ, c.dataAt = length(typeAt), column(typeAt+1)
	}
}

// ownerLines are the records of an owner name in the zone file.
type ownerLines struct {
	last     line
	plain    line   // the last on one line; zero length: there is none
	origin   []byte // at the last
	text     string // the name as its author wrote it last; empty: never
	below    []byte // the origin there
	blank    bool   // some record leaves the name out
	repeated bool   // some says it again
}

// reach is the part of a zone file in which one origin is in force.
type reach struct {
	origin []byte
	last   line // the last entry with records
	plain  line // the last record on one line; zero length: there is none
}

// look reads the source for what the changes are about.
func (ed *editor) look() {
	sv := &ed.survey
	sv.owners, sv.at = map[string]*ownerLines{}, map[string]*reach{}
	for _, s := range ed.order {
		sv.owners[s.owner.Wire()] = &ownerLines{}
	}
	marks := ed.zone.Marks
	var before [zone.MaxNameLen]byte
	n := 0
	ed.zone.walk(func(r *reader, e *Entry, h *head) {
		lower := r.lower[:r.lowerLen]
		plain := isPlain(r.text, e)
		if r.seg == ed.top {
			marks = sv.pass(marks, place{seg: ed.top, start: e.Start})
			sv.count(r, e, h, plain, string(before[:n]) == string(lower))
		}
		if s := ed.sets[rrsetName{nameOf(ed, lower), h.typ}]; s != nil {
			s.note(r, e, h)
			rec := &s.had[len(s.had)-1]
			rec.plain, rec.columns = plain, sv.columns
		}
		if r.seg != ed.top {
			return
		}
		n = copy(before[:], lower)
		here := line{e.Start, e.End, sv.columns}
		now := sv.reach(r.ctx.origin)
		now.last = here
		if plain {
			now.plain = here
		}
		if o := sv.owners[string(lower)]; o != nil {
			o.note(r, e, here, plain)
		}
	})
	sv.pass(marks, place{seg: ed.top, start: int32(len(ed.top.text))})
	for _, s := range ed.order {
		s.begin()
	}
}

// reach gives the part of the zone file that has an origin.
func (sv *survey) reach(origin []byte) *reach {
	if sv.last != nil && bytes.Equal(sv.last.origin, origin) {
		return sv.last
	}
	r := sv.at[string(origin)]
	if r == nil {
		r = &reach{origin: origin}
		sv.at[string(origin)] = r
		sv.reaches = append(sv.reaches, r)
	}
	sv.last = r
	return r
}

// pass notes what of the marks before a place makes records, and gives the others.
func (sv *survey) pass(marks []Mark, before place) []Mark {
	for ; len(marks) > 0; marks = marks[1:] {
		m := &marks[0]
		if m.place.seg != before.seg || m.Kind != MarkInclude && m.Kind != MarkGenerate {
			continue
		}
		if m.place.start > before.start {
			break
		}
		sv.reach(m.context.origin).last = line{start: m.place.start, end: m.place.end}
	}
	return marks
}

// nameOf gives an owner name that changes; zero for others.
func nameOf(ed *editor, lower []byte) zone.Name {
	if ed.survey.owners[string(lower)] == nil {
		return zone.Name{}
	}
	n, _ := zone.NameFromWire(lower)
	return n
}

// isPlain tells whether an entry is one line without parentheses.
func isPlain(text []byte, e *Entry) bool {
	n := bytes.IndexByte(text[e.Start:e.End], '\n')
	return !e.Parens && e.fault == scanOK && (n < 0 || n == int(e.End-e.Start)-1)
}

// note takes over a record of an RRset that changes.
func (s *editedRRset) note(r *reader, e *Entry, h *head) {
	rec := sourceRecord{place: r.place(e), ttl: h.ttl}
	var fault *Fault
	rec.key, rec.data, fault = recordData(h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin)
	if fault != nil { // an ALIAS that is judged elsewhere
		rec.data.Text = string(appendTokens(nil, r.text, e.Tokens[h.typeAt+1:]))
		rec.key = "\x00" + rec.data.Text
	}
	s.had = append(s.had, rec)
}

// begin has the RRset stay as it is.
func (s *editedRRset) begin() {
	for i := range s.had {
		if !hasKey(s.want, s.had[i].key) {
			s.want = append(s.want, &wantedRecord{key: s.had[i].key, data: s.had[i].data, old: true})
		}
	}
	if n := len(s.had); n > 0 {
		s.ttl = &s.had[n-1].ttl // the one that BIND takes
	}
}

func (o *ownerLines) note(r *reader, e *Entry, here line, plain bool) {
	if o.last.end > 0 {
		o.blank = o.blank || e.Blank
		o.repeated = o.repeated || !e.Blank
	}
	o.last, o.origin = here, r.ctx.origin
	if plain {
		o.plain = here
	}
	if !e.Blank {
		o.text, o.below = string(e.Tokens[0].raw(r.text)), r.ctx.origin
	}
}

// count adds a record to how the author writes.
func (sv *survey) count(r *reader, e *Entry, h *head, plain, again bool) {
	if h.typ == typeALIAS {
		sv.keyword = string(e.Tokens[h.typeAt].raw(r.text))
	}
	switch {
	case e.Blank:
		sv.blank++
	case again:
		sv.repeated++
	}
	if !e.Blank {
		if raw := e.Tokens[0].raw(r.text); raw[len(raw)-1] == '.' {
			sv.absolute++
		} else if string(raw) != "@" {
			sv.relative++
		}
	}
	if plain {
		sv.columns.add(r.text, e, h.typeAt)
	}
}

// around gives the part of the zone file that is the place for an owner name without records in
// it: where the longest origin is in force that it is below. False where no record stands in the
// file itself.
func (sv *survey) around(owner zone.Name) (*reach, bool) {
	var best *reach
	for _, r := range sv.reaches {
		name := bytes.Clone(r.origin)
		zone.FoldCase(name)
		if !inDomain([]byte(owner.Wire()), name) {
			continue
		}
		if best == nil || len(name) > len(best.origin) || len(name) == len(best.origin) && r.last.start > best.last.start {
			best = r
		}
	}
	if best != nil {
		return best, true
	}
	if len(sv.reaches) == 0 {
		return nil, false
	}
	return slices.MaxFunc(sv.reaches, func(a, b *reach) int { return int(a.last.start - b.last.start) }), true
}
