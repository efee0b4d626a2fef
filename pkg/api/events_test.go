package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/watch"
)

// newFeed gives a feed with so many events.
func newFeed(events int) *watch.Feed {
	feed := watch.NewFeed(0)
	for i := range events {
		feed.Tell(watch.Event{Time: noon, Kind: watch.KindSource, Message: fmt.Sprint(i)})
	}
	return feed
}

func TestEventForm(t *testing.T) {
	e := EventForm(&watch.Event{
		Time: noon, Kind: watch.KindChanged, Severity: diag.Warning, Zone: apex, View: "inside", Owner: apex, Type: dns.TypeA, Target: cdn,
		From: first, To: second, Resolver: resolver, NewSerial: 8, Serials: true, Message: "so it is",
		Found: &diag.Diagnostic{Severity: diag.Warning, Code: diag.CodeTargetServfail, Message: "fails"},
	}, 4)
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"aliasflat/event/v1","number":4,"time":"2026-11-30T12:00:00Z","kind":"changed","severity":"warning",` +
		`"zone":"example.com","view":"inside","owner":"example.com.","type":"A","target":"cdn.example.net.",` +
		`"from":["192.0.2.1"],"to":["192.0.2.2","192.0.2.3"],"resolver":"udp://198.51.100.53","newSerial":8,"message":"so it is",` +
		`"problem":{"severity":"warning","code":"target-servfail","message":"fails"}}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestEventsThatWere(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}, Feed: newFeed(5)})
	for _, k := range []struct {
		last int
		want string
	}{
		{-1, "0 1 2 3 4"}, {2, "3 4"}, {0, ""}, {9, "0 1 2 3 4"},
	} {
		var got []string
		if err := c.Events(t.Context(), Following{Last: k.last}, func(e *Event) error {
			got = append(got, e.Message)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, " "); s != k.want {
			t.Errorf("the last %d: %q, want %q", k.last, s, k.want)
		}
	}
}

func TestEventsThatCome(t *testing.T) {
	feed := newFeed(3)
	c := serve(t, Options{Daemon: &fakeDaemon{}, Feed: feed})
	enough := errors.New("enough")
	var got []string
	err := c.Events(t.Context(), Following{Last: 1, Follow: true}, func(e *Event) error {
		got = append(got, e.Message)
		if len(got) == 4 {
			return enough
		}
		feed.Tell(watch.Event{Kind: watch.KindSource, Message: fmt.Sprint("more ", len(got))})
		return nil
	})
	if s := strings.Join(got, ", "); !errors.Is(err, enough) || s != "2, more 1, more 2, more 3" {
		t.Errorf("%q, %v", s, err)
	}
}

func TestEventsEndWithTheReader(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}, Feed: newFeed(1)})
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Events(ctx, Following{Last: -1, Follow: true}, func(*Event) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEventsWithoutFeed(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}})
	err := c.Events(t.Context(), Following{}, func(*Event) error { return nil })
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 404 {
		t.Error(err)
	}
}

// A reader that takes nothing loses events and is told how many. Whoever tells them never
// waits: the test would not come to its end.
func TestSlowReaderLosesEvents(t *testing.T) {
	feed := watch.NewFeed(8)
	c := serve(t, Options{Daemon: &fakeDaemon{}, Feed: feed})
	conn, err := net.Dial("unix", c.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET /v1/events?follow=true&from=0 HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	in := json.NewDecoder(reply.Body)
	const told = 20_000
	for i := range told {
		feed.Tell(watch.Event{Kind: watch.KindSource, Message: fmt.Sprint(i) + strings.Repeat("-", 500)})
	}
	var lost, seen uint64
	for seen+lost < told {
		var e Event
		if err := in.Decode(&e); err != nil {
			t.Fatalf("%v after %d events, %d lost", err, seen, lost)
		}
		if e.Number != seen+lost+e.Lost {
			t.Fatalf("event %d with %d lost, after %d", e.Number, e.Lost, seen+lost)
		}
		seen, lost = seen+1, lost+e.Lost
	}
	if lost == 0 {
		t.Error("nothing was lost")
	}
}

// One that was away goes on behind the last event that it has, and is told what it missed.
func TestEventsFromANumber(t *testing.T) {
	feed := watch.NewFeed(3)
	for i := range 5 {
		feed.Tell(watch.Event{Kind: watch.KindSource, Message: fmt.Sprint(i)})
	}
	c := serve(t, Options{Daemon: &fakeDaemon{}, Feed: feed})
	body, err := c.do(t.Context(), "GET", "/v1/events?from=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	var e Event
	if err := json.NewDecoder(body).Decode(&e); err != nil || e.Number != 2 || e.Lost != 1 {
		t.Errorf("%+v, %v", e, err)
	}
}
