package flatten

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// ErrUnresolved is what every problem wraps that only the world can mend.
var ErrUnresolved = errors.New("target unresolved")

func warning(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Warning, Code: code, Message: message, Hint: hint}
}

// failureCodes gives each kind of failure its code.
var failureCodes = map[resolve.Reason]diag.Code{
	resolve.ReasonServfail:         diag.CodeTargetServfail,
	resolve.ReasonRefused:          diag.CodeTargetRefused,
	resolve.ReasonRcode:            diag.CodeTargetServfail,
	resolve.ReasonTimeout:          diag.CodeTargetTimeout,
	resolve.ReasonNetwork:          diag.CodeTargetTimeout,
	resolve.ReasonCanceled:         diag.CodeTargetTimeout,
	resolve.ReasonMalformed:        diag.CodeTargetMalformed,
	resolve.ReasonNoSOA:            diag.CodeTargetMalformed,
	resolve.ReasonNameTooLong:      diag.CodeTargetMalformed,
	resolve.ReasonLame:             diag.CodeTargetLame,
	resolve.ReasonLoop:             diag.CodeTargetLoop,
	resolve.ReasonChainTooLong:     diag.CodeTargetLoop,
	resolve.ReasonTruncated:        diag.CodeTargetTruncated,
	resolve.ReasonBlocked:          diag.CodeTargetRefused,
	resolve.ReasonStale:            diag.CodeTargetStale,
	resolve.ReasonRefusedAddress:   diag.CodeTargetRefusedAddress,
	resolve.ReasonTooManyAddresses: diag.CodeTargetTooMany,
}

func problemFailed(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	d := &diag.Diagnostic{Severity: diag.Error, Err: ErrUnresolved}
	a := g.answer
	switch {
	case g.loop || a == nil:
		d.Code = diag.CodeTargetLoop
		d.Message = subject(r, qtype) + ": the chain comes back to itself"
		return d
	case a.Outcome == resolve.WeakNoData:
		d.Code = diag.CodeTargetWeakNODATA
		d.Hint = "the resolver gives no proof that there is nothing; ask another with --resolver"
	default:
		d.Code = failureCodes[a.Reason]
		d.Hint = failureHint(a.Reason)
	}
	d.Message = subject(r, qtype) + ": " + told(a)
	return d
}

// failureHints are for failures that the operator can do something about here.
var failureHints = map[resolve.Reason]string{
	resolve.ReasonTimeout:          "is the resolver reachable from here? --resolver names another",
	resolve.ReasonNetwork:          "is the resolver reachable from here? --resolver names another",
	resolve.ReasonRefusedAddress:   "--allow-net lets a network pass",
	resolve.ReasonTooManyAddresses: "--max-addresses raises the bound, up to 100",
}

func failureHint(reason resolve.Reason) string {
	if hint, ok := failureHints[reason]; ok {
		return hint
	}
	return "nothing is written for the zone; aliasflat resolve --trace shows every query"
}

func problemEmpty(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	d := &diag.Diagnostic{Severity: diag.Error, Err: ErrUnresolved, Code: diag.CodeTargetNODATA}
	d.Message = subject(r, qtype) + " has no address"
	d.Hint = "the name exists, but not with the types asked for"
	if g.outcome == resolve.NXDomain {
		d.Code = diag.CodeTargetNXDOMAIN
		d.Message = subject(r, qtype) + " does not exist"
		d.Hint = "is the target spelled right?"
	}
	if g.answer != nil {
		d.Message += " " + said(g.answer)
	}
	return d
}

func warnFallback(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	d := problemEmpty(r, qtype, g)
	if g.outcome != resolve.NoData && g.outcome != resolve.NXDomain {
		d = problemFailed(r, qtype, g)
	}
	d.Severity, d.Err = diag.Warning, nil
	d.Hint = "the explicit records beside the ALIAS serve (siblings=fallback)"
	return d
}

func warnWeak(r *alias.Rule, qtype uint16, a *resolve.Answer) *diag.Diagnostic {
	return warning(diag.CodeTargetWeakNODATA, subject(r, qtype)+" seems to have no "+dns.TypeToString[qtype]+" record, without proof "+said(a),
		"if it never has any, say types="+other(qtype))
}

func other(qtype uint16) string {
	if qtype == dns.TypeA {
		return "AAAA"
	}
	return "A"
}

func warnMixed(r *alias.Rule, qtype uint16, a *resolve.Answer) *diag.Diagnostic {
	message := subject(r, qtype) + " is said not to exist, but has addresses of the other type"
	if a != nil {
		message += " " + said(a)
	}
	return warning(diag.CodeTargetMixedNXDOMAIN, message, "the target's name server is at fault (RFC 4074 section 4.2); it counts as having none of this type")
}

func warnPrivate(r *alias.Rule, a *resolve.Answer) *diag.Diagnostic {
	return warning(diag.CodeTargetPrivate, fmt.Sprintf("target %s has private addresses: %s", r.Target, join(a)), "--deny-net refuses them")
}

func join(a *resolve.Answer) string {
	var s []string
	for _, addr := range a.Special {
		s = append(s, addr.String())
	}
	return strings.Join(s, ", ")
}

func warnStale(r *alias.Rule, qtype uint16, a *resolve.Answer) *diag.Diagnostic {
	return warning(diag.CodeTargetStale, subject(r, qtype)+": the resolver could not refresh what it had "+said(a), "")
}

// subject names what was looked up.
func subject(r *alias.Rule, qtype uint16) string {
	return fmt.Sprintf("ALIAS %s: target %s %s", r.Owner, r.Target, dns.TypeToString[qtype])
}

// told is what went wrong, with the way there and who said so.
func told(a *resolve.Answer) string {
	s := a.Detail
	if s == "" {
		s = a.Reason.String()
	}
	if a.Outcome == resolve.WeakNoData {
		s = "no address, and no SOA that proves it"
	}
	return s + " " + said(a)
}

// said is the chain so far, the resolver, and how often it was asked.
func said(a *resolve.Answer) string {
	var parts []string
	if len(a.Chain) > 0 {
		names := []string{a.Target.String()}
		for _, l := range a.Chain {
			names = append(names, l.Target.String())
		}
		parts = append(parts, strings.Join(names, " -> "))
	}
	if a.Resolver != "" {
		parts = append(parts, "resolver "+a.Resolver)
	}
	if n := len(a.Attempts); n > 1 {
		parts = append(parts, fmt.Sprintf("%d attempts", n))
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, "; ") + ")"
}
