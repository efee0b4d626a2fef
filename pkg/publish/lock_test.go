package publish

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func take(t *testing.T, path string) *Lock {
	t.Helper()
	l, err := TakeLock(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	l := take(t, path)
	if got := content(t, filepath.Join(dir, ".zone.db.lock")); got != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("the lock file says %q", got)
	}
	for _, wait := range []time.Duration{0, 30 * time.Millisecond} {
		begin := time.Now()
		_, err := TakeLock(t.Context(), path, wait)
		held, ok := errors.AsType[*LockedError](err)
		if !ok || !errors.Is(err, ErrLocked) || held.PID != os.Getpid() || held.Path != path {
			t.Errorf("a second lock after %v: %v", wait, err)
		} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
			t.Errorf("%v names neither file nor process", err)
		}
		if took := time.Since(begin); took < wait {
			t.Errorf("gave up after %v of %v", took, wait)
		}
	}
	other := take(t, filepath.Join(dir, "other.db"))
	release(t, other)
	release(t, l)
	release(t, l)
	release(t, nil)
	only(t, dir)
	release(t, take(t, path))
}

// TestLockWaits has the lock taken as soon as it is free, and given up when
// nobody wants it any more.
func TestLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone.db")
	l := take(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := TakeLock(ctx, path, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
	cancel()
	wg.Wait()
	wg.Go(func() {
		second, err := TakeLock(t.Context(), path, time.Minute)
		if err != nil {
			t.Error(err)
			return
		}
		release(t, second)
	})
	release(t, l)
	wg.Wait()
	only(t, filepath.Dir(path))
}

// TestLockExcludes has many that take turns: removing the lock file lets no two
// of them in.
func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "zone.db")
	var inside, turns atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				l, err := TakeLock(t.Context(), path, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the lock", n)
				}
				turns.Add(1)
				inside.Add(-1)
				release(t, l)
			}
		})
	}
	wg.Wait()
	if turns.Load() != 200 {
		t.Errorf("%d turns", turns.Load())
	}
	// Who made the folder could not remove it if another one was in it by then.
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		only(t, filepath.Dir(path))
	}
}

// TestLockAfterDeath takes over what a dead process has left, whatever is in it.
func TestLockAfterDeath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	for _, left := range []string{"", "4242\n", "no number", strings.Repeat("x", 1<<17)} {
		if err := os.WriteFile(filepath.Join(dir, ".zone.db.lock"), []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		l := take(t, path)
		if _, err := TakeLock(t.Context(), path, 0); !errors.Is(err, ErrLocked) {
			t.Errorf("%.9q: %v", left, err)
		}
		release(t, l)
		only(t, dir)
	}
}

// TestLockHolder tells 0 where the lock file does not name a process.
func TestLockHolder(t *testing.T) {
	dir := t.TempDir()
	l := &Lock{target: filepath.Join(dir, "zone.db")}
	if pid := l.holder(); pid != 0 {
		t.Errorf("no file: %d", pid)
	}
	if err := os.WriteFile(l.name(), []byte("nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid := l.holder(); pid != 0 {
		t.Errorf("no number: %d", pid)
	}
	if text := (&LockedError{Path: "zone.db"}).Error(); text != "zone.db: locked by another run" {
		t.Errorf("%q", text)
	}
}

func TestLockRefuses(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	err := errors.Join(
		os.WriteFile(victim, []byte("old"), 0o600),
		os.Symlink(victim, filepath.Join(dir, ".link.lock")),
		os.Mkdir(filepath.Join(dir, ".folder.lock"), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "link", "folder", "no/folder/zone.db", "victim/zone.db"} {
		path := filepath.Join(dir, name)
		if l, err := TakeLock(t.Context(), path, 0); err == nil {
			t.Errorf("%s is locked", name)
			release(t, l)
		} else if !strings.Contains(err.Error(), path) || errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if content(t, victim) != "old" {
		t.Error("a link was followed")
	}
	only(t, dir, ".folder.lock", ".link.lock", "victim")
}

// TestLockLongName has room for names that are as long as file systems allow.
func TestLockLongName(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 255)
	path := filepath.Join(dir, name)
	near := path[:len(path)-1] + "m"
	l, other := take(t, path), take(t, near)
	if _, err := write(t, path, source); err != nil {
		t.Error(err)
	}
	release(t, other)
	release(t, l)
	only(t, dir, name)
}

func TestClean(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"a.db", ".a.db.aliasflat-1", ".a.db.aliasflat-0042", ".b.db.aliasflat-1", ".a.db.aliasflat-", ".a.db.aliasflat-1x",
		"a.db.aliasflat-1", ".a.db1", ".a.db.aliasflat-1.aliasflat-2", "..a.db.aliasflat-1", ".a.dbx.aliasflat-1", "-1",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.db", filepath.Join(dir, ".a.db.aliasflat-7")); err != nil {
		t.Fatal(err)
	}
	l := take(t, filepath.Join(dir, "a.db"))
	if err := Clean(l); err != nil {
		t.Error(err)
	}
	release(t, l)
	only(t, dir, "-1", "..a.db.aliasflat-1", ".a.db.aliasflat-", ".a.db.aliasflat-1.aliasflat-2", ".a.db.aliasflat-1x", ".a.db.aliasflat-7",
		".a.db1", ".a.dbx.aliasflat-1", ".b.db.aliasflat-1", "a.db", "a.db.aliasflat-1")
	if err := Clean(); err != nil {
		t.Error(err)
	}
	if err := Clean(&Lock{target: filepath.Join(dir, "none", "a.db")}); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// A lock whose file is gone with its folder keeps nobody away, which its holder can find out.
// Giving it free leaves alone the file of who has the lock then.
func TestLostLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	path := filepath.Join(dir, "zone.db")
	l := take(t, path)
	if !l.Holds() || (*Lock)(nil).Holds() {
		t.Error("a lock that was taken is none, or one that was not is")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if l.Holds() {
		t.Error("it holds without a file")
	}
	other := take(t, path)
	if l.Holds() || !other.Holds() {
		t.Error("it holds by the file of another one")
	}
	release(t, l)
	if l.Holds() || !other.Holds() {
		t.Error("the file of the other one went with it")
	}
	release(t, other)
}
