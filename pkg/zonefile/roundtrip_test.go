package zonefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// checkScan cuts a text into entries: they follow each other without a gap to
// the end of the text, and every token lies in its entry and is what its kind
// says.
func checkScan(tb testing.TB, text []byte) {
	tb.Helper()
	var e Entry
	pos := 0
	for pos < len(text) {
		scanEntry(text, pos, &e)
		if int(e.Start) != pos || int(e.End) <= pos || int(e.End) > len(text) {
			tb.Fatalf("entry [%d:%d) at %d of %d: %q", e.Start, e.End, pos, len(text), text)
		}
		if end := int(e.End); end < len(text) && text[end-1] != '\n' {
			tb.Fatalf("entry [%d:%d) ends inside a line: %q", e.Start, e.End, text)
		}
		if e.fault != scanOK && (e.faultAt < e.Start || e.faultAt >= e.End) {
			tb.Fatalf("fault at %d of entry [%d:%d): %q", e.faultAt, e.Start, e.End, text)
		}
		checkTokens(tb, text, &e)
		pos = int(e.End)
	}
}

// checkTokens checks the tokens of one entry. What lies between them is white
// space, parentheses and comments.
func checkTokens(tb testing.TB, text []byte, e *Entry) {
	tb.Helper()
	last := e.Start
	for i, tok := range e.Tokens {
		if tok.Start < last || tok.End <= tok.Start || tok.End > e.End {
			tb.Fatalf("token %d [%d:%d) of entry [%d:%d): %q", i, tok.Start, tok.End, e.Start, e.End, text)
		}
		between := text[last:tok.Start]
		if glued := i > 0 && len(between) == 0; glued != tok.Glued {
			tb.Fatalf("token %d at %d: glued is %t, %d bytes before it: %q", i, tok.Start, tok.Glued, len(between), text)
		}
		if !onlyBetween(between) {
			tb.Fatalf("%q between tokens: %q", between, text)
		}
		raw := tok.raw(text)
		if tok.Quoted != (raw[0] == '"') || tok.Quoted && (len(raw) < 2 || raw[len(raw)-1] != '"') {
			tb.Fatalf("token %q: quoted is %t", raw, tok.Quoted)
		}
		if !tok.Quoted && bytes.ContainsAny(plain(raw), " \t\n\r;()\"") {
			tb.Fatalf("token %q holds what ends a token", raw)
		}
		last = tok.End
	}
	if e.fault == scanOK && !onlyBetween(text[last:e.End]) {
		tb.Fatalf("%q behind the last token: %q", text[last:e.End], text)
	}
	for _, c := range e.comments(text) {
		if c[0] < int(e.Start) || c[1] > int(e.End) || c[1] <= c[0] || text[c[0]] != ';' || bytes.IndexByte(text[c[0]:c[1]], '\n') >= 0 {
			tb.Fatalf("comment [%d:%d) of entry [%d:%d): %q", c[0], c[1], e.Start, e.End, text)
		}
	}
}

// plain takes escaped bytes out of a token.
func plain(raw []byte) []byte {
	var out []byte
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' {
			i++
			continue
		}
		out = append(out, raw[i])
	}
	return out
}

// onlyBetween tells whether text is white space, parentheses and comments.
func onlyBetween(text []byte) bool {
	for line := range bytes.Lines(text) {
		line, _, _ = bytes.Cut(line, []byte(";"))
		if len(bytes.Trim(line, " \t\r\n()")) > 0 {
			return false
		}
	}
	return true
}

// checkRead reads a text and looks at every place it names. It fails the test
// where one does not lie in the file it is said to lie in.
func checkRead(tb testing.TB, text []byte, files fstest.MapFS, o Options) *Zone {
	tb.Helper()
	o.Origin, o.Includes, o.IncludeRoot, o.Path = zone.MustParseName("example.org."), files, ".", "zone"
	z := Read("zone", text, o)
	for _, d := range z.Found {
		checkSpan(tb, d.Span, text, files)
		for _, n := range d.Related {
			checkSpan(tb, n.Span, text, files)
		}
		if d.Message == "" || d.Code == "" {
			tb.Fatalf("diagnostic without message or code: %+v", d)
		}
	}
	for i := range z.Marks {
		p := z.Marks[i].place
		if p.start < 0 || p.end < p.start || int(p.end) > len(p.seg.text) {
			tb.Fatalf("mark [%d:%d) of %d bytes", p.start, p.end, len(p.seg.text))
		}
	}
	aliases := z.Aliases()
	for i := range aliases {
		for _, f := range append([]Field{aliases[i].Target}, aliases[i].Fields...) {
			if raw := (Token{Start: f.Place.start, End: f.Place.end, Quoted: f.Quoted}).content(f.Place.seg.text); string(raw) != f.Text {
				tb.Fatalf("field %q, its place has %q", f.Text, raw)
			}
		}
	}
	return z
}

