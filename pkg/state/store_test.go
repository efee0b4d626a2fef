package state

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)

func name(text string) zone.Name { return zone.MustParseName(text) }

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

func question(target string, qtype uint16, subnet string) resolve.Question {
	q := resolve.Question{Target: name(target), Type: qtype}
	if subnet != "" {
		q.Subnet = resolve.NewSubnet(netip.MustParsePrefix(subnet))
	}
	return q
}

// full is an update with every field of everything set.
func full() Update {
	chain := []resolve.Link{
		{Owner: name("cdn.example.net."), Type: dns.TypeCNAME, Target: name("a.edge.test."), TTL: 300, OriginalTTL: 600},
		{Owner: name("edge.test."), Type: dns.TypeDNAME, Target: name("example.org."), TTL: 60},
	}
	return Update{
		Known: map[resolve.Question]*resolve.Known{
			question("cdn.example.net.", dns.TypeA, ""): {
				Addresses: addrs("192.0.2.1", "192.0.2.2"), TTL: 60, Chain: chain, Resolver: "udp://192.0.2.53",
				Seen: noon, Since: noon.Add(-time.Hour), Earlier: [][]netip.Addr{addrs("192.0.2.9"), addrs("198.51.100.1")},
				Missing: resolve.Missing{Outcome: resolve.NoData, First: noon, Last: noon.Add(1), NegativeTTL: 30, Resolver: "tls://192.0.2.54", Confirmed: true},
				Held:    resolve.Held{Addresses: addrs("203.0.113.7"), Guard: "disjoint", First: noon, Last: noon.Add(2), Times: 3, Accepted: true},
				Gone:    true,
				Dropped: true,
			},
			question("cdn.example.net.", dns.TypeAAAA, "2001:db8::/56"):  {Addresses: addrs("2001:db8::1"), TTL: 1, Seen: noon},
			question("cdn.example.net.", dns.TypeA, "198.51.100.0/24"):   {Addresses: addrs("192.0.2.3"), TTL: 2},
			question("gone\\.dot.example.net.", dns.TypeAAAA, ""):        {Gone: true},
			question("missing.below.cdn.example.net.", dns.TypeAAAA, ""): {Missing: resolve.Missing{Outcome: resolve.NXDomain, First: noon, Last: noon}},
		},
		Estimates: resolve.Estimates{
			{Owner: name("cdn.example.net."), Type: dns.TypeCNAME}: {TTL: 600, Seen: resolve.MomentOf(noon), Expires: resolve.MomentOf(noon.Add(time.Minute)), Lower: 60, Times: 2, Noise: 1},
			{Owner: name("edge.test."), Type: dns.TypeA}:           {TTL: 30, Seen: resolve.MomentOf(noon), Expires: resolve.MomentOf(noon)},
		},
		Zone: &Zone{
			Name: name("example.com."), View: "inside", Output: "/out/example.com.db", Serial: 2026030101,
			Sum: 1<<64 - 2, Records: 1<<63 + 1, Count: 12, Size: 4096, Published: noon, Owed: []byte(`{"reload":"bind"}`),
		},
		Changes: []Change{
			{
				Time: noon, Zone: name("example.com."), View: "inside", Owner: name("www.example.com."), Type: dns.TypeA,
				From: addrs("192.0.2.9"), To: addrs("192.0.2.1", "192.0.2.2"), OldSerial: 2026022801, NewSerial: 2026030101,
				Target: name("cdn.example.net."), Chain: chain, Resolver: "udp://192.0.2.53", Reason: "the target has others",
			},
			{Time: noon, Zone: name("example.com."), Owner: name("example.com."), Type: dns.TypeAAAA, From: addrs("2001:db8::9"), NewSerial: 2026030101},
		},
		Now: noon,
	}
}

func open(tb testing.TB, dir string, o Options) *Store {
	tb.Helper()
	s, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func commit(tb testing.TB, s *Store, u Update) {
	tb.Helper()
	if err := s.Commit(u); err != nil {
		tb.Fatal(err)
	}
}

// contents is everything that a store gives back.
type contents struct {
	Known     map[resolve.Question]*resolve.Known
	Estimates resolve.Estimates
	Zones     []Zone
	Changes   []Change
	Newest    time.Time
}

func contentsOf(s *Store) contents {
	return contents{s.AllKnown(), s.Estimates(), s.Zones(zone.Name{}), slices.Collect(s.Changes(Filter{})), s.Clamp(time.Time{})}
}

var comparers = cmp.Options{
	cmp.Comparer(func(a, b zone.Name) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b resolve.Question) bool { return a == b }),
}

