package zonefile

import (
	"bytes"
	"sync"
)

// A long run of entries is read in pieces, side by side. What a piece needs of
// the text before it is guessed: that it begins with an entry, which origin
// and $TTL are in force (control entries are found by a quick look), and that
// its first record has an owner name of its own. Pieces are taken over in
// order, and each guess is held against how the piece before really ended; a
// wrong guess costs reading that piece again, never a wrong result. Before
// anything else in a piece hangs on what is not known, its first record sets
// it; a piece without records is read again too.
//
// A zone with errors is refused, so from its first error on it is read in one
// go: what a broken entry means for those behind it is nothing to guess.

// defaultPieceLen is the length of a piece; runs of less than two pieces are
// read in one go.
const defaultPieceLen = 1 << 17

// run reads entries from one offset to another in a context, which it leaves
// as it is at the offset where it stopped. It stops in front of a barrier.
func (b *builder) run(seg *segment, ctx *context, from, to int) (stop int, barrier bool) {
	workers := b.zone.options.Workers
	if to-from < 2*b.zone.options.pieceLen || workers < 2 || b.broken > 0 {
		return b.runAlone(seg, ctx, from, to)
	}
	p := &pieces{b: b, seg: seg, ctx: ctx, stop: from, to: to, free: make(chan struct{}, 2*workers)}
	next := make(chan *piece)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for pc := range next {
				p.read(pc)
			}
		})
	}
	p.cut(from, to, func(pc *piece) {
		p.mu.Lock()
		p.list = append(p.list, pc)
		p.mu.Unlock()
		p.free <- struct{}{}
		next <- pc
	})
	close(next)
	wg.Wait()
	return p.stop, p.barrier
}

// runAlone reads entries on this goroutine.
func (b *builder) runAlone(seg *segment, ctx *context, from, to int) (stop int, barrier bool) {
	r := newReader(&b.zone.settings, seg, ctx)
	r.unclosed = seg.unclosed
	for stop = from; stop < to && !r.stuck; {
		stop = r.read(stop, min(stop+b.zone.options.pieceLen, to))
		seg.tellOnce(&r.out)
		b.take(seg, &r.out)
		r.out = collector{tuples: r.out.tuples[:0], refs: r.out.refs[:0]}
	}
	*ctx = r.ctx
	seg.unclosed = r.unclosed
	return stop, r.barrier
}

// pieces is one run that is read in pieces.
type pieces struct {
	b       *builder
	seg     *segment
	to      int
	free    chan struct{} // bounds the pieces that wait to be taken over
	mu      sync.Mutex
	list    []*piece
	nextOut int  // the first piece that is not taken over
	taking  bool // a worker takes over, and it alone changes what is below
	ctx     *context
	stop    int // where the pieces taken over end
	barrier bool
	spare   []*reader
}

// piece is a stretch of text and what was found in it.
type piece struct {
	from, to int
	guess    context
	reader   *reader
	end      int
}

// cut chooses the pieces, guesses their contexts, and hands each over. The
// look at the control entries of a piece is taken while it is read already.
func (p *pieces) cut(from, to int, hand func(*piece)) {
	text := p.seg.text
	pieceLen := p.b.zone.options.pieceLen
	look := newReader(&settings{apex: p.b.zone.apex, doubled: p.b.zone.doubled, options: p.b.zone.options, hashOnly: true}, p.seg, p.ctx)
	directive, unclosed := p.seg.nextDirective(from-1, to), 0
	for at := from; at < to; {
		end := to
		if at+2*pieceLen < to {
			end = pieceStart(text, at+pieceLen, to)
		}
		guess := context{
			origin: look.ctx.origin, defaultTTL: look.ctx.defaultTTL, hasDefault: look.ctx.hasDefault, guessed: true,
		}
		hand(&piece{from: at, to: end, guess: guess})
		for directive < end {
			if unclosed > maxUnclosed {
				break // it is an error in any case
			}
			scanEntry(text, directive, &look.entry)
			directive = p.seg.nextDirective(int(look.entry.End)-1, to)
			if look.entry.fault == scanUnclosedParen {
				unclosed++
			}
			if look.entry.fault == scanOK && len(look.entry.Tokens) > 0 {
				look.remember()
				look.directive(&look.entry)
				look.out = collector{}
			}
		}
		at = end
	}
}

// nextDirective gives the offset after pos of a line that begins with $, or to.
func (f *file) nextDirective(pos, to int) int {
	for i := f.dollar(pos+1, to); i < to; i = f.dollar(i+1, to) {
		if i == 0 || f.text[i-1] == '\n' {
			return i
		}
	}
	return to
}

