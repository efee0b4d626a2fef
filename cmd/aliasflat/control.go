package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// knockTime is how long a daemon has to show that it is there.
const knockTime = 2 * time.Second

// controlFlags name a daemon, or what it remembers.
type controlFlags struct {
	control string // the socket; empty: that of the configuration
	dir     string // of the state; empty: that of the configuration
}

func (f *controlFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.dir, "state", "", "use the state in `DIR` (default: that of the configuration)")
	flags.StringVar(&f.control, "control", "", "ask the daemon at `SOCKET` (default: listen.control of the configuration, or control.sock in the state)")
}

// stateDir is the folder of the state; empty: there is none.
func (f *controlFlags) stateDir(conf *config.Config) string {
	dir := conf.State
	override(&dir, f.dir)
	return dir
}

// socket is where the daemon is asked; empty: nobody has said. A flag for the state alone
// means the daemon that has that state.
func (f *controlFlags) socket(conf *config.Config) string {
	dir := f.stateDir(conf)
	switch {
	case f.control != "":
		return f.control
	case conf.Listen.Control != "" && (f.dir == "" || f.dir == conf.State):
		return conf.Listen.Control
	case dir != "":
		return filepath.Join(dir, api.SocketName)
	}
	if dir = defaultState(); dir == "" {
		return ""
	}
	return filepath.Join(dir, api.SocketName)
}

// daemon gives a client for the daemon that flags or configuration name.
func (a *app) daemon(f *controlFlags) (*api.Client, error) {
	conf, err := a.settings(a.stdout)
	if err != nil {
		return nil, err
	}
	socket := f.socket(conf)
	if socket == "" {
		return nil, usageError{
			message: "no daemon was named",
			hint:    "--control names its socket, --state the folder of what it remembers, or the configuration one of them",
		}
	}
	return api.NewClient(socket), nil
}

// failed makes the error of a command out of that of a daemon.
func failed(err error) error {
	switch {
	case errors.Is(err, api.ErrNoDaemon):
		return fmt.Errorf("%w; aliasflat watch starts one", err)
	default:
		return err
	}
}

// unknown makes a mistake of the user of it when nobody knows a name that was given.
func unknown(err error) error {
	if own, ok := errors.AsType[*api.UnknownError](err); ok {
		return usageError{message: own.Error(), hint: own.Hint}
	}
	if told, ok := errors.AsType[*api.Error](err); ok && told.Status == http.StatusNotFound && told.Hint != "" {
		return usageError{message: told.Message, hint: told.Hint}
	}
	return err
}

// reached is what is remembered: in a store, or by the daemon that has it open.
type reached struct {
	store  *state.Store
	daemon *api.Client // nil: the store is open
}

func (r *reached) close() error { return r.store.Close() }

// reach opens the state, or finds the daemon that holds it. With --control it is always the
// daemon. What keeps both from being had is printed to w.
func (c *stateCommand) reach(ctx context.Context, w io.Writer, o state.Options) (*reached, diag.List, error) {
	conf, err := c.settings(w)
	if err != nil {
		return nil, nil, err
	}
	if c.control != "" {
		return &reached{daemon: api.NewClient(c.control)}, nil, nil
	}
	s, list, err := c.openAt(w, conf, c.stateDir(conf), o, func() bool { return knock(ctx, c.socket(conf)) })
	if errors.Is(err, errDaemon) {
		return &reached{daemon: api.NewClient(c.socket(conf))}, nil, nil
	}
	return &reached{store: s}, list, err
}

// knock tells whether a daemon answers.
func knock(ctx context.Context, socket string) bool {
	ctx, cancel := context.WithTimeout(ctx, knockTime)
	defer cancel()
	_, err := api.NewClient(socket).Status(ctx)
	return err == nil
}

// names reads the names that a command was given.
func names(args []string, none usageError) ([]zone.Name, error) {
	if len(args) == 0 {
		return nil, none
	}
	var list []zone.Name
	for _, arg := range args {
		name, err := zone.ParseName(arg, zone.Root)
		if err != nil {
			return nil, usageError{message: err.Error()}
		}
		list = append(list, name)
	}
	return list, nil
}

// present prints a document to standard output: as JSON, or as text in the form that a function
// gives it. With --report the file gets the form that was asked for, and the terminal text.
func (a *app) present(document any, text func(b *strings.Builder, l look)) error {
	form := func(w io.Writer, format string, l look) error {
		var b strings.Builder
		if format == "json" {
			if err := writeJSON(&b, document); err != nil {
				return err
			}
		} else {
			text(&b, l)
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	format := a.format
	if a.reportFile != "" {
		file, err := os.Create(a.reportFile)
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		err = form(file, format, look{width: defaultWidth, quiet: a.quiet})
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("write the report %s: %w", a.reportFile, err)
		}
		format = "text"
	}
	return form(a.stdout, format, a.look(a.stdout))
}
