package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// SchemeUpdate is that of servers that take dynamic updates (RFC 2136).
const SchemeUpdate = "update"

// ParseUpdate reads update://HOST[:PORT]?key=NAME: a server that takes updates, and the TSIG key
// that they are signed with.
func ParseUpdate(text string) (server Server, key zone.Name, err error) {
	wrong := fmt.Errorf("%q is not %s://HOST[:PORT]?key=NAME", text, SchemeUpdate)
	before, query, _ := strings.Cut(text, "?")
	authority, ok := strings.CutPrefix(before, SchemeUpdate+"://")
	word, named := strings.CutPrefix(query, "key=")
	if !ok || authority == "" || strings.ContainsAny(before[len(SchemeUpdate)+3:], "/#@ ") {
		return Server{}, zone.Name{}, wrong
	}
	if !named || word == "" || strings.ContainsAny(word, "&#/ ") {
		return Server{}, zone.Name{}, fmt.Errorf("%w: updates are signed with a key", wrong)
	}
	host, port, err := splitAuthority(authority)
	if err != nil {
		return Server{}, zone.Name{}, fmt.Errorf("%w: %w", wrong, err)
	}
	if key, err = zone.ParseName(word, zone.Root); err != nil {
		return Server{}, zone.Name{}, fmt.Errorf("%w: %w", wrong, err)
	}
	return Server{Addr: net.JoinHostPort(host, port)}, key, nil
}

// Key is a TSIG key (RFC 8945) that is shared with a server.
type Key struct {
	Name      zone.Name
	Algorithm string           // as hmac-sha256
	Signer    dns.TsigProvider // has the secret
}

// Pusher sends one zone to a server by dynamic update (RFC 2136), signed, and remembers what it
// has seen there, so that the next time only what is published anew is sent.
//
// What the server is for stays its own: the SOA with its serial, and what signs the zone. Of the
// other RRsets those that are published are made as they are published, those that were given to
// the server before are taken back, and those that somebody else has added there are left alone.
//
// It sends one thing at a time; [Pusher.Moved] may be called meanwhile.
type Pusher struct {
	Server  string        // host:port
	Key     Key           // of every message
	Timeout time.Duration // for an update and until it is seen; 0 means DefaultReloadTimeout

	mu    sync.Mutex
	seen  seen
	quiet time.Time // the server gave no answer, and is not asked before
}

// seen is what a server was seen to have. The zero value is nothing.
type seen struct {
	known  bool
	sum    uint64 // of what was published then, as in [zonefile.Zone]
	count  int
	serial zone.Serial // of the server
	sure   bool        // nobody else has changed the zone up to that serial
}

// last gives what the server was seen to have.
func (p *Pusher) last() seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

func (p *Pusher) sees(s seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = s
}

// How long a server is waited for that is only looked at, and left in peace that gives no answer.
const (
	lookTime  = time.Second
	quietTime = 5 * time.Minute
)

// Moved tells whether somebody else has changed a zone at the server since it was seen to have
// what is published. A server that does not say has not.
func (p *Pusher) Moved(ctx context.Context, name zone.Name) bool {
	p.mu.Lock()
	last, quiet := p.seen, p.quiet
	p.mu.Unlock()
	if !last.known || time.Now().Before(quiet) {
		return false
	}
	s := p.session()
	defer s.close()
	serial, err := s.serial(ctx, name, lookTime)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.quiet = time.Now().Add(quietTime)
		return false
	}
	return p.seen == last && (!last.sure || serial != last.serial)
}

// has tells whether a server was seen to have what is published in a zone.
func (s *seen) has(z *zonefile.Zone) bool { return s.known && s.sum == z.Sum && s.count == z.Count }

// Pushed is what came of a push.
type Pushed struct {
	Server   string
	RRsets   int         // that were changed there
	From, To zone.Serial // of the server; 0: not known
}

