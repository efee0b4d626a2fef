package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/delay"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	dnszone "github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// watchRow is the name of the daemon's rows.
const watchRow = "aliasflat watch"

// rest is how long a daemon has nothing to do, for each record, before its memory is looked at, so
// that what it let go is given back.
const rest = 3 * time.Microsecond

// primary prints how fast the daemon feeds secondaries, beside others that serve the same.
func (b *bench) primary(ctx context.Context, s settings) error {
	return onStage(ctx, func(tb testing.TB) error {
		tb.Helper()
		few := max(20, s.records/100)
		failed := errors.Join(b.large(ctx, tb, s.records), b.increments(ctx, tb, []int{few, s.records}))
		return errors.Join(failed, b.expanded(ctx, tb, s))
	})
}

// serving is a daemon that serves a zone of [zonegen.Realistic].
type serving struct {
	*daemon
	at       string // where it serves
	output   string
	records  int // in a transfer
	resolver *dnstest.Server
	world    string
}

// serve starts a daemon that serves a large zone to 127.0.0.1; silent: one that does not.
func (b *bench) serve(ctx context.Context, tb testing.TB, name string, records int, silent bool) (*serving, error) {
	tb.Helper()
	z, err := b.realistic(records)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	source := filepath.Join(dir, "source.zone")
	if err := os.Rename(z.source, source); err != nil {
		return nil, err
	}
	var world bytes.Buffer
	if err := zonegen.World(&world, max(1, records/1000)); err != nil {
		return nil, err
	}
	s := &serving{output: filepath.Join(dir, "out.db"), world: world.String(), resolver: dnstest.Start(tb, world.String())}
	text := fmt.Sprintf("resolvers: [\"%s\"]\nzones: [{source: source.zone, output: out.db}]\n", s.resolver.URL())
	if silent {
		s.daemon, err = b.startDaemon(ctx, dir, "", text)
		return s, err
	}
	if s.daemon, s.at, err = b.startPrimary(ctx, dir, text); err != nil {
		return nil, err
	}
	published, err := os.ReadFile(s.output)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.records = zonefile.Summarize(s.output, published, zonefile.Options{Origin: dnszone.MustParseName(zonegen.Origin)}).Count + 1
	return s, nil
}

// startPrimary starts a daemon that serves its zones to 127.0.0.1.
func (b *bench) startPrimary(ctx context.Context, dir, text string) (d *daemon, at string, err error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	at = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, "", err
	}
	d, err = b.startDaemon(ctx, dir, at, "secondaries: [{address: \"127.0.0.1:53\", key: none, notify: false}]\n"+text)
	return d, at, err
}

// large measures AXFR of a large zone, and what it takes in memory to serve it.
func (b *bench) large(ctx context.Context, tb testing.TB, records int) error {
	tb.Helper()
	silent, err := b.serve(ctx, tb, "silent", records, true)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(records)*rest); err != nil {
		return errors.Join(err, silent.stop())
	}
	without, _ := residentOf(silent.cmd.Process.Pid)
	if err := silent.stop(); err != nil {
		return err
	}
	ours, err := b.serve(ctx, tb, "large", records, false)
	if err != nil {
		return err
	}
	defer func() { _ = ours.stop() }()
	zones := map[string]string{zonegen.Origin: ours.output}
	named, knot := judge.StartNamed(tb, zones), judge.StartKnot(tb, zones)
	servers := []server{{watchRow, ours.at, ours.cmd.Process.Pid}, {"named", named.Addr, 0}, {"knotd", knot.Addr, 0}}
	for _, s := range servers {
		if _, err := untilServed(ctx, s.addr, zonegen.Origin, 0); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if err := pause(ctx, time.Duration(records)*rest); err != nil {
		return err
	}
	with, _ := residentOf(ours.cmd.Process.Pid)
	rows, err := b.transfers(ctx, servers, ours.records, b.rounds)
	heading := fmt.Sprintf("\nAXFR of %d records to a client that drains it, %d rounds", ours.records, b.rounds)
	failed := errors.Join(err, transferTable(b.out, heading, rows, "named"))
	_, err = fmt.Fprintf(b.out, "\nMemory of watch with the zone %.1f MiB, of one that serves it as well %.1f MiB: %.0f bytes more for each record\n",
		float64(without)/(1<<20), float64(with)/(1<<20), float64(with-without)/float64(ours.records))
	return errors.Join(failed, err)
}

// server is one that a zone is transferred from.
type server struct {
	name, addr string
	pid        int // 0: its CPU time is not looked at
}

