package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// told is one call of what Run calls, with what the first file holds at that moment.
type told struct {
	paths []string
	text  string
}

// run runs f until the test ends, or stop is called.
func run(tb testing.TB, f *Files) (calls <-chan told, stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	list, done := make(chan told, 1000), make(chan error, 1)
	go func() {
		done <- f.Run(ctx, func(paths []string) {
			text, err := os.ReadFile(paths[0])
			if err != nil {
				text = []byte("(none)")
			}
			list <- told{paths, string(text)}
		})
	}()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				tb.Errorf("Run: %v, want the reason why the context ended", err)
			}
		case <-time.After(patience):
			tb.Error("Run does not end")
		}
	}
	tb.Cleanup(stop)
	return list, stop
}

func next(tb testing.TB, calls <-chan told, within time.Duration) told {
	tb.Helper()
	select {
	case c := <-calls:
		return c
	case <-time.After(within):
		tb.Fatalf("nothing is told within %v", within)
		return told{}
	}
}

// begun has f look at files, and waits until it has.
func begun(tb testing.TB, f *Files, calls <-chan told, paths ...string) {
	tb.Helper()
	mark := filepath.Join(tb.TempDir(), "mark")
	write(tb, mark, "1")
	f.WatchSince(paths, time.Time{})
	// One that has changed since long ago is told when all that join with it were looked at.
	f.WatchSince(append([]string{mark}, paths...), time.Unix(1, 0))
	if c := next(tb, calls, patience); !slices.Equal(c.paths, []string{mark}) {
		tb.Fatalf("told %q, want the mark alone", c.paths)
	}
	f.Watch(paths)
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func must(tb testing.TB, errs ...error) {
	tb.Helper()
	if err := errors.Join(errs...); err != nil {
		tb.Fatal(err)
	}
}

// silent has no events at all.
func silent(f *Files) *Files {
	f.watcher = nil
	return f
}

func TestFilesEndWithRun(t *testing.T) {
	before := goleak.IgnoreCurrent()
	path := filepath.Join(t.TempDir(), "zone")
	f := NewFiles(FilesOptions{Settle: 10 * time.Millisecond})
	calls, stop := run(t, f)
	begun(t, f, calls, path)
	stop()
	goleak.VerifyNone(t, before)
}

func TestFilesTellWhoReadBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, young, missing := filepath.Join(dir, "old"), filepath.Join(dir, "young"), filepath.Join(dir, "none", "x")
	write(t, old, "1")
	info, err := os.Stat(old)
	must(t, err)
	since := stampOf(info).time().Add(10 * coarse)
	write(t, young, "1")
	for deadline := time.Now().Add(patience); ; {
		if info, err = os.Stat(young); err == nil && stampOf(info).time().After(since) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the clock stands still")
		}
		write(t, young, "2")
	}
	f := NewFiles(FilesOptions{Settle: 10 * time.Millisecond})
	f.WatchSince([]string{old, young}, since)
	calls, _ := run(t, f)
	if got := next(t, calls, patience); !slices.Equal(got.paths, []string{young}) {
		t.Errorf("told %q, want the file that has changed since", got.paths)
	}
	// The folder above one that is missing has changed: something may have been there.
	write(t, filepath.Join(dir, "other"), "1")
	f.WatchSince([]string{old, young, missing}, since)
	if got := next(t, calls, patience); !slices.Equal(got.paths, []string{missing}) {
		t.Errorf("told %q, want the file that is missing", got.paths)
	}
	// One that stays in the set is as it was told.
	f.WatchSince([]string{old, young}, time.Time{})
	write(t, old, "3")
	if got := next(t, calls, patience); !slices.Equal(got.paths, []string{old}) {
		t.Errorf("told %q, want the one that is written", got.paths)
	}
}

func TestFilesTellTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	f := NewFiles(FilesOptions{})
	calls, _ := run(t, f)
	begun(t, f, calls, c, a)
	write(t, c, "1")
	write(t, b, "1")
	write(t, a, "1")
	for left := []string{a, c}; len(left) > 0; {
		got := next(t, calls, patience)
		if !slices.IsSorted(got.paths) {
			t.Errorf("told %q, want them sorted", got.paths)
		}
		for _, path := range got.paths {
			if !slices.Contains(left, path) {
				t.Fatalf("told %q, want each of %q once", path, left)
			}
		}
		left = slices.DeleteFunc(left, func(path string) bool { return slices.Contains(got.paths, path) })
	}
}

// TestFilesWithoutWatches has the kernel refuse watches.
func TestFilesWithoutWatches(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limit error
		want  string
		set   func(f *Files, limit error)
	}{
		"no watcher": {syscall.EMFILE, "watch folders: the limit fs.inotify.max_user_instances", func(f *Files, limit error) {
			f.watcher = func() (*fsnotify.Watcher, error) { return nil, limit }
		}},
		"no watch": {syscall.ENOSPC, ": the limit fs.inotify.max_user_watches is reached", func(f *Files, limit error) {
			f.add = func(*fsnotify.Watcher, string) error { return limit }
		}},
		"another reason": {errors.New("input/output error"), ": input/output error", func(f *Files, limit error) {
			f.add = func(*fsnotify.Watcher, string) error { return limit }
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			paths := []string{filepath.Join(dir, "1", "zone"), filepath.Join(dir, "2", "zone")}
			problems := make(chan error, 100)
			f := NewFiles(FilesOptions{Poll: 20 * time.Millisecond, Settle: 10 * time.Millisecond, OnProblem: func(err error) { problems <- err }})
			tt.set(f, tt.limit)
			calls, stop := run(t, f)
			begun(t, f, calls, paths...)
			for _, path := range paths {
				must(t, os.Mkdir(filepath.Dir(path), 0o755))
				write(t, path, "1")
				if got := next(t, calls, patience); !slices.Equal(got.paths, []string{path}) {
					t.Errorf("told %q, want %q", got.paths, path)
				}
			}
			stop()
			if len(problems) != 1 {
				t.Fatalf("%d problems are told, want one", len(problems))
			}
			if err := <-problems; !errors.Is(err, tt.limit) || !strings.HasPrefix(err.Error(), "watch folder") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the problem is %q, want that of the limit with what was done", err)
			}
		})
	}
}

// TestFilesLostEvents has events and whole watches be lost.
func TestFilesLostEvents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "zone")
	problems := make(chan error, 100)
	made := make(chan *fsnotify.Watcher, 1)
	f := NewFiles(FilesOptions{Poll: time.Hour, Settle: 10 * time.Millisecond, OnProblem: func(err error) { problems <- err }})
	f.watcher = func() (*fsnotify.Watcher, error) {
		w, err := fsnotify.NewWatcher()
		made <- w
		return w, err
	}
	calls, stop := run(t, f)
	begun(t, f, calls, path)
	// There are no events from here on.
	w := <-made
	for _, folder := range w.WatchList() {
		must(t, w.Remove(folder))
	}
	write(t, path, "1")
	w.Errors <- fsnotify.ErrEventOverflow
	if got := next(t, calls, patience); !slices.Equal(got.paths, []string{path}) {
		t.Errorf("told %q, want %q", got.paths, path)
	}
	if len(problems) != 0 {
		t.Errorf("told of a problem, %v, want nothing: everything is looked at", <-problems)
	}
	// There are again.
	write(t, path, "2")
	next(t, calls, patience)
	broken := errors.New("read: input/output error")
	w.Errors <- broken
	w.Errors <- broken
	write(t, path, "3")
	next(t, calls, patience)
	stop()
	if len(problems) != 1 {
		t.Fatalf("%d problems are told, want one", len(problems))
	}
	if err := <-problems; !errors.Is(err, broken) {
		t.Errorf("told of %v, want %v", err, broken)
	}
}

