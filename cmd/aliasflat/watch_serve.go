package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/status"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// served is what a daemon is asked and looked at by. It is opened before any work is done, so
// that a second daemon ends at once.
type served struct {
	store  *state.Store
	hosts  []string
	socket *api.Socket
	http   []status.Listener // none: nobody looks over HTTP
	shared *api.Socket       // one of them; nil: none is a Unix socket
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// serve opens what the configuration says.
func (c *watchCommand) serve(ctx context.Context, conf *config.Config, store *state.Store) (*served, error) {
	s := &served{store: store, hosts: conf.Listen.Hosts, cancel: func() {}}
	path := conf.Listen.Control
	if path == "" {
		path = filepath.Join(filepath.Dir(store.Path()), api.SocketName)
	}
	var err error
	if s.socket, err = api.Listen(ctx, path); err != nil {
		if errors.Is(err, publish.ErrLocked) {
			return nil, c.finish(c.stderr, &report{Diagnostics: diag.List{problemHeld(path, err)}}, outcomeLocked)
		}
		return nil, err
	}
	if err := c.listenHTTP(ctx, s, &conf.Listen); err != nil {
		s.close() // nobody was answered
		return nil, err
	}
	return s, nil
}

// start answers until close.
func (s *served) start(ctx context.Context, c *watchCommand, d *watch.Daemon) {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	of := &asDaemon{command: c, daemon: d}
	version := readVersion()
	trouble := func(err error) {
		if err != nil && ctx.Err() == nil {
			c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: diag.Error, Message: err.Error()})
		}
	}
	s.tasks.Go(func() {
		o := api.Options{Daemon: of, Feed: c.feed, Store: s.store, Version: version.Version}
		if c.primary != nil {
			o.Notify = c.primary.Notify
		}
		trouble(s.socket.Serve(ctx, o))
	})
	if len(s.http) > 0 {
		faces := &api.Faces{
			Records: c.sources, Tokens: tokensOf(s.store.Path()), Daemon: of, Feed: c.feed, Store: s.store,
			Version: version.Version, Preview: c.preview, Plan: of.plan,
		}
		if c.primary != nil {
			faces.Notify = c.primary.Notify
		}
		o := status.Options{
			Snapshot: d.Snapshot, State: s.store.Problem, Version: version.Version, Commit: version.Commit, Hosts: s.hosts,
			Mounts: c.mounts(faces), Denied: faces.Denied, Dashboard: c.dashboardPath,
		}
		s.tasks.Go(func() { trouble(status.Serve(ctx, s.http, o)) })
	}
	s.tasks.Go(func() { c.supervisor.tend(ctx, d.Snapshot) })
	s.tasks.Go(func() { of.reloadOnHangup(ctx) })
}

// at tells where the daemon is looked at; empty: nowhere.
func (s *served) at() string {
	var text strings.Builder
	for _, l := range s.http {
		scheme := "HTTP"
		if l.TLS != nil {
			scheme = "HTTPS"
		}
		text.WriteString(", " + scheme + " at " + l.Addr().String())
	}
	return text.String()
}

// close ends it, and waits for the requests that are under way.
func (s *served) close() {
	s.cancel()
	s.tasks.Wait()
	_ = s.socket.Close() // it may be closed
	for _, l := range s.http {
		_ = l.Close()
	}
	if s.shared != nil {
		_ = s.shared.Close()
	}
}

// asDaemon is the daemon to those who ask.
type asDaemon struct {
	command *watchCommand
	daemon  *watch.Daemon
}

var _ api.Daemon = (*asDaemon)(nil)

// askLimit is how long a daemon that is busy is waited for.
const askLimit = 5 * time.Second

// Snapshot is that of [watch.Daemon].
func (a *asDaemon) Snapshot() *watch.Snapshot { return a.daemon.Snapshot() }

// Targets is that of [watch.Daemon]; one that is busy shows none.
func (a *asDaemon) Targets(i int) []watch.Target {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	list, _ := a.daemon.Targets(ctx, i)
	return list
}

// Refresh is that of [watch.Daemon].
func (a *asDaemon) Refresh(name zone.Name) (zones, targets int) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	a.command.checkPulls(name)
	zones, targets, _ = a.daemon.Refresh(ctx, name)
	return zones, targets
}

// Reload takes the configuration in anew.
func (a *asDaemon) Reload(ctx context.Context) error {
	a.command.supervisor.reloading()
	defer a.command.supervisor.ready()
	return a.daemon.Reload(ctx)
}

// reloadOnHangup has the configuration taken in anew with each SIGHUP.
func (a *asDaemon) reloadOnHangup(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			_ = a.Reload(ctx) // what came of it is told
		case <-ctx.Done():
			return
		}
	}
}

func problemHeld(path string, err error) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeLocked, Err: err, Span: place(path),
		Message: "another daemon answers here: " + err.Error(), Hint: "end that one, or give this one another state and socket",
	}
}
