package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// serialSchema names the form of the JSON that serial prints.
const serialSchema = "aliasflat/serial/v1"

// serialCommand is the work of aliasflat serial.
type serialCommand struct {
	compileCommand

	from string // of plan: the serial that secondaries have; empty: the published one
	to   string // of plan
}

func newSerialCommand(a *app) *cobra.Command {
	c := &serialCommand{compileCommand: compileCommand{app: a, preview: true}}
	cmd := &cobra.Command{
		Use:   "serial [SOURCE...]",
		Short: "Explain how the serial of a zone goes on",
		Long: `serial prints the serial of the source, the one that is published and who tells
it, the style it shows, and what it would be after the next compile, with the
reason. No target is looked up and nothing is written.`,
		Example: `  aliasflat serial -o /etc/bind/zones/example.com.db example.com.zone
  aliasflat serial --serial-from dns://192.0.2.1 example.com.zone
  aliasflat serial plan --to 2026112201 --serial-from dns://192.0.2.1 example.com.zone`,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error { return c.zones(cmd, args, c.explain) }),
	}
	c.addSerialFlags(cmd)
	cmd.AddCommand(newSerialPlanCommand(a))
	return cmd
}

func newSerialPlanCommand(a *app) *cobra.Command {
	c := &serialCommand{compileCommand: compileCommand{app: a, preview: true}}
	cmd := &cobra.Command{
		Use:   "plan --to SERIAL [SOURCE...]",
		Short: "Show the way from the published serial to another, lower ones too",
		Long: `plan shows which serials to publish, one after the other, to get secondaries from
the serial they have to another one. A secondary follows a later serial only, by
the arithmetic of RFC 1982: serials lie on a circle of 2^32, and one is later if it
lies less than half of it ahead. So the way back from a serial that is too high
goes round, mostly in two steps. Each step has to reach every secondary before the
next one.`,
		Example: `  aliasflat serial plan --to 2026112201 -o example.com.db example.com.zone
  aliasflat serial plan --to 2026112201 --from 4026112201 example.com.zone`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.to == "" {
				return usageError{message: "--to is missing", hint: cmd.CommandPath() + " --to 2026112201 example.com.zone"}
			}
			return c.zones(cmd, args, c.showSteps)
		},
	}
	cmd.Flags().StringVar(&c.to, "to", "", "get to `SERIAL`")
	cmd.Flags().StringVar(&c.from, "from", "", "begin at `SERIAL`, which secondaries have (default: the published one)")
	c.addSerialFlags(cmd)
	return cmd
}

func (c *serialCommand) addSerialFlags(cmd *cobra.Command) {
	c.cmd = cmd
	flags := cmd.Flags()
	flags.StringVarP(&c.output, "output", "o", "", "the published zone is `FILE`, or a file of the source's name in DIR/")
	c.sourceFlags.add(cmd)
	c.addSerialFrom(cmd)
	flags.StringVar(&c.serial, "serial", "", "`HOW` the serial goes on: auto, increment, date, unixtime, keep or a number (default auto)")
}

// zoneSerial is what there is to say about one zone.
type zoneSerial struct {
	job    *job
	name   zone.Name
	source zone.Serial
	file   *zone.Serial // of the output; nil: there is none
	served *zone.Serial // of the server; nil: none was asked
	last   *zone.Serial // the published one: the later of both; nil: none is known
}

// settleSerials settles where each source is had from, and what is compared with.
func (c *serialCommand) settleSerials(conf *config.Config, jobs []*job) error {
	if err := c.pulls(c.stderr, conf, conf.State, true, jobs); err != nil {
		return err
	}
	if err := c.outputs(jobs); err != nil {
		return err
	}
	return c.compared(jobs, false)
}

