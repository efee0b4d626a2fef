package watch

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// gone has a target not exist any more, for some types; none means both.
func (w *world) gone(target string, qtypes ...uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := zone.MustParseName(target)
	if len(qtypes) == 0 {
		qtypes = addressTypes[:]
	}
	for _, qtype := range qtypes {
		w.answers[resolve.Question{Target: name, Type: qtype}] = resolve.Answer{
			Target: name, Type: qtype, Outcome: resolve.NXDomain, Last: name, NegativeTTL: negativeTTL, Resolver: "test:",
		}
	}
}

// hasAAAA gives a target an address of type AAAA.
func (w *world) hasAAAA(target string, ttl uint32, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := zone.MustParseName(target)
	w.answers[resolve.Question{Target: name, Type: dns.TypeAAAA}] = resolve.Answer{
		Target: name, Type: dns.TypeAAAA, Outcome: resolve.Addresses, Addresses: []netip.Addr{netip.MustParseAddr(address)},
		Last: name, TTL: ttl, AddressTTL: ttl, Resolver: "test:",
	}
}

// agrees is a second resolver that says the same.
func agrees(work *Work) {
	work.Options.Confirm = func(_ context.Context, a resolve.Answer) resolve.Answer {
		a.Confirmed = a.Outcome == resolve.NoData || a.Outcome == resolve.NXDomain
		return a
	}
}

// healthy are zones of targets that are well all the time, so that those of a test are few.
func healthy(w *world, n int) string {
	var targets []string
	for i := range n {
		target := fmt.Sprintf("well%d.example.net.", i)
		w.has(target, 300, fmt.Sprintf("203.0.113.%d", i+1))
		targets = append(targets, target)
	}
	return source("well.example.com.", targets...)
}

// ruled is a target, the parameters of its ALIAS, and what is published in the end.
type ruled struct {
	target, parameters string
	before, after      int // addresses, as the time comes that the test is about
	phase              Phase
}

// runRules publishes a zone for each, has something happen, and looks a while before and behind
// an hour after.
func runRules(t *testing.T, rules []ruled, happen func(w *world, target string), change ...func(*Work)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var sources []string
		for i, r := range rules {
			w.has(r.target, 300, fmt.Sprintf("192.0.2.%d", i+1))
			sources = append(sources, source(fmt.Sprintf("z%d.example.com.", i), r.target+" "+r.parameters))
		}
		h := newHost(append(sources, healthy(w, 5*len(rules)))...)
		d, _ := daemon(t, h, w, change...)
		wait(2 * time.Second)
		for i, r := range rules {
			if len(h.addresses(i)) != 1 {
				t.Fatal("not published", r)
			}
			happen(w, r.target)
		}
		look := func(when string, count func(*ruled) int) {
			for i := range rules {
				if got := h.addresses(i); len(got) != count(&rules[i]) {
					t.Errorf("%s: %s %s: %v is published", when, rules[i].target, rules[i].parameters, got)
				}
			}
		}
		wait(58 * time.Minute)
		look("before", func(r *ruled) int { return r.before })
		var serials []zone.Serial
		for i := range rules {
			serials = append(serials, h.serial(i))
		}
		wait(3 * time.Minute)
		look("after", func(r *ruled) int { return r.after })
		wait(5 * time.Hour)
		look("hours later", func(r *ruled) int { return r.after })
		s := d.Snapshot()
		for i, r := range rules {
			if s.Zones[i].Phase != r.phase {
				t.Errorf("%s %s is %s: %v", r.target, r.parameters, s.Zones[i].Phase, s.Zones[i].Problems)
			}
			if moved := int(h.serial(i) - serials[i]); moved != r.before-r.after {
				t.Errorf("%s %s: the serial has moved by %d", r.target, r.parameters, moved)
			}
			w.has(r.target, 300, fmt.Sprintf("192.0.2.%d", i+1))
		}
		wait(10 * time.Minute)
		look("in the end", func(*ruled) int { return 1 })
	})
}

