package api

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// facesText is a source in which much can be edited, and some cannot.
const facesText = `$TTL 3600 ; an hour
@	IN SOA ns1.example.com. hostmaster.example.com. 7 3600 900 604800 300
	IN NS ns1
	IN NS ns2
@	IN ALIAS cdn.example.net. ; the site
ns1	IN A 192.0.2.1
ns2	IN A 192.0.2.2
www	60 IN A 192.0.2.80 ; the first
www	60 IN A 192.0.2.81 ; the second
@	IN MX 10 mail.example.net.
txt	IN TXT "v=1; a=2"
0/25	IN PTR a.example.net.
$GENERATE 1-2 host$ A 192.0.2.$
`

// asking is how a face is asked in tests.
type asking struct {
	handler      http.Handler
	read, edit   string // secrets of tokens
	path, tokens string // of the source, and of the tokens
	zone, secret string // what paths and requests have
}

// newAsking makes a face of one zone, example.com, with a token that may edit it, and one that
// may read it.
func newAsking(t *testing.T, text string) *asking {
	t.Helper()
	records, _, path := editable(t, text)
	f := &Faces{Records: records, Tokens: OpenTokens(filepath.Join(t.TempDir(), TokensName))}
	a := &asking{handler: f.Handler(), path: path, tokens: f.Tokens.path, zone: "/v1/zones/example.com"}
	for _, k := range []struct {
		secret *string
		grant  Grant
	}{
		{&a.read, Grant{Scopes: []Scope{ScopeRead}}},
		{&a.edit, Grant{Scopes: []Scope{ScopeRecords}, Zones: []string{"example.com"}}},
	} {
		var err error
		if _, *k.secret, err = f.Tokens.Create(t.Context(), k.grant, "", time.Now(), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	a.secret = a.edit
	return a
}

// answer is what a face answered.
type answer struct {
	status int
	header http.Header
	Status string `json:"status"`
	Error  providerFault
	Data   struct {
		Items      []json.RawMessage
		Zones      []providerZone
		Records    []providerRecord
		Total      int
		Limit      int
		Offset     int
		Pagination pagination

		ID       string
		Name     string
		Zone     *providerZone
		Message  string
		Record   *providerRecord
		DryRun   bool `json:"dry_run"`
		Diff     *string
		Warnings []providerDetail
	}
}

// ask asks with some headers, names and values by turns.
func (a *asking) ask(t *testing.T, method, path, body string, headers ...string) *answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+a.secret)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Body)
	got := &answer{status: w.Code, header: w.Header()}
	if err := json.Unmarshal(text, got); err != nil {
		t.Fatalf("%s %s: %d, %v: %s", method, path, w.Code, err, text)
	}
	want := "success"
	if w.Code >= 400 {
		want = "error"
	}
	if got.Status != want || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s: %d, %v: %s", method, path, w.Code, w.Header(), text)
	}
	if strings.Contains(string(text), a.secret) {
		t.Errorf("%s %s: the answer has the token", method, path)
	}
	return got
}

