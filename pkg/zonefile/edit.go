package zonefile

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TypeALIAS is the type of ALIAS records, in a file by that name, as ANAME or as TYPE65401.
const TypeALIAS uint16 = typeALIAS

// ChangeKind says what a change does to the records of an RRset.
type ChangeKind uint8

const (
	// AddRecords adds records. One that is there stays as it is.
	AddRecords ChangeKind = iota + 1
	// ReplaceRRset makes the RRset the given records and no others.
	ReplaceRRset
	// DeleteRecords takes the given records out. One that is not there is no error.
	DeleteRecords
	// DeleteRRset takes all records out. It has no RDATA.
	DeleteRRset
)

// RRsetChange asks for one RRset of a source to become another one.
type RRsetChange struct {
	Kind  ChangeKind
	Owner zone.Name
	Type  uint16 // [TypeALIAS] for an ALIAS
	// TTL is that of the whole RRset in seconds. Nil leaves it as it is; records of an RRset that
	// was not there get what a record without a TTL has at their place.
	TTL *uint32
	// RDATA is in presentation format, each text one record, on one line, without comments and
	// parentheses. Relative names in it are below the zone name, whatever $ORIGIN says.
	RDATA []string
	// From is what diagnostics call the RDATA by, as they do a file; empty: RDATA.
	From string
}

// Edited is what an edit makes of a source.
type Edited struct {
	Text       *Text           // the whole zone file; without the files that it includes
	Difference zone.Difference // ALIAS records among it, which have their RDATA as text
	Explicit   []Place         // entries that inherited from one that changed, and say it themselves
}

// Changed tells whether the text is another one than that of the source.
func (e *Edited) Changed() bool { return len(e.Text.parts) != 1 || len(e.Difference) > 0 }

// Edit changes RRsets of a zone that [Read] gave in its source text, where nothing else changes:
// comments, order, layout and the serial stay byte for byte. New records stand behind those of
// their owner name, in the form of the lines around them; a record that replaces another keeps
// its place and its comment. A later entry that inherits owner name or TTL from one that goes is
// made explicit.
//
// Several changes are one edit: all of them are made, or none. What comes out is read again, and
// is given only if it has no error and its records differ from those of the source in what was
// asked for alone. Whether its ALIAS records are good as a whole is for package compile to say.
//
// The list has what keeps the edit from being made: RDATA and names that are none, places that
// cannot be edited, since an $INCLUDE or $GENERATE makes the records, and the errors of the zone
// as it would be. Edited is nil then.
func (z *Zone) Edit(changes []RRsetChange) (*Edited, diag.List) {
	if z.Name.IsZero() || len(z.segs) == 0 || bytes.HasPrefix(z.segs[0].text, []byte("\xef\xbb\xbf")) {
		return nil, z.Found
	}
	ed := &editor{zone: z, top: z.segs[0], sets: map[rrsetName]*editedRRset{}}
	for i := range changes {
		ed.admit(&changes[i])
	}
	if len(ed.found) > 0 {
		return nil, ed.found
	}
	ed.look()
	for i := range changes {
		ed.change(&changes[i])
	}
	ed.plan()
	if len(ed.found) > 0 {
		return nil, ed.found
	}
	edited := &Edited{Text: &Text{}}
	if len(ed.actions) == 0 {
		edited.Text.add(ed.top.text)
		return edited, nil
	}
	w := newEditWriter(ed)
	w.write()
	if len(ed.found) > 0 {
		return nil, ed.found
	}
	edited.Text, edited.Explicit, edited.Difference = &w.out, w.explicit, ed.difference()
	if found := ed.judge(edited.Text.Bytes()); len(found) > 0 {
		return nil, found
	}
	return edited, nil
}

// rrsetName is an RRset by its name and type.
type rrsetName struct {
	owner zone.Name
	typ   uint16
}

// editor is one edit of a source.
type editor struct {
	zone    *Zone
	top     *segment // the zone file, which alone is edited
	found   diag.List
	sets    map[rrsetName]*editedRRset
	order   []*editedRRset // as they are first asked for
	survey  survey
	actions map[int32]*action // by where the entry begins
	after   map[rrsetName][]sourceRecord
}

