package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/state"
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
