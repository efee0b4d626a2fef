package main

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// scriptDaemon is what stands in for aliasflat watch in a script: it has a state open, answers
// on its control socket, and is as the script says.
type scriptDaemon struct {
	feed  *watch.Feed
	stop  func()
	words []string
}

type daemonKey struct{}

func daemonOf(ts *testscript.TestScript) *scriptDaemon {
	d, ok := ts.Value(daemonKey{}).(*scriptDaemon)
	if !ok {
		ts.Fatalf("no daemon can be started")
	}
	return d
}

func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: daemon STATE [WORD...]")
	}
	d := daemonOf(ts)
	d.words, d.feed = args[1:], watch.NewFeed(4)
	dir := ts.MkAbs(args[0])
	// A program that is just being started has what this process has open until it runs.
	store, err := state.Open(dir, state.Options{Wait: 10 * time.Second})
	ts.Check(err)
	socket, err := api.Listen(context.Background(), filepath.Join(dir, api.SocketName))
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var served error
	wg.Go(func() {
		served = socket.Serve(ctx, api.Options{Daemon: d, Feed: d.feed, Store: store, Version: "1.2.3", Notify: twoSecondaries})
	})
	d.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		ts.Check(errors.Join(served, store.Close()))
	})
	ts.Defer(d.stop)
}

func stopDaemon(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "daemon-stop")
	daemonOf(ts).stop()
}

func daemonTells(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: daemon-tells MESSAGE...")
	}
	for _, message := range args {
		daemonOf(ts).feed.Tell(watch.Event{Time: noon, Kind: watch.KindTrouble, Severity: diag.Warning, Message: message})
	}
	daemonOf(ts).feed.Tell(changedEvent)
	daemonOf(ts).feed.Tell(watch.Event{Time: noon, Kind: watch.KindPublished, Zone: changedEvent.Zone, OldSerial: 7, NewSerial: 8, Serials: true})
}

// Snapshot is a zone that is well, and one that is as the words say.
func (d *scriptDaemon) Snapshot() *watch.Snapshot {
	now := time.Now()
	s := &watch.Snapshot{
		Time: now, Started: now.Add(-90 * time.Minute), Beat: now, Targets: 3, Failing: 1,
		Zones: []watch.Zone{
			{
				Name: zone.MustParseName("example.com."), Phase: watch.PhasePublished, Serial: 2026112201, Published: true, Aliases: 1, Targets: 2,
				LastAttempt: now, LastSuccess: now, LastChange: now.Add(-time.Hour), NextRefresh: now.Add(30 * time.Minute),
			},
			{Name: zone.MustParseName("example.org."), View: "inside", Phase: watch.PhaseStarting},
		},
	}
	z := &s.Zones[1]
	problem := func(severity diag.Severity, message string) {
		z.Problems = append(z.Problems, &diag.Diagnostic{
			Severity: severity, Code: diag.CodeTargetServfail, Message: message, Hint: "look at it",
			Span: diag.Span{Pos: diag.Pos{File: "example.org.zone", Line: 5, Column: 1}},
		})
	}
	for _, word := range d.words {
		switch word {
		case "failing":
			z.Phase = watch.PhaseFailing
			problem(diag.Error, "the target fails\x1b[2J")
		case "held":
			z.Phase, z.Held, z.Oldest = watch.PhaseHolding, true, noon
			problem(diag.Warning, "last good addresses are held")
		case "stale":
			z.Phase, z.Held, z.Stale = watch.PhaseHolding, true, true
		case "guarded":
			z.Phase, z.Guarded = watch.PhaseHolding, true
		case "hung":
			s.Beat = now.Add(-time.Hour)
		case "silent":
			s.Resolvers = []resolve.Health{
				{Resolver: "udp://192.0.2.53:53", Down: 90 * time.Second, Silent: 9},
				{Resolver: "udp://192.0.2.54:53", Up: true, Invents: true},
				{Resolver: "udp://192.0.2.55:53", Up: true, RoundTrip: time.Millisecond, Answered: 5},
			}
		case "refused":
			s.Problem = "aliasflat.yaml:3:1: unknown key"
		}
	}
	return s
}

// Targets are two of the first zone.
func (d *scriptDaemon) Targets(index int) []watch.Target {
	if index != 0 {
		return nil
	}
	now, cdn := time.Now(), zone.MustParseName("cdn.example.net.")
	return []watch.Target{
		{
			Question: resolve.Question{Target: cdn, Type: dns.TypeA}, Asked: now, Due: now.Add(30 * time.Minute),
			Answer: &resolve.Answer{Outcome: resolve.Addresses, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, TTL: 60},
		},
		{
			Question: resolve.Question{Target: cdn, Type: dns.TypeAAAA}, Failed: 2,
			Answer: &resolve.Answer{Outcome: resolve.Failure, Reason: resolve.ReasonServfail},
		},
		{Question: resolve.Question{Target: zone.MustParseName("new.example.net."), Type: dns.TypeA}},
	}
}

// twoSecondaries are those of example.com.
func twoSecondaries(name zone.Name) (zones, secondaries int) {
	if name != zone.MustParseName("example.com.") {
		return 0, 0
	}
	return 1, 2
}

// Refresh knows the first zone and its targets.
func (d *scriptDaemon) Refresh(name zone.Name) (zones, targets int) {
	switch name.String() {
	case "example.com.":
		return 1, 2
	case "cdn.example.net.":
		return 0, 2
	}
	return 0, 0
}

// Reload does nothing.
func (d *scriptDaemon) Reload(context.Context) error { return nil }
