package publish

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// changed is source with another address and serial.
var changed = strings.NewReplacer("192.0.2.53", "192.0.2.54", " 7 ", " 8 ").Replace(source)

func writeKeeping(t *testing.T, path, zoneText string) Written {
	t.Helper()
	text, meant := textOf(t, zoneText)
	w, err := WriteKeeping(path, text, Verify(meant, text, nil))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func modTime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func TestWriteKeeping(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	if w := writeKeeping(t, path, source); !w.Changed || w.Previous != nil {
		t.Fatalf("new: %+v", w)
	}
	if w := writeKeeping(t, path, source); w.Changed || w.Previous != nil {
		t.Fatalf("the same: %+v", w)
	}
	// The clock went back since: what is written is later for all that.
	future := time.Now().Add(10 * 365 * 24 * time.Hour).Truncate(time.Second)
	if err := errors.Join(os.Chtimes(path, future, future), os.Chmod(path, 0o604)); err != nil {
		t.Fatal(err)
	}
	w := writeKeeping(t, path, changed)
	if !w.Changed || w.Previous == nil || content(t, path) != changed {
		t.Fatalf("changed: %+v", w)
	}
	bad := modTime(t, path)
	if !bad.After(future) {
		t.Errorf("%v is not later than %v", bad, future)
	}
	if err := w.Previous.Restore(); err != nil {
		t.Fatal(err)
	}
	if content(t, path) != source || !modTime(t, path).After(bad) {
		t.Errorf("restored: %v, %q", modTime(t, path), content(t, path))
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o604 {
		t.Errorf("mode %v", info.Mode())
	}
	only(t, dir, "zone.db")
	// It is at its end: nothing more happens.
	w.Previous.Discard()
	if err := w.Previous.Restore(); err != nil || content(t, path) != source {
		t.Errorf("restored twice: %v", err)
	}

	w = writeKeeping(t, path, changed)
	w.Previous.Discard()
	if err := w.Previous.Restore(); err != nil || content(t, path) != changed {
		t.Errorf("restored after it was discarded: %v", err)
	}
	only(t, dir, "zone.db")
}

// TestRestoreMissing puts a file back that somebody has deleted.
func TestRestoreMissing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	writeKeeping(t, path, source)
	w := writeKeeping(t, path, changed)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := w.Previous.Restore(); err != nil || content(t, path) != source {
		t.Errorf("%v", err)
	}
	w = writeKeeping(t, path, changed)
	if err := errors.Join(os.Remove(path), os.Remove(w.Previous.name)); err != nil {
		t.Fatal(err)
	}
	if err := w.Previous.Restore(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("nothing is left: %v", err)
	}
}

// TestRestoreOthers puts a copy back where the time of the file that was kept
// cannot be set.
func TestRestoreOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	writeKeeping(t, path, source)
	w := writeKeeping(t, path, changed)
	kept := w.Previous.name
	if out, err := exec.Command("chattr", "+i", kept).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: no file can be made immutable here: %v: %s", err, out)
	}
	bad := modTime(t, path)
	err := w.Previous.Restore()
	if out, chattrErr := exec.Command("chattr", "-i", kept).CombinedOutput(); chattrErr != nil {
		t.Fatalf("%v: %s", chattrErr, out)
	}
	if err != nil || content(t, path) != source || !modTime(t, path).After(bad) {
		t.Errorf("%v, %q", err, content(t, path))
	}
}

// TestReplaceSteps fails at each step of a replacement that can be made to fail
// from outside: the old file stands, the error names a path and what the system
// said, and nothing is left.
func TestReplaceSteps(t *testing.T) {
	errHere := errors.New("fails here")
	good := func(w io.Writer) error { _, err := io.WriteString(w, changed); return err }
	accept := func(*os.File) error { return nil }
	for name, c := range map[string]struct {
		put    func(io.Writer) error
		verify func(*os.File) error
		want   error
	}{
		"write":  {func(io.Writer) error { return errHere }, accept, errHere},
		"verify": {good, func(*os.File) error { return errHere }, errHere},
		"sync":   {func(w io.Writer) error { return closeOf(w) }, accept, os.ErrClosed},
		"close":  {good, func(f *os.File) error { return closeOf(f) }, os.ErrClosed},
		"rename": {good, func(f *os.File) error { return os.Remove(f.Name()) }, syscall.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "zone.db")
			for _, old := range []bool{false, true} {
				left := []string{}
				if old {
					left = append(left, "zone.db")
					if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				w, err := replace(path, c.put, c.verify)
				if !errors.Is(err, c.want) || w.Changed || w.Previous != nil {
					t.Errorf("%+v, %v", w, err)
				}
				if err == nil || !errors.Is(err, errHere) && !strings.Contains(err.Error(), path[:len(path)-len("zone.db")]) {
					t.Errorf("%v names no path", err)
				}
				only(t, dir, left...)
				if old && content(t, path) != source {
					t.Error("the old file does not stand")
				}
			}
		})
	}
}

func closeOf(w io.Writer) error {
	f, ok := w.(*os.File)
	if !ok {
		return errors.New("no file")
	}
	return f.Close()
}

// TestUndo takes a rename back when the folder cannot be synced, or says that
// the new file stands.
func TestUndo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	writeKeeping(t, path, source)
	w := writeKeeping(t, path, changed)
	if w, err := undo(path, w.Previous, syscall.EIO); w.Changed || !errors.Is(err, syscall.EIO) || content(t, path) != source {
		t.Errorf("an old file: %+v, %v", w, err)
	}
	only(t, dir, "zone.db")
	if w, err := undo(path, nil, syscall.EIO); w.Changed || !errors.Is(err, syscall.EIO) {
		t.Errorf("no old file: %+v, %v", w, err)
	}
	only(t, dir)
	if w, err := undo(path, nil, syscall.EIO); !w.Changed || !errors.Is(err, syscall.EIO) || !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), path) {
		t.Errorf("no way back: %+v, %v", w, err)
	}
}

// TestKeepCopies copies what cannot have a second name.
func TestKeepCopies(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	old := time.Unix(1e9, 0)
	if err := errors.Join(os.WriteFile(path, []byte(source), 0o640), os.Chtimes(path, old, old)); err != nil {
		t.Fatal(err)
	}
	name, err := copyBeside(path, path)
	if err != nil || content(t, name) != source || !modTime(t, name).Equal(old) {
		t.Errorf("%s: %v", name, err)
	}
	if info, _ := os.Stat(name); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.WriteFile(path, []byte(changed), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := restoreCopy(name, path); err != nil || content(t, path) != source {
		t.Errorf("%v", err)
	}
	if _, err := copyBeside(path, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := restoreCopy(filepath.Join(dir, "none"), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := syncFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := syncFolder(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for _, e := range []error{syscall.EPERM, syscall.EXDEV, syscall.EMLINK, syscall.EOPNOTSUPP} {
		if !noLinks(&os.LinkError{Err: e}) {
			t.Errorf("%v is a fault", e)
		}
	}
	if noLinks(nil) || noLinks(syscall.EIO) || noLinks(syscall.ENOSPC) {
		t.Error("a fault is none")
	}
}
