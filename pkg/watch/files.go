package watch

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Defaults of [FilesOptions].
const (
	DefaultPoll   = 30 * time.Second
	DefaultSettle = 150 * time.Millisecond
)

// How long a file may move before it is told all the same, in times of Settle.
const (
	// mostVanished is for a file that is gone or empty: most often its new content is on its way.
	mostVanished = 5
	// mostMoving is for a file that is written again and again.
	mostMoving = 10
	// mostGrowing is for one that only grows: it is being copied, and half a zone helps nobody.
	mostGrowing = 200
)

// FilesOptions are those of [NewFiles].
type FilesOptions struct {
	Poll   time.Duration // how often files are looked at without an event; 0 means DefaultPoll
	Settle time.Duration // how long a file must stand still before it is told; 0 means DefaultSettle
	// OnProblem is told once that events are missing, such as at the limit of watches: what
	// has none is found by the poll. It is called by Run; nil: nobody is told.
	OnProblem func(error)
}

// Files tells when files change, by their content.
//
// Events of the operating system only say when to look. Folders are watched, never files: the
// folder of each file, the folder of each link on the way to it, and where a folder is missing
// the last one that exists. What has no events, such as a network file system, is found by a
// poll.
//
// A file is told when it has stood still for Settle. One that never stands still is told every
// 10 times Settle, one that does nothing but grow every 200 times Settle, and one that is gone
// or empty has 5 times Settle to come back.
type Files struct {
	options FilesOptions

	mu     sync.Mutex
	wanted map[string]time.Time // since when each is; replaced as a whole, never written to
	signal chan struct{}        // wanted is another one

	// What tests replace; watcher nil: there are no events.
	watcher func() (*fsnotify.Watcher, error)
	add     func(w *fsnotify.Watcher, folder string) error
}

// NewFiles makes a Files with nothing to look at.
func NewFiles(options FilesOptions) *Files {
	if options.Poll <= 0 {
		options.Poll = DefaultPoll
	}
	if options.Settle <= 0 {
		options.Settle = DefaultSettle
	}
	if options.OnProblem == nil {
		options.OnProblem = func(error) {}
	}
	return &Files{
		options: options,
		signal:  make(chan struct{}, 1),
		watcher: fsnotify.NewWatcher,
		add:     func(w *fsnotify.Watcher, folder string) error { return w.Add(folder) },
	}
}

// Watch replaces the set of files that are looked at. They need not exist. What a file is told
// against is what was last told of it, or for one that joins the set, what it holds now: who
// reads it after Watch misses no change. Watch may be called at any time, does not touch the
// files, and returns at once.
func (f *Files) Watch(paths []string) { f.WatchSince(paths, time.Now()) }

// WatchSince is Watch for who began to read the files at a time that is past, before it was
// known which they are, such as those of $INCLUDE. A file that joins the set is told if it has
// changed since then, as far as its change time shows it.
func (f *Files) WatchSince(paths []string, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := make(map[string]time.Time, len(paths))
	for _, path := range paths {
		wanted[path] = since
		if before, ok := f.wanted[path]; ok {
			wanted[path] = before
		}
	}
	f.wanted = wanted
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// Run looks until ctx is done, and returns why it is. It calls changed with the sorted paths,
// as Watch got them, whose content, existence or readability is another one than was last
// told. It waits for changed, so that there is one call at a time.
func (f *Files) Run(ctx context.Context, changed func(paths []string)) error {
	l := newLooker(f)
	defer l.events.close()
	poll := time.NewTicker(f.options.Poll)
	defer poll.Stop()
	timer := time.NewTimer(f.options.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-f.signal:
			l.replace(ctx, f.set())
		case <-l.events.signal:
			l.hints(l.events.take())
		case <-poll.C:
			l.lookAtAll(ctx, false)
		case <-timer.C:
		}
		if told := l.due(ctx); len(told) > 0 && ctx.Err() == nil {
			changed(told)
		}
		timer.Reset(l.wait())
	}
	return context.Cause(ctx)
}

func (f *Files) set() map[string]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wanted
}

// looker is the state of one Run.
type looker struct {
	options FilesOptions
	events  *events
	files   map[string]*file
	all     []*file            // the same, in the order of their paths
	byEntry map[string][]*file // whose way leads through a name in a folder
	moving  map[*file]struct{} // files that are to be told when they stand still
	next    time.Time          // when the first of them is looked at; zero: none is
	again   time.Time          // when everything is looked at, because events were lost; zero: none were
	looked  time.Time          // when everything was looked at last
	buffer  []byte
}

