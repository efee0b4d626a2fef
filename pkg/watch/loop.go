package watch

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// loop does the work of one configuration. All that it holds is changed by its own goroutine,
// but for what arrives, which waits in the inbox.
//
// A change goes one way: an answer, or a source, makes zones due; the builder compiles them;
// each is published, file first, then the server's reload, and only then is it told.
type loop struct {
	daemon *Daemon
	work   *Work
	table  *table
	queue  queue
	zones  []*member
	byFile map[string][]int // zones by their sources and includes
	// waiting is who is compiled only when a target is answered.
	waiting map[*target][]*member
	usedBy  map[int][]*member // by zone: who hangs on it; nil: not known
	holding map[*member]bool  // zones of which something is held back
	// published counts publications of changes; it may come round.
	published uint32
	due       []*member // that are to be compiled, perhaps later
	// collects is set while what has changed may wait for what changes with it.
	collects bool

	inbox     inbox
	inFlight  int
	lookups   Lookups
	building  bool
	built     chan *build
	room      chan struct{} // for zones that are published at once
	done      chan finished
	changed   chan []string // files
	turned    time.Time     // when the loop came round last
	wall      moment        // that the clock showed then
	kept      time.Time     // when it was remembered last that targets are as they were
	keeping   bool
	looked    time.Time // at outputs
	looking   bool
	probed    time.Time // when the resolvers were
	probing   bool
	distrusts bool      // an answer since then was not believed for who gave it
	doubted   []*target // that are asked once more when they were
	told      int       // events of targets since toldSince
	untold    int       // of those, targets that fail and were not told of
	// untoldWell is the same for those that answer again.
	untoldWell int
	toldSince  time.Time
	tried      bool // every zone was
	ready      bool // it was told so
	loaded     time.Time
	stopping   bool
	tasks      sync.WaitGroup
	session    *compile.Session // of the builder
}

// member is one zone of the work.
type member struct {
	Zone

	index     int
	files     []string
	uses      []int // other zones that it hangs on
	questions []*target
	source    bool      // it has to be read
	due       time.Time // when it is compiled; zero: there is no reason to, and it is not in loop.due
	open      int       // questions without an answer, before which it is not compiled
	busy      bool      // it is being compiled or published
	began     uint32    // to be compiled: behind so many publications
	failed    int       // failures to publish it, running
	tried     bool
}

// inbox takes in answers without blocking who brings them.
type inbox struct {
	mu      sync.Mutex
	answers []answered
	signal  chan struct{} // with room for one
}

// answered is an answer that has arrived.
type answered struct {
	target    *target
	answer    resolve.Answer
	confirmed bool // others were asked about it
}

func (b *inbox) put(a answered) {
	b.mu.Lock()
	b.answers = append(b.answers, a)
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []answered {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.answers
	b.answers = nil
	return list
}

// newLoop makes the loop of a work. What the one before has learned of zones and targets that
// are in both is taken over.
func newLoop(d *Daemon, w *Work, before *loop) *loop {
	l := &loop{
		daemon: d, work: w, table: &table{targets: map[resolve.Question]*target{}}, loaded: time.Now(), byFile: map[string][]int{}, waiting: map[*target][]*member{},
		inbox: inbox{signal: make(chan struct{}, 1)}, built: make(chan *build, 1), room: make(chan struct{}, publishers),
		done: make(chan finished, len(w.Zones)), changed: make(chan []string, 1), kept: time.Now(), looked: time.Now(), session: compile.NewSession(len(w.Zones)),
		holding: map[*member]bool{},
	}
	now := time.Now()
	l.session.Compact = true
	for i := range w.Zones {
		m := &member{Zone: w.Zones[i], index: i, source: true}
		l.zones = append(l.zones, m)
		l.dueAt(m, now)
	}
	if before != nil {
		l.inherit(before)
	}
	return l
}

// inherit takes over from the loop before.
func (l *loop) inherit(before *loop) {
	type key struct{ view, source, output string }
	old := map[key]*member{}
	for _, m := range before.zones {
		old[key{m.View, m.Source, m.Output}] = m
	}
	for _, m := range l.zones {
		o := old[key{m.View, m.Source, m.Output}]
		if o == nil {
			continue
		}
		name := m.Name
		m.Zone = o.Zone
		l.holds(m, m.Held, m.Guarded)
		if !name.IsZero() {
			m.Name = name
		}
	}
	l.lookups, l.ready = before.lookups, before.ready
	for q, t := range before.table.targets {
		if t.answer == nil {
			continue
		}
		// It is asked when it would have been, unless no zone asks for it any more. One that
		// fails is asked at once: whom to ask may be what was mended.
		fresh := &target{question: q, answer: t.answer, asked: t.asked, due: t.due, place: -1, failed: t.failed, kept: t.kept, had: t.had, lost: t.lost, gone: true}
		if fresh.failed > 0 {
			fresh.due = 0
		}
		l.table.targets[q] = fresh
		l.table.add(fresh, 1)
	}
}

// run works until ctx ends, or until a reload is asked for, which it gives to be answered.
func (l *loop) run(ctx context.Context) chan error {
	lookups, cancel := context.WithCancel(ctx)
	defer cancel()
	deliver, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	if f := l.work.Files; f != nil {
		l.tasks.Go(func() {
			_ = f.Run(lookups, func(paths []string) { // it ends with the context only
				select {
				case l.changed <- paths:
				case <-lookups.Done():
				}
			})
		})
	}
	l.daemon.shown(l.show()) // the zones are others than before
	asked := l.turn(lookups, deliver)
	l.stopping = true
	cancel()
	// What is being published has its own limits of time. Those who end the daemon wait less.
	ending := context.AfterFunc(ctx, func() {
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case <-late.C:
			cut()
		case <-deliver.Done():
		}
	})
	defer ending()
	l.settle(deliver)
	l.tasks.Wait()
	// There may be many, and little time: those that were remembered a short while ago stay so.
	l.trouble(l.work.Host.Keep(l.seenAgain(keepEvery)))
	l.daemon.shown(l.show())
	return asked
}

