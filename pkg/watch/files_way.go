package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mostLinks is how many links may follow one another, as in Linux.
const mostLinks = 40

// step is a name in a folder that the way to a file leads through.
type step struct {
	entry string // a path whose folder has no link on its way
	plain bool   // it is a folder, and no link
}

// place is where the way to a file leads at one moment.
type place struct {
	way   []step      // through folders and links; shared, never written to
	leaf  string      // the entry of the file itself; empty: a folder is missing
	info  fs.FileInfo // nil: there is none, for err
	err   error
	newer time.Time // the last change that its links show, and where it is missing its folder
}

// walker finds the way to files. It remembers the folders, so it is for one moment.
type walker struct{ folders map[string]folder }

type folder struct {
	path  string // without links
	way   []step
	newer time.Time
	err   error
}

// absolute is a path from the root, in which ".." still means what it means to the kernel:
// the folder above the one that a link leads to.
func absolute(path string) string {
	if filepath.IsAbs(path) && runtime.GOOS != "windows" {
		return path
	}
	if here, err := os.Getwd(); err == nil && runtime.GOOS != "windows" {
		return here + "/" + path
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// file goes the way to a file. path is from the root.
func (w *walker) file(path string, links int) place {
	above, name := cut(path)
	f := w.folder(above, links)
	if f.err != nil {
		return place{way: f.way, err: f.err, newer: f.newer}
	}
	if name == "" || name == "." || name == ".." {
		return place{way: f.way, err: syscall.EISDIR, newer: f.newer}
	}
	p := place{way: f.way, leaf: join(f.path, name), newer: f.newer}
	p.info, p.err = os.Lstat(p.leaf)
	if p.err != nil {
		p.info, p.newer = nil, latest(p.newer, changedAt(f.path))
		return p
	}
	if p.info.Mode()&fs.ModeSymlink == 0 {
		return p
	}
	target, newer, err := follow(p.leaf, f.path, p.info, links)
	way := with(f.way, step{entry: p.leaf})
	if err != nil {
		return place{way: way, leaf: p.leaf, err: err, newer: latest(p.newer, newer)}
	}
	to := w.file(target, links+1)
	to.way = with(way, to.way...)
	to.newer = latest(to.newer, latest(p.newer, newer))
	return to
}

// folder goes the way to a folder.
func (w *walker) folder(path string, links int) folder {
	if f, ok := w.folders[path]; ok {
		return f
	}
	f := w.enter(path, links)
	w.folders[path] = f
	return f
}

func (w *walker) enter(path string, links int) folder {
	above, name := cut(path)
	if above == path {
		return folder{path: path} // the root, of a volume where there are such
	}
	f := w.folder(above, links)
	switch {
	case f.err != nil, name == "", name == ".":
		return f
	case name == "..":
		f.path, _ = cut(f.path)
		return f
	}
	entry := join(f.path, name)
	info, err := os.Lstat(entry)
	if err != nil {
		return folder{way: with(f.way, step{entry: entry}), newer: latest(f.newer, changedAt(f.path)), err: err}
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		f.path, f.way = entry, with(f.way, step{entry: entry, plain: info.IsDir()})
		if !info.IsDir() {
			f.err = syscall.ENOTDIR
		}
		return f
	}
	target, newer, err := follow(entry, f.path, info, links)
	way := with(f.way, step{entry: entry})
	if err != nil {
		return folder{way: way, newer: latest(f.newer, newer), err: err}
	}
	to := w.folder(target, links+1)
	to.way = with(way, to.way...)
	to.newer = latest(to.newer, latest(f.newer, newer))
	return to
}

// follow reads a link.
func follow(entry, above string, info fs.FileInfo, links int) (target string, newer time.Time, err error) {
	newer = stampOf(info).time()
	if links >= mostLinks {
		return "", newer, syscall.ELOOP
	}
	target, err = os.Readlink(entry)
	if err == nil && !filepath.IsAbs(target) {
		target = join(above, target)
	}
	return target, newer, err
}

// changedAt is when a folder was changed last; zero: nobody knows.
func changedAt(path string) time.Time {
	info, err := os.Lstat(path)
	if err != nil {
		return time.Time{}
	}
	return stampOf(info).time()
}

// cut parts the last name of a path off, without making sense of it.
func cut(path string) (above, name string) {
	volume := len(filepath.VolumeName(path))
	i := len(path) - 1
	for i >= volume && !os.IsPathSeparator(path[i]) {
		i--
	}
	switch {
	case i < volume:
		return path[:volume] + ".", path[volume:]
	case i == volume:
		return path[:i+1], path[i+1:]
	}
	return path[:i], path[i+1:]
}

func join(above, name string) string {
	if above != "" && os.IsPathSeparator(above[len(above)-1]) {
		return above + name
	}
	return above + string(os.PathSeparator) + name
}

func with(way []step, more ...step) []step {
	return append(slices.Clip(way), more...)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// below tells whether a path is in a folder, or in one below it.
func below(path, above string) bool {
	return len(path) > len(above) && strings.HasPrefix(path, above) &&
		(os.IsPathSeparator(path[len(above)]) || above != "" && os.IsPathSeparator(above[len(above)-1]))
}
