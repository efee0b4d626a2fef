package compile

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// aliasCases are the cases of the matrix that are about type 65401, which is
// ALIAS here and private to BIND: the owner that gets addresses, or the code
// that refuses them.
var aliasCases = map[string]struct {
	code  diag.Code
	owner string
}{
	"al1":  {owner: "a.example.org."},
	"al2":  {owner: "a.example.org."},
	"g3":   {owner: "a.example.org."},
	"gen6": {code: diag.CodeAliasInDomain}, // its targets t1 and t2 are not in the zone
	"g1":   {code: diag.CodeAliasPayload},
	"g2":   {code: diag.CodeAliasPayload},
	"g2b":  {code: diag.CodeAliasPayload},
	"g2c":  {code: diag.CodeAliasPayload},
}

const matrixWorld = `
foo.example. 60 IN A 203.0.113.1
foo.example. 60 IN AAAA 2001:db8::1
foo. 60 IN A 203.0.113.1
foo. 60 IN AAAA 2001:db8::1
foo.example.org. 60 IN A 203.0.113.1
foo.example.org. 60 IN AAAA 2001:db8::1
`

// TestMatrixALIAS compiles the cases of the matrix that are about ALIAS.
func TestMatrixALIAS(t *testing.T) {
	seen := 0
	for _, c := range judge.Matrix(t) {
		want, ok := aliasCases[c.ID]
		if !ok {
			continue
		}
		seen++
		r := Run(t.Context(), []Source{{
			Name: c.ID, Text: c.Zone, Origin: zone.MustParseName("example.org."),
			Includes: fstest.MapFS{}, CheckNames: diag.Warning,
		}}, Options{Lookup: matrixLookup(t), Now: time.Unix(1.7e9, 0)})[0]
		if want.code != "" {
			refused := slices.ContainsFunc(r.Problems, func(d *diag.Diagnostic) bool { return d.Code == want.code && d.Span.Line > 0 })
			if r.OK() || !refused {
				t.Errorf("%s: want %s, found %v", c.ID, want.code, r.Problems.Err())
			}
			continue
		}
		if !r.OK() {
			t.Errorf("%s: not compiled: %v", c.ID, r.Problems.Err())
			continue
		}
		lines := want.owner + " 60 IN A 203.0.113.1\n" + want.owner + " 60 IN AAAA 2001:db8::1\n"
		if text := string(r.Text.Bytes()); !strings.HasSuffix(text, lines) {
			t.Errorf("%s: %q does not end with %q", c.ID, text, lines)
		}
	}
	if seen != len(aliasCases) {
		t.Errorf("%d of %d cases are in the matrix", seen, len(aliasCases))
	}
}

func matrixLookup(t *testing.T) resolve.Lookuper {
	t.Helper()
	records, problems := zonefile.Records("world", []byte(matrixWorld))
	if problems.HasErrors() {
		t.Fatal(problems.Err())
	}
	world, err := resolve.NewMemory(records)
	if err != nil {
		t.Fatal(err)
	}
	return world
}
