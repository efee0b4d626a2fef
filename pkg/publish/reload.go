package publish

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Defaults of Reload and Delivery.
const (
	DefaultServer        = "127.0.0.1:53"
	DefaultReloadTimeout = 30 * time.Second
	DefaultHookTimeout   = 30 * time.Second
)

// Driver says which name server is told of a new file, and so how.
type Driver string

// The drivers, as the configuration spells them.
const (
	DriverNone Driver = "none"
	DriverBIND Driver = "bind"
	DriverNSD  Driver = "nsd"
	DriverKnot Driver = "knot"
	DriverExec Driver = "exec" // a program of the user's
)

// Reload says how a name server is told of a new file and asked whether it
// serves it.
type Reload struct {
	Driver  Driver        // empty means none
	Server  string        // address:port that is asked; with DriverExec empty means that nobody is
	Timeout time.Duration // for program and server together; 0 means DefaultReloadTimeout
	Command []string      // the control tool and its first arguments, empty means rndc, nsd-control or knotc; with DriverExec all arguments
	View    string        // of BIND; empty means that it has none
}

// Delivery is a zone file on its way to a name server.
type Delivery struct {
	Zone        zone.Name
	File        string
	Reload      Reload
	Hooks       [][]string    // argument lists, run one after the other behind a verified reload
	HookTimeout time.Duration // for each hook; 0 means DefaultHookTimeout
	Push        *Pusher       // who sends the zone to a server, in place of a reload; nil: nobody does

	Old          *zone.Serial // of the file that stands there; nil: none is known
	New          zone.Serial
	Moved        bool // records or serial differ from those of the file that stands there
	SelfNumbered bool // the server gives serials of its own (--serial keep)
	Generated    []Addresses
	Changed      []string // the RRsets that differ, as "www.example.com. A"; for hooks
	Owed         Owed     // by an earlier run

	// Reading is how the file is read where the way is forward, but for its zone name.
	Reading  zonefile.Options
	Repeated bool // who delivers goes on by itself until nothing is owed
	// Promise is told what is about to be written in place of the text that was handed over.
	// An error keeps it from being written. It may be nil.
	Promise func(*Forward) error

	grace time.Duration // of programs, as in program
}

// Owed is what is still to be done for a zone that is published. The zero Owed
// is nothing. Who remembers it hands it to the next Delivery.
type Owed struct {
	Reload bool  `json:"reload,omitempty"` // or a push, and all hooks after it
	Hooks  []int `json:"hooks,omitempty"`  // indexes into Delivery.Hooks
}

// Any tells whether anything is owed.
func (o Owed) Any() bool { return o.Reload || len(o.Hooks) > 0 }

// Outcome is what came of a reload, or of a push.
type Outcome uint8

// The outcomes of a reload.
const (
	NotReloaded Outcome = iota // there was no reason, or there is no driver
	Confirmed                  // the server serves the new zone or a later one; with DriverExec and no server: the program said so
	Unconfirmed                // nobody knows; the new file stays
	LoadFailed                 // the server could not load the new file, or does not take what it is sent
	Withdrawn                  // the server served the new zone, and then no more
)

// String is the word for machines.
func (o Outcome) String() string {
	return [...]string{"none", "confirmed", "unconfirmed", "failed", "withdrawn"}[o]
}

// Delivered is what came of a delivery.
type Delivered struct {
	Changed    bool // the file has a new text
	Outcome    Outcome
	RolledBack bool      // the previous file is in its place again
	Forward    *Forward  // what was there before is in its place again, under a later serial; nil: it is not
	Pushed     *Pushed   // to the server; nil: nothing was to be
	Problems   diag.List // with the reload, the push and the hooks
	Owed       Owed      // to be handed to the next delivery
}

