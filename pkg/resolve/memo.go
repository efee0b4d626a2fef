package resolve

import (
	"context"
	"sync"
	"time"
)

// maxRemembered is how many things of a kind are remembered.
const maxRemembered = 10_000

// memo remembers what was found out about keys. Of several who want to know the same, one
// finds it out and the others wait.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]*memory[V]
}

type memory[V any] struct {
	done  chan struct{} // closed when the rest is there
	value V
	err   *failure
	until time.Time
}

// get gives what is known about a key, and calls find where that is nothing or too old. A
// failure is remembered too (RFC 9520), unless it is that of a caller who has given up.
func (m *memo[K, V]) get(ctx context.Context, key K, find func() (V, time.Duration, *failure)) (V, *failure) {
	for {
		m.mu.Lock()
		known := m.known[key]
		if known == nil || known.isOver(time.Now()) {
			known = &memory[V]{done: make(chan struct{})}
			m.keep(key, known)
			m.mu.Unlock()
			m.find(key, known, find)
			return known.value, known.err
		}
		m.mu.Unlock()
		select {
		case <-known.done:
		case <-ctx.Done():
			var none V
			return none, &failure{reason: ReasonCanceled, detail: canceledText(ctx.Err())}
		}
		if known.err == nil || !known.err.isOwn() || ctx.Err() != nil {
			return known.value, known.err
		}
	}
}

// find finds a thing out for all who wait.
func (m *memo[K, V]) find(key K, known *memory[V], find func() (V, time.Duration, *failure)) {
	value, ttl, f := find()
	if f != nil {
		ttl = firstFailure
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known.value, known.err, known.until = value, f, time.Now().Add(ttl)
	if f != nil && f.isOwn() && m.known[key] == known {
		delete(m.known, key)
	}
	close(known.done)
}

// isOwn tells whether a failure is that of a lookup that gave up.
func (f *failure) isOwn() bool { return f.own || f.reason == ReasonCanceled }

// isOver tells whether what is known has become too old. It is called with mu held.
func (k *memory[V]) isOver(now time.Time) bool {
	select {
	case <-k.done:
		return !now.Before(k.until)
	default:
		return false
	}
}

// peek gives what is known about a key without finding anything out.
func (m *memo[K, V]) peek(key K) (value V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[key]
	if known == nil || known.isOver(time.Now()) {
		return value, false
	}
	select {
	case <-known.done:
		return known.value, known.err == nil
	default:
		return value, false
	}
}

// put remembers what came by itself.
func (m *memo[K, V]) put(key K, value V, ttl time.Duration) {
	known := &memory[V]{done: make(chan struct{}), value: value, until: time.Now().Add(ttl)}
	close(known.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, known)
}

// keep makes room where there is none: what is too old goes, or else everything. It is called
// with mu held.
func (m *memo[K, V]) keep(key K, known *memory[V]) {
	if len(m.known) >= maxRemembered {
		now := time.Now()
		for k, old := range m.known {
			if old.isOver(now) {
				delete(m.known, k)
			}
		}
		if len(m.known) >= maxRemembered {
			clear(m.known)
		}
	}
	if m.known == nil {
		m.known = map[K]*memory[V]{}
	}
	m.known[key] = known
}
