package compile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// judging lets name servers read the outputs of one source.
type judging struct {
	t       *testing.T
	dir     string
	origin  string
	lenient bool // host names are not checked
}

// named wants BIND to load a text and gives the records it reads there.
func (j *judging) named(name string, text []byte) []string {
	j.t.Helper()
	file := filepath.Join(j.dir, name)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		j.t.Fatal(err)
	}
	var args []string
	if j.lenient {
		args = []string{"-k", "ignore"}
	}
	if v := judge.NamedCheck(j.t, j.origin, file, args...); !v.OK {
		j.t.Fatalf("BIND refuses %s:\n%s\n%s", name, v.Output, text)
	}
	records := judge.NamedCompile(j.t, j.origin, file)
	for i, r := range records {
		// BIND shows an owner name in the letter case that it read first.
		owner, rest, _ := strings.Cut(r, " ")
		records[i] = strings.ToLower(owner) + " " + rest
	}
	slices.Sort(records)
	return records
}

// others wants NSD and Knot to load a file.
func (j *judging) others(name string, skipKnot bool) {
	j.t.Helper()
	file := filepath.Join(j.dir, name)
	if v := judge.NSDCheck(j.t, j.origin, file); !v.OK {
		j.t.Errorf("NSD refuses %s:\n%s", name, v.Output)
	}
	if skipKnot {
		return
	}
	if v := judge.KnotCheck(j.t, j.origin, file); !v.OK {
		j.t.Errorf("Knot refuses %s:\n%s", name, v.Output)
	}
}
