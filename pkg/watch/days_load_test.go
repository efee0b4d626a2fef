package watch

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
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

// A resolver that has nothing but what its caches have left is asked twice in each floor at
// most, once for what was left and once for what is new, for however many zones.
func TestLeftOvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var sources []string
		for i := range 20 {
			sources = append(sources, source(fmt.Sprintf("z%d.example.com.", i), "cdn.example.net."))
		}
		h := newHost(sources...)
		w.has("cdn.example.net.", 300, "192.0.2.1")
		daemon(t, h, w)
		wait(2 * time.Second)
		w.has("cdn.example.net.", 1, "192.0.2.1")
		wait(5 * time.Minute)
		writes := h.written()
		var at []time.Time
		for range 600 {
			n := w.times("cdn.example.net.", dns.TypeA)
			wait(time.Second)
			for range w.times("cdn.example.net.", dns.TypeA) - n {
				at = append(at, time.Now())
			}
		}
		for i := range at {
			if i >= 2 && at[i].Sub(at[i-2]) < DefaultFloor {
				t.Errorf("asked three times in %s", at[i].Sub(at[i-2]))
			}
		}
		if len(at) < 15 {
			t.Errorf("asked %d times in ten minutes", len(at))
		}
		for i := range writes {
			if h.written()[i]-writes[i] > 1 {
				t.Errorf("written %d times for a TTL that was lowered once", h.written()[i]-writes[i])
			}
		}
	})
}

// gauged looks at how many lookups of a client are under way.
type gauged struct {
	*resolve.Client

	world *world // counts them
}

func (c gauged) Start(ctx context.Context, target zone.Name, qtype uint16, done func(resolve.Answer)) {
	count := func(by int) {
		c.world.mu.Lock()
		defer c.world.mu.Unlock()
		c.world.open += by
		c.world.most = max(c.world.most, c.world.open)
	}
	count(1)
	c.Client.Start(ctx, target, qtype, func(a resolve.Answer) {
		count(-1)
		done(a)
	})
}

// However many targets are due at one moment, a resolver gets no more queries in a second than
// it may.
func TestManyAtOnce(t *testing.T) {
	const burst = 64 // what goes out in one system call
	targets := 2000
	if judge.Deep() {
		targets = 10_000
	}
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		n.SetLink("", dnstest.Link{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond})
		text := "example.net. 3600 IN SOA ns.example.net. h.example.net. 1 2 3 4 300\n*.example.net. 300 IN A 192.0.2.1\n"
		server := n.Start(t, "192.0.2.53:53", text)
		client, err := resolve.New([]string{"udp://192.0.2.53"}, resolve.Options{Dial: n.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		w := newWorld()
		var names []string
		for i := range targets {
			names = append(names, fmt.Sprintf("t%d.example.net. types=A", i))
		}
		h := newHost(source("example.com.", names[:targets/2]...), source("example.org.", names[targets/2:]...))
		d, _ := daemon(t, h, w, func(work *Work) { work.Options.Lookup = gauged{client, w} })
		wait(time.Minute)
		if got := len(h.addresses(0)) + len(h.addresses(1)); got != targets {
			t.Fatalf("%d addresses", got)
		}
		for range 2 {
			if _, n, err := d.Refresh(t.Context(), zone.Name{}); n != targets || err != nil {
				t.Error(n, err)
			}
			wait(10 * time.Minute)
		}
		total, peak := len(server.Queries()), server.Peak(time.Second)
		if total < 5*targets || total > 6*targets {
			t.Errorf("%d queries", total)
		}
		if peak < 400 || peak > 500+burst {
			t.Errorf("%d queries in a second", peak)
		}
		if w.most != DefaultInFlight {
			t.Errorf("%d lookups at once", w.most)
		}
		t.Logf("%d queries, at most %d in a second, %d lookups at once", total, peak, w.most)
	})
}

