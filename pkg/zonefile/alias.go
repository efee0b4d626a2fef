package zonefile

import (
	"bytes"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// AliasEntry is an ALIAS entry as it stands in the source.
type AliasEntry struct {
	Place    Place
	Owner    zone.Name
	TTL      uint32 // its own, or what the entries before it give it
	explicit bool
	Keyword  string    // ALIAS, ANAME or TYPE65401, as written
	Target   Field     // the first field of the RDATA
	Fields   []Field   // what follows it
	Origin   zone.Name // completes a relative target

	Comment  string   // the last comment, from its semicolon; empty without
	Comments []string // those before it, which only parentheses allow

	owner   []byte // wire form, case as written
	context *saved
}

// Field is one field of the RDATA of an ALIAS entry.
type Field struct {
	Text   string // without quotes, escapes as written
	Quoted bool
	Glued  bool // no white space before it
	Place  Place
}

// OwnerText is the absolute owner name, letter case as written.
func (a *AliasEntry) OwnerText() string { return string(a.AppendOwnerText(nil)) }

// AppendOwnerText appends OwnerText to out.
func (a *AliasEntry) AppendOwnerText(out []byte) []byte { return zone.AppendNameText(out, a.owner) }

// Aliases gives all ALIAS entries in the order of reading.
func (z *Zone) Aliases() []AliasEntry {
	z.aliasOnce.Do(func() { z.aliases = z.readAliases() })
	return z.aliases
}

func (z *Zone) readAliases() []AliasEntry {
	entries := make([]AliasEntry, 0, len(z.Marked(MarkALIAS)))
	s := z.settings
	s.hashOnly = true
	var r *reader
	var last aliasWords
	var a AliasEntry
	s.each = func(r *reader, e *Entry, h *head) { a = r.aliasEntry(e, h, &last) }
	for i := range z.Marks {
		m := &z.Marks[i]
		if m.Kind != MarkALIAS {
			continue
		}
		a = AliasEntry{}
		if r == nil {
			r = newReader(&s, m.place.seg, m.context.restore())
		} else {
			r.seg, r.text = m.place.seg, m.place.seg.text
			r.reset(m.context.restore())
		}
		r.read(int(m.place.start), int(m.place.end))
		if a.owner == nil {
			continue // it hangs on an entry that is broken
		}
		a.Place, a.context = Place{m.place}, &m.context
		entries = append(entries, a)
	}
	return entries
}

// aliasWords are what most ALIAS entries of a zone share with the one before.
type aliasWords struct {
	keyword string
	wire    []byte // of origin, case as written
	origin  zone.Name
}

func (w *aliasWords) use(keyword, origin []byte) {
	if w.keyword != string(keyword) {
		w.keyword = string(keyword)
	}
	if !bytes.Equal(w.wire, origin) {
		w.wire = bytes.Clone(origin)
		w.origin, _ = zone.NameFromWire(origin)
	}
}

func (r *reader) aliasEntry(e *Entry, h *head, words *aliasWords) AliasEntry {
	owner, _ := zone.NameFromWire(r.ctx.ownerName())
	words.use(e.Tokens[h.typeAt].raw(r.text), r.ctx.origin)
	a := AliasEntry{
		Owner:    owner,
		TTL:      h.ttl,
		Keyword:  words.keyword,
		Origin:   words.origin,
		owner:    bytes.Clone(r.ctx.ownerName()),
		explicit: h.explicit,
	}
	for i, tok := range e.Tokens[h.typeAt+1:] {
		f := Field{
			Text: string(tok.content(r.text)), Quoted: tok.Quoted, Glued: tok.Glued,
			Place: Place{place{r.seg, tok.Start, tok.End}},
		}
		if i == 0 {
			a.Target = f
		} else {
			a.Fields = append(a.Fields, f)
		}
	}
	spans := e.comments(r.text)
	for i, c := range spans {
		text := strings.TrimRight(string(r.text[c[0]:c[1]]), " \t\r")
		// Behind a comment inside parentheses there is at least the closing one.
		if i == len(spans)-1 && len(bytes.Trim(r.text[c[1]:e.End], "\r\n")) == 0 {
			a.Comment = text
		} else {
			a.Comments = append(a.Comments, text)
		}
	}
	return a
}