// Deliver writes a file as Write does, has the name server load it, asks the
// server until it serves the new zone, and then runs the hooks. A file that a
// server says it cannot load makes room for the one that was there before, under
// a later serial where the new one was served: see [Forward].
//
// With [Delivery.Push] the zone is sent to the server in place of that, once the file is
// written; no file is put back then, whatever comes of it.
//
// With an error the server was told nothing, and the old file stands unless
// [Delivered.Changed] says otherwise. It is a *diag.Diagnostic where the name
// server is the reason. What goes wrong behind the rename is in
// [Delivered.Problems].
func Deliver(ctx context.Context, d *Delivery, text *zonefile.Text, verify func(*os.File) error) (Delivered, error) {
	own := *d
	d = &own // what is found to be owed is written there
	if d.Push != nil {
		return d.deliverPushed(ctx, text, verify)
	}
	r := newReloading(d)
	if r.driver != nil && !d.Moved && !d.Owed.Reload {
		d.Owed.Reload = r.behind(ctx)
	}
	wanted := r.driver != nil && (d.Moved || d.Owed.Reload)
	if wanted {
		if refused := r.before(ctx); refused != nil {
			return Delivered{}, refused
		}
	}
	var done Delivered
	var err error
	if wanted {
		var w Written
		w, err = WriteKeeping(d.File, text, verify)
		done.Changed, r.previous = w.Changed, w.Previous
		defer r.previous.Discard()
	} else {
		done.Changed, err = Write(d.File, text, verify)
	}
	if err != nil {
		return done, err
	}
	if wanted {
		r.run(ctx, &done)
		if done.Outcome != Confirmed {
			return done, nil
		}
	}
	d.runHooks(ctx, &done)
	return done, nil
}

// A driver knows one kind of name server.
type driver interface {
	// look asks what the server has before it is told of anything. An error
	// keeps the file from being written.
	look(ctx context.Context) (word, error)
	// tool is the program that makes the server load the file.
	tool() *program
	// ask asks what the server has.
	ask(ctx context.Context) word
	// progress tells how far the server is with the file; said is what its tool
	// has said. It is asked while the server serves what it served before, and
	// may be wrong where that has changed since.
	progress(ctx context.Context, said string, toolErr error) progress
}

// progress is how far a server is with a file, by its own word.
type progress uint8

const (
	unknown    progress = iota // it may be loading, or know nothing of the file
	loadFailed                 // it could not load the file
	passedOver                 // it does not want to load anything
)

// reloading is one reload under way.
type reloading struct {
	*Delivery
	driver   driver
	timeout  time.Duration
	had      word // what the server had before
	previous *Previous
}

func newReloading(d *Delivery) *reloading {
	r := &reloading{Delivery: d, timeout: d.Reload.Timeout}
	if r.timeout <= 0 {
		r.timeout = DefaultReloadTimeout
	}
	if r.Reload.Server == "" && r.Reload.Driver != DriverExec {
		r.Reload.Server = DefaultServer
	}
	switch d.Reload.Driver {
	case DriverBIND:
		r.driver = &bind{r}
	case DriverNSD:
		r.driver = &nsd{r}
	case DriverKnot:
		r.driver = &knot{r}
	case DriverExec:
		r.driver = &execute{r}
	case DriverNone:
	}
	return r
}

// zoneArgument is the zone as control tools take it.
func (r *reloading) zoneArgument() string {
	if r.Zone.IsRoot() {
		return "."
	}
	text := r.Zone.String()
	return text[:len(text)-1]
}

// command gives the words of a control tool.
func (r *reloading) command(tool string, args ...string) []string {
	words := r.Reload.Command
	if len(words) == 0 {
		words = []string{tool}
	}
	return append(append([]string{}, words...), args...)
}

// before asks the server what it has. A serial that the server would not take
// is found out here, where the old file still stands.
func (r *reloading) before(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var err error
	r.had, err = r.driver.look(ctx)
	if err != nil {
		return err
	}
	if !r.had.serves || r.SelfNumbered || r.New.After(r.had.serial) || !r.Moved && r.New == r.had.serial {
		return nil
	}
	return problemServedSerial(r)
}

// behind tells whether the server is known to have an earlier zone than the file
// that stands there: a run was killed before its reload, or nobody remembers
// that one is owed. A server that does not say is left alone.
func (r *reloading) behind(ctx context.Context) bool {
	if r.SelfNumbered || r.Reload.Server == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, behindTime)
	defer cancel()
	w := askSOA(ctx, r.Reload.Server, r.Zone)
	return w.serves && r.New.After(w.serial)
}

// verdict is what is known of a reload.
type verdict struct {
	outcome Outcome
	last    word
	tool    *program
	said    string
	toolErr error
	why     string      // the server could not load the file
	served  zone.Serial // the latest that it was seen to serve, if it was good at all
}