func same(tb testing.TB, got, want any) {
	tb.Helper()
	if diff := cmp.Diff(want, got, comparers); diff != "" {
		tb.Errorf("-want +got:\n%s", diff)
	}
}

func TestStoreRemembers(t *testing.T) {
	dir, u := filepath.Join(t.TempDir(), "a", "state"), full()
	s := open(t, dir, Options{})
	commit(t, s, u)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{ReadOnly: true}, {}} {
		s := open(t, dir, o)
		newestFirst := slices.Clone(u.Changes)
		slices.Reverse(newestFirst)
		same(t, contentsOf(s), contents{u.Known, u.Estimates, []Zone{*u.Zone}, newestFirst, noon})
		for q, want := range u.Known {
			got, ok := s.Known(q)
			if !ok {
				t.Errorf("%v is not known", q)
			}
			same(t, got, want)
		}
		if k, ok := s.Known(question("cdn.example.net.", dns.TypeA, "192.0.2.0/24")); ok {
			t.Errorf("another subnet has %v", k)
		}
		if z, ok := s.Zone(u.Zone.Name, "inside", u.Zone.Output); !ok || z.Serial != u.Zone.Serial {
			t.Errorf("zone = %v, %v", z, ok)
		}
		for _, view := range []string{"", "outside"} {
			if z, ok := s.Zone(u.Zone.Name, view, u.Zone.Output); ok {
				t.Errorf("view %q has %v", view, z)
			}
		}
		if list := s.Zones(name("com.")); len(list) > 0 {
			t.Errorf("zones of com. = %v", list)
		}
		if err := s.Problem(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for path, mode := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, filepath.Join(dir, fileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// A nil Store remembers nothing, so that a run without a state is no case of its own.
func TestStoreNil(t *testing.T) {
	var s *Store
	same(t, contentsOf(s), contents{Known: map[resolve.Question]*resolve.Known{}, Estimates: resolve.Estimates{}})
	if _, ok := s.Known(question("cdn.example.net.", dns.TypeA, "")); ok || s.Problem() != nil || s.Close() != nil {
		t.Error("it remembers something, or has a problem")
	}
}

func TestCommitReplacesAndForgets(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	u := full()
	commit(t, s, u)
	changed, forgotten := question("cdn.example.net.", dns.TypeA, ""), question("cdn.example.net.", dns.TypeA, "198.51.100.0/24")
	known := &resolve.Known{Addresses: addrs("192.0.2.77"), TTL: 5}
	commit(t, s, Update{Known: map[resolve.Question]*resolve.Known{
		changed: known, forgotten: nil, question("never.example.net.", dns.TypeA, ""): {},
	}, Now: noon})
	u.Known[changed] = known
	delete(u.Known, forgotten)
	same(t, s.AllKnown(), u.Known)
	same(t, s.Estimates(), u.Estimates)
}

// What was answered again makes younger what is remembered, and nothing else of it another.
func TestCommitSeen(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	u := full()
	commit(t, s, u)
	again := question("cdn.example.net.", dns.TypeA, "")
	later := noon.Add(time.Hour)
	commit(t, s, Update{Seen: map[resolve.Question]resolve.Seen{
		again: {Addresses: addrs("192.0.2.1", "192.0.2.2"), Time: later},
		question("cdn.example.net.", dns.TypeAAAA, "2001:db8::/56"): {Addresses: addrs("2001:db8::2"), Time: later},
		question("cdn.example.net.", dns.TypeA, "198.51.100.0/24"):  {Addresses: addrs("192.0.2.3"), Time: time.Time{}},
		question("never.example.net.", dns.TypeA, ""):               {Addresses: addrs("192.0.2.4"), Time: later},
	}, Now: later})
	u.Known[again].Seen = later
	same(t, s.AllKnown(), u.Known)
}

// What was seen and not published is kept beside the last good addresses, unless others have been
// published meanwhile.
func TestCommitSightings(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	u := full()
	commit(t, s, u)
	seen, other, fresh := question("cdn.example.net.", dns.TypeA, ""), question("cdn.example.net.", dns.TypeA, "198.51.100.0/24"), question("never.example.net.", dns.TypeA, "")
	held := *u.Known[seen]
	held.Held = resolve.Held{Addresses: addrs("192.0.2.66"), Guard: "change", First: noon, Last: noon, Times: 2}
	sightings := map[resolve.Question]*resolve.Known{
		seen: &held, other: {Addresses: addrs("192.0.2.4")}, fresh: {Addresses: addrs("192.0.2.5")},
	}
	if slices.Equal(u.Known[other].Addresses, sightings[other].Addresses) || u.Known[fresh] != nil {
		t.Fatal("they are no different questions")
	}
	commit(t, s, Update{Sightings: sightings, Now: noon})
	u.Known[seen], u.Known[fresh] = &held, sightings[fresh]
	same(t, s.AllKnown(), u.Known)
}

// An update that is refused leaves nothing behind, whatever came before what it is refused for.
func TestCommitWholeOrNot(t *testing.T) {
	bad := []struct {
		what string
		set  func(*Update)
		is   error
	}{
		{"a lower serial", func(u *Update) { u.Zone.Serial-- }, ErrSerialLower},
		{"a serial without order", func(u *Update) { u.Zone.Serial += 1 << 31 }, ErrSerialLower},
		{"serial 0", func(u *Update) { u.Zone.Serial = 0; u.Zone.Output = "other" }, nil},
		{"a change without owner", func(u *Update) { u.Changes[1].Owner = zone.Name{} }, nil},
		{"a change of another type", func(u *Update) { u.Changes[1].Type = dns.TypeMX }, nil},
		{"what is owed in no form", func(u *Update) { u.Zone.Owed = []byte("{"); u.Zone.Serial++ }, nil},
		{"a time that no form holds", func(u *Update) { u.Now = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, nil},
	}
	for _, tt := range bad {
		t.Run(tt.what, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{})
			commit(t, s, full())
			before := contentsOf(s)
			u := full()
			u.Known[question("new.example.net.", dns.TypeA, "")] = &resolve.Known{Gone: true}
			u.Now = noon.Add(time.Hour)
			tt.set(&u)
			err := s.Commit(u)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("err = %v", err)
			}
			same(t, contentsOf(s), before)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			same(t, contentsOf(open(t, filepath.Dir(s.Path()), Options{})), before)
		})
	}
}

func TestSerialErrorNames(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	commit(t, s, full())
	u := full()
	u.Zone.Serial = 5
	var e *SerialError
	if err := s.Commit(u); !errors.As(err, &e) || e.Have != 2026030101 || e.New != 5 || e.View != "inside" {
		t.Fatalf("err = %v", err)
	}
	want := "zone example.com.: serial 5 is not later than 2026030101, which was published"
	if e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
}

// Serials go on past the end of their circle.
func TestSerialAround(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	u := full()
	for _, serial := range []zone.Serial{1<<32 - 1, 1<<32 - 1, 1, 1 << 31} {
		u.Zone.Serial = serial
		commit(t, s, u)
	}
	u.Zone.Serial = 1<<32 - 1
	commit(t, s, u)
	u.Zone.Serial = 1<<32 - 2
	if err := s.Commit(u); !errors.Is(err, ErrSerialLower) {
		t.Errorf("err = %v", err)
	}
}

func TestClampClockBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if now := s.Clamp(noon); !now.Equal(noon) {
		t.Errorf("an empty store gives %v", now)
	}
	commit(t, s, Update{Now: noon})
	back := noon.AddDate(-10, 0, 0)
	for range 2 {
		if now := s.Clamp(back); !now.Equal(noon) {
			t.Errorf("ten years back: %v", now)
		}
		if later := noon.Add(time.Second); !s.Clamp(later).Equal(later) {
			t.Errorf("a second later: %v", s.Clamp(later))
		}
		commit(t, s, Update{Now: back, Zone: full().Zone})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, Options{})
	}
	if now := s.Clamp(time.Unix(0, 0)); !now.Equal(noon) {
		t.Errorf("1970: %v", now)
	}
}