// What happens to the addresses of a target that fails past max-stale happens by time alone.
func TestMaxStale(t *testing.T) {
	runRules(t, []ruled{
		{"a.example.net.", "max-stale=1h", 1, 1, PhaseHolding},
		{"b.example.net.", "max-stale=1h on-stale=hold", 1, 1, PhaseHolding},
		{"c.example.net.", "max-stale=1h on-stale=fail", 1, 1, PhaseFailing},
		{"d.example.net.", "max-stale=1h on-stale=drop", 1, 0, PhasePublished},
		{"e.example.net.", "max-stale=1d on-stale=drop", 1, 1, PhaseHolding},
	}, (*world).silent)
}

// So does what happens to those of a target that is gone.
func TestOnEmpty(t *testing.T) {
	rules := []ruled{
		{"a.example.net.", "max-stale=1h", 1, 0, PhasePublished},
		{"b.example.net.", "max-stale=1h on-empty=hold", 1, 0, PhasePublished},
		{"c.example.net.", "max-stale=1h on-empty=keep", 1, 1, PhaseHolding},
		{"d.example.net.", "max-stale=1h on-empty=drop", 0, 0, PhasePublished},
		{"e.example.net.", "max-stale=1d", 1, 1, PhaseHolding},
	}
	gone := func(w *world, target string) { w.gone(target) }
	t.Run("one resolver", func(t *testing.T) { runRules(t, rules, gone) })
	t.Run("two resolvers", func(t *testing.T) { runRules(t, rules, gone, agrees) })
}

// With one resolver what is gone is so once it is said again after the negative TTL, with two
// once the other one says so.
func TestConfirmation(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*Work)
		lookups int // that say so, of each type
	}{{"one resolver", func(*Work) {}, 2}, {"two resolvers", agrees, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.has("cdn.example.net.", 300, "192.0.2.1")
				h := newHost(source("example.com.", "cdn.example.net. on-empty=drop"), healthy(w, 10))
				d, _ := daemon(t, h, w, tt.change)
				wait(2 * time.Second)
				w.gone("cdn.example.net.")
				for i := range tt.lookups {
					if got := h.addresses(0); len(got) != 1 {
						t.Fatalf("%d: %v", i, got)
					}
					before := w.times("cdn.example.net.", dns.TypeA)
					wait(time.Until(d.Snapshot().Zones[0].NextRefresh) + time.Second)
					if n := w.times("cdn.example.net.", dns.TypeA) - before; n != 1 {
						t.Fatalf("asked %d times", n)
					}
				}
				if got := h.addresses(0); len(got) != 0 || h.serial(0) != 2 {
					t.Error(got, h.serial(0))
				}
			})
		})
	}
}

// Addresses that are not published any more do not come back because others fail, or because
// the target itself does, or says something else that is not confirmed.
func TestDroppedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.has("cdn.example.net.", 300, "192.0.2.1")
		w.has("late.example.net.", 300, "192.0.2.2")
		h := newHost(source("example.com.", "cdn.example.net. on-empty=drop"), source("late.example.com.", "late.example.net. max-stale=1h on-stale=drop"), healthy(w, 10))
		confirms := true
		d, _ := daemon(t, h, w, func(work *Work) {
			agrees(work)
			agree := work.Options.Confirm
			work.Options.Confirm = func(ctx context.Context, a resolve.Answer) resolve.Answer {
				if !confirms {
					return a
				}
				return agree(ctx, a)
			}
		})
		wait(2 * time.Second)
		w.gone("cdn.example.net.")
		w.silent("late.example.net.")
		wait(2 * time.Hour)
		stays := func(when string) {
			t.Helper()
			for i := range 2 {
				if got := h.addresses(i); len(got) != 0 || h.written()[i] != 2 {
					t.Fatalf("%s: %v is published of zone %d, after %d changes: %v", when, got, i, h.written()[i], d.Snapshot().Zones[i].Problems)
				}
			}
		}
		stays("once it is gone")
		confirms = false
		for i := range 4 {
			w.silent(fmt.Sprintf("well%d.example.net.", i))
		}
		wait(20 * time.Minute)
		_, _, _ = d.Refresh(t.Context(), zone.Name{})
		wait(20 * time.Minute)
		stays("while others fail")
		w.silent("cdn.example.net.")
		wait(20 * time.Minute)
		stays("while it fails itself")
		w.gone("cdn.example.net.", dns.TypeAAAA)
		w.gone("late.example.net.", dns.TypeAAAA)
		wait(20 * time.Minute)
		stays("while one type fails")
		w.gone("late.example.net.")
		w.gone("cdn.example.net.")
		wait(20 * time.Minute)
		stays("when both are gone")
		for i := range 4 {
			w.has(fmt.Sprintf("well%d.example.net.", i), 300, fmt.Sprintf("203.0.113.%d", i+1))
		}
		w.has("cdn.example.net.", 300, "192.0.2.1")
		w.has("late.example.net.", 300, "192.0.2.2")
		wait(10 * time.Minute)
		for i := range 2 {
			if got := h.addresses(i); len(got) != 1 || h.written()[i] != 3 {
				t.Errorf("%v is published in the end, after %d changes", got, h.written()[i])
			}
		}
	})
}

