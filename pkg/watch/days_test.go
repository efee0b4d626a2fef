package watch

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// resolverAddresses are those of the two resolvers of a simulated day.
var resolverAddresses = [...]string{"192.0.2.53:53", "198.51.100.53:53"}

const (
	perZone = 8 // targets, and one of the next zone; fewer than a guard takes for many
	// A change is published so long after an answer that tells of it.
	promptly = 2 * time.Second
	// longest is how long a target that failed is not asked, with the lookup itself.
	longest = backOffMost + 15*time.Second
)

// In simulated days with 30 % loss, storms of SERVFAIL, caches that count down, TTLs that
// change, targets that move, vanish and come back, resolvers that lose their caches, clocks
// that jump and daemons that are started anew, nothing is published that was not true, no
// addresses go that should not, and a serial moves exactly when a record does.
func TestDays(t *testing.T) {
	seeds, length, targets := 1, 2*time.Hour, 50
	if judge.Deep() {
		seeds, length, targets = 20, 24*time.Hour, 200
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDay(t, seed, length, targets)
				d.run()
				d.report()
			})
		})
	}
}

// day is a simulated day.
type day struct {
	*testing.T

	seed    uint64
	length  time.Duration
	begun   time.Time
	rand    *rand.Rand
	network *dnstest.Network
	world   *movers
	host    *dayHost
	storms  [len(resolverAddresses)][]dnstest.Fault
	named   map[string]dnstest.Fault // storms about one name
	stop    func()

	mu       sync.Mutex
	skew     time.Duration // of the clock
	latest   time.Time     // that the clock has shown
	asked    map[resolve.Question]*asking
	open     int
	crowded  time.Time // when as many lookups were open as may be
	stood    time.Time // when the clock stood still
	started  time.Time // the daemon that there is
	timeline map[zone.Name][]string
	expected []change
	counts   struct {
		lookups, failed, publications, changes, followed, guarded, shorter, restarts, jumps int
	}
	slowest time.Duration // from what caches may know to what is published
	wrong   int           // problems reported
}

// asking is what is known of the lookups of one question.
type asking struct {
	begun, ended time.Time
	last         resolve.Answer
	left         bool // it was asked early, behind what a cache had left
	failed       time.Time
	pending      time.Time // when something was answered that is not published; zero: all is
}

func newDay(t *testing.T, seed uint64, length time.Duration, targets int) *day {
	t.Helper()
	d := &day{
		T: t, seed: seed, length: length, begun: time.Now(), rand: rand.New(rand.NewPCG(seed, 2)), network: dnstest.NewNetwork(seed), world: newMovers(seed, targets),
		asked: map[resolve.Question]*asking{}, timeline: map[zone.Name][]string{}, named: map[string]dnstest.Fault{},
	}
	for _, address := range resolverAddresses {
		d.network.SetLink(address, dnstest.Link{
			Latency: 15 * time.Millisecond, Jitter: 10 * time.Millisecond,
			LossTo: 0.16, LossFrom: 0.16, Reorder: 0.05, Duplicate: 0.02,
		})
		server := d.network.Start(t, address, d.world.text())
		server.StopLog()
		d.world.resolver = append(d.world.resolver, server)
	}
	d.world.note(nil)
	d.makeStorms()
	for i := range d.world.resolver {
		d.setFaults(i)
	}
	d.host = &dayHost{host: newHost(d.sources()...), day: d, published: map[int]map[owned]rrset{}}
	for i := range d.host.sources {
		d.host.rules = append(d.host.rules, d.rules(i))
	}
	return d
}

// sources are zones of some targets each, one of which the zone before has too.
func (d *day) sources() []string {
	var list []string
	targets := d.world.targets
	for first := 0; first < len(targets); first += perZone {
		text := fmt.Sprintf("$ORIGIN z%d.example.com.\n$TTL 3600\n@ SOA ns.example.net. h.example.net. 1 2 3 4 5\n@ NS ns.example.net.\n", first/perZone)
		for k := range perZone + 1 {
			m := targets[(first+k)%len(targets)]
			parameters := ""
			if m.drops() {
				parameters = " on-empty=drop"
			}
			owner := fmt.Sprintf("a%d", m.number)
			if k == 0 {
				owner = "@"
			}
			text += fmt.Sprintf("%s ALIAS %s%s\n", owner, m.name, parameters)
		}
		list = append(list, text)
	}
	return list
}

