package watch

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

var servedName = zone.MustParseName("example.com")

func servedText(tb testing.TB, records int) []byte {
	tb.Helper()
	var text bytes.Buffer
	if err := zonegen.Plain(&text, records, records/1000); err != nil {
		tb.Fatal(err)
	}
	return text.Bytes()
}

func TestServed(t *testing.T) {
	text := servedText(t, 2000)
	z := zonefile.Summarize("zone", text, zonefile.Options{Origin: servedName})
	served, err := Served(z)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := z.Serial()
	if served.Records() != z.Count || served.Serial() != serial || served.Name() != servedName {
		t.Errorf("%d records, serial %d; want %d, %d", served.Records(), served.Serial(), z.Count, serial)
	}
}

func TestServedRefused(t *testing.T) {
	const head = "@ 300 SOA ns.example.net. h.example.net. 1 300 60 86400 60\n@ 300 NS ns.example.net.\n"
	for want, text := range map[string]string{
		"no wire form": head + "a 300 NSAP-PTR x.\nb 300 APL 1:oops\n",
		"example.com":  head + "a 300 A 192.0.2.300\n",
		"has no SOA":   "@ 300 NS ns.example.net.\n",
	} {
		z := zonefile.Summarize("example.com", []byte(text), zonefile.Options{Origin: servedName})
		if _, err := Served(z); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func BenchmarkServed(b *testing.B) {
	text := servedText(b, 1_000_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		z := zonefile.Summarize("zone", text, zonefile.Options{Origin: servedName})
		served, err := Served(z)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(served.Size())/float64(served.Records()), "B/record")
	}
}
