// Package watch publishes zones again and again: when the shortest TTL of a target has run
// out, when a source has changed, and when somebody asks for it.
//
// It decides when what is done. What is done, reading, publishing and remembering a zone, is
// the work of a [Host].
package watch

import (
	"context"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds of what is done when; the zero value of a field of [Work] means the default.
const (
	DefaultFloor    = 30 * time.Second // no target is asked more often
	DefaultInFlight = 64               // lookups at once
	maxWait         = 24 * time.Hour   // a target is asked at least so often
	backOffFirst    = 5 * time.Second  // behind a failure
	backOffMost     = 300 * time.Second
	coalesce        = 200 * time.Millisecond // for which changes are collected
	beat            = 100 * time.Millisecond // lookups that are due begin together
	keepEvery       = 5 * time.Minute        // that targets are as they were is remembered so often
	grace           = 3 * time.Second        // for what is being published when the daemon ends
	publishers      = 32                     // zones that are published at once
	showEvery       = 250 * time.Millisecond // that what is known is gathered for those who ask
)

// Host reads, publishes and remembers zones, which go by their index.
type Host interface {
	// Load reads the source of a zone. Where it cannot be read, problems say why. Load and
	// Prepare are not called at the same time as each other, but while others are published.
	Load(i int) (compile.Source, diag.List)
	// Prepare tells what is published of a zone that was loaded; problems keep it from being
	// written. remembers is as in [compile.Source].
	Prepare(ctx context.Context, i int) (published *compile.Published, remembers bool, problems diag.List)
	// Publish makes a result what the world sees, and remembers it, with what was learned of
	// the TTLs of its answers. It is called for several zones at once, and for each by one
	// goroutine at a time, and returns soon when ctx ends.
	Publish(ctx context.Context, i int, r *compile.Result, learned resolve.Estimates) Delivery
	// Keep makes last good addresses younger that were answered again, as far as they are still
	// those, and remembers what was learned of TTLs.
	Keep(seen map[resolve.Question]resolve.Seen, learned resolve.Estimates) error
}

// Delivery is what came of publishing a zone.
type Delivery struct {
	Serial   zone.Serial // that is published now; it holds where Known is set
	Known    bool
	Written  bool      // the output was written
	Pushed   string    // what its server was sent, one clause; empty: nothing was
	Problems diag.List // an error among them has it tried again
	Retry    bool      // something is left to do
}

// Work is all that one configuration has a daemon do.
type Work struct {
	Zones    []Zone // with Name where the configuration tells it, View, Source and Output
	Host     Host
	Options  compile.Options         // of each run; Lookup is who is asked, Confirm is asked about what is gone
	Floor    time.Duration           // no target is asked more often; 0 means DefaultFloor
	InFlight int                     // lookups at once; 0 means DefaultInFlight
	Files    *Files                  // watches sources; nil: nobody does
	Now      func() time.Time        // the time for answers and runs; nil: that of the clock
	Health   func() []resolve.Health // of the resolvers; nil: nobody knows
	Primary  *Primary                // that serves the zones; nil: nobody does, or the host alone knows
	// Pulled tells how the source of a zone is transferred, nil for one that is a file; nil: all
	// of them are.
	Pulled func(zone int) *pull.Status
	// Moved tells whether an output is not the one that was published, because somebody has
	// removed or changed it. It is called every Poll, while zones are published; nil: nobody
	// looks.
	Moved func(zone int) bool
	Poll  time.Duration // 0 means DefaultPoll
	// Probe finds out whether the resolvers can be believed, before answers are taken in that
	// have nothing in common with those before, and now and then; nil: they are. It returns
	// soon when ctx ends.
	Probe func(ctx context.Context)
	Close func() // ends what the work holds; nil: nothing
}

// Options are those of a daemon.
type Options struct {
	// Reload makes the work of the configuration as it is now. It is called when the work
	// before has come to rest, and what that held is closed. With an error the old
	// configuration is used again; nil: there is only one.
	Reload func(ctx context.Context) (*Work, error)
	// Check tells whether the configuration as it is now can be used at all; nil: it can.
	Check func() error
	// Again makes the work of the configuration that was used before.
	Again func(ctx context.Context) (*Work, error)
	// Tell is told what happens, in order and never by two goroutines at once; nil: nobody is.
	Tell func(Event)
}
