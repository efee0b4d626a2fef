package resolve

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// serveHTTPS starts a web server with a handler and gives a client for it.
func serveHTTPS(t *testing.T, opts Options, path string, change func(*relay), handler http.HandlerFunc) *Client {
	t.Helper()
	ca := newAuthority(t, "Test CA")
	r := newRelay(SchemeHTTPS, dnstest.Start(t, testWorld), ca.sign(t, nil))
	if change != nil {
		change(r)
	}
	startHTTPS(t, r, handler)
	opts.RootCAs = ca.pool
	return newClient(t, opts, "https://"+r.addr+path+"#dns.example.com")
}

func TestHTTPErrors(t *testing.T) {
	body := func(contentType string, octets int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(make([]byte, octets))
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", dohMediaType)
			w.WriteHeader(code)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		reason  Reason
		detail  string
	}{
		{"400", status(400), ReasonHTTP, "HTTP status 400 Bad Request"},
		{"404", status(404), ReasonHTTP, "HTTP status 404 Not Found"},
		{"429", status(429), ReasonHTTP, "HTTP status 429 Too Many Requests"},
		{"500", status(500), ReasonHTTP, "HTTP status 500 Internal Server Error"},
		{"204", status(204), ReasonHTTP, "HTTP status 204 No Content"},
		{"599", status(599), ReasonHTTP, "HTTP status 599"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://dns.example.com/elsewhere", http.StatusMovedPermanently)
		}, ReasonHTTP, "HTTP status 301 Moved Permanently, to https://dns.example.com/elsewhere"},
		{"web page", body("text/html; charset=utf-8", 100), ReasonMalformed, `the HTTP content type is "text/html; charset=utf-8", not application/dns-message`},
		{"JSON", body("application/dns-json", 100), ReasonMalformed, `the HTTP content type is "application/dns-json", not application/dns-message`},
		{"no type", body("", 0), ReasonMalformed, `the HTTP content type is "", not application/dns-message`},
		{"too long", body(dohMediaType, dns.MaxMsgSize+1), ReasonMalformed, "the reply has more than 65535 octets"},
		{"empty", body(dohMediaType, 0), ReasonMalformed, "the message is cut short or not well formed"},
		{"zeros", body(dohMediaType, dns.MaxMsgSize), ReasonMalformed, "the reply does not fit the question"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", dohMediaType)
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write(make([]byte, 50))
		}, ReasonNetwork, ""},
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ReasonTimeout, "no reply in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			c := serveHTTPS(t, Options{QueryTimeout: 400 * time.Millisecond, Rounds: 1}, "/dns-query", nil, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				tt.handler(w, r)
			})
			a := c.Lookup(t.Context(), v4, dns.TypeA)
			if a.Reason != tt.reason || !strings.HasPrefix(a.Detail, tt.detail) {
				t.Errorf("%s, %s", short(a), a.Detail)
			}
			if n := requests.Load(); n != 1 && tt.reason != ReasonNetwork {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// What a request looks like: nothing in it but the query, and nothing that ties it to the one
// before.
func TestHTTPRequest(t *testing.T) {
	// A proxy would be asked for every request if the environment counted.
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	var wrong atomic.Value
	var requests atomic.Int32
	c := serveHTTPS(t, Options{}, "/p%20q?key=1", nil, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch {
		case r.RequestURI != "/p%20q?key=1":
			wrong.Store("path " + r.RequestURI)
		case !strings.HasPrefix(r.Host, "dns.example.com:"):
			wrong.Store("host " + r.Host)
		case r.TLS.ServerName != "dns.example.com":
			wrong.Store("server name " + r.TLS.ServerName)
		case r.Header.Get("Cookie") != "":
			wrong.Store("a cookie")
		case len(r.Header) != 4 || r.Header.Get("Content-Length") == "" || r.Header.Get("Content-Type") != dohMediaType ||
			r.Header.Get("Accept") != dohMediaType || r.Header.Get("User-Agent") != "aliasflat":
			wrong.Store("headers " + strings.Join(keys(r.Header), " "))
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
		w.WriteHeader(http.StatusTooManyRequests)
	})
	c.Lookup(t.Context(), v4, dns.TypeA)
	if s := wrong.Load(); s != nil || requests.Load() != 2 {
		t.Errorf("%v, %d requests", s, requests.Load())
	}
}

func keys(h http.Header) []string {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	return names
}

// A server without HTTP/2 is asked over HTTP/1.1, one query on a connection at a time.
func TestHTTP1(t *testing.T) {
	var proto atomic.Value
	var r *relay
	c := serveHTTPS(t, Options{Sockets: 2}, "", func(made *relay) {
		r = made
		r.tls.NextProtos = []string{"http/1.1"}
	}, func(w http.ResponseWriter, request *http.Request) {
		proto.Store(request.Proto)
		message := make([]byte, request.ContentLength)
		if _, err := io.ReadFull(request.Body, message); err != nil {
			return
		}
		reply, err := r.forward(request.Context(), message)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/dns-message; charset=utf-8")
		_, _ = w.Write(reply)
	})
	var questions []Question
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		questions = append(questions, Question{Target: zone.MustParseName(name + ".wild.example.net."), Type: dns.TypeA})
	}
	for _, a := range All(t.Context(), c, questions, 6, nil) {
		wantAnswer(t, a)
	}
	if conns, _ := r.counts(); conns > 2 || proto.Load() != "HTTP/1.1" {
		t.Errorf("%d connections, %v", conns, proto.Load())
	}
}
