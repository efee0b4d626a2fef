package main

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The daemon is measured at a small size.
func TestWatchPart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "aliasflat")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/aliasflat").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-aliasflat", program, "-part", "watch", "-rounds", "1", "-records", "2000", "-targets", "2000", "-ttl", "1"}, &out, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, part := range []string{
		"one changed target in 2000 records", "x cp", "20 zones with one target", "20 changes of 20 targets", "p99", "TTL 1 s", "200  ", "MiB",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, out.String())
		}
	}
	if err := run(t.Context(), []string{"-aliasflat", "/no/such/aliasflat", "-part", "watch", "-rounds", "1", "-records", "1000"}, io.Discard, io.Discard); err == nil {
		t.Error("it is measured without a program")
	}
}
