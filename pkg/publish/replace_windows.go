package publish

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// replace is the same in steps that Windows has: it knows no owner to keep and
// no folder to sync.
func replace(path string, text *zonefile.Text, verify func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return err
	}
	err = WriteTo(f, text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = verify(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
