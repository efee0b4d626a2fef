package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var (
	equalNames    = cmp.Comparer(func(a, b zone.Name) bool { return a == b })
	equalAddrPort = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
)

func TestServe(t *testing.T) {
	setUp(t, `
listen: {dns: "127.0.0.1:5353", dns-tls: "127.0.0.1:8853"}
tls: {certificate: tls/primary.pem, key: tls/primary.key, client-ca: /etc/ca.pem}
keys:
  - {name: XFR, algorithm: hmac-sha512, secret-file: keys/xfr.key}
  - {name: other.example., secret-file: /etc/other.key}
secondaries:
  - {address: 192.0.2.54, key: xfr}
  - {address: "[2001:db8::54]:5300", key: other.example, notify: false, catalog: false}
catalog: catalog.example.
zones:
  - {name: a.example, source: a.zone, output: a.db}
  - {name: b.example, view: outside, source: b.zone, output: b.db, secondaries: [{address: "192.0.2.55:53", key: none}]}
  - {name: c.example, source: c.zone, output: c.db, secondaries: [], serial: keep}
  - {name: b.example, view: inside, source: d.zone, output: d.db, secondaries: []}
`)
	c := mustLoad(t, "")
	if c.Listen.DNS != "127.0.0.1:5353" || c.Listen.DNSTLS != "127.0.0.1:8853" || !c.Listen.Serves() {
		t.Errorf("listen: %+v", c.Listen)
	}
	if want := (TLS{"tls/primary.pem", "tls/primary.key", "/etc/ca.pem"}); c.TLS != want {
		t.Errorf("tls: %+v", c.TLS)
	}
	var keys []string
	for _, k := range c.Keys {
		keys = append(keys, fmt.Sprint(k.Name, " ", k.Algorithm, " ", k.SecretFile, " ", k.Span.Pos))
	}
	if diff := cmp.Diff([]string{
		"xfr. hmac-sha512 keys/xfr.key aliasflat.yaml:5:54", "other.example. hmac-sha256 /etc/other.key aliasflat.yaml:6:41",
	}, keys); diff != "" {
		t.Error(diff)
	}
	xfr, other := zone.MustParseName("xfr."), zone.MustParseName("other.example.")
	all := []Secondary{
		{Address: netip.MustParseAddrPort("192.0.2.54:53"), Key: xfr, Notify: true, Catalog: true},
		{Address: netip.MustParseAddrPort("[2001:db8::54]:5300"), Key: other},
	}
	own := []Secondary{{Address: netip.MustParseAddrPort("192.0.2.55:53"), Notify: true, Catalog: true}}
	for i, want := range [][]Secondary{all, own, nil, nil} {
		if diff := cmp.Diff(want, c.Zones[i].Secondaries, equalNames, equalAddrPort); diff != "" {
			t.Errorf("zone %d: %s", i, diff)
		}
	}
	if diff := cmp.Diff(all, c.Secondaries, equalNames, equalAddrPort); diff != "" || c.Catalog != zone.MustParseName("catalog.example.") {
		t.Errorf("%s, catalog %v", diff, c.Catalog)
	}
}

