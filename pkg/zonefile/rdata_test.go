package zonefile

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// testOrigin completes relative names in the tests of this file.
var testOrigin = []byte(zone.MustParseName("example.com.").Wire())

// cutTokens cuts one line into tokens the way the scanner does; it knows
// neither comments nor parentheses, so that these tests rest on RDATA alone.
func cutTokens(line string) (text []byte, tokens []Token) {
	text = []byte(line)
	glued := false
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			glued = false
			i++
			continue
		}
		start := i
		quoted := text[i] == '"'
		for i++; i < len(text); i++ {
			if text[i] == '\\' {
				i++
				continue
			}
			if quoted && text[i] == '"' {
				i++
				break
			}
			if !quoted && (text[i] == ' ' || text[i] == '\t' || text[i] == '"') {
				break
			}
		}
		if i > len(text) || quoted && (i-start < 2 || text[i-1] != '"') {
			return nil, nil // cut off in the middle: the scanner refuses it
		}
		tokens = append(tokens, Token{Start: int32(start), End: int32(i), Quoted: quoted, Glued: glued})
		glued = true
	}
	return text, tokens
}

// readLine reads "TYPE rdata".
func readLine(t *testing.T, line string, fold bool) (typ uint16, wire []byte, verified bool, fault *Fault) {
	t.Helper()
	text, tokens := cutTokens(line)
	if len(tokens) == 0 {
		t.Fatalf("no tokens in %q", line)
	}
	typ, ok := parseType(tokens[0].raw(text))
	if !ok {
		t.Fatalf("no type in %q", line)
	}
	wire, verified, fault = appendRDATA(nil, typ, text, tokens[1:], testOrigin, fold)
	return typ, wire, verified, fault
}

const digestSHA256 = "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"

