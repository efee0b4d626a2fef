package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Folders in that of the state: outputs of zones that are only served, and what IXFR is answered
// from.
const (
	servedFolder  = "served"
	historyFolder = "ixfr"
)

// feeding is what a configuration has the primary do, before it does so.
type feeding struct {
	setup     primary.Setup
	updatable map[zone.Name]updatable
	clients   *x509.CertPool // nil: secondaries show no certificates
}

// servedOutputs gives zones that are only served, or sent to a server, a place for what is
// published of them.
func servedOutputs(conf *config.Config, state string) {
	dir := conf.State
	override(&dir, state)
	for i := range conf.Zones {
		if z := &conf.Zones[i]; (len(z.Secondaries) > 0 || z.Publish.Server != "") && z.Output == "" && dir != "" {
			z.Output = filepath.Join(dir, servedFolder, "{zone}.db")
		}
	}
}

// makeServed makes the folder of a state in which outputs are, where it is not there yet. What
// keeps it from that keeps the outputs from being locked too, which is told.
func makeServed(conf *config.Config, state string, jobs []*job) {
	dir := conf.State
	override(&dir, state)
	for _, j := range jobs {
		if dir != "" && filepath.Dir(j.output) == filepath.Join(dir, servedFolder) {
			_ = os.MkdirAll(dir, 0o700)
			return
		}
	}
}

// feeding settles what is served to whom. What is wrong with keys is printed to w; nil, nil means
// that nothing is served.
func (c *watchCommand) feeding(conf *config.Config, jobs []*job, w io.Writer) (*feeding, error) {
	if !conf.Listen.Serves() {
		return nil, nil
	}
	keys, found := conf.ReadKeys()
	if found.HasErrors() {
		return nil, c.finish(w, &report{Diagnostics: found}, outcomeUsage)
	}
	updates, err := updatableZones(jobs)
	if err != nil {
		return nil, err
	}
	f := &feeding{updatable: updates, setup: primary.Setup{Keys: keys, Sources: sourcesOfNotify(jobs), Updates: updatesOf(updates), Shrink: c.force}}
	named := map[zone.Name]*job{}
	for _, j := range jobs {
		if len(j.secondaries) == 0 {
			continue
		}
		name := j.zoneName(nil)
		switch other := named[name]; {
		case name.IsZero():
			return nil, usageError{message: fmt.Sprintf("%s does not tell the name of its zone, under which it is served", j.path), hint: "say it in the configuration, as in name: example.com"}
		case other != nil:
			return nil, usageError{message: fmt.Sprintf("%s and %s would both be served as %s", other.path, j.path, displayName(name)), hint: "say secondaries: [] for all but one"}
		case name == conf.Catalog:
			return nil, usageError{message: fmt.Sprintf("%s is the zone %s, which is the catalog", j.path, displayName(name)), hint: "give the catalog a name of its own"}
		}
		named[name] = j
		j.feeds = name
		f.setup.Zones = append(f.setup.Zones, primary.ZoneSetup{Name: name, Secondaries: followersOf(j.secondaries), Access: askers(conf.AllowQuery)})
	}
	if !conf.Catalog.IsZero() {
		var followers []config.Secondary
		for _, s := range conf.Secondaries {
			if s.Catalog {
				followers = append(followers, s)
			}
		}
		f.setup.Catalog = primary.ZoneSetup{Name: conf.Catalog, Secondaries: followersOf(followers)}
	}
	return f, f.certify(&conf.TLS)
}

// askers lets networks look up, and not transfer.
func askers(networks []netip.Prefix) []primary.Access {
	var list []primary.Access
	for _, network := range networks {
		list = append(list, primary.Access{From: network, Unsigned: true, Lookup: true})
	}
	return list
}

func followersOf(list []config.Secondary) []primary.Secondary {
	var followers []primary.Secondary
	for _, s := range list {
		followers = append(followers, primary.Secondary{Address: s.Address, Key: s.Key, Unsigned: s.Key.IsZero(), Silent: !s.Notify})
	}
	return followers
}

// readCertificate reads what TLS takes; nil: there is none.
func readCertificate(files *config.TLS) (*tls.Certificate, error) {
	if files.Certificate == "" {
		return nil, nil //nolint:nilnil // no certificate is none
	}
	certificate, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, usageError{message: fmt.Sprintf("tls: %s and %s: %v", files.Certificate, files.Key, err), hint: "they are a certificate with its chain and its key, both in PEM"}
	}
	return &certificate, nil
}

