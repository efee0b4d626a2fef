package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// watchCommand is the work of aliasflat watch.
type watchCommand struct {
	compileCommand

	floor     string
	poll      string
	logFormat string
	public    bool // what shows the daemon may listen on other addresses than loopback
	insecure  bool // so may what takes tokens

	feed        *watch.Feed
	log         *eventLog
	supervisor  *supervisor
	primary     *watch.Primary                  // nil: nothing is served
	certificate atomic.Pointer[tls.Certificate] // of the primary and of HTTPS
	pulling     atomic.Pointer[pulls]           // nil: every source is a file
	sources     *api.Records                    // that are edited
	editable    atomic.Pointer[[]api.EditableZone]
	updatable   atomic.Pointer[map[zone.Name]updatable]
	asking      atomic.Pointer[asked] // the resolvers in use
	planning    atomic.Pointer[planning]
}

func newWatchCommand(a *app) *cobra.Command {
	c := &watchCommand{compileCommand: compileCommand{app: a}}
	cmd := &cobra.Command{
		Use:   "watch [SOURCE...]",
		Short: "Keep zone files up to date as the targets move",
		Long: `watch compiles zones as compile does, and goes on: it asks for each target again
when its TTL has run out, reads a source again when it changes, and publishes
what has changed, in this order: file, reload of the name server, hooks. With
listen.dns it then serves the zone to its secondaries, and tells them, and takes
UPDATE for the sources from those of allow-update. A zone with source: axfr://... is
transferred from its primary as that changes.

What it knows is kept in the state, so that a restart changes nothing. A zone
that fails keeps what was published last, and is tried again; it stops no other.
An output that somebody removes is written anew, and one that somebody edits is
left alone until it is out of the way.
SIGHUP has it read its configuration again. It ends with SIGTERM or SIGINT.`,
		Example: `  aliasflat watch
  aliasflat watch --config /etc/aliasflat/aliasflat.yaml
  aliasflat watch --state state -o out/ example.com.zone`,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(logFormats, c.logFormat) {
				return wordError("--log-format", c.logFormat, logFormats)
			}
			c.forever = true
			c.feed, c.supervisor = watch.NewFeed(0), newSupervisor()
			c.log = newEventLog(c.stderr, c.logFormat, c.verbose > 0)
			return c.watch(cmd, args)
		}),
	}
	flags := cmd.Flags()
	c.addCompileFlags(cmd)
	flags.StringVar(&c.floor, "refresh-floor", "", "ask for no target more often than every `TIME` (default 30s)")
	flags.StringVar(&c.poll, "poll", "", "look at the sources every `TIME`, where the system tells no changes (default 30s)")
	flags.StringVar(&c.logFormat, "log-format", "auto", "`FORM` of the log: auto, text or json")
	flags.BoolVar(&c.public, "public-http", false, "let listen.http be an address that other machines reach")
	flags.BoolVar(&c.insecure, "insecure-http", false, "with --public-http, let tokens of editable zones be sent to that address in the clear")
	flags.StringVar(&c.wait, "wait", "", "wait `TIME` for another run that writes the same files, then exit with 6 (default 10s)")
	return cmd
}

