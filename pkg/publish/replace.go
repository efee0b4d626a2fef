package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// newMode is the mode of a file that was not there: name servers run as
// another user.
const newMode = 0o644

// Written is what came of WriteKeeping.
type Written struct {
	// Changed tells that the new text is in place. Together with an error it is
	// so although the text may not survive a power failure.
	Changed bool
	// Previous is the file that was replaced. It is nil where there was none, or
	// nothing changed. Somebody has to end it with Restore or Discard.
	Previous *Previous
}

// Write replaces a file by a text as WriteKeeping does, and keeps nothing.
func Write(path string, text *zonefile.Text, verify func(written *os.File) error) (changed bool, err error) {
	w, err := WriteKeeping(path, text, verify)
	w.Previous.Discard()
	return w.Changed, err
}

// WriteKeeping replaces a file by a text in one step: a temporary file in the
// same folder, synced, read again and judged by verify, renamed, and the folder
// synced. Mode and owner of the old file are kept, and a link is followed to
// its file. The time of the new file is later than that of the old one, even
// where the clock went back: BIND passes over a file that is older than what it
// has loaded. The old file stands whenever there is an error; what is replaced
// is kept under another name until somebody knows that the new one is good.
//
// A file that already has the text is left untouched.
//
// Two that write one file at the same time do not disturb readers, but the
// later one may write what is older. Lock keeps them apart.
func WriteKeeping(path string, text *zonefile.Text, verify func(written *os.File) error) (Written, error) {
	path, err := target(path)
	if err != nil {
		return Written{}, fmt.Errorf("publish %s: %w", path, err)
	}
	same, err := Same(path, text)
	if err != nil || same {
		return Written{}, err
	}
	w, err := replace(path, func(f io.Writer) error { return WriteTo(f, text) }, verify)
	if err != nil {
		return w, fmt.Errorf("publish %s: %w", path, err)
	}
	return w, nil
}

// WriteBytes replaces a file that is no zone file in the same way, only if its content is
// another.
func WriteBytes(path string, content []byte) (changed bool, err error) {
	path, err = target(path)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("write: %w", err)
	}
	put := func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
	w, err := replace(path, put, func(*os.File) error { return nil })
	w.Previous.Discard()
	if err != nil {
		return w.Changed, fmt.Errorf("write %s: %w", path, err)
	}
	return true, nil
}

// replace is the replacement of a file that is no link, by what put writes.
func replace(path string, put func(io.Writer) error, verify func(*os.File) error) (Written, error) {
	// A folder that cannot be opened is found out before anything happens.
	dir, err := openFolder(filepath.Dir(path))
	if err != nil {
		return Written{}, err
	}
	defer dir.Close()
	old, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Written{}, err
	}
	name, err := prepare(path, old, put, verify)
	if err != nil {
		return Written{}, err
	}
	var previous *Previous
	if old != nil {
		previous, err = keep(path)
	}
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		_ = os.Remove(name) // what stays is cleaned by the next run
		previous.Discard()
		return Written{}, err
	}
	if err := dir.Sync(); err != nil {
		return undo(path, previous, err)
	}
	return Written{Changed: true, Previous: previous}, nil
}

// prepare makes the temporary file with all that it needs. old is nil where
// there is no file to replace. When it fails, nothing is left.
func prepare(path string, old fs.FileInfo, put func(io.Writer) error, verify func(*os.File) error) (name string, err error) {
	mode := fs.FileMode(newMode)
	if old != nil {
		mode = old.Mode().Perm()
	}
	f, err := createTemporary(path, mode)
	if err != nil {
		return "", err
	}
	err = fill(f, old, put)
	if err == nil {
		// A file that could not be synced is dropped and never synced again: the
		// kernel may take what it has lost for written.
		err = f.Sync()
	}
	if err == nil {
		err = verify(f)
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		_ = os.Remove(f.Name()) // what stays is cleaned by the next run
	}
	return f.Name(), err
}

// fill writes a temporary file, and gives it mode, owner and time.
func fill(f *os.File, old fs.FileInfo, put func(io.Writer) error) error {
	if old != nil {
		if err := keepMode(f, old); err != nil {
			return err
		}
	}
	if err := put(f); err != nil {
		return err
	}
	if old == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.ModTime().After(old.ModTime()) {
		return err
	}
	return makeLater(f.Name(), old)
}

// makeLater gives a file a time that is later than that of another one, for
// file systems that count whole seconds too.
func makeLater(name string, than fs.FileInfo) error {
	later := than.ModTime().Add(time.Second)
	if now := time.Now(); now.After(later) {
		later = now
	}
	return os.Chtimes(name, later, later)
}

// undo takes back a rename that may not last, so that the next run finds the
// work undone and does all of it, the reload of the server too.
func undo(path string, previous *Previous, cause error) (Written, error) {
	var err error
	if previous != nil {
		err = os.Rename(previous.name, path)
	} else {
		err = os.Remove(path)
	}
	if err != nil {
		return Written{Changed: true, Previous: previous}, fmt.Errorf("%w, and the way back failed: %w", cause, err)
	}
	return Written{}, cause
}
