package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var someEvent = watch.Event{
	Time: noon, Kind: watch.KindPublished, Severity: diag.Warning, Zone: apex, OldSerial: 7, NewSerial: 8, Serials: true, Message: "so it is",
	Found: &diag.Diagnostic{Severity: diag.Warning, Code: diag.CodeTargetServfail, Message: "fails"},
}

// stream is a stream that is followed.
type stream struct {
	t       *testing.T
	in      *bufio.Reader
	cancel  func()
	comment int // how many came
}

// follow follows the events until the test ends.
func (b *bench) follow(secret, path string, headers ...string) *stream {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+nativePath+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", secret)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = reply.Body.Close() })
	if reply.StatusCode != http.StatusOK || reply.Header.Get("Content-Type") != "text/event-stream" || reply.Header.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("status %d, %v", reply.StatusCode, reply.Header)
	}
	return &stream{t: b.t, in: bufio.NewReader(reply.Body), cancel: cancel}
}

// frame reads up to an empty line. False: the stream has ended.
func (s *stream) frame() (map[string]string, bool) {
	fields := map[string]string{}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return nil, false
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return fields, true
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			s.t.Fatalf("a line of no field: %q", line)
		}
		fields[name] = value
	}
}

// next is the next event, comments aside.
func (s *stream) next() *Event {
	s.t.Helper()
	for {
		fields, ok := s.frame()
		if !ok {
			s.t.Fatal("the stream has ended")
		}
		if fields["data"] == "" {
			s.comment++
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil {
			s.t.Fatal(err)
		}
		if fields["id"] != fmt.Sprint(e.Number) || fields["event"] != string(e.Kind) {
			s.t.Fatalf("%v", fields)
		}
		return &e
	}
}

func TestNativeEvents(t *testing.T) {
	b := newBench(t, nil)
	s := b.follow(b.secrets[ScopeRead], "/events")
	b.Feed.Tell(someEvent)
	if e := s.next(); e.Number != 3 || e.Kind != watch.KindPublished || e.Zone != "example.com" || *e.NewSerial != 8 || e.Lost != 0 {
		t.Errorf("the next one: %+v", e)
	}
	s = b.follow(b.secrets[ScopeRead], "/events?last=2")
	if e := s.next(); e.Number != 2 {
		t.Errorf("the last two begin with %+v", e)
	}
}

// Who was away goes on behind the last event that he has, and is told what he missed; after a new
// start of the daemon all of it is new.
func TestNativeEventsGoOn(t *testing.T) {
	feed := watch.NewFeed(3)
	for range 6 {
		feed.Tell(someEvent)
	}
	b := newBench(t, func(f *Faces, _ *native) { f.Feed = feed })
	for _, c := range []struct {
		last         string
		number, lost uint64
	}{{"4", 5, 0}, {"1", 3, 1}, {"0", 3, 2}, {"6", 3, 3}, {"99", 3, 3}} {
		s := b.follow(b.secrets[ScopeRead], "/events", "Last-Event-ID: "+c.last)
		if e := s.next(); e.Number != c.number || e.Lost != c.lost {
			t.Errorf("behind %s: %+v", c.last, e)
		}
		s.cancel()
	}
	s := b.follow(b.secrets[ScopeRead], "/events", "Last-Event-ID: 5")
	feed.Tell(someEvent)
	if e := s.next(); e.Number != 6 || e.Lost != 0 {
		t.Errorf("behind the last: %+v", e)
	}
}

// A token of some zones is shown what happens in them, and nothing that is of no zone. What the
// reader has lost in between is told all the same.
func TestNativeEventsOfSomeZones(t *testing.T) {
	b := newBench(t, nil)
	s := b.follow(b.token(Grant{Scopes: []Scope{ScopeRead}, Zones: []string{"example.com"}}), "/events?last=3")
	other := someEvent
	other.Zone = zone.MustParseName("example.org.")
	b.Feed.Tell(other)
	b.Feed.Tell(someEvent)
	if e := s.next(); e.Number != 4 || e.Zone != "example.com" {
		t.Errorf("%+v", e)
	}
}

// While nothing happens there are signs of life, until the token is revoked.
func TestNativeEventsEndWithTheToken(t *testing.T) {
	b := newBench(t, func(_ *Faces, n *native) { n.heartbeat = time.Millisecond })
	token, secret, err := b.Tokens.Create(t.Context(), Grant{Scopes: []Scope{ScopeRead}}, "", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s := b.follow(secret, "/events")
	for range 3 {
		if fields, ok := s.frame(); !ok || len(fields) != 1 {
			t.Fatalf("%v, %t", fields, ok)
		}
	}
	if err := b.Tokens.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	for {
		if _, ok := s.frame(); !ok {
			return // or the test does not end
		}
	}
}

func TestNativeEventsHead(t *testing.T) {
	b := newBench(t, nil)
	if a := b.ask(b.secrets[ScopeRead], "HEAD", "/events", ""); a.status != 200 || len(b.streams) != 0 {
		t.Errorf("status %d, %d streams", a.status, len(b.streams))
	}
}

// A reader that takes nothing loses events and is told how many. Whoever tells them never waits:
// the test would not come to its end.
func TestNativeSlowReaderLosesEvents(t *testing.T) {
	feed := watch.NewFeed(8)
	b := newBench(t, func(f *Faces, _ *native) { f.Feed = feed })
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n\r\n", nativePath, b.secrets[ScopeRead]); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{t: t, in: bufio.NewReader(reply.Body)}
	const told = 40_000
	long := someEvent
	long.Message = strings.Repeat("-", 500)
	for range told {
		feed.Tell(long)
	}
	var lost, seen uint64
	for seen+lost < told {
		e := s.next()
		if e.Number != seen+lost+e.Lost {
			t.Fatalf("event %d with %d lost, after %d", e.Number, e.Lost, seen+lost)
		}
		seen, lost = seen+1, lost+e.Lost
	}
	if lost == 0 {
		t.Error("nothing was lost")
	}
}
