package resolve

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// relay is a server for an encrypted transport that hands each message on to a test server
// in the clear.
type relay struct {
	scheme Scheme
	addr   string
	world  *dnstest.Server
	tls    *tls.Config

	running sync.WaitGroup

	mu       sync.Mutex
	open     map[io.Closer]*relayConn
	conns    int
	resumed  int
	messages [][]byte
	hold     int           // no message is answered before so many have come in
	released chan struct{} // closed when they have
	closing  chan struct{}
}

// relayConn is one connection of a relay. It goes on taking messages when it is frozen, and
// answers none.
type relayConn struct {
	frozen  chan struct{}
	counted bool // under relay.mu
}

// url is the relay as a resolver URL whose certificate is for dns.example.com.
func (r *relay) url() string { return r.urlFor("dns.example.com") }

func (r *relay) urlFor(name string) string {
	s := string(r.scheme) + "://" + r.addr
	if r.scheme == SchemeHTTPS {
		s += "/dns-query"
	}
	if name != "" {
		s += "#" + name
	}
	return s
}

func newRelay(scheme Scheme, world *dnstest.Server, certificate tls.Certificate) *relay {
	return &relay{
		scheme: scheme, world: world,
		tls:     &tls.Config{Certificates: []tls.Certificate{certificate}},
		open:    map[io.Closer]*relayConn{},
		closing: make(chan struct{}),
	}
}

// startRelay serves until the test ends.
func startRelay(t *testing.T, scheme Scheme, world *dnstest.Server, certificate tls.Certificate) *relay {
	t.Helper()
	r := newRelay(scheme, world, certificate)
	encryptedServers()[scheme](t, r)
	return r
}

// stop is for the cleanup of the starters.
func (r *relay) stop() {
	close(r.closing)
	r.closeConns()
	r.running.Wait()
}

func startTLSRelay(t *testing.T, r *relay) {
	t.Helper()
	r.tls.NextProtos = []string{"dot"}
	l := r.listen(t)
	t.Cleanup(func() { l.Close(); r.stop() })
	r.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.serveTLS(tls.Server(conn, r.tls)) })
		}
	})
}

func (r *relay) listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	return l
}

func (r *relay) serveTLS(conn *tls.Conn) {
	defer func() { _ = conn.Close() }()
	c := r.enter(conn)
	defer r.leave(conn)
	if conn.Handshake() != nil {
		return
	}
	r.count(c, conn.ConnectionState().DidResume)
	var writing sync.Mutex
	var answering sync.WaitGroup
	defer answering.Wait()
	for {
		message, err := readFrame(conn)
		if err != nil {
			return
		}
		answering.Go(func() {
			reply, err := r.answer(context.Background(), c, message)
			if err != nil {
				_ = conn.Close()
				return
			}
			writing.Lock()
			defer writing.Unlock()
			_, _ = conn.Write(frame(reply))
		})
	}
}

func startHTTPSRelay(t *testing.T, r *relay) {
	t.Helper()
	startHTTPS(t, r, func(w http.ResponseWriter, request *http.Request) {
		message, err := io.ReadAll(request.Body)
		if err != nil || request.Method != http.MethodPost || request.URL.Path != "/dns-query" ||
			request.Header.Get("Content-Type") != dohMediaType || request.ProtoMajor != 2 {
			http.Error(w, "not as RFC 8484 has it", http.StatusBadRequest)
			return
		}
		c, ok := request.Context().Value(relayConn{}).(*relayConn)
		if !ok {
			panic("no connection")
		}
		reply, err := r.answer(request.Context(), c, message)
		if err != nil {
			r.closeConns()
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", dohMediaType)
		_, _ = w.Write(reply)
	})
}

// startHTTPS serves HTTP/2 with the handler.
func startHTTPS(t *testing.T, r *relay, handler http.HandlerFunc) {
	t.Helper()
	l := r.listen(t)
	server := &http.Server{
		Handler:   handler,
		TLSConfig: r.tls,
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, relayConn{}, r.enter(conn))
		},
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateActive:
				if c, ok := conn.(*tls.Conn); ok {
					r.countHTTPS(c)
				}
			case http.StateClosed, http.StateHijacked:
				r.leave(conn)
			case http.StateNew, http.StateIdle:
			}
		},
	}
	r.running.Go(func() { _ = server.ServeTLS(l, "", "") })
	t.Cleanup(func() {
		_ = server.Close()
		r.stop()
	})
}

// answer asks the test server. It waits where the relay holds answers back or the connection
// is frozen.
func (r *relay) answer(ctx context.Context, c *relayConn, message []byte) ([]byte, error) {
	r.mu.Lock()
	r.messages = append(r.messages, bytes.Clone(message))
	released := r.released
	if r.hold > 0 {
		if r.hold--; r.hold == 0 {
			close(released)
			r.released = nil
		}
	}
	r.mu.Unlock()
	if released != nil {
		select {
		case <-released:
		case <-r.closing:
			return nil, errClosed
		}
	}
	select {
	case <-c.frozen:
		<-r.closing
		return nil, errClosed
	default:
	}
	return r.forward(ctx, message)
}

// holdUntil keeps all replies back until n messages have come in.
func (r *relay) holdUntil(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold, r.released = n, make(chan struct{})
}

func (r *relay) forward(ctx context.Context, message []byte) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.world.Addr())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-r.closing:
			conn.Close()
		case <-over:
		}
	}()
	if _, err := conn.Write(frame(message)); err != nil {
		return nil, err
	}
	return readFrame(conn)
}

func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func (r *relay) enter(conn io.Closer) *relayConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &relayConn{frozen: make(chan struct{})}
	r.open[conn] = c
	return c
}

func (r *relay) leave(conn io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, conn)
}

// countHTTPS is called more than once for a connection.
func (r *relay) countHTTPS(conn *tls.Conn) {
	r.mu.Lock()
	c := r.open[conn]
	r.mu.Unlock()
	if c != nil {
		r.count(c, conn.ConnectionState().DidResume)
	}
}

// count notes a connection whose handshake is done.
func (r *relay) count(c *relayConn, resumed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.counted {
		return
	}
	c.counted = true
	r.conns++
	if resumed {
		r.resumed++
	}
}

// closeConns closes every connection, as servers do with idle ones.
func (r *relay) closeConns() {
	r.mu.Lock()
	open := r.open
	r.open = map[io.Closer]*relayConn{}
	r.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

// freeze makes every connection silent; those that come later work.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		close(c.frozen)
	}
}

func (r *relay) counts() (conns, resumed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns, r.resumed
}

func (r *relay) received() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages
}

// silence takes connections or packets and never says a word.
func silence(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

// eventually waits until a condition holds that another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}
