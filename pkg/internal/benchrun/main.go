// Command benchrun measures programs side by side: in turn, round after round,
// so that a change of the machine's speed touches all of them alike. It prints
// medians, and the ratio of each to a base.
//
//	benchrun -aliasflat bin/aliasflat                  the suite of "make bench"
//	benchrun -aliasflat bin/aliasflat -part resolve    a part of it
//	benchrun -base a 'a=cp x y' 'b=cat x'              any commands, split at blanks
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "benchrun:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("benchrun", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var (
		rounds    = flags.Int("rounds", 3, "measured rounds, after one that is not counted")
		base      = flags.String("base", "", "name of the command that the others are compared with; the first if empty")
		records   = flags.Int("records", 1_000_000, "size of the suite's main zone; the others are 1/100, 1/10 and 3 times that")
		targets   = flags.Int("targets", 100_000, "targets that the suite asks for at most; the other zones have 1/100 and 1/10 of that")
		aliasflat = flags.String("aliasflat", "", "the aliasflat program: run the suite")
		part      = flags.String("part", "", "the part of the suite to run, zones, resolve, watch or primary; all if empty")
		long      = flags.Bool("long", false, "wait for the slow figures too: PowerDNS with 1/10 of the targets, the daemon with all of them")
		ttl       = flags.Int("ttl", 0, "TTL in seconds of what the daemon watches while nothing changes; 0: 20, with -long 300")
		powerDNS  = flags.Bool("powerdns", true, "measure PowerDNS in the parts resolve and primary")
		ask       = flags.String("engine", "", "ask the resolver at this URL for all targets and print the cost, as the suite has it done")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case *rounds < 1:
		return errors.New("-rounds is at least 1")
	case *aliasflat != "" && flags.NArg() > 0:
		return errors.New("the suite takes no commands")
	case *targets < 1:
		return errors.New("-targets is at least 1")
	case *part != "" && !slices.Contains(parts, *part):
		return fmt.Errorf("-part %s is none of %s", *part, strings.Join(parts, ", "))
	case *ask != "":
		return engine(ctx, stdout, *ask, *targets)
	case *aliasflat != "":
		return suite(ctx, stdout, settings{
			program: *aliasflat, part: *part, rounds: *rounds, records: *records,
			targets: *targets, long: *long, ttl: *ttl, powerDNS: *powerDNS,
		})
	case flags.NArg() == 0:
		return errors.New("no commands: give name=command arguments, or -aliasflat")
	}
	var commands []command
	for _, arg := range flags.Args() {
		name, line, found := strings.Cut(arg, "=")
		words := strings.Fields(line)
		if !found || len(words) == 0 {
			return fmt.Errorf("%q is not name=command", arg)
		}
		commands = append(commands, command{name: name, args: words})
	}
	if *base == "" {
		*base = commands[0].name
	}
	results, err := measure(ctx, commands, *rounds)
	return errors.Join(err, table(stdout, "", results, *base, 0))
}
