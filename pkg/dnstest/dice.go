package dnstest

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
)

// dice gives random numbers that depend on a seed, on what they are for and on how often
// that was asked, but not on which goroutine asks first.
type dice struct {
	seed uint64

	mu     sync.Mutex
	thrown map[string]uint64
}

func newDice(seed uint64) *dice { return &dice{seed: seed, thrown: map[string]uint64{}} }

// throw gives a source of numbers for the next event of a kind.
func (d *dice) throw(kind string) *rand.Rand {
	d.mu.Lock()
	d.thrown[kind]++
	n := d.thrown[kind]
	d.mu.Unlock()
	return numbers(d.seed, kind, n)
}

// numbers is a source for the nth event of a kind.
func numbers(seed uint64, kind string, n uint64) *rand.Rand {
	h := fnv.New64a()
	// A hash takes everything.
	_, _ = io.WriteString(h, kind)
	return rand.New(rand.NewPCG(seed^h.Sum64(), n))
}
