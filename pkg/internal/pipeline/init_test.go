package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// printed is what init prints in a folder.
func printed(t *testing.T, dir string, arguments ...string) string {
	t.Helper()
	cmd := program(t, dir, append([]string{"init"}, arguments...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("init %q: %v", arguments, err)
	}
	return string(out)
}

// What the README shows for secondaries is what init prints for the configuration that it shows,
// and the other files are those that are tested elsewhere.
func TestInitPrintsWhatIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "aliasflat.yaml", shown(t, "yaml feed"))
	put(t, dir, "example.com.zone", "$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n")
	for words, flag := range map[string]string{"conf named": "--bind", "conf nsd": "--nsd", "yaml knotd": "--knot"} {
		if got, want := printed(t, dir, flag), shown(t, words); got != want {
			t.Errorf("init %s prints\n%s\nand the README shows\n%s", flag, got, want)
		}
	}
	for file, arguments := range map[string][]string{"deploy/aliasflat.yaml": nil, "deploy/aliasflat.service": {"--systemd"}, "ci/github.yml": {"--github"}} {
		want, err := os.ReadFile(filepath.Join(root(t), "examples", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if got := printed(t, dir, arguments...); got != string(want) {
			t.Errorf("init %q is not %s", arguments, file)
		}
	}
}

// What init prints is what each program takes, whatever the names, addresses and keys.
func TestInitIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	put(t, dir, "a.zone", "@ SOA ns1.example.net. hostmaster.example.net. 7 7200 900 1209600 300\n")
	names := []string{"example.com", ".", "0/25.2.0.192.in-addr.arpa", "0_25.2.0.192.in-addr.arpa", "*.b.test", `a\"b.test`, `a\032b.test`, "a#b.test", `a\;b.test`, "a'b:.test", `a\.b.test`, `\228\(.test`, `a\\b.test`, "-.test"}
	zones := "zones:\n"
	for _, name := range names {
		zones += fmt.Sprintf("  - {source: a.zone, name: %q}\n", name)
	}
	for what, head := range map[string]string{
		"IPv4":        "listen: {dns: \"192.0.2.1:53\"}\nsecondaries: [{address: \"192.0.2.54:53\", key: xfr}]\nkeys: [{name: xfr, secret-file: xfr.key}]\n",
		"IPv6":        "listen: {dns: \"[2001:db8::1]:5353\"}\nsecondaries: [{address: \"[2001:db8::54]:53\", key: -1.x_y}]\nkeys: [{name: -1.x_y, algorithm: hmac-sha512, secret-file: xfr.key}]\n",
		"no key":      "listen: {dns: \"192.0.2.1:5353\"}\nsecondaries: [{address: \"192.0.2.54:53\", key: none}]\n",
		"a catalog":   "listen: {dns: \"192.0.2.1:53\"}\nsecondaries: [{address: \"192.0.2.54:53\", key: xfr}]\nkeys: [{name: xfr, secret-file: xfr.key}]\ncatalog: catalog.example\n",
		"odd catalog": "listen: {dns: \"[2001:db8::1]:5353\"}\nsecondaries: [{address: \"192.0.2.54:53\", key: none}]\ncatalog: 'a#\\\"b.example'\n",
	} {
		put(t, dir, "aliasflat.yaml", head+"state: state\n"+zones)
		for _, server := range []struct{ flag, zone, placed, own, tool, arguments string }{
			{"--bind", "\nzone ", "\"SECRET\"", "\"" + secret + "\"", "named-checkconf", ""},
			{"--nsd", "\nzone:", "\"SECRET\"", "\"" + secret + "\"", "nsd-checkconf", ""},
			{"--knot", "\n  - domain: ", "secret: SECRET", "secret: \"" + secret + "\"", "knotc", "conf-check"},
		} {
			text := printed(t, dir, server.flag)
			if strings.Contains(head, "keys") {
				text = here(t, text, server.placed, server.own)
			}
			want := len(names)
			if strings.Contains(head, "catalog") && server.flag != "--nsd" {
				want = 1
			}
			if n := strings.Count(text, server.zone); n != want {
				t.Errorf("%s, %s: %d zones, want %d, in\n%s", what, server.flag, n, want, text)
			}
			file := put(t, dir, "taken.conf", text)
			if server.arguments == "" {
				output(t, server.tool, file)
			} else {
				output(t, server.tool, "-c", file, server.arguments)
			}
		}
	}
}

