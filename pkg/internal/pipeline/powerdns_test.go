package pipeline

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// powerDNSSource is the zone that both servers begin with.
const powerDNSSource = `$ORIGIN example.com.
$TTL 3600
@	SOA ns1 hostmaster 7 3600 900 604800 300
@	NS ns1
@	NS ns2
@	ALIAS cdn.example.net.
ns1	A 192.0.2.1
ns2	A 192.0.2.2
www	300 TXT "a b" "c"
m	MX 10 mail.example.net.
`

const (
	powerDNSRoot = "/api/v1/servers/localhost"
	powerDNSZone = powerDNSRoot + "/zones/example.com."
)

// powerDNSRequest is a request that both servers get. In its body ' stands for ".
type powerDNSRequest struct {
	method, path, body string

	departs string // why aliasflat has another answer, with the status own; empty: it has not
	own     int
}

// rrset is the body of an edit of one RRset, with some more fields.
func rrset(owner, typ, fields string) string {
	return `{'rrsets':[{'name':'` + owner + `','type':'` + typ + `',` + fields + `}]}`
}

// replaced is the body of a REPLACE by one record.
func replaced(owner, typ, content string) string {
	return rrset(owner, typ, `'ttl':60,'changetype':'REPLACE','records':[{'content':'`+content+`','disabled':false}]`)
}