// goodLines are RDATA that BIND reads, and so do we.
var goodLines = []string{
	"A 192.0.2.1", "A 0.0.0.0", "A 255.255.255.255", `A \# 4 c0000201`, `A \# 4 c0 00 02 0 1`,
	"AAAA 2001:db8::1", "AAAA ::", "AAAA ::1", "AAAA 1:2:3:4:5:6:7::", "AAAA ::2:3:4:5:6:7:8",
	"AAAA ::192.0.2.1", "AAAA 1:2:3:4:5:6:192.0.2.1", "AAAA 2001:DB8:0:0:1:0:0:1", "AAAA 1::8",
	"NS ns", "NS ns.example.net.", "NS 192.0.2.1", "NS .", "NS @", "CNAME a_b", `CNAME a\.b\032c`, "DNAME d",
	"PTR host", "MX 10 mail", "MX 0010 mail", "MX 0 .", "MX 65535 a",
	"TXT a", `TXT "a b" c`, `TXT a"b"c`, `TXT ""`, `TXT "\"\\\000\255é"`, `TXT \#`, `TXT \# foo`, `TXT \# 1 00`,
	"TXT @", `SPF "v=spf1 -all"`, `TXT "` + strings.Repeat("x", 255) + `"`, `TXT "` + strings.Repeat(`\120`, 255) + `"`,
	"SRV 1 2 3 host", "SRV 0 0 0 .", "HINFO a b", `HINFO "a b" ""`, "RP . .", "RP a b", "AFSDB 1 a", "RT 1 a",
	"KX 1 a", "PX 1 a b", "MB a", "MG a", "MR a", "MINFO a b", "NSAP-PTR a", "TALINK a b", "LP 1 a",
	`CAA 0 issue "ca.example.net"`, "CAA 128 issue a", `CAA 0 issue ""`, `CAA 0 iodef "mailto:a@example.com"`,
	"CAA 255 0x1 a", `URI 10 1 "https://example.com/"`, `URI 1 1 ""`,
	"DS 1 8 2 " + digestSHA256, "DS 1 RSASHA256 SHA-256 " + digestSHA256, "DS 1 8 5 AB CD", "DS 1 8 5 A BCD",
	"DS 1 8 1 e06d44b80b8f1d39a95c0b0d7c65d08458e88040", "CDS 0 0 0 00", "DLV 1 8 5 00", "TA 1 INDIRECT 5 00",
	"DS 00001 0000000008 5 00", "DS 1 8 GOST " + digestSHA256,
	"DNSKEY 257 3 8 AwEAAQ==", "DNSKEY ZONE|KSK DNSSEC RSASHA256 AwE AAQ==", "DNSKEY 0x101 3 8 AwEAAQ==",
	"DNSKEY 257 4 8 AwEA", "DNSKEY ZONE|HOST 3 8 AwEAAQ==", "DNSKEY 09 3 8 AwEAAQ==", "CDNSKEY 0 3 0 AA==",
	"KEY NOKEY 3 8", "KEY 49152 3 8", "KEY ZONE| 3 8 AwEAAQ==",
	"SSHFP 1 1 123456789abcdef67890123456789abcdef67890", "SSHFP 1 2 " + digestSHA256, "SSHFP 1 3 00", "SSHFP 1 3",
	"TLSA 3 1 1 00", "SMIMEA 3 1 1 0 0", "OPENPGPKEY AwEAAQ==", "DHCID AAAA", "CERT PKIX 1 8 AwEAAQ==",
	"CERT 65535 1 0 AwEAAQ==", `NINFO a "b"`, "AVC a", "RESINFO qnamemin", "WALLET a b",
	"ZONEMD 1 1 240 000000000000000000000000", "ZONEMD 1 1 1 " + strings.Repeat("00", 48),
	"ZONEMD 1 1 2 " + strings.Repeat("00", 64),
	"RRSIG A 8 2 300 20260101000000 20250101000000 12345 example.com. AwEAAQ==",
	"RRSIG 257 RSASHA256 2 4294967295 1767225600 20240229235960 1 . AwEA AQ==",
	"RRSIG TYPE1 8 2 300 22000101000000 18990101000000 12345 . AwEAAQ==", "RRSIG ANY 8 2 300 1 1 12345 example.com. AwEAAQ==",
	"NSEC a A NS", "NSEC a TYPE1234 A CAA TYPE65535 A", "NSEC a TYPE0 ANY",
	"NSEC3PARAM 1 0 10 -", "NSEC3PARAM SHA-1 0 10 AABB", "CSYNC 66 3 A NS", "CSYNC 66 3",
	"EUI48 00-00-5e-00-53-2a", "EUI48 0-0-5E-00-53-2a", "EUI64 00-00-5e-ef-10-00-00-2a",
	"NID 10 0014:4fff:ff20:ee64", "NID 10 14:4fff:ff20:ee64", "L32 10 192.0.2.1", "L64 10 2001:0DB8:1140:1000",
	`NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:a@example.com!" .`, `NAPTR 1 1 u E2U+sip !^.*$!sip:a@example.com!i a`,
	`NAPTR 1 1 "" "" "" a_b`, `NAPTR 1 1 "" "" "!^(.*)$!\\1!" .`, `NAPTR 1 1 "" "" "!^[[:alpha:]a-z]{2,3}(a|b)+$!x!" .`,
	`NAPTR 1 1 "" "" "!^[]a]$!x!" .`, `NAPTR 1 1 "" "" "!a{x!x!" .`, `NAPTR 1 1 "" "" "!a)!x!" .`,
	"SVCB 1 .", "SVCB 0 a_b", "SVCB 0 foo. alpn=h2", "SVCB 1 . alpn=h2 port=443", `SVCB 1 . port="53" alpn="h2,h3"`,
	`HTTPS 1 . alpn="a\\,b" no-default-alpn`, `SVCB 1 "foo" alpn=h2`, "SVCB 1 . port=053",
	"SVCB 1 . ipv4hint=192.0.2.1,192.0.2.2", `SVCB 1 . ipv6hint="2001:db8::1,::192.0.2.1"`, "SVCB 1 . ech=AAAA",
	"SVCB 1 . ech=", "SVCB 1 . ech", `SVCB 1 . ech="AA AA"`, "SVCB 1 . no-default-alpn alpn=h2",
	`SVCB 1 . no-default-alpn="" alpn=h2`, "SVCB 1 . mandatory=port,ALPN alpn=h2 port=5",
	"SVCB 1 . mandatory=key1 alpn=h2", "SVCB 1 . dohpath=/dns-query{?dns}", "SVCB 1 . key7=/dns-query{?dns}",
	"SVCB 1 . key8", "SVCB 1 . key65535=x", `SVCB 1 . key1=\002h2`, "SVCB 1 . key3=ab", "SVCB 1 . key2 alpn=h2",
	`SVCB 1 . key667="a b\"c\\d"`, `SVCB 1 . key667=a\ b`, `SVCB 1 . key667="b"port=5`,
	"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "LOC 90 0 0 N 180 0 0 W 1", "LOC 52 N 4 E 1m",
	"LOC 52 22 23. N 4 E 1m", "LOC 52 22 .5 S 4 W -0.50m 15m 0.11m 90000000.50m", "LOC 52 22 N 4 E -100000.00m",
	"LOC 52 22 N 4 E 42849672.95m",
	`TYPE65280 \# 0`, `TYPE65280 \# 3 ABCDE F`, `MX \# 3 000a00`, `TYPE15 \# 3 000a00`, `TYPE1 \# 4 c0000201`,
	`DS \# 5 0001080500`, `SVCB \# 3 000100`, `NSEC \# 4 00000140`,
	"APL 1:192.0.2.0/24 !2:2001:db8::/32", "IPSECKEY 10 0 2 . AwEAAQ==",
}

