package main

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

const projectURI = "https://github.com/aliasflat/aliasflat"

// renderSARIF writes SARIF 2.1.0, which code-scanning services read. The rules
// are those of the codes that were met, in the order of the table.
func (r *report) renderSARIF(w io.Writer) error {
	folder, err := os.Getwd()
	if err != nil {
		folder = ""
	}
	return r.sarif(folder).PrettyWrite(w)
}

// sarif builds the log. Paths below folder are given relative to it, as
// %SRCROOT%, so that the log means the same on another machine.
func (r *report) sarif(folder string) *sarif.Report {
	list := r.all()
	met := map[diag.Code]bool{}
	for _, d := range list {
		met[d.Code] = true
	}
	run := sarif.NewRunWithInformationURI("aliasflat", projectURI)
	run.Tool.Driver.WithVersion(readVersion().Version)
	run.WithColumnKind("unicodeCodePoints")
	for _, info := range diag.Codes {
		if !met[info.Code] {
			continue
		}
		run.AddRule(string(info.Code)).
			WithShortDescription(sarif.NewMultiformatMessageString().WithText(info.Title)).
			WithFullDescription(sarif.NewMultiformatMessageString().WithText(strings.TrimSpace(info.Text))).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(level(info.Severity)))
	}
	for _, d := range list {
		message := visible(d.Message)
		if d.Hint != "" {
			message += "\nhint: " + visible(d.Hint)
		}
		result := run.CreateResultForRule(string(d.Code)).
			WithLevel(level(d.Severity)).
			WithMessage(sarif.NewTextMessage(message))
		if place := sarifPlace(folder, d.Span, d.Source); place != nil {
			result.AddLocation(sarif.NewLocation().WithPhysicalLocation(place))
		}
		for i, n := range d.Related {
			if place := sarifPlace(folder, n.Span, n.Source); place != nil {
				result.AddRelatedLocation(sarif.NewLocation().WithID(i + 1).WithPhysicalLocation(place).
					WithMessage(sarif.NewTextMessage(visible(n.Message))))
			}
		}
	}
	return sarif.NewReport().AddRun(run)
}

func level(s diag.Severity) string {
	if s == diag.Warning {
		return sarif.LevelWarning
	}
	return sarif.LevelError
}

// sarifPlace is nil for a place that is in no file. The column counts
// characters there and bytes here; without the line's text it is left out.
func sarifPlace(folder string, s diag.Span, source string) *sarif.PhysicalLocation {
	if s.File == "" {
		return nil
	}
	place := sarif.NewPhysicalLocation().WithArtifactLocation(artifact(folder, s.File))
	if s.Line == 0 {
		return place
	}
	region := sarif.NewRegion().WithStartLine(s.Line)
	if before := s.Column - 1; before >= 0 && before <= len(source) && source != "" {
		region.WithStartColumn(utf8.RuneCountInString(source[:before]) + 1)
	}
	return place.WithRegion(region)
}

// artifact names a file as a URI, with what a URI does not allow as %XX.
func artifact(folder, file string) *sarif.ArtifactLocation {
	if filepath.IsAbs(file) {
		rel, err := filepath.Rel(folder, file)
		if folder == "" || err != nil || !filepath.IsLocal(rel) {
			u := url.URL{Scheme: "file", Path: filepath.ToSlash(file)}
			return sarif.NewSimpleArtifactLocation(u.String())
		}
		file = rel
	}
	u := url.URL{Path: filepath.ToSlash(filepath.Clean(file))}
	return sarif.NewSimpleArtifactLocation(u.String()).WithURIBaseID("%SRCROOT%")
}
