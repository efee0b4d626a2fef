package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// memoryFlags are the flags that say what is remembered, and what is let through.
type memoryFlags struct {
	state string
	force bool
	adopt bool
}

func (f *memoryFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.state, "state", "", "remember answers, serials and changes in `DIR` (default: the output alone is remembered)")
	flags.BoolVar(&f.force, "force", false, "publish what a guard would hold back")
	flags.BoolVar(&f.adopt, "adopt", false, "take an output that somebody else has changed for what was published last")
}

// generationsFolder is where in the folder of the state earlier generations of outputs are.
const generationsFolder = "generations"

// recollection is what earlier runs have left.
type recollection struct {
	store     *state.Store // nil: nothing is remembered but what the outputs show
	dir       string       // of the store
	estimates resolve.Estimates
	now       time.Time // not before what is remembered
	clock     time.Time
	adopt     bool
	preview   bool
	saved     bool                      // the estimates are
	published map[resolve.Question]bool // by this run; what is known of them is remembered
}

// stateOf is the folder of the state; empty: there is none.
func (f *memoryFlags) stateOf(c *config.Config) string {
	dir := c.State
	override(&dir, f.state)
	return dir
}

// openMemory opens the state, where one was asked for. A preview only reads it, and takes one
// that is not there for an empty one.
func (f *memoryFlags) openMemory(c *config.Config, preview bool, wait time.Duration) (*recollection, diag.List, outcome) {
	now := time.Now()
	m := &recollection{now: now, clock: now, adopt: f.adopt, preview: preview, published: map[resolve.Question]bool{}}
	dir := f.stateOf(c)
	if dir == "" {
		return m, nil, 0
	}
	store, err := state.Open(dir, state.Options{ReadOnly: preview, Wait: wait})
	switch {
	case preview && errors.Is(err, fs.ErrNotExist):
		return m, nil, 0
	case preview && errors.Is(err, state.ErrCorrupt):
		return m, diag.List{warnStateLost(dir, err)}, 0
	case err != nil:
		if d, o := stateProblem(err); d != nil {
			return m, diag.List{d}, o
		}
		return m, diag.List{problemState(dir, err)}, outcomeWorld
	}
	m.dir = dir
	m.store, m.now = store, store.Clamp(m.now)
	m.estimates = store.Estimates()
	if m.estimates == nil {
		m.estimates = resolve.Estimates{}
	}
	if err := store.Problem(); err != nil {
		return m, diag.List{warnStateLost(dir, err)}, 0
	}
	return m, nil, 0
}

func (m *recollection) close() {
	if m.store != nil {
		_ = m.store.Close() // what was committed is on disk
	}
}

// known gives what is remembered of a question.
func (m *recollection) known(q resolve.Question) *resolve.Known {
	known, _ := m.store.Known(q)
	return known
}

// options adds what is remembered to the options of a run.
func (m *recollection) options(to *compile.Options) {
	to.Now, to.Clock = m.now, m.clock
	to.Forgets = m.store == nil || m.preview
	if m.store != nil {
		to.Known, to.Estimates = m.known, m.estimates
	}
}

// outputKey names the output of a job in the state: the same file under every name. Standard
// output has none.
func (j *job) outputKey() string {
	if j.output == "-" {
		return ""
	}
	if j.key == "" {
		j.key = realPath(j.output)
	}
	return j.key
}

// recall lays what is remembered of a zone over what its output shows.
func (m *recollection) recall(j *job) {
	if m.store == nil || len(j.problems) > 0 {
		return
	}
	j.source.Remembers, j.source.Lasting = true, true
	if !m.preview {
		j.earlier = publish.Generations{Dir: filepath.Join(m.dir, generationsFolder), Count: j.settings.Keep}
	}
	name := j.source.Origin
	if name.IsZero() {
		name = zonefile.FindOrigin(j.path, j.source.Text)
	}
	last, ok := m.store.Zone(name, j.view, j.outputKey())
	if !ok {
		return
	}
	o := readOwed(last.Owed)
	if j.delivery.any() {
		j.delivery.owed.Reload = j.delivery.owed.Reload || o.Reload
		j.delivery.owed.Hooks = o.Hooks
	}
	if j.shown == nil {
		j.recallRecords(&last)
		return
	}
	if !m.adopt && j.editedByOthers(&last) {
		j.problems = append(j.problems, problemEdited(j, &last))
		j.outcome |= outcomeWorld
		return
	}
	j.later(last.Serial, "the state")
}

