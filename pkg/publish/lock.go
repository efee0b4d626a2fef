package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrLocked says that another run holds the lock of an output.
var ErrLocked = errors.New("locked by another run")

// LockedError is an ErrLocked with whose lock it is.
type LockedError struct {
	Path string // the output
	PID  int    // the process that holds the lock; 0: not known
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s: %v", e.Path, ErrLocked)
	}
	return fmt.Sprintf("%s: %v, process %d", e.Path, ErrLocked, e.PID)
}

// Is tells that it is an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Lock is the right to read what was published and to write what follows from
// it. It is a hidden file beside the output that the kernel has locked for this
// process, with the process id in it for people to read. Where the process dies
// the kernel lets go, and a file that is left is no lock: the next run takes it
// away.
type Lock struct {
	target string // the output, links followed
	file   *flock.Flock
	made   string // the folder that was made for it; empty: it was there
}

// lockSuffix ends the name of a lock file, which begins with a dot.
const lockSuffix = ".lock"

// TakeLock takes the lock of an output, which need not be there yet, and makes
// its folder, but not those above it. It waits for another run that holds the
// lock, 0 means not at all, and then gives a LockedError.
func TakeLock(ctx context.Context, path string, wait time.Duration) (*Lock, error) {
	resolved, err := target(path)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", path, err)
	}
	l := &Lock{target: resolved}
	deadline := time.Now().Add(wait)
	for {
		held, err := l.try()
		if err != nil {
			l.removeFolder()
			return nil, fmt.Errorf("publish %s: %w", path, err)
		}
		if held {
			return l, nil
		}
		pause := min(time.Until(deadline), 5*time.Millisecond+rand.N(15*time.Millisecond))
		if pause <= 0 {
			return nil, &LockedError{Path: path, PID: l.holder()}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (l *Lock) name() string { return beside(l.target) + lockSuffix }

// errMoved says that the lock file or its folder was not there just then, and
// that it may be the next time.
var errMoved = errors.New("the lock file is removed again and again")

// try takes the lock if nobody has it.
func (l *Lock) try() (held bool, err error) {
	for range 1000 {
		held, err = l.tryOnce()
		if !errors.Is(err, errMoved) {
			break
		}
	}
	return held, err
}

func (l *Lock) tryOnce() (held bool, err error) {
	file := flock.New(l.name(), flock.SetFlag(os.O_CREATE|os.O_RDONLY|noFollow), flock.SetPermissions(newMode))
	held, err = file.TryLock()
	if errors.Is(err, fs.ErrNotExist) {
		if err := l.makeFolder(); err != nil {
			return false, err
		}
		return false, errMoved
	}
	if err != nil || !held {
		return false, err
	}
	err = l.settle(file)
	if err != nil {
		return false, errors.Join(err, file.Unlock())
	}
	l.file = file
	return true, nil
}

// settle makes sure that a locked file still is the one that everybody finds,
// and writes the process id into it.
func (l *Lock) settle(file *flock.Flock) error {
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	found, err := os.Lstat(l.name())
	if errors.Is(err, fs.ErrNotExist) {
		return errMoved
	}
	switch {
	case err != nil:
		return err
	case !os.SameFile(mine, found):
		return errMoved
	case !found.Mode().IsRegular():
		return &fs.PathError{Op: "lock", Path: l.name(), Err: errNotRegular}
	case runtime.GOOS == "windows":
		return nil // a locked file cannot be read there
	case found.Size() > 0:
		// A dead run has left it. Whose file it is does not matter to a new one.
		if err := os.Remove(l.name()); err != nil {
			return err
		}
		return errMoved
	}
	if err := l.sign(); err != nil {
		_ = os.Remove(l.name()) // what stays is no lock, as nobody holds it
		return err
	}
	return nil
}

// sign writes the process id into the lock file.
func (l *Lock) sign() error {
	f, err := os.OpenFile(l.name(), os.O_WRONLY|noFollow, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return errors.Join(err, f.Close())
}

// holder reads the process id of who has the lock; 0 where nobody tells.
func (l *Lock) holder() int {
	text, err := ReadRegular(l.name(), nil)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// LockHolder tells whether a run holds the lock of an output, and its process
// id, 0 where that is not known. It changes nothing, and makes a run that takes
// the lock at the same moment try once more at most.
func LockHolder(path string) (held bool, pid int, err error) {
	resolved, err := target(path)
	if err != nil {
		return false, 0, fmt.Errorf("publish %s: %w", path, err)
	}
	l := &Lock{target: resolved}
	info, err := os.Lstat(l.name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "lock", Path: l.name(), Err: errNotRegular}
	}
	if err != nil {
		return false, 0, err
	}
	file := flock.New(l.name(), flock.SetFlag(os.O_RDONLY|noFollow))
	free, err := file.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil // it was given free just then
	}
	if err != nil || !free {
		return err == nil, l.holder(), err
	}
	return false, 0, file.Unlock()
}

// Holds tells whether the lock still is one: its file is the one that everybody finds. It is
// none any more once somebody has removed that file, or the folder of the output. A nil Lock
// holds nothing.
func (l *Lock) Holds() bool {
	if l == nil || l.file == nil {
		return false
	}
	mine, err := l.file.Stat()
	if err != nil {
		return false
	}
	found, err := os.Lstat(l.name())
	return err == nil && os.SameFile(mine, found)
}

// Release lets others have the lock, and removes the lock file, and the folder
// if it was made for the lock and nothing is in it. A nil Lock is none.
func (l *Lock) Release() error {
	if l == nil || l.file == nil {
		return nil
	}
	file, release := l.file, removeLocked
	if !l.Holds() {
		release = (*flock.Flock).Unlock // the file at its path, if there is one, is somebody else's
	}
	l.file = nil
	err := release(file)
	l.removeFolder()
	if err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

func (l *Lock) makeFolder() error {
	dir := filepath.Dir(l.target)
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		l.made = dir
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// removeFolder removes the folder that was made, if nothing is in it.
func (l *Lock) removeFolder() {
	if l.made != "" {
		_ = os.Remove(l.made) // a folder that has files stays
		l.made = ""
	}
}
