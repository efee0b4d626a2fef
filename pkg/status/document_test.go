package status

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/monitoring.md")

const (
	documentFile = "../../docs/monitoring.md"
	tableBegin   = "<!-- Made by the tests: go test ./pkg/status -run TestMetricsAreDocumented -update -->\n"
	tableEnd     = "<!-- end -->\n"
)

// The page lists each metric with its labels, type and help.
func TestMetricsAreDocumented(t *testing.T) {
	_, families := scrape(t, options())
	table := "| metric | type | what it says |\n|---|---|---|\n"
	rows := 0
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if !strings.HasPrefix(name, "aliasflat_") {
			continue
		}
		f := families[name]
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		table += "| `" + name + "` | " + strings.ToLower(f.GetType().String()) + " | " + strings.TrimSuffix(f.GetHelp(), ".") + " |\n"
		rows++
	}
	if rows < 20 {
		t.Fatalf("%d metrics", rows)
	}
	page, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tableBegin)
	have, after, okEnd := strings.Cut(rest, tableEnd)
	if !ok || !okEnd {
		t.Fatalf("%s has no place for the table", documentFile)
	}
	if have == table {
		return
	}
	if !*update {
		t.Fatalf("%s lists other metrics; -update rewrites the table, which is to be\n%s", documentFile, table)
	}
	if err := os.WriteFile(documentFile, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
