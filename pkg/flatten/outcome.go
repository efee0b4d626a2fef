package flatten

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// rule gives what a rule's owner name gets, and says so where it is not what its target has.
func (f *Run) rule(m *alias.Member, r *alias.Rule) (Result, diag.List) {
	res := Result{Rule: r}
	if r.Repeats {
		return res, nil
	}
	d := decision{run: f, member: m, rule: r, result: &res, settlement: f.settle(m, r)}
	d.decide()
	res.Gone = d.knew && len(res.RRsets) == 0 && !d.fallsBack()
	if res.Failed {
		res = Result{Rule: r, Failed: true}
	}
	return res, d.problems
}

// decision is the work on one rule.
type decision struct {
	*settlement

	run      *Run
	member   *alias.Member
	rule     *alias.Rule
	result   *Result
	problems diag.List
}

func (d *decision) decide() {
	none := true
	for i, qtype := range qtypes {
		of := d.types[i]
		if of == nil {
			continue
		}
		none = none && of.verdict == verdictFail
		switch of.verdict {
		case verdictWrite:
			d.write(qtype, of)
		case verdictHold:
			d.hold(qtype, of)
		case verdictEmpty:
			d.empty(qtype, of)
		case verdictFail:
			d.failed(qtype, of)
		}
	}
	if none && !d.result.Failed && d.asks() {
		d.noAddresses()
	}
	d.compare()
}

// compare tells what is not as it was published last.
func (d *decision) compare() {
	for i, qtype := range qtypes {
		of := d.types[i]
		if of == nil {
			continue
		}
		before := d.before(qtype, of)
		if slices.Equal(before, of.addresses) {
			continue
		}
		change := Change{Type: qtype, From: before, To: of.addresses, Answer: of.found.answer}
		switch {
		case !of.dropped:
		case of.past:
			change.Why = "past max-stale"
		default:
			change.Why = "confirmed gone"
		}
		if d.result.Changes == nil {
			d.result.Changes = make([]Change, 0, d.asked())
		}
		d.result.Changes = append(d.result.Changes, change)
	}
}

// before gives what was published last: what the output shows, or else what is remembered.
func (d *decision) before(qtype uint16, of *ofType) []netip.Addr {
	if f := d.run.memory.Published; f != nil {
		if shown := f(d.member, d.rule, qtype); shown != nil {
			return shown.Addresses
		}
	}
	if of.has() && !of.known.Dropped {
		return of.known.Addresses
	}
	return nil
}

// asks tells whether the target is asked for any type.
func (d *decision) asks() bool { return d.types != [len(qtypes)]*ofType{} }

// asked is how many types the target is asked for. A result has one of each at most.
func (d *decision) asked() int {
	n := 0
	for _, of := range d.types {
		if of != nil {
			n++
		}
	}
	return n
}

// publish puts the RRset of a type into the result; false means that it is too large.
func (d *decision) publish(qtype uint16, of *ofType) bool {
	r := d.rule
	if len(of.addresses) == 0 {
		return true
	}
	rr := d.run.rrset(d.member, r, qtype)
	if n := len(rr.Addresses); n > resolve.HardMaxAddresses {
		d.result.Failed = true
		d.report(problemMerged(r, qtype, n))
		return false
	}
	if d.result.RRsets == nil {
		d.result.RRsets = make([]RRset, 0, d.asked())
	}
	d.result.RRsets = append(d.result.RRsets, rr)
	d.dropExplicit(qtype)
	return true
}

// dropExplicit takes out the explicit records that are in the RRset, or that it stands for.
func (d *decision) dropExplicit(qtype uint16) {
	r := d.rule
	if len(r.Explicit[qtype]) > 0 && (r.Siblings == alias.SiblingsMerge || r.Siblings == alias.SiblingsFallback) {
		d.result.Drop = append(d.result.Drop, qtype)
	}
}

