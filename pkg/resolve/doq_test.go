//go:build !nodoq

package resolve

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// serveQUIC starts a server with a function for each stream and gives a client for it.
func serveQUIC(t *testing.T, opts Options, serve func(*quic.Conn, *quic.Stream)) (*relay, *Client) {
	t.Helper()
	ca := newAuthority(t, "Test CA")
	r := newRelay(SchemeQUIC, dnstest.Start(t, testWorld), ca.sign(t, nil))
	startQUIC(t, r, func(conn *quic.Conn) {
		defer r.leave(quicCloser{conn})
		r.count(r.enter(quicCloser{conn}), conn.ConnectionState().TLS.DidResume)
		for {
			stream, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			r.running.Go(func() { serve(conn, stream) })
		}
	})
	opts.RootCAs = ca.pool
	return r, newClient(t, opts, r.url())
}

func TestDoQErrors(t *testing.T) {
	reset := func(code quic.StreamErrorCode) func(*quic.Conn, *quic.Stream) {
		return func(_ *quic.Conn, s *quic.Stream) { s.CancelWrite(code) }
	}
	write := func(octets ...byte) func(*quic.Conn, *quic.Stream) {
		return func(_ *quic.Conn, s *quic.Stream) {
			_, _ = s.Write(octets)
			_ = s.Close()
		}
	}
	tests := []struct {
		name   string
		serve  func(*quic.Conn, *quic.Stream)
		reason Reason
		detail string
		conns  int
	}{
		{"reset", reset(1), ReasonNetwork, "the resolver gave the query up: internal error", 1},
		{"busy", reset(4), ReasonNetwork, "the resolver gave the query up: excessive load", 1},
		{"unknown code", reset(0x77), ReasonNetwork, "the resolver gave the query up: error 0x77", 1},
		{"nothing", write(), ReasonMalformed, "the message is cut short or not well formed", 1},
		{"half a message", write(0, 40, 0, 0), ReasonMalformed, "the message is cut short or not well formed", 1},
		{"no message", write(0, 2, 0, 0), ReasonMalformed, "the message is cut short or not well formed", 1},
		{"another message", write(append([]byte{0, 12}, make([]byte, 12)...)...), ReasonMalformed, "the reply does not fit the question", 1},
		{"hangup", func(c *quic.Conn, _ *quic.Stream) { _ = c.CloseWithError(doqNoError, "") }, ReasonNetwork, "the resolver closed the connection", 1 + maxHangups},
		{"silent", func(*quic.Conn, *quic.Stream) {}, ReasonTimeout, "no reply in time", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, c := serveQUIC(t, Options{QueryTimeout: 400 * time.Millisecond, Rounds: 1}, tt.serve)
			a := c.Lookup(t.Context(), v4, dns.TypeA)
			if a.Reason != tt.reason || a.Detail != tt.detail {
				t.Errorf("%s, %s", short(a), a.Detail)
			}
			if conns, _ := r.counts(); conns != tt.conns {
				t.Errorf("%d connections", conns)
			}
		})
	}
}

// A reply counts when it is whole, although the server leaves the stream open or goes on.
func TestDoQStreamLeftOpen(t *testing.T) {
	for _, more := range []int{0, 1000} {
		ready := make(chan struct{})
		var r *relay
		r, c := serveQUIC(t, Options{}, func(_ *quic.Conn, s *quic.Stream) {
			<-ready
			message, err := readFrame(s)
			if err != nil {
				return
			}
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				return
			}
			if reply, err := r.forward(context.Background(), message); err == nil {
				_, _ = s.Write(append(frame(reply), make([]byte, more)...))
				<-s.Context().Done() // the client wants no more
				s.CancelWrite(doqNoError)
			}
		})
		close(ready)
		for range 3 * maxOnQUIC {
			wantAnswer(t, c.Lookup(t.Context(), v4, dns.TypeA))
		}
		if conns, _ := r.counts(); conns != 1 {
			t.Errorf("%d connections", conns)
		}
	}
}

// Both ends forget an idle connection without a word; the next query opens another.
func TestDoQIdle(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	r := newRelay(SchemeQUIC, dnstest.Start(t, testWorld), ca.sign(t, nil))
	startQUICRelay(t, r)
	c := newClient(t, Options{RootCAs: ca.pool}, r.url())
	d, ok := c.upstreams[0].conns.(*doq)
	if !ok {
		t.Fatal("no DoQ")
	}
	d.config.MaxIdleTimeout = 50 * time.Millisecond
	for range 3 {
		a := c.Lookup(t.Context(), v4, dns.TypeA)
		if a.Outcome != Addresses || len(a.Attempts) != 1 {
			t.Errorf("%s after %d attempts, %s", short(a), len(a.Attempts), a.Detail)
		}
		eventually(t, "the connection ends", func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.open) == 0
		})
	}
	if conns, resumed := r.counts(); conns != 3 || resumed != 2 {
		t.Errorf("%d connections, %d of them resumed", conns, resumed)
	}
}

// A handshake that the server ends is no timeout.
func TestDoQHandshakeRefused(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	r := newRelay(SchemeQUIC, dnstest.Start(t, testWorld), ca.sign(t, nil))
	r.tls.Certificates = nil
	startQUICRelay(t, r)
	a := newClient(t, Options{RootCAs: ca.pool, Rounds: 1}, r.url()).Lookup(t.Context(), v4, dns.TypeA)
	if a.Reason != ReasonNetwork || len(a.Detail) < 30 {
		t.Errorf("%s, %s", short(a), a.Detail)
	}
}
