package publish

import (
	"fmt"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

func problem(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Error, Code: code, Message: message, Hint: hint}
}

// byHand makes up for a reload or a hook that is owed, where nobody remembers
// it.
const byHand = "aliasflat compile --reload runs it again although nothing changed"

// makeUp is what to do about what is owed.
func (d *Delivery) makeUp() string {
	if d.Repeated {
		return "it is tried again; aliasflat refresh " + displayName(d.Zone.String()) + " tries at once"
	}
	return byHand
}

func problemDynamic(r *reloading) *diag.Diagnostic {
	return problem(diag.CodeReloadDynamic,
		fmt.Sprintf("%s is a dynamic zone of BIND, whose file only named may write", displayName(r.Zone.String())),
		"take allow-update and update-policy away from the zone, let it have inline-signing yes, or send it updates: publish: update://"+r.Reload.Server+"?key=NAME")
}

func problemServedSerial(r *reloading) *diag.Diagnostic {
	order := "is later than"
	switch {
	case r.New == r.had.serial:
		order = "is already"
	case r.New.Incomparable(r.had.serial):
		order = "has no order (2^31 apart) to"
	}
	return problem(diag.CodeReloadSerial,
		fmt.Sprintf("%s serves %s with serial %d, which %s the serial %d that would be published; its secondaries would never transfer it",
			r.Reload.Server, displayName(r.Zone.String()), r.had.serial, order, r.New),
		fmt.Sprintf("go on from what it serves with --serial-from dns://%s, or use serial: keep where the server numbers the zone itself", r.Reload.Server))
}

// tail is how the tool failed. What it says otherwise proves nothing.
func (v *verdict) tail() string {
	if v.toolErr == nil {
		return ""
	}
	return "; " + v.tool.failure(v.said, v.toolErr)
}

func problemUnconfirmed(r *reloading, v *verdict) *diag.Diagnostic {
	server := r.Reload.Server
	message := fmt.Sprintf("%s: the new file is in place, and %s was not seen to serve serial %d within %s: it %v",
		displayName(r.Zone.String()), server, r.New, r.timeout, v.last)
	switch {
	case server == "":
		message = fmt.Sprintf("%s: the new file is in place, and its reload failed", displayName(r.Zone.String()))
	case r.SelfNumbered:
		message = fmt.Sprintf("%s: the new file is in place, and %s was not seen to serve its addresses within %s: it %v",
			displayName(r.Zone.String()), server, r.timeout, v.last)
	case strings.Contains(v.said, upToDate):
		message = fmt.Sprintf("%s: the new file is in place, and BIND at %s, which %v, says that its file has not changed: it reads another one than %s",
			displayName(r.Zone.String()), server, v.last, r.File)
	}
	return problem(diag.CodeReloadUnconfirmed, message+v.tail(), r.makeUp())
}

func problemLoadFailed(r *reloading, v *verdict, then string) *diag.Diagnostic {
	return problem(diag.CodeReloadFailed,
		fmt.Sprintf("%s: %s did not load the new file with serial %d: %s; %s%s",
			displayName(r.Zone.String()), r.Reload.Server, r.New, v.why, then, v.tail()),
		"the log of the name server says why; verify-with runs its own checker before a file goes out")
}

// withdrawn says what was served, and why that does not stand.
func (v *verdict) withdrawn(r *reloading) string {
	return fmt.Sprintf("%s: %s served serial %d, which is withdrawn: %s; secondaries may have it, so the old serial is no way back",
		displayName(r.Zone.String()), r.Reload.Server, v.served, v.why)
}

func problemWithdrawn(r *reloading, v *verdict, f *Forward, last *verdict) *diag.Diagnostic {
	return problem(diag.CodeReloadWithdrawn,
		fmt.Sprintf("%s: the previous records are in place under serial %d, and the server %v%s", v.withdrawn(r), f.Serial, last.last, last.tail()),
		"the log of the name server says why; the next run tries the change again, under a later serial still")
}

func problemNoForward(r *reloading, v *verdict, err error) *diag.Diagnostic {
	d := problem(diag.CodeReloadWithdrawn,
		fmt.Sprintf("%s, and the previous records could not be given a later one: %v%s", v.withdrawn(r), err, v.tail()),
		"put the old records into the source and run aliasflat compile: they go out under a later serial")
	d.Err = err
	return d
}

func problemHook(d *Delivery, what string) *diag.Diagnostic {
	return problem(diag.CodeHookFailed,
		fmt.Sprintf("%s is published, and a hook failed: %s", displayName(d.Zone.String()), what),
		d.makeUp())
}