// badLines are RDATA that BIND refuses, and so do we: with a fault at a token,
// of a code.
var badLines = []struct {
	line  string
	token int
	code  diag.Code
}{
	{"A", 0, diag.CodeMissingRDATA},
	{"A 192.0.2.01", 0, diag.CodeBadAddress},
	{"A 192.0.2", 0, diag.CodeBadAddress},
	{"A 192.0.2.256", 0, diag.CodeBadAddress},
	{"A 192.0.2.1.", 0, diag.CodeBadAddress},
	{"A 192..2.1", 0, diag.CodeBadAddress},
	{"A 1.1.1.0000", 0, diag.CodeBadAddress},
	{"A www.example.com.", 0, diag.CodeBadAddress},
	{"A 2001:db8::1", 0, diag.CodeBadAddress},
	{`A "192.0.2.1"`, 0, diag.CodeQuotedField},
	{"A 192.0.2.1 192.0.2.2", 1, diag.CodeExtraText},
	{"A 192.0.2.1 # comment", 1, diag.CodeExtraText},
	{`A \# 3 c00002`, 0, diag.CodeBadRDATA},
	{`A \# 5 c000020101`, 0, diag.CodeBadRDATA},
	{`A \# 4 c00002`, 3, diag.CodeGenericLength},
	{`A \# 4 c0000201 00`, 3, diag.CodeGenericLength},
	{`A \# 4 c000020g`, 2, diag.CodeBadRDATA},
	{`A \# x c0000201`, 1, diag.CodeBadRDATA},
	{`A \# 65536 c0000201`, 1, diag.CodeNumberRange},
	{`A \#`, 1, diag.CodeMissingRDATA},
	{`TYPE65280 \# 1 abc`, 2, diag.CodeBadRDATA},
	{"TYPE65280 foo", 0, diag.CodeBadRDATA},
	{"AAAA 192.0.2.1", 0, diag.CodeBadAddress},
	{"AAAA 1:2:3:4::5:6:7:8", 0, diag.CodeBadAddress},
	{"AAAA ::1%eth0", 0, diag.CodeBadAddress},
	{"AAAA ::01.2.3.4", 0, diag.CodeBadAddress},
	{"AAAA ::1.2.3", 0, diag.CodeBadAddress},
	{"AAAA 00001::", 0, diag.CodeBadAddress},
	{"AAAA 1::2::3", 0, diag.CodeBadAddress},
	{"AAAA :1::", 0, diag.CodeBadAddress},
	{"AAAA 1:::2", 0, diag.CodeBadAddress},
	{"AAAA 1:2:3:4:5:6:7:192.0.2.1", 0, diag.CodeBadAddress},
	{"AAAA 1:2:3:4:5:6:7", 0, diag.CodeBadAddress},
	{"AAAA 1:2:3:4:5:6:7:8:9", 0, diag.CodeBadAddress},
	{"AAAA 1:2:3:4:5:6:7:", 0, diag.CodeBadAddress},
	{"AAAA ::ffff:192.0.2.1:1", 0, diag.CodeBadAddress},
	{"AAAA www", 0, diag.CodeBadAddress},
	{"NS", 0, diag.CodeMissingRDATA},
	{`NS "ns"`, 0, diag.CodeQuotedField},
	{"NS a..b", 0, diag.CodeEmptyLabel},
	{"NS .a", 0, diag.CodeEmptyLabel},
	{"NS " + strings.Repeat("a", 64), 0, diag.CodeLabelTooLong},
	{`NS a\256`, 0, diag.CodeBadEscape},
	{`NS a\25`, 0, diag.CodeBadEscape},
	{`NS \[x`, 0, diag.CodeBadEscape},
	{"CNAME a b", 1, diag.CodeExtraText},
	{"MX mail", 0, diag.CodeBadRDATA},
	{"MX 10", 1, diag.CodeMissingRDATA},
	{"MX 10m a", 0, diag.CodeBadRDATA},
	{"MX -1 a", 0, diag.CodeBadRDATA},
	{"MX 65536 a", 0, diag.CodeNumberRange},
	{"MX 4294967296 a", 0, diag.CodeNumberRange},
	{`MX "10" a`, 0, diag.CodeQuotedField},
	{`MX 10 "a"`, 1, diag.CodeQuotedField},
	{"TXT", 0, diag.CodeMissingRDATA},
	{`TXT "\300"`, 0, diag.CodeBadEscape},
	{`TXT a \25`, 1, diag.CodeBadEscape},
	{`TXT "` + strings.Repeat("x", 256) + `"`, 0, diag.CodeStringTooLong},
	{`TXT \# 1 foo`, 2, diag.CodeBadRDATA},
	{`TXT \# 0`, 0, diag.CodeBadRDATA},
	{`SPF \# foo`, 1, diag.CodeBadRDATA},
	{"SRV 1 2 host", 2, diag.CodeBadRDATA},
	{"SRV 1 2 3", 3, diag.CodeMissingRDATA},
	{"HINFO a", 1, diag.CodeMissingRDATA},
	{"HINFO a b c", 2, diag.CodeExtraText},
	{"CAA 0 iss-ue a", 1, diag.CodeBadRDATA},
	{`CAA 0 "issue" a`, 1, diag.CodeQuotedField},
	{"CAA 256 issue a", 0, diag.CodeNumberRange},
	{"CAA 0 issue", 2, diag.CodeMissingRDATA},
	{"CAA 0 issue a b", 3, diag.CodeExtraText},
	{"URI 10 1 https://example.com/", 2, diag.CodeBadRDATA},
	{`URI 1 1 "a" "b"`, 3, diag.CodeExtraText},
	{"DS 1 8 2 ABCD", 4, diag.CodeBadRDATA},
	{"DS 1 8 5 ABC", 3, diag.CodeBadRDATA},
	{"DS 1 8 5", 3, diag.CodeMissingRDATA},
	{"DS 1 RSASHA25 5 00", 1, diag.CodeBadRDATA},
	{"DS 1 256 5 00", 1, diag.CodeNumberRange},
	{"DS 1 8 SHA 00", 2, diag.CodeBadRDATA},
	{"DS +1 8 5 00", 0, diag.CodeBadRDATA},
	{"DS 1 8 1 e06d44b80b8f1d39a95c0b0d7c65d08458e88040 00", 4, diag.CodeExtraText},
	{"DS 1 8 1 e06d44b80b8f1d39a95c0b0d7c65d08458e8804000", 4, diag.CodeBadRDATA},
	{"DNSKEY 65536 3 8 AwEAAQ==", 0, diag.CodeNumberRange},
	{"DNSKEY zone|revoke 3 8 AwEAAQ==", 0, diag.CodeBadRDATA},
	{"DNSKEY 257 3 8", 3, diag.CodeMissingRDATA},
	{"DNSKEY 257 3 8 AwEAAR==", 3, diag.CodeBadRDATA},
	{"DNSKEY 257 3 8 AwEAAQ", 3, diag.CodeBadRDATA},
	{"DNSKEY 257 3 8 AwEAAQ== AA", 4, diag.CodeBadRDATA},
	{"DNSKEY 49152 3 8", 3, diag.CodeMissingRDATA},
	{"KEY 512 3 8", 3, diag.CodeMissingRDATA},
	{"KEY NOKEY 3 8 AwEAAQ==", 3, diag.CodeExtraText},
	{"KEY 0x 3 8 AwEAAQ==", 0, diag.CodeBadRDATA},
	{"SSHFP 1 1 00", 3, diag.CodeBadRDATA},
	{"SSHFP 256 3 00", 0, diag.CodeNumberRange},
	{"TLSA 3 1 1", 3, diag.CodeMissingRDATA},
	{"TLSA PKIX-EE 1 1 00", 0, diag.CodeBadRDATA},
	{"OPENPGPKEY", 0, diag.CodeMissingRDATA},
	{"ZONEMD 1 1 1 00", 4, diag.CodeBadRDATA},
	{"ZONEMD 1 1 240 00", 4, diag.CodeBadRDATA},
	{"ZONEMD 1 1 240", 3, diag.CodeMissingRDATA},
	{"RRSIG A 8 2 1h 1 1 12345 a AwEAAQ==", 3, diag.CodeBadRDATA},
	{"RRSIG A 8 2 300 20261301000000 1 1 a AwEAAQ==", 4, diag.CodeBadRDATA},
	{"RRSIG A 8 2 300 20260230000000 1 1 a AwEAAQ==", 4, diag.CodeBadRDATA},
	{"RRSIG A 8 2 300 20260228000061 1 1 a AwEAAQ==", 4, diag.CodeBadRDATA},
	{"RRSIG A 8 2 300 2026022800006 1 1 a AwEAAQ==", 4, diag.CodeBadRDATA},
	{"RRSIG A 8 2 300 4294967296 1 1 a AwEAAQ==", 4, diag.CodeBadRDATA},
	{"RRSIG A 8 2 300 1 1 12345 a AwEAAQ==", 7, diag.CodeBadRDATA},
	{"RRSIG FOO 8 2 300 1 1 1 a AwEAAQ==", 0, diag.CodeUnknownType},
	{"RRSIG A 8 2 300 1 1 1 .", 8, diag.CodeMissingRDATA},
	{"NSEC a", 1, diag.CodeMissingRDATA},
	{"NSEC a 1", 1, diag.CodeUnknownType},
	{`NSEC a "A"`, 1, diag.CodeQuotedField},
	{`NSEC a A "A"`, 2, diag.CodeQuotedField},
	{"NSEC3PARAM 1 0 65536 AB", 2, diag.CodeNumberRange},
	{"NSEC3PARAM 1 0 10 ABC", 3, diag.CodeBadRDATA},
	{`NSEC3PARAM 1 0 10 ""`, 3, diag.CodeQuotedField},
	{"CSYNC 66 65536 A", 1, diag.CodeNumberRange},
	{"EUI48 00:00:5e:00:53:2a", 0, diag.CodeBadRDATA},
	{"NID 10 0014:4fff:ff20", 1, diag.CodeBadRDATA},
	{"NID 10 ::", 1, diag.CodeBadRDATA},
	{"L64 10 2001:0DB8:1140:1000:1", 1, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "!^.*$!sip:a@example.com" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "!^.*$!sip:\\1@example.com!" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "!a**!x!" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "!(a!x!" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "![b-a]!x!" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "!a{3,2}!x!" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "!a!x!j" .`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" foo`, 4, diag.CodeBadRDATA},
	{`NAPTR 1 1 "" "" "" "foo"`, 5, diag.CodeQuotedField},
	{"SVCB 1", 1, diag.CodeMissingRDATA},
	{"SVCB . alpn=h2", 0, diag.CodeBadRDATA},
	{"SVCB 65536 foo", 0, diag.CodeNumberRange},
	{`SVCB 1 . "alpn=h2"`, 2, diag.CodeQuotedField},
	{"SVCB 1 . ALPN=h2", 2, diag.CodeBadRDATA},
	{"SVCB 1 . alpn=", 2, diag.CodeBadRDATA},
	{`SVCB 1 . alpn=""`, 3, diag.CodeBadRDATA},
	{`SVCB 1 . alpn="a,,b"`, 3, diag.CodeBadRDATA},
	{"SVCB 1 . port=65536", 2, diag.CodeBadRDATA},
	{"SVCB 1 . port", 2, diag.CodeBadRDATA},
	{"SVCB 1 . ipv4hint=192.0.2.1,", 2, diag.CodeBadRDATA},
	{"SVCB 1 . ipv6hint=192.0.2.1", 2, diag.CodeBadRDATA},
	{"SVCB 1 . no-default-alpn", 2, diag.CodeBadRDATA},
	{"SVCB 1 . no-default-alpn=x alpn=h2", 2, diag.CodeBadRDATA},
	{"SVCB 1 . mandatory=alpn", 2, diag.CodeBadRDATA},
	{"SVCB 1 . mandatory=alpn,alpn alpn=h2", 2, diag.CodeBadRDATA},
	{"SVCB 1 . mandatory=mandatory alpn=h2", 2, diag.CodeBadRDATA},
	{"SVCB 1 . mandatory= alpn=h2", 2, diag.CodeBadRDATA},
	{"SVCB 1 . dohpath=/dns-query", 2, diag.CodeBadRDATA},
	{"SVCB 1 . ohttp", 2, diag.CodeBadRDATA},
	{"SVCB 1 . key08=x", 2, diag.CodeBadRDATA},
	{"SVCB 1 . KEY8=x", 2, diag.CodeBadRDATA},
	{"SVCB 1 . key65536=x", 2, diag.CodeBadRDATA},
	{"SVCB 1 . key1=x", 2, diag.CodeBadRDATA},
	{"SVCB 1 . key0=x", 2, diag.CodeBadRDATA},
	{`SVCB 1 . key667= "b"`, 3, diag.CodeQuotedField},
	{"SVCB 1 . alpn=h2 alpn=h3", 3, diag.CodeBadRDATA},
	{`SVCB 1 . port=1 alpn=h2 port=1`, 4, diag.CodeBadRDATA},
	{"LOC 90 0 1 N 180 0 0 W 1", 2, diag.CodeBadRDATA},
	{"LOC 91 N 180 W 1", 0, diag.CodeBadRDATA},
	{"LOC 52 22 23.0001 N 4 E 1m", 2, diag.CodeBadRDATA},
	{"LOC 52 60 N 4 E 1m", 1, diag.CodeBadRDATA},
	{"LOC 52 22 N 4", 4, diag.CodeMissingRDATA},
	{"LOC 52 22 N 4 E m", 5, diag.CodeBadRDATA},
	{"LOC 52 22 N 4 E 1.234m", 5, diag.CodeBadRDATA},
	{"LOC 52 22 N 4 E 1m 90000001m", 6, diag.CodeBadRDATA},
	{"LOC 52 22 N 4 E 1m 1m 1m 1m 1m", 9, diag.CodeExtraText},
}

