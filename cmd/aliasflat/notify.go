package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// notifyCommand is the work of aliasflat notify.
type notifyCommand struct {
	*app
	controlFlags
}

func newNotifyCommand(a *app) *cobra.Command {
	c := &notifyCommand{app: a}
	cmd := &cobra.Command{
		Use:   "notify [ZONE...]",
		Short: "Have the daemon tell secondaries again",
		Long: `notify has aliasflat watch send a NOTIFY (RFC 1996) to the secondaries of a zone, or of
all that it serves. It does that by itself whenever a zone changes; this is for a
secondary that was away. aliasflat status shows what each of them serves.`,
		Example: `  aliasflat notify example.com
  aliasflat notify`,
		RunE: interruptible(c.notify),
	}
	c.add(cmd.Flags())
	return cmd
}

func (c *notifyCommand) notify(cmd *cobra.Command, args []string) error {
	client, err := c.daemon(&c.controlFlags)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		s, err := client.Status(cmd.Context())
		if err != nil {
			return failed(err)
		}
		for i := range s.Serving {
			args = append(args, s.Serving[i].Zone)
		}
	}
	given, err := names(args, usageError{message: "the daemon serves nothing to secondaries", hint: "listen.dns and secondaries of the configuration have it do that"})
	if err != nil {
		return err
	}
	slices.SortFunc(given, zone.Name.Compare)
	done, err := client.Notify(cmd.Context(), slices.Compact(given))
	if err != nil {
		return failed(err)
	}
	if err := c.present(done, func(b *strings.Builder, l look) {
		if !l.quiet {
			fmt.Fprintf(b, "told of %s: %s\n", counted(done.Zones, "zone"), countedSecondaries(done.Secondaries))
		}
	}); err != nil {
		return err
	}
	if len(done.Unknown) > 0 {
		return usageError{message: strings.Join(done.Unknown, ", ") + ": not served to secondaries", hint: "aliasflat status lists what is"}
	}
	return nil
}

func countedSecondaries(n int) string {
	if n == 1 {
		return "1 secondary"
	}
	return fmt.Sprintf("%d secondaries", n)
}
