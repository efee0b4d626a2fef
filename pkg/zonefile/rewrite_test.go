package zonefile

import (
	"bytes"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// follower walks through a rewritten text beside its source: every entry of
// the source comes out byte for byte unless it is one that may change.
type follower struct {
	t        *testing.T
	zone     *Zone
	rest     []byte // of the rewritten text
	texts    [][]byte
	explicit []Place
	serial   string
	mark     int
	alias    int
}

// take passes bytes that must stand next in the rewritten text. A last line
// without its end gets one where something follows.
func (f *follower) take(what string, want []byte) {
	f.t.Helper()
	if rest, ok := bytes.CutPrefix(f.rest, want); ok {
		f.rest = rest
		return
	}
	if rest, ok := bytes.CutPrefix(f.rest, bytes.TrimRight(want, "\r\n")); ok && len(rest) == 0 {
		f.rest = nil
		return
	}
	f.t.Fatalf("%s: the output goes on with %.200q, want %q", what, f.rest, want)
}

// lineEnd passes a line end that the source lacks.
func (f *follower) lineEnd() {
	f.rest = bytes.TrimPrefix(f.rest, []byte(f.zone.EOL()))
}

// origin passes a $ORIGIN that inlining needs.
func (f *follower) origin(from, to []byte) {
	f.t.Helper()
	if !bytes.Equal(from, to) {
		f.take("origin", append(zone.AppendNameText([]byte("$ORIGIN "), to), f.zone.EOL()...))
	}
}

// segment follows one source text.
func (f *follower) segment(seg *segment) {
	f.t.Helper()
	var e Entry
	for pos := 0; pos < len(seg.text); pos = int(e.End) {
		scanEntry(seg.text, pos, &e)
		f.entry(seg, &e)
	}
}

func (f *follower) entry(seg *segment, e *Entry) {
	f.t.Helper()
	text := seg.text[e.Start:e.End]
	var m *Mark
	if f.mark < len(f.zone.Marks) {
		if p := f.zone.Marks[f.mark].place; p.seg == seg && p.start == e.Start {
			m = &f.zone.Marks[f.mark]
			f.mark++
		}
	}
	switch {
	case m == nil:
		if !f.madeExplicit(seg, e) {
			f.take("entry", text)
		}
	case m.Kind == MarkALIAS:
		if len(f.texts[f.alias]) > 0 {
			f.take("ALIAS", f.texts[f.alias])
		}
		f.alias++
	case m.Kind == MarkSOA:
		f.take("SOA", bytes.Replace(text, []byte("2026010100"), []byte(f.serial), 1))
	case m.Kind == MarkInclude:
		origins := m.child.origins
		f.origin(m.context.origin, origins[0].name)
		f.segment(m.child)
		f.lineEnd()
		f.origin(origins[len(origins)-1].name, m.context.origin)
	case m.Kind == MarkGenerate:
		if rest, ok := bytes.CutPrefix(f.rest, text); ok {
			f.rest = rest
			for ; f.mark < len(f.zone.Marks) && f.zone.Marks[f.mark].place.seg == m.child; f.mark++ {
				f.t.Errorf("$GENERATE with ALIAS is still there")
			}
			return
		}
		f.segment(m.child)
	}
}

// madeExplicit passes an entry that is reported as explicit: its fields are
// those of the source, with an owner name or a TTL before them.
func (f *follower) madeExplicit(seg *segment, e *Entry) bool {
	f.t.Helper()
	at := -1
	for i, p := range f.explicit {
		if p.seg == seg && p.start == e.Start {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	f.explicit = append(f.explicit[:at:at], f.explicit[at+1:]...)
	var out Entry
	scanEntry(f.rest, 0, &out)
	want, got := e.Tokens, out.Tokens
	if len(got) <= len(want) || len(got) > len(want)+2 {
		f.t.Fatalf("explicit entry has %d fields, in the source %d: %q", len(got), len(want), f.rest[:out.End])
	}
	for i := 1; i <= len(want); i++ {
		g, w := got[len(got)-i].raw(f.rest), want[len(want)-i].raw(seg.text)
		if i == len(want) && !bytes.Equal(g, w) && !e.Blank {
			g = got[0].raw(f.rest) // the owner name stands before the TTL
		}
		if !bytes.Equal(g, w) {
			f.t.Errorf("explicit entry has %q where the source has %q: %q", g, w, f.rest[:out.End])
		}
	}
	f.rest = f.rest[out.End:]
	return true
}

// TestRewriteUnchanged asks for no change and gets the source.
func TestRewriteUnchanged(t *testing.T) {
	t.Parallel()
	eachSeed(t, rounds(300), func(t *testing.T, seed uint64) {
		z := makeZone(seed, mix{records: int(seed % 60), generates: true, mixedTTLs: true, outside: true})
		defer z.showFailed(t)
		read := mustRead(t, &z, Options{})
		text, explicit := read.Rewrite(Rewrite{})
		if !bytes.Equal(text.Bytes(), z.text) || len(explicit) > 0 {
			t.Errorf("differs from the source, %d entries explicit:\n%s", len(explicit), text.Bytes())
		}
	})
}
