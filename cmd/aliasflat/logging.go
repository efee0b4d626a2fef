package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// logFormats are the words of --log-format; auto is text.
var logFormats = []string{"auto", "text", "json"}

// eventLog writes the events of a daemon as log lines: one line for each change. Its methods
// may be called concurrently.
type eventLog struct{ handler slog.Handler }

// newEventLog gives a log that writes to w. To the journal of systemd each line goes with its
// priority, and in text without its time, which the journal has itself. What only explains
// other events is written where debug asks for it.
func newEventLog(w io.Writer, format string, debug bool) *eventLog {
	journal := toJournal(w, os.Getenv("JOURNAL_STREAM"))
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	lines := &priorityLines{w: w, journal: journal}
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		lines.inner = slog.NewJSONHandler(&lines.line, options)
		return &eventLog{lines}
	}
	if journal {
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		}
	}
	lines.inner = slog.NewTextHandler(&lines.line, options)
	return &eventLog{lines}
}

// tell writes an event. There is nobody to tell when even that fails.
func (l *eventLog) tell(e watch.Event) {
	r := eventRecord(&e)
	if ctx := context.Background(); l.handler.Enabled(ctx, r.Level) {
		_ = l.handler.Handle(ctx, r)
	}
}

// eventRecord gives an event as a log record: its kind is the message, and what it is about are
// attributes with the names of the JSON form.
func eventRecord(e *watch.Event) slog.Record {
	r := slog.NewRecord(e.Time, eventLevel(e), string(e.Kind), 0)
	text := func(key, value string) {
		if value != "" {
			r.AddAttrs(slog.String(key, value))
		}
	}
	name := func(key string, n zone.Name) {
		if !n.IsZero() {
			r.AddAttrs(slog.String(key, n.String()))
		}
	}
	if !e.Zone.IsZero() {
		text("zone", displayName(e.Zone))
	}
	text("view", e.View)
	name("owner", e.Owner)
	if e.Type != 0 {
		text("type", dns.Type(e.Type).String())
	}
	name("target", e.Target)
	if len(e.From)+len(e.To) > 0 {
		r.AddAttrs(slog.String("from", addressList(e.From)), slog.String("to", addressList(e.To)))
	}
	if e.Serials {
		if e.OldSerial != 0 {
			r.AddAttrs(slog.Uint64("oldSerial", uint64(e.OldSerial)))
		}
		r.AddAttrs(slog.Uint64("newSerial", uint64(e.NewSerial)))
	}
	text("resolver", e.Resolver)
	text("message", e.Message)
	if d := e.Found; d != nil {
		text("code", string(d.Code))
		if d.Span.File != "" {
			text("place", d.Span.String())
		}
		if d.Message != e.Message {
			text("problem", d.Message)
		}
		text("hint", d.Hint)
	}
	return r
}

// eventLevel is how much an event matters: what is not as it should be by its severity, what
// only leads to other events as debug, all else as info.
func eventLevel(e *watch.Event) slog.Level {
	switch {
	case e.Severity == diag.Error:
		return slog.LevelError
	case e.Severity == diag.Warning:
		return slog.LevelWarn
	case e.Kind == watch.KindSource || e.Kind == watch.KindRefresh || e.Kind == watch.KindFollows:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// priorityLines puts the priority that sd-daemon(3) gives a level before each line, where the
// journal reads it.
type priorityLines struct {
	inner   slog.Handler // writes to line
	journal bool
	w       io.Writer

	mu   sync.Mutex
	line bytes.Buffer
}

// Enabled tells whether a level is written.
func (p *priorityLines) Enabled(ctx context.Context, level slog.Level) bool {
	return p.inner.Enabled(ctx, level)
}

// Handle writes a record.
func (p *priorityLines) Handle(ctx context.Context, r slog.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Reset()
	if p.journal {
		fmt.Fprintf(&p.line, "<%d>", priority(r.Level))
	}
	if err := p.inner.Handle(ctx, r); err != nil {
		return err
	}
	_, err := p.w.Write(p.line.Bytes())
	return err
}

// WithAttrs is of no use to a log of events, which have their own.
func (p *priorityLines) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup is of no use to a log of events.
func (p *priorityLines) WithGroup(string) slog.Handler { return p }

func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	default:
		return 7
	}
}

// toJournal tells whether w is the stream to the journal that JOURNAL_STREAM names, as
// device:inode. A shell below a service passes the variable on to what writes elsewhere.
func toJournal(w io.Writer, stream string) bool {
	file, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	device, inode, ok := identity(file)
	return ok && stream == strconv.FormatUint(device, 10)+":"+strconv.FormatUint(inode, 10)
}