// checkSpan checks that line, column and offset of a span are one place in its
// file.
func checkSpan(tb testing.TB, s diag.Span, text []byte, files fstest.MapFS) {
	tb.Helper()
	if s.File != "zone" {
		f, ok := files[s.File]
		if !ok {
			tb.Fatalf("diagnostic in %q, which is no file", s.File)
		}
		text = f.Data
	}
	if s.Offset < 0 || s.Len < 0 || s.Offset+s.Len > len(text) {
		tb.Fatalf("span %d+%d of %d bytes", s.Offset, s.Len, len(text))
	}
	line := 1 + bytes.Count(text[:s.Offset], []byte("\n"))
	column := s.Offset - bytes.LastIndexByte(text[:s.Offset], '\n')
	if s.Line != line || s.Column != column {
		tb.Fatalf("offset %d is line %d column %d, span says %d:%d", s.Offset, line, column, s.Line, s.Column)
	}
}

// seeds gives texts of all kinds, and the files they may include.
func seeds(tb testing.TB) ([][]byte, fstest.MapFS) {
	tb.Helper()
	var texts [][]byte
	files := fstest.MapFS{}
	for _, c := range judge.Matrix(tb) {
		texts = append(texts, c.Zone)
		for name, text := range c.Files {
			files[name] = &fstest.MapFile{Data: text}
		}
	}
	for seed := range uint64(20) {
		z := makeZone(seed, mix{records: 20, aliases: true, includes: true, generates: true, outside: true})
		texts = append(texts, with(z.text, "ALIAS"))
		for name, text := range z.files {
			files[name] = &fstest.MapFile{Data: with(text, "ANAME")}
		}
	}
	if len(texts) < 200 {
		tb.Fatalf("only %d seeds", len(texts))
	}
	return texts, files
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	texts, files := seeds(t)
	for _, text := range texts {
		checkScan(t, text)
		checkRead(t, text, files, Options{Workers: 1})
	}
}

// TestRoundTripPrefixes cuts a good zone at every byte.
func TestRoundTripPrefixes(t *testing.T) {
	t.Parallel()
	z := makeZone(3, mix{records: 40, aliases: true, includes: true, generates: true, outside: true})
	text := with(z.text, "ALIAS")
	files := fstest.MapFS{}
	for name, included := range z.files {
		files[name] = &fstest.MapFile{Data: with(included, "ALIAS")}
	}
	for n := range text {
		checkScan(t, text[:n])
		checkRead(t, text[:n], files, Options{Workers: 1})
	}
}

func TestRoundTripRandom(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	words := []string{
		"\n", "\n", "\r\n", "\r", " ", "\t", "(", ")", `"`, `\`, `\032`, `\"`, ";", "@", "a", "b.example.org.", "300", "1h30m", "IN", "A",
		"192.0.2.1", "ALIAS", "x", "$ORIGIN", "$TTL", "$INCLUDE", "inc", "$GENERATE", "1-3", "h$", "TXT", "SOA", "\x00", "\x7f", "\xff", "\xef\xbb\xbf", `\#`, "TYPE65401", "MX", "10",
	}
	files := fstest.MapFS{"inc": {Data: []byte(" 60 A 192.0.2.7\n$INCLUDE inc\n$TTL")}}
	for range rounds(3000) {
		var text []byte
		for range rng.IntN(60) {
			text = append(text, words[rng.IntN(len(words))]...)
			if rng.IntN(3) == 0 {
				text = append(text, " \n"[rng.IntN(2)])
			}
		}
		checkScan(t, text)
		checkRead(t, text, files, Options{Workers: 1})
	}
}

