package flatten

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// ErrUnresolved is what every problem wraps that only the world can mend.
var ErrUnresolved = errors.New("target unresolved")

// ErrGuarded is what every problem wraps that is about a change that a guard holds back.
var ErrGuarded = errors.New("held back by a guard")

func warning(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Warning, Code: code, Message: message, Hint: hint}
}

// failureCodes gives each kind of failure its code.
var failureCodes = map[resolve.Reason]diag.Code{
	resolve.ReasonServfail:         diag.CodeTargetServfail,
	resolve.ReasonRefused:          diag.CodeTargetRefused,
	resolve.ReasonRcode:            diag.CodeTargetServfail,
	resolve.ReasonTimeout:          diag.CodeTargetTimeout,
	resolve.ReasonNetwork:          diag.CodeTargetUnreachable,
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
	resolve.ReasonDNS64:            diag.CodeTargetDNS64,
	resolve.ReasonBadResolver:      diag.CodeResolverInvents,
	resolve.ReasonCertificate:      diag.CodeResolverCertificate,
	resolve.ReasonHTTP:             diag.CodeTargetRefused,
	resolve.ReasonDisagree:         diag.CodeTargetDisagree,
	resolve.ReasonNotValidated:     diag.CodeTargetNotValidated,
	resolve.ReasonNoServer:         diag.CodeTargetNoServer,
	resolve.ReasonNotLocked:        diag.CodeTargetNotLocked,
}

func problemFailed(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	d := &diag.Diagnostic{Severity: diag.Error, Err: ErrUnresolved}
	a := g.answer
	switch {
	case g.loop || a == nil:
		d.Code = diag.CodeTargetLoop
		d.Message = subject(r, qtype) + ": the chain does not come to an end: " + arrows(cycle(r, g.path))
		d.Hint = "one of these must have addresses of its own"
		return d
	case a.Outcome == resolve.WeakNoData:
		d.Code = diag.CodeTargetWeakNODATA
		d.Hint = "the resolver gives no proof that there is nothing; ask another with --resolver"
	default:
		d.Code = failureCodes[a.Reason]
		d.Hint = failureHint(a.Reason)
	}
	d.Message = subject(r, qtype) + ": " + told(r, g)
	return d
}

func failureHint(reason resolve.Reason) string {
	switch reason {
	case resolve.ReasonServfail, resolve.ReasonRcode:
		return "its name servers or its DNSSEC may be broken; aliasflat resolve --trace TARGET shows every query"
	case resolve.ReasonRefused:
		return "the resolver does not answer this host; --resolver names another"
	case resolve.ReasonHTTP:
		return "is the path in the resolver's URL right? --resolver names another"
	case resolve.ReasonCertificate:
		return "nothing was asked of it; write the name in its certificate behind #, as in tls://192.0.2.53#dns.example, and install ca-certificates where no authority is trusted"
	case resolve.ReasonBlocked:
		return "the resolver filters the name; --resolver names another"
	case resolve.ReasonNetwork:
		return "does the resolver run, and is its URL right? --resolver names another"
	case resolve.ReasonTimeout:
		return "is the resolver reachable from here? --resolver names another"
	case resolve.ReasonCanceled:
		return "--timeout gives the run more time"
	case resolve.ReasonStale:
		return "the resolver cannot reach the target's name servers; try later, or name another with --resolver"
	case resolve.ReasonLoop, resolve.ReasonChainTooLong, resolve.ReasonNameTooLong:
		return "only who runs the target can mend that; point the ALIAS at another name"
	case resolve.ReasonRefusedAddress:
		return "--allow-net NET@NAME lets the addresses of a network pass, for targets at or below a name"
	case resolve.ReasonTooManyAddresses:
		return "--max-addresses raises the bound to 100 at most: BIND refuses a zone with more in an RRset"
	case resolve.ReasonDNS64:
		return "--resolver names one without DNS64"
	case resolve.ReasonBadResolver:
		return "--resolver names another"
	case resolve.ReasonDisagree:
		return "they may agree once their caches have expired; --agree-mode overlap is for targets that give each resolver other addresses"
	case resolve.ReasonNotValidated:
		return "either the target is not signed with DNSSEC or the resolver does not validate; without --require-ad the answer would be taken"
	case resolve.ReasonNoServer:
		return "--fresh cached takes the word of the resolvers"
	case resolve.ReasonNotLocked:
		return "aliasflat compile --update-lock asks the resolvers and lists it"
	case resolve.ReasonMalformed, resolve.ReasonLame, resolve.ReasonNoSOA, resolve.ReasonTruncated:
	}
	return "--resolver names another resolver; aliasflat resolve --trace TARGET shows every query"
}

