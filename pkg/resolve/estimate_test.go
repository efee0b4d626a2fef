package resolve

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

var estimateStart = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// seenTTL is an answer without a chain and with a TTL as a cache gives it.
func seenTTL(ttl uint32) Answer {
	return Answer{Target: ipv4only, Type: dns.TypeA, Outcome: Addresses, Last: ipv4only, Addresses: addresses("192.0.2.1"), TTL: ttl, AddressTTL: ttl}
}

// Each case is a series of observations, "SECONDS:TTL" with the seconds since the one before,
// and what is published after each.
func TestEstimates(t *testing.T) {
	tests := []struct{ name, seen, want string }{
		{"rises at once", "0:100 1:300 1:200", "100 300 300"},
		{"counted down", "0:300 100:200 100:100 99:1 2:300", "300 300 300 300 300"},
		{"a lower value three times after expiry", "0:300 301:60 61:60 61:60 61:60", "300 300 300 60 60"},
		{"and a second later each time", "0:300 302:60 62:60 62:60", "300 300 300 60"},
		{"half an hour after expiry a cache may have counted down that far", "0:300 2101:60 1861:60 1861:60 1861:60", "300 300 300 300 300"},
		{"before expiry nothing counts", "0:300 100:60 50:60 50:60 50:60", "300 300 300 300 300"},
		{"at one time it counts once", "0:300 301:60 0:60 0:60 61:60 61:60", "300 300 300 300 300 60"},
		{"TTL 0 at one time counts once", "0:300 301:0 0:0 0:0 1:0 1:0", "300 300 300 300 300 0"},
		{"another lower value begins anew", "0:300 301:60 61:60 61:50 51:50 51:50 51:50", "300 300 300 300 300 300 50"},
		{"the old value in between", "0:300 301:60 61:60 61:300 301:60 61:60 61:60 61:60", "300 300 300 300 300 300 300 60"},
		{"a second less is rounding", "0:300 301:299 300:299 300:299 300:298 299:298 299:298", "300 300 300 300 300 300 300"},
		{"two steps down", "0:300 301:60 61:60 61:60 61:30 31:30 31:30", "300 300 300 60 60 60 30"},
		{"down and up", "0:300 301:60 61:60 61:60 61:300", "300 300 300 60 300"},
		{"the clock is set back", "0:300 -100000:300 301:60 61:60 61:60", "300 300 300 300 60"},
	}
	for _, tt := range tests {
		e, now := Estimates{}, estimateStart
		var got []string
		for step := range strings.FieldsSeq(tt.seen) {
			var gap int
			var ttl uint32
			if _, err := fmt.Sscanf(step, "%d:%d", &gap, &ttl); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Duration(gap) * time.Second)
			a := seenTTL(ttl)
			// What the addresses are says nothing about their TTL.
			a.Addresses = addresses(fmt.Sprintf("192.0.2.%d", len(got)))
			e.Observe(a, now)
			got = append(got, fmt.Sprint(e.TTL(a)))
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", tt.name, tt.seen, text, tt.want)
		}
	}
}

// What is exact is believed at once, be it higher or lower.
func TestEstimatesExact(t *testing.T) {
	e, now := Estimates{}, estimateStart
	steps := []struct {
		edit func(*Answer)
		seen uint32
		want uint32
	}{
		{nil, 300, 300},
		{func(a *Answer) { a.OriginalTTL = 600 }, 40, 600},
		{nil, 300, 600},
		{func(a *Answer) { a.OriginalTTL = 60 }, 40, 60},
		{func(a *Answer) { a.Authoritative = true }, 30, 30},
		{func(a *Answer) { a.Authoritative = true }, 20, 20},
		{func(a *Answer) { a.Stale = true }, 900, 20},
		{func(a *Answer) { a.Outcome, a.Addresses = NoData, nil }, 900, 20},
		{func(a *Answer) { *a = a.failed(failure{reason: ReasonRefusedAddress, detail: "x"}) }, 900, 20},
		{nil, 25, 25},
	}
	for i, s := range steps {
		a := seenTTL(s.seen)
		if s.edit != nil {
			s.edit(&a)
		}
		e.Observe(a, now)
		if got := e.TTL(seenTTL(s.seen)); got != s.want {
			t.Errorf("step %d: %d, want %d", i+1, got, s.want)
		}
		now = now.Add(time.Second)
	}
}

