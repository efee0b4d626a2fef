package primary

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var catalogName = zone.MustParseName("catalog.invalid")

func catalogSetup(t *testing.T, names ...zone.Name) Setup {
	t.Helper()
	st := setup(t, names...)
	st.Catalog = ZoneSetup{Name: catalogName, Access: []Access{{From: loop, Key: keyName}}}
	return st
}

func zonesNamed(n int) []zone.Name {
	var names []zone.Name
	for i := range n {
		names = append(names, zone.MustParseName(fmt.Sprintf("zone%d.test", i)))
	}
	return names
}

// TestCatalogSecondaries has named and knotd take their zones from the catalog.
func TestCatalogSecondaries(t *testing.T) {
	names := zonesNamed(3)
	st := catalogSetup(t, names...)
	s := start(t, Options{}, st)
	publish := func(serial int) {
		for _, name := range names {
			s.publish(t, zoneOf(t, name, soaLine(serial)))
		}
	}
	publish(1)
	var servers []*judge.Server
	var secondaries []Secondary
	for _, program := range []string{"named", "knotd"} {
		server := (&judge.Secondary{Program: program, Primary: s.addr, Key: "xfr.test", Secret: secret, Catalog: "catalog.invalid"}).Start(t)
		servers = append(servers, server)
		secondaries = append(secondaries, Secondary{Address: netip.MustParseAddrPort(server.Addr), Key: keyName})
	}
	follow := func() {
		st.Catalog.Secondaries = secondaries
		for i := range st.Zones {
			st.Zones[i].Secondaries = secondaries
		}
		if err := s.Configure(st); err != nil {
			t.Fatal(err)
		}
	}
	follow()
	for _, server := range servers {
		for _, name := range names {
			server.WaitServes(t, name.String(), 1)
		}
	}
	// One more, and one less.
	names = append(names, zone.MustParseName("more.test"))
	more := catalogSetup(t, names...)
	st = more
	follow()
	publish(2)
	for _, server := range servers {
		for _, name := range names {
			server.WaitServes(t, name.String(), 2)
		}
	}
	st.Zones = st.Zones[1:]
	follow()
	for _, server := range servers {
		server.WaitGone(t, "zone0.test")
		server.WaitServes(t, "more.test", 2)
	}
}

func TestCatalogShrinks(t *testing.T) {
	history := newMemory()
	names := zonesNamed(30)
	now := time.Now()
	o := Options{History: history, Now: func() time.Time { return now }}
	s := start(t, o, catalogSetup(t, names...))
	first := s.Generation(catalogName)
	if got := first.members(); len(got) != 30 || first.Records() != 33 || uint32(first.Serial()) != uint32(now.Unix()) {
		t.Fatalf("%d members, %d records, serial %d", len(got), first.Records(), first.Serial())
	}
	// Nothing has changed: neither the serial nor the labels.
	if err := s.Configure(catalogSetup(t, names...)); err != nil || s.Generation(catalogName) != first {
		t.Errorf("made again: %v", err)
	}
	if err := s.Configure(catalogSetup(t, names[3:]...)); err != nil {
		t.Error(err)
	}
	second := s.Generation(catalogName)
	if len(second.members()) != 27 || second.Serial() != first.Serial()+1 {
		t.Errorf("%d members, serial %d behind %d", len(second.members()), second.Serial(), first.Serial())
	}
	var shrunk *ShrinkError
	check := func(err error) {
		t.Helper()
		if !errors.As(err, &shrunk) || len(shrunk.Gone) != 3 || shrunk.Members != 27 || shrunk.Catalog != catalogName ||
			err.Error() != "catalog catalog.invalid.: 3 of its 27 members would go, zone3.test. first" {
			t.Errorf("shrunk: %v", err)
		}
	}
	check(s.Configure(catalogSetup(t, names[6:]...)))
	if s.Generation(catalogName) != second {
		t.Error("it has shrunk")
	}
	s.stop()
	// A restart neither forgets members, nor makes it another catalog.
	less := catalogSetup(t, names[6:]...)
	s = start(t, o, less)
	if len(s.seen.problems) != 1 {
		t.Fatalf("told: %v", s.seen.problems)
	}
	check(s.seen.problems[0])
	if z := s.Generation(catalogName); z.Serial() != second.Serial() || z.sum != second.sum {
		t.Errorf("serial %d behind a restart, %d before", z.Serial(), second.Serial())
	}
	s.stop()
	less.Shrink = true
	s = start(t, o, less)
	third := s.Generation(catalogName)
	if !slices.Equal(third.members(), sorted(names[6:])) || third.Serial() != second.Serial()+1 {
		t.Errorf("%d members, serial %d", len(third.members()), third.Serial())
	}
	s.stop()
	s = start(t, o, catalogSetup(t, names[6:]...))
	if z := s.Generation(catalogName); z.Serial() != third.Serial() || z.sum != third.sum {
		t.Errorf("serial %d behind a restart, %d before", z.Serial(), third.Serial())
	}
	if err := s.Publish(third); err == nil {
		t.Error("somebody else published the catalog")
	}
}

func sorted(names []zone.Name) []zone.Name {
	return slices.SortedFunc(slices.Values(names), zone.Name.Compare)
}

// TestCatalogKept: what is kept and damaged is as if it were lost, and history that fails keeps
// the catalog as it was.
func TestCatalogKept(t *testing.T) {
	history := newMemory()
	for _, entry := range [][]byte{{}, {1, 2, 3}, {catalogVersion, 0, 0, 0, 1, 3, 'a'}} {
		history.entries[catalogName] = [][]byte{entry}
		s := start(t, Options{History: history}, catalogSetup(t, example))
		if s.Generation(catalogName) == nil || len(s.seen.problems) != 1 {
			t.Errorf("%x: %v", entry, s.seen.problems)
		}
		s.stop()
	}
	s := start(t, Options{History: history}, catalogSetup(t, example))
	before := s.Generation(catalogName)
	history.broken = true
	if err := s.Configure(catalogSetup(t, example, zone.MustParseName("more.test"))); !errors.Is(err, errBroken) {
		t.Errorf("configured: %v", err)
	}
	if s.Generation(catalogName) != before {
		t.Error("another catalog")
	}
}
