package resolve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// tlsConfig verifies the server of a URL and offers the protocols that may be spoken. All
// connections with it share the server's last session, which they resume.
func tlsConfig(u URL, opts Options, protocols ...string) *tls.Config {
	return &tls.Config{
		ServerName:         u.serverName(),
		RootCAs:            opts.RootCAs,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         protocols,
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
}

// dialTLS opens a connection whose handshake is done. The server of each address has to
// prove itself; nothing else is said to it before.
func (h *host) dialTLS(ctx context.Context, config *tls.Config, wrap func(net.Conn) net.Conn) (*tls.Conn, error) {
	var conn *tls.Conn
	err := h.connect(ctx, func(ctx context.Context, address string) error {
		raw, err := h.dial(ctx, "tcp", address)
		if err != nil {
			return err
		}
		raw = wrap(raw)
		c := tls.Client(raw, config)
		if err := c.HandshakeContext(ctx); err != nil {
			raw.Close()
			return handshakeError(ctx, err, config.ServerName)
		}
		conn = c
		return nil
	})
	return conn, err
}

// handshakeError says what is wrong with a certificate, or why else a handshake failed.
func handshakeError(ctx context.Context, err error, name string) error {
	var header tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isCertificateError(err):
		return &failure{reason: ReasonCertificate, detail: certificateText(err, name)}
	case errors.As(err, &header):
		return &failure{reason: ReasonNetwork, detail: "the resolver does not speak TLS there"}
	case hungUp(err):
		return &failure{reason: ReasonNetwork, detail: "the resolver closed the connection during the TLS handshake"}
	}
	return failuref(ReasonNetwork, "the TLS handshake fails: %s", strings.TrimPrefix(networkText(err), "tls: "))
}

func isCertificateError(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// maxNames is how many names of a certificate a message lists.
const maxNames = 3

// certificateText says in plain words why a certificate is refused.
func certificateText(err error, name string) string {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		const day = "2006-01-02"
		if time.Now().Before(invalid.Cert.NotBefore) {
			return "the certificate is not valid before " + invalid.Cert.NotBefore.Format(day)
		}
		return "the certificate expired on " + invalid.Cert.NotAfter.Format(day)
	case errors.As(err, &host):
		return "the certificate is for " + certificateNames(host.Certificate) + ", not for " + name
	case errors.As(err, &unknown):
		text := "the certificate is signed by an authority that is not trusted"
		if unknown.Cert != nil && unknown.Cert.Issuer.CommonName != "" {
			text += ": " + printable([]byte(unknown.Cert.Issuer.CommonName))
		}
		return text
	}
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		err = refused.Err
	}
	return "the certificate is refused: " + strings.TrimPrefix(err.Error(), "x509: ")
}

// certificateNames lists the names and addresses that a certificate is for.
func certificateNames(c *x509.Certificate) string {
	var names []string
	for _, name := range c.DNSNames {
		names = append(names, printable([]byte(name)))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name"
	case len(names) > maxNames:
		return strings.Join(names[:maxNames], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// newDoT makes the streams of DNS over TLS (RFC 7858).
func newDoT(ctx context.Context, h *host, opts Options) *streams {
	config := tlsConfig(h.url, opts, "dot")
	return newStreams(opts.Connections, func() (net.Conn, error) {
		raw := new(quickFarewell)
		conn, err := h.dialTLS(ctx, config, func(c net.Conn) net.Conn {
			raw = &quickFarewell{Conn: c}
			return raw
		})
		if err != nil {
			return nil, err
		}
		return tlsStream{conn, raw}, nil
	})
}

// tlsStream closes at once where the peer takes nothing more. [tls.Conn] gives its farewell
// 5 seconds, in which whoever closes it would wait.
type tlsStream struct {
	*tls.Conn
	raw *quickFarewell
}

// Close says farewell where that can be done at once.
func (s tlsStream) Close() error {
	s.raw.closing.Store(true)
	return s.Conn.Close()
}

// quickFarewell bounds what is written while its connection is being closed.
type quickFarewell struct {
	net.Conn
	closing atomic.Bool
}

// farewell is how long the last record of a TLS connection may take to be taken.
const farewell = 10 * time.Millisecond

// SetWriteDeadline brings the deadline forward while the connection is being closed.
func (c *quickFarewell) SetWriteDeadline(t time.Time) error {
	if soon := time.Now().Add(farewell); c.closing.Load() && (t.IsZero() || t.After(soon)) {
		t = soon
	}
	return c.Conn.SetWriteDeadline(t)
}
