package publish

import (
	"errors"

	"golang.org/x/sys/unix"
)

var errMountPoint = errors.New("the file is a mount of its own, so that no other one can take its place")

// apart tells why a file cannot be replaced by another one of its folder. A file
// that is not there can. Numbers of devices would not tell: files and folders of
// an overlay have different ones.
func apart(path string) error {
	var file unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS, &file)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOSYS):
		return nil // a kernel that cannot tell lets the rename find out
	case err != nil:
		return err
	case file.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return errMountPoint
	}
	return nil
}
