//go:build !windows

package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// saving is a test with a folder of its own.
type saving struct {
	*testing.T
	dir string
}

// saves are the ways in which programs change a file. Each prepares its folder, and gives
// the path that is looked at and what saves a text there.
var saves = map[string]func(t *saving) (path string, save func(text string)){
	"in place": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) { write(t, path, text) }
	},
	"truncate and write in pieces": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) {
			f, err := os.Create(path)
			must(t, err)
			for i := range len(text) {
				_, err = f.WriteString(text[i : i+1])
				must(t, err, f.Sync())
			}
			must(t, f.Close())
		}
	},
	"to the end": func(t *saving) (string, func(string)) {
		path, before := filepath.Join(t.dir, "zone"), 0
		return path, func(text string) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
			must(t, err, f.Truncate(int64(before)))
			_, err = f.WriteString(text)
			must(t, err, f.Close())
		}
	},
	"same size and time": func(t *saving) (string, func(string)) {
		path, at := filepath.Join(t.dir, "zone"), time.Now()
		return path, func(text string) {
			write(t, path, text)
			must(t, os.Chtimes(path, at, at))
		}
	},
	"vim, backup by rename": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) {
			// It tries out whether it may make files in the folder.
			write(t, filepath.Join(t.dir, "4913"), "")
			must(t, os.Remove(filepath.Join(t.dir, "4913")))
			if err := os.Rename(path, path+"~"); !errors.Is(err, os.ErrNotExist) {
				must(t, err)
			}
			synced(t, path, text)
			must(t, os.Chmod(path, 0o644), os.RemoveAll(path+"~"))
		}
	},
	"vim, backup by copy": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) {
			write(t, path+"~", text)
			synced(t, path, text)
			must(t, os.Remove(path+"~"))
		}
	},
	"emacs": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) {
			lock := filepath.Join(t.dir, ".#zone")
			must(t, os.Symlink("somebody@somewhere.1", lock))
			write(t, filepath.Join(t.dir, "#zone#"), text)
			if err := os.Rename(path, path+"~"); !errors.Is(err, os.ErrNotExist) {
				must(t, err)
			}
			synced(t, path, text)
			must(t, os.Chmod(path, 0o644), os.Remove(filepath.Join(t.dir, "#zone#")), os.Remove(lock))
		}
	},
	"rsync": func(t *saving) (string, func(string)) {
		path, at := filepath.Join(t.dir, "zone"), time.Now().Add(-time.Hour)
		return path, func(text string) {
			f, err := os.CreateTemp(t.dir, ".zone.")
			must(t, err)
			_, err = f.WriteString(text)
			must(t, err, f.Close(), os.Chtimes(f.Name(), at, at), os.Chmod(f.Name(), 0o644), os.Rename(f.Name(), path))
		}
	},
	"rsync in place": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
			must(t, err)
			_, err = f.WriteString(text)
			must(t, err, f.Truncate(int64(len(text))), f.Close())
		}
	},
	"sed -i": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		write(t, path, "zone\n")
		return path, func(text string) { program(t, t.dir, "sed", "-i", "s/.*/"+strings.TrimSpace(text)+"/", path) }
	},
	"cp": func(t *saving) (string, func(string)) {
		path, from := filepath.Join(t.dir, "zone"), filepath.Join(t.TempDir(), "from")
		return path, func(text string) {
			write(t, from, text)
			program(t, t.dir, "cp", from, path)
		}
	},
	"mv over": func(t *saving) (string, func(string)) {
		path, from := filepath.Join(t.dir, "zone"), filepath.Join(filepath.Dir(t.dir), "from")
		return path, func(text string) {
			write(t, from, text)
			program(t, t.dir, "mv", "-f", from, path)
		}
	},
	"git checkout": func(t *saving) (string, func(string)) {
		git := func(args ...string) {
			who := []string{"-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false", "-c", "gc.auto=0"}
			program(t, t.dir, "git", append(who, args...)...)
		}
		path, n := filepath.Join(t.dir, "zones", "zone"), 0
		must(t, os.Mkdir(filepath.Dir(path), 0o755))
		git("init", "-q")
		return path, func(text string) {
			// The folder goes and comes with the branch.
			n++
			git("checkout", "-q", "--orphan", fmt.Sprint("other", n))
			git("rm", "-rfq", "--ignore-unmatch", ".")
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			write(t, path, text)
			git("add", ".")
			git("commit", "-qm", "zone", "--no-verify")
			git("checkout", "-q", "--orphan", fmt.Sprint("empty", n))
			git("rm", "-rfq", ".")
			git("checkout", "-q", fmt.Sprint("other", n))
		}
	},
	"hard link": func(t *saving) (string, func(string)) {
		path, n := filepath.Join(t.dir, "zone"), 0
		return path, func(text string) {
			n++
			from := filepath.Join(filepath.Dir(t.dir), fmt.Sprint("from", n))
			write(t, from, text)
			must(t, os.Link(from, path+".new"), os.Rename(path+".new", path))
		}
	},
	"ConfigMap": func(t *saving) (string, func(string)) {
		path, n := filepath.Join(t.dir, "zone"), 0
		must(t, os.Symlink(filepath.Join("..data", "zone"), path))
		return path, func(text string) {
			n++
			data := fmt.Sprint("..", n)
			must(t, os.Mkdir(filepath.Join(t.dir, data), 0o755))
			write(t, filepath.Join(t.dir, data, "zone"), text)
			must(t, os.Symlink(data, filepath.Join(t.dir, "..data_tmp")))
			must(t, os.Rename(filepath.Join(t.dir, "..data_tmp"), filepath.Join(t.dir, "..data")))
			must(t, os.RemoveAll(filepath.Join(t.dir, fmt.Sprint("..", n-1))))
		}
	},
	"link to a link elsewhere": func(t *saving) (string, func(string)) {
		path, middle, end := filepath.Join(t.dir, "zone"), filepath.Join(t.TempDir(), "middle"), t.TempDir()
		must(t, os.Symlink(middle, path))
		n := 0
		return path, func(text string) {
			n++
			if n%2 == 0 { // the link turns, else what it leads to is written
				write(t, filepath.Join(end, fmt.Sprint(n)), text)
				must(t, os.Symlink(filepath.Join(end, fmt.Sprint(n)), middle+".new"), os.Rename(middle+".new", middle))
				return
			}
			if n == 1 {
				must(t, os.Symlink(filepath.Join(end, "0"), middle))
			}
			write(t, path, text)
		}
	},
	"release": func(t *saving) (string, func(string)) {
		path, n := filepath.Join(t.dir, "current", "zones", "zone"), 0
		return path, func(text string) {
			n++
			release := filepath.Join(t.dir, "releases", fmt.Sprint(n))
			must(t, os.MkdirAll(filepath.Join(release, "zones"), 0o755))
			write(t, filepath.Join(release, "zones", "zone"), text)
			program(t, t.dir, "ln", "-sfn", release, filepath.Join(t.dir, "current"))
		}
	},
	"folder is moved over": func(t *saving) (string, func(string)) {
		// It is two folders above the file.
		path := filepath.Join(t.dir, "all", "zones", "zone")
		return path, func(text string) {
			fresh := filepath.Join(t.dir, "all.new")
			must(t, os.MkdirAll(filepath.Join(fresh, "zones"), 0o755))
			write(t, filepath.Join(fresh, "zones", "zone"), text)
			if err := os.Rename(filepath.Join(t.dir, "all"), filepath.Join(t.dir, "all.old")); !errors.Is(err, os.ErrNotExist) {
				must(t, err)
			}
			must(t, os.Rename(fresh, filepath.Join(t.dir, "all")), os.RemoveAll(filepath.Join(t.dir, "all.old")))
		}
	},
	"folder is moved onto an empty one": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zones", "zone")
		must(t, os.Mkdir(filepath.Dir(path), 0o755))
		return path, func(text string) {
			fresh := filepath.Join(t.dir, "zones.new")
			must(t, os.MkdirAll(fresh, 0o755))
			write(t, filepath.Join(fresh, "zone"), text)
			must(t, os.RemoveAll(path), syscall.Rename(fresh, filepath.Dir(path)))
		}
	},
	"folders are made anew": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "a", "b", "c", "zone")
		return path, func(text string) {
			must(t, os.RemoveAll(filepath.Join(t.dir, "a")), os.MkdirAll(filepath.Dir(path), 0o755))
			write(t, path, text)
		}
	},
	"above a link": func(t *saving) (string, func(string)) {
		// To the kernel ".." is where the link leads to, and no step back.
		there := filepath.Join(t.TempDir(), "x")
		must(t, os.Mkdir(there, 0o755), os.Symlink(there, filepath.Join(t.dir, "link")))
		path := t.dir + "/link/.././/zone"
		return path, func(text string) { write(t, path, text) }
	},
	"relative": func(t *saving) (string, func(string)) {
		here, err := os.Getwd()
		must(t, err)
		path, err := filepath.Rel(here, filepath.Join(resolved(t, t.dir), "zone"))
		must(t, err)
		return path, func(text string) { write(t, path, text) }
	},
	"beside a flood": func(t *saving) (string, func(string)) {
		path := filepath.Join(t.dir, "zone")
		return path, func(text string) {
			for i := range 500 {
				write(t, filepath.Join(t.dir, fmt.Sprint("other", i)), text)
			}
			write(t, path, text)
			for i := range 500 {
				must(t, os.Remove(filepath.Join(t.dir, fmt.Sprint("other", i))))
			}
		}
	},
}

