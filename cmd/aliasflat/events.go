package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/api"
)

// eventsCommand is the work of aliasflat events.
type eventsCommand struct {
	*app
	controlFlags

	follow bool
	last   int
}

func newEventsCommand(a *app) *cobra.Command {
	c := &eventsCommand{app: a}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Tell what has happened in the daemon, and what happens",
		Long: `events prints what happened in aliasflat watch, oldest first, one event a line: the
last 1,000 that it keeps, or as many as -n says. With -f it goes on with those that
come, until it is interrupted or the daemon ends. --format json prints JSON lines.`,
		Example: `  aliasflat events -n 20
  aliasflat events -f --format json`,
		Args: noArgs,
		RunE: interruptible(func(cmd *cobra.Command, _ []string) error { return c.events(cmd) }),
	}
	c.add(cmd.Flags())
	cmd.Flags().BoolVarP(&c.follow, "follow", "f", false, "go on with the events that come")
	cmd.Flags().IntVarP(&c.last, "last", "n", -1, "print the last `N` events of those that were (default: all that are kept)")
	return cmd
}

func (c *eventsCommand) events(cmd *cobra.Command) error {
	if c.reportFile != "" {
		return usageError{message: "events has no report", hint: "its output may go to a file: aliasflat events > FILE"}
	}
	client, err := c.daemon(&c.controlFlags)
	if err != nil {
		return err
	}
	p := newPaint(c.look(c.stdout).color)
	err = client.Events(cmd.Context(), api.Following{Last: c.last, Follow: c.follow}, func(e *api.Event) error {
		if c.format == "json" {
			encoder := json.NewEncoder(c.stdout)
			encoder.SetEscapeHTML(false)
			return encoder.Encode(e)
		}
		_, err := io.WriteString(c.stdout, eventLines(e, p))
		return err
	})
	if c.follow && cmd.Context().Err() != nil {
		err = nil // an interrupt is how it is meant to end
	}
	return failed(err)
}

// eventLines is an event as one line, after one that says what was lost before it.
func eventLines(e *api.Event, p paint) string {
	var b strings.Builder
	if e.Lost > 0 {
		b.WriteString(p.warning.Sprint("lost:") + fmt.Sprintf(" %d events before this one\n", e.Lost))
	}
	b.WriteString(e.Time.UTC().Format(time.RFC3339) + " ")
	kind := string(e.Kind)
	switch e.Severity {
	case "error":
		kind = p.err.Sprint(kind)
	case "warning":
		kind = p.warning.Sprint(kind)
	}
	b.WriteString(kind)
	for _, part := range eventParts(e) {
		b.WriteString(" " + visible(part))
	}
	return b.String() + "\n"
}

// eventParts are the words of an event behind its kind.
func eventParts(e *api.Event) []string {
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if e.Zone != "" {
		parts = append(parts, zoneLabel(&api.Zone{Name: e.Zone, View: e.View})+":")
	}
	add(e.Owner)
	if e.Owner == "" {
		add(e.Target)
	}
	add(e.Type)
	if len(e.From)+len(e.To) > 0 {
		parts = append(parts, addressesOrNone(e.From)+" -> "+addressesOrNone(e.To))
	}
	switch {
	case e.NewSerial != nil && e.OldSerial != nil:
		parts = append(parts, fmt.Sprintf("serial %d -> %d", *e.OldSerial, *e.NewSerial))
	case e.NewSerial != nil:
		parts = append(parts, fmt.Sprintf("serial %d", *e.NewSerial))
	}
	if e.Owner != "" && e.Target != "" {
		parts = append(parts, "("+e.Target+")")
	}
	add(e.Message)
	if e.Problem != nil {
		parts = append(parts, fmt.Sprintf("%s [%s]", e.Problem.Message, e.Problem.Code))
	}
	if e.Resolver != "" {
		parts = append(parts, "by "+e.Resolver)
	}
	return parts
}

func addressesOrNone(list []netip.Addr) string {
	if len(list) == 0 {
		return "none"
	}
	return addressList(list)
}
