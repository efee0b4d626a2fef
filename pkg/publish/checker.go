package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// checkerTime is how long one external checker may take.
const checkerTime = 5 * time.Minute

// maxSaid is how much of a checker's output goes into an error.
const maxSaid = 4096

// ErrRefused says that an external checker refuses what was written.
var ErrRefused = errors.New("refused by its checker")

// ErrReplaced says that an external checker put another file in place of the one
// that it was to judge.
var ErrReplaced = errors.New("a checker put another file in its place")

// Check runs external checkers on a written file, one after the other. Each is
// an argument list in which {zone} and {file} are replaced; there is no shell.
// The first that does not exit with 0 ends it, with what it said. One that puts
// another file in place of this one is an error too: what is read again through the
// old one would not be what is published.
func Check(ctx context.Context, checkers [][]string, zone, file string) error {
	if len(checkers) == 0 {
		return nil
	}
	written, err := os.Lstat(file)
	if err != nil {
		return err
	}
	for _, args := range checkers {
		if len(args) == 0 {
			continue
		}
		replaced := make([]string, len(args))
		for i, a := range args {
			replaced[i] = strings.NewReplacer("{zone}", zone, "{file}", file).Replace(a)
		}
		if err := checkOne(ctx, replaced); err != nil {
			return err
		}
	}
	judged, err := os.Lstat(file)
	if err != nil {
		return err
	}
	if !os.SameFile(written, judged) {
		return ErrReplaced
	}
	return nil
}

func checkOne(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, checkerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	err = fmt.Errorf("%w: %s: %w", ErrRefused, strings.Join(args, " "), err)
	if said := strings.TrimSpace(string(out[:min(len(out), maxSaid)])); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return err
}
