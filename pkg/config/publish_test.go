package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestPublish(t *testing.T) {
	setUp(t, `
keys: [{name: xfr, secret-file: xfr.key}, {name: inside, secret-file: inside.key}]
zones:
  - {name: a.example, source: a.zone, publish: "update://192.0.2.1?key=XFR"}
  - {name: b.example, view: out, source: b.zone, output: b.db, publish: {to: "update://[2001:db8::1]:5353?key=xfr", timeout: 5s}, hooks: [["true"]]}
  - {name: b.example, view: in, source: c.zone, output: c.db, publish: {to: "update://[2001:db8::1]:5353?key=inside"}, serial: keep}
  - {name: d.example, source: d.zone, output: d.db, publish: none, reload: bind}
  - {name: e.example, source: e.zone, publish: "update://ns.example:53?key=xfr", hooks: [["true"]], reload: none}
`)
	c := mustLoad(t, "")
	xfr := zone.MustParseName("xfr.")
	for i, want := range []Publish{
		{"192.0.2.1:53", xfr, 30 * time.Second},
		{"[2001:db8::1]:5353", xfr, 5 * time.Second},
		{"[2001:db8::1]:5353", zone.MustParseName("inside."), 30 * time.Second},
		{},
		{"ns.example:53", xfr, 30 * time.Second},
	} {
		if c.Zones[i].Publish != want {
			t.Errorf("zone %d: %+v, want %+v", i, c.Zones[i].Publish, want)
		}
	}
}

func TestPublishMistakes(t *testing.T) {
	const keyed = "keys: [{name: xfr, secret-file: xfr.key}]\n"
	entry := func(text string) string { return keyed + "zones:\n- {name: a.example, source: a.zone, " + text + "}\n" }
	for _, test := range []struct{ name, text, want string }{
		{"no key", entry(`publish: "update://192.0.2.1"`), `3:46 config-value to: "update://192.0.2.1" is not update://HOST[:PORT]?key=NAME: updates are signed with a key (as in update://192.0.2.1?key=xfr, or none)`},
		{"another scheme", entry(`publish: "axfr://192.0.2.1?key=xfr"`), `3:46 config-value to: "axfr://192.0.2.1?key=xfr" is not update://HOST[:PORT]?key=NAME (as in update://192.0.2.1?key=xfr, or none)`},
		{"unknown key", entry(`publish: "update://192.0.2.1?key=xfrr"`), `3:46 config-serve there is no key "xfrr" (did you mean xfr?)`},
		{"no server", entry(`publish: {timeout: 5s}`), `3:46 config-zone publish has no server (write publish: {to: "update://192.0.2.1?key=xfr", ...})`},
		{"no time", entry(`publish: {to: "update://192.0.2.1?key=xfr", timeout: 0s}`), `3:90 config-value timeout: nothing is done in no time ()`},
		{"unknown word", entry(`publish: {server: "update://192.0.2.1?key=xfr"}`), `3:47 config-unknown-key unknown key "server" ()`},
		{"a list", entry(`publish: [none]`), `3:46 config-value keys with values belong here, not a list ()`},
		{"with reload", entry(`output: a.db, reload: bind, publish: "update://192.0.2.1?key=xfr"`), `3:74 config-zone publish and reload do not go together: a server gets its zone one way (leave reload out where the server is updated, or publish where it reads a.db)`},
		{"twice", entry(`view: x, publish: "update://192.0.2.1?key=xfr"`) + "- {name: a.example, view: y, source: b.zone, publish: \"update://192.0.2.1?key=xfr\"}\n", `4:3 config-zone zone a.example. would be sent to 192.0.2.1:53 twice (views of one server are told apart by their keys)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			setUp(t, test.text)
			_, found, err := Load("")
			var got []string
			for _, d := range found {
				got = append(got, fmt.Sprintf("%d:%d %s %s (%s)", d.Span.Line, d.Span.Column, d.Code, d.Message, d.Hint))
			}
			if err != nil || strings.Join(got, "\n") != test.want {
				t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), test.want)
			}
		})
	}
}
