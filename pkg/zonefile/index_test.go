package zonefile

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"unsafe"

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

// TestIndexAdvise holds the memory of all chunks against what Advise was shown,
// for records as long as they mostly are, and for much shorter ones.
func TestIndexAdvise(t *testing.T) {
	var realistic bytes.Buffer
	if err := zonegen.Realistic(&realistic, 200_000, 300); err != nil {
		t.Fatal(err)
	}
	short := []byte("@ 300 SOA ns hostmaster 7 7200 900 1209600 300\n NS ns\nns A 192.0.2.53\n")
	for i := range 200_000 {
		short = strconv.AppendInt(append(short, 'a'), int64(i), 36)
		short = append(short, " A 192.0.2.1\n"...)
	}
	for _, text := range [][]byte{realistic.Bytes(), short} {
		var shown [][]byte
		z := Read("zone", text, Options{
			Origin: zone.MustParseName(zonegen.Origin),
			Advise: func(memory []byte) { shown = append(shown, memory) },
		})
		chunks := 0
		for i := range z.index.buckets {
			for _, c := range z.index.buckets[i].chunks {
				chunks++
				at := uintptr(unsafe.Pointer(c))
				inside := slices.ContainsFunc(shown, func(m []byte) bool {
					start := uintptr(unsafe.Pointer(&m[0]))
					return start <= at && at+unsafe.Sizeof(*c) <= start+uintptr(len(m))
				})
				if !inside {
					t.Fatalf("chunk %d of bucket %d was not shown", chunks, i)
				}
			}
		}
		if least := 200_000 / chunkLen; chunks < least || len(shown) == 0 || len(shown) > 20 {
			t.Errorf("%d chunks in %d pieces of memory; want at least %d in 1 to 20", chunks, len(shown), least)
		}
	}
}

// A compacted zone answers as before, and differs from another one as before.
func TestCompact(t *testing.T) {
	text := []byte("$ORIGIN example.com.\n$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n")
	for i := range 3000 {
		text = fmt.Appendf(text, "h%d A 192.0.2.%d\nh%d A 198.51.100.1\n", i%1700, i%250, i)
	}
	loose, compact := Read("a.zone", text, Options{}), Read("a.zone", text, Options{})
	compact.Compact()
	other := Read("b.zone", append(text, "new A 192.0.2.7\nh7 A 192.0.2.200\n"...), Options{})
	want, got := Diff(loose, other), Diff(compact, other)
	if len(want) < 2 || len(got) != len(want) {
		t.Fatalf("%v, not %v", got, want)
	}
	for i := range want {
		if !reflect.DeepEqual(want[i].RRset(), got[i].RRset()) {
			t.Errorf("%v, not %v", got[i].RRset(), want[i].RRset())
		}
	}
	if back := Diff(other, compact); len(back) != len(want) {
		t.Errorf("%v", back)
	}
	for i := range 1700 {
		name := zone.MustParseName(fmt.Sprintf("h%d.example.com.", i))
		if a, b := loose.Records(name, 1), compact.Records(name, 1); len(a) == 0 || !reflect.DeepEqual(dataOf(a), dataOf(b)) {
			t.Fatalf("%s: %v, not %v", name, b, a)
		}
	}
	if compact.index.buckets != nil || loose.Content(nil, nil) != compact.Content(nil, nil) {
		t.Error("it is not compact, or another one")
	}
}

func dataOf(records []Record) (list [][]byte) {
	for _, r := range records {
		list = append(list, r.RDATA)
	}
	return list
}