// recallRecords takes what is remembered for what was published where no output shows it. What
// a killed run was about to write may have been seen by somebody, so it counts as published.
func (j *job) recallRecords(last *state.Zone) {
	if w := readOwed(last.Owed).Writing; w != nil && w.Serial.After(last.Serial) {
		last = w.over(*last)
	}
	p := j.source.Published
	if p != nil && p.Serial != last.Serial && !last.Serial.After(p.Serial) {
		j.later(last.Serial, "the state") // they may have no order
		return
	}
	remembered := compile.Published{}
	if p != nil {
		remembered = *p
	}
	remembered.Serial = last.Serial
	sum, records := uint32(last.Sum>>32), last.Records
	remembered.Same = func(draft *zonefile.Text, content zonefile.Content) (bool, error) {
		if records != 0 {
			return content.Lasting == records, nil
		}
		_, apart := draft.Checksums() // all that earlier releases have kept
		return apart == sum, nil
	}
	j.source.Published = &remembered
}

// over is what the state would have of a zone if what was intended had been remembered.
func (w *intended) over(last state.Zone) *state.Zone {
	last.Serial, last.Sum, last.Size, last.Records, last.Published = w.Serial, w.Sum, w.Size, w.Records, time.Time{}
	return &last
}

// editedByOthers tells whether an output is neither the one that was written last nor the one
// that was about to be: by a run that was killed, or could not remember what it wrote.
func (j *job) editedByOthers(last *state.Zone) bool {
	w := readOwed(last.Owed).Writing
	return j.edited(last) && (w == nil || j.edited(w.over(*last)))
}

// edited tells whether an output is not the one that was written last. Only one that was
// touched since is read for that.
func (j *job) edited(last *state.Zone) bool {
	info, err := os.Stat(j.output)
	if err != nil {
		return false // who reads it will say so
	}
	if info.Size() != last.Size || *j.shown != last.Serial {
		return true
	}
	if info.ModTime().Equal(last.Published) {
		return false
	}
	sum, err := publish.Checksum(j.output)
	return err == nil && sum != uint32(last.Sum)
}

// sumOf is by what a text that was published is known again: CRC-32C of the text in the low
// half, and without its serial in the high half.
func sumOf(text *zonefile.Text) uint64 {
	whole, apart := text.Checksums()
	return uint64(apart)<<32 | uint64(whole)
}

// owed is what the state keeps of a zone beside what was published of it: what delivery has
// still to do, and the text that a run was about to write.
type owed struct {
	publish.Owed
	Writing *intended `json:"writing,omitempty"`
}

// intended is by what a text is known again.
type intended struct {
	Serial zone.Serial `json:"serial"`
	Sum    uint64      `json:"sum,string"` // see sumOf
	Size   int64       `json:"size"`
	// Records is that of [state.Zone]; 0 where an earlier release was killed.
	Records uint64 `json:"records,string,omitempty"`
}

func readOwed(raw json.RawMessage) owed {
	var o owed
	_ = json.Unmarshal(raw, &o) // one that cannot be read owes nothing
	return o
}

// keep gives the form in which it is kept; nil where there is nothing.
func (o owed) keep() json.RawMessage {
	if !o.Any() && o.Writing == nil {
		return nil
	}
	raw, _ := json.Marshal(o) // it is made of booleans and numbers
	return raw
}

// promise keeps what is about to be written over an output, so that a run that is killed in
// between is not taken for somebody else's edit, and its hooks are made up for. What cannot be
// promised is not written.
func (m *recollection) promise(j *job, r *compile.Result, z *ZoneReport) outcome {
	if m.store == nil || m.preview {
		return 0
	}
	j.sum = sumOf(r.Text)
	j.promise = func(f *publish.Forward) error {
		return m.intend(j, r.Name, f.Text, intended{f.Serial, sumOf(f.Text), f.Text.Len(), f.Content.Lasting}, true)
	}
	err := m.intend(j, r.Name, r.Text, intended{r.Serial, j.sum, r.Text.Len(), r.Content.Lasting}, r.Changed)
	if err == nil {
		return 0
	}
	d := problemRemember(m.store.Path(), err)
	d.Hint = j.stands()
	z.Diagnostics = append(z.Diagnostics, d)
	return outcomeWorld
}