func TestFilesHintsAreBounded(t *testing.T) {
	e := newEvents(silent(NewFiles(FilesOptions{})))
	for i := range mostHints + 1 {
		e.note(fsnotify.Event{Name: fmt.Sprint(i), Op: fsnotify.Create})
		e.note(fsnotify.Event{Name: fmt.Sprint(i), Op: fsnotify.Write})
	}
	h := e.take()
	if len(h.names) != mostHints || !h.lost || !h.names["0"].Has(fsnotify.Create|fsnotify.Write) {
		t.Errorf("%d names, lost %v; want %d of them, with all that happened, and that there were more", len(h.names), h.lost, mostHints)
	}
	if h := e.take(); len(h.names) != 0 || h.lost {
		t.Error("hints are given twice")
	}
}

// TestFilesWatchFolders has one watch for a folder, however many files are in it.
func TestFilesWatchFolders(t *testing.T) {
	t.Parallel()
	dir := resolved(t, t.TempDir())
	const many = 1000
	paths := make([]string, many)
	for i := range paths {
		paths[i] = filepath.Join(dir, "zones", fmt.Sprint(i))
	}
	f := NewFiles(FilesOptions{Poll: time.Hour, Settle: 10 * time.Millisecond})
	made := make(chan *fsnotify.Watcher, 1)
	f.watcher = func() (*fsnotify.Watcher, error) {
		w, err := fsnotify.NewWatcher()
		made <- w
		return w, err
	}
	calls, _ := run(t, f)
	begun(t, f, calls, paths...)
	w := <-made
	must(t, os.Mkdir(filepath.Join(dir, "zones"), 0o755))
	for i, path := range paths {
		write(t, path, fmt.Sprint(i))
	}
	for left := many; left > 0; {
		left -= len(next(t, calls, patience).paths)
	}
	list := w.WatchList()
	if !slices.Contains(list, filepath.Join(dir, "zones")) {
		t.Errorf("watched are %q, want the folder of the files", list)
	}
	if most := strings.Count(filepath.Join(dir, "zones"), "/") + 1; len(list) > most {
		t.Errorf("%d folders are watched, want at most %d: %q", len(list), most, list)
	}
	// Nothing is watched that no file is in.
	other := filepath.Join(t.TempDir(), "zone")
	f.Watch([]string{other})
	write(t, other, "1")
	next(t, calls, patience)
	if list := w.WatchList(); slices.Contains(list, filepath.Join(dir, "zones")) {
		t.Errorf("watched are %q, want no folder that no file is in", list)
	}
}

func resolved(tb testing.TB, path string) string {
	tb.Helper()
	path, err := filepath.EvalSymlinks(path)
	must(tb, err)
	return path
}

// BenchmarkFilesPoll looks at 10,000 files none of which has changed.
func BenchmarkFilesPoll(b *testing.B) {
	for _, folders := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("folders=%d", folders), func(b *testing.B) {
			l, _ := many(b, 10_000, folders)
			for b.Loop() {
				l.lookAtAll(b.Context(), false)
			}
			if len(l.moving) != 0 {
				b.Fatalf("%d files are read again, want none", len(l.moving))
			}
		})
	}
}

// BenchmarkFilesFirst looks at 10,000 files for the first time.
func BenchmarkFilesFirst(b *testing.B) {
	_, paths := many(b, 10_000, 100)
	for b.Loop() {
		f := NewFiles(FilesOptions{})
		f.WatchSince(paths, time.Time{})
		l := newLooker(f)
		l.replace(b.Context(), f.set())
		l.events.close()
	}
}

// many makes files of 4 KiB, and looks at them for the first time.
func many(tb testing.TB, files, folders int) (*looker, []string) {
	tb.Helper()
	dir := tb.TempDir()
	text := strings.Repeat("x", 4096)
	paths := make([]string, files)
	for i := range paths {
		paths[i] = filepath.Join(dir, fmt.Sprint(i%folders), fmt.Sprint(i))
		must(tb, os.MkdirAll(filepath.Dir(paths[i]), 0o755))
		write(tb, paths[i], text)
	}
	f := NewFiles(FilesOptions{})
	f.WatchSince(paths, time.Time{})
	l := newLooker(f)
	tb.Cleanup(l.events.close)
	l.replace(tb.Context(), f.set())
	for _, x := range l.all {
		x.read = x.read.Add(hasty) // as if they had been written some time before
	}
	return l, paths
}
