package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBar(t *testing.T) {
	var got strings.Builder
	start := time.Unix(0, 0)
	b := &bar{w: &got, due: start.Add(progressAfter)}
	b.step(1, 8, start) // before anything is shown
	b.clear()
	b.step(2, 8, start.Add(progressAfter))
	b.step(3, 8, start.Add(progressAfter)) // too soon after the last
	b.step(4, 8, start.Add(progressAfter+progressEvery))
	b.step(8, 8, start.Add(time.Hour)) // the end needs no bar
	b.clear()
	b.clear()
	want := "\rlookups  25% |#######                       | (2/8)" +
		"\rlookups  50% |###############               | (4/8)" +
		"\r" + strings.Repeat(" ", 51) + "\r"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
