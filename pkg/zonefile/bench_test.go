package zonefile

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Zones to measure with. Each is made once, when first asked for.
var (
	benchRealistic = sync.OnceValue(func() []byte {
		return generated(func(w io.Writer) error { return zonegen.Realistic(w, 1_000_000, 1000) })
	})
	benchDelegations = sync.OnceValue(func() []byte {
		return generated(func(w io.Writer) error { return zonegen.Delegations(w, 3_000_000) })
	})
)

func generated(write func(io.Writer) error) []byte {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// benchZones runs a benchmark over both zones, alone and with two workers.
func benchZones(b *testing.B, read func(text []byte, o Options) *Zone) {
	b.Helper()
	zones := []struct {
		name, origin string
		text         func() []byte
	}{
		{"realistic-1M", zonegen.Origin, benchRealistic},
		{"delegations-3M", zonegen.TLD, benchDelegations},
	}
	for _, z := range zones {
		for _, workers := range []int{1, 2} {
			b.Run(z.name+"/workers="+string(rune('0'+workers)), func(b *testing.B) {
				text := z.text()
				options := Options{Origin: zone.MustParseName(z.origin), Workers: workers}
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					got := read(text, options)
					if len(got.Found) > 0 && got.Found.Err() != nil {
						b.Fatal(got.Found.Err())
					}
				}
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	benchZones(b, func(text []byte, o Options) *Zone { return Read("zone", text, o) })
}

// BenchmarkReadLasting reads with the sums that a state remembers.
func BenchmarkReadLasting(b *testing.B) {
	benchZones(b, func(text []byte, o Options) *Zone {
		o.Lasting = true
		return Read("zone", text, o)
	})
}

func BenchmarkSummarize(b *testing.B) {
	benchZones(b, func(text []byte, o Options) *Zone { return Summarize("zone", text, o) })
}

// BenchmarkScan cuts a text into entries and tokens, and does no more.
func BenchmarkScan(b *testing.B) {
	text := benchRealistic()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var e Entry
	for b.Loop() {
		for pos := 0; pos < len(text); pos = int(e.End) {
			scanEntry(text, pos, &e)
		}
	}
	runtime.KeepAlive(&e)
}
