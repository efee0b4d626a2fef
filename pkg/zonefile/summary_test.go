package zonefile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSummarizeFrom(t *testing.T) {
	long := strings.Repeat("; a comment\n", windowLen/4/len("; a comment\n"))
	for _, tc := range []struct {
		name, text string
		known      bool
	}{
		{"small", compareHead, true},
		{"several windows", compareHead + strings.Repeat(long+"www 60 A 192.0.2.1\n   AAAA 2001:db8::1\n", 12), true},
		{"no line end", compareHead + "www 60 A 192.0.2.1", true},
		{"nothing", "", false},
		{"no SOA", "www 60 A 192.0.2.1\n", false},
		{"byte order mark", "\xef\xbb\xbf" + compareHead, false},
		{"an error", compareHead + "www 60 A 192.0.2.256\n", false},
		{"an error behind several windows", compareHead + strings.Repeat(long, 12) + "www 60 A 192.0.2.256\n", false},
		{"ALIAS", compareHead + "www 60 ALIAS a.example.net.\n", false},
		{"$GENERATE", compareHead + "$GENERATE 1-2 h$ 60 A 192.0.2.$\n", false},
		{"$INCLUDE", compareHead + "$INCLUDE more.zone\n", false},
		{"an entry longer than a window", compareHead + "www 60 A ( 192.0.2.1\n" + strings.Repeat(long, 8) + ")\n", false},
		{"unclosed", compareHead + "www 60 A ( 192.0.2.1\n" + strings.Repeat(long, 8), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, known, err := SummarizeFrom("out.zone", iotest.HalfReader(strings.NewReader(tc.text)), compareOptions)
			if known != tc.known || err != nil {
				t.Fatalf("known: %v, %v", known, err)
			}
			if want, _ := Summarize("out.zone", []byte(tc.text), compareOptions).Summary(); known && got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func TestSummarizeFromNoName(t *testing.T) {
	if _, known, err := SummarizeFrom("out.zone", strings.NewReader(compareHead), Options{}); known || err != nil {
		t.Errorf("known: %v, %v", known, err)
	}
}

func TestSummarizeFromUnreadable(t *testing.T) {
	broken := errors.New("broken")
	if _, known, err := SummarizeFrom("out.zone", iotest.ErrReader(broken), compareOptions); known || !errors.Is(err, broken) {
		t.Errorf("known: %v, %v", known, err)
	}
}

// TestSummarizeFromRandom reads zones that say little in each line, so that
// owner, TTL and origin come from windows before.
func TestSummarizeFromRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for i := range 3 {
		var b strings.Builder
		if i > 0 {
			b.WriteString("$TTL 300\n")
		}
		b.WriteString(compareHead)
		for n := 0; b.Len() < 3*windowLen; n++ {
			switch rng.IntN(8) {
			case 0:
				fmt.Fprintf(&b, "n%d", rng.IntN(100000))
			case 1:
				fmt.Fprintf(&b, "; note %d ( \"\n", n)
			case 2:
				fmt.Fprintf(&b, "o%d %d", rng.IntN(100000), rng.IntN(4000))
			}
			fmt.Fprintf(&b, " %s 10.0.%d.%d )\n", []string{"A (", "IN A (\n"}[rng.IntN(2)], rng.IntN(256), rng.IntN(256))
			if i == 2 && rng.IntN(5000) == 0 {
				fmt.Fprintf(&b, "$ORIGIN s%d.example.com.\n$TTL %d\n", rng.IntN(9), rng.IntN(4000))
			}
		}
		want, ok := Summarize("out.zone", []byte(b.String()), compareOptions).Summary()
		got, known, err := SummarizeFrom("out.zone", strings.NewReader(b.String()), compareOptions)
		if !ok || !known || err != nil || got != want {
			t.Errorf("zone %d: %v, known %v, %v; want %v, %v", i, got, known, err, want, ok)
		}
	}
}
