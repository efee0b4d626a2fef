package zonefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// editSource is a zone that others have written.
type editSource struct {
	name   string
	origin zone.Name
	text   []byte
	files  map[string][]byte
}

// editSources gives the zones that have no errors: those of the table of parsers, and those of
// the cases of compile.
func editSources(t *testing.T) []editSource {
	t.Helper()
	var all []editSource
	for _, c := range matrix(t) {
		s := editSource{name: c.ID, origin: zone.MustParseName("example.org."), text: latin1(c.Zone), files: map[string][]byte{}}
		for name, text := range c.Files {
			s.files[name] = latin1(text)
		}
		all = append(all, s)
	}
	paths, err := filepath.Glob("../../testdata/zones/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no zones: %v", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := editSource{name: filepath.Base(path), files: map[string][]byte{}}
		for _, f := range archive.Files {
			if f.Name == "in.zone" {
				s.text = f.Data
			}
			s.files[f.Name] = f.Data
		}
		all = append(all, s)
	}
	var good []editSource
	for i := range all {
		if z := all[i].read(all[i].text); all[i].text != nil && !z.Found.HasErrors() {
			all[i].origin = z.Name
			good = append(good, all[i])
		}
	}
	if len(good) < 150 {
		t.Fatalf("only %d zones have no errors", len(good))
	}
	return good
}

func (s *editSource) read(text []byte) *Zone {
	files := fstest.MapFS{}
	for name, data := range s.files {
		files[name] = &fstest.MapFile{Data: data}
	}
	return Read("in.zone", text, Options{Origin: s.origin, Includes: files, IncludeRoot: ".", Path: "in.zone", CheckNames: diag.Warning})
}

// knowsBIND tells whether BIND reads the zone: it has no ALIAS, and no file with an absolute path.
func (s *editSource) knowsBIND() bool {
	text := bytes.ToUpper(s.text)
	for _, data := range s.files {
		text = append(text, bytes.ToUpper(data)...)
	}
	return !bytes.Contains(text, []byte("ALIAS")) && !bytes.Contains(text, []byte("ANAME")) && !bytes.Contains(text, []byte("65401")) && !bytes.Contains(text, []byte("$INCLUDE"))
}

// TestEditSources edits zones that others have written: a record more at each of their owner
// names and at a new one is there for BIND, with all others as they were, and taking it back
// gives the bytes that there were.
func TestEditSources(t *testing.T) {
	t.Parallel()
	dir, edits, seen := t.TempDir(), 0, 0
	for i, s := range editSources(t) {
		z := s.read(s.text)
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		records := z.SourceRecords(zone.Name{}, 0)
		asked := !testing.Short() && s.knowsBIND() && (judge.Deep() || i%6 == 0)
		var before []string
		if asked {
			writeFile(t, filepath.Join(dir, "in.zone"), s.text)
			before = judge.NamedCompile(t, s.origin.String(), filepath.Join(dir, "in.zone"))
		}
		for _, owner := range []zone.Name{s.origin, records[rng.IntN(len(records))].Owner, zone.MustParseName("new." + s.origin.String())} {
			change := RRsetChange{Kind: AddRecords, Owner: owner, Type: typeTXT, RDATA: []string{fmt.Sprintf(`"added; %d"`, i)}}
			edited, found := z.Edit([]RRsetChange{change})
			if edited == nil {
				for _, d := range found {
					if d.Severity == diag.Error && d.Code != diag.CodeCNAMEAndOther && d.Code != diag.CodeEditMeaning {
						t.Errorf("%s, %s: %s", s.name, owner, listing(found))
					}
				}
				continue
			}
			edits++
			text := edited.Text.Bytes()
			if asked {
				seen++
				writeFile(t, filepath.Join(dir, "out.zone"), text)
				want := modelOf(t, before)
				want.apply(&change, fmt.Sprint(edited.Difference[0].New.TTL))
				sameLines(t, s.name, modelOf(t, judge.NamedCompile(t, s.origin.String(), filepath.Join(dir, "out.zone"))).lines(), want.lines())
			}
			if len(edited.Explicit) > 0 {
				continue
			}
			change.Kind = DeleteRecords
			back, found := s.read(text).Edit([]RRsetChange{change})
			if back == nil {
				t.Errorf("%s, %s, back: %s", s.name, owner, listing(found))
			} else if got := back.Text.Bytes(); !bytes.Equal(got, s.text) {
				t.Errorf("%s, %s: back again:\n%q\nwant:\n%q", s.name, owner, got, s.text)
			}
		}
		if t.Failed() {
			t.Fatalf("source:\n%s", s.text)
		}
	}
	if edits < 300 || !testing.Short() && seen < 30 {
		t.Errorf("%d edits, %d of them seen by BIND", edits, seen)
	}
}

// FuzzEdit edits any text with any RDATA: what comes out is refused, or has the change that was
// asked for and no other, and no line that somebody smuggled in.
func FuzzEdit(f *testing.F) {
	for _, c := range editCases() {
		f.Add([]byte(c.before), "www", "192.0.2.1", uint16(typeA), uint8(AddRecords))
		f.Add([]byte(c.before), "@", "cdn.example.net. types=A", uint16(typeALIAS), uint8(ReplaceRRset))
	}
	f.Add([]byte(editHead), "x\ny", "\"a\n$INCLUDE /etc/passwd\"", uint16(typeTXT), uint8(AddRecords))
	f.Fuzz(func(t *testing.T, text []byte, owner, rdata string, typ uint16, kind uint8) {
		apex := zone.MustParseName("example.com.")
		z := Read("zone", text, Options{Origin: apex})
		name, d := ParseOwner(owner, apex)
		if d != nil {
			if strings.ContainsAny(owner, "\n\r;()\"") && d.Message == "" {
				t.Fatalf("%q is refused without a reason", owner)
			}
			return
		}
		c := RRsetChange{Kind: ChangeKind(1 + kind%4), Owner: name, Type: typ, RDATA: []string{rdata}}
		edited, found := z.Edit([]RRsetChange{c})
		for _, d := range found {
			if d.Code == diag.CodeEditCheck {
				t.Fatalf("%s\n%q", d.Message, text)
			}
		}
		if edited == nil {
			return
		}
		before, after := bytes.Count(text, []byte{'\n'}), bytes.Count(edited.Text.Bytes(), []byte{'\n'})
		if after > before+1 && !bytes.Contains(text, []byte{';'}) {
			t.Fatalf("%d lines became %d:\n%s", before, after, edited.Text.Bytes())
		}
	})
}
