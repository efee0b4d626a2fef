package pipeline

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// The daemon is looked at over HTTPS, through another certificate that it takes with SIGHUP, and
// over a Unix socket, both at once.
func TestWatchIsAskedOverHTTPS(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), judge.NewCertificates(t)
	c.Issue(t, "primary")
	put(t, dir, "example.com.zone", strings.Replace(tlsZone, "ALIAS cdn.example.net.", "A 192.0.2.1", 1))
	put(t, dir, "aliasflat.yaml", fmt.Sprintf(`listen: {http: "unix:run/http.sock", https: "127.0.0.1:0", hosts: [primary.test]}
tls: {certificate: %[1]s/primary.pem, key: %[1]s/primary.key}
state: state
zones: [{source: example.com.zone, output: out.db}]
`, c.Dir))
	d := startWatch(t, dir)
	at := regexp.MustCompile(`HTTPS at (127\.0\.0\.1:[0-9]+), HTTP at (\S*run/http\.sock)`)
	until(t, "the port", func() bool { return at.MatchString(d.log.String()) })
	address := at.FindStringSubmatch(d.log.String())[1]

	// ask gives the page, and the number of the certificate that is shown.
	ask := func(over *http.Transport, url string) (text, number string) {
		t.Helper()
		over.DisableKeepAlives = true
		reply, err := (&http.Client{Transport: over, Timeout: 10 * time.Second}).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(reply.Body)
		_ = reply.Body.Close() // it was read
		if err != nil || reply.ProtoMajor != 1 {
			t.Fatalf("%s: %s, %v", url, reply.Proto, err)
		}
		if reply.TLS != nil {
			number = reply.TLS.PeerCertificates[0].SerialNumber.String()
		}
		return string(page), number
	}
	encrypted := func() *http.Transport {
		return &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: c.Pool, ServerName: "primary.test"}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			},
		}
	}
	socket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "run", "http.sock"))
	}}
	page, first := ask(encrypted(), "https://primary.test/healthz")
	if page != "ok\n" {
		t.Errorf("over HTTPS: %q", page)
	}
	if page, _ := ask(socket, "http://localhost/healthz"); page != "ok\n" {
		t.Errorf("over the socket: %q", page)
	}
	// Who speaks no TLS is told so, and no page.
	if page, _ := ask(&http.Transport{}, "http://"+address+"/healthz"); strings.Contains(page, "ok\n") || !strings.Contains(page, "HTTPS") {
		t.Errorf("without TLS: %q", page)
	}
	c.Issue(t, "primary")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the new certificate", func() bool {
		_, second := ask(encrypted(), "https://primary.test/healthz")
		return second != first
	})
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "run", "*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
