package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

const (
	pullKey    = "xfr"
	pullSecret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// pulledZone is a zone for a primary, large enough that a transfer takes many messages. Its ALIAS is
// written as each server reads it.
func pulledZone(serial int, alias, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster.example.com. %d 7200 900 1209600 300\n@ NS ns1.example.net.\n@ %s\n%s\n", serial, alias, more)
	for i := range 12000 {
		fmt.Fprintf(&b, "host%d TXT \"some text that takes its room in a message, number %d\"\n", i, i)
	}
	return b.String()
}

// A zone of PowerDNS with ALIAS, and one of BIND, Knot and NSD with its generic form, is pulled by
// TSIG, flattened and served to NSD; a change at the primary, of which it sends NOTIFY, arrives
// there in seconds, and so does a move of the target.
func TestWatchPulls(t *testing.T) {
	t.Parallel()
	for program, alias := range map[string]string{
		"pdns_server": "ALIAS cdn.example.net.",
		"named":       `TYPE65401 \# 17 0363646e076578616d706c65036e657400`,
		"knotd":       `TYPE65401 \# 17 0363646e076578616d706c65036e657400`,
		"nsd":         `TYPE65401 \# 17 0363646e076578616d706c65036e657400`,
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			testPull(t, program, alias)
		})
	}
}

func testPull(t *testing.T, program, alias string) {
	t.Helper()
	resolver, dir := dnstest.Start(t, "cdn.example.net. 1 IN A 192.0.2.1\n"), t.TempDir()
	put(t, dir, "xfr.key", pullSecret+"\n")
	if err := os.Chmod(filepath.Join(dir, "xfr.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The primary has to know where to send NOTIFY, and the daemon where the primary is: a daemon
	// with a zone of its own finds a port before either is known.
	const other = "zones:\n  - source: other.zone\n"
	configure := func(listen, zones string) {
		put(t, dir, "aliasflat.yaml", fmt.Sprintf("listen: {dns: \"%s\"}\nstate: state\nresolvers: [\"%s\"]\nrefresh-floor: 1s\n"+
			"keys: [{name: xfr, algorithm: hmac-sha256, secret-file: xfr.key}]\nsecondaries: [{address: \"127.0.0.9:53\", key: xfr}]\n%s", listen, resolver.URL(), zones))
	}
	put(t, dir, "other.zone", "$ORIGIN example.org.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 1 7200 900 1209600 300\n@ NS ns1.example.net.\n")
	configure("127.0.0.1:0", other)
	d := startWatch(t, dir)
	at := regexp.MustCompile(`DNS at 127\.0\.0\.1:([0-9]+)`)
	until(t, "the port", func() bool { return at.MatchString(d.log.String()) })
	listen := "127.0.0.1:" + at.FindStringSubmatch(d.log.String())[1]
	if err := d.stop(t); err != nil {
		t.Fatalf("%v\n%s", err, d.log)
	}

	file := put(t, dir, "primary.zone", pulledZone(7, alias, ""))
	p := judge.Primary{Program: program, Zone: "example.com.", File: file, Key: pullKey, Secret: pullSecret, Notify: listen}
	server := p.Start(t)
	secondary := judge.Secondary{Program: "nsd", Primary: listen, Zones: []string{"example.com."}, Key: pullKey, Secret: pullSecret}
	fed := secondary.Start(t)
	configure(listen, here(t, shown(t, "yaml pull"), "192.0.2.1", server.Addr, "/var/lib/nsd/example.com.db", "flat.db")+
		fmt.Sprintf("    secondaries: [{address: \"%s\", key: xfr}]\n", fed.Addr))
	d = startWatch(t, dir)
	told := func(what string) { t.Logf("%s\n%s\n%s", what, d.log, server.Log()) }
	defer func() {
		if t.Failed() {
			told("failed")
		}
	}()
	until(t, "it is served on", func() bool { return serves(t, fed, "example.com.", "192.0.2.1") })
	// NSD cuts connections while it puts another process in the place of the old one.
	serial := func(want uint32) {
		t.Helper()
		until(t, fmt.Sprint("serial ", want), func() bool { return soaOf(t, fed, "example.com.") == want })
	}
	serial(7)

	// A change at the primary.
	put(t, dir, "primary.zone", pulledZone(8, alias, "new A 198.51.100.7"))
	began := time.Now()
	p.Reload(t, server)
	until(t, "the change arrives", func() bool { return serves(t, fed, "new.example.com.", "198.51.100.7") })
	t.Logf("%s: a change took %s", program, time.Since(began).Round(time.Millisecond))
	serial(8)
	until(t, "the addresses are as before", func() bool { return serves(t, fed, "example.com.", "192.0.2.1") })
	flat, err := os.ReadFile(filepath.Join(dir, "flat.db"))
	if err != nil || strings.Contains(string(flat), "IN ALIAS") || strings.Contains(string(flat), "TYPE65401") || strings.Count(string(flat), "some text that takes its room") != 12000 {
		t.Errorf("the output is not as it should be: %v, %d bytes", err, len(flat))
	}
	// BIND and Knot keep differences.
	incremental := strings.Contains(d.log.String(), "what has changed from axfr://")
	if wants := program == "named" || program == "knotd"; incremental != wants {
		t.Errorf("transferred what has changed: %t", incremental)
	}
	// A move of the target, and a change behind it, whose serial is not later than the published one.
	if err := resolver.SetWorld("cdn.example.net. 1 IN A 192.0.2.2\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "the move arrives", func() bool { return serves(t, fed, "example.com.", "192.0.2.2") })
	put(t, dir, "primary.zone", pulledZone(9, alias, "newer A 198.51.100.8"))
	p.Reload(t, server)
	until(t, "the second change arrives", func() bool { return serves(t, fed, "newer.example.com.", "198.51.100.8") })
	serial(10)
	if strings.Contains(d.log.String(), pullSecret) {
		t.Error("the secret is in the log")
	}
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}
