//go:build !windows

package publish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// newMode is the mode of a file that was not there: name servers run as
// another user.
const newMode = 0o644

func replace(path string, text *zonefile.Text, verify func(*os.File) error) error {
	dir := filepath.Dir(path)
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(newMode), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // the file is gone after the rename, and a failed removal changes nothing
	if err := keepOwner(path, f.File); err != nil {
		return err
	}
	if err := WriteTo(f, text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := verify(f.File); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncDir(dir)
}

// keepOwner gives the new file the owner and group of the old one. Who may not
// give files away keeps the group where possible, and else goes on: the file
// is theirs already.
func keepOwner(path string, f *os.File) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err = f.Chown(int(old.Uid), int(old.Gid))
	if errors.Is(err, fs.ErrPermission) {
		err = f.Chown(-1, int(old.Gid))
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// syncDir makes the rename last over a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