// certify reads who vouches for secondaries.
func (f *feeding) certify(files *config.TLS) error {
	if files.ClientCA == "" {
		return nil
	}
	text, err := os.ReadFile(files.ClientCA)
	if f.clients = x509.NewCertPool(); err == nil && !f.clients.AppendCertsFromPEM(text) {
		err = errors.New(files.ClientCA + " has no certificate in PEM")
	}
	if err != nil {
		return usageError{message: "tls: client-ca: " + err.Error(), hint: "it is the certificate of the authority that signs those of secondaries, in PEM"}
	}
	return nil
}

// listenDNS opens the primary and has it serve until ctx ends. What it serves is handed to it
// later.
func (c *watchCommand) listenDNS(ctx context.Context, p *watched, known *recollection) (end func(), err error) {
	if p.feeding == nil {
		return func() {}, nil
	}
	history, err := primary.NewFolder(filepath.Join(known.dir, historyFolder))
	if err != nil {
		return nil, err
	}
	o := primary.Options{History: history, Updater: &api.Updater{Records: c.sources, Granted: c.granted}}
	c.updatable.Store(&p.feeding.updatable)
	o.Observer.Notified = func(name zone.Name, _ netip.AddrPort) { c.checkPulls(name) }
	if at := p.conf.Listen.DNS; at != "" {
		o.Listen = []string{at}
	}
	if at := p.conf.Listen.DNSTLS; at != "" {
		o.ListenTLS = []string{at}
		c.certificate.Store(p.certificate)
		o.TLS = &tls.Config{
			MinVersion: tls.VersionTLS13, ClientCAs: p.feeding.clients,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.certificate.Load(), nil },
		}
	}
	if c.primary, err = watch.NewPrimary(o, p.feeding.setup, c.tell); err != nil {
		if errors.Is(err, syscall.EACCES) {
			err = fmt.Errorf("%w; a port below 1024 takes the capability CAP_NET_BIND_SERVICE", err)
		}
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.primary.Run(ctx); err != nil {
			c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: diag.Error, Message: err.Error()})
		}
	}()
	return func() {
		cancel()
		<-ended
	}, nil
}

// servesAt tells where the primary listens.
func (c *watchCommand) servesAt() string {
	var text strings.Builder
	if c.primary != nil {
		for _, at := range c.primary.Addrs() {
			text.WriteString(", DNS at " + at)
		}
	}
	return text.String()
}

// feedFrom takes what a configuration says of the primary, and hands it what stands of zones that it
// does not serve yet, before anybody is asked for anything.
func (c *watchCommand) feedFrom(ctx context.Context, p *watched, host *watchHost) {
	if c.primary == nil {
		return
	}
	c.updatable.Store(&p.feeding.updatable)
	if err := c.primary.Configure(p.feeding.setup); err != nil {
		c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: diag.Error, Message: err.Error()})
	}
	for _, j := range host.jobs {
		if ctx.Err() != nil || j.feeds.IsZero() || c.primary.Loaded(j.feeds) {
			continue
		}
		if err := c.standing(j, host.known); err != nil {
			c.tell(watch.Event{Time: time.Now(), Kind: watch.KindTrouble, Severity: diag.Warning, Zone: j.feeds, Message: err.Error()})
		}
	}
}

// standing hands over the output of an earlier run, unless somebody has changed it since.
func (c *watchCommand) standing(j *job, known *recollection) error {
	text, err := publish.Read(j.output, nil)
	if err != nil {
		return fmt.Errorf("what stands is not served: %w", err)
	}
	if len(text) == 0 {
		return nil // there is nothing yet
	}
	z := zonefile.Summarize(j.output, text, j.oldOptions(j.feeds))
	serial, ok := z.Serial()
	if !ok {
		return fmt.Errorf("what stands is not served: %s has no serial", j.output)
	}
	if last, ok := known.store.Zone(j.feeds, j.view, j.outputKey()); ok {
		j.shown = &serial
		if j.editedByOthers(&last) && !known.adopt {
			return fmt.Errorf("what stands is not served: somebody has changed %s", j.output)
		}
	}
	return c.primary.Publish(z)
}

// hand has the primary serve what was published of a zone, once that is delivered.
func (h *watchHost) hand(j *job, r *compile.Result, z *ZoneReport) *diag.Diagnostic {
	p := h.primary
	if p == nil || j.feeds.IsZero() || z.Owed.Reload || p.Serves(j.feeds, r.Serial) {
		return nil
	}
	err := fmt.Errorf("it is served as %s, and its source is %s by now", displayName(j.feeds), displayName(r.Name))
	if r.Name == j.feeds {
		err = p.PublishResult(r, func() *zonefile.Zone { return zonefile.Summarize(j.output, r.Text.Bytes(), j.oldOptions(r.Name)) })
	}
	if err == nil {
		return nil
	}
	return &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodeServeFailed, Err: err, Span: place(j.path), Message: err.Error(),
		Hint: "the output is written; secondaries are served what was before",
	}
}
