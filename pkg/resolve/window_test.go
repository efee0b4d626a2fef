package resolve

import (
	"testing"
	"time"
)

// answers lets n queries be asked and answered while the window is kept full.
func answers(w *window, n int) {
	for range n {
		fill(w)
		w.answer(moment(time.Hour), paceFast)
	}
}

// fill has as many queries under way as the window takes, and one that waits.
func fill(w *window) {
	for w.out = 0; w.room(); w.out++ {
	}
}

func TestWindowGrows(t *testing.T) {
	w := newWindow(500)
	if w.size != firstWindow {
		t.Errorf("begins with %v", w.size)
	}
	answers(&w, firstWindow)
	if w.size != 3*firstWindow {
		t.Errorf("%v after a round of answers; three times as wide is expected", w.size)
	}
	answers(&w, (fastUpTo-3*firstWindow)/2+100)
	if w.size != fastUpTo+100 {
		t.Errorf("%v after further answers; one more for each is expected", w.size)
	}
	answers(&w, 1000)
	if w.size != 500 {
		t.Errorf("grows to %v, past its limit", w.size)
	}
	if w := newWindow(10); w.size != 10 {
		t.Errorf("begins with %v, past its limit", w.size)
	}
	// Where answers take long for the queries beside theirs it grows with time alone.
	w = newWindow(500)
	for i := range 1000 {
		fill(&w)
		w.answer(moment(time.Hour).add(time.Duration(i)*tickLen/100), paceSlow)
	}
	if w.size != firstWindow+10 {
		t.Errorf("grows to %v in 10 ticks", w.size)
	}
	w = newWindow(500)
	for range 1000 {
		fill(&w)
		w.answer(moment(time.Hour), paceNone)
	}
	if w.size != firstWindow {
		t.Errorf("grows to %v where that is of no use", w.size)
	}
	// It is no wider for answers to queries that never filled it.
	w = newWindow(500)
	for range 1000 {
		if w.out = 1; !w.room() {
			t.Fatal("no room for a second query")
		}
		w.answer(moment(time.Hour), paceFast)
	}
	if w.size != firstWindow {
		t.Errorf("an idle window grows to %v", w.size)
	}
}

func TestWindowShrinks(t *testing.T) {
	const rto = 100 * time.Millisecond
	w := newWindow(500)
	answers(&w, (fastUpTo-firstWindow)/2+464-fastUpTo)
	now := moment(time.Hour)
	lose := func(n int) {
		for range n {
			w.lose(now, rto)
		}
	}
	lose(fewLosses - 1)
	if w.size != 464 {
		t.Errorf("%v after few losses", w.size)
	}
	lose(50)
	if w.size != 232 {
		t.Errorf("%v after one burst, want it halved once", w.size)
	}
	now = now.add(3 * rto)
	lose(fewLosses)
	if w.size != 116 {
		t.Errorf("%v after a second burst", w.size)
	}
	before := w.size
	answers(&w, 116)
	if w.size < before+0.9 || w.size > before+1.1 {
		t.Errorf("grows from %v to %v with one round of answers; it has to be slow behind a loss", before, w.size)
	}
	for range 50 {
		now = now.add(3 * rto)
		lose(fewLosses)
	}
	if w.size != leastWindow {
		t.Errorf("%v after many losses", w.size)
	}
}

// A path that loses a query now and then is not made slower by it.
func TestWindowBearsFewLosses(t *testing.T) {
	w := newWindow(500)
	answers(&w, 500)
	now := moment(time.Hour)
	for range 200 {
		answers(&w, 100)
		w.lose(now, time.Millisecond)
		now = now.add(time.Second)
	}
	if w.size != 500 {
		t.Errorf("%v with one loss in a hundred queries", w.size)
	}
}

func TestRoundTripTime(t *testing.T) {
	var r rtt
	if got := r.timeout(2 * time.Second); got != 400*time.Millisecond {
		t.Errorf("%s before anything is known", got)
	}
	r.sample(20 * time.Millisecond)
	if got := r.timeout(2 * time.Second); got != leastRTO {
		t.Errorf("%s for a quick resolver", got)
	}
	for range 100 {
		r.sample(300 * time.Millisecond)
	}
	if got := r.timeout(2 * time.Second); got < 300*time.Millisecond || got > 400*time.Millisecond {
		t.Errorf("%s where answers take 300 ms", got)
	}
	if got := r.timeout(time.Second); got != 200*time.Millisecond {
		t.Errorf("%s of a second in all", got)
	}
	if r.smoothed < 290*time.Millisecond || r.smoothed > 300*time.Millisecond {
		t.Errorf("smoothed %s", r.smoothed)
	}
}

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		least, smoothed time.Duration
		want            pace
	}{
		{20 * time.Microsecond, 800 * time.Microsecond, paceNone}, // on this machine, busy
		{ms, 3 * ms, paceNone},       // in the next rack, busy
		{ms, 40 * ms, paceSlow},      // in the next rack, asks others
		{20 * ms, 21 * ms, paceFast}, // far away
		{20 * ms, 90 * ms, paceSlow}, // far away, and asks others
	}
	for _, tt := range tests {
		r := rtt{least: tt.least, smoothed: tt.smoothed, known: true}
		if got := r.pace(); got != tt.want {
			t.Errorf("%s of %s: pace %d, want %d", tt.smoothed, tt.least, got, tt.want)
		}
	}
}

// A queue that is never empty does not grow with what went through it.
func TestQueueStaysSmall(t *testing.T) {
	var q queue
	asks := make([]ask, 1000)
	for i := range asks {
		q.push(&asks[i])
		if i < 10 {
			continue
		}
		if q.peek() != &asks[i-10] {
			t.Fatalf("query %d is not the first one after %d", i-10, i)
		}
		q.pop()
	}
	if q.len() != 10 || cap(q.asks) > 64 {
		t.Errorf("%d queries wait in room for %d", q.len(), cap(q.asks))
	}
}
