package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// compileCommand is the work of aliasflat compile.
type compileCommand struct {
	*app
	sourceFlags
	lookupFlags
	memoryFlags
	lockFileFlags
	publishedFlags

	output  string
	check   bool
	wait    string
	reload  bool
	plan    string // the sum that the run must have; empty: any
	preview bool   // it only tells what would change
	files   *files // of the run, once they are settled
	forever bool   // it is that of a daemon, which has a state without being told where
}

func newCompileCommand(a *app) *cobra.Command {
	c := &compileCommand{app: a}
	cmd := &cobra.Command{
		Use:   "compile [SOURCE...]",
		Short: "Write a zone file with addresses in place of ALIAS",
		Long: `compile reads zone files with ALIAS records, finds the addresses of every target
and writes zone files that BIND, NSD and Knot load. All else comes out byte for
byte as written, but for the SOA serial, which moves when the records change.

SOURCE is a zone file; - is standard input, and axfr://ADDRESS[:PORT]/ZONE[?key=NAME]
a zone that is transferred from its primary. Without SOURCE every zone of the
configuration is compiled. The result goes to standard output, or to what -o or
the configuration names; what is said about it goes to standard error.`,
		Example: `  aliasflat compile example.com.zone > flat.zone
  aliasflat compile -o /etc/bind/zones/example.com.db example.com.zone
  aliasflat compile --for nsd --resolver udp://192.0.2.53 -o out/ *.zone
  aliasflat compile --check -o example.com.db example.com.zone
  aliasflat compile -o example.com.db axfr://192.0.2.1/example.com`,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error {
			if err := checkSum(cmd, c.plan); err != nil {
				return err
			}
			return c.run(cmd, args, c.stderr, c.deliver)
		}),
	}
	c.addCompileFlags(cmd)
	cmd.Flags().BoolVar(&c.check, "check", false, "write nothing; exit with 3 if something would be written")
	cmd.Flags().BoolVar(&c.update, "update-lock", false, "write what the targets have into the lock file (default: the source's name and .lock)")
	cmd.Flags().BoolVar(&c.reload, "reload", false, "run the configured reload and hooks although nothing changed")
	cmd.Flags().StringVar(&c.wait, "wait", "", "wait `TIME` for another run that writes the same file, then exit with 6 (default 10s)")
	cmd.Flags().StringVar(&c.plan, "plan", "", "write only what aliasflat diff has shown under this `SUM`, else nothing")
	return cmd
}

// addCompileFlags adds what decides the result, so that a preview decides as
// the real run does.
func (c *compileCommand) addCompileFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&c.output, "output", "o", "", "write to `FILE`, or to a file of the source's name in DIR/")
	c.sourceFlags.add(cmd)
	c.lookupFlags.add(cmd)
	c.memoryFlags.add(cmd)
	c.lockFileFlags.add(cmd)
	c.publishedFlags.add(cmd)
	flags.StringVar(&c.serial, "serial", "", "`HOW` the serial goes on: auto, increment, date, unixtime, keep or a number (default auto)")
	flags.StringVar(&c.style, "style", "", "`FORM` of the output: source or canonical (default source)")
}

// previews tells whether nothing is written.
func (c *compileCommand) previews() bool { return c.check || c.preview }

