package main

import (
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressAfter is how long a run stays silent before it shows how far it is.
const progressAfter = 500 * time.Millisecond

// progress gives what to call as lookups end, and at the end of all. It shows
// a bar on a terminal and nothing anywhere else, nor with -q.
func (a *app) progress() (step func(done, total int), end func()) {
	file, ok := a.stderr.(*os.File)
	if !ok || a.quiet || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	start := time.Now()
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	step = func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if bar == nil {
			if time.Since(start) < progressAfter || done == total {
				return
			}
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(file),
				progressbar.OptionSetDescription("lookups"), progressbar.OptionShowCount(),
				progressbar.OptionThrottle(progressAfter/5), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set(done) // a bar that cannot be drawn is no reason to stop
	}
	return step, func() {
		if bar != nil {
			_ = bar.Finish()
		}
	}
}
