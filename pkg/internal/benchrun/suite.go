package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
)

// compilezone is what the issues' figures are ratios of.
const compilezone = "named-compilezone -i none"

// startups is how many starts one round of the suite has: a start takes
// milliseconds, so it needs more of them.
const startups = 20

// The parts of the suite, each of which can be run apart.
const (
	partZones   = "zones"
	partResolve = "resolve"
	partWatch   = "watch"
	partPrimary = "primary"
)

var parts = []string{partZones, partResolve, partWatch, partPrimary}

// settings say what the suite measures.
type settings struct {
	program  string // aliasflat
	part     string // empty for all
	rounds   int
	records  int  // of the main zone
	targets  int  // at most
	long     bool // the slow figures too
	ttl      int  // of what the daemon watches, in seconds; 0: as the figures want it
	powerDNS bool
}

// A bench is the suite at work in one folder.
type bench struct {
	out     io.Writer
	program string // absolute
	rounds  int
	dir     string
	world   string
	changed string
	linear  []point
}

// A point is the cost of compile at one size.
type point struct {
	what    string
	records int
	size    int64
	usage
}

// A zone is one input of the suite: with ALIAS records, and without for the
// tools that refuse them.
type zone struct {
	what          string
	origin        string
	source, plain string
	records       int
	size          int64
}

// suite runs the parts that are asked for. All of them run even if a command
// fails; the error then names every failure.
func suite(ctx context.Context, out io.Writer, s settings) error {
	program, err := filepath.Abs(s.program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(memoryDir(), "aliasflat-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{
		out: out, program: program, rounds: s.rounds, dir: dir,
		world: filepath.Join(dir, "world.zone"), changed: filepath.Join(dir, "changed.zone"),
	}
	var failed error
	if s.part == "" || s.part == partZones {
		failed = b.zones(ctx, s.records)
	}
	if (s.part == "" || s.part == partResolve) && ctx.Err() == nil {
		failed = errors.Join(failed, b.resolve(ctx, s))
	}
	if (s.part == "" || s.part == partWatch) && ctx.Err() == nil {
		failed = errors.Join(failed, b.watch(ctx, s))
	}
	if (s.part == "" || s.part == partPrimary) && ctx.Err() == nil {
		failed = errors.Join(failed, b.primary(ctx, s))
	}
	return errors.Join(failed, ctx.Err())
}

// zones generates the zones and prints a table for each.
func (b *bench) zones(ctx context.Context, records int) error {
	aliases := max(1, records/1000)
	err := errors.Join(
		generate(b.world, func(w io.Writer) error { return zonegen.World(w, aliases) }),
		generate(b.changed, func(w io.Writer) error { return zonegen.ChangedWorld(w, aliases) }))
	if err != nil {
		return err
	}
	failed := b.startup(ctx)
	for _, n := range []int{records / 100, records / 10, records} {
		z, err := b.realistic(n)
		if err != nil {
			return errors.Join(failed, err)
		}
		if n == records {
			failed = errors.Join(failed, b.compare(ctx, z))
		} else {
			failed = errors.Join(failed, b.alone(ctx, z))
		}
	}
	z, err := b.delegations(3 * records)
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, b.compare(ctx, z), b.linearity())
}

