package flatten

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Guards are the bounds of what the world may do to a zone between two publications.
type Guards struct {
	Change      float64 // part of the targets, 0 to 1, that may change at once; 1 or more: all may
	Convergence int     // how many unrelated targets may not come to share one address; 0: any may
	Confirm     int     // how often a held change is seen before it is accepted; 0: never by itself
	Shrink      float64 // part of the records, 0 to 1, that may go at once; 1 or more: all may
}

// DefaultGuards are the guards where nobody says otherwise.
var DefaultGuards = Guards{Change: 0.3, Convergence: 3, Confirm: 3, Shrink: 0.5}

// leastTargets is how many targets a zone has at least for a part of them to tell anything.
const leastTargets = 10

// Names of the guards, as [resolve.Held] has them.
const (
	GuardChange      = "change"
	GuardConvergence = "convergence"
	GuardReborn      = "reborn"
)

// guarded is a change that a guard holds back.
type guarded struct {
	guard   string
	why     string // what happened, in one clause
	known   *resolve.Known
	held    resolve.Held
	confirm int
}

// watched is one question whose addresses are not those that were published.
type watched struct {
	question resolve.Question
	answer   *resolve.Answer
	known    *resolve.Known
	zone     zone.Name
	guards   Guards
}

// Guard looks at what the world did since the last publication, over all zones of the run,
// and has those changes held back that look like no operator's work. All questions must be
// answered. With force nothing is held.
func (f *Run) Guard(guards func(*alias.Member) Guards, force bool) {
	before := len(f.guards) > 0 || f.force != force
	f.guards, f.force = map[resolve.Question]*guarded{}, force
	if !force {
		var all []watched
		for _, m := range f.members {
			changed := f.guardZone(m, guards(m))
			all = append(all, changed...)
		}
		f.guardConvergence(all)
	}
	if before || len(f.guards) > 0 {
		f.unsettle()
	}
}

// unsettle forgets what was decided on the way to a decision.
func (f *Run) unsettle() {
	rules := 0
	for _, m := range f.members {
		rules += len(m.Rules)
	}
	f.memo, f.settled = make(map[key]*found, len(qtypes)*rules), make(map[*alias.Rule]*settlement, rules)
}

// guardOf gives the guard that holds an answer back, or nil.
func (f *Run) guardOf(g *found) *guarded {
	if g.answer == nil || g.inner != nil {
		return nil
	}
	return f.guards[g.question]
}

// guardZone holds a zone's changes back where too many come at once, and targets that come
// back from the dead. It gives all changes.
func (f *Run) guardZone(m *alias.Member, guards Guards) []watched {
	var changed []watched
	targets, answered, moved := map[zone.Name]bool{}, map[zone.Name]bool{}, map[zone.Name]bool{}
	for i := range m.Rules {
		r := &m.Rules[i]
		for _, qtype := range qtypes {
			g, known := f.watch(m, r, qtype)
			if known == nil {
				continue
			}
			targets[r.Target] = true
			if g.outcome != resolve.Addresses || g.answer.Stale {
				continue
			}
			answered[r.Target] = true
			if known.Had(g.addresses) {
				continue
			}
			moved[r.Target] = true
			changed = append(changed, watched{g.question, g.answer, known, m.File.Name, guards})
		}
	}
	for _, w := range changed {
		if w.known.Gone {
			f.guard(w, GuardReborn, "it was gone, and is back with addresses that it never had")
		}
	}
	if len(targets) >= leastTargets && float64(len(moved)) > guards.Change*float64(len(answered)) {
		why := fmt.Sprintf("%d of the %d targets of the zone that answered have addresses at once that they never had, which is more than %.0f %%", len(moved), len(answered), 100*guards.Change)
		for _, w := range changed {
			f.guard(w, GuardChange, why)
		}
	}
	return changed
}

// watch gives what a rule has for a type, and what is known of it from before; nil where there
// is nothing to compare, or it is another ALIAS that has the answer.
func (f *Run) watch(m *alias.Member, r *alias.Rule, qtype uint16) (*found, *resolve.Known) {
	if !r.Wants(qtype) {
		return nil, nil
	}
	g := f.settle(m, r).of(qtype).found
	if g.answer == nil || g.inner != nil {
		return nil, nil
	}
	known, _ := f.knownOf(m, r, qtype, g)
	if known == nil || len(known.Addresses) == 0 && !known.Gone {
		return nil, nil
	}
	return g, known
}

