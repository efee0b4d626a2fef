package resolve

import "time"

const (
	firstWindow = 64 // queries of a socket under way at once, before anything is known; small enough for any receive buffer
	leastWindow = 8

	// Losses are taken for a full buffer somewhere when there are several, and more than one
	// in so many queries. A path that loses a few at random is not made slower by them.
	fewLosses   = 4
	lossDivisor = 50
)

// window bounds how many queries may be under way at once, so that neither the resolver's
// receive buffer nor ours overflows. It grows with each answer, as fast as answers come at
// first (slow start, RFC 5681 §3.1), and is halved when queries are lost.
//
// Only a query that is answered as soon as it is sent again was lost. One that is never
// answered says nothing about buffers: the servers of its name may be dead.
type window struct {
	size      float64
	threshold float64 // where growth becomes slow
	limit     float64
	out       int // queries under way that are not taken for lost

	answered, lost int // since the window was last judged
	cut            moment
}

func newWindow(limit int) window {
	return window{size: min(firstWindow, float64(limit)), threshold: float64(limit), limit: float64(limit)}
}

// room tells whether one more query may be sent.
func (w *window) room() bool { return w.out < int(w.size) }

// answer takes note of an answer to a query that was under way.
func (w *window) answer() {
	w.answered++
	if w.out*2 >= int(w.size) { // else it is not the window that bounds
		step := 1.0
		if w.size >= w.threshold {
			step = 2 / w.size
		}
		w.size = min(w.size+step, w.limit)
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
	known               bool
}

func (r *rtt) sample(took time.Duration) {
	if !r.known {
		r.smoothed, r.variation, r.known = took, took/2, true
		return
	}
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
