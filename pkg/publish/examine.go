package publish

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Served is a zone as a name server should have it.
type Served struct {
	Zone         zone.Name
	File         string
	Reload       Reload
	SelfNumbered bool         // the server gives serials of its own (--serial keep)
	Counts       bool         // the serial that the server serves counts as published
	Serial       *zone.Serial // of the file; nil: none is known
}

const (
	examineTime  = 10 * time.Second // for one program and one zone
	examineGrace = time.Second      // for programs that only look
	examineSpace = 16 << 20         // bytes of a configuration
	atATime      = 4                // zones of one server
)

// Examine looks how zones and their name servers go together: whether the
// control tool of each server works, whether the server has the zone as what is
// published needs it, and which serial it serves. It changes nothing. Zones
// without a driver are passed over. The findings about each server come before
// those about its zones, servers and zones in their order here.
func Examine(ctx context.Context, zones []Served) []Finding {
	var servers []*examined
	byKey := map[string]*examined{}
	for i := range zones {
		r := newExamination(&zones[i])
		if r.driver == nil {
			continue
		}
		key := strings.Join(append([]string{string(r.Reload.Driver), r.Reload.Server}, r.Reload.Command...), "\x00")
		s, ok := byKey[key]
		if !ok {
			s = &examined{}
			servers, byKey[key] = append(servers, s), s
		}
		s.zones = append(s.zones, r)
	}
	found := make([][]Finding, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() { found[i] = s.examine(ctx) })
	}
	all.Wait()
	return slices.Concat(found...)
}

// examination is one zone at its server.
type examination struct {
	*reloading
	serial *zone.Serial // of the file
	counts bool         // as in Served
}

func newExamination(s *Served) *examination {
	d := &Delivery{Zone: s.Zone, File: s.File, Reload: s.Reload, SelfNumbered: s.SelfNumbered}
	return &examination{reloading: newReloading(d), serial: s.Serial, counts: s.Counts}
}

// examined is a server with what several of its zones need to know of it.
type examined struct {
	zones []*examination
	said  string // by its control tool, which was asked how it is
	conf  func() ([]clause, error)
}

// A fitter is a driver that knows how a server has to be set up.
type fitter interface {
	// reach is a command of the control tool, of one word, that changes nothing.
	reach() *program
	// reached is what the answer to it tells; ok is false where that is not the
	// answer of such a server.
	reached(said string) (message string, ok bool)
	// fit looks at the zone. Where more is false the server does not serve it, so
	// that no serial has to be asked for.
	fit(ctx context.Context, s *examined) (found []Finding, more bool)
}

func (s *examined) examine(ctx context.Context) []Finding {
	first := s.zones[0]
	tool := s.reach(ctx)
	found := []Finding{tool}
	if b, ok := first.driver.(*bind); ok {
		s.conf = sync.OnceValues(func() ([]clause, error) { return b.configuration(ctx, s.said) })
	}
	of := make([][]Finding, len(s.zones))
	turns := make(chan struct{}, atATime)
	var all sync.WaitGroup
	for i, z := range s.zones {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			limit, cancel := context.WithTimeout(ctx, examineTime)
			defer cancel()
			of[i] = z.examine(limit, s, tool.Level != Red)
		})
	}
	all.Wait()
	return append(found, slices.Concat(of...)...)
}

// reach finds out whether the control tool works.
func (s *examined) reach(ctx context.Context) Finding {
	first := s.zones[0]
	f, ok := first.driver.(fitter)
	if !ok {
		return findProgram("reload", first.Reload.Command)
	}
	p := f.reach()
	name := strings.Join(p.args[:len(p.args)-1], " ") // without the last word, which is what is asked
	p.grace = examineGrace
	limit, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	said, err := p.run(limit)
	message, good := "", err == nil
	if good {
		s.said = said
		message, good = f.reached(said)
	}
	switch {
	case good:
		return green(name, message)
	case errors.Is(err, exec.ErrNotFound):
		return red(name, oneLine(p.failure(said, err)), fmt.Sprintf("install it, or name it with its first arguments: reload: {driver: %s, command: [...]}", first.Reload.Driver))
	}
	return red(name, oneLine(p.failure(said, err)), "the server must run, and this user be let in: its key or control socket is named by arguments in the command of reload")
}

