package judge

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const tiny = `$ORIGIN example.com.
$TTL 300
@	SOA	ns hostmaster 7 3600 600 86400 300
	NS	ns.example.com.
ns	A	192.0.2.1
www	60 A	192.0.2.2
	TXT	"a; b" ( "c (d)" ; a comment
		"e\"f" )
`

var tinyRecords = []string{
	`example.com. 300 IN NS ns.example.com.`,
	`example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 7 3600 600 86400 300`,
	`ns.example.com. 300 IN A 192.0.2.1`,
	`www.example.com. 300 IN TXT "a; b" "c (d)" "e\"f"`,
	`www.example.com. 60 IN A 192.0.2.2`,
}

// broken has an ALIAS, which every server of today's stable releases refuses.
const broken = tiny + "@ ALIAS cdn.example.net.\n"

func zoneFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "example.com.zone")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCheckers(t *testing.T) {
	good, bad := zoneFile(t, tiny), zoneFile(t, broken)
	for name, check := range map[string]func(testing.TB, string, string) Verdict{
		"named": func(tb testing.TB, origin, file string) Verdict {
			tb.Helper()
			return NamedCheck(tb, origin, file)
		},
		"nsd":  NSDCheck,
		"knot": KnotCheck,
	} {
		t.Run(name, func(t *testing.T) {
			if v := check(t, "example.com", good); !v.OK {
				t.Errorf("refuses a plain zone:\n%s", v.Output)
			}
			if v := check(t, "example.com", bad); v.OK || v.Output == "" {
				t.Errorf("passes an ALIAS or says nothing about it: %+v", v)
			}
		})
	}
}

func TestNamedCheckOptions(t *testing.T) {
	file := zoneFile(t, tiny+"my_host A 192.0.2.3\n")
	if v := NamedCheck(t, "example.com", file); v.OK {
		t.Errorf("a bad host name passes -k fail:\n%s", v.Output)
	}
	if v := NamedCheck(t, "example.com", file, "-k", "ignore"); !v.OK {
		t.Errorf("-k ignore does not win:\n%s", v.Output)
	}
}

func TestPrinters(t *testing.T) {
	file := zoneFile(t, tiny)
	// BIND gives NSD's picture, the order of TXT and A apart.
	for name, got := range map[string][]string{
		"named": NamedCompile(t, "example.com", file),
		"nsd":   NSDPrint(t, "example.com", file),
		"ldns":  LDNSRead(t, file),
	} {
		if !slices.Equal(got, tinyRecords) {
			t.Errorf("%s reads\n%s", name, strings.Join(got, "\n"))
		}
	}
}

func TestRecords(t *testing.T) {
	for name, c := range map[string]struct{ printed, want string }{
		"nothing":     {"", ""},
		"comment":     {"; a (comment\n\n", ""},
		"origin":      {"$ORIGIN com.\na\t1 IN A 192.0.2.1\n\t1 IN A 192.0.2.2\n$ORIGIN .\nb 1 IN A 192.0.2.3\n@ 1 IN NS b.\n", ". 1 IN NS b.\na.com. 1 IN A 192.0.2.1\na.com. 1 IN A 192.0.2.2\nb. 1 IN A 192.0.2.3"},
		"parentheses": {"a. 1 IN SOA (\n  b. c.\n 1 2) ; end\n", "a. 1 IN SOA b. c. 1 2"},
		"quoted":      {`a. 1 IN TXT "x  ;(" y\;z` + "\n", `a. 1 IN TXT "x  ;(" y\;z`},
		"no newline":  {"a. 1 IN A 192.0.2.1", "a. 1 IN A 192.0.2.1"},
		"crlf":        {"a. 1 IN A 192.0.2.1\r\n", "a. 1 IN A 192.0.2.1"},
	} {
		if got := strings.Join(Records(c.printed), "\n"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestServers(t *testing.T) {
	zones := map[string]string{"example.com": zoneFile(t, tiny), "example.org": zoneFile(t, broken)}
	for name, start := range map[string]func(testing.TB, map[string]string) *Server{
		"named": StartNamed, "nsd": StartNSD, "knotd": StartKnot,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, zones)
			if serial := server.WaitReady(t, "example.com"); serial != 7 {
				t.Errorf("serial %d", serial)
			}
			answer := server.Query(t, "www.example.com", dns.TypeA)
			if len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "192.0.2.2") {
				t.Errorf("answer %v\n%s", answer, server.Log())
			}
			if answer = server.Query(t, "example.org", dns.TypeSOA); answer.Rcode != dns.RcodeServerFailure {
				t.Errorf("a zone that cannot be read: %v\n%s", answer, server.Log())
			}
			if got := server.Transfer(t, "example.com"); !slices.Equal(got, tinyRecords) {
				t.Errorf("transfer\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// TestPowerDNS needs what only the benchmarks need, and what "make deps"
// therefore leaves out.
func TestPowerDNS(t *testing.T) {
	if _, err := exec.LookPath("pdns_server"); err != nil {
		t.Skip("pdns_server is not installed: sh .ci/deps.sh bench")
	}
	targets := "$ORIGIN target.test.\n$TTL 300\n@ SOA ns hostmaster 7 3600 600 86400 300\n NS ns\nns A 192.0.2.1\nt A 192.0.2.7\nt AAAA 2001:db8::7\n"
	resolver := StartKnot(t, map[string]string{"target.test": zoneFile(t, targets)})
	resolver.WaitReady(t, "target.test")
	server := StartPowerDNS(t, map[string]string{"example.com": zoneFile(t, tiny+"@ ALIAS t.target.test.\n")}, resolver.Addr)
	if serial := server.WaitReady(t, "example.com"); serial != 7 {
		t.Errorf("serial %d", serial)
	}
	got := server.Transfer(t, "example.com")
	want := append([]string{"example.com. 300 IN A 192.0.2.7", "example.com. 300 IN AAAA 2001:db8::7"}, tinyRecords...)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("transfer\n%s\n%s", strings.Join(got, "\n"), server.Log())
	}
}

func TestMatrix(t *testing.T) {
	cases := Matrix(t)
	if len(cases) != 205 {
		t.Errorf("%d cases", len(cases))
	}
	step := 10
	if Deep() {
		step = 1
	}
	seen := map[string]bool{}
	for i, c := range cases {
		if seen[c.ID] {
			t.Errorf("case %s stands twice", c.ID)
		}
		seen[c.ID] = true
		if i%step != 0 {
			continue
		}
		file := c.Write(t, t.TempDir())
		for name, o := range map[string]struct {
			got  Verdict
			want string
		}{
			"named-checkzone": {NamedCheck(t, "example.org", file, "-k", "warn"), c.BIND.Verdict},
			"nsd-checkzone":   {NSDCheck(t, "example.org", file), c.NSD.Verdict},
			"kzonecheck":      {KnotCheck(t, "example.org", file), c.Knot.Verdict},
		} {
			if o.got.OK != (o.want == "ok") {
				t.Errorf("%s: %s says %v, the table %s\n%s", c.ID, name, o.got.OK, o.want, o.got.Output)
			}
		}
	}
}
