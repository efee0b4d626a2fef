package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// An answer that has nothing in common with the one before is taken in once the resolvers have
// been looked at since, and have said it again.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("a.test.", "one.example.net."), source("b.test.", "two.example.net."))
		w.has("one.example.net.", 60, "192.0.2.1")
		w.has("two.example.net.", 60, "192.0.2.2", "192.0.2.3")
		var lies atomic.Bool
		var probes atomic.Int64
		daemon(t, h, w, func(work *Work) {
			work.Probe = func(context.Context) {
				probes.Add(1)
				time.Sleep(50 * time.Millisecond)
				if lies.Load() { // the resolver is found out, and is not believed any more
					w.silent("one.example.net.")
				}
			}
		})
		wait(2 * time.Second)
		if probes.Load() != 1 || len(h.addresses(0)) != 1 {
			t.Fatal(probes.Load(), h.addresses(0))
		}
		lies.Store(true)
		w.has("one.example.net.", 60, "203.0.113.9")
		w.has("two.example.net.", 60, "192.0.2.3", "192.0.2.4") // a rotation is no surprise
		wait(65 * time.Second)
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.1"}) {
			t.Errorf("what was invented is published: %v", got)
		}
		if got := h.addresses(1); !slices.Equal(got, []string{"192.0.2.3", "192.0.2.4"}) {
			t.Error(got)
		}
		lies.Store(false)
		w.has("one.example.net.", 60, "192.0.2.9")
		before, asked := probes.Load(), w.times("one.example.net.", dns.TypeA)
		wait(6 * time.Minute)
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.9"}) {
			t.Error(got)
		}
		if more := probes.Load() - before; more < 6 || more > 8 {
			t.Errorf("%d probes in 6 minutes", more)
		}
		if more := w.times("one.example.net.", dns.TypeA) - asked; more > 9 {
			t.Errorf("asked %d times in 6 minutes", more)
		}
	})
}

// Very many targets that fail at once are told by their number, and so is it when they answer
// again.
func TestTellsTargetsByNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var targets []string
		for i := range 60 {
			targets = append(targets, fmt.Sprintf("t%d.example.net.", i))
		}
		w, h := newWorld(), newHost(source("example.com.", targets...))
		for _, target := range targets {
			w.has(target, 60, "192.0.2.1")
		}
		_, events := daemon(t, h, w)
		wait(2 * time.Second)
		for _, target := range targets {
			w.silent(target)
		}
		wait(3 * time.Minute)
		if n := events.count(KindTarget); n != mostTold+1 {
			t.Errorf("told %d times", n)
		}
		last := events.last(KindTarget)
		if last.Message != "100 more fail, 0 more answer again; 120 of 120 fail now" || last.Severity != diag.Warning {
			t.Errorf("%+v", last)
		}
		for _, target := range targets {
			w.has(target, 60, "192.0.2.1")
		}
		wait(8 * time.Minute)
		if n := events.count(KindTarget); n > 3*(mostTold+1) {
			t.Errorf("told %d times", n)
		}
		if last := events.last(KindTarget); !strings.HasSuffix(last.Message, "0 of 120 fail now") && last.Message != "answers again" || last.Severity == diag.Warning {
			t.Errorf("%+v", last)
		}
	})
}

// An output that is not the one that was published has its zone compiled again, in its time
// where it fails.
func TestLooksAtOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 3600, "192.0.2.1")
		var moved atomic.Bool
		d, _ := daemon(t, h, w, func(work *Work) {
			work.Poll = 10 * time.Second
			work.Moved = func(int) bool { return moved.Load() }
		})
		wait(5 * time.Minute)
		if n := d.Snapshot().Zones[0].Attempts; n != 1 {
			t.Fatalf("compiled %d times", n)
		}
		moved.Store(true)
		wait(11 * time.Second)
		moved.Store(false)
		wait(5 * time.Minute)
		if n := d.Snapshot().Zones[0].Attempts; n < 2 || n > 3 {
			t.Errorf("compiled %d times", n)
		}
		h.mu.Lock()
		h.fail[0] = true
		h.mu.Unlock()
		moved.Store(true)
		before := d.Snapshot().Zones[0].Attempts
		wait(time.Hour)
		if n := d.Snapshot().Zones[0].Attempts - before; n > 20 {
			t.Errorf("one that fails was compiled %d times in an hour", n)
		}
	})
}

