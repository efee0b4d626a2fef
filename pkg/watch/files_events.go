package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

const (
	// ancestors has all folders on the way watched, and not only those where the way may
	// end or turn. Elsewhere a watch opens all files of a folder, or keeps it from being moved.
	ancestors = runtime.GOOS == "linux"
	// mostHints is for how many names events are kept until somebody looks.
	mostHints = 1 << 16
)

// hints are names in folders that something happened to.
type hints struct {
	names map[string]fsnotify.Op
	lost  bool // there were more
}

// events watches folders.
type events struct {
	problem func(error)
	add     func(*fsnotify.Watcher, string) error
	make    func() (*fsnotify.Watcher, error)
	told    bool // the problem
	watcher *fsnotify.Watcher
	pumped  sync.WaitGroup

	changed bool            // which folders are wanted, or one of them is another one
	wanted  map[string]bool // value: it is needed, and not only on the way
	watched map[string]struct{}

	signal chan struct{} // there are hints
	mu     sync.Mutex
	hints  hints
	failed error
}

func newEvents(f *Files) *events {
	return &events{
		problem: f.options.OnProblem, add: f.add, make: f.watcher, signal: make(chan struct{}, 1),
		wanted: map[string]bool{}, watched: map[string]struct{}{}, hints: hints{names: map[string]fsnotify.Op{}},
	}
}

// close ends the watches and what reads them.
func (e *events) close() {
	if e.watcher != nil {
		_ = e.watcher.Close() // there is nothing left to tell
		e.pumped.Wait()
	}
}

// start makes the watcher.
func (e *events) start() bool {
	if e.watcher != nil || e.make == nil {
		return e.watcher != nil
	}
	w, err := e.make()
	if err != nil {
		e.trouble(fmt.Errorf("watch folders: %w", limited(err)))
		return false
	}
	e.watcher = w
	e.pumped.Go(func() { e.pump(w) })
	return true
}

// pump takes events and errors in, however busy who looks is: the watcher waits for both
// while it holds the lock that a new watch needs, and the kernel's queue is short.
func (e *events) pump(w *fsnotify.Watcher) {
	for in, errs := w.Events, w.Errors; in != nil || errs != nil; {
		select {
		case event, ok := <-in:
			if !ok {
				in = nil
				continue
			}
			e.note(event)
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			e.fail(err)
		}
		select {
		case e.signal <- struct{}{}:
		default:
		}
	}
}

func (e *events) note(event fsnotify.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.hints.names[event.Name]; !ok && len(e.hints.names) >= mostHints {
		e.hints.lost = true
		return
	}
	e.hints.names[event.Name] |= event.Op
}

// fail notes that events are lost.
func (e *events) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hints.lost = true
	// That there are more than fit is nothing to be told of: everything is looked at. Nor is
	// it that a folder is gone before its watch.
	if !errors.Is(err, fsnotify.ErrEventOverflow) && !errors.Is(err, syscall.EINVAL) {
		e.failed = err
	}
}

// take gives the hints that have come in.
func (e *events) take() hints {
	e.mu.Lock()
	h, err := e.hints, e.failed
	e.hints, e.failed = hints{names: map[string]fsnotify.Op{}}, nil
	e.mu.Unlock()
	if err != nil {
		e.trouble(fmt.Errorf("watch folders: %w", err))
	}
	return h
}

// trouble tells once that events are missing.
func (e *events) trouble(err error) {
	if !e.told {
		e.told = true
		e.problem(err)
	}
}

// limited says which limit is reached, where the words of the system speak of something else.
func limited(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the limit fs.inotify.max_user_watches is reached: %w", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("the limit fs.inotify.max_user_instances, or that of open files, is reached: %w", err)
	}
	return err
}

// moved forgets the watch of a folder that is gone or another one, and those below it.
func (e *events) moved(name string, op fsnotify.Op) {
	if !op.Has(fsnotify.Create) && !op.Has(fsnotify.Remove) && !op.Has(fsnotify.Rename) {
		return
	}
	if _, ok := e.watched[name]; !ok {
		return
	}
	for path := range e.watched {
		if path == name || below(path, name) {
			e.end(path)
			e.changed = true
		}
	}
}

func (e *events) end(path string) {
	_ = e.watcher.Remove(path) // often it has ended by itself
	delete(e.watched, path)
}

// forget begins to find out anew which folders are wanted.
func (e *events) forget() {
	e.changed = false
	clear(e.wanted)
}

// want has the folder of a step watched.
func (e *events) want(s step) {
	if path := filepath.Dir(s.entry); ancestors || !s.plain {
		e.wanted[path] = e.wanted[path] || !s.plain
	}
}

// renew watches again what should be: a watch may have ended, or be that of a folder that
// was at this path before, and nobody has said so.
func (e *events) renew() {
	if !e.start() {
		return
	}
	listed := e.watcher.WatchList()
	slices.Sort(listed)
	for path := range e.watched {
		if _, ok := slices.BinarySearch(listed, path); !ok {
			delete(e.watched, path)
			e.changed = true
			continue
		}
		// In Linux a second watch of the same folder costs nothing and changes nothing.
		if ancestors && e.add(e.watcher, path) != nil {
			e.end(path)
			e.changed = true
		}
	}
	e.changed = e.changed || len(e.watched) < len(e.wanted)
}

// watch watches the folders that are wanted and no others. It tells whether something may
// have happened meanwhile that there was no event for.
func (e *events) watch() bool {
	if len(e.wanted) > 0 && !e.start() || e.watcher == nil {
		return false
	}
	for path := range e.watched {
		if _, ok := e.wanted[path]; !ok {
			e.end(path)
		}
	}
	again := false
	for _, needed := range []bool{true, false} {
		for path, n := range e.wanted {
			if _, ok := e.watched[path]; ok || n != needed {
				continue
			}
			err := e.add(e.watcher, path)
			switch {
			case err == nil:
				e.watched[path] = struct{}{}
				again = true
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
				again = true
			case errors.Is(err, fs.ErrPermission):
				// Who may enter a folder but not list it gets no events.
			default:
				// Most often the limit is reached, and no other will do.
				e.trouble(fmt.Errorf("watch folder %s: %w", path, limited(err)))
				return again
			}
		}
	}
	return again
}
