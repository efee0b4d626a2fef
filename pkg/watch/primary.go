package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// LagAlarm is how long a secondary may take to serve what is published before somebody is told.
const LagAlarm = time.Minute

// Primary serves what is published to secondaries, counts what comes of that, and tells of it.
// Its methods may be called concurrently.
type Primary struct {
	server *primary.Server
	tell   func(Event)

	mu       sync.Mutex
	catalog  zone.Name
	zones    map[zone.Name]*tally
	made     map[zone.Name]made
	refusals map[string]uint64
	told     int // refusals since toldSince
	untold   int // of those, that were not told
	since    time.Time
}

// made is from what a generation was made.
type made struct {
	zone *primary.Zone
	from compile.Flat
}

// tally counts the transfers of a zone.
type tally struct{ whole, incremental, cut uint64 }

// Serving is how a zone is served.
type Serving struct {
	Zone        zone.Name
	Catalog     bool        // it is the catalog
	Loaded      bool        // it is served, and what follows holds; else SERVFAIL is the answer
	Serial      zone.Serial // that is served
	Since       time.Time   // when this process began to serve it
	Records     int
	Bytes       int // of a transfer
	Differences int // generations before from which only what has changed is transferred

	Whole, Incremental, Cut uint64 // transfers since the start; Cut ended early

	Secondaries []Follower // that are told and asked
}

// Follower is how a secondary follows a zone.
type Follower struct {
	Address  netip.AddrPort
	Serial   zone.Serial   // that it served when it was asked last
	Known    bool          // Serial holds
	Current  bool          // that is the one that is served here
	Lag      time.Duration // for how long it has not served what is served here; 0: it does
	Failures uint64        // attempts to tell or ask it that came to nothing, since the start
	Problem  string        // of the last attempt; empty: it went well
}

// Lags tells whether somebody has to look after a secondary.
func (f *Follower) Lags() bool { return f.Lag >= LagAlarm }

// NewPrimary opens the sockets of a primary, which serves from [Primary.Run] on. Its observer is
// the primary itself, but for Notified, and its limit of lag is [LagAlarm] where none is given. What
// happens is told to tell, by several goroutines at once.
func NewPrimary(o primary.Options, setup primary.Setup, tell func(Event)) (*Primary, error) {
	p := &Primary{tell: tell, catalog: setup.Catalog.Name, zones: map[zone.Name]*tally{}, made: map[zone.Name]made{}, refusals: map[string]uint64{}}
	if o.Limits.Lag == 0 {
		o.Limits.Lag = LagAlarm
	}
	o.Observer = primary.Observer{Refused: p.refused, Transferred: p.transferred, Followed: p.followed, Problem: p.problem, Notified: o.Observer.Notified}
	var err error
	p.server, err = primary.New(o, setup)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Run serves until ctx ends.
func (p *Primary) Run(ctx context.Context) error { return p.server.Run(ctx) }

// Addrs gives where it listens, each address once.
func (p *Primary) Addrs() []string {
	var list []string
	for _, a := range p.server.Addrs() {
		if !slices.Contains(list, a.String()) {
			list = append(list, a.String())
		}
	}
	return list
}

// Configure takes another setup. That a catalog would lose too many members is told as trouble,
// and it stays as it was.
func (p *Primary) Configure(setup primary.Setup) error {
	p.mu.Lock()
	p.catalog = setup.Catalog.Name
	p.mu.Unlock()
	err := p.server.Configure(setup)
	p.mu.Lock()
	maps.DeleteFunc(p.made, func(name zone.Name, m made) bool { return p.server.Generation(name) != m.zone })
	p.mu.Unlock()
	if _, shrunk := errors.AsType[*primary.ShrinkError](err); shrunk {
		p.problem(err)
		return nil
	}
	return err
}

// Serves tells whether a zone is served under a serial.
func (p *Primary) Serves(name zone.Name, serial zone.Serial) bool {
	z := p.server.Generation(name)
	return z != nil && z.Serial() == serial
}

// Loaded tells whether anything of a zone is served.
func (p *Primary) Loaded(name zone.Name) bool { return p.server.Generation(name) != nil }

// Publish serves a flattened zone, which is durable already, and has its secondaries told.
func (p *Primary) Publish(z *zonefile.Zone) error {
	packed, err := flat(z)
	if err != nil {
		return err
	}
	return p.server.Publish(packed)
}

// flat packs a zone, unless it has ALIAS entries.
func flat(z *zonefile.Zone) (*primary.Zone, error) {
	if len(z.Marked(zonefile.MarkALIAS)) > 0 {
		return nil, fmt.Errorf("serve %s: it is not flattened", z.Name)
	}
	return Served(z)
}

// PublishResult serves a result, which is durable already, as [Primary.Publish] does what it is
// read from. Where no more than addresses have changed since the result before, that costs what
// has changed; else the zone is read.
func (p *Primary) PublishResult(r *compile.Result, read func() *zonefile.Zone) error {
	p.mu.Lock()
	last := p.made[r.Name]
	p.mu.Unlock()
	var latest *primary.Zone
	if last.zone != nil && p.server.Generation(r.Name) == last.zone {
		latest = Revised(last.zone, last.from, r)
	}
	if latest == nil {
		var err error
		if latest, err = flat(read()); err != nil {
			return err
		}
	}
	err := p.server.Publish(latest)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.made[r.Name] = made{latest, r.Flat()}
	} else {
		delete(p.made, r.Name)
	}
	return err
}

