package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// files are those that a run reads and writes: none is written over another, whatever links
// lead there.
type files struct {
	places map[string]claim       // by real path
	links  map[likeness][]claimed // by what a file has under all its names
	state  string                 // real path of the folder of the state; empty: there is none
}

// claim is what a file is for a run.
type claim struct {
	what string // as it stands in a message behind "is"
	kind *kind  // of what is written; nil: it is read only
	of   string // the source that it is written for; empty: it belongs to the run
}

type claimed struct {
	info fs.FileInfo
	claim
}

// likeness tells most files apart without looking at each pair of them.
type likeness struct {
	size int64
	time time.Time
}

// kind is a kind of file that a run writes.
type kind struct {
	word, what, flag string
}

var (
	kindOutput = &kind{"output", "an output", "-o"}
	kindLock   = &kind{"lock file", "a lock file", "--lock"}
	kindNote   = &kind{"note of what is sent", "the note of what is sent to a server", "output in the configuration"}
	kindReport = &kind{"report", "the report", "--report"}
)

func (k *kind) wrong(path, is string) error {
	return usageError{message: fmt.Sprintf("the %s %s is %s", k.word, path, is), hint: "name another file with " + k.flag}
}

func likenessOf(info fs.FileInfo) likeness { return likeness{info.Size(), info.ModTime()} }

// is gives what a file is for the run already.
func (f *files) is(path string) (claim, bool) {
	place := realPath(path)
	if c, ok := f.places[place]; ok {
		return c, true
	}
	if f.inState(place) {
		return claim{what: "in the folder of the state"}, true
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		for _, other := range f.links[likenessOf(info)] {
			if os.SameFile(info, other.info) {
				return other.claim, true
			}
		}
	}
	return claim{}, false
}

// inState tells whether a path belongs to the state. Folders that others have made in there are
// theirs.
func (f *files) inState(place string) bool {
	in := func(folder string) bool {
		return strings.HasPrefix(place, filepath.Join(f.state, folder)+string(filepath.Separator))
	}
	return f.state != "" && (place == f.state || filepath.Dir(place) == f.state || in(generationsFolder) || in(historyFolder) || in(pulledFolder))
}

// claim says what a file is. What it was before stands.
func (f *files) claim(path string, c claim) {
	place := realPath(path)
	if _, ok := f.places[place]; ok || path == "" || path == "-" {
		return
	}
	f.places[place] = c
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		l := likenessOf(info)
		f.links[l] = append(f.links[l], claimed{info, c})
	}
}

// take claims a file that is to be written, of a source unless that is empty. One that is
// something else already is refused.
func (f *files) take(k *kind, path, of string) error {
	if path == "" || path == "-" {
		return nil
	}
	other, taken := f.is(path)
	switch {
	case taken && other.kind == k:
		return usageError{message: fmt.Sprintf("%s and %s would both have the %s %s", other.of, of, k.word, path), hint: "give each its own"}
	case taken:
		return k.wrong(path, other.what)
	}
	f.claim(path, claim{k.what, k, of})
	return nil
}

// takeNotes claims the files in which it is noted what servers were sent.
func (f *files) takeNotes(jobs []*job) error {
	for _, j := range jobs {
		output := j.outputPath()
		if !j.delivery.pushes() || output == "" || output == "-" {
			continue
		}
		if err := f.take(kindNote, output+publish.NoteSuffix, j.path); err != nil {
			return err
		}
	}
	return nil
}