// intend is promise for one text of a zone; changed tells whether its records are others than
// those of the output.
func (m *recollection) intend(j *job, name zone.Name, text *zonefile.Text, next intended, changed bool) error {
	last, ok := m.store.Zone(name, j.view, j.outputKey())
	if !ok || j.output == "-" {
		return nil // an output that the state does not know is nobody's edit
	}
	if !changed {
		if same, err := publish.Same(j.output, text); same && err == nil {
			return nil
		}
	}
	earlier := readOwed(last.Owed)
	if w := earlier.Writing; w != nil {
		// What this run promises takes the place of what a killed one has written, or this one
		// before, and this one may be killed too before it writes.
		if sum, err := publish.Checksum(j.output); err == nil && sum == uint32(w.Sum) {
			last.Serial, last.Sum, last.Size, last.Records = w.Serial, w.Sum, w.Size, w.Records
		}
	}
	o := owed{Owed: earlier.Owed, Writing: &next}
	o.Reload = o.Reload || changed && len(j.delivery.hooks) > 0
	last.Owed = o.keep()
	return m.store.Commit(state.Update{Zone: &last, Now: m.now})
}

// forgetAfter is when an answer is forgotten that nobody has asked for since.
const forgetAfter = 366 * 24 * time.Hour

// tidy forgets what nobody has asked for in a long time.
func (m *recollection) tidy(results []compile.Result) {
	if m.store == nil || m.preview {
		return
	}
	needed := map[resolve.Question]bool{}
	for i := range results {
		if results[i].Remember == nil {
			return // a zone that could not be read may need any of them
		}
		for q := range results[i].Remember() {
			needed[q] = true
		}
	}
	_, _ = m.store.Tidy(m.now.Add(-forgetAfter), func(q resolve.Question) bool { return needed[q] }) // it is tried again by the next run
}

// remember keeps what came of a zone, unless its output is still, or again, the old one. What a
// run has published stands even where that cannot be kept.
func (m *recollection) remember(j *job, r *compile.Result, z *ZoneReport) outcome {
	if m.store == nil || m.preview || z.NewSerial == nil && z.Forward == nil || r.Remember == nil {
		return 0
	}
	u := state.Update{Estimates: j.learned, Now: m.now}
	if z.Forward == nil { // what was answered is published
		u.Known = r.Remember()
	}
	if !m.saved {
		u.Estimates = m.estimates
	}
	last, ok := m.store.Zone(r.Name, j.view, j.outputKey())
	if now := m.zone(j, r, z); !ok || !now.same(&last) {
		u.Zone = &now.Zone
	}
	if z.Written && r.Changed && z.Forward == nil {
		u.Changes = m.changes(j, r)
	}
	if err := m.store.Commit(u); err != nil {
		z.Diagnostics = append(z.Diagnostics, problemRemember(m.store.Path(), err))
		return outcomeWorld
	}
	m.saved = true
	for q := range u.Known {
		m.published[q] = true
	}
	return 0
}

// sight keeps what a run has seen of the targets whose addresses it did not publish.
func (m *recollection) sight(results []compile.Result) *diag.Diagnostic {
	if m.store == nil || m.preview {
		return nil
	}
	u := state.Update{Known: map[resolve.Question]*resolve.Known{}, Now: m.now}
	for i := range results {
		if results[i].Sightings == nil {
			continue
		}
		for q, known := range results[i].Sightings() {
			if !m.published[q] {
				u.Known[q] = known
			}
		}
	}
	if !m.saved {
		u.Estimates = m.estimates
	}
	if len(u.Known)+len(u.Estimates) == 0 {
		return nil
	}
	return m.sighted(u)
}

// sighted keeps what was seen.
func (m *recollection) sighted(u state.Update) *diag.Diagnostic {
	if err := m.store.Commit(u); err != nil {
		d := problemRemember(m.store.Path(), err)
		d.Hint = "what was seen of the targets is asked for again"
		return d
	}
	return nil
}

// sightAlone is sight for one zone, while others are published.
func (m *recollection) sightAlone(r *compile.Result) *diag.Diagnostic {
	if m.store == nil || r.Sightings == nil {
		return nil
	}
	return m.sighted(state.Update{Sightings: r.Sightings(), Now: m.now})
}

// kept is what the state has of a zone.
type kept struct{ state.Zone }

// same tells whether nothing has to be remembered anew.
func (k kept) same(last *state.Zone) bool {
	return k.Serial == last.Serial && k.Sum == last.Sum && k.Size == last.Size && k.Records == last.Records && k.Published.Equal(last.Published) && string(k.Owed) == string(last.Owed)
}

