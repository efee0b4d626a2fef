package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// powerDNSFace is a server with the face for a zone of one text, and a token for it.
type powerDNSFace struct {
	*httptest.Server
	faces  *Faces
	audits *[]Audit
	path   string // of the source
	token  string
}

// shownDaemon is a daemon that only shows.
type shownDaemon struct {
	Daemon
	snapshot watch.Snapshot
}

func (d *shownDaemon) Snapshot() *watch.Snapshot { return &d.snapshot }

func startPowerDNS(t *testing.T, text string) *powerDNSFace {
	t.Helper()
	records, audits, path := editable(t, text)
	f := &Faces{Records: records, Tokens: OpenTokens(filepath.Join(t.TempDir(), TokensName)), Daemon: &shownDaemon{}}
	s := &powerDNSFace{Server: httptest.NewServer(f.Handler()), faces: f, audits: audits, path: path}
	t.Cleanup(s.Close)
	s.token = s.grant(t, Grant{Scopes: []Scope{ScopeRecords}})
	return s
}

func (s *powerDNSFace) grant(t *testing.T, g Grant) string {
	t.Helper()
	now := time.Now()
	_, secret, err := s.faces.Tokens.Create(t.Context(), g, "", now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// ask gives status, media type and body of an answer, and its headers. The path is below
// /api/v1/servers/localhost where it does not begin with a slash.
func (s *powerDNSFace) ask(t *testing.T, method, path, body string, headers ...string) (status int, text string, h http.Header) {
	t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = powerDNSServer + "/" + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", s.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(out), answer.Header
}

// source is the text as it is on disk.
func (s *powerDNSFace) source(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// patch is the body of an edit: each change is written as JSON, with single quotes.
func patchBody(changes ...string) string {
	return strings.ReplaceAll(`{"rrsets":[`+strings.Join(changes, ",")+`]}`, "'", `"`)
}

func TestPowerDNSReads(t *testing.T) {
	s := startPowerDNS(t, strings.Replace(recordsText, "cdn.example.net. ;", "cdn.example.net. ttl-min=60 types=A ;", 1))
	s.faces.Daemon = &shownDaemon{snapshot: watch.Snapshot{
		Zones:   []watch.Zone{{Name: zone.MustParseName("example.com."), Source: s.path, Serial: 9, Published: true}},
		Serving: []watch.Serving{{Zone: zone.MustParseName("example.com."), Loaded: true, Serial: 8}, {Zone: zone.MustParseName("catalog.invalid."), Catalog: true}},
	}}
	for _, id := range []string{"example.com.", "example.com", "EXAMPLE.com", "example=2Ecom.", "exam%70le.com"} {
		status, text, h := s.ask(t, "GET", "zones/"+id, "")
		var got powerDNSWhole
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", id, status, text)
		}
		if got.ID != "example.com." || got.Kind != "Master" || got.Serial != 9 || *got.EditedSerial != 9 || got.NotifiedSerial != 8 || *got.DNSSEC || got.URL != "/api/v1/servers/localhost/zones/example.com." {
			t.Errorf("%s: %s", id, text)
		}
		i := slices.IndexFunc(got.RRsets, func(r powerDNSRRset) bool { return r.Type == "ALIAS" })
		if len(got.RRsets) != 5 || i < 0 || got.RRsets[i].TTL != 3600 || !slices.Equal(got.RRsets[i].Records, []powerDNSRecord{{Content: "cdn.example.net."}}) {
			t.Errorf("%s: %s", id, text)
		}
		if etag := h.Get("ETag"); len(etag) < 10 || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", id, h)
		}
	}
	for path, want := range map[string]string{
		"zones/example.com.?rrsets=false":                               `"soa_edit_api":""}`,
		"zones/example.com.?rrset_name=NS1.example.com.":                `"rrsets":[{"name":"ns1.example.com.","type":"A","ttl":3600,"records":[{"content":"192.0.2.1","disabled":false}],"comments":[]}]`,
		"zones/example.com.?rrset_name=ns1.example.com.&rrset_type=TXT": `"rrsets":[]`,
		"zones/example.com./metadata":                                   `[]`,
		"zones/example.com./cryptokeys":                                 `[]`,
		"zones?zone=example.com.":                                       `"edited_serial":9,`,
		"zones?zone=example.net.":                                       `[]`,
		"search-data?q=ns?.EXAMPLE.com":                                 `"content":"192.0.2.2"`,
		"search-data?q=*&max=1&object_type=zone":                        `[{"name":"example.com.","object_type":"zone","zone_id":"example.com."}]`,
		"search-data?q=*&object_type=comment":                           `[]`,
		"search-data?q=192.0.2.*&object_type=record&max=1":              `[{"content":"192.0.2.1","disabled":false,"name":"ns1.example.com.","object_type":"record","ttl":3600,"type":"A","zone":"example.com.","zone_id":"example.com."}]`,
		"config": `{"name":"master","type":"ConfigSetting","value":"yes"}`,
	} {
		if status, text, _ := s.ask(t, "GET", path, ""); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if _, text, _ := s.ask(t, "GET", "zones?dnssec=false", ""); !strings.HasPrefix(text, `[{"id":`) || strings.Contains(text, "dnssec") || strings.Contains(text, "edited_serial") {
		t.Errorf("without DNSSEC: %s", text)
	}
	const export = "example.com.\t3600\tIN\tALIAS\tcdn.example.net.\nexample.com.\t3600\tIN\tNS\tns1.example.com.\n"
	if status, text, h := s.ask(t, "GET", "zones/example.com/export", ""); status != 200 || !strings.HasPrefix(text, export) || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Errorf("export: %d %s", status, text)
	}
	var asked zone.Name
	s.faces.Notify = func(name zone.Name) (int, int) { asked = name; return 1, 2 }
	if status, text, _ := s.ask(t, "PUT", "zones/example.com/notify", ""); status != 200 || text != `{"result":"Notification queued"}`+"\n" || asked != zone.MustParseName("example.com.") {
		t.Errorf("notify of %s: %d %s", asked, status, text)
	}
}

// A zone of a name that several views have is called with its view.
func TestPowerDNSViews(t *testing.T) {
	s := startPowerDNS(t, recordsText)
	z := s.faces.Records.Zones()[0]
	inside, outside := z, z
	inside.View, outside.View = "inside", "outside"
	s.faces.Records.Zones = func() []EditableZone { return []EditableZone{inside, outside} }
	for _, id := range []string{"example.com..inside", "example.com..inside.", "EXAMPLE.com..inside"} {
		status, text, _ := s.ask(t, "GET", "zones/"+id+"?rrsets=false", "")
		if status != 200 || !strings.Contains(text, `"id":"example.com..inside","name":"example.com.","url":"/api/v1/servers/localhost/zones/example.com..inside"`) {
			t.Errorf("%s: %d %s", id, status, text)
		}
	}
	if status, text, _ := s.ask(t, "GET", "zones/example.com.", ""); status != 404 {
		t.Errorf("without a view: %d %s", status, text)
	}
	if got := escapeID("0/25.2.0.192.in-addr.arpa."); got != "0=2F25.2.0.192.in-addr.arpa." {
		t.Errorf("escaped: %s", got)
	}
}

func TestPowerDNSEdits(t *testing.T) {
	const withParameters = "@	IN ALIAS cdn.example.net. ttl-min=60 ; the site"
	text := strings.Replace(recordsText, "@	IN ALIAS cdn.example.net. ; the site", withParameters, 1)
	for _, c := range []struct {
		name     string
		change   string
		from, to string // in the source; from is empty for what is put at the end of to's line before
	}{
		{"replaced", `{'name':'NS1.example.com.','type':'a','ttl':'3600','changetype':'replace','records':[{'content':'192.0.2.9'}]}`, "192.0.2.1\n", "192.0.2.9\n"},
		{"another target", `{'name':'example.com.','type':'ALIAS','ttl':3600,'changetype':'REPLACE','records':[{'content':'web.example.org.','disabled':false}],'comments':[]}`, "cdn.example.net. ttl-min=60", "web.example.org. ttl-min=60"},
		{"the same target", `{'name':'example.com.','type':'ALIAS','ttl':3600,'changetype':'REPLACE','records':[{'content':'cdn.example.net.'}]}`, "", ""},
		{"its own parameters", `{'name':'example.com.','type':'ALIAS','ttl':3600,'changetype':'REPLACE','records':[{'content':'cdn.example.net. types=A'}]}`, "ttl-min=60", "types=A"},
		{"the ALIAS again", `{'name':'example.com.','type':'ALIAS','changetype':'EXTEND','records':[{'content':'cdn.example.net.'}]}`, "", ""},
		{"extended", `{'name':'ns1.example.com.','type':'A','changetype':'EXTEND','records':[{'content':'192.0.2.9'}]}`, "ns1	IN A 192.0.2.1\n", "ns1	IN A 192.0.2.1\n	IN A 192.0.2.9\n"},
		{"pruned", `{'name':'example.com.','type':'NS','changetype':'PRUNE','records':[{'content':'ns2.example.com.'},{'content':'ns9.example.com.'}]}`, "	IN NS ns2\n", ""},
		{"deleted", `{'name':'ns2.example.com.','type':'A','changetype':'DELETE','records':null},{'name':'example.com.','type':'NS','changetype':'PRUNE','records':[{'content':'ns2.example.com.'}]}`, "	IN NS ns2\n" + withParameters + "\nns1	IN A 192.0.2.1\nns2	IN A 192.0.2.2\n", withParameters + "\nns1	IN A 192.0.2.1\n"},
		{"emptied", `{'name':'example.com.','type':'ALIAS','ttl':60,'changetype':'REPLACE','records':[]}`, withParameters + "\n", ""},
		{"no records", `{'name':'example.com.','type':'TXT','changetype':'DELETE'}`, "", ""},
		{"no comments", `{'name':'example.com.','type':'ALIAS','changetype':'REPLACE','comments':[]}`, "", ""},
		{"the same SOA", `{'name':'example.com.','type':'SOA','ttl':3600,'changetype':'REPLACE','records':[{'content':'ns1.example.com. hostmaster.example.com. 7 3600 900 604800 300'}]}`, "", ""},
	} {
		s := startPowerDNS(t, text)
		want := strings.Replace(text, c.from, c.to, 1)
		status, answer, h := s.ask(t, "PATCH", "zones/example.com.", patchBody(c.change), "X-Aliasflat-Dry-Run", "1")
		var tried patched
		if err := json.Unmarshal([]byte(answer), &tried); err != nil || status != 200 || !tried.DryRun || (len(tried.RRsets) > 0) != (want != text) {
			t.Errorf("%s: a dry run: %d %s", c.name, status, answer)
		}
		before := h.Get("ETag")
		if got := s.source(t); got != text || len(*s.audits) != 0 {
			t.Errorf("%s: a dry run has written\n%s", c.name, got)
		}
		status, answer, h = s.ask(t, "PATCH", "zones/example.com.", patchBody(c.change), "If-Match", before)
		if status != 204 || answer != "" {
			t.Errorf("%s: %d %s", c.name, status, answer)
		}
		if got := s.source(t); got != want || (h.Get("ETag") == before) != (want == text) {
			t.Errorf("%s: the source is\n%s", c.name, got)
		}
		if a := *s.audits; len(a) != 1 || a[0].Caller.Via != "powerdns" || a[0].Err != nil {
			t.Errorf("%s: audits %+v", c.name, a)
		}
	}
}

// Of several changes all are made, or none.
func TestPowerDNSIsAtomic(t *testing.T) {
	s := startPowerDNS(t, recordsText)
	const good, bad = `{"name":"www.example.com.","type":"TXT","ttl":60,"changetype":"REPLACE","records":[{"content":"\"a b\""}]}`,
		`{"name":"www.example.com.","type":"CNAME","ttl":60,"changetype":"REPLACE","records":[{"content":"a.example.net."}]}`
	status, text, _ := s.ask(t, "PATCH", "zones/example.com.", patchBody(good, bad))
	if status != 422 || s.source(t) != recordsText {
		t.Errorf("%d %s\n%s", status, text, s.source(t))
	}
	var document powerDNSError
	if err := json.Unmarshal([]byte(text), &document); err != nil || document.Error == "" || len(document.Errors) == 0 {
		t.Errorf("the error is %s", text)
	}
	if status, text, _ = s.ask(t, "PATCH", "zones/example.com.", patchBody(good)); status != 204 || !strings.Contains(s.source(t), `www	60 IN TXT "a b"`) {
		t.Errorf("the good one alone: %d %s\n%s", status, text, s.source(t))
	}
}

// What a $GENERATE makes can be read, and not be edited.
func TestPowerDNSIncluded(t *testing.T) {
	source := recordsText + "$GENERATE 1-2 host$ A 198.51.100.$\n"
	s := startPowerDNS(t, source)
	if _, text, _ := s.ask(t, "GET", "zones/example.com.?rrset_name=host1.example.com.", ""); !strings.Contains(text, "198.51.100.1") {
		t.Errorf("it is read as %s", text)
	}
	status, text, _ := s.ask(t, "PATCH", "zones/example.com.", patchBody(`{'name':'host1.example.com.','type':'A','changetype':'DELETE'}`))
	if status != 422 || !strings.Contains(text, "GENERATE") || s.source(t) != source {
		t.Errorf("%d %s\n%s", status, text, s.source(t))
	}
}

func TestPowerDNSRefuses(t *testing.T) {
	a := func(fields string) string { return patchBody(`{'name':'www.example.com.','type':'A',` + fields + `}`) }
	content := func(typ, text string) string {
		return `{"rrsets":[{"name":"www.example.com.","type":"` + typ + `","ttl":60,"changetype":"REPLACE","records":[{"content":"` + text + `"}]}]}`
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PATCH", "zones/example.com.", "", 400, "Bad Request: the body is no JSON document"},
		{"PATCH", "zones/example.com.", "{}{}", 400, "Bad Request: "},
		{"PATCH", "zones/example.com.", "[]", 422, "No rrsets given in update request"},
		{"PATCH", "zones/example.com.", `{"rrsets":{}}`, 422, "No rrsets given in update request"},
		{"PATCH", "zones/example.com.", `{"rrsets":[{"name":7}]}`, 422, "Key 'rrsets.name' is a JSON number"},
		{"PATCH", "zones/example.com.", `{"rrsets":[{}]}`, 422, "Key 'name' not present or not a String"},
		{"PATCH", "zones/example.com.", a(`'ttl':60,'records':[]`), 422, "Key 'changetype' not present or not a String"},
		{"PATCH", "zones/example.com.", a(`'changetype':'MOVE'`), 422, "Changetype not understood"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE'`), 422, "No change for RRset www.example.com. IN A"},
		{"PATCH", "zones/example.com.", a(`'changetype':'EXTEND','ttl':60,'records':[]`), 422, "No change for RRset"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','records':[{'content':'192.0.2.9'}]`), 422, "Key 'ttl' not an Integer or not present"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','ttl':-1,'records':[{'content':'192.0.2.9'}]`), 422, "Key 'ttl' not an Integer"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','ttl':4294967295,'records':[{'content':'192.0.2.9'}]`), 422, "Key 'ttl' not an Integer"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','ttl':60,'records':[{}]`), 422, "Key 'content' not present or not a String"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','ttl':60,'records':[{'content':'192.0.2.9','disabled':true}]`), 422, "a record cannot be disabled here"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','ttl':60,'records':[{'content':'192.0.2.9'},{'content':'192.0.2.9'}]`), 422, "Duplicate record in RRset"},
		{"PATCH", "zones/example.com.", a(`'changetype':'REPLACE','ttl':60,'records':[],'comments':[{'content':'a'}]`), 422, "comments are those of the source"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'a.example.com.','type':'A','changetype':'DELETE'}`, `{'name':'a.example.com.','type':'A','changetype':'DELETE'}`), 422, "Duplicate RRset a.example.com. IN A with changetype: DELETE"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'www','type':'A','changetype':'DELETE'}`), 422, "DNS Name 'www' is not canonical"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'a..example.com.','type':'A','changetype':'DELETE'}`), 422, "Unable to parse DNS Name 'a..example.com.'"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'www.example.com.\n$INCLUDE a.','type':'A','changetype':'DELETE'}`), 422, "Unable to parse DNS Name"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'www.example.net.','type':'A','changetype':'DELETE'}`), 422, "RRset www.example.net. IN A: Name is out of zone"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'www.example.com.','type':'NIX','changetype':'DELETE'}`), 422, "RRset www.example.com. IN NIX: unknown type given"},
		{"PATCH", "zones/example.com.", patchBody(`{'name':'example.com.','type':'SOA','changetype':'DELETE'}`), 422, "the SOA is that of the source"},
		{"PATCH", "zones/example.com.", strings.Replace(content("SOA", "ns1.example.com. hostmaster.example.com. 8 3600 900 604800 300"), "www.", "", 1), 422, "the SOA is that of the source"},
		{"PATCH", "zones/example.com.", content("A", "192.0.2.999"), 422, "Record www.example.com./A '192.0.2.999': Parsing record content: "},
		{"PATCH", "zones/example.com.", content("A", ""), 422, "Parsing record content: "},
		{"PATCH", "zones/example.com.", content("TXT", `\"a\"\n$INCLUDE /etc/passwd`), 422, "Parsing record content: "},
		{"PATCH", "zones/example.com.", content("TXT", `\"a\" ; b`), 422, "Parsing record content: "},
		{"PATCH", "zones/example.com.", content("TXT", `( \"a\" )`), 422, "Parsing record content: "},
		{"PATCH", "zones/example.com.", content("TXT", `\"a\" b`), 422, `Not in expected format (parsed as '\"a\" \"b\"'): quotes missing`},
		{"PATCH", "zones/example.com.", content("MX", "10 mail"), 422, "Record www.example.com./MX '10 mail': Not in expected format (parsed as '10 mail.'): trailing dot missing"},
		{"PATCH", "zones/example.com.", content("ALIAS", "cdn.example.net"), 422, "Not in expected format (parsed as 'cdn.example.net.'): trailing dot missing"},
		{"PATCH", "zones/example.com.", content("ALIAS", "cdn.example.net. type=A"), 422, `"errors":["`},
		{"PATCH", "zones/example.net.", "{}", 404, "Not Found: "},
		{"PATCH", "zones", "{}", 405, "Method Not Allowed"},
		{"POST", "zones", `{"name":"example.net.","kind":"Native"}`, 422, "zones are made by the configuration"},
		{"PUT", "zones/example.com.", "{}", 422, "the configuration of aliasflat says what example.com. is"},
		{"DELETE", "zones/example.com.", "", 422, "the configuration of aliasflat says"},
		{"DELETE", "zones/example.net.", "", 404, "Not Found: "},
		{"GET", "zones/example.net.", "", 404, "Not Found: "},
		{"GET", "zones/..%2Fexample.com.", "", 404, "Not Found: "},
		{"GET", "zones/=2", "", 400, "Bad Request: the zone ID has an equals sign"},
		{"GET", "zones/=zz", "", 400, "Bad Request: the zone ID has an equals sign"},
		{"GET", "zones/example.net./export", "", 404, "Not Found: "},
		{"GET", "zones/example.net./metadata", "", 404, "Not Found: "},
		{"PUT", "zones/example.net./notify", "", 404, "Not Found: "},
		{"GET", "zones/example.com./notify", "", 405, "Method Not Allowed"},
		{"GET", "zones/example.com.?rrsets=0", "", 422, "'rrsets' request parameter value '0' is not supported"},
		{"GET", "zones?zone=example.com", "", 422, "DNS Name 'example.com' is not canonical"},
		{"GET", "search-data?q=", "", 422, "Query q can't be blank"},
		{"GET", "search-data?q=a&max=0", "", 422, "Maximum entries must be larger than 0"},
		{"GET", "search-data?q=a&object_type=b", "", 422, "object_type must be one of the following options: all, zone, record, comment"},
		{"GET", "/api/v1/servers/other", "", 404, "not found"},
		{"GET", "/api/", "", 404, "not found"},
	} {
		s := startPowerDNS(t, recordsText)
		status, text, h := s.ask(t, c.method, c.path, c.body)
		plain := c.status == 400 || c.status == 404 || c.status == 405
		if status != c.status || !strings.Contains(text, c.want) || strings.HasPrefix(h.Get("Content-Type"), "text/plain") != plain {
			t.Errorf("%s %s %s: %d %s %s, want %d %s", c.method, c.path, c.body, status, h.Get("Content-Type"), text, c.status, c.want)
		}
		if got := s.source(t); got != recordsText {
			t.Errorf("%s %s: the source is\n%s", c.path, c.body, got)
		}
	}
}

