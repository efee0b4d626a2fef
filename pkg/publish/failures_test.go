package publish

import (
	"flag"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

var update = flag.Bool("update", false, "rewrite docs/failures.md")

const failuresFile = "../../docs/failures.md"

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// findings collects the cells of a table while tests run side by side.
type findings struct {
	mu    sync.Mutex
	cells map[[2]string]string // by row and column
}

func (f *findings) add(row, column, cell string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cells[[2]string{row, column}] = cell
}

// TestReload lets everything happen to every name server.
func TestReload(t *testing.T) {
	t.Parallel()
	found := &findings{cells: map[[2]string]string{}}
	var columns []string
	for _, s := range slices.Concat(namedSetUps, nsdSetUps, knotSetUps) {
		columns = append(columns, s.title)
	}
	t.Run("all", func(t *testing.T) {
		for _, program := range []struct {
			name  string
			list  []setUp
			start func(testing.TB, map[string]judge.Steered) *judge.Server
		}{
			{"named", namedSetUps, judge.StartSteeredNamed},
			{"nsd", nsdSetUps, judge.StartSteeredNSD},
			{"knot", knotSetUps, judge.StartSteeredKnot},
		} {
			t.Run(program.name, func(t *testing.T) {
				t.Parallel()
				for _, b := range steered(t, program.list, program.start) {
					for _, s := range situations {
						t.Run(b.zone+"/"+s.title, func(t *testing.T) { found.add(s.title, b.title, s.run(t, b)) })
					}
				}
			})
		}
		for _, s := range anywhere {
			t.Run(s.title, func(t *testing.T) {
				t.Parallel()
				found.add(s.title, "", s.run(t))
			})
		}
	})
	if len(found.cells) == len(columns)*len(situations)+len(anywhere) && !t.Failed() {
		compareFailures(t, page(columns, found))
	}
}

const explained = `# What happens on each failure

Every cell was found by a test that let it happen (go test ./pkg/publish -run
TestReload) and that fails where this page says something else. The servers of the
first table are the real ones.

- **served**: exit 0. The server was asked until it had the new zone.
- **refused**: exit 4. The old file stands, and the server was told nothing.
- **rolled back**: exit 4. The previous file is in its place again with a new time,
  and the server answers from it.
- **forward**: exit 4. The new zone was served, so secondaries may have it. The previous
  records are in place again under a serial that is later still.
- **stays**: exit 4. The new file is in its place, and the reload or the hook is owed:
  ` + "`aliasflat compile --reload`" + ` runs it again although nothing changed.
- **IXFR**, **AXFR**: what a secondary gets that asks for the change alone.

## For each server

`

// page is docs/failures.md.
func page(columns []string, f *findings) string {
	var b strings.Builder
	b.WriteString(explained)
	b.WriteString("| what happens | " + strings.Join(columns, " | ") + " |\n|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, s := range situations {
		b.WriteString("| " + s.title)
		for _, c := range columns {
			b.WriteString(" | " + f.cells[[2]string{s.title, c}])
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n## For any server\n\n| what happens | what comes of it |\n|---|---|\n")
	for _, s := range anywhere {
		b.WriteString("| " + s.title + " | " + f.cells[[2]string{s.title, ""}] + " |\n")
	}
	return b.String()
}

func compareFailures(t *testing.T, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(failuresFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(failuresFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s is stale; go test ./pkg/publish -update rewrites it (-file +tests):\n%s", failuresFile, diff)
	}
}
