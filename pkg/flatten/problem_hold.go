package flatten

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// warnHeld is for a lookup that failed while last good addresses are known.
func warnHeld(r *alias.Rule, qtype uint16, of *ofType, now time.Time) *diag.Diagnostic {
	var d *diag.Diagnostic
	if of.cause == causeStaleAnswer {
		d = warnStale(r, qtype, of.found)
	} else {
		d = problemFailed(r, qtype, of.found)
	}
	d.Severity, d.Err = diag.Warning, nil
	d.Hint = "its last good addresses stay: " + lastGood(of, now)
	return d
}

// lastGood names the last good addresses and how old they are.
func lastGood(of *ofType, now time.Time) string {
	s := addressText(of.addresses)
	if of.known.Seen.IsZero() {
		return s + ", of unknown age"
	}
	return s + ", confirmed " + ageText(of.known, now) + " ago"
}

func ageText(known *resolve.Known, now time.Time) string {
	age := max(now.Sub(known.Seen), 0)
	if age < time.Minute {
		return age.Round(time.Second).String()
	}
	return durationText(uint32(age.Round(time.Minute) / time.Second))
}

// durationText is a number of seconds in the units of TTLs.
func durationText(seconds uint32) string {
	if seconds == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, unit := range []struct {
		seconds uint32
		letter  byte
	}{{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}} {
		if n := seconds / unit.seconds; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, unit.letter)
			seconds %= unit.seconds
		}
	}
	return b.String()
}

// addressText names a few addresses of a set.
func addressText(addresses []netip.Addr) string {
	const some = 4
	var s []string
	for i, a := range addresses {
		if i == some {
			s = append(s, fmt.Sprintf("and %d more", len(addresses)-some))
			break
		}
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

// pastMaxStale makes an error of what is held past its time.
func pastMaxStale(d *diag.Diagnostic, r *alias.Rule, of *ofType, now time.Time, forbidden string) *diag.Diagnostic {
	d.Severity, d.Code, d.Err = diag.Error, diag.CodeTargetPastMaxStale, ErrUnresolved
	d.Message += fmt.Sprintf("; the last good addresses are %s old, past max-stale %s", ageText(of.known, now), durationText(r.MaxStale))
	d.Hint = "they stay published all the same (on-stale=hold): " + addressText(of.addresses)
	if forbidden != "" {
		d.Hint = "they stay published all the same, because " + forbidden + ": " + addressText(of.addresses)
	}
	return d
}

func problemStaleFail(r *alias.Rule, qtype uint16, of *ofType, now time.Time) *diag.Diagnostic {
	d := pastMaxStale(warnHeld(r, qtype, of, now), r, of, now, "")
	d.Hint = "nothing is written for the zone (on-stale=fail); on-stale=hold keeps the old addresses, drop takes them out"
	return d
}

// warnUnconfirmed is for addresses that are said to be gone.
func warnUnconfirmed(r *alias.Rule, qtype uint16, of *ofType, s *settlement) *diag.Diagnostic {
	d := gone(r, qtype, of, s)
	d.Hint = "its last good addresses stay until that is confirmed, by a second --resolver"
	if a := of.found.answer; a.NegativeTTL > 0 && of.recalled {
		d.Hint += " or by the same answer after " + durationText(a.NegativeTTL)
	}
	d.Hint += ": " + addressText(of.addresses)
	return d
}

// warnOther is for addresses that are said to be gone while nothing is known of the other type.
func warnOther(r *alias.Rule, qtype uint16, of *ofType) *diag.Diagnostic {
	d := warning(diag.CodeTargetNODATA, target(r)+leads(of.found)+" has no "+dns.TypeToString[qtype]+" record any more, but nothing is learned of the other type"+detail(of.found), "")
	d.Hint = "its last good addresses stay meanwhile: " + addressText(of.addresses)
	return d
}

// gone says that a target, or one of its types, has no addresses any more.
func gone(r *alias.Rule, qtype uint16, of *ofType, s *settlement) *diag.Diagnostic {
	var d *diag.Diagnostic
	if s.fresh || !s.negative {
		code := diag.CodeTargetNODATA
		if of.found.outcome == resolve.NXDomain {
			code = diag.CodeTargetMixedNXDOMAIN
		}
		d = warning(code, target(r)+leads(of.found)+" has no "+dns.TypeToString[qtype]+" record any more"+detail(of.found), "")
	} else {
		d = problemEmpty(r, of.found)
		if of.found.answer != nil && of.found.answer.Detail != "" {
			d.Message += ": " + of.found.answer.Detail
		}
	}
	d.Severity, d.Err = diag.Warning, nil
	return d
}

func detail(g *found) string {
	if g.answer == nil {
		return ""
	}
	s := said(nil, g.answer)
	if g.answer.Detail != "" {
		s += ": " + g.answer.Detail
	}
	return s
}

// problemApex is for a type of the apex that is said to be gone.
func problemApex(r *alias.Rule, qtype uint16, of *ofType) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeGuardApex, Err: ErrGuarded,
		Message: target(r) + leads(of.found) + " has no " + dns.TypeToString[qtype] + " record any more" + detail(of.found) + "; the apex does not lose a type before that is confirmed",
		Hint:    "its last good addresses stay until a second --resolver" + later(of) + " says the same; --force drops them: " + addressText(of.addresses),
	}
}

