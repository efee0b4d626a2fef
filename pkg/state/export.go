package state

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"
)

// Schema names the form of an export in its first line.
const Schema = "aliasflat/state/v1"

// The kinds of the lines after it.
const (
	kindKnown    = "known"
	kindEstimate = "estimate"
	kindZone     = "zone"
	kindChange   = "change"
)

// headerJSON is the first line of an export.
type headerJSON struct {
	Schema string    `json:"schema"`
	Newest time.Time `json:"newest,omitzero"` // see [Store.Clamp]
}

// Export writes all that is remembered as JSON, one object a line: a header, then answers,
// estimates, zones, and changes in the order of their times. The same contents give the same
// bytes.
func (s *Store) Export(w io.Writer) error {
	buf := bufio.NewWriter(w)
	out := json.NewEncoder(buf)
	out.SetEscapeHTML(false)
	err := s.guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { return exportAll(tx, out) })
	})
	if err == nil {
		err = buf.Flush()
	}
	if err != nil {
		return fmt.Errorf("export the state %s: %w", s.path, err)
	}
	return nil
}

func exportAll(tx *bbolt.Tx, out *json.Encoder) error {
	var h head
	if err := h.read(tx.Bucket([]byte(bucketMeta)).Get([]byte(headKey))); err != nil {
		return err
	}
	if err := out.Encode(headerJSON{Schema: Schema, Newest: h.Newest}); err != nil {
		return err
	}
	for _, part := range []struct {
		bucket string
		write  func(key, value []byte) error
	}{
		{bucketKnown, func(key, value []byte) error {
			q, k, err := openKnown(key, value)
			if err != nil {
				return err
			}
			return out.Encode(struct {
				Kind string `json:"kind"`
				knownJSON
			}{kindKnown, knownForm(q, k)})
		}},
		{bucketEstimates, func(key, value []byte) error {
			k, e, err := openEstimate(key, value)
			if err != nil {
				return err
			}
			return out.Encode(struct {
				Kind string `json:"kind"`
				estimateJSON
			}{kindEstimate, estimateJSON{k.Owner.String(), typeText(k.Type), e}})
		}},
		{bucketZones, func(key, value []byte) error {
			z, err := openZone(key, value)
			if err != nil {
				return err
			}
			return out.Encode(struct {
				Kind string `json:"kind"`
				zoneJSON
			}{kindZone, z.form()})
		}},
		{bucketHistory, func(key, value []byte) error {
			c, err := openChange(key, value)
			if err != nil {
				return err
			}
			return out.Encode(struct {
				Kind string `json:"kind"`
				changeJSON
			}{kindChange, c.form()})
		}},
	} {
		if err := tx.Bucket([]byte(part.bucket)).ForEach(part.write); err != nil {
			return err
		}
	}
	return nil
}