// Each RRset on the way has an estimate of its own, and the least of them is published.
func TestEstimatesOfChain(t *testing.T) {
	names := make([]zone.Name, 4)
	for i, s := range []string{"a.test.", "b.old.test.", "old.test.", "b.new.test."} {
		names[i] = zone.MustParseName(s)
	}
	answer := func(cname, dname, addr uint32) Answer {
		return Answer{
			Target: names[0], Type: dns.TypeA, Outcome: Addresses, Last: names[3], Addresses: addresses("192.0.2.1"),
			Chain: []Link{
				{Owner: names[0], Type: dns.TypeCNAME, Target: names[1], TTL: cname},
				{Owner: names[2], Type: dns.TypeDNAME, Target: names[3].Parent(), TTL: dname},
			},
			AddressTTL: addr, TTL: min(cname, dname, addr),
		}
	}
	e := Estimates{}
	e.Observe(answer(300, 10, 60), estimateStart)
	e.Observe(answer(20, 500, 50), estimateStart.Add(time.Second))
	a := answer(1, 2, 3)
	got := e.Apply(a)
	if fmt.Sprint(got.Chain[0].TTL, got.Chain[1].TTL, got.AddressTTL, got.TTL) != "300 500 60 60" || a.Chain[0].TTL != 1 {
		t.Errorf("%+v", got)
	}
	// A, AAAA and negative answers share the links.
	aaaa := answer(400, 2, 3)
	aaaa.Type, aaaa.Outcome, aaaa.Addresses = dns.TypeAAAA, NoData, nil
	e.Observe(aaaa, estimateStart.Add(2*time.Second))
	if got := e.Apply(a); got.Chain[0].TTL != 400 || got.AddressTTL != 60 {
		t.Errorf("%+v", got)
	}
	if got := e.Apply(aaaa); got.TTL != 400 || got.AddressTTL != 3 {
		t.Errorf("%+v", got)
	}
	// What nobody has observed is as it was seen.
	if got := (Estimates{}).TTL(answer(30, 20, 10)); got != 10 {
		t.Errorf("without estimates %d", got)
	}
	if none := (Estimates{}).Apply(Answer{Outcome: NXDomain, NegativeTTL: 60}); none.TTL != 0 {
		t.Errorf("NXDOMAIN with TTL %d", none.TTL)
	}
}

func TestEstimatesForget(t *testing.T) {
	e := Estimates{}
	e.Observe(seenTTL(300), estimateStart)
	e.Forget(estimateStart)
	if len(e) != 1 {
		t.Error("forgotten at once")
	}
	e.Forget(estimateStart.Add(1))
	if len(e) != 0 {
		t.Error("not forgotten")
	}
}

// Estimates are the same when they were kept in between.
func TestEstimatesKept(t *testing.T) {
	e := Estimates{}
	for i, name := range []string{".", "a.test.", `odd\ \000\.\"name.test.`} {
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeDNAME} {
			e[LinkKey{zone.MustParseName(name), typ}] = Estimate{TTL: uint32(i) + 1, Seen: MomentOf(estimateStart), Expires: MomentOf(estimateStart.Add(time.Hour)), Lower: 3, Times: 2, Noise: 1}
		}
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	again := Estimates{}
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(e, again) || len(again) != 12 {
		t.Errorf("%v\n%s\n%v", err, text, again)
	}
	for _, wrong := range []string{"", "a.test.", "a.test. NONE", "a..test. A", "a.test A"} {
		if err := new(LinkKey).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}

// caches is a resolver of several caches, each of which answers some of the questions, in
// front of a name server. Times are in milliseconds.
type caches struct {
	original uint32
	expires  []int64
}

// ask asks one cache.
func (c *caches) ask(i int, now int64) uint32 {
	if now >= c.expires[i] {
		c.expires[i] = now + int64(c.original)*1000
	}
	return uint32((c.expires[i] - now) / 1000)
}

func at(ms int64) time.Time { return estimateStart.Add(time.Duration(ms) * time.Millisecond) }

// Whatever the times at which we ask, and whichever of its caches answers: where nobody else
// fills them, the published TTL rises to the original, never above it, and stays.
func TestEstimatesSettle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := caches{original: rapid.Uint32Range(0, 5000).Draw(t, "original"), expires: make([]int64, rapid.IntRange(1, 5).Draw(t, "caches"))}
		e, now, before := Estimates{}, int64(0), uint32(0)
		for range rapid.IntRange(1, 60).Draw(t, "polls") {
			// Mostly about when something expires, else at any time.
			if rapid.Bool().Draw(t, "at expiry") {
				now = max(now, c.expires[rapid.IntRange(0, len(c.expires)-1).Draw(t, "which")]+rapid.Int64Range(-2000, 3000).Draw(t, "around"))
			} else {
				now += rapid.Int64Range(0, 2000*int64(c.original)+1000).Draw(t, "gap")
			}
			a := seenTTL(c.ask(rapid.IntRange(0, len(c.expires)-1).Draw(t, "cache"), now))
			e.Observe(a, at(now))
			got := e.TTL(a)
			if got > c.original || got < before {
				t.Fatalf("published %d after %d, the original is %d", got, before, c.original)
			}
			before = got
		}
	})
}

