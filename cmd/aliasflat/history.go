package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// historyCommand is the work of aliasflat history and aliasflat why.
type historyCommand struct {
	stateCommand

	limit int // of history alone
}

func newHistoryCommand(a *app) *cobra.Command {
	c := &historyCommand{stateCommand: stateCommand{app: a}}
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "List what was published in another form than before",
		Long: `history lists the changes of flattened address records, newest first: of a zone, of
an owner name, or because of a target. It reads the state, or asks the daemon that has
it open; runs without a state leave no history. Changes are kept for a year, and 20,000
at most.`,
		Example: `  aliasflat history --state /var/lib/aliasflat example.com
  aliasflat history -n 1 --format json www.example.com`,
		RunE: interruptible(c.history),
	}
	c.add(cmd.Flags())
	cmd.Flags().IntVarP(&c.limit, "last", "n", 0, "list the last `N` changes (default: all)")
	return cmd
}

func newWhyCommand(a *app) *cobra.Command {
	c := &historyCommand{stateCommand: stateCommand{app: a}}
	cmd := &cobra.Command{
		Use:   "why NAME",
		Short: "Explain what is published for a name",
		Long: `why tells for an owner name, or for a target, what led to the addresses that are
published: which ALIAS, which answer, when, by which chain and resolver, the last
change, what is held back, and how old the addresses of clients may get. It reads the
state, or asks the daemon that has it open, and the outputs.`,
		Example: `  aliasflat why --state /var/lib/aliasflat www.example.com`,
		RunE:    interruptible(c.why),
	}
	c.add(cmd.Flags())
	return cmd
}

// one reads the name that a command is about.
func one(cmd *cobra.Command, args []string) (zone.Name, error) {
	given, err := names(args, usageError{message: "no name was given", hint: cmd.CommandPath() + " www.example.com"})
	switch {
	case err != nil:
		return zone.Name{}, err
	case len(given) > 1:
		return zone.Name{}, usageError{message: fmt.Sprintf("%s takes one name, not %d", cmd.Name(), len(given))}
	}
	return given[0], nil
}

