// Package resolve finds the addresses of a name: over the network with [Client],
// or in a world of records held in memory with [Memory].
//
// It never takes "could not tell" for "there is none": a lookup gives addresses,
// NODATA, NXDOMAIN or a failure with its reason, and only answers that prove
// themselves count as one of the first three.
//
// It does not decide what is published when a lookup fails, remembers no answer,
// and reads no zone file.
package resolve

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Lookuper finds the addresses of target of one type, A or AAAA.
//
// Lookup may block until its own deadlines or until ctx ends, and may be called
// concurrently. It has no error beside the answer: a lookup that came to nothing is
// an Answer with the outcome Failure, a Reason and a Detail.
type Lookuper interface {
	Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer
}

// Question is what one lookup asks.
type Question struct {
	Target zone.Name
	Type   uint16 // A or AAAA
}

// defaultInFlight is how many lookups All runs at once when not told.
const defaultInFlight = 64

// All looks up every question and gives the answers in the order of the questions.
// Equal questions are looked up once and share one answer. At most inFlight lookups run
// at a time; 0 means 64. When ctx ends, what is not yet answered fails.
//
// progress, if not nil, is told how many of the distinct questions are done after each
// of them, never by two goroutines at once and never less than before.
func All(ctx context.Context, l Lookuper, questions []Question, inFlight int, progress func(done, total int)) []Answer {
	if inFlight <= 0 {
		inFlight = defaultInFlight
	}
	first := make(map[Question]int, len(questions))
	distinct := make([]int, 0, len(questions))
	for i, q := range questions {
		if _, ok := first[q]; !ok {
			first[q] = i
			distinct = append(distinct, i)
		}
	}

	answers := make([]Answer, len(questions))
	var next atomic.Int64
	var mu sync.Mutex
	done := 0
	var workers sync.WaitGroup
	for range min(inFlight, len(distinct)) {
		workers.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(distinct) {
					return
				}
				i := distinct[n]
				answers[i] = lookup(ctx, l, questions[i])
				if progress != nil {
					mu.Lock()
					done++
					progress(done, len(distinct))
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	for i, q := range questions {
		answers[i] = answers[first[q]]
	}
	return answers
}

// lookup asks nobody once ctx has ended, so that a canceled run ends at once even with
// a Lookuper that never blocks.
func lookup(ctx context.Context, l Lookuper, q Question) Answer {
	if err := ctx.Err(); err != nil {
		a := Answer{Target: q.Target, Type: q.Type, Last: q.Target}
		return a.failed(*failuref(ReasonCanceled, "%s", canceledText(err)))
	}
	return l.Lookup(ctx, q.Target, q.Type)
}
