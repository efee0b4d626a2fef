package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is what openapi.json says.
type described struct {
	Paths map[string]map[string]struct {
		OperationID string
		Security    *[]any
		Parameters  []struct {
			Ref      string `json:"$ref"`
			Name, In string
			Schema   any
		}
		Responses map[string]struct {
			Ref string `json:"$ref"`
		}
	}
	Components struct {
		Parameters map[string]struct{ Name, In string }
		Schemas    map[string]struct {
			Required   []string
			Properties map[string]any
		}
	}

	whole    any
	compiler *jsonschema.Compiler
}

const documentURL = "https://aliasflat.example/openapi.json"

// describedHere reads the document. Its schemas let pass no field that they do not have, which
// they do to others, since fields may be added.
func describedHere(t *testing.T) *described {
	t.Helper()
	d := &described{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(openAPI, d); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.whole, err = jsonschema.UnmarshalJSON(bytes.NewReader(openAPI)); err != nil {
		t.Fatal(err)
	}
	schemas, _ := d.at("components", "schemas").(map[string]any)
	for name := range schemas {
		if schema, _ := schemas[name].(map[string]any); schema["properties"] != nil {
			schema["additionalProperties"] = false
		}
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(documentURL, d.whole); err != nil {
		t.Fatal(err)
	}
	return d
}

// at is a part of the document.
func (d *described) at(path ...string) any {
	at := d.whole
	for _, key := range path {
		object, _ := at.(map[string]any)
		at = object[key]
	}
	return at
}

// schema compiles a schema by its place in the document.
func (d *described) schema(t *testing.T, path ...string) *jsonschema.Schema {
	t.Helper()
	for i, part := range path {
		path[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(part)
	}
	s, err := d.compiler.Compile(documentURL + "#/" + strings.Join(path, "/"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answerTo is where the document says how an operation is answered with a status.
func (d *described) answerTo(path, method, status string) []string {
	place := []string{"paths", path, strings.ToLower(method), "responses", status}
	if d.at(append(place, "$ref")...) != nil {
		return []string{"components", "responses", status}
	}
	if d.at(place...) == nil {
		return nil
	}
	return place
}

// Each request is answered as the document says: under a status that it lists for it, with a body
// that its schema lets pass. There is no status in it that no request here comes to.
func TestNativeAnswersAreDescribed(t *testing.T) {
	d := describedHere(t)
	store := remembered(t)
	open := map[string]bool{}
	for path, operations := range d.Paths {
		for method, o := range operations {
			for status := range o.Responses {
				open[strings.ToUpper(method)+" "+path+" "+status] = true
			}
		}
	}
	for _, c := range contract(d) {
		t.Run(c.name(), func(t *testing.T) {
			b := newBenchOn(t, store, c.change)
			if c.source != "" {
				if err := os.WriteFile(b.path, []byte(c.source), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if c.removed && os.Remove(b.path) != nil {
				t.Fatal("the source cannot be removed")
			}
			if c.damaged {
				if err := os.WriteFile(b.Tokens.path, []byte("{"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			method, path, _ := strings.Cut(c.operation, " ")
			secret := c.secret
			if secret == "" {
				secret = b.secrets[scopeOf(c.operation)]
			} else if scope := Scope(secret); b.secrets[scope] != "" {
				secret = b.secrets[scope]
			}
			a := b.ask(secret, method, c.path, c.body, c.headers...)
			if a.status != c.status {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
			status := fmt.Sprint(a.status)
			place := d.answerTo(path, method, status)
			if place == nil {
				t.Fatalf("the document has no status %s: %s", status, a.body)
			}
			delete(open, c.operation+" "+status)
			kind := a.header.Get("Content-Type")
			if d.at(append(place, "content", kind)...) == nil {
				t.Fatalf("the document has no %s", kind)
			}
			if kind != "application/json" {
				return
			}
			body, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.schema(t, append(place, "content", kind, "schema")...).Validate(body); err != nil {
				t.Errorf("%s\n%v", a.body, err)
			}
		})
	}
	if len(open) > 0 {
		t.Errorf("no request comes to %q", slices.Sorted(maps.Keys(open)))
	}
}

// call is a request of the contract.
type call struct {
	operation string // METHOD PATH of the document
	path      string // that is asked for
	status    int
	secret    string // a scope, or the secret itself; empty: the scope that it takes
	body      string
	headers   []string
	source    string // that example.com has; empty: recordsText
	removed   bool   // it has none
	damaged   bool   // the file of the tokens is
	change    func(*Faces, *native)
}

func (c *call) name() string { return fmt.Sprintf("%s %d", c.operation, c.status) }

func scopeOf(operation string) Scope {
	for _, r := range newNative(&Faces{}).routes() {
		if r.method+" "+r.path == operation {
			return r.scope
		}
	}
	return ""
}

// example is a path of an operation that is there.
func example(path string) string {
	return strings.NewReplacer("{zone}", "example.com", "{owner}", "@", "{type}", "ALIAS").Replace(path)
}

// contract is at least one request for each operation and status of the document.
func contract(d *described) []call {
	const (
		records, put    = "GET /zones/{zone}/records", "PUT /zones/{zone}/rrsets/{owner}/{type}"
		del, edits      = "DELETE /zones/{zone}/rrsets/{owner}/{type}", "POST /zones/{zone}/edits"
		aliases, alias  = "GET /zones/{zone}/aliases", "GET /zones/{zone}/aliases/{owner}"
		history, why    = "GET /zones/{zone}/history", "GET /why"
		refresh, events = "POST /refresh", "GET /events"

		change  = `{"changes": [{"kind": "replace", "owner": "@", "type": "ALIAS", "ttl": 60, "rdata": ["web.example.org. types=A"]}]}`
		rrset   = `{"rdata": ["web.example.org."]}`
		bad     = "@ IN SOA wrong\n"
		dry     = "X-Aliasflat-Dry-Run: 1"
		another = `If-Match: "0123"`
	)
	bodies := map[string]string{put: rrset, edits: change, refresh: `{"target": "cdn.example.net."}`}
	paths := map[string]string{why: "/why?name=example.com", events: "/events?last=2"}
	var calls []call
	for path, operations := range d.Paths {
		for method, o := range operations {
			operation := strings.ToUpper(method) + " " + path
			c := call{operation: operation, path: example(path), body: bodies[operation], status: http.StatusOK}
			if paths[operation] != "" {
				c.path = paths[operation]
			}
			calls = append(calls, c)
			if o.Security != nil {
				continue // nobody is asked for a token
			}
			c.status, c.secret = http.StatusUnauthorized, "af_wrong"
			calls = append(calls, c)
			c.status, c.secret = http.StatusForbidden, string(ScopeRefresh)
			if scopeOf(operation) == ScopeRefresh {
				c.secret = string(ScopeRead)
			}
			calls = append(calls, c)
			c.status, c.damaged = http.StatusServiceUnavailable, true
			calls = append(calls, c)
			if strings.Contains(path, "{zone}") {
				calls = append(calls, call{operation: operation, path: strings.Replace(c.path, "example.com", "none.example", 1), body: c.body, status: http.StatusNotFound})
			}
			if _, reads := o.Responses["500"]; reads {
				calls = append(calls,
					call{operation: operation, path: c.path, body: c.body, status: http.StatusInternalServerError, removed: true},
					call{operation: operation, path: c.path, body: c.body, status: http.StatusConflict, source: bad})
			}
			if _, changes := o.Responses["412"]; changes {
				calls = append(calls,
					call{operation: operation, path: c.path, body: c.body, status: http.StatusPreconditionFailed, headers: []string{another}},
					call{operation: operation, path: c.path, body: c.body, status: http.StatusOK, headers: []string{dry}},
					call{operation: operation, path: strings.Replace(c.path, "example.com", "example.org", 1), body: c.body, status: http.StatusForbidden})
			}
			if _, takes := o.Responses["415"]; takes {
				calls = append(calls,
					call{operation: operation, path: c.path, body: "{", status: http.StatusBadRequest},
					call{operation: operation, path: c.path, body: c.body + c.body, status: http.StatusBadRequest},
					call{operation: operation, path: c.path, body: c.body, status: http.StatusUnsupportedMediaType, headers: []string{"Content-Type: text/plain"}},
					call{operation: operation, path: c.path, body: `{"x": "` + strings.Repeat("x", maxBody) + `"}`, status: http.StatusRequestEntityTooLarge})
			}
			calls = append(calls, call{operation: operation, path: c.path, body: c.body, secret: "af_wrong", status: http.StatusTooManyRequests, change: func(f *Faces, _ *native) {
				for range wrongBurst {
					f.wrong.take("127.0.0.1", time.Now(), wrongRate, wrongBurst)
				}
			}})
			if scopeOf(operation) == ScopeRefresh || operation == put || operation == edits {
				calls = append(calls, call{operation: operation, path: c.path, body: c.body, status: http.StatusTooManyRequests, headers: []string{dry}, change: func(_ *Faces, n *native) { n.asks.SetBurst(0) }})
			}
		}
	}
	noStore := func(f *Faces, _ *native) { f.Store = nil }
	return append(calls, []call{
		{operation: "GET /status", path: "/status", status: 200, secret: string(ScopeRecords)},
		{operation: "GET /zones", path: "/zones?limit=0", status: 400},
		{operation: "GET /zones", path: "/zones?limit=10001", status: 400},
		{operation: "GET /zones", path: "/zones?after=none", status: 400},
		{operation: "GET /zones/{zone}", path: "/zones/example.org", status: 200},
		{operation: "GET /zones/{zone}", path: "/zones/example.com", source: bad, status: 200},
		{operation: "GET /zones/{zone}", path: "/zones/example.com", removed: true, status: 200},
		{operation: "GET /zones/{zone}/plan", path: "/zones/example.org/plan", status: 404},
		{operation: "GET /zones/{zone}/plan", path: "/zones/example.com/plan", status: 404, change: func(f *Faces, _ *native) { f.Plan = nil }},
		{operation: records, path: "/zones/example.com/records?offset=x", status: 400},
		{operation: records, path: "/zones/example.com/records?limit=x", status: 400},
		{operation: records, path: "/zones/example.com/records?owner=$TTL", status: 422},
		{operation: records, path: "/zones/example.com/records?type=none", status: 422},
		{operation: records, path: "/zones/example.org/records", status: 403},
		{operation: put, path: "/zones/example.com/rrsets/@/MX", body: rrset, status: 422},
		{operation: del, path: "/zones/example.com/rrsets/www/A", status: 404},
		{operation: del, path: "/zones/example.com/rrsets/@/SOA", status: 422},
		{operation: edits, path: "/zones/example.com/edits", body: `{"changes": []}`, status: 422},
		{operation: aliases, path: "/zones/example.com/aliases?limit=x", status: 400},
		{operation: aliases, path: "/zones/example.org/aliases", status: 200},
		{operation: alias, path: "/zones/example.com/aliases/www", status: 404},
		{operation: alias, path: "/zones/example.com/aliases/a%20b", status: 422},
		{operation: history, path: "/zones/example.com/history?limit=x", status: 400},
		{operation: history, path: "/zones/example.com/history?before=x", status: 400},
		{operation: history, path: "/zones/example.com/history?owner=$TTL", status: 422},
		{operation: history, path: "/zones/example.com/history", status: 409, change: noStore},
		{operation: why, path: "/why?name=cdn.example.net", status: 200},
		{operation: why, path: "/why", status: 400},
		{operation: why, path: "/why?name=example.com", status: 409, change: noStore},
		{operation: refresh, path: "/refresh", body: `{"target": "none.example."}`, status: 404},
		{operation: refresh, path: "/refresh", body: `{"target": "a..b"}`, status: 422},
		{operation: refresh, path: "/refresh", body: `{"targets": []}`, status: 400},
		{operation: events, path: "/events?last=x", status: 400},
		{operation: events, path: "/events", headers: []string{"Last-Event-ID: x"}, status: 400},
		{operation: events, path: "/events", status: 404, change: func(f *Faces, _ *native) { f.Feed = nil }},
		{operation: events, path: "/events", status: 503, change: func(_ *Faces, n *native) { n.streams = make(chan struct{}) }},
	}...)
}

// There is no route that the document does not have, and the other way round, and its paths have
// the parameters that they name.
func TestNativeRoutesAreDescribed(t *testing.T) {
	d := describedHere(t)
	var want, got []string
	for _, r := range newNative(&Faces{}).routes() {
		want = append(want, r.method+" "+r.path)
		if o := d.Paths[r.path][strings.ToLower(r.method)]; (o.Security != nil) != (r.scope == "") {
			t.Errorf("%s %s: its scope is %q, and its security %v", r.method, r.path, r.scope, o.Security)
		}
	}
	ids := map[string]bool{}
	for path, operations := range d.Paths {
		for method, o := range operations {
			got = append(got, strings.ToUpper(method)+" "+path)
			if o.OperationID == "" || ids[o.OperationID] {
				t.Errorf("%s %s: the operationId %q is empty, or stands twice", method, path, o.OperationID)
			}
			ids[o.OperationID] = true
			var named, given []string
			for part := range strings.SplitSeq(path, "/") {
				if name, ok := strings.CutPrefix(part, "{"); ok {
					named = append(named, strings.TrimSuffix(name, "}"))
				}
			}
			for _, p := range o.Parameters {
				of := d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				if p.In == "path" || of.In == "path" {
					given = append(given, p.Name+of.Name)
				}
			}
			if !slices.Equal(named, given) {
				t.Errorf("%s %s: the parameters %q", method, path, given)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) || len(want) == 0 {
		t.Errorf("the document has\n%s\nthe face\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// docs/api.md lists the routes with their scopes, in their order.
func TestNativeRoutesAreInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| request | scope | answer |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	lines := strings.Split(table, "\n")
	routes := newNative(&Faces{}).routes()
	if len(lines) != len(routes) {
		t.Fatalf("%d lines for %d routes", len(lines), len(routes))
	}
	for i, r := range routes {
		scope := r.scope
		if scope == "" {
			scope = "none"
		}
		if want := fmt.Sprintf("| `%s %s` | %s | ", r.method, r.path, scope); !strings.HasPrefix(lines[i], want) {
			t.Errorf("%s\nhas to begin with\n%s", lines[i], want)
		}
	}
}

// The schemas have the fields of the documents, those that are always there required, so that no
// field is missing there for want of a request that brings it about.
func TestNativeSchemasHaveAllFields(t *testing.T) {
	d := describedHere(t)
	types := []any{
		Error{},
		Problem{},
		Zones{},
		ZoneSummary{},
		ZoneDetail{},
		Zone{},
		Pulled{},
		Secondary{},
		Serving{},
		Resolver{},
		TargetCounts{},
		Lookups{},
		Status{},
		SourceRecords{},
		SourceRecord{},
		RRsetRequest{},
		EditRequest{},
		ChangeRequest{},
		RefreshRequest{},
		Edited{},
		RRsetChange{},
		RRset{},
		Previewed{},
		Lookup{},
		Link{},
		Alias{},
		OneAlias{},
		Aliases{},
		Flattened{},
		History{},
		Change{},
		Why{},
		WhyRRset{},
		Published{},
		Answer{},
		Held{},
		Missing{},
		Refreshed{},
		PlanDocument{},
		PlanOutput{},
		Event{},
	}
	left := map[string]bool{}
	for name := range d.Components.Schemas {
		left[name] = true
	}
	for _, of := range types {
		typ := reflect.TypeOf(of)
		schema := d.Components.Schemas[typ.Name()]
		delete(left, typ.Name())
		fields := map[string]bool{}
		addFields(fields, typ)
		if got, want := slices.Sorted(maps.Keys(schema.Properties)), slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, and the document %q", typ.Name(), want, got)
		}
		var required []string
		for name, always := range fields {
			if always {
				required = append(required, name)
			}
		}
		slices.Sort(required)
		slices.Sort(schema.Required)
		if !slices.Equal(required, schema.Required) {
			t.Errorf("%s always has %q, and the document requires %q", typ.Name(), required, schema.Required)
		}
	}
	if len(left) > 0 {
		t.Errorf("schemas without a type: %v", left)
	}
}

// addFields adds the names of fields in JSON, and whether they are always there.
func addFields(fields map[string]bool, typ reflect.Type) {
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			addFields(fields, f.Type)
		case name != "-":
			fields[name] = !strings.Contains(options, "omit")
		}
	}
}

// The document of an event is data of a stream, so that no request of the contract shows it.
func TestNativeEventIsDescribed(t *testing.T) {
	d := describedHere(t)
	b := newBench(t, nil)
	b.Feed.Tell(someEvent)
	list, _, _ := b.Feed.From(3)
	text, err := json.Marshal(EventForm(&list[0], 3))
	if err != nil {
		t.Fatal(err)
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.schema(t, "components", "schemas", "Event").Validate(body); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
}
