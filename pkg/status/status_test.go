package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is what a source may bring into a message.
const hostile = `<script>alert("x")</script>`

// someZones are zones in every phase.
func someZones() *watch.Snapshot {
	now := time.Now()
	return &watch.Snapshot{
		Time: now, Started: now.Add(-26 * time.Hour), Loaded: now.Add(-time.Hour), Beat: now,
		Targets: 12, Failing: 2, InFlight: 1, Lookups: watch.Lookups{Addresses: 100, NoData: 4, NXDomain: 3, Weak: 2, Failures: 1},
		Resolvers: []resolve.Health{
			{Resolver: "udp://192.0.2.53:53", Up: true, RoundTrip: 20 * time.Millisecond, Answered: 110, Silent: 3},
			{Resolver: "tls://192.0.2.54:853#dns.example", Down: 90 * time.Second, Silent: 8},
		},
		Serving: []watch.Serving{
			{Zone: zone.MustParseName("catalog.example."), Catalog: true},
			{
				Zone: zone.MustParseName("example.com."), Loaded: true, Serial: 2026112201, Whole: 4, Incremental: 30, Cut: 1,
				Secondaries: []watch.Follower{
					{Address: netip.MustParseAddrPort("192.0.2.54:53"), Serial: 2026112201, Known: true, Current: true},
					{Address: netip.MustParseAddrPort("192.0.2.55:53"), Lag: 75 * time.Second, Failures: 6, Problem: "connection refused"},
				},
			},
		},
		Refusals: map[string]uint64{"REFUSED": 3, "NOTAUTH": 2},
		Zones: []watch.Zone{
			{
				Name: zone.MustParseName("example.com."), Phase: watch.PhasePublished, Serial: 2026112201, Published: true, Aliases: 3, Targets: 6,
				LastAttempt: now, LastSuccess: now, LastChange: now.Add(-90 * time.Second), NextRefresh: now.Add(30 * time.Second), Changes: 5, Attempts: 9,
			},
			{
				Name: zone.MustParseName("example.net."), View: "in\"side\\\n", Phase: watch.PhaseHolding, Serial: 7, Published: true, Held: true, Stale: true, Guarded: true,
				LastAttempt: now, Oldest: now.Add(-time.Hour),
			},
			{
				Name: zone.MustParseName("example.org."), Phase: watch.PhaseFailing, Published: true, Serial: 1, LastAttempt: now, Held: true,
				Failures: map[diag.Code]uint64{diag.CodeTargetServfail: 4, diag.CodeBadAddress: 1},
				Problems: diag.List{
					{Severity: diag.Warning, Code: diag.CodeTargetServfail, Message: "only a warning"},
					{Severity: diag.Error, Code: diag.CodeBadAddress, Message: hostile},
				},
			},
			{Source: "zones/unnamed.zone", Phase: watch.PhaseFailing},
			{
				Name: zone.MustParseName("pulled.example."), Source: "axfr://192.0.2.1/pulled.example", Phase: watch.PhasePublished, Published: true, Serial: 8,
				Pulled: &pull.Status{
					Serial: 7, Known: true, Checked: now.Add(-time.Hour), Expires: now.Add(-time.Minute), Expired: true, Failed: 3, Checks: 9, Failures: 4, Whole: 2, Incremental: 1,
					Problem: &diag.Diagnostic{Severity: diag.Error, Code: diag.CodePullExpired, Message: "the copy is too old"},
				},
			},
			{Name: zone.Root, Phase: watch.PhaseStarting},
		},
	}
}

func options() Options {
	return Options{Snapshot: someZones, Version: "1.2.3", Commit: "abc"}
}

// ask gives the status and the body of an answer.
func ask(t *testing.T, o Options, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(o).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
	reply := w.Result()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(text)
}

func TestHealth(t *testing.T) {
	change := func(f func(s *watch.Snapshot)) func() *watch.Snapshot {
		return func() *watch.Snapshot {
			s := someZones()
			f(s)
			return s
		}
	}
	good := change(func(s *watch.Snapshot) { s.Zones = s.Zones[:3] })
	for name, c := range map[string]struct {
		path   string
		o      Options
		status int
		says   string
	}{
		"healthy whatever the zones do": {"/healthz", options(), 200, "ok\n"},
		"hung": {
			"/healthz",
			Options{Snapshot: change(func(s *watch.Snapshot) { s.Beat = s.Beat.Add(-time.Minute) })},
			503,
			"the scheduler was alive last at ",
		},
		"not begun":     {"/healthz", Options{Snapshot: func() *watch.Snapshot { return nil }}, 503, "the daemon has not begun\n"},
		"without state": {"/healthz", Options{Snapshot: good, State: func() error { return errors.New("damaged") }}, 503, "the state: damaged\n"},

		"ready although one fails that was published": {"/readyz", Options{Snapshot: good}, 200, "ok\n"},
		"not ready":       {"/readyz", options(), 503, "zones/unnamed.zone: fails, and nothing of it is published\n.: not tried yet\n"},
		"ready not begun": {"/readyz", Options{Snapshot: func() *watch.Snapshot { return nil }}, 503, "the daemon has not begun\n"},
		"many not ready": {"/readyz", Options{Snapshot: change(func(s *watch.Snapshot) {
			s.Zones = make([]watch.Zone, 25)
		})}, 503, "and 5 more\n"},
	} {
		reply, text := ask(t, c.o, c.path)
		if reply.StatusCode != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q, want %d with %q", name, reply.StatusCode, text, c.status, c.says)
		}
	}
}

