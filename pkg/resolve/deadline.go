package resolve

import (
	"sync"
	"time"
)

// deadline is when a lookup ends in any case. It stands still while a query of the lookup
// waits for its turn behind those of others.
type deadline struct {
	mu      sync.Mutex
	at      moment // as long as nothing waits
	since   moment // when waiting became more than 0
	waiting int
}

func newDeadline(after time.Duration) *deadline {
	d := &deadline{}
	d.start(rightNow(), after)
	return d
}

// start is called once, before any other method.
func (d *deadline) start(now moment, after time.Duration) { d.at = now.add(after) }

// wait says that a query waits for its turn, and goOn that it has it, or never will.
func (d *deadline) wait(now moment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting++; d.waiting == 1 {
		d.since = now
	}
}

func (d *deadline) goOn(now moment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting--; d.waiting == 0 {
		d.at = d.at.add(now.since(d.since))
	}
}

// left is how much time there is once nothing waits any more.
func (d *deadline) left() time.Duration { return d.leftAt(rightNow()) }

func (d *deadline) leftAt(now moment) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting > 0 {
		return d.at.since(d.since)
	}
	return d.at.since(now)
}

// bound is the time for a query that may take so long by itself. It is never 0.
func (d *deadline) bound(now moment, query time.Duration) time.Duration {
	return max(min(query, d.leftAt(now)), 1)
}
