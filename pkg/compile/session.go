package compile

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Session keeps zones read, so that each run over some of them costs what has changed. Zones
// go by their index, from 0. It is not for concurrent use, and the texts of its sources must
// not change while it is in use.
type Session struct {
	Compact bool // zones are kept for long, so that small ones are to take little memory

	sources []Source
	members []*alias.Member // nil: not read
	found   []Result        // what reading and checking has found
	read    []Result        // what reading alone has found
	good    map[*alias.Member]bool
	graph   *alias.Graph
	index   map[*alias.Member]int
}

// NewSession begins one for a number of zones, none of which is read.
func NewSession(zones int) *Session {
	return &Session{
		sources: make([]Source, zones), members: make([]*alias.Member, zones),
		found: make([]Result, zones), read: make([]Result, zones),
	}
}

// Read reads sources, in the place of what was read for these zones before, and checks all
// zones against each other.
func (s *Session) Read(zones []int, sources []Source, advise func([]byte)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(zones)) {
		wg.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(zones); k = int(next.Add(1)) - 1 {
				i := zones[k]
				s.sources[i], s.read[i] = sources[k], Result{reading: readings.Add(1)}
				s.members[i] = read(&s.sources[i], &s.read[i], advise)
				if s.Compact {
					s.members[i].File.Compact()
				}
			}
		})
	}
	wg.Wait()
	s.check()
}

// Publishes tells what is published of a zone, for the runs to come.
func (s *Session) Publishes(i int, published *Published, remembers bool) {
	s.sources[i].Published, s.sources[i].Remembers = published, remembers
}

// check checks the zones that are read against each other.
func (s *Session) check() {
	var members []*alias.Member
	s.index, s.good = map[*alias.Member]int{}, map[*alias.Member]bool{}
	for i, m := range s.members {
		if m == nil {
			continue
		}
		members = append(members, m)
		s.index[m] = i
		s.found[i] = s.read[i]
		s.found[i].Problems = slices.Clone(s.read[i].Problems)
	}
	s.problemsTwice()
	s.graph = alias.NewGraph(members)
	for _, m := range members {
		s.good[m] = !s.found[s.index[m]].Problems.HasErrors()
	}
	s.dropDependents(members)
	for _, m := range members {
		if r := &s.found[s.index[m]]; s.good[m] {
			problems := s.graph.Check(m)
			r.Problems = m.File.Bounded(append(r.Problems, problems...))
			s.good[m] = !problems.HasErrors()
		}
	}
	s.dropDependents(members)
}

// Run compiles zones that are read, and gives a result for each.
func (s *Session) Run(ctx context.Context, zones []int, options Options) []Result {
	results := make([]Result, len(zones))
	source := map[*alias.Member]*Source{}
	for m, i := range s.index {
		source[m] = &s.sources[i]
	}
	var members []*alias.Member
	for k, i := range zones {
		results[k] = s.found[i]
		results[k].Problems = slices.Clone(s.found[i].Problems)
		if p := s.sources[i].Published; p != nil {
			results[k].OldSerial = &p.Serial
		}
		if m := s.members[i]; m != nil && s.good[m] {
			members = append(members, m)
		}
	}
	if options.Lookup == nil && options.Answered == nil {
		return results
	}
	run := flatten.New(s.graph, members, memory(source, &options))
	ask(ctx, run, options)
	if options.Answered != nil {
		s.widen(ctx, run, members, options)
	}
	doubt(ctx, run, source, options)
	var decided []int
	for k, i := range zones {
		m := s.members[i]
		if m == nil || !s.good[m] || options.Answered != nil && !s.depend(run, m, &results[k]) {
			continue
		}
		decide(&results[k], m, run, options)
		if options.Answered != nil {
			results[k].Recheck = run.Recheck(m)
		}
		decided = append(decided, k)
	}
	if options.Forgets && !options.Answers {
		run = nil // it takes more memory than the texts that are made now
	}
	for _, k := range decided {
		i := zones[k]
		finish(&s.sources[i], &results[k], s.members[i], options)
		if run != nil {
			results[k].keep(run, s.members[i], options)
		}
	}
	return results
}