// run compiles the sources and hands the results over. Problems before that go
// to w, the stream of the command's report.
func (c *compileCommand) run(cmd *cobra.Command, args []string, w io.Writer,
	deliver func(ctx context.Context, known *recollection, jobs []*job, results []compile.Result, problems diag.List) error,
) error {
	conf, jobs, wait, err := c.prepare(cmd, args, w)
	if err != nil {
		return err
	}
	asked, problems, err := c.ask(conf)
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		return c.finish(w, &report{Diagnostics: problems}, outcomeSource)
	}
	defer asked.close()
	if !c.previews() {
		makeServed(conf, c.state, jobs)
	}
	release, err := c.lock(cmd.Context(), jobs, wait)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := c.limit(cmd.Context(), conf)
	defer cancel()

	roots := roots{}
	defer roots.close()
	known, found, failed := c.openMemory(conf, c.previews(), wait)
	if failed != 0 {
		return c.finish(w, &report{Diagnostics: found}, failed)
	}
	defer known.close()
	c.pullOnce(ctx, jobs, !c.previews())
	sources := make([]compile.Source, 0, len(jobs))
	text := 0
	for _, j := range jobs {
		j.load(c.stdin, roots)
		j.published(ctx)
		known.recall(j)
		sources = append(sources, j.source)
		text += len(j.source.Text)
	}
	saveMemory(text)
	c.readLocks(jobs)
	progress, done := c.progress()
	options := compile.Options{Advise: publish.LargePages, Progress: progress, Force: c.force, Reviewed: c.locked, Preview: c.previews()}
	asked.options(&options)
	known.options(&options)
	if c.locked {
		options.Lookup = c.lookuper(jobs)
	}
	c.reviewing(jobs, &options)
	results := compile.Run(ctx, sources, options)
	done()
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	if err := c.files.includesApart(jobs); err != nil {
		return err
	}
	return deliver(ctx, known, jobs, results, append(found, asked.problems()...))
}

// prepare settles what is to be done, before anything is opened.
func (c *compileCommand) prepare(cmd *cobra.Command, args []string, w io.Writer) (*config.Config, []*job, time.Duration, error) {
	conf, err := c.settings(w)
	if err != nil {
		return nil, nil, 0, err
	}
	if c.forever && conf.State == "" && c.state == "" {
		conf.State = defaultState()
	}
	servedOutputs(conf, c.state)
	wait, err := c.waitTime()
	if err != nil {
		return nil, nil, 0, err
	}
	jobs, err := c.jobs(cmd, conf, args)
	if err == nil {
		err = c.pulls(w, conf, c.stateOf(conf), true, jobs)
	}
	if err == nil {
		err = c.settle(conf, jobs)
	}
	if err == nil {
		err = c.pushers(conf, jobs, w)
	}
	return conf, jobs, wait, err
}

// settle settles where everything goes and what it is compared with.
func (c *compileCommand) settle(conf *config.Config, jobs []*job) error {
	for _, settle := range []func([]*job) error{
		c.outputs,
		c.deliveries,
		c.locks,
		func(jobs []*job) error { return c.compared(jobs, c.preview) },
		c.fits,
		func(jobs []*job) (err error) {
			c.files, err = c.apart(conf, c.state, jobs, c.urls(conf))
			return err
		},
		func(jobs []*job) error { return c.subnets(c.app, jobs) },
	} {
		if err := settle(jobs); err != nil {
			return err
		}
	}
	return nil
}

// asked is who is asked in a run.
type asked struct {
	resolvers *compile.Resolvers // nil: nobody is
	policy    resolve.Policy
	told      []string // by a daemon: the resolvers that invent addresses

	use    sync.RWMutex // held while somebody else than the run itself asks
	closed bool
}

// ask opens the resolvers, unless everything comes from lock files.
func (c *compileCommand) ask(conf *config.Config) (*asked, diag.List, error) {
	if c.locked {
		policy, err := c.policyOf(conf)
		return &asked{policy: policy}, nil, err
	}
	resolvers, policy, problems, err := c.open(conf, resolve.Options{Probe: true})
	return &asked{resolvers: resolvers, policy: policy}, problems, err
}

func (a *asked) close() {
	a.use.Lock()
	defer a.use.Unlock()
	if a.resolvers != nil && !a.closed {
		a.resolvers.Close()
	}
	a.closed = true
}

// preview looks a target up for somebody who thinks of an ALIAS. Once the resolvers are closed
// there is nothing.
func (a *asked) preview(ctx context.Context, target zone.Name) []resolve.Answer {
	a.use.RLock()
	defer a.use.RUnlock()
	if a.closed || a.resolvers == nil {
		return nil
	}
	questions := []resolve.Question{{Target: target, Type: dns.TypeA}, {Target: target, Type: dns.TypeAAAA}}
	answers := resolve.All(ctx, a.resolvers.Lookuper(), questions, 0, nil)
	for i := range answers {
		answers[i] = a.policy.Check(target, answers[i])
	}
	return answers
}

