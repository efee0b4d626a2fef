package dnstest

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

const (
	dohPath    = "/dns-query"
	dnsMessage = "application/dns-message"
)

// StartHTTPS runs a server for DNS over HTTPS on the loopback interface (RFC 8484), over
// HTTP/2 and HTTP/1.1.
func StartHTTPS(tb TB, zoneText string, c Certificate) *Server {
	tb.Helper()
	s, l := startListener(tb, zoneText, "https")
	s.path = dohPath
	web := &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		TLSConfig:         c.config("h2", "http/1.1"),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // failed handshakes are what tests are about
	}
	s.start(func() {
		// It ends when it is closed.
		_ = web.ServeTLS(l, "", "")
	}, web)
	tb.Cleanup(s.close)
	return s
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	abort := false
	done := make(chan struct{})
	// The server waits for this goroutine, which it does not for that of a handler.
	started := s.start(func() {
		defer close(done)
		abort = s.answerHTTP(w, r)
	})
	if started {
		<-done
	}
	if abort || !started {
		panic(http.ErrAbortHandler) // which ends the stream without an answer
	}
}

// answerHTTP is true where the stream ends without an answer, or within one.
func (s *Server) answerHTTP(w http.ResponseWriter, r *http.Request) (abort bool) {
	packet, status := readRequest(r)
	if status != http.StatusOK {
		w.WriteHeader(status)
		return false
	}
	from := origin{transport: "https", serverName: r.TLS.ServerName}
	// What is no address stays the zero one.
	from.client, _ = netip.ParseAddrPort(r.RemoteAddr)
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		from.server = addrPort(local)
	}
	p, ok := s.handle(packet, from)
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	if !s.sleepFor(r.Context(), p.delay) {
		return true
	}
	f := &p.fault
	if f.Hangup || f.Reset || f.HalfClose {
		return true
	}
	var body []byte
	for _, reply := range p.replies {
		if !reply.stray {
			body = append(body, reply.packet...)
			break // there is one message in a body
		}
	}
	if body == nil { // no reply: the client gives up
		s.sleepFor(r.Context(), time.Hour)
		return true
	}
	return s.writeHTTP(w, f, body)
}

// readRequest gives the query, or the status that says why there is none.
func readRequest(r *http.Request) ([]byte, int) {
	switch {
	case r.URL.Path != dohPath:
		return nil, http.StatusNotFound
	case r.Method == http.MethodGet:
		packet, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("dns"))
		if err != nil || len(packet) == 0 {
			return nil, http.StatusBadRequest
		}
		return packet, http.StatusOK
	case r.Method != http.MethodPost:
		return nil, http.StatusMethodNotAllowed
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != dnsMessage {
		return nil, http.StatusUnsupportedMediaType
	}
	packet, err := io.ReadAll(io.LimitReader(r.Body, maxPacket+1))
	switch {
	case err != nil:
		return nil, http.StatusBadRequest
	case len(packet) > maxPacket:
		return nil, http.StatusRequestEntityTooLarge
	}
	return packet, http.StatusOK
}

// writeHTTP sends a message, or what the fault puts in its place.
func (s *Server) writeHTTP(w http.ResponseWriter, f *Fault, body []byte) (abort bool) {
	kind, status := dnsMessage, http.StatusOK
	if f.ContentType != "" {
		kind = f.ContentType
	}
	if f.Body > 0 {
		body = bytes.Repeat([]byte{0xff}, f.Body)
	}
	if f.HTTPAge > 0 {
		w.Header().Set("Age", strconv.Itoa(f.HTTPAge))
	}
	if f.Status != 0 {
		status = f.Status
		if f.ContentType == "" && status >= http.StatusMultipleChoices {
			kind, body = "text/plain", []byte(http.StatusText(status)+"\n")
		}
	}
	switch {
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		w.Header().Set("Location", "/elsewhere")
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	whole := len(body)
	if f.Partial > 0 {
		body = body[:min(f.Partial, len(body))]
	}
	if err := s.drip(flushing{w}, body, f.Slow); err != nil {
		return true
	}
	return len(body) < whole
}

// flushing sends each write at once.
type flushing struct{ http.ResponseWriter }

func (w flushing) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if err == nil {
		err = http.NewResponseController(w.ResponseWriter).Flush()
	}
	return n, err
}

// sleepFor is false where the client or the server ends first.
func (s *Server) sleepFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.closing:
	}
	return false
}
