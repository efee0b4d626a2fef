package dnstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Certificate says what a server shows in TLS handshakes. The zero Certificate is good for
// 127.0.0.1, 192.0.2.53 and "dns.test", and comes from [CA].
type Certificate struct {
	Names     []string     // DNS names; with no Addresses either, those above
	Addresses []netip.Addr // IP addresses
	Expired   bool
	Untrusted bool // from another certificate authority
}

// ServerName is a name that the zero [Certificate] is good for.
const ServerName = "dns.test"

// CA is the certificate authority of this process, which lives in memory only.
func CA() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(trusted().certificate)
	return pool
}

// WriteCA writes the certificate of [CA] to a file in PEM, for programs that read one: Go
// programs do where SSL_CERT_FILE says so.
func WriteCA(path string) error {
	block := pem.Block{Type: "CERTIFICATE", Bytes: trusted().certificate.Raw}
	return os.WriteFile(path, pem.EncodeToMemory(&block), 0o644)
}

// authority signs certificates.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

var (
	trusted   = sync.OnceValue(newAuthority)
	untrusted = sync.OnceValue(newAuthority)
)

// Certificates are good for so long that time in a synctest bubble, which starts in the year
// 2000, is in it.
var (
	notBefore = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	expired   = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newAuthority() *authority {
	a := &authority{key: newKey()}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "dnstest"},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	a.certificate = a.sign(template, template, a.key)
	return a
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("dnstest: " + err.Error())
	}
	return key
}

// sign makes a certificate for a key.
func (a *authority) sign(template, issuer *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), a.key)
	if err != nil {
		panic("dnstest: " + err.Error())
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic("dnstest: " + err.Error())
	}
	return c
}

// config is a server's side of TLS for a protocol.
func (c Certificate) config(protocols ...string) *tls.Config {
	if len(c.Names) == 0 && len(c.Addresses) == 0 {
		c.Names = []string{ServerName}
		c.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.53")}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "dnstest"},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     c.Names,
	}
	for _, addr := range c.Addresses {
		template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
	}
	if c.Expired {
		template.NotAfter = expired
	}
	a := trusted()
	if c.Untrusted {
		a = untrusted()
	}
	key := newKey()
	leaf := a.sign(template, a.certificate, key)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
		NextProtos:   protocols,
		MinVersion:   tls.VersionTLS12,
	}
}

// alpnDoT is the protocol of DNS over TLS (RFC 7858) in the handshake.
const alpnDoT = "dot"

// StartTLS runs a server for DNS over TLS on the loopback interface (RFC 7858).
func StartTLS(tb TB, zoneText string, c Certificate) *Server {
	tb.Helper()
	s, l := startListener(tb, zoneText, "tls")
	l = tls.NewListener(l, c.config(alpnDoT))
	s.start(func() { s.serveListener(l, "tls") }, l)
	tb.Cleanup(s.close)
	return s
}

// startListener makes a server with a TCP port that it does not serve yet.
func startListener(tb TB, zoneText, scheme string) (*Server, net.Listener) {
	tb.Helper()
	s := newServer(tb, "", zoneText, 1)
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	s.addr, s.scheme = l.Addr().String(), scheme
	return s, l
}

// StartTLS attaches a server for DNS over TLS at an address, as [Network.Start] does.
func (n *Network) StartTLS(tb TB, address, zoneText string, c Certificate) *Server {
	tb.Helper()
	s := n.Start(tb, address, zoneText)
	s.scheme, s.tls = "tls", c.config(alpnDoT)
	return s
}
