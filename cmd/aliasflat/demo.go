package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// demoCommand is the work of aliasflat demo: the daemon, on a zone and in a world of its own.
type demoCommand struct {
	*app

	length string
	speed  float64 // how much faster than the clock the world is
}

// demoLength is how long the demo takes where nobody says otherwise: its script once.
const demoLength = demoPeriod

func newDemoCommand(a *app) *cobra.Command {
	c := &demoCommand{app: a, speed: 1}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the daemon at work, in a world without a network",
		Long: `demo runs what aliasflat watch runs, on a small zone in a temporary folder. Who is
asked is built in: targets that move, get IPv6, fall silent and are deleted, each with
a TTL of 3 seconds. What changes in the published zone is printed as it is published.

It needs no network, no configuration and no rights, and it leaves nothing behind. It
ends by itself after a minute, or with Ctrl-C.`,
		Example: `  aliasflat demo
  aliasflat demo --for 20s`,
		Args: noArgs,
		RunE: interruptible(func(cmd *cobra.Command, _ []string) error { return c.demo(cmd) }),
	}
	cmd.Flags().StringVar(&c.length, "for", "", "end after `TIME` (default 1m)")
	return cmd
}

// demo works until its time is over or a signal comes: both are how it is meant to end.
func (c *demoCommand) demo(cmd *cobra.Command) (err error) {
	length := demoLength
	if c.length != "" {
		if length, err = config.ParseDuration(c.length); err == nil && length <= 0 {
			err = errors.New("has to be above 0")
		}
		if err != nil {
			return flagValueError("--for", err)
		}
	}
	dir, err := os.MkdirTemp("", "aliasflat-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "example.com.zone")
	if err := os.WriteFile(source, []byte(demoZone), 0o600); err != nil {
		return fmt.Errorf("write the zone of the demo: %w", err)
	}
	world, moves, err := newDemoWorld(demoScript, c.speed)
	if err != nil {
		return fmt.Errorf("the world of the demo: %w", err)
	}
	show := &demoShow{w: c.stdout, paint: newPaint(c.look(c.stdout).color), output: filepath.Join(dir, "example.com.db"), speed: c.speed, start: time.Now()}
	show.introduce(source, length)
	ctx, cancel := context.WithTimeout(cmd.Context(), world.scaled(length))
	defer cancel()
	if err := c.work(ctx, cmd, dir, world, moves, show); err != nil {
		return err
	}
	show.conclude()
	return nil
}

// work runs the daemon while the world moves.
func (c *demoCommand) work(ctx context.Context, cmd *cobra.Command, dir string, world *demoWorld, moves []demoMove, show *demoShow) error {
	conf := config.Default()
	conf.Resolvers, conf.State = []string{string(resolve.SchemeDemo) + ":"}, filepath.Join(dir, "state")
	conf.Zones = []config.Zone{{Source: filepath.Join(dir, "example.com.zone"), Output: show.output, Settings: conf.Settings}}
	w := &watchCommand{
		compileCommand: compileCommand{app: c.app}, feed: watch.NewFeed(0), log: newEventLog(c.stderr, "text", false),
		supervisor: &supervisor{notify: func(string) {}},
	}
	w.cmd = cmd
	jobs, err := w.jobs(cmd, conf, nil)
	if err == nil {
		err = w.settle(conf, jobs)
	}
	if err != nil {
		return err
	}
	open := &holdings{}
	defer open.free()
	known, found, failed := w.openMemory(conf, false, defaultWait)
	if failed != 0 {
		return c.finish(c.stderr, &report{Diagnostics: found}, failed)
	}
	open.add(known.close)
	s, err := w.serve(ctx, conf, known.store)
	if err != nil {
		return err
	}
	open.add(s.close)
	work, err := w.open(ctx, &watched{conf: conf, jobs: jobs, asked: &asked{}, wait: defaultWait, floor: world.scaled(demoTTL), poll: conf.Poll}, known, c.stderr)
	if err != nil {
		return err
	}
	work.Options.Lookup, work.Options.Confirm, work.Options.Distrust = world, nil, nil
	d := watch.New(watch.Options{Tell: func(e watch.Event) {
		w.feed.Tell(e)
		show.tell(&e)
	}})
	s.start(ctx, w, d)
	var moving sync.WaitGroup
	var stuck error
	moving.Go(func() { stuck = world.play(ctx, moves, show.world) })
	d.Run(ctx, work)
	moving.Wait()
	return stuck
}

// demoShow prints what happens. The time in front of a line is that of the world.
type demoShow struct {
	w      io.Writer
	paint  paint
	output string
	speed  float64
	start  time.Time

	mu        sync.Mutex
	published *zonefile.Zone // as it was read last; nil: nothing is published
	times     int            // that it was published
}

// print writes a line for people. There is nobody to tell when even that fails.
func (s *demoShow) print(format string, args ...any) { _, _ = fmt.Fprintf(s.w, format+"\n", args...) }

// introduce tells what is to be seen.
func (s *demoShow) introduce(source string, length time.Duration) {
	s.print("aliasflat watch at work for %s; Ctrl-C ends it. Nothing leaves this machine.\n", length)
	s.print("This is its zone. No name server loads the lines with ALIAS:\n")
	for line := range strings.Lines(demoZone) {
		s.print("    %s", strings.TrimSuffix(line, "\n"))
	}
	s.print("\nIt is compiled to %s,\nwith addresses in place of ALIAS, and again whenever one of the targets moves.", visible(s.output))
	s.print("In another terminal you can ask the daemon:\n\n    aliasflat status --state %s\n", visible(filepath.Join(filepath.Dir(source), "state")))
}

// at is the time, as lines begin with it.
func (s *demoShow) at() string {
	elapsed := time.Duration(float64(time.Since(s.start)) * s.speed)
	return s.paint.dim.Sprintf("%3.0fs", elapsed.Seconds())
}

// world tells what happens out there.
func (s *demoShow) world(say string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print("%s  out there: %s", s.at(), say)
}

// tell prints an event of the daemon.
func (s *demoShow) tell(e *watch.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case watch.KindPublished:
		s.publication(e)
	case watch.KindHolding:
		s.print("%s  %s keeps the last good addresses: %s", s.at(), displayName(e.Zone), s.paint.warning.Sprint(visible(e.Message)))
	case watch.KindFailing, watch.KindTrouble:
		s.print("%s  %s", s.at(), s.paint.err.Sprint(visible(e.Message)))
	case watch.KindRecovered:
		s.print("%s  all is well again: %s is %s", s.at(), displayName(e.Zone), e.Message)
	case watch.KindStarted, watch.KindReady, watch.KindChanged, watch.KindRewritten, watch.KindPushed, watch.KindTarget, watch.KindSource,
		watch.KindReloaded, watch.KindRefused, watch.KindRefresh, watch.KindStopping,
		watch.KindTransferred, watch.KindFollows, watch.KindLags, watch.KindDenied, watch.KindEdited,
		watch.KindPulled, watch.KindPullFails, watch.KindExpired:
	}
}