// editedRRset is an RRset before and after the edit.
type editedRRset struct {
	rrsetName
	had     []sourceRecord // in the order of the text
	want    []*wantedRecord
	ttl     *uint32 // of the RRset afterwards; nil: what its first new record inherits
	asked   bool    // ttl was asked for
	uniform bool    // all its records get that TTL
}

// sourceRecord is a record of an RRset as it stands in the source.
type sourceRecord struct {
	place place
	key   string // is the same for equal RDATA
	data  zone.RDATA
	ttl   uint32
	plain bool // it stands on one line, without parentheses
	columns
}

// wantedRecord is a record that an RRset is to have.
type wantedRecord struct {
	key    string
	data   zone.RDATA
	old    bool // the source has it
	text   []byte
	tokens []Token // of the RDATA in text
}

// admit refuses a change that cannot be one of this zone, and notes the RRset.
func (ed *editor) admit(c *RRsetChange) {
	refuse := func(d *diag.Diagnostic) {
		d.Span = diag.Span{Pos: diag.Pos{File: ed.top.name}}
		ed.found = append(ed.found, d)
	}
	switch {
	case !c.Owner.IsIn(ed.zone.Name):
		refuse(faultEditOutside(c.Owner, ed.zone.Name))
		return
	case c.Type == dns.TypeSOA:
		refuse(faultEditSOA())
		return
	case isMetaType(c.Type):
		refuse(faultMetaType([]byte(TypeName(c.Type))))
		return
	case c.TTL != nil && *c.TTL > maxTTL:
		refuse(problem(diag.CodeTTLTooBig, "a TTL is at most 2147483647", "write a TTL in seconds"))
		return
	}
	if len(c.RDATA) > maxGiven {
		refuse(problem(diag.CodeRRsetTooBig, fmt.Sprintf("%d records for one RRset are more than servers load", len(c.RDATA)), "BIND loads 100 of a type"))
		return
	}
	name := rrsetName{c.Owner, c.Type}
	if ed.sets[name] != nil {
		return
	}
	s := &editedRRset{rrsetName: name}
	ed.sets[name] = s
	ed.order = append(ed.order, s)
}

// maxGiven bounds the records that a change has, which are held against each other.
const maxGiven = 10 * maxRecordsPerType

// maxTTL is the largest TTL (RFC 2181 §8).
const maxTTL = 1<<31 - 1

// change applies a change to what its RRset is to be.
func (ed *editor) change(c *RRsetChange) {
	s := ed.sets[rrsetName{c.Owner, c.Type}]
	var given []*wantedRecord
	for _, text := range c.RDATA {
		w, d := ed.parse(c, text)
		if d != nil {
			ed.found = append(ed.found, d)
			continue
		}
		if !hasKey(given, w.key) {
			given = append(given, w)
		}
	}
	switch c.Kind {
	case AddRecords:
		for _, w := range given {
			if !hasKey(s.want, w.key) {
				s.want = append(s.want, s.known(w))
			}
		}
	case ReplaceRRset:
		s.want, s.uniform = given, true
		for i, w := range given {
			s.want[i] = s.known(w)
		}
	case DeleteRecords:
		s.want = slices.DeleteFunc(s.want, func(w *wantedRecord) bool { return hasKey(given, w.key) })
	case DeleteRRset:
		s.want = nil
	}
	if c.TTL != nil {
		s.ttl, s.asked, s.uniform = c.TTL, true, true
	}
}

func hasKey(list []*wantedRecord, key string) bool {
	return slices.ContainsFunc(list, func(w *wantedRecord) bool { return w.key == key })
}

// known gives the record of the source where it has it.
func (s *editedRRset) known(w *wantedRecord) *wantedRecord {
	for i := range s.had {
		if s.had[i].key == w.key {
			return &wantedRecord{key: w.key, data: s.had[i].data, old: true}
		}
	}
	return w
}

// parse reads RDATA that somebody gave, as it would be read in the file.
func (ed *editor) parse(c *RRsetChange, text string) (*wantedRecord, *diag.Diagnostic) {
	return parseGiven(c.Type, text, c.From, ed.zone.apex)
}

