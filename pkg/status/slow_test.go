package status

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that the time of a bubble is theirs too.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{made: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.made:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.made <- server
	return client
}

// A client that sends little by little, or reads nothing, is let go in time, whatever it does meanwhile.
func TestSlowClientsAreLetGo(t *testing.T) {
	for _, test := range []struct {
		name, head string
		drip       string // is sent again every second
		want       time.Duration
	}{
		{"nothing at all", "", "", headerTime},
		{"half a header", "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", "", headerTime},
		{"a header for ever", "GET / HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", headerTime},
		{"no body", "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", "", readTime},
		{"a body for ever", "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", "x", readTime},
		{"a chunked body for ever", "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", readTime},
		{"idle", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "", idleTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, end := servePipe(t, nil)
				begun := time.Now()
				_, _ = io.WriteString(conn, test.head) // it is read in part
				var wg sync.WaitGroup
				wg.Go(func() {
					for err := error(nil); err == nil && test.drip != ""; _, err = io.WriteString(conn, test.drip) {
						time.Sleep(time.Second)
					}
				})
				_, _ = io.Copy(io.Discard, conn) // until the server hangs up
				took := time.Since(begun)
				_ = conn.Close()
				wg.Wait()
				end()
				if took < test.want || took > test.want+time.Second {
					t.Errorf("it was let go after %v, and not %v", took, test.want)
				}
			})
		})
	}
}

// Who does not get on with the handshake of TLS has no longer than for a header.
func TestSlowHandshakesAreLetGo(t *testing.T) {
	for _, text := range []string{"", "\x16\x03\x01\x02\x00"} {
		synctest.Test(t, func(t *testing.T) {
			conn, end := servePipe(t, &tls.Config{MinVersion: tls.VersionTLS12})
			begun := time.Now()
			_, _ = io.WriteString(conn, text)
			_, _ = io.Copy(io.Discard, conn) // until the server hangs up
			if took := time.Since(begun); took < headerTime || took > headerTime+time.Second {
				t.Errorf("after %q it was let go after %v, and not %v", text, took, headerTime)
			}
			_ = conn.Close()
			end()
		})
	}
}

// Who does not read its answer does not get all of it later.
func TestUnreadAnswersAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, end := servePipe(t, nil)
		_, _ = io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(writeTime + time.Second)
		if n, _ := io.Copy(io.Discard, conn); n >= answerSize {
			t.Errorf("%d bytes came after %v", n, writeTime)
		}
		_ = conn.Close()
		end()
	})
}

const answerSize = 1 << 20

// servePipe serves on a connection in memory, with a path that reads a body and answers at length.
func servePipe(t *testing.T, encrypted *tls.Config) (conn net.Conn, end func()) {
	t.Helper()
	p, o := newPipes(), options()
	o.Mounts = map[string]http.Handler{"/echo": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "too slow", http.StatusRequestTimeout)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", answerSize))
	})}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Serve(ctx, []Listener{{Listener: p, TLS: encrypted}}, o); err != nil {
			t.Error(err)
		}
	})
	return p.dial(), func() {
		cancel()
		wg.Wait()
	}
}