// What cannot be had again after a new configuration was refused is waited for, and asked for
// again and again.
func TestWaitsForOldConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 60, "192.0.2.1")
		work := func() *Work {
			return &Work{
				Host: h, Zones: []Zone{{Source: "0.zone"}},
				Options: compile.Options{Lookup: w, Known: h.knownOf, Estimates: resolve.Estimates{}, Policy: resolve.Policy{MaxAddresses: 64}},
			}
		}
		locked := errors.New("somebody has the lock")
		tries := 0
		events := &heard{}
		d := New(Options{
			Reload: func(context.Context) (*Work, error) { return nil, locked },
			Again: func(context.Context) (*Work, error) {
				if tries++; tries < 4 {
					return nil, locked
				}
				return work(), nil
			},
			Tell: events.tell,
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.Run(ctx, work())
		}()
		wait(2 * time.Second)
		if err := d.Reload(ctx); !errors.Is(err, locked) {
			t.Error(err)
		}
		wait(time.Minute)
		if n := events.count(KindTrouble); n != 1 || tries != 4 || d.Snapshot().Hung(time.Now()) {
			t.Errorf("told %d times in %d tries", n, tries)
		}
		w.has("cdn.example.net.", 60, "192.0.2.2")
		wait(2 * time.Minute)
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.2"}) {
			t.Error(got)
		}
		tries = -1000
		if err := d.Reload(ctx); err == nil {
			t.Error("it was taken in")
		}
		cancel()
		<-done
	})
}

// lateHost takes long to publish, and notes whether it was cut short.
type lateHost struct {
	*host
	mu   sync.Mutex
	slow time.Duration
	cut  int
}

func (h *lateHost) Publish(ctx context.Context, i int, r *compile.Result, learned resolve.Estimates) Delivery {
	h.mu.Lock()
	slow := h.slow
	h.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		h.mu.Lock()
		h.cut++
		h.mu.Unlock()
	}
	return h.host.Publish(ctx, i, r, learned)
}

// A new configuration waits for what is being published, which is not cut short, and the
// daemon is alive meanwhile; its end waits 3 seconds.
func TestReloadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), &lateHost{host: newHost(source("example.com.", "cdn.example.net."))}
		w.has("cdn.example.net.", 60, "192.0.2.1")
		work := func() *Work {
			return &Work{
				Host: h, Zones: []Zone{{Name: zone.MustParseName("example.com."), Source: "0.zone"}},
				Options: compile.Options{Lookup: w, Known: h.knownOf, Estimates: resolve.Estimates{}, Policy: resolve.Policy{MaxAddresses: 64}},
			}
		}
		d := New(Options{Reload: func(context.Context) (*Work, error) { return work(), nil }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.Run(ctx, work())
		}()
		wait(2 * time.Second)
		h.mu.Lock()
		h.slow = 2 * time.Minute
		h.mu.Unlock()
		w.has("cdn.example.net.", 60, "192.0.2.2")
		wait(70 * time.Second)
		reloaded := make(chan error, 1)
		go func() { reloaded <- d.Reload(ctx) }()
		wait(time.Minute)
		if d.Snapshot().Hung(time.Now()) {
			t.Error("it seems to have hung")
		}
		if err := <-reloaded; err != nil || h.cut != 0 {
			t.Errorf("%v, cut short %d times", err, h.cut)
		}
		w.has("cdn.example.net.", 60, "192.0.2.3")
		wait(150 * time.Second)
		began := time.Now()
		cancel()
		<-done
		if h.cut != 1 || time.Since(began) > 5*time.Second {
			t.Errorf("cut short %d times, after %v", h.cut, time.Since(began))
		}
	})
}

// last is the last event of a kind.
func (e *heard) last(kind Kind) Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range slices.Backward(e.events) {
		if event.Kind == kind {
			return event
		}
	}
	return Event{}
}
