package pipeline

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// running is a daemon in a process of its own.
type running struct {
	cmd *exec.Cmd
	log *judge.Buffer
	end chan error
}

// program is aliasflat with arguments, in a folder.
func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "aliasflat"), args...)
	cmd.Dir = dir
	return cmd
}

// startWatch starts a daemon, which ends with the test.
func startWatch(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	r := &running{cmd: program(t, dir, append([]string{"watch"}, args...)...), log: &judge.Buffer{}, end: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.end <- r.cmd.Wait() }()
	t.Cleanup(func() {
		if err := r.stop(t); err != nil {
			t.Errorf("%v\n%s", err, r.log)
		}
		if t.Failed() {
			t.Log(r.log)
		}
	})
	return r
}

// stop ends it, which takes no more than some seconds.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-r.end:
		r.end <- err
		return err
	case <-time.After(8 * time.Second):
		_ = r.cmd.Process.Kill()
		return fmt.Errorf("it has not ended: %w", <-r.end)
	}
}

// until waits for something that other processes do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	untilWithin(t, time.Minute, what, done)
}

func untilWithin(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it takes too long", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// soaOf is the serial that a server serves.
func soaOf(t *testing.T, s *judge.Server, zone string) uint32 {
	t.Helper()
	for _, rr := range s.Query(t, zone, dns.TypeSOA).Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial
		}
	}
	return 0
}

func serves(t *testing.T, s *judge.Server, zone, address string) bool {
	t.Helper()
	answer := s.Query(t, zone, dns.TypeA).Answer
	if len(answer) != 1 {
		return false
	}
	a, ok := answer[0].(*dns.A)
	return ok && a.A.String() == address
}

// A target moves fifty times, and each address arrives at a primary and at two secondaries,
// under serials that rise. While the resolver is silent nothing that is published changes.
func TestWatchFeedsServers(t *testing.T) {
	t.Parallel()
	world := func(i int) string { return fmt.Sprintf("cdn.example.net. 0 IN A 192.0.2.%d\n", i) }
	resolver := dnstest.Start(t, world(1))
	dir := t.TempDir()
	put(t, dir, "example.com.zone", "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net.\n")
	if out, err := program(t, dir, "compile", "--resolver", resolver.URL(), "-o", "example.com.db", "example.com.zone").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	primary := judge.StartSteeredNamed(t, map[string]judge.Steered{"example.com": {File: filepath.Join(dir, "example.com.db"), Options: "ixfr-from-differences yes;"}})
	primary.WaitReady(t, "example.com.")
	secondaries := []*judge.Server{judge.StartSecondary(t, "nsd", "example.com", primary.Addr), judge.StartSecondary(t, "knotd", "example.com", primary.Addr)}
	put(t, dir, "aliasflat.yaml", fmt.Sprintf(`resolvers: ["%s"]
state: state
refresh-floor: 200ms
zones:
  - name: example.com
    source: example.com.zone
    output: example.com.db
    reload: {driver: bind, server: "%s", command: ["%s"]}
`, resolver.URL(), primary.Addr, strings.Join(primary.Control, `", "`)))
	d := startWatch(t, dir)
	last := soaOf(t, primary, "example.com.")
	moves := 50
	if testing.Short() {
		moves = 5 // the race detector does not see other programs
	}
	for i := 2; i <= moves+1; i++ {
		if err := resolver.SetWorld(world(i)); err != nil {
			t.Fatal(err)
		}
		address := fmt.Sprintf("192.0.2.%d", i)
		until(t, address, func() bool { return serves(t, primary, "example.com.", address) })
		serial := soaOf(t, primary, "example.com.")
		if serial <= last {
			t.Fatalf("serial %d behind %d", serial, last)
		}
		last = serial
		for _, s := range secondaries {
			s.WaitSerial(t, "example.com.", serial)
			if !serves(t, s, "example.com.", address) {
				t.Errorf("%s has not %s", s.Name, address)
			}
		}
	}

	before, err := os.ReadFile(filepath.Join(dir, "example.com.db"))
	if err != nil {
		t.Fatal(err)
	}
	resolver.Fault("", 0, dnstest.Fault{Mistake: dnstest.Mistake{Rcode: dns.RcodeServerFailure}})
	asked := len(resolver.Queries())
	until(t, "queries", func() bool { return len(resolver.Queries()) >= asked+4 })
	if after, err := os.ReadFile(filepath.Join(dir, "example.com.db")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the output was changed: %s, %v", after, err)
	}
	if serial := soaOf(t, primary, "example.com."); serial != last {
		t.Errorf("serial %d, not %d", serial, last)
	}
	resolver.ClearFaults()
	if err := resolver.SetWorld(world(77)); err != nil {
		t.Fatal(err)
	}
	until(t, "the address behind the silence", func() bool { return serves(t, primary, "example.com.", "192.0.2.77") })
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
	if n := strings.Count(d.log.String(), "published"); n < moves+1 || n > moves+3 {
		t.Errorf("%d publications are told of\n%s", n, d.log)
	}
}
