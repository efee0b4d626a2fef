package resolve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	dohMediaType = "application/dns-message"

	// Streams on one connection; servers offer a hundred or more (RFC 9113 §6.5.2).
	maxOnHTTP = 64
	dohIdle   = 30 * time.Second // before an unused connection is closed
	maxHeader = 64 << 10         // octets
)

// doh is DNS over HTTPS (RFC 8484): every query is a POST. HTTP/2 carries many at once on
// one connection; with HTTP/1.1 each takes one for itself.
//
// Redirects are not followed, and no proxy and no cookies are used: a resolver is who the
// URL says, and learns nothing that ties one query to another. The Age of a reply from a cache
// on the way is not taken off its TTLs (RFC 8484 §5.1): a TTL that was seen is never more than
// a lower bound here.
type doh struct {
	turns
	url       string
	transport *http.Transport

	running sync.WaitGroup // exchanges

	mu     sync.Mutex
	closed bool
	open   map[*dohConn]struct{}
}

// dohConn is a connection below TLS, so that close can end those in use.
type dohConn struct {
	net.Conn
	of *doh
}

// Close also takes the connection off the list.
func (c *dohConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

func newDoH(ctx context.Context, h *host, opts Options) *doh {
	u := h.url
	d := &doh{
		turns: make(turns, opts.Connections/2*maxOnHTTP),
		url:   "https://" + authority(u.serverName(), u.Port, SchemeHTTPS) + u.Path,
		open:  map[*dohConn]struct{}{},
	}
	config := tlsConfig(u, opts, "h2", "http/1.1")
	d.transport = &http.Transport{
		// The context of a request is not that of the connection, which others use too.
		DialTLSContext: func(_ context.Context, _, _ string) (net.Conn, error) {
			conn, err := h.dialTLS(ctx, config, d.register)
			if err != nil {
				return nil, err // and not a nil connection in an interface
			}
			return conn, nil
		},
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        opts.Connections / 2,
		MaxIdleConnsPerHost:    opts.Connections / 2,
		IdleConnTimeout:        dohIdle,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		// A server that is gone without a word is found out by a ping.
		HTTP2: &http.HTTP2Config{SendPingTimeout: opts.QueryTimeout, PingTimeout: opts.QueryTimeout},
	}
	return d
}

// register puts a connection on the list; once the transport is closed it is closed too.
func (d *doh) register(conn net.Conn) net.Conn {
	c := &dohConn{Conn: conn, of: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		conn.Close()
	} else {
		d.open[c] = struct{}{}
	}
	return c
}

// close ends every exchange and closes every connection. The goroutines of [http.Transport]
// see that and end a moment later.
func (d *doh) close() {
	d.mu.Lock()
	d.closed = true
	open := d.open
	d.open = map[*dohConn]struct{}{}
	d.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
	d.running.Wait()
	d.transport.CloseIdleConnections()
}

func (d *doh) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// begin gives false once closed; otherwise running.Done has to be called.
func (d *doh) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.running.Add(1)
	}
	return !d.closed
}

func (d *doh) exchange(ctx context.Context, q query, timeout time.Duration) (reply, int) {
	if !d.begin() {
		return reply{err: errClosed}, 0
	}
	defer d.running.Done()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	q.setID(0) // RFC 8484 §4.1: equal questions are equal requests
	packet, err := d.post(limited, q.datagram())
	var told *failure
	switch {
	case err == nil:
		return q.accept(packet), 0
	case ctx.Err() != nil:
		err = ctx.Err()
	case d.isClosed():
		err = errClosed
	case limited.Err() != nil:
		err = errTimeout
	case !errors.As(err, &told) && hungUp(err):
		err = errHungUp
	}
	return reply{err: err}, 0
}

// post sends a message and gives the one that comes back.
func (d *doh) post(ctx context.Context, message []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	request.Header = http.Header{
		"Accept":       {dohMediaType},
		"Content-Type": {dohMediaType},
		"User-Agent":   {"aliasflat"},
		// Not sent. It tells [http.Transport] that a query may be sent again where the server
		// closes the connection before it answers.
		"Idempotency-Key": {},
	}
	response, err := d.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// What is left of a body that is refused is of no use; errors while reading are seen below.
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, &failure{reason: ReasonHTTP, detail: statusText(response)}
	}
	contentType := response.Header.Get("Content-Type")
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != dohMediaType {
		return nil, failuref(ReasonMalformed, "the HTTP content type is %q, not %s", printable([]byte(contentType)), dohMediaType)
	}
	packet, err := io.ReadAll(io.LimitReader(response.Body, dns.MaxMsgSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the reply: %w", err)
	}
	if len(packet) > dns.MaxMsgSize {
		return nil, failuref(ReasonMalformed, "the reply has more than %d octets", dns.MaxMsgSize)
	}
	return packet, nil
}

// statusText is the status with its meaning and, for a redirect, where it leads.
func statusText(r *http.Response) string {
	text := fmt.Sprintf("HTTP status %d", r.StatusCode)
	if meaning := http.StatusText(r.StatusCode); meaning != "" {
		text += " " + meaning
	}
	if to := r.Header.Get("Location"); to != "" {
		text += ", to " + printable([]byte(to))
	}
	return text
}