func TestGoodRDATA(t *testing.T) {
	for _, line := range goodLines {
		typ, wire, verified, fault := readLine(t, line, false)
		if fault != nil {
			t.Errorf("%s: %s [%s] at token %d", line, fault.Message, fault.Code, fault.Token)
			continue
		}
		if !verified {
			t.Errorf("%s: not verified", line)
			continue
		}
		printed := AppendRDATAText(nil, typ, wire)
		_, again, _, fault := readLine(t, TypeName(typ)+" "+string(printed), false)
		if fault != nil || !bytes.Equal(again, wire) {
			t.Errorf("%s: prints as %q, which reads back as %x, want %x (fault %v)", line, printed, again, wire, fault)
		}
	}
}

func TestBadRDATA(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat(strings.Repeat("a", 63)+".", 4), ".")
	cases := append(slices.Clip(badLines), struct {
		line  string
		token int
		code  diag.Code
	}{"NS " + long, 0, diag.CodeNameTooLong})
	for _, c := range cases {
		text, tokens := cutTokens(c.line)
		typ, _ := parseType(tokens[0].raw(text))
		out, verified, fault := appendRDATA([]byte("before"), typ, text, tokens[1:], testOrigin, false)
		if fault == nil {
			t.Errorf("%s: no fault", c.line)
			continue
		}
		if verified || string(out) != "before" {
			t.Errorf("%s: verified %v, appended %x", c.line, verified, out)
		}
		if fault.Token != c.token || fault.Code != c.code {
			t.Errorf("%s: [%s] at token %d (%s), want [%s] at %d",
				c.line, fault.Code, fault.Token, fault.Message, c.code, c.token)
		}
		if _, known := diag.Lookup(fault.Code); !known || fault.Message == "" || strings.HasSuffix(fault.Message, ".") {
			t.Errorf("%s: code %q, message %q", c.line, fault.Code, fault.Message)
		}
	}
}

