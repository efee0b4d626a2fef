package main

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
)

// watchHost does for the daemon what a run of compile does once, zone by zone.
type watchHost struct {
	command *compileCommand
	jobs    []*job
	known   *recollection
}

var _ watch.Host = (*watchHost)(nil)

// Load reads the source of a zone anew.
func (h *watchHost) Load(i int) (compile.Source, diag.List) {
	j := h.jobs[i]
	j.problems, j.outcome, j.buf = nil, 0, nil
	j.source.Text, j.source.Includes, j.source.IncludePath = nil, nil, ""
	j.source.IncludeRoot = j.root
	roots := roots{}
	j.load(nil, roots)
	roots.close()
	j.buf = nil // the text stays in use, and is not written over
	if j.source.Includes != nil {
		j.source.Includes = folder(j.source.IncludeRoot)
	}
	return j.source, j.problems
}

// folder is a folder that $INCLUDE may read from. It is opened for each file, so that one that
// was put in its place is seen, and no link leads out of it.
type folder string

// Open is that of [os.Root].
func (f folder) Open(name string) (fs.File, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.FS().Open(name)
}

// Prepare finds what was published last.
func (h *watchHost) Prepare(ctx context.Context, i int) (*compile.Published, bool, diag.List) {
	j := h.jobs[i]
	j.problems, j.outcome = nil, 0
	j.source.Published, j.shown, j.served, j.old = nil, nil, nil, nil
	j.delivery.owed = publish.Owed{}
	j.published(ctx)
	h.at().recall(j)
	return j.source.Published, j.source.Remembers, j.problems
}

// at is what is remembered, at the time it is now.
func (h *watchHost) at() *recollection {
	m := *h.known
	m.clock = time.Now()
	m.now = h.now()
	m.saved = true // what was learned comes with each zone
	return &m
}

// now is the time by all that is remembered.
func (h *watchHost) now() time.Time { return h.known.store.Clamp(time.Now()) }

// Publish writes a zone, has its server load it, and remembers what it has.
func (h *watchHost) Publish(ctx context.Context, i int, r *compile.Result, learned resolve.Estimates) watch.Delivery {
	j, c, known := h.jobs[i], h.command, h.at()
	j.problems, j.outcome = nil, 0
	j.learned = learned
	defer func() { j.learned = nil }()
	z := zoneReport(j, r)
	found := len(z.Diagnostics)
	kept, _ := c.kept(j, r, &z)
	if kept {
		z.Diagnostics = append(z.Diagnostics[:found:found], j.problems...)
	} else if known.promise(j, r, &z) == 0 {
		c.write(ctx, j, r, &z)
		known.remember(j, r, &z)
	}
	d := watch.Delivery{Written: z.Written, Problems: z.Diagnostics[min(found, len(z.Diagnostics)):], Retry: kept || z.Owed.Any()}
	if z.NewSerial != nil {
		d.Serial, d.Known = r.Serial, true
	}
	return d
}

// Keep remembers what was learned of targets that are as they were.
func (h *watchHost) Keep(known map[resolve.Question]*resolve.Known, learned resolve.Estimates) error {
	if len(known) == 0 && len(learned) == 0 {
		return nil
	}
	return h.known.store.Commit(state.Update{Known: known, Estimates: learned, Now: h.now()})
}

// zones are what the daemon shows of the jobs.
func (h *watchHost) zones() []watch.Zone {
	zones := make([]watch.Zone, len(h.jobs))
	for i, j := range h.jobs {
		name := j.source.Origin
		if name.IsZero() {
			name = j.zoneName(nil)
		}
		zones[i] = watch.Zone{Name: name, View: j.view, Source: j.path, Output: j.output}
	}
	return zones
}

// holdings is what a daemon holds while it works: in one place, so that it can be given free once.
type holdings struct {
	mu    sync.Mutex
	close []func()
}

func (h *holdings) add(f func()) { h.close = append(h.close, f) }

func (h *holdings) free() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.close) > 0 {
		last := len(h.close) - 1
		h.close[last]()
		h.close = h.close[:last]
	}
}

// defaultState is where a daemon keeps what it remembers where nobody says it.
func defaultState() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		first, _, _ := strings.Cut(dir, ":") // systemd names several
		return first
	}
	if os.Geteuid() == 0 {
		return "/var/lib/aliasflat"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return dir + "/aliasflat"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return home + "/.local/state/aliasflat"
}
