package state

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TestMain lets the test binary be another process that has a store open: it commits until it
// is killed, and says so after each commit.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STATE_WRITER"); dir != "" {
		if err := writeForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func writeForever(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	u := full()
	if z, ok := s.Zone(u.Zone.Name, u.Zone.View, u.Zone.Output); ok {
		u.Zone.Serial = z.Serial
	}
	for {
		u.Zone.Serial = u.Zone.Serial.Next()
		if err := s.Commit(u); err != nil {
			return err
		}
		fmt.Println(uint32(u.Zone.Serial))
	}
}

// writerOf starts another process that writes to a store. next waits for its commits; kill
// ends it with no warning and gives the last serial that it reported.
func writerOf(t *testing.T, dir string) (pid int, next func(), kill func() zone.Serial) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STATE_WRITER="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var last uint32
	read := func() bool {
		if !lines.Scan() {
			return false
		}
		_, err := fmt.Sscan(lines.Text(), &last)
		return err == nil
	}
	kill = sync.OnceValue(func() zone.Serial {
		_ = cmd.Process.Kill()
		for read() { // what it had said before
		}
		_ = cmd.Wait()
		return zone.Serial(last)
	})
	t.Cleanup(func() { kill() })
	next = func() {
		if !read() {
			t.Fatal("the writer has ended")
		}
	}
	return cmd.Process.Pid, next, kill
}

// Who comes second is told by whom the store is held, and has it as soon as that one has died,
// with all that it had reported and no damage.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		pid, next, kill := writerOf(t, dir)
		for range 3 {
			next()
		}
		for _, o := range []Options{{}, {ReadOnly: true}, {Wait: time.Millisecond}} {
			var locked *LockedError
			if _, err := Open(dir, o); !errors.As(err, &locked) || !errors.Is(err, ErrLocked) || locked.PID != pid {
				t.Fatalf("%+v: %v, want process %d", o, err, pid)
			}
		}
		reported := kill()
		s := open(t, dir, Options{})
		z, ok := s.Zone(full().Zone.Name, "inside", full().Zone.Output)
		if !ok || z.Serial != reported && z.Serial != reported.Next() {
			t.Fatalf("serial %d, %v after %d was reported", z.Serial, ok, reported)
		}
		if err := errors.Join(s.Problem(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// The pid of a writer that was killed is nobody's who holds the store now.
func TestReaderHasNoPID(t *testing.T) {
	dir := t.TempDir()
	_, next, kill := writerOf(t, dir)
	next()
	kill()
	open(t, dir, Options{ReadOnly: true})
	var locked *LockedError
	if _, err := Open(dir, Options{}); !errors.As(err, &locked) || locked.PID != 0 {
		t.Fatalf("err = %v", err)
	}
	if want := filepath.Join(dir, holderName) + " is locked by another process"; locked.Error() != want {
		t.Errorf("%q, want %q", locked.Error(), want)
	}
}

func TestWaitForHolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	opened := make(chan error)
	go func() {
		second, err := Open(dir, Options{Wait: time.Minute})
		opened <- errors.Join(err, second.Close())
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// Many at once: each has the store to itself for a while, and none loses what another did.
func TestManyWriters(t *testing.T) {
	dir, u := t.TempDir(), full()
	first := u.Zone.Serial
	var writers sync.WaitGroup
	for range 20 {
		writers.Go(func() {
			s, err := Open(dir, Options{Wait: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			z, ok := s.Zone(u.Zone.Name, u.Zone.View, u.Zone.Output)
			if !ok {
				z = *u.Zone
			}
			z.Serial = z.Serial.Next()
			if err := errors.Join(s.Commit(Update{Zone: &z, Now: noon}), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	s := open(t, dir, Options{})
	if z := s.Zones(u.Zone.Name); len(z) != 1 || z[0].Serial != first+20 {
		t.Errorf("after 20 writers: %v", z)
	}
}

// What lies in a lock file may be anything.
func TestReadPID(t *testing.T) {
	path := filepath.Join(t.TempDir(), holderName)
	if pid := readPID(path); pid != 0 {
		t.Errorf("no file has pid %d", pid)
	}
	for text, want := range map[string]int{
		"": 0, "x": 0, "-1": 0, "0": 0, "99999999999999999999": 0,
		fmt.Sprint(os.Getpid(), "\n"): os.Getpid(),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid := readPID(path); pid != want {
			t.Errorf("%q has pid %d, want %d", text, pid, want)
		}
	}
}