func TestPowerDNSTokens(t *testing.T) {
	s := startPowerDNS(t, recordsText)
	without := patchBody(`{'name':'example.com.','type':'ALIAS','changetype':'DELETE'}`)
	read, refresh := s.grant(t, Grant{Scopes: []Scope{ScopeRead}}), s.grant(t, Grant{Scopes: []Scope{ScopeRead, ScopeRefresh}})
	other := s.grant(t, Grant{Scopes: []Scope{ScopeRecords}, Zones: []string{"example.net"}})
	text := s.grant(t, Grant{Scopes: []Scope{ScopeRecords}, Types: []string{"TXT"}})
	for _, c := range []struct {
		method, path, token string
		status              int
		want                string
	}{
		{"GET", "zones", "", 401, "Unauthorized: a token is needed"},
		{"GET", "zones", "af_none", 401, "Unauthorized: a token is needed"},
		{"GET", "zones/example.com.", read, 200, "ALIAS"},
		{"PUT", "zones/example.com./notify", read, 403, `{"error":"the token does not let tell the secondaries of example.com."}`},
		{"PUT", "zones/example.com./notify", refresh, 200, "queued"},
		{"PATCH", "zones/example.com.", read, 403, `{"error":"the token has not the scope records"}`},
		{"PATCH", "zones/example.com.", text, 403, `{"error":"the token is not for records of type ALIAS"}`},
		{"GET", "zones", other, 200, "[]"},
		{"GET", "zones/example.com.", other, 404, "Not Found"},
		{"GET", "search-data?q=*", other, 200, "[]"},
	} {
		status, answer, _ := s.ask(t, c.method, c.path, without, "X-API-Key", c.token)
		if status != c.status || !strings.Contains(answer, c.want) || c.token != "" && strings.Contains(answer, c.token) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, answer, c.status, c.want)
		}
	}
	if status, answer, _ := s.ask(t, "GET", "/api", "", "X-API-Key", "", "Authorization", "Bearer "+read); status != 200 || answer != `[{"url":"/api/v1","version":1}]`+"\n" {
		t.Errorf("Bearer: %d %s", status, answer)
	}
	if s.source(t) != recordsText {
		t.Errorf("the source is\n%s", s.source(t))
	}
}