// run makes the server load the file, and puts the previous one back, or its
// records, where it cannot.
func (r *reloading) run(ctx context.Context, done *Delivered) {
	if !done.Changed {
		touch(r.File)
	}
	v := r.reload(ctx, goal{good: r.good, judged: true})
	done.Outcome = v.outcome
	if v.outcome == Confirmed {
		return
	}
	done.Owed = Owed{Reload: true}
	switch {
	case v.outcome == Unconfirmed:
		done.Problems = append(done.Problems, problemUnconfirmed(r, &v))
	case v.outcome == Withdrawn:
		r.withdraw(ctx, done, &v)
	case r.previous == nil:
		done.Problems = append(done.Problems, problemLoadFailed(r, &v, "there is no earlier file to put back"))
	default:
		r.rollBack(ctx, done, &v)
	}
}

// good tells whether the server has the new zone. Two that number a zone each
// in its own way are held together by what was generated.
func (r *reloading) good(ctx context.Context, w word, toolErr error) bool {
	if !w.serves {
		return false
	}
	if r.SelfNumbered {
		return toolErr == nil && askAddresses(ctx, r.Reload.Server, r.Generated) == nil
	}
	return w.serial == r.New || w.serial.After(r.New)
}

// goal is what a server is asked for.
type goal struct {
	good func(ctx context.Context, w word, toolErr error) bool
	// judged tells that the server may be found to have failed. One that failed
	// before goes on to say so until it has read the file.
	judged bool
}

// reload runs the tool and asks the server until it is good.
func (r *reloading) reload(ctx context.Context, g goal) verdict {
	limit, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	v := verdict{tool: r.driver.tool()}
	v.said, v.toolErr = v.tool.run(limit)
	if r.Reload.Server == "" {
		v.outcome = Unconfirmed
		if v.toolErr == nil {
			v.outcome = Confirmed
		}
		return v
	}
	if v.toolErr != nil {
		limit, cancel = context.WithTimeout(ctx, min(r.timeout, afterFailure))
		defer cancel()
	}
	r.wait(limit, &v, g)
	return v
}

// The times between two questions, and how long a server is not judged.
const (
	firstPause = 20 * time.Millisecond
	longPause  = time.Second
	patience   = 100 * time.Millisecond
	behindTime = 500 * time.Millisecond
	// A server whose tool has failed may have heard all the same.
	afterFailure = 2 * time.Second
)

// wait asks the server until it is good, or says that it could not load the
// file, or the time is up. One answer alone decides nothing: a server may have
// several processes, some of which still have the old zone.
func (r *reloading) wait(ctx context.Context, v *verdict, g goal) {
	v.outcome = Unconfirmed
	var good, ever, broken int
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		w := r.driver.ask(ctx)
		if ctx.Err() != nil && !w.serves && !w.servfail {
			return // the time is up, and the word before this one counts
		}
		v.last = w
		switch {
		case g.good(ctx, w, v.toolErr):
			good, ever, broken = good+1, ever+1, 0
			v.served = w.serial
			if good == 2 {
				v.outcome = Confirmed
				return
			}
			continue // at once
		case w.servfail && r.had.serves:
			broken++
		default:
			broken = 0
		}
		good = 0
		if g.judged && r.judge(ctx, v, ever > 0, broken, pause) {
			return
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// judge tells whether the server has failed, and fills the verdict.
func (r *reloading) judge(ctx context.Context, v *verdict, ever bool, broken int, pause time.Duration) bool {
	switch {
	case broken >= 2 && ever:
		v.outcome, v.why = Withdrawn, "it answers SERVFAIL"
	case broken >= 2:
		v.outcome, v.why = LoadFailed, "it answers SERVFAIL"
	case ever || pause < patience || !r.stillOld(v.last):
		return false
	default:
		p := r.driver.progress(ctx, v.said, v.toolErr)
		if p == unknown {
			return false
		}
		// It may have loaded the file while the driver looked.
		w := r.driver.ask(ctx)
		if !r.stillOld(w) || r.good(ctx, w, v.toolErr) {
			return false
		}
		v.last = w
		if p == loadFailed {
			v.outcome, v.why = LoadFailed, fmt.Sprintf("it is done with it and %v", w)
		}
	}
	return true
}

// stillOld tells whether the server serves what it served before.
func (r *reloading) stillOld(w word) bool {
	return w.serves && r.had.serves && w.serial == r.had.serial
}

// sleep waits, and is false where ctx ends before.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// touch gives a file the present time: BIND passes over a file that is older
// than what it has loaded. A file of somebody else's is left as it is.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now) // where it may not be, the server tells what came of it
}
