package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceTellsManyApart(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var p pace
	for range 3 {
		if wait := p.take("a", now, 0.5, 3); wait != 0 {
			t.Fatalf("the first ones wait %s", wait)
		}
	}
	if wait := p.take("a", now, 0.5, 3); wait != 2*time.Second {
		t.Errorf("the fourth waits %s", wait)
	}
	if wait := p.take("b", now, 0.5, 3); wait != 0 {
		t.Errorf("somebody else waits %s", wait)
	}
	if wait := p.take("a", now.Add(2*time.Second), 0.5, 3); wait != 0 {
		t.Errorf("2 s later it waits %s", wait)
	}
	for i := range 2 * maxPaced {
		p.take(strconv.Itoa(i), now, 0.5, 3)
	}
	if len(p.each) != maxPaced {
		t.Errorf("%d are told apart", len(p.each))
	}
	if wait := p.take("late", now, 0.5, 3); wait == 0 {
		t.Error("one of too many does not wait")
	}
	if wait := p.take("later", now.Add(time.Minute), 0.5, 3); wait != 0 || len(p.each) != 1 {
		t.Errorf("once the others are done it waits %s, among %d", wait, len(p.each))
	}
}

func TestSite(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.1:53":           "192.0.2.1",
		"[::ffff:192.0.2.1]:53":  "192.0.2.1",
		"[2001:db8:0:1:2::3]:53": "2001:db8:0:1::/64",
		"[fe80::1%eth0]:53":      "fe80::/64",
	} {
		if got := site(netip.MustParseAddrPort(peer)); got != want {
			t.Errorf("%s is %s, not %s", peer, got, want)
		}
	}
	if got := site(netip.AddrPort{}); got != "invalid IP" {
		t.Errorf("a Unix socket is %s", got)
	}
}

// A face lets nobody change too much at once, nor try tokens, and whoever waits as long as
// Retry-After says is answered again.
func TestFaceKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := face{Faces: &Faces{Tokens: OpenTokens(filepath.Join(t.TempDir(), TokensName))}, fail: func(w http.ResponseWriter, status int, _ error) { w.WriteHeader(status) }}
		_, secret, err := f.Tokens.Create(t.Context(), Grant{Scopes: Scopes}, "", time.Now(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		handler := f.to(ScopeRead, func(http.ResponseWriter, *http.Request, *Caller) error { return nil })
		ask := func(method, secret, peer string) (int, time.Duration) {
			r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
			r.RemoteAddr = peer
			if secret != "" {
				r.Header.Set("X-API-Key", secret)
			}
			w := httptest.NewRecorder()
			handler(w, r)
			after, _ := strconv.Atoi(w.Header().Get("Retry-After"))
			return w.Code, time.Duration(after) * time.Second
		}
		for _, k := range []struct {
			name, method, secret string
			burst, before        int // how many are answered, and with what status
		}{
			{"writes", http.MethodPost, secret, writeBurst, http.StatusOK},
			{"tokens that are none", http.MethodGet, "af_none", wrongBurst, http.StatusUnauthorized},
		} {
			for i := range k.burst {
				if status, _ := ask(k.method, k.secret, "192.0.2.1:1"); status != k.before {
					t.Fatalf("%s: the %dth gets %d", k.name, i+1, status)
				}
			}
			status, after := ask(k.method, k.secret, "192.0.2.1:2")
			if status != http.StatusTooManyRequests || after == 0 {
				t.Errorf("%s: one more gets %d, to come again after %s", k.name, status, after)
			}
			time.Sleep(after)
			if status, _ := ask(k.method, k.secret, "192.0.2.1:3"); status != k.before {
				t.Errorf("%s: after %s it gets %d", k.name, after, status)
			}
		}
		if status, _ := ask(http.MethodGet, "af_none", "192.0.2.1:4"); status != http.StatusTooManyRequests {
			t.Errorf("a wrong token gets %d", status)
		}
		for _, k := range []struct {
			secret, peer string
			want         int
		}{
			{secret, "192.0.2.1:1", http.StatusOK},
			{"", "192.0.2.1:1", http.StatusUnauthorized},
			{"af_none", "192.0.2.2:1", http.StatusUnauthorized},
		} {
			if status, _ := ask(http.MethodGet, k.secret, k.peer); status != k.want {
				t.Errorf("meanwhile %s gets %d, not %d", k.peer, status, k.want)
			}
		}
	})
}
