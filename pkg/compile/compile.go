// Package compile strings the stages together: read, understand, resolve,
// flatten, rewrite. It holds their order and nothing else.
//
// A run makes texts; it writes no file. Zones are independent: what is wrong
// with one leaves the others alone, unless their ALIAS targets lie in it.
package compile

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Style is the form of the output.
type Style uint8

// The styles.
const (
	StyleSource    Style = iota // the author's text
	StyleCanonical              // one record a line, absolute, sorted
)

// Source is one zone to compile.
type Source struct {
	Name        string    // of the file, as the user named it
	Text        []byte    // must not change while its result is in use
	Origin      zone.Name // zero: the source tells
	View        string
	Settings    alias.Settings // where an ALIAS entry does not say otherwise
	Style       Style
	For         zonefile.Servers
	Serial      zone.Policy
	CheckNames  diag.Severity // 0 means Error
	StripDNSSEC bool
	Subnet      netip.Prefix // for whom targets are looked up (RFC 7871); zero: nobody in particular

	Includes      fs.FS  // what $INCLUDE may read; nil refuses
	IncludeRoot   string // the folder Includes stands for
	IncludePath   string // where in Includes the source lies
	GenerateLimit int    // 0 means 65536

	Published *Published      // what was published last; nil where nothing is known
	Remembers bool            // there is a place for what is published, so no serial is lost
	Lasting   bool            // the result's Content.Lasting is wanted, to be remembered or compared
	Guards    *flatten.Guards // nil means [flatten.DefaultGuards]
}

// Published is what a zone published last.
type Published struct {
	Serial zone.Serial
	// Same tells whether it has the records of a draft, the serial apart. The
	// serial of the draft is not settled yet. It is asked once at most, and not
	// for zones with errors.
	Same func(draft *zonefile.Text, content zonefile.Content) (bool, error)
	// Last gives the addresses that an owner was published with last for a target, of an
	// unknown age; nil where there are none. Last itself may be nil.
	Last func(owner, target zone.Name, qtype uint16) *resolve.Known
	// Gone tells how many records that were published are not in a draft, under any TTL, and
	// how many there were. Where it is nil nobody tells.
	Gone  func(draft *zonefile.Text, content zonefile.Content) (gone, count int, err error)
	Count int // how many records were published, where that is known without Gone; 0: it is not
}

// SameContent tells whether a zone file that was summarized has the records of
// a content, the serial apart. exact reads that file with an index; it is asked
// where the file may have records twice.
func SameContent(old zonefile.Summary, content zonefile.Content, exact func() (*zonefile.Zone, error)) (bool, error) {
	if old.Sum == content.Sum && old.Count == content.Count {
		return true, nil
	}
	if old.Sum == content.Raw && old.Count == content.Lines {
		return true, nil
	}
	if old.Count <= content.Count {
		return false, nil
	}
	z, err := exact()
	if err != nil {
		return false, err
	}
	c := z.Content(nil, nil)
	return c.Sum == content.Sum && c.Count == content.Count, nil
}

// Options are what holds for a run.
type Options struct {
	Lookup   resolve.Lookuper // nil asks nobody: sources are checked only
	Policy   resolve.Policy
	Pref64s  func(resolver string) []netip.Prefix // of the DNS64 of a resolver, by its URL; nil: none is known
	InFlight int                                  // lookups at once; 0 means 2000
	Progress func(done, total int)
	Now      time.Time    // not before what is remembered
	Clock    time.Time    // for serials that tell the time; zero: Now
	Advise   func([]byte) // as in [zonefile.Options]; may be called by several goroutines

	Known     func(resolve.Question) *resolve.Known                // what is remembered of a question; nil: nothing is
	Estimates resolve.Estimates                                    // of original TTLs, which the run adds to; nil: TTLs are taken as seen
	Confirm   func(context.Context, resolve.Answer) resolve.Answer // as [Resolvers.Confirm]; nil: nobody confirms
	Distrust  func() string                                        // why what is gone may be the resolvers' fault, after all lookups; nil or empty: it is not
	Force     bool                                                 // no guard holds anything back
	Reviewed  bool                                                 // somebody has looked at the answers: what the world did is held by no guard
	Preview   bool                                                 // nothing will be written, so that guards only warn
	Answers   bool                                                 // results have their answers
	Forgets   bool                                                 // results have no Remember and no Sightings
	Sightings bool                                                 // results have their Sightings, with Answered too

	// Answered makes a run one of many over the same zones: it gives the last answer to a
	// question, as [Settled] has it, or nil, and nobody is asked. Zones with a question that
	// has none are left alone. Whether targets fail together is judged by Distrust alone.
	Answered func(resolve.Question) *resolve.Answer
}

