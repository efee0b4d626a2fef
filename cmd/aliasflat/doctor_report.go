package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/publish"
)

// doctorSchema names the form of the JSON that doctor prints.
const doctorSchema = "aliasflat/doctor/v1"

// printChecks prints to standard output, and to the file of --report, as text
// to the one then.
func (c *doctorCommand) printChecks(list []checked, o outcome) error {
	format := c.format
	if c.reportFile != "" {
		f, err := os.Create(c.reportFile)
		if err != nil {
			return err
		}
		err = renderChecks(f, list, o, format, look{quiet: c.quiet})
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		format = "text"
	}
	return renderChecks(c.stdout, list, o, format, c.look(c.stdout))
}

func renderChecks(w io.Writer, list []checked, o outcome, format string, l look) error {
	if format == "json" {
		return renderChecksJSON(w, list, o)
	}
	var b strings.Builder
	p := newPaint(l.color)
	count := map[publish.Level]int{}
	for i := range list {
		f := &list[i].Finding
		count[f.Level]++
		if l.quiet && f.Level != publish.Red {
			continue
		}
		word := map[publish.Level]string{
			publish.Green:  p.come.Sprint("ok") + "  ",
			publish.Yellow: p.warning.Sprint("warn"),
			publish.Red:    p.err.Sprint("FAIL"),
		}[f.Level]
		b.WriteString(word + " " + visible(f.Subject) + ": " + visible(f.Message) + "\n")
		if f.Hint != "" {
			b.WriteString("     " + p.hint.Sprint("hint:") + " " + visible(f.Hint) + "\n")
		}
	}
	if !l.quiet {
		parts := []string{counted(count[publish.Green], "check") + " ok"}
		if n := count[publish.Yellow]; n > 0 {
			parts = append(parts, plural(n, "warning"))
		}
		if n := count[publish.Red]; n > 0 {
			parts = append(parts, plural(n, "error"))
		}
		b.WriteString(strings.Join(parts, ", ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type jsonChecks struct {
	Schema  string      `json:"schema"`
	Version string      `json:"version"`
	Checks  []jsonCheck `json:"checks"`
	Exit    int         `json:"exit"`
}

type jsonCheck struct {
	Level   string `json:"level"` // ok, warning or error
	Subject string `json:"subject"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func renderChecksJSON(w io.Writer, list []checked, o outcome) error {
	out := jsonChecks{Schema: doctorSchema, Version: readVersion().Version, Checks: []jsonCheck{}, Exit: o.status()}
	for i := range list {
		f := &list[i].Finding
		out.Checks = append(out.Checks, jsonCheck{Level: f.Level.String(), Subject: f.Subject, Message: f.Message, Hint: f.Hint})
	}
	return writeJSON(w, out)
}
