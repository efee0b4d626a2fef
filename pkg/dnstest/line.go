package dnstest

import (
	"container/heap"
	"sync"
	"time"
)

// item is what a line carries.
type item struct {
	octets []byte
	end    bool   // a stream ends here
	do     func() // what is late

	at  time.Time // of arrival
	seq uint64
}

// line carries items one way, each with a delay of its own. Those that arrive at one instant
// do so in the order sent, whatever order their timers fire in.
type line struct {
	// deliver is called with mu held. It must not send on the same line.
	deliver func(item)
	inOrder bool // nothing overtakes what was sent before it

	mu     sync.Mutex
	queue  itemHeap
	seq    uint64
	latest time.Time
}

func (l *line) send(it item, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delay <= 0 && (len(l.queue) == 0 || !l.inOrder) {
		l.deliver(it)
		return
	}
	now := time.Now()
	it.at = now.Add(delay)
	if l.inOrder && it.at.Before(l.latest) {
		it.at = l.latest
	}
	l.latest = it.at
	it.seq = l.seq
	l.seq++
	heap.Push(&l.queue, it)
	time.AfterFunc(it.at.Sub(now), l.deliverDue)
}

func (l *line) deliverDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for len(l.queue) > 0 && !l.queue[0].at.After(now) {
		it, ok := heap.Pop(&l.queue).(item)
		if !ok {
			panic("dnstest: a line carries something else")
		}
		l.deliver(it)
	}
}

// itemHeap has the next item to arrive in front.
type itemHeap []item

func (h itemHeap) Len() int { return len(h) }

func (h itemHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h itemHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *itemHeap) Push(x any) {
	if it, ok := x.(item); ok {
		*h = append(*h, it)
	}
}

func (h *itemHeap) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = item{}
	*h = (*h)[:last]
	return it
}