// pieceStart gives the offset of a line at or behind pos that probably begins
// an entry with another owner name than the line before.
func pieceStart(text []byte, pos, to int) int {
	last := []byte(nil)
	for range 1000 {
		n := bytes.IndexByte(text[pos:to], '\n')
		if n < 0 {
			return to
		}
		pos += n + 1
		if pos >= to {
			return to
		}
		if text[pos] == '$' {
			last = nil // no record is known since the control entry
			continue
		}
		if classes[text[pos]] != classOther {
			continue
		}
		owner := text[pos:to]
		if i := bytes.IndexAny(owner[:min(len(owner), 300)], " \t\n"); i >= 0 {
			owner = owner[:i]
		}
		if last != nil && !bytes.Equal(owner, last) {
			return pos
		}
		last = owner
	}
	return pos
}

// read reads one piece and takes over what is ready, in order. One worker at a
// time takes over, without the lock: the others leave their pieces to it.
func (p *pieces) read(pc *piece) {
	r, wanted := p.reader(pc)
	end := pc.from
	if wanted {
		end = r.read(pc.from, pc.to)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pc.reader, pc.end = r, end
	if p.taking {
		return
	}
	p.taking = true
	for p.nextOut < len(p.list) && p.list[p.nextOut].reader != nil {
		done := p.list[p.nextOut]
		p.mu.Unlock()
		stop, barrier := p.takeOver(done)
		p.mu.Lock()
		p.stop, p.barrier = stop, barrier
		p.spare = append(p.spare, done.reader)
		done.reader = nil
		p.nextOut++
		<-p.free
	}
	p.taking = false
}

// takeOver joins a piece to those before it, reading it again where its
// guesses were wrong, and tells where the pieces taken over end.
func (p *pieces) takeOver(pc *piece) (stop int, barrier bool) {
	if p.passed(pc) {
		return p.stop, p.barrier
	}
	r := pc.reader
	if !p.fits(pc) {
		stop, barrier = p.b.runAlone(p.seg, p.ctx, p.stop, pc.to)
		if p.b.broken > 0 && !barrier {
			stop, barrier = p.b.runAlone(p.seg, p.ctx, stop, p.to)
		}
		return stop, barrier
	}
	for i := range r.out.marks {
		r.out.marks[i].context.complete(p.ctx)
	}
	p.seg.tellOnce(&r.out)
	p.b.take(p.seg, &r.out)
	hasTTL := p.ctx.hasTTL || r.ctx.hasTTL
	*p.ctx = r.ctx
	p.ctx.hasTTL, p.ctx.guessed = hasTTL, false
	return pc.end, false
}

// passed tells whether reading has stopped, or is past a piece already: an
// entry reaches over all of it, or what is behind an error was read in one go.
func (p *pieces) passed(pc *piece) bool { return p.barrier || p.stop >= pc.to }

// fits tells whether a piece was read without an error in the context it
// really has.
func (p *pieces) fits(pc *piece) bool {
	c, g, r := p.ctx, &pc.guess, pc.reader
	switch {
	case p.stop != pc.from, r.stuck, !r.ctx.hasOwner:
		return false
	case !bytes.Equal(c.origin, g.origin), c.hasDefault != g.hasDefault, c.defaultTTL != g.defaultTTL, c.minimum:
		return false
	}
	if !c.hasOwner {
		return true
	}
	var lower [256]byte
	n := copy(lower[:], c.ownerName())
	return hashLower(lower[:n]) != r.ctx.firstHash
}

// reader gives a reader for a piece, a used one if there is one, and tells
// whether the piece is to be read.
func (p *pieces) reader(pc *piece) (r *reader, wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted = !p.passed(pc)
	if n := len(p.spare); n > 0 {
		r = p.spare[n-1]
		p.spare = p.spare[:n-1]
		r.reset(&pc.guess)
		return r, wanted
	}
	r = newReader(&p.b.zone.settings, p.seg, &pc.guess)
	if !r.hashOnly {
		r.out.tuples = make([]tuple, 0, p.b.zone.options.pieceLen/32)
	}
	return r, wanted
}

// reset makes a used reader a new one that keeps its memory.
func (r *reader) reset(ctx *context) {
	r.ctx = *ctx
	r.out = collector{tuples: r.out.tuples[:0], refs: r.out.refs[:0]}
	r.stuck, r.barrier, r.needsRepair = false, false, false
	r.unshown = unshown{}
	clear(r.seen)
	r.refCache = [256]uint64{}
	r.resume()
}
