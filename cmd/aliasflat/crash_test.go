package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deep asks for the full figures.
var deep = os.Getenv("ALIASFLAT_DEEP") != ""

// workshop is a folder with one output, and the means to compile two sources to
// it by turns, each time with the next serial, as processes of their own.
type workshop struct {
	t       *testing.T
	dir     string
	program string
	output  string
	turn    int // of the last publication; the source is that of turn%2
	texts   [2]string
	waited  string // --wait of every run
	state   string // --state of every run; empty: none
}

// serialMark is the serial of the texts that the workshop compares with.
const serialMark = "3999999999"

const firstSerial = 1000

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	return openWorkshop(t, "")
}

// openWorkshop makes one whose runs remember in a folder of that name.
func openWorkshop(t *testing.T, state string) *workshop {
	t.Helper()
	program, err := exec.LookPath("aliasflat") // which is this test binary
	if err != nil {
		t.Fatal(err)
	}
	w := &workshop{t: t, dir: t.TempDir(), program: program, waited: "10s", state: state}
	// Whoever runs the programs below as somebody else must get here.
	for dir := w.dir; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755) // the upper ones may be of others
	}
	w.output = filepath.Join(w.dir, "out", "example.com.db")
	if err := os.Mkdir(filepath.Dir(w.output), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range w.texts {
		source := "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 300\n NS ns\nns A 192.0.2.53\n@ ALIAS cdn.example.net.\n"
		for n := range 20 + 400*i {
			source += fmt.Sprintf("text%d TXT \"variant %d of the zone\"\n", n, i)
		}
		if err := os.WriteFile(w.source(i), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		if status := run([]string{"compile", "--resolver", "demo:", "--serial", serialMark, w.source(i)}, nil, &stdout, &stderr); status != 0 {
			t.Fatalf("exit status %d: %s", status, stderr.String())
		}
		if w.texts[i] = stdout.String(); strings.Count(w.texts[i], serialMark) != 1 {
			t.Fatalf("the serial does not stand once in\n%s", w.texts[i])
		}
	}
	w.publish()
	// Mode and owner are such that both have to be set on a new file.
	if err := os.Chmod(w.output, 0o666); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(w.output, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *workshop) source(turn int) string {
	return filepath.Join(w.dir, fmt.Sprintf("%d.zone", turn%2))
}

// text is what a turn publishes.
func (w *workshop) text(turn int) string {
	return strings.Replace(w.texts[turn%2], serialMark, fmt.Sprint(firstSerial+turn), 1)
}

// next are the arguments of the run that publishes the next turn.
func (w *workshop) next() []string {
	args := []string{
		w.program, "compile", "-q", "--force", "--resolver", "demo:", "--wait", w.waited,
		"--serial", fmt.Sprint(firstSerial + w.turn + 1), "-o", w.output, w.source(w.turn + 1),
	}
	if w.state != "" {
		args = append(args, "--state", filepath.Join(w.dir, w.state))
	}
	return args
}

// execute runs a program to its end, and tells its exit status, -1 where a
// signal ended it, and what it said.
func (w *workshop) execute(ctx context.Context, args ...string) (status int, said string) {
	w.t.Helper()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir, oneThread+"=1")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(out)
	}
	if err != nil && ctx.Err() == nil {
		w.t.Fatal(err)
	}
	if err != nil {
		return -1, string(out)
	}
	return 0, string(out)
}

// publish lets a whole run publish the next turn: nothing that happened before
// keeps it from that, and nothing is left beside the output.
func (w *workshop) publish() {
	w.t.Helper()
	if status, said := w.execute(w.t.Context(), w.next()...); status != 0 || said != "" {
		w.t.Fatalf("the next run ends with %d: %s", status, said)
	}
	w.turn++
	if got := w.read(); got != w.text(w.turn) {
		w.t.Fatalf("the next run wrote %d bytes that are not those of turn %d", len(got), w.turn)
	}
	w.alone()
}

