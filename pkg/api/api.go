// Package api is how a running daemon is asked and steered: HTTP/1.1 with JSON over a Unix
// socket, for those who may open it, and the client for that.
//
// Whatever changes what is remembered goes through functions that work on an open store, so
// that a command does the same without a daemon. Nobody who asks can make the daemon wait:
// requests are bounded, and a reader of events that is too slow loses some and is told how many.
//
// It publishes nothing and keeps no state of its own.
package api

import (
	"context"

	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Daemon is what is asked and steered. Its methods are called concurrently.
type Daemon interface {
	// Snapshot is what the daemon knows. It does not block, and is not nil.
	Snapshot() *watch.Snapshot
	// Targets are the questions of a zone, by its index in the snapshot; of an index that is
	// not there, none. It does not block for long.
	Targets(index int) []watch.Target
	// Refresh has what has a name asked again now: all targets of a zone, or one target. It
	// tells how many zones and targets that are, and does not wait for what comes of it.
	Refresh(name zone.Name) (zones, targets int)
	// Reload takes in the configuration anew. With an error the old one stays.
	Reload(ctx context.Context) error
}

// Options of a server.
type Options struct {
	Daemon  Daemon
	Feed    *watch.Feed  // nil: there are no events
	Store   *state.Store // nil: nothing is remembered
	Version string       // of the program

	// Notify has the secondaries of a zone told of what they are served. It tells how many zones
	// and secondaries that are, and does not wait for what comes of it; nil: nothing is served.
	Notify func(name zone.Name) (zones, secondaries int)
}
