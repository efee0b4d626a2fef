package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test program plays the programs that are measured: with one of these
// words as its first argument it does what the word says and ends.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "dnsperf" || name == "massdns" {
		os.Exit(peerForTest(name, os.Args[1:]))
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "say":
			_, _ = fmt.Println(strings.Join(os.Args[2:], " "))
			os.Exit(0)
		case "fail":
			_, _ = fmt.Fprintln(os.Stderr, "it went wrong\nmore about it")
			os.Exit(3)
		case "version", "check":
			os.Exit(0)
		case "compile":
			os.Exit(compileForTest(os.Args[2:]))
		case "hang":
			<-context.Background().Done()
		case "-engine":
			os.Exit(status(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)))
		}
	}
	// The race detector lets a program sleep for a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// compileForTest copies the source to the file after -o, if it is given.
func compileForTest(args []string) int {
	for i, arg := range args {
		if arg == "-o" {
			if err := copyFile(args[i+1], args[len(args)-1]); err != nil {
				return 1
			}
		}
	}
	return 0
}

func self(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestMeasureInTurn(t *testing.T) {
	var order []string
	step := func(name string) func() error {
		return func() error { order = append(order, name); return nil }
	}
	out := filepath.Join(t.TempDir(), "out")
	commands := []command{
		{name: "a", args: []string{self(t), "say", "hello"}, stdout: out, prepare: step("a")},
		{name: "b", args: []string{self(t), "fail"}, prepare: step("b")},
		{name: "c", args: []string{self(t), "say", "c"}, prepare: step("c")},
	}
	results, err := measure(t.Context(), commands, 2)
	// The order of a round is one of chance, and one that failed is not run again.
	if got := strings.Join(order, ""); len(got) != 7 || strings.Count(got, "a") != 3 || strings.Count(got, "b") != 1 || strings.Count(got[:3], "c") != 1 {
		t.Errorf("order %s", got)
	}
	if err == nil || !strings.Contains(err.Error(), "b: exit status 3: it went wrong") || strings.Contains(err.Error(), "more") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != "hello\n" {
		t.Errorf("standard output %q, %v", text, err)
	}
	for _, i := range []int{0, 2} {
		if u := results[i].usage; u.wall <= 0 || u.cpu <= 0 || u.memory <= 0 {
			t.Errorf("%s cost nothing: %+v", results[i].name, u)
		}
	}
}

func TestMeasureErrors(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("no previous output")
	for want, c := range map[string]command{
		"no previous output": {args: []string{self(t), "say"}, prepare: func() error { return broken }},
		"no such file":       {args: []string{self(t), "say"}, stdout: filepath.Join(dir, "no", "file")},
		"not found":          {args: []string{"no-such-program-here"}},
	} {
		c.name = "x"
		if _, err := measure(t.Context(), []command{c}, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	hanging := command{name: "x", args: []string{self(t), "hang"}, limit: time.Millisecond}
	if _, err := measure(t.Context(), []command{hanging}, 1); err == nil || !strings.Contains(err.Error(), "x: not done within 1ms") {
		t.Errorf("a program that hangs: %v", err)
	}
	unfit := command{name: "x", args: []string{self(t), "say"}, report: func(*usage) error { return broken }}
	if _, err := measure(t.Context(), []command{unfit}, 1); !errors.Is(err, broken) {
		t.Errorf("an output that does not fit: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if results, err := measure(ended, []command{{name: "x", args: []string{self(t), "say"}}}, 1); !errors.Is(err, context.Canceled) || results != nil {
		t.Errorf("after an interrupt: %v, %v", results, err)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []time.Duration
		want   time.Duration
	}{
		{[]time.Duration{4}, 4},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{9, 1}, 1},
	} {
		usages := make([]usage, len(c.values))
		for i, v := range c.values {
			usages[i].wall = v
		}
		if got := median(usages, func(u usage) time.Duration { return u.wall }); got != c.want {
			t.Errorf("median of %v is %d", c.values, got)
		}
	}
}

func TestTable(t *testing.T) {
	results := []result{
		{name: "slow", usage: usage{wall: 4 * time.Second, cpu: 3 * time.Second, memory: 20 << 20}},
		{name: "quick", usage: usage{wall: time.Second, cpu: time.Second, memory: 10 << 20}},
		{name: "broken", err: errors.New("broken: exit status 1")},
	}
	var out bytes.Buffer
	if err := table(&out, "Zone", results, "slow", 10<<20); err != nil {
		t.Fatal(err)
	}
	want := `Zone

  wall s  x slow   CPU s   MiB  x file  command
  4.0000   1.000  3.0000  20.0    2.00  slow
  1.0000   0.250  1.0000  10.0    1.00  quick
       -       -       -     -       -  broken: exit status 1
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if err := table(&out, "", results, "other", 0); err != nil || strings.Contains(out.String(), "file") || strings.Contains(out.String(), "0.250") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-rounds", "1", "-base", "b", "a=" + self(t) + " say x", "b=" + self(t) + " say y"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 3 || !strings.Contains(out.String(), "x b") {
		t.Errorf("printed\n%s", out.String())
	}
	for want, args := range map[string][]string{
		"at least 1":          {"-rounds", "0", "a=b"},
		"no commands":         {},
		"is not name=command": {"a="},
		"-targets":            {"-targets", "0", "a=b"},
		"none of zones":       {"-part", "odd", "-aliasflat", "x"},
		"takes no commands":   {"-aliasflat", "x", "a=b"},
		"not defined":         {"-unknown"},
		"exit status 3":       {"-rounds", "1", "a=" + self(t) + " fail"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// TestSuite runs everything at a small size, with the test program in the part
// of aliasflat.
func TestSuite(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-aliasflat", self(t), "-part", "zones", "-rounds", "1", "-records", "3000"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"Start-up", "30 records, 1 of them ALIAS", "300 records, ", "3000 records, 3 of them ALIAS", "9000 records, delegations",
		"aliasflat compile -o", "aliasflat check", compilezone, "nsd-checkzone", "kzonecheck", "ldns-read-zone", "cp", "ns/record",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, out.String())
		}
	}
	out.Reset()
	err := run(t.Context(), []string{"-aliasflat", "/no/such/aliasflat", "-part", "zones", "-rounds", "1", "-records", "1000"}, &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the previous output") || !strings.Contains(out.String(), "kzonecheck") {
		t.Errorf("without a program: %v\n%s", err, out.String())
	}
}
