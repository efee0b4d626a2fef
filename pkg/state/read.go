package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Known gives what is remembered of a question.
func (s *Store) Known(q resolve.Question) (*resolve.Known, bool) {
	var found *resolve.Known
	s.view(func(tx *bbolt.Tx) error {
		key := questionKey(q)
		value := tx.Bucket([]byte(bucketKnown)).Get(key)
		if value == nil {
			return nil
		}
		var err error
		_, found, err = openKnown(key, value)
		return err
	})
	return found, found != nil
}

// AllKnown gives what is remembered of all questions.
func (s *Store) AllKnown() map[resolve.Question]*resolve.Known {
	all := map[resolve.Question]*resolve.Known{}
	s.each(bucketKnown, func(key, value []byte) error {
		q, k, err := openKnown(key, value)
		all[q] = k
		return err
	})
	return all
}

// Estimates gives all estimates; the map is the caller's.
func (s *Store) Estimates() resolve.Estimates {
	all := resolve.Estimates{}
	s.each(bucketEstimates, func(key, value []byte) error {
		k, e, err := openEstimate(key, value)
		all[k] = e
		return err
	})
	return all
}

// Zone gives what was published of a zone in an output last.
func (s *Store) Zone(name zone.Name, view, output string) (Zone, bool) {
	for z := range s.zones(name) {
		if z.View == view && z.Output == output {
			return z, true
		}
	}
	return Zone{}, false
}

// Zones gives what was published of all zones, or of those of one name where it is not the
// zero Name, in canonical order of the names' wire form, their views and outputs.
func (s *Store) Zones(name zone.Name) []Zone {
	var list []Zone
	for z := range s.zones(name) {
		list = append(list, z)
	}
	return list
}

func (s *Store) zones(name zone.Name) iter.Seq[Zone] {
	return func(yield func(Zone) bool) {
		prefix := []byte(name.Wire())
		s.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte(bucketZones)).Cursor()
			for key, value := c.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, value = c.Next() {
				z, err := openZone(key, value)
				if err != nil {
					return err
				}
				if !yield(z) {
					return nil
				}
			}
			return nil
		})
	}
}

// Filter picks changes.
type Filter struct {
	Zone  zone.Name // the zero Name: of any zone
	Owner zone.Name // the zero Name: of any owner
	Name  zone.Name // of the zone, the owner name or the target; the zero Name: of any
}

// passes tells whether a filter lets a change pass.
func (f *Filter) passes(c *Change) bool {
	return (f.Zone.IsZero() || c.Zone == f.Zone) && (f.Owner.IsZero() || c.Owner == f.Owner) &&
		(f.Name.IsZero() || c.Zone == f.Name || c.Owner == f.Name || c.Target == f.Name)
}

// texts are what an entry holds that the filter lets pass. Most entries are told apart by that
// without being read, which takes far longer. A name that JSON writes otherwise is left out.
func (f *Filter) texts() [][]byte {
	var texts [][]byte
	for _, name := range []zone.Name{f.Zone, f.Owner, f.Name} {
		if text := name.String(); !name.IsZero() && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }) {
			texts = append(texts, []byte(`"`+text+`"`))
		}
	}
	return texts
}

// Changes gives the changes that a filter lets pass, newest first. Nothing can be committed
// to the store by who iterates, until the end.
func (s *Store) Changes(f Filter) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		s.view(func(tx *bbolt.Tx) error {
			c, texts := tx.Bucket([]byte(bucketHistory)).Cursor(), f.texts()
			for key, value := c.Last(); key != nil; key, value = c.Prev() {
				if slices.ContainsFunc(texts, func(text []byte) bool { return !bytes.Contains(value, text) }) {
					continue
				}
				change, err := openChange(key, value)
				switch {
				case err != nil:
					return err
				case !f.passes(&change):
				case !yield(change):
					return nil
				}
			}
			return nil
		})
	}
}

// each reads a whole bucket in the order of its keys.
func (s *Store) each(bucket string, visit func(key, value []byte) error) {
	s.view(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).ForEach(visit) })
}

// view reads. A fault keeps the program running: the file was sound when it was opened, and if
// it is not any more, that is a problem of the store.
func (s *Store) view(read func(*bbolt.Tx) error) {
	if s == nil {
		return
	}
	if err := s.guarded(func() error { return s.db.View(read) }); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.problem == nil {
			s.problem = fmt.Errorf("read the state %s: %w", s.path, err)
		}
	}
}

// guarded makes an error of it when mapped memory has gone, because the file was cut short
// meanwhile or cannot be read, and when what is in it makes no sense any more, because somebody
// has written over it. bbolt may hold locks of its own at that moment, so it is not called any
// more from then on.
func (s *Store) guarded(use func() error) (err error) {
	if s.broken.Load() {
		return errGone
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a [runtime.Error] of an access to memory
			s.broken.Store(true)
			err = errGone
		case string, runtime.Error: // of bbolt, which holds pages to be sound, and of their bounds
			s.broken.Store(true)
			err = fmt.Errorf("%w (%v)", errGone, fault)
		default:
			panic(fault)
		}
	}()
	return use()
}

var errGone = fmt.Errorf("%w: the file was changed while it was open, or cannot be read", ErrCorrupt)

// badEntry is an entry whose checksum or form is wrong.
func badEntry(bucket string, key []byte) error {
	return fmt.Errorf("%w: an entry of %q with the key %x", ErrCorrupt, bucket, key)
}

func openKnown(key, value []byte) (resolve.Question, *resolve.Known, error) {
	payload, ok := unseal(bucketKnown, key, value)
	q, okKey := parseQuestionKey(key)
	if ok && okKey {
		if k, ok := decodeKnown(payload); ok {
			return q, k, nil
		}
	}
	return resolve.Question{}, nil, badEntry(bucketKnown, key)
}

func openEstimate(key, value []byte) (resolve.LinkKey, resolve.Estimate, error) {
	payload, ok := unseal(bucketEstimates, key, value)
	owner, typ, rest, okKey := parseOwnerKey(key)
	if ok && okKey && len(rest) == 0 {
		if e, ok := decodeEstimate(payload); ok {
			return resolve.LinkKey{Owner: owner, Type: typ}, e, nil
		}
	}
	return resolve.LinkKey{}, resolve.Estimate{}, badEntry(bucketEstimates, key)
}

func openZone(key, value []byte) (Zone, error) {
	payload, ok := unseal(bucketZones, key, value)
	var f zoneJSON
	if ok && json.Unmarshal(payload, &f) == nil {
		if z, err := f.value(); err == nil && bytes.Equal(z.key(), key) {
			return z, nil
		}
	}
	return Zone{}, badEntry(bucketZones, key)
}

func openChange(key, value []byte) (Change, error) {
	payload, ok := unseal(bucketHistory, key, value)
	var f changeJSON
	if ok && len(key) == 8 && json.Unmarshal(payload, &f) == nil {
		if c, err := f.value(); err == nil {
			return c, nil
		}
	}
	return Change{}, badEntry(bucketHistory, key)
}

// historyKey is the key of a change: they are counted.
func historyKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
