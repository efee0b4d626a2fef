package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	dnswatch "github.com/aliasflat/aliasflat/pkg/watch"
	dnszone "github.com/aliasflat/aliasflat/pkg/zone"
)

// The steady state of the daemon.
const (
	perZone   = 100 // ALIAS records
	shortTTL  = 20  // seconds, for figures that are to come soon
	longTTL   = 300
	inAWindow = 3 // times the TTL is looked at
)

// watch prints what the daemon costs while nothing changes, and how long a change takes.
func (b *bench) watch(ctx context.Context, s settings) error {
	return onStage(ctx, func(tb testing.TB) error {
		tb.Helper()
		failed := errors.Join(b.oneChange(ctx, tb, s.records), b.manyZones(ctx, tb, max(10, s.records/100)), b.latency(ctx, tb, max(10, s.targets/100)))
		sizes, ttl := []int{max(1, s.targets/100), max(1, s.targets/10)}, shortTTL
		if s.long {
			sizes, ttl = append(sizes, s.targets), longTTL
		}
		if s.ttl > 0 {
			ttl = s.ttl
		}
		return errors.Join(failed, b.steady(ctx, tb, sizes, ttl))
	})
}

// daemon is aliasflat watch in a folder of its own.
type daemon struct {
	cmd    *exec.Cmd
	log    *bytes.Buffer
	client *api.Client
	ended  chan error
}

