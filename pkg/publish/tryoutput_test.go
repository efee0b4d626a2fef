package publish

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTryOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "example.com.db")
	if err := os.WriteFile(file, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path    string
		missing bool
		fails   bool
	}{
		{path: file},
		{path: filepath.Join(dir, "new.db")},
		{path: filepath.Join(dir, "folder", "new.db"), missing: true},
		{path: filepath.Join(dir, "no", "folder", "new.db"), missing: true, fails: true},
		{path: filepath.Join(dir, "link"), fails: true},
		{path: dir, fails: true},
	}
	for _, tt := range tests {
		missing, err := TryOutput(tt.path)
		if missing != tt.missing || (err != nil) != tt.fails {
			t.Errorf("%s: missing %v, %v", tt.path, missing, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestLockIsHeld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "example.com.db")
	look := func(wantHeld bool, wantPID int) {
		t.Helper()
		held, pid, err := LockHolder(path)
		if held != wantHeld || pid != wantPID || err != nil {
			t.Errorf("%v, process %d, %v; want %v, process %d", held, pid, err, wantHeld, wantPID)
		}
	}
	look(false, 0)
	l, err := TakeLock(t.Context(), path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	look(true, os.Getpid())
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	look(false, 0)

	// What a dead run has left is no lock, and stays as it is.
	if err := os.WriteFile(l.name(), []byte("4242\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	look(false, 0)
	if got := content(t, l.name()); got != "4242\n" {
		t.Errorf("%q", got)
	}
	if err := os.Remove(l.name()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.name(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LockHolder(path); err == nil {
		t.Error("a folder in the place of the lock is no error")
	}
}
