package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// hostileZone is edited by those who mean harm. Its comment must not come to be anything else.
const hostileZone = `$ORIGIN example.com.
$TTL 300 ; $INCLUDE /etc/passwd
@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300
@ NS ns1.example.net.
@ ALIAS cdn.example.net.
www A 192.0.2.80 ; the site
`

// hostileEdit is what a request asks for, in words that may be anything.
type hostileEdit struct{ owner, typ, ttl, rdata string }

// good is an edit that is taken.
var good = hostileEdit{"new.example.com.", "TXT", "600", `"good"`}

// writingRoute is a way to edit records. A face adds a line for each of its own.
type writingRoute struct {
	name, method string
	path         func(e hostileEdit) string
	body         func(e hostileEdit) any
	anyType      bool // its clients send bodies of any Content-Type; a page has no token to send along
}

// fixed is a path that has nothing of the edit.
func fixed(path string) func(hostileEdit) string { return func(hostileEdit) string { return path } }

var writingRoutes = []writingRoute{
	{
		"native rrsets", http.MethodPut,
		func(e hostileEdit) string {
			return "/aliasflat/v1/zones/example.com/rrsets/" + url.PathEscape(e.owner) + "/" + url.PathEscape(e.typ)
		},
		func(e hostileEdit) any { return map[string]any{"ttl": number(e.ttl), "rdata": []string{e.rdata}} }, false,
	},
	{
		"native edits", http.MethodPost, fixed("/aliasflat/v1/zones/example.com/edits"),
		func(e hostileEdit) any {
			return map[string]any{"changes": []any{map[string]any{"kind": "add", "owner": e.owner, "type": e.typ, "ttl": number(e.ttl), "rdata": []string{e.rdata}}}}
		}, false,
	},
	{
		"powerdns", http.MethodPatch, fixed("/api/v1/servers/localhost/zones/example.com."),
		func(e hostileEdit) any {
			record := map[string]any{"content": e.rdata, "disabled": false}
			return map[string]any{"rrsets": []any{map[string]any{"name": e.owner, "type": e.typ, "ttl": number(e.ttl), "changetype": "REPLACE", "records": []any{record}}}}
		}, true,
	},
	{
		"provider", http.MethodPost, fixed("/v1/zones/example.com/records"),
		func(e hostileEdit) any {
			return map[string]any{"name": e.owner, "type": e.typ, "ttl": number(e.ttl), "content": e.rdata}
		}, false,
	},
}

// otherRoutes change something too, or have others asked.
var otherRoutes = []struct{ name, method, path string }{
	{"native delete", http.MethodDelete, "/aliasflat/v1/zones/example.com/rrsets/www.example.com./A"},
	{"native refresh of a zone", http.MethodPost, "/aliasflat/v1/zones/example.com/refresh"},
	{"native refresh", http.MethodPost, "/aliasflat/v1/refresh"},
	{"powerdns zones", http.MethodPost, "/api/v1/servers/localhost/zones"},
	{"powerdns zone", http.MethodPut, "/api/v1/servers/localhost/zones/example.com."},
	{"powerdns no zone", http.MethodDelete, "/api/v1/servers/localhost/zones/example.com."},
	{"powerdns notify", http.MethodPut, "/api/v1/servers/localhost/zones/example.com./notify"},
	{"provider replace", http.MethodPut, "/v1/zones/example.com/records/1"},
	{"provider delete", http.MethodDelete, "/v1/zones/example.com/records/1"},
	{"provider delete by name", http.MethodDelete, "/v1/zones/example.com/records/by-name/www/A"},
}

// number is a JSON number where a text is one, and else the text.
func number(text string) any {
	var n json.Number
	if json.Unmarshal([]byte(text), &n) == nil {
		return n
	}
	return text
}

// hostileWorld is a daemon with an editable zone, and all that ever came out of it.
type hostileWorld struct {
	*testing.T

	dir, address, source string
	daemon               *running
	routes               []*writingRoute // of the faces that there are
	tokens               *api.Tokens
	secrets              []string

	mu  sync.Mutex
	out bytes.Buffer // every answer, whole
}

func newHostileWorld(t *testing.T) *hostileWorld {
	t.Helper()
	resolver := dnstest.Start(t, "cdn.example.net. 60 IN A 192.0.2.1\n")
	w := &hostileWorld{T: t, dir: t.TempDir()}
	w.source = put(t, w.dir, "example.com.zone", hostileZone)
	put(t, w.dir, "aliasflat.yaml", fmt.Sprintf(`listen: {http: "127.0.0.1:0"}
state: state
zones: [{name: example.com, source: example.com.zone, output: out.db, editable: true}]
resolvers: [%q]
`, resolver.URL()))
	w.daemon = startWatch(t, w.dir, "-v")
	at := regexp.MustCompile(`HTTP at (127\.0\.0\.1:[0-9]+)`)
	until(t, "the port", func() bool { return at.MatchString(w.daemon.log.String()) })
	w.address = at.FindStringSubmatch(w.daemon.log.String())[1]
	w.tokens = api.OpenTokens(filepath.Join(w.dir, "state", api.TokensName))
	return w
}