// problems are those of the resolvers, once they were asked.
func (a *asked) problems() diag.List {
	if a.resolvers == nil {
		return nil
	}
	return a.resolvers.Problems()
}

// options has a run ask them.
func (a *asked) options(to *compile.Options) {
	to.Policy = a.policy
	if r := a.resolvers; r != nil {
		to.Lookup, to.Pref64s, to.InFlight = r.Lookuper(), r.Pref64s, r.InFlight()
		to.Confirm, to.Distrust = r.Confirm, func() string { return distrust(r) }
	}
}

// outputs settles where each result goes.
func (c *compileCommand) outputs(jobs []*job) error {
	folder := isFolder(c.output)
	for _, j := range jobs {
		if err := c.outputOf(j, len(jobs), folder); err != nil {
			return err
		}
	}
	return nil
}

func (c *compileCommand) outputOf(j *job, jobs int, folder bool) error {
	switch {
	case c.output != "" && folder:
		if j.path == "-" {
			return usageError{message: "standard input has no name for a file in " + c.output, hint: "name the file with -o FILE"}
		}
		j.output = filepath.Join(c.output, j.baseName(filepath.Base))
	case c.output != "" && jobs > 1:
		return usageError{message: fmt.Sprintf("%d sources go into one folder, not into the file %s", jobs, c.output), hint: "write -o " + c.output + "/"}
	case c.output != "":
		j.output = c.output
	case j.output != "":
		if strings.Contains(j.output, "{zone}") {
			j.output = j.expand(j.zoneName(nil))
		}
	case jobs > 1 && !c.preview:
		return usageError{message: fmt.Sprintf("%d sources and nowhere to write %s", jobs, j.path), hint: "name a folder with -o DIR/, or outputs in the configuration"}
	default:
		j.output = "-"
	}
	return nil
}

// deliver writes what can be written, and reports, the problems of the resolvers
// first.
func (c *compileCommand) deliver(ctx context.Context, known *recollection, jobs []*job, results []compile.Result, problems diag.List) error {
	rep := &report{Diagnostics: problems}
	var o outcome
	other, why := c.otherPlan(jobs, results)
	if why != nil {
		rep.Diagnostics = append(rep.Diagnostics, why)
		o |= outcomeGuarded
	}
	for i, j := range jobs {
		r := &results[i]
		z := zoneReport(j, r)
		switch kept, why := c.kept(j, r, &z); {
		case kept:
			o |= why
		case other:
			z.Unplanned = true
			o |= outcomeGuarded
		case c.hold(j, r, &z):
			o |= outcomeSource
		default:
			if why := known.promise(j, r, &z); why != 0 {
				o |= why
				break
			}
			o |= c.write(ctx, j, r, &z) | c.writeLock(j, &z) | known.remember(j, r, &z)
		}
		rep.Zones = append(rep.Zones, z)
	}
	if !c.locked { // a lock file tells nothing of today
		if d := known.sight(results); d != nil {
			rep.Diagnostics = append(rep.Diagnostics, d)
			o |= outcomeWorld
		}
	}
	known.tidy(results)
	c.hintsOf(rep, jobs)
	return c.finish(c.stderr, rep, o)
}

// kept tells whether a zone is kept from being written by its problems, and
// what came of it then.
func (a *app) kept(j *job, r *compile.Result, z *ZoneReport) (bool, outcome) {
	switch {
	case len(j.problems) > 0:
		z.Diagnostics = j.problems
		return true, j.outcome
	case !r.OK() && r.World:
		return true, outcomeWorld
	case !r.OK() && r.Guarded:
		return true, outcomeGuarded
	case !r.OK():
		return true, outcomeSource
	case a.failsOn("warning") && z.Diagnostics.Count(diag.Warning) > 0:
		z.Refused = true
		return true, outcomeSource
	}
	return false, 0
}

