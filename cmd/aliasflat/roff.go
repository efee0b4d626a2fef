package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The manual pages are written here, in the macros of man(7), since the
// generator that comes with cobra goes by way of Markdown: its parser would be
// started in every run, and it takes characters of the text for its own.

// writeManPage writes the page of one command from what --help knows of it.
func writeManPage(w *bytes.Buffer, cmd *cobra.Command, date time.Time) {
	cmd.InitDefaultHelpFlag()
	name := manName(cmd)
	fmt.Fprintf(w, ".TH %s 1 %s aliasflat %s\n", roffWord(strings.ToUpper(name)),
		roffWord(date.Format(time.DateOnly)), roffWord("aliasflat manual"))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roffText(name), roffText(cmd.Short))
	// Lines as they are written, without hyphens that nobody could copy.
	fmt.Fprintf(w, ".SH SYNOPSIS\n.nh\n.B %s\n", roffText(cmd.UseLine()))
	description := cmd.Long
	if description == "" {
		description = cmd.Short + "."
	}
	fmt.Fprintf(w, ".SH DESCRIPTION\n%s", roffParagraphs(description))
	writeManFlags(w, "OPTIONS", cmd.NonInheritedFlags())
	writeManFlags(w, "SHARED OPTIONS", cmd.InheritedFlags())
	if cmd.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffText(cmd.Example))
	}
	var others []string
	if cmd.HasParent() {
		others = append(others, manReference(cmd.Parent()))
	}
	for _, c := range manChildren(cmd) {
		others = append(others, manReference(c))
	}
	if len(others) > 0 {
		fmt.Fprintf(w, ".SH SEE ALSO\n%s\n", strings.Join(others, ",\n"))
	}
}

// writeManFlags lists the flags as --help does, with the word that stands for
// the value set apart.
func writeManFlags(w *bytes.Buffer, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", roffWord(title))
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		head := `\fB` + roffText("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			head = `\fB` + roffText("-"+f.Shorthand) + `\fR, ` + head
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" && f.NoOptDefVal == "" {
			head += ` \fI` + roffText(value) + `\fR`
		}
		fmt.Fprintf(w, ".TP\n%s\n%s\n", head, roffText(usage))
	})
}

// manChildren are the commands below that have pages of their own.
func manChildren(cmd *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			list = append(list, c)
		}
	}
	return list
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func manReference(cmd *cobra.Command) string { return `\fB` + roffText(manName(cmd)) + `\fR(1)` }

// roffWord is one argument of a macro.
func roffWord(s string) string { return `"` + strings.ReplaceAll(roffText(s), `"`, `\(dq`) + `"` }

// roffText makes characters stand for themselves: the backslash; the hyphen,
// quotes and others that would turn into typographic ones, which no shell
// takes; and a dot that begins a line, which would be a request.
func roffText(s string) string {
	s = roffEscapes.Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

var roffEscapes = strings.NewReplacer(`\`, `\(rs`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`)

// roffParagraphs sets text with empty lines between its paragraphs. Lines that
// are indented stay as they are.
func roffParagraphs(s string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		text := roffText(paragraph)
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			text = ".nf\n" + text + "\n.fi"
		}
		b.WriteString(text + "\n")
	}
	return b.String()
}