func TestUnverifiedRDATA(t *testing.T) {
	for _, line := range []string{"A6 0 2001:db8::1", "WKS 192.0.2.1 tcp smtp", "IPSECKEY x"} {
		text, tokens := cutTokens(line)
		typ, _ := parseType(tokens[0].raw(text))
		out, verified, fault := appendRDATA([]byte("before"), typ, text, tokens[1:], testOrigin, false)
		if verified || fault != nil || string(out) != "before" {
			t.Errorf("%s: verified %v, fault %v, out %q", line, verified, fault, out)
		}
	}
}

func TestFaultHints(t *testing.T) {
	cases := []struct{ line, message, hint string }{
		{"A www.example.com.", `"www.example.com." is no IPv4 address`, "use CNAME or ALIAS for a host name"},
		{"A 2001:db8::1", `"2001:db8::1" is no IPv4 address`, "use AAAA for an IPv6 address"},
		{"AAAA 192.0.2.1", `"192.0.2.1" is no IPv6 address`, "use A for an IPv4 address"},
		{"A 192.0.2.1 # web", `"#" stands after the RDATA of A`, "; starts a comment"},
		{
			"MX mail", `"mail" where a number from 0 to 65535 belongs`,
			"an MX has a preference before the host, such as 10 mail.example.com.",
		},
		{"SVCB 1 . aplnn=h2", `"aplnn" is no key of a service parameter`, "did you mean alpn?"},
		{"NSEC a AAA", `"AAA" is no record type`, "did you mean AAAA?"},
		{"DS 1 RSASHA265 5 00", `"RSASHA265" where a DNSSEC algorithm belongs`, "did you mean RSASHA256?"},
		{"NS a..b", `"a..b" has an empty label`, "take out the extra dot"},
	}
	for _, c := range cases {
		_, _, _, fault := readLine(t, c.line, false)
		if fault == nil || fault.Message != c.message || fault.Hint != c.hint {
			t.Errorf("%s: %+v, want %q, %q", c.line, fault, c.message, c.hint)
		}
	}
}