// keep lets a result give what is known in its run.
func (r *Result) keep(run *flatten.Run, m *alias.Member, options Options) {
	if r.OK() && options.Answers {
		r.Answers = run.Answers(m)
	}
	switch {
	case options.Forgets:
	case options.Answered == nil:
		r.Sightings = func() map[resolve.Question]*resolve.Known { return run.Sightings(m) }
		if r.OK() {
			r.Remember = func() map[resolve.Question]*resolve.Known { return run.Remember(m) }
		}
	case r.OK():
		// Results of one run may be used side by side, and do not hold on to it.
		known := run.Remember(m)
		r.Remember = func() map[resolve.Question]*resolve.Known { return known }
		if options.Sightings {
			seen := run.Sightings(m)
			r.Sightings = func() map[resolve.Question]*resolve.Known { return seen }
		}
	}
}

// widen takes the zones into a run that its zones lead to, so that what holds for their rules
// holds for those who point at them.
func (s *Session) widen(ctx context.Context, run *flatten.Run, members []*alias.Member, options Options) {
	in := map[*alias.Member]bool{}
	for _, m := range members {
		in[m] = true
	}
	for i := 0; i < len(members); i++ {
		grown := false
		for _, other := range run.Depends(members[i]).Zones {
			if !in[other] && s.good[other] && len(other.Rules) > 0 {
				in[other], grown = true, true
				members = append(members, other)
				run.Add(other)
			}
		}
		if grown {
			ask(ctx, run, options)
		}
	}
}

// depend fills in what a zone hangs on, and tells whether all questions are answered.
func (s *Session) depend(run *flatten.Run, m *alias.Member, r *Result) bool {
	d := run.Depends(m)
	r.Depends = Dependence{Told: true, Questions: d.Questions, Open: d.Open}
	for _, other := range d.Zones {
		r.Depends.Zones = append(r.Depends.Zones, s.index[other])
	}
	return len(d.Open) == 0
}

// problemsTwice reports sources that are the same zone in one view.
func (s *Session) problemsTwice() {
	type key struct {
		view string
		name zone.Name
	}
	first := map[key]int{}
	for i, m := range s.members {
		if m == nil || m.File.Name.IsZero() {
			continue
		}
		k := key{m.View, m.File.Name}
		if j, ok := first[k]; ok {
			s.found[i].Problems = append(s.found[i].Problems, problemTwice(m.File.Name, s.sources[i].Name, s.sources[j].Name))
			continue
		}
		first[k] = i
	}
}

// dropDependents takes out the zones whose ALIAS targets lie in a zone that
// cannot be used, until none is left.
func (s *Session) dropDependents(members []*alias.Member) {
	for dropped := true; dropped; {
		dropped = false
		for _, m := range members {
			if !s.good[m] {
				continue
			}
			if d := s.dependsOnBad(m); d != nil {
				r := &s.found[s.index[m]]
				r.Problems = append(r.Problems, d)
				s.good[m] = false
				dropped = true
			}
		}
	}
}

func (s *Session) dependsOnBad(m *alias.Member) *diag.Diagnostic {
	for i := range m.Rules {
		for _, serving := range s.graph.Through(m, &m.Rules[i]) {
			if serving != m && !s.good[serving] {
				return m.Rules[i].Entry.Target.Place.Report(problemDependent(m.Rules[i].Target, serving.File.Name))
			}
		}
	}
	return nil
}

// zone reads a source alone.
func (s *Source) zone(advise func([]byte)) *zonefile.Zone {
	return zonefile.Read(s.Name, s.Text, zonefile.Options{
		Origin: s.Origin, Includes: s.Includes, IncludeRoot: s.IncludeRoot, Path: s.IncludePath,
		GenerateLimit: s.GenerateLimit, CheckNames: s.CheckNames, For: s.For, StripDNSSEC: s.StripDNSSEC,
		Lasting: s.Lasting, Advise: advise,
	})
}

// read reads a source and its rules.
func read(s *Source, r *Result, advise func([]byte)) *alias.Member {
	z := s.zone(advise)
	r.Name = z.Name
	r.Problems = z.Found
	if serial, ok := z.Serial(); ok {
		r.OldSerial = &serial
	}
	m := &alias.Member{File: z, View: s.View, Subnet: s.Subnet}
	if z.Name.IsZero() {
		return m
	}
	r.Problems = append(r.Problems, signed(z, s.StripDNSSEC)...)
	var problems diag.List
	m.Rules, problems = alias.Rules(z, s.Settings)
	r.Problems = z.Bounded(append(r.Problems, problems...))
	for i := range m.Rules {
		if !m.Rules[i].Repeats {
			r.Aliases++
		}
	}
	return m
}