// Those on the machine itself may ask, unless others are listed, or nobody.
func TestAllowQuery(t *testing.T) {
	const fed = "listen: {dns: \"127.0.0.1:5353\"}\nsecondaries: [{address: 192.0.2.54, key: none}]\nzones: [{source: a.zone}]\n"
	for text, want := range map[string]string{
		fed:                       "[127.0.0.0/8 ::1/128]",
		fed + "allow-query: []\n": "[]",
		fed + "allow-query: [192.0.2.0/24, \"2001:db8::1\"]\n": "[192.0.2.0/24 2001:db8::1/128]",
		"zones: [{source: a.zone, output: a.db}]\n":            "[]",
	} {
		setUp(t, text)
		if got := fmt.Sprint(mustLoad(t, "").AllowQuery); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	setUp(t, fed)
	t.Setenv("ALIASFLAT_ALLOW_QUERY", "192.0.2.0/24,198.51.100.1")
	if got := fmt.Sprint(mustLoad(t, "").AllowQuery); got != "[192.0.2.0/24 198.51.100.1/32]" {
		t.Errorf("by a variable: %s", got)
	}
}

// A variable says where zones are served, and nothing else has to change.
func TestServeByVariable(t *testing.T) {
	setUp(t, "keys: [{name: xfr, secret-file: xfr.key}]\nzones: [{source: a.zone, output: a.db, secondaries: [{address: 192.0.2.54, key: xfr}]}]\n")
	t.Setenv("ALIASFLAT_LISTEN_DNS", "127.0.0.1:5353")
	if c := mustLoad(t, ""); len(c.Zones[0].Secondaries) != 1 {
		t.Errorf("secondaries: %v", c.Zones[0].Secondaries)
	}
}

func TestServeMistakes(t *testing.T) {
	const (
		listens = "listen: {dns: \"127.0.0.1:5353\"}\n"
		keyed   = listens + "keys: [{name: xfr, secret-file: xfr.key}]\n"
		fed     = keyed + "secondaries: [{address: 192.0.2.54, key: xfr}]\n"
		zoned   = "zones: [{source: a.zone}]\n"
	)
	tests := []struct{ name, text, want string }{
		{"no port", "listen: {dns: 127.0.0.1}\n", `1:15 config-value dns: "127.0.0.1" is no address with a port (write it as 127.0.0.1:8053 or [::1]:8053)`},
		{"bad key name", "keys: [{name: a..b, secret-file: x}]\n", `1:15 config-value name: "a..b" is no name of a key (it is written as a domain name, as in xfr or primary-secondary.example)`},
		{"the word for none", "keys: [{name: none, secret-file: x}]\n", `1:15 config-value name: "none" is the word for no key (give the key another name)`},
		{"old algorithm", "keys: [{name: xfr, algorithm: hmac-md5, secret-file: x}]\n", `1:31 config-value algorithm: "hmac-md5" is none of hmac-sha256, hmac-sha384, hmac-sha512 ()`},
		{"secret in the file", "keys: [{name: xfr, secret: c2VjcmV0}]\n", `1:20 config-unknown-key unknown key "secret" ()`},
		{"no name", "keys: [{secret-file: x}]\n", `1:8 config-serve the key has no name ()`},
		{"no file", "keys: [{name: xfr}]\n", `1:8 config-serve key xfr has no secret-file (aliasflat tsig generate xfr writes one)`},
		{"key twice", "keys: [{name: xfr, secret-file: x}, {name: XFR., secret-file: y}]\n", `1:44 config-serve key XFR. stands twice ()`},
		{"unknown key", keyed + "secondaries: [{address: 192.0.2.54, key: xfrr}]\n" + zoned, `3:42 config-serve there is no key "xfrr" (did you mean xfr?)`},
		{"another key", keyed + "secondaries: [{address: 192.0.2.54, key: primary}]\n" + zoned, `3:42 config-serve there is no key "primary" (keys lists xfr)`},
		{"no keys", listens + "secondaries: [{address: 192.0.2.54, key: xfr}]\n" + zoned, `2:42 config-serve there is no key "xfr" (keys lists none)`},
		{"no key", keyed + "secondaries: [{address: 192.0.2.54}]\n" + zoned, `3:15 config-serve the secondary 192.0.2.54 has no key (name one of keys, or say key: none where its address is proof enough)`},
		{"no address", keyed + "secondaries: [{key: xfr}]\n" + zoned, `3:15 config-serve the secondary has no address (write it as {address: "192.0.2.54:53", key: xfr})`},
		{"address by name", keyed + "secondaries: [{address: ns.example, key: xfr}]\n" + zoned, `3:25 config-value address: "ns.example" is no address with a port (write it as 127.0.0.1:53 or [::1]:53)`},
		{"bad notify", keyed + "secondaries: [{address: 192.0.2.54, key: xfr, notify: no}]\n" + zoned, `3:55 config-value notify: "no" is none of true, false ()`},
		{"secondary twice", keyed + "secondaries: [{address: 192.0.2.54, key: xfr}, {address: \"192.0.2.54:53\", key: none}]\n" + zoned, `3:58 config-serve the secondary 192.0.2.54:53 stands twice ()`},
		{"secondaries are no list", listens + "secondaries: 192.0.2.54\n", `2:14 config-value secondaries takes a list, not "192.0.2.54" ()`},
		{"nobody", listens + zoned, `1:9 config-serve no zone has secondaries, so that nobody may ask for anything (list them: secondaries: [{address: "192.0.2.54:53", key: xfr}])`},
		{"nowhere", strings.TrimPrefix(fed, listens) + zoned, `2:14 config-serve nothing says where zones are served (listen: {dns: "192.0.2.1:53"} does, with an address of this machine)`},
		{"zone nowhere", "zones:\n- source: a.zone\n  secondaries: [{address: 192.0.2.54, key: none}]\n", `3:16 config-serve nothing says where the zone is served (listen: {dns: "192.0.2.1:53"} does, with an address of this machine)`},
		{"catalog nowhere", "catalog: catalog.example\n", `1:10 config-serve nothing says where the catalog is served (listen: {dns: "192.0.2.1:53"} does, with an address of this machine)`},
		{"bad catalog", "catalog: a..b\n", `1:10 config-value catalog: "a..b" is no zone name: empty label ()`},
		{"catalog for nobody", keyed + "catalog: catalog.example\nzones: [{source: a.zone, secondaries: [{address: 192.0.2.54, key: xfr}]}]\n", `3:10 config-serve no secondary follows the catalog (those that do are listed at the top of the file, in secondaries)`},
		{"catalog is a zone", fed + "catalog: a.example\nzones: [{name: a.example, source: a.zone}]\n", `5:9 config-serve zone a.example. is the catalog too (give the catalog a name of its own)`},
		{"two views", fed + "zones:\n- {name: a.example, view: a, source: a.zone, output: a.db}\n- {name: a.example, view: b, source: b.zone, output: b.db}\n", `6:3 config-serve zone a.example. would be served twice (say secondaries: [] for all but one of its views)`},
		{"serial keep", fed + "zones: [{source: a.zone, serial: keep}]\n", `4:34 config-serve serial: keep does not go with secondaries, which take a change under a later serial only (leave it out, or say secondaries: [] for this zone)`},
		{"serial keep of all", "serial: keep\n" + fed + zoned, `5:9 config-serve serial: keep does not go with secondaries, which take a change under a later serial only (leave it out, or say secondaries: [] for this zone)`},
		{"questions nowhere", "allow-query: [192.0.2.0/24]\nzones: [{source: a.zone, output: a.db}]\n", `1:14 config-serve nothing says where zones are served (listen: {dns: "192.0.2.1:53"} does, with an address of this machine)`},
		{"questions of a name", fed + zoned + "allow-query: [192.0.2.0/24@example.com]\n", `5:15 config-value allow-query: "192.0.2.0/24@example.com" is no network (write an address and the length of its prefix, as in 198.51.100.0/24)`},
		{"no certificate", strings.Replace(fed, "dns:", "dns-tls:", 1) + zoned, `1:19 config-serve dns-tls needs a certificate (tls: {certificate: primary.pem, key: primary.key})`},
		{"certificate alone", fed + "tls: {certificate: a.pem}\n" + zoned, `4:20 config-serve the certificate has no key (tls: {certificate: primary.pem, key: primary.key})`},
		{"no certificate for a key", fed + "tls: {key: a.key}\n" + zoned, `4:6 config-serve there is no certificate (tls: {certificate: primary.pem, key: primary.key})`},
		{"nothing over TLS", fed + "tls: {certificate: a.pem, key: a.key}\n" + zoned, `4:6 config-serve nothing is served over TLS (listen: {dns-tls: "192.0.2.1:853"} says where, or https)`},
		{"https without a certificate", "listen: {https: \"192.0.2.1:8443\"}\n", `1:17 config-serve https needs a certificate (tls: {certificate: primary.pem, key: primary.key})`},
		{"https for secondaries", "listen: {https: \"192.0.2.1:8443\"}\ntls: {certificate: a.pem, key: a.key, client-ca: ca.pem}\n", `2:50 config-serve no secondary is served over TLS (client-ca vouches for secondaries; https asks for tokens)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			setUp(t, test.text)
			c, list, err := Load("")
			if err != nil || c != nil {
				t.Fatalf("%+v, %v", c, err)
			}
			var lines []string
			for _, d := range list {
				lines = append(lines, fmt.Sprintf("%s %s %s (%s)", strings.TrimPrefix(d.Span.String(), "aliasflat.yaml:"), d.Code, d.Message, d.Hint))
			}
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestReadKeys(t *testing.T) {
	const good = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"
	if runtime.GOOS == "windows" {
		t.Skip("files have no mode there")
	}
	tests := []struct {
		name, secret string
		mode         os.FileMode
		want         string // empty: it is taken
	}{
		{"good", good, 0o600, ""},
		{"for a group", good, 0o640, ""},
		{"for everybody", good, 0o644, "key xfr: xfr.key can be read or written by everybody (mode 0644) (chmod o= xfr.key)"},
		{"no base64", "my-secret-word!\n", 0o600, "key xfr: xfr.key: the secret is no base64 (the file holds the secret alone, in base64, as aliasflat tsig generate writes it)"},
		{"short", "c2VjcmV0\n", 0o600, "key xfr: xfr.key: the secret has 6 octets, and at least 16 are needed (the file holds the secret alone, in base64, as aliasflat tsig generate writes it)"},
		{"large", strings.Repeat("A", 5000), 0o600, "key xfr: xfr.key is too large for a secret ()"},
		{"missing", "", 0, "key xfr: stat xfr.key: no such file or directory (aliasflat tsig generate xfr --out xfr.key writes it)"},
		{"folder", "/", 0, "key xfr: xfr.key is no file ()"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := setUp(t, "keys:\n  - name: xfr\n    secret-file: xfr.key\n")
			path := filepath.Join(dir, "xfr.key")
			switch {
			case test.secret == "/":
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			case test.secret != "":
				if err := os.WriteFile(path, []byte(test.secret), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, test.mode); err != nil {
					t.Fatal(err)
				}
			}
			keys, found := mustLoad(t, "").ReadKeys()
			if test.want == "" {
				if len(keys) != 1 || len(found) > 0 || keys[0].Algorithm() != "hmac-sha256" {
					t.Errorf("%d keys, %v", len(keys), found)
				}
				return
			}
			if len(keys) != 0 || len(found) != 1 {
				t.Fatalf("%d keys, %v", len(keys), found)
			}
			d := found[0]
			if got := fmt.Sprintf("%s (%s)", d.Message, d.Hint); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if d.Code != diag.CodeConfigSecret || d.Span.String() != "aliasflat.yaml:3:18" || d.Source != "    secret-file: xfr.key" {
				t.Errorf("%s at %s: %q", d.Code, d.Span.Pos, d.Source)
			}
			if secret := strings.TrimSpace(test.secret); len(secret) > 4 && strings.Contains(d.Message+d.Hint+d.Err.Error(), secret) {
				t.Error("the secret is shown")
			}
		})
	}
}
