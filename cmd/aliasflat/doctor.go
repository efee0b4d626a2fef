package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// defaultExamination bounds doctor where neither flag nor configuration does.
const defaultExamination = 30 * time.Second

// doctorCommand is the work of aliasflat doctor.
type doctorCommand struct {
	compileCommand
}

// checked is what came of one check.
type checked struct {
	publish.Finding

	outcome outcome // of a red one
}

func newDoctorCommand(a *app) *cobra.Command {
	c := &doctorCommand{compileCommand{app: a, preview: true}}
	cmd := &cobra.Command{
		Use:   "doctor [SOURCE...]",
		Short: "Look whether all around the zones is as it should be",
		Long: `doctor looks at what compile rests on: the resolvers, the clock, the state, the
outputs and their locks, and the name servers with their control tools and their
configuration. It prints a line for each check, and below what is not as it should
be, what to do.

It looks at the zones of the configuration, or at those of each SOURCE; without any
at resolvers, clock and state alone. It changes nothing: in the folder of an output
a temporary file is made and removed again. It exits with 0 although there are
warnings, with 4 if something does not work, and with 6 if all that is wrong is that
another process is at work.`,
		Example: `  aliasflat doctor
  aliasflat doctor --resolver udp://192.0.2.53 --timeout 5s
  aliasflat doctor --zone example.com`,
		RunE: interruptible(c.examine),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&c.output, "output", "o", "", "look at the output `FILE`, or at a file of the source's name in DIR/")
	flags.StringVar(&c.origin, "origin", "", "`NAME` of the zone; without it the source tells")
	flags.StringSliceVar(&c.zones, "zone", nil, "take the configured zone `NAME` (repeatable)")
	flags.StringVar(&c.state, "state", "", "look at the state in `DIR` (default: that of the configuration)")
	c.lookupFlags.add(cmd)
	flags.Lookup("timeout").Usage = "give up after `TIME`, as in 5s (default 30s)"
	return cmd
}

func (c *doctorCommand) examine(cmd *cobra.Command, args []string) error {
	if slices.Contains(args, "-") {
		return usageError{message: "doctor does not read standard input"}
	}
	conf, err := c.settings(c.stdout)
	if err != nil {
		return err
	}
	jobs, err := c.zoneJobs(cmd, conf, args)
	if err != nil {
		return err
	}
	lookup, _, problems, err := c.open(conf, resolve.Options{})
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		return c.finish(c.stdout, &report{Diagnostics: problems}, outcomeSource)
	}
	defer lookup.Close()
	if conf.Timeout <= 0 {
		conf.Timeout = defaultExamination
	}
	ctx, cancel := c.limit(cmd.Context(), conf)
	defer cancel()
	list := c.all(ctx, conf, jobs, lookup)
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	return c.tell(list)
}

// zoneJobs are the zones that are looked at; there may be none.
func (c *doctorCommand) zoneJobs(cmd *cobra.Command, conf *config.Config, args []string) ([]*job, error) {
	if len(args)+len(c.zones)+len(conf.Zones) == 0 {
		if c.origin != "" || c.output != "" {
			return nil, usageError{message: "--origin and -o go with a source", hint: cmd.CommandPath() + " example.com.zone"}
		}
		_, err := c.apart(conf, c.state, nil, c.urls(conf))
		return nil, err
	}
	jobs, err := c.jobs(cmd, conf, args)
	if err == nil {
		err = c.pulls(c.stdout, conf, c.state, true, jobs)
	}
	if err == nil {
		err = c.outputs(jobs)
	}
	if err == nil {
		err = c.compared(jobs, false)
	}
	if err == nil {
		_, err = c.apart(conf, c.state, jobs, c.urls(conf))
	}
	return jobs, err
}

// all does the checks, those that wait side by side.
func (c *doctorCommand) all(ctx context.Context, conf *config.Config, jobs []*job, lookup *compile.Resolvers) []checked {
	var zones []*zoneCheck
	for _, j := range jobs {
		zones = append(zones, &zoneCheck{job: j, name: j.zoneName(nil)})
	}
	kept, newest := c.lookAtState(conf, zones)
	stamps := []stamp{{"the state", newest}}
	var files [][]checked
	for _, z := range zones {
		files = append(files, z.lookAtFiles())
		if info, err := os.Stat(z.job.output); err == nil {
			stamps = append(stamps, stamp{"the output " + z.job.output, info.ModTime()})
		}
	}
	clock := judgeClock(time.Now(), buildTime(), stamps)

	var resolvers, servers, pushed, asked []checked
	var waiting sync.WaitGroup
	waiting.Go(func() { resolvers = c.lookAtResolvers(ctx, conf, lookup) })
	waiting.Go(func() { servers = examineServers(ctx, zones) })
	waiting.Go(func() { pushed = examinePushes(ctx, conf, zones) })
	waiting.Go(func() { asked = askSerials(ctx, zones) })
	waiting.Wait()
	return slices.Concat(c.lookAtSettings(conf), []checked{{Finding: clock, outcome: outcomeWorld}}, resolvers, kept, slices.Concat(files...), asked, servers, pushed)
}

