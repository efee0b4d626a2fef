package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds of the history.
const (
	MaxChanges   = 20_000
	MaxChangeAge = 366 * 24 * time.Hour
)

// Update is what one publication changes.
type Update struct {
	// Known is what is remembered from here on of some questions; nil, or nothing at all:
	// they are forgotten. What is remembered of others stays.
	Known map[resolve.Question]*resolve.Known
	// Sightings is what was seen of questions whose answers were not published. What has other
	// last good addresses meanwhile stays as it is.
	Sightings map[resolve.Question]*resolve.Known
	// Seen makes last good addresses younger that were answered again. Where others are
	// remembered it changes nothing.
	Seen      map[resolve.Question]resolve.Seen
	Estimates resolve.Estimates // of some links; those of others stay
	Zone      *Zone             // what was published; nil: nothing was
	Changes   []Change          // in the order of their times
	Now       time.Time         // see [Store.Clamp]
}

// Commit remembers an update, all of it or, with an error, nothing. It is on disk on return.
// A serial that is not later than the remembered one of the zone in this output, nor the same,
// is a [*SerialError].
func (s *Store) Commit(u Update) error {
	now := s.Clamp(u.Now)
	return s.change(now, func(w *writer) error {
		if err := w.putKnown(u.Known); err != nil {
			return err
		}
		if err := w.putSightings(u.Sightings); err != nil {
			return err
		}
		if err := w.putSeen(u.Seen); err != nil {
			return err
		}
		if err := w.putEstimates(u.Estimates); err != nil {
			return err
		}
		if u.Zone != nil {
			if err := w.putZone(*u.Zone, false); err != nil {
				return err
			}
		}
		if len(u.Changes) == 0 {
			return nil
		}
		return w.appendChanges(u.Changes, now)
	})
}

// Forgotten counts what was forgotten.
type Forgotten struct{ Zones, Known, Estimates int }

