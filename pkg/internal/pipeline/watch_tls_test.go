package pipeline

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

const tlsZone = "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net.\n"

// BIND follows the daemon over mutual TLS, through another certificate that the daemon takes with
// SIGHUP; whoever shows none, or that of a stranger, is not answered, and files that are wrong leave
// what is at work.
func TestWatchFeedsOverTLS(t *testing.T) {
	t.Parallel()
	resolver, dir := dnstest.Start(t, "cdn.example.net. 1 IN A 192.0.2.1\n"), t.TempDir()
	put(t, dir, "example.com.zone", tlsZone)
	if out, err := program(t, dir, "tsig", "generate", "xfr").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "xfr.key"))
	if err != nil {
		t.Fatal(err)
	}
	c := judge.NewCertificates(t)
	c.Issue(t, "primary")
	own := c.Issue(t, "client")
	configure := func(secondary, authority string) {
		put(t, dir, "aliasflat.yaml", fmt.Sprintf(`listen: {dns-tls: "127.0.0.1:0"}
tls: {certificate: %[1]s/primary.pem, key: %[1]s/primary.key, client-ca: %[1]s/%[2]s}
state: state
keys: [{name: xfr, secret-file: xfr.key}]
secondaries: [{address: %[3]q, key: xfr}]
zones: [{source: example.com.zone}]
resolvers: [%[4]q]
refresh-floor: 1s
`, c.Dir, authority, secondary, resolver.URL()))
	}
	configure("127.0.0.9:53", "ca.pem")
	d := startWatch(t, dir)
	at := regexp.MustCompile(`DNS at (127\.0\.0\.1:[0-9]+)`)
	until(t, "the port", func() bool { return at.MatchString(d.log.String()) })
	primary := at.FindStringSubmatch(d.log.String())[1]
	named := (&judge.Secondary{Program: "named", Zones: []string{"example.com"}, Primary: primary, Key: "xfr", Secret: strings.TrimSpace(string(secret)), TLS: c.Dir}).Start(t)
	anew := func(says string) {
		t.Helper()
		before := strings.Count(d.log.String(), says)
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, "it says "+says, func() bool { return strings.Count(d.log.String(), says) > before })
	}
	configure(named.Addr, "ca.pem")
	anew("msg=reloaded")
	follows := func(address string) {
		t.Helper()
		if err := resolver.SetWorld("cdn.example.net. 1 IN A " + address + "\n"); err != nil {
			t.Fatal(err)
		}
		until(t, "BIND serves "+address, func() bool { return serves(t, named, "example.com.", address) })
	}
	follows("192.0.2.1")

	// shown is the number of the certificate that a client is shown, if it is answered.
	shown := func(client ...tls.Certificate) (string, error) {
		conn, err := dns.DialTimeoutWithTLS("tcp-tls", primary, &tls.Config{RootCAs: c.Pool, ServerName: "primary.test", Certificates: client, NextProtos: []string{"dot"}}, 10*time.Second)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return "", err
		}
		if err := conn.WriteMsg(new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)); err != nil {
			return "", err
		}
		answer, err := conn.ReadMsg()
		if err == nil && len(answer.Answer) != 1 {
			err = errors.New(answer.String())
		}
		over, _ := conn.Conn.(*tls.Conn)
		return over.ConnectionState().PeerCertificates[0].SerialNumber.String(), err
	}
	if number, err := shown(own); err != nil {
		t.Errorf("certificate %s: %v", number, err)
	}
	if _, err := shown(); err == nil {
		t.Error("a client without a certificate is answered")
	}
	if _, err := shown(judge.NewCertificates(t).Issue(t, "client")); err == nil {
		t.Error("a client that another authority vouches for is answered")
	}

	first, _ := shown(own)
	c.Issue(t, "primary")
	anew("msg=reloaded")
	second, err := shown(own)
	if err != nil || second == first {
		t.Errorf("the certificate is %s behind %s: %v", second, first, err)
	}
	follows("192.0.2.2")
	put(t, c.Dir, "primary.pem", "no certificate\n")
	anew("find any PEM data in certificate input")
	if third, err := shown(own); err != nil || third != second {
		t.Errorf("the certificate is %s behind %s: %v", third, second, err)
	}
	c.Issue(t, "primary")
	configure(named.Addr, "client.pem")
	anew("who vouches for secondaries changes with a restart")
	follows("192.0.2.3")
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}

// Files that are none of TLS end a daemon before it has done anything.
func TestWatchRefusesTLSFiles(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), judge.NewCertificates(t)
	c.Issue(t, "primary")
	c.Issue(t, "other")
	put(t, c.Dir, "text.pem", "no certificate\n")
	put(t, dir, "example.com.zone", tlsZone)
	for _, test := range []struct{ certificate, key, authority, want string }{
		{"missing.pem", "primary.key", "ca.pem", "missing.pem: no such file"},
		{"primary.pem", "missing.key", "ca.pem", "missing.key: no such file"},
		{"text.pem", "primary.key", "ca.pem", "failed to find any PEM data"},
		{"primary.pem", "text.pem", "ca.pem", "failed to find any PEM data"},
		{"primary.key", "primary.pem", "ca.pem", "PEM inputs may have been switched"},
		{"primary.pem", "other.key", "ca.pem", "private key does not match public key"},
		{"primary.pem", "primary.key", "missing.pem", "tls: client-ca: open " + c.Dir + "/missing.pem: no such file"},
		{"primary.pem", "primary.key", "text.pem", "tls: client-ca: " + c.Dir + "/text.pem has no certificate in PEM"},
	} {
		put(t, dir, "aliasflat.yaml", fmt.Sprintf(`listen: {dns-tls: "127.0.0.1:0"}
tls: {certificate: %[1]s/%[2]s, key: %[1]s/%[3]s, client-ca: %[1]s/%[4]s}
state: state
secondaries: [{address: "127.0.0.9:53", key: none}]
zones: [{source: example.com.zone}]
`, c.Dir, test.certificate, test.key, test.authority))
		cmd := program(t, dir, "watch", "--resolver", "demo:")
		var said bytes.Buffer
		cmd.Stderr = &said
		failed, ok := errors.AsType[*exec.ExitError](cmd.Run())
		if !ok || failed.ExitCode() != 2 || !strings.HasPrefix(said.String(), "aliasflat watch: tls: ") || !strings.Contains(said.String(), test.want) ||
			!strings.Contains(said.String(), "in PEM\n") {
			t.Errorf("%+v: %v, %s", test, failed, &said)
		}
	}
}