// later is who else may confirm that addresses are gone.
func later(of *ofType) string {
	if !of.recalled {
		return ""
	}
	return ", a later run or aliasflat accept " + of.found.question.Target.String()
}

// warnGone is for a target that is confirmed to have no addresses, and whose last good ones
// stay.
func warnGone(r *alias.Rule, of *ofType, now time.Time) *diag.Diagnostic {
	d := warning(diag.CodeTargetGone, target(r)+leads(of.found)+" "+nothing(of.found)+", which is confirmed"+detail(of.found), "")
	switch {
	case r.OnEmpty == alias.EmptyKeep:
		d.Hint = "its last good addresses stay (on-empty=keep): "
	case of.known.Seen.IsZero():
		d.Hint = "its last good addresses stay, for without --state nobody knows when they are too old: "
	default:
		d.Hint = "its last good addresses stay until they are " + durationText(r.MaxStale) + " old, then they go (on-empty=hold): "
	}
	d.Hint += lastGood(of, now)
	return d
}

func nothing(g *found) string {
	if g.outcome == resolve.NXDomain {
		return "does not exist"
	}
	return "has no address"
}

// warnDropped is for last good addresses that are not published any more.
func warnDropped(r *alias.Rule, qtype uint16, of *ofType, s *settlement) *diag.Diagnostic {
	g := of.found
	d := warning(diag.CodeTargetDropped, "", "")
	switch {
	case of.past:
		d.Message = subject(r, qtype) + ": " + told(r, g) + ", and its last good addresses are past max-stale: none is published"
		d.Hint = "on-stale=hold would keep them: "
	case s.fresh:
		d.Message = target(r) + leads(g) + " has no " + dns.TypeToString[qtype] + " record any more, which is confirmed: none is published" + detail(g)
		d.Hint = "it had "
	case of.cause == causeStaleAnswer:
		d = warnStale(r, qtype, g)
		d.Code = diag.CodeTargetDropped
		d.Message += "; it was confirmed before to have no address: none is published"
		d.Hint = "on-empty=keep would keep its last good ones: "
	case g.outcome == resolve.Failure || g.outcome == resolve.WeakNoData:
		d.Message = subject(r, qtype) + ": " + told(r, g) + "; it was confirmed before to have no address: none is published"
		d.Hint = "on-empty=keep would keep its last good ones: "
	default:
		d.Message = target(r) + leads(g) + " " + nothing(g) + ", which is confirmed: none is published" + detail(g)
		d.Hint = "on-empty=keep would keep its last good ones: "
	}
	d.Hint += addressText(of.known.Addresses)
	return d
}

// warnStillGone is for a target whose addresses have gone before.
func warnStillGone(r *alias.Rule, of *ofType) *diag.Diagnostic {
	return warning(diag.CodeTargetGone, target(r)+leads(of.found)+" "+nothing(of.found)+", as before"+detail(of.found),
		"nothing is published for it; point the ALIAS at a name that has addresses, or take it out")
}

// warnAbsent is for a type that nothing is known of, beside another that is known.
func warnAbsent(r *alias.Rule, qtype uint16, of *ofType) *diag.Diagnostic {
	var d *diag.Diagnostic
	switch {
	case of.isNegative():
		d = warnStillGone(r, of)
	case of.cause == causeStaleAnswer:
		d = warnStale(r, qtype, of.found)
	default:
		d = problemFailed(r, qtype, of.found)
	}
	d.Severity, d.Err = diag.Warning, nil
	d.Hint = "no " + dns.TypeToString[qtype] + " record was published before, and none is"
	return d
}

// problemForbidden is for addresses that should go and may not.
func problemForbidden(r *alias.Rule, of *ofType, why string) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeDropForbidden, Err: ErrUnresolved,
		Message: target(r) + leads(of.found) + " " + nothing(of.found) + ", which is confirmed, but its last good addresses stay: " + why + detail(of.found),
		Hint:    "point the ALIAS at a name that has addresses; published are " + addressText(of.addresses),
	}
}

// guardCodes gives each guard its code.
var guardCodes = map[string]diag.Code{
	GuardChange:      diag.CodeGuardChange,
	GuardConvergence: diag.CodeGuardConvergence,
	GuardReborn:      diag.CodeGuardReborn,
}

// problemGuarded is for new addresses that a guard holds back.
func problemGuarded(r *alias.Rule, qtype uint16, of *ofType) *diag.Diagnostic {
	g := of.guard
	d := &diag.Diagnostic{Severity: diag.Error, Code: guardCodes[g.guard], Err: ErrGuarded}
	d.Message = fmt.Sprintf("%s: new addresses %s are held back: %s", subject(r, qtype), addressText(g.held.Addresses), g.why)
	d.Hint = "--force publishes them"
	if of.recalled {
		d.Hint = "aliasflat accept " + of.found.question.Target.String() + " lets them through, --force all of the run"
		if g.confirm > 0 {
			d.Hint += fmt.Sprintf("; seen %d of %d times, then they pass by themselves", g.held.Times, g.confirm)
		}
	}
	if len(of.addresses) > 0 {
		d.Hint += "; published are " + addressText(of.addresses)
	}
	return d
}
