// Package judge asks real name servers for a second opinion: their zone
// checkers, their printers, and the daemons themselves. Only tests import it.
//
// A judgement is about files: each tool runs in the folder of the zone file,
// so that a relative $INCLUDE means the same to all of them. A tool that is
// not installed fails the test; it never passes for a verdict.
package judge

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// toolLimit ends a tool that hangs on what it reads.
const toolLimit = 2 * time.Minute

// Verdict is what a checker said about a zone file.
type Verdict struct {
	OK     bool   // it would load the zone
	Output string // what it printed, both streams, for messages
}

// Deep says whether the long figures were asked for, as "make deep" does.
func Deep() bool { return os.Getenv("ALIASFLAT_DEEP") != "" }

// NamedCheck asks named-checkzone with -i none -k fail, which is what a named
// primary of version 9.18 refuses by default. More arguments go before the
// zone name, so they win.
func NamedCheck(tb testing.TB, origin, file string, args ...string) Verdict {
	tb.Helper()
	args = append([]string{"-i", "none", "-k", "fail"}, args...)
	_, verdict := run(tb, file, "named-checkzone", append(args, origin, filepath.Base(file))...)
	return verdict
}

// NamedCompile gives the records that BIND reads in a zone file, as
// named-compilezone writes them in full style: sorted lines of owner, TTL,
// class, type and RDATA with single spaces. A zone that it refuses fails the
// test.
func NamedCompile(tb testing.TB, origin, file string) []string {
	tb.Helper()
	return printed(tb, file, "named-compilezone",
		"-i", "none", "-k", "ignore", "-s", "full", "-o", "-", origin, filepath.Base(file))
}

// NSDCheck asks nsd-checkzone.
func NSDCheck(tb testing.TB, origin, file string) Verdict {
	tb.Helper()
	_, verdict := run(tb, file, "nsd-checkzone", origin, filepath.Base(file))
	return verdict
}

// NSDPrint gives the records that NSD reads in a zone file, in the form of
// [NamedCompile]. NSD keeps the TTL of each record, where BIND gives one TTL
// to an RRset.
func NSDPrint(tb testing.TB, origin, file string) []string {
	tb.Helper()
	return printed(tb, file, "nsd-checkzone", "-p", origin, filepath.Base(file))
}

// KnotCheck asks kzonecheck.
func KnotCheck(tb testing.TB, origin, file string) Verdict {
	tb.Helper()
	_, verdict := run(tb, file, "kzonecheck", "-o", origin, filepath.Base(file))
	return verdict
}

// LDNSRead gives the records that ldns reads in a zone file, in the form of
// [NamedCompile]. It takes no zone name: the file has to set $ORIGIN itself.
func LDNSRead(tb testing.TB, file string) []string {
	tb.Helper()
	return printed(tb, file, "ldns-read-zone", filepath.Base(file))
}

// printed runs a tool that prints the zone it has read.
func printed(tb testing.TB, file, tool string, args ...string) []string {
	tb.Helper()
	stdout, verdict := run(tb, file, tool, args...)
	if !verdict.OK {
		tb.Fatalf("%s refuses %s:\n%s", tool, file, verdict.Output)
	}
	return Records(stdout)
}

// run starts a tool in the folder of the zone file and waits for its verdict,
// which is its exit status.
func run(tb testing.TB, file, tool string, args ...string) (stdout string, verdict Verdict) {
	tb.Helper()
	path := findTool(tb, tool)
	ctx, cancel := context.WithTimeout(tb.Context(), toolLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	// Apart, because records are read from standard output alone.
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	both := complaints.String() + out.String()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		tb.Fatalf("%s %s: no verdict within %s", tool, file, toolLimit)
	case err != nil && !errors.As(err, &exit):
		tb.Fatalf("%s %s: %v", tool, file, err)
	case exit != nil && exit.ExitCode() < 0:
		tb.Fatalf("%s %s: %v\n%s", tool, file, err, both)
	}
	return out.String(), Verdict{OK: err == nil, Output: both}
}

// findTool gives the path of a program. The path of a plain user often leaves
// out the folders where Debian puts name servers.
func findTool(tb testing.TB, tool string) string {
	tb.Helper()
	if path, err := exec.LookPath(tool); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return path
		}
	}
	tb.Fatalf("%s is not installed: run make deps", tool)
	return ""
}
