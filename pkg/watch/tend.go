package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

const (
	probeEvery = time.Minute            // resolvers are probed so often
	probeAgain = 5 * time.Second        // and so often where one is not believed
	probeLasts = 250 * time.Millisecond // what a probe has shown holds so long
	// Targets that begin to fail, or answer again, are told one by one as long as so many of
	// them have done so within a minute, and then by their number.
	mostTold   = 20
	toldWithin = time.Minute
)

// tend does what has to be done now and then.
func (l *loop) tend(ctx context.Context) {
	l.keep(ctx)
	l.lookAtOutputs(ctx)
	if since := time.Since(l.probed); since >= probeEvery || l.distrusts && since >= probeAgain {
		l.probe(ctx)
	}
	l.tellRest()
}

// lookAtOutputs has zones compiled again whose outputs somebody has removed or changed.
func (l *loop) lookAtOutputs(ctx context.Context) {
	every := l.work.Poll
	if every <= 0 {
		every = DefaultPoll
	}
	moved := l.work.Moved
	if moved == nil || l.looking || time.Since(l.looked) < every {
		return
	}
	l.looking, l.looked = true, time.Now()
	n := len(l.zones)
	l.tasks.Go(func() {
		var list []int
		for i := range n {
			if ctx.Err() == nil && moved(i) {
				list = append(list, i)
			}
		}
		_ = l.daemon.do(ctx, func(*loop) { // the loop may have ended
			l.looking = false
			for _, i := range list {
				// One that is due, or fails, is compiled in its time.
				if m := l.zones[i]; m.due.IsZero() && !m.busy {
					l.dueAt(m, time.Now())
				}
			}
		})
	})
}

// surprises tells whether an answer is to be had once more, behind a look at the resolvers: it
// has nothing in common with the one before, as where somebody on the way has begun to answer
// in place of the target.
func (l *loop) surprises(t *target, a *resolve.Answer) bool {
	if l.work.Probe == nil || t.doubted || time.Since(l.probed) < probeLasts || a.Outcome != resolve.Addresses || t.answer == nil || len(t.answer.Addresses) == 0 {
		return false
	}
	for _, addr := range a.Addresses {
		if slices.Contains(t.answer.Addresses, addr) {
			return false
		}
	}
	return true
}

// probe has the resolvers looked at, and then asked again what they surprised with.
func (l *loop) probe(ctx context.Context) {
	if l.work.Probe == nil || l.probing {
		return
	}
	l.probing = true
	l.tasks.Go(func() {
		l.work.Probe(ctx)
		_ = l.daemon.do(ctx, func(*loop) { // the loop may have ended
			l.probing, l.distrusts, l.probed = false, false, time.Now()
			again := l.doubted
			l.doubted = nil
			for _, t := range again {
				l.lookUp(ctx, t)
			}
			l.flush()
		})
	})
}

// flush has lookups begin that were started.
func (l *loop) flush() {
	if s, ok := l.work.Options.Lookup.(resolve.Starter); ok {
		s.Flush()
	}
}

// spoken tells whether a target is told of by itself.
func (l *loop) spoken(fails bool) bool {
	if l.told++; l.told <= mostTold {
		if l.told == 1 {
			l.toldSince = time.Now()
		}
		return true
	}
	if fails {
		l.untold++
	} else {
		l.untoldWell++
	}
	return false
}

// tellRest tells by their number of the targets that were not told of by themselves.
func (l *loop) tellRest() {
	if l.told == 0 || time.Since(l.toldSince) < toldWithin {
		return
	}
	if l.untold+l.untoldWell > 0 {
		e := Event{Kind: KindTarget, Message: fmt.Sprintf("%d more fail, %d more answer again; %d of %d fail now", l.untold, l.untoldWell, l.table.failing, len(l.table.targets))}
		if l.untold > 0 {
			e.Severity = diag.Warning
		}
		l.daemon.tell(e)
	}
	l.told, l.untold, l.untoldWell = 0, 0, 0
}
