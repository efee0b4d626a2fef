package watch

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// attempted notes what came of an attempt, and tells it where it is another than before.
func (l *loop) attempted(m *member, now time.Time, problems diag.List, failed bool) {
	before, told := m.Phase, firstProblem(m.Problems)
	m.LastAttempt, m.Problems, m.tried = now, problems, true
	m.Attempts++
	switch {
	case failed:
		m.Phase = PhaseFailing
		m.Failures = counted(m.Failures, problems)
	case m.Held || m.Stale || m.Guarded:
		m.Phase = PhaseHolding
	default:
		m.Phase = PhasePublished
	}
	found := firstProblem(problems)
	again := before == m.Phase && told != nil && found != nil && told.Code == found.Code && alike(told.Message, found.Message)
	switch {
	case again:
	case m.Phase == PhaseFailing:
		l.tell(m, Event{Kind: KindFailing, Severity: diag.Error, Found: found, Message: messageOf(found)})
	case m.Phase == PhaseHolding && before != m.Phase:
		l.tell(m, Event{Kind: KindHolding, Severity: severityOf(found), Found: found, Message: messageOf(found)})
	case m.Phase == PhasePublished && (before == PhaseFailing || before == PhaseHolding):
		l.tell(m, Event{Kind: KindRecovered, Message: "published as source and targets have it"})
	}
}

// alike tells whether two messages are the same but for their numbers, such as those in the name
// of a temporary file.
func alike(a, b string) bool {
	digits := func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}
	return strings.Map(digits, a) == strings.Map(digits, b)
}

// counted adds the codes of errors to a count that others may be reading.
func counted(before map[diag.Code]uint64, problems diag.List) map[diag.Code]uint64 {
	now := maps.Clone(before)
	if now == nil {
		now = map[diag.Code]uint64{}
	}
	seen := map[diag.Code]bool{}
	for _, d := range problems {
		if d.Severity == diag.Error && !seen[d.Code] {
			seen[d.Code] = true
			now[d.Code]++
		}
	}
	return now
}

// firstProblem is the first error, or else the first warning.
func firstProblem(problems diag.List) *diag.Diagnostic {
	var first *diag.Diagnostic
	for _, d := range problems {
		if d.Severity == diag.Error {
			return d
		}
		if first == nil {
			first = d
		}
	}
	return first
}

func severityOf(d *diag.Diagnostic) diag.Severity {
	if d == nil {
		return diag.Warning
	}
	return d.Severity
}

func messageOf(d *diag.Diagnostic) string {
	if d == nil {
		return "something is left to do"
	}
	return d.Message
}

// tellChanges tells what went out under a new serial.
func (l *loop) tellChanges(m *member, r *compile.Result, old zone.Serial, knew bool) {
	for i := range r.Flattened {
		res := &r.Flattened[i]
		for _, c := range res.Changes {
			e := Event{Kind: KindChanged, Owner: res.Rule.Owner, Type: c.Type, Target: res.Rule.Target, From: c.From, To: c.To, Message: c.Why}
			if c.Answer != nil {
				e.Resolver = c.Answer.Resolver
			}
			l.tell(m, e)
		}
	}
	if r.OldSerial != nil {
		old, knew = *r.OldSerial, true
	}
	if !knew || old == r.Serial {
		old = 0
	}
	l.tell(m, Event{Kind: KindPublished, OldSerial: old, NewSerial: r.Serial, Serials: true})
}

// becomeReady tells once that every zone was tried.
func (l *loop) becomeReady() {
	if l.tried {
		return
	}
	failing := 0
	for _, m := range l.zones {
		if !m.tried {
			return
		}
		if m.Phase == PhaseFailing {
			failing++
		}
	}
	l.tried = true
	for _, t := range l.table.targets {
		if t.gone {
			l.drop(t) // of a configuration before
		}
	}
	if l.ready {
		return
	}
	l.ready = true
	e := Event{Kind: KindReady, Message: fmt.Sprintf("%s, %s", count(len(l.zones), "zone"), count(len(l.table.targets), "target"))}
	if failing > 0 {
		e.Severity = diag.Warning
		e.Message += fmt.Sprintf("; failing: %s", count(failing, "zone"))
	}
	l.daemon.shown(l.show())
	l.daemon.tell(e)
}

// show makes a snapshot.
func (l *loop) show() *Snapshot {
	s := &Snapshot{
		Time: time.Now(), Started: l.daemon.started, Loaded: l.loaded, Zones: make([]Zone, len(l.zones)),
		Targets: len(l.table.targets), Failing: l.table.failing, InFlight: l.inFlight, Lookups: l.lookups, Ready: l.ready,
	}
	if l.work.Health != nil {
		s.Resolvers = l.work.Health()
	}
	if p := l.work.Primary; p != nil {
		s.Serving, s.Refusals = p.Serving(), p.Refusals()
	}
	for i, m := range l.zones {
		z := m.Zone
		for _, t := range m.questions {
			if t.place >= 0 && (z.NextRefresh.IsZero() || t.due.Time().Before(z.NextRefresh)) {
				z.NextRefresh = t.due.Time()
			}
		}
		z.Oldest = l.oldest(m)
		if l.work.Pulled != nil {
			z.Pulled = l.work.Pulled(i)
		}
		s.Zones[i] = z
	}
	return s
}

// oldest is when the oldest addresses that a zone holds were seen.
func (l *loop) oldest(m *member) time.Time {
	var oldest time.Time
	if !m.Held || l.work.Options.Known == nil {
		return oldest
	}
	for _, t := range m.questions {
		if t.fresh() {
			continue
		}
		if k := l.work.Options.Known(t.question); k != nil && len(k.Addresses) > 0 && !k.Seen.IsZero() && (oldest.IsZero() || k.Seen.Before(oldest)) {
			oldest = k.Seen
		}
	}
	return oldest
}

// targetsOf gives the targets of a zone.
func (l *loop) targetsOf(i int) []Target {
	if i < 0 || i >= len(l.zones) {
		return nil
	}
	var list []Target
	for _, t := range l.zones[i].questions {
		list = append(list, t.show())
	}
	return list
}

func (t *target) show() Target {
	s := Target{Question: t.question, Answer: t.last(), Asked: t.asked.Time(), Failed: int(t.failed)}
	if t.place >= 0 {
		s.Due = t.due.Time()
	}
	for _, i := range t.zones {
		s.Zones = append(s.Zones, int(i))
	}
	return s
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
