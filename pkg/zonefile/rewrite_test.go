package zonefile

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// follower walks through a rewritten text beside its source: every entry of
// the source comes out byte for byte unless it is one that may change.
type follower struct {
	t        *testing.T
	zone     *Zone
	whole    []byte // the rewritten text
	rest     []byte // what of it is not followed yet
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
	if passed := f.whole[:len(f.whole)-len(f.rest)]; !bytes.HasSuffix(passed, []byte("\n")) {
		f.rest = bytes.TrimPrefix(f.rest, []byte(f.zone.EOL()))
	}
}

// origin passes a $ORIGIN that inlining needs.
func (f *follower) origin(from, to []byte) {
	f.t.Helper()
	if !bytes.Equal(from, to) {
		f.take("origin", append(zone.AppendNameText([]byte("$ORIGIN "), to), f.zone.EOL()...))
	}
}

// comments passes the comments of an entry that is written out.
func (f *follower) comments(text []byte, e *Entry) {
	f.t.Helper()
	for _, c := range e.comments(text) {
		f.take("comment", append(bytes.Clone(text[c[0]:c[1]]), f.zone.EOL()...))
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
		f.comments(seg.text, e)
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
		f.comments(seg.text, e)
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
		t.Helper()
		z := makeZone(seed, mix{records: int(seed % 60), generates: true, mixedTTLs: true, outside: true})
		defer z.showFailed(t)
		read := mustRead(t, &z, Options{})
		text, explicit := read.Rewrite(Rewrite{})
		if !bytes.Equal(text.Bytes(), z.text) || len(explicit) > 0 {
			t.Errorf("differs from the source, %d entries explicit:\n%s", len(explicit), text.Bytes())
		}
	})
}

// TestRewriteInherited names what an ALIAS entry takes along when it goes, and
// what stands in the output then. Each output is also held against BIND.
func TestRewriteInherited(t *testing.T) {
	t.Parallel()
	const soa = "@ 600 IN SOA ns hostmaster 2026010100 3600 900 604800 55\n@ 600 NS ns\nns 600 A 192.0.2.1\n"
	const line = "X 7 IN AAAA 2001:db8::7\n"
	for _, c := range []struct {
		name, in, put, want string // in and want go on behind soa
		files               map[string]string
	}{
		{name: "owner inherited", in: "www 60 <type> x.\n 60 TXT a\n", want: "www.example.org. 60 TXT a\n"},
		{name: "owner inherited, comment in between", in: "www 60 <type> x.\n; c\n\n\t60 TXT a\n\t60 MX 1 a\n", want: "; c\n\nwww.example.org.\t60 TXT a\n\t60 MX 1 a\n"},
		{name: "owner inherited, $ORIGIN in between", in: "www 60 <type> x.\n$ORIGIN sub\n 60 TXT a\n", want: "$ORIGIN sub\nwww.example.org. 60 TXT a\n"},
		{name: "owner as before", in: "www 60 TXT b\n 60 <type> x.\n 60 TXT a\n", want: "www 60 TXT b\n 60 TXT a\n"},
		{name: "TTL inherited", in: "www 60 <type> x.\nb TXT a\nc TXT b\n", want: "b 60 TXT a\nc TXT b\n"},
		{name: "TTL inherited from lines put in", in: "www 60 <type> x.\nb TXT a\n", put: line, want: line + "b 60 TXT a\n"},
		{name: "TTL inherited, class first", in: "www 60 <type> x.\nb IN TXT a\n", want: "b 60 IN TXT a\n"},
		{name: "TTL and owner inherited", in: "www 60 <type> x.\n TXT a\n", want: "www.example.org. 60 TXT a\n"},
		{name: "$TTL in between", in: "www 60 <type> x.\n$TTL 5\nb TXT a\n", want: "$TTL 5\nb TXT a\n"},
		{name: "two that go", in: "www 60 <type> x.\nwww2 70 <type> y.\n TXT a\n", want: "www2.example.org. 70 TXT a\n"},
		{name: "no line end", in: "www 60 <type> x.", put: line, want: "X 7 IN AAAA 2001:db8::7"},
		{name: "no line end, nothing put in", in: "b 60 TXT a\nwww 60 <type> x.", want: "b 60 TXT a\n"},
		{
			name: "in an include", in: "$INCLUDE inc\nb TXT a\n TXT b\n", want: "b 60 TXT a\n TXT b\n",
			files: map[string]string{"inc": "www 60 <type> x."},
		},
		{
			name: "before an include", in: "www 60 <type> x.\n$INCLUDE inc\n TXT c\n", want: "www.example.org. 60 TXT a\n TXT b\n TXT c\n",
			files: map[string]string{"inc": " TXT a\n TXT b"},
		},
		{
			name: "before an include with another owner", in: "www 60 <type> x.\n$INCLUDE inc\n TXT c\n", want: "b 60 TXT a\nwww.example.org. TXT c\n",
			files: map[string]string{"inc": "b TXT a\n"},
		},
		{
			name: "include with an origin", in: "$INCLUDE inc sub\nb 60 TXT a\n", want: "$ORIGIN sub.example.org.\nc 60 TXT a\n$ORIGIN example.org.\nb 60 TXT a\n",
			files: map[string]string{"inc": "c 60 TXT a"},
		},
		{name: "in $GENERATE", in: "$GENERATE 1-2 h$ 60 <type> t$\n TXT b\n", want: "ns.example.org. 60 TXT b\n"},
		{name: "before $GENERATE", in: "www 60 <type> x.\n$GENERATE 1-2 h$ A 192.0.2.$\n 60 TXT b\n", want: "h1 60 A 192.0.2.1\nh2 A 192.0.2.2\nwww.example.org. 60 TXT b\n"},
	} {
		z := randomZone{text: []byte(soa + c.in), files: map[string][]byte{}}
		for name, text := range c.files {
			z.files[name] = []byte(text)
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			read := mustRead(t, &z, Options{})
			aliases := make([][]byte, len(read.Aliases()))
			if c.put != "" {
				aliases[0] = []byte(c.put)
			}
			text, _ := read.Rewrite(Rewrite{Aliases: aliases})
			if got := string(text.Bytes()); got != soa+c.want {
				t.Errorf("got\n%s\nwant\n%s", got[min(len(soa), len(got)):], c.want)
			}
			for seed := range uint64(6) {
				checkRewrite(t, &z, t.TempDir(), rand.New(rand.NewPCG(seed, 3)), Options{})
			}
		})
	}
}

func TestLastTTL(t *testing.T) {
	for _, tt := range []struct {
		text string
		want uint32
		ok   bool
	}{
		{"", 0, false},
		{"; a comment of more words\n", 0, false},
		{"a. 60 IN\n", 0, false},
		{"a. 60 IN A 192.0.2.1\n", 60, true},
		{"; target b.\na. 60 IN A 192.0.2.1\na. 30 IN AAAA 2001:db8::1\n", 30, true},
		{"a. 60 IN A 192.0.2.1\r\n; and a last one\r\n", 60, true},
		{"a. 60 IN A 192.0.2.1\n\n ; x y z w", 60, true},
		{"a. 60 IN A 192.0.2.1\na. IN A 192.0.2.1\n", 60, true},
	} {
		if ttl, ok := lastTTL([]byte(tt.text)); ttl != tt.want || ok != tt.ok {
			t.Errorf("%q: %d, %t; want %d, %t", tt.text, ttl, ok, tt.want, tt.ok)
		}
	}
}
