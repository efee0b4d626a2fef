package flatten

import (
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// rule decides what a rule's owner name gets. Nothing is known from before, so
// this is the first column of the table of outcomes: addresses are written,
// NODATA and NXDOMAIN of one type beside addresses of the other leave that type
// empty, and everything else writes nothing.
func (f *Run) rule(m *alias.Member, r *alias.Rule) (Result, diag.List) {
	res := Result{Rule: r, Outcome: map[uint16]resolve.Outcome{}}
	if r.Repeats {
		return res, nil
	}
	d := decision{run: f, member: m, rule: r, result: &res, got: got{}}
	for _, qtype := range qtypes {
		if r.Wants(qtype) {
			got := f.find(m, r, qtype)
			d.got[qtype] = got
			res.Outcome[qtype] = got.outcome
		}
	}
	d.decide()
	if res.Failed {
		res.RRsets, res.Drop = nil, nil
	}
	return res, d.problems
}

// decision is the work on one rule.
type decision struct {
	run      *Run
	member   *alias.Member
	rule     *alias.Rule
	result   *Result
	got      got
	problems diag.List
}

type got map[uint16]*found

func (d *decision) decide() {
	some := d.anyAddresses()
	for _, qtype := range qtypes {
		g := d.got[qtype]
		if g == nil {
			continue
		}
		switch d.settled(g, some) {
		case resolve.Addresses:
			d.write(qtype, g)
		case resolve.NoData, resolve.NXDomain:
			d.empty(qtype, g, some)
		case resolve.Failure, resolve.WeakNoData:
			d.failed(qtype, g)
		}
	}
	if !some && !d.result.Failed {
		d.noAddresses()
	}
}

// anyAddresses tells whether any type that is asked for has addresses.
func (d *decision) anyAddresses() bool {
	for _, g := range d.got {
		if g.outcome == resolve.Addresses {
			return true
		}
	}
	return len(d.got) == 0
}

// settled is the outcome with weak NODATA decided: beside addresses it counts
// as NODATA, else it is a failure.
func (d *decision) settled(g *found, some bool) resolve.Outcome {
	if g.outcome == resolve.WeakNoData && some {
		return resolve.NoData
	}
	return g.outcome
}

func (d *decision) write(qtype uint16, g *found) {
	r := d.rule
	rr := d.run.rrset(d.member, r, qtype)
	if n := len(rr.Addresses); n > resolve.HardMaxAddresses {
		d.result.Failed = true
		d.report(problemMerged(r, qtype, n))
		return
	}
	d.result.RRsets = append(d.result.RRsets, rr)
	if len(r.Explicit[qtype]) > 0 && (r.Siblings == alias.SiblingsMerge || r.Siblings == alias.SiblingsFallback) {
		d.result.Drop = append(d.result.Drop, qtype)
	}
	if g.answer == nil {
		return
	}
	if len(g.answer.Special) > 0 {
		d.report(warnPrivate(r, g.answer))
	}
	if g.answer.Stale {
		d.report(warnStale(r, qtype, g))
	}
	if g.answer.SubnetUnused {
		d.report(warnSubnet(r, g))
	}
}

// empty leaves a type without addresses.
func (d *decision) empty(qtype uint16, g *found, some bool) {
	r := d.rule
	switch {
	case !some:
		return // judged once for both types
	case g.outcome == resolve.WeakNoData:
		d.report(warnWeak(r, qtype, g))
	case g.outcome == resolve.NXDomain:
		d.report(warnMixed(r, qtype, g))
	case g.answer != nil && g.answer.DNS64.IsValid() && !d.run.toldDNS64:
		d.run.toldDNS64 = true // one warning tells that the resolver does that
		d.report(warnDNS64(r, g))
	}
	if len(r.Explicit[qtype]) > 0 && r.Siblings == alias.SiblingsFallback {
		d.result.Drop = append(d.result.Drop, qtype)
	}
}

// failed keeps explicit records under fallback; without any nothing can be
// published for the owner.
func (d *decision) failed(qtype uint16, g *found) {
	r := d.rule
	if d.fallsBack() {
		d.report(warnFallback(r, qtype, g))
		return
	}
	d.result.Failed = true
	d.report(problemFailed(r, qtype, g))
}

// noAddresses is the end of a rule whose target has none of the types asked
// for. Where it exists for one of them, it exists.
func (d *decision) noAddresses() {
	var g *found
	for _, qtype := range qtypes {
		of := d.got[qtype]
		switch {
		case of == nil:
		case of.outcome == resolve.Failure || of.outcome == resolve.WeakNoData:
			return // reported
		case of.outcome == resolve.NoData || g == nil:
			g = of
		}
	}
	if d.fallsBack() {
		d.report(warnFallback(d.rule, 0, g))
		return
	}
	d.result.Failed = true
	d.report(problemEmpty(d.rule, g))
}

// fallsBack tells whether explicit records of some type serve in place of the
// target's.
func (d *decision) fallsBack() bool {
	r := d.rule
	return r.Siblings == alias.SiblingsFallback && len(r.Explicit[dns.TypeA])+len(r.Explicit[dns.TypeAAAA]) > 0
}

// report puts a problem at the ALIAS entry, once where both types have the
// same one.
func (d *decision) report(p *diag.Diagnostic) {
	for _, old := range d.problems {
		if old.Code == p.Code && old.Severity == p.Severity {
			return
		}
	}
	d.problems = append(d.problems, d.rule.Entry.Place.Report(p))
}
