//go:build !windows

package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestFilesWay(t *testing.T) {
	dir := resolved(t, t.TempDir())
	in := func(path string) string { return filepath.Join(dir, path) }
	must(t, os.MkdirAll(in("a/b"), 0o755), os.Symlink("b", in("a/link")), os.Symlink("..", in("a/b/up")),
		os.Symlink("zone", in("a/b/soft")), os.Symlink(in("a/loop"), in("a/loop")), os.Symlink("loop/x", in("a/far")),
		os.Symlink(in("a/none/x"), in("a/dangling")), os.Symlink("/", in("a/root")))
	write(t, in("a/b/zone"), "1")
	tests := []struct {
		path string // below dir
		leaf string // the same; empty: none
		err  error
		way  []string // what is on it beyond what is above dir
	}{
		{path: "a/b/zone", leaf: "a/b/zone", way: []string{"a", "a/b"}},
		{path: "a//./b/zone", leaf: "a/b/zone", way: []string{"a", "a/b"}},
		{path: "a/link/zone", leaf: "a/b/zone", way: []string{"a", "a/b", "a/link"}},
		{path: "a/link/up/link/soft", leaf: "a/b/zone", way: []string{"a", "a/b", "a/b/soft", "a/b/up", "a/link"}},
		{path: "a/root/../../" + dir + "/a/b/zone", leaf: "a/b/zone", way: []string{"a", "a/b", "a/root"}},
		{path: "a/b/none", leaf: "a/b/none", err: syscall.ENOENT, way: []string{"a", "a/b"}},
		{path: "a/none/x/y", err: syscall.ENOENT, way: []string{"a", "a/none"}},
		{path: "a/dangling", err: syscall.ENOENT, way: []string{"a", "a/dangling", "a/none"}},
		{path: "a/b/zone/x", err: syscall.ENOTDIR, way: []string{"a", "a/b", "a/b/zone"}},
		{path: "a/b/", err: syscall.EISDIR, way: []string{"a", "a/b"}},
		{path: "a/b/..", err: syscall.EISDIR, way: []string{"a", "a/b"}},
		{path: "a/loop", leaf: "a/loop", err: syscall.ELOOP, way: []string{"a", "a/loop"}},
		{path: "a/loop/x", err: syscall.ELOOP, way: []string{"a", "a/loop"}},
		{path: "a/far", err: syscall.ELOOP, way: []string{"a", "a/far", "a/loop"}},
	}
	for _, tt := range tests {
		p := (&walker{folders: map[string]folder{}}).file(absolute(dir+"/"+tt.path), 0)
		leaf := ""
		if tt.leaf != "" {
			leaf = in(tt.leaf)
		}
		if p.leaf != leaf || !errors.Is(p.err, tt.err) || (p.err == nil) != (tt.err == nil) {
			t.Errorf("%s leads to %q, %v; want %q, %v", tt.path, p.leaf, p.err, leaf, tt.err)
		}
		if (p.info == nil) != (tt.err != nil) {
			t.Errorf("%s: what is there is %v with %v", tt.path, p.info, p.err)
		}
		var way []string
		for _, s := range p.way {
			if below(s.entry, dir) {
				way = append(way, s.entry[len(dir)+1:])
			}
		}
		slices.Sort(way)
		if way = slices.Compact(way); !slices.Equal(way, tt.way) {
			t.Errorf("%s leads through %q, want %q", tt.path, way, tt.way)
		}
	}
}

func TestFilesCut(t *testing.T) {
	tests := []struct{ path, above, name string }{
		{"/", "/", ""},
		{"/a", "/", "a"},
		{"/a/", "/a", ""},
		{"/a/b", "/a", "b"},
		{"a", ".", "a"},
		{".", ".", "."},
	}
	for _, tt := range tests {
		if above, name := cut(tt.path); above != tt.above || name != tt.name {
			t.Errorf("cut(%q) = %q, %q, want %q, %q", tt.path, above, name, tt.above, tt.name)
		}
	}
	if f := (&walker{folders: map[string]folder{}}).folder(".", 0); f.path != "." || f.err != nil {
		t.Errorf("the folder that everything is in is %q, %v", f.path, f.err)
	}
}

// TestFilesCannotRead has a file be told as one that cannot be read, whatever the reason.
func TestFilesCannotRead(t *testing.T) {
	const memory = "/proc/self/mem" // nothing is at its beginning
	if _, err := os.Stat(memory); err != nil {
		t.Skip("there is no file that can be opened but not read")
	}
	f := silent(NewFiles(FilesOptions{}))
	f.WatchSince([]string{memory}, time.Time{})
	l := newLooker(f)
	l.replace(t.Context(), f.set())
	if got := l.all[0].told.state; got != unreadable {
		t.Errorf("it is %d, want that it cannot be read", got)
	}
	states := map[error]state{syscall.EACCES: unreadable, syscall.EIO: unreadable, syscall.EISDIR: irregular, syscall.ENOENT: gone, syscall.ENOTDIR: gone}
	for err, want := range states {
		if got := stateOf(err); got != want {
			t.Errorf("with %v it is %d, want %d", err, got, want)
		}
	}
}

// TestFilesRenewWatches has a watch that cannot be had again be made anew.
func TestFilesRenewWatches(t *testing.T) {
	path := filepath.Join(resolved(t, t.TempDir()), "zone")
	f := NewFiles(FilesOptions{})
	refused := errors.New("refused")
	var refuse error
	f.add = func(w *fsnotify.Watcher, folder string) error {
		if refuse != nil {
			return refuse
		}
		return w.Add(folder)
	}
	f.WatchSince([]string{path}, time.Time{})
	l := newLooker(f)
	defer l.events.close()
	l.replace(t.Context(), f.set())
	all := len(l.events.watched)
	if all == 0 {
		t.Fatal("nothing is watched")
	}
	refuse = refused
	if l.lookAtAll(t.Context(), false); ancestors && len(l.events.watched) != 0 {
		t.Errorf("%d folders are watched, want none", len(l.events.watched))
	}
	refuse = nil
	if l.lookAtAll(t.Context(), false); len(l.events.watched) != all {
		t.Errorf("%d folders are watched, want %d", len(l.events.watched), all)
	}
	// Who may not list a folder gets no events, and nobody is told.
	refuse = os.ErrPermission
	l.events.problem = func(err error) { t.Errorf("told of %v", err) }
	l.lookAtAll(t.Context(), false)
}

// TestFilesStop has nothing more be read, or told, when the context has ended.
func TestFilesStop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	write(t, path, "1")
	f := silent(NewFiles(FilesOptions{}))
	f.WatchSince([]string{path}, time.Unix(1, 0))
	ctx, cancel := context.WithCancel(t.Context())
	l := newLooker(f)
	l.replace(ctx, f.set())
	cancel()
	l.next, l.all[0].due = time.Now(), time.Now()
	if told := l.due(ctx); len(told) != 0 {
		t.Errorf("told %q", told)
	}
	l = newLooker(f)
	if l.replace(ctx, f.set()); l.all[0].told != (content{}) {
		t.Errorf("read %v", l.all[0].told)
	}
	if err := f.Run(ctx, func(paths []string) { t.Errorf("told %q", paths) }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run gives %v, want that its context was canceled", err)
	}
}