// Of a target that is gone one type does not go before the other because it is asked first. One
// that goes on with the other type loses it.
func TestOneTypeFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		types []uint16 // that do not exist
		want  []string
	}{
		{"both", nil, []string{"192.0.2.1", "2001:db8::1"}},
		{"one", []uint16{dns.TypeA}, []string{"2001:db8::1"}},
	} {
		for _, change := range []func(*Work){agrees, func(*Work) {}} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					w.has("cdn.example.net.", 30, "192.0.2.1")
					w.hasAAAA("cdn.example.net.", 600, "2001:db8::1")
					h := newHost(source("example.com.", "cdn.example.net."), healthy(w, 10))
					d, _ := daemon(t, h, w, change)
					wait(2 * time.Second)
					w.gone("cdn.example.net.", tt.types...)
					wait(5 * time.Minute)
					if got := h.addresses(0); len(got) != 2 {
						t.Errorf("after minutes, %v is published", got)
					}
					wait(time.Hour)
					if got := h.addresses(0); !slices.Equal(got, tt.want) {
						t.Errorf("in the end, %v is published: %v", got, d.Snapshot().Zones[0].Problems)
					}
				})
			})
		}
	}
}

// Of a target that is back with one type the other stays while it fails, although it was
// confirmed before that both were gone; and one that a guard holds back does not have addresses
// come back that had been dropped.
func TestOneTypeBack(t *testing.T) {
	for parameters, want := range map[string][][]string{
		"":              {{"192.0.2.1", "2001:db8::1"}, {"192.0.2.1", "2001:db8::1"}, {"192.0.2.1", "2001:db8::1"}, {"192.0.2.1", "2001:db8::2"}},
		"on-empty=drop": {nil, {"192.0.2.1"}, {"192.0.2.1"}, {"192.0.2.1", "2001:db8::2"}},
	} {
		t.Run(parameters, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.has("cdn.example.net.", 60, "192.0.2.1")
				w.hasAAAA("cdn.example.net.", 60, "2001:db8::1")
				h := newHost(source("example.com.", "cdn.example.net. "+parameters), healthy(w, 10))
				d, _ := daemon(t, h, w, agrees)
				wait(2 * time.Second)
				look := func(i int) {
					t.Helper()
					if got := h.addresses(0); !slices.Equal(got, want[i]) {
						t.Errorf("%d: %v is published: %v", i, got, d.Snapshot().Zones[0].Problems)
					}
				}
				w.gone("cdn.example.net.")
				wait(time.Hour)
				look(0)
				w.silent("cdn.example.net.")
				wait(2 * time.Minute)
				w.has("cdn.example.net.", 60, "192.0.2.1")
				w.mu.Lock()
				delete(w.answers, resolve.Question{Target: zone.MustParseName("cdn.example.net."), Type: dns.TypeAAAA})
				w.mu.Unlock()
				wait(20 * time.Minute)
				look(1)
				w.hasAAAA("cdn.example.net.", 60, "2001:db8::2")
				wait(max(time.Until(d.Snapshot().Zones[0].NextRefresh), 0) + time.Second)
				look(2)
				wait(20 * time.Minute)
				look(3)
			})
		})
	}
}

