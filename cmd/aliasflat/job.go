package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// saveMemory has garbage collected early, the earlier the more text there is,
// and before it is known how much that is. Beside a small text all there is
// takes little, and collecting it again and again takes time.
//
// Nearly all memory is the text and the index, which hold no pointers and cost
// the collector nothing, while waiting for the heap to grow by a part of them
// would let garbage grow along with the zone. GOGC wins.
//
// It is for when the text is loaded, not before: a collection leaves free pages
// in front of the unused ones, and a buffer that begins in them is cleared from
// one end to the other.
func saveMemory(text int) {
	const (
		garbage = 1 << 20 // bytes to let lie beside a large text
		small   = 1 << 20 // bytes
	)
	percent := min(20, max(2, 100*garbage/max(text, 1)))
	if text > 0 && text <= small {
		percent = 100
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// sourceFlags are the flags that say which sources are read, and how.
type sourceFlags struct {
	origin        string
	zones         []string
	includeRoot   string
	checkNames    string
	forServer     string
	siblings      string
	types         string
	generateLimit int
	stripDNSSEC   bool
	serial        string // of compile alone
	style         string // of compile alone
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.origin, "origin", "", "`NAME` of the zone; without it the source tells")
	flags.StringSliceVar(&f.zones, "zone", nil, "take the configured zone `NAME` (repeatable)")
	flags.StringVar(&f.includeRoot, "include-root", "", "let $INCLUDE read below `DIR` (default: the folder of the source)")
	flags.StringVar(&f.forServer, "for", "", "`SERVER` that must read the output: bind, nsd, knot or any (default bind)")
	flags.StringVar(&f.siblings, "siblings", "", "`WHAT` A and AAAA beside an ALIAS do: error, fallback, override or merge (default error)")
	flags.StringVar(&f.types, "types", "", "address `TYPES` an ALIAS asks for: A, AAAA or A,AAAA (default both)")
	flags.StringVar(&f.checkNames, "check-names", "", "`WHAT` a name that is no host name does: fail or warn (default fail)")
	flags.IntVar(&f.generateLimit, "generate-limit", 0, "let one $GENERATE make `N` records (default 65536)")
	flags.BoolVar(&f.stripDNSSEC, "strip-dnssec", false, "take signatures and denial records out of a signed source")
}

// job is one source with what is to be made of it.
type job struct {
	path        string  // "-" is standard input
	pull        *pulled // where the source is transferred from, and path is how that is shown; nil: it is a file
	picked      string  // the name by which --zone picked it; empty: it was not
	output      string  // "-" is standard output
	origin      zone.Name
	view        string
	settings    config.Settings
	checkers    [][]string
	delivery    delivery
	lockFile    string                       // what is reviewed of the targets; empty: there is none
	lockFor     func(zone.Name) string       // gives lockFile the zone name; nil: it has no place for it
	reviewed    *state.Lock                  // what lockFile lists; nil: it was not read
	newLock     []byte                       // what is to be written to it; nil: nothing
	promise     func(*publish.Forward) error // see [publish.Delivery]; nil: nothing is remembered
	key         string                       // see outputKey; empty: it has to be found
	last        string                       // the file that tells what was published last; empty: none does
	against     string                       // what --against names; empty: what the output holds
	shown       *zone.Serial                 // of the output; nil: there is none
	asked       string                       // the server that tells the published serial, as dns://HOST; empty: none is asked
	served      *zone.Serial                 // what that server serves; nil: it was not asked
	old         []byte                       // the zone that was transferred from the server that against names
	expand      func(zone.Name) string       // gives output the zone name
	buf         []byte                       // memory of the source, used again for reading back
	learned     resolve.Estimates            // of its answers, by a daemon
	verified    publish.Verified             // that a daemon has written last; the zero value: it has to be read
	watched     bool                         // by a daemon: what fails is tried again, and a pipe, which may never end, is not read
	secondaries []config.Secondary           // that the zone is served to; empty: it is not
	editable    bool                         // by those who have a token
	updates     []config.Update              // by those who have a key, by UPDATE
	feeds       zone.Name                    // that it is served as; the zero Name: it is not
	root        string                       // that $INCLUDE may read below, as it was said; empty: it was not
	sum         uint64                       // of the text to be written, see sumOf; reading back overwrites the text
	source      compile.Source
	included    *included           // nil: the source may include nothing
	lock        *publish.Lock       // of output; nil: it has none
	earlier     publish.Generations // of output
	problems    diag.List           // that keep the source from being read, or the output from being written
	outcome     outcome             // what comes of the problems
}

// jobs finds the sources of a command: those named, or all of the
// configuration.
func (f *sourceFlags) jobs(cmd *cobra.Command, c *config.Config, args []string) ([]*job, error) {
	if f.origin != "" && len(args) != 1 {
		return nil, usageError{message: "--origin goes with one source", hint: "name the source, or give each its zone name in the configuration"}
	}
	var jobs []*job
	for _, arg := range args {
		named, err := sourcesOf(arg, c)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, named...)
	}
	if len(args) == 0 && len(f.zones) == 0 {
		for i := range c.Zones {
			jobs = append(jobs, configured(&c.Zones[i]))
		}
	}
	named, err := f.named(c)
	if err != nil {
		return nil, err
	}
	jobs = append(jobs, named...)
	if len(jobs) == 0 {
		return nil, usageError{message: "no source was given, and no configuration has zones", hint: fmt.Sprintf("%s zone.db", cmd.CommandPath())}
	}
	for _, j := range jobs {
		if err := f.apply(j, c); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// sourcesOf finds the sources that an argument names: those of the configuration that are the
// same file, or are pulled from the same place, or else what it names itself.
func sourcesOf(arg string, c *config.Config) ([]*job, error) {
	same := sameFile(arg)
	var from *config.Pull
	if config.IsPull(arg) {
		p, err := config.ParsePull(arg)
		if err != nil {
			return nil, usageError{message: err.Error(), hint: config.Hint(err)}
		}
		from = &p
		same = func(source string) bool { return source == p.URL() }
	}
	var jobs []*job
	if arg != "-" {
		for _, z := range c.Find(same) {
			jobs = append(jobs, configured(z))
		}
	}
	switch {
	case len(jobs) > 0:
		return jobs, nil
	case from != nil:
		j, err := pulledJob(from, c)
		return []*job{j}, err
	}
	return []*job{{path: arg, settings: c.Settings}}, nil
}

// named finds the configured zones that --zone picks, by the name in the
// configuration or else by that in their source.
func (f *sourceFlags) named(c *config.Config) ([]*job, error) {
	var jobs []*job
	for _, text := range f.zones {
		name, err := zone.ParseName(text, zone.Root)
		if err != nil {
			return nil, usageError{message: "--zone: " + err.Error()}
		}
		found := c.Named(name)
		for i := range c.Zones {
			if z := &c.Zones[i]; z.Name.IsZero() && configured(z).zoneName(nil) == name {
				found = append(found, z)
			}
		}
		if len(found) == 0 {
			return nil, usageError{message: fmt.Sprintf("no configured zone has the name %q", text), hint: "--zone takes the name of a zone of the configuration"}
		}
		for _, z := range found {
			j := configured(z)
			j.picked = text
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

func configured(z *config.Zone) *job {
	j := &job{path: z.Source, output: z.Output, expand: z.OutputFor, origin: z.Name, view: z.View, settings: z.Settings, checkers: z.VerifyWith, delivery: deliveryOf(z), asked: z.SerialFrom, secondaries: z.Secondaries, editable: z.Editable, updates: z.Updates}
	j.source.Guards = &z.Guards
	if z.Pull != nil {
		j.path, j.pull = pull.URL(z.Pull.Primary, z.Pull.Zone), &pulled{Pull: *z.Pull}
	}
	if z.Lock != "" {
		j.lockFor = z.LockFor
	}
	return j
}

// apply lets flags win over the configuration and turns words into values.
func (f *sourceFlags) apply(j *job, c *config.Config) error {
	s := &j.settings
	override(&s.For, f.forServer)
	override(&s.Siblings, f.siblings)
	override(&s.Serial, f.serial)
	override(&s.Style, f.style)
	if f.types != "" {
		s.Types = strings.Split(f.types, ",")
	}
	if f.checkNames != "" {
		s.CheckName = config.CheckNamesMode(f.checkNames)
	}
	src := &j.source
	src.View = j.view
	src.Origin = j.origin
	if f.origin != "" {
		name, err := zone.ParseName(f.origin, zone.Root)
		if err != nil {
			return usageError{message: "--origin: " + err.Error()}
		}
		src.Origin = name
	}
	var err error
	if src.For, err = zonefile.ParseServers(s.For); err != nil {
		return usageError{message: "--for: " + err.Error()}
	}
	if src.Serial, err = zone.ParsePolicy(s.Serial); err != nil {
		return usageError{message: "--serial: " + err.Error()}
	}
	switch s.CheckName {
	case "", config.CheckNamesFail:
		src.CheckNames = diag.Error
	case config.CheckNamesWarn:
		src.CheckNames = diag.Warning
	default:
		return wordError("--check-names", string(s.CheckName), []string{"fail", "warn"})
	}
	switch s.Style {
	case "", "source":
		src.Style = compile.StyleSource
	case "canonical":
		src.Style = compile.StyleCanonical
	default:
		return wordError("--style", s.Style, []string{"source", "canonical"})
	}
	src.StripDNSSEC = f.stripDNSSEC || s.Strip
	src.GenerateLimit = c.GenerateLimit
	if f.generateLimit < 0 {
		return usageError{message: fmt.Sprintf("--generate-limit %d is below 0", f.generateLimit)}
	}
	if f.generateLimit > 0 {
		src.GenerateLimit = f.generateLimit
	}
	src.IncludeRoot = c.IncludeRoot
	override(&src.IncludeRoot, f.includeRoot)
	j.root = src.IncludeRoot
	return aliasSettings(s, &src.Settings)
}

func override(value *string, flag string) {
	if flag != "" {
		*value = flag
	}
}

// aliasSettings turns the configured parameters of ALIAS into values.
func aliasSettings(s *config.Settings, to *alias.Settings) error {
	words := [][2]string{
		{"types", strings.Join(s.Types, ",")},
		{"siblings", s.Siblings},
		{"on-empty", s.OnEmpty},
		{"on-stale", s.OnStale},
	}
	for _, w := range words {
		if w[1] == "" {
			continue
		}
		if err := to.Set(w[0], w[1]); err != nil {
			return usageError{message: err.Error()}
		}
	}
	if s.TTLMin != nil {
		to.TTLMin = *s.TTLMin
	}
	if s.TTLMax != nil {
		to.TTLMax = *s.TTLMax
	}
	to.MaxStale = uint32(min(s.MaxStale, 100*365*24*time.Hour) / time.Second)
	if to.TTLMax != 0 && to.TTLMin > to.TTLMax {
		return usageError{message: fmt.Sprintf("ttl-min %d is above ttl-max %d", to.TTLMin, to.TTLMax)}
	}
	return nil
}

// load reads the source of a job. What cannot be read is a problem of that job
// alone.
func (j *job) load(stdin io.Reader, roots roots) {
	j.source.Name = j.path
	if j.pull != nil {
		j.loadPulled()
		return
	}
	text, err := j.read(stdin)
	if err != nil {
		j.outcome |= outcomeSource
		j.problems = append(j.problems, &diag.Diagnostic{
			Severity: diag.Error, Code: diag.CodeUnreadable, Err: err,
			Span: diag.Span{Pos: diag.Pos{File: j.path}}, Message: plainError(err),
		})
		return
	}
	j.source.Text = text
	j.includes(roots)
}

func (j *job) read(stdin io.Reader) ([]byte, error) {
	if j.path == "-" {
		j.source.Name = "<stdin>"
		return io.ReadAll(stdin)
	}
	info, err := os.Stat(j.path)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() || j.watched {
		text, err := publish.ReadStable(j.path, j.buf)
		j.buf = text
		return text, err
	}
	return os.ReadFile(j.path)
}

// plainError is an error without the path, which stands in front of it anyway.
func plainError(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return "cannot be read: " + text[i+2:]
	}
	return "cannot be read: " + text
}

// roots are the folders that $INCLUDE may read from, each opened once.
type roots map[string]*os.Root

func (r roots) open(dir string) (*os.Root, error) {
	if root, ok := r[dir]; ok {
		return root, nil
	}
	root, err := os.OpenRoot(dir)
	if err == nil {
		r[dir] = root
	}
	return root, err
}

func (r roots) close() {
	for _, root := range r {
		_ = root.Close() // nothing was written through it
	}
}

// includes opens the folder that $INCLUDE may read from. Without a flag it is
// that of the source; standard input has none.
func (j *job) includes(roots roots) {
	src := &j.source
	root := src.IncludeRoot
	if root == "" {
		if j.path == "-" {
			return
		}
		root = filepath.Dir(j.path)
	}
	r, err := roots.open(root)
	if err != nil {
		return // an $INCLUDE will say so
	}
	j.included = &included{FS: r.FS(), root: root}
	src.Includes, src.IncludeRoot = j.included, root
	if rel, err := filepath.Rel(root, j.path); err == nil && j.path != "-" && filepath.IsLocal(rel) {
		src.IncludePath = filepath.ToSlash(rel)
	}
}
