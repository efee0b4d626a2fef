// Package state remembers what a run leaves for the next one: the last good answers with
// their estimates, the serials that were published, and the history of changes, in a store on
// disk; and what a lock file holds still for review.
//
// A store is changed by whole publications that are on disk when [Store.Commit] returns, and
// what it gives back is what was put in: a file that is damaged anywhere is found out before
// anything of it is used, put aside, and replaced by an empty one. A serial in it never goes
// back.
//
// It decides nothing about what is published, and rebuilds nothing from outputs: it says that
// it has lost its memory, and whoever publishes does that.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Names of the files in the folder of a store.
const (
	fileName   = "state.db"
	newName    = "state.db.new"     // a store that is being made
	asideName  = "state.db.corrupt" // with -N: what was damaged
	holderName = "lock"             // held by who has the store open; holds the pid of a writer

	maxAside = 3         // how many damaged files are kept
	growth   = 256 << 10 // bytes, by which a file grows at least
)

// Version of the format of a store. A store of a later version is refused.
const Version = 1

// Options of a store.
type Options struct {
	// ReadOnly opens a store without changing anything in its folder. It is then an error that
	// there is none, or that it is damaged. Several readers may have a store open at a time.
	ReadOnly bool
	// Existing makes it an error, which is [fs.ErrNotExist], that there is no store yet.
	Existing bool
	// Wait is how long to wait for another process that holds the store; 0 means not at all.
	Wait time.Duration

	noSync   bool // for tests that open very many
	pageSize int  // for tests that want a small file; 0: that of the machine
}

// Store is what is remembered in one folder. One process may write to it at a time. Its
// methods may be called concurrently, and those that read may be called on a nil Store, which
// remembers nothing.
type Store struct {
	path    string
	db      *bbolt.DB
	file    *os.File // that db has open
	holder  *os.File // nil where a reader found none
	options Options
	broken  atomic.Bool // db must not be used any more

	mu      sync.Mutex // guards what follows
	newest  time.Time
	problem error

	turn     sync.Mutex // guards what follows
	pending  []*pending // changes that wait; the first of them leads
	changing bool       // somebody leads
}

// Open opens the store in a folder, or makes it there, with the folder. It may give a
// [*LockedError], a [*VersionError] and, to readers, a [*CorruptError] and an error that is
// [fs.ErrNotExist]. A writer puts a damaged store aside and begins an empty one, see
// [Store.Problem].
func Open(dir string, o Options) (*Store, error) {
	if !o.ReadOnly && !o.Existing {
		if err := makeFolder(dir); err != nil {
			return nil, fmt.Errorf("make the state folder: %w", err)
		}
	}
	holder, err := hold(filepath.Join(dir, holderName), o)
	if err != nil {
		return nil, err
	}
	s := &Store{path: filepath.Join(dir, fileName), holder: holder, options: o}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, release(holder, o))
	}
	return s, nil
}

// makeFolder makes the folder where there is none. Its name has to be as durable as what is
// in it.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// open makes sure that the file is sound and opens it. The lock is held.
func (s *Store) open() error {
	dir := filepath.Dir(s.path)
	head, err := inspect(s.path)
	var corrupt *CorruptError
	switch {
	case s.options.ReadOnly:
	case errors.Is(err, fs.ErrNotExist) && !s.options.Existing:
		head, err = s.create()
	case errors.As(err, &corrupt):
		if corrupt.Aside, err = putAside(dir); err != nil {
			return err
		}
		s.problem = corrupt
		head, err = s.create()
	}
	if err != nil {
		return err
	}
	s.newest = head.Newest
	s.db, err = s.bolt(s.path)
	return err
}

// bolt opens a file that is known to be sound.
func (s *Store) bolt(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		ReadOnly:   s.options.ReadOnly,
		NoSync:     s.options.noSync,
		NoGrowSync: s.options.noSync,
		PageSize:   s.options.pageSize,

		InitialMmapSize: s.options.room(),
		Timeout:         max(s.options.Wait, time.Second), // only a program that is not ours can hold it
		OpenFile: func(path string, flag int, mode fs.FileMode) (*os.File, error) {
			var err error
			s.file, err = os.OpenFile(path, flag, mode)
			return s.file, err
		},
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, &LockedError{Path: path}
	}
	if err != nil {
		return nil, fmt.Errorf("open the state %s: %w", path, err)
	}
	db.AllocSize = growth
	return db, nil
}

// room is how much memory is mapped from the beginning, in bytes: when a file outgrows what is
// mapped within a transaction, bbolt copies all of it that was changed, again and again.
func (o *Options) room() int {
	if o.ReadOnly || runtime.GOOS == "windows" { // where a file is made as long as what is mapped
		return 0
	}
	return 128 << 20
}

// create makes an empty store under another name first: a run that is killed meanwhile leaves
// no file that looks damaged.
func (s *Store) create() (head, error) {
	dir := filepath.Dir(s.path)
	path := filepath.Join(dir, newName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return head{}, fmt.Errorf("make the state: %w", err)
	}
	db, err := s.bolt(path)
	if err != nil {
		return head{}, err
	}
	h := newHead()
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return h.write(tx)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return head{}, fmt.Errorf("make the state %s: %w", path, err)
	}
	if err := os.Rename(path, s.path); err != nil {
		return head{}, fmt.Errorf("make the state: %w", err)
	}
	if s.options.noSync {
		return h, nil
	}
	return h, syncDir(dir)
}

// putAside renames a damaged file, so that somebody may look at it, and gives its new path.
// Of many the last ones are kept.
func putAside(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("put the damaged state aside: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if text, ok := strings.CutPrefix(e.Name(), asideName+"-"); ok {
			if n, err := strconv.Atoi(text); err == nil && n > 0 && strconv.Itoa(n) == text {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	next := 1
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1] + 1
	}
	name := func(n int) string { return filepath.Join(dir, asideName+"-"+strconv.Itoa(n)) }
	for len(numbers) >= maxAside {
		if err := os.Remove(name(numbers[0])); err != nil {
			return "", fmt.Errorf("make room for the damaged state: %w", err)
		}
		numbers = numbers[1:]
	}
	if err := os.Rename(filepath.Join(dir, fileName), name(next)); err != nil {
		return "", fmt.Errorf("put the damaged state aside: %w", err)
	}
	return name(next), nil
}

// Problem is a [*CorruptError] if the store was damaged: what it remembered is lost, and what
// is published has to be learned from the outputs. It is an error of another kind if reading
// went wrong since, and nil otherwise.
func (s *Store) Problem() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// Path is the file of the store.
func (s *Store) Path() string { return s.path }

// Clamp gives the time that it is by all that is remembered: not before the latest time that
// was committed. A clock that was set back makes nothing younger.
func (s *Store) Clamp(now time.Time) time.Time {
	if s == nil {
		return now
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.newest) {
		return s.newest
	}
	return now
}

// Close gives the store free for others.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	var err error
	if s.broken.Load() {
		err = s.file.Close()
	} else {
		err = s.db.Close()
	}
	if err != nil {
		err = fmt.Errorf("close the state %s: %w", s.path, err)
	}
	return errors.Join(err, release(s.holder, s.options))
}
