package primary

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func folderFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

// TestFolder keeps entries over restarts at any place, and a file that is cut anywhere gives the
// entries before that.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	const last = 5
	var want [][]byte
	var f *Folder
	for i := range 40 {
		if i%7 == 0 {
			var err error
			if f, err = NewFolder(dir); err != nil {
				t.Fatal(err)
			}
		}
		entry := bytes.Repeat([]byte{byte(i)}, i*10)
		want = append(want, entry)
		if err := f.Keep(example, entry, last); err != nil {
			t.Fatal(err)
		}
		got, err := f.Load(example)
		if err != nil || len(got) < min(last, len(want)) || len(got) > 2*last ||
			!slices.EqualFunc(got, want[len(want)-len(got):], bytes.Equal) {
			t.Fatalf("%d: %d entries, %v", i, len(got), err)
		}
	}
	file := folderFile(t, dir)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	entries, _ := f.Load(example)
	for cut := range len(whole) {
		if err := os.WriteFile(file, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		f, _ = NewFolder(dir)
		got, err := f.Load(example)
		if err != nil || len(got) >= len(entries) || !slices.EqualFunc(got, entries[:len(got)], bytes.Equal) {
			t.Fatalf("cut at %d: %d entries, %v", cut, len(got), err)
		}
		if cut%97 > 0 {
			continue
		}
		if err := f.Keep(example, []byte("next"), 50); err != nil {
			t.Fatal(err)
		}
		if again, err := f.Load(example); err != nil || len(again) != len(got)+1 || string(again[len(got)]) != "next" {
			t.Fatalf("cut at %d: %d entries behind %d, %v", cut, len(again), len(got), err)
		}
	}
}