// turn does what is due, waits for the next, and so on until ctx ends. What is published is
// published in deliver, which goes on for a while.
func (l *loop) turn(ctx, deliver context.Context) chan error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case asked := <-l.daemon.reload:
			return asked
		case r := <-l.daemon.ask:
			r.do(l)
			close(r.done)
		case <-l.inbox.signal:
			for _, a := range l.inbox.take() {
				l.take(ctx, a)
			}
		case paths := <-l.changed:
			l.sourcesChanged(paths)
		case b := <-l.built:
			l.compiled(deliver, b)
		case f := <-l.done:
			l.finish(f)
		case <-timer.C:
		}
		l.daemon.alive()
		l.followClock(time.Now())
		l.start(ctx)
		l.hasten(time.Now())
		l.compile(ctx)
		l.tend(ctx)
		timer.Reset(l.next())
	}
}

// followClock has nothing wait longer because the clock was set back. One that was set forward,
// as behind a sleep of the machine, has what is due by it begin.
func (l *loop) followClock(now time.Time) {
	wall := momentOf(now)
	if back := now.Sub(l.turned) - time.Duration(wall-l.wall); !l.turned.IsZero() && back > time.Second {
		l.queue.shift(-back)
	}
	l.turned, l.wall = now, wall
}

// next is how long there is nothing to do. Lookups begin together, so that one of them does
// not wake the machine for itself.
func (l *loop) next() time.Duration {
	now := time.Now()
	at := now.Add(time.Second)
	if due, ok := l.queue.first(); ok && l.inFlight < l.most() {
		at = earlier(at, later(due, now.Add(beat)))
	}
	if !l.building {
		for _, m := range l.due {
			if !m.busy && m.open == 0 {
				at = earlier(at, m.due)
			}
		}
	}
	return max(at.Sub(now), 0)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// most is how many lookups run at once.
func (l *loop) most() int {
	if l.work.InFlight > 0 {
		return l.work.InFlight
	}
	return DefaultInFlight
}

// sourcesChanged has the zones read again whose files have changed.
func (l *loop) sourcesChanged(paths []string) {
	at := time.Now()
	for _, path := range paths {
		for _, i := range l.byFile[path] {
			m := l.zones[i]
			if !m.source {
				l.tell(m, Event{Kind: KindSource, Message: filepath.Base(path) + " has changed"})
			}
			m.source = true
			l.dueAt(m, at)
		}
	}
}

// dueAt has a zone compiled at a time, or before.
func (l *loop) dueAt(m *member, at time.Time) {
	switch {
	case m.due.IsZero():
		m.due = at
		l.due = append(l.due, m)
	case at.Before(m.due):
		m.due = at
	}
}

// now is the time for answers and runs.
func (l *loop) now() time.Time {
	if l.work.Now != nil {
		return l.work.Now()
	}
	return time.Now()
}

func (l *loop) tell(m *member, e Event) {
	e.Zone, e.View = m.Name, m.View
	l.daemon.tell(e)
}

// settle waits for what is being compiled and published.
func (l *loop) settle(ctx context.Context) {
	alive := time.NewTicker(time.Second)
	defer alive.Stop()
	for l.building || slices.ContainsFunc(l.zones, func(m *member) bool { return m.busy }) {
		select {
		case b := <-l.built:
			l.compiled(ctx, b)
		case f := <-l.done:
			l.finish(f)
		case <-alive.C:
		}
		l.daemon.alive()
	}
}
