package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// patientRecorder has deadlines as a connection has.
type patientRecorder struct{ *httptest.ResponseRecorder }

func (*patientRecorder) SetReadDeadline(time.Time) error  { return nil }
func (*patientRecorder) SetWriteDeadline(time.Time) error { return nil }

// FuzzRequest holds the server to its promise that whatever it is sent, it answers in JSON.
func FuzzRequest(f *testing.F) {
	s, err := state.Open(f.TempDir(), state.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	h := (&server{Options: Options{Daemon: &fakeDaemon{}, Feed: newFeed(3), Store: s}}).handler()
	for _, path := range []string{"status", "targets", "history", "why", "refresh", "accept", "forget", "reload", "export", "events", ""} {
		f.Add(true, path, "name=example.com&view=inside&limit=3&last=1", `{"names":["example.com"],"under":true}`)
		f.Add(false, path, "name=a..b&limit=-1&from=x", `{"names":[1]}`)
	}
	f.Fuzz(func(t *testing.T, post bool, path, query, body string) {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", strings.NewReader(body))
		if post {
			r.Method = http.MethodPost
			r.Header.Set("Content-Type", "application/json")
		}
		r.URL.Path, r.URL.RawQuery = "/v1/"+path, query
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody waits for events that come
		w := &patientRecorder{httptest.NewRecorder()}
		h.ServeHTTP(w, r.WithContext(ctx))
		if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		if w.Code == http.StatusOK && w.Body.Len() == 0 && path != "events" {
			t.Error("nothing was answered")
		}
	})
}

// FuzzPowerDNSPatch sends edits as anybody may: each is refused, or would change records of the zone
// on lines of their own.
func FuzzPowerDNSPatch(f *testing.F) {
	for _, c := range []string{
		`{'name':'ns1.example.com.','type':'A','ttl':60,'changetype':'REPLACE','records':[{'content':'192.0.2.9'}]}`,
		`{'name':'example.com.','type':'ALIAS','ttl':'60','changetype':'EXTEND','records':[{'content':'cdn.example.net.','disabled':false}],'comments':[]}`,
		`{'name':'t.example.com.','type':'TXT','ttl':60,'changetype':'REPLACE','records':[{'content':'a\n$INCLUDE /etc/passwd'},{'content':'( ; \\'}]}`,
		`{'name':'example.com.','type':'NS','changetype':'PRUNE','records':[{'content':'ns2.example.com.'}]}`,
		`{'name':'example.com.','type':'SOA','changetype':'DELETE','records':null}`,
	} {
		f.Add(patchBody(c))
	}
	reading, done, err := readZone(EditableZone{Name: zone.MustParseName("example.com."), Load: func() ([]compile.Source, func(), diag.List) {
		return []compile.Source{{Name: "zone", Text: []byte(recordsText), Origin: zone.MustParseName("example.com.")}}, func() {}, nil
	}})
	defer done()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var request struct {
			RRsets []rrsetRequest `json:"rrsets"`
		}
		if json.Unmarshal([]byte(body), &request) != nil {
			return
		}
		changes, err := changesOfPatch(reading, request.RRsets)
		if err != nil {
			if reasonOf(err) != ReasonInvalid || !utf8.ValidString(err.Error()) {
				t.Errorf("%s: %v", body, err)
			}
			return
		}
		edited, _ := reading.source.Edit(changes)
		if edited == nil {
			return
		}
		if text := string(edited.Text.Bytes()); strings.Contains(text, "\n$") {
			t.Errorf("%s has made a control entry:\n%s", body, text)
		}
		for _, c := range edited.Difference {
			if set := c.RRset(); !set.Owner.IsIn(reading.Zone.Name) || set.Type == dns.TypeSOA {
				t.Errorf("%s changes %s", body, set.Owner)
			}
		}
	})
}
