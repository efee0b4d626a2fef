package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var (
	noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

	changedEvent = watch.Event{
		Time: noon, Kind: watch.KindChanged, Zone: zone.MustParseName("example.com."), View: "inside",
		Owner: zone.MustParseName("www.example.com."), Type: dns.TypeA, Target: zone.MustParseName("cdn.example.net."),
		From: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, To: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")},
		Resolver: "udp://198.51.100.53",
	}
	failingEvent = watch.Event{
		Time: noon, Kind: watch.KindFailing, Severity: diag.Error, Zone: zone.MustParseName("example.com."), Message: "not published",
		Found: &diag.Diagnostic{
			Severity: diag.Error, Code: diag.CodeBadAddress, Message: "<b>\x1b[31m\nsecond line", Hint: "look",
			Span: diag.Span{Pos: diag.Pos{File: "example.com.zone", Line: 4, Column: 1}},
		},
	}
)

func TestLogText(t *testing.T) {
	var b bytes.Buffer
	l := newEventLog(&b, "auto", false)
	l.tell(changedEvent)
	l.tell(watch.Event{Time: noon, Kind: watch.KindPublished, Zone: zone.MustParseName("example.com."), OldSerial: 7, NewSerial: 8, Serials: true})
	l.tell(watch.Event{Time: noon, Kind: watch.KindSource, Message: "is debug"})
	l.tell(failingEvent)
	want := `time=2026-11-30T12:00:00.000Z level=INFO msg=changed zone=example.com view=inside owner=www.example.com. type=A target=cdn.example.net. ` +
		`from=192.0.2.1 to="192.0.2.2, 192.0.2.3" resolver=udp://198.51.100.53
time=2026-11-30T12:00:00.000Z level=INFO msg=published zone=example.com oldSerial=7 newSerial=8
time=2026-11-30T12:00:00.000Z level=ERROR msg=failing zone=example.com message="not published" code=bad-address place=example.com.zone:4:1 ` +
		`problem="<b>\x1b[31m\nsecond line" hint=look
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestLogJSON(t *testing.T) {
	var b bytes.Buffer
	l := newEventLog(&b, "json", true)
	l.tell(failingEvent)
	l.tell(watch.Event{Time: noon, Kind: watch.KindRefresh, Target: zone.MustParseName("cdn.example.net."), Message: "asked for"})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), b.String())
	}
	for i, want := range []map[string]any{
		{"level": "ERROR", "msg": "failing", "zone": "example.com", "code": "bad-address", "problem": "<b>\x1b[31m\nsecond line"},
		{"level": "DEBUG", "msg": "refresh", "target": "cdn.example.net.", "message": "asked for"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %q, want %q", key, got[key], value)
			}
		}
	}
}

// Lines to the journal begin with a priority, and those to any other file do not, whatever the
// variable says.
func TestLogToTheJournal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, inode, ok := identity(file)
	if !ok {
		t.Skip("files have no identity here")
	}
	for _, c := range []struct {
		stream, format, want string
	}{
		{fmt.Sprintf("%d:%d", device, inode), "text", "<3>msg=failing "},
		{fmt.Sprintf("%d:%d", device, inode), "json", `<3>{"time":`},
		{fmt.Sprintf("%d:%d", device, inode+1), "text", "time="},
		{"", "text", "time="},
	} {
		t.Setenv("JOURNAL_STREAM", c.stream)
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		newEventLog(file, c.format, false).tell(failingEvent)
		text, err := os.ReadFile(file.Name())
		if err != nil || !strings.HasPrefix(string(text), c.want) {
			t.Errorf("%s as %s: %q, %v", c.stream, c.format, text, err)
		}
	}
	if toJournal(&bytes.Buffer{}, "1:2") {
		t.Error("a buffer is the journal")
	}
}

func TestLogFormats(t *testing.T) {
	for _, format := range logFormats {
		var b bytes.Buffer
		newEventLog(&b, format, false).tell(changedEvent)
		if isJSON := strings.HasPrefix(b.String(), "{"); isJSON != (format == "json") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

func TestLogLevels(t *testing.T) {
	for _, c := range []struct {
		e    watch.Event
		want int
	}{
		{watch.Event{Kind: watch.KindFailing, Severity: diag.Error}, 3},
		{watch.Event{Kind: watch.KindHolding, Severity: diag.Warning}, 4},
		{watch.Event{Kind: watch.KindChanged}, 6},
		{watch.Event{Kind: watch.KindTarget}, 6},
		{watch.Event{Kind: watch.KindSource}, 7},
		{watch.Event{Kind: watch.KindSource, Severity: diag.Error}, 3},
		{watch.Event{Kind: watch.KindRefresh}, 7},
	} {
		if got := priority(eventRecord(&c.e).Level); got != c.want {
			t.Errorf("%s: priority %d, want %d", c.e.Kind, got, c.want)
		}
	}
}
