package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// TestConcurrentRuns has 50 runs at once write one output. Each decides with
// what the one before has published: the serial goes up by one for each run that
// changed something, and no run overwrites another's work without knowing it.
func TestConcurrentRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("many processes")
	}
	const runs, variants = 50, 10
	rounds := 1
	if deep {
		rounds = 20
	}
	t.Parallel()
	w := newWorkshop(t)
	for v := range variants {
		source := fmt.Sprintf("$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 300\n NS ns\nns A 192.0.2.53\n@ ALIAS cdn.example.net.\nv TXT \"variant %d\"\n", v)
		if err := os.WriteFile(filepath.Join(w.dir, fmt.Sprintf("variant%d.zone", v)), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds {
		before := w.serial()
		written := w.together(runs, variants)
		if got := w.serial(); got != before+uint32(written) {
			t.Errorf("the serial went from %d to %d, and %d runs have changed something", before, got, written)
		}
		if written < variants {
			t.Errorf("only %d of %d runs have changed something", written, runs)
		}
		w.alone()
		if t.Failed() {
			return
		}
	}
}

// together starts runs at once, and tells how many have changed the output.
func (w *workshop) together(runs, variants int) (written int) {
	w.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range runs {
		wg.Go(func() {
			status, said := w.execute(w.t.Context(), w.program, "compile", "--force", "--format", "json", "--resolver", "demo:", "--wait", "2m",
				"--serial", "increment", "-o", w.output, filepath.Join(w.dir, fmt.Sprintf("variant%d.zone", i%variants)))
			var rep struct {
				Zones []struct {
					Status string `json:"status"`
				} `json:"zones"`
			}
			err := json.Unmarshal([]byte(said), &rep)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status != 0 || err != nil || len(rep.Zones) != 1:
				w.t.Errorf("exit status %d, %v: %s", status, err, said)
			case rep.Zones[0].Status == "written":
				written++
			case rep.Zones[0].Status != "unchanged":
				w.t.Errorf("a run says %q", rep.Zones[0].Status)
			}
		})
	}
	wg.Wait()
	return written
}

// serial reads the serial of the output, which is a whole zone.
func (w *workshop) serial() uint32 {
	w.t.Helper()
	text := w.read()
	serial, ok := zonefile.FindSerial(w.output, []byte(text), zonefile.Options{})
	if !ok || !strings.HasPrefix(text, "$ORIGIN example.com.") {
		w.t.Fatalf("the output has no serial:\n%s", text)
	}
	return uint32(serial)
}