func synced(tb testing.TB, path, text string) {
	tb.Helper()
	f, err := os.Create(path)
	must(tb, err)
	_, err = f.WriteString(text)
	must(tb, err, f.Sync(), f.Close())
}

func program(tb testing.TB, dir, name string, args ...string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// TestFilesSaves has changes of every kind be seen, with events.
func TestFilesSaves(t *testing.T) {
	testSaves(t, func() *Files { return NewFiles(FilesOptions{Poll: time.Hour}) })
}

// TestFilesSavesPolled has the same be seen without events.
func TestFilesSavesPolled(t *testing.T) {
	testSaves(t, func() *Files {
		return silent(NewFiles(FilesOptions{Poll: 50 * time.Millisecond, Settle: 20 * time.Millisecond}))
	})
}

func testSaves(t *testing.T, files func() *Files) {
	t.Helper()
	times, soon := 3, patience
	if judge.Deep() {
		times, soon = 100, 2*time.Second // the promise, kept by a machine that has time
	}
	for name, prepare := range saves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "dir")
			must(t, os.Mkdir(dir, 0o755))
			path, save := prepare(&saving{t, dir})
			f := files()
			calls, _ := run(t, f)
			begun(t, f, calls, path)
			var worst time.Duration
			extra := 0
			for i := range times {
				text := fmt.Sprintf("zone %04d\n", i)
				save(text)
				saved := time.Now()
				for {
					c := next(t, calls, soon)
					if len(c.paths) != 1 || c.paths[0] != path {
						t.Fatalf("told %q, want %q", c.paths, path)
					}
					if c.text == text {
						break
					}
					extra++
				}
				worst = max(worst, time.Since(saved))
			}
			t.Logf("%d of %d seen, the last after %v, %d times told between", times, times, worst.Round(time.Millisecond), extra)
		})
	}
}

