package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var equalNets = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// setUp makes an empty folder the working folder, hides the configuration of
// whoever runs the test, and writes aliasflat.yaml.
func setUp(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	t.Chdir(folder)
	t.Setenv("HOME", folder)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(folder, "xdg"))
	if text != "" {
		write(t, baseName, text)
	}
	return folder
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mustLoad loads a configuration that has no mistakes.
func mustLoad(t *testing.T, path string) *Config {
	t.Helper()
	c, list, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 0 {
		t.Fatalf("diagnostics: %v", list.Err())
	}
	return c
}

func TestDefaults(t *testing.T) {
	setUp(t, "")
	c := mustLoad(t, "")
	want := &Config{
		MaxAddresses:  64,
		GenerateLimit: 65536,
		Agree:         1,
		AgreeMode:     "equal",
		Fresh:         "cached",
		RefreshFloor:  30 * time.Second,
		Poll:          30 * time.Second,
		Settings:      defaults(),
	}
	if diff := cmp.Diff(want, c, equalNets, equalNames); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKey(t *testing.T) {
	setUp(t, `
resolvers: [udp://192.0.2.53, "file:answers.zone"]
include-root: zones
state: var/state
types: a
siblings: merge
ttl-min: 30
ttl-max: 1h30m
max-stale: 2d
max-addresses: 80
on-empty: keep
on-stale: fail
allow-net: [192.0.2.0/24, "2001:db8::1"]
deny-net: [198.51.100.0/24, 10.0.0.0/8@internal.example.]
timeout: 1h30m
agree: 2
agree-mode: overlap
require-ad: true
fresh: authoritative
rate: 250
refresh-floor: 10s
poll: 1m
ecs: 198.51.100.0/24
listen: {http: "127.0.0.1:8053", hosts: status.example.com, control: run/control.sock}
generate-limit: 100
check-names: warn
keep: 10
serial: date
style: canonical
for: any
zones:
  - name: Example.COM
    view: 010
    source: zones/example.com.zone
    output: out/{zone}.db
    lock: locks/{zone}.lock
    serial: 2026112201
    style: source
    for: knot
    siblings: fallback
    ttl-min: 60
    ttl-max: 1d
    check-names: fail
    keep: 0
    ecs: none
    serial-from: dns://192.0.2.1
    verify-with: [[named-checkzone, -q, "{zone}", "{file}"], [true, 0x10]]
    reload: {driver: bind, server: 192.0.2.1, timeout: 1m, command: [rndc, -p, 953], view: 1}
    hooks: [[notify, 010], [true]]
    hook-timeout: 10s
  - {source: a.zone, output: a.db, reload: knot}
  - {source: b.zone, output: b.db, reload: {driver: exec, command: run}}
  - {source: c.zone, output: c.db, reload: , hooks: }
`)
	c := mustLoad(t, baseName)
	if got, want := c.Resolvers, []string{"udp://192.0.2.53", "file:answers.zone"}; !cmp.Equal(got, want) {
		t.Errorf("resolvers %q", got)
	}
	if got := fmt.Sprint(c.AllowNet, c.DenyNet); got != "[192.0.2.0/24 2001:db8::1/128] [198.51.100.0/24 10.0.0.0/8@internal.example.]" {
		t.Errorf("networks %s", got)
	}
	if c.RefreshFloor != 10*time.Second || c.Poll != time.Minute {
		t.Errorf("floor %v, poll %v", c.RefreshFloor, c.Poll)
	}
	if c.Timeout != 90*time.Minute || c.MaxAddresses != 80 || c.GenerateLimit != 100 || c.IncludeRoot != "zones" {
		t.Errorf("timeout %v, addresses %d, generate %d, root %q", c.Timeout, c.MaxAddresses, c.GenerateLimit, c.IncludeRoot)
	}
	if c.State != "var/state" || c.Zones[0].LockFor(c.Zones[0].Name) != "locks/example.com.lock" {
		t.Errorf("state %q, lock %q", c.State, c.Zones[0].Lock)
	}
	if c.Agree != 2 || c.AgreeMode != "overlap" || !c.RequireAD || c.Fresh != "authoritative" || c.Rate != 250 {
		t.Errorf("agree %d %s, require-ad %v, fresh %s, rate %v", c.Agree, c.AgreeMode, c.RequireAD, c.Fresh, c.Rate)
	}
	if diff := cmp.Diff(Listen{HTTP: "127.0.0.1:8053", Hosts: []string{"status.example.com"}, Control: "run/control.sock"}, c.Listen); diff != "" {
		t.Error(diff)
	}
	low, high := uint32(30), uint32(5400)
	want := Settings{
		Types: []string{"A"}, Siblings: "merge", TTLMin: &low, TTLMax: &high, MaxStale: 48 * time.Hour,
		OnEmpty: "keep", OnStale: "fail", Serial: "date", Style: "canonical", For: "any", CheckName: CheckNamesWarn,
		ECS: netip.MustParsePrefix("198.51.100.0/24"), Keep: 10,
	}
	if diff := cmp.Diff(want, c.Settings, equalNets); diff != "" {
		t.Errorf("settings for all: %s", diff)
	}
	z := c.Zones[0]
	want.Siblings, want.Serial, want.Style, want.For, want.CheckName = "fallback", "2026112201", "source", "knot", CheckNamesFail
	want.ECS, want.Keep = netip.Prefix{}, 0
	zoneLow, zoneHigh := uint32(60), uint32(86400)
	want.TTLMin, want.TTLMax = &zoneLow, &zoneHigh
	if diff := cmp.Diff(want, z.Settings, equalNets); diff != "" {
		t.Errorf("settings of the zone: %s", diff)
	}
	if got := z.OutputFor(z.Name); got != "out/example.com.db" || z.View != "010" || z.Name != zone.MustParseName("example.com.") {
		t.Errorf("zone %v, view %q, output %q", z.Name, z.View, got)
	}
	if z.SerialFrom != "dns://192.0.2.1" {
		t.Errorf("serial-from %q", z.SerialFrom)
	}
	if diff := cmp.Diff([][]string{{"named-checkzone", "-q", "{zone}", "{file}"}, {"true", "0x10"}}, z.VerifyWith); diff != "" {
		t.Error(diff)
	}
	reload := publish.Reload{Driver: publish.DriverBIND, Server: "192.0.2.1:53", Timeout: time.Minute, Command: []string{"rndc", "-p", "953"}, View: "1"}
	if diff := cmp.Diff(reload, z.Reload); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"notify", "010"}, {"true"}}, z.Hooks); diff != "" || z.HookTimeout != 10*time.Second {
		t.Errorf("%s, hook timeout %v", diff, z.HookTimeout)
	}
	for i, want := range []publish.Reload{
		{Driver: publish.DriverKnot, Server: publish.DefaultServer, Timeout: 30 * time.Second},
		{Driver: publish.DriverExec, Command: []string{"run"}, Timeout: 30 * time.Second},
		{Driver: publish.DriverNone, Timeout: 30 * time.Second},
	} {
		if diff := cmp.Diff(want, c.Zones[i+1].Reload); diff != "" {
			t.Error(diff)
		}
	}
}