// apart refuses a run that would write over a file that it reads or writes for another reason,
// or over what belongs to the state, before anything is opened.
func (a *app) apart(conf *config.Config, state string, jobs []*job, resolvers []string) (*files, error) {
	f := &files{places: map[string]claim{}, links: map[likeness][]claimed{}}
	dir := conf.State
	if override(&dir, state); dir != "" {
		f.state = realPath(dir)
	}
	f.claim(conf.File, claim{what: "the configuration"})
	for _, j := range jobs {
		if j.pull == nil {
			f.claim(j.path, claim{what: "a source"})
		}
	}
	for _, text := range resolvers {
		if u, err := resolve.ParseURL(text); err == nil && u.InMemory() {
			f.claim(u.Path, claim{what: "what a resolver answers from"})
		}
	}
	for _, j := range jobs {
		if err := f.take(kindOutput, j.outputPath(), j.path); err != nil {
			return nil, err
		}
	}
	if err := f.takeNotes(jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if !strings.Contains(j.against, "://") {
			f.claim(j.against, claim{what: "what --against names"})
		}
	}
	for _, j := range jobs {
		if err := f.take(kindLock, j.lockPath(), j.path); err != nil {
			return nil, err
		}
	}
	if c, ok := f.is(a.reportFile); ok && a.reportFile != "" {
		return nil, kindReport.wrong(a.reportFile, c.what)
	}
	f.claim(a.reportFile, claim{kindReport.what, kindReport, ""})
	return f, nil
}

// fits refuses outputs and lock files that are no regular files. A lock file that is only read
// may be what whoever started the run has opened for it, as for --lock <(command).
func (c *compileCommand) fits(jobs []*job) error {
	for _, j := range jobs {
		if special, _ := specialFile(j.output); special != "" && j.output != "-" {
			return kindOutput.wrong(j.output, special)
		}
		if special, open := specialFile(j.lockFile); special != "" && (c.update || !open) {
			return kindLock.wrong(j.lockFile, special)
		}
	}
	return nil
}

// reportFits refuses a report that could not be written, or that somebody would have to read
// before the run could end. What whoever started the run has opened for it, as for
// --report >(command), is fine, and so is the device for what nobody wants.
func (a *app) reportFits() error {
	special, open := specialFile(a.reportFile)
	if special == "" || open || filepath.Clean(a.reportFile) == os.DevNull {
		return nil
	}
	return kindReport.wrong(a.reportFile, special)
}

// specialFile gives what is no regular file and no place for one, and whether it is open
// already. A name at the end of which there is nothing yet is a place for a file.
func specialFile(path string) (what string, open bool) {
	if path == "" {
		return "", false
	}
	if isFolder(path) {
		return "a folder", false
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return "", false
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeNamedPipe != 0:
		what = "a FIFO"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	default:
		what = "a device"
	}
	return what, isDescriptor(path)
}

// isDescriptor tells whether a path, or a link that it is, names an open file of this process.
func isDescriptor(path string) bool {
	const most = 40 // links, as the system has it
	for range most {
		path = filepath.Clean(path)
		if dir := filepath.Dir(path); dir == "/dev/fd" || strings.HasPrefix(dir, "/proc/") && filepath.Base(dir) == "fd" {
			return true
		}
		next, err := os.Readlink(path)
		if err != nil {
			return false
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return false
}

// outputPath is where the output of a job is, even if none of it is written in this run.
func (j *job) outputPath() string {
	if j.expand != nil && strings.Contains(j.output, "{zone}") {
		return j.expand(j.zoneName(nil))
	}
	return j.output
}

// lockPath is outputPath for the lock file.
func (j *job) lockPath() string {
	if j.lockFile == "" && j.lockFor != nil {
		return j.lockFor(j.zoneName(nil))
	}
	return j.lockFile
}

// includesApart is apart for what the sources have included, once they are read.
func (f *files) includesApart(jobs []*job) error {
	for _, j := range jobs {
		for _, path := range j.included.all() {
			c, ok := f.is(path)
			if !ok || c.kind == nil {
				f.claim(path, claim{what: "an included file"})
				continue
			}
			return c.kind.wrong(path, "included by "+j.source.Name)
		}
	}
	return nil
}

// included are the files that a source includes.
type included struct {
	root string // that paths are below
	fs.FS

	mu    sync.Mutex
	paths []string
}

func (i *included) Stat(name string) (fs.FileInfo, error) { return fs.Stat(i.FS, name) }

func (i *included) ReadFile(name string) ([]byte, error) {
	i.mu.Lock()
	i.paths = append(i.paths, name)
	i.mu.Unlock()
	return fs.ReadFile(i.FS, name)
}

// all gives the paths of the files.
func (i *included) all() []string {
	if i == nil {
		return nil
	}
	var list []string
	for _, path := range i.paths {
		list = append(list, filepath.Join(i.root, filepath.FromSlash(path)))
	}
	return list
}