// What keeps the source from being edited is told as a document.
func TestPowerDNSCannotEdit(t *testing.T) {
	body := patchBody(`{'name':'example.com.','type':'ALIAS','changetype':'DELETE'}`)
	s := startPowerDNS(t, recordsText)
	if status, text, _ := s.ask(t, "PATCH", "zones/example.com.", body, "If-Match", `"0123"`); status != 412 || !strings.Contains(text, `{"error":"the source has changed: its ETag is `) {
		t.Errorf("another ETag: %d %s", status, text)
	}
	if status, text, _ := s.ask(t, "PATCH", "zones/example.com.", `{"a":"`+strings.Repeat("a", maxBody)+`"}`); status != 413 || !strings.HasPrefix(text, `{"error":"`) {
		t.Errorf("a large body: %d %s", status, text)
	}
	s = startPowerDNS(t, "@ IN SOA wrong\n")
	if status, text, _ := s.ask(t, "PATCH", "zones/example.com.", body); status != 409 || !strings.Contains(text, `"errors":["`) {
		t.Errorf("a source with errors: %d %s", status, text)
	}
	if status, text, _ := s.ask(t, "GET", "search-data?q=*&object_type=record", ""); status != 200 || text != "[]\n" {
		t.Errorf("search of a source with errors: %d %s", status, text)
	}
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"zones/example.com.", "zones/example.com./export"} {
		if status, text, _ := s.ask(t, "GET", path, ""); status != 500 || !strings.HasPrefix(text, `{"error":"the source cannot be read"`) {
			t.Errorf("no source: %d %s", status, text)
		}
	}
}