// token makes one that may do everything. Each is used for a few requests only, as there may be
// a limit for each.
func (w *hostileWorld) token(grant api.Grant) string {
	w.Helper()
	if grant.Scopes == nil {
		grant.Scopes = api.Scopes
	}
	_, secret, err := w.tokens.Create(w.Context(), grant, "hostile", time.Now(), time.Time{})
	if err != nil {
		w.Fatal(err)
	}
	w.secrets = append(w.secrets, secret)
	return secret
}

// request makes a request with a JSON body.
func (w *hostileWorld) request(method, path string, body any, secret string) *http.Request {
	w.Helper()
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		text = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(w.Context(), method, "http://"+w.address+path, text)
	if err != nil {
		w.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	return r
}

func (w *hostileWorld) write(route *writingRoute, e hostileEdit, secret string) *http.Request {
	w.Helper()
	return w.request(route.method, route.path(e), route.body(e), secret)
}

// ask sends a request, and holds what every answer has to be.
func (w *hostileWorld) ask(r *http.Request) (status int, body string) {
	w.Helper()
	client := http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	reply, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	text, err := io.ReadAll(reply.Body)
	_ = reply.Body.Close() // it was read
	if err != nil {
		w.Fatal(err)
	}
	w.mu.Lock()
	fmt.Fprintf(&w.out, "%s %s\n%d %v\n%s\n", r.Method, r.URL.Path, reply.StatusCode, reply.Header, text)
	w.mu.Unlock()
	what := r.Method + " " + r.URL.String()
	for name := range reply.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			w.Errorf("%s: the answer has %s", what, name)
		}
	}
	if reply.StatusCode >= 500 {
		w.Errorf("%s: %d %s", what, reply.StatusCode, text)
	}
	redirect := 300 <= reply.StatusCode && reply.StatusCode < 400
	if reply.Header.Get("X-Content-Type-Options") != "nosniff" && len(text) > 0 && !redirect {
		w.Errorf("%s: %d may be taken for something else than %s", what, reply.StatusCode, reply.Header.Get("Content-Type"))
	}
	if strings.HasPrefix(reply.Header.Get("Content-Type"), "text/html") && strings.Contains(string(text), hostileMarkup) {
		w.Errorf("%s: markup of somebody is in the page", what)
	}
	if strings.Contains(string(text), "root:") {
		w.Errorf("%s: it shows a file of the machine: %s", what, text)
	}
	return reply.StatusCode, string(text)
}

const hostileMarkup = "<script>alert(1)</script>"

// reset gives the source its text again, and tells what it had.
func (w *hostileWorld) reset() string {
	w.Helper()
	text, err := os.ReadFile(w.source)
	if err != nil {
		w.Fatal(err)
	}
	if string(text) != hostileZone {
		put(w.T, w.dir, "example.com.zone", hostileZone)
	}
	return string(text)
}

// refused sends a request that has to be refused with one of some statuses, and changes nothing.
func (w *hostileWorld) refused(name string, r *http.Request, statuses ...int) {
	w.Helper()
	status, body := w.ask(r)
	if !slices.Contains(statuses, status) {
		w.Errorf("%s: %d %s, want one of %v", name, status, body, statuses)
	}
	if text := w.reset(); text != hostileZone {
		w.Errorf("%s: the source is\n%s", name, text)
	}
}

// TestHostileHTTP has a daemon edited by those who mean harm: nothing passes, and no secret comes out.
func TestHostileHTTP(t *testing.T) {
	t.Parallel()
	w := newHostileWorld(t)
	for i := range writingRoutes {
		route := &writingRoutes[i]
		status, body := w.ask(w.write(route, good, w.token(api.Grant{})))
		if body == "404 page not found\n" {
			t.Fatalf("%s: no face answers", route.name)
		}
		if status >= 300 {
			t.Fatalf("%s: a good edit: %d %s", route.name, status, body)
		}
		if text := w.reset(); !strings.Contains(text, "new") || text == hostileZone {
			t.Fatalf("%s: a good edit has made\n%s", route.name, text)
		}
		w.routes = append(w.routes, route)
		w.strangers(route)
		w.origins(route)
		w.shapes(route)
		w.grants(route)
		w.injections(route)
	}
	w.readers()
	w.raw()
	w.others()
	w.atOnce()
	w.paths()
	w.methods()
	w.secretsStay()
	if err := w.daemon.stop(t); err != nil {
		t.Error(err)
	}
}
