package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	hookSchema = "aliasflat/hook/v1"
	// maxNamed is how many changed RRsets a hook is given by name: more would
	// not fit into a pipe that nobody reads.
	maxNamed = 100
)

// hookInput is what a hook and an exec reload read on standard input.
type hookInput struct {
	Schema    string      `json:"schema"`
	Zone      string      `json:"zone"`
	File      string      `json:"file"`
	OldSerial *uint32     `json:"oldSerial"`
	NewSerial uint32      `json:"newSerial"`
	Reason    string      `json:"reason"`
	Changed   hookChanged `json:"changed"`
}

type hookChanged struct {
	Count  int      `json:"count"`
	RRsets []string `json:"rrsets"` // the first of them
}

// reason is the word for why something is run.
func (d *Delivery) reason() string {
	switch {
	case !d.Moved && d.Owed.Any():
		return "owed"
	case len(d.Changed) == 0 && d.Old != nil:
		return "serial"
	default:
		return "records"
	}
}

// told gives a program of the user's what it has to know.
func (d *Delivery) told(args []string) *program {
	name := displayName(d.Zone.String())
	old := ""
	in := hookInput{
		Schema: hookSchema, Zone: name, File: d.File, NewSerial: uint32(d.New), Reason: d.reason(),
		Changed: hookChanged{Count: len(d.Changed), RRsets: slices.Clone(d.Changed[:min(len(d.Changed), maxNamed)])},
	}
	if in.Changed.RRsets == nil {
		in.Changed.RRsets = []string{}
	}
	if d.Old != nil {
		in.OldSerial = new(uint32(*d.Old))
		old = fmt.Sprint(*d.Old)
	}
	text, err := json.Marshal(in)
	if err != nil {
		panic("aliasflat: internal error: " + err.Error())
	}
	return &program{
		args: args,
		env: []string{
			"ALIASFLAT_ZONE=" + name,
			"ALIASFLAT_FILE=" + d.File,
			"ALIASFLAT_OLD_SERIAL=" + old,
			fmt.Sprintf("ALIASFLAT_NEW_SERIAL=%d", d.New),
			fmt.Sprintf("ALIASFLAT_CHANGED=%d", len(d.Changed)),
			"ALIASFLAT_REASON=" + d.reason(),
		},
		stdin: append(text, '\n'),
		grace: d.grace,
	}
}

// displayName is a name without its final dot, but for the root.
func displayName(text string) string {
	if text == "." {
		return text
	}
	return strings.TrimSuffix(text, ".")
}

// runHooks runs those that are due, one at a time, whatever came of those before.
func (d *Delivery) runHooks(ctx context.Context, done *Delivered) {
	timeout := d.HookTimeout
	if timeout <= 0 {
		timeout = DefaultHookTimeout
	}
	all := d.Moved || d.Owed.Reload
	for i, args := range d.Hooks {
		if len(args) == 0 || !all && !slices.Contains(d.Owed.Hooks, i) {
			continue
		}
		if problem := d.runHook(ctx, args, timeout); problem != "" {
			done.Owed.Hooks = append(done.Owed.Hooks, i)
			done.Problems = append(done.Problems, problemHook(d, problem))
		}
	}
}

func (d *Delivery) runHook(ctx context.Context, args []string, timeout time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := d.told(args)
	said, err := p.run(ctx)
	if err == nil {
		return ""
	}
	return p.failure(said, err)
}

// execute is the driver that runs a program of the user's. Where no server is
// named the program alone tells.
type execute struct{ *reloading }

func (e *execute) tool() *program { return e.told(e.Reload.Command) }

func (e *execute) look(ctx context.Context) (word, error) { return e.ask(ctx), nil }

func (e *execute) ask(ctx context.Context) word {
	if e.Reload.Server == "" {
		return word{}
	}
	return askSOA(ctx, e.Reload.Server, e.Zone)
}

// progress is unknown: a program that fails is no word of the server.
func (e *execute) progress(context.Context, string, error) progress { return unknown }
