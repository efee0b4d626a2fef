package zonefile

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// TestFileLooks holds what is found in a text in stretches, and of a large one
// in two halves, against what the text has.
func TestFileLooks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, lineStep - 1, lineStep, lineStep + 1, 3*lineStep + 7, 16 * lineStep, 33*lineStep + 1} {
		for _, rare := range []string{"", "\r", "\x80", "$", "\n$", "\n$I", "\n$g"} {
			text := bytes.Repeat([]byte{'a'}, size)
			for range 5 {
				if size > len(rare) {
					copy(text[rnd.IntN(size-len(rare)):], rare)
				}
			}
			// Those at the seams between stretches are found as well.
			for at := lineStep - 1; at+len(rare) < size; at += 8 * lineStep {
				copy(text[at:], rare)
			}
			f := newFile("zone", text)
			if want := bytes.IndexByte(text, '\r') >= 0; f.crlf != want {
				t.Errorf("%d bytes with %q: crlf is %v", size, rare, f.crlf)
			}
			if want := bytes.IndexByte(text, 0x80) >= 0; f.high != want {
				t.Errorf("%d bytes with %q: high is %v", size, rare, f.high)
			}
			directives, barriers := 0, 0
			for pos := 0; pos < size; {
				next, barrier := f.nextDirective(pos, size), f.nextBarrier(pos)
				want := size
				if i := bytes.Index(text[pos:], []byte("\n$")); i >= 0 {
					want = pos + i + 1
				}
				if next != want {
					t.Fatalf("%d bytes with %q: the control entry behind %d is at %d, want %d", size, rare, pos, next, want)
				}
				if next < size {
					directives++
				}
				if barrier < size {
					barriers++
				}
				pos = next
			}
			if want := bytes.Count(text, []byte("\n$")); directives != want {
				t.Errorf("%d bytes with %q: %d control entries, want %d", size, rare, directives, want)
			}
			if want := bytes.Count(text, []byte("\n$I")) + bytes.Count(text, []byte("\n$g")); barriers != want {
				t.Errorf("%d bytes with %q: %d barriers, want %d", size, rare, barriers, want)
			}
		}
	}
}

// TestFilePos asks for places in an order that counts the lines of a text bit by
// bit, and again once all are counted.
func TestFilePos(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{0, 1, lineStep - 1, lineStep, lineStep + 1, 2 * lineStep, 5*lineStep + 9} {
		text := bytes.Repeat([]byte{'a'}, size)
		for range size / 50 {
			text[rnd.IntN(size)] = '\n'
		}
		f := newFile("zone", text)
		offsets := []int{size / 2, 0, size / 3, size, lineStep, lineStep - 1, 2 * lineStep, size, 0}
		for _, offset := range offsets {
			if offset > size {
				continue
			}
			before := text[:offset]
			want := diag.Pos{File: "zone", Offset: offset, Line: bytes.Count(before, []byte{'\n'}) + 1, Column: offset - bytes.LastIndexByte(before, '\n')}
			if got := f.pos(offset); got != want {
				t.Errorf("%d bytes: %+v, want %+v", size, got, want)
			}
		}
	}
}
