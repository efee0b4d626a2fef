package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// The configurations of the daemon in examples/watch, each beside the server that it is for: a
// target moves, a source is edited, and the server serves both, under serials that rise.
func TestWatchExamples(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		start   func(testing.TB, map[string]judge.Steered) *judge.Server
		options string
		folder  string
		tool    string
	}{
		"bind.yaml": {judge.StartSteeredNamed, "ixfr-from-differences yes;", "/var/lib/bind", "[rndc]"},
		"nsd.yaml":  {judge.StartSteeredNSD, "\tstore-ixfr: yes\n\tcreate-ixfr: yes\n", "/var/lib/nsd/zones", "[nsd-control]"},
		"knot.yaml": {judge.StartSteeredKnot, "    zonefile-sync: -1\n    zonefile-load: difference\n", "/var/lib/knot-zones", "[knotc]"},
	}
	found, err := filepath.Glob(filepath.Join(root(t), "examples/watch/*.yaml"))
	if err != nil || len(found) != len(tests) {
		t.Fatalf("%q, %v", found, err)
	}
	for _, path := range found {
		test, ok := tests[filepath.Base(path)]
		if !ok {
			t.Errorf("%s has no test", path)
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			resolver, dir := dnstest.Start(t, "cdn.example.net. 1 IN A 192.0.2.1\n"), t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "zones"), 0o755); err != nil {
				t.Fatal(err)
			}
			source := "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n@ ALIAS cdn.example.net.\n"
			put(t, dir, "zones/example.com.zone", source)
			// local puts what is here in place of what the example names; each of it is there.
			local := func(pairs ...string) {
				t.Helper()
				here := string(text)
				for i := 0; i < len(pairs); i += 2 {
					if !strings.Contains(here, pairs[i]) {
						t.Fatalf("%s has no %q", path, pairs[i])
					}
					here = strings.ReplaceAll(here, pairs[i], pairs[i+1])
				}
				put(t, dir, "aliasflat.yaml", here)
			}
			here := []string{
				"udp://127.0.0.1:5300", resolver.URL(), test.folder, dir, "/var/lib/aliasflat", filepath.Join(dir, "state"),
				"/run/aliasflat", dir,
			}
			local(append(here, "reload: {", "reload: none #")...)
			if out, err := program(t, dir, "compile").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			server := test.start(t, map[string]judge.Steered{"example.com": {File: filepath.Join(dir, "example.com.db"), Options: test.options}})
			server.WaitReady(t, "example.com.")
			local(append(here, `"127.0.0.1:53"`, `"`+server.Addr+`"`, test.tool, `["`+strings.Join(server.Control, `", "`)+`"]`)...)
			d := startWatch(t, dir, "--refresh-floor", "1s")
			last := soaOf(t, server, "example.com.")
			for i := 2; i <= 4; i++ {
				address := fmt.Sprint("192.0.2.", i)
				if err := resolver.SetWorld("cdn.example.net. 1 IN A " + address + "\n"); err != nil {
					t.Fatal(err)
				}
				until(t, address, func() bool { return serves(t, server, "example.com.", address) })
				serial := soaOf(t, server, "example.com.")
				if serial <= last {
					t.Errorf("serial %d behind %d", serial, last)
				}
				last = serial
			}
			put(t, dir, "zones/example.com.zone", source+"mail A 192.0.2.25\n")
			until(t, "the edit", func() bool { return serves(t, server, "mail.example.com.", "192.0.2.25") })
			if out, err := program(t, dir, "status").CombinedOutput(); err != nil || !strings.Contains(string(out), "published") {
				t.Errorf("%v: %s", err, out)
			}
			if err := d.stop(t); err != nil || strings.Contains(d.log.String(), "level=ERROR") {
				t.Errorf("%v: %s", err, d.log)
			}
		})
	}
}
