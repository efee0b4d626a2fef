package watch

import "sync"

// FeedSize is how many events a feed keeps where nobody says otherwise.
const FeedSize = 1000

// Feed keeps the last events and lets others follow. Events have numbers, from 0 on, so that
// who reads slowly knows how many it has missed; it never makes the daemon wait.
type Feed struct {
	mu   sync.Mutex
	ring []Event
	next uint64        // the number of the event that comes next
	more chan struct{} // closed when it has come
}

// NewFeed gives a feed that keeps as many events; 0 means [FeedSize].
func NewFeed(size int) *Feed {
	if size <= 0 {
		size = FeedSize
	}
	return &Feed{ring: make([]Event, size), more: make(chan struct{})}
}

// Tell adds an event. It never blocks.
func (f *Feed) Tell(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring[f.next%uint64(len(f.ring))] = e
	f.next++
	close(f.more)
	f.more = make(chan struct{})
}

// Next is the number of the event that comes next.
func (f *Feed) Next() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// From gives the events from a number on, and the number of the first of them, which is later
// than what was asked for by as many as are not kept any more. more is closed when there is
// another one behind them. A number that no event has yet stands for the next one.
func (f *Feed) From(number uint64) (events []Event, first uint64, more <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := uint64(len(f.ring))
	first = min(number, f.next)
	if f.next > size {
		first = max(first, f.next-size)
	}
	for n := first; n < f.next; n++ {
		events = append(events, f.ring[n%size])
	}
	return events, first, f.more
}