// transferred is a row of a table of transfers: medians.
type transferred struct {
	server

	drained
	cpu time.Duration
	err error
}

// transfers has a zone transferred from each server in turn, in a round that is not counted and then
// the given number.
func (b *bench) transfers(ctx context.Context, servers []server, records, rounds int) ([]transferred, error) {
	rows := make([]transferred, len(servers))
	took := make([][]time.Duration, len(servers))
	cpus := make([][]time.Duration, len(servers))
	order := rand.New(rand.NewPCG(1, uint64(len(servers))))
	for round := range rounds + 1 {
		for _, i := range order.Perm(len(servers)) {
			row := &rows[i]
			row.server = servers[i]
			if row.err != nil {
				continue
			}
			before := cpuOf(row.pid)
			d, err := drain(ctx, row.addr, new(dns.Msg).SetAxfr(zonegen.Origin), records)
			if err != nil {
				row.err = fmt.Errorf("%s: %w", row.name, err)
				continue
			}
			if round > 0 {
				row.drained = d
				took[i], cpus[i] = append(took[i], d.took), append(cpus[i], cpuOf(row.pid)-before)
			}
		}
	}
	var failed error
	for i := range rows {
		if failed = errors.Join(failed, rows[i].err); rows[i].err == nil {
			rows[i].took, rows[i].cpu = middle(took[i]), middle(cpus[i])
		}
	}
	return rows, failed
}

