package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/state"
)

// acceptCommand is the work of aliasflat accept.
type acceptCommand struct {
	stateCommand
}

func newAcceptCommand(a *app) *cobra.Command {
	c := &acceptCommand{stateCommand{app: a}}
	cmd := &cobra.Command{
		Use:   "accept ZONE or TARGET...",
		Short: "Let through what a guard holds back",
		Long: `accept lets the next run publish what a guard holds back: of a zone all targets that
it was noticed in, or of one target. It also takes a negative answer for confirmed,
so that addresses go which are only said to be gone. It asks and writes nothing but
the state; where aliasflat watch has that open, the daemon does it, and publishes
what was let through at once.`,
		Example: `  aliasflat accept --state /var/lib/aliasflat example.com
  aliasflat accept cdn.example.net`,
		RunE: interruptible(c.accept),
	}
	c.add(cmd.Flags())
	return cmd
}

func (c *acceptCommand) accept(cmd *cobra.Command, args []string) error {
	given, err := names(args, usageError{message: "no zone and no target was given", hint: cmd.CommandPath() + " example.com"})
	if err != nil {
		return err
	}
	r, list, err := c.reach(cmd.Context(), c.stdout, state.Options{Existing: true})
	if err != nil {
		return err
	}
	var accepted *api.Accepted
	who := "the next run"
	if r.daemon != nil {
		who = "the daemon"
		accepted, err = r.daemon.Accept(cmd.Context(), given)
	} else {
		accepted, err = api.Accept(r.store, given)
		err = errors.Join(err, r.close())
	}
	if err != nil {
		return failed(unknown(err))
	}
	return c.done(list, acceptedWords(accepted, who))
}

// acceptedWords tells what was accepted, one question a line, and who publishes it.
func acceptedWords(accepted *api.Accepted, who string) string {
	if len(accepted.Accepted) == 0 {
		return "nothing was held back"
	}
	var lines []string
	for _, a := range accepted.Accepted {
		what := "has none any more"
		if !a.Gone {
			what = addressList(a.Addresses)
		}
		lines = append(lines, fmt.Sprintf("accepted %s %s: %s", a.Target, a.Type, what))
	}
	return strings.Join(append(lines, who+" publishes "+counted(len(lines), "change")), "\n")
}

// addressList is addresses as they stand in a sentence.
func addressList(list []netip.Addr) string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
