package zonefile

import (
	"testing"
	"testing/fstest"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const lastingHead = "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n@ NS ns\n"

// lastingOf is what is remembered of a text.
func lastingOf(t *testing.T, text string) uint64 {
	t.Helper()
	z := Read("zone", []byte(text), lastingOptions())
	if z.Found.HasErrors() {
		t.Fatal(z.Found.Err())
	}
	c := z.Content(nil, nil)
	if made := z.Canonical(nil, nil).Content(true); !c.Mixed && made.Lasting != c.Lasting {
		t.Errorf("%x, and %x in canonical style:\n%s", c.Lasting, made.Lasting, text)
	}
	if c.Lasting == 0 {
		t.Errorf("0:\n%s", text)
	}
	return c.Lasting
}

func lastingOptions() Options {
	return Options{
		Origin: zone.MustParseName("example.com."), Lasting: true, Workers: 2, pieceLen: 64,
		Includes: fstest.MapFS{"hosts.inc": {Data: []byte("ns A 192.0.2.53\nwww A 192.0.2.1 ; here\n")}},
	}
}

// TestLastingStays fails where the sums that states remember would change: all
// serials would move once.
func TestLastingStays(t *testing.T) {
	const want = 0x9f2a181c361b0095
	if got := lastingOf(t, lastingHead+"ns A 192.0.2.53\nwww AAAA 2001:db8::1\nm MX 10 Mail.Example.net.\nx TYPE65280 \\# 2 beef\n"); got != want {
		t.Errorf("%#x, want %#x", got, uint64(want))
	}
}

// TestLastingSame has texts in each group that are the same records, and those
// of no other group.
func TestLastingSame(t *testing.T) {
	const two = "ns A 192.0.2.53\nwww A 192.0.2.1\n"
	seen := map[uint64]int{}
	for i, group := range [][]string{
		{
			lastingHead + two,
			"; comment\n" + lastingHead + "WWW 5m IN A 192.0.2.1\nns.example.com. A 192.0.2.53 ; comment\n",
			"$ORIGIN example.com.\n@ 300 SOA NS hostmaster ( 99 2h 15m 2w 5m )\n@ 300 NS ns.EXAMPLE.com.\n$TTL 300\nwww A 192.0.2.1\n A 192.0.2.1\nns A 192.0.2.53\nns A 192.0.2.53\nns A 192.0.2.53\n",
			lastingHead + "$INCLUDE hosts.inc\n",
			lastingHead + "$GENERATE 1-1 www A 192.0.2.$\n$GENERATE 53-53 ns A 192.0.2.$\n$GENERATE 53-53 ns A 192.0.2.$\n",
			lastingHead + two + "later ALIAS cdn.example.net.\n",
			// The second address of www has its owner name from an entry that makes no record.
			lastingHead + "ns A 192.0.2.53\nwww ALIAS cdn.example.net.\n A 192.0.2.1\n A 192.0.2.1\n",
		},
		{lastingHead + "ns A 192.0.2.53\nwww A 192.0.2.2\n"},
		{lastingHead + "ns A 192.0.2.53\nwww 301 A 192.0.2.1\n"},
		{lastingHead + "ns A 192.0.2.1\nwww A 192.0.2.53\n"},
		{lastingHead + two + "www A 192.0.2.2\n"},
		{lastingHead + two + "www TXT \"a\" \"b\"\n", lastingHead + two + "www TXT a b\n", lastingHead + "www TXT a b\nwww TXT a \\098\n" + two},
		{lastingHead + two + "www TXT \"ab\"\n"},
		{"$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 301\n@ NS ns\n" + two},
	} {
		for _, text := range group {
			sum := lastingOf(t, text)
			if other, ok := seen[sum]; ok && other != i {
				t.Errorf("group %d has the sum of group %d:\n%s", i, other, text)
			}
			seen[sum] = i
		}
	}
	if len(seen) != 8 {
		t.Errorf("8 groups have %d sums: %x", len(seen), seen)
	}
}

// TestLastingContent holds what is foretold of an output against what is read
// of it.
func TestLastingContent(t *testing.T) {
	z := Read("zone", []byte(lastingHead+"ns A 192.0.2.53\nwww A 192.0.2.1\n A 192.0.2.1\n A 192.0.2.2\nwww TXT stays\n"), lastingOptions())
	www := zone.MustParseName("www.example.com.")
	got := z.Content(map[zone.Name][]uint16{www: {dns.TypeA}}, []Addresses{{Owner: www, Type: dns.TypeA, TTL: 60, Wire: [][]byte{{192, 0, 2, 8}, {192, 0, 2, 9}}}})
	want := lastingOf(t, lastingHead+"ns A 192.0.2.53\nwww TXT stays\nwww 60 A 192.0.2.8\nwww 60 A 192.0.2.9\n")
	if got.Lasting != want {
		t.Errorf("%x, want %x", got.Lasting, want)
	}
}

// TestLastingUnasked leaves the sum out, which takes time.
func TestLastingUnasked(t *testing.T) {
	o := lastingOptions()
	o.Lasting = false
	z := Read("zone", []byte(lastingHead+"ns A 192.0.2.53\nns A 192.0.2.53\n"), o)
	if c := z.Content(nil, nil); c.Lasting != 0 || z.Canonical(nil, nil).Content(false).Lasting != 0 {
		t.Errorf("%x", c.Lasting)
	}
}

// TestLastingStripped counts duplicates of what is left out once only: not at
// all.
func TestLastingStripped(t *testing.T) {
	const nsec = "ns NSEC www A\n"
	o := lastingOptions()
	o.StripDNSSEC = true
	var sums []Content
	for _, more := range []string{"", nsec, nsec + nsec} {
		sums = append(sums, Read("zone", []byte(lastingHead+"ns A 192.0.2.53\n"+more), o).Content(nil, nil))
	}
	if sums[0] != sums[1] || sums[0] != sums[2] {
		t.Errorf("%+v", sums)
	}
}