// publication prints what a publication has changed, by the file.
func (s *demoShow) publication(e *watch.Event) {
	s.times++
	step := fmt.Sprintf("serial %d", e.NewSerial)
	if e.OldSerial != 0 {
		step = fmt.Sprintf("serial %d -> %d", e.OldSerial, e.NewSerial)
	}
	s.print("%s  %s is published, %s", s.at(), displayName(e.Zone), step)
	text, err := publish.Read(s.output, nil)
	if err != nil {
		s.print("      %s", s.paint.err.Sprint(visible(err.Error())))
		return
	}
	latest := zonefile.Read(s.output, text, zonefile.Options{Origin: e.Zone})
	var b strings.Builder
	(&change{difference: addressesOf(zonefile.Diff(s.published, latest))}).writeChanges(&b, s.paint)
	for line := range strings.Lines(b.String()) {
		s.print("      %s", strings.TrimSuffix(line, "\n"))
	}
	s.published = latest
}

// addressesOf is the part of a difference that is about address records: the rest is that of
// the source.
func addressesOf(d zone.Difference) zone.Difference {
	var list zone.Difference
	for i := range d {
		if typ := d[i].RRset().Type; typ == dns.TypeA || typ == dns.TypeAAAA {
			list = append(list, d[i])
		}
	}
	return list
}

// conclude tells what to do next.
func (s *demoShow) conclude() {
	s.print(`
It was published %s, each time under a later serial, and what failed took nothing away.
Next, with a zone of yours:

    aliasflat check example.com.zone                          reads it, without a network
    aliasflat compile example.com.zone                        prints it, with the addresses of now
    aliasflat doctor --state state example.com.zone           looks at resolvers, folders and clock
    aliasflat watch --state state -o out/ example.com.zone    goes on as you have just seen`, plural(s.times, "time"))
}
