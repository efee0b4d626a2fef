package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// world is targets that answer after a moment, and can be changed.
type world struct {
	mu      sync.Mutex
	answers map[resolve.Question]resolve.Answer
	asked   map[resolve.Question]int
	at      []time.Time
	open    int
	most    int
	took    time.Duration
}

func newWorld() *world {
	return &world{answers: map[resolve.Question]resolve.Answer{}, asked: map[resolve.Question]int{}, took: 20 * time.Millisecond}
}

func (w *world) Lookup(ctx context.Context, target zone.Name, qtype uint16) resolve.Answer {
	w.mu.Lock()
	w.open++
	w.most = max(w.most, w.open)
	w.asked[resolve.Question{Target: target, Type: qtype}]++
	w.at = append(w.at, time.Now())
	took := w.took
	w.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	if a, ok := w.answers[resolve.Question{Target: target, Type: qtype}]; ok {
		return a
	}
	return resolve.Answer{Target: target, Type: qtype, Outcome: resolve.Failure, Reason: resolve.ReasonTimeout, Detail: "no answer", Last: target}
}

// has gives a target an address of type A with a TTL, and NODATA for AAAA.
func (w *world) has(target string, ttl uint32, addresses ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := zone.MustParseName(target)
	a := resolve.Answer{Target: name, Type: dns.TypeA, Outcome: resolve.Addresses, Last: name, TTL: ttl, AddressTTL: ttl, Resolver: "test:"}
	for _, text := range addresses {
		a.Addresses = append(a.Addresses, netip.MustParseAddr(text))
	}
	w.answers[resolve.Question{Target: name, Type: dns.TypeA}] = a
	w.answers[resolve.Question{Target: name, Type: dns.TypeAAAA}] = resolve.Answer{
		Target: name, Type: dns.TypeAAAA, Outcome: resolve.NoData, Last: name, NegativeTTL: max(ttl, 1), Resolver: "test:",
	}
}

func (w *world) silent(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		delete(w.answers, resolve.Question{Target: zone.MustParseName(target), Type: qtype})
	}
}

func (w *world) times(target string, qtype uint16) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[resolve.Question{Target: zone.MustParseName(target), Type: qtype}]
}

// host keeps everything in memory.
type host struct {
	mu        sync.Mutex
	sources   []string // texts
	published []string
	serials   []zone.Serial
	writes    []int
	known     map[resolve.Question]*resolve.Known
	estimates resolve.Estimates
	fail      map[int]bool // publishing fails
	loads     []int
	guards    *flatten.Guards // of all zones; nil: the usual ones
}

func newHost(sources ...string) *host {
	n := len(sources)
	return &host{
		sources: sources, published: make([]string, n), serials: make([]zone.Serial, n), writes: make([]int, n), loads: make([]int, n),
		known: map[resolve.Question]*resolve.Known{}, estimates: resolve.Estimates{}, fail: map[int]bool{},
	}
}

func (h *host) Load(i int) (compile.Source, diag.List) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loads[i]++
	if h.sources[i] == "" {
		return compile.Source{}, diag.List{{Severity: diag.Error, Code: diag.CodeUnreadable, Message: "it is not there"}}
	}
	return compile.Source{Name: fmt.Sprintf("%d.zone", i), Text: []byte(h.sources[i]), Settings: alias.Settings{MaxStale: alias.DefaultMaxStale}, Guards: h.guards}, nil
}

func (h *host) Prepare(_ context.Context, i int) (*compile.Published, bool, diag.List) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.published[i] == "" {
		return nil, true, nil
	}
	old := h.published[i]
	return &compile.Published{Serial: h.serials[i], Same: func(draft *zonefile.Text, _ zonefile.Content) (bool, error) {
		return withoutSerial(string(draft.Bytes())) == withoutSerial(old), nil
	}}, true, nil
}

// withoutSerial is a zone file without the line of its SOA.
func withoutSerial(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, " SOA ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func (h *host) Publish(_ context.Context, i int, r *compile.Result, learned resolve.Estimates) Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail[i] {
		return Delivery{Problems: diag.List{{Severity: diag.Error, Code: diag.CodeUnwritable, Message: "the disk is full"}}}
	}
	maps.Copy(h.known, r.Remember())
	maps.Copy(h.estimates, learned)
	text := string(r.Text.Bytes())
	written := text != h.published[i]
	if written {
		h.writes[i]++
	}
	h.published[i], h.serials[i] = text, r.Serial
	return Delivery{Serial: r.Serial, Known: true, Written: written}
}