// The unit is one for systemd, and the others are YAML with what those who read them look for.
func TestInitFilesAreTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unit := here(t, printed(t, dir, "--systemd"), "/usr/bin/aliasflat", filepath.Join(programs, "aliasflat"))
	if said := output(t, "systemd-analyze", "verify", "--man=no", put(t, dir, "aliasflat.service", unit)); strings.Contains(said, "aliasflat.service:") {
		t.Errorf("systemd says: %s", said)
	}
	put(t, dir, "example.com.zone", "$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n")
	for key, arguments := range map[string][]string{"jobs": {"--github"}, "state": nil, "zones": {"example.com.zone"}} {
		var content map[string]any
		if err := yaml.Unmarshal([]byte(printed(t, dir, arguments...)), &content); err != nil || content[key] == nil {
			t.Errorf("init %q: %v, %v", arguments, content, err)
		}
	}
}

// BIND and Knot, as init has them configured, take their zones from the catalog, those too that
// come later, and let go of those that go.
func TestInitCatalog(t *testing.T) {
	t.Parallel()
	resolver, dir := dnstest.Start(t, "cdn.example.net. 1 IN A 192.0.2.1\n"), t.TempDir()
	zone := func(name string) {
		put(t, dir, name+".zone", "$ORIGIN "+name+".\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net.\n")
	}
	names := []string{"one.test", "two.test"}
	for _, name := range names {
		zone(name)
	}
	if out, err := program(t, dir, "tsig", "generate", "xfr").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "xfr.key"))
	if err != nil {
		t.Fatal(err)
	}
	configure := func(listen string, secondaries ...string) {
		text := "listen: {dns: \"" + listen + "\"}\nstate: state\ncatalog: catalog.example\nkeys: [{name: xfr, algorithm: hmac-sha256, secret-file: xfr.key}]\nsecondaries:\n"
		for _, address := range secondaries {
			text += fmt.Sprintf("  - {address: %q, key: xfr, catalog: true}\n", address)
		}
		put(t, dir, "aliasflat.yaml", text+"zones: [{source: \"*.zone\"}]\nresolvers: [\""+resolver.URL()+"\"]\nrefresh-floor: 1s\n")
	}
	configure("127.0.0.1:0", "127.0.0.9:53")
	d := startWatch(t, dir)
	at := regexp.MustCompile(`DNS at 127\.0\.0\.1:([0-9]+)`)
	until(t, "the port", func() bool { return at.MatchString(d.log.String()) })
	primary := "127.0.0.1:" + at.FindStringSubmatch(d.log.String())[1]

	secretIn := func(text string) string {
		return here(t, text, "\"SECRET\"", "\""+strings.TrimSpace(string(secret))+"\"")
	}
	bind := secretIn(printed(t, dir, "--bind", "--primary", primary))
	options := regexp.MustCompile(`(?s)# This stands in the one options.*?\noptions \{\n(.*?)\n\};\n`).FindStringSubmatch(bind)
	if options == nil {
		t.Fatalf("no options in\n%s", bind)
	}
	knot := here(t, printed(t, dir, "--knot", "--primary", primary), "secret: SECRET", "secret: "+strings.TrimSpace(string(secret)),
		"template:\n  - id: aliasflat\n", "template:\n  - id: aliasflat\n    storage: "+t.TempDir()+"\n")
	servers := []*judge.Server{
		(&judge.Secondary{Program: "named", Primary: primary, Config: strings.Replace(bind, options[0], "", 1), Options: options[1] + "\n"}).Start(t),
		(&judge.Secondary{Program: "knotd", Primary: primary, Config: knot}).Start(t),
	}
	anew := func() {
		t.Helper()
		configure("127.0.0.1:0", servers[0].Addr, servers[1].Addr)
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	anew()
	follow := func(names ...string) {
		t.Helper()
		for _, s := range servers {
			for _, name := range names {
				until(t, s.Name+" serves "+name, func() bool { return serves(t, s, name+".", "192.0.2.1") })
			}
		}
	}
	follow(names...)
	for _, server := range servers {
		has := regexp.MustCompile(`(?m)^catalog\.example +([0-9]+) +` + server.Addr + ` +([0-9]+) +-$`)
		until(t, server.Name+" has the catalog, and says so", func() bool {
			out, _ := program(t, dir, "status", "--state", "state").CombinedOutput() // its exit status tells of lags, too
			serials := has.FindSubmatch(out)
			return serials != nil && string(serials[1]) == string(serials[2])
		})
	}
	zone("three.test")
	anew()
	follow("three.test")
	if err := os.Remove(filepath.Join(dir, "two.test.zone")); err != nil {
		t.Fatal(err)
	}
	anew()
	for _, server := range servers {
		until(t, server.Name+" lets go of two.test", func() bool { return !serves(t, server, "two.test.", "192.0.2.1") })
	}
	follow("one.test", "three.test")
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}