// memoryDir is a folder in memory where there is one, so that no disk is
// measured.
func memoryDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func generate(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

func (b *bench) realistic(records int) (zone, error) {
	aliases := max(1, records/1000)
	z := zone{
		origin: "example.com", records: records,
		what:   fmt.Sprintf("%d records, %d of them ALIAS", records, aliases),
		source: filepath.Join(b.dir, "source.zone"), plain: filepath.Join(b.dir, "plain.zone"),
	}
	err := errors.Join(
		generate(z.source, func(w io.Writer) error { return zonegen.Realistic(w, records, aliases) }),
		generate(z.plain, func(w io.Writer) error { return zonegen.Plain(w, records, aliases) }))
	if err != nil {
		return z, err
	}
	info, err := os.Stat(z.source)
	if err != nil {
		return z, err
	}
	z.size = info.Size()
	return z, nil
}

func (b *bench) delegations(records int) (zone, error) {
	source := filepath.Join(b.dir, "delegations.zone")
	z := zone{
		origin: "test", records: records, source: source, plain: source,
		what: fmt.Sprintf("%d records, delegations only", records),
	}
	if err := generate(source, func(w io.Writer) error { return zonegen.Delegations(w, records) }); err != nil {
		return z, err
	}
	info, err := os.Stat(source)
	if err != nil {
		return z, err
	}
	z.size = info.Size()
	return z, nil
}

// aliasflat is one run of the program, in a folder without a configuration.
func (b *bench) aliasflat(name string, args ...string) command {
	return command{
		name: name, dir: b.dir, args: append([]string{b.program}, args...),
		stdout: filepath.Join(b.dir, "stdout"),
	}
}

func (b *bench) compile(z zone) command {
	return b.aliasflat("aliasflat compile", "compile", "--resolver", "file:"+b.world, "--origin", z.origin, z.source)
}

// rewrite compiles over the output of a run in which some targets had other
// addresses. That output is made once and put in place before each turn.
func (b *bench) rewrite(ctx context.Context, z zone) command {
	previous, output := filepath.Join(b.dir, z.origin+".previous"), filepath.Join(b.dir, z.origin+".output")
	arguments := func(world, file string) []string {
		return []string{"compile", "--resolver", "file:" + world, "--origin", z.origin, "-o", file, z.source}
	}
	c := b.aliasflat("aliasflat compile -o", arguments(b.world, output)...)
	made := false
	c.prepare = func() error {
		if !made {
			first := b.aliasflat("", arguments(b.changed, previous)...)
			if _, err := first.once(ctx); err != nil {
				return fmt.Errorf("the previous output: %w", err)
			}
			made = true
		}
		return copyFile(output, previous)
	}
	return c
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return generate(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// compare measures aliasflat beside the other tools.
func (b *bench) compare(ctx context.Context, z zone) error {
	printed := filepath.Join(b.dir, "stdout")
	commands := []command{
		b.compile(z),
		b.rewrite(ctx, z),
		b.aliasflat("aliasflat check", "check", "--origin", z.origin, z.source),
		{name: compilezone, args: []string{"named-compilezone", "-i", "none", "-o", printed, z.origin, z.plain}},
		{name: "nsd-checkzone", args: []string{"nsd-checkzone", z.origin, z.plain}},
		{name: "kzonecheck", args: []string{"kzonecheck", "-o", z.origin, z.plain}},
		{name: "ldns-read-zone", args: []string{"ldns-read-zone", z.plain}, stdout: printed},
		{name: "cp", args: []string{"cp", z.plain, printed}},
	}
	return b.part(ctx, z, commands, compilezone)
}

// alone measures compile for the line of costs.
func (b *bench) alone(ctx context.Context, z zone) error {
	return b.part(ctx, z, []command{b.compile(z)}, "aliasflat compile")
}

func (b *bench) part(ctx context.Context, z zone, commands []command, base string) error {
	results, err := measure(ctx, commands, b.rounds)
	if results == nil {
		return err
	}
	if results[0].err == nil {
		b.linear = append(b.linear, point{z.what, z.records, z.size, results[0].usage})
	}
	heading := fmt.Sprintf("\n%s, %.1f MB, %d rounds", z.what, float64(z.size)/1e6, b.rounds)
	return errors.Join(err, table(b.out, heading, results, base, z.size))
}

// startup measures the time to start.
func (b *bench) startup(ctx context.Context) error {
	rounds := b.rounds * startups
	results, err := measure(ctx, []command{
		b.aliasflat("aliasflat version", "version"),
		{name: "named-checkzone -v", args: []string{"named-checkzone", "-v"}},
	}, rounds)
	if results == nil {
		return err
	}
	return errors.Join(err, table(b.out, fmt.Sprintf("Start-up, %d rounds", rounds), results, "named-checkzone -v", 0))
}

// linearity shows what compile costs for each record and each byte at every
// size.
func (b *bench) linearity() error {
	if _, err := fmt.Fprint(b.out, "\naliasflat compile by size\n\n"); err != nil {
		return err
	}
	for _, p := range b.linear {
		each := p.wall / time.Duration(max(1, p.records))
		_, err := fmt.Fprintf(b.out, "%8.4f s  %6d ns/record  %6.2f ns/byte  %7.1f MiB   %s\n",
			p.wall.Seconds(), each.Nanoseconds(), float64(p.wall)/float64(max(1, p.size)), float64(p.memory)/(1<<20), p.what)
		if err != nil {
			return err
		}
	}
	return nil
}
