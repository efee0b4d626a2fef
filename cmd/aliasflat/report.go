// How a run looks to people and to machines. The rules:
//
//   - The first line of a diagnostic is file:line:col: severity: message [code],
//     which editors and grep read.
//   - All forms show the same data in the same order.
//   - What comes from a file is hostile: no control character of it reaches a
//     terminal, and a line of any length takes one line of the screen.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
)

const (
	reportSchema = "aliasflat/report/v1"
	defaultWidth = 120 // columns, where the output is no terminal
)

// report is all that a run has to say.
type report struct {
	Zones       []ZoneReport
	Diagnostics diag.List // of the configuration and other things that are no zone's
	Plan        string    // the sum of what was shown; empty: nothing was
	Exit        int       // the exit status of the run
}

// ZoneReport is what came of one zone.
type ZoneReport struct {
	Name   string // without final dot unless it is the root; empty when not known
	Source string
	Output string // empty where nothing is written, "-" for standard output

	Written bool // Output holds the result
	Changed bool // the result differs from what Output held before
	Refused bool // its warnings keep it from being written (--fail-on warning)

	Reload     publish.Outcome  // of the name server
	Pushed     *publish.Pushed  // to the name server; nil: it is not sent what is published
	RolledBack bool             // Output holds what it held before
	Forward    *publish.Forward // Output holds that under a later serial; nil: it does not
	Owed       publish.Owed     // to the name server and hooks
	Unplanned  bool             // it would be written, but that is not what was planned (--plan)
	Changes    *change          // what diff shows, or an edit; nil: it was not asked
	Edit       *sourceEdit      // of record; nil: it was none

	OldSerial *uint32 // nil: none is known
	NewSerial *uint32 // nil: the zone was only checked, or failed

	Aliases      int    // ALIAS entries
	Addresses4   int    // A records in their place
	Addresses6   int    // AAAA records in their place
	MinTTL       uint32 // the least TTL of these, in seconds
	MinTTLTarget string // the target that has it; empty: there is none

	Explicit []diag.Note // entries that were made explicit, because their meaning hung on an ALIAS

	Stale bool // an ALIAS is held at its last good addresses

	Diagnostics diag.List
}

// look says how text is shown.
type look struct {
	width int // columns
	color bool
	quiet bool // errors only, no summary
	// warnings are shown all the same, because they may make the exit status (--fail-on).
	warnings bool
	verbose  bool
}

// shows tells whether a diagnostic is shown.
func (l look) shows(d *diag.Diagnostic) bool {
	return !l.quiet || l.warnings || d.Severity == diag.Error
}

// count is the number of diagnostics of a severity in the whole report.
func (r *report) count(s diag.Severity) int {
	n := r.Diagnostics.Count(s)
	for i := range r.Zones {
		n += r.Zones[i].Diagnostics.Count(s)
	}
	return n
}

// stale tells whether any zone holds an ALIAS at its last good addresses.
func (r *report) stale() bool {
	for i := range r.Zones {
		if r.Zones[i].Stale {
			return true
		}
	}
	return false
}

// all is the diagnostics in the order in which they are shown.
func (r *report) all() diag.List {
	list := r.Diagnostics.Sorted()
	for i := range r.Zones {
		list = append(list, r.Zones[i].Diagnostics.Sorted()...)
	}
	return list
}

// render writes the report in one of formats.
func (r *report) render(w io.Writer, format string, l look) error {
	switch format {
	case "json":
		return r.renderJSON(w)
	case "github":
		return r.renderGitHub(w, l)
	case "sarif":
		return r.renderSARIF(w)
	case markdownFormat:
		return r.renderMarkdown(w, l)
	default:
		return r.renderText(w, l)
	}
}

// paint holds the colors of one rendering; without color they do nothing.
type paint struct {
	on bool

	err, warning, code, dim, hint, gone, come *color.Color
}

func newPaint(on bool) paint {
	p := paint{
		on:      on,
		err:     color.New(color.FgRed, color.Bold),
		warning: color.New(color.FgYellow, color.Bold),
		code:    color.New(color.FgHiBlack),
		dim:     color.New(color.FgHiBlack),
		hint:    color.New(color.FgCyan),
		gone:    color.New(color.FgRed),
		come:    color.New(color.FgGreen),
	}
	for _, c := range []*color.Color{p.err, p.warning, p.code, p.dim, p.hint, p.gone, p.come} {
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
	}
	return p
}

