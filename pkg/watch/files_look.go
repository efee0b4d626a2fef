package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// coarse is how far the clock of a file system may be behind: the kernel's tick.
	coarse = 20 * time.Millisecond
	// hasty is how young a change may be so that another one could bear the same stamp: the
	// coarsest file systems count in 2 seconds.
	hasty = 3 * time.Second
)

// state is what is said of a file, apart from its content.
type state uint8

const (
	unknown    state = iota // it is told whatever it is
	gone                    // it does not exist
	unreadable              // it exists, or nobody can tell
	irregular               // it is a folder, a pipe or the like
	readable
)

// content is what files are compared by.
type content struct {
	state state
	sum   [sha256.Size]byte
}

// stamp is what tells without reading that a file is as it was.
type stamp struct {
	state    state // readable: a file is there
	mode     fs.FileMode
	size     int64
	modified int64  // Unix time in nanoseconds
	changed  int64  // the same; 0 where there is no change time
	inode    uint64 // 0 where there is none
}

// time is when the file was changed, as far as its file system tells.
func (s stamp) time() time.Time {
	if s.changed != 0 {
		return time.Unix(0, s.changed)
	}
	return time.Unix(0, s.modified)
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{state: readable, mode: info.Mode(), size: info.Size(), modified: info.ModTime().UnixNano()}
	s.changed, s.inode = changeOf(info)
	if !s.mode.IsRegular() {
		s.state, s.size = irregular, 0
	}
	return s
}

func (p *place) stamp() stamp {
	if p.info != nil {
		return stampOf(p.info)
	}
	return stamp{state: stateOf(p.err)}
}

func stateOf(err error) state {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return gone
	case errors.Is(err, syscall.EISDIR):
		return irregular
	}
	return unreadable
}

// file is one that is looked at.
type file struct {
	path  string // as it was given
	whole string // from the root
	since time.Time
	place place

	told  content
	stamp stamp     // when that was read
	read  time.Time // when that was

	// While it moves, or may have.
	began   time.Time // when that was noticed
	last    stamp     // when it was looked at last
	moved   time.Time // when it was seen to have moved last
	touched time.Time // when the last event was
	due     time.Time // when it is looked at again
	suspect bool      // the stamp is not enough
}

// unsure tells that the file may have changed since it was read without another stamp.
func (x *file) unsure() bool {
	return x.stamp.state == readable && x.stamp.time().After(x.read.Add(-hasty))
}

// observe goes the way to files again, and sees to it that the folders on it are watched
// before.
func (l *looker) observe(files []*file) {
	// A way that changes while it is watched is gone again. One that never rests is left to
	// the poll.
	for range 4 {
		w := walker{folders: map[string]folder{}}
		for _, x := range files {
			p := w.file(x.whole, 0)
			if p.leaf != x.place.leaf || !slices.Equal(p.way, x.place.way) {
				l.events.changed = true
			}
			x.place = p
		}
		if !l.events.changed {
			return
		}
		l.index()
		if !l.events.watch() {
			return
		}
	}
}

// index finds which files hang on what.
func (l *looker) index() {
	clear(l.byEntry)
	l.events.forget()
	for _, x := range l.all {
		for i, s := range x.place.way {
			if !slices.Contains(x.place.way[:i], s) {
				l.byEntry[s.entry] = append(l.byEntry[s.entry], x)
				l.events.want(s)
			}
		}
		if x.place.leaf != "" && !slices.Contains(x.place.way, step{entry: x.place.leaf}) {
			l.byEntry[x.place.leaf] = append(l.byEntry[x.place.leaf], x)
			l.events.want(step{entry: x.place.leaf})
		}
	}
}

// first has what a file holds be what it is told against, unless it has changed since.
func (l *looker) first(ctx context.Context, x *file) {
	now := time.Now()
	x.stamp, x.read = x.place.stamp(), now
	found, whole := l.contentOf(ctx, x)
	newer := x.place.newer
	if x.place.info != nil {
		newer = latest(newer, x.stamp.time())
	}
	if x.told = found; !x.since.IsZero() && newer.After(x.since.Add(-coarse)) {
		x.told = content{state: unknown}
	}
	if x.suspect = !whole; x.suspect || x.told.state == unknown {
		l.moving[x] = struct{}{}
		l.start(x, now)
	}
}

// start begins to wait until a file stands still.
func (l *looker) start(x *file, now time.Time) {
	x.began, x.moved, x.last = now, now, x.place.stamp()
	x.due = now.Add(l.options.Settle)
	l.wake(x.due)
}

// settle looks at a file that moves or has moved, and tells whether it is to be told now.
func (l *looker) settle(ctx context.Context, x *file, now time.Time) bool {
	s := x.place.stamp()
	most := x.began.Add(mostMoving * l.options.Settle)
	if s.state == readable && s.inode == x.last.inode && s.size > x.last.size {
		most = x.began.Add(mostGrowing * l.options.Settle)
	}
	if s != x.last {
		x.moved, x.last = now, s
	}
	still := latest(x.moved, x.touched).Add(l.options.Settle)
	if s.state == gone || s.state == readable && s.size == 0 {
		still = latest(x.moved, x.touched).Add(mostVanished * l.options.Settle)
	}
	if now.Before(still) && now.Before(most) {
		x.due = still
		if most.Before(still) {
			x.due = most
		}
		return false
	}
	found, whole := x.told, true
	if s != x.stamp || x.suspect || x.unsure() || x.told.state == unknown {
		x.read = now
		found, whole = l.contentOf(ctx, x)
	}
	if !whole && now.Before(most) {
		x.moved, x.due = now, now.Add(l.options.Settle)
		return false
	}
	told := found != x.told
	x.told, x.stamp = found, s
	if x.suspect = !whole || now.Before(still); x.suspect {
		l.start(x, now)
	} else {
		delete(l.moving, x)
	}
	return told
}

// contentOf reads a file. It is whole if the file was the same all the time.
func (l *looker) contentOf(ctx context.Context, x *file) (c content, whole bool) {
	s := x.place.stamp()
	if s.state != readable {
		return content{state: s.state}, true
	}
	// A pipe that takes the place of the file is not waited for.
	f, err := os.OpenFile(x.place.leaf, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return content{state: stateOf(err)}, !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	h := sha256.New()
	for ctx.Err() == nil {
		n, err := f.Read(l.buffer)
		h.Write(l.buffer[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return content{state: unreadable}, true
		}
	}
	read, err := f.Stat()
	now, err2 := os.Lstat(x.place.leaf)
	whole = err == nil && err2 == nil && stampOf(read) == s && stampOf(now) == s
	return content{state: readable, sum: [sha256.Size]byte(h.Sum(nil))}, whole
}