// watch works until a signal comes.
func (c *watchCommand) watch(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	now, err := c.plan(cmd, args, c.stderr)
	if err != nil {
		return err
	}
	open := &holdings{}
	defer open.free()
	known, found, outcome := c.openMemory(now.conf, false, now.wait)
	if outcome != 0 {
		return c.finish(c.stderr, &report{Diagnostics: found}, outcome)
	}
	open.add(known.close)
	c.sources = c.records(known.store.Path())
	s, err := c.serve(ctx, now.conf, known.store)
	if err != nil {
		return err
	}
	open.add(s.close)
	end, err := c.listenDNS(ctx, now, known)
	if err != nil {
		return err
	}
	open.add(end)
	next := now
	open.add(func() {
		now.asked.close()
		if next != now {
			next.asked.close()
		}
	})
	work, err := c.open(ctx, now, known, c.stderr)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(quietGarbage)
	}
	d := watch.New(watch.Options{
		Check: func() error {
			p, err := c.plan(cmd, args, io.Discard)
			if err != nil {
				return unusable(err)
			}
			if err := now.follows(p); err != nil {
				p.asked.close()
				return err
			}
			next = p
			return nil
		},
		Reload: func(ctx context.Context) (*watch.Work, error) {
			w, err := c.open(ctx, next, known, io.Discard)
			if err != nil {
				next.asked.close()
				next = now
				return nil, unusable(err)
			}
			now.asked.close()
			now = next
			c.tellFound(c.warned)
			return w, nil
		},
		Again: func(ctx context.Context) (*watch.Work, error) {
			w, err := c.open(ctx, now, known, io.Discard)
			return w, unusable(err)
		},
		Tell: c.tell,
	})
	c.tell(watch.Event{Time: time.Now(), Kind: watch.KindStarted, Message: fmt.Sprintf("%s, state %s%s", counted(len(now.jobs), "zone"), known.dir, c.servesAt()+s.at())})
	c.tellFound(slices.Concat(c.warned, found))
	s.start(ctx, c, d)
	c.supervisor.ready()
	d.Run(ctx, work)
	c.supervisor.stopping()
	c.tell(watch.Event{Time: time.Now(), Kind: watch.KindStopping, Message: "what is published stays as it is"})
	return nil
}

// follows tells why a configuration cannot take the place of another one without a restart.
func (p *watched) follows(next *watched) error {
	if p.conf.State != next.conf.State {
		return fmt.Errorf("state: %s is in use; another one takes a restart", p.conf.State)
	}
	if !reflect.DeepEqual(p.conf.Listen, next.conf.Listen) {
		return errors.New("listen: what is listened on changes with a restart")
	}
	if p.conf.TLS.ClientCA != next.conf.TLS.ClientCA {
		return errors.New("tls: client-ca: who vouches for secondaries changes with a restart")
	}
	return nil
}

// tellFound tells of problems that are of no zone.
func (c *watchCommand) tellFound(list diag.List) {
	for _, p := range list {
		c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: p.Severity, Message: p.Message, Found: p})
	}
}

// unusable makes the first problem out of the error of a report that nobody reads.
func unusable(err error) error {
	if reported, ok := errors.AsType[reportedError](err); ok {
		for _, p := range reported.found {
			if p.Severity == diag.Error {
				return p
			}
		}
	}
	return err
}

// watched is what a configuration has the daemon do, before anything is opened.
type watched struct {
	conf        *config.Config
	jobs        []*job
	asked       *asked
	wait        time.Duration // for others that write the same files
	floor, poll time.Duration
	feeding     *feeding         // nil: nothing is served
	certificate *tls.Certificate // nil: nothing is encrypted
}

// plan reads the configuration as it is now, and opens the resolvers. What is wrong with it is
// printed to w.
func (c *watchCommand) plan(cmd *cobra.Command, args []string, w io.Writer) (*watched, error) {
	conf, jobs, wait, err := c.prepare(cmd, args, w)
	if err != nil {
		return nil, err
	}
	if err := watchable(jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		j.watched = true
	}
	if conf.State == "" && c.state == "" {
		return nil, usageError{message: "nothing says where to keep the state", hint: "name a folder with --state DIR, or with state: in the configuration"}
	}
	feeding, err := c.feeding(conf, jobs, w)
	if err != nil {
		return nil, err
	}
	certificate, err := readCertificate(&conf.TLS)
	if err != nil {
		return nil, err
	}
	if err := c.exposed(&conf.Listen, jobs); err != nil {
		return nil, err
	}
	floor, poll, err := c.times(conf)
	if err != nil {
		return nil, err
	}
	asked, problems, err := c.ask(conf)
	if err != nil {
		return nil, err
	}
	if problems.HasErrors() {
		return nil, c.finish(w, &report{Diagnostics: problems}, outcomeSource)
	}
	return &watched{conf: conf, jobs: jobs, asked: asked, wait: wait, floor: floor, poll: poll, feeding: feeding, certificate: certificate}, nil
}

