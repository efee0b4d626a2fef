package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestRequestsAreBounded(t *testing.T) {
	d := &fakeDaemon{}
	c := serve(t, Options{Daemon: d})
	names := func(n int) string {
		text, err := json.Marshal(Request{Names: slicesOf("example.com", n)})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, k := range []struct {
		method, path, kind, body string
		status                   int
		says                     string
	}{
		{"POST", "/v1/refresh", "application/json", names(1), 200, "aliasflat/refreshed/v1"},
		{"POST", "/v1/refresh", "application/json; charset=utf-8", names(1), 200, ""},
		{"POST", "/v1/refresh", "text/plain", names(1), 415, "application/json"},
		{"POST", "/v1/refresh", "", names(1), 415, "application/json"},
		{"POST", "/v1/refresh", "application/json", names(maxNames + 1), 400, "10001 names"},
		{"POST", "/v1/refresh", "application/json", `{"names":["` + strings.Repeat("x", maxBody) + `"]}`, 413, "1048576 bytes"},
		{"POST", "/v1/refresh", "application/json", `{}`, 400, "0 names"},
		{"POST", "/v1/refresh", "application/json", `{"names":["a..b"]}`, 400, "label"},
		{"POST", "/v1/refresh", "application/json", `{"nams":["a"]}`, 400, "unknown field"},
		{"POST", "/v1/refresh", "application/json", `no JSON`, 400, "body"},
		{"POST", "/v1/accept", "text/plain", names(1), 415, ""},
		{"POST", "/v1/forget", "application/json", `[]`, 400, ""},
		{"GET", "/v1/refresh", "", "", 405, ""},
		{"DELETE", "/v1/status", "", "", 405, ""},
		{"GET", "/v1/nothing", "", "", 404, ""},
		{"GET", "/", "", "", 404, ""},
		{"GET", "/v1/history?name=", "", "", 400, "name"},
		{"GET", "/v1/history?name=example.com&limit=many", "", "", 400, "limit"},
		{"GET", "/v1/why?name=a..b", "", "", 400, "name"},
		{"GET", "/v1/targets", "", "", 400, "name"},
		{"GET", "/v1/status?" + strings.Repeat("x", 2*maxHeader), "", "", 431, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), k.method, "http://x"+k.path, strings.NewReader(k.body))
		if err != nil {
			t.Fatal(err)
		}
		if k.kind != "" {
			r.Header.Set("Content-Type", k.kind)
		}
		reply, err := c.http.Do(r)
		if err != nil {
			t.Fatalf("%s %.40s: %v", k.method, k.path, err)
		}
		var text bytes.Buffer
		_, _ = text.ReadFrom(reply.Body) // a server that is sent too much hangs up
		_ = reply.Body.Close()
		if reply.StatusCode != k.status || !strings.Contains(text.String(), k.says) {
			t.Errorf("%s %.40s %.40s: %d %.100q, want %d with %q", k.method, k.path, k.body, reply.StatusCode, text.String(), k.status, k.says)
		}
	}
	if len(d.refreshed) != 2 {
		t.Errorf("refreshed %v", d.refreshed)
	}
}

func slicesOf(text string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text
	}
	return list
}

// Somebody else may answer on the socket.
func TestClientOfAnotherProgram(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}})
	if _, err := c.do(t.Context(), "GET", "/somewhere", nil); err == nil || !strings.Contains(err.Error(), "404 Not Found") {
		t.Error(err)
	}
}