// zone is what is to be remembered of a zone. An output is known again by its time.
func (m *recollection) zone(j *job, r *compile.Result, z *ZoneReport) kept {
	k := kept{state.Zone{
		Name: r.Name, View: j.view, Output: j.outputKey(),
		Serial: r.Serial, Sum: j.sum, Count: r.Content.Lines, Size: r.Text.Len(), Records: r.Content.Lasting,
		Published: m.now, Owed: owed{Owed: z.Owed}.keep(),
	}}
	if f := z.Forward; f != nil {
		k.Serial, k.Sum, k.Count, k.Size, k.Records = f.Serial, sumOf(f.Text), f.Content.Lines, f.Text.Len(), f.Content.Lasting
	}
	if info, err := os.Stat(j.output); j.output != "-" && err == nil {
		k.Published = info.ModTime()
	}
	return k
}

// changes gives the address RRsets of a zone that were published in another form than before.
func (m *recollection) changes(j *job, r *compile.Result) []state.Change {
	var list []state.Change
	for i := range r.Flattened {
		res := &r.Flattened[i]
		for _, change := range res.Changes {
			c := state.Change{
				Time: m.now, Zone: r.Name, View: j.view, Owner: res.Rule.Owner, Type: change.Type,
				From: change.From, To: change.To, NewSerial: r.Serial, Target: res.Rule.Target, Reason: change.Why,
			}
			if j.source.Published != nil {
				c.OldSerial = j.source.Published.Serial
			}
			if change.Answer != nil {
				c.Chain, c.Resolver = change.Answer.Chain, change.Answer.Resolver
			}
			list = append(list, c)
		}
	}
	return list
}

// distrust is why a run may not believe its resolvers that something is gone.
func distrust(lookup *compile.Resolvers) string {
	if len(lookup.Problems()) > 0 {
		return "a resolver of this run invents addresses"
	}
	return ""
}

// held tells what a result holds back, for the exit status.
func (z *ZoneReport) held(r *compile.Result, preview bool) outcome {
	var o outcome
	if r.Guarded && !preview {
		o |= outcomeGuarded
	}
	if r.Stale {
		o |= outcomeStale
	}
	z.Stale = r.Held
	return o
}

func place(path string) diag.Span { return diag.Span{Pos: diag.Pos{File: path}} }

func problemState(dir string, err error) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeStateUnusable, Err: err, Span: place(dir),
		Message: "the state cannot be used: " + err.Error(), Hint: "nothing was written; without --state the output alone is remembered",
	}
}

func warnStateLost(dir string, err error) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Warning, Code: diag.CodeStateCorrupt, Err: err, Span: place(dir),
		Message: "what was remembered is lost: " + err.Error(), Hint: "addresses and serials go on from the outputs; nothing that is published is changed by this",
	}
}

func problemRemember(path string, err error) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeStateUnusable, Err: err, Span: place(path),
		Message: "the run is not remembered: " + err.Error(), Hint: "the new output stands; what was learned of the targets is asked for again",
	}
}

func problemEdited(j *job, last *state.Zone) *diag.Diagnostic {
	message := "this is not the file that the last run wrote: "
	if *j.shown != last.Serial {
		message += fmt.Sprintf("its serial is %d, not %d", *j.shown, last.Serial)
	} else {
		message += fmt.Sprintf("its text is another one under the same serial %d", last.Serial)
	}
	hint := "aliasflat diff --adopt shows what of it would go; bring into the source what shall stay, " +
		"then overwrite the file with aliasflat compile --adopt"
	if j.watched {
		hint = "changes belong into the source; once the file is moved away it is written anew"
	}
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeOutputEdited, Span: place(j.output), Hint: hint,
		Message: message + "; somebody has changed or replaced it, so it is not overwritten",
	}
}

// lastGood gives what the output of a job shows of the targets. It is read when it is asked
// for first; one that cannot be read keeps the zone from being written, since nobody would know
// what to hold.
func (j *job) lastGood() func(owner, target zone.Name, qtype uint16) *resolve.Known {
	path := j.last
	var last func(owner, target zone.Name, qtype uint16) *resolve.Known
	return func(owner, target zone.Name, qtype uint16) *resolve.Known {
		if last != nil {
			return last(owner, target, qtype)
		}
		last = func(zone.Name, zone.Name, uint16) *resolve.Known { return nil }
		f, err := os.Open(path)
		if err == nil {
			defer f.Close()
			last, err = compile.LastOf(f)
		}
		if err != nil {
			j.blocked(fmt.Errorf("read what was published: %w", err))
		}
		return last(owner, target, qtype)
	}
}