func (h *host) Keep(seen map[resolve.Question]resolve.Seen, learned resolve.Estimates) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for q, s := range seen {
		if k := h.known[q]; k != nil && slices.Equal(k.Addresses, s.Addresses) {
			younger := *k
			younger.Seen = s.Time
			h.known[q] = &younger
		}
	}
	maps.Copy(h.estimates, learned)
	return nil
}

func (h *host) knownOf(q resolve.Question) *resolve.Known {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known[q]
}

// text is what is published of a zone.
func (h *host) text(i int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.published[i]
}

// written counts the changes of each zone.
func (h *host) written() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.writes)
}

// serial is the one that a zone has.
func (h *host) serial(i int) zone.Serial {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.serials[i]
}

// loaded counts how often a zone was read.
func (h *host) loaded(i int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loads[i]
}

func (h *host) addresses(i int) []string {
	var list []string
	for line := range strings.Lines(h.text(i)) {
		f := strings.Fields(line)
		if len(f) == 5 && (f[3] == "A" || f[3] == "AAAA") {
			list = append(list, f[4])
		}
	}
	return list
}

// source is a zone with ALIAS records, the first at the apex.
func source(name string, targets ...string) string {
	text := fmt.Sprintf("$ORIGIN %s\n$TTL 3600\n@ SOA ns.example.net. h.example.net. 1 2 3 4 5\n@ NS ns.example.net.\n", name)
	for i, target := range targets {
		owner := "@"
		if i > 0 {
			owner = fmt.Sprintf("a%d", i)
		}
		text += fmt.Sprintf("%s ALIAS %s\n", owner, target)
	}
	return text
}

// daemon runs a daemon until the test ends.
func daemon(t *testing.T, h *host, w *world, change ...func(*Work)) (*Daemon, *heard) {
	t.Helper()
	work := &Work{
		Host:    h,
		Options: compile.Options{Lookup: w, Known: h.knownOf, Estimates: resolve.Estimates{}, Policy: resolve.Policy{MaxAddresses: 64}},
	}
	for i := range h.sources {
		work.Zones = append(work.Zones, Zone{Source: fmt.Sprintf("%d.zone", i)})
	}
	for _, f := range change {
		f(work)
	}
	events := &heard{}
	d := New(Options{Tell: events.tell})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx, work)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return d, events
}

// heard collects events.
type heard struct {
	mu     sync.Mutex
	events []Event
}

func (e *heard) tell(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, event)
}

func (e *heard) count(kind Kind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, event := range e.events {
		if event.Kind == kind {
			n++
		}
	}
	return n
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A change of a target is published within a second behind the expiry of its TTL, under a later
// serial; without a change nothing is written.
func TestFollowsTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 60, "192.0.2.1")
		d, events := daemon(t, h, w)
		wait(2 * time.Second)
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.1"}) || h.serial(0) != 1 {
			t.Fatal(got, h.serial(0))
		}
		for i := range 20 {
			before := h.written()[0]
			wait(100 * time.Second)
			if h.written()[0] != before {
				t.Fatal("written without a change")
			}
			next := d.Snapshot().Zones[0].NextRefresh
			address := fmt.Sprintf("192.0.2.%d", i+2)
			w.has("cdn.example.net.", 60, address)
			wait(time.Until(next) + time.Second)
			if got := h.addresses(0); !slices.Equal(got, []string{address}) || h.serial(0) != zone.Serial(i+2) {
				t.Fatal(i, got, h.serial(0))
			}
		}
		if n := events.count(KindPublished); n != 21 {
			t.Errorf("published told %d times", n)
		}
		if n := events.count(KindChanged); n < 20 {
			t.Errorf("changed told %d times", n)
		}
	})
}

