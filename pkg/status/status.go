// Package status shows a running daemon over HTTP to those who look: metrics for Prometheus,
// the answers to health checks, and a page for people.
//
// It changes nothing, and refuses every request that might. What it shows comes from one
// snapshot for each request.
package status

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/aliasflat/aliasflat/pkg/watch"
)

// What bounds a request.
const (
	maxConnections = 64
	maxHeader      = 16 << 10 // bytes

	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = time.Minute
	endTime    = 2 * time.Second // for requests that are under way when the daemon ends
)

// Options say what is shown.
type Options struct {
	// Snapshot is what the daemon knows. It is called for each request and does not block; it
	// may give nil as long as there is nothing to show.
	Snapshot func() *watch.Snapshot
	// State tells what is wrong with what is remembered; nil means nothing ever is.
	State func() error
	// Version and Commit are of the program; Commit may be empty.
	Version, Commit string
	// Hosts are the names under which the daemon is asked, beside localhost and addresses. A
	// request for any other is refused: it comes from a web page that had its own name point
	// here (DNS rebinding).
	Hosts []string
	// Mounts are what others answer, by the patterns of [http.ServeMux]. They are asked only by
	// requests for a host of this daemon, and set their own headers.
	Mounts map[string]http.Handler
	// Dashboard gives the path of a page that shows more, or nothing; nil: there is none.
	Dashboard func() string
	// Denied tells how many requests the mounts have denied, by words of the program; nil: none.
	Denied func() map[string]uint64
}

// PublicError is that an address is not one of this machine alone.
type PublicError struct{ Address string }

func (e *PublicError) Error() string {
	return e.Address + " can be reached from other machines, and status asks nobody who he is"
}

// Listen opens an address, host:port. One that is not on loopback is a [*PublicError], unless
// public allows it.
func Listen(ctx context.Context, address string, public bool) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	if !public && !Loopback(address) {
		return nil, &PublicError{address}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	return listener, nil
}

// Loopback tells whether an address, host:port, can be reached from this machine alone.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// Serve answers until ctx ends, and returns when nothing of it runs any more. The listeners are
// closed then. One that fails ends all.
func Serve(ctx context.Context, listeners []Listener, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := http.Server{
		Handler:           Handler(o),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // whoever follows is let go at the end
		ErrorLog:          log.New(io.Discard, "", 0),                        // what a client does wrong it is told itself
	}
	var ending sync.WaitGroup
	ending.Go(func() {
		<-ctx.Done()
		limit, end := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer end()
		if h.Shutdown(limit) != nil {
			_ = h.Close() // the listener is closed already
		}
	})
	errs := make([]error, len(listeners))
	var serving sync.WaitGroup
	for i, l := range listeners {
		serving.Go(func() {
			defer cancel()
			if err := h.Serve(l.bounded()); !errors.Is(err, http.ErrServerClosed) {
				errs[i] = err
			}
		})
	}
	serving.Wait()
	cancel()
	ending.Wait()
	return errors.Join(errs...)
}

// Listener is where requests come in.
type Listener struct {
	net.Listener

	// TLS is what the connections are encrypted with; nil: they are not.
	TLS *tls.Config
}

// bounded takes no more connections at a time than there may be.
func (l Listener) bounded() net.Listener {
	limited := netutil.LimitListener(l.Listener, maxConnections)
	if l.TLS == nil {
		return limited
	}
	return tls.NewListener(limited, l.TLS)
}

// Handler gives the pages.
func Handler(o Options) http.Handler {
	if o.State == nil {
		o.State = func() error { return nil }
	}
	s := &server{Options: o, page: newPage()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", s.healthy)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /style.css", s.style)
	mux.HandleFunc("GET /{$}", s.show)
	if len(o.Mounts) == 0 {
		return s.forHost(s.guard(mux))
	}
	all := http.NewServeMux()
	for pattern, handler := range o.Mounts {
		all.Handle(pattern, handler)
	}
	all.Handle("/", s.guard(mux))
	return s.forHost(all)
}

// server answers the requests.
type server struct {
	Options

	page      *page
	misplaced atomic.Uint64 // requests for hosts that are not served
}

// forHost refuses what is not for this server.
func (s *server) forHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.knows(r.Host) {
			s.misplaced.Add(1)
			protect(w.Header())
			http.Error(w, "this host is not served here", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guard refuses what changes something.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "there is nothing to change here", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// protect gives an answer the headers that keep a browser from doing more with it than showing it.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// knows tells whether a request is for this daemon. No web page can have a name of its own
// that looks like an address.
func (s *server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(host), "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || slices.ContainsFunc(s.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}
