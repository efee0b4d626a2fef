package api

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestAcceptAsksAgain(t *testing.T) {
	d, s := &fakeDaemon{}, remembered(t)
	c := serve(t, Options{Daemon: d, Store: s})
	got, err := c.Accept(t.Context(), []zone.Name{apex})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Accepted) != 1 || got.Accepted[0].Type != "A" || got.Accepted[0].Gone || !slices.Equal(got.Accepted[0].Addresses, first) {
		t.Errorf("of the zone: %+v", got)
	}
	if known, ok := s.Known(resolve.Question{Target: cdn, Type: dns.TypeA}); !ok || !known.Held.Accepted {
		t.Errorf("remembered: %+v", known)
	}
	if !slices.Equal(d.refreshed, []zone.Name{apex}) {
		t.Errorf("asked again: %v", d.refreshed)
	}
	if got, err = c.Accept(t.Context(), []zone.Name{cdn}); err != nil || len(got.Accepted) != 1 || !got.Accepted[0].Gone {
		t.Errorf("of the target: %+v, %v", got, err)
	}
	if got, err = c.Accept(t.Context(), []zone.Name{cdn}); err != nil || len(got.Accepted) != 0 || len(d.refreshed) != 2 {
		t.Errorf("nothing is left: %+v, %v, asked again %v", got, err, d.refreshed)
	}
}

func TestForget(t *testing.T) {
	d, s := &fakeDaemon{}, remembered(t)
	c := serve(t, Options{Daemon: d, Store: s})
	got, err := c.Forget(t.Context(), []zone.Name{zone.MustParseName("example.net.")}, true)
	if err != nil || got.Answers != 2 || got.Zones != 0 {
		t.Errorf("below a name: %+v, %v", got, err)
	}
	if got, err = c.Forget(t.Context(), []zone.Name{apex}, false); err != nil || got.Zones != 1 {
		t.Errorf("a zone: %+v, %v", got, err)
	}
	if len(d.refreshed) != 2 || len(s.AllKnown()) != 0 {
		t.Errorf("asked again %v, %d answers left", d.refreshed, len(s.AllKnown()))
	}
}

func TestHistory(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}, Store: remembered(t)})
	for _, name := range []zone.Name{apex, cdn} {
		h, err := c.History(t.Context(), name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Changes) != 2 || h.More || !h.Changes[0].Time.Equal(noon) || *h.Changes[0].OldSerial != 7 || len(h.Changes[1].From) != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h, err := c.History(t.Context(), apex, 1); err != nil || len(h.Changes) != 1 || !h.More {
		t.Errorf("one of two: %+v, %v", h, err)
	}
	if h, err := c.History(t.Context(), edge, 0); err != nil || len(h.Changes) != 0 {
		t.Errorf("no change: %+v, %v", h, err)
	}
}

func TestWhyWithoutOutput(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}, Store: remembered(t)})
	for _, name := range []zone.Name{apex, cdn} {
		w, err := c.Why(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.RRsets) != 1 {
			t.Fatalf("%s: %+v", name, w)
		}
		r := w.RRsets[0]
		if r.Zone != "example.com" || r.Owner != "example.com." || r.Target != "cdn.example.net." || r.Published != nil || r.WorstCase != nil {
			t.Errorf("%s: %+v", name, r)
		}
		if r.Answer == nil || !slices.Equal(r.Answer.Addresses, second) || r.Answer.Resolver != resolver || len(r.Answer.Chain) != 1 {
			t.Errorf("%s: answer %+v", name, r.Answer)
		}
		if r.LastChange == nil || !r.LastChange.Time.Equal(noon) || r.Held == nil || r.Held.Guard != "reborn" {
			t.Errorf("%s: change %+v, held %+v", name, r.LastChange, r.Held)
		}
	}
}

