package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// recordCommand is the work of aliasflat record.
type recordCommand struct {
	*app
	sourceFlags

	ttl     string // of set and add
	ifMatch string // of those that edit
	dryRun  bool   // of those that edit
	wait    string // of those that edit
	etag    bool   // of get
}

func newRecordCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Read and edit the records of a source",
		Long: `record edits records in a source, and nothing else of it: comments, order, layout
and the serial stay byte for byte. A new record stands beside the others of its owner
name, in the form of the lines around it; one that replaces another keeps its place and
its comment. Records are checked as check checks them, before anything is written.

FILE is a zone file, or the source of a configured zone, which --zone NAME names as
well. OWNER is relative to the zone name, which is @, or ends with a dot. Each RDATA is
one argument: relative names in it are below the zone name too.`,
		Args: cobra.ArbitraryArgs,
		RunE: noCommand,
	}
	cmd.AddCommand(newRecordListCommand(a), newRecordGetCommand(a))
	for _, e := range recordEdits {
		cmd.AddCommand(newRecordEditCommand(a, e))
	}
	return cmd
}

func newRecordListCommand(a *app) *cobra.Command {
	c := &recordCommand{app: a}
	cmd := &cobra.Command{
		Use:   "list FILE [OWNER [TYPE]]",
		Short: "Print the records of a source, ALIAS as such",
		Long: `list prints the records of a source, or those of an owner name, or of one type there,
in the order of the text, one on a line with absolute names. ALIAS records are printed
as they are, not as addresses. What $INCLUDE and $GENERATE make is followed by its
place, since it cannot be edited here.`,
		Example: `  aliasflat record list example.com.zone
  aliasflat record list example.com.zone www
  aliasflat record list --zone example.com @ ALIAS --format json`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.list(cmd, args, 0) },
	}
	c.add(cmd)
	return cmd
}

func newRecordGetCommand(a *app) *cobra.Command {
	c := &recordCommand{app: a}
	cmd := &cobra.Command{
		Use:   "get FILE OWNER TYPE",
		Short: "Print the records of one owner name and type, or the ETag of the file",
		Long: `get prints the records of one owner name and type as list does. With --etag it prints
the ETag of the file instead, and OWNER and TYPE may be left out: an edit with
--if-match ETAG is refused where the file has changed since.`,
		Example: `  aliasflat record get example.com.zone @ ALIAS
  aliasflat record get --etag example.com.zone`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.etag {
				return c.list(cmd, args, 0)
			}
			return c.list(cmd, args, 2)
		},
	}
	cmd.Flags().BoolVar(&c.etag, "etag", false, "print the ETag of the file")
	c.add(cmd)
	return cmd
}

// recordEdit is one of the commands that edit.
type recordEdit struct {
	kind                      zonefile.ChangeKind
	use, short, long, example string
}

var recordEdits = []recordEdit{
	{
		zonefile.ReplaceRRset, "set FILE OWNER TYPE RDATA...", "Let an owner name have these records of a type and no others",
		`set makes the records of one owner name and type exactly those that are given. Where as
many come as go, each keeps the place and the comment of the one that it replaces.
Without --ttl the TTL stays as it is, or is that of records without one at that place.`,
		`  aliasflat record set example.com.zone @ ALIAS cdn.provider.net. --ttl 3600
  aliasflat record set example.com.zone @ ALIAS 'cdn.provider.net. types=A'
  aliasflat record set --dry-run example.com.zone @ MX '10 mail' '20 mail.example.net.'`,
	},
	{
		zonefile.AddRecords, "add FILE OWNER TYPE RDATA...", "Add records to an owner name",
		`add adds records; one that is there already stays as it is. All records of one owner
name and type have one TTL, so --ttl holds for those that were there too.`,
		`  aliasflat record add example.com.zone www A 192.0.2.1 192.0.2.2
  aliasflat record add example.com.zone www TXT '"v=1; a=2"' --ttl 1h`,
	},
	{
		zonefile.DeleteRecords, "delete FILE OWNER TYPE [RDATA...]", "Delete records of an owner name",
		`delete takes the given records out, or all of a type where none are given. Comments on
their lines go along, those on lines of their own stay.`,
		`  aliasflat record delete example.com.zone www A 192.0.2.2
  aliasflat record delete example.com.zone @ ALIAS`,
	},
}

func newRecordEditCommand(a *app, e recordEdit) *cobra.Command {
	c := &recordCommand{app: a}
	cmd := &cobra.Command{
		Use: e.use, Short: e.short, Long: e.long, Example: e.example,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error { return c.edit(cmd, args, e.kind) }),
	}
	flags := cmd.Flags()
	if e.kind != zonefile.DeleteRecords {
		flags.StringVar(&c.ttl, "ttl", "", "let the records have `TTL`: seconds, or with units as in 1h30m")
	}
	flags.BoolVar(&c.dryRun, "dry-run", false, "write nothing, and show what would change in the text and in records")
	flags.StringVar(&c.ifMatch, "if-match", "", "edit the file only if it has this `ETAG`, which record get --etag prints")
	flags.StringVar(&c.wait, "wait", "10s", "wait `TIME` for another edit of the same file, then exit with 6")
	c.add(cmd)
	return cmd
}

