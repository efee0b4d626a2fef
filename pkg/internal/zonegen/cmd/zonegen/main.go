// Command zonegen writes a generated zone, and the answers for its ALIAS
// targets, to files.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "zonegen:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("zonegen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var (
		kind    = flags.String("kind", "realistic", "realistic, plain (A in place of ALIAS), delegations, world, changed-world, aliases (ALIAS alone) or targets (their zone)")
		records = flags.Int("records", 1_000_000, "number of records")
		aliases = flags.Int("aliases", 1000, "number of ALIAS records among them")
		output  = flags.String("o", "", "file to write; standard output if empty")
		world   = flags.String("world", "", "file for the answers of the targets; none if empty")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	kinds := map[string]func(io.Writer) error{
		"realistic":     func(w io.Writer) error { return zonegen.Realistic(w, *records, *aliases) },
		"plain":         func(w io.Writer) error { return zonegen.Plain(w, *records, *aliases) },
		"delegations":   func(w io.Writer) error { return zonegen.Delegations(w, *records) },
		"world":         func(w io.Writer) error { return zonegen.World(w, *aliases) },
		"changed-world": func(w io.Writer) error { return zonegen.ChangedWorld(w, *aliases) },
		"aliases":       func(w io.Writer) error { return zonegen.Aliases(w, *aliases) },
		"targets":       func(w io.Writer) error { return zonegen.Targets(w, *aliases) },
	}
	write := kinds[*kind]
	switch {
	case write == nil:
		return fmt.Errorf("-kind %s is none of realistic, plain, delegations, world, changed-world, aliases, targets", *kind)
	case *records < 0 || *aliases < 0:
		return errors.New("-records and -aliases count from 0")
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *output == "" {
		if err := write(stdout); err != nil {
			return err
		}
	} else if err := toFile(*output, write); err != nil {
		return err
	}
	if *world == "" {
		return nil
	}
	return toFile(*world, kinds["world"])
}

func toFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
