package delay

import "sync"

// A queue hands on what one goroutine puts in and another one takes out, in
// order and without a bound.
type queue[T any] struct {
	more chan struct{}

	mu    sync.Mutex
	items []T
	most  int // that were in it at a time
}

func newQueue[T any]() *queue[T] { return &queue[T]{more: make(chan struct{}, 1)} }

func (q *queue[T]) put(item T) {
	q.mu.Lock()
	q.items = append(q.items, item)
	q.most = max(q.most, len(q.items))
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take waits for the first item; false once closed and empty.
func (q *queue[T]) take(closed <-chan struct{}) (T, bool) {
	for {
		if item, ok := q.first(); ok {
			return item, true
		}
		select {
		case <-q.more:
		case <-closed:
			var none T
			return none, false
		}
	}
}

func (q *queue[T]) first() (T, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var none T
	if len(q.items) == 0 {
		return none, false
	}
	item := q.items[0]
	q.items[0] = none // its memory can go
	q.items = q.items[1:]
	return item, true
}

func (q *queue[T]) high() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.most
}
