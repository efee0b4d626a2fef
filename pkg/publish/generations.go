package publish

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Generations keeps files that are replaced, to publish them again by hand. Each
// output has a folder of its own in Dir, named by its file, and each file in there
// is named by a number that goes up and by its serial:
// example.com.db-5d41402a/17-2026010101. They are second names of the files where
// that is possible, and cost no room until the output changes.
//
// The zero value keeps none. Who holds the lock of an output may change its
// generations.
type Generations struct {
	Dir   string // made if it is not there, but not those above it; empty: none are kept
	Count int    // how many of each output are kept; 0 or less: none
}

// Generation is a file that was kept.
type Generation struct {
	Path   string
	Serial zone.Serial
	number uint64
}

// Add keeps what an output has now, which is to be replaced next, and lets go
// of the oldest that are too many. An output that is not there, and one that the
// newest generation has already, add nothing.
func (g Generations) Add(path string, serial zone.Serial) error {
	if g.Dir == "" || g.Count <= 0 {
		return nil
	}
	if err := g.add(path, serial); err != nil {
		return fmt.Errorf("keep the generation %d of %s: %w", serial, path, err)
	}
	return nil
}

func (g Generations) add(path string, serial zone.Serial) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	folder, err := g.folderOf(path)
	if err != nil {
		return err
	}
	// Whoever removes the folder of a daemon's state does not stop the daemon.
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	kept, err := list(folder)
	if err != nil {
		return err
	}
	next := uint64(1)
	if len(kept) > 0 {
		next = kept[0].number + 1
		if same, err := sameContent(kept[0].Path, path); err != nil || same {
			return errors.Join(err, prune(kept, g.Count))
		}
	}
	name := filepath.Join(folder, fmt.Sprintf("%d-%d", next, serial))
	err = os.Link(path, name)
	if noLinks(err) {
		err = copyTo(name, path)
	}
	if err != nil {
		return err
	}
	return prune(kept, g.Count-1)
}

// List gives what is kept of an output, the newest first.
func (g Generations) List(path string) ([]Generation, error) {
	folder, err := g.folder(path)
	if err != nil || g.Dir == "" {
		return nil, err
	}
	kept, err := list(folder)
	if err != nil {
		return nil, fmt.Errorf("list the generations of %s: %w", path, err)
	}
	return kept, nil
}

// folder is where the generations of an output are. Outputs of one name in
// several folders are told apart.
func (g Generations) folder(path string) (string, error) {
	path, err := target(path)
	if err != nil {
		return "", err
	}
	return g.folderOf(path)
}

// folderOf is folder for a path without links.
func (g Generations) folderOf(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(path))
	base := filepath.Base(path)
	return filepath.Join(g.Dir, base[:min(len(base), maxBase)]+"-"+hex.EncodeToString(sum[:4])), nil
}

// list reads the folder of one output. What has another name is not ours.
func list(folder string) ([]Generation, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept []Generation
	for _, e := range entries {
		first, second, _ := strings.Cut(e.Name(), "-")
		number, err := strconv.ParseUint(first, 10, 64)
		serial, serialErr := strconv.ParseUint(second, 10, 32)
		if err != nil || serialErr != nil || !e.Type().IsRegular() {
			continue
		}
		kept = append(kept, Generation{Path: filepath.Join(folder, e.Name()), Serial: zone.Serial(serial), number: number})
	}
	slices.SortFunc(kept, func(a, b Generation) int { return cmp.Compare(b.number, a.number) })
	return kept, nil
}

// prune removes all but the newest.
func prune(kept []Generation, count int) error {
	return remove(kept[min(len(kept), max(count, 0)):])
}

func remove(kept []Generation) error {
	var errs []error
	for _, k := range kept {
		errs = append(errs, os.Remove(k.Path))
	}
	return errors.Join(errs...)
}

// copyTo copies a file to where none is, whole or not at all.
func copyTo(path, from string) error {
	if err := clean(filepath.Dir(path), map[string]bool{generationBegin: true}); err != nil {
		return err
	}
	name, err := copyBeside(filepath.Join(filepath.Dir(path), "generation"), from)
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return syncFolder(filepath.Dir(path))
}

// generationBegin begins the names of copies that are being made.
const generationBegin = ".generation" + temporaryMark

// sameContent compares two files, of which one may be a copy that has the other's time. One that is
// not there is as no other.
func sameContent(a, b string) (bool, error) {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	switch err := errors.Join(errA, errB); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case os.SameFile(infoA, infoB):
		return true, nil
	case infoA.Size() != infoB.Size(), !infoA.ModTime().Equal(infoB.ModTime()):
		return false, nil
	}
	f, err := openRegular(a)
	if err != nil {
		return false, err
	}
	defer f.Close()
	other, err := openRegular(b)
	if err != nil {
		return false, err
	}
	defer other.Close()
	_, err = io.Copy(&comparer{r: other}, f)
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, err
}