// open finds the source that the arguments name, as it is read for each configured zone that has
// it, and gives the arguments behind it.
func (c *recordCommand) open(cmd *cobra.Command, args []string, least int) (jobs []*job, rest []string, err error) {
	var files []string
	if len(c.zones) == 0 && len(args) > 0 {
		files, args = args[:1], args[1:]
	}
	switch {
	case len(c.zones) > 1:
		return nil, nil, usageError{message: "--zone names one zone here"}
	case len(files)+len(c.zones) == 0:
		return nil, nil, usageError{message: "no source was given", hint: cmd.UseLine()}
	case len(args) < least:
		return nil, nil, usageError{message: "an argument is missing", hint: cmd.UseLine()}
	}
	conf, err := c.settings(c.stdout)
	if err != nil {
		return nil, nil, err
	}
	if jobs, err = c.jobs(cmd, conf, files); err != nil {
		return nil, nil, err
	}
	for _, j := range jobs[1:] {
		if j.path != jobs[0].path || j.source.Origin != jobs[0].source.Origin {
			return nil, nil, usageError{message: "several configured zones have this source", hint: "say which one is meant with --zone NAME"}
		}
	}
	return jobs, args, c.pulls(c.stdout, conf, keptIn(conf), false, jobs)
}

// load reads the source once for all of its zones. It gives the report of a source that cannot
// be read.
func (c *recordCommand) load(jobs []*job, roots roots) *report {
	first := jobs[0]
	first.load(c.stdin, roots)
	if len(first.problems) > 0 {
		z := ZoneReport{Name: displayName(first.source.Origin), Source: first.source.Name, Diagnostics: first.problems}
		return &report{Zones: []ZoneReport{z}}
	}
	for _, j := range jobs[1:] {
		j.source.Name, j.source.Text = first.source.Name, first.source.Text
		j.includes(roots)
	}
	return nil
}

// rrset reads owner name and type.
func rrset(args []string, z *zonefile.Zone) (owner zone.Name, typ uint16, found *diag.Diagnostic, err error) {
	if len(args) > 0 {
		if owner, found = zonefile.ParseOwner(args[0], z.Name); found != nil {
			return owner, 0, found, nil
		}
	}
	if len(args) > 1 {
		var ok bool
		if typ, ok = zonefile.ParseType(args[1]); !ok {
			return owner, 0, nil, usageError{message: fmt.Sprintf("%q is no record type", args[1]), hint: "a type is a word such as ALIAS, A or MX, or TYPE and a number"}
		}
	}
	return owner, typ, nil, nil
}

// edit changes records.
func (c *recordCommand) edit(cmd *cobra.Command, args []string, kind zonefile.ChangeKind) error {
	least := 3
	if kind == zonefile.DeleteRecords {
		least = 2
	}
	jobs, rest, err := c.open(cmd, args, least)
	if err != nil {
		return err
	}
	change := zonefile.RRsetChange{Kind: kind, RDATA: rest[2:]}
	if len(change.RDATA) == 0 {
		change.Kind = zonefile.DeleteRRset
	}
	if c.ttl != "" {
		ttl, err := zonefile.ParseTTL(c.ttl)
		if err != nil {
			return usageError{message: "--ttl: " + err.Error()}
		}
		change.TTL = &ttl
	}
	wait, err := time.ParseDuration(c.wait)
	if err != nil || wait < 0 {
		return usageError{message: fmt.Sprintf("--wait: %q is no time", c.wait), hint: "write it as 10s or 1m30s"}
	}
	switch {
	case jobs[0].path == "-":
		return usageError{message: "standard input cannot be edited", hint: "name the file"}
	case jobs[0].pull != nil:
		return usageError{message: jobs[0].path + " is pulled from another primary, so it cannot be edited here", hint: "edit it there"}
	}
	if _, err := os.Stat(jobs[0].path); err != nil || c.dryRun {
		return c.editLocked(cmd, jobs, rest, &change) // which tells what is wrong with the file
	}
	lock, err := publish.TakeLock(cmd.Context(), jobs[0].path, wait)
	if err == nil {
		defer func() { _ = lock.Release() }() // what stays is no lock, as nobody holds it
		err = publish.Clean(lock)
	}
	if err != nil {
		return c.unlocked(cmd, jobs[0], err)
	}
	return c.editLocked(cmd, jobs, rest, &change)
}