// powerDNSRequests are in the order in which they are sent: what they change stays.
func powerDNSRequests() []powerDNSRequest {
	edit := func(body string) powerDNSRequest {
		return powerDNSRequest{method: http.MethodPatch, path: powerDNSZone, body: body}
	}
	get := func(path string) powerDNSRequest { return powerDNSRequest{method: http.MethodGet, path: path} }
	return []powerDNSRequest{
		get("/api"),
		get("/api/v1"),
		get("/api/v1/servers"),
		get(powerDNSRoot),
		get("/api/v1/servers/other"),
		get("/api/v1/none"),
		get(powerDNSRoot + "/zones"),
		get(powerDNSRoot + "/zones?zone=example.com."),
		get(powerDNSRoot + "/zones?zone=example.com"),
		get(powerDNSRoot + "/zones?zone=example.net."),
		get(powerDNSRoot + "/zones?dnssec=false"),
		get(powerDNSZone),
		get(powerDNSRoot + "/zones/Example.com"),
		get(powerDNSRoot + "/zones/example=2Ecom."),
		get(powerDNSRoot + "/zones/=zz"),
		get(powerDNSRoot + "/zones/example.net."),
		get(powerDNSZone + "?rrsets=false"),
		get(powerDNSZone + "?rrsets=no"),
		get(powerDNSZone + "?rrset_name=www.example.com.&rrset_type=TXT"),
		get(powerDNSZone + "?rrset_name=none.example.com."),
		get(powerDNSZone + "?rrset_type=TXT"),
		get(powerDNSZone + "/export"),
		get(powerDNSRoot + "/zones/example.net./export"),
		get(powerDNSZone + "/metadata"),
		get(powerDNSZone + "/cryptokeys"),
		get(powerDNSZone + "/none"),
		get(powerDNSRoot + "/search-data?q=www*"),
		get(powerDNSRoot + "/search-data?q=EXAMPLE.c?m&max=20"),
		get(powerDNSRoot + "/search-data?q=192.0.2.*&object_type=record"),
		get(powerDNSRoot + "/search-data?q=cdn.example.net."),
		get(powerDNSRoot + "/search-data?q=*&max=1"),
		get(powerDNSRoot + "/search-data?q=*&object_type=zone"),
		get(powerDNSRoot + "/search-data?q=*&object_type=host"),
		get(powerDNSRoot + "/search-data?q=*&max=0"),
		get(powerDNSRoot + "/search-data"),
		{method: http.MethodPut, path: powerDNSZone + "/notify"},
		{method: http.MethodPut, path: powerDNSRoot + "/zones/example.net./notify"},
		{method: http.MethodGet, path: powerDNSZone + "/notify"},
		{method: http.MethodPatch, path: powerDNSRoot + "/zones", body: `{}`},
		{method: http.MethodDelete, path: powerDNSRoot + "/zones/example.net."},

		edit(replaced("www.example.com.", "A", "192.0.2.9")),
		edit(replaced("WWW.Example.com.", "aaaa", "2001:DB8:0::1")),
		edit(replaced("example.com.", "ALIAS", "web.example.org.")),
		edit(replaced("*.example.com.", "CNAME", "www.example.com.")),
		edit(replaced("_acme-challenge.example.com.", "TXT", `\"one; of (them)\" \"two\"`)),
		edit(replaced("example.com.", "CAA", `0 issue \"ca.example.net\"`)),
		edit(replaced("_sip._tcp.example.com.", "SRV", "0 5 5060 Sip.example.net.")),
		edit(replaced("example.com.", "HTTPS", "1 . alpn=h2,h3")),
		edit(replaced("w.example.com.", "TXT", `\"é\" \"\"`)),
		edit(rrset("m.example.com.", "MX", `'ttl':120,'changetype':'REPLACE','records':[{'content':'10 a.example.net.'},{'content':'20 b.example.net.'}]`)),
		edit(rrset("m.example.com.", "MX", `'ttl':'300','changetype':'REPLACE','records':[{'content':'20 b.example.net.'}],'comments':[]`)),
		edit(rrset("www.example.com.", "A", `'changetype':'DELETE'`)),
		edit(rrset("www.example.com.", "A", `'changetype':'DELETE','records':null`)),
		edit(rrset("www.example.com.", "AAAA", `'ttl':60,'changetype':'REPLACE','records':[]`)),
		edit(`{'rrsets':[{'name':'www.example.com.','type':'TXT','changetype':'DELETE'},{'name':'www.example.com.','type':'CNAME','ttl':60,'changetype':'REPLACE','records':[{'content':'ns1.example.com.'}]}]}`),
		edit(`{'rrsets':[]}`),

		edit(`{`),
		edit(`{}`),
		edit(`[]`),
		edit(`{'rrsets':{}}`),
		edit(`{'rrsets':[{'type':'A','changetype':'DELETE'}]}`),
		edit(`{'rrsets':[{'name':'a.example.com.','changetype':'DELETE'}]}`),
		edit(rrset("a.example.com.", "A", `'ttl':60`)),
		edit(rrset("a.example.com.", "A", `'changetype':'MOVE'`)),
		edit(rrset("a.example.com.", "A", `'ttl':60,'changetype':'REPLACE'`)),
		edit(rrset("a.example.com.", "A", `'changetype':'REPLACE','records':[{'content':'192.0.2.9'}]`)),
		edit(rrset("a.example.com.", "A", `'ttl':60,'changetype':'REPLACE','records':[{}]`)),
		edit(rrset("a.example.com.", "A", `'ttl':60,'changetype':'REPLACE','records':[{'content':'192.0.2.9'},{'content':'192.0.2.9'}]`)),
		edit(`{'rrsets':[{'name':'a.example.com.','type':'A','changetype':'DELETE'},{'name':'a.example.com.','type':'A','changetype':'DELETE'}]}`),
		edit(replaced("www", "A", "192.0.2.9")),
		edit(replaced("a.example.com", "A", "192.0.2.9")),
		edit(replaced("a..example.com.", "A", "192.0.2.9")),
		edit(replaced("a.example.net.", "A", "192.0.2.9")),
		edit(replaced("a.example.com.", "NONE", "192.0.2.9")),
		edit(replaced("a.example.com.", "ANY", "192.0.2.9")),
		edit(replaced("a.example.com.", "A", "192.0.2.999")),
		edit(replaced("a.example.com.", "A", "")),
		edit(replaced("a.example.com.", "MX", "10 mail")),
		edit(replaced("a.example.com.", "ALIAS", "cdn.example.net")),
		edit(replaced("a.example.com.", "TXT", "bare")),
		edit(replaced("a.example.com.", "TXT", `\"a\" ; b`)),
		edit(replaced("www.example.com.", "A", "192.0.2.9")), // there is a CNAME
		edit(rrset("a.example.com.", "CNAME", `'ttl':60,'changetype':'REPLACE','records':[{'content':'a.example.net.'},{'content':'b.example.net.'}]`)),
		{method: http.MethodPatch, path: powerDNSRoot + "/zones/example.net.", body: `{'rrsets':[]}`},

		{method: http.MethodGet, path: powerDNSRoot + "/config", departs: "there are few settings", own: 200},
		{method: http.MethodPost, path: powerDNSRoot + "/zones", body: `{'name':'example.org.','kind':'Native','nameservers':['ns1.example.com.']}`, departs: "the configuration makes zones", own: 422},
		{method: http.MethodPut, path: powerDNSZone, body: `{'kind':'Native'}`, departs: "the configuration says what a zone is", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: rrset("x.example.com.", "A", `'ttl':60,'changetype':'EXTEND','records':[{'content':'192.0.2.4'}]`), departs: "PowerDNS 5 has EXTEND", own: 204},
		{method: http.MethodPatch, path: powerDNSZone, body: rrset("x.example.com.", "A", `'changetype':'PRUNE','records':[{'content':'192.0.2.4'}]`), departs: "PowerDNS 5 has PRUNE", own: 204},
		{method: http.MethodPatch, path: powerDNSZone, body: rrset("x.example.com.", "A", `'ttl':60,'changetype':'REPLACE','records':[{'content':'192.0.2.4','disabled':true}]`), departs: "a file has no records that are switched off", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: rrset("x.example.com.", "A", `'ttl':60,'changetype':'REPLACE','records':[{'content':'192.0.2.4'}],'comments':[{'content':'a','account':'b'}]`), departs: "comments are those of the source", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: replaced("example.com.", "A", "192.0.2.9"), departs: "an ALIAS is published as such records", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: replaced("z.example.com.", "MX", "10  mail.example.net."), departs: "blanks are no part of RDATA", own: 204},
		{method: http.MethodPatch, path: powerDNSZone, body: replaced("a_b.example.com.", "A", "192.0.2.9"), departs: "servers refuse zones with such host names", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: rrset("y.example.com.", "A", `'ttl':-1,'changetype':'REPLACE','records':[{'content':'192.0.2.4'}]`), departs: "no TTL is negative (RFC 2181 §8)", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: replaced("example.com.", "SOA", "ns1.example.com. hostmaster.example.com. 99 3600 900 604800 300"), departs: "the SOA is that of the source", own: 422},
		{method: http.MethodPatch, path: powerDNSZone, body: rrset("example.com.", "SOA", `'changetype':'DELETE'`), departs: "a zone has an SOA", own: 422},
		{method: http.MethodGet, path: powerDNSRoot + "/search-data?q=a&max=many", departs: "the client is at fault, not the server", own: 422},
		{method: http.MethodDelete, path: powerDNSZone, departs: "the configuration makes zones", own: 422},
	}
}