func TestFoldRDATA(t *testing.T) {
	cases := []struct{ line, same string }{
		{"MX 10 Mail.Example.NET.", "MX 10 mail.example.net."},
		{"SOA A B 1 2 3 4 5", "SOA a b 1 2 3 4 5"},
		{"SVCB 1 Foo alpn=h2", "SVCB 1 foo alpn=h2"},
		{`NS \# 3 014100`, "NS a."},
	}
	for _, c := range cases {
		_, folded, _, _ := readLine(t, c.line, true)
		_, plain, _, _ := readLine(t, c.line, false)
		_, same, _, _ := readLine(t, c.same, true)
		if !bytes.Equal(folded, same) || bytes.Equal(plain, same) {
			t.Errorf("%s: folded %x, as written %x, want %x folded", c.line, folded, plain, same)
		}
	}
	_, upper, _, _ := readLine(t, "TXT ABC", true)
	if string(upper) != "\x03ABC" {
		t.Errorf("TXT folded to %q", upper)
	}
}

// runTool runs one of BIND's programs, which the tests need.
func runTool(t *testing.T, args ...string) (stdout string, ok bool) {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatalf("%s must be installed: %v", args[0], err)
	}
	out, err := exec.Command(path, args[1:]...).CombinedOutput()
	return string(out), err == nil
}

