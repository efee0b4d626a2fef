package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// bench is a looker at one file in a world whose clock is the test's.
type bench struct {
	*testing.T
	*looker
	path  string
	began time.Time
}

// settling runs a test with a file that holds text. There are no events but those that the
// test gives, and no poll but what it asks for.
func settling(t *testing.T, text string, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "zone")
		if text != "" {
			write(t, path, text)
		}
		f := silent(NewFiles(FilesOptions{}))
		f.WatchSince([]string{path}, time.Time{})
		b := &bench{T: t, looker: newLooker(f), path: path, began: time.Now()}
		b.replace(t.Context(), f.set())
		test(b)
	})
}

// event gives an event of the file.
func (b *bench) event(op fsnotify.Op) {
	leaf := b.all[0].place.leaf
	b.hints(hints{names: map[string]fsnotify.Op{leaf: op}})
}

// until lets time pass until the file is told, and gives how long that took.
func (b *bench) until(most time.Duration) (took time.Duration, ok bool) {
	b.Helper()
	begin := time.Now()
	for time.Since(begin) < most {
		if told := b.due(b.Context()); len(told) > 0 {
			if !slices.Equal(told, []string{b.path}) {
				b.Fatalf("told %q, want %q", told, b.path)
			}
			return time.Since(begin), true
		}
		time.Sleep(min(max(b.wait(), time.Millisecond), most-time.Since(begin)))
	}
	return 0, false
}

func (b *bench) toldAfter(want time.Duration) {
	b.Helper()
	got, ok := b.until(time.Minute)
	if !ok || got < want || got > want+DefaultSettle {
		b.Fatalf("told after %v (%v), want %v", got, ok, want)
	}
}

func (b *bench) notTold() {
	b.Helper()
	if got, ok := b.until(time.Minute); ok {
		b.Fatalf("told after %v, want nothing", got)
	}
}

func TestFilesSettle(t *testing.T) {
	t.Run("a change", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			write(b, b.path, "2")
			b.event(fsnotify.Write)
			b.toldAfter(DefaultSettle)
			b.notTold()
		})
	})
	t.Run("no change", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			write(b, b.path, "1")
			must(b, os.Chtimes(b.path, time.Now(), time.Now().Add(time.Hour)), os.Chmod(b.path, 0o600))
			b.event(fsnotify.Write | fsnotify.Chmod)
			b.notTold()
			b.lookAtAll(b.Context(), false)
			b.notTold()
		})
	})
	t.Run("pieces", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			for i := range 8 {
				write(b, b.path, fmt.Sprint("piece ", i))
				b.event(fsnotify.Write)
				if got, ok := b.until(DefaultSettle - time.Millisecond); ok {
					b.Fatalf("told after %v, between two pieces", got)
				}
			}
			b.toldAfter(0)
			b.notTold()
		})
	})
	t.Run("pieces without events", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			b.lookAtAll(b.Context(), false)
			for i := range 8 {
				write(b, b.path, fmt.Sprint("piece ", i, i))
				b.lookAtAll(b.Context(), false)
				if got, ok := b.until(DefaultSettle - time.Millisecond); ok {
					b.Fatalf("told after %v, between two pieces", got)
				}
			}
			b.toldAfter(0)
			b.notTold()
		})
	})
}

// TestFilesNeverStill has files be told that never stand still.
func TestFilesNeverStill(t *testing.T) {
	t.Run("written again and again", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			begin, n := time.Now(), 0
			for i := 0; time.Since(begin) < 30*time.Second; i++ {
				write(b, b.path, fmt.Sprint(i%10)) // of one size
				b.event(fsnotify.Write)
				if _, ok := b.until(DefaultSettle * 2 / 5); ok {
					n++
				}
			}
			if want := int(30 * time.Second / (mostMoving * DefaultSettle)); n < want-3 || n > want {
				b.Errorf("told %d times, want %d", n, want)
			}
			write(b, b.path, "the last")
			b.event(fsnotify.Write)
			b.toldAfter(DefaultSettle)
			b.notTold()
		})
	})
	t.Run("written to the end again and again", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			begin := time.Now()
			for text := "1"; ; text += "1" {
				write(b, b.path, text)
				b.event(fsnotify.Write)
				if _, ok := b.until(DefaultSettle / 3); ok {
					break
				}
				if time.Since(begin) > time.Minute {
					b.Fatal("not told")
				}
			}
			if took := time.Since(begin); took < mostGrowing*DefaultSettle || took > (mostGrowing+mostMoving)*DefaultSettle {
				b.Errorf("told after %v, want %v", took, mostGrowing*DefaultSettle)
			}
			write(b, b.path, "the last")
			b.event(fsnotify.Write)
			b.toldAfter(DefaultSettle)
			b.notTold()
		})
	})
	t.Run("another one whenever it is read", func(t *testing.T) {
		settling(t, "1", func(b *bench) {
			x := b.all[0]
			write(b, b.path, "2")
			b.event(fsnotify.Write)
			time.Sleep(DefaultSettle)
			b.observe(b.all)
			write(b, b.path, "three")
			if b.settle(b.Context(), x, time.Now()) {
				b.Error("told while it changes")
			}
			time.Sleep(DefaultSettle)
			b.observe(b.all)
			x.last = x.place.stamp()
			must(b, os.Remove(b.path))
			if c, whole := b.contentOf(b.Context(), x); c.state != gone || whole {
				b.Errorf("it is %v, whole %v; want that it vanishes", c, whole)
			}
			if b.settle(b.Context(), x, time.Now()) {
				b.Error("told while it vanishes")
			}
			time.Sleep(mostMoving * DefaultSettle)
			write(b, b.path, "4")
			if !b.settle(b.Context(), x, time.Now()) {
				b.Error("not told although it never stands still")
			}
			write(b, b.path, "5")
			b.toldAfter(DefaultSettle)
		})
	})
}

