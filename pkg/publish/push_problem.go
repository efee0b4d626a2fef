package publish

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// pushed says in the beginning of a message what is about to be said.
func (p *pushing) about() string { return displayName(p.Zone.String()) + ": " + p.Server }

// after tells what was changed before something went wrong.
func (p *pushing) after() string {
	if p.result.RRsets == 0 {
		return ""
	}
	return fmt.Sprintf("; %d RRsets were changed before that", p.result.RRsets)
}

// tryAgain is what to do about a push that is owed.
func (p *pushing) tryAgain(hint string) string {
	again := "the next run tries again"
	if p.Repeated {
		again = p.makeUp()
	}
	if hint == "" {
		return again
	}
	return hint + "; " + again
}

func problemPush(p *pushing, err error) *diag.Diagnostic {
	code, what := diag.CodePushFailed, " was not brought to what is published: "
	if _, lost := errors.AsType[*lostError](err); lost {
		code, what = diag.CodePushUnconfirmed, " is not known to have what is published: "
	}
	d := problem(code, p.about()+what+err.Error()+p.after(), p.tryAgain(pushHint(err, &p.Key)))
	if large, ok := errors.AsType[*tooLargeError](err); ok {
		d.Hint = "make " + large.set.String() + " smaller in the source: an RRset is changed as a whole, or not at all"
	}
	d.Err = err
	return d
}

func problemPushUnconfirmed(p *pushing, err error) *diag.Diagnostic {
	return problem(diag.CodePushUnconfirmed,
		fmt.Sprintf("%s has taken the update, and was not seen to serve it within %s: %v", p.about(), p.timeout, err),
		p.tryAgain("where the server changes what it is sent, as with max-zone-ttl of BIND, bring the source to that"))
}

func problemPushRace(p *pushing) *diag.Diagnostic {
	return problem(diag.CodePushConflict,
		fmt.Sprintf("%s was not brought to what is published: somebody else changes the same RRsets there again and again%s", p.about(), p.after()),
		p.tryAgain("let one program alone change what the source has"))
}

func problemPushClash(p *pushing, list []rrsetName) *diag.Diagnostic {
	return problem(diag.CodePushConflict,
		fmt.Sprintf("%s has %s of somebody else's, beside which what is published cannot stand: a CNAME has no company; everything else was brought to it",
			p.about(), listed(list)),
		p.tryAgain("delete that at the server, or take the owner name out of the source"))
}

func problemPushNote(p *pushing, err error) *diag.Diagnostic {
	d := problem(diag.CodePushFailed,
		fmt.Sprintf("%s was not brought to what is published: what it was given cannot be noted: %v", p.about(), err),
		p.tryAgain(""))
	d.Err = err
	return d
}

func warnPushOthers(p *pushing, list []rrsetName) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Warning, Code: diag.CodePushOthers,
		Message: fmt.Sprintf("%s has %s that was never published from here, and is left alone", p.about(), listed(list)),
		Hint:    "this is said once; delete there what nobody needs, and bring into the source what is to be published from here",
	}
}

// mostListed is how many RRsets a message names.
const mostListed = 5

func listed(list []rrsetName) string {
	var words []string
	for _, n := range list[:min(len(list), mostListed)] {
		words = append(words, n.String())
	}
	text := strings.Join(words, ", ")
	if more := len(list) - mostListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
