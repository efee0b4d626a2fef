package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// keptFile is the file that was replaced, under another name. A nil one is no
// file.
type keptFile struct{ path, name string }

// writeKept is Write, with what was replaced kept until it is put back or
// dropped.
func writeKept(path string, text *zonefile.Text, verify func(*os.File) error) (changed bool, previous *keptFile, err error) {
	path, err = target(path)
	if err != nil {
		return false, nil, fmt.Errorf("publish %s: %w", path, err)
	}
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".previous")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil, fmt.Errorf("publish %s: %w", path, err)
	}
	err = os.Link(path, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil, fmt.Errorf("publish %s: %w", path, err)
	}
	if err == nil {
		previous = &keptFile{path: path, name: name}
	}
	changed, err = Write(path, text, verify)
	if err != nil || !changed {
		previous.drop()
		return changed, nil, err
	}
	return true, previous, nil
}

// restore puts the file back, with a time that is later than that of the file
// which stands there: BIND passes over an older one.
func (k *keptFile) restore() error {
	now := time.Now()
	if err := os.Chtimes(k.name, now, now); err != nil {
		return err
	}
	return os.Rename(k.name, k.path)
}

func (k *keptFile) drop() {
	if k != nil {
		_ = os.Remove(k.name) // nothing hangs on it
	}
}
