package status

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The text form of metrics, version 0.0.4 as Prometheus documents it. It is written here and
// not by the client library of Prometheus: linking that makes every run of the program begin
// some milliseconds later, with what its parts for Protocol Buffers and /proc set up, and all
// that is left to do for counters that others keep is this page. The tests hold what is
// written against the parser and the linter of that library.

const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// kind is the type of a metric.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// exposition collects metrics. All samples of a metric follow each other.
type exposition struct{ bytes.Buffer }

// metric begins a metric.
func (e *exposition) metric(name string, k kind, help string) {
	e.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + string(k) + "\n")
}

// sample adds a value of a metric; labels are names and values in turn.
func (e *exposition) sample(name string, value float64, labels ...string) {
	e.labeled(name, value, joinLabels(labels...))
}

// labeled adds a value with labels as joinLabels gives them.
func (e *exposition) labeled(name string, value float64, labels string) {
	e.WriteString(name)
	if labels != "" {
		e.WriteByte('{')
		e.WriteString(labels)
		e.WriteByte('}')
	}
	e.WriteByte(' ')
	e.Write(strconv.AppendFloat(e.AvailableBuffer(), value, 'g', -1, 64))
	e.WriteByte('\n')
}

// joinLabels writes labels, names and values in turn, as they stand in braces.
func joinLabels(labels ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i] + `="` + escapeLabel(labels[i+1]) + `"`)
	}
	return b.String()
}

// one adds a metric with one value and no labels.
func (e *exposition) one(name string, k kind, help string, value float64) {
	e.metric(name, k, help)
	e.sample(name, value)
}

// escapeLabel makes any text the value of a label.
func escapeLabel(text string) string {
	if !strings.ContainsFunc(text, func(c rune) bool { return c == '\\' || c == '"' || c == '\n' || c == utf8.RuneError }) {
		return text
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

// truth is 1 for true, and 0 for false.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// moment is a time in seconds.
func moment(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
