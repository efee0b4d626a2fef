package zonefile

import (
	"bytes"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TestIndexFindsEveryOwner asks the index of a zone with many chunks in each
// bucket for every owner name that it holds, after the checks went over it.
func TestIndexFindsEveryOwner(t *testing.T) {
	var text bytes.Buffer
	if err := zonegen.Realistic(&text, 200_000, 300); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2, 3} {
		z := Read("zone", text.Bytes(), Options{Origin: zone.MustParseName(zonegen.Origin), Workers: workers})
		total := 0
		for i := range z.index.buckets {
			b := &z.index.buckets[i]
			total += b.n
			for j := range b.n {
				want := *b.at(j)
				if j > 0 && less(&want, b.at(j-1)) {
					t.Fatalf("workers %d: bucket %d is not in order at %d", workers, i, j)
				}
				found := false
				for _, got := range z.index.owner(want.owner) {
					found = found || got == want
				}
				if !found {
					t.Fatalf("workers %d: the index does not find record %d of bucket %d", workers, j, i)
				}
			}
		}
		if total != 200_000 {
			t.Errorf("workers %d: %d records in the index, want 200000", workers, total)
		}
		for _, d := range z.Found {
			t.Errorf("workers %d: %v", workers, d)
		}
	}
}