func (r *report) renderText(w io.Writer, l look) error {
	var b strings.Builder
	p := newPaint(l.color)
	for _, d := range r.all() {
		if l.shows(d) {
			writeDiagnostic(&b, d, l, p)
		}
	}
	if !l.quiet {
		for i := range r.Zones {
			for _, n := range r.Zones[i].Explicit {
				if l.verbose {
					b.WriteString(visible(n.String()+": "+n.Message) + "\n")
				}
			}
			r.Zones[i].writeSummary(&b, p)
		}
		if r.Plan != "" {
			b.WriteString("plan " + r.Plan + "\n")
		}
		if line := r.counts(); line != "" {
			b.WriteString(line + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeDiagnostic(b *strings.Builder, d *diag.Diagnostic, l look, p paint) {
	severity := p.err
	if d.Severity == diag.Warning {
		severity = p.warning
	}
	if d.Span.File != "" || d.Span.Line != 0 {
		b.WriteString(visible(d.Span.String()) + ": ")
	}
	b.WriteString(severity.Sprint(d.Severity.String()+":") + " " + visible(d.Message))
	b.WriteString(" " + p.code.Sprint("["+string(d.Code)+"]") + "\n")
	if d.Source != "" && d.Span.Line > 0 && d.Span.Column > 0 {
		number := fmt.Sprintf("%5d", d.Span.Line)
		blank := strings.Repeat(" ", len(number))
		text, caret := excerpt(d.Source, d.Span.Column, l.width-len(number)-len(" | "))
		b.WriteString(p.dim.Sprint(number+" |") + " " + text + "\n")
		b.WriteString(p.dim.Sprint(blank+" |") + " " + caret + severity.Sprint("^") + "\n")
	}
	for _, n := range d.Related {
		if n.File != "" || n.Line != 0 {
			b.WriteString(visible(n.String()) + ": ")
		}
		b.WriteString(visible(n.Message) + "\n")
	}
	if d.Hint != "" {
		b.WriteString(p.hint.Sprint("hint:") + " " + visible(d.Hint) + "\n")
	}
}

// writeSummary writes the line that tells what came of a zone, and what changes
// where that was asked for.
func (z *ZoneReport) writeSummary(b *strings.Builder, p paint) {
	if line := z.summary(); line != "" {
		b.WriteString(visible(line) + "\n")
	}
	if z.Edit != nil {
		z.Edit.writeText(b, p)
	}
	if z.Changes != nil {
		z.Changes.writeChanges(b, p)
	}
}

// summary is the one line that tells what came of a zone. A zone with errors
// has none, since its errors tell.
func (z *ZoneReport) summary() string {
	name := z.Name
	if name == "" {
		name = z.Source
	}
	switch {
	case z.Diagnostics.HasErrors() && z.NewSerial == nil:
		return ""
	case z.Refused:
		return name + ": not written, because of --fail-on warning"
	case z.Unplanned:
		return name + ": not written, because of --plan"
	case z.Edit != nil:
		return z.Edit.heading(z)
	case z.Changes != nil:
		return z.Changes.heading(z)
	case z.NewSerial == nil && z.Aliases == 0:
		return name + ": checked, no ALIAS"
	case z.NewSerial == nil:
		return fmt.Sprintf("%s: checked, %d ALIAS", name, z.Aliases)
	}
	var b strings.Builder
	b.WriteString(name + ": ")
	if z.Aliases == 0 {
		b.WriteString("no ALIAS")
	} else {
		fmt.Fprintf(&b, "%d ALIAS -> %d A + %d AAAA", z.Aliases, z.Addresses4, z.Addresses6)
	}
	if z.MinTTLTarget != "" {
		fmt.Fprintf(&b, ", TTL %d (%s)", z.MinTTL, z.MinTTLTarget)
	}
	if z.OldSerial != nil && *z.OldSerial != *z.NewSerial {
		fmt.Fprintf(&b, ", serial %d -> %d", *z.OldSerial, *z.NewSerial)
	} else {
		fmt.Fprintf(&b, ", serial %d", *z.NewSerial)
	}
	if z.Output != "" && z.Output != "-" && !z.Changed {
		b.WriteString(", unchanged")
	}
	switch {
	case z.Pushed != nil:
		b.WriteString(z.pushed())
	case z.Reload == publish.Confirmed:
		b.WriteString(", reloaded")
	}
	return b.String()
}

// pushed tells what came of sending the zone to its server.
func (z *ZoneReport) pushed() string {
	p := z.Pushed
	switch {
	case z.Reload != publish.Confirmed:
		return "" // problems tell
	case p.RRsets == 0:
		return ", " + p.Server + " has it"
	}
	return fmt.Sprintf(", %s sent to %s, serial %d -> %d there", plural(p.RRsets, "RRset"), p.Server, p.From, p.To)
}

// status is the word for machines.
func (z *ZoneReport) status() string {
	switch {
	case z.Diagnostics.HasErrors() && z.NewSerial == nil, z.Refused, z.Unplanned:
		return "failed"
	case z.Written && z.Changed:
		return "written"
	case z.Changed:
		return "would-change"
	case z.NewSerial == nil && z.Edit == nil:
		return "checked"
	default:
		return "unchanged"
	}
}

// counts is the last line of the text, empty when there is nothing to count.
func (r *report) counts() string {
	var parts []string
	if n := r.count(diag.Error); n > 0 {
		parts = append(parts, plural(n, "error"))
	}
	if n := r.count(diag.Warning); n > 0 {
		parts = append(parts, plural(n, "warning"))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// The JSON form. Fields are only ever added within one schema version.
type jsonReport struct {
	Schema      string           `json:"schema"`
	Version     string           `json:"version"`
	Zones       []jsonZone       `json:"zones"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
	Plan        string           `json:"plan,omitempty"` // of diff alone
	Exit        int              `json:"exit"`
}

type jsonZone struct {
	Name        string           `json:"name"`
	Source      string           `json:"source"`
	Output      string           `json:"output"`
	Status      string           `json:"status"`
	Serial      jsonSerial       `json:"serial"`
	Alias       jsonAlias        `json:"alias"`
	Reload      *jsonReload      `json:"reload,omitempty"` // left out where there was none
	Push        *jsonPush        `json:"push,omitempty"`   // left out where the zone is sent nowhere
	Changes     []jsonChange     `json:"changes,omitzero"` // of diff and record
	ETag        string           `json:"etag,omitempty"`   // of the source that record leaves
	Text        []string         `json:"text,omitempty"`   // of record --dry-run: a unified difference
	Explicit    []jsonNote       `json:"explicit,omitempty"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
}

type jsonReload struct {
	Outcome    string        `json:"outcome"`
	RolledBack bool          `json:"rolledBack"`
	Forward    *uint32       `json:"forward,omitempty"` // the later serial of what was published before
	Owed       *publish.Owed `json:"owed,omitempty"`
}

// jsonPush is what a server was sent; the outcome is that of jsonReload.
type jsonPush struct {
	Server string     `json:"server"`
	RRsets int        `json:"rrsets"` // that were changed there
	Serial jsonSerial `json:"serial"` // of the server
}

type jsonSerial struct {
	From *uint32 `json:"from"`
	To   *uint32 `json:"to"`
}

type jsonAlias struct {
	Entries   int    `json:"entries"`
	A         int    `json:"a"`
	AAAA      int    `json:"aaaa"`
	TTL       uint32 `json:"ttl"`
	TTLTarget string `json:"ttlTarget"`
	Stale     bool   `json:"stale"`
}

type jsonPlace struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"` // bytes from 1
	Offset int    `json:"offset"`
	Length int    `json:"length"`
}

type jsonDiagnostic struct {
	Severity string    `json:"severity"`
	Code     diag.Code `json:"code"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint,omitempty"`
	jsonPlace
	Related []jsonNote `json:"related,omitempty"`
}

type jsonNote struct {
	Message string `json:"message"`
	jsonPlace
}

func (r *report) renderJSON(w io.Writer) error {
	out := jsonReport{
		Schema:      reportSchema,
		Version:     readVersion().Version,
		Zones:       make([]jsonZone, 0, len(r.Zones)),
		Diagnostics: jsonDiagnostics(r.Diagnostics),
		Plan:        r.Plan,
		Exit:        r.Exit,
	}
	for i := range r.Zones {
		z := &r.Zones[i]
		out.Zones = append(out.Zones, jsonZone{
			Name:   z.Name,
			Source: z.Source,
			Output: z.Output,
			Status: z.status(),
			Serial: jsonSerial{From: z.OldSerial, To: z.NewSerial},
			Alias: jsonAlias{
				Entries: z.Aliases, A: z.Addresses4, AAAA: z.Addresses6,
				TTL: z.MinTTL, TTLTarget: z.MinTTLTarget, Stale: z.Stale,
			},
			Reload:      z.jsonReload(),
			Push:        z.jsonPush(),
			Changes:     z.Changes.json(),
			ETag:        z.Edit.tag(),
			Text:        z.Edit.lines(),
			Explicit:    jsonNotes(z.Explicit),
			Diagnostics: jsonDiagnostics(z.Diagnostics),
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

func (z *ZoneReport) jsonReload() *jsonReload {
	if z.Reload == publish.NotReloaded && !z.Owed.Any() {
		return nil
	}
	out := &jsonReload{Outcome: z.Reload.String(), RolledBack: z.RolledBack}
	if z.Owed.Any() {
		out.Owed = &z.Owed
	}
	if z.Forward != nil {
		out.Forward = new(uint32(z.Forward.Serial))
	}
	return out
}

func (z *ZoneReport) jsonPush() *jsonPush {
	p := z.Pushed
	if p == nil {
		return nil
	}
	out := &jsonPush{Server: p.Server, RRsets: p.RRsets}
	if p.From != 0 {
		out.Serial = jsonSerial{From: new(uint32(p.From)), To: new(uint32(p.To))}
	}
	return out
}

func jsonDiagnostics(list diag.List) []jsonDiagnostic {
	out := make([]jsonDiagnostic, 0, len(list))
	for _, d := range list.Sorted() {
		j := jsonDiagnostic{
			Severity: d.Severity.String(), Code: d.Code, Message: d.Message, Hint: d.Hint,
			jsonPlace: placeOf(d.Span),
		}
		j.Related = jsonNotes(d.Related)
		out = append(out, j)
	}
	return out
}

func jsonNotes(notes []diag.Note) []jsonNote {
	var out []jsonNote
	for _, n := range notes {
		out = append(out, jsonNote{Message: n.Message, jsonPlace: placeOf(n.Span)})
	}
	return out
}

func placeOf(s diag.Span) jsonPlace {
	return jsonPlace{File: s.File, Line: s.Line, Column: s.Column, Offset: s.Offset, Length: s.Len}
}

// renderGitHub writes workflow commands, which GitHub shows beside the lines
// of a pull request.
func (r *report) renderGitHub(w io.Writer, l look) error {
	var b strings.Builder
	for _, d := range r.all() {
		if !l.shows(d) {
			continue
		}
		var properties []string
		if d.Span.File != "" {
			properties = append(properties, "file="+githubProperty(d.Span.File))
		}
		if d.Span.Line > 0 {
			properties = append(properties,
				fmt.Sprintf("line=%d", d.Span.Line), fmt.Sprintf("col=%d", d.Span.Column))
		}
		properties = append(properties, "title="+githubProperty(string(d.Code)))
		message := []string{visible(d.Message)}
		for _, n := range d.Related {
			message = append(message, visible(n.String()+": "+n.Message))
		}
		if d.Hint != "" {
			message = append(message, "hint: "+visible(d.Hint))
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", d.Severity, strings.Join(properties, ","), githubData(strings.Join(message, "\n")))
	}
	if !l.quiet {
		for i := range r.Zones {
			r.Zones[i].writeGitHubSummary(&b, l)
		}
		if r.Plan != "" {
			b.WriteString("aliasflat: plan " + r.Plan + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeGitHubSummary writes for the log what came of a zone.
func (z *ZoneReport) writeGitHubSummary(b *strings.Builder, l look) {
	for _, n := range z.Explicit {
		if l.verbose {
			b.WriteString(visible(n.String()+": "+n.Message) + "\n")
		}
	}
	// The word in front keeps a zone name from being read as a command.
	if line := z.summary(); line != "" {
		b.WriteString("aliasflat: " + githubLine(visible(line)) + "\n")
	}
	if z.Changes != nil {
		z.Changes.lines(func(line string) { b.WriteString(githubLine(line) + "\n") })
	}
}

// githubData escapes the text of a workflow command.
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", "##[", "## [").Replace(s)
}

// githubProperty escapes a property of a workflow command.
func githubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C", "##[", "## [").Replace(s)
}

// githubLine breaks the older command mark, which counts anywhere in a line.
func githubLine(s string) string { return strings.ReplaceAll(s, "##[", "## [") }