// ParseRDATA reads RDATA that somebody gave, which an edit is to add, replace or delete: text and
// from are as those of [RRsetChange]. It is equal to that of a [SourceRecord] but for the letter
// case of an ALIAS target. What would be more than RDATA in a zone file is refused.
func ParseRDATA(typ uint16, text, from string, apex zone.Name) (zone.RDATA, *diag.Diagnostic) {
	w, d := parseGiven(typ, text, from, []byte(apex.Wire()))
	if d != nil {
		return zone.RDATA{}, d
	}
	return w.data, nil
}

func parseGiven(typ uint16, text, from string, apex []byte) (*wantedRecord, *diag.Diagnostic) {
	if from == "" {
		from = "RDATA"
	}
	report := func(d *diag.Diagnostic, at, length int) *diag.Diagnostic {
		d.Span = diag.Span{Pos: diag.Pos{File: from, Line: 1, Column: at + 1, Offset: at}, Len: length}
		d.Source = text
		return d
	}
	line := append([]byte(text), '\n')
	tokens, d, at := oneLine(line)
	if d != nil {
		return nil, report(d, at, 1)
	}
	if len(tokens) == 0 {
		return nil, report(problem(diag.CodeMissingRDATA, TypeName(typ)+" record without RDATA", "write what stands behind the type"), len(text), 0)
	}
	w := &wantedRecord{text: line, tokens: tokens}
	var fault *Fault
	w.key, w.data, fault = recordData(typ, line, tokens, apex)
	if fault == nil {
		return w, nil
	}
	d = &diag.Diagnostic{Severity: diag.Error, Code: fault.Code, Message: fault.Message, Hint: fault.Hint}
	if fault.Token < len(tokens) {
		tok := tokens[fault.Token]
		return nil, report(d, int(tok.Start), int(tok.End-tok.Start))
	}
	return nil, report(d, len(text), 0)
}

// oneLine cuts a text that is to be a part of one line into tokens, and refuses what could be more
// than that in a zone file.
func oneLine(line []byte) (tokens []Token, d *diag.Diagnostic, at int) {
	for i, c := range line[:len(line)-1] {
		if c == '\n' || c == '\r' || c < ' ' && c != '\t' || c == 0x7f {
			return nil, faultEditText("a line end or another control character"), i
		}
	}
	text := line[:len(line)-1]
	if (len(text)-len(bytes.TrimRight(text, `\`)))%2 == 1 {
		return nil, faultEditText("a backslash that takes the line end along"), len(text) - 1
	}
	var e Entry
	scanEntry(line, 0, &e)
	if e.fault != scanOK {
		return nil, faultScan(e.fault, line), int(e.faultAt)
	}
	if e.Parens {
		return nil, faultEditText("parentheses"), bytes.IndexAny(line, "()")
	}
	if found := e.comments(line); len(found) > 0 {
		return nil, faultEditText("a comment"), found[0][0]
	}
	return e.Tokens, nil, 0
}

// ParseType reads the type of a record as a zone file has it, in any letter case. ALIAS and ANAME
// are [TypeALIAS]. False for a word that is no type.
func ParseType(word string) (uint16, bool) { return parseType([]byte(word)) }

// ParseOwner reads an owner name that somebody gave, which a relative one is completed by the
// origin. What would be more than a name in a zone file is refused.
func ParseOwner(text string, origin zone.Name) (zone.Name, *diag.Diagnostic) {
	report := func(d *diag.Diagnostic, at int) (zone.Name, *diag.Diagnostic) {
		d.Span = diag.Span{Pos: diag.Pos{File: "owner name", Line: 1, Column: at + 1, Offset: at}}
		d.Source = text
		return zone.Name{}, d
	}
	tokens, d, at := oneLine(append([]byte(text), '\n'))
	switch {
	case d != nil:
		return report(d, at)
	case len(tokens) != 1 || tokens[0].Quoted || len(text) != int(tokens[0].End) || tokens[0].Start != 0:
		return report(faultEditText("more or less than one name"), 0)
	case text[0] == '$':
		return report(faultEditText("the dollar sign of a control entry"), 0)
	}
	wire, err := zone.AppendName(nil, []byte(text), []byte(origin.Wire()))
	if err != nil {
		return report(faultName([]byte(text), err), 0)
	}
	zone.FoldCase(wire)
	name, err := zone.NameFromWire(wire)
	if err != nil {
		return report(faultName([]byte(text), err), 0)
	}
	return name, nil
}
