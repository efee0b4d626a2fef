package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// diffCommand is the work of aliasflat diff: a compile that writes nothing and
// tells the difference.
type diffCommand struct {
	compileCommand

	exitCode bool
}

func newDiffCommand(a *app) *cobra.Command {
	c := &diffCommand{compileCommand: compileCommand{app: a, preview: true}}
	cmd := &cobra.Command{
		Use:   "diff [SOURCE...]",
		Short: "Show what compile would change",
		Long: `diff compiles as compile does, with the same flags, writes nothing, and shows the
records that would be added (+) and removed (-) in what is published: in the file
that -o or the configuration names, in another file, or on a server.

Its last line is the sum of the plan. compile --plan SUM publishes exactly what
was shown under that sum, or nothing. --format markdown makes the text of a
comment that a CI job can find again by its first line and update in place.`,
		Example: `  aliasflat diff -o /etc/bind/zones/example.com.db example.com.zone
  aliasflat diff --against axfr://192.0.2.1 example.com.zone
  aliasflat diff --exit-code --format markdown --report comment.md`,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error { return c.run(cmd, args, c.stdout, c.show) }),
	}
	c.addCompileFlags(cmd)
	cmd.Flags().BoolVar(&c.exitCode, "exit-code", false, "exit with 3 if there are changes")
	return cmd
}

// show reports the difference of each zone.
func (c *diffCommand) show(_ context.Context, _ *recollection, jobs []*job, results []compile.Result, problems diag.List) error {
	rep := &report{Diagnostics: problems}
	// Differences are full of pointers, and none of them is garbage.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
	}
	differences := make([]zone.Difference, len(jobs))
	var o outcome
	for i, j := range jobs {
		r := &results[i]
		var err error
		if differences[i], err = j.difference(r); err != nil {
			j.blocked(err)
		}
		z := zoneReport(j, r)
		kept, why := c.kept(j, r, &z)
		if !kept && c.hold(j, r, &z) {
			kept, why = true, outcomeSource
		}
		if o |= why; !kept {
			serial := uint32(r.Serial)
			z.NewSerial, z.Changed = &serial, len(differences[i]) > 0
			z.Changes = newChange(j, differences[i])
			if c.exitCode && z.Changed {
				o |= outcomeChanges
			}
		}
		rep.Zones = append(rep.Zones, z)
	}
	sum, err := planSum(jobs, results, differences)
	if err != nil {
		return fmt.Errorf("make the sum of the plan: %w", err)
	}
	rep.Plan = sum
	c.hintsOf(rep, jobs)
	return c.finish(c.stdout, rep, o)
}

// change is what a run would change in one zone.
type change struct {
	difference zone.Difference
	against    string // the file or server it is compared with
	first      bool   // nothing is published
}

func newChange(j *job, d zone.Difference) *change {
	return &change{difference: d, against: j.last, first: j.source.Published == nil}
}

// counts tells how many RRsets are added, removed and changed.
func (c *change) counts() (added, removed, changed int) {
	for i := range c.difference {
		switch d := &c.difference[i]; {
		case d.Old == nil:
			added++
		case d.New == nil:
			removed++
		default:
			changed++
		}
	}
	return added, removed, changed
}

// heading is the line that stands above the changes of a zone: its serial and
// how much changes.
func (c *change) heading(z *ZoneReport) string {
	return z.Name + ": " + c.step(z) + c.extent()
}

// step is the way of the serial.
func (c *change) step(z *ZoneReport) string {
	switch {
	case c.first || z.OldSerial == nil:
		return fmt.Sprintf("serial %d, nothing is published in %s", *z.NewSerial, c.against)
	case *z.OldSerial != *z.NewSerial:
		return fmt.Sprintf("serial %d -> %d", *z.OldSerial, *z.NewSerial)
	}
	return fmt.Sprintf("serial %d", *z.NewSerial)
}

// extent tells how many RRsets change.
func (c *change) extent() string {
	if len(c.difference) == 0 {
		return ", no record changes"
	}
	added, removed, changed := c.counts()
	var b strings.Builder
	for _, part := range []struct {
		n    int
		what string
	}{{added, "added"}, {removed, "removed"}, {changed, "changed"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %s %s", plural(part.n, "RRset"), part.what)
		}
	}
	return b.String()
}

// lines calls f with each line of the difference.
func (c *change) lines(f func(line string)) {
	diffLines(c.difference, func(_ uint16, d zone.RDATA) zone.RDATA { return d }, func(line string) { f(visible(line)) })
}