// pushing is one push under way.
type pushing struct {
	*Pusher
	*Delivery

	timeout time.Duration
	old     *zonefile.Zone // that the server was seen to have; nil: that is not known
	want    *zonefile.Zone // what is published now
	note    *given
	sent    map[rrsetName]bool
	result  Pushed
}

// deliverPushed is Deliver for a zone that is sent to its server.
func (d *Delivery) deliverPushed(ctx context.Context, text *zonefile.Text, verify func(*os.File) error) (Delivered, error) {
	p := &pushing{
		Pusher: d.Push, Delivery: d, timeout: d.Push.Timeout,
		sent: map[rrsetName]bool{}, result: Pushed{Server: d.Push.Server},
	}
	if p.timeout <= 0 {
		p.timeout = DefaultReloadTimeout
	}
	var done Delivered
	var err error
	before := p.last()
	if before.known {
		if p.old, err = p.read(); err != nil {
			return done, err
		}
		if !before.has(p.old) {
			p.old = nil // somebody has changed the output since
		}
	}
	if done.Changed, err = Write(d.File, text, verify); err != nil {
		return done, err
	}
	if p.want, err = p.read(); err != nil {
		return done, err
	}
	p.run(ctx, before, &done)
	done.Pushed = &p.result
	if done.Outcome != Confirmed {
		done.Owed.Reload = true
		return done, nil
	}
	d.runHooks(ctx, &done)
	return done, nil
}

// read reads the output.
func (p *pushing) read() (*zonefile.Zone, error) {
	text, err := Read(p.File, nil)
	if err != nil {
		return nil, err
	}
	options := p.Reading
	options.Origin = p.Zone
	return zonefile.Read(p.File, text, options), nil
}

// A zone that somebody else changes meanwhile is compared so often, after a pause that grows.
const (
	maxRounds  = 5
	roundPause = 100 * time.Millisecond
)

// run brings the server to what is published. What it is seen to have holds only where all of it
// went well.
func (p *pushing) run(ctx context.Context, before seen, done *Delivered) {
	p.sees(seen{})
	fail := func(o Outcome, d *diag.Diagnostic) {
		done.Outcome, done.Problems = o, append(done.Problems, d)
	}
	for round := range maxRounds {
		if round > 0 && !sleep(ctx, roundPause<<round) {
			break
		}
		todo, err := p.compare(ctx, &before)
		if err != nil {
			fail(LoadFailed, problemPush(p, err))
			return
		}
		before = seen{}
		if err := p.promise(todo); err != nil {
			fail(LoadFailed, problemPushNote(p, err))
			return
		}
		err = p.send(ctx, todo)
		if isConflict(err) || err == nil && round < maxRounds-1 && p.passedOver(ctx, todo) {
			continue
		}
		if err != nil {
			o := LoadFailed
			if _, lost := errors.AsType[*lostError](err); lost {
				o = Unconfirmed
			}
			fail(o, problemPush(p, err))
			return
		}
		p.finish(ctx, todo, done)
		return
	}
	fail(LoadFailed, problemPushRace(p))
}

// finish sees to it that the server has what it was sent, and notes that.
func (p *pushing) finish(ctx context.Context, todo *todo, done *Delivered) {
	serial, err := p.verify(ctx, todo)
	if err != nil {
		done.Outcome, done.Problems = Unconfirmed, append(done.Problems, problemPushUnconfirmed(p, err))
		return
	}
	p.result.To = serial
	untold, err := p.settle(todo)
	if err != nil {
		done.Outcome, done.Problems = LoadFailed, append(done.Problems, problemPushNote(p, err))
		return
	}
	if len(untold) > 0 {
		done.Problems = append(done.Problems, warnPushOthers(p, untold))
	}
	if len(todo.clashes) > 0 {
		done.Outcome, done.Problems = LoadFailed, append(done.Problems, problemPushClash(p, todo.clashes))
		return
	}
	done.Outcome = Confirmed
	p.sees(seen{known: true, sum: p.want.Sum, count: p.want.Count, serial: serial, sure: todo.sure})
}

