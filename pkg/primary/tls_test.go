package primary

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// TestTransferOverTLS has named follow over mutual TLS (RFC 9103), and clients that do not show
// what they should.
func TestTransferOverTLS(t *testing.T) {
	c := judge.NewCertificates(t)
	server, own := c.Issue(t, "primary"), c.Issue(t, "client")
	st := setup(t, example)
	s := start(t, Options{
		ListenTLS: []string{"127.0.0.1:0"}, TLS: &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: c.Pool},
	}, st)
	text := soaLine(1) + "a A 192.0.2.1\n"
	s.publish(t, zoneOf(t, example, text))
	addrs := s.Addrs()
	address := addrs[len(addrs)-1].String()

	named := (&judge.Secondary{Program: "named", Zones: []string{"example.com"}, Primary: address, Key: "xfr.test", Secret: secret, TLS: c.Dir}).Start(t)
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
		config := &tls.Config{RootCAs: c.Pool, ServerName: "primary.test", Certificates: []tls.Certificate{own}, NextProtos: []string{"dot"}}
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
