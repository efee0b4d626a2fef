package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

var update = flag.Bool("update", false, "rewrite the expected outputs")

func span(file string, line, column, offset, length int) diag.Span {
	return diag.Span{Pos: diag.Pos{File: file, Line: line, Column: column, Offset: offset}, Len: length}
}

// sample is a report with one zone that went well, one that failed, and text
// in it that wants to do harm.
func sample() *report {
	return &report{
		Exit: 1,
		Diagnostics: diag.List{{
			Severity: diag.Error, Code: diag.CodeConfigUnknownKey, Span: span("aliasflat.yaml", 1, 1, 0, 7),
			Message: `unknown key "timeuot"`, Hint: "did you mean timeout?", Source: "timeuot: 30s",
		}},
		Zones: []ZoneReport{
			{
				Name: "example.com", Source: "zones/example.com.zone", Output: "out/example.com.db",
				Written: true, Changed: true, OldSerial: new(uint32(2026112201)), NewSerial: new(uint32(2026112202)),
				Aliases: 2, Addresses4: 3, Addresses6: 2, MinTTL: 60, MinTTLTarget: "cdn.example.net.",
				Diagnostics: diag.List{{
					Severity: diag.Warning, Code: diag.CodeTargetPrivate, Span: span("zones/example.com.zone", 12, 9, 300, 16),
					Message: "cdn.example.net. has the private address 10.0.0.1", Source: "@\tALIAS\tcdn.example.net.",
				}},
			},
			{
				Name: "example.org", Source: "zones/my zone.txt",
				Diagnostics: diag.List{
					{
						Severity: diag.Error, Code: diag.CodeAliasSibling, Span: span("zones/my zone.txt", 14, 1, 400, 1),
						Message: "ALIAS shares the owner name example.org. with an A record",
						Hint:    "delete one of them, or say siblings=fallback, override or merge",
						Source:  "@    ALIAS   edge.cdn.example.net.",
						Related: []diag.Note{{Span: span("zones/my zone.txt", 9, 1, 200, 1), Message: "the A record is here", Source: "@ A 192.0.2.1"}},
					},
					{
						Severity: diag.Error, Code: diag.CodeUnknownType, Span: span("zones/my zone.txt", 16, 5, 450, 3),
						Message: "unknown type \"\x1b[31m,:%\n::error::##[x]\u202e\xff\"", Source: "w\u00e4\tAAA \x1b[2J\u202etxet",
					},
				},
			},
		},
	}
}

func TestRender(t *testing.T) {
	for _, test := range []struct{ golden, format string }{
		{"report.txt", "text"}, {"report.json", "json"}, {"report.github", "github"},
	} {
		t.Run(test.format, func(t *testing.T) {
			var got bytes.Buffer
			if err := sample().render(&got, test.format, look{width: defaultWidth}); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, test.golden, got.Bytes())
		})
	}
}

func TestRenderSARIF(t *testing.T) {
	var got bytes.Buffer
	if err := sample().sarif("/srv/work").write(&got); err != nil {
		t.Fatal(err)
	}
	validateSARIF(t, got.Bytes())
	compareGolden(t, "report.sarif", got.Bytes())
}

// A run that found nothing lists no results; without the list it would be a run
// that looked at nothing.
func TestRenderSARIFClean(t *testing.T) {
	var got bytes.Buffer
	if err := new(report).sarif("/srv/work").write(&got); err != nil {
		t.Fatal(err)
	}
	validateSARIF(t, got.Bytes())
	if !strings.Contains(got.String(), `"results": []`) {
		t.Errorf("no empty list of results:\n%s", got.String())
	}
}

// validateSARIF holds the log to the schema of the standard and to its names.
func validateSARIF(t *testing.T, log []byte) {
	t.Helper()
	var read sarif.Report
	decoder := json.NewDecoder(bytes.NewReader(log))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		t.Fatalf("not SARIF: %v", err)
	}
	if len(read.Runs) != 1 {
		t.Fatalf("%d runs, want 1", len(read.Runs))
	}
	full, err := sarif.FromBytes(log)
	if err != nil {
		t.Fatal(err)
	}
	// The library reads what a log leaves out as empty, not as the default that
	// the standard gives it.
	run, standard := full.Runs[0], sarif.NewRun()
	run.Language, run.NewlineSequences = standard.Language, standard.NewlineSequences
	run.Tool.Driver.Language = sarif.NewToolComponent().Language
	if err := full.Validate(); err != nil {
		t.Errorf("not SARIF 2.1.0: %v", err)
	}
}

