package resolve

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseEncryptedURL(t *testing.T) {
	const v6 = "2001:db8::53"
	tests := []struct {
		text string
		want URL
		back string // as it is written again; empty where that is text
	}{
		{"tls://192.0.2.53", URL{Scheme: SchemeTLS, Host: "192.0.2.53", Port: 853}, ""},
		{"tls://192.0.2.53#dns.example", URL{Scheme: SchemeTLS, Host: "192.0.2.53", Port: 853, Name: "dns.example"}, ""},
		{"TLS://192.0.2.53:853/#DNS.Example.", URL{Scheme: SchemeTLS, Host: "192.0.2.53", Port: 853, Name: "dns.example"}, "tls://192.0.2.53#dns.example"},
		{"tls://192.0.2.53:8853#dns.example", URL{Scheme: SchemeTLS, Host: "192.0.2.53", Port: 8853, Name: "dns.example"}, ""},
		{"tls://dns.example", URL{Scheme: SchemeTLS, Host: "dns.example", Port: 853}, ""},
		{"tls://dns.example#dns.example", URL{Scheme: SchemeTLS, Host: "dns.example", Port: 853}, "tls://dns.example"},
		{"tls://here.example#dns.example", URL{Scheme: SchemeTLS, Host: "here.example", Port: 853, Name: "dns.example"}, ""},
		{"tls://[2001:db8::53]#dns.example", URL{Scheme: SchemeTLS, Host: v6, Port: 853, Name: "dns.example"}, ""},
		{"tls://[fe80::1%25eth0]", URL{Scheme: SchemeTLS, Host: "fe80::1%eth0", Port: 853}, ""},
		{"https://dns.example", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 443, Path: "/dns-query"}, "https://dns.example/dns-query"},
		{"https://dns.example/", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 443, Path: "/"}, ""},
		{"https://DNS.example:443/dns-query", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 443, Path: "/dns-query"}, "https://dns.example/dns-query"},
		{"https://dns.example:8443/a/b%20c?key=1", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 8443, Path: "/a/b%20c?key=1"}, ""},
		{"https://dns.example/a b?", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 443, Path: "/a%20b"}, "https://dns.example/a%20b"},
		{"https://dns.example/dns-query{?dns}", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 443, Path: "/dns-query"}, "https://dns.example/dns-query"},
		{"https://dns.example{?dns}", URL{Scheme: SchemeHTTPS, Host: "dns.example", Port: 443, Path: "/dns-query"}, "https://dns.example/dns-query"},
		{"https://192.0.2.53/dns-query#dns.example", URL{Scheme: SchemeHTTPS, Host: "192.0.2.53", Port: 443, Name: "dns.example", Path: "/dns-query"}, ""},
		{"https://dns.example/dns-query{?dns}#192.0.2.53", URL{Scheme: SchemeHTTPS, Host: "192.0.2.53", Port: 443, Name: "dns.example", Path: "/dns-query"}, "https://192.0.2.53/dns-query#dns.example"},
		{"https://dns.example:8443/q#2001:db8::53", URL{Scheme: SchemeHTTPS, Host: v6, Port: 8443, Name: "dns.example", Path: "/q"}, "https://[2001:db8::53]:8443/q#dns.example"},
		{"https://dns.example/q#fe80::1%25eth0", URL{Scheme: SchemeHTTPS, Host: "fe80::1%eth0", Port: 443, Name: "dns.example", Path: "/q"}, "https://[fe80::1%25eth0]/q#dns.example"},
		{"https://[2001:db8::53]/dns-query", URL{Scheme: SchemeHTTPS, Host: v6, Port: 443, Path: "/dns-query"}, ""},
	}
	if haveDoQ {
		tests = append(tests, tests[0])
		last := &tests[len(tests)-1]
		last.text, last.want = "quic://192.0.2.53#dns.example", URL{Scheme: SchemeQUIC, Host: "192.0.2.53", Port: 853, Name: "dns.example"}
	}
	for _, tt := range tests {
		u, err := ParseURL(tt.text)
		if err != nil || u != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.text, u, err, tt.want)
			continue
		}
		back := tt.back
		if back == "" {
			back = tt.text
		}
		if u.String() != back || u.InMemory() {
			t.Errorf("%s is written as %s, want %s", tt.text, u, back)
		}
	}
}

func TestParseEncryptedURLErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"tls://", "no host"},
		{"tls://#dns.example", "no host"},
		{"tls://192.0.2.53#", "no name after #"},
		{"tls://192.0.2.53/dns-query", "only a host, a port and #NAME may follow the scheme"},
		{"tls://192.0.2.53?x", "only a host, a port and #NAME may follow the scheme"},
		{"tls://me@192.0.2.53", "no user may stand before the host"},
		{"tls://192.0.2.53:0", `port "0" is not in 1 to 65535`},
		{"tls://192.0.2.53:x", "not a host with an optional port"},
		{"tls://192.0.2.300", `"192.0.2.300" is not an address`},
		{"tls://dns.example#192.0.2.53", "after # stands the name in the certificate; write tls://192.0.2.53#dns.example"},
		{"tls://192.0.2.1#192.0.2.53", "an address on both sides of #; one of them has to be the name in the certificate"},
		{"https://192.0.2.1#192.0.2.53", "an address on both sides of #; one of them has to be the name in the certificate"},
		{"tls://192.0.2.53#dns..example", `name "dns..example": empty label`},
		{"tls://192.0.2.53#dns example", `"dns example" is not a host name`},
		{"tls://192.0.2.53#192.0.2.300", `"192.0.2.300" is not a host name`},
		{"tls://192.0.2.53#.", `"." is not a host name`},
		{"tls://192.0.2.53#%zz", `"%zz" is not a host name`},
		{"tls://192.0.2.53#dns.exämple", `"dns.exämple" is not in ASCII; write the name in its xn-- form`},
		{"https://dns.exämple/dns-query", `"dns.exämple" is not in ASCII; write the name in its xn-- form`},
		{"https://dns.example/q?a b", `write ' ' in the query as +`},
		{"https://dns.example/q?ä", `write 'ä' in the query as %C3%A4`},
		{"https://", "no host"},
		{"dot://192.0.2.53", `unknown scheme "dot"; write tls://192.0.2.53`},
		{"http://dns.example/dns-query", `unknown scheme "http"; write https://dns.example/dns-query`},
		{"DoH://dns.example", `unknown scheme "DoH"; write https://dns.example`},
	}
	for _, tt := range tests {
		want := `resolver "` + tt.text + `": ` + tt.want
		if u, err := ParseURL(tt.text); err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v; want %s", tt.text, u, err, want)
		}
	}
}

// What is read is written so that it is read again, and is a URL for other programs too.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"system", "demo:", "file:a b", "udp://192.0.2.53", "tcp://[2001:db8::53]:5353", "tls://192.0.2.53#dns.example",
		"https://dns.example:8443/a%2fb{?dns}", "https://dns.example/q?x=1#fe80::1%25eth0", "quic://[fe80::1%25eth0]:8853#a_b.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err != nil {
			return
		}
		if again, err := ParseURL(u.String()); err != nil || again != u {
			t.Errorf("%q is %+v, and %q is %+v, %v", s, u, u, again, err)
		}
		if !u.encrypted() {
			return
		}
		if p, err := url.Parse(u.String()); err != nil || strings.ContainsAny(u.String(), " \n") || p.Scheme != string(u.Scheme) {
			t.Errorf("%q is no URL: %v", u, err)
		}
	})
}
