package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/delay"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
)

// latency is how long the slow resolver takes for each answer.
const latency = 20 * time.Millisecond

// Names of rows.
const (
	compileRow = "aliasflat compile"
	engineRow  = "its engine alone"
)

// An asking is the resolve part at work.
type asking struct {
	*bench
	host, port string // of the name server for all targets
	sizes      []size
}

// A size is what one command cost for so many targets.
type size struct {
	result
	targets int
}

// resolve prints a table of the queries a second that aliasflat and others ask
// of a name server on loopback, one of the cost by the number of targets, and
// tables of the time that a zone takes where every answer does.
func (b *bench) resolve(ctx context.Context, s settings) error {
	file := filepath.Join(b.dir, "targets.zone")
	if err := generate(file, func(w io.Writer) error { return zonegen.Targets(w, s.targets) }); err != nil {
		return err
	}
	return onStage(ctx, func(tb testing.TB) error {
		tb.Helper()
		server := judge.StartKnot(tb, map[string]string{zonegen.TargetOrigin: file})
		server.WaitReady(tb, zonegen.TargetOrigin)
		a := &asking{bench: b}
		var err error
		if a.host, a.port, err = net.SplitHostPort(server.Addr); err != nil {
			return err
		}
		few, some := max(1, s.targets/100), max(1, s.targets/10)
		failed := errors.Join(a.alone(ctx, few), a.alone(ctx, some), a.compare(ctx, s.targets), a.growth(),
			a.slow(ctx, tb, few, s.powerDNS))
		if s.long {
			failed = errors.Join(failed, a.slow(ctx, tb, some, s.powerDNS))
		}
		return failed
	})
}

// alone measures aliasflat for the table of costs by size.
func (a *asking) alone(ctx context.Context, targets int) error {
	return a.fast(ctx, targets, nil)
}

// compare measures aliasflat beside programs that do nothing but ask.
func (a *asking) compare(ctx context.Context, targets int) error {
	questions := filepath.Join(a.dir, "questions")
	names, resolvers := filepath.Join(a.dir, "names"), filepath.Join(a.dir, "resolvers")
	err := errors.Join(
		generateLines(questions, targets, func(n int) string {
			return zonegen.TargetName(n) + " A\n" + zonegen.TargetName(n) + " AAAA\n"
		}),
		generateLines(names, targets, func(n int) string { return zonegen.TargetName(n) + "\n" }),
		generateLines(resolvers, 1, func(int) string { return a.host + ":" + a.port + "\n" }))
	if err != nil {
		return err
	}
	peers := []command{a.dnsperf(questions, 2*targets)}
	massdns := a.massdns(names, resolvers, targets)
	_, missing := exec.LookPath("massdns")
	if missing == nil {
		peers = append(peers, massdns)
	}
	err = a.fast(ctx, targets, peers)
	if missing != nil {
		_, failed := fmt.Fprintln(a.out, "\nmassdns is not installed. Where both were measured it asked 1.16 times as much a second as dnsperf.")
		err = errors.Join(err, failed)
	}
	return err
}

// fast asks a name server that answers at once.
func (a *asking) fast(ctx context.Context, targets int, peers []command) error {
	source := filepath.Join(a.dir, "aliases.zone")
	if err := generate(source, func(w io.Writer) error { return zonegen.Aliases(w, targets) }); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	commands := append([]command{
		a.flatten(source, a.host+":"+a.port, targets),
		a.engine(self, targets),
	}, peers...)
	for i := range commands {
		commands[i].countDatagrams()
	}
	results, err := measure(ctx, commands, a.rounds)
	if results == nil {
		return err
	}
	for _, r := range results[:2] {
		a.sizes = append(a.sizes, size{r, targets})
	}
	err = errors.Join(err, complete(results[1], targets))
	if peers == nil {
		return err
	}
	heading := fmt.Sprintf("\n%d targets, A and AAAA of each from knotd on this machine, %d rounds", targets, a.rounds)
	return errors.Join(err, questionTable(a.out, heading, results, peers[0].name, 2*targets))
}

// complete is an error if questions had no answer. What it did cost still
// stands in the tables.
func complete(engine result, targets int) error {
	if engine.lost == 0 {
		return nil
	}
	return fmt.Errorf("%s: of %d targets it lost up to %d questions a round", engine.name, targets, engine.lost)
}

// flatten compiles a zone of ALIAS records anew and checks what came out.
func (a *asking) flatten(source, resolver string, aliases int) command {
	output := filepath.Join(a.dir, "flat.zone")
	c := a.aliasflat(compileRow, "compile", "--resolver", "udp://"+resolver, "-o", output, source)
	c.prepare = func() error { return os.RemoveAll(output) }
	c.report = func(*usage) error { return flattened(output, aliases) }
	return c
}

