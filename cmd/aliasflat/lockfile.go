package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
)

// lockFileFlags are the flags about lock files, which are reviewed and kept with the sources.
type lockFileFlags struct {
	lockFile string
	locked   bool
	update   bool
}

func (f *lockFileFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.lockFile, "lock", "", "publish only what the lock `FILE` lists; what the resolvers say must be the same")
	flags.BoolVar(&f.locked, "locked", false, "ask no resolver: take the addresses of all targets from the lock file (default: the source's name and .lock)")
}

// locks settles which lock file each job has; most have none.
func (f *lockFileFlags) locks(jobs []*job) error {
	switch {
	case f.locked && f.update:
		return usageError{message: "--locked does not go with --update-lock", hint: "--update-lock asks the resolvers, --locked asks nobody"}
	case f.lockFile != "" && len(jobs) > 1:
		return usageError{message: fmt.Sprintf("--lock names one file for %d sources", len(jobs)), hint: "the key lock of a zone in the configuration gives each its own"}
	}
	for _, j := range jobs {
		j.lockFile = j.lockPath()
		override(&j.lockFile, f.lockFile)
		if j.lockFile == "" && (f.locked || f.update) {
			if j.path == "-" {
				return usageError{message: "standard input has no name for a lock file", hint: "name it with --lock FILE"}
			}
			if j.pull != nil {
				return usageError{message: j.path + " is no file beside which a lock file could be", hint: "name it with --lock FILE"}
			}
			j.lockFile = j.path + ".lock"
		}
	}
	return nil
}

// readLocks reads the lock files. One that is not there is a problem unless it is to be made.
func (f *lockFileFlags) readLocks(jobs []*job) {
	for _, j := range jobs {
		if j.lockFile == "" || len(j.problems) > 0 {
			continue
		}
		text, err := os.ReadFile(j.lockFile)
		if errors.Is(err, fs.ErrNotExist) && f.update {
			continue
		}
		if err != nil {
			j.outcome |= outcomeSource
			j.problems = append(j.problems, problemNoLock(j, err))
			continue
		}
		lock, wrong := state.ReadLock(j.lockFile, text)
		if len(wrong) > 0 {
			if f.update {
				continue // it is written anew
			}
			j.outcome |= outcomeSource
			for _, e := range wrong {
				j.problems = append(j.problems, problemLockLine(j, e))
			}
			continue
		}
		j.reviewed = lock
	}
}

// lookuper is what is asked with --locked: the lock files of all jobs together. A target that
// two of them list in different ways is a problem of the later job.
func (f *lockFileFlags) lookuper(jobs []*job) resolve.Lookuper {
	all := state.NewLock("")
	for _, j := range jobs {
		if j.reviewed == nil {
			continue
		}
		if all.Name == "" {
			all.Name = j.lockFile
		}
		for q := range j.reviewed.Questions() {
			if all.Has(q) && !all.Same(j.reviewed, q) {
				j.outcome |= outcomeSource
				j.problems = append(j.problems, problemLocksDiffer(j, q, all.Name))
				break
			}
			all.Keep(j.reviewed, q)
		}
	}
	return all
}

// reviewing has a run keep its answers for the lock files, and take the TTLs that these list for
// the original ones: a cache counts them down, which is no difference.
func (f *lockFileFlags) reviewing(jobs []*job, options *compile.Options) {
	for _, j := range jobs {
		options.Answers = options.Answers || j.lockFile != "" && !f.locked
		if j.reviewed == nil {
			continue
		}
		if options.Estimates == nil {
			options.Estimates = resolve.Estimates{}
		}
		j.reviewed.Observe(options.Estimates, options.Now)
	}
}

// hold compares what a zone would publish with its lock file, and tells whether they differ.
// With --update-lock the file is to be written anew, which is kept for later.
func (f *lockFileFlags) hold(j *job, r *compile.Result, z *ZoneReport) bool {
	if j.lockFile == "" || f.locked || r.Answers == nil {
		return false
	}
	old := j.reviewed
	if old == nil {
		old = state.NewLock(j.lockFile)
	}
	lock := state.NewLock(j.lockFile)
	for q, a := range r.Answers {
		if !lock.Add(q, a) {
			lock.Keep(old, q)
		}
	}
	if f.update {
		j.newLock = lock.Append(nil)
		return false
	}
	lines := old.Diff(lock)
	if len(lines) == 0 {
		return false
	}
	z.Diagnostics = append(z.Diagnostics, problemLockDiffers(j, lines))
	return true
}

// writeLock writes the lock file of a zone that is written.
func (c *compileCommand) writeLock(j *job, z *ZoneReport) outcome {
	if j.newLock == nil || z.NewSerial == nil {
		return 0
	}
	if c.check {
		old, err := os.ReadFile(j.lockFile)
		if err != nil || string(old) != string(j.newLock) {
			z.Changed = true
			return outcomeChanges
		}
		return 0
	}
	err := os.MkdirAll(filepath.Dir(j.lockFile), 0o755)
	if err == nil {
		_, err = publish.WriteBytes(j.lockFile, j.newLock)
	}
	if err != nil {
		z.Diagnostics = append(z.Diagnostics, &diag.Diagnostic{
			Severity: diag.Error, Code: diag.CodeUnwritable, Err: err, Message: err.Error(), Hint: "the output is written, the lock file is not",
		})
		return outcomeWorld
	}
	return 0
}

// updateHint names the command that writes a lock file; flags and source are added to it.
const updateHint = "aliasflat compile --update-lock"

func problemNoLock(j *job, err error) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeUnreadable, Err: err, Span: place(j.lockFile),
		Message: plainError(err), Hint: updateHint + " writes it",
	}
}

func problemLockLine(j *job, e *state.LineError) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeLockSyntax, Err: e, Message: e.Message,
		Span: diag.Span{Pos: diag.Pos{File: j.lockFile, Line: e.Line, Column: max(e.Column, 1)}},
		Hint: updateHint + " writes it anew",
	}
}

func problemLocksDiffer(j *job, q resolve.Question, other string) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeLockDiffers, Span: place(j.lockFile),
		Message: fmt.Sprintf("target %s is listed in another way than in %s", q.Target, other),
		Hint:    "write both anew in one run with --update-lock, or compile the zones apart",
	}
}

// maxLockLines is how many lines of a difference are shown.
const maxLockLines = 40

func problemLockDiffers(j *job, lines []string) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeLockDiffers, Span: place(j.lockFile),
		Message: "the targets have other addresses than the lock file lists; nothing is written",
		Hint:    "to take them over: " + updateHint,
	}
	for i, line := range lines {
		if i == maxLockLines {
			d.Related = append(d.Related, diag.Note{Message: fmt.Sprintf("and %d more lines", len(lines)-i)})
			break
		}
		d.Related = append(d.Related, diag.Note{Message: line})
	}
	return d
}
