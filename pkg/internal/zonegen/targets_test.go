package zonegen

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

func TestAliases(t *testing.T) {
	const aliases = 300
	zone := written(t, func(w io.Writer) error { return Aliases(w, aliases) })
	for i := range aliases {
		owner := strings.TrimSuffix(AliasOwner(i), "."+Origin)
		if line := "\n" + owner + " ALIAS " + TargetName(i) + "\n"; strings.Count(zone, line) != 1 {
			t.Errorf("%q is not there once", line)
		}
	}
	if got := len(aliasWord.FindAllString(zone, -1)); got != aliases {
		t.Errorf("%d ALIAS records", got)
	}
	// With CNAME in their place it is a zone that every server loads.
	accepted(t, "example.com", file(t, aliasWord.ReplaceAllString(zone, "CNAME")))
}

func TestTargets(t *testing.T) {
	const targets = 300
	zone := file(t, written(t, func(w io.Writer) error { return Targets(w, targets) }))
	accepted(t, "target.test", zone)
	lines := judge.NamedCompile(t, "target.test", zone)
	if want := 3 + 3*targets; len(lines) != want {
		t.Errorf("%d records, want %d", len(lines), want)
	}
	all := "\n" + strings.Join(lines, "\n") + "\n"
	for i := range targets {
		for _, address := range TargetAddresses(i) {
			record := "A"
			if address.Is6() {
				record = "AAAA"
			}
			if line := fmt.Sprintf("\n%s 300 IN %s %s\n", TargetName(i), record, address); !strings.Contains(all, line) {
				t.Errorf("no %q", line)
			}
		}
	}
}

func TestTargetAddressesDiffer(t *testing.T) {
	documentation := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"),
	}
	v4, v6 := map[[2]netip.Addr]int{}, map[netip.Addr]int{}
	for n := range 129_032 {
		a := TargetAddresses(n)
		for _, address := range a {
			within := false
			for _, p := range documentation {
				within = within || p.Contains(address)
			}
			if !within {
				t.Fatalf("target %d has %s", n, address)
			}
		}
		if other, found := v4[[2]netip.Addr(a[:2])]; found {
			t.Fatalf("targets %d and %d have %v", other, n, a[:2])
		}
		if other, found := v6[a[2]]; found {
			t.Fatalf("targets %d and %d have %s", other, n, a[2])
		}
		v4[[2]netip.Addr(a[:2])], v6[a[2]] = n, n
	}
}
