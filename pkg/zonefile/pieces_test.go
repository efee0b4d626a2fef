package zonefile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// pieceCases are texts behind a head, in which a piece does not know what is
// needed of the text before it.
var pieceCases = []struct {
	name string
	text string
	code diag.Code // of a diagnostic that must be among those found
	n    int       // how many of these
}{
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
