package dashboard

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// world is a daemon with zones in files, and a dashboard over it.
type world struct {
	t      testing.TB
	dir    string
	server *httptest.Server
	client *http.Client
	tokens *api.Tokens

	mu        sync.Mutex
	zones     []watch.Zone
	targets   []watch.Target
	refreshed []zone.Name
}

func (w *world) Snapshot() *watch.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &watch.Snapshot{Time: time.Now(), Started: time.Now(), Beat: time.Now(), Zones: w.zones}
}

func (w *world) Targets(int) []watch.Target { return w.targets }

func (w *world) Reload(context.Context) error { return nil }

func (w *world) Refresh(name zone.Name) (zones, targets int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refreshed = append(w.refreshed, name)
	return 1, 2
}

const hostile = `<script>alert(1)</script>`

// newWorld makes some zones with one ALIAS each, of which the text is hostile.
func newWorld(tb testing.TB, aliases int, names ...string) *world {
	tb.Helper()
	w := &world{t: tb, dir: tb.TempDir()}
	var editable []api.EditableZone
	for _, name := range names {
		path := filepath.Join(w.dir, name+".zone")
		text := "$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net. ; " + hostile + "\nt TXT \"" + hostile + "\"\n"
		for i := range aliases - 1 {
			text += fmt.Sprintf("a%d ALIAS cdn%d.example.net.\n", i, i)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
		origin := zone.MustParseName(name + ".")
		w.zones = append(w.zones, watch.Zone{
			Name: origin, Source: path, Output: path + ".out", Phase: watch.PhaseFailing, Serial: 7, Published: true, Aliases: aliases,
			NextRefresh: time.Now().Add(time.Minute), Problems: diag.List{{Severity: diag.Error, Code: diag.CodeTargetServfail, Message: hostile, Hint: hostile}},
		})
		editable = append(editable, api.EditableZone{Name: origin, Path: path, Load: func() ([]compile.Source, func(), diag.List) {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, func() {}, diag.List{{Severity: diag.Error, Code: diag.CodeUnreadable, Message: err.Error()}}
			}
			return []compile.Source{{Name: path, Text: text, Origin: origin}}, func() {}, nil
		}})
	}
	w.targets = []watch.Target{{
		Question: resolve.Question{Target: zone.MustParseName("cdn.example.net."), Type: 1}, Asked: time.Now(), Due: time.Now().Add(time.Minute), Failed: 1,
		Answer: &resolve.Answer{Outcome: resolve.Failure, Reason: resolve.ReasonServfail, Detail: hostile},
	}}
	store, err := state.Open(filepath.Join(w.dir, "state"), state.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	w.tokens = api.OpenTokens(filepath.Join(w.dir, api.TokensName))
	faces := &api.Faces{
		Records: &api.Records{Zones: func() []api.EditableZone { return editable }}, Tokens: w.tokens, Daemon: w, Feed: watch.NewFeed(0), Store: store,
		Preview: func(_ context.Context, target zone.Name) []resolve.Answer {
			return []resolve.Answer{{Target: target, Type: 1, Outcome: resolve.Addresses, Last: target, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, TTL: 60}}
		},
	}
	w.server = httptest.NewServer(Handler(Options{API: faces.Handler(), Tokens: w.tokens, Version: "test"}))
	tb.Cleanup(w.server.Close)
	w.fresh()
	return w
}

// fresh forgets the session of the browser.
func (w *world) fresh() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.client = &http.Client{Jar: jar}
}

func (w *world) token(g api.Grant) (id, secret string) {
	w.t.Helper()
	made, secret, err := w.tokens.Create(w.t.Context(), g, "", time.Now(), time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID, secret
}

// ask gets a page, or posts a form.
func (w *world) ask(path string, form url.Values) (status int, text string) {
	w.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.Contains(string(got), hostile) {
		w.t.Errorf("%s has markup of others:\n%s", path, got)
	}
	csp := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		w.t.Errorf("%s: headers %v", path, answer.Header)
	}
	return answer.StatusCode, string(got)
}

