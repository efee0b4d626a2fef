package judge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are a certificate authority and what it has issued, each for an hour.
type Certificates struct {
	Dir  string         // ca.pem, and for each name that was issued NAME.pem and NAME.key
	Pool *x509.CertPool // the authority

	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// NewCertificates makes an authority, whose folder ends with the test.
func NewCertificates(tb testing.TB) *Certificates {
	tb.Helper()
	c := &Certificates{Dir: tb.TempDir(), Pool: x509.NewCertPool(), serial: 1, key: newECDSA(tb)}
	template := c.template("ca.test")
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	c.ca = template // it signs itself
	der := c.sign(tb, template, &c.key.PublicKey)
	c.write(tb, "ca.pem", "CERTIFICATE", der)
	var err error
	if c.ca, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	c.Pool.AddCert(c.ca)
	return c
}

// Issue makes a certificate for NAME.test, of servers and clients, in place of what was issued
// under that name before.
func (c *Certificates) Issue(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	c.serial++
	key := newECDSA(tb)
	der := c.sign(tb, c.template(name+".test"), &key.PublicKey)
	c.write(tb, name+".pem", "CERTIFICATE", der)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	c.write(tb, name+".key", "PRIVATE KEY", secret)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newECDSA(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func (c *Certificates) template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(c.serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (c *Certificates) sign(tb testing.TB, template *x509.Certificate, public *ecdsa.PublicKey) []byte {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, c.ca, public, c.key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func (c *Certificates) write(tb testing.TB, name, what string, der []byte) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir, name), pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
}