// A target that fails changes nothing that is published, and is asked again sooner and sooner
// less often.
func TestHoldsOverFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 60, "192.0.2.1")
		d, events := daemon(t, h, w)
		wait(2 * time.Second)
		w.silent("cdn.example.net.")
		wait(61 * time.Second)
		before := w.times("cdn.example.net.", dns.TypeA)
		wait(time.Hour)
		if n := w.times("cdn.example.net.", dns.TypeA) - before; n < 10 || n > 30 {
			t.Errorf("asked %d times in an hour", n)
		}
		z := d.Snapshot().Zones[0]
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.1"}) || h.written()[0] != 1 || z.Phase != PhaseHolding || !z.Held {
			t.Error(got, h.written(), z)
		}
		if events.count(KindHolding) != 1 {
			t.Error("told", events.count(KindHolding))
		}
		w.has("cdn.example.net.", 60, "192.0.2.2")
		wait(301 * time.Second)
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.2"}) || h.serial(0) != 2 {
			t.Error(got, h.serial(0))
		}
		if events.count(KindRecovered) != 1 {
			t.Error("told", events.count(KindRecovered))
		}
	})
}

// A target of TTL 0 is asked once in each floor at most, for however many zones.
func TestFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sources []string
		for i := range 50 {
			sources = append(sources, source(fmt.Sprintf("z%d.example.com.", i), "cdn.example.net."))
		}
		w, h := newWorld(), newHost(sources...)
		w.has("cdn.example.net.", 0, "192.0.2.1")
		daemon(t, h, w)
		wait(time.Hour)
		if n := w.times("cdn.example.net.", dns.TypeA); n < 100 || n > 121 {
			t.Errorf("asked %d times in an hour", n)
		}
		for i := range sources {
			if h.written()[i] != 1 {
				t.Fatal(i, h.written()[i])
			}
		}
	})
}

// However many targets are due at once, few lookups are under way.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var targets []string
		for i := range 10_000 {
			target := fmt.Sprintf("t%d.example.net.", i)
			targets = append(targets, target)
			w.has(target, 300, "192.0.2.1")
		}
		h := newHost(source("example.com.", targets...))
		daemon(t, h, w)
		wait(20 * time.Minute)
		if w.most > DefaultInFlight {
			t.Errorf("%d lookups at once", w.most)
		}
		if n := w.times("t7.example.net.", dns.TypeA); n != 4 && n != 5 {
			t.Errorf("asked %d times", n)
		}
		if len(h.addresses(0)) != 10_000 {
			t.Error(len(h.addresses(0)))
		}
	})
}

// A zone with an error, or that cannot be written, stops no other, and is tried again.
func TestZonesAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := newHost(source("good.example.com.", "cdn.example.net."), source("bad.example.com.", "cdn.example.net.")+"x A nonsense\n", "", source("full.example.com.", "cdn.example.net."), source("unknown.example.com.", "gone.example.net."))
		h.fail[3] = true
		w.has("cdn.example.net.", 60, "192.0.2.1")
		d, events := daemon(t, h, w)
		wait(20 * time.Second)
		s := d.Snapshot()
		for i, want := range []Phase{PhasePublished, PhaseFailing, PhaseFailing, PhaseFailing, PhaseFailing} {
			if s.Zones[i].Phase != want {
				t.Errorf("zone %d is %s: %v", i, s.Zones[i].Phase, s.Zones[i].Problems)
			}
		}
		if !s.Ready || events.count(KindReady) != 1 {
			t.Error("not ready")
		}
		h.mu.Lock()
		h.sources[2] = source("late.example.com.", "cdn.example.net.")
		h.fail[3] = false
		h.mu.Unlock()
		w.has("gone.example.net.", 60, "192.0.2.9")
		wait(6 * time.Minute)
		s = d.Snapshot()
		for i, want := range []Phase{PhasePublished, PhaseFailing, PhasePublished, PhasePublished, PhasePublished} {
			if s.Zones[i].Phase != want {
				t.Errorf("zone %d is %s: %v", i, s.Zones[i].Phase, s.Zones[i].Problems)
			}
		}
		if n := h.loaded(1); n != 1 {
			t.Errorf("a source with an error was read %d times", n)
		}
	})
}

