package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// A command is one program to measure.
type command struct {
	name    string
	args    []string
	dir     string       // folder to run in; empty for this one
	stdout  string       // file for standard output; empty to drop it
	prepare func() error // runs before each turn, unmeasured; may be nil

	// report looks at what came out of each turn, unmeasured, and may put the
	// program's own word in place of what was measured; may be nil.
	report func(*usage) error
	limit  time.Duration // ends a run that hangs; 0 means runLimit
}

// runLimit is far beyond what the slowest command takes.
const runLimit = 10 * time.Minute

// usage is what one run cost.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // largest resident set in bytes
	lost      int64 // questions without an answer
	again     int64 // answers that took more than one attempt; below 0 if unknown
	arrived   int64 // datagrams that came to sockets of the machine meanwhile; 0 if unknown
}

// A result holds the medians of one command, or why there are none.
type result struct {
	name string
	usage
	err error
}

// measure runs the commands round after round, one that is not counted and then the given
// number, and gives their medians in the order of the commands. A command that fails is not
// run again; the others go on.
//
// Each round has an order of its own, the same in each call: what runs behind a program that
// gives much memory back finds it in small pieces, and is slower for that.
func measure(ctx context.Context, commands []command, rounds int) ([]result, error) {
	results := make([]result, len(commands))
	usages := make([][]usage, len(commands))
	order := rand.New(rand.NewPCG(1, uint64(len(commands))))
	for round := range rounds + 1 {
		for _, i := range order.Perm(len(commands)) {
			c := commands[i]
			results[i].name = c.name
			if results[i].err != nil {
				continue
			}
			u, err := c.once(ctx)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				results[i].err = fmt.Errorf("%s: %w", c.name, err)
				continue
			}
			if round > 0 {
				usages[i] = append(usages[i], u)
			}
		}
	}
	var failed error
	for i := range results {
		if results[i].err != nil {
			failed = errors.Join(failed, results[i].err)
			continue
		}
		results[i].usage = usage{
			wall:    median(usages[i], func(u usage) time.Duration { return u.wall }),
			cpu:     median(usages[i], func(u usage) time.Duration { return u.cpu }),
			memory:  median(usages[i], func(u usage) int64 { return u.memory }),
			again:   median(usages[i], func(u usage) int64 { return u.again }),
			arrived: median(usages[i], func(u usage) int64 { return u.arrived }),
		}
		// What is lost once must not be lost in a median.
		for _, u := range usages[i] {
			results[i].lost = max(results[i].lost, u.lost)
		}
	}
	return results, failed
}

// once runs a command and measures it. The memory that the kernel tells of is
// at least that of this process, which the child shares until it becomes the
// program; so this process stays small.
func (c *command) once(ctx context.Context) (usage, error) {
	if c.prepare != nil {
		if err := c.prepare(); err != nil {
			return usage{}, err
		}
	}
	limit := cmp.Or(c.limit, runLimit)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, sbin(c.args[0]), c.args[1:]...)
	cmd.Dir = c.dir
	var said bytes.Buffer
	cmd.Stderr = &said
	if c.stdout != "" {
		out, err := os.Create(c.stdout)
		if err != nil {
			return usage{}, err
		}
		defer func() { _ = out.Close() }() // a program notices itself when its output cannot be written
		cmd.Stdout = out
	}
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if limited.Err() != nil && ctx.Err() == nil {
		return usage{}, fmt.Errorf("not done within %s", limit)
	}
	if err != nil {
		line, _, _ := bytes.Cut(bytes.TrimSpace(said.Bytes()), []byte("\n"))
		if len(line) > 0 {
			err = fmt.Errorf("%w: %s", err, line)
		}
		return usage{}, err
	}
	u := usage{
		wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: maxMemory(cmd.ProcessState),
		again: -1,
	}
	if c.report != nil {
		err = c.report(&u)
	}
	return u, err
}

// sbin gives the path of a program, which may stand in a folder that the path
// of a plain user leaves out.
func sbin(program string) string {
	if _, err := exec.LookPath(program); err == nil {
		return program
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	return program
}

// median is the middle one, or the lower of two.
func median[T cmp.Ordered](usages []usage, field func(usage) T) T {
	values := make([]T, len(usages))
	for i, u := range usages {
		values[i] = field(u)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// table prints a heading and the results beside the base. With a size in bytes, memory is also
// given as a multiple of it.
func table(w io.Writer, heading string, results []result, base string, size int64) error {
	var against time.Duration
	for _, r := range results {
		if r.name == base {
			against = r.wall
		}
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if heading != "" {
		fmt.Fprintf(out, "%s\n\n", heading)
	}
	fmt.Fprintf(out, "wall s\tx %s\tCPU s\tMiB\t", base)
	if size > 0 {
		fmt.Fprint(out, "x file\t")
	}
	fmt.Fprintln(out, "  command")
	for _, r := range results {
		if r.err != nil {
			fmt.Fprint(out, "-\t-\t-\t-\t")
			if size > 0 {
				fmt.Fprint(out, "-\t")
			}
			fmt.Fprintf(out, "  %v\n", r.err)
			continue
		}
		ratio := "-"
		if against > 0 {
			ratio = fmt.Sprintf("%.3f", float64(r.wall)/float64(against))
		}
		fmt.Fprintf(out, "%.4f\t%s\t%.4f\t%.1f\t", r.wall.Seconds(), ratio, r.cpu.Seconds(), float64(r.memory)/(1<<20))
		if size > 0 {
			fmt.Fprintf(out, "%.2f\t", float64(r.memory)/float64(size))
		}
		fmt.Fprintf(out, "  %s\n", r.name)
	}
	return out.Flush()
}
