// Package diag carries what the program has to say about a text: where, how
// bad, what, and what to do about it.
//
// A diagnostic is data. Whoever finds a problem makes one; only the command
// line renders it. The package knows nothing of DNS and does no I/O.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a text.
type Pos struct {
	File   string // as the user named it
	Offset int    // bytes from the start of the file, from 0
	Line   int    // from 1; 0 means unknown
	Column int    // bytes from the start of the line, from 1
}

// String is file:line:col, the form that editors and grep read.
func (p Pos) String() string {
	switch {
	case p.Line == 0 && p.File == "":
		return "-"
	case p.Line == 0:
		return p.File
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Span is a stretch of one text. Len 0 marks a place between two bytes.
type Span struct {
	Pos
	Len int
}

// Severity says whether a diagnostic stops the zone.
type Severity uint8

const (
	// Error means nothing is written.
	Error Severity = iota + 1
	// Warning means it is written, and somebody should look.
	Warning
)

// String is the word that stands in the message.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return fmt.Sprintf("severity %d", uint8(s))
	}
}

// Code names one kind of problem. Its meaning never changes once released.
type Code string

// Note is another place that the reader needs: the first definition, the
// $INCLUDE that led here.
type Note struct {
	Span
	Message string
	Source  string // the line the span is on, without its end; empty when unknown
}

// Diagnostic is one problem.
type Diagnostic struct {
	Severity Severity
	Code     Code
	Span     Span
	Message  string // one clause, lower case, no final stop
	Hint     string // what to do about it; may be empty
	Source   string // the line the span is on, without its end; empty when unknown
	Related  []Note
	Err      error // cause, for errors.Is; may be nil
}

// Error is file:line:col: message.
func (d *Diagnostic) Error() string {
	return d.Span.String() + ": " + d.Message
}

// Unwrap gives the cause.
func (d *Diagnostic) Unwrap() error { return d.Err }

// List is what one run found.
type List []*Diagnostic

// HasErrors tells whether anything in the list stops the zone.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d *Diagnostic) bool { return d.Severity == Error })
}

// Count tells how many diagnostics of a severity there are.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s {
			n++
		}
	}
	return n
}

// Err is the list as an error: nil unless it has an Error, never a typed nil.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return listError(l)
}

type listError List

func (l listError) Error() string {
	var lines []string
	for _, d := range l {
		if d.Severity == Error {
			lines = append(lines, d.Error())
		}
	}
	return strings.Join(lines, "\n")
}

func (l listError) Unwrap() []error {
	errs := make([]error, 0, len(l))
	for _, d := range l {
		errs = append(errs, d)
	}
	return errs
}

// Sorted is a copy in the order of the text: by file as first met, then by
// place, errors before warnings, then by code.
func (l List) Sorted() List {
	order := map[string]int{}
	for _, d := range l {
		if _, ok := order[d.Span.File]; !ok {
			order[d.Span.File] = len(order)
		}
	}
	out := slices.Clone(l)
	slices.SortStableFunc(out, func(a, b *Diagnostic) int {
		return cmp.Or(
			cmp.Compare(order[a.Span.File], order[b.Span.File]),
			cmp.Compare(a.Span.Line, b.Span.Line),
			cmp.Compare(a.Span.Offset, b.Span.Offset),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return out
}