// A zone whose target lies in another zone follows that one's ALIAS.
func TestInDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("a.example.com.", "b.example.com."), source("b.example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 60, "192.0.2.1")
		d, _ := daemon(t, h, w)
		wait(2 * time.Second)
		for i := range 2 {
			if got := h.addresses(i); !slices.Equal(got, []string{"192.0.2.1"}) {
				t.Fatal(i, got, d.Snapshot().Zones[i].Problems)
			}
		}
		w.has("cdn.example.net.", 60, "192.0.2.2")
		wait(2 * time.Minute)
		for i := range 2 {
			if got := h.addresses(i); !slices.Equal(got, []string{"192.0.2.2"}) {
				t.Error(i, got)
			}
		}
		h.mu.Lock()
		h.sources[1] = strings.ReplaceAll(h.sources[1], "@ ALIAS cdn.example.net.", "@ A 192.0.2.77")
		h.mu.Unlock()
		if zones, _, err := d.Refresh(t.Context(), zone.MustParseName("b.example.com.")); zones != 1 || err != nil {
			t.Error(zones, err)
		}
		wait(2 * time.Second)
		if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.77"}) {
			t.Error(got)
		}
		if n := w.times("cdn.example.net.", dns.TypeA); n > 5 {
			t.Error("asked", n)
		}
		before := w.times("cdn.example.net.", dns.TypeA)
		wait(time.Hour)
		if w.times("cdn.example.net.", dns.TypeA) != before {
			t.Error("a target that nobody has is asked")
		}
	})
}

// A new configuration takes the place of the old one: what is in both goes on, and what is
// gone is asked for no more. One that cannot be used changes nothing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("a.example.com.", "one.example.net."), source("b.example.com.", "two.example.net."))
		w.has("one.example.net.", 60, "192.0.2.1")
		w.has("two.example.net.", 60, "192.0.2.2")
		work := func(zones ...int) *Work {
			made := &Work{Host: h, Options: compile.Options{Lookup: w, Known: h.knownOf, Estimates: resolve.Estimates{}, Policy: resolve.Policy{MaxAddresses: 64}}}
			for _, i := range zones {
				made.Zones = append(made.Zones, Zone{Source: fmt.Sprintf("%d.zone", i)})
			}
			return made
		}
		var checked, opened error
		next, closed := work(0), 0
		first := work(0, 1)
		first.Close = func() { closed++ }
		events := &heard{}
		d := New(Options{
			Check:  func() error { return checked },
			Reload: func(context.Context) (*Work, error) { return next, opened },
			Again:  func(context.Context) (*Work, error) { return work(0, 1), nil },
			Tell:   events.tell,
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.Run(ctx, first)
		}()
		wait(2 * time.Second)

		checked = errors.New("a bracket is missing")
		if err := d.Reload(ctx); err == nil || events.count(KindRefused) != 1 || closed != 0 || d.Snapshot().Problem == "" {
			t.Errorf("%v, told %d times, closed %d times", err, events.count(KindRefused), closed)
		}
		checked, opened = nil, errors.New("somebody has the lock")
		if err := d.Reload(ctx); err == nil || events.count(KindRefused) != 2 {
			t.Error(err)
		}
		wait(2 * time.Second)
		if n := len(d.Snapshot().Zones); n != 2 || h.written()[0] != 1 || h.written()[1] != 1 {
			t.Error(n, h.written())
		}
		opened = nil
		before := w.times("one.example.net.", dns.TypeA)
		if err := d.Reload(ctx); err != nil || events.count(KindReloaded) != 1 || closed != 1 {
			t.Errorf("%v, closed %d times", err, closed)
		}
		wait(2 * time.Second)
		s := d.Snapshot()
		if len(s.Zones) != 1 || s.Zones[0].Phase != PhasePublished || s.Problem != "" || s.Targets != 2 || w.times("one.example.net.", dns.TypeA) != before {
			t.Errorf("%+v, asked %d times more", s, w.times("one.example.net.", dns.TypeA)-before)
		}
		gone := w.times("two.example.net.", dns.TypeA)
		wait(time.Hour)
		if w.times("two.example.net.", dns.TypeA) != gone || w.times("one.example.net.", dns.TypeA) < before+50 {
			t.Error("the wrong targets are asked")
		}
		cancel()
		<-done
		if err := d.Reload(ctx); err == nil {
			t.Error("a daemon that has ended takes a configuration")
		}
	})
}

// A daemon without a configuration to read again says so.
func TestNothingToReload(t *testing.T) {
	if err := New(Options{}).Reload(t.Context()); err == nil {
		t.Error("it reloads")
	}
}

// What is remembered of targets that stay as they are is seen again now and then, and at the
// end.
func TestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 60, "192.0.2.1")
		daemon(t, h, w)
		wait(2 * time.Second)
		q := resolve.Question{Target: zone.MustParseName("cdn.example.net."), Type: dns.TypeA}
		first := h.knownOf(q).Seen
		wait(time.Hour)
		if seen := h.knownOf(q).Seen; seen.Sub(first) < 45*time.Minute {
			t.Errorf("seen at %v, an hour behind %v", seen, first)
		}
	})
}

