package zonefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const diffHead = "$ORIGIN example.com.\n$TTL 300\n@ SOA ns.example.net. h.example.net. 1 2 3 4 5\n@ NS ns.example.net.\n"

func readDiff(t *testing.T, text string) *Zone {
	t.Helper()
	z := Read("zone", []byte(text), Options{Origin: zone.MustParseName("example.com.")})
	if err := z.Found.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

// printed gives a difference as lines.
func printed(d zone.Difference) string {
	var b strings.Builder
	for i := range d {
		gone, come := d[i].Records()
		for _, r := range gone {
			fmt.Fprintf(&b, "-%s\n", AppendRecord(nil, d[i].Old.Owner, d[i].Old.Type, d[i].Old.TTL, r))
		}
		for _, r := range come {
			fmt.Fprintf(&b, "+%s\n", AppendRecord(nil, d[i].New.Owner, d[i].New.Type, d[i].New.TTL, r))
		}
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, old, latest, want string }{
		{"nothing", "a A 192.0.2.1\n", "a A 192.0.2.1\n", ""},
		{"spelling", "a A 192.0.2.1\nm MX 5 B\n", "M 300 IN MX ( 5 b.example.com. )\na.example.com. TYPE1 \\# 4 c0000201\n", ""},
		{"twice", "a A 192.0.2.1\na A 192.0.2.2\n", "a A 192.0.2.2\na A 192.0.2.1\na A 192.0.2.2\n", ""},
		{"added", "", "a A 192.0.2.1\n", "+a.example.com. 300 IN A 192.0.2.1\n"},
		{"removed", "a A 192.0.2.1\n", "", "-a.example.com. 300 IN A 192.0.2.1\n"},
		{"blank owner", "a TXT x\n  A 192.0.2.1\n", "a TXT x\n  A 192.0.2.2\n", "-a.example.com. 300 IN A 192.0.2.1\n+a.example.com. 300 IN A 192.0.2.2\n"},
		{"one of several", "a A 192.0.2.1\na A 192.0.2.2\n", "a A 192.0.2.2\na A 192.0.2.10\n", "-a.example.com. 300 IN A 192.0.2.1\n+a.example.com. 300 IN A 192.0.2.10\n"},
		{"TTL", "a 60 A 192.0.2.1\n", "a 61 A 192.0.2.1\n", "-a.example.com. 60 IN A 192.0.2.1\n+a.example.com. 61 IN A 192.0.2.1\n"},
		{"the last of several TTLs", "a 60 A 192.0.2.1\nb A 192.0.2.9\na 70 A 192.0.2.2\n", "a 70 A 192.0.2.1\na 70 A 192.0.2.2\nb A 192.0.2.9\n", ""},
		{"order", "", "b A 192.0.2.1\nz.a A 192.0.2.1\na TXT \"x y\"\na A 192.0.2.1\n@ TXT t\n", "+example.com. 300 IN TXT \"t\"\n+a.example.com. 300 IN A 192.0.2.1\n+a.example.com. 300 IN TXT \"x y\"\n+z.a.example.com. 300 IN A 192.0.2.1\n+b.example.com. 300 IN A 192.0.2.1\n"},
		{"owner under another origin", "a A 192.0.2.1\n  TXT x\n", "$ORIGIN a.example.com.\n@ A 192.0.2.1\n$ORIGIN example.com.\n  TXT y\n", "-a.example.com. 300 IN TXT \"x\"\n+a.example.com. 300 IN TXT \"y\"\n"},
		{"$GENERATE", "$GENERATE 1-3 h$ A 192.0.2.$\n", "h1 A 192.0.2.1\nh3 A 192.0.2.3\n", "-h2.example.com. 300 IN A 192.0.2.2\n"},
		{"unknown type", "a TYPE65300 \\# 2 0102\n", "a TYPE65300 \\# 2 0103\n", "-a.example.com. 300 IN TYPE65300 \\# 2 0102\n+a.example.com. 300 IN TYPE65300 \\# 2 0103\n"},
	} {
		got := printed(Diff(readDiff(t, diffHead+c.old), readDiff(t, diffHead+c.latest)))
		if got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}

// TestDiffSerial keeps the serial out of what differs.
func TestDiffSerial(t *testing.T) {
	old := readDiff(t, diffHead)
	if got := printed(Diff(old, readDiff(t, strings.Replace(diffHead, " 1 2 3", " 9 2 3", 1)))); got != "" {
		t.Errorf("another serial is a difference:\n%s", got)
	}
	got := printed(Diff(old, readDiff(t, strings.Replace(diffHead, " 1 2 3", " 9 7 3", 1))))
	want := "-example.com. 300 IN SOA ns.example.net. h.example.net. 1 2 3 4 5\n+example.com. 300 IN SOA ns.example.net. h.example.net. 9 7 3 4 5\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestDiffOfBrokenOwner has records whose owner name stands in an entry that is
// no record.
func TestDiffOfBrokenOwner(t *testing.T) {
	old := Read("old", []byte(diffHead+"a FOO bar\n  TXT x\n  A 192.0.2.1\n"), Options{Origin: zone.MustParseName("example.com.")})
	if !old.Found.HasErrors() {
		t.Fatal("the old zone is not broken")
	}
	got := printed(Diff(old, readDiff(t, diffHead+"a A 192.0.2.1\n")))
	if want := "-a.example.com. 300 IN TXT \"x\"\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestDiffFromNothing adds a whole zone.
func TestDiffFromNothing(t *testing.T) {
	z := readDiff(t, diffHead+"a A 192.0.2.1\n")
	if d := Diff(nil, z); len(d) != 3 || d[0].New.Type != 6 || d[1].New.Type != 2 {
		t.Errorf("%s", printed(d))
	}
}

// TestDiffIsThatOfAllRecords holds the short cut over the indexes against the
// difference of all records, on random zones with a few entries changed.
func TestDiffIsThatOfAllRecords(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	changes := 0
	for seed := range seeds {
		m := makeZone(seed, mix{records: 40, generates: true, mixedTTLs: seed%3 == 0, outside: seed%5 == 0})
		options := Options{Origin: zone.MustParseName(randomOrigin + ".")}
		old := Read("old", m.text, options)
		rng := rand.New(rand.NewPCG(seed, 2))
		lines := bytes.SplitAfter(m.text, []byte("\n"))
		text := bytes.Clone(m.text)
		for range rng.IntN(4) {
			text = append(text, fmt.Sprintf("new%d.%s. 60 A 192.0.2.%d\n", rng.IntN(3), randomOrigin, rng.IntN(9))...)
		}
		if rng.IntN(2) == 0 {
			cut := len(lines) - 1 - rng.IntN(min(3, len(lines)-1))
			text = bytes.Join(lines[:cut], nil)
		}
		latest := Read("new", text, options)
		before, after := old.rrsets(), latest.rrsets()
		want := zone.Diff(before, after)
		got := Diff(old, latest)
		changes += len(want)
		if printed(got) != printed(want) {
			t.Fatalf("seed %d: got\n%swant\n%sof\n%s\nand\n%s", seed, printed(got), printed(want), m.text, text)
		}
		if again, err := got.Apply(before); err != nil || !slices.EqualFunc(again, after, func(a, b zone.RRset) bool { return a.Equal(&b) }) {
			t.Fatalf("seed %d: applied it gives something else: %v", seed, err)
		}
	}
	if changes < int(seeds) {
		t.Errorf("%d changes in %d zones", changes, seeds)
	}
}

// BenchmarkDiff compares a zone with one that has a few other records.
func BenchmarkDiff(b *testing.B) {
	text := benchRealistic()
	options := Options{Origin: FindOrigin("", text)}
	more := append(bytes.Clone(text), fmt.Sprintf("new.%s 60 IN A 192.0.2.1\n", options.Origin)...)
	b.ReportAllocs()
	for b.Loop() {
		old, latest := Read("old", text, options), Read("new", more, options)
		if d := Diff(old, latest); len(d) != 1 {
			b.Fatalf("%d changes", len(d))
		}
	}
}