// findProgram tells whether there is a program, which is not run.
func findProgram(subject string, args []string) Finding {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return red(subject, fmt.Sprintf("%s: %v", args[0], errors.Unwrap(err)), "install it, or name another one")
	}
	return green(subject, path+" is there; what it does is not tried")
}

// FindPrograms tells of each argument list whether its program is there. None is
// run.
func FindPrograms(subject string, commands [][]string) []Finding {
	var found []Finding
	for _, args := range commands {
		found = append(found, findProgram(subject, args))
	}
	return found
}

// examine looks at one zone.
func (z *examination) examine(ctx context.Context, s *examined, reached bool) []Finding {
	var found []Finding
	if f, ok := z.driver.(fitter); ok && reached {
		var more bool
		if found, more = f.fit(ctx, s); !more {
			return found
		}
	}
	if _, asksTool := z.driver.(*bind); asksTool && !reached || z.Reload.Server == "" {
		return found // whose the serial is that named answers is not known without its tool
	}
	return append(found, z.compare(z.driver.ask(ctx)))
}

// subject names the zone.
func (r *reloading) subject() string {
	if r.Reload.View != "" {
		return fmt.Sprintf("zone %s in view %s", displayName(r.Zone.String()), r.Reload.View)
	}
	return "zone " + displayName(r.Zone.String())
}

// compare holds the serial that the server serves against that of the file.
func (z *examination) compare(w word) Finding {
	subject, server := z.subject(), z.Reload.Server
	serves := fmt.Sprintf("%s serves serial %d", server, w.serial)
	switch {
	case w.servfail:
		return red(subject, server+" answers SERVFAIL: it has the zone and could not load it", "its log says why; what it reads must be the output: "+z.File)
	case !w.serves:
		return red(subject, fmt.Sprintf("%s %v", server, w), "the zone must be in the configuration of that server; server in reload names another one")
	case z.serial == nil:
		return yellow(subject, serves+", and nothing tells the serial of the file", "aliasflat compile writes it; where other records are served, begin with --serial-from dns://"+server)
	case w.serial == *z.serial:
		return green(subject, serves+", as the file has")
	case z.SelfNumbered:
		return green(subject, fmt.Sprintf("%s of its own, the file has %d", serves, *z.serial))
	case w.serial.Incomparable(*z.serial):
		return red(subject, fmt.Sprintf("%s, and the file has %d, exactly 2^31 away: neither is the later one", serves, *z.serial), "aliasflat serial plan shows the way to one serial for both")
	case w.serial.After(*z.serial) && z.counts:
		return green(subject, fmt.Sprintf("%s, which the next one goes on from; the file has %d", serves, *z.serial))
	case w.serial.After(*z.serial):
		return red(subject, fmt.Sprintf("%s, which is later than %d of the file: it would not take the next one", serves, *z.serial), "go on from what it serves with serial-from: dns://"+server)
	}
	return red(subject, fmt.Sprintf("%s, and the file has %d: it was not loaded", serves, *z.serial), byHand)
}

// readsFile compares the file that a server reads with the output. A relative
// path says too little.
func (r *reloading) readsFile(server, path string) (Finding, bool) {
	if path == "" || !filepath.IsAbs(path) || sameOutput(path, r.File) {
		return Finding{}, true
	}
	return red(r.subject(), fmt.Sprintf("%s reads %s, which is not the output %s", server, path, r.File), "let it read the output, or write output: "+path), false
}

// sameOutput tells whether two paths lead to one file. One that is not there yet
// goes by its folder.
func sameOutput(a, b string) bool { return followed(a) == followed(b) }

func followed(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if file, err := filepath.EvalSymlinks(path); err == nil {
		return file
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// runLook runs a command of the control tool that only looks.
func (r *reloading) runLook(ctx context.Context, args []string) (string, error) {
	p := &program{args: args, grace: examineGrace}
	said, err := p.run(ctx)
	if err != nil {
		return said, errors.New(oneLine(p.failure(said, err)))
	}
	return said, nil
}

// oneLine joins the lines of what a tool has said.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