// A daemon that is started anew publishes nothing new, moves no serial and forgets no TTL,
// whether the resolvers answer, from caches that count down, or not.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.has("cdn.example.net.", 300, "192.0.2.1", "192.0.2.2")
		w.has("gone.example.net.", 300, "192.0.2.3")
		h := newHost(source("example.com.", "cdn.example.net.", "gone.example.net. on-empty=drop"), healthy(w, 10))
		run := func(during func()) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			work := &Work{
				Host: h, Zones: []Zone{{Source: "0.zone"}, {Source: "1.zone"}},
				Options: compile.Options{Lookup: w, Known: h.knownOf, Estimates: maps.Clone(h.estimates), Policy: resolve.Policy{MaxAddresses: 64}},
			}
			agrees(work)
			go func() {
				defer close(done)
				New(Options{}).Run(ctx, work)
			}()
			wait(time.Second)
			during()
			cancel()
			<-done
		}
		run(func() {
			w.gone("gone.example.net.")
			wait(10 * time.Minute)
		})
		published, serials, writes := slices.Clone(h.published), slices.Clone(h.serials), slices.Clone(h.writes)
		if len(h.addresses(0)) != 2 || writes[0] != 2 {
			t.Fatal(published[0])
		}
		key := resolve.LinkKey{Owner: zone.MustParseName("cdn.example.net."), Type: dns.TypeA}
		if h.estimates[key].TTL != 300 {
			t.Fatal(h.estimates[key])
		}
		for i, happen := range []func(){
			func() {},
			func() { w.has("cdn.example.net.", 17, "192.0.2.1", "192.0.2.2") },
			func() { w.silent("cdn.example.net.") },
			func() { w.gone("cdn.example.net.", dns.TypeAAAA) },
			func() {
				for i := range 10 {
					w.silent(fmt.Sprintf("well%d.example.net.", i))
				}
				w.silent("cdn.example.net.")
				w.silent("gone.example.net.")
			},
		} {
			happen()
			run(func() { wait(20 * time.Second) })
			if !slices.Equal(h.published, published) || !slices.Equal(h.serials, serials) || !slices.Equal(h.writes, writes) {
				t.Errorf("%d: published anew: %v", i, h.published)
			}
			if e := h.estimates[key]; e.TTL != 300 {
				t.Errorf("%d: the TTL is %d", i, e.TTL)
			}
		}
	})
}

// slowHost takes its time to publish.
type slowHost struct {
	*host

	took time.Duration
}

func (h slowHost) Publish(ctx context.Context, i int, r *compile.Result, learned resolve.Estimates) Delivery {
	time.Sleep(h.took)
	return h.host.Publish(ctx, i, r, learned)
}

// A target that goes while its zone is being published is followed all the same.
func TestGoneWhilePublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.has("cdn.example.net.", 30, "192.0.2.1")
		h := newHost(source("example.com.", "cdn.example.net. on-empty=drop"), healthy(w, 10))
		daemon(t, h, w, func(work *Work) { work.Host = slowHost{h, 50 * time.Second} })
		wait(70 * time.Second)
		w.has("cdn.example.net.", 30, "192.0.2.2")
		wait(40 * time.Second)
		w.gone("cdn.example.net.")
		wait(20 * time.Minute)
		if got := h.addresses(0); len(got) != 0 || h.written()[0] != 3 {
			t.Errorf("%v is published, after %d changes", got, h.written()[0])
		}
	})
}

// Nothing waits longer because the clock was set back, and one that was set forward has what is
// due by it asked.
func TestClockSetBack(t *testing.T) {
	l := &loop{}
	now := time.Now()
	targets := []*target{{place: -1}, {place: -1}, {place: -1}}
	for i, at := range []time.Duration{time.Hour, time.Minute, time.Second} {
		l.queue.at(targets[i], now.Add(at))
	}
	l.followClock(now)
	l.wall += moment(2 * time.Hour) // what the clock showed before it was set back
	l.followClock(now)
	if got := l.queue.next(now.Add(time.Second - 2*time.Hour)); got != targets[2] {
		t.Error("the first one waits")
	}
	if got := l.queue.next(now.Add(time.Second - 2*time.Hour)); got != nil {
		t.Error("another one is due")
	}
	l.wall -= moment(time.Hour) // and before it was set forward
	l.followClock(now)
	if due, ok := l.queue.first(); !ok || !due.Equal(now.Add(time.Minute-2*time.Hour)) {
		t.Error("due at", due)
	}
}

// The addresses of the simulated days are such as tests may use,
// and that no two sets of a target are one.
func TestMoverAddresses(t *testing.T) {
	w := newMovers(1, 200)
	for _, m := range w.targets {
		seen := map[netip.Addr]map[netip.Addr]bool{}
		for generation := range 100 {
			set := m.addresses(dns.TypeA, generation)
			if len(set) != 2 || seen[set[0]][set[1]] {
				t.Fatal(m.name, generation, set)
			}
			if seen[set[0]] == nil {
				seen[set[0]] = map[netip.Addr]bool{}
			}
			seen[set[0]][set[1]] = true
		}
	}
}
