package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// Hints name commands without the flags of the run, which are nothing that who gives a hint
// could know. Here they are completed, so that a command can be pasted into a shell.

// named are the commands that hints name, with what stands behind them there, and whether they
// take sources.
var named = []struct {
	command string
	sources bool
}{
	{"accept", false},
	{"resolve --trace", false},
	{"serial plan", true},
	{"compile --update-lock", true},
	{"compile --reload", true},
	{"compile --adopt", true},
	{"diff", true},
}

// notAgain are flags that were meant for one run, or for how it looks.
var notAgain = []string{
	"report", "format", "quiet", "verbose", "no-color", "fail-on", "check", "exit-code", "wait", "plan",
	"update-lock", "locked", "reload", "force", "adopt", "serial", "from", "to", "zone",
}

// hints completes the commands in the hints of a job; of the whole run where that is nil.
func (c *compileCommand) hints(j *job, list diag.List) {
	for _, d := range list {
		for _, n := range named {
			before, after, found := strings.Cut(d.Hint, "aliasflat "+n.command)
			if !found || after != "" && after[0] != ' ' {
				continue
			}
			args := c.flagsOf(strings.Fields(n.command))
			if n.sources {
				args += c.sourceOf(j)
			}
			d.Hint = before + "aliasflat " + n.command + args + after
		}
	}
}

// hintsOf completes the commands in all hints of a report that has a zone for each job.
func (c *compileCommand) hintsOf(r *report, jobs []*job) {
	c.hints(nil, r.Diagnostics)
	for i, j := range jobs {
		c.hints(j, r.Zones[i].Diagnostics)
	}
}

// flagsOf gives the flags of the run that a command has too, each behind a blank.
func (c *compileCommand) flagsOf(command []string) string {
	other, _, err := newRootCommand(&app{}, nil).Find(command)
	if err != nil {
		return ""
	}
	var b strings.Builder
	c.cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(notAgain, f.Name) || other.Flag(f.Name) == nil {
			return
		}
		b.WriteString(" " + flagWord(f))
	})
	return b.String()
}

// flagWord is a flag with its value as it is written for a shell.
func flagWord(f *pflag.Flag) string {
	word := "--" + f.Name
	if f.Shorthand != "" {
		word = "-" + f.Shorthand
	}
	value := f.Value.String()
	switch f.Value.Type() {
	case "bool":
		return word
	case "stringSlice":
		value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
	}
	return word + " " + shellWord(value)
}

// sourceOf names the source of a job as the run did, behind a blank; all of them where the job
// is nil.
func (c *compileCommand) sourceOf(j *job) string {
	var words []string
	switch {
	case j == nil:
		for _, name := range c.zones {
			words = append(words, "--zone "+shellWord(name))
		}
		for _, arg := range c.cmd.Flags().Args() {
			words = append(words, fileWord(arg))
		}
	case j.picked != "":
		words = append(words, "--zone "+shellWord(j.picked))
	default:
		words = append(words, fileWord(j.argument()))
	}
	if len(words) == 0 {
		return ""
	}
	return " " + strings.Join(words, " ")
}

// fileWord is a path as a shell takes it, and the command after it, which would take one that
// begins with - for a flag.
func fileWord(path string) string {
	if len(path) > 1 && path[0] == '-' {
		path = "./" + path
	}
	return shellWord(path)
}

// shellWord is a word as a shell takes it for itself.
func shellWord(s string) string {
	plain := s != ""
	for _, c := range []byte(s) {
		plain = plain && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_./:,+%@=", c) >= 0)
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