func (w *workshop) read() string {
	w.t.Helper()
	text, err := os.ReadFile(w.output)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// settle finds out whether a run that was disturbed has published its turn. It
// has done so wholly or not at all.
func (w *workshop) settle(what string) (published bool) {
	w.t.Helper()
	switch w.read() {
	case w.text(w.turn):
		return false
	case w.text(w.turn + 1):
		w.turn++
		return true
	}
	w.t.Fatalf("%s: the output is neither the old nor the new one", what)
	return false
}

// alone fails where anything is beside the output.
func (w *workshop) alone() {
	w.t.Helper()
	if left := w.left(); len(left) > 0 {
		w.t.Errorf("left beside the output: %q", left)
	}
}

func (w *workshop) left() []string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.output))
	if err != nil {
		w.t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		if e.Name() != filepath.Base(w.output) {
			left = append(left, e.Name())
		}
	}
	return left
}

// identity is the file itself, with its times: what is not touched keeps it.
func (w *workshop) identity() string {
	w.t.Helper()
	info, err := os.Stat(w.output)
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprint(info.Mode(), info.ModTime().UnixNano())
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		text += fmt.Sprintf(" %d %d:%d", s.Ino, s.Uid, s.Gid)
	}
	return text
}

// TestKilledAtRandom kills runs at any moment: the output is the old or the new
// one, whole, and the next run finds nothing in its way and cleans up.
func TestKilledAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("many processes")
	}
	kills := 50
	if deep {
		kills = 1000
	}
	t.Parallel()
	for _, state := range []string{"", "state"} {
		killAtRandom(t, openWorkshop(t, state), kills/2)
	}
}

func killAtRandom(t *testing.T, w *workshop, kills int) {
	t.Helper()
	begin := time.Now()
	w.publish()
	whole := time.Since(begin)
	killed, published, left := 0, 0, 0
	for i := range kills {
		// Most of the run is over when it begins to write.
		after := whole/4 + rand.N(whole)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		status, _ := w.execute(ctx, w.next()...)
		cancel()
		if status == -1 {
			killed++
		}
		if len(w.left()) > 0 {
			left++
		}
		if w.settle(fmt.Sprintf("killed after %v", after)) {
			published++
		}
		if deep || i%5 == 4 {
			w.publish()
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d runs were killed, %d have published, %d have left something", killed, kills, published, left)
	if killed == 0 {
		t.Error("no run was killed")
	}
}

// calls are the system calls of a run that have to do with files.
var calls = []string{
	"openat", "write", "fsync", "linkat", "renameat", "unlinkat", "flock", "close", "fchmod", "fchown", "mkdirat",
	"getdents64", "fstat", "newfstatat", "read", "pread64", "lseek", "readlinkat", "fcntl", "utimensat",
}

// writing are those that change something. A run has all of them but the last.
var writing = []string{"write", "fsync", "linkat", "renameat", "unlinkat", "flock", "fchmod", "fchown"}

// needStrace skips a test where processes cannot be traced.
func needStrace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many processes")
	}
	if out, err := exec.Command("strace", "-o", os.DevNull, "-f", "-e", "trace=openat", "true").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: no process can be traced here: %v: %s", err, out)
	}
}

// traced runs the next turn while one call goes wrong, the nth of a name in a
// thread, and gives what was traced of the calls of that name.
func (w *workshop) traced(call, wrong string, n int) (status int, said, trace string) {
	w.t.Helper()
	log := filepath.Join(w.dir, "trace")
	args := []string{
		"strace", "-f", "-y", "-s", "0", "-o", log, "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", call, wrong, n),
	}
	status, said = w.execute(w.t.Context(), append(args, w.next()...)...)
	text, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return status, said, string(text)
}