// TestFilesVanish has files that are gone or empty for a moment be told when they are back,
// and others later.
func TestFilesVanish(t *testing.T) {
	vanish := map[string]func(path string) error{
		"gone":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
	}
	for name, act := range vanish {
		t.Run(name, func(t *testing.T) {
			settling(t, "1", func(b *bench) {
				must(b, act(b.path))
				b.event(fsnotify.Remove)
				b.toldAfter(mostVanished * DefaultSettle)
				b.notTold()
				write(b, b.path, "1")
				b.event(fsnotify.Create)
				b.toldAfter(DefaultSettle)
			})
		})
		t.Run(name+" for a moment", func(t *testing.T) {
			settling(t, "1", func(b *bench) {
				must(b, act(b.path))
				b.event(fsnotify.Remove)
				if got, ok := b.until(2 * DefaultSettle); ok {
					b.Fatalf("told after %v, want it to have time to come back", got)
				}
				write(b, b.path, "1")
				b.event(fsnotify.Create)
				b.notTold()
				must(b, act(b.path))
				b.event(fsnotify.Remove)
				if got, ok := b.until(2 * DefaultSettle); ok {
					b.Fatalf("told after %v, want it to have time to come back", got)
				}
				write(b, b.path, "2")
				b.event(fsnotify.Create)
				b.toldAfter(DefaultSettle)
			})
		})
	}
}

// TestFilesKinds has what is no file be told, and not read.
func TestFilesKinds(t *testing.T) {
	settling(t, "1", func(b *bench) {
		must(b, os.Remove(b.path), os.Mkdir(b.path, 0o755))
		b.lookAtAll(b.Context(), false)
		b.toldAfter(DefaultSettle)
		// What happens in the folder is of no interest.
		write(b, filepath.Join(b.path, "x"), "1")
		b.lookAtAll(b.Context(), false)
		b.notTold()
		must(b, os.RemoveAll(b.path), os.Symlink(b.path, b.path))
		b.lookAtAll(b.Context(), false)
		b.toldAfter(DefaultSettle)
		if got := b.all[0].told.state; got != unreadable {
			b.Errorf("a link to itself is %d, want that it cannot be read", got)
		}
		must(b, os.Remove(b.path))
		write(b, b.path, "1")
		b.lookAtAll(b.Context(), false)
		b.toldAfter(DefaultSettle)
	})
}

// TestFilesSameStamp has a change be found that the stamp does not show.
func TestFilesSameStamp(t *testing.T) {
	settling(t, "1", func(b *bench) {
		x := b.all[0]
		write(b, b.path, "2")
		// As if the file system had but one stamp for both.
		b.observe(b.all)
		x.stamp = x.place.stamp()
		x.read = x.stamp.time().Add(hasty - time.Second)
		b.lookAtAll(b.Context(), false)
		b.toldAfter(DefaultSettle)
		// A stamp that is old enough is trusted, so that a poll need not read.
		write(b, b.path, "3")
		b.observe(b.all)
		x.stamp = x.place.stamp()
		x.read = x.stamp.time().Add(hasty + time.Second)
		b.lookAtAll(b.Context(), false)
		b.notTold()
		// With an event it is not.
		b.event(fsnotify.Write)
		b.toldAfter(DefaultSettle)
	})
}

// TestFilesLoseAgain has everything be looked at not all the time when events are lost all
// the time.
func TestFilesLoseAgain(t *testing.T) {
	settling(t, "1", func(b *bench) {
		looks, last := 0, b.looked
		for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
			b.hints(hints{lost: true})
			b.due(b.Context())
			if b.looked != last {
				looks, last = looks+1, b.looked
			}
		}
		if want := int(time.Minute / (mostMoving * DefaultSettle)); looks < want-1 || looks > want+1 {
			b.Errorf("everything was looked at %d times in a minute, want %d", looks, want)
		}
	})
}