// transferTable prints transfers beside the base, by how much faster they are.
func transferTable(w io.Writer, heading string, rows []transferred, base string) error {
	var against time.Duration
	for _, r := range rows {
		if r.name == base && r.err == nil {
			against = r.took
		}
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%s\n\nrecords/s\tx %s\twall s\tCPU s\tMB\t  server\n", heading, base)
	for _, r := range rows {
		if r.err != nil {
			fmt.Fprintf(out, "-\t-\t-\t-\t-\t  %v\n", r.err)
			continue
		}
		ratio, cpu := "-", "-"
		if against > 0 {
			ratio = fmt.Sprintf("%.2f", float64(against)/float64(r.took))
		}
		if r.pid > 0 {
			cpu = fmt.Sprintf("%.2f", r.cpu.Seconds())
		}
		fmt.Fprintf(out, "%.0f\t%s\t%.4f\t%s\t%.1f\t  %s\n", float64(r.records)/r.took.Seconds(), ratio, r.took.Seconds(), cpu, float64(r.octets)/1e6, r.name)
	}
	return out.Flush()
}

// increments measures, in zones of several sizes, how long a changed target takes to be served,
// and what IXFR of that takes.
func (b *bench) increments(ctx context.Context, tb testing.TB, sizes []int) error {
	tb.Helper()
	out := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\nOne changed target, from asking to the serial served, and IXFR of that, %d rounds\n\n", b.rounds)
	fmt.Fprint(out, "records\tuntil served s\tIXFR ms\tbytes\trecords of it\t\n")
	for i, records := range sizes {
		if err := b.incrementsOf(ctx, tb, out, "increments"+strconv.Itoa(i), records); err != nil {
			return errors.Join(err, out.Flush())
		}
	}
	return out.Flush()
}

// again is how often one and the same IXFR is made in a round.
const again = 21

func (b *bench) incrementsOf(ctx context.Context, tb testing.TB, out io.Writer, name string, records int) error {
	tb.Helper()
	s, err := b.serve(ctx, tb, name, records, false)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	serial, err := serialOf(ctx, s.at, zonegen.Origin)
	if err != nil {
		return err
	}
	line := firstAddress(s.world)
	target, _, _ := strings.Cut(line, " ")
	var served, took []time.Duration
	var last drained
	for round := range b.rounds + 1 { // the first change behind the start is not counted
		if err := s.resolver.SetWorld(strings.Replace(s.world, line, fmt.Sprintf("%s 300 IN A 203.0.113.%d", target, round+1), 1)); err != nil {
			return err
		}
		start := time.Now()
		if err := s.refresh(ctx, target); err != nil {
			return err
		}
		latest, err := untilServed(ctx, s.at, zonegen.Origin, serial)
		if err != nil {
			return err
		}
		if round > 0 {
			served = append(served, time.Since(start))
			for range again {
				if last, err = drainChange(ctx, s.at, serial); err != nil {
					return err
				}
				took = append(took, last.took)
			}
		}
		serial = latest
	}
	_, err = fmt.Fprintf(out, "%d\t%.3f\t%.3f\t%d\t%d\t\n", s.records-1, middle(served).Seconds(), 1e3*middle(took).Seconds(), last.octets, last.records)
	return err
}

// drainChange transfers what has changed since a serial, which is one message.
func drainChange(ctx context.Context, addr string, since uint32) (drained, error) {
	question := new(dns.Msg).SetIxfr(zonegen.Origin, since, "ns."+zonegen.Origin, "hostmaster."+zonegen.Origin)
	client := dns.Client{Net: "tcp", Timeout: runLimit}
	answer, took, err := client.ExchangeContext(ctx, question, addr)
	if err != nil {
		return drained{}, err
	}
	answer.Compress = true
	n := len(answer.Answer)
	if n < 4 || answer.Answer[1].Header().Rrtype != dns.TypeSOA || answer.Answer[n-1].Header().Rrtype != dns.TypeSOA {
		return drained{}, errors.New("it does not transfer what has changed alone")
	}
	return drained{took: took, octets: int64(answer.Len()), records: n}, nil
}

// expanded measures AXFR of zones with ALIAS, beside PowerDNS, which expands them meanwhile: few
// by a resolver that takes its time, and more by one that does not.
func (b *bench) expanded(ctx context.Context, tb testing.TB, s settings) error {
	tb.Helper()
	file := filepath.Join(b.dir, "targets.zone")
	if err := generate(file, func(w io.Writer) error { return zonegen.Targets(w, s.targets) }); err != nil {
		return err
	}
	targets := judge.StartKnot(tb, map[string]string{zonegen.TargetOrigin: file})
	targets.WaitReady(tb, zonegen.TargetOrigin)
	few, some := max(1, s.targets/100), max(1, s.targets/10)
	slow, err := delay.Start(targets.Addr, latency)
	if err != nil {
		return err
	}
	failed := b.expandedOf(ctx, tb, few, slow.Addr(), fmt.Sprintf(", every answer after %s", latency), s.powerDNS)
	failed = errors.Join(failed, slow.Close())
	for _, n := range []int{some, s.targets} {
		failed = errors.Join(failed, b.expandedOf(ctx, tb, n, targets.Addr, "", s.powerDNS))
	}
	return failed
}

// expandedOf measures one zone. A transfer from PowerDNS takes long, and there is but one.
func (b *bench) expandedOf(ctx context.Context, tb testing.TB, aliases int, resolver, how string, powerDNS bool) error {
	tb.Helper()
	dir := filepath.Join(b.dir, "expanded"+strconv.Itoa(aliases)+how)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	source := filepath.Join(dir, "source.zone")
	if err := generate(source, func(w io.Writer) error { return zonegen.Aliases(w, aliases) }); err != nil {
		return err
	}
	d, at, err := b.startPrimary(ctx, dir, fmt.Sprintf("resolvers: [\"udp://%s\"]\nzones: [{source: source.zone, output: out.db}]\n", resolver))
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }()
	if err := flattened(filepath.Join(dir, "out.db"), aliases); err != nil {
		return err
	}
	const beside = 4 // SOA, NS, its address, SOA
	records := len(zonegen.TargetAddresses(0))*aliases + beside
	rows, failed := b.transfers(ctx, []server{{watchRow, at, d.cmd.Process.Pid}}, records, b.rounds)
	base := watchRow
	if powerDNS {
		base = "PowerDNS"
		row := b.expandedByPowerDNS(ctx, tb, source, resolver, records)
		rows, failed = append(rows, row), errors.Join(failed, row.err)
	}
	heading := fmt.Sprintf("\nAXFR of %d ALIAS records%s, %d rounds, PowerDNS 1", aliases, how, b.rounds)
	return errors.Join(failed, transferTable(b.out, heading, rows, base))
}

func (b *bench) expandedByPowerDNS(ctx context.Context, tb testing.TB, source, resolver string, records int) transferred {
	tb.Helper()
	row := transferred{server: server{name: "PowerDNS"}}
	if _, err := exec.LookPath(sbin("pdns_server")); err != nil {
		row.err = errors.New("pdns_server is not installed: sh .ci/deps.sh bench")
		return row
	}
	s := judge.StartPowerDNS(tb, map[string]string{zonegen.Origin: source}, resolver)
	s.WaitReady(tb, zonegen.Origin)
	var err error
	if row.drained, err = drain(ctx, s.Addr, new(dns.Msg).SetAxfr(zonegen.Origin), records); err != nil {
		row.err = fmt.Errorf("PowerDNS: %w", err)
	}
	return row
}