// firstOf finds from which count on a call of a thread has to do with the
// output: what goes before is the start of the program.
func (w *workshop) firstOf() map[string]int {
	w.t.Helper()
	log := filepath.Join(w.dir, "trace")
	args := append([]string{"strace", "-f", "-y", "-s", "0", "-o", log, "-e", "trace=" + strings.Join(calls, ",")}, w.next()...)
	if status, said := w.execute(w.t.Context(), args...); status != 0 {
		w.t.Fatalf("exit status %d: %s", status, said)
	}
	w.settle("traced")
	text, err := os.ReadFile(log)
	if err != nil {
		w.t.Fatal(err)
	}
	first, count, ours := map[string]int{}, map[string]int{}, false
	for line := range strings.Lines(string(text)) {
		thread, rest, _ := strings.Cut(line, " ")
		call, _, ok := strings.Cut(strings.TrimSpace(rest), "(")
		if !ok || !slices.Contains(calls, call) {
			continue
		}
		ours = ours || strings.Contains(line, filepath.Dir(w.output))
		count[thread+call]++
		if n := count[thread+call]; ours && (first[call] == 0 || n < first[call]) {
			first[call] = n
		}
	}
	for _, call := range writing {
		if first[call] == 0 && (call != "fchown" || os.Geteuid() == 0) {
			w.t.Errorf("a run has no %s", call)
		}
	}
	return first
}

// TestKilledAtEveryCall kills runs as they make each of their calls to files.
func TestKilledAtEveryCall(t *testing.T) {
	needStrace(t)
	t.Parallel()
	w := newWorkshop(t)
	first := w.firstOf()
	names := writing
	if deep {
		names = calls
	}
	var old, published, left int
	for _, call := range names {
		n := first[call]
		if n == 0 || deep {
			n = 1
		}
		kills := 0
		for ; ; n++ {
			status, _, _ := w.traced(call, "signal=KILL", n)
			what := fmt.Sprintf("killed at %s %d", call, n)
			if status == 0 {
				w.settle(what)
				break // no thread has made so many
			}
			kills++
			if len(w.left()) > 0 {
				left++
			}
			if w.settle(what) {
				published++
			} else {
				old++
			}
			w.publish()
			if t.Failed() {
				t.Fatal(what)
			}
		}
		if kills == 0 && first[call] > 0 {
			t.Errorf("no run was killed at %s", call)
		}
	}
	t.Logf("%d kills: %d old, %d new; %d have left something, and nothing is left", old+published, old, published, left)
	if old == 0 || published == 0 || left == 0 {
		t.Error("the kills do not go through the whole of a run")
	}
}

// TestKilledWhileRemembering kills runs as they write what they remember: the next one takes
// nothing for somebody else's edit.
func TestKilledWhileRemembering(t *testing.T) {
	needStrace(t)
	t.Parallel()
	w := openWorkshop(t, "state")
	kills := 0
	for _, call := range []string{"fsync", "fdatasync", "pwrite64", "renameat"} {
		for n := 1; ; n++ {
			status, _, _ := w.traced(call, "signal=KILL", n)
			what := fmt.Sprintf("killed at %s %d", call, n)
			w.settle(what)
			if status == 0 {
				break // no thread has made so many
			}
			kills++
			if w.publish(); t.Failed() {
				t.Fatal(what)
			}
		}
	}
	if t.Logf("%d kills", kills); kills < 4 {
		t.Error("the kills do not go through the whole of a run")
	}
}

// TestKilledAtFirst kills runs that write an output for the first time: there is
// none, or it is whole.
func TestKilledAtFirst(t *testing.T) {
	needStrace(t)
	t.Parallel()
	w := newWorkshop(t)
	names := []string{"fsync", "renameat"}
	if deep {
		names = calls
	}
	kills, missing := 0, 0
	for _, call := range names {
		for n := 1; ; n++ {
			if err := os.Remove(w.output); err != nil {
				t.Fatal(err)
			}
			status, _, _ := w.traced(call, "signal=KILL", n)
			if _, err := os.Stat(w.output); errors.Is(err, fs.ErrNotExist) {
				missing++
			} else if !w.settle(fmt.Sprintf("killed at %s %d", call, n)) {
				t.Fatalf("%s %d: the output is one that was removed", call, n)
			}
			if status == 0 {
				break // no thread has made so many
			}
			kills++
			w.publish()
			if t.Failed() {
				t.Fatalf("killed at %s %d", call, n)
			}
		}
	}
	t.Logf("%d kills, %d without an output", kills, missing)
	if missing == 0 || missing == kills {
		t.Error("the kills do not go through the whole of a run")
	}
}
