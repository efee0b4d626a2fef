package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// sourceEdit is what an edit makes of the text of a source.
type sourceEdit struct {
	etag   string   // of the file as it is left
	text   []string // lines of a unified difference; nil: nobody asked for it
	dryRun bool
}

// heading is the line that tells what came of an edit.
func (e *sourceEdit) heading(z *ZoneReport) string {
	name := z.Name + ": " + z.Source
	switch {
	case !z.Changed:
		return name + " is unchanged, it is that already"
	case e.dryRun:
		return name + " would be written" + z.Changes.extent()
	}
	return name + " is written" + z.Changes.extent()
}

func (e *sourceEdit) tag() string {
	if e == nil {
		return ""
	}
	return e.etag
}

func (e *sourceEdit) lines() []string {
	if e == nil {
		return nil
	}
	return e.text
}

// writeText writes the difference of the text.
func (e *sourceEdit) writeText(b *strings.Builder, p paint) {
	for _, line := range e.text {
		line = visible(line)
		switch {
		case p.on && strings.HasPrefix(line, "+"):
			line = p.come.Sprint(line)
		case p.on && strings.HasPrefix(line, "-"):
			line = p.gone.Sprint(line)
		}
		b.WriteString(line + "\n")
	}
}

// write puts the edited text in place, unless that is only to be tried, and reports the edit.
func (c *recordCommand) write(j *job, z *zonefile.Zone, edited *zonefile.Edited, problems diag.List) error {
	old, text := j.source.Text, edited.Text.Bytes()
	changed := edited.Changed()
	rep := ZoneReport{Name: displayName(z.Name), Source: j.path, Diagnostics: problems, Changed: changed}
	rep.Changes = &change{difference: edited.Difference}
	rep.Edit = &sourceEdit{etag: publish.ETag(text), dryRun: c.dryRun}
	for _, e := range edited.Explicit {
		rep.Explicit = append(rep.Explicit, e.Note("made explicit: it inherited from a record that has changed"))
	}
	if c.dryRun && changed {
		rep.Edit.text = textDiff(j.path, old, text)
	}
	refused := c.failsOn("warning") && problems.Count(diag.Warning) > 0
	switch {
	case refused:
		rep.Refused = true
	case changed && !c.dryRun:
		err := publish.WriteEdited(j.path, edited.Text, publish.ETag(old))
		if errors.Is(err, publish.ErrEdited) {
			return c.refused(j, outcomeGuarded, problemOther(j, "somebody else has written it just then", err))
		}
		if err != nil {
			return c.refused(j, outcomeWorld, recordProblem(diag.CodeUnwritable, j, "cannot be written: "+withoutPath(err), "the file is as it was", err))
		}
		rep.Written = true
	}
	return c.finish(c.stdout, &report{Zones: []ZoneReport{rep}}, 0)
}

// textDiff gives the lines of a unified difference.
func textDiff(path string, old, text []byte) []string {
	lines := strings.Split(strings.TrimSuffix(string(diff.Diff(path, old, path, text)), "\n"), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "diff ") })
}

// print prints records of a source.
func (c *recordCommand) print(j *job, z *zonefile.Zone, etag string, records []zonefile.SourceRecord) error {
	if c.format == "json" {
		out := api.SourceRecords{Schema: api.SchemaRecords, Zone: displayName(z.Name), Source: j.source.Name, ETag: etag, Records: []api.SourceRecord{}}
		for i := range records {
			out.Records = append(out.Records, api.RecordForm(&records[i]))
		}
		return writeJSON(c.stdout, out)
	}
	var b strings.Builder
	for i := range records {
		r := &records[i]
		line := string(zonefile.AppendRecord(nil, r.Owner, r.Type, r.TTL, r.Data))
		if r.Included {
			at := r.Place.Note("")
			line += fmt.Sprintf(" ; %s:%d", at.File, at.Line)
		}
		b.WriteString(visible(line) + "\n")
	}
	if len(records) == 0 {
		c.say(j.source.Name + " has no such record")
	}
	_, err := io.WriteString(c.stdout, b.String())
	return err
}
