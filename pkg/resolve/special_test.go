package resolve

import (
	"net/netip"
	"slices"
	"testing"
)

// decisions is what is decided for each block of the registries, whose version is below.
// Whoever takes over a newer version decides about its new rows here.
const decidedFor = "2025-10-09"

var decisions = map[string]verdict{
	// IANA IPv4 Special-Purpose Address Registry.
	"0.0.0.0/8":          refused,
	"0.0.0.0/32":         refused,
	"10.0.0.0/8":         reported,
	"100.64.0.0/10":      reported,
	"127.0.0.0/8":        refused,
	"169.254.0.0/16":     refused,
	"172.16.0.0/12":      reported,
	"192.0.0.0/24":       refused,
	"192.0.0.0/29":       refused,
	"192.0.0.8/32":       refused,
	"192.0.0.9/32":       refused,
	"192.0.0.10/32":      refused,
	"192.0.0.170/32":     refused,
	"192.0.0.171/32":     refused,
	"192.0.2.0/24":       passes,
	"192.31.196.0/24":    passes,
	"192.52.193.0/24":    passes,
	"192.88.99.0/24":     passes,
	"192.88.99.2/32":     reported,
	"192.168.0.0/16":     reported,
	"192.175.48.0/24":    passes,
	"198.18.0.0/15":      reported,
	"198.51.100.0/24":    passes,
	"203.0.113.0/24":     passes,
	"240.0.0.0/4":        refused,
	"255.255.255.255/32": refused,
	// IANA IPv6 Special-Purpose Address Registry.
	"::1/128":           refused,
	"::/128":            refused,
	"::ffff:0.0.0.0/96": refused,
	"64:ff9b::/96":      passes,
	"64:ff9b:1::/48":    reported,
	"100::/64":          refused,
	"100:0:0:1::/64":    reported,
	"2001::/23":         reported,
	"2001::/32":         passes,
	"2001:1::1/128":     passes,
	"2001:1::2/128":     passes,
	"2001:1::3/128":     passes,
	"2001:2::/48":       reported,
	"2001:3::/32":       passes,
	"2001:4:112::/48":   passes,
	"2001:10::/28":      reported,
	"2001:20::/28":      passes,
	"2001:30::/28":      passes,
	"2001:db8::/32":     passes,
	"2002::/16":         passes,
	"2620:4f:8000::/48": passes,
	"3fff::/20":         passes,
	"5f00::/16":         reported,
	"fc00::/7":          reported,
	"fe80::/10":         refused,
	// Other documents.
	"224.0.0.0/4": refused,
	"::/96":       refused,
	"fec0::/10":   refused,
	"ff00::/8":    refused,
}

func TestRegistries(t *testing.T) {
	if registryDate != decidedFor {
		t.Errorf("the tables are of %s, the decisions of %s", registryDate, decidedFor)
	}
	// The registry has the two addresses for DNS64 discovery in one of its 25 rows.
	if len(registry4()) != 26 || len(registry6()) != 25 {
		t.Errorf("%d and %d rows", len(registry4()), len(registry6()))
	}
	all := slices.Concat(registry4(), registry6(), unregistered())
	if len(all) != len(decisions) {
		t.Errorf("%d rows and %d decisions", len(all), len(decisions))
	}
	seen := map[netip.Prefix]bool{}
	for i := range all {
		b := &all[i]
		want, decided := decisions[b.prefix.String()]
		switch {
		case !decided:
			t.Errorf("%s %s: nobody decided what becomes of it", b.prefix, b.name)
		case b.verdict != want:
			t.Errorf("%s %s: verdict %d, want %d", b.prefix, b.name, b.verdict, want)
		case seen[b.prefix], b.prefix != b.prefix.Masked(), b.name == "", b.rfc == "", b.reach == 0, (b.what == "") != (b.verdict == passes):
			t.Errorf("%s %s: the row is twice there, or not whole", b.prefix, b.name)
		}
		seen[b.prefix] = true
		// What only some can reach is told of, but for the addresses of examples.
		if b.reach == reachNo && b.verdict == passes && b.name[:13] != "Documentation" {
			t.Errorf("%s %s is not globally reachable and passes", b.prefix, b.name)
		}
		if found := blockOf(b.prefix.Addr()); found == nil || found.prefix.Bits() < b.prefix.Bits() {
			t.Errorf("%s %s is not found", b.prefix, b.name)
		}
	}
}

// The edges of what is refused: the last address of each block, and the one behind it.
func TestBlockOf(t *testing.T) {
	tests := []struct {
		addr string
		want string // the block; empty for none
	}{
		{"0.255.255.255", "0.0.0.0/8"},
		{"1.0.0.0", ""},
		{"126.255.255.255", ""},
		{"127.255.255.255", "127.0.0.0/8"},
		{"128.0.0.0", ""},
		{"192.0.0.255", "192.0.0.0/24"},
		{"192.0.0.9", "192.0.0.9/32"},
		{"192.0.1.0", ""},
		{"172.31.255.255", "172.16.0.0/12"},
		{"172.32.0.0", ""},
		{"100.127.255.255", "100.64.0.0/10"},
		{"100.128.0.0", ""},
		{"223.255.255.255", ""},
		{"239.255.255.255", "224.0.0.0/4"},
		{"254.0.0.0", "240.0.0.0/4"},
		{"::ffff:ffff", "::/96"},
		{"::1:0:0", ""},
		{"::ffff:198.51.100.1", "::ffff:0.0.0.0/96"},
		{"100::ffff:ffff:ffff:ffff", "100::/64"},
		{"100:0:0:2::", ""},
		{"2001::", "2001::/32"},
		{"2001:1ff::", "2001::/23"},
		{"2001:200::", ""},
		{"2606:4700::", ""},
		{"fdff::", "fc00::/7"},
		{"febf::", "fe80::/10"},
		{"feff::", "fec0::/10"},
		{"ff02::1", "ff00::/8"},
	}
	for _, tt := range tests {
		got := ""
		if b := blockOf(netip.MustParseAddr(tt.addr)); b != nil {
			got = b.prefix.String()
		}
		if got != tt.want {
			t.Errorf("%s lies in %q, want %q", tt.addr, got, tt.want)
		}
	}
}