const zoneHead = "$TTL 1\n$ORIGIN example.com.\n@ SOA ns hm 1 1 1 1 1\n@ NS ns.example.net.\n"

// TestVerdictsOfBIND holds every line above against named-checkzone.
func TestVerdictsOfBIND(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	verdict := func(line string) (string, bool) {
		if err := os.WriteFile(file, []byte(zoneHead+"x "+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return runTool(t, "named-checkzone", "-i", "none", "-k", "ignore", "example.com", file)
	}
	for _, line := range goodLines {
		if out, ok := verdict(line); !ok {
			t.Errorf("BIND refuses %s: %s", line, out)
		}
	}
	for _, c := range badLines {
		if _, ok := verdict(c.line); ok {
			t.Errorf("BIND takes %s", c.line)
		}
	}
}

// TestWireOfBIND compares our octets with what named-compilezone makes of the
// lines, in one zone with one owner for each line.
func TestWireOfBIND(t *testing.T) {
	var b strings.Builder
	b.WriteString(zoneHead)
	want := map[string]string{}
	for i, line := range goodLines {
		typ, wire, _, fault := readLine(t, line, false)
		if fault != nil {
			continue // reported elsewhere
		}
		owner := fmt.Sprintf("x%d.example.com.", i)
		fmt.Fprintf(&b, "%s %s\n", owner, line)
		want[owner] = TypeName(typ) + " " + string(AppendRDATAText(nil, typ, wire))
	}
	dir := t.TempDir()
	file, raw := filepath.Join(dir, "zone"), filepath.Join(dir, "raw")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, ok := runTool(t, "named-compilezone", "-i", "none", "-k", "ignore", "-n", "ignore", "-s", "full", "-o", raw, "example.com", file); !ok {
		t.Fatal(out)
	}
	text, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if want[fields[0]] == "" {
			continue
		}
		seen++
		at := strings.Index(line, "IN "+fields[3]) + len("IN ")
		typ, theirs, _, fault := readLine(t, strings.TrimSpace(line[at:]), false)
		if fault != nil {
			t.Errorf("%s: %s", line, fault.Message)
			continue
		}
		printed := TypeName(typ) + " " + string(AppendRDATAText(nil, typ, theirs))
		if printed != want[fields[0]] {
			t.Errorf("BIND reads %s, we read %s", printed, want[fields[0]])
		}
	}
	if seen != len(want) {
		t.Errorf("%d records came back of %d", seen, len(want))
	}
}

// TestPrintedForms gives what we print to the three servers' own checkers.
func TestPrintedForms(t *testing.T) {
	var b strings.Builder
	b.WriteString(zoneHead)
	for i, line := range goodLines {
		typ, wire, verified, fault := readLine(t, line, false)
		if fault != nil || !verified || typ == typeNSEC || typ == typeRRSIG || typ == typeDNAME ||
			typ == typeNS || typ == typeDS || typ == typeCDS || typ == typeNSEC3PARAM || typ == typeZONEMD || typ == typeDNSKEY {
			continue // these mean something to the zone, not only to the reader
		}
		fmt.Fprintf(&b, "x%d 1 IN %s %s\n", i, appendPortableType(nil, typ), AppendRDATAText(nil, typ, wire))
	}
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"named-checkzone", "-i", "none", "-k", "ignore", "example.com", file},
		{"nsd-checkzone", "example.com", file},
		{"kzonecheck", "-o", "example.com", file},
	} {
		if out, ok := runTool(t, args...); !ok {
			t.Errorf("%s: %s", args[0], out)
		}
	}
}

