//go:build unix

package api

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// listenPrivate makes a socket with mode 0600. It never has another one, not even for the
// moment that a change of it would take.
func listenPrivate(ctx context.Context, path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// shareWithFolder lets the group of its folder open a socket. Who may not give it to that group
// lets its own group open it.
func shareWithFolder(path string) error {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if owner, ok := folder.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(path, -1, int(owner.Gid)); err != nil && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	return os.Chmod(path, 0o660)
}

// ownAsFolder gives a file of root to the owner of its folder: what root makes for a daemon has
// to be that daemon's.
func ownAsFolder(file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	folder, err := os.Stat(filepath.Dir(file.Name()))
	if err != nil {
		return err
	}
	owner, ok := folder.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// syncFolder makes sure that what was made in a folder is found there after a crash.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
