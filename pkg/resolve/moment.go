package resolve

import (
	"math"
	"time"
)

// Moment is a time in little room, for what there is very much of: Unix time in nanoseconds; zero
// is none. Times outside of the years 1678 to 2261 become the first or the last that there is.
type Moment int64

// MomentOf gives a time as a Moment.
func MomentOf(t time.Time) Moment {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	}
	return Moment(t.UnixNano())
}

// Time gives a Moment as a time.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m))
}

// MarshalJSON gives it as a time, in UTC.
func (m Moment) MarshalJSON() ([]byte, error) { return m.Time().UTC().MarshalJSON() }

// UnmarshalJSON takes a time.
func (m *Moment) UnmarshalJSON(text []byte) error {
	var t time.Time
	if err := t.UnmarshalJSON(text); err != nil {
		return err
	}
	*m = MomentOf(t)
	return nil
}
