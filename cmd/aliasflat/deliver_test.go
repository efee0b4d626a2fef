package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

func TestChangedRRsets(t *testing.T) {
	read := func(text string) *zonefile.Zone {
		return zonefile.Read("zone", []byte(text), zonefile.Options{Origin: zone.MustParseName("example.com.")})
	}
	const old = "$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\nwww A 192.0.2.2\nold TXT x\n"
	for name, test := range map[string]struct {
		now  string
		want []string
	}{
		"nothing":        {old, []string{}},
		"the serial":     {strings.Replace(old, " 7 ", " 8 ", 1), []string{}},
		"another of SOA": {strings.Replace(old, "7200", "7201", 1), []string{"example.com. SOA"}},
		"an order":       {strings.Replace(old, "www A 192.0.2.1\nwww A 192.0.2.2", "www A 192.0.2.2\nwww A 192.0.2.1", 1), []string{}},
		"a TTL":          {strings.Replace(old, "ns A", "ns 60 A", 1), []string{"ns.example.com. A"}},
		"one gone, one changed, one come": {
			strings.Replace(old, "192.0.2.2\nold TXT x", "192.0.2.3\nnew AAAA 2001:db8::1", 1),
			[]string{"new.example.com. AAAA", "old.example.com. TXT", "www.example.com. A"},
		},
	} {
		if diff := cmp.Diff(test.want, changedRRsets(read(old), read(test.now))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := changedRRsets(read(""), read(old)); len(got) != 5 {
		t.Errorf("a first file changes %q", got)
	}
}