// A TTL that is lowered is followed once all that was seen has expired and the lower one was
// seen three times, just after expiry each time, and one that is raised, at once.
func TestEstimatesFollow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		original := rapid.Uint32Range(10, 5000).Draw(t, "original")
		lower := rapid.Uint32Range(0, original-6).Draw(t, "lower")
		c := caches{original: original, expires: make([]int64, rapid.IntRange(1, 5).Draw(t, "caches"))}
		e, now := Estimates{}, int64(0)
		poll := func() uint32 {
			now = max(now, e[LinkKey{ipv4only, dns.TypeA}].Expires.Time().Sub(estimateStart).Milliseconds()+rapid.Int64Range(0, 2000).Draw(t, "late"))
			a := seenTTL(c.ask(rapid.IntRange(0, len(c.expires)-1).Draw(t, "cache"), now))
			e.Observe(a, at(now))
			return e.TTL(a)
		}
		for range rapid.IntRange(1, 5).Draw(t, "polls before") {
			if got := poll(); got != original {
				t.Fatalf("published %d, the original is %d", got, original)
			}
		}
		c.original = lower
		for i := range 3 {
			if got, want := poll(), []uint32{original, original, lower}[i]; got != want {
				t.Fatalf("published %d after %d expiries, lowered from %d to %d", got, i+1, original, lower)
			}
		}
		c.original = original
		if got := poll(); got != original {
			t.Fatalf("published %d, raised to %d", got, original)
		}
	})
}

// A day of constant addresses behind resolvers that everybody uses: their caches are filled
// again as soon as they expire, at times of their own, and any of them answers. The published
// TTL never falls, and rises a few times to where it stays.
func TestEstimatesForADay(t *testing.T) {
	for _, original := range []uint32{5, 20, 30, 60, 120, 300, 900, 3600, 86400} {
		for _, count := range []int{1, 2, 3, 4, 8, 16, 64} {
			for seed := range uint64(8) {
				name := fmt.Sprintf("original %d, %d caches, seed %d", original, count, seed)
				dayOfCaches(t, name, original, count, rand.New(rand.NewPCG(seed, uint64(original)*100+uint64(count))))
			}
		}
	}
}

func dayOfCaches(t *testing.T, name string, original uint32, count int, random *rand.Rand) {
	t.Helper()
	const day, floor = 24 * 3600 * 1000, 30 * 1000
	phases := make([]int64, count)
	for i := range phases {
		phases[i] = random.Int64N(int64(original) * 1000)
	}
	e, last, polls, rises := Estimates{}, uint32(0), 0, 0
	for now := int64(0); now < day; polls++ {
		phase := phases[random.IntN(count)]
		a := seenTTL(original - uint32((now+phase)/1000%int64(original)))
		e.Observe(a, at(now))
		got := e.TTL(a)
		if got < last || got > original {
			t.Errorf("%s: published %d after %d", name, got, last)
			return
		}
		if got != last {
			rises++
		}
		last = got
		expires := e[LinkKey{ipv4only, dns.TypeA}].Expires.Time().Sub(estimateStart).Milliseconds()
		now = max(now+floor, expires+random.Int64N(1000))
	}
	if polls < 2 || rises > 10 {
		t.Errorf("%s: %d changes after %d questions", name, rises, polls)
	}
}
