package zone

import (
	"errors"
	"testing"
	"time"
)

func TestSerialAfter(t *testing.T) {
	for _, c := range []struct {
		a, b         Serial
		after        bool
		incomparable bool
	}{
		{1, 0, true, false},
		{0, 1, false, false},
		{5, 5, false, false},
		{0, 1<<32 - 1, true, false},
		{1<<31 - 1, 0, true, false},
		{1 << 31, 0, false, true},
		{0, 1 << 31, false, true},
		{1<<31 + 1, 0, false, false},
		{0, 1<<31 + 1, true, false},
		{1, 1<<32 - 1, true, false},
	} {
		if got := c.a.After(c.b); got != c.after {
			t.Errorf("%d after %d: %v", c.a, c.b, got)
		}
		if got := c.a.Incomparable(c.b); got != c.incomparable {
			t.Errorf("%d and %d incomparable: %v", c.a, c.b, got)
		}
	}
	if n := Serial(1<<32 - 1).Next(); n != 1 {
		t.Errorf("the serial after the last is %d", n)
	}
}

// TestSerialNextIsAfter goes over the places where serials wrap.
func TestSerialNextIsAfter(t *testing.T) {
	for _, s := range []Serial{0, 1, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 2, 1<<32 - 1} {
		if n := s.Next(); !n.After(s) || n == 0 {
			t.Errorf("%d follows %d", n, s)
		}
	}
}

func TestChoose(t *testing.T) {
	now := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)
	unix := Serial(now.Unix())
	known := func(s Serial) *Serial { return &s }
	for _, c := range []struct {
		name      string
		policy    string
		source    Serial
		published *Serial
		changed   bool
		want      Serial
		fellBack  bool
		err       error
	}{
		{name: "nothing known", policy: "auto", source: 7, changed: true, want: 7},
		{name: "nothing known, 0", policy: "auto", source: 0, changed: true, want: 1},
		{name: "nothing known, date", policy: "date", source: 7, changed: true, want: 2026112201},
		{name: "nothing known, later than the date", policy: "date", source: 2027010101, changed: true, want: 2027010101, fellBack: true},
		{name: "nothing known, number", policy: "99", source: 7, changed: true, want: 99},
		{name: "unchanged", policy: "auto", source: 7, published: known(9), want: 9},
		{name: "source raised alone", policy: "auto", source: 12, published: known(9), want: 12},
		{name: "source raised and changed", policy: "auto", source: 12, published: known(9), changed: true, want: 12},
		{name: "changed", policy: "auto", source: 7, published: known(9), changed: true, want: 10},
		{name: "date goes on", policy: "auto", source: 2026010101, published: known(2026112201), changed: true, want: 2026112202},
		{name: "date begins a day", policy: "auto", source: 2026010101, published: known(2026112107), changed: true, want: 2026112201},
		{name: "date past 99", policy: "date", source: 1, published: known(2026112299), changed: true, want: 2026112300},
		{name: "date in the future", policy: "date", source: 1, published: known(2027010101), changed: true, want: 2027010102, fellBack: true},
		{name: "unixtime", policy: "unixtime", source: 1, published: known(unix - 60), changed: true, want: unix},
		{name: "unixtime seen", policy: "auto", source: 1, published: known(unix - 60), changed: true, want: unix},
		{name: "unixtime below a date", policy: "unixtime", source: 1, published: known(2026112201), changed: true, want: 2026112202, fellBack: true},
		{name: "wrap", policy: "increment", source: 1<<32 - 1, published: known(1<<32 - 1), changed: true, want: 1},
		{name: "round to a source of 0", policy: "auto", source: 0, published: known(1<<32 - 1), want: 1},
		{name: "round to a source of 0, changed", policy: "auto", source: 0, published: known(1<<32 - 9), changed: true, want: 1},
		{name: "source of 0 far away", policy: "auto", source: 0, published: known(1<<31 + 1), changed: true, err: ErrSerialIncomparable},
		{name: "keep", policy: "keep", source: 7, published: known(9), changed: true, want: 7},
		{name: "number", policy: "11", source: 7, published: known(9), changed: true, want: 11},
		{name: "number again", policy: "11", source: 7, published: known(11), want: 11},
		{name: "number not later", policy: "9", source: 7, published: known(9), changed: true, err: ErrSerialNotLater},
		{name: "number far away", policy: "2147483657", source: 7, published: known(9), changed: true, err: ErrSerialIncomparable},
		{name: "source far away", policy: "auto", source: 1<<31 + 9, published: known(9), changed: true, err: ErrSerialIncomparable},
	} {
		p, err := ParsePolicy(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Choose(c.source, c.published, c.changed, now)
		if !errors.Is(err, c.err) || err == nil && got.Serial != c.want || (got.FellBack != SerialAuto) != c.fellBack {
			t.Errorf("%s: %d, fell back %v, %v; want %d, %v, %v", c.name, got.Serial, got.FellBack, err, c.want, c.fellBack, c.err)
		}
		if clock, ok := got.Clock.at(now); got.Clock != SerialAuto && (!ok || clock != got.Serial) {
			t.Errorf("%s: %d is not the %s of the time", c.name, got.Serial, got.Clock)
		}
		if err == nil && c.published != nil && c.changed && p.Style != SerialKeep && !got.Serial.After(*c.published) {
			t.Errorf("%s: %d is not later than %d", c.name, got.Serial, *c.published)
		}
	}
}

// A clock that is decades ahead is half the circle of serials after a source that is
// behind what was published; the source's serial is no way on from there.
func TestChooseFarClock(t *testing.T) {
	published := Serial(2026112201)
	for _, now := range []int64{1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<31 + 2, 1<<31 + 1e8, 1<<32 - 1} {
		got, err := Policy{Style: SerialUnixTime}.Choose(1, &published, true, time.Unix(now, 0))
		if err != nil || !got.Serial.After(published) {
			t.Errorf("at %d: serial %d, %v, which is not later than %d", now, got.Serial, err, published)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for _, s := range []string{"0", "4294967296", "-1", "hash", "1h"} {
		if p, err := ParsePolicy(s); err == nil {
			t.Errorf("%q is %+v", s, p)
		}
	}
}

// TestChooseTellsClock holds the choices that hang on the time of the run.
func TestChooseTellsClock(t *testing.T) {
	now := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)
	last := Serial(2026112107)
	for _, c := range []struct {
		policy    SerialStyle
		published *Serial
		changed   bool
		want      SerialStyle
	}{
		{SerialAuto, &last, true, SerialDate},
		{SerialAuto, &last, false, SerialAuto},
		{SerialIncrement, &last, true, SerialAuto},
		{SerialUnixTime, &last, true, SerialAuto}, // it falls back
		{SerialUnixTime, nil, true, SerialUnixTime},
	} {
		got, err := Policy{Style: c.policy}.Choose(7, c.published, c.changed, now)
		if err != nil || got.Clock != c.want {
			t.Errorf("%s, changed %v: %d by %s, %v; want %s", c.policy, c.changed, got.Serial, got.Clock, err, c.want)
		}
	}
}
