package compile

import (
	"context"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Zone reads a source as Run does, for what is to be told of its records.
func (s *Source) Zone() *zonefile.Zone { return s.zone(nil) }

// Edit changes records in the text of a source, as [zonefile.Zone.Edit] does, and checks the
// zone that comes of it as Run does without resolvers. Several sources are one text that is read
// in several ways, as views read it: each of them has to be good afterwards.
//
// Where the edit is refused Edited is nil and the list has the errors; their places are those of
// the edited text, as far as it came to that. Otherwise the list has the warnings that the edit brings along.
func Edit(ctx context.Context, sources []Source, changes []zonefile.RRsetChange) (*zonefile.Edited, diag.List) {
	edited, found := sources[0].Zone().Edit(changes)
	if edited == nil {
		return nil, onlyErrors(found)
	}
	before := problems(Run(ctx, sources, Options{}))
	if !edited.Changed() {
		if before.HasErrors() {
			return nil, onlyErrors(before)
		}
		return edited, nil
	}
	text := edited.Text.Bytes()
	after := make([]Source, len(sources))
	for i := range sources {
		after[i] = sources[i]
		after[i].Text = text
	}
	found = problems(Run(ctx, after, Options{}))
	if found.HasErrors() {
		return nil, onlyErrors(found)
	}
	return edited, slices.DeleteFunc(found, func(d *diag.Diagnostic) bool {
		return slices.ContainsFunc(before, func(old *diag.Diagnostic) bool {
			return old.Code == d.Code && old.Message == d.Message
		})
	})
}

func onlyErrors(list diag.List) diag.List {
	return slices.DeleteFunc(list, func(d *diag.Diagnostic) bool { return d.Severity != diag.Error })
}

// problems gives what was found in some sources, each once.
func problems(results []Result) diag.List {
	var list diag.List
	for i := range results {
		for _, d := range results[i].Problems {
			if !slices.ContainsFunc(list, func(o *diag.Diagnostic) bool { return o.Span == d.Span && o.Code == d.Code }) {
				list = append(list, d)
			}
		}
	}
	return list
}
