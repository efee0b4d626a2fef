package publish

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The variables of the process that publishes while its power is cut.
const (
	writerPath  = "ALIASFLAT_TEST_WRITER"
	writerFirst = "ALIASFLAT_TEST_WRITER_FIRST"
	writerSync  = "ALIASFLAT_TEST_WRITER_SYNC"
)

// powerZone is a zone of some pages, each of which tells its serial.
func powerZone(serial int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster %d 7200 900 1209600 300\n NS ns\nns A 192.0.2.53\n", serial)
	for n := range 500 + serial%7*100 {
		fmt.Fprintf(&b, "text%d TXT \"of serial %d\"\n", n, serial)
	}
	return b.String()
}

// TestPowerWriter is the process that publishes, and no test.
func TestPowerWriter(t *testing.T) {
	path := os.Getenv(writerPath)
	if path == "" {
		t.Skip("runs as a process of TestPowerCut")
	}
	serial, err := strconv.Atoi(os.Getenv(writerFirst))
	if err != nil {
		t.Fatal(err)
	}
	for ; ; serial++ {
		if os.Getenv(writerSync) == "yes" {
			_, err = write(t, path, powerZone(serial))
		} else {
			name := path + ".new"
			err = errors.Join(os.WriteFile(name, []byte(powerZone(serial)), 0o644), os.Rename(name, path))
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(serial)
	}
}

// machine is a file system in a file that can lose its power.
type machine struct {
	t      *testing.T
	image  string
	folder string
	sync   bool
	bad    []string // what went wrong
}

func (m *machine) must(name string, args ...string) {
	m.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func (m *machine) path() string { return filepath.Join(m.folder, "example.com.db") }

// mountLoop mounts the file system, or skips a test where that cannot be done.
func (m *machine) mountLoop() {
	m.t.Helper()
	out, err := exec.Command("mount", "-o", "loop", m.image, m.folder).CombinedOutput()
	if err != nil {
		m.t.Skipf("NOT TESTED: no file system can be mounted from a file here: %v: %s", err, out)
	}
}

// cycle publishes for a moment, cuts the power, and looks what is there after a
// restart.
func (m *machine) cycle(first int) (next int) {
	m.t.Helper()
	reported := m.publishUntilCut(first)
	m.must("umount", m.folder)
	m.detached()
	m.must("mount", "-o", "loop", m.image, m.folder)
	text, err := os.ReadFile(m.path())
	if err != nil {
		m.bad = append(m.bad, err.Error())
		return reported + 1
	}
	serial := 0
	if fields := strings.Fields(string(text)); len(fields) > 8 {
		serial, _ = strconv.Atoi(fields[8]) // the check below tells what is no serial
	}
	switch {
	case string(text) != powerZone(serial):
		m.bad = append(m.bad, fmt.Sprintf("%d bytes that are no whole zone", len(text)))
	case serial < reported:
		m.bad = append(m.bad, fmt.Sprintf("serial %d, and %d was reported", serial, reported))
	}
	return max(reported, serial) + 1
}

// detached waits until the loop device has let go of the image: two of them would each see
// something else in it.
func (m *machine) detached() {
	m.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if out, err := exec.Command("losetup", "-j", m.image).CombinedOutput(); err != nil {
			m.t.Fatalf("losetup: %v: %s", err, out)
		} else if len(out) == 0 {
			return
		}
	}
	m.t.Fatal("the loop device does not let go of the image")
}

// publishUntilCut has a process publish, cuts the power of the file system, and
// gives the last serial that the process has reported.
func (m *machine) publishUntilCut(first int) (reported int) {
	m.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPowerWriter$")
	answer := "no"
	if m.sync {
		answer = "yes"
	}
	cmd.Env = append(os.Environ(), writerPath+"="+m.path(), writerFirst+"="+strconv.Itoa(first), writerSync+"="+answer)
	out, in, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	defer out.Close()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = in, &said
	if err := errors.Join(cmd.Start(), in.Close()); err != nil {
		m.t.Fatal(err)
	}
	// The process is stopped before the power goes: what it has not reported by
	// then is not reported at all.
	lines := bufio.NewReader(out)
	for range 3 + rand.N(10) {
		reported = m.report(lines, reported)
	}
	m.stop(cmd.Process.Pid)
	m.cut()
	if err := out.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		m.t.Fatal(err)
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // it has not said more
		}
		reported, _ = strconv.Atoi(strings.TrimSpace(line))
	}
	if err := cmd.Process.Kill(); err != nil {
		m.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	return reported
}