// Notify has the secondaries of a zone told of what is served; the zero Name is for all zones. It
// gives how many zones and secondaries these are.
func (p *Primary) Notify(name zone.Name) (zones, secondaries int) {
	var names []zone.Name
	for _, s := range p.server.Status() {
		if s.Loaded && (name.IsZero() || s.Name == name) {
			names = append(names, s.Name)
			secondaries += len(s.Secondaries)
		}
	}
	p.server.Notify(names...)
	return len(names), secondaries
}

// Serving tells how each zone is served, in canonical order, the catalog among them.
func (p *Primary) Serving() []Serving {
	list := []Serving{}
	now := time.Now()
	status := p.server.Status()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range status {
		st := &status[i]
		s := Serving{
			Zone: st.Name, Catalog: st.Name == p.catalog, Loaded: st.Loaded, Serial: st.Serial, Since: st.Since,
			Records: st.Records, Bytes: st.Size, Differences: st.Differences,
		}
		if t := p.zones[st.Name]; t != nil {
			s.Whole, s.Incremental, s.Cut = t.whole, t.incremental, t.cut
		}
		for _, f := range st.Secondaries {
			follower := Follower{Address: f.Address, Serial: f.Serial, Known: f.Known, Current: f.Reached, Failures: f.Failures}
			if !f.Behind.IsZero() {
				follower.Lag = max(now.Sub(f.Behind), 0)
			}
			if f.Err != nil {
				follower.Problem = f.Err.Error()
			}
			s.Secondaries = append(s.Secondaries, follower)
		}
		list = append(list, s)
	}
	return list
}

// Refusals counts the requests that were refused since the start, by the code they got.
func (p *Primary) Refusals() map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.refusals)
}

func (p *Primary) problem(err error) {
	if _, shrunk := errors.AsType[*primary.ShrinkError](err); shrunk {
		err = fmt.Errorf("%w: it stays as it was; aliasflat watch --force lets them go", err)
	}
	p.tell(Event{Time: time.Now(), Kind: KindTrouble, Severity: diag.Error, Message: err.Error()})
}

func (p *Primary) transferred(t primary.Transfer) {
	p.mu.Lock()
	tl := p.zones[t.Zone]
	if tl == nil {
		tl = new(tally)
		p.zones[t.Zone] = tl
	}
	switch {
	case t.Err != nil:
		tl.cut++
	case t.Incremental:
		tl.incremental++
	default:
		tl.whole++
	}
	p.mu.Unlock()
	e := Event{Time: time.Now(), Kind: KindTransferred, Zone: t.Zone, NewSerial: t.Serial, Serials: true}
	how := "whole"
	if t.Incremental {
		e.OldSerial, how = t.From, "what has changed"
	}
	e.Message = fmt.Sprintf("%s to %s over %s, %s, %d bytes", how, t.Client, t.Network, count(t.Records, "record"), t.Bytes)
	if t.Err != nil {
		e.Severity = diag.Warning
		e.Message += ", cut short: " + t.Err.Error()
	}
	p.tell(e)
}

func (p *Primary) followed(f primary.Follow) {
	e := Event{Time: time.Now(), Kind: KindFollows, Zone: f.Zone, NewSerial: f.Serial, Serials: true}
	switch f.Kind {
	case primary.FollowReached:
		e.Message = fmt.Sprintf("%s serves it, %s behind", f.Secondary, f.Lag.Round(time.Millisecond))
	case primary.FollowFailed:
		e.Severity = diag.Warning
		e.Message = fmt.Sprintf("secondary %s: %v", f.Secondary, f.Err)
	case primary.FollowLagging:
		e.Kind, e.Severity = KindLags, diag.Error
		e.Message = fmt.Sprintf("secondary %s has not served it for %s", f.Secondary, f.Lag.Round(time.Second))
	}
	p.tell(e)
}

// refused tells of the first refusals of a minute one by one, and of the others by their number.
func (p *Primary) refused(r primary.Refusal) {
	now := time.Now()
	code := "none"
	switch {
	case r.Error != 0:
		code = dns.RcodeToString[int(r.Error)]
	case r.Rcode >= 0:
		code = dns.RcodeToString[r.Rcode]
	}
	p.mu.Lock()
	p.refusals[code]++
	rest := 0
	if now.Sub(p.since) >= toldWithin {
		rest, p.since, p.told, p.untold = p.untold, now, 0, 0
	}
	p.told++
	tells := p.told <= mostTold
	if !tells {
		p.untold++
	}
	p.mu.Unlock()
	if rest > 0 {
		p.tell(Event{Time: now, Kind: KindDenied, Severity: diag.Warning, Message: count(rest, "more request") + " before this one"})
	}
	if tells {
		p.tell(Event{Time: now, Kind: KindDenied, Severity: diag.Warning, Message: denial(&r, code)})
	}
}

// denial says who was refused what, and why.
func denial(r *primary.Refusal, code string) string {
	text := code
	if r.Client.IsValid() {
		text += " to " + r.Client.String()
	}
	if r.Network != "" {
		text += " over " + r.Network
	}
	switch {
	case r.Name != "" && r.Update:
		text += " for an UPDATE of " + r.Name
	case r.Name != "":
		text += fmt.Sprintf(" for %s %s", r.Name, dns.Type(r.Type))
	}
	if r.Key != "" {
		text += " with key " + r.Key
	}
	return text + ": " + r.Reason
}