func TestFolderZones(t *testing.T) {
	dir := t.TempDir()
	f, err := NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	other := zone.MustParseName(`odd\/\000.test`)
	for _, name := range []zone.Name{example, other} {
		if err := f.Keep(name, []byte("x"), 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"", "junk", fileMagic, fileMagic + "\x05\x03abc"} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.history", len(text))), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "else"), fileHead(catalogName), 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := f.Zones()
	if err != nil || !slices.Equal(sorted(names), sorted([]zone.Name{example, other})) {
		t.Errorf("%v, %v", names, err)
	}
	for range 2 { // what is not there can be forgotten
		if err := f.Forget(other); err != nil {
			t.Error(err)
		}
	}
	if got, err := f.Load(other); len(got) > 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestFolderFailures: what cannot be written or read is an error, and then works again.
func TestFolderFailures(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewFolder(filepath.Join(folderOf(t, dir), "x")); err == nil {
		t.Error("a folder in a file")
	}
	f, err := NewFolder(filepath.Join(dir, "history"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(example, []byte("x"), 2); err == nil {
		t.Error("kept in no folder")
	}
	if _, err := f.Zones(); err == nil {
		t.Error("zones of no folder")
	}
	if err := os.MkdirAll(f.path(example), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(example); err == nil {
		t.Error("a folder was read")
	}
	if err := os.WriteFile(filepath.Join(f.path(example), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Forget(example); err == nil {
		t.Error("a folder that is not empty was removed")
	}
	if _, err := f.Zones(); err == nil {
		t.Error("a folder has a head")
	}
	if err := os.RemoveAll(f.path(example)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		if err := f.Keep(example, []byte("x"), 5); err != nil {
			t.Error(err)
		}
		if got, err := f.Load(example); len(got) != n || err != nil {
			t.Errorf("%d entries, %v", len(got), err)
		}
	}
	if err := os.Remove(f.path(example)); err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(example, []byte("x"), 5); err == nil {
		t.Error("kept behind what is gone")
	}
	if err := f.Keep(example, []byte("x"), 5); err != nil {
		t.Error(err)
	}
}

func folderOf(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRestart: IXFR goes on from the differences of the process before, if they lead to the zone
// that is served first.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	textOf := func(serial int) string { return soaLine(serial) + fmt.Sprintf("a A 192.0.2.%d\n%s", serial, filling) }
	begin := func(serial int, text string) *running {
		f, err := NewFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, Options{History: f}, setup(t, example))
		s.publish(t, zoneOf(t, example, text))
		return s
	}
	s := begin(1, textOf(1))
	for serial := 2; serial <= 4; serial++ {
		s.publish(t, zoneOf(t, example, textOf(serial)))
	}
	s.stop()
	incremental := func(from uint32) bool {
		rrs := s.pull(t, ixfr(example, from))
		return rrs[1].Header().Rrtype == dns.TypeSOA
	}
	s = begin(4, textOf(4))
	for from := range uint32(3) {
		if !incremental(from + 1) {
			t.Errorf("from %d it comes whole", from+1)
		}
	}
	if s.Status()[0].Differences != 3 {
		t.Errorf("status: %+v", s.Status()[0])
	}
	s.publish(t, zoneOf(t, example, textOf(5)))
	if !incremental(1) {
		t.Error("the new difference does not go on from the old ones")
	}
	s.stop()
	// The same serial with other content, as nobody should publish it.
	s = begin(5, textOf(5)+"b A 192.0.2.1\n")
	if incremental(4) {
		t.Error("differences to another zone are served")
	}
	s.stop()
	s = begin(5, textOf(5))
	if incremental(4) {
		t.Error("what was forgotten is served")
	}
	s.stop()
	// A zone that is set up no more leaves nothing.
	f, err := NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(example, []byte("x"), 1); err != nil {
		t.Fatal(err)
	}
	start(t, Options{History: f}, setup(t))
	if names, err := f.Zones(); len(names) > 0 || err != nil {
		t.Errorf("%v, %v", names, err)
	}
}

// filling makes a zone longer than its differences.
var filling = func() string {
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "f%d TXT %s\n", i, strings.Repeat("x", 100))
	}
	return text.String()
}()

// TestHistoryFails: what cannot be kept is served all the same, and told.
func TestHistoryFails(t *testing.T) {
	history := newMemory()
	history.broken = true
	s := start(t, Options{History: history}, setup(t, example))
	s.publish(t, zoneOf(t, example, soaLine(1)+filling))
	s.publish(t, zoneOf(t, example, soaLine(2)+filling))
	if rrs := s.pull(t, ixfr(example, 1)); len(rrs) != 4 {
		t.Errorf("%v", rrs)
	}
	if len(s.seen.problems) != 3 { // to look for others, to load and to keep
		t.Errorf("told: %v", s.seen.problems)
	}
}

func TestStepsKept(t *testing.T) {
	old := zoneOf(t, example, soaLine(1)+"a A 192.0.2.1\nb MX 5 a\n")
	latest := zoneOf(t, example, soaLine(2)+"a A 192.0.2.2\nb 60 MX 5 a\n")
	good := difference(old, latest).encode()
	st, err := decodeStep(example, good)
	if err != nil || !bytes.Equal(st.encode(), good) || st.from != 1 || st.to != 2 || st.records != 6 {
		t.Fatalf("%+v, %v", st, err)
	}
	for cut := range good {
		if _, err := decodeStep(example, good[:cut]); err == nil {
			t.Errorf("cut at %d", cut)
		}
	}
	if _, err := decodeStep(zone.MustParseName("example.net"), good); err == nil {
		t.Error("of another zone")
	}
	if _, err := decodeStep(example, append(bytes.Clone(good), 0)); err == nil {
		t.Error("with more behind it")
	}
	soa := *st
	soa.added = append(bytes.Clone(st.added), st.newSOA...)
	if _, err := decodeStep(example, soa.encode()); err == nil {
		t.Error("with an SOA among the records")
	}
}

// TestGapInHistory: steps count from the last gap on.
func TestGapInHistory(t *testing.T) {
	history := newMemory()
	zones := make([]*Zone, 6)
	for i := range zones {
		zones[i] = zoneOf(t, example, soaLine(i+1)+fmt.Sprintf("a A 192.0.2.%d\n", i)+filling)
	}
	for i := range 5 {
		if i != 1 {
			history.entries[example] = append(history.entries[example], difference(zones[i], zones[i+1]).encode())
		}
	}
	s := start(t, Options{History: history}, setup(t, example))
	s.publish(t, zones[5])
	if n := s.Status()[0].Differences; n != 3 {
		t.Errorf("%d differences", n)
	}
	damaged := bytes.Clone(history.entries[example][2])
	damaged[0]++
	history.entries[example][2] = damaged
	s = start(t, Options{History: history}, setup(t, example))
	s.publish(t, zones[5])
	if n := s.Status()[0].Differences; n != 1 || len(s.seen.problems) != 1 {
		t.Errorf("%d differences, %v", n, s.seen.problems)
	}
}