// fine, doubtful and wrong are checks with their levels.
func fine(subject, message string) checked {
	return checked{Finding: publish.Finding{Subject: subject, Message: message}}
}

func doubtful(subject, message, hint string) checked {
	return checked{Finding: publish.Finding{Level: publish.Yellow, Subject: subject, Message: message, Hint: hint}}
}

func wrong(subject, message, hint string) checked {
	return checked{Finding: publish.Finding{Level: publish.Red, Subject: subject, Message: message, Hint: hint}, outcome: outcomeWorld}
}

// worldly takes the findings of others as checks.
func worldly(found []publish.Finding) []checked {
	var list []checked
	for _, f := range found {
		list = append(list, checked{Finding: f, outcome: outcomeWorld})
	}
	return list
}

func (c *doctorCommand) lookAtSettings(conf *config.Config) []checked {
	const subject = "configuration"
	var list []checked
	if conf.File == "" {
		list = append(list, fine(subject, "there is none"))
	} else {
		list = append(list, fine(subject, conf.File+": "+counted(len(conf.Zones), "zone")))
	}
	for _, d := range c.warned {
		list = append(list, doubtful(subject, d.Error(), d.Hint))
	}
	return list
}

// stamp is a time that something was written at; the zero time: it never was.
type stamp struct {
	what string
	at   time.Time
}

// buildTime is the time of the commit that the program was built from, and zero
// where that is not known.
func buildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value) // a time that cannot be read is zero
			return at
		}
	}
	return time.Time{}
}

// clockSlack is how much later than the clock a time may be: writing gives files
// times that are later than those of the files before them.
const clockSlack = time.Minute

// judgeClock holds the clock against times that have to lie behind it. Without
// asking anybody for the time no more can be known.
func judgeClock(now, built time.Time, stamps []stamp) publish.Finding {
	f := publish.Finding{Subject: "clock", Message: "it is " + atTime(now)}
	const set = "set the clock: the age of what is remembered, and serials that are dates, go by it"
	if built.After(now.Add(clockSlack)) {
		f.Level, f.Hint = publish.Red, set
		f.Message += ", before this program was made: " + atTime(built)
		return f
	}
	for _, s := range stamps {
		if !s.at.After(now.Add(clockSlack)) {
			continue
		}
		f.Level, f.Hint = publish.Red, set
		f.Message += fmt.Sprintf(", and %s was written at %s", s.what, atTime(s.at))
		return f
	}
	f.Message += ", later than all that was written"
	return f
}

func atTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// lookAtState opens the state for as long as it takes to read what it says of
// the zones, and gives the latest time in it.
func (c *doctorCommand) lookAtState(conf *config.Config, zones []*zoneCheck) ([]checked, time.Time) {
	dir := conf.State
	override(&dir, c.state)
	if dir == "" {
		return nil, time.Time{}
	}
	subject := "state " + dir
	store, err := state.Open(dir, state.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return []checked{fine(subject, "nothing is remembered there yet")}, time.Time{}
	}
	if err != nil {
		return []checked{stateWrong(subject, err)}, time.Time{}
	}
	newest := store.Clamp(time.Time{})
	known := len(store.Zones(zone.Name{}))
	for _, z := range zones {
		if last, ok := store.Zone(z.name, z.job.view, z.job.outputKey()); ok {
			z.last = &last
		}
	}
	path := store.Path()
	err = errors.Join(store.Problem(), store.Close())
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_RDWR, 0); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		return []checked{wrong(subject, err.Error(), "runs have to write to it: let this user")}, newest
	}
	return []checked{fine(subject, "it is sound and knows "+counted(known, "zone"))}, newest
}

func stateWrong(subject string, err error) checked {
	d, o := stateProblem(err)
	if d == nil {
		return wrong(subject, err.Error(), "runs have to read and write it: let this user")
	}
	list := wrong(subject, d.Message, d.Hint)
	list.outcome = o
	return list
}

// tell prints the checks and makes the exit status of them. That others are at
// work counts only where nothing else is wrong.
func (c *doctorCommand) tell(list []checked) error {
	var o outcome
	for _, l := range list {
		if l.Level == publish.Red {
			o |= l.outcome
		}
	}
	if o&outcomeWorld != 0 {
		o = outcomeWorld
	}
	if c.failsOn(diag.Warning.String()) && slices.ContainsFunc(list, func(l checked) bool { return l.Level == publish.Yellow }) {
		o |= outcomeSource
	}
	if err := c.printChecks(list, o); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if o == 0 {
		return nil
	}
	return reportedError{outcome: o}
}