func (m *machine) report(lines *bufio.Reader, last int) int {
	m.t.Helper()
	line, err := lines.ReadString('\n')
	if err != nil {
		m.t.Fatalf("the writer has ended after %d: %v", last, err)
	}
	serial, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		why, _ := io.ReadAll(lines) // it ends now
		m.t.Fatalf("the writer says %q", line+string(why))
	}
	return serial
}

// stop stops all threads of a process, and waits until they have: a call in the
// kernel goes on to its end first.
func (m *machine) stop(pid int) {
	m.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		m.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			m.t.Fatal(err)
		}
		running := 0
		for _, stat := range stats {
			text, err := os.ReadFile(stat)
			if _, state, ok := strings.Cut(string(text), ") "); err == nil && ok && !strings.HasPrefix(state, "T") {
				running++
			}
		}
		if running == 0 && len(stats) > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	m.t.Fatal("the writer does not stop")
}

// cut takes the power: nothing that is not on the disk gets there any more, the
// journal neither.
func (m *machine) cut() {
	m.t.Helper()
	const shutdown, withoutLog = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN
	f, err := os.Open(m.folder)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	flag := uint32(withoutLog)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		m.t.Skipf("NOT TESTED: the file system cannot be shut down here: %v", errno)
	}
}

// TestPowerCut cuts the power of a file system while zones are published to it.
// After a restart the file is whole, and no older than what was reported as
// published. That the same without syncs fails shows that the test can tell.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts file systems")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root may mount")
	}
	cycles := 5
	if os.Getenv("ALIASFLAT_DEEP") != "" {
		cycles = 50
	}
	for _, kind := range []struct{ name, size string }{{"ext4", "32M"}, {"xfs", "320M"}} {
		for _, sync := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/sync=%v", kind.name, sync), func(t *testing.T) {
				m := newMachine(t, kind.name, kind.size)
				m.sync = sync
				serial, cuts := 2, cycles
				if !sync {
					cuts = cycles / 2
				}
				for range cuts {
					serial = m.cycle(serial)
				}
				t.Logf("%d power cuts, %d published, %d went wrong: %q", cuts, serial, len(m.bad), m.bad)
				switch {
				case sync && len(m.bad) > 0:
					t.Error("a power cut does harm")
				case !sync && len(m.bad) == 0:
					t.Error("without syncs a power cut does no harm: this test finds nothing")
				}
			})
		}
	}
}

func newMachine(t *testing.T, kind, size string) *machine {
	t.Helper()
	mkfs, err := exec.LookPath("mkfs." + kind)
	if err != nil {
		mkfs, err = exec.LookPath("/usr/sbin/mkfs." + kind)
	}
	if err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	dir := t.TempDir()
	m := &machine{t: t, image: filepath.Join(dir, "image"), folder: filepath.Join(dir, "mounted")}
	m.must("truncate", "-s", size, m.image)
	m.must(mkfs, "-q", m.image)
	if err := os.Mkdir(m.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	m.mountLoop()
	t.Cleanup(func() { m.must("umount", m.folder) })
	if err := os.WriteFile(m.path(), []byte(powerZone(1)), 0o644); err != nil {
		t.Fatal(err)
	}
	m.must("sync", "-f", m.path())
	return m
}
