package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	maxLine       = 1 << 20 // bytes, of one line of an import
	maxLineErrors = 20      // that are told of
)

// LineError is what is wrong with a line of a text.
type LineError struct {
	Line    int // from 1
	Column  int // in bytes, from 1; 0: the line as a whole
	Message string
	Err     error // cause, for errors.Is; may be nil
}

func (e *LineError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Unwrap gives the cause.
func (e *LineError) Unwrap() error { return e.Err }

// LineErrors is everything that is wrong with a text, in the order of its lines.
type LineErrors []*LineError

func (l LineErrors) Error() string {
	texts := make([]string, len(l))
	for i, e := range l {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives the errors.
func (l LineErrors) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// ImportOptions say what an import may do.
type ImportOptions struct {
	Lower bool      // serials may go back
	Now   time.Time // nothing is from later than a day after
}

// Imported counts what an import brought.
type Imported struct{ Known, Estimates, Zones, Changes int }

// Import takes in what [Store.Export] wrote. What was remembered of the same things is
// replaced, and all else stays; changes that are in the history already are not added again.
//
// Everything is read and judged before anything is written, and what is wrong is a
// [LineErrors], of 20 at most. That a serial would go back is one of them, and is
// [ErrSerialLower].
func (s *Store) Import(r io.Reader, o ImportOptions) (Imported, error) {
	o.Now = s.Clamp(o.Now) // what a clock that was set back calls the future is none
	in := &importer{options: o, lines: map[string]int{}}
	if err := in.read(r); err != nil {
		return Imported{}, fmt.Errorf("read the import: %w", err)
	}
	in.serials(s)
	if len(in.wrong) > 0 {
		slices.SortStableFunc(in.wrong, func(a, b *LineError) int { return a.Line - b.Line })
		return Imported{}, in.wrong[:min(len(in.wrong), maxLineErrors)]
	}
	now := s.Clamp(in.newest)
	err := s.change(now, func(w *writer) error {
		err := errors.Join(w.putKnown(in.known), w.putEstimates(in.estimates))
		for _, z := range in.zones {
			err = errors.Join(err, w.putZone(z.value, o.Lower))
		}
		if err != nil {
			return err
		}
		return w.mergeChanges(in.changes, now)
	})
	if err != nil {
		return Imported{}, err
	}
	return Imported{len(in.known), len(in.estimates), len(in.zones), len(in.changes)}, nil
}

// importer is one import while it is read.
type importer struct {
	options   ImportOptions
	newest    time.Time
	known     map[resolve.Question]*resolve.Known
	estimates resolve.Estimates
	zones     []importedZone
	changes   []Change

	line  int
	lines map[string]int // of the keys that were met, by kind
	wrong LineErrors
}

type importedZone struct {
	line  int
	value Zone
}

func (in *importer) failf(format string, args ...any) {
	in.wrong = append(in.wrong, &LineError{Line: in.line, Message: fmt.Sprintf(format, args...)})
}

// read reads all lines. The error is for a text that cannot be read.
func (in *importer) read(r io.Reader) error {
	in.known, in.estimates = map[resolve.Question]*resolve.Known{}, resolve.Estimates{}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() && len(in.wrong) < maxLineErrors {
		in.line++
		if in.line == 1 {
			if !in.header(scanner.Bytes()) {
				return nil
			}
			continue
		}
		in.entry(scanner.Bytes())
	}
	in.line++
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		in.failf("the line is longer than %d bytes", maxLine)
		return nil
	}
	if in.line == 1 {
		in.failf("the text is empty; the first line of an export has the schema %s", Schema)
	}
	return scanner.Err()
}

func (in *importer) header(line []byte) bool {
	var h headerJSON
	switch err := strictly(line, &h); {
	case err != nil && h.Schema == "":
		in.failf("the first line is not that of an export: %v", err)
	case h.Schema != Schema:
		in.failf("schema %q; this release reads %s", h.Schema, Schema)
	case err != nil:
		in.failf("%v", err)
	default:
		in.newest = in.stamp("newest", h.Newest)
	}
	return len(in.wrong) == 0
}

// stamp refuses a time to come: from then on it would stay that time, see [Store.Clamp].
func (in *importer) stamp(field string, t time.Time) time.Time {
	if latest := in.options.Now.AddDate(0, 0, 1); t.After(latest) {
		in.failf("%s: %s is in the future", field, t.Format(time.RFC3339))
	}
	return t
}

func (in *importer) entry(line []byte) {
	var k struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(line, &k); err != nil {
		in.failf("%v", misfit(line, &k, err))
		return
	}
	var err error
	switch k.Kind {
	case kindKnown:
		err = in.addKnown(line)
	case kindEstimate:
		err = in.addEstimate(line)
	case kindZone:
		err = in.addZone(line)
	case kindChange:
		err = in.addChange(line)
	default:
		err = fmt.Errorf("kind %q is none of known, estimate, zone and change", k.Kind)
	}
	if err != nil {
		in.failf("%v", err)
	}
}

// strictly decodes one object with no other fields than those of the form.
func strictly(line []byte, form any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(form); err != nil {
		return misfit(line, form, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands after the object")
	}
	return nil
}

// once refuses a key that was met before.
func (in *importer) once(kind string, key []byte) error {
	if first, twice := in.lines[kind+string(key)]; twice {
		return fmt.Errorf("line %d is of the same %s", first, kind)
	}
	in.lines[kind+string(key)] = in.line
	return nil
}

func (in *importer) addKnown(line []byte) error {
	var f struct {
		Kind string `json:"kind"`
		knownJSON
	}
	if err := strictly(line, &f); err != nil {
		return err
	}
	q, k, err := f.value()
	if err != nil {
		return err
	}
	in.stamp("seen", k.Seen)
	in.known[q] = k
	return in.once(kindKnown, questionKey(q))
}

func (in *importer) addEstimate(line []byte) error {
	var f struct {
		Kind string `json:"kind"`
		estimateJSON
	}
	if err := strictly(line, &f); err != nil {
		return err
	}
	k, e, err := f.value()
	if err != nil {
		return err
	}
	in.stamp("seen", e.Seen.Time())
	in.estimates[k] = e
	return in.once(kindEstimate, linkKey(k))
}

func (in *importer) addZone(line []byte) error {
	var f struct {
		Kind string `json:"kind"`
		zoneJSON
	}
	if err := strictly(line, &f); err != nil {
		return err
	}
	z, err := f.value()
	if err != nil {
		return err
	}
	in.stamp("published", z.Published)
	in.zones = append(in.zones, importedZone{in.line, z})
	return in.once(kindZone, z.key())
}

func (in *importer) addChange(line []byte) error {
	var f struct {
		Kind string `json:"kind"`
		changeJSON
	}
	if err := strictly(line, &f); err != nil {
		return err
	}
	c, err := f.value()
	if err != nil {
		return err
	}
	in.stamp("time", c.Time)
	in.changes = append(in.changes, c)
	return nil
}

// serials holds the serials of the import against those that are remembered.
func (in *importer) serials(s *Store) {
	if in.options.Lower {
		return
	}
	have := map[string]zone.Serial{}
	for _, z := range s.Zones(zone.Name{}) {
		have[string(z.key())] = z.Serial
	}
	for _, z := range in.zones {
		old, ok := have[string(z.value.key())]
		if ok && z.value.Serial != old && !z.value.Serial.After(old) {
			err := &SerialError{Zone: z.value.Name, View: z.value.View, Output: z.value.Output, Have: old, New: z.value.Serial}
			in.wrong = append(in.wrong, &LineError{Line: z.line, Message: err.Error(), Err: err})
		}
	}
}

// mergeChanges writes the history anew, with changes among those that are there.
func (w *writer) mergeChanges(changes []Change, now time.Time) error {
	if len(changes) == 0 {
		return nil
	}
	var all []Change
	err := w.tx.Bucket([]byte(bucketHistory)).ForEach(func(key, value []byte) error {
		c, err := openChange(key, value)
		all = append(all, c)
		return err
	})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	merged := make([]Change, 0, len(all)+len(changes))
	for _, c := range slices.Concat(all, changes) {
		text, err := json.Marshal(c.form())
		if err != nil {
			return err
		}
		if !seen[string(text)] {
			seen[string(text)] = true
			merged = append(merged, c)
		}
	}
	slices.SortStableFunc(merged, func(a, b Change) int { return a.Time.Compare(b.Time) })
	count := 0
	if err := w.removeIf(bucketHistory, &count, func(_, _ []byte) bool { return true }); err != nil {
		return err
	}
	return w.appendChanges(merged, now)
}
