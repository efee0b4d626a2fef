package watch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Daemon publishes zones until it is told to end. Its methods may be called concurrently.
type Daemon struct {
	options  Options
	started  time.Time
	snapshot atomic.Pointer[Snapshot]
	beat     atomic.Int64 // Unix time in nanoseconds
	ask      chan request
	reload   chan chan error
	checking chan struct{} // full while a configuration is being taken in
}

// request asks the loop to do something, in its own goroutine.
type request struct {
	do   func(*loop)
	done chan struct{}
}

// New makes a daemon, which does nothing before Run.
func New(options Options) *Daemon {
	d := &Daemon{options: options, ask: make(chan request), reload: make(chan chan error), checking: make(chan struct{}, 1)}
	d.snapshot.Store(&Snapshot{})
	return d
}

// Run works until ctx ends. What is being published then is finished or taken back within
// seconds. It closes the work.
func (d *Daemon) Run(ctx context.Context, work *Work) {
	d.started = time.Now()
	var before *loop
	for {
		l := newLoop(d, work, before)
		asked := l.run(ctx)
		closeWork(work)
		if asked == nil {
			return
		}
		next, err := d.options.Reload(ctx)
		refused := err != nil && ctx.Err() == nil
		if refused {
			d.refused(err)
			asked <- err
			next, err = d.again(ctx)
		}
		if ctx.Err() != nil {
			if err == nil {
				closeWork(next)
			}
			return
		}
		if !refused {
			d.taken(next)
		}
		close(asked)
		work, before = next, l
	}
}

// again goes back to the configuration that was used before. What it needs was given free for
// a moment, so that somebody else may have it: until it is had again nothing is published.
func (d *Daemon) again(ctx context.Context) (*Work, error) {
	told := ""
	for {
		w, err := d.options.Again(ctx)
		if err == nil || ctx.Err() != nil {
			return w, err
		}
		if err.Error() != told {
			told = err.Error()
			d.tell(Event{Kind: KindTrouble, Severity: diag.Error, Message: "nothing is published: " + told})
		}
		d.alive()
		select {
		case <-time.After(backOffFirst):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// alive tells that the scheduler is.
func (d *Daemon) alive() { d.beat.Store(time.Now().UnixNano()) }

func closeWork(w *Work) {
	if w.Close != nil {
		w.Close()
	}
}

// taken notes that a configuration was taken in.
func (d *Daemon) taken(w *Work) {
	s := *d.snapshot.Load()
	s.Problem = ""
	d.snapshot.Store(&s)
	d.tell(Event{Kind: KindReloaded, Message: count(len(w.Zones), "zone")})
}

// refused remembers that a configuration was not taken in.
func (d *Daemon) refused(err error) {
	s := *d.snapshot.Load()
	s.Problem = err.Error()
	d.snapshot.Store(&s)
	e := Event{Kind: KindRefused, Severity: diag.Error, Message: err.Error()}
	if found, ok := errors.AsType[*diag.Diagnostic](err); ok {
		e.Found, e.Message = found, found.Message
	}
	d.tell(e)
}

func (d *Daemon) tell(e Event) {
	if d.options.Tell == nil {
		return
	}
	e.Time = time.Now()
	d.options.Tell(e)
}

// Snapshot is what the daemon knows now, or knew a short time ago. [Options.Tell]
// must not call it.
func (d *Daemon) Snapshot() *Snapshot {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var s *Snapshot
	if last := d.snapshot.Load(); time.Since(last.Time) >= showEvery {
		_ = d.do(ctx, func(l *loop) { s = l.show() }) // one that is busy shows what was last
	}
	if s != nil {
		d.shown(s)
	}
	now := *d.snapshot.Load()
	if n := d.beat.Load(); n != 0 {
		now.Beat = time.Unix(0, n)
	}
	return &now
}

// shown keeps what the daemon knows for those who ask.
func (d *Daemon) shown(s *Snapshot) {
	s.Problem = d.snapshot.Load().Problem
	d.snapshot.Store(s)
}

// Reload has the daemon take in the configuration as it is now. It returns when that has been
// decided; with an error the old one stays.
func (d *Daemon) Reload(ctx context.Context) error {
	if d.options.Reload == nil {
		return errors.New("there is no configuration to read again")
	}
	select {
	case d.checking <- struct{}{}:
		defer func() { <-d.checking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.options.Check != nil {
		if err := d.options.Check(); err != nil {
			d.refused(err)
			return err
		}
	}
	done := make(chan error, 1)
	select {
	case d.reload <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Refresh has the targets asked at once that are of a name, or hang on the zone of that name,
// and such zones compiled from their sources. The zero Name is for all. It gives how many of
// each there are, and returns before they are asked.
func (d *Daemon) Refresh(ctx context.Context, name zone.Name) (zones, targets int, err error) {
	err = d.do(ctx, func(l *loop) { zones, targets = l.refresh(name) })
	return zones, targets, err
}

// Targets gives what is known of the targets of a zone, by its index in the snapshot.
func (d *Daemon) Targets(ctx context.Context, i int) (list []Target, err error) {
	err = d.do(ctx, func(l *loop) { list = l.targetsOf(i) })
	return list, err
}

// Options gives those of a run over the last answers, which asks nobody, for who wants to know what
// would come of a source. What they hold may be used as long as the configuration is.
func (d *Daemon) Options(ctx context.Context) (options compile.Options, err error) {
	err = d.do(ctx, func(l *loop) { options = l.options() })
	return options, err
}

// do has something done by the loop.
func (d *Daemon) do(ctx context.Context, f func(*loop)) error {
	r := request{do: f, done: make(chan struct{})}
	select {
	case d.ask <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-r.done
	return nil
}
