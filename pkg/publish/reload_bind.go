package publish

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// bind is the driver for named. What it rests on was measured with 9.18:
//
//   - rndc reload ends with 0 and "zone reload queued" whether or not the file
//     loads; named goes on with the old zone when it does not.
//   - A file whose time is not later than that of the last load is never read:
//     "zone reload up-to-date".
//   - While a load of the zone waits or runs the answer is "queued" whatever the
//     time of the file.
//   - For a zone that named signs inline, "serial:" of rndc zonestatus is the
//     serial of the file, and what the server answers is one of its own.
type bind struct{ *reloading }

// words are a command of rndc about the zone.
func (b *bind) words(command string) []string {
	words := b.command("rndc", command, b.zoneArgument())
	if b.Reload.View != "" {
		words = append(words, "IN", b.Reload.View)
	}
	return words
}

func (b *bind) tool() *program { return &program{args: b.words("reload")} }

// status is what rndc zonestatus says of a zone.
type status struct {
	dynamic bool
	inline  bool
	serial  zone.Serial
	known   bool // the serial
}

func parseStatus(text string) status {
	var s status
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "dynamic":
			s.dynamic = value == "yes"
		case "inline signing":
			s.inline = value == "yes"
		case "serial":
			n, err := strconv.ParseUint(value, 10, 32)
			s.serial, s.known = zone.Serial(n), err == nil
		}
	}
	return s
}

func (b *bind) status(ctx context.Context) (status, error) {
	p := program{args: b.words("zonestatus")}
	said, err := p.run(ctx)
	if err != nil {
		return status{}, fmt.Errorf("rndc zonestatus: %w", err)
	}
	return parseStatus(said), nil
}

func (b *bind) look(ctx context.Context) (word, error) {
	s, err := b.status(ctx)
	if s.dynamic && !s.inline {
		return word{}, problemDynamic(b.reloading)
	}
	return b.serving(ctx, s, err), nil
}

func (b *bind) ask(ctx context.Context) word {
	s, err := b.status(ctx)
	return b.serving(ctx, s, err)
}

// serving is the serial of the file that named serves. What it answers is not
// known to be that without its status.
func (b *bind) serving(ctx context.Context, s status, err error) word {
	w := askSOA(ctx, b.Reload.Server, b.Zone)
	switch {
	case w.serves && err != nil:
		return word{err: err}
	case w.serves && s.inline && s.known:
		w.serial = s.serial
	}
	return w
}

// progress finds out whether named is done with the file that it does not serve:
// for the time of one more rndc reload the file is made older than any load. A
// load that waits or runs is "queued" then, and otherwise there is nothing to
// load, so the one that was asked for is over.
func (b *bind) progress(ctx context.Context, said string, toolErr error) progress {
	switch {
	case toolErr == nil && strings.Contains(said, upToDate):
		return passedOver
	case toolErr != nil || !strings.Contains(said, "zone reload queued"):
		return unknown // named was not told, or not yet
	}
	info, err := os.Stat(b.File)
	if err != nil {
		return unknown
	}
	old := time.Unix(1, 0)
	if os.Chtimes(b.File, old, old) != nil {
		return unknown
	}
	said, err = b.tool().run(ctx)
	if os.Chtimes(b.File, info.ModTime(), info.ModTime()) != nil {
		touch(b.File)
	}
	if err == nil && strings.Contains(said, upToDate) {
		return loadFailed
	}
	return unknown
}

// upToDate is what named says of a file that is no newer than the last load.
const upToDate = "zone reload up-to-date"
