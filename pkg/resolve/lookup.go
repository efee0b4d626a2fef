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
	"hash/maphash"
	"math/bits"
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

// Starter is a Lookuper that can have many lookups under way without a goroutine for each.
//
// Start begins a lookup and returns at once. done is called once, from any goroutine and
// perhaps before Start returns; it must not block, and may call Start. What Start and done do
// on the network is only sure to happen after Flush; who calls done flushes afterwards.
type Starter interface {
	Lookuper
	Start(ctx context.Context, target zone.Name, qtype uint16, done func(Answer))
	Flush()
}

// Question is what one lookup asks.
type Question struct {
	Target zone.Name
	Type   uint16 // A or AAAA
	Subnet Subnet // for whom is asked
}

// defaultInFlight is how many lookups All runs at once when not told.
const defaultInFlight = 64

// All looks up every question and gives the answers in the order of the questions.
// Equal questions are looked up once and share one answer. At most inFlight lookups run
// at a time; 0 means 64. When ctx ends, what is not yet answered fails. Questions with a
// client subnet are asked for it where l is a [SubnetLookuper].
//
// progress, if not nil, is told how many of the distinct questions are done after each
// of them, never by two goroutines at once and never less than before.
func All(ctx context.Context, l Lookuper, questions []Question, inFlight int, progress func(done, total int)) []Answer {
	if inFlight <= 0 {
		inFlight = defaultInFlight
	}
	s := &sweep{lookuper: l, questions: questions, answers: make([]Answer, len(questions)), progress: progress}
	largePages(s.answers)
	s.distinguish()
	if s.place(); s.starts() {
		s.start(ctx, inFlight)
	} else {
		s.work(ctx, inFlight)
	}
	for i, first := range s.firsts {
		if int(first) != i {
			s.answers[i] = s.answers[first]
		}
	}
	return s.answers
}

// sweep is one call of All.
type sweep struct {
	lookuper  Lookuper
	placed    map[Subnet]Lookuper // for questions with a subnet; nil where it makes no difference
	questions []Question
	answers   []Answer
	firsts    []int32 // by question: the first one that is equal, itself where it is looked up
	distinct  int     // how many are looked up
	next      atomic.Int64

	mu       sync.Mutex // guards what follows, for progress
	done     int
	progress func(done, total int)
}

// distinguish finds the distinct questions. A map would take as much memory as the questions
// do, and memory that nobody has used yet costs more than the rest of a lookup's beginning.
func (s *sweep) distinguish() {
	s.firsts = make([]int32, len(s.questions))
	seen := make([]int32, 1<<bits.Len(uint(2*len(s.questions)))) // by hash: a question, from 1
	seed := maphash.MakeSeed()
	for i := range s.questions {
		q := &s.questions[i]
		at := int(maphash.Comparable(seed, *q)) & (len(seen) - 1)
		for seen[at] != 0 && s.questions[seen[at]-1] != *q {
			at = (at + 1) & (len(seen) - 1)
		}
		if seen[at] == 0 {
			seen[at] = int32(i + 1)
			s.distinct++
		}
		s.firsts[i] = seen[at] - 1
	}
}

// place finds out who looks up for each subnet.
func (s *sweep) place() {
	of, ok := s.lookuper.(SubnetLookuper)
	if !ok {
		return
	}
	for i := range s.questions {
		subnet := s.questions[i].Subnet
		if subnet == (Subnet{}) || s.placed[subnet] != nil {
			continue
		}
		if s.placed == nil {
			s.placed = map[Subnet]Lookuper{}
		}
		s.placed[subnet] = of.For(subnet)
	}
}

// starts tells whether all who are asked are Starters.
func (s *sweep) starts() bool {
	_, ok := s.lookuper.(Starter)
	for _, l := range s.placed {
		if _, starts := l.(Starter); !starts {
			return false
		}
	}
	return ok
}

// of gives who looks a question up.
func (s *sweep) of(q *Question) Lookuper {
	if q.Subnet != (Subnet{}) && s.placed != nil {
		return s.placed[q.Subnet]
	}
	return s.lookuper
}

// take gives the next question to look up, or false after the last.
func (s *sweep) take() (int, bool) {
	for {
		i := int(s.next.Add(1)) - 1
		switch {
		case i >= len(s.questions):
			return 0, false
		case int(s.firsts[i]) == i:
			return i, true
		}
	}
}

func (s *sweep) report() {
	if s.progress == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	s.progress(s.done, s.distinct)
}

// work looks the questions up with a goroutine for each lookup under way.
func (s *sweep) work(ctx context.Context, inFlight int) {
	var workers sync.WaitGroup
	for range min(inFlight, s.distinct) {
		workers.Go(func() {
			for i, ok := s.take(); ok; i, ok = s.take() {
				q := s.questions[i]
				if err := ctx.Err(); err != nil {
					s.answers[i] = canceled(q, err)
				} else {
					s.answers[i] = s.of(&q).Lookup(ctx, q.Target, q.Type)
				}
				s.report()
			}
		})
	}
	workers.Wait()
}

// start looks the questions up without goroutines: each answer starts the next lookup.
func (s *sweep) start(ctx context.Context, inFlight int) {
	var open sync.WaitGroup
	for i := range min(inFlight, s.distinct) {
		if i%batchLen == 0 {
			flush(s.lookuper) // the first ones are on their way while the others begin
		}
		open.Add(1)
		p := &place{sweep: s}
		next := func() { p.next(ctx, open.Done) }
		p.answered = func(a Answer) {
			s.answers[p.at] = a
			s.report()
			if !p.first.CompareAndSwap(0, answeredAtOnce) {
				next()
			}
		}
		next()
	}
	flush(s.lookuper)
	open.Wait()
}

func flush(l Lookuper) {
	if starter, ok := l.(Starter); ok {
		starter.Flush()
	}
}

// place is room for one lookup under way, used by one after the other.
type place struct {
	sweep    *sweep
	at       int // the question
	answered func(Answer)
	first    atomic.Int32 // who was first: Start, that it returned, or the answer
}

const (
	startReturned = iota + 1
	answeredAtOnce
)

// next starts lookups until one does not answer at once, or none is left.
func (p *place) next(ctx context.Context, done func()) {
	s := p.sweep
	for i, ok := s.take(); ok; i, ok = s.take() {
		q := s.questions[i]
		if err := ctx.Err(); err != nil {
			s.answers[i] = canceled(q, err)
			s.report()
			continue
		}
		p.at = i
		p.first.Store(0)
		starter, _ := s.of(&q).(Starter) // see starts
		starter.Start(ctx, q.Target, q.Type, p.answered)
		if p.first.CompareAndSwap(0, startReturned) {
			return
		}
	}
	done()
}

// canceled is the answer to a question that is not asked because the context has ended, so
// that a canceled run ends at once even with a Lookuper that never blocks.
func canceled(q Question, err error) Answer {
	a := Answer{Target: q.Target, Type: q.Type, Last: q.Target}
	return a.failed(*failuref(ReasonCanceled, "%s", canceledText(err)))
}