func TestArtifact(t *testing.T) {
	for _, test := range []struct{ file, uri, base string }{
		{"zones/a b.zone", "zones/a%20b.zone", "%SRCROOT%"},
		{"./zones/50%#?.zone", "zones/50%25%23%3F.zone", "%SRCROOT%"},
		{"/srv/zones/a.zone", "a.zone", "%SRCROOT%"},
		{"/srv/other/a.zone", "file:///srv/other/a.zone", ""},
	} {
		got := artifact("/srv/zones", test.file)
		if got.URI != test.uri || got.URIBaseID != test.base {
			t.Errorf("%s: %s of %q, want %s of %q", test.file, got.URI, got.URIBaseID, test.uri, test.base)
		}
	}
}

// compareGolden holds the output to testdata; no byte of it may reach a
// terminal as a command.
func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	for i, c := range got {
		if c < ' ' && c != '\n' && c != '\t' {
			t.Errorf("%s: control character %#x at byte %d", name, c, i)
		}
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 500) + "HERE" + strings.Repeat("y", 500)
	tests := []struct {
		name   string
		line   string
		column int
		width  int
		text   string
		caret  string
	}{
		{"start", "a b", 1, 40, "a b", ""},
		{"tab before", "a\tb", 3, 40, "a\tb", " \t"},
		{"end of line", "a b", 4, 40, "a b", "   "},
		{"beyond the line", "a b", 9, 40, "a b", "   "},
		{"two-byte character", "äx", 3, 40, "äx", " "},
		{"control character", "a\x1b[2Jx", 6, 40, "a␛[2Jx", "     "},
		{"not UTF-8", "\xffx", 2, 40, "<FF>x", "    "},
		{"writing direction", "\u202ex", 4, 40, "<U+202E>x", "        "},
		{"cut on both sides", long, 501, 21, "…xxxxxxxxxxHEREyyyyy…", "           "},
		{"cut after", long, 1, 21, strings.Repeat("x", 20) + "…", ""},
		{"cut before", long, 1005, 21, "…yyyyyyyyyy", "           "},
		{"tabs in a cut line", strings.Repeat("\t", 50) + "x", 51, 21, "…" + strings.Repeat(" ", 10) + "x", strings.Repeat(" ", 11)},
		{"escapes in a cut line", strings.Repeat("\u202e", 50) + "x", 151, 21, "…<U+202E><U+202E>x", strings.Repeat(" ", 17)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, caret := excerpt(test.line, test.column, test.width)
			if text != test.text || caret != test.caret {
				t.Errorf("got  %q\n     %q\nwant %q\n     %q", text, caret, test.text, test.caret)
			}
			if n := utf8.RuneCountInString(text); n > test.width {
				t.Errorf("%d columns, more than %d", n, test.width)
			}
		})
	}
}

func FuzzExcerpt(f *testing.F) {
	f.Add("@ ALIAS cdn.example.net.", 3, 80)
	f.Add("\t\x1b\u202e\xff", 3, 2)
	f.Fuzz(func(t *testing.T, line string, column, width int) {
		text, caret := excerpt(line, column, width)
		for _, c := range []byte(text + caret) {
			if c < ' ' && c != '\t' || c == 0x7f {
				t.Fatalf("control character %#x in %q", c, text)
			}
		}
		if n := utf8.RuneCountInString(text); n > max(width, 20) {
			t.Fatalf("%d columns, more than %d: %q", n, width, text)
		}
		if utf8.RuneCountInString(caret) > utf8.RuneCountInString(text) {
			t.Fatalf("the caret stands after the text: %q, %q", text, caret)
		}
	})
}

func TestSummary(t *testing.T) {
	tests := []struct {
		zone   ZoneReport
		line   string
		status string
	}{
		{ZoneReport{Name: "example.com", Output: "-", Changed: true, Written: true, NewSerial: new(uint32(7)), Aliases: 1, Addresses4: 1, MinTTL: 60, MinTTLTarget: "lb.example.net."}, "example.com: 1 ALIAS -> 1 A + 0 AAAA, TTL 60 (lb.example.net.), serial 7", "written"},
		{ZoneReport{Name: "example.com", Output: "a.db", OldSerial: new(uint32(7)), NewSerial: new(uint32(7))}, "example.com: no ALIAS, serial 7, unchanged", "unchanged"},
		{ZoneReport{Name: "example.com", Output: "a.db", Changed: true, OldSerial: new(uint32(7)), NewSerial: new(uint32(8))}, "example.com: no ALIAS, serial 7 -> 8", "would-change"},
		{ZoneReport{Source: "a.zone", Aliases: 3}, "a.zone: checked, 3 ALIAS", "checked"},
		{ZoneReport{Name: "example.com"}, "example.com: checked, no ALIAS", "checked"},
		{ZoneReport{Name: "example.com", Diagnostics: diag.List{{Severity: diag.Error}}}, "", "failed"},
		{ZoneReport{Name: "example.com", Output: "a.db", NewSerial: new(uint32(1)), Diagnostics: diag.List{{Severity: diag.Error}}}, "example.com: no ALIAS, serial 1, unchanged", "unchanged"}, // held
	}
	for _, test := range tests {
		if got := test.zone.summary(); got != test.line {
			t.Errorf("summary %q, want %q", got, test.line)
		}
		if got := test.zone.status(); got != test.status {
			t.Errorf("status %q, want %q", got, test.status)
		}
	}
}

