package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// running is the process that a script has started and goes on beside.
type running struct {
	cmd  *exec.Cmd
	done chan error // has how it ended
	log  string     // the file that its error output goes to
}

type runningKey struct{}

func runningOf(ts *testscript.TestScript, started bool) *running {
	r, ok := ts.Value(runningKey{}).(*running)
	if !ok || started && r.cmd == nil {
		ts.Fatalf("start has not been called")
	}
	return r
}

// startProcess starts a command whose error output goes to the end of a file.
func startProcess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start LOG COMMAND [ARG...]")
	}
	r := runningOf(ts, false)
	if r.cmd != nil {
		ts.Fatalf("%s is still running", r.cmd.Path)
	}
	log, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	ts.Check(err)
	defer func() { _ = log.Close() }() // the process has its own
	cmd := exec.Command(programOf(ts, args[1]), args[2:]...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), log
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	ts.Check(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	r.cmd, r.done, r.log = cmd, done, log.Name()
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it may have ended
		if text, err := os.ReadFile(log.Name()); err == nil {
			ts.Logf("[%s]\n%s", args[0], text)
		}
	})
}

// programOf finds a program in the path of a script.
func programOf(ts *testscript.TestScript, name string) string {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(filepath.ListSeparator)) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	ts.Fatalf("no program %s", name)
	return ""
}

func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "signal HUP|TERM|KILL")
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	if signals[args[0]] == nil {
		ts.Fatalf("unknown signal %s", args[0])
	}
	ts.Check(runningOf(ts, true).cmd.Process.Signal(signals[args[0]]))
}

// ended waits until the process that was started has ended.
func ended(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "ended STATUS SECONDS")
	seconds, err := strconv.Atoi(args[1])
	ts.Check(err)
	r := runningOf(ts, true)
	select {
	case err := <-r.done:
		r.cmd = nil
		if args[0] == "killed" {
			if err == nil || err.Error() != "signal: killed" {
				ts.Fatalf("%v, want signal: killed", err)
			}
			return
		}
		checkStatus(ts, args[0], err)
	case <-time.After(time.Duration(seconds) * time.Second):
		ts.Fatalf("it has not ended within %s s", args[1])
	}
}

// await waits until another process has written a text to a file, so many times.
func await(ts *testscript.TestScript, neg bool, args []string) {
	times := 1
	if len(args) == 3 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		times, args = n, args[:2]
	}
	usage(ts, neg, args, 2, "await FILE TEXT [TIMES]")
	path := ts.MkAbs(args[0])
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err == nil && strings.Count(string(text), args[1]) >= times {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has not %q %d times: %q, %v", args[0], args[1], times, text, err)
		}
	}
}