// open takes what only one may have at a time, and makes the work of a configuration. What
// keeps it from that is printed to w.
func (c *watchCommand) open(ctx context.Context, p *watched, known *recollection, w io.Writer) (*watch.Work, error) {
	open := &holdings{}
	failed := func(err error) (*watch.Work, error) {
		open.free()
		return nil, err
	}
	for _, j := range p.jobs {
		j.problems, j.outcome = nil, 0 // of an attempt before
	}
	release, err := c.lock(ctx, p.jobs, p.wait)
	if err != nil {
		return failed(err)
	}
	open.add(release)
	open.add(func() { // those that were taken again meanwhile too
		for _, j := range p.jobs {
			_ = j.lock.Release() // a lock file that stays is no lock once this process has ended
		}
	})
	if locked := lockedJobs(p.jobs); len(locked) > 0 {
		return failed(c.finish(w, &report{Diagnostics: locked}, outcomeLocked))
	}
	editable := editableOf(p.jobs)
	c.editable.Store(&editable)
	c.asking.Store(p.asked)
	host := &watchHost{command: &c.compileCommand, jobs: p.jobs, known: known, written: make([]atomic.Pointer[written], len(p.jobs)), primary: c.primary}
	open.add(c.pullFrom(ctx, p.jobs))
	c.planning.Store(newPlanning(p.jobs, known))
	c.feedFrom(ctx, p, host)
	c.firstPulls(ctx)
	c.certificate.Store(p.certificate)
	options := compile.Options{Advise: publish.LargePages, Force: c.force, Sightings: c.failsOn("warning")}
	p.asked.options(&options)
	known.options(&options)
	var health func() []resolve.Health
	var probe func(context.Context)
	if p.asked.resolvers != nil {
		health = p.asked.resolvers.Health
		probe = func(ctx context.Context) { c.probe(ctx, p.asked) }
	}
	return &watch.Work{
		Zones: host.zones(), Host: host, Options: options, Floor: p.floor, Now: host.now, Close: open.free, Health: health,
		Moved: host.Moved, Poll: p.poll, Probe: probe, Primary: c.primary, Pulled: c.pulling.Load().status,
		Files: watch.NewFiles(watch.FilesOptions{Poll: p.poll, OnProblem: func(err error) {
			c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: diag.Warning, Message: err.Error()})
		}}),
	}, nil
}

// probe looks at the resolvers, and tells of one that begins to invent addresses, or stops. It
// is not for concurrent use.
func (c *watchCommand) probe(ctx context.Context, asked *asked) {
	asked.resolvers.Probe(ctx)
	urls, problems := asked.resolvers.Inventing()
	for i, url := range urls {
		if !slices.Contains(asked.told, url) {
			c.tellFound(problems[i : i+1])
		}
	}
	for _, url := range asked.told {
		if !slices.Contains(urls, url) {
			c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Message: "resolver " + url + " invents no addresses any more, and is used again"})
		}
	}
	asked.told = urls
}

// times settles how often targets and files are looked at.
func (c *watchCommand) times(conf *config.Config) (floor, poll time.Duration, err error) {
	floor, poll = conf.RefreshFloor, conf.Poll
	for _, f := range []struct {
		flag, text string
		to         *time.Duration
	}{{"--refresh-floor", c.floor, &floor}, {"--poll", c.poll, &poll}} {
		if f.text == "" {
			continue
		}
		d, err := config.ParseDuration(f.text)
		if err == nil && d <= 0 {
			err = errors.New("has to be above 0")
		}
		if err != nil {
			return 0, 0, flagValueError(f.flag, err)
		}
		*f.to = d
	}
	return floor, poll, nil
}

// watchable refuses what a daemon cannot do.
func watchable(jobs []*job) error {
	for _, j := range jobs {
		if j.path == "-" {
			return usageError{message: "standard input cannot be watched", hint: "name a file"}
		}
		if j.output == "-" {
			return usageError{message: fmt.Sprintf("nothing says where to write %s", j.path), hint: "name a file with -o, or an output in the configuration"}
		}
	}
	return nil
}

// lockedJobs are the problems of outputs that another process writes.
func lockedJobs(jobs []*job) diag.List {
	var list diag.List
	for _, j := range jobs {
		if j.outcome&outcomeLocked != 0 {
			list = append(list, j.problems...)
		}
	}
	return list
}

// tell lets everybody know of an event.
func (c *watchCommand) tell(e watch.Event) {
	c.feed.Tell(e)
	c.log.tell(e)
	if e.Kind == watch.KindReady {
		debug.FreeOSMemory() // what it took to begin is not needed again
	}
}
