package zonefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// hostCases are whole records; bad says where check-names objects.
var hostCases = []struct {
	zone, owner, line string
	bad               string // "", "owner" or "rdata"
}{
	{"", "a-b1", "A 192.0.2.1", ""},
	{"", "my_h", "A 192.0.2.1", "owner"},
	{"", "my_h", "AAAA ::1", "owner"},
	{"", "my_h", "MX 1 a.", "owner"},
	{"", "my_h", "TXT a", ""},
	{"", "my_h", "CNAME a_b.", ""},
	{"", "my_h", "HTTPS 1 a.", ""},
	{"", "my_h", "NS a.", ""},
	{"", "my_h", "SRV 1 1 1 a.", ""},
	{"", "my_h", "WKS 192.0.2.1 tcp", "owner"},
	{"", "my_h", "A6 0 ::1", "owner"},
	{"", "*.a", "A 192.0.2.1", ""},
	{"", "a.*.b", "A 192.0.2.1", "owner"},
	{"", "*a", "A 192.0.2.1", "owner"},
	{"", "*.my_h", "A 192.0.2.1", "owner"},
	{"", "-a", "A 192.0.2.1", "owner"},
	{"", "a-", "A 192.0.2.1", "owner"},
	{"", `a\.b`, "A 192.0.2.1", "owner"},
	{"", "1", "A 192.0.2.1", ""},
	{"", "gc._msdcs", "A 192.0.2.1", ""},
	{"", "gc._msdcs.x", "AAAA ::1", ""},
	{"", "GC._MSDCS", "A 192.0.2.1", ""},
	{"", "gc._msdcs.a_b", "A 192.0.2.1", "owner"},
	{"", "gc._msdcs", "MX 1 a.", "owner"},
	{"", "x._spf", "A 192.0.2.1", ""},
	{"", "a_b._SPF", "A 192.0.2.1", ""},
	{"", "x._spf_rate", "A 192.0.2.1", ""},
	{"", "x._spf_verify.b_c", "A 192.0.2.1", ""},
	{"", "x._spf", "AAAA ::1", "owner"},
	{"", "x", "NS a_b.", "rdata"},
	{"", "x", "MX 1 a_b.", "rdata"},
	{"", "x", "MX 1 .", ""},
	{"", "x", "MX 1 *.b.", "rdata"},
	{"", "x", "SRV 1 1 1 a_b.", "rdata"},
	{"", "x", "SRV 1 1 1 .", ""},
	{"", "x", "AFSDB 1 a_b.", "rdata"},
	{"", "x", "RT 1 a_b.", "rdata"},
	{"", "x", "KX 1 a_b.", ""},
	{"", "x", "DNAME a_b.", ""},
	{"", "x", "PTR a_b.", ""},
	{"", "x", "LP 1 a_b.", ""},
	{"", "x", "RP a_b. c_d.", ""},
	{"", "x", "RP a_b.c_d. .", "rdata"},
	{"", "x", "RP . .", ""},
	{"", "x", "MINFO a_b. c_d.", ""},
	{"", "x", "MINFO a.c_d. c.", "rdata"},
	{"", "x", "MINFO a. c.c_d.", "rdata"},
	{"", "x", "HTTPS 1 a_b.", "rdata"},
	{"", "x", "SVCB 0 a_b.", ""},
	{"", "x", `NAPTR 1 1 "" "" "" a_b.`, ""},
	{"", "x", `RP a\032b.c. .`, "rdata"},
	{"", "x", `RP a\128.c. .`, "rdata"},
	{"", "x", `RP a\.b*.c. .`, ""},
	{"", "2t7b4g4vsa5smi47k61mv5bv1a22bojr", "NSEC3 1 0 10 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A", ""},
	{"", "x20", "NSEC3 1 0 10 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A", "owner"},
	{"2.0.192.in-addr.arpa.", "1", "PTR a_b.", "rdata"},
	{"2.0.192.in-addr.arpa.", "1", "PTR a-b.", ""},
	{"2.0.192.in-addr.arpa.", "b._dns-sd._udp", "PTR a_b.", ""},
	{"2.0.192.in-addr.arpa.", "x._dns-sd._udp", "PTR a_b.", "rdata"},
	{"8.b.d.0.1.0.0.2.ip6.arpa.", "1", "PTR a_b.", "rdata"},
	{"8.b.d.ip6.int.", "lb._DNS-SD._udp.x", "PTR a_b.", ""},
	{"8.b.d.ip6.int.", "c.b._dns-sd._udp", "PTR a_b.", "rdata"},
}

func TestCheckHostNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	for _, c := range hostCases {
		name := c.zone
		if name == "" {
			name = "example.com."
		}
		origin := []byte(zone.MustParseName(name).Wire())
		owner, err := zone.AppendName(nil, []byte(c.owner), origin)
		if err != nil {
			t.Fatal(err)
		}
		text, tokens := cutTokens(c.line)
		typ, _ := parseType(tokens[0].raw(text))
		rdata, _, fault := appendRDATA(nil, typ, text, tokens[1:], origin, false)
		if fault != nil {
			t.Fatalf("%s: %s", c.line, fault.Message)
		}
		badOwner, badRDATA := checkHostNames(typ, owner, rdata)
		if badOwner != (c.bad == "owner") || badRDATA != (c.bad == "rdata") {
			t.Errorf("%s %s: owner %v, RDATA %v, want %q", c.owner, c.line, badOwner, badRDATA, c.bad)
		}
		body := "$TTL 1\n@ SOA ns.example.net. hm.example.net. 1 1 1 1 1\n@ NS ns.example.net.\n" + c.owner + " " + c.line + "\n"
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		out, ok := runTool(t, "named-checkzone", "-i", "none", "-k", "fail", strings.TrimSuffix(name, "."), file)
		if ok != (c.bad == "") {
			t.Errorf("%s %s: BIND takes it %v: %s", c.owner, c.line, ok, out)
		}
	}
}

func TestCheckHostNamesOfSOA(t *testing.T) {
	for line, bad := range map[string]bool{
		"SOA a. b. 1 1 1 1 1": false, "SOA a_b. b. 1 1 1 1 1": true, "SOA a. a_b.c. 1 1 1 1 1": false,
		"SOA a. a.b_c. 1 1 1 1 1": true, `SOA a. a\.b.c. 1 1 1 1 1`: false, `SOA a. \000.c. 1 1 1 1 1`: true,
	} {
		typ, rdata, _, _ := readLine(t, line, false)
		if _, got := checkHostNames(typ, testOrigin, rdata); got != bad {
			t.Errorf("%s: %v, want %v", line, got, bad)
		}
	}
}