// A target that is back with the addresses that it had has lost neither type, whichever is asked
// first: that the name did not exist was said of both, before that.
func TestBackTypeByType(t *testing.T) {
	for name, change := range map[string]func(*Work){"one resolver": func(*Work) {}, "two resolvers": agrees} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				both := func() {
					w.has("cdn.example.net.", 60, "192.0.2.1")
					w.hasAAAA("cdn.example.net.", 60, "2001:db8::1")
				}
				both()
				h := newHost(source("example.com.", "cdn.example.net."), healthy(w, 10))
				d, _ := daemon(t, h, w, change)
				wait(2 * time.Second)
				for _, last := range addressTypes {
					w.gone("cdn.example.net.")
					w.mu.Lock()
					q := resolve.Question{Target: zone.MustParseName("cdn.example.net."), Type: last}
					long := w.answers[q]
					long.NegativeTTL = 600
					w.answers[q] = long
					w.mu.Unlock()
					wait(time.Hour)
					if !d.Snapshot().Zones[0].Held {
						t.Fatal("it is not gone")
					}
					both()
					wait(20 * time.Minute)
					if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.1", "2001:db8::1"}) || h.written()[0] != 1 {
						t.Errorf("%s last: %v is published, after %d publications: %v", dns.TypeToString[last], got, h.written()[0], d.Snapshot().Zones[0].Problems)
					}
				}
				w.gone("cdn.example.net.", dns.TypeA) // one that is left without a type still loses it
				wait(time.Hour)
				if got := h.addresses(0); !slices.Equal(got, []string{"2001:db8::1"}) {
					t.Errorf("%v is published in the end", got)
				}
			})
		})
	}
}

// Old addresses that a resolver could not refresh are from before what is known: they bring nothing
// back of a target that was gone, past the guard that looks at it, nor a type that it had not.
func TestStaleAnswer(t *testing.T) {
	for parameters, want := range map[string][]string{"": {"192.0.2.1"}, "on-empty=drop": nil} {
		t.Run(parameters, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.has("cdn.example.net.", 60, "192.0.2.1")
				h := newHost(source("example.com.", "cdn.example.net. "+parameters), healthy(w, 10))
				d, _ := daemon(t, h, w, agrees)
				wait(2 * time.Second)
				stale := func(qtype uint16, address string) {
					w.mu.Lock()
					defer w.mu.Unlock()
					name := zone.MustParseName("cdn.example.net.")
					w.answers[resolve.Question{Target: name, Type: qtype}] = resolve.Answer{
						Target: name, Type: qtype, Outcome: resolve.Addresses, Addresses: []netip.Addr{netip.MustParseAddr(address)}, Stale: true,
						Reason: resolve.ReasonStale, Last: name, TTL: 60, AddressTTL: 60, Resolver: "test:",
					}
				}
				stale(dns.TypeAAAA, "2001:db8::66")
				wait(20 * time.Minute)
				if got := h.addresses(0); !slices.Equal(got, []string{"192.0.2.1"}) || h.written()[0] != 1 {
					t.Errorf("a type that it had not: %v is published: %v", got, d.Snapshot().Zones[0].Problems)
				}
				w.gone("cdn.example.net.")
				wait(20 * time.Minute)
				before := h.written()[0]
				stale(dns.TypeA, "192.0.2.66")
				stale(dns.TypeAAAA, "2001:db8::66")
				wait(20 * time.Minute)
				w.silent("cdn.example.net.")
				wait(20 * time.Minute)
				if got := h.addresses(0); !slices.Equal(got, want) || h.written()[0] != before {
					t.Errorf("%v is published, after %d changes: %v", got, h.written()[0]-before, d.Snapshot().Zones[0].Problems)
				}
			})
		})
	}
}