// problemEmpty is for a target without addresses of any type asked for.
func problemEmpty(r *alias.Rule, g *found) *diag.Diagnostic {
	d := &diag.Diagnostic{Severity: diag.Error, Err: ErrUnresolved}
	if g.outcome == resolve.NXDomain {
		d.Code = diag.CodeTargetNXDOMAIN
		d.Message = target(r) + leads(g) + " does not exist"
		d.Hint = "is the target spelled right?"
		if len(g.path) > 0 {
			d.Hint = "point the ALIAS at a name that has addresses"
		}
	} else {
		d.Code = diag.CodeTargetNODATA
		d.Message = target(r) + leads(g) + " has no " + asked(r) + " record"
		d.Hint = "point the ALIAS at a name that has addresses"
		if g.answer != nil && g.answer.DNS64.IsValid() {
			d.Message += fmt.Sprintf(" but those in %s, which a DNS64 made from A records", g.answer.DNS64)
		}
		if !r.Asks(dns.TypeA) || !r.Asks(dns.TypeAAAA) {
			d.Hint += ", or ask for the other type with types="
		}
	}
	if g.answer != nil {
		d.Message += said(nil, g.answer)
	}
	return d
}

// asked names the types that a rule asks its target for.
func asked(r *alias.Rule) string {
	var names []string
	for _, qtype := range qtypes {
		if r.Wants(qtype) {
			names = append(names, dns.TypeToString[qtype])
		}
	}
	return strings.Join(names, " or ")
}

// warnFallback is for a type whose explicit records serve, or would if there
// were any.
func warnFallback(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	var d *diag.Diagnostic
	if g.outcome == resolve.NoData || g.outcome == resolve.NXDomain {
		d = problemEmpty(r, g)
	} else {
		d = problemFailed(r, qtype, g)
		if len(r.Explicit[qtype]) == 0 {
			d.Severity, d.Err = diag.Warning, nil
			d.Hint = "nothing is published for this type: no explicit " + dns.TypeToString[qtype] + " record stands beside the ALIAS (siblings=fallback)"
			return d
		}
	}
	d.Severity, d.Err = diag.Warning, nil
	d.Hint = "the explicit records beside the ALIAS serve (siblings=fallback)"
	return d
}

func problemMerged(r *alias.Rule, qtype uint16, n int) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeRRsetTooBig, Err: ErrUnresolved,
		Message: fmt.Sprintf("%s and the explicit records beside it have %d %s records together", target(r), n, dns.TypeToString[qtype]),
		Hint:    fmt.Sprintf("BIND refuses a zone with more than %d in an RRset; delete some of the explicit ones", resolve.HardMaxAddresses),
	}
}

func warnWeak(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	return warning(diag.CodeTargetWeakNODATA, target(r)+" seems to have no "+dns.TypeToString[qtype]+" record, but nothing proves it"+said(way(r, g), g.answer),
		"if it never has any, say types="+other(qtype))
}

func other(qtype uint16) string {
	if qtype == dns.TypeA {
		return "AAAA"
	}
	return "A"
}

func warnMixed(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	message := target(r) + " does not exist when asked for " + dns.TypeToString[qtype] + ", but has " + other(qtype) + " records"
	if g.answer != nil {
		message += said(way(r, g), g.answer)
	}
	return warning(diag.CodeTargetMixedNXDOMAIN, message, "its name server is at fault (RFC 4074 section 4.2), and none of this type are published; say types="+other(qtype)+" if it never has any")
}

// warnDNS64 is for AAAA records that are left out because a DNS64 made them.
func warnDNS64(r *alias.Rule, g *found) *diag.Diagnostic {
	return warning(diag.CodeTargetDNS64, fmt.Sprintf("%s: AAAA records in %s are left out: a DNS64 made them from A records%s", target(r), g.answer.DNS64, said(way(r, g), g.answer)),
		"other targets may have some too, which are left out without a word; --resolver names a resolver without DNS64")
}

