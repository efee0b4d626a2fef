package zone

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

var byValue = cmp.AllowUnexported(Name{})

// rrsets draws a set of RRsets from few names, so that two of them meet.
func rrsets(t *rapid.T, label string) []RRset {
	owners := []string{"example.com.", "a.example.com.", "b.example.com.", "*.example.com.", "x.a.example.com.", `z\000.example.com.`}
	part := rapid.Custom(func(t *rapid.T) RRset {
		r := RRset{
			Owner: MustParseName(rapid.SampledFrom(owners).Draw(t, "owner")),
			Type:  rapid.SampledFrom([]uint16{1, 2, 6, 16, 28}).Draw(t, "type"),
			TTL:   rapid.SampledFrom([]uint32{60, 300}).Draw(t, "ttl"),
		}
		for range rapid.IntRange(1, 3).Draw(t, "records") {
			d := RDATA{Wire: rapid.SampledFrom([]string{"1", "2", "3", "10"}).Draw(t, "rdata")}
			if rapid.IntRange(0, 9).Draw(t, "form") == 0 {
				d = RDATA{Text: d.Wire}
			}
			r.RDATA = append(r.RDATA, d)
		}
		return r
	})
	return SortRRsets(rapid.SliceOfN(part, 0, 12).Draw(t, label))
}

// TestDiffLaws says what a difference is: applied to what it was made from it
// gives the other set, it is empty only between equal sets, and no change of it
// can be left out.
func TestDiffLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, latest := rrsets(t, "old"), rrsets(t, "new")
		before := slices.Clone(old)
		diff := Diff(old, latest)
		got, err := diff.Apply(old)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(latest, got, byValue); d != "" && len(latest)+len(got) > 0 {
			t.Fatalf("applied it gives something else:\n%s", d)
		}
		if d := cmp.Diff(before, old, byValue); d != "" {
			t.Fatalf("the old set was changed:\n%s", d)
		}
		if back, err := Diff(latest, old).Apply(latest); err != nil || len(Diff(back, old)) > 0 {
			t.Fatalf("there and back again is not the same: %v", err)
		}
		if n := len(Diff(old, old)); n != 0 {
			t.Fatalf("%d changes from a set to itself", n)
		}
		for i := range diff {
			c := &diff[i]
			if c.Old == nil && c.New == nil || c.Old != nil && c.New != nil && (c.Old.Compare(c.New) != 0 || c.Old.Equal(c.New)) {
				t.Fatalf("no change: %+v", c)
			}
			gone, come := c.Records()
			if len(gone)+len(come) == 0 {
				t.Fatalf("a change without records: %+v", c)
			}
		}
		if _, err := diff.Apply(got); len(diff) > 0 && !errors.Is(err, ErrOtherBase) {
			t.Fatalf("applied twice: %v", err)
		}
	})
}

func TestChangeRecords(t *testing.T) {
	owner := MustParseName("www.example.com.")
	set := func(ttl uint32, wire ...string) *RRset {
		r := &RRset{Owner: owner, Type: 1, TTL: ttl}
		for _, w := range wire {
			r.RDATA = append(r.RDATA, RDATA{Wire: w})
		}
		return r
	}
	for _, c := range []struct {
		name       string
		change     Change
		gone, come int
	}{
		{"added", Change{New: set(60, "1", "2")}, 0, 2},
		{"removed", Change{Old: set(60, "1", "2")}, 2, 0},
		{"one of two replaced", Change{Old: set(60, "1", "2"), New: set(60, "2", "3")}, 1, 1},
		{"another TTL", Change{Old: set(60, "1", "2"), New: set(30, "1", "2")}, 2, 2},
	} {
		gone, come := c.change.Records()
		if len(gone) != c.gone || len(come) != c.come {
			t.Errorf("%s: %d records go and %d come, want %d and %d", c.name, len(gone), len(come), c.gone, c.come)
		}
	}
}

