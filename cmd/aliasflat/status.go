package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/status"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// redrawEvery is how often status --watch asks.
const redrawEvery = 2 * time.Second

// statusCommand is the work of aliasflat status.
type statusCommand struct {
	*app
	controlFlags

	watch  bool
	health bool // of the daemon alone
}

// statusDocument is what status prints as JSON.
type statusDocument struct {
	*api.Status

	Details []*api.Targets `json:"details,omitempty"` // the targets of the zones that were named
	Exit    int            `json:"exit"`
}

func newStatusCommand(a *app) *cobra.Command {
	c := &statusCommand{app: a}
	cmd := &cobra.Command{
		Use:   "status [ZONE...]",
		Short: "Show what the daemon does",
		Long: `status asks aliasflat watch and prints a line for each zone, and below them what is
wrong. With ZONE it prints these alone, with their targets: what they answered, and
when they are asked again.

It exits with 4 if a zone fails, the copy of one that is pulled has expired, no daemon
answers or it hangs, with 5 if a guard holds
something back, with 7 if addresses are held past max-stale, or, with --fail-on stale,
held at all, and with 2 if a newer configuration was not taken in.`,
		Example: `  aliasflat status
  aliasflat status --watch
  aliasflat status --format json example.com`,
		RunE: interruptible(c.status),
	}
	c.add(cmd.Flags())
	cmd.Flags().BoolVar(&c.health, "healthcheck", false, "print nothing, and exit with 4 if no daemon answers or it hangs; zones do not count")
	cmd.Flags().BoolVar(&c.watch, "watch", false, "draw it anew every 2 seconds, on a terminal, until it is interrupted")
	return cmd
}

func (c *statusCommand) status(cmd *cobra.Command, args []string) error {
	var zones []zone.Name
	if len(args) > 0 {
		var err error
		if zones, err = names(args, usageError{}); err != nil {
			return err
		}
	}
	client, err := c.daemon(&c.controlFlags)
	if err != nil {
		return err
	}
	if c.watch {
		return c.redraw(cmd.Context(), client, zones)
	}
	document, err := c.ask(cmd.Context(), client, zones)
	if err != nil {
		return err
	}
	if c.health {
		if document.Hung {
			return errors.New("the daemon hangs")
		}
		return nil
	}
	o := c.outcome(document.Status)
	document.Exit = o.status()
	err = c.present(document, func(b *strings.Builder, l look) { writeStatus(b, document, l, time.Now()) })
	if err == nil && o != 0 {
		err = reportedError{outcome: o}
	}
	return err
}

// ask gives the status, of some zones alone where they are named.
func (c *statusCommand) ask(ctx context.Context, client *api.Client, zones []zone.Name) (*statusDocument, error) {
	s, err := client.Status(ctx)
	if err != nil {
		return nil, failed(err)
	}
	document := &statusDocument{Status: s}
	if len(zones) == 0 {
		return document, nil
	}
	all := s.Zones
	s.Zones = nil
	for _, name := range zones {
		before := len(s.Zones)
		for i := range all {
			if all[i].Name != displayName(name) {
				continue
			}
			targets, err := client.Targets(ctx, name, all[i].View)
			if err != nil {
				return nil, failed(err)
			}
			s.Zones = append(s.Zones, all[i])
			document.Details = append(document.Details, targets)
		}
		if len(s.Zones) == before {
			return nil, usageError{message: fmt.Sprintf("%s is no zone of the daemon", displayName(name)), hint: "aliasflat status lists them"}
		}
	}
	return document, nil
}

// outcome is what the status says, for the exit status.
func (c *statusCommand) outcome(s *api.Status) outcome {
	var o outcome
	if s.Problem != "" {
		o |= outcomeUsage
	}
	if s.Hung {
		o |= outcomeWorld
	}
	for i := range s.Zones {
		z := &s.Zones[i]
		if z.Phase == watch.PhaseFailing.String() {
			o |= outcomeWorld
		}
		if z.Guarded {
			o |= outcomeGuarded
		}
		if z.Stale || z.Held && c.failsOn("stale") {
			o |= outcomeStale
		}
		if z.Pulled != nil && z.Pulled.Expired {
			o |= outcomeWorld
		}
		if (len(z.Problems) > 0 || z.Pulled != nil && z.Pulled.Problem != nil) && c.failsOn("warning") {
			o |= outcomeSource
		}
	}
	return o
}

// redraw shows the status again and again, until the context ends: that is how it is meant to
// end. A daemon that does not answer may be one that is started anew.
func (c *statusCommand) redraw(ctx context.Context, client *api.Client, zones []zone.Name) error {
	file, ok := c.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return usageError{message: "--watch draws on a terminal, and standard output is none", hint: "aliasflat events -f tells what happens"}
	}
	for {
		text, err := c.screen(ctx, client, zones, c.look(file))
		if err == nil && ctx.Err() == nil {
			err = draw(file, text)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(redrawEvery):
		}
	}
}

