package zonefile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

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
