package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// faults are what a file system may answer to a call.
var faults = map[string]syscall.Errno{
	"ENOSPC": syscall.ENOSPC, // as a disk without inodes answers too
	"EDQUOT": syscall.EDQUOT,
	"EFBIG":  syscall.EFBIG,
	"EIO":    syscall.EIO,
	"EROFS":  syscall.EROFS,
	"EACCES": syscall.EACCES,
	"EMFILE": syscall.EMFILE,
}

// harmless are the calls beside the output that may fail without harm to a run,
// and why.
var harmless = []struct {
	call, fault string // an empty fault is any
	part        string // of what is traced
}{
	// Lock files and temporary files that stay are cleaned by the next run.
	{"unlinkat", "", ""},
	// A file that was only read, a folder, or a lock is let go of.
	{"close", "", "out>"},
	{"close", "", "example.com.db>"},
	{"close", "", ".lock>"},
	{"flock", "", "LOCK_UN"},
	{"close", "", "(deleted)"},
	// The lock is tried once more through another descriptor, as NFS wants it.
	{"flock", "EIO", "LOCK_EX"},
	// Where it cannot be told any more whose a lock file is, it stays, for the next run to clean.
	{"fstat", "", ".lock>"},
	// Who may not give a file away keeps it.
	{"fchown", "EACCES", ""},
	// A folder may be closed to reading.
	{"openat", "EACCES", "O_DIRECTORY"},
	{"getdents64", "EACCES", ""},
	// Whether two paths lead to one file is told from the paths where the files
	// do not tell.
	{"newfstatat", "", ""},
	{"readlinkat", "", ""},
	// Only the mode of a descriptor is asked for.
	{"fcntl", "", ""},
}

func isHarmless(call, fault, line string) bool {
	for _, h := range harmless {
		if h.call == call && (h.fault == "" || h.fault == fault) && strings.Contains(line, h.part) {
			return true
		}
	}
	return false
}