func TestChangesBounded(t *testing.T) {
	s := open(t, t.TempDir(), Options{noSync: true})
	change := full().Changes[1]
	var many []Change
	for i := range MaxChanges + 10 {
		change.Reason = fmt.Sprint(i)
		many = append(many, change)
	}
	commit(t, s, Update{Changes: many, Now: noon})
	got := slices.Collect(s.Changes(Filter{}))
	if len(got) != MaxChanges || got[0].Reason != fmt.Sprint(MaxChanges+9) || got[MaxChanges-1].Reason != "10" {
		t.Fatalf("%d changes, from %q to %q", len(got), got[0].Reason, got[len(got)-1].Reason)
	}
	change.Time = noon.Add(MaxChangeAge + 1)
	commit(t, s, Update{Changes: []Change{change}, Now: change.Time})
	same(t, slices.Collect(s.Changes(Filter{})), []Change{change})
}

func TestChangesFilter(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	u := full()
	other := u.Changes[0]
	other.Zone = name("example.org.")
	odd := u.Changes[0]
	odd.Zone, odd.Owner, odd.Target = name(`a<b\"c\\d\010.example.`), name(`a<b\"c\\d\010.example.`), name("target.example.")
	u.Changes = append(u.Changes, odd, other)
	commit(t, s, u)
	for _, tt := range []struct {
		f    Filter
		want []Change
	}{
		{Filter{}, []Change{other, odd, u.Changes[1], u.Changes[0]}},
		{Filter{Zone: odd.Zone}, []Change{odd}},
		{Filter{Owner: odd.Owner, Name: odd.Zone}, []Change{odd}},
		{Filter{Name: odd.Target}, []Change{odd}},
		{Filter{Name: name("example.com.")}, []Change{u.Changes[1], u.Changes[0]}},
		{Filter{Name: name("www.example.com.")}, []Change{other, u.Changes[0]}},
		{Filter{Name: name("example.org.")}, []Change{other}},
		{Filter{Name: name("ample.com.")}, nil},
		{Filter{Zone: name("example.com.")}, []Change{u.Changes[1], u.Changes[0]}},
		{Filter{Owner: name("www.example.com.")}, []Change{other, u.Changes[0]}},
		{Filter{Zone: name("example.com."), Owner: name("www.example.com.")}, []Change{u.Changes[0]}},
		{Filter{Zone: name("example.net.")}, nil},
	} {
		same(t, slices.Collect(s.Changes(tt.f)), tt.want)
	}
	for c := range s.Changes(Filter{}) {
		same(t, c, other)
		break // whoever has seen enough lets the store go
	}
	commit(t, s, Update{Now: noon})
}