// startDaemon starts it with a configuration and waits until every zone was tried. It serves zones
// at an address, unless that is empty.
func (b *bench) startDaemon(ctx context.Context, dir, serves, text string) (*daemon, error) {
	file := filepath.Join(dir, "aliasflat.yaml")
	text = fmt.Sprintf("state: state\nlisten: {control: control.sock, dns: %q}\n", serves) + text
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{log: &bytes.Buffer{}, client: api.NewClient(filepath.Join(dir, "control.sock")), ended: make(chan error, 1)}
	d.cmd = exec.CommandContext(ctx, b.program, "watch", "--config", file)
	d.cmd.Dir, d.cmd.Stderr = dir, d.log
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { d.ended <- d.cmd.Wait() }()
	for {
		ready := false
		err := d.client.Events(ctx, api.Following{Last: -1}, func(e *api.Event) error {
			ready = ready || e.Kind == dnswatch.KindReady
			return nil
		})
		if err == nil && ready {
			return d, nil
		}
		select {
		case err := <-d.ended:
			return nil, fmt.Errorf("watch has ended: %w\n%s", err, d.log)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-d.ended
}

// refresh has a target asked at once.
func (d *daemon) refresh(ctx context.Context, target string) error {
	name, err := dnszone.ParseName(target, dnszone.Root)
	if err != nil {
		return err
	}
	_, err = d.client.Refresh(ctx, []dnszone.Name{name})
	return err
}

// oneChange measures how long a changed target takes to be in the file of a large zone.
func (b *bench) oneChange(ctx context.Context, tb testing.TB, records int) error {
	tb.Helper()
	z, err := b.realistic(records)
	if err != nil {
		return err
	}
	aliases := max(1, records/1000)
	if err := generate(b.world, func(w io.Writer) error { return zonegen.World(w, aliases) }); err != nil {
		return err
	}
	world, err := os.ReadFile(b.world)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(firstAddress(string(world)), " ")
	resolver := dnstest.Start(tb, string(world))
	dir := filepath.Join(b.dir, "one")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	output := filepath.Join(dir, "out.db")
	d, err := b.startDaemon(ctx, dir, "", fmt.Sprintf("resolvers: [\"%s\"]\nzones: [{source: %s, output: out.db}]\n", resolver.URL(), z.source))
	if err != nil {
		return err
	}
	var changes, copies []time.Duration
	for i := range b.rounds {
		if err := resolver.SetWorld(strings.Replace(string(world), firstAddress(string(world)), fmt.Sprintf("%s 300 IN A 203.0.113.%d", first, i+1), 1)); err != nil {
			return err
		}
		took, err := untilReplaced(ctx, output, func() error { return d.refresh(ctx, first) })
		if err != nil {
			return errors.Join(err, d.stop())
		}
		changes = append(changes, took)
		start := time.Now()
		if err := exec.CommandContext(ctx, "cp", output, filepath.Join(dir, "copy")).Run(); err != nil {
			return err
		}
		copies = append(copies, time.Since(start))
	}
	change, copied := middle(changes), middle(copies)
	_, err = fmt.Fprintf(b.out, "\nwatch, one changed target in %d records, from asking to the file in place, %d rounds: %.3f s, cp %.3f s, %.1f x cp\n",
		records, b.rounds, change.Seconds(), copied.Seconds(), change.Seconds()/copied.Seconds())
	return errors.Join(err, d.stop())
}

// firstAddress is the first A record of a world.
func firstAddress(world string) string {
	for line := range strings.Lines(world) {
		if f := strings.Fields(line); len(f) == 5 && f[3] == "A" {
			return strings.TrimSuffix(line, "\n")
		}
	}
	return ""
}

// untilReplaced is how long it takes for a file to be another one.
func untilReplaced(ctx context.Context, path string, begin func() error) (time.Duration, error) {
	before, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := begin(); err != nil {
		return 0, err
	}
	for ctx.Err() == nil && time.Since(start) < time.Minute {
		if now, err := os.Stat(path); err == nil && !os.SameFile(before, now) {
			return time.Since(start), nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, errors.Join(ctx.Err(), fmt.Errorf("%s is not written", path))
}

func middle(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// manyZones measures how long it takes to publish zones that all have one target.
func (b *bench) manyZones(ctx context.Context, tb testing.TB, zones int) error {
	tb.Helper()
	dir := filepath.Join(b.dir, "many")
	if err := os.MkdirAll(filepath.Join(dir, "zones"), 0o700); err != nil {
		return err
	}
	for i := range zones {
		text := fmt.Sprintf("$ORIGIN z%d.test.\n$TTL 300\n@ SOA ns.example.net. h 1 7200 900 1209600 300\n@ NS ns.example.net.\n@ ALIAS cdn.example.net.\n@ MX 10 mail.example.net.\nwww CNAME z%d.test.\n", i, i)
		if err := os.WriteFile(filepath.Join(dir, "zones", fmt.Sprintf("z%d.test.zone", i)), []byte(text), 0o600); err != nil {
			return err
		}
	}
	resolver := dnstest.Start(tb, "cdn.example.net. 300 IN A 192.0.2.1\n")
	d, err := b.startDaemon(ctx, dir, "", fmt.Sprintf("resolvers: [\"%s\"]\nzones: [{source: zones/*.zone, output: \"out-{zone}.db\"}]\n", resolver.URL()))
	if err != nil {
		return err
	}
	var took []time.Duration
	for i := range b.rounds {
		if err := resolver.SetWorld(fmt.Sprintf("cdn.example.net. 300 IN A 192.0.2.%d\n", i+2)); err != nil {
			return err
		}
		start := time.Now()
		if err := d.refresh(ctx, "cdn.example.net."); err != nil {
			return errors.Join(err, d.stop())
		}
		if err := untilSerial(ctx, filepath.Join(dir, "out-*.db"), zones, fmt.Sprintf("192.0.2.%d\n", i+2)); err != nil {
			return errors.Join(err, d.stop())
		}
		took = append(took, time.Since(start))
	}
	_, err = fmt.Fprintf(b.out, "\nwatch, %d zones with one target that changes, until all are published, %d rounds: %.2f s\n", zones, b.rounds, middle(took).Seconds())
	return errors.Join(err, d.stop())
}

// untilSerial waits until so many files have a text.
func untilSerial(ctx context.Context, pattern string, files int, text string) error {
	left, err := filepath.Glob(pattern)
	if err != nil || len(left) != files {
		return errors.Join(err, fmt.Errorf("%d files of %d", len(left), files))
	}
	for deadline := time.Now().Add(2 * time.Minute); len(left) > 0; {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return errors.Join(ctx.Err(), fmt.Errorf("%d files have no %q", len(left), text))
		}
		content, err := os.ReadFile(left[len(left)-1])
		if err != nil {
			return err
		}
		if !strings.Contains(string(content), text) {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		left = left[:len(left)-1]
	}
	return nil
}

// steady measures the daemon while it asks again and again for targets that stay as they are.
func (b *bench) steady(ctx context.Context, tb testing.TB, sizes []int, ttl int) error {
	tb.Helper()
	file := filepath.Join(b.dir, "watched.zone")
	if err := generate(file, func(w io.Writer) error { return zonegen.Targets(w, slices.Max(sizes)) }); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte("$TTL 300\n"), fmt.Appendf(nil, "$TTL %d\n", ttl), 1), 0o600); err != nil {
		return err
	}
	server := judge.StartKnot(tb, map[string]string{zonegen.TargetOrigin: file})
	server.WaitReady(tb, zonegen.TargetOrigin)
	out := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\nwatch, nothing changes, TTL %d s, %d ALIAS a zone, over %d s\n", ttl, perZone, inAWindow*ttl)
	fmt.Fprintln(out, "ALIAS\tqueries/s\tCPU of one core\tCPU a query\tmemory\twith files\t")
	for _, n := range sizes {
		if err := b.steadyOf(ctx, out, server.Addr, n, ttl); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (b *bench) steadyOf(ctx context.Context, out io.Writer, resolver string, aliases, ttl int) error {
	dir := filepath.Join(b.dir, "steady"+strconv.Itoa(aliases))
	if err := os.MkdirAll(filepath.Join(dir, "zones"), 0o700); err != nil {
		return err
	}
	for from := 0; from < aliases; from += perZone {
		var z strings.Builder
		fmt.Fprintf(&z, "$ORIGIN z%d.test.\n$TTL 300\n@ SOA ns.example.net. h 1 7200 900 1209600 300\n@ NS ns.example.net.\n", from)
		for i := from; i < min(aliases, from+perZone); i++ {
			fmt.Fprintf(&z, "a%d ALIAS %s\n", i, zonegen.TargetName(i))
		}
		if err := os.WriteFile(filepath.Join(dir, "zones", fmt.Sprintf("z%d.test.zone", from)), []byte(z.String()), 0o600); err != nil {
			return err
		}
	}
	d, err := b.startDaemon(ctx, dir, "", fmt.Sprintf("resolvers: [\"udp://%s\"]\nrefresh-floor: 1s\nzones: [{source: zones/*.zone, output: \"out-{zone}.db\"}]\n", resolver))
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }()
	if err := pause(ctx, time.Duration(ttl)*time.Second); err != nil {
		return err
	}
	before, err := lookups(ctx, d)
	if err != nil {
		return err
	}
	cpu, start := cpuOf(d.cmd.Process.Pid), time.Now()
	if err := pause(ctx, time.Duration(inAWindow*ttl)*time.Second); err != nil {
		return err
	}
	spent, took := cpuOf(d.cmd.Process.Pid)-cpu, time.Since(start)
	after, err := lookups(ctx, d)
	if err != nil {
		return err
	}
	own, all := residentOf(d.cmd.Process.Pid)
	queries := float64(after - before)
	_, err = fmt.Fprintf(out, "%d\t%.0f\t%.2f %%\t%.1f µs\t%.0f MiB\t%.0f MiB\t\n", aliases, queries/took.Seconds(),
		100*spent.Seconds()/took.Seconds(), 1e6*spent.Seconds()/max(queries, 1), float64(own)/(1<<20), float64(all)/(1<<20))
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookups counts those that the daemon has made.
func lookups(ctx context.Context, d *daemon) (uint64, error) {
	s, err := d.client.Status(ctx)
	if err != nil {
		return 0, err
	}
	l := s.Lookups
	return l.Addresses + l.NoData + l.NXDomain + l.Weak + l.Failures, nil
}

// ticks is how many of them the kernel counts in a second.
const ticks = 100

// cpuOf is the CPU time of a process so far.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// residentOf is the memory of a process in bytes: its own, and with what it has of files.
func residentOf(pid int) (own, all int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "RssAnon:":
			own = n << 10
		case "VmRSS:":
			all = n << 10
		}
	}
	return own, all
}
