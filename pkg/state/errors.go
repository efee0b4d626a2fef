package state

import (
	"errors"
	"fmt"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// What can be wrong with a store, for errors.Is.
var (
	ErrLocked      = errors.New("locked by another process")
	ErrCorrupt     = errors.New("damaged")
	ErrVersion     = errors.New("of a later version")
	ErrSerialLower = errors.New("the serial would go back")
	ErrReadOnly    = errors.New("opened for reading only")
)

// LockedError is that another process has the store open. It is [ErrLocked].
type LockedError struct {
	Path string
	PID  int // of who holds it; 0: not known
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by process %d", e.Path, e.PID)
}

// Unwrap gives ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// CorruptError is that a store cannot be trusted. It is [ErrCorrupt].
type CorruptError struct {
	Path  string
	Why   string // one clause
	Aside string // where the file is; empty: where it was
}

func (e *CorruptError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Path, e.Why) }

// Unwrap gives ErrCorrupt.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// VersionError is that a store was written by a later release. It is [ErrVersion].
type VersionError struct {
	Path    string
	Version int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d; this release knows versions up to %d", e.Path, e.Version, Version)
}

// Unwrap gives ErrVersion.
func (e *VersionError) Unwrap() error { return ErrVersion }

// SerialError is that a serial is not later than the remembered one (RFC 1982) nor equal to it.
// It is [ErrSerialLower].
type SerialError struct {
	Zone      zone.Name
	View      string
	Output    string
	Have, New zone.Serial
}

func (e *SerialError) Error() string {
	return fmt.Sprintf("zone %s: serial %d is not later than %d, which was published", e.Zone, e.New, e.Have)
}

// Unwrap gives ErrSerialLower.
func (e *SerialError) Unwrap() error { return ErrSerialLower }