// The targets of a zone are shown with what they were answered.
func TestTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 3600, "192.0.2.1")
		d, _ := daemon(t, h, w)
		wait(2 * time.Second)
		if list, err := d.Targets(t.Context(), 0); err != nil || len(list) != 2 || list[0].Answer == nil || list[0].Due.IsZero() {
			t.Errorf("%v, %+v", err, list)
		}
		if list, _ := d.Targets(t.Context(), 7); list != nil {
			t.Errorf("%+v", list)
		}
	})
}

// Whoever wants to know what would come of a source has the answers that there are, and asks nobody.
func TestOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 3600, "192.0.2.1")
		d, _ := daemon(t, h, w)
		wait(2 * time.Second)
		options, err := d.Options(t.Context())
		if err != nil || options.Lookup != nil || options.Confirm != nil {
			t.Fatalf("%v, %+v", err, options)
		}
		q := resolve.Question{Target: zone.MustParseName("cdn.example.net."), Type: dns.TypeA}
		if a := options.Answered(q); a == nil || a.Outcome != resolve.Addresses {
			t.Errorf("%+v", a)
		}
		q.Target = zone.MustParseName("other.example.net.")
		if a := options.Answered(q); a != nil {
			t.Errorf("of a target that no zone has: %+v", a)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // one may be taken all the same
			if _, err = d.Options(ended); err != nil {
				break
			}
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("by somebody who does not wait: %v", err)
		}
	})
}

// What one zone has published of a target, a guard of another zone holds back no longer.
func TestSharedTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var targets []string
		for i := range 10 {
			targets = append(targets, fmt.Sprintf("t%d.example.net.", i))
			w.has(targets[i], 3600, fmt.Sprintf("192.0.2.%d", i+1))
		}
		h := newHost(source("many.example.com.", targets...), source("one.example.com.", targets[0]))
		d, _ := daemon(t, h, w)
		wait(2 * time.Second)
		for i, target := range targets {
			w.has(target, 3600, fmt.Sprintf("198.51.100.%d", i+1))
		}
		// The small zone is published by itself, after the large one is held.
		h.mu.Lock()
		h.fail[1] = true
		h.mu.Unlock()
		if _, _, err := d.Refresh(t.Context(), zone.Name{}); err != nil {
			t.Fatal(err)
		}
		wait(2 * time.Second)
		h.mu.Lock()
		h.fail[1] = false
		h.mu.Unlock()
		wait(30 * time.Second)
		if got := h.addresses(1); !slices.Equal(got, []string{"198.51.100.1"}) {
			t.Fatalf("the small zone has %v", got)
		}
		if got := h.addresses(0); got[0] != "198.51.100.1" {
			t.Errorf("what another zone has published is held back: %v", got)
		}
		if got := h.addresses(0); got[1] != "192.0.2.2" {
			t.Errorf("what no other zone has published is not held back: %v", got)
		}
	})
}

// A resolver with a DNS64 whose prefix would be refused as an address keeps nothing from being
// published.
func TestDNS64(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(), newHost(source("example.com.", "cdn.example.net."))
		w.has("cdn.example.net.", 60, "192.0.2.1")
		w.mu.Lock()
		name := zone.MustParseName("cdn.example.net.")
		w.answers[resolve.Question{Target: name, Type: dns.TypeAAAA}] = resolve.Answer{
			Target: name, Type: dns.TypeAAAA, Outcome: resolve.Addresses, Last: name, TTL: 60, AddressTTL: 60, Resolver: "test:",
			Addresses: []netip.Addr{netip.MustParseAddr("fd00:64::192.0.2.1")},
		}
		w.mu.Unlock()
		d, _ := daemon(t, h, w, func(work *Work) {
			work.Options.Policy.Deny = []resolve.NetRule{{Prefix: netip.MustParsePrefix("fd00::/8")}}
			work.Options.Pref64s = func(string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("fd00:64::/96")} }
		})
		wait(2 * time.Second)
		if z := d.Snapshot().Zones[0]; h.written()[0] != 1 || !strings.Contains(h.text(0), "192.0.2.1") || strings.Contains(h.text(0), "AAAA") {
			t.Errorf("%+v\n%s", z, h.text(0))
		}
	})
}