// Clients get back what they have written, so that they find no difference; what only a zone file
// can say they get as PowerDNS writes it.
func TestPowerDNSContents(t *testing.T) {
	s := startPowerDNS(t, recordsText+`$ORIGIN in.example.com.
txt	TXT bare "a"
odd	SVCB 1 svc alpn="h2"
mx	MX 010 Mail
gen	A \# 4 c0000201
$ORIGIN example.com.
`)
	get := func(owner string) []powerDNSRecord {
		t.Helper()
		var got powerDNSWhole
		_, text, _ := s.ask(t, "GET", "zones/example.com.?rrset_name="+owner, "")
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.RRsets) != 1 {
			t.Fatalf("%s: %s", owner, text)
		}
		return got.RRsets[0].Records
	}
	for owner, want := range map[string]string{
		"txt.in.example.com.": `"bare" "a"`,
		"odd.in.example.com.": `1 svc.in.example.com. alpn="h2"`,
		"mx.in.example.com.":  "10 mail.in.example.com.",
		"gen.in.example.com.": "192.0.2.1",
	} {
		if got := get(owner); !slices.Equal(got, []powerDNSRecord{{Content: want}}) {
			t.Errorf("%s: %v", owner, got)
		}
	}
	long := strings.Repeat("a", 254) + `\"` + strings.Repeat(`\195\169`, 128)
	for _, c := range []struct{ typ, content, want string }{
		{"TXT", `"é\\ \"x\""`, ""},
		{"TXT", `"\195\169" ""`, ""},
		{"CNAME", "Foo.Example.NET.", ""},
		{"HTTPS", "1 . alpn=h2,h3 port=443", ""},
		{"SRV", "1 2 3 Target.example.net.", ""},
		{"TXT", `"` + long + `"`, `"` + long[:256] + `" "` + long[256:256+4*255] + `" "` + long[256+4*255:] + `"`},
	} {
		if c.want == "" {
			c.want = c.content
		}
		body, err := json.Marshal(map[string]any{"rrsets": []map[string]any{{
			"name": "back.example.com.", "type": c.typ, "ttl": 60, "changetype": "REPLACE", "records": []map[string]any{{"content": c.content}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if status, text, _ := s.ask(t, "PATCH", "zones/example.com.", string(body)); status != 204 {
			t.Errorf("%s %s: %d %s", c.typ, c.content, status, text)
			continue
		}
		if got := get("back.example.com."); !slices.Equal(got, []powerDNSRecord{{Content: c.want}}) {
			t.Errorf("%s %s comes back as %v", c.typ, c.content, got)
		}
		if status, text, _ := s.ask(t, "PATCH", "zones/example.com.", patchBody(`{'name':'back.example.com.','type':'`+c.typ+`','changetype':'DELETE'}`)); status != 204 {
			t.Errorf("deleted: %d %s", status, text)
		}
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"a*", "a", true},
		{"a?", "a", false},
		{"?b*d", "abcd", true},
		{"*ab", "aab", true},
		{"*ab*", "aaxb", false},
		{"a*b*c", "axbybc", true},
		{"a**", "a", true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 5000), false},
	} {
		if got := like(c.pattern, c.text); got != c.want {
			t.Errorf("%q fits %.20q: %t", c.pattern, c.text, got)
		}
	}
}

// The reference lists the requests that there are, and no others.
func TestPowerDNSReference(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	routes := (&powerDNS{}).routes()
	found := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Z]+ /api[^`]*)`").FindAllStringSubmatch(string(text), -1) {
		if _, ok := routes[m[1]]; !ok {
			t.Errorf("%s is none", m[1])
		}
		found[m[1]] = true
	}
	for pattern := range routes {
		if !found[pattern] {
			t.Errorf("%s is not in the reference", pattern)
		}
	}
}
