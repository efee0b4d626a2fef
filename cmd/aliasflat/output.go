package main

import (
	"fmt"
	"os"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// publishedFile finds what the file of the last run holds: its serial now, and
// its records once they are asked for.
func (j *job) publishedFile() {
	head, err := publish.ReadHead(j.last)
	if err != nil {
		j.blocked(err)
		return
	}
	if len(head) == 0 {
		return // not there, or made empty for what is to come
	}
	options := zonefile.Options{Origin: j.zoneName(head), For: j.source.For}
	serial, ok := zonefile.FindSerial(j.last, head, options)
	if !ok {
		old, err := j.summarize(options)
		if err != nil {
			j.blocked(err)
			return
		}
		serial = old.Serial
	}
	var size int64
	if info, err := os.Stat(j.last); err == nil {
		size = info.Size()
	}
	j.source.Published = &compile.Published{
		Serial: serial,
		Last:   j.lastGood(),
		Gone:   j.gone(size, options),
		Same: func(draft *zonefile.Text, content zonefile.Content) (bool, error) {
			same, err := j.sameRecords(draft, content, options)
			if err != nil {
				j.blocked(err)
			}
			return same, err
		},
	}
}

// gone tells how much of the output of the last run is not in a draft of this one.
func (j *job) gone(size int64, options zonefile.Options) func(*zonefile.Text, zonefile.Content) (int, int, error) {
	return func(draft *zonefile.Text, content zonefile.Content) (int, int, error) {
		return compile.Gone(size, draft, content, func() (zonefile.Summary, error) { return j.summarize(options) }, func() (old, latest *zonefile.Zone, err error) {
			text, err := publish.Read(j.last, nil)
			return zonefile.Read(j.last, text, options), zonefile.Read(j.last, draft.Bytes(), options), err
		})
	}
}

// sameRecords compares the output of the last run with a draft of this one.
func (j *job) sameRecords(draft *zonefile.Text, content zonefile.Content, options zonefile.Options) (bool, error) {
	same, known, err := publish.SameRecords(j.last, draft)
	if known || err != nil {
		return same, err
	}
	old, err := j.summarize(options)
	if err != nil {
		return false, err
	}
	return compile.SameContent(old, content, func() (*zonefile.Zone, error) {
		text, err := publish.Read(j.last, nil)
		return zonefile.Read(j.last, text, options), err
	})
}

// summarize reads the output of the last run, which must be one.
func (j *job) summarize(options zonefile.Options) (zonefile.Summary, error) {
	found, known, err := publish.Summarize(j.last, options)
	if known || err != nil {
		return found, err
	}
	text, err := publish.Read(j.last, nil)
	if err != nil {
		return found, err
	}
	old := zonefile.Summarize(j.last, text, options)
	found, ok := old.Summary()
	switch {
	case !ok:
		return found, fmt.Errorf("%s is no zone file of %s: it is not overwritten", j.last, displayName(options.Origin))
	case len(old.Marked(zonefile.MarkALIAS)) > 0:
		return found, fmt.Errorf("%s has ALIAS records, so it is a source: it is not overwritten", j.last)
	}
	return found, nil
}

func (j *job) blocked(err error) {
	j.stopped(diag.CodeUnwritable, err, "name another file with -o, or move that one away")
}

// stopped says what of the world keeps the output from being written.
func (j *job) stopped(code diag.Code, err error, hint string) {
	j.outcome |= outcomeWorld
	j.problems = append(j.problems, &diag.Diagnostic{
		Severity: diag.Error, Code: code, Err: err,
		Span: diag.Span{Pos: diag.Pos{File: j.last}}, Message: err.Error(), Hint: hint,
	})
}
