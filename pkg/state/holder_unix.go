//go:build !windows

package state

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// take opens and locks a file, or gives nil where another process has it locked. A link is not
// followed: the file that it leads to would be overwritten with the pid.
func take(path string, shared bool) (*os.File, error) {
	flags, how := os.O_RDWR|os.O_CREATE, syscall.LOCK_EX
	if shared {
		flags, how = os.O_RDONLY, syscall.LOCK_SH
	}
	file, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return file, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return nil, file.Close()
		default:
			return nil, errors.Join(&os.PathError{Op: "flock", Path: path, Err: err}, file.Close())
		}
	}
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("make the state durable: %w", err)
	}
	return nil
}