func TestPage(t *testing.T) {
	reply, text := ask(t, options(), "/")
	if reply.StatusCode != http.StatusOK || reply.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %v", reply.StatusCode, reply.Header)
	}
	for _, want := range []string{
		"<td>example.com<td>published<td class=\"number\">2026112201", "1m30s ago", "in 2", "Up 1d2h", "12 targets, 2 failing",
		"holding <b>stale</b> <b>guarded</b>", "failing <b>held</b>", "zones/unnamed.zone", "&lt;script&gt;", "[bad-address]",
		"published <b>expired</b>", "the copy is too old", "[pull-expired]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(text, "<script") {
		t.Error("a message of a source is run")
	}
	if starting, published := strings.Index(text, "<td>.<td>"), strings.Index(text, "<td>example.com<td>"); starting < 0 || starting > published {
		t.Error("zones that need somebody do not come first")
	}
	if reply, text := ask(t, options(), "/style.css"); reply.StatusCode != http.StatusOK || !strings.Contains(text, "font") {
		t.Errorf("style: %d", reply.StatusCode)
	}
}

func TestPageSaysWhatIsWrong(t *testing.T) {
	s := someZones()
	s.Beat, s.Problem, s.Zones = s.Beat.Add(-time.Hour), "aliasflat.yaml:3:1: "+hostile, nil
	_, text := ask(t, Options{Snapshot: func() *watch.Snapshot { return s }}, "/")
	for _, want := range []string{"The scheduler does nothing any more", "was not taken in: aliasflat.yaml:3:1: &lt;script&gt;", "no zone"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if _, text := ask(t, Options{Snapshot: func() *watch.Snapshot { return nil }}, "/"); !strings.Contains(text, "has not begun") {
		t.Errorf("without anything: %q", text)
	}
}

func TestPageIsBounded(t *testing.T) {
	s := someZones()
	s.Zones = make([]watch.Zone, maxRows+7)
	for i := range s.Zones {
		s.Zones[i] = watch.Zone{Name: zone.MustParseName(fmt.Sprintf("zone%d.example.", i)), Phase: watch.PhasePublished}
	}
	s.Zones[maxRows+6].Phase = watch.PhaseFailing
	_, text := ask(t, Options{Snapshot: func() *watch.Snapshot { return s }}, "/")
	if n := strings.Count(text, "<tr class"); n != maxRows || !strings.Contains(text, "and 7 more") || !strings.Contains(text, "<tr class=\"failing\">") {
		t.Errorf("%d rows", n)
	}
}

func TestAges(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Hour, "0s"}, {59 * time.Second, "59s"}, {61 * time.Second, "1m1s"}, {90 * time.Minute, "1h30m"}, {49 * time.Hour, "2d1h"},
	} {
		if got := Age(c.d); got != c.want {
			t.Errorf("%v: %s, want %s", c.d, got, c.want)
		}
	}
	now := time.Now()
	if s := since(time.Time{}, now); s != "never" {
		t.Error(s)
	}
	if s := until(now, now); s != "now" {
		t.Error(s)
	}
}

func TestOnlyLooking(t *testing.T) {
	h := Handler(Options{Snapshot: someZones, Hosts: []string{"Status.Example.COM"}})
	for _, c := range []struct {
		method, host, path string
		status             int
	}{
		{"GET", "127.0.0.1:8053", "/", 200},
		{"HEAD", "[::1]:8053", "/metrics", 200},
		{"GET", "[2001:db8::1]", "/healthz", 200},
		{"GET", "localhost", "/healthz", 200},
		{"GET", "status.example.com:8053", "/healthz", 200},
		{"GET", "rebound.example.net", "/metrics", 421},
		{"GET", "127.0.0.1.example.net:8053", "/", 421},
		{"GET", "", "/", 421},
		{"POST", "localhost", "/", 405},
		{"DELETE", "localhost", "/metrics", 405},
		{"OPTIONS", "localhost", "/", 405},
		{"GET", "localhost", "/page.html", 404},
		{"GET", "localhost", "/debug/pprof/", 404},
	} {
		r := httptest.NewRequest(c.method, "http://localhost"+c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s%s: %d, want %d", c.method, c.host, c.path, w.Code, c.status)
		}
		for _, header := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cache-Control"} {
			if w.Header().Get(header) == "" {
				t.Errorf("%s %s%s: no %s", c.method, c.host, c.path, header)
			}
		}
	}
}

func TestListensOnLoopbackAlone(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "status.example.com:0"} {
		if _, err := Listen(t.Context(), address, false); !isPublic(err) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:http:80", "127.0.0.1:no-such-port"} {
		if l, err := Listen(t.Context(), address, false); err == nil || isPublic(err) {
			t.Errorf("%s: %v, %v", address, l, err)
		}
	}
	for address, public := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true} {
		l, err := Listen(t.Context(), address, public)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		l.Close()
	}
}

func isPublic(err error) bool {
	_, ok := errors.AsType[*PublicError](err)
	return ok
}

func TestServe(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Serve(ctx, []Listener{{Listener: l}}, options()); err != nil {
			t.Error(err)
		}
	})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reply.Body)
	_ = reply.Body.Close()
	if err != nil || string(text) != "ok\n" {
		t.Errorf("%q, %v", text, err)
	}
	cancel()
	wg.Wait()
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("somebody answers still")
	}
}

// Whoever follows something that others answer is let go when the daemon ends, and not cut off.
func TestServeLetsFollowersGo(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := options()
	o.Mounts = map[string]http.Handler{"/follow": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		_, _ = io.WriteString(w, "the end")
	})}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Serve(ctx, []Listener{{Listener: l}}, o); err != nil {
			t.Error(err)
		}
	})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get("http://" + l.Addr().String() + "/follow")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reply.Body)
	_ = reply.Body.Close()
	if err != nil || string(text) != "the end" {
		t.Errorf("%q, %v", text, err)
	}
	wg.Wait()
}
