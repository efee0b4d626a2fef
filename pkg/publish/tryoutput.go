package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TryOutput tells whether a file could be replaced, by all of the steps of it
// that leave nothing behind: a temporary file is made beside it, synced, renamed
// to another temporary name, and removed. Of a folder that is not there yet the
// one above it is tried; missing tells that.
func TryOutput(path string) (missing bool, err error) {
	resolved, err := target(path)
	if err != nil {
		return false, fmt.Errorf("replace %s: %w", path, err)
	}
	dir := filepath.Dir(resolved)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		missing, resolved = true, dir // only the last folder is ever made
	}
	if err := tryRename(resolved); err != nil {
		return missing, err
	}
	if missing {
		return true, nil
	}
	if err := apart(resolved); err != nil {
		return false, fmt.Errorf("replace %s: %w", path, err)
	}
	return false, nil
}

// tryRename makes a file beside path and gives it another name.
func tryRename(path string) error {
	dir, err := openFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := createTemporary(path, newMode)
	if err != nil {
		return err
	}
	name := f.Name()
	_, err = f.WriteString("aliasflat tries whether it can write here\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		other := temporaryName(path)
		if err = os.Rename(name, other); err == nil {
			name = other
			err = dir.Sync()
		}
	}
	return errors.Join(err, os.Remove(name))
}