func TestOutcomeStatus(t *testing.T) {
	// The order in which one outcome hides another.
	order := []struct {
		outcome outcome
		status  int
	}{
		{outcomeUsage, 2},
		{outcomeSource, 1},
		{outcomeLocked, 6},
		{outcomeGuarded, 5},
		{outcomeWorld, 4},
		{outcomeStale, 7},
		{outcomeChanges, 3},
	}
	var all outcome
	for _, step := range slices.Backward(order) {
		all |= step.outcome
		if got := all.status(); got != step.status {
			t.Errorf("outcome %b has status %d, want %d", all, got, step.status)
		}
	}
	if got := outcome(0).status(); got != 0 {
		t.Errorf("nothing wrong has status %d", got)
	}
}

func TestFinish(t *testing.T) {
	tests := []struct {
		name   string
		failOn []string
		report report
		given  outcome
		status int
	}{
		{"clean", []string{"warning", "stale"}, report{}, 0, 0},
		{"warning", nil, report{Diagnostics: diag.List{{Severity: diag.Warning}}}, 0, 0},
		{"warning counts", []string{"warning"}, report{Diagnostics: diag.List{{Severity: diag.Warning}}}, 0, 1},
		{"stale", nil, report{Zones: []ZoneReport{{Stale: true}}}, 0, 0},
		{"stale counts", []string{"stale"}, report{Zones: []ZoneReport{{Stale: true}}}, 0, 7},
		{"stale is hidden", []string{"stale"}, report{Zones: []ZoneReport{{Stale: true}}}, outcomeWorld, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			file := filepath.Join(t.TempDir(), "report.json")
			a := &app{format: "json", failOn: test.failOn, reportFile: file}
			err := a.finish(&out, &test.report, test.given)
			var reported reportedError
			if errors.As(err, &reported) != (test.status != 0) || reported.outcome.status() != test.status {
				t.Errorf("finish gave %v, want status %d", err, test.status)
			}
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), `"schema": "aliasflat/report/v1"`) {
				t.Errorf("report file: %q, %v", text, err)
			}
			if strings.Contains(out.String(), "schema") {
				t.Error("the terminal got JSON although the report goes to a file")
			}
		})
	}
}

func TestColored(t *testing.T) {
	tests := []struct {
		env      string
		terminal bool
		flag     bool
		want     bool
	}{
		{"", true, false, true},
		{"", false, false, false},
		{"", true, true, false},
		{"TERM=dumb", true, false, false},
		{"NO_COLOR=1", true, false, false},
		{"CLICOLOR_FORCE=1", false, false, true},
		{"CLICOLOR_FORCE=0", false, false, false},
		{"CLICOLOR_FORCE=1 NO_COLOR=1", true, false, false},
		{"CLICOLOR_FORCE=1", true, true, false},
	}
	for _, test := range tests {
		getenv := func(name string) string {
			for pair := range strings.FieldsSeq(test.env) {
				if key, value, _ := strings.Cut(pair, "="); key == name {
					return value
				}
			}
			return ""
		}
		if got := colored(test.terminal, test.flag, getenv); got != test.want {
			t.Errorf("%q, terminal %v, --no-color %v: %v", test.env, test.terminal, test.flag, got)
		}
	}
}

func TestColors(t *testing.T) {
	var plain, colors bytes.Buffer
	if err := sample().render(&plain, "text", look{width: defaultWidth}); err != nil {
		t.Fatal(err)
	}
	if err := sample().render(&colors, "text", look{width: defaultWidth, color: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(colors.String(), "\x1b[") || strings.Contains(plain.String(), "\x1b") {
		t.Error("colors do not follow the setting")
	}
}
