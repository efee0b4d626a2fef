package publish

import (
	"fmt"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TestStepsAreFollowed takes real secondaries the way that aliasflat serial plan
// shows, from serials that are too high. A lower serial at once is the control:
// they do not follow it.
func TestStepsAreFollowed(t *testing.T) {
	serve := func(serial zone.Serial) string {
		return fmt.Sprintf("example.com. 300 IN SOA ns.example.net. h.example.net. %d 3600 600 86400 300\n"+
			"example.com. 300 IN NS ns.example.net.\nserial.example.com. 300 IN TXT \"%[1]d\"\n", serial)
	}
	ways := []struct{ from, to zone.Serial }{
		{4026112201, 2026112201},
		{1<<32 - 1, 1<<31 - 1}, // 2^31 apart
		{1<<31 + 1, 1},         // half way is 0
		{100, 99},
	}
	for _, name := range []string{"named", "nsd"} {
		t.Run(name, func(t *testing.T) {
			for i, way := range ways {
				if i > 0 && testing.Short() {
					break
				}
				primary := dnstest.StartPrimary(t, serve(way.from))
				secondary := judge.StartSecondary(t, name, "example.com", primary.Addr())
				secondary.WaitSerial(t, "example.com", uint32(way.from))

				// RFC 1982 leaves open what they do at 2^31: NSD 4.6 follows.
				if !way.to.Incomparable(way.from) {
					if err := primary.Set(serve(way.to)); err != nil {
						t.Fatal(err)
					}
					staysBehind(t, primary, secondary, way.from)
				}

				steps, err := zone.Steps(way.from, way.to)
				if err != nil {
					t.Fatal(err)
				}
				for _, serial := range steps {
					if err := primary.Set(serve(serial)); err != nil {
						t.Fatal(err)
					}
					secondary.WaitSerial(t, "example.com", uint32(serial))
				}
			}
		})
	}
}

// staysBehind tells a secondary of a change until it has asked for it, and wants
// the old serial all the same.
func staysBehind(t *testing.T, primary *dnstest.Primary, secondary *judge.Server, serial zone.Serial) {
	t.Helper()
	before, deadline := primary.Queries(), time.Now().Add(20*time.Second)
	for primary.Queries() == before {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not ask its primary\n%s", secondary.Name, secondary.Log())
		}
		secondary.Notify(t.Context(), "example.com")
	}
	if got := secondary.WaitReady(t, "example.com"); got != uint32(serial) {
		t.Errorf("%s follows from serial %d to %d", secondary.Name, serial, got)
	}
}
