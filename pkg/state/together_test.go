package state

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// What many commit at once is all there, and an update that is refused fails alone.
func TestCommitTogether(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	z := func(i int, serial zone.Serial) Update {
		return Update{Now: now, Zone: &Zone{Name: zone.MustParseName(fmt.Sprintf("z%d.example.com.", i)), Output: "a", Serial: serial, Published: now}}
	}
	const zones = 64
	for i := range zones {
		if err := s.Commit(z(i, 5)); err != nil {
			t.Fatal(err)
		}
	}
	errs := make([]error, zones)
	var wg sync.WaitGroup
	for i := range zones {
		wg.Go(func() {
			serial := zone.Serial(6)
			if i%7 == 0 {
				serial = 4
			}
			errs[i] = s.Commit(z(i, serial))
		})
	}
	wg.Wait()
	for i, err := range errs {
		want := zone.Serial(6)
		if i%7 == 0 {
			want = 5
		}
		if errors.Is(err, ErrSerialLower) != (i%7 == 0) || err != nil && i%7 != 0 {
			t.Errorf("zone %d: %v", i, err)
		}
		if got, ok := s.Zone(zone.MustParseName(fmt.Sprintf("z%d.example.com.", i)), "", "a"); !ok || got.Serial != want {
			t.Errorf("zone %d has serial %d", i, got.Serial)
		}
	}
}
