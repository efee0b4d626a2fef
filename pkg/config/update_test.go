package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestAllowUpdate(t *testing.T) {
	setUp(t, `
listen: {dns: "127.0.0.1:5353"}
keys: [{name: ddns, secret-file: a.key}, {name: acme, secret-file: b.key}]
allow-update: [{key: DDNS}]
zones:
  - {name: a.example, source: a.zone, output: a.db, editable: true}
  - name: b.example
    source: b.zone
    output: b.db
    editable: true
    allow-update:
      - {key: acme, from: [192.0.2.0/24, "2001:db8::1"], names: [_acme-challenge.*], types: [txt, type65401], targets: [provider.example]}
      - {key: ddns}
  - {name: c.example, source: c.zone, output: c.db}
  - {name: d.example, source: d.zone, output: d.db, editable: true, allow-update: []}
`)
	c := mustLoad(t, "")
	local := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	all := []Update{{Key: zone.MustParseName("ddns."), From: local}}
	own := []Update{{
		Key: zone.MustParseName("acme."), From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		Names: []string{"_acme-challenge.*"}, Types: []string{"TXT", "ALIAS"}, Targets: []string{"provider.example"},
	}, all[0]}
	for i, want := range [][]Update{all, own, nil, nil} {
		equal := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
		if diff := cmp.Diff(want, c.Zones[i].Updates, equalNames, equal); diff != "" {
			t.Errorf("zone %d: %s", i, diff)
		}
	}
}

func TestAllowUpdateMistakes(t *testing.T) {
	const (
		keyed  = "listen: {dns: \"127.0.0.1:5353\"}\nkeys: [{name: ddns, secret-file: a.key}]\n"
		zones  = "zones: [{source: a.zone, output: a.db, editable: true}]\n"
		silent = "keys: [{name: ddns, secret-file: a.key}]\n"
	)
	for _, c := range []struct{ what, text, want string }{
		{"no key", keyed + "allow-update: [{from: [192.0.2.1]}]\n" + zones, `3:16 config-serve who may update has no key (name one of keys, as {key: ddns}; an UPDATE has to be signed)`},
		{"unknown key", keyed + "allow-update: [{key: dns}]\n" + zones, `3:22 config-serve there is no key "dns" (did you mean ddns?)`},
		{"key: none", keyed + "allow-update: [{key: none}]\n" + zones, `3:22 config-serve there is no key "none" (keys lists ddns)`},
		{"key twice", keyed + "allow-update: [{key: ddns}, {key: DDNS.}]\n" + zones, `3:29 config-serve key DDNS. stands twice (give each its own key, or say all that the key may edit at once)`},
		{"relative name", keyed + "allow-update: [{key: ddns, names: [www]}]\n" + zones, `3:36 config-value names: "www" is no pattern of names (write the whole name, as www.example.com, or with * for any run of characters, as _acme-challenge.*)`},
		{"no type", keyed + "allow-update: [{key: ddns, types: [ALAIS]}]\n" + zones, `3:36 config-value types: "ALAIS" is no record type (a type is a word such as ALIAS, A or MX, or TYPE and a number)`},
		{"no target", keyed + "allow-update: [{key: ddns, targets: [\"*.example\"]}]\n" + zones, `3:38 config-value targets: "*.example" is no name of a target (write a name without *, as provider.example: it and all names below it are allowed)`},
		{"no network", keyed + "allow-update: [{key: ddns, from: [home]}]\n" + zones, `3:35 config-value from: "home" is no network (write an address and the length of its prefix, as in 198.51.100.0/24)`},
		{"not editable", keyed + "zones:\n- {source: a.zone, output: a.db, allow-update: [{key: ddns}]}\n- {source: b.zone, output: b.db, editable: true, allow-update: [{key: ddns}]}\n", `4:48 config-serve UPDATE edits the source, and this one may not be edited (say editable: true for the zone)`},
		{"none editable", keyed + "allow-update: [{key: ddns}]\nzones: [{source: a.zone, output: a.db, secondaries: [{address: 192.0.2.54, key: none}]}]\n", `3:15 config-serve UPDATE edits sources, and no zone may be edited (say editable: true for those that may)`},
		{"nowhere", silent + "allow-update: [{key: ddns}]\n" + zones, `2:15 config-serve nothing says where UPDATE is taken (listen: {dns: "192.0.2.1:53"} does, with an address of this machine)`},
		{"zone nowhere", silent + "zones: [{source: a.zone, output: a.db, editable: true, allow-update: [{key: ddns}]}]\n", `2:70 config-serve nothing says where UPDATE is taken (listen: {dns: "192.0.2.1:53"} does, with an address of this machine)`},
	} {
		t.Run(c.what, func(t *testing.T) {
			setUp(t, c.text)
			config, list, err := Load("")
			if err != nil || config != nil {
				t.Fatalf("%+v, %v", config, err)
			}
			var lines []string
			for _, d := range list {
				lines = append(lines, fmt.Sprintf("%s %s %s (%s)", strings.TrimPrefix(d.Span.String(), "aliasflat.yaml:"), d.Code, d.Message, d.Hint))
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
