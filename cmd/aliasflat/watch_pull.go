package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// firstPull is how long a start waits for zones of which there is no copy: what can be had at once
// is no failure.
const firstPull = 2 * time.Second

// pulls are the sources of a configuration that are pulled.
type pulls struct {
	set *pull.Set
	of  []int // by job: the index of its source; -1: it is a file
}

// pullFrom has the sources of jobs pulled until end is called.
func (c *watchCommand) pullFrom(ctx context.Context, jobs []*job) (end func()) {
	p := &pulls{of: make([]int, len(jobs))}
	var sources []pull.Source
	known := map[string]int{} // zones may stand twice that are pulled once
	for i, j := range jobs {
		p.of[i] = -1
		if j.pull == nil {
			continue
		}
		at, ok := known[j.pull.source.File]
		if !ok {
			at = len(sources)
			known[j.pull.source.File] = at
			sources = append(sources, j.pull.source)
		}
		p.of[i] = at
		j.pull.text, j.pull.failed = nil, nil
		j.pull.why = func() *diag.Diagnostic { return p.set.Status(at).Problem }
	}
	if len(sources) == 0 {
		c.pulling.Store(nil)
		return func() {}
	}
	p.set = pull.NewSet(sources, pull.Limits{}, c.pullObserver())
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { p.set.Run(ctx) })
	c.pulling.Store(p)
	return func() {
		cancel()
		running.Wait()
	}
}

// firstPulls waits a little for zones of which there is no copy.
func (c *watchCommand) firstPulls(ctx context.Context) {
	p := c.pulling.Load()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstPull)
	defer cancel()
	p.set.First(ctx)
}

// status tells how the source of a job is pulled; nil: it is a file.
func (p *pulls) status(job int) *pull.Status {
	if p == nil || p.of[job] < 0 {
		return nil
	}
	return p.set.Status(p.of[job])
}

// checkPulls has primaries asked at once; the zero Name is for all zones.
func (c *watchCommand) checkPulls(name zone.Name) {
	if p := c.pulling.Load(); p != nil {
		p.set.Check(name)
	}
}

// pullObserver tells what comes of pulling.
func (c *watchCommand) pullObserver() pull.Observer {
	tell := func(s *pull.Source, e watch.Event) {
		e.Time, e.Zone = time.Now(), s.Zone
		c.tell(e)
	}
	return pull.Observer{
		Transferred: func(s *pull.Source, t pull.Transfer) {
			e := watch.Event{Kind: watch.KindPulled, NewSerial: t.Serial, Serials: true}
			how := "whole"
			if t.Incremental {
				e.OldSerial, how = t.From, "what has changed"
			}
			e.Message = fmt.Sprintf("%s from %s, %s, %d bytes", how, s, counted(t.Records, "record"), t.Bytes)
			tell(s, e)
		},
		Failed: func(s *pull.Source, d *diag.Diagnostic) {
			tell(s, watch.Event{Kind: watch.KindPullFails, Severity: d.Severity, Message: d.Message, Found: d})
		},
		Expired: func(s *pull.Source, d *diag.Diagnostic) {
			tell(s, watch.Event{Kind: watch.KindExpired, Severity: d.Severity, Message: d.Message, Found: d})
		},
		Recovered: func(s *pull.Source) {
			tell(s, watch.Event{Kind: watch.KindPulled, Message: s.String() + " answers again"})
		},
	}
}

// sourcesOfNotify are the zones whose primaries may send NOTIFY.
func sourcesOfNotify(jobs []*job) []primary.Source {
	var list []primary.Source
	for _, j := range jobs {
		if p := j.pull; p != nil {
			list = append(list, primary.Source{Name: p.Zone, From: p.Primary.Addr(), Key: p.Key, Unsigned: p.Key.IsZero()})
		}
	}
	return list
}
