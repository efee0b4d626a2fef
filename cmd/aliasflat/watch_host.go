package main

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// watchHost does for the daemon what a run of compile does once, zone by zone.
type watchHost struct {
	command *compileCommand
	jobs    []*job
	known   *recollection
	written []atomic.Pointer[written] // by job: what it wrote last; nil: it has written nothing, or is about to
	busy    atomic.Int32
	primary *watch.Primary // nil: nothing is served
}

// Garbage that is let lie, in percent of what is kept: a daemon that waits makes little and is
// to take little memory, and while many zones are published the time counts.
const (
	quietGarbage = 20
	busyGarbage  = 100
	busyZones    = 16
)

// collect has garbage collected as it suits a number of zones that are being published, which
// changes by one.
func (h *watchHost) collect(by int32) {
	n := h.busy.Add(by)
	switch {
	case os.Getenv("GOGC") != "":
	case by > 0 && n == busyZones:
		debug.SetGCPercent(busyGarbage)
	case by < 0 && n == 0:
		debug.SetGCPercent(quietGarbage)
	}
}

// written is a zone that this process has written.
type written struct {
	name    zone.Name
	serial  zone.Serial
	content zonefile.Content
	size    int64
	modTime time.Time
	text    *zonefile.Text // that was verified; nil: it is read again as fast, or its source was read anew
	inner   map[innerKey][]netip.Addr
}

// leastVerified is the length, in bytes, of the shortest text that is kept to save the reading of
// the next one.
const leastVerified = 4 << 20

// verified is what was written, for the verification of what is written next.
func (w *written) verified() publish.Verified {
	if w == nil {
		return publish.Verified{}
	}
	return publish.Verified{Text: w.text, Content: w.content}
}

// innerKey is an address RRset whose addresses come from the zones of the configuration, so that
// nothing is remembered of a question.
type innerKey struct {
	owner, target zone.Name
	qtype         uint16
}

// innerOf gives the addresses of a result that come from the zones of the configuration.
func innerOf(r *compile.Result) map[innerKey][]netip.Addr {
	type name struct {
		target zone.Name
		qtype  uint16
	}
	asked := map[name]bool{}
	for q := range r.Remember() {
		asked[name{q.Target, q.Type}] = true
	}
	var inner map[innerKey][]netip.Addr
	for i := range r.Flattened {
		res := &r.Flattened[i]
		for _, rr := range res.RRsets {
			if asked[name{res.Rule.Target, rr.Type}] || len(res.Rule.Explicit[rr.Type]) > 0 {
				continue // or explicit records may be among them
			}
			if inner == nil {
				inner = map[innerKey][]netip.Addr{}
			}
			inner[innerKey{res.Rule.Owner, res.Rule.Target, rr.Type}] = rr.Addresses
		}
	}
	return inner
}

var _ watch.Host = (*watchHost)(nil)

// Load reads the source of a zone anew.
func (h *watchHost) Load(i int) (compile.Source, diag.List) {
	j := h.jobs[i]
	if w := h.written[i].Load(); w != nil && w.text != nil { // it would keep the old source in memory
		alone := *w
		alone.text = nil
		h.written[i].Store(&alone)
	}
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
	j.source.Lasting = true // the state keeps the sum
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
	defer func() { _ = root.Close() }() // nothing was written through it
	return root.FS().Open(name)
}

// Stat is that of [os.Root]. It opens no pipe.
func (f folder) Stat(name string) (fs.FileInfo, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	return root.Stat(name)
}

// Prepare finds what was published last.
func (h *watchHost) Prepare(ctx context.Context, i int) (*compile.Published, bool, diag.List) {
	j := h.jobs[i]
	j.problems, j.outcome, j.key = nil, 0, ""
	j.source.Published, j.shown, j.served, j.old = nil, nil, nil, nil
	j.delivery.owed = publish.Owed{}
	if !j.lock.Holds() {
		if j.relock(ctx); len(j.problems) > 0 {
			return nil, false, j.problems
		}
	}
	if w := h.written[i].Load(); w != nil && w.stands(j.output) && j.asked == "" {
		j.publishedBefore(w)
	} else {
		j.published(ctx)
	}
	h.at().recall(j)
	return j.source.Published, j.source.Remembers, j.problems
}

// relock takes the lock of an output that could not be locked before, or whose lock was removed
// together with its folder.
func (j *job) relock(ctx context.Context) {
	_ = j.lock.Release() // it is none any more
	l, err := publish.TakeLock(ctx, j.output, 0)
	if err != nil {
		j.unlocked(err)
		return
	}
	j.lock = l
}