// todo is the difference between what the server has and what is published.
type todo struct {
	changes []zone.Change // to be made
	serial  zone.Serial   // of the server before
	whole   bool          // its whole zone was compared
	sure    bool          // nobody has changed the zone that nobody knows of
	others  []rrsetName   // that somebody else has added; where whole is set
	clashes []rrsetName   // of others, beside which what is published cannot stand
	left    []zone.Change // that are not made for that
}

// compare finds out what has to be changed at the server: against what it was seen to have, or
// else against all it has.
func (p *pushing) compare(ctx context.Context, before *seen) (*todo, error) {
	s := p.session()
	defer s.close()
	serial, err := s.serial(ctx, p.Zone, p.timeout)
	if lost, ok := errors.AsType[*lostError](err); ok {
		err = lost.err // nothing was sent that changes anything
	}
	if err != nil {
		return nil, err
	}
	if p.result.From == 0 {
		p.result.From = serial
	}
	p.result.To = serial
	sure := before.sure && before.serial == serial
	switch {
	case before.has(p.want) && sure && !p.Owed.Reload:
		return &todo{serial: serial, sure: true}, nil
	case before.known && p.old != nil && !before.has(p.want):
		changes := ours(zonefile.Diff(p.old, p.want), p.Zone)
		return &todo{changes: changes, serial: serial, sure: sure}, nil
	}
	return p.compareWhole(ctx)
}

// compareWhole compares with all that the server has.
func (p *pushing) compareWhole(ctx context.Context) (*todo, error) {
	theirs, err := p.transfer(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.readNote(); err != nil {
		return nil, err
	}
	t := &todo{whole: true, sure: true}
	t.serial, _ = theirs.Serial() // a transfer has an SOA
	clash := map[zone.Name]bool{}
	var list []zone.Change
	for _, c := range ours(zonefile.Diff(theirs, p.want), p.Zone) {
		name := rrsetName{c.RRset().Owner, c.RRset().Type}
		if c.New != nil || p.note.sets[name] {
			list = append(list, c)
			continue
		}
		t.others = append(t.others, name)
		if p.clashes(name) {
			t.clashes, clash[name.owner] = append(t.clashes, name), true
		}
	}
	for _, c := range list {
		if clash[c.RRset().Owner] {
			t.left = append(t.left, c)
		} else {
			t.changes = append(t.changes, c)
		}
	}
	return t, nil
}

// clashes tells whether what is published cannot stand beside an RRset: a CNAME has no company
// (RFC 1034 §3.6.2), and servers pass over updates that would give it one (RFC 2136 §3.4.2.2).
func (p *pushing) clashes(other rrsetName) bool {
	if other.typ == dns.TypeCNAME {
		return len(p.want.Types(other.owner)) > 0
	}
	return other.typ != dns.TypeKEY && p.want.Has(other.owner, dns.TypeCNAME)
}

// ours leaves out of a difference what belongs to the server.
func ours(all zone.Difference, apex zone.Name) []zone.Change {
	var list []zone.Change
	for _, c := range all {
		if set := c.RRset(); !belongsToServer(set.Type) && set.Owner.IsIn(apex) {
			list = append(list, c)
		}
	}
	return list
}

// belongsToServer tells whether RRsets of a type are made by a server that numbers and signs its
// zone itself.
func belongsToServer(typ uint16) bool {
	switch typ {
	case dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY,
		dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeZONEMD, typePrivateSigning:
		return true
	}
	return false
}

// transfer gets all that the server has.
func (p *pushing) transfer(ctx context.Context) (*zonefile.Zone, error) {
	text, err := transferSigned(ctx, p.Server, p.Zone, p.Key)
	if err != nil {
		return nil, err
	}
	options := p.Reading
	options.Origin, options.Lasting = p.Zone, false
	return zonefile.Read(p.Server, text, options), nil
}