// powerDNSAPI is a server that speaks PowerDNS's API.
type powerDNSAPI struct{ name, url, key string }

// ask gives what is compared of an answer: status, media type, and the document or text. An answer
// in plain text with an error is for people.
func (s *powerDNSAPI) ask(t *testing.T, q *powerDNSRequest) (status int, kind string, document any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, s.url+q.path, strings.NewReader(strings.ReplaceAll(q.body, "'", `"`)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", s.key)
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	kind, _, _ = strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch {
	case kind == "application/json":
		if err := json.Unmarshal(body, &document); err != nil {
			t.Fatalf("%s: %s %s: %v: %s", s.name, q.method, q.path, err, body)
		}
	case answer.StatusCode < 400:
		document = string(body)
	}
	return answer.StatusCode, kind, document
}

// unlike tells where a document has not the keys, types and values of another one. The order of
// lists says nothing. Serials are each server's own, and so are the words of an error, whose
// diagnostics only one has.
func unlike(at string, want, got any) []string {
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		return []string{fmt.Sprintf("%s: %T and %T", at, want, got)}
	}
	var found []string
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any) //nolint:errcheck,forcetypeassert // It is of the same type.
		for key, value := range got {
			if _, ok := want[key]; !ok && key != "errors" {
				found = append(found, fmt.Sprintf("%s.%s: only aliasflat has %v", at, key, value))
			}
		}
		for key, value := range want {
			other, ok := got[key]
			switch {
			case !ok:
				found = append(found, fmt.Sprintf("%s.%s: only PowerDNS has %v", at, key, value))
			case key == "error" || strings.HasSuffix(key, "serial"):
				if reflect.TypeOf(value) != reflect.TypeOf(other) {
					found = append(found, fmt.Sprintf("%s.%s: %v and %v", at, key, value, other))
				}
			default:
				found = append(found, unlike(at+"."+key, value, other)...)
			}
		}
	case []any:
		got := got.([]any) //nolint:errcheck,forcetypeassert // It is of the same type.
		if len(want) != len(got) {
			return []string{fmt.Sprintf("%s: %d and %d entries: %v and %v", at, len(want), len(got), want, got)}
		}
		inOrder(want)
		inOrder(got)
		for i := range want {
			found = append(found, unlike(fmt.Sprintf("%s[%d]", at, i), want[i], got[i])...)
		}
	default:
		if want != got {
			found = append(found, fmt.Sprintf("%s: %q and %q", at, want, got))
		}
	}
	return found
}