// Moved tells whether an output is not what this process has written last, or its server has
// something else than it was sent.
func (h *watchHost) Moved(i int) bool {
	w, j := h.written[i].Load(), h.jobs[i]
	if w == nil {
		return false
	}
	p := j.delivery.push
	return !w.stands(j.output) || p != nil && p.Moved(context.Background(), w.name)
}

// stands tells whether a file is still the one that was written.
func (w *written) stands(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == w.size && info.ModTime().Equal(w.modTime)
}

// publishedBefore takes for published what this process has written, without reading it. The
// last good addresses are in the state.
func (j *job) publishedBefore(w *written) {
	options := j.oldOptions(j.source.Origin)
	old := zonefile.Summary{Serial: w.serial, Sum: w.content.Raw, Count: w.content.Lines}
	j.source.Remembers, j.shown = true, &w.serial
	j.source.Published = &compile.Published{
		Serial: w.serial,
		Same: func(_ *zonefile.Text, content zonefile.Content) (bool, error) {
			return compile.SameContent(old, content, func() (*zonefile.Zone, error) {
				text, err := publish.Read(j.last, nil)
				return zonefile.Read(j.last, text, options), err
			})
		},
		Last: func(owner, target zone.Name, qtype uint16) *resolve.Known {
			if addresses := w.inner[innerKey{owner, target, qtype}]; addresses != nil {
				return &resolve.Known{Addresses: addresses}
			}
			return nil
		},
		Gone:  j.gone(w.size, options),
		Count: w.content.Lines,
	}
}

// at is what is remembered, at the time it is now.
func (h *watchHost) at() *recollection {
	m := *h.known
	m.clock = time.Now()
	m.now = h.now()
	m.saved = true // what was learned comes with each zone
	m.published = map[resolve.Question]bool{}
	return &m
}

// now is the time by all that is remembered.
func (h *watchHost) now() time.Time { return h.known.store.Clamp(time.Now()) }

// Publish writes a zone, has its server load it, and remembers what it has.
func (h *watchHost) Publish(ctx context.Context, i int, r *compile.Result, learned resolve.Estimates) watch.Delivery {
	j, c, known := h.jobs[i], h.command, h.at()
	h.collect(1)
	defer h.collect(-1)
	j.problems, j.outcome = nil, 0
	was := h.written[i].Swap(nil)
	j.learned, j.verified = learned, was.verified()
	defer func() { // they hold on to the result
		j.learned, j.promise, j.source.Published, j.verified = nil, nil, nil, publish.Verified{}
	}()
	z := zoneReport(j, r)
	found := len(z.Diagnostics)
	kept, _ := c.kept(j, r, &z)
	if kept {
		z.Diagnostics = append(z.Diagnostics[:found:found], j.problems...)
		if d := known.sightAlone(r); d != nil {
			z.Diagnostics = append(z.Diagnostics, d)
		}
	} else if known.promise(j, r, &z) == 0 {
		c.write(ctx, j, r, &z)
		known.remember(j, r, &z)
	}
	d := watch.Delivery{Written: z.Written, Problems: z.Diagnostics[min(found, len(z.Diagnostics)):], Retry: kept || z.Owed.Any()}
	if p := z.Pushed; p != nil && p.RRsets > 0 && z.Reload == publish.Confirmed {
		d.Pushed = fmt.Sprintf("%s at %s, serial %d -> %d there", plural(p.RRsets, "RRset"), p.Server, p.From, p.To)
	}
	if z.NewSerial != nil {
		d.Serial, d.Known = r.Serial, true
		if info, err := os.Stat(j.output); err == nil {
			w := &written{name: r.Name, serial: r.Serial, content: r.Content, size: info.Size(), modTime: info.ModTime(), inner: innerOf(r)}
			if z.Written && w.size >= leastVerified {
				w.text = r.Text
			}
			h.written[i].Store(w)
		}
		if p := h.hand(j, r, &z); p != nil {
			d.Problems = append(d.Problems, p)
		}
	} else if was != nil && was.stands(j.output) {
		h.written[i].Store(was) // nothing came of it
	}
	return d
}

// Keep remembers that targets are as they were.
func (h *watchHost) Keep(seen map[resolve.Question]resolve.Seen, learned resolve.Estimates) error {
	if len(seen) == 0 && len(learned) == 0 {
		return nil
	}
	return h.known.store.Commit(state.Update{Seen: seen, Estimates: learned, Now: h.now()})
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
		if j.pull != nil {
			zones[i].File = j.pull.source.File
		}
	}
	return zones
}

// holdings is how to end what a daemon holds while it works.
type holdings []func()

func (h *holdings) add(f func()) { *h = append(*h, f) }

// free ends all of it, the last first.
func (h *holdings) free() {
	for _, end := range slices.Backward(*h) {
		end()
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
		return filepath.Join(dir, "aliasflat")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "aliasflat")
}
