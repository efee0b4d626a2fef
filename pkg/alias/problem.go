package alias

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func problem(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Error, Code: code, Message: message, Hint: hint}
}

func problemTarget(message, hint string) *diag.Diagnostic {
	return problem(diag.CodeAliasTarget, message, hint)
}

func problemTargetName(text string, err error) *diag.Diagnostic {
	var what, hint string
	switch {
	case errors.Is(err, zone.ErrBadEscape):
		what, hint = "has an escape that stands for no octet", `an escape is \ and one character that is no digit, or \ and three digits up to 255`
	case errors.Is(err, zone.ErrEmptyLabel):
		what, hint = "has an empty label", "write one dot between labels"
	case errors.Is(err, zone.ErrLabelTooLong):
		what, hint = "has a label of more than 63 octets", "is a dot missing?"
	case errors.Is(err, zone.ErrNameTooLong):
		what, hint = "is longer than 255 octets with its origin", "end it with a dot if it is absolute"
	default:
		what, hint = "is no name", "write the name whose addresses are wanted"
	}
	d := problemTarget("target "+strconv.Quote(text)+" "+what, hint)
	d.Err = err
	return d
}

func problemPayload(message string) *diag.Diagnostic {
	return problem(diag.CodeAliasPayload, "record of type 65401 is no ALIAS: "+message, "write it as ALIAS with its target")
}

// parameterHints say how the value of a key is written.
var parameterHints = map[string]string{
	"types":     "write types=A to leave AAAA out, types=AAAA to leave A out",
	"siblings":  "fallback: explicit addresses serve while the target has none to give; override: they win; merge: both",
	"on-empty":  "hold: keep the last addresses until max-stale; keep: always; drop: take them out",
	"on-stale":  "hold: keep the last addresses; fail: write nothing; drop: take them out",
	"ttl-min":   hintTTL,
	"ttl-max":   hintTTL,
	"max-stale": hintTTL,
}

const hintTTL = "a TTL is seconds, or numbers each with one of w, d, h, m, s: 1h30m"

func problemParameter(key string, err error) *diag.Diagnostic {
	d := problem(diag.CodeAliasParameter, err.Error(), parameterHints[key])
	d.Err = err
	return d
}

func problemTTLBounds(lower, upper uint32) *diag.Diagnostic {
	return problem(diag.CodeAliasParameter, fmt.Sprintf("ttl-min %d is above ttl-max %d", lower, upper), "make ttl-max the larger one, or leave one of them out")
}

func problemExtra(text string) *diag.Diagnostic {
	return problem(diag.CodeAliasParameter, strconv.Quote(text)+" behind the target is no parameter", "parameters are written key=value: "+strings.Join(parameterKeys, ", "))
}

func problemUnknownParameter(key string) *diag.Diagnostic {
	hint := "the parameters are " + strings.Join(parameterKeys, ", ")
	if near := diag.Near(key, parameterKeys); near != "" {
		hint = "did you mean " + near + "?"
	}
	return problem(diag.CodeAliasParameter, "parameter "+strconv.Quote(key)+" is unknown", hint)
}

func problemParameterTwice(key string) *diag.Diagnostic {
	return problem(diag.CodeAliasParameter, "parameter "+key+" stands here twice", "delete one of them")
}

func problemTwice(owner zone.Name) *diag.Diagnostic {
	return problem(diag.CodeAliasTwice, "second, different ALIAS at "+owner.String(), "an owner name has one ALIAS; delete one of them")
}

func warnTwice(owner zone.Name) *diag.Diagnostic {
	d := problem(diag.CodeAliasTwice, "ALIAS at "+owner.String()+" stands here twice", "delete one of them")
	d.Severity = diag.Warning
	return d
}

func problemCNAME(owner zone.Name) *diag.Diagnostic {
	return problem(diag.CodeAliasCNAME, "ALIAS shares the owner name "+owner.String()+" with a CNAME", "delete one of them")
}

func problemBelowDNAME(owner, dname zone.Name) *diag.Diagnostic {
	return problem(diag.CodeAliasBelowDNAME, "ALIAS at "+owner.String()+" is below the DNAME at "+dname.String(), "the DNAME answers for the name; delete one of them")
}

func problemAtCut(owner, cut zone.Name) *diag.Diagnostic {
	where := "below"
	if owner == cut {
		where = "at"
	}
	return problem(diag.CodeAliasAtCut, fmt.Sprintf("ALIAS at %s is %s the zone cut %s", owner, where, cut), "its addresses would be glue, which nobody is told; write it in the zone "+cut.String())
}

func problemSibling(owner zone.Name, qtype uint16) *diag.Diagnostic {
	article := "an "
	return problem(diag.CodeAliasSibling, "ALIAS shares the owner name "+owner.String()+" with "+article+dns.TypeToString[qtype]+" record",
		"delete one of them, or say siblings=fallback, override or merge")
}

func problemLoop(cycle []zone.Name) *diag.Diagnostic {
	return problem(diag.CodeAliasLoop, "ALIAS loops: "+arrows(cycle), "one of these must have addresses of its own")
}

func problemChain(path []zone.Name) *diag.Diagnostic {
	return problem(diag.CodeAliasChain, fmt.Sprintf("more than %d steps from ALIAS to addresses: %s ...", MaxSteps, arrows(path[:4])), "point the ALIAS nearer to the addresses")
}

func problemInDomain(target, apex, last zone.Name, exists bool, asked string) *diag.Diagnostic {
	what := "does not exist in zone " + apex.String()
	if exists {
		what = "has no " + asked + " record in zone " + apex.String()
	}
	name := target.String()
	if last != target {
		name += " leads to " + last.String() + ", which"
	}
	hint := "add it, or end the target with a dot if it is absolute"
	if strings.Count(strings.TrimSuffix(target.String(), "."+apex.String()), ".") == 0 {
		hint = "add it, or point the ALIAS at a name that exists"
	}
	if exists {
		hint = "add one, or point the ALIAS at a name that has addresses"
		if !strings.Contains(asked, " ") {
			hint = "add one, or ask for the other type with types="
		}
	}
	return problem(diag.CodeAliasInDomain, "target "+name+" "+what, hint)
}

func arrows(names []zone.Name) string {
	s := make([]string, len(names))
	for i, n := range names {
		s[i] = n.String()
	}
	return strings.Join(s, " -> ")
}
