package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestPull(t *testing.T) {
	setUp(t, `keys: [{name: xfr, secret-file: xfr.key}]
strip-dnssec: true
zones:
- {source: "axfr://192.0.2.1:53/Example.com.?key=XFR", output: a.db}
- {name: example.net, source: "axfr://[2001:db8::1]:5353", output: b.db, strip-dnssec: false}
- {name: 0/25.2.0.192.in-addr.arpa, source: "axfr://192.0.2.1/0/25.2.0.192.in-addr.arpa", output: c.db}
- {name: example.org, view: in, source: "axfr://192.0.2.1/example.org", output: d.db}
- {name: example.org, view: out, source: "axfr://192.0.2.1/example.org?key=xfr", output: e.db}
`)
	c := mustLoad(t, "")
	for i, want := range []struct{ primary, zone, key, source string }{
		{"192.0.2.1:53", "example.com.", "xfr.", "axfr://192.0.2.1/example.com?key=xfr"},
		{"[2001:db8::1]:5353", "example.net.", "", "axfr://[2001:db8::1]:5353/example.net"},
		{"192.0.2.1:53", "0/25.2.0.192.in-addr.arpa.", "", "axfr://192.0.2.1/0/25.2.0.192.in-addr.arpa"},
		{"192.0.2.1:53", "example.org.", "", "axfr://192.0.2.1/example.org"},
		{"192.0.2.1:53", "example.org.", "xfr.", "axfr://192.0.2.1/example.org?key=xfr"},
	} {
		z := &c.Zones[i]
		key := zone.Name{}
		if want.key != "" {
			key = zone.MustParseName(want.key)
		}
		name := zone.MustParseName(want.zone)
		if z.Pull == nil || *z.Pull != (Pull{Primary: netip.MustParseAddrPort(want.primary), Zone: name, Key: key}) || z.Name != name || !strings.EqualFold(z.Source, want.source) || z.Settings.Strip != (i != 1) {
			t.Errorf("zone %d: %+v, %+v", i, z, z.Pull)
		}
	}
}

// NOTIFY of a primary is a reason to listen, even if nobody is fed.
func TestPullListens(t *testing.T) {
	setUp(t, "listen: {dns: \"127.0.0.1:5353\"}\nzones: [{source: \"axfr://192.0.2.1/example.com\", output: a.db}]\n")
	mustLoad(t, "")
}

func TestPullMistakes(t *testing.T) {
	const keyed = "keys: [{name: xfr, secret-file: xfr.key}]\n"
	source := func(text string) string { return "zones: [{source: \"" + text + "\"}]\n" }
	const form = "axfr://192.0.2.1/example.com?key=xfr"
	tests := []struct{ name, text, want string }{
		{"no zone", source("axfr://192.0.2.1"), "1:18 config-zone the source does not name its zone (as in " + form + ")"},
		{"name", source("axfr://ns.example/example.com"), `1:18 config-value source: "axfr://ns.example/example.com" does not name the primary by its address (NOTIFY is taken from that address alone: ` + form + ")"},
		{"no host", source("axfr:///example.com"), `1:18 config-value source: "axfr:///example.com" is not axfr://HOST[:PORT][/ZONE]: the host is missing (as in ` + form + ")"},
		{"port", source("axfr://192.0.2.1:0/example.com"), `1:18 config-value source: "axfr://192.0.2.1:0/example.com" is not axfr://HOST[:PORT][/ZONE]: "0" is no port (as in ` + form + ")"},
		{"query", source("axfr://192.0.2.1/example.com?keys=xfr"), `1:18 config-value source: "keys=xfr" is not key=NAME (as in ` + form + ")"},
		{"empty key", source("axfr://192.0.2.1/example.com?key="), `1:18 config-value source: "key=" is not key=NAME (as in ` + form + ")"},
		{"unknown key", keyed + source("axfr://192.0.2.1/example.com?key=xfrr"), `2:18 config-serve there is no key "xfrr" (did you mean xfr?)`},
		{"no keys", source("axfr://192.0.2.1/example.com?key=xfr"), `1:18 config-serve there is no key "xfr" (keys lists none)`},
		{"another zone", "zones: [{name: example.net, source: \"axfr://192.0.2.1/example.com\"}]\n", "1:37 config-zone the source is zone example.com., not example.net. (a zone is pulled under its own name)"},
		{"twice", "zones:\n- source: axfr://192.0.2.1/example.com\n- source: axfr://192.0.2.2/example.com\n", "3:3 config-zone zone example.com. stands twice (give each a view of its own)"},
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