func warnPrivate(r *alias.Rule, a *resolve.Answer) *diag.Diagnostic {
	return warning(diag.CodeTargetPrivate, target(r)+" has private addresses: "+join(a), "only clients inside reach them; --deny-net NET refuses them, --allow-net NET@NAME says that they are meant")
}

func join(a *resolve.Answer) string {
	var s []string
	for _, addr := range a.Special {
		s = append(s, addr.String())
	}
	return strings.Join(s, ", ")
}

func warnStale(r *alias.Rule, qtype uint16, g *found) *diag.Diagnostic {
	return warning(diag.CodeTargetStale, subject(r, qtype)+": old addresses, which the resolver could not refresh"+said(way(r, g), g.answer),
		"they are published; --resolver names another resolver")
}

// warnSubnet is for addresses that are not those of the subnet that was asked for.
func warnSubnet(r *alias.Rule, g *found) *diag.Diagnostic {
	return warning(diag.CodeTargetSubnet, target(r)+": the client subnet was refused, so the addresses may be meant for other clients"+said(way(r, g), g.answer),
		"--resolver names a resolver that passes client subnets on (RFC 7871)")
}

// subject names what was looked up.
func subject(r *alias.Rule, qtype uint16) string {
	return target(r) + " " + dns.TypeToString[qtype]
}

// target names what a rule points at.
func target(r *alias.Rule) string { return fmt.Sprintf("ALIAS %s: target %s", r.Owner, r.Target) }

// told is what went wrong, with the way there and who said so.
func told(r *alias.Rule, g *found) string {
	a := g.answer
	s := strings.TrimPrefix(a.Detail, a.Target.String()+" ")
	if s == "" {
		s = a.Reason.String()
	}
	if a.Outcome == resolve.WeakNoData {
		s = "no address, and no SOA that proves it"
	}
	return s + said(way(r, g), a)
}

// leads is the way from a target to the name that a message is about.
func leads(g *found) string {
	if len(g.path) == 0 {
		return ""
	}
	return " leads to " + g.path[len(g.path)-1].String() + ", which"
}

// way is all names from a target to where a lookup ended; nothing where that
// is the target.
func way(r *alias.Rule, g *found) []zone.Name {
	if len(g.path) == 0 {
		return nil
	}
	return slices.Concat([]zone.Name{r.Target}, g.path)
}

// cycle cuts the way of a rule after the first name that comes again.
func cycle(r *alias.Rule, path []zone.Name) []zone.Name {
	names := []zone.Name{r.Owner, r.Target}
	for _, n := range path {
		if n == names[len(names)-1] {
			continue
		}
		seen := slices.Contains(names, n)
		if names = append(names, n); seen {
			break
		}
	}
	return names
}

func arrows(names []zone.Name) string {
	s := make([]string, len(names))
	for i, n := range names {
		s[i] = n.String()
	}
	return strings.Join(s, " -> ")
}

// said is the way to an answer, who gave it and what its reply said beside, and
// how often it was asked, to go behind a sentence: it begins with a blank unless
// there is nothing to say.
func said(way []zone.Name, a *resolve.Answer) string {
	var parts []string
	if len(way) > 0 {
		parts = append(parts, arrows(way))
	}
	if a.Resolver != "" {
		parts = append(parts, "resolver "+a.Resolver)
	}
	parts = append(parts, replied(a)...)
	switch n := len(a.Attempts); {
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d attempts", n))
	case n == 1 && a.Outcome == resolve.Failure:
		parts = append(parts, "1 attempt")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// replied is the rcode where it tells more than the outcome, and the extended
// errors, as far as the answer's own words do not have them.
func replied(a *resolve.Answer) []string {
	var parts []string
	rcode, errs := a.LastReply()
	proven := a.Outcome == resolve.NoData || a.Outcome == resolve.NXDomain || a.Outcome == resolve.Addresses
	if rcode != "" && !proven && !strings.Contains(a.Detail, rcode) {
		parts = append(parts, rcode)
	}
	for _, e := range errs {
		if text := e.String(); !strings.Contains(a.Detail, text) {
			parts = append(parts, text)
		}
	}
	return parts
}
