package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
)

// defaultWait is how long a run waits for others that write the same outputs.
const defaultWait = 10 * time.Second

// stands says what is where a result of a job is not written.
func (j *job) stands() string {
	if _, err := os.Lstat(j.output); j.output == "-" || errors.Is(err, fs.ErrNotExist) {
		return "nothing was written"
	}
	return "the old output stands"
}

// waitTime reads --wait.
func (c *compileCommand) waitTime() (time.Duration, error) {
	if c.wait == "" {
		return defaultWait, nil
	}
	wait, err := config.ParseDuration(c.wait)
	if err != nil {
		return 0, flagValueError("--wait", err)
	}
	return wait, nil
}

// lock takes the locks of all outputs before what was published is read, so
// that nothing changes between that and the writing. All runs take them in one
// order, so no two of them wait for each other. An output whose lock another
// run has, or that cannot be locked, is a problem of its zone alone. What dead
// runs have left beside the outputs is cleaned.
func (c *compileCommand) lock(ctx context.Context, jobs []*job, wait time.Duration) (release func(), err error) {
	var locks []*publish.Lock
	release = func() {
		for _, l := range locks {
			_ = l.Release() // a lock file that stays is no lock once this process has ended
		}
	}
	if c.previews() {
		return release, nil
	}
	deadline := time.Now().Add(wait)
	folders := map[string][]*job{}
	for _, j := range lockOrder(jobs) {
		l, err := publish.TakeLock(ctx, j.output, time.Until(deadline))
		switch {
		case ctx.Err() != nil:
			release()
			return nil, ctx.Err()
		case err != nil:
			j.unlocked(err)
			continue
		}
		locks = append(locks, l)
		j.lock = l
		dir := filepath.Dir(realPath(j.output))
		folders[dir] = append(folders[dir], j)
	}
	for _, among := range folders {
		cleanUp(among)
	}
	return release, nil
}

// lockOrder gives the jobs that write files in the order of the files.
func lockOrder(jobs []*job) []*job {
	places := map[*job]string{}
	var files []*job
	for _, j := range jobs {
		if j.output != "-" {
			places[j] = realPath(j.output)
			files = append(files, j)
		}
	}
	slices.SortFunc(files, func(a, b *job) int { return cmp.Compare(places[a], places[b]) })
	return files
}

// cleanUp removes what dead runs have left beside the outputs of one folder.
func cleanUp(jobs []*job) {
	var locks []*publish.Lock
	for _, j := range jobs {
		locks = append(locks, j.lock)
	}
	if err := publish.Clean(locks...); err != nil {
		for _, j := range jobs {
			j.stopped(diag.CodeUnwritable, fmt.Errorf("clean up after an earlier run: %w", err), j.stands())
		}
	}
}

// unlocked says why the output of a job could not be locked.
func (j *job) unlocked(err error) {
	held, ok := errors.AsType[*publish.LockedError](err)
	if !ok {
		j.stopped(diag.CodeUnwritable, err, j.stands())
		return
	}
	message := "another run is at work on this file"
	if held.PID != 0 {
		message += fmt.Sprintf(": process %d", held.PID)
	}
	j.problems = append(j.problems, &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeLocked, Err: err,
		Span: diag.Span{Pos: diag.Pos{File: j.output}}, Message: message,
		Hint: j.stands() + "; --wait says how long to wait for the other run",
	})
	j.outcome |= outcomeLocked
}

// keepOld keeps what is to be replaced among the earlier generations of the
// output. An output that nobody could read as a zone is none.
func (j *job) keepOld() error {
	if j.source.Published == nil {
		return nil
	}
	return j.earlier.Add(j.output, j.source.Published.Serial)
}
