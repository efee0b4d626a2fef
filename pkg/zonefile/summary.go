package zonefile

import (
	"bytes"
	"errors"
	"io"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Summary stands for the set of records of a zone file.
type Summary struct {
	Sum    uint64 // of the hashes of the records, the serial apart
	Count  int    // of records
	Serial zone.Serial
}

// Summary gives what Read or Summarize found; false without a serial.
func (z *Zone) Summary() (Summary, bool) {
	serial, ok := z.Serial()
	return Summary{Sum: z.Sum, Count: z.Count, Serial: serial}, ok
}

const (
	windowLen   = 1 << 20
	windowSlack = 1 << 16 // an entry at the end of a window may be that long
)

// SummarizeFrom is Summarize for a zone file that is read on the way, of which
// only a window is in memory. Known is false where that does not go: without a
// zone name in the options or a serial in the text, with errors, ALIAS,
// $INCLUDE, $GENERATE, or very long entries. The file has to be read whole then.
func SummarizeFrom(name string, r io.Reader, options Options) (s Summary, known bool, err error) {
	if options.Origin.IsZero() {
		return s, false, nil
	}
	if options.pieceLen == 0 {
		options.pieceLen = windowLen / 8
	}
	b := newBuilder(options, true)
	b.zone.named()
	ctx := &context{origin: b.zone.apex}
	windows := &windows{r: r, buf: make([]byte, windowLen)}
	for !windows.last {
		text, err := windows.next()
		if err != nil {
			return s, false, err
		}
		read, ok := b.window(name, text, windows.last, ctx)
		if !ok {
			return s, false, nil
		}
		if serial, ok := b.zone.Serial(); ok && !known {
			s.Serial, known = serial, true
		}
		b.zone.Marks, b.zone.segs = b.zone.Marks[:0], b.zone.segs[:0]
		windows.take(read)
	}
	s.Sum, s.Count = b.zone.Sum, b.zone.Count
	return s, known, nil
}

// window reads the entries that begin in a window, but for its slack, and gives
// the length of these; false where the reading of windows ends.
func (b *builder) window(name string, text []byte, last bool, ctx *context) (int, bool) {
	if b.next == 0 && bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		return 0, false
	}
	seg := b.open(newFile(name, text), nil, nil)
	if seg == nil {
		return 0, false
	}
	seg.origins = append(seg.origins, originAt{0, ctx.origin})
	to := len(text)
	if !last {
		to -= windowSlack
	}
	stop, barrier := b.run(seg, ctx, 0, to)
	switch {
	case barrier, b.broken+b.refused > 0, len(b.zone.Marked(MarkALIAS)) > 0:
		return 0, false
	case stop == len(text) && !last: // what looks like its end may not be
		return 0, false
	}
	return stop, true
}

// windows goes through a text.
type windows struct {
	r    io.Reader
	buf  []byte
	n    int  // bytes in buf
	last bool // they reach to the end of the text
}

// next gives the window with what it had and as much again as there is room.
func (w *windows) next() ([]byte, error) {
	n, err := io.ReadFull(w.r, w.buf[w.n:])
	w.n += n
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		w.last, err = true, nil
	}
	return w.buf[:w.n], err
}

// take drops the beginning of the window.
func (w *windows) take(n int) { w.n = copy(w.buf, w.buf[n:w.n]) }