// unlocked tells why the source could not be locked.
func (c *recordCommand) unlocked(cmd *cobra.Command, j *job, err error) error {
	if cmd.Context().Err() != nil {
		return cmd.Context().Err()
	}
	held, ok := errors.AsType[*publish.LockedError](err)
	if !ok {
		return c.refused(j, outcomeWorld, recordProblem(diag.CodeUnwritable, j, "cannot be edited: "+withoutPath(err), "", err))
	}
	message := "another edit is at work on this file"
	if held.PID != 0 {
		message += fmt.Sprintf(": process %d", held.PID)
	}
	return c.refused(j, outcomeLocked, recordProblem(diag.CodeLocked, j, message, "--wait says how long to wait for it", err))
}

// withoutPath is an error without the paths, which stand in front of it anyway.
func withoutPath(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+len(": "):]
	}
	return text
}

func recordProblem(code diag.Code, j *job, message, hint string, err error) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Error, Code: code, Span: diag.Span{Pos: diag.Pos{File: j.path}}, Message: message, Hint: hint, Err: err}
}

// refused reports why nothing is written.
func (c *recordCommand) refused(j *job, o outcome, problems ...*diag.Diagnostic) error {
	z := ZoneReport{Name: displayName(j.source.Origin), Source: j.path, Diagnostics: problems}
	return c.finish(c.stdout, &report{Zones: []ZoneReport{z}}, o)
}

// editLocked makes the change while nobody else edits the file.
func (c *recordCommand) editLocked(cmd *cobra.Command, jobs []*job, args []string, change *zonefile.RRsetChange) error {
	roots := roots{}
	defer roots.close()
	j := jobs[0]
	if rep := c.load(jobs, roots); rep != nil {
		return c.finish(c.stdout, rep, j.outcome)
	}
	etag := publish.ETag(j.source.Text)
	if given := strings.Trim(c.ifMatch, `"`); given != "" && given != etag {
		return c.refused(j, outcomeGuarded, problemOther(j, fmt.Sprintf("its ETag is %s, not %s", etag, given), nil))
	}
	z := j.source.Zone()
	j.source.Origin = z.Name
	owner, typ, found, err := rrset(args, z)
	switch {
	case err != nil:
		return err
	case found != nil && !z.Name.IsZero():
		return c.refused(j, outcomeSource, found)
	}
	change.Owner, change.Type = owner, typ
	sources := make([]compile.Source, 0, len(jobs))
	for _, j := range jobs {
		sources = append(sources, j.source)
	}
	edited, problems := compile.Edit(cmd.Context(), sources, []zonefile.RRsetChange{*change})
	if edited == nil {
		return c.refused(j, outcomeSource, wouldBe(j, problems)...)
	}
	return c.write(j, z, edited, problems)
}

// wouldBe says of problems in the edited text that nobody finds them in the file.
func wouldBe(j *job, problems diag.List) diag.List {
	for _, d := range problems {
		if d.Span.File == j.source.Name && d.Span.Line > 0 && !strings.HasPrefix(string(d.Code), "edit-") {
			d.Related = append(d.Related, diag.Note{Message: "this is the text that the edit would make; nothing is written"})
		}
	}
	return problems
}

func problemOther(j *job, why string, err error) *diag.Diagnostic {
	return recordProblem(diag.CodeEditChanged, j, "is not the file that the edit is meant for: "+why, "look at it and repeat the edit", err)
}

// list prints records, or the ETag.
func (c *recordCommand) list(cmd *cobra.Command, args []string, least int) error {
	if c.format != "text" && c.format != "json" {
		return usageError{message: fmt.Sprintf("record %s prints text or json, not %s", cmd.Name(), c.format)}
	}
	jobs, rest, err := c.open(cmd, args, least)
	if err != nil {
		return err
	}
	if len(rest) > 2 {
		return usageError{message: fmt.Sprintf("unexpected argument %q", rest[2]), hint: cmd.UseLine()}
	}
	roots := roots{}
	defer roots.close()
	j := jobs[0]
	if rep := c.load(jobs[:1], roots); rep != nil {
		return c.finish(c.stderr, rep, j.outcome)
	}
	etag := publish.ETag(j.source.Text)
	if c.etag && c.format == "text" {
		_, err := fmt.Fprintln(c.stdout, etag)
		return err
	}
	z := j.source.Zone()
	owner, typ, found, err := rrset(rest, z)
	if err != nil {
		return err
	}
	problems := slices.DeleteFunc(z.Found, func(d *diag.Diagnostic) bool { return d.Severity != diag.Error })
	if found != nil {
		problems = append(problems, found)
	}
	if len(problems) > 0 {
		return c.finish(c.stderr, &report{Zones: []ZoneReport{{Name: displayName(z.Name), Source: j.source.Name, Diagnostics: problems}}}, outcomeSource)
	}
	return c.print(j, z, etag, z.SourceRecords(owner, typ))
}
