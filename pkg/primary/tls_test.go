package primary

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// certificates are a certificate authority, and what it has signed.
type certificates struct {
	dir            string // ca.pem, client.pem and client.key
	pool           *x509.CertPool
	server, client tls.Certificate
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	c := &certificates{dir: t.TempDir(), pool: x509.NewCertPool()}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	template := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
	}
	caKey, ca := key(), template(1, "ca.test")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	sign := func(cert *x509.Certificate, k *ecdsa.PrivateKey) (der []byte, pair tls.Certificate) {
		der, err := x509.CreateCertificate(rand.Reader, cert, ca, &k.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		return der, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
	}
	write := func(name, what string, der []byte) {
		if err := os.WriteFile(filepath.Join(c.dir, name), pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	der, _ := sign(ca, caKey)
	write("ca.pem", "CERTIFICATE", der)
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c.pool.AddCert(root)
	_, c.server = sign(template(2, "primary.test"), key())
	clientKey := key()
	der, c.client = sign(template(3, "secondary.test"), clientKey)
	write("client.pem", "CERTIFICATE", der)
	if der, err = x509.MarshalPKCS8PrivateKey(clientKey); err != nil {
		t.Fatal(err)
	}
	write("client.key", "PRIVATE KEY", der)
	return c
}

// TestTransferOverTLS has named follow over mutual TLS (RFC 9103), and clients that do not show
// what they should.
func TestTransferOverTLS(t *testing.T) {
	c := newCertificates(t)
	st := setup(t, example)
	s := start(t, Options{
		ListenTLS: []string{"127.0.0.1:0"}, TLS: &tls.Config{Certificates: []tls.Certificate{c.server}, ClientCAs: c.pool},
	}, st)
	text := soaLine(1) + "a A 192.0.2.1\n"
	s.publish(t, zoneOf(t, example, text))
	addrs := s.Addrs()
	address := addrs[len(addrs)-1].String()

	named := (&judge.Secondary{Program: "named", Zones: []string{"example.com"}, Primary: address, Key: "xfr.test", Secret: secret, TLS: c.dir}).Start(t)
	st.Zones[0].Secondaries = []Secondary{{Address: netip.MustParseAddrPort(named.Addr), Key: keyName}}
	if err := s.Configure(st); err != nil {
		t.Fatal(err)
	}
	named.WaitServes(t, "example.com", 1)
	text = soaLine(2) + "a A 192.0.2.2\n"
	s.publish(t, zoneOf(t, example, text))
	named.WaitServes(t, "example.com", 2)
	same(t, named, text)
	s.seen.wait(t, "named transfers over TLS", func() bool {
		return len(s.seen.transfers) >= 2 && s.seen.transfers[len(s.seen.transfers)-1].Network == "tls"
	})

	client := func(change func(*tls.Config)) (*dns.Msg, error) {
		config := &tls.Config{RootCAs: c.pool, ServerName: "primary.test", Certificates: []tls.Certificate{c.client}, NextProtos: []string{"dot"}}
		change(config)
		d := dns.Client{Net: "tcp-tls", TLSConfig: config, TsigProvider: ring(t), Timeout: 5 * time.Second}
		answer, _, err := d.Exchange(sign(new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)), address)
		return answer, err
	}
	if answer, err := client(func(*tls.Config) {}); err != nil || len(answer.Answer) != 1 {
		t.Errorf("answered: %v, %v", answer, err)
	}
	for what, change := range map[string]func(*tls.Config){
		"no certificate": func(c *tls.Config) { c.Certificates = nil },
		"TLS 1.2":        func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"other protocol": func(c *tls.Config) { c.NextProtos = []string{"h2"} },
	} {
		if answer, err := client(change); err == nil {
			t.Errorf("%s: answered %v", what, answer)
		}
	}
	s.seen.takeRefusals()
	answer, err := client(func(c *tls.Config) { c.NextProtos = nil })
	if err != nil || answer.Rcode != dns.RcodeRefused {
		t.Errorf("no protocol: %v, %v", answer, err)
	}
	if list := s.seen.takeRefusals(); len(list) != 1 || list[0].Network != "tls" || list[0].Reason != "it comes over TLS, and not as DNS" {
		t.Errorf("told: %+v", list)
	}
}

func TestListenFailures(t *testing.T) {
	s := start(t, Options{}, setup(t, example))
	for what, o := range map[string]Options{
		"no certificate":   {ListenTLS: []string{"127.0.0.1:0"}},
		"port in use":      {Listen: []string{s.addr}},
		"TLS port in use":  {Listen: []string{"127.0.0.1:0"}, ListenTLS: []string{s.addr}, TLS: &tls.Config{}},
		"no such address":  {Listen: []string{"192.0.2.1:0"}},
		"not even a place": {Listen: []string{"nowhere"}},
	} {
		if _, err := New(o, setup(t, example)); err == nil {
			t.Errorf("%s: it listens", what)
		}
	}
}
