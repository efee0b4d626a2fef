package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/aliasflat/aliasflat/pkg/watch"
)

// statusEvery is how often a service manager is told of the zones, if something has changed.
const statusEvery = 10 * time.Second

// supervisor tells a service manager how the daemon is (sd_notify(3)). Without one it does
// nothing. That a service manager cannot be told is no reason to stop: it will say so itself.
type supervisor struct {
	notify   func(state string)
	watchdog time.Duration // how often it has to hear of us; 0: never
}

// newSupervisor finds out from the environment whether there is a service manager.
func newSupervisor() *supervisor {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		interval = 0 // it is meant for another process, or is no number
	}
	return &supervisor{
		notify:   func(state string) { _, _ = daemon.SdNotify(false, state) },
		watchdog: interval,
	}
}

// ready tells that the daemon works, or works again after reloading.
func (s *supervisor) ready() { s.notify(daemon.SdNotifyReady) }

// reloading tells that a new configuration is being taken in. ready has to follow, whatever
// comes of it.
func (s *supervisor) reloading() {
	s.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// stopping tells that the daemon ends.
func (s *supervisor) stopping() { s.notify(daemon.SdNotifyStopping) }

// tend feeds the watchdog as long as the scheduler is alive, and tells how the zones are, until
// ctx ends. A scheduler that has hung is left to the service manager, which starts the daemon
// anew.
func (s *supervisor) tend(ctx context.Context, snapshot func() *watch.Snapshot) {
	every := statusEvery
	if s.watchdog > 0 {
		every = min(every, s.watchdog/2)
	}
	beat := time.NewTicker(max(every, time.Millisecond))
	defer beat.Stop()
	last := ""
	for {
		now := snapshot()
		var state []string
		if line := statusLine(now); line != last {
			last = line
			state = append(state, "STATUS="+line)
		}
		if s.watchdog > 0 && now != nil && !now.Hung(time.Now()) {
			state = append(state, daemon.SdNotifyWatchdog)
		}
		if len(state) > 0 {
			s.notify(strings.Join(state, "\n"))
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// statusLine tells in a line how the zones are.
func statusLine(s *watch.Snapshot) string {
	if s == nil {
		return "starting"
	}
	var count [watch.PhasePublished + 1]int
	for i := range s.Zones {
		count[s.Zones[i].Phase]++
	}
	parts := []string{}
	for phase, n := range count {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, watch.Phase(phase)))
		}
	}
	line := counted(len(s.Zones), "zone")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	line += fmt.Sprintf("; %s, %d failing", counted(s.Targets, "target"), s.Failing)
	if s.Problem != "" {
		line += "; a newer configuration was not taken in"
	}
	return line
}
