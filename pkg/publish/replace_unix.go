//go:build !windows

package publish

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/gofrs/flock"
)

// noFollow refuses to open a link, and does not wait at a FIFO: a name beside an
// output may have been taken by somebody.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// keepMode gives a file mode, owner and group of an old one. Who may not give
// files away keeps the group where possible, and else goes on: the file is
// theirs already.
func keepMode(f *os.File, old fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm() != old.Mode().Perm() {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	err = f.Chown(int(was.Uid), int(was.Gid))
	if errors.Is(err, fs.ErrPermission) {
		err = f.Chown(-1, int(was.Gid))
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// openFolder opens a folder, to sync it.
func openFolder(path string) (*os.File, error) { return os.Open(path) }

// noLinks tells whether a file cannot have a second name for reasons that are
// no fault: the file system, or the other folder, or whose file it is.
func noLinks(err error) bool {
	for _, e := range []syscall.Errno{syscall.EPERM, syscall.EXDEV, syscall.EMLINK, syscall.ENOSYS, syscall.EOPNOTSUPP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// removeLocked removes a lock file, and only then lets go of it: whoever gets
// the lock next finds that the file is gone, and makes a new one.
func removeLocked(file *flock.Flock) error {
	return errors.Join(os.Remove(file.Path()), file.Unlock())
}
