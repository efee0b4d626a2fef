package zonefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// brokenWords are put into good zones: most break an entry, some change what
// the entries behind them mean.
var brokenWords = []string{
	"(", ")", `"`, `\`, "\r", "\x00", "\xff", ";", "\n", "\n ", " ", "(\n", ")\n", "\"\n",
	"\na..b 60 A 192.0.2.1\n", "\n..\n", "\nh1 60 A 192.0.2.300\n", "\nh1 A 192.0.2.1\n", "\nb_d A 192.0.2.1\n",
	"\n A 192.0.2.2\n", "\n 60 ALIAS t1\n", "\n\tALIAS\n", "\n 0 NS\n",
	"\nwww.example.net. 60 ALIAS t1\n", "\nwww.example.net. 60 A 192.0.2.1\n", "\nh1.example.net. 60 AAAA ::1\n",
	"\n$ORIGIN\n", "\n$ORIGIN a..b\n", "\n$ORIGIN example.net.\n", "\n$ORIGIN example.org.\n", "\n$origin sub\n",
	"\n$TTL x\n", "\n$TTL 60\n", "\n$ttl 1h30m\n", "\n$X\n", "\n$INCLUDE nothing\n", "\n$GENERATE 1-2 \"\n",
	"\n$GENERATE 1-3 g$ ALIAS t$\n", "\n; comment\n; comment\n; comment\n; comment\n", "\n@ SOA ns hm 1 2 3 4 5\n",
	"\nh2 60 RRSIG A 8 3 60 20300101000000 20200101000000 1 example.org. AAAA\n",
}

// broken puts some words into a text, at line starts and anywhere.
func broken(rng *rand.Rand, text []byte) []byte {
	for range 1 + rng.IntN(4) {
		at := rng.IntN(len(text) + 1)
		if rng.IntN(2) == 0 {
			at = lineEnd(text, at)
		}
		text = slices.Insert(bytes.Clone(text), at, []byte(pick(rng, brokenWords...))...)
	}
	return text
}

// TestPiecesBroken reads broken zones in pieces of many lengths, for each kind
// of server.
func TestPiecesBroken(t *testing.T) {
	t.Parallel()
	refused, accepted := 0, 0
	eachSeed(t, rounds(2000), func(t *testing.T, seed uint64) {
		t.Helper()
		rng := rand.New(rand.NewPCG(seed, 2))
		z := makeZone(seed, mix{
			records: rng.IntN(30), aliases: true, includes: seed%2 == 0, generates: seed%3 == 0,
			mixedTTLs: seed%5 == 0, outside: seed%7 == 0,
		})
		z.text = broken(rng, z.text)
		defer z.showFailed(t)
		o := Options{Workers: 1, For: pick(rng, BIND, NSD, Knot, NSD|Knot)}
		whole := z.read("ALIAS", o)
		if whole.Found.HasErrors() {
			refused++
		} else {
			accepted++
		}
		o.Workers = 2
		for _, n := range []int{1, 16, 60, 200} {
			o.pieceLen = n
			samePieces(t, z.read("ALIAS", o), whole)
			if t.Failed() {
				t.Fatalf("pieces of %d bytes", n)
			}
		}
	})
	if refused < 500 || accepted < 50 {
		t.Errorf("%d zones with errors and %d without", refused, accepted)
	}
}

// pieceCases are texts behind a head, in which a piece does not know what is
// needed of the text before it.
var pieceCases = []struct {
	name string
	text string
	code diag.Code // of a diagnostic that must be among those found
	n    int       // how many of these
}{
	{
		"an owner name that is inherited behind $ORIGIN and comments",
		"a A 192.0.2.2\n$ORIGIN sub.example.org.\n" + strings.Repeat("; a comment\n", 2500) + " A 192.0.2.3\n", diag.CodeInheritedOwnerAfterOrigin, 1,
	},
	{
		"an owner name that is inherited behind $ORIGIN and broken entries",
		"a A 192.0.2.2\n$ORIGIN sub.example.org.\n" + strings.Repeat("b TXT \"\nc TXT \"\n", 20) + " A 192.0.2.3\n", diag.CodeInheritedOwnerAfterOrigin, 1,
	},
	{
		"a run of records behind comments",
		"a 60 A 192.0.2.2\n" + strings.Repeat("; a comment\n", 2500) + " 70 A 192.0.2.3\n", diag.CodeTTLMismatch, 1,
	},
	{
		"records out of zone, half of them ALIAS entries",
		func() string {
			var b strings.Builder
			for i := range 2 * maxFindings {
				fmt.Fprintf(&b, "a%d.example.net. %s\n", i, []string{"ALIAS t", "A 192.0.2.2"}[i%2])
			}
			return b.String()
		}(), diag.CodeOutOfZone, maxFindings,
	},
	{
		"a host whose record is broken behind many others",
		strings.Repeat("a A x\n", 2000) + "b A x\n@ MX 10 b\n", diag.CodeHostWithoutAddress, 0,
	},
	{
		"errors without end", strings.Repeat("a A x\n", 500), diag.CodeBadAddress, maxErrors,
	},
}

func TestPiecesContext(t *testing.T) {
	t.Parallel()
	for _, c := range pieceCases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			text := []byte(hostileHead + c.text)
			o := Options{Origin: zone.MustParseName("example.org."), Workers: 1}
			whole := Read("zone", text, o)
			n := 0
			for _, d := range whole.Found {
				if d.Code == c.code {
					n++
				}
			}
			if n != c.n {
				t.Errorf("%d times %q, want %d:\n%s", n, c.code, c.n, listing(whole.Found))
			}
			o.Workers = 2
			for _, n := range []int{1, 16, 60, 200, 1000} {
				o.pieceLen = n
				samePieces(t, Read("zone", text, o), whole)
			}
		})
	}
}

// TestSigned finds the signatures of a zone whatever else is remembered of it,
// and no more than a few.
func TestSigned(t *testing.T) {
	t.Parallel()
	text := bytes.NewBufferString(hostileHead)
	for i := range 10 {
		fmt.Fprintf(text, "a%d ALIAS cdn.example.net.\n", i)
	}
	text.WriteString(strings.Repeat("h RRSIG A 8 3 60 20300101000000 20200101000000 1 example.org. AAAA\n", 10))
	o := Options{Origin: zone.MustParseName("example.org."), Workers: 1}
	whole := Read("zone", text.Bytes(), o)
	if n := len(whole.Marked(MarkSigned)); n != maxSigned {
		t.Errorf("%d signatures are remembered, want %d", n, maxSigned)
	}
	o.Workers, o.pieceLen = 2, 60
	samePieces(t, Read("zone", text.Bytes(), o), whole)
	o.StripDNSSEC = true
	if n := len(Read("zone", text.Bytes(), o).Marked(MarkSigned)); n != 10 {
		t.Errorf("%d signatures are to go, want 10", n)
	}
}