func inOrder(list []any) {
	text := func(v any) string {
		if m, ok := v.(map[string]any); ok {
			return fmt.Sprint(m["object_type"], m["name"], m["type"], m["content"])
		}
		return fmt.Sprint(v)
	}
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
}

// startEditable starts a daemon with a zone that may be edited, and more of the configuration, and
// gives its API with a token.
func startEditable(t *testing.T, dir, source, listen, more string) (*powerDNSAPI, *running) {
	t.Helper()
	put(t, dir, "example.com.zone", source)
	put(t, dir, "aliasflat.yaml", fmt.Sprintf(`listen: {http: "127.0.0.1:0"%s}
state: state
%s
zones:
  - {name: example.com, source: example.com.zone, output: example.com.db, editable: true}
`, listen, more))
	token, err := program(t, dir, "token", "create", "--state", "state", "--scope", "records", "-q").Output()
	if err != nil {
		t.Fatal(err)
	}
	resolver := dnstest.Start(t, "cdn.example.net. 60 IN A 192.0.2.80\nweb.example.org. 60 IN A 192.0.2.81\n")
	d := startWatch(t, dir, "--resolver", resolver.URL())
	until(t, "the zone", func() bool { return strings.Contains(d.log.String(), "ready") })
	at := regexp.MustCompile(`HTTP at (127\.0\.0\.1:[0-9]+)`).FindStringSubmatch(d.log.String())
	if at == nil {
		t.Fatalf("no port is told of\n%s", d.log)
	}
	return &powerDNSAPI{name: "aliasflat", url: "http://" + at[1], key: strings.TrimSpace(string(token))}, d
}

// Requests are answered as Debian's PowerDNS answers them, by status, media type and document, and
// its edits come to the same records. Where that is not so it is meant.
func TestPowerDNSContract(t *testing.T) {
	t.Parallel()
	source := put(t, t.TempDir(), "example.com.zone", powerDNSSource)
	_, url := judge.StartPowerDNSAPI(t, map[string]string{"example.com": source}, "a-key")
	theirs := &powerDNSAPI{"PowerDNS", url, "a-key"}
	ours, d := startEditable(t, t.TempDir(), powerDNSSource, "", "")
	same, edits := 0, 0
	for _, q := range powerDNSRequests() {
		status, kind, want := theirs.ask(t, &q)
		ownStatus, ownKind, got := ours.ask(t, &q)
		what := fmt.Sprintf("%s %s %s", q.method, q.path, q.body)
		if q.departs != "" {
			if ownStatus != q.own || ownStatus != http.StatusNoContent && ownKind != "application/json" || q.own == status && len(unlike("", want, got)) == 0 {
				t.Errorf("%s, since %s: status %d and %d, %s and %s: %v", what, q.departs, status, ownStatus, kind, ownKind, got)
			}
			continue
		}
		if status != ownStatus || kind != ownKind {
			t.Errorf("%s: status %d and %d, %s and %s: %v and %v", what, status, ownStatus, kind, ownKind, want, got)
			continue
		}
		if found := unlike("", want, got); len(found) > 0 {
			t.Errorf("%s:\n%s", what, strings.Join(found, "\n"))
			continue
		}
		same++
		if q.method != http.MethodPatch {
			continue
		}
		edits++
		whole := powerDNSRequest{method: http.MethodGet, path: powerDNSZone}
		_, _, want = theirs.ask(t, &whole)
		_, _, got = ours.ask(t, &whole)
		if found := unlike("", want, got); len(found) > 0 {
			t.Fatalf("behind %s:\n%s", what, strings.Join(found, "\n"))
		}
	}
	if same < 75 || edits < 40 {
		t.Errorf("%d requests are answered alike, %d edits among them", same, edits)
	}
	for _, key := range []string{"", "none"} {
		q := powerDNSRequest{method: http.MethodGet, path: powerDNSZone}
		status, kind, _ := (&powerDNSAPI{"PowerDNS", theirs.url, key}).ask(t, &q)
		ownStatus, ownKind, _ := (&powerDNSAPI{"aliasflat", ours.url, key}).ask(t, &q)
		if status != http.StatusUnauthorized || status != ownStatus || kind != ownKind {
			t.Errorf("the key %q: status %d and %d, %s and %s", key, status, ownStatus, kind, ownKind)
		}
	}
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}

