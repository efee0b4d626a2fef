package resolve

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// When all resolvers fail, the load on them falls instead of growing.
func TestIncidentAzure20210401(t *testing.T) {
	for _, name := range []string{"failure-cache-storm", "breaker-all-dead", "breaker-all-dead-and-back"} {
		path := filepath.Join(scenarioDir, name+".txt")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScenario(path, data)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, s.run)
	}
}

// The library is a version whose random numbers nobody guesses, those of queries are
// not guessed either, and a TA record without its fields is an error like others.
func TestIncidentMiekg(t *testing.T) {
	const first = 73 // of 1.1.x
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s*github\.com/miekg/dns v1\.1\.(\d+)$`).FindSubmatch(mod)
	if found == nil {
		t.Fatal("go.mod has no version 1.1 of the library; read about the later one")
	}
	if patch, err := strconv.Atoi(string(found[1])); err != nil || patch < first {
		t.Errorf("version 1.1.%s, want 1.1.%d at least", found[1], first)
	}

	const zoneText = "$TTL 300\n@ SOA ns x 1 2 3 4 5\n@ NS ns.example.net.\n@ TA"
	for _, fields := range []string{"", " 1", " 1 x", " 1 5 1 \\", " ( )"} {
		_, _ = dns.NewRR("example.com. TA" + fields) // it may take it or not, but not panic
		z := zonefile.Read("zone", []byte(zoneText+fields+"\n"), zonefile.Options{Origin: zone.MustParseName("example.com.")})
		if !z.Found.HasErrors() {
			t.Errorf("TA%s was read without an error", fields)
		}
	}

	server := dnstest.Start(t, "example.net. 300 IN SOA ns.example.net. x.example.net. 1 2 3 4 5\n*.example.net. 60 IN A 192.0.2.1\n")
	c := newClient(t, Options{}, server.URL())
	const targets = 200
	for i := range targets {
		if a := c.Lookup(t.Context(), zone.MustParseName("t"+strconv.Itoa(i)+".example.net."), dns.TypeA); a.Outcome != Addresses {
			t.Fatal(short(a))
		}
	}
	ids, steps := map[uint16]bool{}, map[uint16]int{}
	last := uint16(0)
	for _, q := range server.Queries() {
		ids[q.ID] = true
		steps[q.ID-last]++
		last = q.ID
	}
	// 200 of 65,536 have 0.3 pairs; that 10 are twice there does not happen by chance.
	if len(ids) < targets-10 {
		t.Errorf("%d identifiers in %d queries", len(ids), targets)
	}
	for step, n := range steps {
		if n > 5 {
			t.Errorf("identifiers are %d apart %d times", step, n)
		}
	}
}