// TestFilesVim has the real editor save, where there is one.
func TestFilesVim(t *testing.T) {
	t.Parallel()
	vim, err := exec.LookPath("vim")
	if err != nil {
		t.Skip("vim is not installed; what it does is among the others")
	}
	for _, backup := range []string{"yes", "no", "auto"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "zone")
		write(t, path, "zone\n")
		f := NewFiles(FilesOptions{Poll: time.Hour})
		calls, _ := run(t, f)
		begun(t, f, calls, path)
		for i := range 3 {
			program(t, dir, vim, "-u", "NONE", "-n", "-es", "-c", "set backup backupcopy="+backup,
				"-c", fmt.Sprintf("%%s/.*/%s %d/", backup, i), "-c", "wq", path)
			if got, want := next(t, calls, patience), fmt.Sprintf("%s %d\n", backup, i); got.text != want {
				t.Errorf("backupcopy=%s: told with %q, want %q", backup, got.text, want)
			}
		}
	}
}

// TestFilesPipe has a pipe in the place of a file be told, and not waited for.
func TestFilesPipe(t *testing.T) {
	settling(t, "1", func(b *bench) {
		x := b.all[0]
		must(b, os.Remove(b.path), syscall.Mkfifo(b.path, 0o644))
		// As if it had been a file just before.
		c, whole := b.contentOf(b.Context(), x)
		if whole {
			b.Errorf("it was %v, and whole", c)
		}
		b.lookAtAll(b.Context(), false)
		b.toldAfter(DefaultSettle)
		if x.told.state != irregular {
			b.Errorf("a pipe is %d, want that it is no file", x.told.state)
		}
	})
}
