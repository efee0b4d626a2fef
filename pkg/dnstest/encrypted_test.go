package dnstest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
)

func clientTLS(name string, protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: CA(), ServerName: name, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// patience is how long a test waits for what should come.
const patience = 10 * time.Second

// askTLS asks over a connection of its own.
func askTLS(t *testing.T, s *Server, q *dns.Msg) string {
	t.Helper()
	d := tls.Dialer{Config: clientTLS("dns.test", alpnDoT)}
	c, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	if _, err := c.Write(frame(pack(q))); err != nil {
		t.Fatal(err)
	}
	packet, err := readMessage(c)
	return describe(q, packet, err, 0)
}

// web is an HTTP client that trusts the CA.
func web(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: clientTLS(""), ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// askHTTPS gives a reply with what is special about its response in front.
func askHTTPS(t *testing.T, s *Server, q *dns.Msg) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL(), bytes.NewReader(pack(q)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", dnsMessage)
	return describeResponse(t, q, web(t), r)
}

func describeResponse(t *testing.T, q *dns.Msg, client *http.Client, r *http.Request) string {
	t.Helper()
	response, err := client.Do(r)
	if err != nil {
		return "no response"
	}
	defer func() { must(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	words := []string{response.Proto}
	for _, name := range []string{"Location", "Retry-After", "Age"} {
		if v := response.Header.Get(name); v != "" {
			words = append(words, name+"="+v)
		}
	}
	switch kind := response.Header.Get("Content-Type"); {
	case err != nil:
		words = append(words, fmt.Sprintf("broken behind %d octets", len(body)))
	case response.StatusCode != http.StatusOK:
		words = append(words, response.Status)
	case kind != dnsMessage:
		words = append(words, kind, fmt.Sprintf("%d octets", len(body)))
	default:
		words = append(words, describe(q, body, nil, 0))
	}
	return strings.Join(words, " ")
}

func dialQUIC(t *testing.T, s *Server) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := quic.DialAddr(ctx, s.Addr(), clientTLS("dns.test", alpnDoQ), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, c.CloseWithError(0, "")) })
	return c
}

// askQUICConn asks on a stream of its own and describes all that comes on it.
func askQUICConn(t *testing.T, c *quic.Conn, q *dns.Msg) string {
	t.Helper()
	st, err := c.OpenStreamSync(t.Context())
	if err != nil {
		return describeQUIC(err)
	}
	must(t, st.SetDeadline(time.Now().Add(patience)))
	if _, err := st.Write(frame(pack(q))); err != nil {
		return describeQUIC(err)
	}
	must(t, st.Close())
	var all []string
	for {
		packet, err := readMessage(st)
		switch {
		case errors.Is(err, io.EOF) && all != nil:
			return strings.Join(all, " and ")
		case err != nil && describeQUIC(err) != "":
			return describeQUIC(err)
		}
		text := describe(q, packet, err, 0)
		all = append(all, text)
		if err != nil {
			return strings.Join(all, " and ")
		}
	}
}

// describeQUIC gives the code of an error of QUIC, or nothing.
func describeQUIC(err error) string {
	var onStream *quic.StreamError
	var onConn *quic.ApplicationError
	switch {
	case errors.As(err, &onStream):
		return fmt.Sprintf("stream error %d", onStream.ErrorCode)
	case errors.As(err, &onConn):
		return fmt.Sprintf("connection error %d", onConn.ErrorCode)
	}
	return ""
}

func askQUIC(t *testing.T, s *Server, q *dns.Msg) string {
	t.Helper()
	q.Id = 0
	return askQUICConn(t, dialQUIC(t, s), q)
}

// encrypted is the transports with their ways to start and to ask.
var encrypted = map[string]struct {
	start func(TB, string, Certificate) *Server
	ask   func(*testing.T, *Server, *dns.Msg) string
}{
	"tls":   {StartTLS, askTLS},
	"https": {StartHTTPS, askHTTPS},
	"quic":  {StartQUIC, askQUIC},
}

func TestEncrypted(t *testing.T) {
	tests := []struct{ fault, tls, https, quic string }{
		{"recursive", "NOERROR not-aa 60:192.0.2.1", "HTTP/2.0 NOERROR not-aa 60:192.0.2.1", "NOERROR not-aa 60:192.0.2.1"},
		{"servfail,tls", "SERVFAIL", "HTTP/2.0 NOERROR 60:192.0.2.1", "NOERROR 60:192.0.2.1"},
		{"servfail,https", "NOERROR 60:192.0.2.1", "HTTP/2.0 SERVFAIL", "NOERROR 60:192.0.2.1"},
		{"servfail,quic", "NOERROR 60:192.0.2.1", "HTTP/2.0 NOERROR 60:192.0.2.1", "SERVFAIL"},
		{"addresses=2000", "NOERROR 2000 records", "HTTP/2.0 NOERROR 2000 records", "NOERROR 2000 records"},
		{"delay=1ms,slow=1ms", "NOERROR 60:192.0.2.1", "HTTP/2.0 NOERROR 60:192.0.2.1", "NOERROR 60:192.0.2.1"},
		{"hangup", "end", "no response", "stream error 1"},
		{"reset", "reset", "no response", "connection error 1"},
		{"half-close", "end", "no response", "end"},
		{"partial=7", "end within a message", "HTTP/2.0 broken behind 7 octets", "end within a message"},
		{"wrong-id", "NOERROR other-id 60:192.0.2.1", "HTTP/2.0 NOERROR other-id 60:192.0.2.1", "NOERROR other-id 60:192.0.2.1"},
		{"wrong-id,first", "NOERROR other-id 60:192.0.2.1", "HTTP/2.0 NOERROR other-id 60:192.0.2.1", "NOERROR other-id 60:192.0.2.1 and NOERROR 60:192.0.2.1"},
		{"wrong-port,first", "NOERROR 60:192.0.2.1", "HTTP/2.0 NOERROR 60:192.0.2.1", "NOERROR 60:192.0.2.1"},
		{"http=500", "NOERROR 60:192.0.2.1", "HTTP/2.0 500 Internal Server Error", "NOERROR 60:192.0.2.1"},
		{"http=429", "", "HTTP/2.0 Retry-After=1 429 Too Many Requests", ""},
		{"http=302", "", "HTTP/2.0 Location=/elsewhere 302 Found", ""},
		{"content-type=text/html", "", "HTTP/2.0 text/html 58 octets", ""},
		{"body=100000", "", "HTTP/2.0 100000 bad octets", ""},
		{"age=30", "", "HTTP/2.0 Age=30 NOERROR 60:192.0.2.1", ""},
	}
	for _, tt := range tests {
		wants := map[string]string{"tls": tt.tls, "https": tt.https, "quic": tt.quic}
		for transport, e := range encrypted {
			want := wants[transport]
			if want == "" {
				continue
			}
			t.Run(tt.fault+" "+transport, func(t *testing.T) {
				t.Parallel()
				s := e.start(t, testWorld, Certificate{})
				setFault(t, s, "", tt.fault)
				if got := e.ask(t, s, query("a.example.net.", dns.TypeA)); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				q := s.Queries()
				if len(q) == 0 || q[0].Transport != transport || !q[0].LocalAddr.IsValid() || q[0].RemoteAddr.String() != s.Addr() {
					t.Errorf("%+v", q)
				}
				if transport != "https" && q[0].ServerName != "dns.test" {
					t.Errorf("asked as %q", q[0].ServerName)
				}
				if path := map[string]string{"https": dohPath}[transport]; s.URL() != transport+"://"+s.Addr()+path {
					t.Errorf("the URL is %s", s.URL())
				}
			})
		}
	}
}

// A query without reply waits until the client gives up, or until the end of the test.
func TestEncryptedDrop(t *testing.T) {
	for transport, e := range encrypted {
		t.Run(transport, func(t *testing.T) {
			var tb recordTB
			s := e.start(&tb, testWorld, Certificate{})
			setFault(t, s, "", "drop,nth=1", "delay=1h")
			for range 2 {
				done := make(chan string, 1)
				asked := len(s.Queries())
				go func() { done <- e.ask(t, s, query("a.example.net.", dns.TypeA)) }()
				for len(s.Queries()) == asked {
					select {
					case got := <-done:
						t.Fatalf("got %q", got)
					case <-time.After(time.Millisecond):
					}
				}
				if asked == 1 {
					tb.end()
					<-done
					return
				}
				select {
				case got := <-done:
					t.Fatalf("got %q", got)
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	tests := []struct {
		name string
		c    Certificate
		want string
	}{
		{"good", Certificate{}, ""},
		{"by name", Certificate{Names: []string{"dns.test"}}, ""},
		{"expired", Certificate{Expired: true}, "expired"},
		{"untrusted", Certificate{Untrusted: true}, "unknown authority"},
		{"of another name", Certificate{Names: []string{"other.test"}}, "valid for other.test"},
		{"of an address", Certificate{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, "not valid for any names"},
	}
	for _, tt := range tests {
		for transport, e := range encrypted {
			s := e.start(t, testWorld, tt.c)
			var err error
			if transport == "quic" {
				var c *quic.Conn
				if c, err = quic.DialAddr(t.Context(), s.Addr(), clientTLS("dns.test", alpnDoQ), nil); err == nil {
					must(t, c.CloseWithError(0, ""))
				}
			} else {
				d := tls.Dialer{Config: clientTLS("dns.test")}
				c, dialErr := d.DialContext(t.Context(), "tcp", s.Addr())
				if err = dialErr; err == nil {
					c.Close()
				}
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s, %s: %v", transport, tt.name, err)
			}
		}
	}
}

func TestWriteCA(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	must(t, WriteCA(path))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) || !pool.Equal(CA()) {
		t.Errorf("the file holds %s", text)
	}
	if err := WriteCA(filepath.Join(path, "below-a-file")); err == nil {
		t.Error("a file below a file is written")
	}
}

func TestRequests(t *testing.T) {
	s := StartHTTPS(t, testWorld, Certificate{})
	q := query("a.example.net.", dns.TypeA)
	good := pack(q)
	base := "https://" + s.Addr()
	const answer = "HTTP/2.0 NOERROR 60:192.0.2.1"
	tests := []struct {
		method, url, kind string
		body              []byte
		want              string
	}{
		{"POST", base + dohPath, dnsMessage, good, answer},
		{"POST", base + dohPath, "text/plain", good, "HTTP/2.0 415 Unsupported Media Type"},
		{"POST", base + dohPath, "", good, "HTTP/2.0 415 Unsupported Media Type"},
		{"POST", base + "/", dnsMessage, good, "HTTP/2.0 404 Not Found"},
		{"PUT", base + dohPath, dnsMessage, good, "HTTP/2.0 405 Method Not Allowed"},
		{"POST", base + dohPath, dnsMessage, []byte("x"), "HTTP/2.0 400 Bad Request"},
		{"POST", base + dohPath, dnsMessage, make([]byte, maxPacket+1), "HTTP/2.0 413 Request Entity Too Large"},
		{"GET", base + dohPath + "?dns=" + base64.RawURLEncoding.EncodeToString(good), "", nil, answer},
		{"GET", base + dohPath + "?dns=***", "", nil, "HTTP/2.0 400 Bad Request"},
		{"GET", base + dohPath, "", nil, "HTTP/2.0 400 Bad Request"},
	}
	client := web(t)
	for _, tt := range tests {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, bytes.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", tt.kind)
		if got := describeResponse(t, q, client, r); got != tt.want {
			t.Errorf("%s %s %s: got %q, want %q", tt.method, tt.url, tt.kind, got, tt.want)
		}
	}
}

func TestQUICConnection(t *testing.T) {
	s := StartQUIC(t, testWorld, Certificate{})
	setFault(t, s, "", "close-after=3")
	c := dialQUIC(t, s)
	q := query("a.example.net.", dns.TypeA)
	q.Id = 0
	for range 3 {
		if got := askQUICConn(t, c, q); got != "NOERROR 60:192.0.2.1" {
			t.Errorf("got %q", got)
		}
	}
	<-c.Context().Done()
	if got := describeQUIC(context.Cause(c.Context())); got != "connection error 0" {
		t.Errorf("the connection ends with %q", got)
	}
}

// What RFC 9250 forbids ends the connection.
func TestQUICProtocol(t *testing.T) {
	s := StartQUIC(t, testWorld, Certificate{})
	good := query("a.example.net.", dns.TypeA)
	good.Id = 0
	withID := good.Copy()
	withID.Id = 1
	keepalive := good.Copy()
	keepalive.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}}
	response := good.Copy()
	response.Response = true
	for name, octets := range map[string][]byte{
		"identifier": frame(pack(withID)),
		"keepalive":  frame(pack(keepalive)),
		"response":   frame(pack(response)),
		"two":        append(frame(pack(good)), frame(pack(good))...),
		"short":      frame(pack(good))[:20],
		"nothing":    nil,
		"junk":       frame([]byte("junk")),
	} {
		c := dialQUIC(t, s)
		st, err := c.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		must(t, st.SetDeadline(time.Now().Add(patience)))
		if _, err := st.Write(octets); err != nil {
			t.Fatal(err)
		}
		must(t, st.Close())
		if _, err := readMessage(st); describeQUIC(err) != "connection error 2" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.Queries()); n != 0 {
		t.Errorf("%d queries", n)
	}
}

// TLS works on the network in memory too, in fake time.
func TestNetworkTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		s := n.StartTLS(t, serverAddr, testWorld, Certificate{})
		n.SetLink("", Link{Latency: 10 * time.Millisecond})
		start := time.Now()
		c := tls.Client(dialServer(t, n, "tcp"), clientTLS("dns.test", alpnDoT))
		q := query("a.example.net.", dns.TypeA)
		if _, err := c.Write(frame(pack(q))); err != nil {
			t.Fatal(err)
		}
		packet, err := readMessage(c)
		if got := describe(q, packet, err, time.Since(start)); got != "NOERROR 60:192.0.2.1 after 60ms" {
			t.Errorf("got %q", got)
		}
		if log := s.Queries(); log[0].Transport != "tls" || log[0].ServerName != "dns.test" || s.URL() != "tls://"+serverAddr {
			t.Errorf("%+v", log)
		}
		if n.Conns()[0].Queries != 1 {
			t.Errorf("%+v", n.Conns()[0])
		}
	})
}