func newLooker(f *Files) *looker {
	return &looker{
		options: f.options, events: newEvents(f), files: map[string]*file{}, byEntry: map[string][]*file{},
		moving: map[*file]struct{}{}, buffer: make([]byte, 1<<17),
	}
}

// replace looks at another set of files.
func (l *looker) replace(ctx context.Context, wanted map[string]time.Time) {
	var joined []*file
	for path, since := range wanted {
		if l.files[path] == nil {
			l.files[path] = &file{path: path, whole: absolute(path), since: since}
			joined = append(joined, l.files[path])
		}
	}
	if len(l.files) == len(wanted) && len(joined) == 0 {
		return
	}
	for path, x := range l.files {
		if _, ok := wanted[path]; !ok {
			delete(l.files, path)
			delete(l.moving, x)
		}
	}
	l.all = l.all[:0]
	for _, path := range slices.Sorted(maps.Keys(l.files)) {
		l.all = append(l.all, l.files[path])
	}
	l.events.changed = true
	l.observe(joined)
	for _, x := range joined {
		if ctx.Err() != nil {
			return
		}
		l.first(ctx, x)
	}
}

// hints looks at the files that events may be about.
func (l *looker) hints(h hints) {
	now := time.Now()
	var started []*file
	for name, op := range h.names {
		l.events.moved(name, op)
		for _, x := range l.byEntry[name] {
			x.touched = now
			// What comes with a folder that is another one has a stamp of its own.
			x.suspect = x.suspect || !changeTimes || x.place.leaf == name
			if _, ok := l.moving[x]; !ok {
				l.moving[x] = struct{}{}
				started = append(started, x)
			} else if due := now.Add(l.options.Settle); due.Before(x.due) {
				x.due = due
				l.wake(due)
			}
		}
	}
	l.observe(started)
	for _, x := range started {
		l.start(x, now)
	}
	if h.lost && l.again.IsZero() {
		// Events that are lost again and again do not have everything looked at all the time.
		l.again = latest(now, l.looked.Add(mostMoving*l.options.Settle))
	}
}

// lookAtAll looks at the stamps of all files. After events were lost that is not enough where
// a stamp can be set.
func (l *looker) lookAtAll(ctx context.Context, lost bool) {
	now := time.Now()
	l.again, l.looked = time.Time{}, now
	l.events.renew()
	l.observe(l.all)
	for _, x := range l.all {
		if _, ok := l.moving[x]; ok || ctx.Err() != nil {
			continue
		}
		x.suspect = lost && !changeTimes
		if x.suspect || x.place.stamp() != x.stamp || x.unsure() {
			l.moving[x] = struct{}{}
			l.start(x, now)
		}
	}
}

// due gives the sorted paths of those files that stand still, or have moved for too long, and
// are other ones than was told.
func (l *looker) due(ctx context.Context) (told []string) {
	now := time.Now()
	if !l.again.IsZero() && !now.Before(l.again) {
		l.lookAtAll(ctx, true)
	}
	if l.next.IsZero() || now.Before(l.next) {
		return nil
	}
	var list []*file
	for x := range l.moving {
		if !now.Before(x.due) {
			list = append(list, x)
		}
	}
	l.observe(list)
	for _, x := range list {
		if ctx.Err() != nil {
			return nil
		}
		if l.settle(ctx, x, now) {
			told = append(told, x.path)
		}
	}
	l.next = time.Time{}
	for x := range l.moving {
		l.wake(x.due)
	}
	// Files that move together are looked at together.
	if !l.next.IsZero() {
		l.next = latest(l.next, now.Add(l.options.Settle/4))
	}
	slices.Sort(told)
	return told
}

// wake has due look at a time, or before.
func (l *looker) wake(at time.Time) {
	if l.next.IsZero() || at.Before(l.next) {
		l.next = at
	}
}

// wait is how long there is nothing to do.
func (l *looker) wait() time.Duration {
	at := l.next
	if at.IsZero() || !l.again.IsZero() && l.again.Before(at) {
		at = l.again
	}
	if at.IsZero() {
		return time.Hour
	}
	return max(time.Until(at), 0)
}
