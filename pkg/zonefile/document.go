package zonefile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// file is one source text.
type file struct {
	name  string // as the user named it
	path  string // within what $INCLUDE may read; empty when it is not there
	text  []byte
	crlf  bool    // some line ends in CR LF
	high  bool    // some byte is above 127
	lines []int32 // number of line feeds before each multiple of lineStep, as far as asked for
	// dollars tells of each stretch of lineStep bytes whether it has a dollar
	// sign: without one there is no control entry.
	dollars []bool
}

const lineStep = 1 << 16

func newFile(name string, text []byte) *file {
	f := &file{name: name, text: text, dollars: make([]bool, (len(text)+lineStep-1)/lineStep)}
	half := len(f.dollars) / 2
	if half < 8 {
		f.crlf, f.high = f.look(0, len(f.dollars))
		return f
	}
	// Two halves at once: the text comes from main memory here.
	var crlf, high bool
	var wg sync.WaitGroup
	wg.Go(func() { crlf, high = f.look(half, len(f.dollars)) })
	f.crlf, f.high = f.look(0, half)
	wg.Wait()
	f.crlf, f.high = f.crlf || crlf, f.high || high
	return f
}

// look finds what is rare in a text, from one multiple of lineStep to another.
// What the first look brought into the cache is there for the others.
func (f *file) look(from, to int) (crlf, high bool) {
	for i := from; i < to; i++ {
		block := f.text[i*lineStep : min((i+1)*lineStep, len(f.text))]
		crlf = crlf || bytes.IndexByte(block, '\r') >= 0
		high = high || hasHighByte(block)
		f.dollars[i] = bytes.IndexByte(block, '$') >= 0
	}
	return crlf, high
}

// dollar gives the offset of the first dollar sign from one offset to before
// another, or the latter.
func (f *file) dollar(from, to int) int {
	for from < to {
		end := min((from/lineStep+1)*lineStep, to)
		if f.dollars[from/lineStep] {
			if n := bytes.IndexByte(f.text[from:end], '$'); n >= 0 {
				return from + n
			}
		}
		from = end
	}
	return to
}

// hasHighByte tells whether text has a byte above 127, many at a time.
func hasHighByte(text []byte) bool {
	const highBits = 0x8080808080808080
	for len(text) >= 64 {
		b := text[:64]
		or := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:]) |
			binary.LittleEndian.Uint64(b[32:]) | binary.LittleEndian.Uint64(b[40:]) |
			binary.LittleEndian.Uint64(b[48:]) | binary.LittleEndian.Uint64(b[56:])
		if or&highBits != 0 {
			return true
		}
		text = text[64:]
	}
	for _, c := range text {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// pos turns an offset into a place with line and column. Lines are counted as
// far as somebody asks: most of what is said of a large text concerns its head.
func (f *file) pos(offset int) diag.Pos {
	block := offset / lineStep
	if f.lines == nil {
		f.lines = append(f.lines, 0)
	}
	for n := len(f.lines); n <= block; n++ {
		feeds := bytes.Count(f.text[(n-1)*lineStep:n*lineStep], []byte{'\n'})
		f.lines = append(f.lines, f.lines[n-1]+int32(feeds))
	}
	line := int(f.lines[block]) + bytes.Count(f.text[block*lineStep:offset], []byte{'\n'})
	start := bytes.LastIndexByte(f.text[:offset], '\n') + 1
	return diag.Pos{File: f.name, Offset: offset, Line: line + 1, Column: offset - start + 1}
}

// maxSourceLine bounds how much of a line a diagnostic carries along.
const maxSourceLine = 4096

// line is the text of the line that offset is on, without its end, cut to a
// bearable length.
func (f *file) line(offset int) string {
	start := bytes.LastIndexByte(f.text[:offset], '\n') + 1
	end := min(lineEnd(f.text, offset), start+maxSourceLine)
	return strings.TrimSuffix(string(f.text[start:max(start, end)]), "\r")
}

// segment is a text in the order of reading: the zone file, a file that
// $INCLUDE reads at one place, or the lines that a $GENERATE stands for.
type segment struct {
	*file
	base    uint32   // global position of its first byte
	parent  *segment // nil for the zone file
	at, end int32    // the entry in the parent that led here
	made    bool     // lines of a $GENERATE, which no file holds
	depth   int
	// unclosed is how many entries up to where it is read are never closed.
	unclosed int
	origins  []originAt // every origin in force, by where it begins
	noTTL    bool       // a record without TTL was reported
	signed   int        // signatures that were remembered
}

// startsBlank tells whether the segment begins with white space.
func (s *segment) startsBlank() bool {
	return s != nil && len(s.text) > 0 && (s.text[0] == ' ' || s.text[0] == '\t')
}

type originAt struct {
	offset int32
	name   []byte // wire form, case as written
}

// tellOnce takes out of what was found what a segment reports only once, or
// remembers a few of, however many pieces it was read in.
func (s *segment) tellOnce(c *collector) {
	c.found = slices.DeleteFunc(c.found, func(f finding) bool {
		if f.d.Code != diag.CodePortableNoTTL {
			return false
		}
		told := s.noTTL
		s.noTTL = true
		return told
	})
	if c.signed == 0 {
		return
	}
	c.marks = slices.DeleteFunc(c.marks, func(m Mark) bool {
		if m.Kind != MarkSigned {
			return false
		}
		s.signed++
		return s.signed > maxSigned
	})
}

// originAt gives the origin in force at an offset.
func (s *segment) originAt(offset int32) []byte {
	i := sort.Search(len(s.origins), func(i int) bool { return s.origins[i].offset > offset })
	if i == 0 {
		return nil
	}
	return s.origins[i-1].name
}

// place is a span of a segment.
type place struct {
	seg        *segment
	start, end int32
}

// span locates a place in a file that the user has: a line that $GENERATE made
// is shown as its control entry.
func (p place) span() (diag.Span, string) {
	for p.seg.made {
		p = place{p.seg.parent, p.seg.at, p.seg.end}
		p.end = int32(lineEnd(p.seg.text, int(p.start)))
	}
	return diag.Span{Pos: p.seg.pos(int(p.start)), Len: max(0, int(p.end-p.start))}, p.seg.line(int(p.start))
}

// included gives the notes that lead from a place back to the zone file.
func (p place) included() []diag.Note {
	var notes []diag.Note
	for seg := p.seg; seg.parent != nil; seg = seg.parent {
		if seg.made {
			continue
		}
		at := place{seg.parent, seg.at, int32(lineEnd(seg.parent.text, int(seg.at)))}
		span, source := at.span()
		notes = append(notes, diag.Note{Span: span, Message: "included from here", Source: source})
	}
	return notes
}

// isBefore tells whether a is read before b.
func isBefore(a, b place) bool {
	da, db := a.seg.depth, b.seg.depth
	for ; da > db; da-- {
		a = place{a.seg.parent, a.seg.at, a.seg.end}
		if a.seg == b.seg {
			return a.start < b.start
		}
	}
	for ; db > da; db-- {
		b = place{b.seg.parent, b.seg.at, b.seg.end}
		if a.seg == b.seg {
			return a.start <= b.start
		}
	}
	for a.seg != b.seg {
		a = place{a.seg.parent, a.seg.at, a.seg.end}
		b = place{b.seg.parent, b.seg.at, b.seg.end}
	}
	return a.start < b.start
}
