package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// The commands of scripts that look at files and processes:
//
//	remember                    take down what files there are: content, mode, times, identity
//	untouched [PATH...]         all files, or these, are as when remember was called
//	! untouched PATH            this one is not
//	hostile [FILE...]           no byte of what the last command printed, or of these files, is a
//	                            terminal command or hides text
//	unprivileged N CMD...       as exit-status, but file modes hold even for root
//	interrupt SIG N NAME CMD... run a command, send it INT or TERM as soon as the name server was
//	                            asked for NAME, and expect exit status N; its error output goes
//	                            to the file interrupt.stderr
//
// The condition [namespaces] tells whether a script can have mounts of its own,
// [root] whether it may give files away.

type memoryKey struct{}

func condition(cond string) (bool, error) {
	switch cond {
	case "namespaces":
		return exec.Command("unshare", "-rm", "true").Run() == nil, nil
	case "root":
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// fingerprints describes each file below the work folder of a script.
func fingerprints(ts *testscript.TestScript) map[string]string {
	work := ts.Getenv("WORK")
	found := map[string]string{}
	err := filepath.WalkDir(work, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".tmp":
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		if !entry.IsDir() { // a temporary file that is gone again counts for nothing
			text += fmt.Sprint(" ", info.ModTime().UnixNano())
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			text += fmt.Sprintf(" inode %d of %d:%d", s.Ino, s.Uid, s.Gid)
		}
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(data)
		}
		found[path] = text
		return nil
	})
	ts.Check(err)
	return found
}

func memory(ts *testscript.TestScript) map[string]string {
	m, ok := ts.Value(memoryKey{}).(map[string]string)
	if !ok {
		ts.Fatalf("no memory was set up")
	}
	return m
}

func remember(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "remember")
	m := memory(ts)
	clear(m)
	maps.Copy(m, fingerprints(ts))
}

func untouched(ts *testscript.TestScript, neg bool, args []string) {
	before, after := memory(ts), fingerprints(ts)
	if len(before) == 0 {
		ts.Fatalf("remember has not been called")
	}
	paths := slices.Collect(maps.Keys(before))
	if len(args) == 0 {
		for path := range after {
			if _, ok := before[path]; !ok {
				ts.Fatalf("%s is new", path)
			}
		}
	} else {
		paths = nil
		for _, arg := range args {
			paths = append(paths, ts.MkAbs(arg))
		}
	}
	for _, path := range paths {
		switch same := before[path] == after[path]; {
		case !same && !neg:
			ts.Fatalf("%s was\n%q\nand is\n%q", path, before[path], after[path])
		case same && neg:
			ts.Fatalf("%s was not touched", path)
		}
	}
}

func hostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: hostile [FILE...]")
	}
	for _, name := range append([]string{"stdout", "stderr"}, args...) {
		text := ts.ReadFile(name)
		for i := 0; i < len(text); {
			c, size := utf8.DecodeRuneInString(text[i:])
			i += size
			switch {
			case c == '\n', c == '\t':
			case c == utf8.RuneError && size == 1:
				ts.Fatalf("%s: byte %#x at %d is no UTF-8", name, text[i-1], i-1)
			case !unicode.IsPrint(c):
				ts.Fatalf("%s: character %U at %d", name, c, i-size)
			}
		}
	}
}

// unprivileged lets file modes hold: root keeps its name and loses the right to
// pass them by.
func unprivileged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: unprivileged N COMMAND [ARG...]")
	}
	command := args[1:]
	if os.Geteuid() == 0 {
		command = append([]string{"setpriv", "--inh-caps=-all", "--bounding-set=-all"}, command...)
	}
	checkStatus(ts, args[0], ts.Exec(command[0], command[1:]...))
}

// interruptLimit is how long a command may take to ask, and to end.
const interruptLimit = 20 * time.Second

func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}
	if neg || len(args) < 4 || signals[args[0]] == nil {
		ts.Fatalf("usage: interrupt INT|TERM N NAME COMMAND [ARG...]")
	}
	program := programOf(ts, args[3])
	ctx, cancel := context.WithTimeout(context.Background(), interruptLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	server := serverOf(ts, true)
	before := server.Count(args[2], dns.TypeA)
	ts.Check(cmd.Start())
	asked := time.NewTicker(time.Millisecond)
	defer asked.Stop()
	for server.Count(args[2], dns.TypeA) == before && ctx.Err() == nil {
		<-asked.C
	}
	if err := cmd.Process.Signal(signals[args[0]]); err != nil {
		ts.Logf("%v", err) // it has ended, and its status tells the rest
	}
	err := cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("interrupt.stderr"), []byte(stderr.String()), 0o644))
	ts.Logf("[stderr]\n%s", stderr.String())
	checkStatus(ts, args[1], err)
}
