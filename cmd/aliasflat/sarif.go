package main

import (
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/aliasflat/aliasflat/pkg/config"
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
	return r.sarif(folder).write(w)
}

func (l *sarifLog) write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(l)
}

// sarif builds the log. Paths below folder are given relative to it, as
// %SRCROOT%, so that the log means the same on another machine.
func (r *report) sarif(folder string) *sarifLog {
	list := r.all()
	index := map[diag.Code]int{}
	for _, d := range list {
		index[d.Code] = 0
	}
	rules := []sarifRule{}
	for _, info := range diag.Codes {
		if _, met := index[info.Code]; !met {
			continue
		}
		index[info.Code] = len(rules)
		rules = append(rules, sarifRule{
			ID:                   string(info.Code),
			ShortDescription:     sarifText{info.Title},
			FullDescription:      sarifText{strings.TrimSpace(info.Text)},
			DefaultConfiguration: sarifConfiguration{level(info.Severity)},
		})
	}
	results := []sarifResult{}
	for _, d := range list {
		message := visible(d.Message)
		if d.Hint != "" {
			message += "\nhint: " + visible(d.Hint)
		}
		result := sarifResult{
			RuleID:    string(d.Code),
			RuleIndex: index[d.Code],
			Level:     level(d.Severity),
			Message:   sarifText{message},
		}
		if place := newSARIFPlace(folder, d.Span, d.Source); place != nil {
			result.Locations = []sarifLocation{{PhysicalLocation: place}}
		}
		for i, n := range d.Related {
			if place := newSARIFPlace(folder, n.Span, n.Source); place != nil {
				result.RelatedLocations = append(result.RelatedLocations,
					sarifLocation{ID: i + 1, PhysicalLocation: place, Message: &sarifText{visible(n.Message)}})
			}
		}
		results = append(results, result)
	}
	driver := sarifDriver{
		Name:           "aliasflat",
		Version:        readVersion().Version,
		InformationURI: projectURI,
		Rules:          rules,
	}
	return &sarifLog{
		Schema:  sarifSchema,
		Version: sarifVersion,
		Runs:    []sarifRun{{Tool: sarifTool{driver}, ColumnKind: "unicodeCodePoints", Results: results}},
	}
}

func level(s diag.Severity) string {
	if s == diag.Warning {
		return "warning"
	}
	return "error"
}

// newSARIFPlace is nil for a place that is in no file. The column counts
// characters there and bytes here; without the line's text it is left out.
func newSARIFPlace(folder string, s diag.Span, source string) *sarifPlace {
	if s.File == "" {
		return nil
	}
	place := &sarifPlace{ArtifactLocation: artifact(folder, s.File)}
	if s.Line == 0 {
		return place
	}
	place.Region = &sarifRegion{StartLine: s.Line}
	if before := s.Column - 1; before >= 0 && before <= len(source) && source != "" {
		place.Region.StartColumn = utf8.RuneCountInString(source[:before]) + 1
	}
	return place
}

// artifact names a file as a URI, with what a URI does not allow as %XX. A zone of another
// primary has one already.
func artifact(folder, file string) sarifArtifact {
	if config.IsPull(file) {
		return sarifArtifact{URI: file}
	}
	if filepath.IsAbs(file) {
		rel, err := filepath.Rel(folder, file)
		if folder == "" || err != nil || !filepath.IsLocal(rel) {
			u := url.URL{Scheme: "file", Path: filepath.ToSlash(file)}
			return sarifArtifact{URI: u.String()}
		}
		file = rel
	}
	u := url.URL{Path: filepath.ToSlash(filepath.Clean(file))}
	return sarifArtifact{URI: u.String(), URIBaseID: sarifRoot}
}
