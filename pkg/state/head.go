package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of a store.
const (
	bucketMeta      = "meta" // holds the head alone
	bucketKnown     = "known"
	bucketEstimates = "estimates"
	bucketZones     = "zones"
	bucketHistory   = "history"

	headKey = "head"
)

var buckets = [...]string{bucketMeta, bucketKnown, bucketEstimates, bucketZones, bucketHistory}

// Every value begins with a checksum of its bucket, its key and what follows.
const sumLen = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of an entry. A name of a bucket is no beginning of another one's.
func sumOf(bucket string, key, payload []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(bucket))
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, payload)
}

// seal gives the value of an entry.
func seal(bucket string, key, payload []byte) []byte {
	value := make([]byte, sumLen, sumLen+len(payload))
	binary.BigEndian.PutUint32(value, sumOf(bucket, key, payload))
	return append(value, payload...)
}

// unseal gives the payload of a value if its checksum is right.
func unseal(bucket string, key, value []byte) ([]byte, bool) {
	if len(value) < sumLen || binary.BigEndian.Uint32(value) != sumOf(bucket, key, value[sumLen:]) {
		return nil, false
	}
	return value[sumLen:], true
}

// tally is how many entries a bucket has, and the sum of their checksums: an entry that was
// lost, or is an older one, changes it.
type tally struct {
	Count int64  `json:"count"`
	Sum   uint64 `json:"sum"`
}

func (t *tally) add(value []byte, times int64) {
	t.Count += times
	t.Sum += uint64(times) * uint64(binary.BigEndian.Uint32(value))
}

// head is what a store says of itself. Its place, its checksum and its first field are the
// same in every version.
type head struct {
	Version int              `json:"version"`
	Newest  time.Time        `json:"newest"` // the latest time that was committed
	Tally   map[string]tally `json:"tally"`
}

func newHead() head { return head{Version: Version, Tally: map[string]tally{}} }

func (h *head) write(tx *bbolt.Tx) error {
	payload, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(headKey), seal(bucketMeta, []byte(headKey), payload))
}

func (h *head) read(value []byte) error {
	payload, ok := unseal(bucketMeta, []byte(headKey), value)
	if !ok {
		return badPage("the checksum of the head is wrong")
	}
	if err := json.Unmarshal(payload, h); err != nil {
		return badPage("the head cannot be read: %v", err)
	}
	return nil
}

// inspect makes sure that a file is a store of which every byte that counts is as it was
// written, and gives its head.
func inspect(path string) (head, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return head{}, fmt.Errorf("read the state: %w", err)
	case !info.Mode().IsRegular(): // a FIFO would be waited for
		return head{}, fmt.Errorf("read the state: %s is no regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return head{}, fmt.Errorf("read the state: %w", err)
	}
	defer file.Close()
	h, err := verify(file, info.Size())
	switch {
	case errors.Is(err, errPages):
		return head{}, &CorruptError{Path: path, Why: strings.TrimPrefix(err.Error(), errPages.Error()+": ")}
	case err != nil:
		return head{}, fmt.Errorf("read the state: %w", err)
	case h.Version > Version:
		return head{}, &VersionError{Path: path, Version: h.Version}
	}
	return h, nil
}

// verify is the work of inspect. Of a later version it looks at no more than the pages and the
// head; an error that is errPages means that the file is damaged.
func verify(r io.ReaderAt, size int64) (head, error) {
	var (
		h         head
		headValue []byte
		wrong     bool
		found     = map[string]tally{}
	)
	err := verifyPages(r, size, func(bucket string, key, value []byte) {
		if bucket == bucketMeta && string(key) == headKey {
			headValue = append([]byte(nil), value...)
			return
		}
		if _, ok := unseal(bucket, key, value); !ok {
			wrong = true
			return
		}
		t := found[bucket]
		t.add(value, 1)
		found[bucket] = t
	})
	if err == nil {
		err = h.read(headValue)
	}
	switch {
	case err != nil || h.Version > Version:
		return h, err
	case h.Version < 1:
		return h, badPage("format version %d", h.Version)
	case wrong:
		return h, badPage("the checksum of an entry is wrong")
	}
	return h, h.compare(found)
}

// compare holds what was found in the buckets against the tallies.
func (h *head) compare(found map[string]tally) error {
	for _, bucket := range buckets {
		if want := h.Tally[bucket]; found[bucket] != want {
			return badPage("%d of %d entries of %q are as they were written", found[bucket].Count, want.Count, bucket)
		}
		delete(found, bucket)
	}
	if len(found) > 0 {
		return badPage("there is a bucket that is not known")
	}
	return nil
}