// client builds a program of package clients, which is a module of its own.
func client(t *testing.T, name string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	folder := filepath.Join(root(t), "pkg/internal/clients")
	for _, file := range []string{"go.mod", "go.sum", name + "/main.go"} { // the result of the test hangs on them
		if _, err := os.Stat(filepath.Join(folder, file)); err != nil {
			t.Fatal(err)
		}
	}
	output(t, "go", "build", "-C", folder, "-o", to, "./"+name)
	return to
}

// lego, unchanged, puts the record of a challenge into the source and takes it out again. Both are
// published, and the source is byte for byte what it was.
func TestPowerDNSLego(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	api, d := startEditable(t, dir, powerDNSSource, `, dns: "127.0.0.1:0"`, `secondaries: [{address: "127.0.0.9:53", key: none, notify: false}]`)
	at := regexp.MustCompile(`DNS at (127\.0\.0\.1:[0-9]+)`).FindStringSubmatch(d.log.String())
	if at == nil {
		t.Fatalf("no port is told of\n%s", d.log)
	}
	program := client(t, "lego")
	lego := func(what, authorization string) error {
		c := exec.CommandContext(t.Context(), program, what, at[1], "www.example.com", authorization)
		c.Env = append(os.Environ(), "PDNS_API_URL="+api.url, "PDNS_API_KEY="+api.key)
		out, err := c.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	texts := func() (list []string) {
		q := new(dns.Msg).SetQuestion("_acme-challenge.www.example.com.", dns.TypeTXT)
		answer, err := dns.Exchange(q, at[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, rr := range answer.Answer {
			if txt, ok := rr.(*dns.TXT); ok {
				list = append(list, txt.Txt...)
			}
		}
		slices.Sort(list)
		return list
	}
	digest := func(authorization string) string {
		sum := sha256.Sum256([]byte(authorization))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	both := []string{digest("first"), digest("second")}
	slices.Sort(both)
	for _, step := range []struct {
		what, authorization string
		want                []string
	}{
		{"present", "first", []string{digest("first")}},
		{"present", "second", both}, // of a wildcard certificate, at the same name
		{"cleanup", "first", []string{digest("second")}},
		{"cleanup", "second", nil},
	} {
		if err := lego(step.what, step.authorization); err != nil {
			t.Fatalf("%s %s: %v", step.what, step.authorization, err)
		}
		until(t, step.what+" "+step.authorization+" is published", func() bool { return slices.Equal(texts(), step.want) })
	}
	if text, err := os.ReadFile(filepath.Join(dir, "example.com.zone")); err != nil || string(text) != powerDNSSource {
		t.Errorf("%v: the source is\n%s", err, text)
	}
	if err := lego("cleanup", "second"); err == nil || !strings.Contains(err.Error(), "no existing record found") {
		t.Errorf("a second cleanup: %v", err)
	}
	if strings.Contains(d.log.String(), api.key) {
		t.Error("the token is in the log")
	}
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}

// The commands that the README shows do what it says.
func TestPowerDNSReadme(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	api, d := startEditable(t, dir, strings.Replace(powerDNSSource, "@	ALIAS cdn.example.net.\n", "", 1), "", "")
	c := exec.CommandContext(t.Context(), "sh", "-e", "-c", here(t, shown(t, "sh powerdns"), "http://127.0.0.1:8053", api.url))
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	out, err := c.Output()
	if err != nil || !strings.HasPrefix(string(out), "example.com.\t3600\tIN\tALIAS\tcdn.example.net.\nexample.com.\t3600\tIN\tNS\tns1.example.com.\n") {
		t.Errorf("%v: %s", err, out)
	}
	until(t, "the address", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "example.com.db"))
		return err == nil && strings.Contains(string(text), "192.0.2.80")
	})
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}
