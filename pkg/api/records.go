package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// editWait is how long an edit waits for another one of the same file.
const editWait = 5 * time.Second

// EditableZone is a zone whose source may be looked at and edited by those who have a grant.
type EditableZone struct {
	Name zone.Name
	View string // zones of one name are told apart by it
	Path string // of the source, which is edited
	// Load reads the source as it is now. Several sources are one text that is read in several
	// ways, and all of them have to be good. The caller calls done when it needs them no more.
	Load func() (sources []compile.Source, done func(), problems diag.List)
}

// ID names the zone in the API: its name, and where there is a view NAME.VIEW with two dots
// between, as in example.com..internal.
func (z *EditableZone) ID() string {
	if z.View == "" {
		return z.Name.String()
	}
	return z.Name.String() + "." + z.View
}

// Caller is who asks, over which face.
type Caller struct {
	Grant Grant
	Who   string // the ID of a token, or the name of a key
	Via   string // the face: native, powerdns, provider, page or update
	Peer  netip.AddrPort
}

// holder is what the caller has shown.
func (c *Caller) holder() string {
	if c.Via == ViaUpdate {
		return "key"
	}
	return "token"
}

// Audit is an edit that was asked for, and what came of it.
type Audit struct {
	Time       time.Time
	Caller     Caller
	Zone       zone.Name
	View       string
	Path       string
	Difference zone.Difference // of the source; nil where the edit was refused, or changes nothing
	ETag       string          // of the source as it is now; empty where it was not read
	Err        error           // why it was refused; nil: the edit is made
}

// Records is the store of source records that every face shows and edits: the sources
// themselves. ALIAS records are in it as such. Its methods may be called concurrently.
type Records struct {
	// Zones gives the editable zones of the configuration as it is now, in canonical order.
	Zones func() []EditableZone
	// Audit is told of each edit that is not only tried, once it is made or refused. It is
	// called concurrently.
	Audit func(Audit)
}

// Reason is why a request came to nothing.
type Reason uint8

// The reasons.
const (
	ReasonUnknown   Reason = iota + 1 // there is no such zone, or none that the caller may see
	ReasonNoRecord                    // there is no such record
	ReasonForbidden                   // the grant does not allow it
	ReasonInvalid                     // the edit, or the zone that would come of it, has errors
	ReasonChanged                     // the source is not the one that the edit is meant for
	ReasonBusy                        // another edit of the file takes too long
	ReasonSource                      // the source has errors as it is, so nobody can edit it here
	ReasonWorld                       // the source cannot be read or written
)

// RefusedError is that a request came to nothing; the source is as it was.
type RefusedError struct {
	Reason   Reason
	Message  string
	Hint     string
	Problems diag.List // what is wrong, with ReasonInvalid and ReasonSource
	Err      error     // what it comes from; may be nil
}

func (e *RefusedError) Error() string { return e.Message }

func (e *RefusedError) Unwrap() error { return e.Err }

