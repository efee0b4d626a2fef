package resolve

import "time"

const (
	firstWindow = 64 // queries of a socket under way at once, before anything is known; small enough for any receive buffer
	leastWindow = 8
	fastUpTo    = 256 // up to here a window may treble; a receive buffer of the usual size takes about twice as many

	// Losses are taken for a full buffer somewhere when there are several, and more than one
	// in so many queries. A path that loses a few at random is not made slower by them.
	fewLosses   = 4
	lossDivisor = 50
)

// window bounds how many queries may be under way at once, so that neither the resolver's
// receive buffer nor ours overflows. It grows as far as that makes answers come faster, see
// [pace], and is halved when queries are lost.
//
// Only a query that is answered as soon as it is sent again was lost. One that is never
// answered says nothing about buffers: the servers of its name may be dead.
type window struct {
	size      float64
	threshold float64 // where growth becomes slow
	limit     float64
	out       int  // queries under way that are not taken for lost
	full      bool // the last query that wanted to go had to wait

	answered, lost int    // since the window was last judged
	cut            moment // when it was halved last
	grown          moment // when it grew last while answers took long
}

func newWindow(limit int) window {
	return window{size: min(firstWindow, float64(limit)), threshold: float64(limit), limit: float64(limit)}
}

// room tells whether a query that waits may be sent.
func (w *window) room() bool {
	w.full = w.out >= int(w.size)
	return !w.full
}

// answer takes note of an answer to a query that was under way.
func (w *window) answer(now moment, p pace) {
	w.answered++
	switch {
	case p == paceNone, !w.full: // it is not the window that bounds
	case p == paceSlow:
		if now.since(w.grown) >= tickLen {
			w.size, w.grown = min(w.size+1, w.limit), now
		}
	case w.size >= w.threshold:
		w.size = min(w.size+1/w.size, w.limit)
	case w.size < fastUpTo:
		w.size = min(w.size+2, w.limit)
	default:
		w.size = min(w.size+1, w.limit)
	}
	if w.answered >= max(lossDivisor*fewLosses, 2*int(w.size)) {
		w.answered, w.lost = w.answered/2, w.lost/2
	}
}

// lose takes note of a query that was lost. rto is the time after which that is noticed:
// losses of one burst count once.
func (w *window) lose(now moment, rto time.Duration) {
	w.lost++
	if w.lost < fewLosses || w.lost*lossDivisor < w.answered || w.cut != 0 && now.since(w.cut) < 2*rto {
		return
	}
	w.size = max(w.size/2, leastWindow)
	w.threshold = w.size
	w.answered, w.lost, w.cut = 0, 0, now
}

// rtt estimates how long an answer takes (RFC 6298 §2).
type rtt struct {
	smoothed, variation time.Duration
	least               time.Duration
	known               bool
}

func (r *rtt) sample(took time.Duration) {
	if !r.known {
		r.smoothed, r.variation, r.least, r.known = took, took/2, took, true
		return
	}
	r.least = min(r.least, took)
	r.variation += ((r.smoothed - took).Abs() - r.variation) / 4
	r.smoothed += (took - r.smoothed) / 8
}

// Bounds of the time after which a query is sent again. What a recursive resolver has to ask
// for takes longer than what it has: a query that is repeated too early costs both sides work.
const (
	leastRTO = 150 * time.Millisecond
	mostRTO  = time.Second
)

// timeout gives when a query is taken for lost, of one that may take up to all.
func (r *rtt) timeout(all time.Duration) time.Duration {
	if !r.known {
		return all / 5
	}
	return min(max(r.smoothed+4*r.variation, leastRTO), mostRTO, all/5)
}

// soon is the time in which an answer comes that nothing delays.
func (r *rtt) soon() time.Duration { return max(2*r.smoothed, tickLen) }

// pace is how fast a window may grow.
type pace uint8

const (
	// paceNone is for a resolver nearby that has what it is asked for: it is busy all the time
	// with few queries under way, and more of them only wait in its buffer.
	paceNone pace = iota
	// paceSlow is for one that takes its time, as one does that has to ask others: more at once
	// help, but whether it is that or a buffer is not to be seen.
	paceSlow
	// paceFast is for one that is far away: what is under way is mostly on its way. The window
	// doubles with each round trip (slow start, RFC 5681 §3.1), and trebles at first: queries
	// are small.
	paceFast
)

const (
	nearby    = 2 * time.Millisecond // the round trip to a resolver nearby, at most
	unhurried = 5 * time.Millisecond // an answer takes at least so long that somebody else was asked for
)

// pace tells how fast the window may grow.
func (r *rtt) pace() pace {
	switch {
	case r.least >= nearby && r.smoothed < 2*r.least:
		return paceFast
	case r.smoothed >= unhurried:
		return paceSlow
	}
	return paceNone
}

// patience is how long the window counts a query. It is shorter than the time after which a
// query is sent again: where a burst is lost, those that wait behind it go on.
func (r *rtt) patience(all time.Duration) time.Duration {
	if !r.known {
		return r.timeout(all)
	}
	return min(max(4*(r.smoothed+r.variation), 2*tickLen), r.timeout(all))
}
