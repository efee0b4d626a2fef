package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/publish"
)

// TestKeepOld keeps what is replaced where there is a place for it, with the
// serial that it has.
func TestKeepOld(t *testing.T) {
	dir := t.TempDir()
	j := &job{output: filepath.Join(dir, "example.com.db")}
	if err := os.WriteFile(j.output, []byte("a zone"), 0o644); err != nil {
		t.Fatal(err)
	}
	place := publish.Generations{Dir: filepath.Join(dir, "generations"), Count: 2}
	for _, c := range []struct {
		earlier   publish.Generations
		published *compile.Published
		want      int
	}{
		{place, nil, 0},
		{publish.Generations{}, &compile.Published{Serial: 7}, 0},
		{place, &compile.Published{Serial: 7}, 1},
	} {
		j.earlier, j.source.Published = c.earlier, c.published
		if err := j.keepOld(); err != nil {
			t.Error(err)
		}
		kept, err := place.List(j.output)
		if err != nil || len(kept) != c.want || c.want > 0 && kept[0].Serial != 7 {
			t.Errorf("kept %v, %v", kept, err)
		}
	}
}
