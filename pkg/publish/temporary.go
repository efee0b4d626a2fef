package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// temporaryMark stands between the name of an output and the digits that make
// the name of a temporary file beside it, which begins with a dot:
// .example.com.db.aliasflat-4031. Nobody else gives files such names, so what a
// dead run has left can be told from the files of others.
const temporaryMark = ".aliasflat-"

// maxBase is the longest name of an output that goes whole into the names of
// the files beside it. File systems bound a name to 255 bytes.
const maxBase = 200

// beside is the beginning of the names of the hidden files that belong to an
// output, in its folder.
func beside(path string) string {
	dir, base := filepath.Split(path)
	if len(base) > maxBase {
		sum := sha256.Sum256([]byte(base))
		base = base[:maxBase-20] + "~" + hex.EncodeToString(sum[:8])
	}
	return dir + "." + base
}

// temporaryName is a name for a temporary file beside an output. Another file
// may have it already.
func temporaryName(path string) string {
	return beside(path) + temporaryMark + strconv.FormatUint(rand.Uint64N(1e12), 10)
}

// unusedName calls create with names of temporary files until one is free.
func unusedName(path string, create func(name string) error) (name string, err error) {
	for range 1000 {
		name = temporaryName(path)
		if err = create(name); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return name, err
}

// createTemporary makes a new file beside an output.
func createTemporary(path string, mode fs.FileMode) (*os.File, error) {
	var f *os.File
	_, err := unusedName(path, func(name string) (err error) {
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		return err
	})
	return f, err
}

// Clean removes the temporary files that dead runs have left beside the outputs
// of some locks. The files of other outputs, and those of other programs, are
// left alone.
//
// A file that cannot be removed stays for the next run; only a folder that
// cannot be read is an error.
func Clean(locks ...*Lock) error {
	folders := map[string]map[string]bool{} // of the beginnings of names
	for _, l := range locks {
		dir, name := filepath.Split(beside(l.target))
		if folders[dir] == nil {
			folders[dir] = map[string]bool{}
		}
		folders[dir][name+temporaryMark] = true
	}
	var errs []error
	for dir, begins := range folders {
		errs = append(errs, clean(dir, begins))
	}
	return errors.Join(errs...)
}

func clean(dir string, begins map[string]bool) error {
	entries, err := os.ReadDir(filepath.Clean(dir))
	if errors.Is(err, fs.ErrPermission) {
		return nil // a folder may be closed to reading and open to writing
	}
	for _, e := range entries {
		name := e.Name()
		digits := strings.LastIndexByte(name, '-') + 1
		if !begins[name[:digits]] || digits == len(name) || strings.Trim(name[digits:], "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		_ = os.Remove(filepath.Join(dir, name)) // the next run tries again
	}
	return err
}