func (c *historyCommand) history(cmd *cobra.Command, args []string) error {
	name, err := one(cmd, args)
	if err != nil {
		return err
	}
	if c.limit < 0 {
		return usageError{message: fmt.Sprintf("-n takes a number of changes, not %d", c.limit)}
	}
	r, _, err := c.reach(cmd.Context(), c.stderr, state.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	var h *api.History
	if r.daemon != nil {
		h, err = r.daemon.History(cmd.Context(), name, c.limit)
	} else {
		h = api.HistoryOf(r.store, name, c.limit)
		err = errors.Join(r.store.Problem(), r.close())
	}
	if err != nil {
		return failed(err)
	}
	return c.present(h, func(b *strings.Builder, l look) {
		for i := range h.Changes {
			b.WriteString(visible(changeLine(&h.Changes[i])) + "\n")
		}
		if len(h.Changes) == 0 && !l.quiet {
			b.WriteString(visible(displayName(name)) + ": no change is remembered\n")
		}
	})
}

// changeLine is a change as one line.
func changeLine(c *api.Change) string {
	parts := []string{c.Time.UTC().Format(time.RFC3339), c.Owner, c.Type, addressesOrNone(c.From) + " -> " + addressesOrNone(c.To)}
	if c.View != "" {
		parts = append(parts, "in view "+c.View)
	}
	switch {
	case c.NewSerial != nil && c.OldSerial != nil:
		parts = append(parts, fmt.Sprintf("serial %d -> %d", *c.OldSerial, *c.NewSerial))
	case c.NewSerial != nil:
		parts = append(parts, fmt.Sprintf("serial %d", *c.NewSerial))
	}
	if c.Target != "" {
		parts = append(parts, "("+c.Target+")")
	}
	if c.Reason != "" {
		parts = append(parts, c.Reason)
	}
	if c.Resolver != "" {
		parts = append(parts, "by "+c.Resolver)
	}
	return strings.Join(parts, " ")
}

func (c *historyCommand) why(cmd *cobra.Command, args []string) error {
	name, err := one(cmd, args)
	if err != nil {
		return err
	}
	r, _, err := c.reach(cmd.Context(), c.stderr, state.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	var w *api.Why
	if r.daemon != nil {
		w, err = r.daemon.Why(cmd.Context(), name)
	} else {
		w = api.WhyOf(r.store, name)
		err = errors.Join(r.store.Problem(), r.close())
	}
	switch {
	case err != nil:
		return failed(err)
	case len(w.RRsets) == 0:
		return usageError{
			message: fmt.Sprintf("nothing is known of %s", displayName(name)),
			hint:    "it takes the owner name of an ALIAS that was published, or a target",
		}
	}
	return c.present(w, func(b *strings.Builder, _ look) {
		for i := range w.RRsets {
			if i > 0 {
				b.WriteByte('\n')
			}
			writeWhy(b, &w.RRsets[i])
		}
	})
}

func writeWhy(b *strings.Builder, w *api.WhyRRset) {
	say := func(word, format string, args ...any) {
		fmt.Fprintf(b, "  %-10s %s\n", word, visible(fmt.Sprintf(format, args...)))
	}
	heading := w.Target + " " + w.Type
	if w.Owner != "" {
		heading = w.Owner + " " + w.Type
	}
	if w.View != "" {
		heading += " in view " + w.View
	}
	b.WriteString(visible(heading) + "\n")
	switch p := w.Published; {
	case p == nil && w.Owner != "":
		say("published", "no output shows it")
	case p != nil && len(p.Addresses) == 0:
		say("published", "none, under serial %d in %s since %s", p.Serial, p.Output, moment(p.Time))
	case p != nil:
		say("published", "%s, TTL %d, under serial %d in %s of %s", addressList(p.Addresses), p.TTL, p.Serial, p.Output, moment(p.Time))
	}
	if w.Owner != "" {
		say("because", "%s ALIAS %s", w.Owner, w.Target)
	}
	writeAnswer(say, w.Answer)
	if c := w.LastChange; c != nil {
		say("changed", "%s", changeLine(c))
	}
	if h := w.Held; h != nil {
		what := addressList(h.Addresses)
		if h.Accepted {
			say("held", "%s by %s, accepted: it goes out next", what, h.Guard)
		} else {
			say("held", "%s by %s, seen %s since %s; aliasflat accept %s lets it through", what, h.Guard, times(h.Times), moment(h.First), w.Target)
		}
	}
	if m := w.Missing; m != nil {
		word := "not confirmed"
		if m.Confirmed {
			word = "confirmed"
		}
		say("missing", "%s since %s by %s, %s", m.Outcome, moment(m.First), m.Resolver, word)
	}
	if w.WorstCase != nil {
		say("at worst", "clients have addresses that are %d s old, and what the transfer takes: target TTL %d + published TTL %d",
			*w.WorstCase, w.Answer.TTL, w.Published.TTL)
	}
}

func writeAnswer(say func(word, format string, args ...any), a *api.Answer) {
	if a == nil {
		return
	}
	for _, l := range a.Chain {
		say("chain", "%s %s %s (TTL %d)", l.Owner, l.Type, l.Target, l.TTL)
	}
	text := fmt.Sprintf("%s, TTL %d", addressList(a.Addresses), a.TTL)
	if a.Subnet.IsValid() {
		text += " for " + a.Subnet.String()
	}
	if a.Resolver != "" {
		text += " by " + a.Resolver
	}
	if !a.Seen.IsZero() {
		text += ", seen last " + moment(a.Seen)
	}
	if !a.Since.IsZero() {
		text += ", published since " + moment(a.Since)
	}
	say("answer", "%s", text)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
