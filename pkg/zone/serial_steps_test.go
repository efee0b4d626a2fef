package zone

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// corners are the serials where arithmetic goes wrong.
var corners = []Serial{0, 1, 2, 1<<31 - 2, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<31 + 2, 1<<32 - 2, 1<<32 - 1, 2026112201, 1790000000}

func TestSteps(t *testing.T) {
	for _, c := range []struct {
		from, to Serial
		want     []Serial
	}{
		{5, 5, nil},
		{5, 6, []Serial{6}},
		{1, 1 << 31, []Serial{1 << 31}},
		{4026112201, 2026112201, []Serial{1878628552, 2026112201}},
		{1<<32 - 1, 1, []Serial{1}},
		{1<<31 + 1, 1, []Serial{1<<32 - 1, 1}},                            // half way would be 0
		{100, 99, []Serial{1<<31 + 99, 98, 99}},                           // two steps are one too few
		{1<<31 + 1, 1<<31 - 1, []Serial{1<<32 - 1, 1<<31 - 2, 1<<31 - 1}}, // 0 is the only one half way
	} {
		got, err := Steps(c.from, c.to)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("from %d to %d: %d, %v; want %d", c.from, c.to, got, err, c.want)
		}
	}
	if steps, err := Steps(7, 0); !errors.Is(err, ErrSerialZero) {
		t.Errorf("to 0: %d, %v", steps, err)
	}
}

// checkSteps holds the way from one serial to another against what a secondary
// follows: it transfers a zone only under a later serial (RFC 1982).
func checkSteps(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, from, to Serial,
) {
	t.Helper()
	steps, err := Steps(from, to)
	if err != nil {
		t.Fatalf("from %d to %d: %v", from, to, err)
	}
	at := from
	for _, s := range steps {
		if !s.After(at) || s == 0 {
			t.Fatalf("from %d to %d by %d: %d is not followed", from, to, steps, s)
		}
		at = s
	}
	if at != to {
		t.Fatalf("from %d to %d by %d ends elsewhere", from, to, steps)
	}
	// Two steps reach 2^32-2 ahead, half way of that being one serial only.
	most := 2
	if ahead := to - from; ahead == 1<<32-1 || ahead == 1<<32-2 && from+maxStep == 0 {
		most = 3
	}
	if len(steps) > most {
		t.Fatalf("from %d to %d: %d steps, %d would do", from, to, len(steps), most)
	}
	if to.After(from) && len(steps) != 1 {
		t.Fatalf("from %d to %d: %d steps to a later serial", from, to, len(steps))
	}
}

func TestStepsLaws(t *testing.T) {
	for _, from := range corners {
		for _, to := range corners {
			if to != 0 {
				checkSteps(t, from, to)
			}
		}
	}
	serial := rapid.OneOf(
		rapid.Uint32(),
		rapid.Custom(func(t *rapid.T) uint32 {
			return uint32(rapid.SampledFrom(corners).Draw(t, "corner")) + uint32(rapid.IntRange(-3, 3).Draw(t, "off"))
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		from, to := Serial(serial.Draw(t, "from")), Serial(serial.Draw(t, "to"))
		if to == 0 {
			to = 1
		}
		checkSteps(t, from, to)
	})
}
