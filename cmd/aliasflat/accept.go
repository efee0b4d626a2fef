package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
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
the state.`,
		Example: `  aliasflat accept --state /var/lib/aliasflat example.com
  aliasflat accept cdn.example.net`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.accept(cmd, args) },
	}
	cmd.Flags().StringVar(&c.dir, "state", "", "use the state in `DIR` (default: that of the configuration)")
	return cmd
}

func (c *acceptCommand) accept(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{message: "no zone and no target was given", hint: cmd.CommandPath() + " example.com"}
	}
	names := map[zone.Name]bool{}
	for _, arg := range args {
		name, err := zone.ParseName(arg, zone.Root)
		if err != nil {
			return usageError{message: err.Error()}
		}
		names[name] = true
	}
	s, list, err := c.open(c.stdout, state.Options{Existing: true})
	if err != nil {
		return err
	}
	if err := remembered(s, slices.SortedFunc(maps.Keys(names), zone.Name.Compare), false); err != nil {
		return errors.Join(err, s.Close())
	}
	accepted := map[resolve.Question]*resolve.Known{}
	for q, known := range s.AllKnown() {
		if (names[q.Target] || names[known.Held.Zone]) && known.Accept() {
			accepted[q] = known
		}
	}
	if len(accepted) > 0 {
		err = s.Commit(state.Update{Known: accepted})
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	return c.done(list, acceptedWords(accepted))
}

// acceptedWords tells what was accepted, one question a line.
func acceptedWords(accepted map[resolve.Question]*resolve.Known) string {
	if len(accepted) == 0 {
		return "nothing was held back"
	}
	var lines []string
	for q, known := range accepted {
		what := "has none any more"
		if known.Held.Times > 0 {
			var s []string
			for _, a := range known.Held.Addresses {
				s = append(s, a.String())
			}
			what = strings.Join(s, ", ")
		}
		lines = append(lines, fmt.Sprintf("accepted %s %s: %s", q.Target, dns.TypeToString[q.Type], what))
	}
	slices.SortFunc(lines, cmp.Compare[string])
	return strings.Join(append(lines, "the next run publishes "+counted(len(lines), "change")), "\n")
}
