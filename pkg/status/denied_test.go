package status

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Requests that were denied are counted: here those for another host, elsewhere the others.
func TestDeniedRequestsAreCounted(t *testing.T) {
	o := options()
	o.Denied = func() map[string]uint64 { return map[string]uint64{"token": 7, "scope": 0} }
	h := Handler(o)
	for _, host := range []string{"rebound.example", "rebound.example:8053"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, line := range []string{`{reason="host"} 2`, `{reason="scope"} 0`, `{reason="token"} 7`} {
		if !strings.Contains(w.Body.String(), "\naliasflat_http_denied_total"+line+"\n") {
			t.Errorf("no %s in\n%s", line, w.Body)
		}
	}
}
