package publish

import (
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// noFollow is nothing that Windows has.
const noFollow = 0

// keepMode does nothing: a new file has the rights of its folder.
func keepMode(*os.File, fs.FileInfo) error { return nil }

// folder stands for a folder, which Windows does not sync.
type folder struct{}

func (folder) Sync() error  { return nil }
func (folder) Close() error { return nil }

func openFolder(string) (folder, error) { return folder{}, nil }

// noLinks tells whether a file cannot have a second name: any error may mean it.
func noLinks(err error) bool { return err != nil }

// removeLocked lets go of a lock file and removes it. Where somebody else has
// opened it by then, Windows does not remove it, and it stays theirs.
func removeLocked(file *flock.Flock) error {
	err := file.Unlock()
	if err == nil {
		_ = os.Remove(file.Path()) // as said
	}
	return err
}