// Settled gives an answer as a run with [Options.Answered] takes it. One that a DNS64 made is left
// to the run: what becomes of it hangs on what there is beside it.
func (o *Options) Settled(a resolve.Answer) resolve.Answer {
	if !o.pref64(&a).IsValid() {
		a = o.Policy.Check(a.Target, a)
	}
	if o.Estimates != nil {
		o.Estimates.Observe(a, o.Now)
		a = o.Estimates.Apply(a)
	}
	return a
}

// pref64 is the prefix that an answer lies in because a DNS64 made it, as [resolve.DNS64Of].
func (o *Options) pref64(a *resolve.Answer) netip.Prefix {
	var found []netip.Prefix
	if o.Pref64s != nil {
		found = o.Pref64s(a.Resolver)
	}
	return resolve.DNS64Of(a, found)
}

func (o *Options) clock() time.Time {
	if o.Clock.IsZero() {
		return o.Now
	}
	return o.Clock
}

// DefaultInFlight is how many lookups run at once.
const DefaultInFlight = 2000

// Result is what came of one source.
type Result struct {
	Name      zone.Name
	Problems  diag.List
	Text      *zonefile.Text   // nil where nothing may be written
	Content   zonefile.Content // of Text
	Changed   bool             // Content differs from what was published
	Serial    zone.Serial
	Clock     zone.SerialStyle // the style, date or unixtime, whose serial of the time Serial is; SerialAuto where it is not
	OldSerial *zone.Serial     // published, or else the source's; nil without an SOA
	Aliases   int              // ALIAS entries, those that stand twice once
	Flattened []flatten.Result
	Explicit  []diag.Note // entries that were made explicit
	World     bool        // only the world keeps it from being written
	Held      bool        // an ALIAS is held at its last good addresses
	Stale     bool        // past max-stale, or in spite of what its rule says
	Guarded   bool        // a guard holds something back: the whole zone, where there is no text

	// Remember gives what is to be remembered of the zone's questions once it is published;
	// nil where there is no text, and with [Options].Forgets. It needs the source's text no more.
	Remember func() map[resolve.Question]*resolve.Known
	// Sightings gives what is to be remembered of them if it is not published; nil where its
	// targets were not looked up, with [Options].Forgets, and with [Options].Answered unless
	// there is a text and [Options].Sightings is set.
	Sightings func() map[resolve.Question]*resolve.Known
	// Answers is what the questions of the zone were answered with, with [Options].Answers; nil
	// where there is no text.
	Answers map[resolve.Question]*resolve.Answer

	// Depends is what the zone hangs on, by the indexes of its Session; it is there with
	// [Options.Answered], also where there is no text.
	Depends Dependence
	Recheck time.Time // when the zone becomes another one by the passing of time alone; zero: never

	reading uint64 // of the source: another number each time
}

// Dependence is what a zone hangs on, beside its own text.
type Dependence struct {
	Told      bool               // false where the zone has errors: then nothing is known of it
	Questions []resolve.Question // that its targets have led to, each once
	Open      []resolve.Question // those of them without an answer; if there are any, that is all of the result
	Zones     []int              // that hold names on the way
}

// OK tells whether the zone can be written.
func (r *Result) OK() bool { return r.Text != nil }

// Run compiles sources together: a target inside one of them is answered from
// its text.
func Run(ctx context.Context, sources []Source, options Options) []Result {
	s := NewSession(len(sources))
	all := make([]int, len(sources))
	for i := range sources {
		all[i] = i
	}
	s.Read(all, sources, options.Advise)
	return s.Run(ctx, all, options)
}

// ask answers all questions of a run. Each round takes answers that lead back
// into the run a step further.
func ask(ctx context.Context, run *flatten.Run, options Options) {
	inFlight := options.InFlight
	if inFlight == 0 {
		inFlight = DefaultInFlight
	}
	for range alias.MaxSteps + 1 {
		open := run.Open()
		if options.Answered != nil {
			open = slices.DeleteFunc(open, func(q resolve.Question) bool { return options.Answered(q) == nil })
		}
		if len(open) == 0 {
			return
		}
		if options.Answered == nil {
			answers := resolve.All(ctx, options.Lookup, open, inFlight, options.Progress)
			settleDNS64(run, open, answers, &options)
			for i := range answers {
				answers[i] = options.Settled(answers[i])
			}
			run.Answer(open, answers)
			continue
		}
		answers := make([]resolve.Answer, len(open))
		for i, q := range open {
			answers[i] = *options.Answered(q)
		}
		settleDNS64(run, open, answers, &options)
		for i, q := range open {
			answers[i] = options.Policy.Check(q.Target, answers[i]) // it may be stricter by now
		}
		run.Answer(open, answers)
	}
}

