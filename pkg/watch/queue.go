package watch

import (
	"container/heap"
	"time"
)

// queue holds the targets that wait to be asked, the first that is due on top. Those that are
// due at one time come in the order in which they were put in.
type queue struct {
	list []*target
	turn uint64
}

var _ heap.Interface = (*queue)(nil)

// Len is how many there are.
func (q *queue) Len() int { return len(q.list) }

// Less orders them by their time.
func (q *queue) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	if a.due == b.due {
		return a.turn < b.turn
	}
	return a.due < b.due
}

// Swap swaps two.
func (q *queue) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].place, q.list[j].place = int32(i), int32(j)
}

// Push is for package heap.
func (q *queue) Push(x any) {
	t, _ := x.(*target)
	t.place = int32(len(q.list))
	q.list = append(q.list, t)
}

// Pop is for package heap.
func (q *queue) Pop() any {
	last := len(q.list) - 1
	t := q.list[last]
	q.list[last] = nil
	q.list = q.list[:last]
	t.place = -1
	return t
}

// at has a target asked at a time, in the place of the time it had.
func (q *queue) at(t *target, due time.Time) {
	q.turn++
	t.due, t.turn = momentOf(due), q.turn
	if t.place >= 0 {
		heap.Fix(q, int(t.place))
		return
	}
	heap.Push(q, t)
}

// shift moves all times by one length, so that the order stays.
func (q *queue) shift(by time.Duration) {
	for _, t := range q.list {
		t.due += moment(by)
	}
}

// next gives the first target if it is due.
func (q *queue) next(now time.Time) *target {
	if len(q.list) == 0 || q.list[0].due > momentOf(now) {
		return nil
	}
	t, _ := heap.Pop(q).(*target)
	return t
}

// remove takes a target out.
func (q *queue) remove(t *target) {
	if t.place >= 0 {
		heap.Remove(q, int(t.place))
	}
}

// first is when the first one is due.
func (q *queue) first() (time.Time, bool) {
	if len(q.list) == 0 {
		return time.Time{}, false
	}
	return q.list[0].due.Time(), true
}