func TestForget(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	commit(t, s, full())
	for _, tt := range []struct {
		name  string
		under bool
		want  Forgotten
	}{
		{"net.", false, Forgotten{}},
		{"cdn.example.net.", false, Forgotten{Known: 3, Estimates: 1}},
		{"example.net.", true, Forgotten{Known: 2}},
		{"example.com.", false, Forgotten{Zones: 1}},
		{".", true, Forgotten{Estimates: 1}},
	} {
		if got, err := s.Forget(name(tt.name), tt.under); got != tt.want || err != nil {
			t.Errorf("Forget(%s, %v) = %v, %v, want %v", tt.name, tt.under, got, err, tt.want)
		}
	}
	got := contentsOf(s)
	if len(got.Known)+len(got.Estimates)+len(got.Zones) > 0 || len(got.Changes) != 2 {
		t.Errorf("what is left: %v", got)
	}
	u := full()
	u.Zone.Serial = 1 // who has a zone forgotten may begin anew
	commit(t, s, u)
}

func TestTidy(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	u := full()
	commit(t, s, u)
	needed := question("gone\\.dot.example.net.", dns.TypeAAAA, "")
	none := func(q resolve.Question) bool { return q == needed }
	if f, err := s.Tidy(noon, none); err != nil || f != (Forgotten{Known: 1}) {
		t.Errorf("Tidy(noon) = %v, %v", f, err) // the one without any time
	}
	if f, err := s.Tidy(noon.Add(1), none); err != nil || f != (Forgotten{Known: 2, Estimates: 2}) {
		t.Errorf("Tidy(after noon) = %v, %v", f, err)
	}
	if f, err := s.Tidy(noon.Add(time.Hour), none); err != nil || f != (Forgotten{Known: 1}) {
		t.Errorf("Tidy(later) = %v, %v", f, err)
	}
	if k := s.AllKnown(); len(k) != 1 || k[needed] == nil {
		t.Errorf("left: %v", k)
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none"), Options{Existing: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
		t.Errorf("it made %v, %v", list, err)
	}
	s := open(t, dir, Options{})
	commit(t, s, full())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, dir, Options{ReadOnly: true}), open(t, dir, Options{ReadOnly: true}) // beside each other
	for _, s := range []*Store{a, b} {
		if err := s.Commit(full()); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Commit: %v", err)
		}
		if _, err := s.Forget(zone.Root, true); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Forget: %v", err)
		}
	}
	var locked *LockedError
	if _, err := Open(dir, Options{}); !errors.As(err, &locked) || locked.PID != 0 {
		t.Errorf("a writer beside readers: %v", err)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(filepath.Join(file, "state"), Options{}); err == nil {
		t.Error("opened", s.Path())
	}
}