// drops tells whether the ALIAS records of a target let its addresses go once that is confirmed.
func (m *mover) drops() bool { return m.number%7 == 5 }

// makeStorms settles when the resolvers fail.
func (d *day) makeStorms() {
	const calm = 5 * time.Minute // at first, so that everything gets known
	hours := int(d.length / time.Hour)
	some := func() (at, until time.Duration) {
		at = calm + time.Duration(d.rand.Int64N(int64(d.length-calm)))
		return at, at + 30*time.Second + time.Duration(d.rand.Int64N(int64(15*time.Minute)))
	}
	for range max(hours/3, 2) {
		at, until := some()
		only := d.rand.IntN(2 * len(d.storms)) // one of them, or all
		for i := range d.storms {
			if only < len(d.storms) && only != i {
				continue
			}
			f := dnstest.Fault{Condition: dnstest.Condition{At: at, Until: until, Chance: 0.95}}
			if d.rand.IntN(3) == 0 {
				f.Drop = true
			} else {
				f.Rcode = dns.RcodeServerFailure
			}
			d.storms[i] = append(d.storms[i], f)
		}
	}
	for range hours {
		at, until := some()
		f := dnstest.Fault{Condition: dnstest.Condition{At: at, Until: until + time.Hour}, Mistake: dnstest.Mistake{Rcode: dns.RcodeServerFailure}}
		d.named[d.world.targets[d.rand.IntN(len(d.world.targets))].name.String()] = f
	}
}

// setFaults has a resolver go wrong as it does all day.
func (d *day) setFaults(i int) {
	server := d.world.resolver[i]
	for name, f := range d.named {
		server.Fault(name, 0, f)
	}
	for _, f := range d.storms[i] {
		server.Fault("", 0, f)
	}
	kinds := [...]string{"", "recursive", "countdown", "countdown=45s,caches=3"}
	texts := []string{
		"servfail,chance=0.02", "refused,chance=0.01", "no-soa,chance=0.01", "ede=3,chance=0.01,at=5m", "ede=15,chance=0.01",
		"lame,chance=0.01", "truncate,chance=0.02", "delay=3s,chance=0.01", "wrong-id,first,chance=0.02", "cname-and-address,chance=0.01",
	}
	if kind := kinds[(int(d.seed)+2*i+2)%len(kinds)]; kind != "" {
		texts = append(texts, kind, "rotate")
	}
	for _, text := range texts {
		f, err := dnstest.ParseFault(text)
		if err != nil {
			d.Fatal(err)
		}
		server.Fault("", 0, f)
	}
}

// run lets the day pass.
func (d *day) run() {
	d.start()
	hours := d.length.Hours()
	eras := min(d.length/60, 5*time.Minute)
	next := d.begun.Add(eras)
	happens := map[time.Duration][]func(){}
	at := func(n float64, f func()) {
		for range int(max(n, 1)) {
			t := 10*time.Minute + time.Duration(d.rand.Int64N(int64(d.length-20*time.Minute)))
			happens[t.Truncate(time.Second)] = append(happens[t.Truncate(time.Second)], f)
		}
	}
	at(hours/8, d.restart)
	at(hours/2, d.loseCaches)
	at(hours/3, d.jump)
	for time.Since(d.begun) < d.length {
		time.Sleep(time.Second)
		for _, f := range happens[time.Since(d.begun).Truncate(time.Second)] {
			f()
		}
		if !time.Now().Before(next) {
			d.move()
			next = time.Now().Add(eras/2 + time.Duration(d.rand.Int64N(int64(eras))))
		}
		d.check()
	}
	d.stop()
}