// TestWireOfMiekg compares the octets of the common types with miekg/dns.
func TestWireOfMiekg(t *testing.T) {
	for _, line := range []string{
		"A 192.0.2.1", "AAAA 2001:db8::1", "NS ns", "MX 10 mail", "SOA ns hm 1 2 3 4 5", `TXT "a b" c`, "SRV 1 2 3 a",
		`CAA 0 issue "ca.example.net"`, "DS 1 8 2 " + digestSHA256, "DNSKEY 257 3 8 AwEAAQ==", "NSEC a A NS CAA",
		"NSEC3 1 0 10 AABB 2t7b4g4vsa5smi47k61mv5bv1a22bojr A TYPE1234", "HTTPS 1 . port=443 alpn=h2",
		"RRSIG A 8 2 300 20260101000000 20250101000000 12345 example.com. AwEAAQ==", "TLSA 3 1 1 00",
		"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", `URI 1 1 "a"`, `NAPTR 1 1 "u" "a" "" b`,
		"EUI48 00-00-5e-00-53-2a", "NID 10 0014:4fff:ff20:ee64", "SSHFP 1 2 " + digestSHA256,
	} {
		parser := dns.NewZoneParser(strings.NewReader("x 1 IN "+line+"\n"), "example.com.", "")
		rr, ok := parser.Next()
		if !ok {
			t.Errorf("%s: miekg/dns: %v", line, parser.Err())
			continue
		}
		want, _ := packRDATA(rr)
		if _, got, _, _ := readLine(t, line, false); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, miekg/dns has %x", line, got, want)
		}
	}
}

func TestTargetOffset(t *testing.T) {
	for line, want := range map[string]int{
		"NS a.": 0, "CNAME a.": 0, "DNAME a.": 0, "PTR a.": 0, "MX 1 a.": 2, "SRV 1 2 3 a.": 6, "KX 1 a.": 2,
		"AFSDB 1 a.": 2, "HTTPS 1 a.": 2, "SVCB 0 a.": 2, "TXT a": -1, "SOA a. b. 1 1 1 1 1": -1,
	} {
		typ, wire, _, _ := readLine(t, line, false)
		offset, ok := targetOffset(typ)
		if ok != (want >= 0) || ok && (offset != want || string(wire[offset:offset+3]) != "\x01a\x00") {
			t.Errorf("%s: %d %v", line, offset, ok)
		}
	}
}

func FuzzRDATA(f *testing.F) {
	for _, line := range goodLines {
		f.Add(line)
	}
	for _, c := range badLines {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		text, tokens := cutTokens(line)
		if len(tokens) == 0 {
			return
		}
		typ, ok := parseType(tokens[0].raw(text))
		if !ok || isMetaType(typ) {
			return
		}
		wire, verified, fault := appendRDATA(nil, typ, text, tokens[1:], testOrigin, false)
		if fault != nil {
			if fault.Token < 0 || fault.Token > len(tokens)-1 || fault.Message == "" {
				t.Fatalf("%q: fault %+v", line, fault)
			}
			return
		}
		if !verified {
			return
		}
		printed := string(AppendRDATAText(nil, typ, wire))
		text, tokens = cutTokens(TypeName(typ) + " " + printed)
		again, _, fault := appendRDATA(nil, typ, text, tokens[1:], testOrigin, false)
		if fault != nil || !bytes.Equal(wire, again) {
			t.Fatalf("%q is %x, prints as %q, reads back as %x (%v)", line, wire, printed, again, fault)
		}
	})
}

func TestRDATAWithoutAllocation(t *testing.T) {
	buf := make([]byte, 0, 512)
	for _, line := range benchLines {
		text, tokens := cutTokens(line)
		typ, _ := parseType(tokens[0].raw(text))
		if n := testing.AllocsPerRun(100, func() {
			_, _, _ = appendRDATA(buf, typ, text, tokens[1:], testOrigin, true)
		}); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

// benchLines are RDATA of the common types.
var benchLines = []string{
	"A 192.0.2.1", "AAAA 2001:db8::1", "NS ns1.example.net.", "MX 10 mail", `TXT "v=spf1 include:example.net -all"`,
	"SRV 1 2 443 host.example.net.", "SOA ns hm 2026010101 1h 15m 1w 300", "HTTPS 1 . alpn=h2,h3 port=443",
	"DS 1 8 2 " + digestSHA256, "NSEC a A NS SOA MX TXT AAAA RRSIG NSEC DNSKEY CAA", `CAA 0 issue "ca.example.net"`,
	`NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:a@example.com!" .`, "TLSA 3 1 1 " + digestSHA256,
	"RRSIG A 8 2 300 20260101000000 20250101000000 12345 example.com. AwEAAQ==", "DNSKEY 257 3 8 AwEAAQ==",
}

func BenchmarkRDATA(b *testing.B) {
	for _, line := range benchLines {
		text, tokens := cutTokens(line)
		typ, _ := parseType(tokens[0].raw(text))
		b.Run(TypeName(typ), func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 512)
			for b.Loop() {
				if _, _, fault := appendRDATA(buf, typ, text, tokens[1:], testOrigin, true); fault != nil {
					b.Fatal(fault.Message)
				}
			}
		})
	}
}
