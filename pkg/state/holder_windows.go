package state

import (
	"errors"
	"os"
	"syscall"
)

// errSharing is ERROR_SHARING_VIOLATION: another process has the file open in a way that goes
// not with ours.
const errSharing = syscall.Errno(32)

// take opens a file so that no writer can open it, for a writer no reader either, or gives nil
// where another process has done that.
func take(path string, shared bool) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	access, mode := uint32(syscall.GENERIC_READ|syscall.GENERIC_WRITE), uint32(syscall.OPEN_ALWAYS)
	if shared {
		access, mode = syscall.GENERIC_READ, syscall.OPEN_EXISTING
	}
	handle, err := syscall.CreateFile(name, access, syscall.FILE_SHARE_READ, nil, mode, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case err == nil:
		return os.NewFile(uintptr(handle), path), nil
	case errors.Is(err, errSharing):
		return nil, nil
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: err}
}

// syncDir does nothing: names in a folder cannot be made durable by themselves.
func syncDir(string) error { return nil }
