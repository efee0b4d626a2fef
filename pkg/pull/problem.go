package pull

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// jitterPart is the part of a wait by which it may be shorter, so that zones that began together
// are not all checked together for ever.
const jitterPart = 10

// early makes a wait a little shorter.
func early(d time.Duration) time.Duration { return d - rand.N(d/jitterPart+1) }

// Problem makes a diagnostic of the error of a source. It is a warning as long as there is a copy
// that can be relied on, which the caller knows and raises it otherwise, and has a code of its own
// once the copy has expired.
func Problem(s *Source, err error, expired bool) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Severity: diag.Warning, Code: diag.CodePullBroken, Err: err, Span: diag.Span{Pos: diag.Pos{File: s.String()}},
		Message: fmt.Sprintf("%s cannot be pulled from %s: %v", plainName(s.Zone), s.Primary, err), Hint: "what was kept of it is used on",
	}
	told, ok := errors.AsType[*Error](err)
	switch {
	case ok:
		d.Code = told.Code
	case errors.Is(err, context.DeadlineExceeded):
		d.Code = diag.CodePullUnreachable
	}
	if hint := hints[d.Code]; hint != "" {
		d.Hint = hint
	}
	if expired {
		d.Severity, d.Code = diag.Error, diag.CodePullExpired
		d.Message = fmt.Sprintf("what is kept of %s is older than its EXPIRE: %s: %v", plainName(s.Zone), s.Primary, err)
		d.Hint = "what is published stands and is served on; have the primary answer, or take the zone out of the configuration"
	}
	return d
}

// Pending is the diagnostic of a zone of which nothing was transferred yet; problem is why, nil
// while that is not known.
func Pending(s *Source, problem *diag.Diagnostic) *diag.Diagnostic {
	if problem == nil {
		return &diag.Diagnostic{
			Severity: diag.Error, Code: diag.CodePullPending, Span: diag.Span{Pos: diag.Pos{File: s.String()}},
			Message: fmt.Sprintf("nothing of %s was transferred from %s yet", plainName(s.Zone), s.Primary),
			Hint:    "aliasflat compile transfers it once, and aliasflat watch whenever it changes",
		}
	}
	d := *problem
	d.Severity = diag.Error
	d.Message += "; nothing is kept of it"
	return &d
}

// hints say what to do about an error.
var hints = map[diag.Code]string{
	diag.CodePullUnreachable: "is it up, does it listen there over UDP and TCP, and does no filter stand in between?",
	diag.CodePullRefused:     "the primary has to have the zone, and let this machine transfer it (allow-transfer, allow-axfr-ips, acl)",
	diag.CodePullSignature:   "both sides need one key of the same name, algorithm and secret, and clocks that differ by less than 5 minutes",
	diag.CodePullBroken:      "the log of the primary may tell what went wrong; what was kept of the zone is used on",
	diag.CodePullSerial:      "raise the serial at the primary; or remove the copy in the folder pulled of the state, and the zone is transferred anew",
	diag.CodeUnwritable:      "the folder pulled of the state needs room and has to be writable",
	diag.CodeUnreadable:      "the folder pulled of the state has to be readable",
}