// memory is what is known from before: what is remembered, and what the outputs show.
func memory(source map[*alias.Member]*Source, options *Options) flatten.Memory {
	memory := flatten.Memory{Now: options.Now, Strict: options.Reviewed}
	shown := func(s *Source) bool { return s.Published != nil && s.Published.Last != nil }
	for _, s := range source {
		if !shown(s) {
			continue
		}
		memory.Published = func(m *alias.Member, r *alias.Rule, qtype uint16) *resolve.Known {
			if s := source[m]; shown(s) {
				return permitted(&options.Policy, r.Target, qtype, s.Published.Last(r.Owner, r.Target, qtype))
			}
			return nil
		}
		break // most runs have no need of it
	}
	if options.Known != nil {
		memory.Known = func(q resolve.Question) *resolve.Known {
			return permitted(&options.Policy, q.Target, q.Type, options.Known(q))
		}
	}
	return memory
}

// permitted is what is known without last good addresses that would not be published now.
func permitted(policy *resolve.Policy, target zone.Name, qtype uint16, known *resolve.Known) *resolve.Known {
	if known == nil || len(known.Addresses) == 0 || policy.Check(target, known.LastGood(target, qtype)).Outcome == resolve.Addresses {
		return known
	}
	k := *known
	k.Addresses = nil
	return &k
}

// doubt has answers confirmed that take addresses away, and holds back what does not look
// like the work of those who run the targets.
func doubt(ctx context.Context, run *flatten.Run, source map[*alias.Member]*Source, options Options) {
	if options.Distrust != nil {
		run.Distrust(options.Distrust())
	}
	if options.Confirm != nil {
		doubtful := run.Doubtful()
		answers := make([]resolve.Answer, len(doubtful))
		var g errgroup.Group
		g.SetLimit(confirmInFlight)
		for i, q := range doubtful {
			g.Go(func() error {
				answers[i] = options.Confirm(ctx, *run.Answered(q))
				return nil
			})
		}
		_ = g.Wait() // none of them fails
		if len(doubtful) > 0 {
			run.Answer(doubtful, answers)
		}
	}
	run.Guard(func(m *alias.Member) flatten.Guards { return *source[m].guards() }, options.Force || options.Reviewed)
	if options.Answered == nil {
		run.SuspectOurselves()
	}
}

// confirmInFlight is how many answers are confirmed at once.
const confirmInFlight = 64

// guards gives the guards of a source.
func (s *Source) guards() *flatten.Guards {
	if s.Guards != nil {
		return s.Guards
	}
	return &flatten.DefaultGuards
}

// settleDNS64 judges the AAAA records that a DNS64 made by what the target has
// for A, which was asked for in the same round, or in one before.
func settleDNS64(run *flatten.Run, open []resolve.Question, answers []resolve.Answer, options *Options) {
	var round map[resolve.Question]int // where A stands; most runs need none of it
	for i := range answers {
		prefix := options.pref64(&answers[i])
		if !prefix.IsValid() {
			continue
		}
		if round == nil {
			round = map[resolve.Question]int{}
			for j, q := range open {
				if q.Type == dns.TypeA {
					round[q] = j
				}
			}
		}
		a := open[i]
		a.Type = dns.TypeA
		beside := run.Answered(a)
		if j, ok := round[a]; ok {
			beside = &answers[j]
		}
		answers[i] = resolve.SettleDNS64(beside, answers[i], prefix)
	}
}

// decide flattens a zone.
func decide(r *Result, m *alias.Member, run *flatten.Run, options Options) {
	results, problems := run.Zone(m)
	r.Flattened = results
	for i := range results {
		res := &results[i]
		r.World = r.World || res.Failed
		r.Held, r.Stale, r.Guarded = r.Held || res.Held, r.Stale || res.Stale, r.Guarded || res.Guarded
	}
	for _, d := range problems {
		if options.Preview && errors.Is(d, flatten.ErrGuarded) {
			d.Severity = diag.Warning
		}
	}
	r.Problems = append(r.Problems, problems...)
}

// finish makes the text of a zone.
func finish(s *Source, r *Result, m *alias.Member, options Options) {
	if r.World {
		return
	}
	p := newPlan(m, r.Flattened)
	p.checkHints(r)
	if s.Style == StyleCanonical {
		p.canonical = p.canonicalSet()
		r.Content = p.canonical.Content(s.Lasting)
	} else {
		r.Content = m.File.Content(p.drop, p.add)
	}
	p.add = nil // it takes as much memory as the text
	// The serial hangs on whether the records are those published, so the text
	// is made with that of the source first.
	p.drafted, _ = m.File.Serial()
	p.write(s, p.drafted)
	if r.Content.Mixed {
		p.readBack(s, r)
	}
	if !p.serial(s, r, options.clock()) || !p.whole(s, r, &options) {
		return
	}
	p.deliver(s, r)
}

// wireOf gives addresses in wire form.
func wireOf(addrs []netip.Addr) [][]byte {
	wire := make([][]byte, len(addrs))
	for i, a := range addrs {
		wire[i] = a.AsSlice()
	}
	return wire
}