// FuzzScan cuts any bytes into entries.
func FuzzScan(f *testing.F) {
	texts, _ := seeds(f)
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkScan(t, text) })
}

// FuzzRead reads any bytes as a zone, in one go and in pieces, and writes it
// again without its ALIAS entries.
func FuzzRead(f *testing.F) {
	texts, files := seeds(f)
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o := Options{GenerateLimit: 1000, Workers: 1}
		whole := checkRead(t, text, files, o)
		o.Workers, o.pieceLen = 3, 16
		samePieces(t, checkRead(t, text, files, o), whole)
		if whole.Found.HasErrors() {
			return
		}
		out, _ := whole.Rewrite(Rewrite{Aliases: make([][]byte, len(whole.Aliases()))})
		again := Read("out", out.Bytes(), Options{Origin: whole.Name, GenerateLimit: 1000})
		if n := len(again.Aliases()); n > 0 {
			t.Errorf("%d ALIAS entries are left", n)
		}
	})
}

// samePieces compares a zone that was read in pieces with the same zone read
// in one go.
func samePieces(t *testing.T, got, want *Zone) {
	t.Helper()
	if got.Sum != want.Sum || got.Count != want.Count {
		t.Errorf("in pieces %d records with sum %x, in one go %d with sum %x", got.Count, got.Sum, want.Count, want.Sum)
	}
	if g, w := marksText(got), marksText(want); g != w {
		t.Errorf("marks in pieces:\n%s\nin one go:\n%s", g, w)
	}
	if g, w := errorsText(got.Found), errorsText(want.Found); !slices.Equal(g, w) {
		t.Errorf("errors in pieces:\n%s\nin one go:\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
	if g, w := warningsText(got.Found), warningsText(want.Found); !slices.Equal(g, w) {
		t.Errorf("warnings in pieces:\n%s\nin one go:\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

// marksText lists marks with their contexts.
func marksText(z *Zone) string {
	var b strings.Builder
	for i := range z.Marks {
		m := &z.Marks[i]
		c := m.context
		fmt.Fprintf(&b, "%d %s [%d:%d) moved %t origin %x owner %x/%t ttl %d/%t default %d/%t outside %t\n",
			m.Kind, m.place.seg.name, m.place.start, m.place.end, m.moved, c.origin, c.owner, c.hasOwner, c.ttl, c.hasTTL, c.defaultTTL, c.hasDefault, c.outside)
	}
	return b.String()
}

func errorsText(l diag.List) []string {
	var lines []string
	for _, d := range l {
		if d.Severity == diag.Error {
			lines = append(lines, d.Error())
		}
	}
	return lines
}

// warningsText lists warnings; of a kind that is told once for a stretch of
// text only the kind.
func warningsText(l diag.List) []string {
	var lines []string
	for _, d := range l {
		switch {
		case d.Severity == diag.Error:
		case d.Code == diag.CodePortableNoTTL:
			lines = append(lines, string(d.Code))
		default:
			lines = append(lines, d.Error())
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// TestPieces reads random zones in pieces of many lengths.
func TestPieces(t *testing.T) {
	t.Parallel()
	inPieces := 0
	eachSeed(t, rounds(300), func(t *testing.T, seed uint64) {
		t.Helper()
		z := makeZone(seed, mix{
			records: int(seed % 80), aliases: true, includes: seed%2 == 0, generates: seed%3 == 0,
			mixedTTLs: seed%5 == 0, outside: seed%7 == 0,
		})
		defer z.showFailed(t)
		if seed%11 == 0 { // an entry that is never closed
			z.text = bytes.Replace(z.text, []byte("\tTXT"), []byte("\tTXT ( \" "), 1)
		}
		whole := z.read("ALIAS", Options{Workers: 1})
		for _, n := range []int{1, 20, 97, 400} {
			o := Options{Workers: 1 + int(seed%4), pieceLen: n}
			samePieces(t, z.read("ALIAS", o), whole)
			if t.Failed() {
				t.Fatalf("pieces of %d bytes", n)
			}
			if len(z.text) > 2*n && o.Workers > 1 {
				inPieces++
			}
		}
	})
	if inPieces < 100 {
		t.Errorf("only %d zones were read in pieces", inPieces)
	}
}
