package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// pulledFolder is where in the folder of the state the copies of zones of other primaries are.
const pulledFolder = "pulled"

// pulled is the source of a job that is transferred from another primary.
type pulled struct {
	config.Pull

	source pull.Source
	text   []byte           // that this run has transferred; nil: the copy is read
	failed *diag.Diagnostic // why there is neither
	// why gives the last problem of a daemon with the source; nil: there is no daemon.
	why func() *diag.Diagnostic
}

// pulledJob is the job of a source that is pulled and stands in no configuration.
func pulledJob(p *config.Pull, c *config.Config) (*job, error) {
	if p.Zone.IsZero() {
		return nil, usageError{message: p.URL() + " does not name the zone", hint: "as in axfr://192.0.2.1/example.com"}
	}
	return &job{path: pull.URL(p.Primary, p.Zone), origin: p.Zone, settings: c.Settings, pull: &pulled{Pull: *p}}, nil
}

// baseName is the name of the source for files that are named after it.
func (j *job) baseName(base func(string) string) string {
	if j.pull == nil {
		return base(j.path)
	}
	named := config.Zone{Output: "{zone}"}
	return named.OutputFor(j.pull.Zone)
}

// argument names the source as a command takes it.
func (j *job) argument() string {
	if j.pull == nil {
		return j.path
	}
	return j.pull.URL()
}

// pulls settles where sources that are pulled are kept: in the state in a folder, unless that is
// empty. Where they are asked for, the secrets of their keys are read. What is wrong with those is
// printed to w.
func (a *app) pulls(w io.Writer, conf *config.Config, state string, asks bool, jobs []*job) error {
	secrets := map[zone.Name]*primary.Key{}
	for _, j := range jobs {
		if j.pull == nil || j.pull.Key.IsZero() || !asks || len(secrets) > 0 {
			continue
		}
		keys, found := conf.ReadKeys()
		if found.HasErrors() {
			return a.finish(w, &report{Diagnostics: found}, outcomeUsage)
		}
		for i := range keys {
			secrets[keys[i].Name] = &keys[i]
		}
	}
	for _, j := range jobs {
		p := j.pull
		if p == nil {
			continue
		}
		p.source = pull.Source{Zone: p.Zone, Primary: p.Primary, Key: secrets[p.Key]}
		if state != "" {
			p.source.File = pull.FileIn(filepath.Join(state, pulledFolder), p.Primary, p.Zone, p.Key)
		}
		if asks && !p.Key.IsZero() && p.source.Key == nil {
			return usageError{message: fmt.Sprintf("%s: there is no key %s", j.pull.URL(), displayName(p.Key)), hint: "keys of the configuration lists them, with the files of their secrets"}
		}
		if !j.source.Origin.IsZero() && j.source.Origin != p.Zone {
			return usageError{message: fmt.Sprintf("--origin %s is not the zone of %s", displayName(j.source.Origin), j.path), hint: "a zone is pulled under its own name"}
		}
	}
	return nil
}

// keptIn is the folder of the state for commands that only read copies: that of the daemon where
// nobody says another one.
func keptIn(conf *config.Config) string {
	if conf.State != "" {
		return conf.State
	}
	return defaultState()
}

// pullsAtOnce is how many zones one run transfers at the same time.
const pullsAtOnce = 8

// pullOnce has sources that are pulled asked for once, and what has moved transferred; with keep it
// is kept in the state. A primary that cannot be had is told of, and the copy is used, unless it has
// expired or there is none.
func (a *app) pullOnce(ctx context.Context, jobs []*job, keep bool) {
	var group sync.WaitGroup
	room := make(chan struct{}, pullsAtOnce)
	results := map[pull.Source]func() (*pull.Result, error){}
	for _, j := range jobs {
		if j.pull == nil || results[j.pull.source] != nil {
			continue
		}
		source := j.pull.source
		once := sync.OnceValues(func() (*pull.Result, error) { return source.Once(ctx, pull.Limits{}, keep && source.File != "") })
		results[source] = once
		group.Go(func() {
			room <- struct{}{}
			_, _ = once() // both are kept
			<-room
		})
	}
	group.Wait()
	told := map[pull.Source]bool{}
	for _, j := range jobs {
		if j.pull == nil {
			continue
		}
		r, err := results[j.pull.source]()
		if warning := j.pull.take(r, err); warning != nil && !told[j.pull.source] {
			told[j.pull.source] = true
			a.warned = append(a.warned, warning)
		}
	}
}

// take takes what came of pulling a source once. Where the copy is used although its primary
// could not be had, that is a warning.
func (p *pulled) take(r *pull.Result, err error) *diag.Diagnostic {
	if err == nil {
		p.text = r.Text
		return nil
	}
	var warning *diag.Diagnostic
	kept, unread := p.source.Kept()
	switch {
	case unread != nil || kept == nil:
		p.failed = pull.Pending(&p.source, pull.Problem(&p.source, err, false))
	case !time.Now().Before(kept.Expires(pull.Limits{})):
		p.failed = pull.Problem(&p.source, err, true)
	default:
		warning = pull.Problem(&p.source, err, false)
		warning.Message += fmt.Sprintf("; the copy with serial %d is used, which was last checked %s", kept.Serial, kept.Checked.UTC().Format(time.RFC3339))
	}
	return warning
}

// loadPulled is load for a source that is pulled. It includes nothing.
func (j *job) loadPulled() {
	p := j.pull
	text := p.text
	d := p.failed
	if text == nil && d == nil {
		var err error
		text, err = publish.ReadStable(p.source.File, j.buf)
		switch {
		case p.source.File == "" || errors.Is(err, fs.ErrNotExist):
			var why *diag.Diagnostic
			if p.why != nil {
				why = p.why()
			}
			d = pull.Pending(&p.source, why)
		case err != nil:
			d = &diag.Diagnostic{Severity: diag.Error, Code: diag.CodeUnreadable, Err: err, Span: place(j.path), Message: err.Error()}
		}
		j.buf = text
	}
	if d != nil {
		j.outcome |= outcomeWorld
		j.problems = append(j.problems, d)
		return
	}
	j.source.Text = text
}