func (w *world) login(g api.Grant) (id string) {
	w.t.Helper()
	id, secret := w.token(g)
	if status, text := w.ask("/dashboard/login", url.Values{"token": {secret}}); status != http.StatusOK || !strings.Contains(text, "Zones") {
		w.t.Fatalf("login: %d\n%s", status, text)
	}
	return id
}

var formValue = regexp.MustCompile(`name="form" value="([A-Z0-9]+)"`)

// form is what the forms of a session have to send.
func (w *world) form() string {
	w.t.Helper()
	_, text := w.ask("/dashboard/", nil)
	found := formValue.FindStringSubmatch(text)
	if found == nil {
		w.t.Fatalf("no form on\n%s", text)
	}
	return found[1]
}

func (w *world) source(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name+".zone"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

var everything = api.Grant{Scopes: api.Scopes}

func TestPagesAreInert(t *testing.T) {
	w := newWorld(t, 1, "example.com")
	w.login(everything)
	for _, path := range []string{
		"", "zones/example.com.", "zones/example.com.?offset=-3", "zones/example.com.?refreshed=" + url.QueryEscape(hostile), "zones/example.com./records", "zones/example.com./alias",
		"zones/example.com./alias?owner=@", "zones/example.com./alias?owner=@&delete=1", "?name=" + url.QueryEscape(hostile),
	} {
		if status, text := w.ask("/dashboard/"+path, nil); status != http.StatusOK || !strings.Contains(text, "</html>") {
			t.Errorf("%s: %d\n%s", path, status, text)
		}
	}
	for _, path := range []string{"zones/" + url.PathEscape(hostile), "zones/example.net.", "zones/example.com./alias?owner=none", "nowhere", "zones/..%2f..%2f", "?after=" + url.QueryEscape(hostile)} {
		if status, _ := w.ask("/dashboard/"+path, nil); status < 400 || status >= 500 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestEditsInForms(t *testing.T) {
	w := newWorld(t, 1, "example.com")
	w.login(everything)
	before := w.source("example.com")
	form := url.Values{"form": {w.form()}, "kind": {"replace"}, "owner": {"@"}, "target": {"web.example.net"}, "step": {"preview"}}
	status, text := w.ask("/dashboard/zones/example.com./alias", form)
	etag := regexp.MustCompile(`name="etag" value="([0-9a-f]+)"`).FindStringSubmatch(text)
	if status != http.StatusOK || !strings.Contains(text, "192.0.2.9") || !strings.Contains(text, "web.example.net.") || etag == nil || w.source("example.com") != before {
		t.Fatalf("preview: %d\n%s", status, text)
	}
	form.Set("step", "save")
	if status, text = w.ask("/dashboard/zones/example.com./alias", form); status != http.StatusUnprocessableEntity || !strings.Contains(text, "nothing was looked at") {
		t.Errorf("save without a look: %d\n%s", status, text)
	}
	form.Set("etag", "0123")
	if status, text = w.ask("/dashboard/zones/example.com./alias", form); !strings.Contains(text, "has changed the source meanwhile") || w.source("example.com") != before {
		t.Errorf("save of something else: %d\n%s", status, text)
	}
	form.Set("etag", etag[1])
	if status, text = w.ask("/dashboard/zones/example.com./alias", form); status != http.StatusOK || !strings.Contains(text, "It is written") {
		t.Errorf("save: %d\n%s", status, text)
	}
	if got := w.source("example.com"); got != strings.Replace(before, "cdn.example.net.", "web.example.net.", 1) {
		t.Errorf("the source is\n%s", got)
	}
	after := w.source("example.com")
	for name, change := range map[string]url.Values{
		"two lines":     {"target": {"a.example.net.\n$INCLUDE /etc/passwd"}},
		"a comment":     {"target": {"a.example.net. ; x"}},
		"no target":     {"target": {""}},
		"a bad TTL":     {"ttl": {"soon"}},
		"a bad owner":   {"owner": {"a b"}, "kind": {"add"}},
		"another zone":  {"owner": {"www.example.net."}, "kind": {"add"}},
		"a second one":  {"kind": {"add"}},
		"no kind":       {"kind": {"drop"}},
		"bad parameter": {"parameters": {"types=MX"}},
	} {
		for _, step := range []string{"preview", "save"} {
			bad := url.Values{"form": form["form"], "kind": {"replace"}, "owner": {"@"}, "target": {"x.example.net."}, "etag": {"*"}, "step": {step}}
			maps.Copy(bad, change)
			if status, text := w.ask("/dashboard/zones/example.com./alias", bad); status < 400 || status >= 500 || !strings.Contains(text, `role="alert"`) {
				t.Errorf("%s, %s: %d\n%s", name, step, status, text)
			}
		}
	}
	if status, _ := w.ask("/dashboard/zones/example.com./alias", url.Values{"form": form["form"], "step": {"jump"}}); status != http.StatusBadRequest {
		t.Errorf("no step: %d", status)
	}
	if got := w.source("example.com"); got != after {
		t.Errorf("a mistake has written\n%s", got)
	}
	back := url.Values{"form": form["form"], "kind": {"add"}, "owner": {"shop"}, "target": {hostile}, "step": {"back"}}
	if status, text := w.ask("/dashboard/zones/example.com./alias", back); status != http.StatusOK || !strings.Contains(text, `value="shop"`) {
		t.Errorf("back: %d\n%s", status, text)
	}
}

func TestNobodyElse(t *testing.T) {
	w := newWorld(t, 1, "example.com", "example.net")
	id := w.login(everything)
	own := w.form()
	post := func(path string, form url.Values, header ...string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for _, path := range []string{"/dashboard/logout", "/dashboard/zones/example.com./refresh", "/dashboard/zones/example.com./alias"} {
		if status := post(path, url.Values{"form": {"guessed"}, "step": {"preview"}}); status != http.StatusForbidden {
			t.Errorf("%s from no form: %d", path, status)
		}
		if status := post(path, url.Values{"form": {own}}, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", path, status)
		}
		if status := post(path, url.Values{"form": {own}}, "Origin", "https://rebound.example"); status != http.StatusForbidden {
			t.Errorf("%s from another origin: %d", path, status)
		}
		if status := post(path, url.Values{"form": {own}, "target": {strings.Repeat("x", maxForm)}}); status < 400 || status > 499 {
			t.Errorf("%s with too much: %d", path, status)
		}
	}
	if len(w.refreshed) != 0 {
		t.Fatal("somebody else had it refreshed")
	}
	if status := post("/dashboard/zones/example.com./refresh", url.Values{"form": {own}}); status != http.StatusOK || len(w.refreshed) != 1 {
		t.Errorf("refresh: %d, %v", status, w.refreshed)
	}
	if err := w.tokens.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, text := w.ask("/dashboard/zones/example.com.", nil); !strings.Contains(text, "Log in") {
		t.Errorf("a revoked token shows\n%s", text)
	}
	if status := post("/dashboard/zones/example.com./refresh", url.Values{"form": {own}}); status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", status)
	}

	w.fresh()
	w.login(api.Grant{Scopes: []api.Scope{api.ScopeRead}, Zones: []string{"example.com"}})
	_, text := w.ask("/dashboard/", nil)
	if strings.Contains(text, "example.net") || !strings.Contains(text, "example.com") {
		t.Errorf("it shows zones of others:\n%s", text)
	}
	if _, text = w.ask("/dashboard/zones/example.com.", nil); strings.Contains(text, "Add an ALIAS") || strings.Contains(text, "Refresh now") {
		t.Errorf("it shows what may not be done:\n%s", text)
	}
	own = w.form()
	for path, want := range map[string]int{"zones/example.com./alias": 403, "zones/example.net.": 404} {
		if status, _ := w.ask("/dashboard/"+path, nil); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	for path, want := range map[string]int{"zones/example.com./alias": 403, "zones/example.com./refresh": 403, "zones/example.net./refresh": 403} {
		if status := post("/dashboard/"+path, url.Values{"form": {own}, "kind": {"replace"}, "owner": {"@"}, "target": {"x.example."}, "step": {"preview"}}); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status := post("/dashboard/logout", url.Values{"form": {own}}); status != http.StatusOK {
		t.Errorf("log out: %d", status)
	}
	if _, text := w.ask("/dashboard/", nil); !strings.Contains(text, "Log in") {
		t.Errorf("behind the end of the session it shows\n%s", text)
	}
}

func TestLoginIsBounded(t *testing.T) {
	w := newWorld(t, 1, "example.com")
	statuses := map[int]int{}
	for range 3 * loginBurst {
		status, _ := w.ask("/dashboard/login", url.Values{"token": {"af_wrong"}})
		statuses[status]++
	}
	if statuses[http.StatusUnauthorized] < loginBurst || statuses[http.StatusTooManyRequests] == 0 || len(statuses) != 2 {
		t.Errorf("statuses %v", statuses)
	}
	s := newSessions(w.tokens)
	_, secret := w.token(everything)
	now := time.Now()
	for range maxSessions {
		if _, err := s.begin(secret, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.begin(secret, now); err == nil {
		t.Error("there is no end of sessions")
	}
	made, err := s.begin(secret, now.Add(sessionTime+time.Second))
	if err != nil || len(s.open) != 1 {
		t.Fatalf("sessions that are over stay: %d, %v", len(s.open), err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: made.id})
	if s.of(r, made.ends) == nil || s.of(r, made.ends.Add(time.Second)) != nil {
		t.Error("a session does not end in time")
	}
}

func TestTimeline(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one, two := []netip.Addr{netip.MustParseAddr("192.0.2.1")}, []netip.Addr{netip.MustParseAddr("192.0.2.2")}
	changes := []api.Change{
		{Time: now.Add(-10 * time.Minute), Type: "A", From: two, To: one},
		{Time: now.Add(-15 * time.Minute), Type: "AAAA", To: []netip.Addr{netip.MustParseAddr("2001:db8::1")}},
		{Time: now.Add(-20 * time.Minute), Type: "A", From: one, To: two},
	}
	got := timelines(&api.Alias{Published: []api.Flattened{{Type: "A", Addresses: one}}}, changes, now)
	if len(got) != 2 || got[0].Type != "A" || got[1].Type != "AAAA" {
		t.Fatalf("%+v", got)
	}
	var text strings.Builder
	end := 0
	for _, s := range got[0].Segments {
		fmt.Fprintf(&text, "%d:%s ", s.Color, s.Addresses)
		if s.X < end-2 || s.X > end+2 {
			t.Errorf("a gap at %d: %+v", end, s)
		}
		end = s.X + s.Width
	}
	if text.String() != "1:192.0.2.1 2:192.0.2.2 1:192.0.2.1 " || end < timelineWidth-2 || end > timelineWidth+2 {
		t.Errorf("%s to %d", text.String(), end)
	}
	if want := "A records: 192.0.2.1; then 192.0.2.2; then 192.0.2.1"; got[0].Label() != want {
		t.Errorf("label %q", got[0].Label())
	}
	if s := got[1].Segments; len(s) != 2 || s[0].Color != 0 || s[0].Addresses != "none" {
		t.Errorf("AAAA: %+v", s)
	}
	if got := timelines(&api.Alias{Published: []api.Flattened{{Type: "A", Addresses: one}}}, nil, now); len(got) != 1 || len(got[0].Segments) != 1 {
		t.Errorf("without changes: %+v", got)
	}
}

// Pages over 1,000 zones with 10 ALIAS records each.
func BenchmarkPages(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("zone%d.test", i)
	}
	w := newWorld(b, 10, names...)
	w.login(everything)
	for _, path := range []string{"/dashboard/", "/dashboard/?name=zone99", "/dashboard/zones/zone500.test.", "/dashboard/zones/zone500.test./records"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if status, text := w.ask(path, nil); status != http.StatusOK {
					b.Fatalf("%d\n%s", status, text)
				}
			}
		})
	}
}
