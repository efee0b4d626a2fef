package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// publishedText is what recordsText is published as.
const publishedText = `$TTL 3600 ; an hour
@	IN SOA ns1.example.com. hostmaster.example.com. 8 3600 900 604800 300
	IN NS ns1
; ALIAS cdn.example.net. ; the site
example.com. 60 IN A 192.0.2.2
example.com. 60 IN A 192.0.2.3
ns1	IN A 192.0.2.1
`

// bench is a native face and what it answers from.
type bench struct {
	*native
	t       *testing.T
	url     string
	path    string // of the source of example.com
	daemon  *nativeDaemon
	audits  *[]Audit
	secrets map[Scope]string

	mu    sync.Mutex
	asked []zone.Name // by previews
}

// nativeDaemon has example.com, which may be edited, example.org, which may not, and
// secret.example, which a token may be kept from.
type nativeDaemon struct {
	fakeDaemon

	dir string
}

func (d *nativeDaemon) Snapshot() *watch.Snapshot {
	s := d.fakeDaemon.Snapshot()
	s.Zones[0].Source, s.Zones[0].Output = filepath.Join(d.dir, "example.com.zone"), filepath.Join(d.dir, "example.com.db")
	s.Zones[1].Name, s.Zones[1].View = zone.MustParseName("example.org."), ""
	s.Zones[1].Output = s.Zones[0].Output
	s.Zones = append(s.Zones, watch.Zone{Name: zone.MustParseName("secret.example."), Source: "secret", Phase: watch.PhasePublished})
	s.Resolvers = []resolve.Health{{Resolver: resolver, Up: true, RoundTrip: time.Millisecond, Answered: 3}}
	s.Serving = []watch.Serving{{
		Zone: apex, Loaded: true, Serial: 7, Whole: 1,
		Secondaries: []watch.Follower{{Address: netip.MustParseAddrPort("192.0.2.54:53"), Serial: 6, Known: true, Lag: time.Hour, Problem: "timeout"}},
	}}
	return s
}

// newBench serves a native face until the test ends. Change, which may be nil, settles what it is
// like before it is asked.
func newBench(t *testing.T, change func(*Faces, *native)) *bench {
	t.Helper()
	return newBenchOn(t, remembered(t), change)
}

// newBenchOn is newBench with a store that others may use too.
func newBenchOn(t *testing.T, store *state.Store, change func(*Faces, *native)) *bench {
	t.Helper()
	b := &bench{t: t}
	records, audits, path := editable(t, recordsText)
	b.audits, b.path, b.daemon = audits, path, &nativeDaemon{dir: filepath.Dir(path)}
	if err := os.WriteFile(filepath.Join(b.daemon.dir, "example.com.db"), []byte(publishedText), 0o644); err != nil {
		t.Fatal(err)
	}
	f := &Faces{
		Records: records, Tokens: OpenTokens(filepath.Join(t.TempDir(), TokensName)), Daemon: b.daemon, Feed: newFeed(3), Store: store, Version: "1.2.3",
		Preview: func(_ context.Context, target zone.Name) []resolve.Answer {
			b.mu.Lock()
			b.asked = append(b.asked, target)
			b.mu.Unlock()
			return []resolve.Answer{
				{Target: target, Type: dns.TypeA, Outcome: resolve.Addresses, Addresses: second, TTL: 60, Attempts: []resolve.Attempt{{Flags: "ra ad"}}},
				{Target: target, Type: dns.TypeAAAA, Outcome: resolve.NoData},
			}
		},
		Plan: func(_ context.Context, source, output string) (*Planned, error) {
			if source != path {
				return nil, Refusef(ReasonUnknown, "no")
			}
			oldSerial, next := zone.Serial(8), zone.Serial(9)
			return &Planned{
				Old: &oldSerial, New: &next, Changed: true, Waiting: []zone.Name{edge}, Guarded: true,
				Problems:   diag.List{{Severity: diag.Warning, Code: diag.CodeTargetServfail, Message: "held"}},
				Difference: zone.Difference{{New: &zone.RRset{Owner: apex, Type: dns.TypeA, TTL: 60, RDATA: []zone.RDATA{{Wire: "\xc0\x00\x02\x09"}}}}},
			}, nil
		},
	}
	b.native = newNative(f)
	if change != nil {
		change(f, b.native)
	}
	text, secrets, err := scopeTokens()
	if err != nil {
		t.Fatal(err)
	}
	b.secrets = secrets
	if err := os.WriteFile(b.Tokens.path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	b.mount(mux)
	server := httptest.NewServer(f.sameOrigin(http.MaxBytesHandler(mux, maxBody)))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// scopeTokens is a file with a token for each scope, and their secrets.
func scopeTokens() ([]byte, map[Scope]string, error) {
	secrets := map[Scope]string{}
	file := tokenFile{Schema: SchemaTokens}
	for _, scope := range Scopes {
		secrets[scope] = TokenPrefix + string(scope)
		file.Tokens = append(file.Tokens, Token{Grant: Grant{Scopes: []Scope{scope}}, ID: string(scope), Hash: hashOf(secrets[scope])})
	}
	text, err := json.Marshal(file)
	return text, secrets, err
}

func (b *bench) token(g Grant) string {
	b.t.Helper()
	_, secret, err := b.Tokens.Create(b.t.Context(), g, "", time.Now(), time.Time{})
	if err != nil {
		b.t.Fatal(err)
	}
	return secret
}

// replied is what came of a request.
type replied struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request. Headers are NAME: VALUE.
func (b *bench) ask(secret, method, path, content string, headers ...string) replied {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, b.url+nativePath+path, strings.NewReader(content))
	if err != nil {
		b.t.Fatal(err)
	}
	if content != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }() // nothing was sent
	if reply.Header.Get("Content-Type") == "text/event-stream" {
		return replied{reply.StatusCode, reply.Header, nil}
	}
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return replied{reply.StatusCode, reply.Header, text}
}