// Zone names hold dots and may be written in any letter case, which viper would
// take apart and fold if they were keys.
func TestZoneNamesAreValues(t *testing.T) {
	setUp(t, `
zones:
  - {name: Example.COM, source: a.zone, output: a.db, serial: date}
  - {name: www.example.com, source: b.zone, output: b.db, serial: keep}
`)
	c := mustLoad(t, "")
	var got []string
	for _, z := range c.Zones {
		got = append(got, z.Name.String()+" "+z.Settings.Serial)
	}
	if want := []string{"example.com. date", "www.example.com. keep"}; !cmp.Equal(got, want) {
		t.Errorf("zones %q, want %q", got, want)
	}
	if found := c.Named(zone.MustParseName("WWW.example.com.")); len(found) != 1 || found[0].Source != "b.zone" {
		t.Errorf("Named found %v", found)
	}
}

// A variable must reach the settings although neither file nor default knows
// its key, and it wins over the file at both levels.
func TestEnvironment(t *testing.T) {
	setUp(t, "serial: date\nzones: [{source: a.zone, serial: keep, ttl-max: 60}]\n")
	t.Setenv("ALIASFLAT_TTL_MIN", "45")
	t.Setenv("ALIASFLAT_SERIAL", "increment")
	t.Setenv("ALIASFLAT_RESOLVERS", "udp://192.0.2.53,tcp://192.0.2.54")
	t.Setenv("ALIASFLAT_INCLUDE_ROOT", "/srv/zones")
	t.Setenv("ALIASFLAT_TIMEOUT", "1m")
	t.Setenv("ALIASFLAT_LISTEN_HTTP", "[::1]:8053")
	t.Setenv("ALIASFLAT_LISTEN_HOSTS", "one.example,two.example")
	c := mustLoad(t, "")
	if c.Listen.HTTP != "[::1]:8053" || len(c.Listen.Hosts) != 2 {
		t.Errorf("listen: %+v", c.Listen)
	}
	if c.Settings.TTLMin == nil || *c.Settings.TTLMin != 45 {
		t.Errorf("ttl-min %v", c.Settings.TTLMin)
	}
	if got := c.Zones[0].Settings; got.Serial != "increment" || got.TTLMax == nil || *got.TTLMax != 60 {
		t.Errorf("zone has serial %s and ttl-max %v", got.Serial, got.TTLMax)
	}
	if len(c.Resolvers) != 2 || c.IncludeRoot != "/srv/zones" || c.Timeout != time.Minute {
		t.Errorf("resolvers %q, root %q, timeout %v", c.Resolvers, c.IncludeRoot, c.Timeout)
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string // place, code, message and hint
	}{
		{"misspelled key", "timeuot: 30s\n", `aliasflat.yaml:1:1 config-unknown-key unknown key "timeuot" (did you mean timeout?)`},
		{"misspelled zone key", "zones:\n  - source: a.zone\n    ouptut: a.db\n", `aliasflat.yaml:3:5 config-unknown-key unknown key "ouptut" (did you mean output?)`},
		{"key of another case", "Timeout: 30s\n", `aliasflat.yaml:1:1 config-unknown-key unknown key "Timeout" (did you mean timeout?)`},
		{"zone name as key", "zones:\n  example.com: {source: a.zone}\n", `aliasflat.yaml:2:3 config-value zones takes a list, not keys with values ()`},
		{"key at the wrong level", "output: a.db\n", `aliasflat.yaml:1:1 config-unknown-key unknown key "output" (output belongs into an entry of zones)`},
		{"top key in a zone", "zones:\n  - {source: a.zone, resolvers: [system]}\n", `aliasflat.yaml:2:22 config-unknown-key unknown key "resolvers" (resolvers belongs to the top of the file)`},
		{"key twice", "timeout: 1s\ntimeout: 2s\n", `aliasflat.yaml:2:1 config-unknown-key key "timeout" stands twice ()`},
		{"key of a later release", "listen: {quic: \"127.0.0.1:5353\"}\n", `aliasflat.yaml:1:10 config-unknown-key unknown key "quic" ()`},
		{"no port to listen on", "listen: {http: 127.0.0.1}\n", `aliasflat.yaml:1:16 config-value http: "127.0.0.1" is no address with a port (write it as 127.0.0.1:8053 or [::1]:8053)`},
		{"no path to listen on", "listen: {http: \"unix:\"}\n", `aliasflat.yaml:1:16 config-value http: "unix:" has no path (write it as /run/aliasflat/http.sock or unix:http.sock)`},
		{"https over a socket", "listen: {https: /run/https.sock}\n", `aliasflat.yaml:1:17 config-value https: "/run/https.sock" is no address with a port (write it as 127.0.0.1:8053 or [::1]:8053)`},
		{"listen is no address", "listen: 127.0.0.1:8053\n", `aliasflat.yaml:1:9 config-value keys with values belong here, not "127.0.0.1:8053" ()`},
		{"empty control socket", "listen: {control: \"\"}\n", `aliasflat.yaml:1:19 config-value control: the value is empty ()`},
		{"no YAML", "zones:\n\t- a\n", `aliasflat.yaml:2:1 config-syntax this is no YAML: found character that cannot start any token ()`},
		{"no mapping", "- a\n", `aliasflat.yaml:1:1 config-value keys with values belong here, not a list ()`},
		{"bad word", "siblings: fallbck\n", `aliasflat.yaml:1:11 config-value siblings: "fallbck" is none of error, fallback, override, merge (did you mean fallback?)`},
		{"bad duration", "max-stale: 3 days\n", `aliasflat.yaml:1:12 config-value max-stale: "3 days" is no duration (write seconds, or numbers with units as in 30s, 1h30m or 3d)`},
		{"keep", "keep: all\n", `aliasflat.yaml:1:7 config-value keep: "all" is no number from 0 to 1000 ()`},
		{"fraction of a TTL", "ttl-min: 1500ms\n", `aliasflat.yaml:1:10 config-value ttl-min: "1500ms" is no whole number of seconds ()`},
		{"bounds crossed", "ttl-max: 30\nttl-min: 60\n", `aliasflat.yaml:2:10 config-value ttl-min 60 is above ttl-max 30 ()`},
		{"bounds crossed over levels", "ttl-max: 30\nzones: [{source: a.zone, ttl-min: 60}]\n", `aliasflat.yaml:2:35 config-value ttl-min 60 is above ttl-max 30 ()`},
		{"column in bytes", "\"ü\": {x: 1}\n# ü\nfor: [a]\n", `aliasflat.yaml:1:1 config-unknown-key unknown key "ü" ()` + "\n" + `aliasflat.yaml:3:6 config-value for takes one value, not a list ()`},
		{"a network for no name", "deny-net:\n  - 10.0.0.0/8\n  - 10.0.0.0/8@a..b\n", `aliasflat.yaml:3:5 config-value deny-net: "10.0.0.0/8@a..b": "a..b" is no name (behind the @ stands the name that the targets lie at or below, as in 10.0.0.0/8@internal.example.)`},
		{"bits beyond the prefix", "allow-net: [192.0.2.1/24]\n", `aliasflat.yaml:1:13 config-value allow-net: "192.0.2.1/24" has bits set beyond its prefix (did you mean 192.0.2.0/24?)`},
		{"too many addresses", "max-addresses: 101\n", `aliasflat.yaml:1:16 config-value max-addresses: "101" is no number from 1 to 100 ()`},
		{"agree of none", "agree: 0\n", `aliasflat.yaml:1:8 config-value agree: "0" is no number from 1 to 16 ()`},
		{"bad agree-mode", "agree-mode: overlaps\n", `aliasflat.yaml:1:13 config-value agree-mode: "overlaps" is none of equal, overlap (did you mean overlap?)`},
		{"bad require-ad", "require-ad: perhaps\n", `aliasflat.yaml:1:13 config-value require-ad: "perhaps" is none of true, false ()`},
		{"bad fresh", "fresh: autoritative\n", `aliasflat.yaml:1:8 config-value fresh: "autoritative" is none of cached, authoritative (did you mean authoritative?)`},
		{"fresh in a zone", "zones: [{source: a.zone, fresh: cached}]\n", `aliasflat.yaml:1:26 config-unknown-key unknown key "fresh" (fresh belongs to the top of the file)`},
		{"bad rate", "rate: fast\n", `aliasflat.yaml:1:7 config-value rate: "fast" is neither auto nor a number of queries a second (auto adapts to resolvers in this network, and asks others 500 times a second at most)`},
		{"rate of nothing", "rate: 0\n", `aliasflat.yaml:1:7 config-value rate: "0" is neither auto nor a number of queries a second (auto adapts to resolvers in this network, and asks others 500 times a second at most)`},
		{"bad ecs", "zones: [{source: a.zone, ecs: here}]\n", `aliasflat.yaml:1:31 config-value ecs: "here" is no network (write an address and the length of its prefix, as in 198.51.100.0/24)`},
		{"bits beyond the ecs", "ecs: 198.51.100.7/24\n", `aliasflat.yaml:1:6 config-value ecs: "198.51.100.7/24" has bits set beyond its prefix (did you mean 198.51.100.0/24?)`},
		{"IPv4 in IPv6", "ecs: ::ffff:198.51.100.0/120\n", `aliasflat.yaml:1:6 config-value ecs: "::ffff:198.51.100.0/120" is an IPv4 network in an IPv6 one (write it as one of IPv4)`},
		{"serial of zero", "serial: 0\n", `aliasflat.yaml:1:9 config-value serial: "0" is no serial from 1 to 4294967295 ()`},
		{"bad name", "zones: [{name: a..b, source: a.zone}]\n", `aliasflat.yaml:1:16 config-value name: "a..b" is no zone name: empty label ()`},
		{"no source", "zones:\n  - name: example.com\n", `aliasflat.yaml:2:5 config-zone the zone has no source ()`},
		{"source from elsewhere", "zones: [{source: \"https://192.0.2.1/example.com\"}]\n", `aliasflat.yaml:1:18 config-value source: "https://192.0.2.1/example.com" is no file (a source is a zone file, a pattern such as zones/*.zone, or a zone of another primary as in axfr://192.0.2.1/example.com?key=xfr)`},
		{"bad strip-dnssec", "strip-dnssec: all\n", `aliasflat.yaml:1:15 config-value strip-dnssec: "all" is none of true, false ()`},
		{"name twice", "zones:\n- {name: example.com, source: a.zone}\n- {name: EXAMPLE.com., source: b.zone}\n", `aliasflat.yaml:3:3 config-zone zone example.com. stands twice (give each a view of its own)`},
		{"output twice", "zones:\n- {name: example.com, view: a, source: a.zone, output: x.db}\n- {name: example.com, view: b, source: b.zone, output: ./x.db}\n", `aliasflat.yaml:3:3 config-zone two zones have the output x.db ()`},
		{"lock twice", "zones:\n- {source: a.zone, lock: x.lock}\n- {source: b.zone, lock: x.lock}\n", `aliasflat.yaml:3:3 config-zone two zones have the lock file x.lock ()`},
		{"lock is a source", "zones: [{source: a.zone, lock: ./a.zone}]\n", `aliasflat.yaml:1:9 config-zone the lock file a.zone is a source ()`},
		{"lock is an output", "zones:\n- {source: a.zone, output: x}\n- {source: b.zone, lock: x}\n", `aliasflat.yaml:3:3 config-zone the lock file x is the output of a zone too ()`},
		{"lock is its own output", "zones: [{source: a.zone, output: x, lock: x}]\n", `aliasflat.yaml:1:9 config-zone the lock file x is the output of a zone too ()`},
		{"lock without a file", "zones: [{source: a.zone, lock: \"\"}]\n", `aliasflat.yaml:1:32 config-value lock: the value is empty ()`},
		{"state in a zone", "zones: [{source: a.zone, state: x}]\n", `aliasflat.yaml:1:26 config-unknown-key unknown key "state" (state belongs to the top of the file)`},
		{"lock at the top", "lock: x\n", `aliasflat.yaml:1:1 config-unknown-key unknown key "lock" (lock belongs into an entry of zones)`},
		{"output is a source", "zones: [{source: a.zone, output: ./a.zone}]\n", `aliasflat.yaml:1:9 config-zone the output a.zone is a source ()`},
		{"pattern without file", "zones: [{source: \"none/*.zone\"}]\n", `aliasflat.yaml:1:18 config-zone no file matches "none/*.zone" ()`},
		{"serial-from is no server", "zones: [{source: a.zone, serial-from: 192.0.2.1}]\n", `aliasflat.yaml:1:39 config-value serial-from: "192.0.2.1" is not dns://HOST[:PORT] (as in dns://192.0.2.1)`},
		{"verify-with is one command", "zones: [{source: a.zone, verify-with: [kzonecheck]}]\n", `aliasflat.yaml:1:40 config-value verify-with takes lists of arguments, not "kzonecheck" (write [["named-checkzone", "{zone}", "{file}"]])`},
		{"bad driver", "zones: [{source: a.zone, output: a.db, reload: bnd}]\n", `aliasflat.yaml:1:48 config-value driver: "bnd" is none of bind, nsd, knot, exec, none (did you mean bind?)`},
		{"bad key of reload", "zones: [{source: a.zone, output: a.db, reload: {driver: bind, sever: 127.0.0.1}}]\n", `aliasflat.yaml:1:63 config-unknown-key unknown key "sever" (did you mean server?)`},
		{"reload is a list", "zones: [{source: a.zone, output: a.db, reload: [bind]}]\n", `aliasflat.yaml:1:48 config-value keys with values belong here, not a list ()`},
		{"reload of no driver", "zones: [{source: a.zone, output: a.db, reload: {timeout: 3s}}]\n", `aliasflat.yaml:1:48 config-zone reload has no driver (write reload: {driver: bind, ...}, or nsd, knot or exec)`},
		{"server by name", "zones: [{source: a.zone, output: a.db, reload: {driver: nsd, server: localhost}}]\n", `aliasflat.yaml:1:70 config-value server: "localhost" is no address with a port (write it as 127.0.0.1:53 or [::1]:53)`},
		{"no time to reload", "zones: [{source: a.zone, output: a.db, reload: {driver: nsd, timeout: 0s}}]\n", `aliasflat.yaml:1:71 config-value timeout: nothing is done in no time ()`},
		{"exec of nothing", "zones: [{source: a.zone, output: a.db, reload: exec}]\n", `aliasflat.yaml:1:48 config-zone reload: exec has no command (write reload: {driver: exec, command: ["program", "argument"]})`},
		{"view of nsd", "zones: [{source: a.zone, output: a.db, reload: {driver: nsd, view: inside}}]\n", `aliasflat.yaml:1:68 config-zone reload: only bind has views ()`},
		{"serial keep and bind", "zones: [{source: a.zone, output: a.db, serial: keep, reload: bind}]\n", `aliasflat.yaml:1:48 config-zone serial: keep does not go with reload: bind, which takes a change under a later serial only (keep is for servers that number the zone themselves, such as Knot with zonefile-load: difference-no-serial)`},
		{"serial keep of all and nsd", "serial: keep\nzones: [{source: a.zone, output: a.db, reload: nsd}]\n", `aliasflat.yaml:2:48 config-zone serial: keep does not go with reload: nsd, which takes a change under a later serial only (keep is for servers that number the zone themselves, such as Knot with zonefile-load: difference-no-serial)`},
		{"reload of no file", "zones: [{source: a.zone, reload: knot, hooks: [[true]]}]\n", `aliasflat.yaml:1:34 config-zone reload needs an output, a file that the server reads ()` + "\n" + `aliasflat.yaml:1:47 config-zone hooks need an output, a file that was written ()`},
		{"hook is one command", "zones: [{source: a.zone, output: a.db, hooks: [notify]}]\n", `aliasflat.yaml:1:48 config-value hooks takes lists of arguments, not "notify" (write [["program", "argument"]])`},
		{"hook of nothing", "zones: [{source: a.zone, output: a.db, hooks: [[]]}]\n", `aliasflat.yaml:1:48 config-value hooks takes lists of arguments, not a list (write [["program", "argument"]])`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			setUp(t, test.text)
			c, list, err := Load("")
			if err != nil {
				t.Fatal(err)
			}
			if c != nil {
				t.Error("a configuration with mistakes was returned")
			}
			var lines []string
			for _, d := range list {
				lines = append(lines, fmt.Sprintf("%s %s %s (%s)", d.Span.Pos, d.Code, d.Message, d.Hint))
				if d.Source == "" {
					t.Error("the diagnostic has no source line")
				}
			}
			// Every mistake of the table is one line of want, so want is never empty.
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A client subnet that tells too much is a warning, where it stands.
func TestPrivacy(t *testing.T) {
	setUp(t, `
ecs: 198.51.100.128/25
zones:
  - {source: a.zone}
  - {source: b.zone, ecs: "2001:db8:1::/64"}
  - {source: c.zone, ecs: "2001:db8:1::/56"}
  - {source: d.zone, ecs: none}
`)
	c, list, err := Load("")
	if err != nil || c == nil {
		t.Fatal(list.Err(), err)
	}
	var got []string
	for _, d := range list {
		got = append(got, fmt.Sprintf("%s %s %s %s (%s)", d.Span.Pos, d.Severity, d.Code, d.Message, d.Hint))
	}
	want := []string{
		"aliasflat.yaml:2:6 warning config-privacy ecs: the servers of every target are told the network 198.51.100.128/25 (a prefix of 24 bits is enough for them: 198.51.100.0/24)",
		"aliasflat.yaml:5:27 warning config-privacy ecs: the servers of every target are told the network 2001:db8:1::/64 (a prefix of 56 bits is enough for them: 2001:db8:1::/56)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var nets []string
	for i := range c.Zones {
		nets = append(nets, c.Zones[i].Settings.ECS.String())
	}
	if want := "[198.51.100.128/25 2001:db8:1::/64 2001:db8:1::/56 invalid Prefix]"; fmt.Sprint(nets) != want {
		t.Errorf("got %s, want %s", nets, want)
	}
	t.Setenv("ALIASFLAT_ECS", "198.51.100.7/32")
	c, list, err = Load("")
	if err != nil || len(list) != 1 || list[0].Span.File != "ALIASFLAT_ECS" {
		t.Errorf("%v, %v", list, err)
	}
	if got := c.Zones[3].Settings.ECS.String(); got != "198.51.100.7/32" {
		t.Errorf("the variable does not win over the zone: %s", got)
	}
}

func TestEnvironmentMistake(t *testing.T) {
	setUp(t, "")
	t.Setenv("ALIASFLAT_SIBLINGS", "both")
	_, list, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if got := list.Err(); got == nil || !strings.HasPrefix(got.Error(), `ALIASFLAT_SIBLINGS: siblings: "both"`) {
		t.Errorf("got %v", got)
	}
}

// The nearest file wins, and one that is named must be there.
func TestSearch(t *testing.T) {
	setUp(t, "")
	write(t, "xdg/aliasflat/aliasflat.yaml", "include-root: z\n")
	if c := mustLoad(t, ""); c.IncludeRoot != filepath.Join(filepath.Dir(c.File), "z") || !strings.Contains(c.File, "xdg") {
		t.Errorf("file %q, root %q", c.File, c.IncludeRoot)
	}
	write(t, baseName, "timeout: 2s\n")
	if c := mustLoad(t, ""); c.Timeout != 2*time.Second {
		t.Errorf("the file beside was not read: %q", c.File)
	}
	write(t, "other/c.yaml", "timeout: 3s\nresolvers: [\"file:a.zone\", \"file:/srv/b.zone\"]\n")
	c := mustLoad(t, "other/c.yaml")
	if want := []string{"file:other/a.zone", "file:/srv/b.zone"}; c.Timeout != 3*time.Second || !cmp.Equal(c.Resolvers, want) {
		t.Errorf("timeout %v, resolvers %q", c.Timeout, c.Resolvers)
	}
	if _, _, err := Load("none.yaml"); !os.IsNotExist(unwrap(err)) {
		t.Errorf("error %v for a file that does not exist", err)
	}
	if _, _, err := Load("xdg"); err == nil {
		t.Error("a folder was read as a file")
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestPatterns(t *testing.T) {
	setUp(t, `
zones:
  - {name: example.com, source: zones/example.com.zone, output: out/one.db}
  - {source: "zones/*.zone", output: "out/{zone}.db"}
`)
	for _, name := range []string{"example.com", "example.net", "example.org"} {
		write(t, "zones/"+name+".zone", "")
	}
	c := mustLoad(t, "")
	var got []string
	for i := range c.Zones {
		got = append(got, c.Zones[i].Source+" "+c.Zones[i].Output)
	}
	want := []string{
		"zones/example.com.zone out/one.db",
		"zones/example.net.zone out/{zone}.db",
		"zones/example.org.zone out/{zone}.db",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if found := c.Find(func(s string) bool { return s == "zones/example.net.zone" }); len(found) != 1 {
		t.Errorf("Find gave %d zones", len(found))
	}

	write(t, baseName, "zones: [{source: \"zones/*.zone\", output: out.db}]\n")
	_, list, err := Load("")
	if err != nil || len(list) != 1 || list[0].Code != diag.CodeConfigZone {
		t.Errorf("one output for three sources: %v, %v", list.Err(), err)
	}
	write(t, baseName, "zones: [{name: example.com, source: \"zones/*.zone\"}]\n")
	if _, list, _ = Load(""); len(list) != 1 || !strings.Contains(list[0].Message, "cannot all have one name") {
		t.Errorf("one name for a pattern: %v", list.Err())
	}
}

func TestOutputFor(t *testing.T) {
	z := Zone{Output: "out/{zone}.db"}
	for name, want := range map[string]string{
		"Example.COM.":               "out/example.com.db",
		".":                          "out/root.db",
		"0/25.2.0.192.in-addr.test.": "out/0%2F25.2.0.192.in-addr.test.db",
		`\.\..test.`:                 "out/%5C.%5C..test.db",
	} {
		if got := z.OutputFor(zone.MustParseName(name)); got != want {
			t.Errorf("OutputFor(%s) = %s, want %s", name, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "30s": 30 * time.Second, "3d": 72 * time.Hour, "1w2d": 9 * 24 * time.Hour,
		"1h30m": 90 * time.Minute, "1H": time.Hour, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "h", "-1s", "1y", "1h30", "1 h", "99999999999999999999", "9999999999999999999w", "∞"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
	if _, err := parseTTL("2147483648"); err == nil {
		t.Error("a TTL of 2^31 passed")
	}
}
