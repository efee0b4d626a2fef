package api

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	apex   = zone.MustParseName("example.com.")
	cdn    = zone.MustParseName("cdn.example.net.")
	edge   = zone.MustParseName("edge.example.net.")
	noon   = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	first  = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	second = []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}
)

const resolver = "udp://198.51.100.53"

// fakeDaemon knows one zone with two questions.
type fakeDaemon struct {
	mu        sync.Mutex
	refreshed []zone.Name
	reloaded  int
	refuse    error         // a new configuration
	loading   chan struct{} // closed when that is being taken in, which takes as long as it may then
}

func (d *fakeDaemon) Snapshot() *watch.Snapshot {
	return &watch.Snapshot{
		Time: noon, Started: noon.Add(-time.Hour), Loaded: noon.Add(-time.Hour), Beat: time.Now(),
		Targets: 2, Failing: 1, InFlight: 1, Lookups: watch.Lookups{Addresses: 7, Failures: 2},
		Zones: []watch.Zone{
			{
				Name: apex, Source: "example.com.zone", Output: "out/example.com.db", Phase: watch.PhaseHolding, Serial: 7, Published: true,
				Aliases: 1, Targets: 2, LastAttempt: noon, LastSuccess: noon, NextRefresh: noon.Add(time.Minute), Oldest: noon.Add(-time.Minute),
				Changes: 3, Attempts: 5, Failures: map[diag.Code]uint64{diag.CodeTargetServfail: 2}, Held: true,
				Problems: diag.List{{
					Severity: diag.Warning, Code: diag.CodeTargetServfail, Message: "held",
					Span: diag.Span{Pos: diag.Pos{File: "example.com.zone", Line: 4, Column: 1}},
				}},
			},
			{
				Name: apex, View: "inside", Source: "axfr://192.0.2.1/example.com",
				Pulled: &pull.Status{
					Serial: 7, Known: true, Attempted: noon, Checked: noon.Add(-time.Hour), Next: noon.Add(time.Minute), Expires: noon.Add(-time.Minute), Expired: true,
					Failed: 3, Checks: 9, Failures: 4, Whole: 2, Incremental: 1,
					Problem: &diag.Diagnostic{Severity: diag.Error, Code: diag.CodePullExpired, Message: "too old"},
				},
			},
		},
	}
}

func (d *fakeDaemon) Targets(i int) []watch.Target {
	if i != 0 {
		return nil
	}
	return []watch.Target{
		{
			Question: resolve.Question{Target: cdn, Type: dns.TypeA}, Asked: noon, Due: noon.Add(time.Minute), Zones: []int{0},
			Answer: &resolve.Answer{
				Target: cdn, Type: dns.TypeA, Outcome: resolve.Addresses, Addresses: first, TTL: 60, Resolver: resolver,
				Chain: []resolve.Link{{Owner: cdn, Type: dns.TypeCNAME, Target: edge, TTL: 300}},
			},
		},
		{
			Question: resolve.Question{Target: cdn, Type: dns.TypeAAAA}, Asked: noon, Failed: 2, Zones: []int{0},
			Answer: &resolve.Answer{Target: cdn, Type: dns.TypeAAAA, Outcome: resolve.Failure, Reason: resolve.ReasonServfail, Resolver: resolver},
		},
	}
}

func (d *fakeDaemon) Refresh(name zone.Name) (zones, targets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refreshed = append(d.refreshed, name)
	switch name {
	case apex:
		return 2, 2
	case cdn:
		return 0, 2
	}
	return 0, 0
}

func (d *fakeDaemon) Reload(ctx context.Context) error {
	if d.loading != nil {
		close(d.loading)
		<-ctx.Done()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloaded++
	return d.refuse
}

// serve runs a server until the test ends, and gives a client for it.
func serve(t *testing.T, o Options) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), SocketName)
	socket, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := socket.Serve(ctx, o); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return NewClient(path)
}

