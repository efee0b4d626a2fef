package flatten

import (
	"time"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Dependence is what a zone hangs on, beside its own text.
type Dependence struct {
	// Questions are those that its rules have led to, each once, those of ALIAS records in
	// other zones that they lead to among them.
	Questions []resolve.Question
	// Open are those of them that are not answered.
	Open []resolve.Question
	// Zones are the other zones of the run that hold a name on the way.
	Zones []*alias.Member
}

// Depends gives what a zone hangs on, as far as the answers lead.
func (f *Run) Depends(m *alias.Member) Dependence {
	d := dependence{run: f, of: m, rules: map[key]bool{}, questions: map[resolve.Question]bool{}, zones: map[*alias.Member]bool{}}
	for i := range m.Rules {
		for _, qtype := range qtypes {
			d.follow(m, &m.Rules[i], qtype)
		}
	}
	return d.found
}

// dependence is the finding of it.
type dependence struct {
	run       *Run
	of        *alias.Member
	found     Dependence
	rules     map[key]bool
	questions map[resolve.Question]bool
	zones     map[*alias.Member]bool
}

// follow takes in what a rule leads to, and the rules of the run behind that.
func (d *dependence) follow(m *alias.Member, r *alias.Rule, qtype uint16) {
	if !r.Wants(qtype) || d.rules[key{r, qtype}] {
		return
	}
	d.rules[key{r, qtype}] = true
	c := d.run.chase(m, r.Target, qtype)
	for _, q := range c.asked {
		d.question(q, false)
	}
	if c.open {
		d.question(c.question, true)
	}
	d.within(m.View, r.Target)
	for _, name := range c.path {
		d.within(m.View, name)
	}
	if c.walk.End == alias.EndRule && !c.loop {
		if serving := d.run.graph.Serving(m.View, c.walk.Last); serving != nil {
			d.follow(serving, c.walk.Rule, qtype)
		}
	}
}

// within takes in the zone of the run that a name lies in, at or below a cut too: what that
// zone says of it may change.
func (d *dependence) within(view string, name zone.Name) {
	m := d.run.graph.Within(view, name)
	if m != nil && m != d.of && !d.zones[m] {
		d.zones[m] = true
		d.found.Zones = append(d.found.Zones, m)
	}
}

func (d *dependence) question(q resolve.Question, open bool) {
	if d.questions[q] {
		return
	}
	d.questions[q] = true
	d.found.Questions = append(d.found.Questions, q)
	if open {
		d.found.Open = append(d.found.Open, q)
	}
}

// Recheck is when the passing of time alone makes something else of a zone: that last good
// addresses get older than they may. The zero Time is never.
func (f *Run) Recheck(m *alias.Member) time.Time {
	var at time.Time
	for i := range m.Rules {
		r := &m.Rules[i]
		if r.Repeats {
			continue
		}
		for _, of := range f.settle(m, r).types {
			if of == nil || of.verdict != verdictHold || of.known == nil || of.known.Seen.IsZero() || f.pastStale(r, of) {
				continue
			}
			if past := of.known.Seen.Add(time.Duration(r.MaxStale)*time.Second + 1); at.IsZero() || past.Before(at) {
				at = past
			}
		}
	}
	return at
}