// publishTo makes the store know an output with this text.
func publishTo(t *testing.T, s *state.Store, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.com.db")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(state.Update{Now: noon, Zone: &state.Zone{Name: apex, Output: path, Serial: 9, Published: noon}}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhyByTheOutput(t *testing.T) {
	s := remembered(t)
	path := publishTo(t, s, `example.com. 60 IN SOA ns h 9 1 1 1 1
; ALIAS cdn.example.net.
example.com. 45 IN A 192.0.2.2
example.com. 45 IN A 192.0.2.3
; ALIAS other.example.net.
www.example.com. 45 IN A 192.0.2.9
; ALIAS gone.example.net. of old.example.com. has no addresses
`)
	w := WhyOf(s, apex)
	if len(w.RRsets) != 1 {
		t.Fatalf("%+v", w)
	}
	r := w.RRsets[0]
	if r.Published == nil || r.Published.TTL != 45 || r.Published.Serial != 9 || r.Published.Output != path || !slices.Equal(r.Published.Addresses, second) {
		t.Errorf("published: %+v", r.Published)
	}
	if r.WorstCase == nil || *r.WorstCase != 60+45 {
		t.Errorf("worst case: %v", r.WorstCase)
	}
	w = WhyOf(s, zone.MustParseName("old.example.com."))
	if len(w.RRsets) != 2 || w.RRsets[0].Published == nil || len(w.RRsets[0].Published.Addresses) != 0 || w.RRsets[1].Type != "AAAA" {
		t.Errorf("without addresses: %+v", w)
	}
	if w = WhyOf(s, zone.MustParseName("nothing.example.com.")); len(w.RRsets) != 0 {
		t.Errorf("no ALIAS: %+v", w)
	}
}

// An owner that has another target in the source is answered for by what is published, and
// not by a change of the time before.
func TestWhyOfANewTarget(t *testing.T) {
	s := remembered(t)
	publishTo(t, s, "; ALIAS edge.example.net.\nexample.com. 45 IN A 192.0.2.7\n")
	w := WhyOf(s, apex)
	if len(w.RRsets) != 1 || w.RRsets[0].Target != "edge.example.net." || w.RRsets[0].LastChange != nil {
		t.Errorf("%+v", w)
	}
}

func TestWhyOfATargetAlone(t *testing.T) {
	s := remembered(t)
	if err := s.Commit(state.Update{Now: noon, Known: map[resolve.Question]*resolve.Known{
		{Target: edge, Type: dns.TypeA}: {Addresses: first, TTL: 60, Seen: noon},
	}}); err != nil {
		t.Fatal(err)
	}
	w := WhyOf(s, edge)
	if len(w.RRsets) != 1 || w.RRsets[0].Owner != "" || w.RRsets[0].Answer == nil {
		t.Errorf("%+v", w)
	}
}

func TestExport(t *testing.T) {
	s := remembered(t)
	c := serve(t, Options{Daemon: &fakeDaemon{}, Store: s})
	var want, got bytes.Buffer
	if err := errors.Join(s.Export(&want), c.Export(t.Context(), &got)); err != nil {
		t.Fatal(err)
	}
	if want.Len() == 0 || !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Errorf("%d bytes, want %d", got.Len(), want.Len())
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(s.Path()), "export-*")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// Somebody who asks for an export and then reads nothing of it keeps nobody from publishing.
func TestExportKeepsNobodyWaiting(t *testing.T) {
	s := remembered(t)
	c := serve(t, Options{Daemon: &fakeDaemon{}, Store: s})
	many := map[resolve.Question]*resolve.Known{}
	for i := range 5000 {
		name := zone.MustParseName(fmt.Sprintf("host%d.example.net.", i))
		many[resolve.Question{Target: name, Type: dns.TypeA}] = &resolve.Known{Addresses: first, TTL: 60, Seen: noon, Resolver: strings.Repeat("r", 200)}
	}
	if err := s.Commit(state.Update{Now: noon, Known: many}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", c.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(state.Update{Now: noon.Add(time.Second), Known: many}); err != nil {
		t.Error(err)
	}
}

func TestWithoutState(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}})
	_, accept := c.Accept(t.Context(), []zone.Name{apex})
	_, forget := c.Forget(t.Context(), []zone.Name{apex}, false)
	for what, err := range map[string]error{"accept": accept, "forget": forget, "export": c.Export(t.Context(), &bytes.Buffer{})} {
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 409 {
			t.Errorf("%s: %v", what, err)
		}
	}
	h, err := c.History(t.Context(), apex, 0)
	if err != nil || len(h.Changes) != 0 {
		t.Errorf("history: %+v, %v", h, err)
	}
	if w, err := c.Why(t.Context(), apex); err != nil || len(w.RRsets) != 0 {
		t.Errorf("why: %+v, %v", w, err)
	}
}