// Where more than a fifth of the targets of all zones are gone together nothing goes, and where
// they are gone one after the other each does.
func TestTogether(t *testing.T) {
	zones := func(w *world) *host {
		var sources []string
		for i := range 10 {
			target := fmt.Sprintf("t%d.example.net.", i)
			w.has(target, 300, fmt.Sprintf("192.0.2.%d", i+1))
			sources = append(sources, source(fmt.Sprintf("z%d.example.com.", i), target+[]string{" on-empty=drop", ""}[i%2]))
		}
		return newHost(sources...)
	}
	t.Run("together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			h := zones(w)
			d, _ := daemon(t, h, w) // what is gone is confirmed when it is seen again
			wait(2 * time.Second)
			for _, i := range []int{0, 2, 4} {
				w.gone(fmt.Sprintf("t%d.example.net.", i))
			}
			wait(2 * time.Hour)
			for _, i := range []int{0, 2, 4} {
				if got := h.addresses(i); len(got) != 1 || h.written()[i] != 1 {
					t.Errorf("zone %d: %v", i, got)
				}
				if z := d.Snapshot().Zones[i]; z.Phase != PhaseHolding || !z.Held {
					t.Errorf("zone %d is %s", i, z.Phase)
				}
			}
			w.has("t0.example.net.", 300, "192.0.2.1")
			wait(20 * time.Minute)
			for i, want := range []int{1, 1, 0, 1, 0} {
				if got := h.addresses(i); len(got) != want {
					t.Errorf("when one is back, zone %d: %v", i, got)
				}
			}
		})
	})
	t.Run("one after the other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			h := zones(w)
			daemon(t, h, w, agrees)
			wait(2 * time.Second)
			for i := range 10 {
				w.gone(fmt.Sprintf("t%d.example.net.", i))
				wait(2 * time.Hour)
				if got, want := len(h.addresses(i)), i%2; got != want {
					t.Errorf("zone %d has %d addresses", i, got)
				}
			}
		})
	})
}

// Many targets of a zone that move at once are held back, until they were seen so several
// times, or until somebody accepts it.
func TestGuard(t *testing.T) {
	begin := func(t *testing.T) (*world, *host, *Daemon) {
		t.Helper()
		w := newWorld()
		h := newHost(healthy(w, 10))
		d, _ := daemon(t, h, w)
		wait(2 * time.Second)
		for i := range 4 {
			w.has(fmt.Sprintf("well%d.example.net.", i), 300, fmt.Sprintf("192.0.2.%d", i+1))
		}
		if _, n, err := d.Refresh(t.Context(), zone.Name{}); n != 20 || err != nil {
			t.Fatal(n, err)
		}
		wait(time.Second)
		if z := d.Snapshot().Zones[0]; !z.Guarded || h.written()[0] != 1 || slices.Contains(h.addresses(0), "192.0.2.1") {
			t.Fatal("not held", h.addresses(0), z.Problems)
		}
		return w, h, d
	}
	moved := func(h *host) bool {
		return slices.Contains(h.addresses(0), "192.0.2.1") && slices.Contains(h.addresses(0), "192.0.2.4") && !slices.Contains(h.addresses(0), "203.0.113.1")
	}
	t.Run("by itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, h, d := begin(t)
			wait(301 * time.Second)
			if h.written()[0] != 1 {
				t.Error("seen twice only, and published")
			}
			wait(301 * time.Second)
			if z := d.Snapshot().Zones[0]; z.Guarded || h.written()[0] < 2 || !moved(h) {
				t.Error("still held", h.addresses(0), z.Problems)
			}
		})
	})
	t.Run("accepted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, h, d := begin(t)
			accepted := map[resolve.Question]bool{}
			h.mu.Lock()
			for q, known := range h.known {
				k := *known
				if k.Accept() {
					h.known[q], accepted[q] = &k, true
				}
			}
			h.mu.Unlock()
			if len(accepted) != 4 {
				t.Errorf("%d are held", len(accepted))
			}
			for q := range accepted { // as those who accept do
				if _, targets, err := d.Refresh(t.Context(), q.Target); err != nil || targets == 0 {
					t.Error(targets, err)
				}
			}
			wait(time.Second)
			if z := d.Snapshot().Zones[0]; z.Guarded || h.written()[0] != 2 || !moved(h) {
				t.Error("still held", h.addresses(0), z.Problems)
			}
		})
	})
	t.Run("taken back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, h, d := begin(t)
			healthy(w, 10)
			wait(2 * time.Hour)
			if z := d.Snapshot().Zones[0]; z.Guarded || slices.Contains(h.addresses(0), "192.0.2.1") || !slices.Contains(h.addresses(0), "203.0.113.1") {
				t.Error(h.addresses(0), z.Problems)
			}
		})
	})
}