// Forget forgets the zone of a name, with its serials, and the target of that name, with its
// estimates; with under all below that name too. The history stays.
func (s *Store) Forget(name zone.Name, under bool) (Forgotten, error) {
	var f Forgotten
	err := s.change(s.Clamp(time.Time{}), func(w *writer) error {
		f = Forgotten{}
		for _, b := range []struct {
			bucket string
			count  *int
		}{{bucketZones, &f.Zones}, {bucketKnown, &f.Known}, {bucketEstimates, &f.Estimates}} {
			err := w.removeIf(b.bucket, b.count, func(key, _ []byte) bool {
				n, err := zone.NameFromWire(key)
				return err == nil && (n == name || under && n.IsBelow(name))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return f, err
}

// Tidy forgets the answers and estimates that nothing was heard of since a time. Those who
// still need an answer must not have it forgotten.
func (s *Store) Tidy(since time.Time, needed func(resolve.Question) bool) (Forgotten, error) {
	var f Forgotten
	old := func(q resolve.Question, k *resolve.Known) bool {
		return k.Seen.Before(since) && k.Missing.Last.Before(since) && k.Held.Last.Before(since) && !needed(q)
	}
	if !s.hasOld(since, old) {
		return f, nil
	}
	err := s.change(s.Clamp(time.Time{}), func(w *writer) error {
		f = Forgotten{}
		err := w.removeIf(bucketKnown, &f.Known, func(key, value []byte) bool {
			q, k, err := openKnown(key, value)
			return err == nil && old(q, k)
		})
		if err != nil {
			return err
		}
		return w.removeIf(bucketEstimates, &f.Estimates, func(key, value []byte) bool {
			_, e, err := openEstimate(key, value)
			return err == nil && e.Seen.Time().Before(since)
		})
	})
	return f, err
}

// hasOld tells whether there is anything to forget, which most runs have not.
func (s *Store) hasOld(since time.Time, old func(resolve.Question, *resolve.Known) bool) bool {
	for q, k := range s.AllKnown() {
		if old(q, k) {
			return true
		}
	}
	for _, e := range s.Estimates() {
		if e.Seen.Time().Before(since) {
			return true
		}
	}
	return false
}

// pending is a change that waits for its turn.
type pending struct {
	now  time.Time
	fill func(*writer) error
	err  error
	done chan struct{} // closed when err is set
	lead chan struct{} // closed when it is this one's turn to make the changes of all
}

// change makes one transaction. What others ask for while one is under way goes together into
// the next, since it is the disk that takes the time.
func (s *Store) change(now time.Time, fill func(*writer) error) error {
	if s.options.ReadOnly {
		return fmt.Errorf("change the state %s: %w", s.path, ErrReadOnly)
	}
	p := &pending{now: now, fill: fill, done: make(chan struct{}), lead: make(chan struct{})}
	s.turn.Lock()
	s.pending = append(s.pending, p)
	if !s.changing {
		s.changing = true
		close(p.lead)
	}
	s.turn.Unlock()
	select {
	case <-p.done:
	case <-p.lead:
		s.lead()
	}
	if p.err != nil {
		return fmt.Errorf("change the state %s: %w", s.path, p.err)
	}
	return nil
}

// lead makes the changes that wait, and has one that came meanwhile make the next.
func (s *Store) lead() {
	s.turn.Lock()
	list := s.pending
	s.pending = nil
	s.turn.Unlock()
	s.changeAll(list)
	s.turn.Lock()
	defer s.turn.Unlock()
	if len(s.pending) == 0 {
		s.changing = false
		return
	}
	close(s.pending[0].lead)
}

// changeAll makes one transaction of several changes, or one of each where that fails.
func (s *Store) changeAll(list []*pending) {
	err := s.transact(list)
	if err != nil && len(list) > 1 {
		for _, p := range list {
			s.changeAll([]*pending{p})
		}
		return
	}
	for _, p := range list {
		p.err = err
		close(p.done)
	}
}

func (s *Store) transact(list []*pending) error {
	h := newHead()
	err := s.guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			h = newHead()
			if err := h.read(tx.Bucket([]byte(bucketMeta)).Get([]byte(headKey))); err != nil {
				return err
			}
			for _, p := range list {
				if p.now.After(h.Newest) {
					h.Newest = p.now.Round(0).UTC()
				}
				if err := p.fill(&writer{tx: tx, head: &h}); err != nil {
					return err
				}
			}
			return h.write(tx)
		})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.Newest.After(s.newest) {
		s.newest = h.Newest
	}
	return nil
}

// writer changes buckets within one transaction and keeps the tallies.
type writer struct {
	tx   *bbolt.Tx
	head *head
}

// put stores an entry, or leaves it alone where nothing changes.
func (w *writer) put(bucket string, key, payload []byte) error {
	b := w.tx.Bucket([]byte(bucket))
	value := seal(bucket, key, payload)
	old := b.Get(key)
	if bytes.Equal(old, value) {
		return nil
	}
	t := w.head.Tally[bucket]
	if old != nil {
		t.add(old, -1)
	}
	t.add(value, 1)
	w.head.Tally[bucket] = t
	return b.Put(key, value)
}

func (w *writer) remove(bucket string, key []byte) error {
	b := w.tx.Bucket([]byte(bucket))
	old := b.Get(key)
	if old == nil {
		return nil
	}
	t := w.head.Tally[bucket]
	t.add(old, -1)
	w.head.Tally[bucket] = t
	return b.Delete(key)
}

// removeIf removes entries and counts them. They are found first: a cursor loses its place
// when its bucket changes.
func (w *writer) removeIf(bucket string, count *int, drop func(key, value []byte) bool) error {
	var keys [][]byte
	err := w.tx.Bucket([]byte(bucket)).ForEach(func(key, value []byte) error {
		if drop(key, value) {
			keys = append(keys, bytes.Clone(key))
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, w.remove(bucket, key))
	}
	*count = len(keys)
	return err
}

// entry is a key with the payload to be stored under it; nil: it is removed.
type entry struct{ key, payload []byte }

// putAll stores many entries in the order of their keys, which is quicker by far.
func (w *writer) putAll(bucket string, entries []entry) error {
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for _, e := range entries {
		var err error
		if e.payload == nil {
			err = w.remove(bucket, e.key)
		} else {
			err = w.put(bucket, e.key, e.payload)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) putKnown(known map[resolve.Question]*resolve.Known) error {
	entries := make([]entry, 0, len(known))
	for q, k := range known {
		e := entry{key: questionKey(q)}
		if !k.IsZero() {
			e.payload = encodeKnown(k)
		}
		entries = append(entries, e)
	}
	return w.putAll(bucketKnown, entries)
}

func (w *writer) putSightings(sightings map[resolve.Question]*resolve.Known) error {
	b := w.tx.Bucket([]byte(bucketKnown))
	known := make(map[resolve.Question]*resolve.Known, len(sightings))
	for q, k := range sightings {
		key := questionKey(q)
		if value := b.Get(key); value != nil {
			_, now, err := openKnown(key, value)
			if err != nil {
				return err
			}
			if !slices.Equal(now.Addresses, k.Addresses) {
				continue
			}
		}
		known[q] = k
	}
	return w.putKnown(known)
}

func (w *writer) putSeen(seen map[resolve.Question]resolve.Seen) error {
	b := w.tx.Bucket([]byte(bucketKnown))
	entries := make([]entry, 0, len(seen))
	for q, s := range seen {
		key := questionKey(q)
		value := b.Get(key)
		if value == nil {
			continue
		}
		_, k, err := openKnown(key, value)
		if err != nil {
			return err
		}
		if s.Time.After(k.Seen) && slices.Equal(s.Addresses, k.Addresses) {
			k.Seen = s.Time
			entries = append(entries, entry{key, encodeKnown(k)})
		}
	}
	return w.putAll(bucketKnown, entries)
}

func (w *writer) putEstimates(estimates resolve.Estimates) error {
	entries := make([]entry, 0, len(estimates))
	for k, e := range estimates {
		entries = append(entries, entry{linkKey(k), encodeEstimate(e)})
	}
	return w.putAll(bucketEstimates, entries)
}

// putZone stores a zone; lower lets its serial go back.
func (w *writer) putZone(z Zone, lower bool) error {
	key := z.key()
	if value := w.tx.Bucket([]byte(bucketZones)).Get(key); value != nil && !lower {
		old, err := openZone(key, value)
		if err != nil {
			return err
		}
		if z.Serial != old.Serial && !z.Serial.After(old.Serial) {
			return &SerialError{Zone: z.Name, View: z.View, Output: z.Output, Have: old.Serial, New: z.Serial}
		}
	}
	form := z.form()
	if _, err := form.value(); err != nil {
		return fmt.Errorf("zone %s: %w", z.Name, err)
	}
	payload, err := json.Marshal(form)
	if err != nil {
		return fmt.Errorf("zone %s: %w", z.Name, err)
	}
	return w.put(bucketZones, key, payload)
}

// appendChanges adds to the history and takes out what is beyond its bounds.
func (w *writer) appendChanges(changes []Change, now time.Time) error {
	next := uint64(0)
	c := w.tx.Bucket([]byte(bucketHistory)).Cursor()
	if key, _ := c.Last(); key != nil {
		next = binary.BigEndian.Uint64(key) + 1
	}
	for i := range changes {
		form := changes[i].form()
		if _, err := form.value(); err != nil {
			return fmt.Errorf("change of %s: %w", changes[i].Owner, err)
		}
		payload, err := json.Marshal(form)
		if err != nil {
			return fmt.Errorf("change of %s: %w", changes[i].Owner, err)
		}
		if err := w.put(bucketHistory, historyKey(next), payload); err != nil {
			return err
		}
		next++
	}
	return w.cutHistory(now.Add(-MaxChangeAge))
}

// cutHistory takes out the oldest changes: those before a time, and those that are too many.
func (w *writer) cutHistory(since time.Time) error {
	b := w.tx.Bucket([]byte(bucketHistory))
	for {
		key, value := b.Cursor().First()
		if key == nil {
			return nil
		}
		c, err := openChange(key, value)
		if err != nil {
			return err
		}
		if w.head.Tally[bucketHistory].Count <= MaxChanges && !c.Time.Before(since) {
			return nil
		}
		if err := w.remove(bucketHistory, bytes.Clone(key)); err != nil {
			return err
		}
	}
}
