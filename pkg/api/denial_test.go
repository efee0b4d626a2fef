package api

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"
)

// Each request that is denied is counted once, by its reason, and what is let through is not.
func TestDenialsAreCounted(t *testing.T) {
	tokens := OpenTokens(filepath.Join(t.TempDir(), TokensName))
	create := func(scope Scope, expires time.Time) string {
		t.Helper()
		_, secret, err := tokens.Create(t.Context(), Grant{Scopes: []Scope{scope}}, "", time.Now().Add(-time.Hour), expires)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	read, edit, over := create(ScopeRead, time.Time{}), create(ScopeRecords, time.Time{}), create(ScopeRecords, time.Now().Add(-time.Minute))
	faces := &Faces{Tokens: tokens}
	own := face{Faces: faces, via: "test", fail: func(w http.ResponseWriter, status int, err error) { http.Error(w, err.Error(), status) }}
	h := faces.sameOrigin(own.to(ScopeRecords, func(w http.ResponseWriter, _ *http.Request, c *Caller) error {
		if c.Who == "" || c.Via != "test" {
			t.Errorf("caller %+v", c)
		}
		return nil
	}))
	want := map[string]uint64{"no-token": 0, "token": 0, "scope": 0, "origin": 0}
	for _, test := range []struct {
		name, value string
		status      int
		reason      string
	}{
		{"Authorization", "Bearer " + edit, http.StatusOK, ""},
		{"Authorization", "bearer  " + edit + " ", http.StatusOK, ""},
		{"X-API-Key", edit, http.StatusOK, ""},
		{"X-Other", edit, http.StatusUnauthorized, "no-token"},
		{"Authorization", "Basic " + edit, http.StatusUnauthorized, "no-token"},
		{"Authorization", "Bearer", http.StatusUnauthorized, "no-token"},
		{"Authorization", "Bearer x", http.StatusUnauthorized, "token"},
		{"Authorization", "Bearer " + hashOf(edit), http.StatusUnauthorized, "token"},
		{"X-API-Key", over, http.StatusUnauthorized, "token"},
		{"X-API-Key", read, http.StatusForbidden, "scope"},
		{"Origin", "https://evil.example", http.StatusForbidden, "origin"},
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden, "origin"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set(test.name, test.value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d %v", test.name, test.value, w.Code, w.Header())
		}
		if (w.Header().Get("WWW-Authenticate") != "") != (w.Code == http.StatusUnauthorized) {
			t.Errorf("%s %s: %d asks for %q", test.name, test.value, w.Code, w.Header().Get("WWW-Authenticate"))
		}
		if test.reason != "" {
			want[test.reason]++
		}
		if got := faces.Denied(); !maps.Equal(got, want) {
			t.Errorf("%s %s: denied %v, want %v", test.name, test.value, got, want)
		}
	}
}
