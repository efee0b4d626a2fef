package pull

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// journal collects what an observer is told.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) has(line string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, l := range j.lines {
		if l == line {
			n++
		}
	}
	return n
}

func (j *journal) observer() Observer {
	return Observer{
		Transferred: func(*Source, Transfer) { j.add("transferred") },
		Failed:      func(_ *Source, d *diag.Diagnostic) { j.add("failed " + string(d.Code)) },
		Expired:     func(_ *Source, d *diag.Diagnostic) { j.add("expired " + string(d.Code)) },
		Recovered:   func(*Source) { j.add("recovered") },
	}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func runSet(t *testing.T, l Limits, o Observer, sources ...Source) *Set {
	t.Helper()
	s := NewSet(sources, l, o)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return s
}

// fast are limits that make the timers of a test's zone short.
func fast() Limits {
	l := limitsOfTest
	l.LeastRefresh, l.MostRefresh = 10*time.Millisecond, 20*time.Millisecond
	l.LeastRetry, l.MostRetry = 10*time.Millisecond, 20*time.Millisecond
	l.First, l.MostFirst, l.Apart = 10*time.Millisecond, 20*time.Millisecond, time.Millisecond
	return l
}

// The timers alone find what has changed, and each failure is told once.
func TestSetFollowsTimers(t *testing.T) {
	f := startFake(t, nil)
	refused := func(q *dns.Msg, _ string) *dns.Msg {
		m := f.soaAnswer(q)
		m.Rcode = dns.RcodeRefused
		return m
	}
	f.answers(refused, zoneOf(t, 1, records1...))
	var j journal
	s := runSet(t, fast(), j.observer(), f.source(nil))
	s.First(t.Context())
	if st := s.Status(0); st.Known || st.Problem == nil || st.Problem.Code != diag.CodePullRefused || st.Source != "axfr://"+f.addr.String()+"/example.com" {
		t.Errorf("%+v", st)
	}
	await(t, "it is tried again", func() bool { return s.Status(0).Failed > 3 })
	f.answers(nil, zoneOf(t, 1, records1...))
	await(t, "the first transfer", func() bool { st := s.Status(0); return st.Known && st.Serial == 1 && st.Problem == nil })
	f.answers(nil, zoneOf(t, 2, records1...))
	f.serial.Store(2)
	await(t, "the second", func() bool { return s.Status(0).Serial == 2 })
	f.answers(refused, nil)
	await(t, "failures", func() bool { return s.Status(0).Failed > 3 })
	f.answers(nil, nil)
	await(t, "an end of them", func() bool { return s.Status(0).Failed == 0 })
	if n := j.has("failed pull-refused"); n != 2 || j.has("transferred") != 2 || j.has("recovered") != 2 {
		t.Errorf("%q", j.lines)
	}
	if st := s.Status(0); st.Whole != 2 || st.Checks <= st.Failures || st.Failures < 8 || st.Checked.IsZero() || st.Transferred.IsZero() {
		t.Errorf("%+v", st)
	}
}

// Between checks nobody is asked, and Check has one made at once; many of them are one.
func TestSetChecks(t *testing.T) {
	f := startFake(t, nil)
	f.answers(nil, zoneOf(t, 1, records1...))
	l := limitsOfTest
	l.LeastRefresh, l.Apart = time.Hour, 50*time.Millisecond
	s := runSet(t, l, Observer{}, f.source(nil))
	s.First(t.Context())
	f.serial.Store(2)
	f.answers(nil, zoneOf(t, 2, records1...))
	if st := s.Status(0); st.Serial != 1 || time.Until(st.Next) < 50*time.Minute || st.Checks != 1 {
		t.Errorf("%+v", st)
	}
	if n := s.Check(zone.MustParseName("example.net.")); n != 0 {
		t.Errorf("checked %d", n)
	}
	for range 1000 {
		if n := s.Check(testZone); n != 1 {
			t.Errorf("checked %d", n)
		}
	}
	await(t, "the transfer", func() bool { return s.Status(0).Serial == 2 })
	if st := s.Status(0); st.Checks > 3 {
		t.Errorf("%d checks", st.Checks)
	}
	if n := s.Check(zone.Name{}); n != 1 {
		t.Errorf("checked %d", n)
	}
}

// A primary that is silent holds up no other one.
func TestSetPrimariesApart(t *testing.T) {
	dead, good := startFake(t, nil), startFake(t, nil)
	dead.answers(func(*dns.Msg, string) *dns.Msg { return nil }, nil)
	good.answers(nil, zoneOf(t, 1, records1...))
	var sources []Source
	for _, name := range []string{"a.test.", "b.test.", "c.test."} {
		s := dead.source(nil)
		s.Zone = zone.MustParseName(name)
		sources = append(sources, s)
	}
	l := limitsOfTest
	l.Transfers = 1
	s := runSet(t, l, Observer{}, append(sources, good.source(nil))...)
	await(t, "the transfer", func() bool { return s.Status(3).Known })
	for i := range sources {
		if st := s.Status(i); st.Checks != 0 {
			t.Errorf("a check of the silent one has ended before: %+v", st)
		}
	}
}

// A copy that is older than its EXPIRE is told of once, and stays; a check that goes well ends that.
func TestSetExpires(t *testing.T) {
	f := startFake(t, nil)
	source := f.source(nil)
	f.answers(nil, zoneOf(t, 1, records1...))
	mustPull(t, &source, limitsOfTest)
	old := time.Now().Add(-26 * time.Hour)
	if err := os.Chtimes(source.File, old, old); err != nil {
		t.Fatal(err)
	}
	f.answers(func(q *dns.Msg, _ string) *dns.Msg {
		m := f.soaAnswer(q)
		m.Rcode = dns.RcodeServerFailure
		return m
	}, nil)
	var j journal
	s := runSet(t, fast(), j.observer(), source)
	await(t, "failures", func() bool { return s.Status(0).Failed > 3 })
	if st := s.Status(0); !st.Expired || st.Problem.Code != diag.CodePullExpired || st.Problem.Severity != diag.Error || !st.Known || !st.Expires.Before(time.Now()) {
		t.Errorf("%+v", st)
	}
	if j.has("expired pull-expired") != 1 || len(j.lines) != 1 {
		t.Errorf("%q", j.lines)
	}
	if _, err := os.Stat(source.File); err != nil {
		t.Error(err)
	}
	f.answers(nil, nil)
	await(t, "an end of it", func() bool { return !s.Status(0).Expired })
	if j.has("recovered") != 1 {
		t.Errorf("%q", j.lines)
	}
}

// Timers of any size do no harm.
func TestTimersAreHeld(t *testing.T) {
	const year = 365 * 24 * time.Hour
	l := Limits{}.filled()
	for _, test := range []struct{ given, refresh, retry, expire time.Duration }{
		{0, 30 * time.Second, 10 * time.Second, time.Hour},
		{136 * year, 24 * time.Hour, time.Hour, year},
		{time.Hour, time.Hour, time.Hour, 2 * time.Hour},
	} {
		now := time.Now()
		c := Copy{Refresh: test.given, Retry: test.given, Expire: test.given, Checked: now}
		p := puller{set: NewSet(nil, Limits{}, Observer{}), copy: &c}
		refresh := within(c.Refresh, l.LeastRefresh, l.MostRefresh)
		if retry := p.again(1); refresh != test.refresh || retry != test.retry || c.Expires(Limits{}).Sub(now) != test.expire {
			t.Errorf("%s: %s, %s, %s", test.given, refresh, retry, c.Expires(Limits{}).Sub(now))
		}
		for range 100 {
			if d := early(refresh); d > refresh || d < refresh-refresh/jitterPart-1 {
				t.Errorf("%s of %s", d, refresh)
			}
		}
	}
}