// screen is what is drawn. That nobody answers is part of it.
func (c *statusCommand) screen(ctx context.Context, client *api.Client, zones []zone.Name, l look) (string, error) {
	var b strings.Builder
	document, err := c.ask(ctx, client, zones)
	if usage, ok := errors.AsType[usageError](err); ok {
		return "", usage
	}
	if err == nil {
		writeStatus(&b, document, l, time.Now())
	} else {
		b.WriteString(visible(err.Error()) + "\n")
	}
	return b.String(), nil
}

// draw puts text on a terminal in place of what is there: from its first line, each line to
// its end, and nothing below. What has no room is left out.
func draw(file *os.File, text string) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 && height > 1 {
		lines = lines[:min(len(lines), height-1)]
	}
	_, err := io.WriteString(file, "\x1b[H"+strings.Join(lines, "\x1b[K\n")+"\x1b[K\n\x1b[J")
	return err
}

func writeStatus(b *strings.Builder, s *statusDocument, l look, now time.Time) {
	p := newPaint(l.color)
	if !l.quiet {
		fmt.Fprintf(b, "aliasflat %s, process %d, up %s\n\n", visible(s.Version), s.PID, status.Age(now.Sub(s.Started)))
		writeZones(b, s.Zones, now)
		for _, t := range s.Details {
			writeTargets(b, t, now)
		}
		writePulled(b, s.Zones, now)
		writeServing(b, s.Serving)
		fmt.Fprintf(b, "\n%s, %d failing, %d being asked\n", counted(s.Targets.Total, "target"), s.Targets.Failing, s.Targets.InFlight)
	}
	if s.Hung {
		b.WriteString(p.err.Sprint("error:") + " the scheduler does nothing any more; restart the daemon\n")
	}
	if s.Problem != "" {
		b.WriteString(p.err.Sprint("error:") + " a newer configuration was not taken in: " + visible(s.Problem) + "\n")
	}
	for _, r := range s.Resolvers {
		switch {
		case r.Invents:
			b.WriteString(p.warning.Sprint("warning:") + " resolver " + visible(r.URL) + " gives addresses to names that cannot exist, and is not used\n")
		case !r.Up:
			b.WriteString(p.warning.Sprint("warning:") + " resolver " + visible(r.URL) + " has been silent for " + status.Age(time.Duration(r.Down*float64(time.Second))) + "\n")
		}
	}
	for i := range s.Serving {
		for _, f := range s.Serving[i].Secondaries {
			if f.Alarm {
				b.WriteString(p.warning.Sprint("warning:") + " secondary " + f.Address + " has not served what is published of " + visible(s.Serving[i].Zone) + " for " +
					status.Age(time.Duration(f.Lag*float64(time.Second))) + "\n")
			}
		}
	}
	for i := range s.Zones {
		for j := range s.Zones[i].Problems {
			writeProblem(b, zoneLabel(&s.Zones[i]), &s.Zones[i].Problems[j], l, p)
		}
		if pulled := s.Zones[i].Pulled; pulled != nil && pulled.Problem != nil && !among(s.Zones[i].Problems, pulled.Problem) {
			writeProblem(b, zoneLabel(&s.Zones[i]), pulled.Problem, l, p)
		}
	}
}

// among tells whether a problem is one of others, as where a zone fails because of it.
func among(list []api.Problem, d *api.Problem) bool {
	return slices.ContainsFunc(list, func(other api.Problem) bool {
		return other.Code == d.Code && strings.HasPrefix(other.Message, d.Message)
	})
}