// engine asks without a zone, in a process of its own.
func (a *asking) engine(self string, targets int) command {
	printed := filepath.Join(a.dir, "stdout")
	return command{
		name: engineRow, stdout: printed,
		args: []string{self, "-engine", "udp://" + a.host + ":" + a.port, "-targets", strconv.Itoa(targets)},
		report: func(u *usage) error {
			text, err := os.ReadFile(printed)
			if err != nil {
				return err
			}
			var cost engineCost
			if err := json.Unmarshal(text, &cost); err != nil {
				return err
			}
			u.wall, u.cpu, u.memory, u.lost, u.again = cost.Wall, cost.CPU, cost.Memory, cost.Lost, cost.Again
			return nil
		},
	}
}

// countDatagrams has the datagrams counted that come to sockets of the machine
// during each turn.
func (c *command) countDatagrams() {
	var before int64
	prepare, report := c.prepare, c.report
	c.prepare = func() error {
		if prepare != nil {
			if err := prepare(); err != nil {
				return err
			}
		}
		before = datagramsArrived()
		return nil
	}
	c.report = func(u *usage) error {
		u.arrived = datagramsArrived() - before
		if report == nil {
			return nil
		}
		return report(u)
	}
}

// growth shows what a target costs at every size.
func (a *asking) growth() error {
	out := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(out, "\nCost by number of targets, A and AAAA of each from knotd on this machine\n\n")
	fmt.Fprintln(out, "targets\twall s\tus/target\tCPU s\tMiB\t  command")
	for _, s := range a.sizes {
		if s.err != nil {
			fmt.Fprintf(out, "%d\t-\t-\t-\t-\t  %v\n", s.targets, s.err)
			continue
		}
		each := float64(s.wall.Nanoseconds()) / 1e3 / float64(s.targets)
		fmt.Fprintf(out, "%d\t%.4f\t%.2f\t%.4f\t%.1f\t  %s\n", s.targets, s.wall.Seconds(), each, s.cpu.Seconds(), float64(s.memory)/(1<<20), s.name)
	}
	return out.Flush()
}

// slow asks a resolver that takes its time for every answer, and has PowerDNS
// expand the same zone with the same resolver, once.
func (a *asking) slow(ctx context.Context, tb testing.TB, aliases int, powerDNS bool) error {
	tb.Helper()
	source := filepath.Join(a.dir, "slow.zone")
	if err := generate(source, func(w io.Writer) error { return zonegen.Aliases(w, aliases) }); err != nil {
		return err
	}
	resolver, err := delay.Start(a.host+":"+a.port, latency)
	if err != nil {
		return err
	}
	results, failed := measure(ctx, []command{a.flatten(source, resolver.Addr(), aliases)}, a.rounds)
	if powerDNS && results != nil {
		r := a.powerDNS(ctx, tb, source, resolver.Addr(), aliases)
		results, failed = append(results, r), errors.Join(failed, r.err)
	}
	counts := resolver.Counts()
	failed = errors.Join(failed, resolver.Close())
	if results == nil {
		return failed
	}
	heading := fmt.Sprintf("\n%d ALIAS records, every answer after %s, %d rounds", aliases, latency, a.rounds)
	return errors.Join(failed, table(a.out, heading, results, compileRow, 0), delayed(a.out, counts))
}

// delayed tells what the delay has seen. If it lost packets itself, it is to
// blame for the figures.
func delayed(out io.Writer, counts delay.Counts) error {
	_, err := fmt.Fprintf(out, "\n%d queries were held back, up to %d at a time; without an answer were %d\n",
		counts.Queries, counts.Held, counts.Queries-counts.Answers)
	if counts.Lost > 0 {
		return errors.Join(err, fmt.Errorf("the delay lost %d packets itself: the figures with it do not hold", counts.Lost))
	}
	return err
}

// powerDNS measures one transfer, without a round that is not counted: it takes
// as long as the answers of all targets one after the other.
func (a *asking) powerDNS(ctx context.Context, tb testing.TB, source, resolver string, aliases int) result {
	tb.Helper()
	const name = "one AXFR from PowerDNS, 1 round; CPU and MiB are those of dig"
	if _, err := exec.LookPath(sbin("pdns_server")); err != nil {
		return result{name: name, err: errors.New("pdns_server is not installed: sh .ci/deps.sh bench")}
	}
	server := judge.StartPowerDNS(tb, map[string]string{zonegen.Origin: source}, resolver)
	server.WaitReady(tb, zonegen.Origin)
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		return result{name: name, err: err}
	}
	printed := filepath.Join(a.dir, "axfr")
	transfer := command{
		name: name, stdout: printed,
		args: []string{
			"dig", "@" + host, "-p", port, "+tcp", "+tries=1",
			fmt.Sprintf("+time=%d", int(runLimit.Seconds())), "+noall", "+answer", "AXFR", zonegen.Origin,
		},
		report: func(*usage) error { return flattened(printed, aliases) },
	}
	u, err := transfer.once(ctx)
	if err != nil {
		err = fmt.Errorf("PowerDNS: %w", err)
	}
	return result{name: name, usage: u, err: err}
}

// generateLines writes a file of n parts.
func generateLines(name string, n int, part func(int) string) error {
	return generate(name, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		for i := range n {
			_, _ = out.WriteString(part(i)) // bufio keeps the error for Flush
		}
		return out.Flush()
	})
}
