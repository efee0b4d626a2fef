package publish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// generation publishes a zone with a serial, and keeps what it replaces.
func generation(t *testing.T, g Generations, path string, serial int) string {
	t.Helper()
	zoneText := strings.Replace(source, " 7 ", fmt.Sprintf(" %d ", serial), 1)
	text, meant := textOf(t, zoneText)
	verify := Verify(meant, text, nil)
	_, err := Write(path, text, func(f *os.File) error {
		return errors.Join(verify(f), g.Add(path, zone.Serial(serial-1)))
	})
	if err != nil {
		t.Fatal(err)
	}
	return zoneText
}

func serials(t *testing.T, g Generations, path string) string {
	t.Helper()
	kept, err := g.List(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, k := range kept {
		list = append(list, fmt.Sprint(uint32(k.Serial)))
		if !strings.Contains(content(t, k.Path), fmt.Sprintf(" %d ", uint32(k.Serial))) {
			t.Errorf("%s has %q", k.Path, content(t, k.Path))
		}
	}
	return strings.Join(list, " ")
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	g := Generations{Dir: filepath.Join(dir, "generations"), Count: 3}
	want := map[int]string{1: "", 2: "1", 3: "2 1", 4: "3 2 1", 5: "4 3 2", 6: "5 4 3"}
	texts := map[int]string{}
	for serial := 1; serial <= 6; serial++ {
		texts[serial] = generation(t, g, path, serial)
		if got := serials(t, g, path); got != want[serial] {
			t.Errorf("after %d: kept %q, want %q", serial, got, want[serial])
		}
	}
	// A run that failed after it kept the file adds nothing the next time.
	if err := errors.Join(g.Add(path, 6), g.Add(path, 6)); err != nil {
		t.Fatal(err)
	}
	if got := serials(t, g, path); got != "6 5 4" {
		t.Errorf("kept twice: %q", got)
	}
	only(t, dir, "generations", "zone.db")
}

// TestGenerationsApart keeps outputs of one name apart, takes other files for
// others', and goes on with fewer.
func TestGenerationsApart(t *testing.T) {
	dir := t.TempDir()
	g := Generations{Dir: filepath.Join(dir, "generations"), Count: 5}
	var paths []string
	for _, view := range []string{"inside", "outside"} {
		if err := os.Mkdir(filepath.Join(dir, view), 0o755); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(dir, view, "zone.db"))
	}
	for serial := 1; serial < 5; serial++ {
		generation(t, g, paths[0], serial)
	}
	generation(t, g, paths[1], 11)
	generation(t, g, paths[1], 12)
	folder, err := g.folder(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notes", "7", "x-1", "8-x", "9-1-1", ".generation.aliasflat-17"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := serials(t, g, paths[0]), serials(t, g, paths[1]); a != "3 2 1" || b != "11" {
		t.Errorf("%q and %q", a, b)
	}
	g.Count = 1
	generation(t, g, paths[0], 5)
	if got := serials(t, g, paths[0]); got != "4" {
		t.Errorf("fewer: %q", got)
	}
	if _, err := os.Stat(filepath.Join(folder, "notes")); err != nil {
		t.Error(err)
	}
}

func TestGenerationsNone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	for _, g := range []Generations{{}, {Dir: filepath.Join(dir, "g")}, {Count: 3}} {
		generation(t, g, path, 1)
		generation(t, g, path, 2)
		if kept, err := g.List(path); len(kept) > 0 || err != nil {
			t.Errorf("%+v keeps %v, %v", g, kept, err)
		}
	}
	only(t, dir, "zone.db")
	g := Generations{Dir: filepath.Join(dir, "g"), Count: 3}
	if err := g.Add(filepath.Join(dir, "none.db"), 1); err != nil {
		t.Error(err)
	}
	g.Dir = filepath.Join(path, "g")
	if err := g.Add(path, 1); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("no place: %v", err)
	}
}

// TestGenerationsCopy keeps copies where a file cannot have a second name.
func TestGenerationsCopy(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	generation(t, Generations{}, path, 1)
	g := Generations{Dir: filepath.Join(dir, "g"), Count: 3}
	if err := g.Add(path, 1); err != nil {
		t.Fatal(err)
	}
	folder, err := g.folder(path)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(folder, ".generation.aliasflat-17")
	if err := os.WriteFile(dead, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyTo(filepath.Join(folder, "2-2"), path); err != nil {
		t.Fatal(err)
	}
	only(t, folder, "1-1", "2-2")
	if same, err := sameContent(filepath.Join(folder, "2-2"), path); !same || err != nil {
		t.Errorf("a copy differs: %v", err)
	}
	if same, err := sameContent(path, filepath.Join(folder, "none")); same || err != nil {
		t.Errorf("no file: %v, %v", same, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "2-2"), []byte(strings.Replace(content(t, path), "ns", "sn", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if same, err := sameContent(filepath.Join(folder, "2-2"), path); same || err != nil {
		t.Errorf("another file of that size: %v, %v", same, err)
	}
	if err := copyTo(filepath.Join(folder, "3-3"), filepath.Join(folder, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := copyTo(filepath.Join(dir, "none", "3-3"), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