// Refusef makes a [*RefusedError].
func Refusef(reason Reason, format string, args ...any) *RefusedError {
	return &RefusedError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Reading is the source of a zone as it was read.
type Reading struct {
	Zone    EditableZone
	ETag    string // of the source, without quotation marks
	Serial  zone.Serial
	Records []zonefile.SourceRecord // in the order of the text

	source *zonefile.Zone
	load   []compile.Source
}

// Edit asks for records of a zone to be changed.
type Edit struct {
	Zone EditableZone
	// Changes gives what is to be changed of the source as it is now. An error of it is that
	// of the edit.
	Changes func(r *Reading) ([]zonefile.RRsetChange, error)
	// IfMatch are ETags one of which the source has to have, without quotation marks; * is any.
	// None: whatever it has.
	IfMatch []string
	DryRun  bool // nothing is written
}

// Outcome is what came of an edit.
type Outcome struct {
	Before, After *Reading // After is Before where nothing has changed
	Difference    zone.Difference
	Written       bool
	Old, New      []byte    // the text of the source before and after
	Problems      diag.List // warnings that the edit brings along
}

// Diff is the difference of the text of the source, unified, with the name of its file; empty:
// there is none.
func (o *Outcome) Diff() string {
	name := filepath.Base(o.Before.Zone.Path)
	_, hunks, _ := strings.Cut(string(diff.Diff(name, o.Old, name, o.New)), "\n") // the first line is that of a command
	return hunks
}

// List gives the zones that a caller may see.
func (r *Records) List(c *Caller) []EditableZone {
	return slices.DeleteFunc(slices.Clone(r.Zones()), func(z EditableZone) bool { return !c.Grant.Allows(ScopeRead, z.Name) })
}

// Find gives the zone with an ID, which is a name or as [EditableZone.ID] says, with or without
// a final dot. A zone that the caller may not see is none: ReasonUnknown.
func (r *Records) Find(c *Caller, id string) (EditableZone, error) {
	for _, z := range r.List(c) {
		if own := z.ID(); own == id || own == id+"." {
			return z, nil
		}
	}
	return EditableZone{}, Refusef(ReasonUnknown, "there is no editable zone %q", id)
}

// Read gives the records of a zone that [Records.Find] gave.
func (r *Records) Read(c *Caller, z EditableZone) (*Reading, error) {
	if !c.Grant.Allows(ScopeRead, z.Name) {
		return nil, Refusef(ReasonForbidden, "the token does not let read %s", z.Name)
	}
	reading, done, err := readZone(z)
	done()
	return reading, err
}

// readZone reads a source. The caller calls done when the sources are needed no more.
func readZone(z EditableZone) (*Reading, func(), error) {
	sources, done, problems := z.Load()
	if problems.HasErrors() {
		return nil, done, &RefusedError{Reason: ReasonWorld, Message: "the source cannot be read", Problems: problems}
	}
	source := sources[0].Zone()
	if source.Found.HasErrors() {
		return nil, done, &RefusedError{
			Reason: ReasonSource, Message: "the source has errors", Hint: "aliasflat check tells where",
			Problems: slices.DeleteFunc(slices.Clone(source.Found), func(d *diag.Diagnostic) bool { return d.Severity != diag.Error }),
		}
	}
	reading := &Reading{Zone: z, source: source, load: sources, ETag: publish.ETag(sources[0].Text), Records: source.SourceRecords(zone.Name{}, 0)}
	reading.Serial, _ = source.Serial()
	return reading, done, nil
}

// Edit changes records in a source, and nothing else of it: checked as compile checks them, in
// one step, while nobody else edits by this package or by the command. It returns when the new
// source is on disk; the daemon finds it there. An error is mostly a [*RefusedError].
func (r *Records) Edit(ctx context.Context, c *Caller, e *Edit) (*Outcome, error) {
	out, err := r.locked(ctx, c, e)
	if r.Audit == nil || e.DryRun {
		return out, err
	}
	a := Audit{Time: time.Now(), Caller: *c, Zone: e.Zone.Name, View: e.Zone.View, Path: e.Zone.Path, Err: err}
	if err == nil {
		a.Difference, a.ETag = out.Difference, out.After.ETag
	}
	r.Audit(a)
	return out, err
}

func (r *Records) locked(ctx context.Context, c *Caller, e *Edit) (*Outcome, error) {
	if !c.Grant.Allows(ScopeRecords, e.Zone.Name) {
		return nil, Refusef(ReasonForbidden, "the token does not let edit %s", e.Zone.Name)
	}
	if e.DryRun {
		return r.edit(ctx, c, e)
	}
	lock, err := publish.TakeLock(ctx, e.Zone.Path, editWait)
	if err == nil {
		defer func() { _ = lock.Release() }() // what stays is no lock, as nobody holds it
		err = publish.Clean(lock)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, publish.ErrLocked):
		return nil, &RefusedError{Reason: ReasonBusy, Message: "another edit of this zone is at work", Hint: "try again", Err: err}
	case err != nil:
		return nil, &RefusedError{Reason: ReasonWorld, Message: "the source cannot be edited", Err: err}
	}
	return r.edit(ctx, c, e)
}

// edit makes the edit while nobody else edits the file.
func (r *Records) edit(ctx context.Context, c *Caller, e *Edit) (*Outcome, error) {
	before, done, err := readZone(e.Zone)
	defer func() { done() }()
	if err != nil {
		return nil, err
	}
	if len(e.IfMatch) > 0 && !slices.Contains(e.IfMatch, "*") && !slices.Contains(e.IfMatch, before.ETag) {
		return nil, &RefusedError{Reason: ReasonChanged, Message: "the source has changed: its ETag is " + before.ETag, Hint: "read it again and repeat the edit"}
	}
	changes, err := e.Changes(before)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Before: before, After: before, Old: before.load[0].Text, New: before.load[0].Text}
	if len(changes) == 0 {
		return out, nil
	}
	edited, problems := compile.Edit(ctx, before.load, changes)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case edited == nil:
		return nil, &RefusedError{Reason: ReasonInvalid, Message: invalid(problems), Problems: problems}
	}
	for i := range edited.Difference {
		if why := c.Grant.forbids(&edited.Difference[i], c.holder()); why != "" {
			return nil, Refusef(ReasonForbidden, "%s", why)
		}
	}
	out.Problems, out.Difference = problems, edited.Difference
	if !edited.Changed() {
		return out, nil
	}
	out.New = edited.Text.Bytes()
	if !e.DryRun {
		if err := publish.WriteEdited(e.Zone.Path, edited.Text, before.ETag); err != nil {
			return nil, unwritten(err)
		}
		out.Written = true
	}
	after := before.load[0]
	after.Text = out.New
	source := after.Zone()
	out.After = &Reading{Zone: e.Zone, source: source, ETag: publish.ETag(out.New), Records: source.SourceRecords(zone.Name{}, 0), Serial: before.Serial}
	return out, nil
}

// invalid is the first problem in one line.
func invalid(problems diag.List) string {
	if len(problems) == 0 {
		return "the edit cannot be made"
	}
	return problems[0].Message
}

func unwritten(err error) error {
	if errors.Is(err, publish.ErrEdited) {
		return &RefusedError{Reason: ReasonChanged, Message: "somebody else has written the source just then", Hint: "repeat the edit", Err: err}
	}
	return &RefusedError{Reason: ReasonWorld, Message: "the source cannot be written", Hint: "it is as it was", Err: err}
}