func TestApplyRefusesOtherBase(t *testing.T) {
	a := []RRset{{Owner: MustParseName("a.example.com."), Type: 1, TTL: 60, RDATA: []RDATA{{Wire: "1"}}}}
	b := []RRset{{Owner: MustParseName("b.example.com."), Type: 1, TTL: 60, RDATA: []RDATA{{Wire: "1"}}}}
	for name, base := range map[string][]RRset{"nothing": nil, "the new set": b, "another TTL": {{Owner: a[0].Owner, Type: 1, TTL: 61, RDATA: a[0].RDATA}}} {
		if got, err := Diff(a, b).Apply(base); !errors.Is(err, ErrOtherBase) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestSortRRsets(t *testing.T) {
	name := MustParseName("a.example.com.")
	got := SortRRsets([]RRset{
		{Owner: name, Type: 16, TTL: 5, RDATA: []RDATA{{Wire: "x"}}},
		{Owner: name, Type: 1, TTL: 60, RDATA: []RDATA{{Wire: "2"}}},
		{Owner: MustParseName("example.com."), Type: 1, TTL: 60, RDATA: []RDATA{{Wire: "1"}}},
		{Owner: name, Type: 1, TTL: 30, RDATA: []RDATA{{Wire: "1"}, {Wire: "2"}}},
	})
	text := ""
	for _, r := range got {
		text += fmt.Sprintln(r.Owner, r.Type, r.TTL, r.RDATA)
	}
	want := "example.com. 1 60 [{1 }]\na.example.com. 1 30 [{1 } {2 }]\na.example.com. 16 5 [{x }]\n"
	if text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

// FuzzDiff makes two sets of RRsets of the octets and holds them against the
// law of the difference.
func FuzzDiff(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x04\x05\x06"), []byte("\x01\x02\x03\x04\x05\x07"))
	f.Add([]byte{}, []byte("a1bA2b"))
	f.Add([]byte("aaaaaaaaa"), []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		old, latest := setOf(a), setOf(b)
		got, err := Diff(old, latest).Apply(old)
		if err != nil {
			t.Fatal(err)
		}
		if len(Diff(got, latest)) > 0 || len(got) != len(latest) {
			t.Fatalf("%v and %v give %v", old, latest, got)
		}
	})
}

// setOf takes three octets for a record: its owner, type and TTL, and RDATA.
func setOf(octets []byte) []RRset {
	var list []RRset
	for c := range slices.Chunk(octets, 3) {
		if len(c) < 3 {
			break
		}
		label := []byte{1, c[0], 0}
		FoldCase(label)
		list = append(list, RRset{
			Owner: Name{wire: string(label)}, Type: uint16(c[1] >> 4), TTL: uint32(c[1] & 3),
			RDATA: []RDATA{{Wire: string(c[2:])}},
		})
	}
	return SortRRsets(list)
}

// What is gone is told whatever its TTL is, and a target that moves loses nothing.
func TestGone(t *testing.T) {
	set := func(typ uint16, ttl uint32, wire ...string) *RRset {
		r := &RRset{Owner: MustParseName("www.example.com."), Type: typ, TTL: ttl}
		for _, w := range wire {
			r.RDATA = append(r.RDATA, RDATA{Wire: w})
		}
		return r
	}
	for _, c := range []struct {
		name   string
		change Change
		gone   int
	}{
		{"added", Change{New: set(dns.TypeA, 60, "1", "2")}, 0},
		{"removed", Change{Old: set(dns.TypeA, 60, "1", "2")}, 2},
		{"another TTL", Change{Old: set(dns.TypeNS, 60, "1", "2"), New: set(dns.TypeNS, 30, "1", "2")}, 0},
		{"other addresses", Change{Old: set(dns.TypeA, 60, "1", "2"), New: set(dns.TypeA, 60, "3", "4", "5")}, 0},
		{"fewer addresses", Change{Old: set(dns.TypeAAAA, 60, "1", "2", "3"), New: set(dns.TypeAAAA, 60, "4")}, 2},
		{"other name servers", Change{Old: set(dns.TypeNS, 60, "1", "2"), New: set(dns.TypeNS, 60, "2", "3")}, 1},
	} {
		if got := (Difference{c.change}).Gone(); got != c.gone {
			t.Errorf("%s: %d records are gone, want %d", c.name, got, c.gone)
		}
	}
}