// zones reads the sources and hands over what is known of each serial.
func (c *serialCommand) zones(cmd *cobra.Command, args []string, tell func([]zoneSerial) error) error {
	if c.format != "text" && c.format != "json" {
		return usageError{message: fmt.Sprintf("%s prints text or json, not %s", cmd.Name(), c.format)}
	}
	conf, err := c.settings(c.stderr)
	if err != nil {
		return err
	}
	jobs, err := c.jobs(cmd, conf, args)
	if err != nil {
		return err
	}
	if err := c.settleSerials(conf, jobs); err != nil {
		return err
	}
	files, err := c.apart(conf, "", jobs, nil)
	if err != nil {
		return err
	}
	roots := roots{}
	defer roots.close()
	c.pullOnce(cmd.Context(), jobs, false)
	sources := make([]compile.Source, 0, len(jobs))
	list := make([]zoneSerial, len(jobs))
	for i, j := range jobs {
		j.load(c.stdin, roots)
		list[i] = zoneSerial{job: j}
		if c.from == "" {
			list[i].published(cmd, j)
		}
		sources = append(sources, j.source)
	}
	results := compile.Run(cmd.Context(), sources, compile.Options{Advise: publish.LargePages})
	if err := files.includesApart(jobs); err != nil {
		return err
	}
	rep := &report{}
	var o outcome
	var good []zoneSerial
	for i, j := range jobs {
		r, z := &results[i], zoneReport(j, &results[i])
		switch {
		case len(j.problems) > 0:
			z.Diagnostics = j.problems
			o |= j.outcome
		case r.Problems.HasErrors() || r.OldSerial == nil:
			o |= outcomeSource
		default:
			list[i].name, list[i].source = r.Name, *r.OldSerial
			good = append(good, list[i])
			continue
		}
		c.hints(j, z.Diagnostics)
		rep.Zones = append(rep.Zones, z)
	}
	if err := tell(good); err != nil {
		return err
	}
	if len(rep.Zones)+len(c.warned) == 0 && c.reportFile == "" {
		return nil // as JSON, even nothing is a report
	}
	return c.finish(c.stderr, rep, o)
}

// published finds the serials that the output and the server tell, and takes
// them out of the source, so that the run gives the source's own.
func (z *zoneSerial) published(cmd *cobra.Command, j *job) {
	asked := j.asked
	j.asked = ""
	j.published(cmd.Context())
	if p := j.source.Published; p != nil {
		z.file, z.last = &p.Serial, &p.Serial
	}
	j.asked = asked
	if j.ask(cmd.Context()); j.served != nil {
		z.served, z.last = j.served, &j.source.Published.Serial
	}
	j.source.Published = nil
}

// outlook is what the serial becomes in one case.
type outlook struct {
	serial zone.Serial
	why    string
	err    error
}

// next chooses the serial as compile does.
func (z *zoneSerial) next(changed bool, now time.Time) outlook {
	policy := z.job.source.Serial
	choice, err := policy.Choose(z.source, z.last, changed, now)
	if err != nil {
		return outlook{err: err}
	}
	return outlook{serial: choice.Serial, why: z.reason(choice, now)}
}

// reason tells in a few words why a serial was chosen.
func (z *zoneSerial) reason(c zone.Choice, now time.Time) string {
	policy := z.job.source.Serial
	auto := ""
	if base, whose := z.base(); policy.Style == zone.SerialAuto {
		auto = ", since " + whose + " is a " + styleWord(base, now)
	}
	switch {
	case policy.Style == zone.SerialKeep:
		return "as in the source: keep"
	case policy.Style == zone.SerialNumber:
		return "the number asked for"
	case c.Clock == zone.SerialDate:
		return "the date of today" + auto
	case c.Clock == zone.SerialUnixTime:
		return "the time of now" + auto
	case z.last == nil:
		return "as in the source: nothing published is known"
	case c.Serial == *z.last:
		return "as published"
	case c.Serial == z.source:
		return "as in the source, which is later"
	case c.FellBack != zone.SerialAuto:
		return fmt.Sprintf("one more: a %s serial would not be later", c.FellBack)
	}
	return "one more" + auto
}

