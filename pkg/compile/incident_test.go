package compile

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Wherever the clock is set, nothing panics, no address is lost, and the serial is
// later than that of what was published.
func TestIncidentCloudflare20170101(t *testing.T) {
	const published = zone.Serial(2026122401)
	for _, now := range []time.Time{
		{},
		time.Unix(0, 0),
		time.Date(2016, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), // 2^31 and more after the source's serial
		time.Unix(math.MaxUint32, 0),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		for _, serial := range []string{"auto", "increment", "date", "unixtime"} {
			c := loadZoneCase(t, filepath.Join(zonesDir, "clock-back.txtar"))
			c.now = now
			if err := c.set("serial=" + serial); err != nil {
				t.Fatal(err)
			}
			result := &c.compiled(t, nil)[0]
			if !result.OK() {
				t.Fatalf("%v, %s: %s", now, serial, diagText([]Result{*result}))
			}
			if !result.Serial.After(published) {
				t.Errorf("%v, %s: serial %d is not later than %d", now, serial, result.Serial, published)
			}
			for _, address := range []string{"a.example.com. 300 IN A 198.51.100.1\n", "b.example.com. 300 IN A 198.51.100.3\n"} {
				if !bytes.Contains(result.Text.Bytes(), []byte(address)) {
					t.Errorf("%v, %s: %q is missing in\n%s", now, serial, address, result.Text.Bytes())
				}
			}
		}
	}
}