func (d *decision) write(qtype uint16, of *ofType) {
	r, g := d.rule, of.found
	if !d.publish(qtype, of) || g.answer == nil {
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

// hold keeps the last good addresses and says why.
func (d *decision) hold(qtype uint16, of *ofType) {
	if !d.publish(qtype, of) {
		return
	}
	d.result.Held = true
	d.result.Stale = d.result.Stale || of.past
	r, now := d.rule, d.run.memory.Now
	switch of.cause {
	case causeFailure, causeStaleAnswer:
		d.report(d.about(warnHeld(r, qtype, of, now), of))
	case causeOther:
		d.report(d.about(warnOther(r, qtype, of), of))
	case causeUnconfirmed:
		if d.fresh && r.Owner == d.member.File.Name {
			d.result.Guarded = true
			d.report(problemApex(r, qtype, of))
			return
		}
		d.report(d.about(warnUnconfirmed(r, qtype, of, d.settlement), of))
	case causeConfirmed:
		d.report(warnGone(r, of, now))
	case causeForbidden:
		d.report(problemForbidden(r, of, d.forbidden))
	case causeGuard:
		d.guarded(qtype, of)
	case causeNone, causeStillGone:
	}
}

// about makes an error of a warning where addresses are held past their time.
func (d *decision) about(p *diag.Diagnostic, of *ofType) *diag.Diagnostic {
	if !of.past {
		return p
	}
	return pastMaxStale(p, d.rule, of, d.run.memory.Now, d.forbidden)
}

func (d *decision) guarded(qtype uint16, of *ofType) {
	d.result.Guarded = true
	d.report(problemGuarded(d.rule, qtype, of))
}

// empty leaves a type without addresses.
func (d *decision) empty(qtype uint16, of *ofType) {
	r, g := d.rule, of.found
	switch {
	case of.cause == causeGuard:
		d.result.Held = true
		d.guarded(qtype, of)
	case of.dropped:
		d.report(warnDropped(r, qtype, of, d.settlement))
	case of.cause != causeNone && d.tells(of):
		// The other type has its last good addresses or loses them, which tells more.
	case of.cause == causeFailure, of.cause == causeStaleAnswer:
		d.report(warnAbsent(r, qtype, of))
	case of.cause == causeStillGone:
		d.report(warnStillGone(r, of))
	case g.outcome == resolve.WeakNoData:
		d.report(warnWeak(r, qtype, g))
	case g.outcome == resolve.NXDomain:
		d.report(warnMixed(r, qtype, g))
	case g.answer != nil && g.answer.DNS64.IsValid() && !d.run.toldDNS64:
		d.run.toldDNS64 = true // one warning tells that the resolver does that
		d.report(warnDNS64(r, g))
	}
	if len(r.Explicit[qtype]) > 0 && r.Siblings == alias.SiblingsFallback && d.resolves() {
		d.result.Drop = append(d.result.Drop, qtype)
	}
}

// tells says whether another type has last good addresses that are held or dropped.
func (d *decision) tells(than *ofType) bool {
	return slices.ContainsFunc(d.types[:], func(of *ofType) bool {
		return of != nil && of != than && of.has() && of.verdict != verdictWrite
	})
}

// failed keeps explicit records under fallback; without any nothing can be
// published for the owner.
func (d *decision) failed(qtype uint16, of *ofType) {
	r, g := d.rule, of.found
	switch {
	case of.past:
		d.result.Failed = true
		d.report(problemStaleFail(r, qtype, of, d.run.memory.Now))
	case g.outcome == resolve.NoData || g.outcome == resolve.NXDomain:
		// It is judged once for both types.
	case d.fallsBack():
		d.report(warnFallback(r, qtype, g))
	default:
		d.result.Failed = true
		d.report(problemFailed(r, qtype, g))
	}
}

// noAddresses is the end of a rule whose target has none of the types asked
// for. Where it exists for one of them, it exists.
func (d *decision) noAddresses() {
	var g *found
	for _, of := range d.types {
		switch {
		case of == nil:
		case of.found.outcome == resolve.Failure || of.found.outcome == resolve.WeakNoData:
			return // reported
		case of.found.outcome == resolve.NoData || g == nil:
			g = of.found
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
	same := func(old *diag.Diagnostic) bool { return old.Code == p.Code && old.Severity == p.Severity }
	if !slices.ContainsFunc(d.problems, same) {
		d.problems = append(d.problems, d.rule.Entry.Place.Report(p))
	}
}