// base is the serial whose style auto goes on in.
func (z *zoneSerial) base() (base zone.Serial, whose string) {
	if z.last == nil || z.source.After(*z.last) {
		return z.source, "that of the source"
	}
	return *z.last, "the published one"
}

// styleWord names the style that a serial shows.
func styleWord(s zone.Serial, now time.Time) string {
	switch zone.StyleOf(s, now) {
	case zone.SerialDate:
		return "date"
	case zone.SerialUnixTime:
		return "time"
	case zone.SerialAuto, zone.SerialIncrement, zone.SerialKeep, zone.SerialNumber:
	}
	return "counter"
}

// explain prints what is known of each serial and how it goes on.
func (c *serialCommand) explain(list []zoneSerial) error {
	now := time.Now()
	if c.format == "json" {
		return c.printJSON(list, now)
	}
	var b strings.Builder
	for i := range list {
		z := &list[i]
		fmt.Fprintf(&b, "%s\n", displayName(z.name))
		line := func(what string, serial zone.Serial, text string) {
			fmt.Fprintf(&b, "  %-12s %-10d  %s\n", what, serial, text)
		}
		line("source", z.source, z.job.source.Name+", a "+styleWord(z.source, now))
		if z.file != nil {
			line("published", *z.file, z.job.output+", a "+styleWord(*z.file, now))
		}
		if z.served != nil {
			line("served", *z.served, z.job.asked+", a "+styleWord(*z.served, now))
		}
		switch {
		case z.last == nil && z.job.last != "":
			fmt.Fprintf(&b, "  %-12s %-10s  %s is not there\n", "published", "none", z.job.last)
		case z.last == nil:
			fmt.Fprintf(&b, "  %-12s %-10s  neither -o nor --serial-from tells\n", "published", "unknown")
		}
		for _, next := range []struct {
			what    string
			changed bool
		}{{"unchanged", false}, {"changed", true}} {
			o := z.next(next.changed, now)
			if o.err != nil {
				fmt.Fprintf(&b, "  %-12s %-10s  %s\n", next.what, "error", o.err)
				continue
			}
			line(next.what, o.serial, o.why)
		}
	}
	_, err := io.WriteString(c.stdout, visibleLines(b.String()))
	return err
}

// visibleLines makes each line safe for a terminal.
func visibleLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(visible(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}

type jsonSerials struct {
	Schema string           `json:"schema"`
	Zones  []jsonZoneSerial `json:"zones"`
}

type jsonZoneSerial struct {
	Name      string       `json:"name"`
	Source    zone.Serial  `json:"source"`
	Published *zone.Serial `json:"published"` // of the output; null: there is none
	Served    *zone.Serial `json:"served"`    // of the server; null: none was asked
	Style     string       `json:"style"`
	Unchanged jsonOutlook  `json:"unchanged"`
	Changed   jsonOutlook  `json:"changed"`
}

type jsonOutlook struct {
	Serial *zone.Serial `json:"serial"` // null: compile refuses
	Why    string       `json:"why"`
}

func (c *serialCommand) printJSON(list []zoneSerial, now time.Time) error {
	out := jsonSerials{Schema: serialSchema, Zones: []jsonZoneSerial{}}
	for i := range list {
		z := &list[i]
		base, _ := z.base()
		out.Zones = append(out.Zones, jsonZoneSerial{
			Name: displayName(z.name), Source: z.source, Published: z.file, Served: z.served,
			Style: styleWord(base, now), Unchanged: z.next(false, now).json(), Changed: z.next(true, now).json(),
		})
	}
	return writeJSON(c.stdout, out)
}

func (o outlook) json() jsonOutlook {
	if o.err != nil {
		return jsonOutlook{Why: o.err.Error()}
	}
	return jsonOutlook{Serial: &o.serial, Why: o.why}
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
