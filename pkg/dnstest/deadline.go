package dnstest

import (
	"sync"
	"time"
)

// deadline is the time limit of reads or writes. It may be moved while somebody waits.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	set     int           // how often; a timer of an earlier time does nothing
	expired chan struct{} // closed when the time has come
}

func newDeadline() *deadline { return &deadline{expired: make(chan struct{})} }

// move sets the time; the zero Time means never.
func (d *deadline) move(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set++
	if d.timer != nil {
		d.timer.Stop()
	}
	select {
	case <-d.expired:
		d.expired = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		close(d.expired)
		return
	}
	set := d.set
	d.timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.set == set {
			close(d.expired)
		}
	})
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

// isClosed tells whether a channel that carries nothing is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