func (a *asking) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(a.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// id finds the record of a name, type and content.
func (a *asking) id(t *testing.T, name, typ, content string) string {
	t.Helper()
	for _, r := range a.ask(t, "GET", a.zone+"/records?name="+name+"&type="+typ, "").Data.Records {
		if r.Content == content {
			return r.ID
		}
	}
	t.Fatalf("there is no %s %s %s", name, typ, content)
	return ""
}

// An ALIAS at the apex comes and goes by the calls of a provider's clients, and the source is as
// it was.
func TestProviderALIAS(t *testing.T) {
	without := strings.Replace(facesText, "@\tIN ALIAS cdn.example.net. ; the site\n", "", 1)
	a := newAsking(t, without)
	zones := a.ask(t, "GET", "/v1/zones", "")
	if len(zones.Data.Zones) != 1 || zones.Data.Zones[0].Name != "example.com" {
		t.Fatalf("zones %+v", zones.Data)
	}
	id := zones.Data.Zones[0].ID
	if got, err := uuid.Parse(id); err != nil || got.Version() != 5 {
		t.Errorf("the ID of the zone is %s", id)
	}
	made := a.ask(t, "POST", "/v1/zones/"+id+"/records", `{"name":"@","type":"ALIAS","content":"cdn.provider.example.net","ttl":3600}`)
	want := providerRecord{Name: "example.com.", Type: "ALIAS", Content: "cdn.provider.example.net.", TTL: 3600}
	r := made.Data.Record
	if r == nil || made.status != http.StatusCreated || made.Data.Message == "" || r.ID == "" {
		t.Fatalf("%d %+v", made.status, made)
	}
	want.ID = r.ID
	if *r != want {
		t.Errorf("the record is %+v", *r)
	}
	if text := a.text(t); !strings.Contains(text, "ALIAS cdn.provider.example.net.") || !strings.Contains(text, " 7 3600 ") {
		t.Errorf("the source has\n%s", text)
	}
	got := a.ask(t, "GET", a.zone+"/records/"+r.ID, "")
	if got.status != http.StatusOK || got.Data.Record == nil || *got.Data.Record != want || got.header.Get("ETag") != made.header.Get("ETag") {
		t.Errorf("read again: %+v", got)
	}
	moved := a.ask(t, "PUT", a.zone+"/records/"+r.ID, `{"content":"Other.example.net."}`)
	if moved.status != http.StatusOK || moved.Data.Record == nil || moved.Data.Record.Content != "Other.example.net." || moved.Data.Record.ID == r.ID {
		t.Fatalf("replaced: %d %+v", moved.status, moved)
	}
	gone := a.ask(t, "DELETE", a.zone+"/records/"+moved.Data.Record.ID, "")
	if gone.status != http.StatusOK || gone.Data.Record != nil {
		t.Errorf("deleted: %+v", gone)
	}
	if text := a.text(t); text != without {
		t.Errorf("the source has\n%s", text)
	}
}

func TestProviderLists(t *testing.T) {
	a := newAsking(t, facesText)
	all := a.ask(t, "GET", a.zone+"/records", "")
	if d := all.Data; len(d.Records) != 13 || len(d.Items) != 13 || d.Total != 13 || d.Limit != providerLimit || d.Pagination != (pagination{Total: 13, Limit: providerLimit, Count: 13}) {
		t.Errorf("all: %+v", d)
	}
	var seen []providerRecord
	for len(seen) < 13 {
		page := a.ask(t, "GET", a.zone+"/records?limit=5&offset="+strconv.Itoa(len(seen)), "").Data
		rest := 13 - len(seen)
		if want := (pagination{Total: 13, Offset: len(seen), Limit: 5, Count: min(5, rest), HasMore: rest > 5}); page.Pagination != want || page.Offset != want.Offset || page.Limit != 5 || len(page.Records) != want.Count {
			t.Fatalf("a page: %+v", page)
		}
		seen = append(seen, page.Records...)
	}
	ids := map[string]bool{}
	for i, r := range seen {
		ids[r.ID] = true
		if r != all.Data.Records[i] {
			t.Errorf("%d is %+v, and by pages %+v", i, all.Data.Records[i], r)
		}
	}
	if len(ids) != 13 {
		t.Errorf("%d IDs", len(ids))
	}
	if past := a.ask(t, "GET", a.zone+"/records?offset=99", ""); past.Data.Records == nil || len(past.Data.Records) != 0 || past.Data.Items == nil || past.Data.Total != 13 {
		t.Errorf("past the end: %+v", past.Data)
	}
	for query, want := range map[string]int{
		"name=www": 2, "name=www.example.com": 2, "name=www.example.com.&type=A": 2, "type=a": 6, "name=@": 5, "name=&type=NS": 2, "name=other": 0, "name=@&type=ANAME": 1,
	} {
		if got := a.ask(t, "GET", a.zone+"/records?"+query, "").Data; len(got.Records) != want || got.Total != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	one := a.ask(t, "GET", "/v1/zones/example.com.", "")
	if z := one.Data.Zone; one.status != http.StatusOK || z == nil || z.ID != one.Data.ID || z.Name != "example.com" || one.Data.Name != "example.com" || *z.Records != 13 || one.header.Get("ETag") == "" {
		t.Errorf("the zone: %+v", one)
	}
	for query, want := range map[string]int{"name=example.com": 1, "name=Example.COM.": 1, "name=example.net": 0, "offset=1": 0} {
		if got := a.ask(t, "GET", "/v1/zones?"+query, "").Data; got.Zones == nil || got.Items == nil || len(got.Zones) != want {
			t.Errorf("zones by %s: %+v", query, got)
		}
	}
}

// What clients of providers leave out or write in another way is what they mean.
func TestProviderContent(t *testing.T) {
	for _, c := range []struct{ body, name, content string }{
		{`{"name":"a","type":"A","content":"192.0.2.9","ttl":300}`, "a.example.com.", "192.0.2.9"},
		{`{"name":"a.example.com","type":"aaaa","content":"2001:DB8::1"}`, "a.example.com.", "2001:db8::1"},
		{`{"name":"a.example.com.","type":"CNAME","content":"www"}`, "a.example.com.", "www.example.com."},
		{`{"name":"A","type":"CNAME","content":"www.example.net"}`, "a.example.com.", "www.example.net."},
		{`{"name":"a.example.net","type":"CNAME","content":"@"}`, "a.example.net.example.com.", "example.com."},
		{`{"name":"","type":"MX","content":"mail.example.org","priority":20}`, "example.com.", "20 mail.example.org."},
		{`{"name":"@","type":"MX","content":"20 mail.example.org","priority":20}`, "example.com.", "20 mail.example.org."},
		{`{"name":"_a._tcp","type":"SRV","content":"5 443 a.example.net","priority":1}`, "_a._tcp.example.com.", "1 5 443 a.example.net."},
		{`{"name":"_a._tcp","type":"SRV","content":"1 5 443 ns1","priority":1}`, "_a._tcp.example.com.", "1 5 443 ns1.example.com."},
		{`{"name":"a","type":"TXT","content":"v=spf1 include:example.net -all"}`, "a.example.com.", `"v=spf1 include:example.net -all"`},
		{`{"name":"a","type":"TXT","content":"v=DKIM1; k=rsa"}`, "a.example.com.", `"v=DKIM1; k=rsa"`},
		{`{"name":"a","type":"TXT","content":"\"one\" \"two\""}`, "a.example.com.", `"one" "two"`},
		{`{"name":"a","type":"HTTPS","content":"1 svc.example.net alpn=h2"}`, "a.example.com.", `1 svc.example.net. alpn="h2"`},
		{`{"name":"*.w","type":"ALIAS","content":"cdn.example.net","priority":0}`, "*.w.example.com.", "cdn.example.net."},
	} {
		a := newAsking(t, facesText)
		got := a.ask(t, "POST", a.zone+"/records", c.body)
		if r := got.Data.Record; got.status != http.StatusCreated || r == nil || r.Name != c.name || r.Content != c.content {
			t.Errorf("%s: %d %+v %+v", c.body, got.status, r, got.Error)
			continue
		}
		if again := a.ask(t, "POST", a.zone+"/records", c.body); again.status != http.StatusConflict || again.Error.Code != "RECORD_EXISTS" {
			t.Errorf("%s twice: %d %+v", c.body, again.status, again.Error)
		}
		if one := a.ask(t, "GET", a.zone+"/records/"+got.Data.Record.ID, ""); one.Data.Record == nil || *one.Data.Record != *got.Data.Record {
			t.Errorf("%s: read again %+v", c.body, one.Data.Record)
		}
		if gone := a.ask(t, "DELETE", a.zone+"/records/"+got.Data.Record.ID, ""); gone.status != http.StatusOK || a.text(t) != facesText {
			t.Errorf("%s: deleted %d\n%s", c.body, gone.status, a.text(t))
		}
	}
}

// A record that is replaced keeps its place and its comment, and one that gets another name or
// type goes there.
func TestProviderReplace(t *testing.T) {
	for _, c := range []struct{ name, typ, content, body, from, to string }{
		{"www", "A", "192.0.2.80", `{"name":"www","type":"A","content":"192.0.2.90","ttl":60}`, "192.0.2.80 ; the first", "192.0.2.90 ; the first"},
		{"www", "A", "192.0.2.81", `{"content":"192.0.2.90"}`, "192.0.2.81 ; the second", "192.0.2.90 ; the second"},
		{"www", "A", "192.0.2.81", `{"ttl":120}`, "www\t60 IN", "www\t120 IN"},
		{"www", "A", "192.0.2.81", `{}`, "", ""},
		{"@", "MX", "10 mail.example.net.", `{"content":"mail","priority":5}`, "10 mail.example.net.", "5 mail"},
		{"@", "ALIAS", "cdn.example.net.", `{"content":"CDN.example.org"}`, "cdn.example.net. ;", "cdn.example.org. ;"},
		{"txt", "TXT", `"v=1; a=2"`, `{"name":"other"}`, "txt\tIN TXT", "other\tIN TXT"},
		{"txt", "TXT", `"v=1; a=2"`, `{"type":"A","content":"192.0.2.7"}`, "txt\tIN TXT \"v=1; a=2\"", "txt\tIN A 192.0.2.7"},
	} {
		a := newAsking(t, facesText)
		got := a.ask(t, "PUT", a.zone+"/records/"+a.id(t, c.name, c.typ, c.content), c.body)
		want := strings.ReplaceAll(facesText, c.from, c.to)
		if c.from == "" {
			want = facesText
		}
		if text := a.text(t); got.status != http.StatusOK || !sameLines(text, want) {
			t.Errorf("%s %s: %d %+v\n%s", c.name, c.body, got.status, got.Error, text)
		}
		if one := a.ask(t, "GET", a.zone+"/records/"+got.Data.Record.ID, ""); one.Data.Record == nil || *one.Data.Record != *got.Data.Record {
			t.Errorf("%s %s: read again %+v, not %+v", c.name, c.body, one.Data.Record, got.Data.Record)
		}
	}
}

// sameLines tells whether two texts have the same lines but for letter case, in any order.
func sameLines(a, b string) bool {
	count := map[string]int{}
	for line := range strings.SplitSeq(strings.ToLower(a), "\n") {
		count[line]++
	}
	for line := range strings.SplitSeq(strings.ToLower(b), "\n") {
		if count[line]--; count[line] == 0 {
			delete(count, line)
		}
	}
	return len(count) == 0
}

func TestProviderDeleteByName(t *testing.T) {
	for path, gone := range map[string][]string{
		"www/A":                           {"www\t60 IN A 192.0.2.80 ; the first\n", "www\t60 IN A 192.0.2.81 ; the second\n"},
		"www.example.com/A":               {"www\t60 IN A 192.0.2.80 ; the first\n", "www\t60 IN A 192.0.2.81 ; the second\n"},
		"www/A?content=192.0.2.81":        {"www\t60 IN A 192.0.2.81 ; the second\n"},
		"0%2F25/PTR":                      {"0/25\tIN PTR a.example.net.\n"},
		"@/ALIAS":                         {"@\tIN ALIAS cdn.example.net. ; the site\n"},
		"@/ALIAS?content=CDN.example.net": {"@\tIN ALIAS cdn.example.net. ; the site\n"},
		"example.com./MX?content=10+mail.example.net": {"@\tIN MX 10 mail.example.net.\n"},
		"txt/TXT?content=v%3D1%3B+a%3D2":              {"txt\tIN TXT \"v=1; a=2\"\n"},
	} {
		a := newAsking(t, facesText)
		got := a.ask(t, "DELETE", a.zone+"/records/by-name/"+path, "")
		want := facesText
		for _, line := range gone {
			want = strings.Replace(want, line, "", 1)
		}
		if text := a.text(t); got.status != http.StatusOK || text != want {
			t.Errorf("%s: %d %+v\n%s", path, got.status, got.Error, text)
		}
	}
}

func TestProviderRefuses(t *testing.T) {
	a := newAsking(t, facesText)
	www, host := a.id(t, "www", "A", "192.0.2.80"), a.id(t, "host1", "A", "192.0.2.1")
	soa := a.ask(t, "GET", a.zone+"/records?type=SOA", "").Data.Records[0].ID
	record := func(fields string) string { return `{"name":"a","type":"A","content":"192.0.2.9"` + fields + `}` }
	for _, c := range []struct {
		method, path, body string
		status             int
		code, says         string // says is in the message or in a detail
	}{
		{"GET", "/v1/zones/example.net", "", 404, "ZONE_NOT_FOUND", "example.net"},
		{"GET", "/v1/zones/" + uuid.NewString(), "", 404, "ZONE_NOT_FOUND", ""},
		{"GET", "/v1/zones/example.net/records", "", 404, "ZONE_NOT_FOUND", ""},
		{"POST", "/v1/zones/example.net/records", record(""), 404, "ZONE_NOT_FOUND", ""},
		{"DELETE", "/v1/zones/example.net/records/" + www, "", 404, "ZONE_NOT_FOUND", ""},
		{"DELETE", "/v1/zones/example.net/records/by-name/a/A", "", 404, "ZONE_NOT_FOUND", ""},
		{"GET", a.zone + "/records/none", "", 404, "RECORD_NOT_FOUND", "none"},
		{"PUT", a.zone + "/records/none", record(""), 404, "RECORD_NOT_FOUND", ""},
		{"DELETE", a.zone + "/records/none", "", 404, "RECORD_NOT_FOUND", ""},
		{"DELETE", a.zone + "/records/by-name/a/A", "", 404, "RECORD_NOT_FOUND", "a.example.com."},
		{"DELETE", a.zone + "/records/by-name/www/A?content=192.0.2.82", "", 404, "RECORD_NOT_FOUND", ""},
		{"GET", "/v1/nothing", "", 404, "NOT_FOUND", "path"},
		{"GET", a.zone + "/dnssec/status", "", 404, "NOT_FOUND", ""},
		{"POST", "/v1/zones", `{"name":"example.net"}`, 405, "METHOD_NOT_ALLOWED", "configuration"},
		{"PUT", "/v1/zones/example.com", `{}`, 405, "METHOD_NOT_ALLOWED", "configuration"},
		{"DELETE", "/v1/zones/example.com", "", 405, "METHOD_NOT_ALLOWED", "configuration"},
		{"PATCH", a.zone + "/records", `{}`, 405, "METHOD_NOT_ALLOWED", "PATCH"},
		{"GET", a.zone + "/records?limit=0", "", 400, "BAD_REQUEST", "limit"},
		{"GET", a.zone + "/records?limit=1001", "", 400, "BAD_REQUEST", "1000"},
		{"GET", a.zone + "/records?offset=-1", "", 400, "BAD_REQUEST", "offset"},
		{"GET", "/v1/zones?limit=many", "", 400, "BAD_REQUEST", "many"},
		{"GET", a.zone + "/records?name=a..b", "", 422, "INVALID_RECORD", "empty label"},
		{"GET", a.zone + "/records?type=AB", "", 422, "INVALID_RECORD", "AB"},
		{"POST", a.zone + "/records", `no JSON`, 400, "BAD_REQUEST", "body"},
		{"POST", a.zone + "/records", record(`,"ttl":"1"`), 400, "BAD_REQUEST", "ttl"},
		{"PUT", a.zone + "/records/" + www, `[]`, 400, "BAD_REQUEST", ""},
		{"POST", a.zone + "/records", record(`,"x":"` + strings.Repeat("x", maxBody) + `"`), 413, "PAYLOAD_TOO_LARGE", "1048576"},
		{"POST", a.zone + "/records", `{}`, 422, "INVALID_RECORD", "no name"},
		{"POST", a.zone + "/records", `{"name":"a","type":"A"}`, 422, "INVALID_RECORD", "no content"},
		{"POST", a.zone + "/records", `{"name":"a","type":"A","content":""}`, 422, "INVALID_RECORD", "without RDATA"},
		{"POST", a.zone + "/records", `{"name":"a","type":"TXT","content":""}`, 422, "INVALID_RECORD", "without RDATA"},
		{"POST", a.zone + "/records", record(`,"disabled":true`), 422, "INVALID_RECORD", "disabled"},
		{"POST", a.zone + "/records", record(`,"ttl":-1`), 422, "INVALID_RECORD", "-1"},
		{"POST", a.zone + "/records", record(`,"ttl":2147483648`), 422, "INVALID_RECORD", "2147483648"},
		{"POST", a.zone + "/records", record(`,"priority":1`), 422, "INVALID_RECORD", "priority"},
		{"POST", a.zone + "/records", `{"name":"a","type":"MX","content":"10 mail","priority":1}`, 422, "INVALID_RECORD", "priority"},
		{"POST", a.zone + "/records", `{"name":"a","type":"A","content":"192.0.2"}`, 422, "INVALID_RECORD", "content:1:1"},
		{"POST", a.zone + "/records", `{"name":"a","type":"A","content":"192.0.2.1\n$INCLUDE /etc/passwd"}`, 422, "INVALID_RECORD", "edit-text"},
		{"POST", a.zone + "/records", `{"name":"a\nb","type":"A","content":"192.0.2.1"}`, 422, "INVALID_RECORD", "edit-text"},
		{"POST", a.zone + "/records", `{"name":"$INCLUDE","type":"A","content":"192.0.2.1"}`, 422, "INVALID_RECORD", "edit-text"},
		{"POST", a.zone + "/records", `{"name":"a\\","type":"A","content":"192.0.2.1"}`, 422, "INVALID_RECORD", "edit-text"},
		{"POST", a.zone + "/records", `{"name":"a","type":"TXT","content":"x\\"}`, 422, "INVALID_RECORD", ""},
		{"POST", a.zone + "/records", `{"name":"a","type":"MX","content":"10 mail.example.net ; x"}`, 422, "INVALID_RECORD", "edit-text"},
		{"POST", a.zone + "/records", `{"name":"a.example.net.","type":"A","content":"192.0.2.1"}`, 422, "INVALID_RECORD", "out-of-zone"},
		{"POST", a.zone + "/records", `{"name":"@","type":"A","content":"192.0.2.1"}`, 422, "INVALID_RECORD", "alias-sibling"},
		{"POST", a.zone + "/records", `{"name":"@","type":"ALIAS","content":"192.0.2.1"}`, 422, "INVALID_RECORD", "alias-"},
		{"POST", a.zone + "/records", `{"name":"@","type":"SOA","content":"a b 1 2 3 4 5"}`, 422, "INVALID_RECORD", "edit-soa"},
		{"POST", a.zone + "/records", `{"name":"www","type":"A","content":"192.0.2.81","ttl":60}`, 409, "RECORD_EXISTS", "www.example.com."},
		{"PUT", a.zone + "/records/" + www, `{"content":"192.0.2.81"}`, 409, "RECORD_EXISTS", "www.example.com."},
		{"PUT", a.zone + "/records/" + www, `{"type":"CNAME"}`, 422, "INVALID_RECORD", "no content"},
		{"PUT", a.zone + "/records/" + www, `{"disabled":true}`, 422, "INVALID_RECORD", "disabled"},
		{"PUT", a.zone + "/records/" + host, `{"content":"192.0.2.7"}`, 422, "INVALID_RECORD", "edit-included"},
		{"DELETE", a.zone + "/records/" + host, "", 422, "INVALID_RECORD", "edit-included"},
		{"DELETE", a.zone + "/records/" + soa, "", 422, "INVALID_RECORD", "edit-soa"},
		{"DELETE", a.zone + "/records/by-name/@/NS", "", 422, "INVALID_RECORD", ""},
		{"DELETE", a.zone + "/records/by-name/www/A?content=", "", 422, "INVALID_RECORD", "without RDATA"},
		{"DELETE", a.zone + "/records/by-name/a..b/A", "", 422, "INVALID_RECORD", "empty label"},
		{"DELETE", a.zone + "/records/by-name/www/AB", "", 422, "INVALID_RECORD", "unknown-type"},
	} {
		got := a.ask(t, c.method, c.path, c.body)
		said := got.Error.Message
		for _, d := range got.Error.Details {
			said += " " + string(d.Code) + " " + d.Message + " " + d.Place
		}
		if got.status != c.status || got.Error.Code != c.code || got.Error.Message == "" || !strings.Contains(said, c.says) {
			t.Errorf("%s %s %.80s: %d %+v", c.method, c.path, c.body, got.status, got.Error)
		}
		if got.status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
	if text := a.text(t); text != facesText {
		t.Errorf("the source has\n%s", text)
	}
}

func TestProviderTokens(t *testing.T) {
	a := newAsking(t, facesText)
	body := `{"name":"a","type":"A","content":"192.0.2.9"}`
	for _, c := range []struct {
		name, method, secret string
		headers              []string
		status               int
		code                 string
	}{
		{"none", "GET", "", nil, 401, "UNAUTHORIZED"},
		{"a wrong one", "GET", "af_none", nil, 401, "UNAUTHORIZED"},
		{"that to read", "GET", a.read, nil, 200, ""},
		{"that to read", "POST", a.read, nil, 403, "FORBIDDEN"},
		{"that to edit", "GET", a.edit, nil, 200, ""},
		{"the other header", "GET", "", []string{"X-API-Key", a.read}, 200, ""},
		{"not JSON", "POST", a.edit, []string{"Content-Type", "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"another source", "POST", a.edit, []string{"If-Match", `"0123"`}, 412, "PRECONDITION_FAILED"},
	} {
		a.secret = c.secret
		if c.secret == "" {
			a.secret = "no secret" // which no answer has
			c.headers = append(c.headers, "Authorization", "")
		}
		if c.method == "GET" {
			body := a.ask(t, "GET", a.zone+"/records", "", c.headers...)
			if body.status != c.status || body.Error.Code != c.code {
				t.Errorf("%s: %d %+v", c.name, body.status, body.Error)
			}
			continue
		}
		if got := a.ask(t, c.method, a.zone+"/records", body, c.headers...); got.status != c.status || got.Error.Code != c.code {
			t.Errorf("%s: %d %+v", c.name, got.status, got.Error)
		}
	}
	if text := a.text(t); text != facesText {
		t.Errorf("the source has\n%s", text)
	}
	a.secret = a.edit
	for range 10 * writeBurst {
		if got := a.ask(t, "DELETE", a.zone+"/records/none", ""); got.status == http.StatusTooManyRequests {
			if got.Error.Code != "RATE_LIMITED" || got.header.Get("Retry-After") == "" {
				t.Errorf("too many: %+v", got)
			}
			return
		}
	}
	t.Error("nothing bounds the writes of a token")
}

// A zone that the token is not for is none, and so is what another token is for.
func TestProviderZonesOfOthers(t *testing.T) {
	records, _, _ := editable(t, facesText)
	mine := records.Zones()[0]
	other := mine
	other.Name, other.View = zone.MustParseName("example.org."), "inner"
	records.Zones = func() []EditableZone { return []EditableZone{mine, other} }
	f := &Faces{Records: records, Tokens: OpenTokens(filepath.Join(t.TempDir(), TokensName))}
	_, secret, err := f.Tokens.Create(t.Context(), Grant{Scopes: Scopes, Zones: []string{"example.com"}}, "", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	a := &asking{handler: f.Handler(), secret: secret}
	if got := a.ask(t, "GET", "/v1/zones", "").Data; got.Total != 1 || len(got.Zones) != 1 || got.Zones[0].Name != "example.com" {
		t.Errorf("the zones are %+v", got)
	}
	for _, id := range []string{uuidOf(&other).String(), "example.org..inner"} {
		for _, method := range []string{"GET", "POST"} {
			if got := a.ask(t, method, "/v1/zones/"+id+"/records", `{"name":"a","type":"A","content":"192.0.2.9"}`); got.status != 404 || got.Error.Code != "ZONE_NOT_FOUND" {
				t.Errorf("%s %s: %d %+v", method, id, got.status, got.Error)
			}
		}
	}
}

// What would be written is shown, and is not.
func TestProviderDryRun(t *testing.T) {
	a := newAsking(t, facesText)
	before := a.ask(t, "GET", a.zone+"/records", "").header.Get("ETag")
	id := a.id(t, "www", "A", "192.0.2.80")
	for _, c := range []struct{ method, path, body, diff string }{
		{"POST", "/records", `{"name":"a","type":"A","content":"192.0.2.9"}`, "192.0.2.9\n"},
		{"PUT", "/records/" + id, `{"content":"192.0.2.9"}`, "-www\t60 IN A 192.0.2.80 ; the first\n"},
		{"PUT", "/records/" + id, `{}`, ""},
		{"DELETE", "/records/" + id, "", "-www\t60 IN A 192.0.2.80 ; the first\n"},
		{"DELETE", "/records/by-name/@/ALIAS", "", "-@\tIN ALIAS cdn.example.net. ; the site\n"},
	} {
		got := a.ask(t, c.method, a.zone+c.path, c.body, "X-Aliasflat-Dry-Run", "1", "If-Match", before)
		switch {
		case got.status != http.StatusOK || !got.Data.DryRun || got.Data.Diff == nil || !strings.Contains(*got.Data.Diff, c.diff):
			t.Errorf("%s %s: %d %+v", c.method, c.path, got.status, got.Data)
		case c.diff == "" && *got.Data.Diff != "":
			t.Errorf("%s %s: %q", c.method, c.path, *got.Data.Diff)
		case c.diff != "" && !strings.HasPrefix(*got.Data.Diff, "--- example.com.zone\n+++ example.com.zone\n@@ "):
			t.Errorf("%s %s: %q", c.method, c.path, *got.Data.Diff)
		}
	}
	if text := a.text(t); text != facesText {
		t.Errorf("the source has\n%s", text)
	}
	made := a.ask(t, "POST", a.zone+"/records", `{"name":"a","type":"A","content":"192.0.2.9"}`, "If-Match", before)
	if made.status != http.StatusCreated || made.Data.DryRun || made.Data.Diff != nil || made.header.Get("ETag") == before {
		t.Errorf("made: %+v", made)
	}
	if again := a.ask(t, "DELETE", a.zone+"/records/"+id, "", "If-Match", before); again.status != http.StatusPreconditionFailed {
		t.Errorf("by the ETag of before: %d", again.status)
	}
}

// A source that cannot be edited is told apart from a record that is wrong.
func TestProviderSources(t *testing.T) {
	a := newAsking(t, "@ IN SOA wrong\n")
	for _, c := range [][3]string{{"GET", "/records", ""}, {"POST", "/records", `{"name":"a","type":"A","content":"192.0.2.9"}`}} {
		if got := a.ask(t, c[0], a.zone+c[1], c[2]); got.status != http.StatusConflict || got.Error.Code != "SOURCE_HAS_ERRORS" || len(got.Error.Details) == 0 {
			t.Errorf("%s: %d %+v", c[0], got.status, got.Error)
		}
	}
	if err := os.Remove(a.path); err != nil {
		t.Fatal(err)
	}
	if got := a.ask(t, "GET", a.zone, ""); got.status != http.StatusInternalServerError || got.Error.Code != "INTERNAL_ERROR" {
		t.Errorf("no source: %d %+v", got.status, got.Error)
	}
}

// What cannot be done now is told apart from what is wrong.
func TestProviderUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, facesText)
		lock, err := publish.TakeLock(t.Context(), a.path, 0)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"name":"a","type":"A","content":"192.0.2.9"}`
		if got := a.ask(t, "POST", a.zone+"/records", body); got.status != http.StatusConflict || got.Error.Code != "EDIT_IN_PROGRESS" || got.Error.Hint == "" {
			t.Errorf("another edit: %d %+v", got.status, got.Error)
		}
		if err := lock.Release(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(a.tokens, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := a.ask(t, "POST", a.zone+"/records", body); got.status != http.StatusServiceUnavailable || got.Error.Code != "UNAVAILABLE" {
			t.Errorf("no tokens: %d %+v", got.status, got.Error)
		}
		if text := a.text(t); text != facesText {
			t.Errorf("the source has\n%s", text)
		}
	})
}

// Each error that there is stands in the reference, and no other.
func TestProviderErrorsAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (4\\d\\d|5\\d\\d) \\| `([A-Z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		described[row[1]+" "+row[2]] = true
	}
	exists := recordExists(&givenRecord{owner: zone.Root})
	made := map[string]bool{strconv.Itoa(statusOf(exists)) + " " + providerCode(statusOf(exists), exists): true}
	for reason := ReasonUnknown; reason <= ReasonWorld; reason++ {
		err := Refusef(reason, "no")
		made[strconv.Itoa(statusOf(err))+" "+providerCode(statusOf(err), err)] = true
	}
	for _, status := range []int{400, 401, 403, 404, 405, 412, 413, 415, 429, 500, 503} {
		made[strconv.Itoa(status)+" "+providerCode(status, errors.New("no"))] = true
	}
	if len(described) == 0 || !maps.Equal(described, made) {
		t.Errorf("described are %v, and there are %v", slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(made)))
	}
}