// remembered is a store with a target that changed once, is held back by a guard, and has no
// AAAA as somebody says.
func remembered(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.TempDir(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	chain := []resolve.Link{{Owner: cdn, Type: dns.TypeCNAME, Target: edge, TTL: 300}}
	if err := s.Commit(state.Update{
		Now: noon,
		Known: map[resolve.Question]*resolve.Known{
			{Target: cdn, Type: dns.TypeA}: {
				Addresses: second, TTL: 60, Chain: chain, Resolver: resolver, Seen: noon, Since: noon,
				Earlier: [][]netip.Addr{first},
				Held:    resolve.Held{Addresses: first, Guard: "reborn", Zone: apex, First: noon, Last: noon, Times: 1},
			},
			{Target: cdn, Type: dns.TypeAAAA}: {Missing: resolve.Missing{Outcome: resolve.NoData, First: noon, Last: noon, Resolver: resolver}},
		},
		Zone: &state.Zone{Name: apex, Output: "", Serial: 8, Published: noon},
		Changes: []state.Change{
			{Time: noon.Add(-time.Hour), Zone: apex, Owner: apex, Type: dns.TypeA, To: first, NewSerial: 7, Target: cdn, Resolver: resolver},
			{Time: noon, Zone: apex, Owner: apex, Type: dns.TypeA, From: first, To: second, OldSerial: 7, NewSerial: 8, Target: cdn, Chain: chain, Resolver: resolver},
		},
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatusDocument(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}, Version: "1.2.3"})
	s, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Schema != SchemaStatus || s.Version != "1.2.3" || s.PID == 0 || s.Hung || s.Targets.Failing != 1 || s.Lookups.Addresses != 7 {
		t.Errorf("status: %+v", s)
	}
	if len(s.Zones) != 2 {
		t.Fatalf("%d zones", len(s.Zones))
	}
	z := s.Zones[0]
	if z.Name != "example.com" || z.Phase != "holding" || *z.Serial != 7 || !z.Held || !z.NextRefresh.Equal(noon.Add(time.Minute)) ||
		z.Failures[diag.CodeTargetServfail] != 2 || len(z.Problems) != 1 || z.Problems[0].Line != 4 {
		t.Errorf("zone: %+v", z)
	}
	if p := s.Zones[1].Pulled; z.Pulled != nil || p == nil || *p.Serial != 7 || !p.Checked.Equal(noon.Add(-time.Hour)) || !p.Attempted.Equal(noon) || !p.Next.Equal(noon.Add(time.Minute)) ||
		!p.Expired || p.Failed != 3 || p.Checks != 9 || p.Failures != 4 || p.Whole != 2 || p.Incremental != 1 || p.Problem.Code != diag.CodePullExpired || !p.Transferred.IsZero() {
		t.Errorf("pulled: %+v", p)
	}
	if z := s.Zones[1]; z.View != "inside" || z.Phase != "starting" || z.Serial != nil || !z.LastAttempt.IsZero() {
		t.Errorf("zone that was not tried: %+v", z)
	}
}

func TestTargetsDocument(t *testing.T) {
	c := serve(t, Options{Daemon: &fakeDaemon{}})
	list, err := c.Targets(t.Context(), apex, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Targets) != 2 {
		t.Fatalf("targets: %+v", list)
	}
	if a := list.Targets[0]; a.Target != "cdn.example.net." || a.Type != "A" || a.Outcome != "addresses" || !slices.Equal(a.Addresses, first) || len(a.Chain) != 1 {
		t.Errorf("A: %+v", a)
	}
	if a := list.Targets[1]; a.Type != "AAAA" || a.Reason != "SERVFAIL" || a.Failed != 2 || !a.Due.IsZero() {
		t.Errorf("AAAA: %+v", a)
	}
	if list, err := c.Targets(t.Context(), apex, "inside"); err != nil || len(list.Targets) != 0 {
		t.Errorf("a zone without targets: %+v, %v", list, err)
	}
	_, err = c.Targets(t.Context(), cdn, "")
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 404 {
		t.Errorf("no zone of the daemon: %v", err)
	}
}

func TestRefreshTellsWhatIsUnknown(t *testing.T) {
	d := &fakeDaemon{}
	c := serve(t, Options{Daemon: d})
	got, err := c.Refresh(t.Context(), []zone.Name{apex, cdn, edge})
	if err != nil {
		t.Fatal(err)
	}
	if got.Zones != 2 || got.Targets != 4 || !slices.Equal(got.Unknown, []string{"edge.example.net."}) {
		t.Errorf("refreshed: %+v", got)
	}
}

func TestReload(t *testing.T) {
	d := &fakeDaemon{}
	c := serve(t, Options{Daemon: d})
	if _, err := c.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	d.refuse = errors.New("aliasflat.yaml:3:1: unknown key")
	_, err := c.Reload(t.Context())
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 422 || e.Message != d.refuse.Error() {
		t.Errorf("a configuration that is wrong: %v", err)
	}
	if d.reloaded != 2 {
		t.Errorf("reloaded %d times", d.reloaded)
	}
}

func TestNoDaemon(t *testing.T) {
	c := NewClient(filepath.Join(t.TempDir(), SocketName))
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Error(err)
	}
}
