//go:build !nodoq

package resolve

import (
	"context"
	"net"
	"testing"

	"github.com/quic-go/quic-go"
)

// encryptedServers starts a relay for each transport that this build has.
func encryptedServers() map[Scheme]func(*testing.T, *relay) {
	return map[Scheme]func(*testing.T, *relay){
		SchemeTLS: startTLSRelay, SchemeHTTPS: startHTTPSRelay, SchemeQUIC: startQUICRelay,
	}
}

// quicCloser closes a connection of a relay.
type quicCloser struct{ *quic.Conn }

func (c quicCloser) Close() error { return c.CloseWithError(doqNoError, "") }

func startQUICRelay(t *testing.T, r *relay) {
	t.Helper()
	startQUIC(t, r, func(conn *quic.Conn) {
		c := r.enter(quicCloser{conn})
		defer r.leave(quicCloser{conn})
		r.count(c, conn.ConnectionState().TLS.DidResume)
		for {
			stream, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			r.running.Go(func() {
				defer func() { _ = stream.Close() }()
				message, err := readFrame(stream)
				if err != nil {
					return
				}
				// The FIN has to come right behind (RFC 9250 §4.2).
				if n, _ := stream.Read(make([]byte, 1)); n != 0 {
					_ = conn.CloseWithError(2, "more than one message")
					return
				}
				reply, err := r.answer(stream.Context(), c, message)
				if err != nil {
					_ = conn.CloseWithError(doqNoError, "")
					return
				}
				_, _ = stream.Write(frame(reply))
			})
		}
	})
}

func startQUIC(t *testing.T, r *relay, serve func(*quic.Conn)) {
	t.Helper()
	r.tls.NextProtos = []string{"doq"}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r.addr = socket.LocalAddr().String()
	transport := &quic.Transport{Conn: quicServerSocket{socket}}
	l, err := transport.Listen(r.tls, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.stop()
		_ = transport.Close()
		_ = socket.Close()
	})
	r.running.Go(func() {
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			r.running.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
}

// quicServerSocket keeps quic-go from writing about the size of buffers.
type quicServerSocket struct{ net.PacketConn }

func (quicServerSocket) SetReadBuffer(int) error  { return nil }
func (quicServerSocket) SetWriteBuffer(int) error { return nil }
