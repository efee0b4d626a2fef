package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/watch"
)

// watchCommand is the work of aliasflat watch.
type watchCommand struct {
	compileCommand

	floor string
	poll  string
}

func newWatchCommand(a *app) *cobra.Command {
	c := &watchCommand{compileCommand: compileCommand{app: a}}
	cmd := &cobra.Command{
		Use:   "watch [SOURCE...]",
		Short: "Keep zone files up to date as the targets move",
		Long: `watch compiles zones as compile does, and goes on: it asks for each target again
when its TTL has run out, reads a source again when it changes, and publishes
what has changed, in this order: file, reload of the name server, hooks.

What it knows is kept in the state, so that a restart changes nothing. A zone
that fails keeps what was published last, and is tried again; it stops no other.
SIGHUP has it read its configuration again. It ends with SIGTERM or SIGINT.`,
		Example: `  aliasflat watch
  aliasflat watch --config /etc/aliasflat/aliasflat.yaml
  aliasflat watch --state state -o out/ example.com.zone`,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error { return c.watch(cmd, args) }),
	}
	flags := cmd.Flags()
	c.addCompileFlags(cmd)
	flags.StringVar(&c.floor, "refresh-floor", "", "ask for no target more often than every `TIME` (default 30s)")
	flags.StringVar(&c.poll, "poll", "", "look at the sources every `TIME`, where the system tells no changes (default 30s)")
	flags.StringVar(&c.compileCommand.wait, "wait", "", "wait `TIME` for another run that writes the same files, then exit with 6 (default 10s)")
	return cmd
}

// watch works until a signal comes.
func (c *watchCommand) watch(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	now, err := c.plan(cmd, args)
	if err != nil {
		return err
	}
	work, err := c.open(ctx, now)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(quietGarbage)
	}
	next := now
	d := watch.New(watch.Options{
		Check: func() error {
			p, err := c.plan(cmd, args)
			if err == nil {
				next = p
			}
			return c.unusable(err)
		},
		Reload: func(ctx context.Context) (*watch.Work, error) {
			w, err := c.open(ctx, next)
			if err == nil {
				now = next
			}
			return w, c.unusable(err)
		},
		Again: func(ctx context.Context) (*watch.Work, error) { return c.open(ctx, now) },
		Tell:  c.tell,
	})
	done := make(chan struct{})
	defer func() { <-done }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(done)
		reloadOnHangup(ctx, d)
	}()
	return d.Run(ctx, work)
}

// reloadOnHangup has the configuration read again with each SIGHUP.
func reloadOnHangup(ctx context.Context, d *watch.Daemon) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			_ = d.Reload(ctx) // what came of it is told
		case <-ctx.Done():
			return
		}
	}
}

// unusable makes an error of one that was reported already.
func (c *watchCommand) unusable(err error) error {
	if reported, ok := errors.AsType[reportedError](err); ok {
		return fmt.Errorf("the new configuration is not used, the old one stays: %w", reported)
	}
	return err
}

// watched is what a configuration has the daemon do, before anything is opened.
type watched struct {
	conf        *config.Config
	jobs        []*job
	wait        time.Duration // for others that write the same files
	floor, poll time.Duration
}

// plan reads the configuration as it is now.
func (c *watchCommand) plan(cmd *cobra.Command, args []string) (*watched, error) {
	conf, jobs, wait, err := c.prepare(cmd, args, c.stderr)
	if err != nil {
		return nil, err
	}
	if err := watchable(jobs); err != nil {
		return nil, err
	}
	if conf.State == "" && c.state == "" {
		if conf.State = defaultState(); conf.State == "" {
			return nil, usageError{message: "nothing says where to keep the state", hint: "name a folder with --state DIR, or with state: in the configuration"}
		}
	}
	floor, poll, err := c.times(conf)
	return &watched{conf, jobs, wait, floor, poll}, err
}

// open opens all that a daemon needs.
func (c *watchCommand) open(ctx context.Context, p *watched) (*watch.Work, error) {
	open := &holdings{}
	failed := func(err error) (*watch.Work, error) {
		open.free()
		return nil, err
	}
	asked, problems, err := c.ask(p.conf)
	if err != nil {
		return nil, err
	}
	if problems.HasErrors() {
		return nil, c.finish(c.stderr, &report{Diagnostics: problems}, outcomeSource)
	}
	open.add(asked.close)
	release, err := c.lock(ctx, p.jobs, p.wait)
	if err != nil {
		return failed(err)
	}
	open.add(release)
	if locked := lockedJobs(p.jobs); len(locked) > 0 {
		return failed(c.finish(c.stderr, &report{Diagnostics: locked}, outcomeLocked))
	}
	known, found, outcome := c.openMemory(p.conf, false, p.wait)
	if outcome != 0 {
		return failed(c.finish(c.stderr, &report{Diagnostics: found}, outcome))
	}
	open.add(known.close)
	host := &watchHost{command: &c.compileCommand, jobs: p.jobs, known: known, written: make([]*written, len(p.jobs))}
	options := compile.Options{Advise: publish.LargePages, Force: c.force}
	asked.options(&options)
	known.options(&options)
	return &watch.Work{
		Zones: host.zones(), Host: host, Options: options, Floor: p.floor, Now: host.now, Close: open.free,
		Files: watch.NewFiles(watch.FilesOptions{Poll: p.poll, OnProblem: func(err error) {
			c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: diag.Warning, Message: err.Error()})
		}}),
	}, nil
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

// tell writes an event.
func (c *watchCommand) tell(e watch.Event) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Time.Format(time.RFC3339), e.Kind)
	if !e.Zone.IsZero() {
		fmt.Fprintf(&b, " zone=%s", displayName(e.Zone))
	}
	if e.Serials {
		fmt.Fprintf(&b, " serial=%d old=%d", e.NewSerial, e.OldSerial)
	}
	if !e.Owner.IsZero() {
		fmt.Fprintf(&b, " owner=%s from=%v to=%v", e.Owner, e.From, e.To)
	}
	if !e.Target.IsZero() {
		fmt.Fprintf(&b, " target=%s", e.Target)
	}
	fmt.Fprintf(&b, " %s\n", e.Message)
	_, _ = io.WriteString(c.stderr, b.String())
}
