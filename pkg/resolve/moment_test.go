package resolve

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 7, time.UTC)
	for _, c := range []struct {
		given time.Time
		want  Moment
		text  string
	}{
		{time.Time{}, 0, `"0001-01-01T00:00:00Z"`},
		{noon, Moment(noon.UnixNano()), `"2026-03-01T12:00:00.000000007Z"`},
		{noon.In(time.FixedZone("", 3600)), Moment(noon.UnixNano()), `"2026-03-01T12:00:00.000000007Z"`},
		{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64, `"2262-04-11T23:47:16.854775807Z"`},
		{time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), math.MinInt64, `"1677-09-21T00:12:43.145224192Z"`},
	} {
		m := MomentOf(c.given)
		text, err := json.Marshal(m)
		if m != c.want || string(text) != c.text || err != nil {
			t.Errorf("%v: %d, %s, %v", c.given, m, text, err)
		}
		var back Moment
		if err := json.Unmarshal(text, &back); err != nil || back != m {
			t.Errorf("%s: %d, %v", text, back, err)
		}
	}
	var m Moment
	if err := json.Unmarshal([]byte(`"noon"`), &m); err == nil {
		t.Error("noon is a time")
	}
}
