package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
)

// native is where the native face is.
const native = "/aliasflat/v1"

// question is a request to the native face.
type question struct {
	method string // empty: GET
	path   []string
	query  url.Values
	body   any  // nil: none
	dryRun bool // nothing is to be written
	etag   string
}

// ask asks the native face in the name of somebody. Its errors are [*api.Error] with a status.
func (d *dashboard) ask(r *http.Request, v *visit, q question, to any) error {
	parts := []string{native}
	for _, part := range q.path {
		parts = append(parts, url.PathEscape(part))
	}
	path := strings.Join(parts, "/")
	if len(q.query) > 0 {
		path += "?" + q.query.Encode()
	}
	if q.method == "" {
		q.method = http.MethodGet
	}
	var text []byte
	if q.body != nil {
		var err error
		if text, err = json.Marshal(q.body); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	inner, err := http.NewRequestWithContext(r.Context(), q.method, path, bytes.NewReader(text))
	if err != nil {
		return &api.Error{Status: http.StatusBadRequest, Message: "there is no such page"}
	}
	inner.RemoteAddr = r.RemoteAddr
	if q.body != nil {
		inner.Header.Set("Content-Type", "application/json")
	}
	if q.dryRun {
		inner.Header.Set("X-Aliasflat-Dry-Run", "1")
	}
	if q.etag != "" {
		inner.Header.Set("If-Match", `"`+q.etag+`"`)
	}
	answer := answerBuffer{header: http.Header{}, status: http.StatusOK}
	d.API.ServeHTTP(&answer, api.As(inner, func() (*api.Caller, error) { return v.caller, nil }))
	if answer.status >= http.StatusBadRequest {
		e := &api.Error{}
		if json.Unmarshal(answer.body.Bytes(), e) != nil || e.Message == "" {
			e.Message = "it cannot be told"
		}
		e.Status = answer.status
		return e
	}
	if err := json.Unmarshal(answer.body.Bytes(), to); err != nil {
		return fmt.Errorf("ask %s: %w", path, err)
	}
	return nil
}

// answerBuffer takes an answer.
type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of [http.ResponseWriter].
func (a *answerBuffer) Header() http.Header { return a.header }

// WriteHeader is that of [http.ResponseWriter].
func (a *answerBuffer) WriteHeader(status int) { a.status = status }

// Write is that of [http.ResponseWriter].
func (a *answerBuffer) Write(b []byte) (int, error) { return a.body.Write(b) }

// events passes on what happens, as server-sent events, as long as the session lasts.
func (d *dashboard) events(w http.ResponseWriter, r *http.Request, v *visit) {
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath, inner.URL.RawQuery = native+"/events", "", ""
	d.API.ServeHTTP(w, api.As(inner, func() (*api.Caller, error) {
		if d.sessions.of(r, time.Now()) == nil {
			return nil, api.ErrNoToken
		}
		return d.sessions.caller(v.session, r)
	}))
}
