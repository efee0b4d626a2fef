package main

import (
	"context"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// planning is what it takes to tell what a publication would change, without the jobs that the
// daemon works on.
type planning struct {
	jobs  []job
	known *recollection
	one   chan struct{} // full while a plan is made, which takes as much memory as a publication
	names []zone.Name   // by job, once they were needed
}

// newPlanning takes of some jobs what their sources and outputs are.
func newPlanning(jobs []*job, known *recollection) *planning {
	p := &planning{known: known, jobs: make([]job, len(jobs)), one: make(chan struct{}, 1)}
	for i, j := range jobs {
		k := job{path: j.path, output: j.output, view: j.view, settings: j.settings, last: j.last, root: j.root, source: j.source, watched: true}
		k.source.Text, k.source.Includes, k.source.IncludePath, k.source.Published = nil, nil, "", nil
		k.source.IncludeRoot = j.root
		if j.pull != nil {
			k.pull = &pulled{Pull: j.pull.Pull, source: j.pull.source, why: j.pull.why}
		}
		p.jobs[i] = k
	}
	return p
}

// plan tells what the next publication of an output would change.
func (a *asDaemon) plan(ctx context.Context, source, output string) (*api.Planned, error) {
	p := a.command.planning.Load()
	select {
	case p.one <- struct{}{}:
		defer func() { <-p.one }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	options, err := a.daemon.Options(asking)
	if err != nil {
		return nil, err
	}
	options.Preview, options.Forgets, options.Sightings = true, true, false
	first := slices.IndexFunc(p.jobs, func(j job) bool { return j.path == source && j.output == output })
	if first < 0 {
		return nil, api.Refusef(api.ReasonUnknown, "%s is not configured any more", source)
	}
	roots := roots{}
	defer roots.close()
	return p.of(ctx, first, roots, &options), nil
}

// of makes the plan of a job. Other zones are read where its targets lie in them.
func (p *planning) of(ctx context.Context, first int, roots roots, options *compile.Options) *api.Planned {
	read := map[int]*job{}
	var order []int
	take := func(i int) {
		j := p.jobs[i]
		j.load(nil, roots)
		read[i], order = &j, append(order, i)
	}
	take(first)
	j := read[first]
	if len(j.problems) == 0 {
		j.published(ctx)
		p.at().recall(j)
	}
	if len(j.problems) > 0 {
		return &api.Planned{Problems: j.problems}
	}
	for {
		sources := make([]compile.Source, 0, len(order))
		for _, i := range order {
			sources = append(sources, read[i].source)
		}
		r := &compile.Run(ctx, sources, *options)[0]
		waiting := targetsOf(r)
		inside := p.holding(waiting, read)
		if len(inside) == 0 {
			return j.planned(r, waiting)
		}
		for _, i := range inside {
			take(i)
		}
	}
}

// targetsOf are the targets of a result that have no answer yet.
func targetsOf(r *compile.Result) []zone.Name {
	var targets []zone.Name
	for _, q := range r.Depends.Open {
		if !slices.Contains(targets, q.Target) {
			targets = append(targets, q.Target)
		}
	}
	return targets
}

// holding are the jobs whose zones hold some names, and that are not read yet.
func (p *planning) holding(names []zone.Name, read map[int]*job) []int {
	if p.names == nil && len(names) > 0 {
		for i := range p.jobs {
			p.names = append(p.names, p.jobs[i].zoneName(nil))
		}
	}
	var list []int
	for i, apex := range p.names {
		if read[i] == nil && !apex.IsZero() && slices.ContainsFunc(names, func(n zone.Name) bool { return n.IsIn(apex) }) {
			list = append(list, i)
		}
	}
	return list
}

// at is what is remembered now.
func (p *planning) at() *recollection {
	m := *p.known
	m.clock = time.Now()
	m.now = p.known.store.Clamp(m.clock)
	m.preview = true
	return &m
}

// planned is what a result would change.
func (j *job) planned(r *compile.Result, waiting []zone.Name) *api.Planned {
	out := &api.Planned{
		Waiting: waiting, Held: r.Held, Stale: r.Stale, Guarded: r.Guarded, Problems: r.Problems,
		Changed: r.OK() && (r.Changed || j.source.Published == nil),
	}
	if p := j.source.Published; p != nil {
		out.Old = &p.Serial
	}
	if !r.OK() {
		return out
	}
	var err error
	if out.Difference, err = j.difference(r); err != nil {
		j.blocked(err)
		out.Problems, out.Changed = append(out.Problems, j.problems...), false
		return out
	}
	if out.Changed {
		out.New = &r.Serial
	}
	return out
}