// write writes one result and tells what came of it.
func (c *compileCommand) write(ctx context.Context, j *job, r *compile.Result, z *ZoneReport) outcome {
	serial := uint32(r.Serial)
	z.NewSerial = &serial
	z.Output = j.output
	o := z.held(r, c.check)
	if j.output == "-" {
		return o | c.writeOut(r, z)
	}
	return o | c.writeFile(ctx, j, r, z)
}

func (c *compileCommand) writeOut(r *compile.Result, z *ZoneReport) outcome {
	if c.check {
		z.Changed = true
		return outcomeChanges
	}
	if err := publish.WriteTo(c.stdout, r.Text); err != nil {
		z.fail(err, "what came out is cut short")
		return outcomeWorld
	}
	z.Written, z.Changed = true, true
	return 0
}

func (c *compileCommand) writeFile(ctx context.Context, j *job, r *compile.Result, z *ZoneReport) outcome {
	if c.check {
		same, err := publish.Same(j.output, r.Text)
		if err != nil {
			z.fail(err, j.stands())
			return outcomeWorld
		}
		z.Changed = !same
		if same {
			return 0
		}
		return outcomeChanges
	}
	meant := publish.Meant{Origin: r.Name, Content: r.Content, Serial: r.Serial, For: j.source.For, Strip: j.source.StripDNSSEC, Before: j.verified}
	verify := publish.Verify(meant, r.Text, j.buf)
	done, err := j.publish(ctx, r, func(f *os.File) error {
		// Ours is the last word: a checker may have changed what it judged.
		if err := publish.Check(ctx, j.checkers, strings.TrimSuffix(r.Name.String(), "."), f.Name()); err != nil {
			return err
		}
		if err := verify(f); err != nil {
			return err
		}
		return j.keepOld()
	})
	if err != nil {
		z.failed(err, j.stands())
		return outcomeWorld
	}
	return z.delivered(&done)
}

// zoneName finds the zone name before the source is read: what was published
// may not tell, but the beginning of the source does.
func (j *job) zoneName(published []byte) zone.Name {
	if !j.source.Origin.IsZero() {
		return j.source.Origin
	}
	// What is no regular file can be read once only, and is read later.
	if info, err := os.Stat(j.path); err == nil && info.Mode().IsRegular() {
		if f, err := os.Open(j.path); err == nil {
			defer f.Close()
			head := make([]byte, 1<<16)
			n, _ := f.ReadAt(head, 0) // a short read is a short source
			if name := zonefile.FindOrigin(j.path, head[:n]); !name.IsZero() {
				return name
			}
		}
	}
	return zonefile.FindOrigin(j.output, published)
}

// fail adds what kept a result from being written.
func (z *ZoneReport) fail(err error, hint string) {
	z.Diagnostics = append(z.Diagnostics, &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeUnwritable, Err: err, Message: err.Error(), Hint: hint,
	})
	z.NewSerial = nil
}

// zoneReport tells what came of one source.
func zoneReport(j *job, r *compile.Result) ZoneReport {
	z := ZoneReport{Name: displayName(r.Name), Source: j.source.Name, Diagnostics: r.Problems, Explicit: r.Explicit, Aliases: r.Aliases}
	if r.OldSerial != nil {
		serial := uint32(*r.OldSerial)
		z.OldSerial = &serial
	}
	for i := range r.Flattened {
		res := &r.Flattened[i]
		for _, rr := range res.RRsets {
			z.Addresses4 += count4(rr.Addresses)
			z.Addresses6 += len(rr.Addresses) - count4(rr.Addresses)
			if z.MinTTLTarget == "" || rr.TTL < z.MinTTL {
				z.MinTTL, z.MinTTLTarget = rr.TTL, res.Rule.Target.String()
			}
		}
	}
	return z
}

func count4(addrs []netip.Addr) int {
	n := 0
	for _, a := range addrs {
		if a.Is4() {
			n++
		}
	}
	return n
}

func displayName(n zone.Name) string {
	if n.IsZero() || n.IsRoot() {
		return n.String()
	}
	return strings.TrimSuffix(n.String(), ".")
}

// isFolder tells whether -o names a folder.
func isFolder(path string) bool {
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, string(filepath.Separator)) {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