// start starts a daemon with what the host remembers.
func (d *day) start() {
	client, err := resolve.New([]string{"udp://" + resolverAddresses[0], "udp://" + resolverAddresses[1]}, resolve.Options{Dial: d.network.Dial})
	if err != nil {
		d.Fatal(err)
	}
	d.host.mu.Lock()
	estimates := maps.Clone(d.host.estimates)
	d.host.mu.Unlock()
	work := &Work{
		Host: d.host, Now: d.now, Close: func() { client.Close() },
		Options: compile.Options{
			Lookup: &dayLookup{d, client}, Confirm: client.Confirm, Known: d.host.knownOf, Estimates: estimates,
			Policy: resolve.Policy{MaxAddresses: resolve.DefaultMaxAddresses},
		},
	}
	for i := range d.host.sources {
		work.Zones = append(work.Zones, Zone{Source: fmt.Sprintf("%d.zone", i)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(Options{}).Run(ctx, work)
	}()
	d.stop = func() {
		cancel()
		<-done
	}
}

// now is the clock of the daemon, as what is remembered lets it run: never backwards.
func (d *day) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now().Add(d.skew); now.After(d.latest) {
		d.latest = now
	}
	return d.latest
}

func (d *day) restart() {
	d.stop()
	d.mu.Lock()
	d.counts.restarts++
	d.asked, d.open, d.started = map[resolve.Question]*asking{}, 0, time.Now()
	for i := range d.expected {
		d.expected[i].deadline = d.expected[i].deadline.Add(longest)
	}
	d.mu.Unlock()
	d.start()
}

// loseCaches starts a resolver anew, which is away for a while.
func (d *day) loseCaches() {
	i := d.rand.IntN(len(resolverAddresses))
	address := resolverAddresses[i]
	d.world.resolver[i].ClearFaults()
	d.setFaults(i)
	d.network.Reset(address)
	away := dnstest.Link{RefuseUDP: true, RefuseTCP: true}
	up := dnstest.Link{Latency: 15 * time.Millisecond, Jitter: 10 * time.Millisecond, LossTo: 0.16, LossFrom: 0.16, Reorder: 0.05, Duplicate: 0.02}
	d.network.SetLink(address, away)
	time.AfterFunc(time.Duration(d.rand.Int64N(int64(2*time.Minute))), func() { d.network.SetLink(address, up) })
}

// jump sets the clock, forward or back.
func (d *day) jump() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.jumps++
	d.skew = time.Duration(d.rand.Int64N(int64(8*time.Hour))) - 4*time.Hour
}