// writePulled says how sources are transferred.
func writePulled(b *strings.Builder, zones []api.Zone, now time.Time) {
	if !slices.ContainsFunc(zones, func(z api.Zone) bool { return z.Pulled != nil }) {
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nPULLED\tFROM\tSERIAL\tLAST CHECK\tNEXT CHECK\tEXPIRES")
	for i := range zones {
		p := zones[i].Pulled
		if p == nil {
			continue
		}
		serial, expires := "-", soon(p.Expires, now)
		if p.Serial != nil {
			serial = fmt.Sprint(*p.Serial)
		}
		if p.Expired {
			expires = "expired"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", visible(zoneLabel(&zones[i])), visible(zones[i].Source), serial, ago(p.Checked, now), soon(p.Next, now), expires)
	}
	_ = w.Flush() // a builder takes everything
}

// writeServing says how secondaries follow.
func writeServing(b *strings.Builder, serving []api.Serving) {
	if len(serving) == 0 {
		return
	}
	number := func(serial *uint32) string {
		if serial == nil {
			return "-"
		}
		return fmt.Sprint(*serial)
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSERVED\tSERIAL\tSECONDARY\tHAS\tBEHIND")
	for i := range serving {
		z := &serving[i]
		for j := range z.Secondaries {
			f := &z.Secondaries[j]
			behind := "-"
			if !f.Current {
				behind = status.Age(time.Duration(f.Lag * float64(time.Second)))
			}
			if f.Problem != "" {
				behind += ": " + f.Problem
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", visible(z.Zone), number(z.Serial), f.Address, number(f.Serial), visible(behind))
		}
	}
	_ = w.Flush() // a builder takes everything
}

func writeZones(b *strings.Builder, zones []api.Zone, now time.Time) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ZONE\tPHASE\tSERIAL\tALIAS\tTARGETS\tLAST SUCCESS\tLAST CHANGE\tNEXT REFRESH")
	for i := range zones {
		z := &zones[i]
		published := "-"
		if z.Serial != nil {
			published = fmt.Sprint(*z.Serial)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", visible(zoneLabel(z)), phaseWords(z), published, z.Aliases, z.Targets,
			ago(z.LastSuccess, now), ago(z.LastChange, now), soon(z.NextRefresh, now))
	}
	_ = w.Flush() // a builder takes everything
}

// phaseWords is the phase with what is remarkable about it.
func phaseWords(z *api.Zone) string {
	words := []string{z.Phase}
	if z.Guarded {
		words = append(words, "guarded")
	}
	if z.Stale {
		words = append(words, "stale")
	}
	if !z.Oldest.IsZero() {
		words = append(words, "since "+z.Oldest.UTC().Format(time.RFC3339))
	}
	return strings.Join(words, " ")
}

// zoneLabel is what a zone is called: by its name and view, or its source where that does not
// tell a name.
func zoneLabel(z *api.Zone) string {
	name := z.Name
	if name == "" {
		name = z.Source
	}
	if z.View != "" {
		name += " (" + z.View + ")"
	}
	return name
}

func writeTargets(b *strings.Builder, t *api.Targets, now time.Time) {
	b.WriteString("\n" + visible(t.Zone) + "\n")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tTYPE\tTTL\tASKED\tAGAIN\tANSWER")
	for i := range t.Targets {
		q := &t.Targets[i]
		answer := q.Outcome
		switch {
		case answer == "":
			answer = "-"
		case len(q.Addresses) > 0:
			answer = addressList(q.Addresses)
		case q.Reason != "":
			answer = fmt.Sprintf("%s, %d times running", q.Reason, q.Failed)
		}
		if q.Subnet.IsValid() {
			answer += " for " + q.Subnet.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", visible(q.Target), q.Type, q.TTL, ago(q.Asked, now), soon(q.Due, now), visible(answer))
	}
	_ = w.Flush() // a builder takes everything
}

// writeProblem writes a problem as a report does, with its zone where it has no place.
func writeProblem(b *strings.Builder, of string, d *api.Problem, l look, p paint) {
	severity := p.err
	if d.Severity != diag.Error.String() {
		severity = p.warning
		if l.quiet && !l.warnings {
			return
		}
	}
	at := of
	if d.File != "" {
		at = diag.Pos{File: d.File, Line: d.Line, Column: d.Column}.String()
	}
	b.WriteString(visible(at) + ": " + severity.Sprint(d.Severity+":") + " " + visible(d.Message) + " " + p.code.Sprint("["+string(d.Code)+"]") + "\n")
	if d.Hint != "" {
		b.WriteString(p.hint.Sprint("hint:") + " " + visible(d.Hint) + "\n")
	}
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return status.Age(now.Sub(t)) + " ago"
}

func soon(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case !t.After(now):
		return "now"
	}
	return "in " + status.Age(t.Sub(now))
}

// refreshCommand is the work of aliasflat refresh.
type refreshCommand struct {
	*app
	controlFlags
}

func newRefreshCommand(a *app) *cobra.Command {
	c := &refreshCommand{app: a}
	cmd := &cobra.Command{
		Use:   "refresh ZONE|TARGET...",
		Short: "Have the daemon ask again now",
		Long: `refresh has aliasflat watch ask again what it would ask when the TTL has run out: all
targets of a zone, or one target. The primary of a zone that is pulled is asked for its
serial. It does not wait for what comes of it; aliasflat
events -f tells.`,
		Example: `  aliasflat refresh example.com
  aliasflat refresh cdn.example.net`,
		RunE: interruptible(c.refresh),
	}
	c.add(cmd.Flags())
	return cmd
}

func (c *refreshCommand) refresh(cmd *cobra.Command, args []string) error {
	given, err := names(args, usageError{message: "no zone and no target was given", hint: cmd.CommandPath() + " example.com"})
	if err != nil {
		return err
	}
	client, err := c.daemon(&c.controlFlags)
	if err != nil {
		return err
	}
	done, err := client.Refresh(cmd.Context(), given)
	if err != nil {
		return failed(err)
	}
	if err := c.present(done, func(b *strings.Builder, l look) {
		if !l.quiet {
			fmt.Fprintf(b, "asked again: %s, %s\n", counted(done.Zones, "zone"), counted(done.Targets, "target"))
		}
	}); err != nil {
		return err
	}
	if len(done.Unknown) > 0 {
		slices.Sort(done.Unknown)
		return usageError{
			message: strings.Join(done.Unknown, ", ") + ": no zone and no target of the daemon",
			hint:    "aliasflat status lists the zones, and aliasflat status ZONE the targets of one",
		}
	}
	return nil
}