// injected finds the calls that went wrong in what was traced: of each thread
// the nth, if it made so many.
func injected(trace string) []string {
	var lines []string
	for line := range strings.Lines(trace) {
		if strings.Contains(line, "(INJECTED)") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// brokenRuntime is how the runtime of Go ends a program when a call of its own
// fails, one that has nothing to do with files.
var brokenRuntime = regexp.MustCompile(`(?m)^(runtime: |fatal error: )`)

// TestEveryCallFails lets each call to files of a run fail in each way, one at
// a time. Where the call has to do with the output, the run says so and ends
// with 4; the old output stands as it was, and nothing is left beside it.
func TestEveryCallFails(t *testing.T) {
	needStrace(t)
	t.Parallel()
	w := newWorkshop(t)
	first := w.firstOf()
	names := []string{"ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "EACCES", "EMFILE"}
	turn, failed, passed := 0, map[string]int{}, 0
	for _, call := range calls {
		n := first[call]
		switch {
		case n == 0:
			continue // not of this run
		case !deep && call != "openat" && !strings.Contains(strings.Join(writing, " "), call):
			continue
		}
		for more := true; more; n++ {
			some := names
			if !deep {
				some = names[turn%len(names) : turn%len(names)+1]
				turn++
			}
			for _, fault := range some {
				lines, status := w.failing(call, fault, n)
				if len(lines) == 0 {
					more = false // no thread has made so many
					break
				}
				if status == 4 {
					failed[call]++
				} else {
					passed++
				}
				if t.Failed() {
					t.Fatalf("%s %d: %s: %q", call, n, fault, lines)
				}
			}
		}
	}
	t.Logf("the runs that ended with 4, by what failed: %v; %d others", failed, passed)
	for _, call := range []string{"openat", "write", "fsync", "linkat", "renameat", "fchmod", "flock"} {
		if failed[call] == 0 && (deep || call != "flock") { // a slice may have only the fault that is made good
			t.Errorf("no run failed because of %s", call)
		}
	}
}

// failing makes a run with one call that fails, and judges it. It gives what was
// traced of the call, or nothing where the run did not get so far.
func (w *workshop) failing(call, fault string, n int) (lines []string, status int) {
	w.t.Helper()
	before := w.identity()
	status, said, trace := w.traced(call, "error="+fault, n)
	lines = injected(trace)
	what := fmt.Sprintf("%s %d fails with %s", call, n, fault)
	left := w.left()
	published := w.settle(what)
	crashed := brokenRuntime.MatchString(said)
	ours, toTerminal := false, false
	for _, line := range lines {
		ours = ours || strings.Contains(line, filepath.Dir(w.output)) && !isHarmless(call, fault, line)
		toTerminal = toTerminal || strings.Contains(line, "write(2<")
	}
	switch {
	case len(lines) == 0:
		if status != 0 || !published {
			w.t.Errorf("%s: undisturbed, the run ends with %d: %s", what, status, said)
		}
		return nil, status
	case crashed || toTerminal:
	case ours && status != 4:
		w.t.Errorf("%s: exit status %d: %s", what, status, said)
	case ours && !strings.Contains(said, w.output) || ours && !strings.Contains(said, faults[fault].Error()):
		w.t.Errorf("%s: what is said tells not both path and reason: %s", what, said)
	case status == 0 && !published, status != 0 && published:
		w.t.Errorf("%s: exit status %d, published %v: %s", what, status, published, said)
	}
	if !published && w.identity() != before {
		w.t.Errorf("%s: the old output was touched: %s, and before %s", what, w.identity(), before)
	}
	// Until it is known whose the lock file is, nobody may remove it.
	unknown := strings.Contains(strings.Join(lines, ""), ".lock") && call != "write" && call != "openat"
	if len(left) > 0 && call != "unlinkat" && !unknown && !crashed {
		w.t.Errorf("%s: left beside the output: %q", what, left)
	}
	if len(left) > 0 {
		w.publish()
	}
	return lines, status
}

// TestNoLinks publishes where a file cannot have a second name.
func TestNoLinks(t *testing.T) {
	needStrace(t)
	t.Parallel()
	w := newWorkshop(t)
	for _, fault := range []string{"EPERM", "EMLINK", "EOPNOTSUPP", "ENOSYS"} {
		status, said, trace := w.traced("linkat", "error="+fault, 1)
		if len(injected(trace)) != 1 || status != 0 || !w.settle(fault) {
			t.Errorf("%s: exit status %d: %s%s", fault, status, said, trace)
		}
		w.alone()
	}
}

// TestOtherOwner publishes as somebody who may write to the folder and has
// neither the output nor the lock file that a dead run of root has left.
func TestOtherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root may become somebody else")
	}
	t.Parallel()
	w := newWorkshop(t)
	lock := filepath.Join(filepath.Dir(w.output), ".example.com.db.lock")
	err := errors.Join(
		os.Chown(filepath.Dir(w.output), 65534, 65534),
		os.Chown(w.output, 0, 0),
		os.Chmod(w.output, 0o644),
		os.WriteFile(lock, []byte("4242\n"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(w.dir, "bin", "aliasflat")
	if out, err := exec.Command("install", "-D", w.program, program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.program = program
	args := append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}, w.next()...)
	if status, said := w.execute(t.Context(), args...); status != 0 || !w.settle("as somebody else") {
		t.Errorf("exit status %d: %s", status, said)
	}
	w.alone()
}

// TestDiskFull publishes to real file systems that have no room, no inodes and
// no right to write.
func TestDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("many processes")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root may mount")
	}
	for _, c := range []struct {
		name, options, fill string
		want                syscall.Errno
	}{
		{"room", "size=64k", "head -c 45000 /dev/zero >fill", syscall.ENOSPC},
		{"inodes", "nr_inodes=3", "", syscall.ENOSPC},
		{"read-only", "size=1m", "mount -o remount,ro .", syscall.EROFS},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkshop(t)
			disk := filepath.Join(w.dir, "disk")
			if err := os.Mkdir(disk, 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", c.options, "none", disk).CombinedOutput(); err != nil {
				t.Skipf("NOT TESTED: nothing can be mounted here: %v: %s", err, out)
			}
			t.Cleanup(func() {
				if out, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
			w.output = filepath.Join(disk, "example.com.db")
			if w.turn%2 == 1 {
				w.turn++ // the next is the larger one
			}
			if err := os.WriteFile(w.output, []byte(w.text(w.turn)), 0o644); err != nil {
				t.Fatal(err)
			}
			fill := exec.Command("sh", "-ec", c.fill)
			fill.Dir = disk
			if out, err := fill.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			before, left := w.identity(), w.left()
			status, said := w.execute(t.Context(), w.next()...)
			if status != 4 || !strings.Contains(said, w.output) || !strings.Contains(said, c.want.Error()) {
				t.Errorf("exit status %d: %s", status, said)
			}
			if w.settle("full") || w.identity() != before {
				t.Error("the old output was touched")
			}
			if now := w.left(); len(now) != len(left) {
				t.Errorf("left beside the output: %q", now)
			}
		})
	}
}

// TestEveryCallOfTheStateFails lets each call fail by which a run remembers: it says so and ends
// with 4, the output is the old or the new one, and the next run finds nothing in its way.
func TestEveryCallOfTheStateFails(t *testing.T) {
	needStrace(t)
	t.Parallel()
	w := openWorkshop(t, "state")
	failed, old := 0, 0
	for i, call := range []string{"pwrite64", "fdatasync", "fsync"} {
		names := []string{"ENOSPC", "EIO"}
		if !deep {
			names = names[i%2 : i%2+1]
		}
		for _, fault := range names {
			for n := 1; ; n++ {
				status, said, trace := w.traced(call, "error="+fault, n)
				lines := injected(trace)
				if brokenRuntime.MatchString(said) {
					continue
				}
				what := fmt.Sprintf("%s %d fails with %s: exit status %d: %s", call, n, fault, status, said)
				published := w.settle(what)
				if len(lines) == 0 {
					break // no thread has made so many
				}
				switch {
				case status == 4 && said != "":
					failed++
				default:
					t.Fatalf("%s: %q", what, lines)
				}
				if !published {
					old++
				}
				if w.publish(); t.Failed() {
					t.Fatal(what)
				}
			}
		}
	}
	if t.Logf("%d runs failed, %d left the old output", failed, old); failed < 4 || old == 0 || old == failed {
		t.Error("the faults do not go through the whole of a run")
	}
}
