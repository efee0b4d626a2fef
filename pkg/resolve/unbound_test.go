package resolve

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// A real resolver understands what is sent over TLS and HTTPS, padding and all.
func TestUnbound(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	certificate := ca.sign(t, nil)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	world := dnstest.Start(t, testWorld)
	unbound := judge.StartUnbound(t, strings.Replace(world.Addr(), ":", "@", 1),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))

	questions := map[string]string{
		"v4.example.net.":   "addresses [198.51.100.4] ttl=600",
		"cdn.example.net.":  "addresses [192.0.2.2 192.0.2.10] ttl=100 CNAME>www.example.org. CNAME>edge.example.org.",
		"none.example.net.": "NXDOMAIN neg=120",
		"dead.example.net.": "NXDOMAIN neg=120 CNAME>gone.example.net.",
	}
	for _, url := range []string{"tls://" + unbound.TLS, "https://" + unbound.HTTPS + "/dns-query"} {
		url += "#dns.example.com"
		t.Run(url[:strings.Index(url, ":")], func(t *testing.T) {
			c := newClient(t, Options{RootCAs: ca.pool, Sockets: 1}, url)
			for name, want := range questions {
				a := c.Lookup(t.Context(), zone.MustParseName(name), dns.TypeA)
				// Unbound counts TTLs down.
				a.TTL, a.NegativeTTL = roundUp(a.TTL), roundUp(a.NegativeTTL)
				if got := short(a); got != want || len(a.Attempts) == 0 {
					t.Errorf("%s: got %s, want %s (%s)\n%s", name, got, want, a.Detail, unbound.Log())
				}
			}
			var many []Question
			for i := range 500 {
				many = append(many, Question{Target: zone.MustParseName(fmt.Sprintf("n%d.wild.example.net.", i)), Type: dns.TypeA})
			}
			for _, a := range All(t.Context(), c, many, 100, nil) {
				wantAnswer(t, a)
			}

			wrong := newClient(t, Options{RootCAs: ca.pool}, strings.Replace(url, "dns.example.com", "dns.example.net", 1))
			if a := wrong.Lookup(t.Context(), v4, dns.TypeA); a.Reason != ReasonCertificate {
				t.Errorf("another name: %s, %s", short(a), a.Detail)
			}
		})
	}

	t.Run("wrong path", func(t *testing.T) {
		c := newClient(t, Options{RootCAs: ca.pool}, "https://"+unbound.HTTPS+"/elsewhere#dns.example.com")
		if a := c.Lookup(t.Context(), v4, dns.TypeA); a.Reason != ReasonHTTP || a.Detail != "HTTP status 404 Not Found" {
			t.Errorf("%s, %s", short(a), a.Detail)
		}
	})
	t.Run("resumed", func(t *testing.T) {
		h := newHost(t.Context(), URL{Scheme: SchemeTLS, Host: "127.0.0.1"}, Options{Dial: new(net.Dialer).DialContext, QueryTimeout: fast.TargetTimeout})
		h.fixed = []string{unbound.TLS}
		config := tlsConfig(h.url, Options{RootCAs: ca.pool}, "dot")
		var resumed []bool
		for range 2 {
			conn, err := h.dialTLS(t.Context(), config, func(c net.Conn) net.Conn { return c })
			if err != nil {
				t.Fatal(err)
			}
			// The ticket comes with the first reply.
			q := newQuery(nil, v4, dns.TypeA, &style{anyCase: true, pad: true}, nil)
			if _, err := conn.Write(q.packet); err != nil {
				t.Fatal(err)
			}
			if _, err := readFrame(conn); err != nil {
				t.Fatal(err)
			}
			resumed = append(resumed, conn.ConnectionState().DidResume)
			_ = conn.Close()
		}
		if resumed[0] || !resumed[1] {
			t.Errorf("resumed %v", resumed)
		}
	})
}

// roundUp undoes a few seconds of counting down.
func roundUp(ttl uint32) uint32 { return (ttl + 19) / 20 * 20 }