// move has some targets move, and notes what is expected of that.
func (d *day) move() {
	lives := map[*mover]time.Duration{}
	for _, m := range d.world.targets {
		lives[m] = m.life()
	}
	moved := d.world.move(1 + d.rand.IntN(max(len(d.world.targets)/12, 2)))
	text := d.world.text()
	for _, server := range d.world.resolver {
		if err := server.SetWorld(text); err != nil {
			d.Fatal(err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for m, what := range moved {
		d.log(m.name, "the target %s: A %v, AAAA %v", what, d.world.resolver[0].Truth(m.name.String(), dns.TypeA, time.Now()), d.world.resolver[0].Truth(m.name.String(), dns.TypeAAAA, time.Now()))
	}
	for _, c := range d.world.note(lives) {
		d.counts.changes++
		d.expected = slices.DeleteFunc(d.expected, func(old change) bool { return old.target == c.target })
		for _, qtype := range addressTypes {
			list := c.target.past[qtype]
			now := list[len(list)-1]
			d.expect(change{target: c.target, qtype: qtype, set: now.set, at: c.at, life: c.life, reborn: c.reborn})
		}
	}
}

// expect notes what is to be published, and until when if nothing fails meanwhile.
func (d *day) expect(c change) {
	if c.target.absent {
		return // whether something goes depends on who confirms it
	}
	until := c.at
	for _, qtype := range addressTypes {
		for _, s := range c.target.past[qtype] {
			if end := s.to.Add(s.life); !s.to.IsZero() && end.After(until) {
				until = end
			}
		}
	}
	c.life = until.Sub(c.at)
	c.deadline = c.latest()
	if k := d.host.knownOf(resolve.Question{Target: c.target.name, Type: c.qtype}); k != nil {
		c.reborn = c.reborn || k.Gone || k.Held.Times > 0
	}
	d.expected = append(d.expected, c)
}

// latest is until when a change is published, by what the TTLs have been up to now.
func (c *change) latest() time.Time {
	deadline := c.at.Add(c.life + DefaultFloor + 5*time.Second)
	// What is estimated falls later than what is true.
	wait := max(time.Duration(slices.Max(c.target.allTTLs))*time.Second, c.target.life(), DefaultFloor) + time.Second
	// A target that was gone, or the type that is new in place of another, is seen several times first.
	deadline = deadline.Add(3*wait + 2*negativeTTL*time.Second)
	if len(c.set) == 0 { // it is confirmed by a second resolver, or by the same one later
		deadline = deadline.Add(negativeTTL*time.Second + 3*DefaultFloor)
	}
	return deadline
}

// log adds to the timeline of a target. It is called with mu held.
func (d *day) log(target zone.Name, format string, arguments ...any) {
	line := fmt.Sprintf("%12s ", time.Since(d.begun).Round(time.Millisecond)) + fmt.Sprintf(format, arguments...)
	list := append(d.timeline[target], line)
	if len(list) > 400 {
		list = slices.Clone(list[200:])
	}
	d.timeline[target] = list
}

// fault reports a problem with the timeline of a target. It is called with mu held.
func (d *day) fault(target zone.Name, format string, arguments ...any) {
	const most = 3
	if d.wrong++; d.wrong > most {
		d.Fail()
		return
	}
	lines := d.timeline[target]
	d.Errorf("seed %d, at %s, target %s: %s\n%s", d.seed, time.Since(d.begun), target, fmt.Sprintf(format, arguments...), strings.Join(lines[max(len(lines)-60, 0):], "\n"))
}

// dayLookup asks the resolvers and looks at how that goes.
type dayLookup struct {
	day    *day
	client *resolve.Client
}

var _ resolve.Starter = (*dayLookup)(nil)

func (l *dayLookup) Lookup(ctx context.Context, target zone.Name, qtype uint16) resolve.Answer {
	return l.client.Lookup(ctx, target, qtype)
}

func (l *dayLookup) Flush() { l.client.Flush() }

func (l *dayLookup) Start(ctx context.Context, target zone.Name, qtype uint16, done func(resolve.Answer)) {
	q := resolve.Question{Target: target, Type: qtype}
	l.day.begins(q)
	l.client.Start(ctx, target, qtype, func(a resolve.Answer) {
		if ctx.Err() == nil {
			l.day.answered(q, a)
		}
		done(a)
	})
}

// begins notes that a question is asked, and looks at when.
func (d *day) begins(q resolve.Question) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.counts.lookups++
	if d.open++; d.open >= DefaultInFlight {
		d.crowded = now
	}
	a := d.asked[q]
	if a == nil {
		d.asked[q] = &asking{begun: now}
		return
	}
	waited := now.Sub(a.ended)
	least := DefaultFloor
	switch {
	case fails(&a.last):
		least = backOffFirst
	case a.last.Outcome == resolve.Addresses && a.last.TTL <= leftOver && !a.left && waited < DefaultFloor:
		least, a.left = time.Second, true
	default:
		a.left = false
	}
	if waited < least {
		d.fault(q.Target, "%s is asked %s after an answer of TTL %d", dns.TypeToString[q.Type], waited, a.last.TTL)
	}
	a.begun, a.ended = now, time.Time{}
}

// answered notes an answer, and looks at whether it is true.
func (d *day) answered(q resolve.Question, answer resolve.Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.open--
	a := d.asked[q]
	a.ended, a.last = now, answer
	a.last.Attempts = nil
	d.log(q.Target, "%s: %s%s %v, TTL %d/%d by %s (%s)", dns.TypeToString[q.Type], answer.Outcome, map[bool]string{true: " (stale)"}[answer.Stale], answer.Addresses, answer.TTL, answer.NegativeTTL, answer.Resolver, answer.Detail)
	m := d.world.byName[q.Target]
	if fails(&answer) {
		d.counts.failed++
		a.failed = now
		return
	}
	// What came may have been said some seconds ago.
	truth := slices.ContainsFunc(m.past[q.Type], func(s stretch) bool {
		return slices.Equal(s.set, answer.Addresses) && !s.from.After(now) && (s.to.IsZero() || !a.begun.After(s.to.Add(s.life+2*time.Second)))
	})
	if !truth {
		d.fault(q.Target, "%s: the answer %v is not true", dns.TypeToString[q.Type], answer.Addresses)
	}
	if a.pending.IsZero() || answer.Outcome == resolve.Addresses {
		a.pending = now
	}
}

// check looks at what is late.
func (d *day) check() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if now.Add(d.skew).Before(d.latest) {
		d.stood = now // until the time comes that it has shown
	}
	for q, a := range d.asked {
		d.checkAsked(q, a, now)
	}
	d.expected = slices.DeleteFunc(d.expected, func(c change) bool { return d.checkExpected(&c, now) })
}

// checkAsked looks at whether a question is asked again in time, and what it was answered with
// last is published.
func (d *day) checkAsked(q resolve.Question, a *asking, now time.Time) {
	if !a.ended.IsZero() {
		most := max(time.Duration(a.last.TTL)*time.Second, DefaultFloor)
		switch {
		case fails(&a.last):
			most = backOffMost
		case a.last.Outcome != resolve.Addresses:
			most = max(time.Duration(a.last.NegativeTTL)*time.Second, DefaultFloor) + 10*time.Second // in which another resolver is asked
		}
		if d.crowded.After(a.ended) {
			most += 2 * time.Minute
		}
		if waited := now.Sub(a.ended); waited > most+time.Second {
			d.fault(q.Target, "%s is not asked again %s after an answer of TTL %d/%d", dns.TypeToString[q.Type], waited, a.last.TTL, a.last.NegativeTTL)
			a.ended = now
		}
	}
	if a.pending.IsZero() || now.Sub(a.pending) < promptly {
		return
	}
	shown := d.host.shown(q)
	if len(shown) == 0 || now.Sub(d.started) < longest {
		return // the zone waits for others still
	}
	a.pending = time.Time{}
	if a.last.Outcome != resolve.Addresses || fails(&a.last) {
		return
	}
	if known := d.host.knownOf(q); known != nil && known.Held.Times > 0 {
		d.counts.guarded++
		return
	}
	if slices.ContainsFunc(shown, func(r rrset) bool { return !slices.Equal(r.set, a.last.Addresses) }) {
		d.fault(q.Target, "%s: %v was answered and is not published: %v", dns.TypeToString[q.Type], a.last.Addresses, shown)
	}
}

// checkExpected tells whether a change has been published, or can wait no longer.
func (d *day) checkExpected(c *change, now time.Time) bool {
	q := resolve.Question{Target: c.target.name, Type: c.qtype}
	if !slices.ContainsFunc(d.host.shown(q), func(r rrset) bool { return !slices.Equal(r.set, c.set) }) {
		if now.Sub(c.at) < time.Second {
			return true // it was so before
		}
		d.counts.followed++
		if a := d.asked[q]; a != nil && a.failed.Before(c.at) && d.crowded.Before(c.at) && len(c.set) > 0 && !c.reborn {
			d.slowest = max(d.slowest, now.Sub(c.at)-c.life)
		}
		return true
	}
	if !now.Before(c.deadline) {
		c.deadline = c.latest()
	}
	if now.Before(c.deadline) || now.Sub(d.stood) < c.deadline.Sub(c.at) {
		return false
	}
	for _, qtype := range addressTypes {
		if a := d.asked[resolve.Question{Target: c.target.name, Type: qtype}]; a == nil || a.ended.IsZero() || now.Sub(a.failed) < longest+c.deadline.Sub(c.at) || now.Sub(d.crowded) < longest {
			return false
		}
	}
	d.fault(c.target.name, "%s: %v is true since %s, and %v is published; the clock shows %s, known is %+v", dns.TypeToString[c.qtype], c.set, c.at.Sub(d.begun), d.host.shown(q), d.latest, d.host.knownOf(q))
	return true
}

// report tells what the day was like.
func (d *day) report() {
	c := &d.counts
	d.Logf("seed %d: %s, %d zones, %d targets: %d lookups, %d failed; %d publications; %d changes, %d of them or of what came back published before the next one, the slowest where nothing failed %s after the last cache could know; %d TTLs were lowered; %d times held by a guard; %d restarts, %d jumps of the clock",
		d.seed, d.length, len(d.host.sources), len(d.world.targets), c.lookups, c.failed, c.publications, c.changes, c.followed, d.slowest.Round(time.Millisecond), c.shorter, c.guarded, c.restarts, c.jumps)
	if c.lookups < 10*len(d.world.targets) || c.failed == 0 || c.publications < len(d.host.sources) || c.followed < c.changes/4 || c.changes == 0 {
		d.Error("too little has happened")
	}
}
