package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// shown is a block of the README, by the words behind its fence.
func shown(t *testing.T, words string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```" + regexp.QuoteMeta(words) + "\n(.*?)^```$").FindSubmatch(readme)
	if block == nil {
		t.Fatalf("the README has no block %q", words)
	}
	return string(block[1])
}

// here puts what is on this machine in place of what a text says, each of which must be there.
func here(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("no %q in\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// BIND, NSD and Knot, as the README sets them up at three addresses, follow the daemon as it shows it, through moves
// of a target, a new configuration and a restart.
func TestWatchFeedsSecondaries(t *testing.T) {
	t.Parallel()
	world := func(i int) string { return fmt.Sprintf("cdn.example.net. 1 IN A 192.0.2.%d\n", i) }
	resolver, dir := dnstest.Start(t, world(1)), t.TempDir()
	// What has changed is transferred alone where that is less than the whole.
	put(t, dir, "example.com.zone", "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net.\n$GENERATE 1-50 host$ A 198.51.100.$\n")
	command, _, _ := strings.Cut(strings.TrimPrefix(firstLine(t, "aliasflat tsig generate"), "aliasflat "), " #")
	if out, err := program(t, dir, strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "xfr.key"))
	if err != nil {
		t.Fatal(err)
	}
	configure := func(listen string, secondaries ...string) {
		text := here(t, shown(t, "yaml feed"), "192.0.2.1:53", listen, "/var/lib/aliasflat", "state")
		const one = "  - {address: \"192.0.2.54:53\", key: xfr}\n"
		all := ""
		for _, address := range secondaries {
			all += here(t, one, "192.0.2.54:53", address)
		}
		put(t, dir, "aliasflat.yaml", here(t, text, one, all)+"resolvers: [\""+resolver.URL()+"\"]\nrefresh-floor: 1s\n")
	}
	configure("127.0.0.1:0", "127.0.0.9:53")
	d := startWatch(t, dir)
	at := regexp.MustCompile(`DNS at 127\.0\.0\.1:([0-9]+)`)
	until(t, "the port", func() bool { return at.MatchString(d.log.String()) })
	port := at.FindStringSubmatch(d.log.String())[1]

	var servers []*judge.Server
	var addresses []string
	// Each has an address of its own, from which it transfers: which one it is counts. BIND takes no
	// address that no interface has.
	for _, s := range []judge.Secondary{
		{Program: "named", Config: here(t, shown(t, "conf named"), "192.0.2.1 key", "127.0.0.1 port "+port+" key")},
		{Program: "nsd", Host: "127.0.0.3", Config: here(t, shown(t, "conf nsd"), "allow-notify: 192.0.2.1", "allow-notify: 127.0.0.1",
			"request-xfr: 192.0.2.1", "outgoing-interface: 127.0.0.3\n    request-xfr: 127.0.0.1@"+port)},
		{Program: "knotd", Host: "127.0.0.4", Config: here(t, shown(t, "yaml knotd"), "address: 192.0.2.1", "via: 127.0.0.4\n    address: 127.0.0.1@"+port)},
	} {
		s.Primary, s.Config = "127.0.0.1:"+port, here(t, s.Config, "SECRET", strings.TrimSpace(string(secret)))
		server := s.Start(t)
		servers, addresses = append(servers, server), append(addresses, server.Addr)
	}
	configure("127.0.0.1:0", addresses...)
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	last := make([]uint32, len(servers))
	follow := func(i int) {
		t.Helper()
		address := fmt.Sprint("192.0.2.", i)
		if err := resolver.SetWorld(world(i)); err != nil {
			t.Fatal(err)
		}
		for k, s := range servers {
			until(t, s.Name+" serves "+address, func() bool { return serves(t, s, "example.com.", address) })
			serial := soaOf(t, s, "example.com.")
			if serial <= last[k] {
				t.Errorf("%s: serial %d behind %d", s.Name, serial, last[k])
			}
			last[k] = serial
		}
	}
	for i := 1; i <= 4; i++ {
		follow(i)
	}
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
	configure("127.0.0.1:"+port, addresses...)
	d = startWatch(t, dir)
	follow(5)
	until(t, "three transfers of what has changed", func() bool { return strings.Count(d.log.String(), "what has changed to 127.0.0.") >= 3 })
	if strings.Contains(d.log.String(), "message=\"whole to ") {
		t.Errorf("it is transferred as a whole behind a restart:\n%s", d.log)
	}
	if strings.Contains(d.log.String(), strings.TrimSpace(string(secret))) {
		t.Error("the secret is in the log")
	}
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}

// firstLine is the first line of the README that begins with some words.
func firstLine(t *testing.T, words string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, words) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("the README has no line %q", words)
	return ""
}