// guardConvergence holds changes back that give targets of different owners one address.
func (f *Run) guardConvergence(changed []watched) {
	at := map[netip.Addr][]watched{}
	seen := map[resolve.Question]bool{}
	for _, w := range changed {
		if seen[w.question] {
			continue
		}
		seen[w.question] = true
		for _, a := range w.answer.Addresses {
			at[a] = append(at[a], w)
		}
	}
	for a, list := range at {
		n := unrelated(list)
		for _, w := range list {
			if w.guards.Convergence > 0 && n >= w.guards.Convergence {
				f.guard(w, GuardConvergence, fmt.Sprintf("%d unrelated targets have come to share the address %s", n, a))
			}
		}
	}
}

// unrelated counts targets that have different registrable domains, and had no address in
// common before.
func unrelated(list []watched) int {
	domains := map[string]bool{}
	var sets []*resolve.Known
	for _, w := range list {
		name := strings.TrimSuffix(w.question.Target.String(), ".")
		domain, err := publicsuffix.EffectiveTLDPlusOne(name)
		if err != nil {
			domain = name
		}
		if domains[domain] || slices.ContainsFunc(sets, func(k *resolve.Known) bool { return k.Had(w.known.Addresses) }) {
			continue
		}
		domains[domain] = true
		sets = append(sets, w.known)
	}
	return len(domains)
}

// guard holds a change back, unless it was accepted or seen often enough. The first guard
// that does is the one that is reported.
func (f *Run) guard(w watched, name, why string) {
	held := sighted(w, name, f.memory.Now)
	if held.Accepted || w.guards.Confirm > 0 && held.Times >= w.guards.Confirm {
		return
	}
	if other := f.guards[w.question]; other != nil {
		// The addresses that converge tell more than how many targets moved, and several
		// addresses may do so: the same is reported each time.
		if other.guard == GuardReborn || other.guard == name && other.why <= why {
			return
		}
	}
	f.guards[w.question] = &guarded{guard: name, why: why, known: w.known, held: held, confirm: w.guards.Confirm}
}

// betweenSightings is how far two sightings lie apart at least, in case of a TTL near 0.
const betweenSightings = 30 * time.Second

// sighted counts a change that is held back, once in each TTL. The addresses may go on to
// change: what is counted is that the target stays away from those that it had.
func sighted(w watched, name string, now time.Time) resolve.Held {
	held := w.known.Held
	if held.Times == 0 {
		return resolve.Held{Addresses: w.answer.Addresses, Guard: name, Zone: w.zone, First: now, Last: now, Times: 1}
	}
	apart := max(time.Duration(w.answer.TTL)*time.Second, betweenSightings)
	// A second is for what passes between an answer and the run that sees it.
	if now.Sub(held.Last)+time.Second >= apart {
		held.Times, held.Last = held.Times+1, now
	}
	held.Addresses, held.Guard = w.answer.Addresses, name
	return held
}

// Distrust has nothing dropped in this run, for a reason that is one clause.
func (f *Run) Distrust(why string) {
	if why != f.ours {
		f.ours = why
		f.unsettle()
	}
}

// SuspectOurselves has nothing dropped where more than a fifth of the run's targets, and at
// least three, have no addresses at once although they had: then the fault is more likely
// ours than theirs.
func (f *Run) SuspectOurselves() {
	all, without := map[zone.Name]bool{}, map[zone.Name]bool{}
	for _, m := range f.members {
		for i := range m.Rules {
			r := &m.Rules[i]
			if r.Repeats {
				continue
			}
			all[r.Target] = true
			if s := f.settle(m, r); s.knew && !s.fresh && !s.gone() {
				without[r.Target] = true
			}
		}
	}
	if len(without) >= 3 && 5*len(without) > len(all) {
		f.Distrust(fmt.Sprintf("%d of %d targets fail together, which looks like a fault on this side", len(without), len(all)))
	}
}

// gone tells whether the target was gone before.
func (s *settlement) gone() bool {
	return slices.ContainsFunc(s.types[:], func(of *ofType) bool { return of != nil && of.known != nil && of.known.Gone })
}
