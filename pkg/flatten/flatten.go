// Package flatten turns rules and answers into the address RRsets that stand in
// place of ALIAS entries.
//
// It is pure: it says which questions are open, is given the answers, and
// decides the same way for the same answers. It asks no resolver, reads no
// clock, and writes nothing.
package flatten

import (
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// RRset is the addresses of one type that an owner name gets.
type RRset struct {
	Type      uint16 // A or AAAA
	TTL       uint32
	Addresses []netip.Addr // sorted, without duplicates
	Beside    []netip.Addr // those of Addresses that only explicit records give (siblings=merge)
	Least     uint32       // the ttl-min that TTL is held at, which tells nothing of the target's then; 0: none
}

// Result is what becomes of one rule.
type Result struct {
	Rule    *alias.Rule
	RRsets  []RRset  // A before AAAA; empty where nothing stands in its place
	Drop    []uint16 // types whose explicit records are taken out
	Failed  bool     // nothing can be published for the owner
	Held    bool     // last good addresses stand in place of what was, or was not, answered
	Stale   bool     // they are held past max-stale, or held in spite of what the rule says
	Guarded bool     // a guard holds back what was answered
	Gone    bool     // nothing stands in its place, because its last good addresses went
	Changes []Change // against what was published last, as far as it is known
}

// Change is a type whose addresses are others than were published last.
type Change struct {
	Type     uint16
	From, To []netip.Addr
	Answer   *resolve.Answer // by which; nil: what is known inside of the run
	Why      string          // in a clause; empty: that is what was answered
}

// Memory is what is known from before. Its functions may be nil, and give nil where nothing
// is known.
type Memory struct {
	// Known gives what is remembered of a question.
	Known func(resolve.Question) *resolve.Known
	// Published gives what the last output has for a rule, of unknown age.
	Published func(*alias.Member, *alias.Rule, uint16) *resolve.Known
	Now       time.Time
	Strict    bool // a lookup that fails is not made good by what is known
}

// Run flattens the zones of one run.
type Run struct {
	graph   *alias.Graph
	members []*alias.Member
	memory  Memory
	answers map[resolve.Question]*resolve.Answer
	memo    map[key]*found
	settled map[*alias.Rule]*settlement
	known   map[key]*resolve.Known
	guards  map[resolve.Question]*guarded
	force   bool   // nothing is held back
	ours    string // why nothing is dropped in this run: the fault seems to be ours; empty: it is not

	remembered map[resolve.Question]*resolve.Known // once everything is decided; nil before

	toldDNS64 bool // a warning was given
}

type key struct {
	rule  *alias.Rule
	qtype uint16
}

// New starts a run over zones whose rules are checked.
func New(graph *alias.Graph, members []*alias.Member, memory Memory) *Run {
	f := &Run{graph: graph, members: members, memory: memory, answers: map[resolve.Question]*resolve.Answer{}, known: map[key]*resolve.Known{}}
	f.unsettle()
	return f
}

// Add takes a zone in whose rules others lead to.
func (f *Run) Add(m *alias.Member) {
	f.members = append(f.members, m)
	f.unsettle()
}

// Open gives the questions that are not answered yet, each once, in the order
// of the rules. An answer may open new ones: a chain that comes back into a
// zone of the run goes on with the zone's own data.
func (f *Run) Open() []resolve.Question {
	var open []resolve.Question
	asked := map[resolve.Question]bool{}
	for _, m := range f.members {
		for i := range m.Rules {
			r := &m.Rules[i]
			for _, qtype := range qtypes {
				if !r.Wants(qtype) {
					continue
				}
				c := f.chase(m, r.Target, qtype)
				if c.open && !asked[c.question] {
					asked[c.question] = true
					open = append(open, c.question)
				}
			}
		}
	}
	return open
}

// Answer takes answers in, which must not change from here on.
func (f *Run) Answer(questions []resolve.Question, answers []resolve.Answer) {
	if len(f.answers) == 0 {
		f.answers = make(map[resolve.Question]*resolve.Answer, len(questions))
	}
	for i, q := range questions {
		f.answers[q] = &answers[i]
	}
	f.unsettle()
}

// Answers gives the answers to all questions that the rules of a zone have led to.
func (f *Run) Answers(m *alias.Member) map[resolve.Question]*resolve.Answer {
	all := map[resolve.Question]*resolve.Answer{}
	for i := range m.Rules {
		r := &m.Rules[i]
		for _, qtype := range qtypes {
			if !r.Wants(qtype) {
				continue
			}
			for _, q := range f.chase(m, r.Target, qtype).asked {
				all[q] = f.answers[q]
			}
		}
	}
	return all
}

// Answered gives the answer to a question, or nil while it is open.
func (f *Run) Answered(q resolve.Question) *resolve.Answer { return f.answers[q] }

var qtypes = [...]uint16{dns.TypeA, dns.TypeAAAA}

// chased is the way from a target to its end, through zones of the run and
// answers of resolvers.
type chased struct {
	open     bool
	question resolve.Question
	ttl      uint32 // the least on the way
	steps    int
	walk     alias.Walk      // where it ended, if in a zone of the run
	answer   *resolve.Answer // where it ended, if outside
	loop     bool            // the names come back to one of themselves, or are too many
	path     []zone.Name     // behind the target
	asked    []resolve.Question
}

// pass takes links of an answer, with the names they lead to.
func (c *chased) pass(links []resolve.Link, names []zone.Name) {
	for _, l := range links {
		c.ttl = min(c.ttl, l.TTL)
	}
	c.path = append(c.path, names...)
	c.steps += len(links)
}

// chase follows a target of a zone as far as the answers go.
func (f *Run) chase(m *alias.Member, target zone.Name, qtype uint16) chased {
	view, subnet := m.View, resolve.NewSubnet(m.Subnet)
	c := chased{ttl: resolve.MaxTTL}
	visited := make([]zone.Name, 0, 4)
	for name := target; ; {
		if slices.Contains(visited, name) || c.steps > alias.MaxSteps {
			c.loop = true
			return c
		}
		visited = append(visited, name)
		w := f.graph.Walk(view, name, qtype)
		for _, l := range w.Links {
			c.ttl = min(c.ttl, l.TTL)
			c.path = append(c.path, l.Target)
		}
		c.steps += len(w.Links)
		c.walk = w
		if w.End != alias.EndOutside {
			return c
		}
		q := resolve.Question{Target: w.Last, Type: qtype, Subnet: subnet}
		a := f.answers[q]
		if a == nil {
			c.open, c.question = true, q
			return c
		}
		c.asked = append(c.asked, q)
		names := namesOf(w.Last, a.Chain)
		back := f.comesBack(view, names)
		if back < 0 {
			c.answer, c.question = a, q
			c.path = append(c.path, names...)
			return c
		}
		c.pass(a.Chain[:back+1], names[:back+1])
		name = names[back]
	}
}

// namesOf gives the names that a chain leads to, one for each link. The target
// of a DNAME is not one of them, but what it makes of the name before.
func namesOf(name zone.Name, chain []resolve.Link) []zone.Name {
	names := make([]zone.Name, len(chain))
	for i, l := range chain {
		next := l.Target
		if l.Type == dns.TypeDNAME && name != l.Owner && name.IsIn(l.Owner) {
			if made, ok := name.Replace(l.Owner, l.Target); ok {
				next = made
			}
		}
		names[i], name = next, next
	}
	return names
}

// comesBack gives the first name of a chain that lies in a zone of the run, or
// -1.
func (f *Run) comesBack(view string, names []zone.Name) int {
	return slices.IndexFunc(names, func(n zone.Name) bool { return f.graph.Serving(view, n) != nil })
}

// found is what a rule has for one type.
type found struct {
	outcome   resolve.Outcome
	loop      bool // path comes back to a name on it, or is too long
	busy      bool
	ttl       uint32
	way       uint32 // the TTL of the ALIAS and of what lies inside the run
	addresses []netip.Addr
	answer    *resolve.Answer  // that said so; nil inside the run
	question  resolve.Question // that answer is to
	inner     *alias.Rule      // the ALIAS that said so
	path      []zone.Name      // from behind the target to where it ended
}

// find gives what the target of a rule has for a type, TTL bounds not applied.
func (f *Run) find(m *alias.Member, r *alias.Rule, qtype uint16) *found {
	k := key{r, qtype}
	if got := f.memo[k]; got != nil {
		if got.busy {
			return &found{outcome: resolve.Failure, loop: true, path: []zone.Name{r.Target}}
		}
		return got
	}
	got := &found{busy: true}
	f.memo[k] = got
	c := f.chase(m, r.Target, qtype)
	*got = f.end(m, c, qtype)
	got.way = min(c.ttl, r.Entry.TTL)
	got.ttl = min(got.ttl, got.way)
	got.path = slices.Concat(c.path, got.path)
	return got
}

func (f *Run) end(m *alias.Member, c chased, qtype uint16) found {
	switch {
	case c.loop:
		return found{outcome: resolve.Failure, loop: true}
	case c.answer != nil:
		a := c.answer
		return found{outcome: a.Outcome, addresses: a.Addresses, ttl: a.TTL, answer: a, question: c.question}
	}
	switch w := c.walk; w.End {
	case alias.EndAddresses:
		return found{outcome: resolve.Addresses, addresses: w.Addresses, ttl: w.TTL}
	case alias.EndRule:
		return f.published(m, w, qtype)
	case alias.EndNoData:
		return found{outcome: resolve.NoData}
	case alias.EndNXDomain:
		return found{outcome: resolve.NXDomain}
	case alias.EndLoop, alias.EndTooLong, alias.EndOutside:
	}
	return found{outcome: resolve.Failure, loop: true}
}

// published gives what another ALIAS of the run publishes for a type.
func (f *Run) published(m *alias.Member, w alias.Walk, qtype uint16) found {
	owner := f.graph.Serving(m.View, w.Last)
	rr := f.rrset(owner, w.Rule, qtype)
	got := found{outcome: resolve.Addresses, addresses: rr.Addresses, ttl: rr.TTL, inner: w.Rule}
	switch {
	case len(rr.Addresses) > 0:
	case w.Rule.Siblings == alias.SiblingsFallback && len(w.Rule.Explicit) > 0:
		got.outcome = resolve.NoData // its explicit addresses are of the other type
	default:
		in := f.find(owner, w.Rule, qtype)
		got = *in
		got.inner, got.busy = w.Rule, false
		if in.outcome == resolve.Addresses {
			got.inner = nil // it does not publish them: what holds there holds here
		}
		if len(in.path) == 0 || in.path[0] != w.Rule.Target {
			got.path = slices.Concat([]zone.Name{w.Rule.Target}, in.path)
		}
	}
	return got
}

// rrset gives the RRset of a type that a rule's owner name has in the end,
// explicit siblings included.
func (f *Run) rrset(m *alias.Member, r *alias.Rule, qtype uint16) RRset {
	explicit, ttl := r.Addresses(qtype)
	if !r.Wants(qtype) {
		return RRset{Type: qtype, TTL: ttl, Addresses: explicit}
	}
	s := f.settle(m, r)
	of := s.of(qtype)
	rr := RRset{Type: qtype, TTL: bound(r, of.ttl), Addresses: of.addresses}
	switch {
	case len(of.addresses) == 0:
		if s.explicitServes(r, of) {
			return RRset{Type: qtype, TTL: ttl, Addresses: explicit}
		}
	case r.Siblings == alias.SiblingsMerge && len(explicit) > 0:
		rr.Beside = slices.DeleteFunc(slices.Clone(explicit), func(a netip.Addr) bool { return slices.Contains(of.addresses, a) })
		rr.Addresses = slices.Concat(rr.Addresses, explicit)
		slices.SortFunc(rr.Addresses, netip.Addr.Compare)
		rr.Addresses = slices.Compact(rr.Addresses)
		rr.TTL = min(rr.TTL, ttl)
	}
	switch {
	case len(rr.Addresses) == 0:
	case rr.TTL <= r.TTLMin:
		rr.Least = r.TTLMin
	case of.verdict == verdictHold && of.known.Raised:
		rr.Least = rr.TTL // by a ttl-min that was there when it was published
	}
	return rr
}

// Zone gives what becomes of each rule of a zone, and the problems, each at
// its ALIAS entry. All questions must be answered.
func (f *Run) Zone(m *alias.Member) ([]Result, diag.List) {
	results := make([]Result, len(m.Rules))
	var problems diag.List
	for i := range m.Rules {
		var list diag.List
		results[i], list = f.rule(m, &m.Rules[i])
		problems = append(problems, list...)
	}
	return results, problems
}

// bound holds a TTL within the rule's bounds.
//
// The lower bound is a promise about load, not about freshness: every expiry
// costs a rebuild and a transfer.
func bound(r *alias.Rule, ttl uint32) uint32 {
	if r.TTLMax != 0 {
		ttl = min(ttl, r.TTLMax)
	}
	return max(ttl, r.TTLMin)
}
