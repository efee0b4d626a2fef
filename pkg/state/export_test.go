package state

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func export(t *testing.T, s *Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExportImport(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	commit(t, a, full())
	text := export(t, a)
	first, _, _ := strings.Cut(text, "\n")
	if want := `{"schema":"aliasflat/state/v1","newest":"2026-03-01T12:00:00.000000005Z"}`; first != want {
		t.Errorf("first line %s, want %s", first, want)
	}
	if n := strings.Count(text, "\n"); n != 11 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	b := open(t, t.TempDir(), Options{})
	for i := range 2 { // the second time nothing is new, whatever the clock says
		n, err := b.Import(strings.NewReader(text), ImportOptions{Now: noon.AddDate(-10*i, 0, 0)})
		if err != nil || n != (Imported{5, 2, 1, 2}) {
			t.Fatalf("Import = %v, %v", n, err)
		}
		same(t, contentsOf(b), contentsOf(a))
		if again := export(t, b); again != text {
			t.Errorf("exported again:\n%s\nwant:\n%s", again, text)
		}
	}
}

// An import goes among what is there, by time, and keeps the later serial out of danger.
func TestImportMerges(t *testing.T) {
	a, b := open(t, t.TempDir(), Options{}), open(t, t.TempDir(), Options{})
	u := full()
	commit(t, a, u)
	later, kept := full(), u.Changes[0]
	later.Known, later.Estimates = nil, nil
	later.Zone.Serial++
	kept.Time = noon.Add(-time.Hour)
	newer := u.Changes[0]
	newer.Time = noon.Add(time.Hour)
	later.Changes, later.Now = []Change{kept, newer}, newer.Time
	commit(t, b, later)

	text := export(t, a)
	_, err := b.Import(strings.NewReader(text), ImportOptions{Now: noon})
	var lines LineErrors
	if !errors.Is(err, ErrSerialLower) || !errors.As(err, &lines) || len(lines) != 1 || lines[0].Line != 9 {
		t.Fatalf("err = %v", err)
	}
	if len(b.AllKnown()) > 0 {
		t.Error("a refused import left answers")
	}
	if _, err := b.Import(strings.NewReader(text), ImportOptions{Lower: true, Now: noon}); err != nil {
		t.Fatal(err)
	}
	got := contentsOf(b)
	same(t, got.Changes, []Change{newer, u.Changes[1], u.Changes[0], kept})
	if got.Zones[0].Serial != u.Zone.Serial || !got.Newest.Equal(later.Now) {
		t.Errorf("serial %d, newest %v", got.Zones[0].Serial, got.Newest)
	}
}

func TestImportRefuses(t *testing.T) {
	const header = `{"schema":"aliasflat/state/v1"}`
	tests := []struct {
		text string
		want string
	}{
		{"", "line 1: the text is empty"},
		{"garbage", "line 1: the first line is not that of an export"},
		{`{"kind":"zone"}`, "line 1: the first line is not that of an export"},
		{`{"schema":"aliasflat/state/v2","more":1}`, `line 1: schema "aliasflat/state/v2"`},
		{`{"schema":"aliasflat/state/v1","more":1}`, `line 1: unknown field "more"`},
		{`{"schema":"aliasflat/state/v1","newest":"2026-03-03T12:00:01Z"}`, "line 1: newest: 2026-03-03T12:00:01Z is in the future"},
		{header + "\n\n", "line 2: this is no object of JSON"},
		{header + "\n[]", "line 2: this is no object of JSON"},
		{header + "\n" + strings.Repeat("x", maxLine+1), "line 2: the line is longer than"},
		{header + "\n{}", `line 2: kind ""`},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1}` + "\n" + `{"kind":"zone","zone":"EXAMPLE.com.","serial":1}`, "line 3: line 2 is of the same zone"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1} {}`, "line 2: this is no object of JSON"},
		{header + " {}", "line 1: something stands after the object"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serials":1}`, `line 2: unknown field "serials"`},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":4294967296}`, "line 2: serial: a whole number from 0 to 4294967295 is expected, not 4294967296"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":0}`, "line 2: serial: 0"},
		{header + "\n" + `{"kind":"zone","zone":"example.com","serial":1}`, "line 2: zone: name"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1,"sum":"xyz"}`, "line 2: sum:"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1,"size":-1}`, "line 2: count and size:"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1,"records":"0x1"}`, "line 2: records:"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1,"published":"2027-03-03T12:00:01Z"}`, "line 2: published:"},
		{header + "\n" + `{"kind":"zone","zone":"example.com.","serial":1,"published":"1969-03-03T12:00:01Z"}`, "line 2: published: the year 1969"},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A"}`, "line 2: it says nothing"},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"MX","gone":true}`, `line 2: type: "MX"`},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","addresses":["2001:db8::1"]}`, "line 2: addresses: "},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"AAAA","addresses":["2001:db8::1%eth0"]}`, "line 2: addresses: "},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","addresses":["192.0.2.2","192.0.2.1"]}`, "line 2: addresses: the addresses are not sorted"},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","addresses":["192.0.2.2"],"ttl":604801}`, "line 2: ttl: "},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","missing":{"outcome":"failure"}}`, "line 2: outcome: "},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","held":{"addresses":[],"guard":"","times":1}}`, "line 2: held: "},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","gone":true,"chain":[{"owner":"a.","type":"A","target":"b.","ttl":1}]}`, "line 2: chain: "},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","gone":true,"chain":[` + strings.Repeat(`{},`, 16) + `{}]}`, "line 2: chain: more than 16"},
		{header + "\n" + `{"kind":"known","target":"a.example.net.","type":"A","gone":true,"earlier":[` + strings.Repeat(`[],`, 16) + `[]]}`, "line 2: earlier: 17 sets"},
		{header + "\n" + `{"kind":"estimate","owner":"a.example.net.","type":"NS","ttl":1}`, "line 2: type: "},
		{header + "\n" + `{"kind":"change","time":"2026-03-01T12:00:00Z","zone":"example.com.","owner":"","type":"A"}`, "line 2: owner: "},
	}
	s := open(t, t.TempDir(), Options{})
	commit(t, s, full())
	before := contentsOf(s)
	for _, tt := range tests {
		n, err := s.Import(strings.NewReader(tt.text), ImportOptions{Now: noon})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.200s\n%v, %v, want %s", tt.text, n, err, tt.want)
		}
	}
	same(t, contentsOf(s), before)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(strings.NewReader(header), ImportOptions{Now: noon}); err == nil {
		t.Error("a closed store takes an import")
	}
	if err := s.Export(&bytes.Buffer{}); err == nil {
		t.Error("a closed store is exported")
	}
}

// Many faults are told of at a time, but not all of a text that is no export.
func TestImportManyFaults(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	_, err := s.Import(strings.NewReader(`{"schema":"aliasflat/state/v1"}`+strings.Repeat("\n{}", 100)), ImportOptions{Now: noon})
	var lines LineErrors
	if !errors.As(err, &lines) || len(lines) != maxLineErrors || lines[0].Line != 2 {
		t.Errorf("err = %v", err)
	}
	_, err = s.Import(failing{}, ImportOptions{Now: noon})
	if err == nil || errors.As(err, &lines) && len(lines) == 0 {
		t.Errorf("err = %v", err)
	}
	if got := slices.Collect(s.Changes(Filter{})); len(got) > 0 || len(s.Zones(zone.Name{})) > 0 {
		t.Error("something was imported")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }
