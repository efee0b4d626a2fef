package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	progressAfter = 500 * time.Millisecond // a run stays silent as long
	progressEvery = 100 * time.Millisecond // the bar is drawn no more often
	progressWidth = 30                     // of the bar, in characters
)

// progress gives what to call as lookups end, and at the end of all. It shows
// a bar on a terminal and nothing anywhere else, nor with -q.
func (a *app) progress() (step func(done, total int), end func()) {
	file, ok := a.stderr.(*os.File)
	if !ok || a.quiet || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	b := &bar{w: file, due: time.Now().Add(progressAfter)}
	return func(done, total int) { b.step(done, total, time.Now()) }, b.clear
}

// bar draws how far a run is over its last drawing, on one line. Its methods
// may be called side by side.
type bar struct {
	w io.Writer

	mu    sync.Mutex
	due   time.Time // of the next drawing
	shown int       // width of what stands on the line, in characters
}

// step says how far the run is. A bar that cannot be drawn is no reason to stop.
func (b *bar) step(done, total int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.due) || done == total {
		return
	}
	b.due = now.Add(progressEvery)
	full := done * progressWidth / total
	line := fmt.Sprintf("lookups %3d%% |%s%s| (%d/%d)", done*100/total,
		strings.Repeat("#", full), strings.Repeat(" ", progressWidth-full), done, total)
	b.shown = max(b.shown, len(line))
	_, _ = fmt.Fprintf(b.w, "\r%-*s", b.shown, line)
}

// clear takes the bar away. It writes blanks, which every terminal knows.
func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown > 0 {
		_, _ = fmt.Fprintf(b.w, "\r%*s\r", b.shown, "")
		b.shown = 0
	}
}