// decoded is the document that a request is answered with, which has to be under a status.
func decoded[T any](b *bench, a replied, status int) *T {
	b.t.Helper()
	var out T
	if err := json.Unmarshal(a.body, &out); err != nil || a.status != status {
		b.t.Fatalf("status %d, want %d: %s, %v", a.status, status, a.body, err)
	}
	return &out
}

func (b *bench) source() string {
	b.t.Helper()
	text, err := os.ReadFile(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func TestNativeZones(t *testing.T) {
	b := newBench(t, nil)
	ids := func(list []ZoneSummary) string {
		var ids []string
		for _, z := range list {
			ids = append(ids, z.ID)
		}
		return strings.Join(ids, " ")
	}
	all := decoded[Zones](b, b.ask(b.secrets[ScopeRead], "GET", "/zones", ""), 200)
	if got := ids(all.Zones); got != "example.com. secret.example. example.org." || all.Next != "" {
		t.Errorf("all: %s, next %q", got, all.Next)
	}
	page := decoded[Zones](b, b.ask(b.secrets[ScopeRead], "GET", "/zones?limit=2", ""), 200)
	if got := ids(page.Zones); got != "example.com. secret.example." || page.Next != "secret.example." {
		t.Errorf("the first page: %s, next %q", got, page.Next)
	}
	page = decoded[Zones](b, b.ask(b.secrets[ScopeRead], "GET", "/zones?limit=2&after="+page.Next, ""), 200)
	if got := ids(page.Zones); got != "example.org." || page.Next != "" {
		t.Errorf("the second page: %s, next %q", got, page.Next)
	}
	some := decoded[Zones](b, b.ask(b.token(Grant{Scopes: []Scope{ScopeRead}, Zones: []string{"example.*"}}), "GET", "/zones", ""), 200)
	if got := ids(some.Zones); got != "example.com. example.org." {
		t.Errorf("those that a token may see: %s", got)
	}
	z := all.Zones[0]
	if !z.Editable || z.Phase != "holding" || *z.Serial != 7 || !z.Held || !z.NextRefresh.Equal(noon.Add(time.Minute)) || all.Zones[2].Editable {
		t.Errorf("%+v", z)
	}
}

// Zones of one name are told apart by their views, and several outputs of one source are one zone.
func TestNativeZonesOfOneName(t *testing.T) {
	b := newBench(t, nil)
	out := watch.Zone{Name: apex, View: "out", Source: "out.zone"}
	s := &watch.Snapshot{Zones: []watch.Zone{
		out, {Name: apex, View: "in", Source: "in.zone", Phase: watch.PhasePublished}, {Name: apex, View: "in2", Source: "in.zone", Phase: watch.PhaseFailing}, {Source: "nameless"},
	}}
	b.Records.Zones = func() []EditableZone { return []EditableZone{{Name: apex, Path: "out.zone"}} }
	list := b.shown(&everything, s)
	if len(list) != 2 || list[0].id != "example.com." || list[0].editable == nil || list[1].id != "example.com..in" || !slices.Equal(list[1].outputs, []int{1, 2}) {
		t.Fatalf("%+v", list)
	}
	if got := list[1].summary(s); got.Phase != "failing" {
		t.Errorf("the worst of two: %+v", got)
	}
}

func TestNativeZone(t *testing.T) {
	b := newBench(t, nil)
	a := b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com", "")
	z := decoded[ZoneDetail](b, a, 200)
	if a.header.Get("ETag") != `"`+z.ETag+`"` || z.ETag == "" || *z.SourceSerial != 7 || *z.Served != 7 || len(z.Secondaries) != 1 || *z.Secondaries[0].Serial != 6 ||
		len(z.Problems) != 1 || z.Problems[0].Line != 4 || len(z.Outputs) != 1 || !z.Editable {
		t.Errorf("%s", a.body)
	}
	z = decoded[ZoneDetail](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.org.", ""), 200)
	if z.Editable || z.ETag != "" || z.Outputs[0].Pulled == nil {
		t.Errorf("one that is not editable: %+v", z)
	}
	if err := os.WriteFile(b.path, []byte("@ SOA wrong\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	z = decoded[ZoneDetail](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com", ""), 200)
	if z.ETag != "" || len(z.Problems) < 2 || !slices.ContainsFunc(z.Problems, func(p Problem) bool { return p.Severity == "error" && p.Line == 1 }) {
		t.Errorf("a source with errors: %+v", z)
	}
}

func TestNativeRecords(t *testing.T) {
	b := newBench(t, nil)
	list := decoded[SourceRecords](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/records", ""), 200)
	if len(list.Records) != 6 || list.Next != nil {
		t.Fatalf("%+v", list)
	}
	alias := decoded[SourceRecords](b, b.ask(b.secrets[ScopeRecords], "GET", "/zones/example.com/records?owner=@&type=alias", ""), 200)
	if len(alias.Records) != 1 || alias.Records[0].RDATA != "cdn.example.net." || alias.Records[0].Comment != "; the site" || alias.Records[0].Line != 5 || !alias.Records[0].Editable {
		t.Errorf("%+v", alias)
	}
	page := decoded[SourceRecords](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/records?limit=4", ""), 200)
	if len(page.Records) != 4 || *page.Next != 4 {
		t.Errorf("the first page: %+v", page)
	}
	page = decoded[SourceRecords](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/records?limit=4&offset=4", ""), 200)
	if len(page.Records) != 2 || page.Next != nil {
		t.Errorf("the second page: %+v", page)
	}
	page = decoded[SourceRecords](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/records?offset=9000000000000000000", ""), 200)
	if len(page.Records) != 0 || page.Next != nil {
		t.Errorf("behind the last: %+v", page)
	}
}

func TestNativeEdit(t *testing.T) {
	b := newBench(t, nil)
	secret := b.secrets[ScopeRecords]
	tried := b.ask(secret, "PUT", "/zones/example.com/rrsets/@/ALIAS", `{"ttl": 60, "rdata": ["web.example.org."]}`, "X-Aliasflat-Dry-Run: 1")
	e := decoded[Edited](b, tried, 200)
	if b.source() != recordsText || len(*b.audits) != 0 || e.Written || !e.DryRun {
		t.Fatalf("a dry run has written: %s", b.source())
	}
	if len(e.Difference) != 1 || e.Difference[0].Old.RDATA[0] != "cdn.example.net." || e.Difference[0].New.TTL != 60 || !strings.Contains(e.Diff, "\n-@\tIN ALIAS cdn.example.net. ; the site\n") {
		t.Errorf("%s", tried.body)
	}
	if len(e.Targets) != 1 || len(e.Targets[0].Lookups) != 2 || !slices.Equal(e.Targets[0].Lookups[0].Addresses, second) || !*e.Targets[0].Lookups[0].AD ||
		e.Targets[0].Lookups[1].Problem != "the name exists, and has no address of this type" {
		t.Errorf("what it resolves to: %+v", e.Targets)
	}
	made := b.ask(secret, "PUT", "/zones/example.com/rrsets/@/ALIAS", `{"ttl": 60, "rdata": ["web.example.org."]}`, `If-Match: `+tried.header.Get("ETag"))
	m := decoded[Edited](b, made, 200)
	if !m.Written || m.DryRun || m.ETag != e.ETag || len(m.Diff) != 0 || len(m.Targets) != 0 || made.header.Get("ETag") != `"`+m.ETag+`"` {
		t.Errorf("%s", made.body)
	}
	if want := strings.Replace(recordsText, "IN ALIAS cdn.example.net.", "60 IN ALIAS web.example.org.", 1); b.source() != want {
		t.Errorf("the source has\n%s", b.source())
	}
	if len(*b.audits) != 1 || (*b.audits)[0].Caller.Via != "native" || (*b.audits)[0].ETag != m.ETag {
		t.Errorf("audits %+v", *b.audits)
	}
	if again := decoded[Edited](b, b.ask(secret, "PUT", "/zones/example.com/rrsets/@/ALIAS", `{"rdata": ["web.example.org."]}`), 200); again.Written || len(again.Difference) != 0 {
		t.Errorf("what is so already: %+v", again)
	}
	several := decoded[Edited](b, b.ask(secret, "POST", "/zones/example.com/edits", `{"changes": [
		{"kind": "add", "owner": "www", "type": "A", "rdata": ["192.0.2.7", "192.0.2.8"]},
		{"kind": "delete", "owner": "@", "type": "NS", "rdata": ["ns2"]},
		{"kind": "delete-rrset", "owner": "ns2", "type": "A"}]}`), 200)
	if !several.Written || len(several.Difference) != 3 || strings.Contains(b.source(), "ns2") || !strings.Contains(b.source(), "192.0.2.8") {
		t.Errorf("%+v\n%s", several, b.source())
	}
	gone := decoded[Edited](b, b.ask(secret, "DELETE", "/zones/example.com/rrsets/www/A", ""), 200)
	if !gone.Written || strings.Contains(b.source(), "www") {
		t.Errorf("%+v\n%s", gone, b.source())
	}
}

// What is refused leaves the source alone, and says what is wrong and where.
func TestNativeEditRefuses(t *testing.T) {
	b := newBench(t, nil)
	secret, was := b.secrets[ScopeRecords], b.source()
	limited := b.token(Grant{Scopes: []Scope{ScopeRecords}, Targets: []string{"provider.example."}})
	for _, c := range []struct {
		name, secret, method, path, body string
		status                           int
		want                             string
	}{
		{"no RDATA", secret, "PUT", "/rrsets/@/ALIAS", `{"rdata": []}`, 422, "there is none"},
		{"none at all", secret, "PUT", "/rrsets/@/ALIAS", `{}`, 422, "there is none"},
		{"bad RDATA", secret, "PUT", "/rrsets/www/A", `{"rdata": ["192.0.2"]}`, 422, `"column":1`},
		{"two lines", secret, "PUT", "/rrsets/www/TXT", `{"rdata": ["a\n$INCLUDE /etc/passwd"]}`, 422, `"diagnostics":`},
		{"a second one", secret, "POST", "/edits", `{"changes": [{"kind": "add", "owner": "a", "type": "A", "rdata": ["192.0.2.1"]}, {"kind": "add", "owner": "b", "type": "A", "rdata": ["x"]}]}`, 422, `"file":"changes[1].rdata"`},
		{"a zone with errors", secret, "PUT", "/rrsets/@/A", `{"rdata": ["192.0.2.9"]}`, 422, `"code":"alias-sibling"`},
		{"the SOA", secret, "DELETE", "/rrsets/@/SOA", "", 422, "SOA"},
		{"no type", secret, "DELETE", "/rrsets/@/NONE", "", 422, "no record type"},
		{"no owner", secret, "DELETE", "/rrsets/$INCLUDE/A", "", 422, `"diagnostics":`},
		{"outside", secret, "PUT", "/rrsets/example.net./A", `{"rdata": ["192.0.2.9"]}`, 422, `"diagnostics":`},
		{"not there", secret, "DELETE", "/rrsets/www/A", "", 404, "no record of type A"},
		{"no kind", secret, "POST", "/edits", `{"changes": [{"kind": "set", "owner": "@", "type": "A"}]}`, 422, "none of add, replace"},
		{"no names", secret, "POST", "/edits", `{"changes": [{"kind": "add", "rdata": ["192.0.2.1"]}]}`, 422, "owner name and a type"},
		{"RDATA too many", secret, "POST", "/edits", `{"changes": [{"kind": "delete-rrset", "owner": "@", "type": "A", "rdata": ["192.0.2.1"]}]}`, 422, "takes no RDATA"},
		{"no changes", secret, "POST", "/edits", `{"changes": []}`, 422, "0 changes"},
		{"too many changes", secret, "POST", "/edits", `{"changes": [{}` + strings.Repeat(", {}", maxEditChanges) + `]}`, 422, "1001 changes"},
		{"another field", secret, "PUT", "/rrsets/@/ALIAS", `{"rdatas": ["web.example.org."]}`, 400, "unknown field"},
		{"TTL", secret, "PUT", "/rrsets/@/ALIAS", `{"ttl": -1, "rdata": ["web.example.org."]}`, 400, "ttl"},
		{"not JSON", secret, "POST", "/edits", `changes`, 400, "the body"},
		{"another target", limited, "PUT", "/rrsets/@/ALIAS", `{"rdata": ["web.example.org."]}`, 403, "not for the target"},
	} {
		for _, dry := range []string{"0", "1"} {
			a := b.ask(c.secret, c.method, "/zones/example.com"+c.path, c.body, "X-Aliasflat-Dry-Run: "+dry)
			if e := decoded[Error](b, a, c.status); e.Schema != SchemaError || e.Message == "" || !bytes.Contains(a.body, []byte(c.want)) {
				t.Errorf("%s: %s", c.name, a.body)
			}
			if b.source() != was {
				t.Fatalf("%s: the source has\n%s", c.name, b.source())
			}
		}
	}
	if len(b.asked) != 0 {
		t.Errorf("the resolvers were asked for %v", b.asked)
	}
}

// A target inside the zone is not looked up, and no more than a few are.
func TestNativePreviewIsBounded(t *testing.T) {
	b := newBench(t, nil)
	changes := []string{`{"kind": "replace", "owner": "@", "type": "ALIAS", "rdata": ["ns1"]}`}
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		changes = append(changes, `{"kind": "add", "owner": "`+string(c)+`", "type": "ALIAS", "rdata": ["`+string(c)+`.example.net."]}`)
	}
	e := decoded[Edited](b, b.ask(b.secrets[ScopeRecords], "POST", "/zones/example.com/edits", `{"changes": [`+strings.Join(changes, ",")+`]}`, "X-Aliasflat-Dry-Run: 1"), 200)
	if len(e.Targets) != maxPreviews || len(b.asked) != maxPreviews-1 || !e.Targets[0].Inside || len(e.Targets[0].Lookups) != 0 || e.Targets[1].Inside {
		t.Errorf("%d targets, %d asked: %+v", len(e.Targets), len(b.asked), e.Targets[0])
	}
}

func TestNativeAliases(t *testing.T) {
	b := newBench(t, nil)
	a := b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/aliases", "")
	list := decoded[Aliases](b, a, 200)
	if len(list.Aliases) != 1 || list.ETag == "" || a.header.Get("ETag") == "" {
		t.Fatalf("%s", a.body)
	}
	one := list.Aliases[0]
	if one.Owner != "example.com." || one.Target != "cdn.example.net." || one.Line != 5 || !one.Editable {
		t.Errorf("%+v", one)
	}
	if len(one.Published) != 1 || one.Published[0].TTL != 60 || !slices.Equal(one.Published[0].Addresses, second) {
		t.Errorf("published: %+v", one.Published)
	}
	if len(one.Lookups) != 2 || !one.Lookups[0].Expires.Equal(noon.Add(time.Minute)) || len(one.Lookups[0].Chain) != 1 || one.Lookups[1].Failed != 2 ||
		one.Lookups[1].Problem != "nobody could tell: SERVFAIL" || one.Problem != "AAAA: nobody could tell: SERVFAIL" {
		t.Errorf("lookups: %+v, %q", one.Lookups, one.Problem)
	}
	if got := decoded[OneAlias](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/aliases/@", ""), 200); got.Owner != one.Owner || got.Zone != "example.com" || got.ETag != list.ETag {
		t.Errorf("%+v", got)
	}
	other := decoded[Aliases](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.org/aliases", ""), 200)
	if len(other.Aliases) != 1 || other.ETag != "" || other.Aliases[0].File != "" || other.Aliases[0].Editable || other.Aliases[0].Target != "cdn.example.net." {
		t.Errorf("of a zone that is not editable: %+v", other)
	}
	if none := decoded[Aliases](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/secret.example/aliases", ""), 200); len(none.Aliases) != 0 {
		t.Errorf("without an output: %+v", none)
	}
}

func TestPlainly(t *testing.T) {
	for _, c := range []struct {
		answer *resolve.Answer
		want   string
	}{
		{nil, "it was not asked yet"},
		{&resolve.Answer{Outcome: resolve.Addresses}, ""},
		{&resolve.Answer{Outcome: resolve.Addresses, Stale: true}, "the resolver could not ask for it, and gives what it had before"},
		{&resolve.Answer{Outcome: resolve.NXDomain}, "the name does not exist"},
		{&resolve.Answer{Outcome: resolve.WeakNoData}, "there is no address of this type, as the resolver says without a proof"},
		{&resolve.Answer{Outcome: resolve.Failure, Reason: resolve.ReasonTimeout, Detail: "after 5s"}, "nobody could tell: timeout, after 5s"},
	} {
		if got := plainly(&watch.Target{Answer: c.answer}); got != c.want {
			t.Errorf("%+v: %q", c.answer, got)
		}
	}
	got := lookupForm(&watch.Target{Answer: &resolve.Answer{Outcome: resolve.Failure, Reason: resolve.ReasonNotValidated}})
	if got.AD == nil || *got.AD {
		t.Errorf("not validated: %+v", got)
	}
}

func TestNativeHistory(t *testing.T) {
	b := newBench(t, nil)
	read := b.secrets[ScopeRead]
	all := decoded[History](b, b.ask(read, "GET", "/zones/example.com/history", ""), 200)
	if len(all.Changes) != 2 || !all.Changes[0].Time.Equal(noon) || all.More {
		t.Fatalf("%+v", all)
	}
	page := decoded[History](b, b.ask(read, "GET", "/zones/example.com/history?limit=1&owner=@", ""), 200)
	if len(page.Changes) != 1 || !page.More {
		t.Errorf("the first page: %+v", page)
	}
	page = decoded[History](b, b.ask(read, "GET", "/zones/example.com/history?limit=1&before="+page.Changes[0].Time.Format(time.RFC3339), ""), 200)
	if len(page.Changes) != 1 || !page.Changes[0].Time.Before(noon) || page.More {
		t.Errorf("the second page: %+v", page)
	}
	for _, path := range []string{"/zones/example.com/history?owner=www", "/zones/example.org/history"} {
		if got := decoded[History](b, b.ask(read, "GET", path, ""), 200); len(got.Changes) != 0 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

// What is of no zone, or of others, is not for a token of some zones.
func TestNativeShowsNoOtherZones(t *testing.T) {
	b := newBench(t, nil)
	mine := b.token(Grant{Scopes: Scopes, Zones: []string{"example.org"}})
	if s := decoded[Status](b, b.ask(mine, "GET", "/status", ""), 200); len(s.Zones) != 1 || s.Zones[0].Name != "example.org" || len(s.Serving) != 0 {
		t.Errorf("status: %+v", s)
	}
	if s := decoded[Status](b, b.ask(b.secrets[ScopeRead], "GET", "/status", ""), 200); len(s.Zones) != 3 || len(s.Serving) != 1 || s.Version != "1.2.3" {
		t.Errorf("status: %+v", s)
	}
	for name, want := range map[string]int{"example.com": 0, "cdn.example.net": 0} {
		if w := decoded[Why](b, b.ask(mine, "GET", "/why?name="+name, ""), 200); len(w.RRsets) != want {
			t.Errorf("why %s: %+v", name, w)
		}
		if w := decoded[Why](b, b.ask(b.secrets[ScopeRead], "GET", "/why?name="+name, ""), 200); len(w.RRsets) == 0 {
			t.Errorf("why %s: nothing", name)
		}
	}
	for _, path := range []string{"", "/records", "/aliases", "/aliases/@", "/history", "/plan"} {
		a := b.ask(mine, "GET", "/zones/example.com"+path, "")
		unknown := b.ask(mine, "GET", "/zones/none.example"+path, "")
		if a.status != 404 || unknown.status != 404 || strings.ReplaceAll(string(a.body), "example.com", "none.example") != string(unknown.body) {
			t.Errorf("%s: %d %s, %d %s", path, a.status, a.body, unknown.status, unknown.body)
		}
	}
	if a := b.ask(mine, "POST", "/refresh", `{"target": "cdn.example.net"}`); a.status != 404 {
		t.Errorf("a target of another zone: %d %s", a.status, a.body)
	}
	if a := b.ask(mine, "POST", "/refresh", `{"target": "example.com"}`); a.status != 404 || len(b.daemon.refreshed) != 0 {
		t.Errorf("another zone: %d %s", a.status, a.body)
	}
}

func TestNativeRefresh(t *testing.T) {
	b := newBench(t, nil)
	if got := decoded[Refreshed](b, b.ask(b.secrets[ScopeRefresh], "POST", "/zones/example.com/refresh", ""), 200); got.Zones != 2 || got.Targets != 2 {
		t.Errorf("%+v", got)
	}
	if got := decoded[Refreshed](b, b.ask(b.secrets[ScopeRefresh], "POST", "/refresh", `{"target": "cdn.example.net."}`), 200); got.Targets != 2 {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(b.daemon.refreshed, []zone.Name{apex, cdn}) {
		t.Errorf("refreshed %v", b.daemon.refreshed)
	}
}

func TestNativePlan(t *testing.T) {
	b := newBench(t, nil)
	got := decoded[PlanDocument](b, b.ask(b.secrets[ScopeRead], "GET", "/zones/example.com/plan", ""), 200)
	if len(got.Outputs) != 1 {
		t.Fatalf("%+v", got)
	}
	p := got.Outputs[0]
	if *p.Serial != 8 || *p.Next != 9 || !p.Changed || !p.Guarded || p.Difference[0].New.RDATA[0] != "192.0.2.9" || !slices.Equal(p.Waiting, []string{"edge.example.net."}) || len(p.Problems) != 1 {
		t.Errorf("%+v", p)
	}
}

// What is no path, or no method of one, is told as everything else is.
func TestNativePaths(t *testing.T) {
	b := newBench(t, nil)
	if e := decoded[Error](b, b.ask("", "GET", "/none", ""), 404); e.Schema != SchemaError {
		t.Errorf("%+v", e)
	}
	a := b.ask("", "POST", "/zones", "")
	if e := decoded[Error](b, a, 405); e.Schema != SchemaError || a.header.Get("Allow") != "GET" {
		t.Errorf("%+v, Allow: %q", e, a.header.Get("Allow"))
	}
	if a := b.ask("", "PATCH", "/zones/example.com/rrsets/@/A", ""); a.status != 405 || a.header.Get("Allow") != "PUT, DELETE" {
		t.Errorf("%d, Allow: %q", a.status, a.header.Get("Allow"))
	}
	if a := b.ask(b.secrets[ScopeRecords], "DELETE", "/zones/example.com/rrsets/@/ALIAS", "", "Sec-Fetch-Site: cross-site"); a.status != 403 || b.source() != recordsText {
		t.Errorf("a page of another origin: %d %s", a.status, a.body)
	}
}
