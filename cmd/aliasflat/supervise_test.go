package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliasflat/aliasflat/pkg/watch"
)

// manager is what a service manager has on its side of NOTIFY_SOCKET.
func manager(t *testing.T) (receive func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip("no datagrams between processes here: ", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 4096)
		n, err := conn.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
}

func TestServiceManagerIsTold(t *testing.T) {
	receive := manager(t)
	t.Setenv("WATCHDOG_USEC", "60000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	s := newSupervisor()
	if s.watchdog != time.Minute {
		t.Errorf("watchdog %v", s.watchdog)
	}
	s.ready()
	if got := receive(); got != "READY=1" {
		t.Errorf("ready: %q", got)
	}
	s.reloading()
	if got := receive(); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[0-9]+\n$`).MatchString(got) {
		t.Errorf("reloading: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.tend(ctx, func() *watch.Snapshot { return &watch.Snapshot{Beat: time.Now()} }) })
	if got := receive(); got != "STATUS=0 zones; 0 targets, 0 failing\nWATCHDOG=1" {
		t.Errorf("tended: %q", got)
	}
	cancel()
	wg.Wait()
	s.stopping()
	if got := receive(); got != "STOPPING=1" {
		t.Errorf("stopping: %q", got)
	}
}

func TestNoServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()+1)) // of whoever started this process
	s := newSupervisor()
	if s.watchdog != 0 {
		t.Errorf("the watchdog of another process: %v", s.watchdog)
	}
	s.ready()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	s.stopping()
}

// The watchdog is fed as long as the scheduler is alive, and no longer.
func TestWatchdogOfASchedulerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		s := &supervisor{watchdog: 20 * time.Second, notify: func(state string) { told = append(told, state) }}
		start := time.Now()
		const hangs = 5 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 2*hangs)
		defer cancel()
		s.tend(ctx, func() *watch.Snapshot {
			beat := time.Now()
			if beat.Sub(start) > hangs {
				beat = start.Add(hangs)
			}
			return &watch.Snapshot{Started: start, Beat: beat, Zones: make([]watch.Zone, 1)}
		})
		fed := len(slices.DeleteFunc(slices.Clone(told), func(state string) bool { return !strings.Contains(state, "WATCHDOG=1") }))
		// Every 10 seconds, from the start until the beat is too old.
		if want := int((hangs+watch.HungAfter)/(10*time.Second)) + 1; fed != want {
			t.Errorf("fed %d times, want %d", fed, want)
		}
		if told[0] != "STATUS=1 zone: 1 starting; 0 targets, 0 failing\nWATCHDOG=1" || told[1] != "WATCHDOG=1" {
			t.Errorf("told %q", told[:2])
		}
	})
}

func TestStatusLine(t *testing.T) {
	if got := statusLine(nil); got != "starting" {
		t.Error(got)
	}
	got := statusLine(&watch.Snapshot{Targets: 3, Failing: 1, Problem: "x", Zones: []watch.Zone{
		{Phase: watch.PhasePublished}, {Phase: watch.PhaseFailing}, {Phase: watch.PhasePublished},
	}})
	if want := "3 zones: 1 failing, 2 published; 3 targets, 1 failing; a newer configuration was not taken in"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
