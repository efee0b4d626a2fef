package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// smallPage is the size of pages in a file that is looked at byte by byte.
const smallPage = 512

// made gives the file of a store after several publications, which leave free pages and older
// copies of entries behind.
func made(tb testing.TB) []byte {
	tb.Helper()
	dir := tb.TempDir()
	s := open(tb, dir, Options{noSync: true, pageSize: smallPage})
	u := full()
	for i := range 3 {
		u.Zone.Serial++
		u.Now = noon.Add(time.Duration(i) * time.Hour)
		for n := range 12 {
			target := fmt.Sprintf("target-%d-%d.example.net.", i, n)
			u.Known[question(target, typeA, "")] = &resolve.Known{Addresses: addrs("192.0.2.1"), TTL: uint32(i), Resolver: strings.Repeat("r", 40)}
		}
		commit(tb, s, u)
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile(s.Path())
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func write(tb testing.TB, dir string, text []byte) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, fileName), text, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// A file with one wrong byte, wherever it is, either is found to be damaged or gives all that
// the sound one does: the byte was in no use.
func TestEveryByteFlipped(t *testing.T) {
	text, dir := made(t), t.TempDir()
	write(t, dir, text)
	want := contentsOf(open(t, dir, Options{ReadOnly: true}))
	if len(want.Known) < 36 || len(want.Zones) != 1 {
		t.Fatalf("the sound file has %d answers", len(want.Known))
	}
	dir = t.TempDir()
	step, found, unused := 1, 0, 0
	if testing.Short() {
		step = 13
	}
	for i := 0; i < len(text); i += step {
		flipped := byte(1 << (i % 8))
		text[i] ^= flipped
		_, err := verify(bytes.NewReader(text), int64(len(text)))
		switch {
		case errors.Is(err, errPages):
			found++
		case err != nil:
			t.Fatalf("byte %d: %v", i, err)
		default:
			if unused++; unused%500 == 0 { // as the tallies have told already, a few are enough
				write(t, dir, text)
				s := open(t, dir, Options{ReadOnly: true})
				same(t, contentsOf(s), want)
				if err := errors.Join(s.Problem(), s.Close()); err != nil {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
		}
		text[i] ^= flipped
	}
	t.Logf("%d bytes of %d in use", found, len(text)/step)
	if found*step < 5_000 || unused == 0 {
		t.Errorf("%d flips found and %d not: that is no test", found, unused)
	}
}

// A file that was cut anywhere is damaged, as long as the cut takes pages that are in use.
func TestEveryCut(t *testing.T) {
	text := made(t)
	used := len(bytes.TrimRight(text, "\x00"))
	for size := 0; size <= used-smallPage; size += 101 {
		if _, err := verify(bytes.NewReader(text[:size]), int64(size)); !errors.Is(err, errPages) {
			t.Errorf("%d of %d bytes: %v", size, used, err)
		}
	}
}

func TestCorruptPutAside(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		text := fmt.Sprintf("garbage %d", i+1)
		write(t, dir, []byte(text))
		if _, err := Open(dir, Options{ReadOnly: true}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("read: %v", err)
		}
		s := open(t, dir, Options{})
		var corrupt *CorruptError
		if !errors.As(s.Problem(), &corrupt) {
			t.Fatalf("problem = %v", s.Problem())
		}
		if want := fmt.Sprintf("%s-%d", asideName, i+1); filepath.Base(corrupt.Aside) != want {
			t.Errorf("put aside as %s, want %s", corrupt.Aside, want)
		}
		if got, err := os.ReadFile(corrupt.Aside); string(got) != text || err != nil {
			t.Errorf("%s has %q, %v", corrupt.Aside, got, err)
		}
		commit(t, s, full())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, Options{})
		if err := s.Problem(); err != nil || len(s.AllKnown()) == 0 {
			t.Errorf("after that: %v, %d answers", err, len(s.AllKnown()))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if list, _ := filepath.Glob(filepath.Join(dir, asideName+"-*")); len(list) != maxAside || filepath.Base(list[0]) != asideName+"-3" {
		t.Errorf("kept: %v", list)
	}
}

// A run that is killed while it makes a store leaves a file by another name, which the next
// one takes for nothing.
func TestCreateAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, newName), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{})
	commit(t, s, full())
	if s.Problem() != nil {
		t.Error(s.Problem())
	}
	if _, err := os.Stat(filepath.Join(dir, newName)); err == nil {
		t.Error("the half file is still there")
	}
}

// alter changes a store behind its back.
func alter(t *testing.T, dir string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func setHead(version int, extra string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		key := []byte(headKey)
		payload := []byte(fmt.Sprintf(`{"version":%d%s}`, version, extra))
		return tx.Bucket([]byte(bucketMeta)).Put(key, seal(bucketMeta, key, payload))
	}
}

// A store of a later release is left alone, whatever else is in it.
func TestLaterVersionRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	commit(t, s, full())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, dir, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("of the future"))
		return errors.Join(err, b.Put([]byte("k"), []byte("a value of another form")), setHead(2, `,"tally":{}`)(tx))
	})
	before, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {ReadOnly: true}} {
		_, err := Open(dir, o)
		var version *VersionError
		if !errors.As(err, &version) || version.Version != 2 || !errors.Is(err, ErrVersion) {
			t.Errorf("err = %v", err)
		}
	}
	after, err := os.ReadFile(s.Path())
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was touched, %v", err)
	}
}

// What bbolt itself holds to be sound is damaged all the same if it is not what was written.
func TestAlteredContents(t *testing.T) {
	key := questionKey(question("cdn.example.net.", typeA, ""))
	tests := []struct {
		what   string
		change func(*bbolt.Tx) error
		why    string
	}{
		{"an entry is lost", func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketKnown)).Delete(key) }, "as they were written"},
		{"an entry is another's", func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketKnown))
			return b.Put(questionKey(question("x.example.net.", typeA, "")), bytes.Clone(b.Get(key)))
		}, "checksum of an entry"},
		{"an entry is older", func(tx *bbolt.Tx) error {
			z := *full().Zone
			z.Serial--
			payload, err := json.Marshal(z.form())
			return errors.Join(err, tx.Bucket([]byte(bucketZones)).Put(z.key(), seal(bucketZones, z.key(), payload)))
		}, "as they were written"},
		{"a bucket is lost", func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketKnown)) }, "as they were written"},
		{"a bucket is too many", func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("other"))
			return errors.Join(err, b.Put([]byte("k"), seal("other", []byte("k"), nil)))
		}, "not known"},
		{"no head", func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) }, "the head is wrong"},
		{"a head of no version", setHead(0, ""), "format version 0"},
		{"a head of no form", func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(bucketMeta)).Put([]byte(headKey), seal(bucketMeta, []byte(headKey), []byte("{")))
		}, "head cannot be read"},
		{"a sequence", func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketKnown)).SetSequence(7) }, "sequence"},
		{"a bucket in a bucket", func(tx *bbolt.Tx) error {
			_, err := tx.Bucket([]byte(bucketKnown)).CreateBucket([]byte("inner"))
			return err
		}, "flags"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{})
			commit(t, s, full())
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			alter(t, dir, tt.change)
			var corrupt *CorruptError
			if _, err := Open(dir, Options{ReadOnly: true}); !errors.As(err, &corrupt) || !strings.Contains(corrupt.Why, tt.why) {
				t.Errorf("err = %v, want %q", err, tt.why)
			}
		})
	}
}

// The file is sound when it is opened. What happens to it after that is an error and no crash.
func TestChangedWhileOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, made(t))
	s := open(t, dir, Options{})
	if err := os.Truncate(s.Path(), 4096); err != nil {
		t.Fatal(err)
	}
	if k := s.AllKnown(); len(k) > 0 {
		t.Errorf("%d answers from nowhere", len(k))
	}
	if err := s.Problem(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("problem = %v", err)
	}
	if err := s.Commit(full()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Commit: %v", err)
	}
}

// Nor is it one when somebody writes over it.
func TestOverwrittenWhileOpen(t *testing.T) {
	for _, octet := range []byte{0, 0x55, 0xff} {
		dir := t.TempDir()
		text := made(t)
		write(t, dir, text)
		s := open(t, dir, Options{})
		f, err := os.OpenFile(s.Path(), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(bytes.Repeat([]byte{octet}, len(text))); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if k := s.AllKnown(); len(k) > 0 {
			t.Errorf("%#x: %d answers from nowhere", octet, len(k))
		}
		if err := s.Problem(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%#x: problem = %v", octet, err)
		}
		if err := s.Commit(full()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%#x: Commit: %v", octet, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%#x: %v", octet, err)
		}
	}
}

// FuzzState: whatever stands where a store should be, it is opened or put aside, and a serial
// that was committed after that does not go back.
func FuzzState(f *testing.F) {
	text := made(f)
	f.Add([]byte(nil))
	f.Add([]byte("garbage"))
	f.Add(text)
	f.Add(text[:len(text)/2])
	for i := 5; i < len(text); i += len(text) / 16 {
		flipped := bytes.Clone(text)
		flipped[i] ^= 0x10
		f.Add(flipped)
	}
	z := full().Zone
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := verify(bytes.NewReader(text), int64(len(text))); err != nil {
			if !errors.Is(err, errPages) {
				t.Fatal(err)
			}
			if len(text)%16 != 0 {
				return // what becomes of damaged ones is the same for all, and takes long
			}
		}
		dir := t.TempDir()
		write(t, dir, text)
		var serials [2]uint32
		for i := range serials {
			s, err := Open(dir, Options{noSync: true})
			if errors.Is(err, ErrVersion) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			contentsOf(s)
			now, _ := s.Zone(z.Name, z.View, z.Output)
			if now.Serial == 0 {
				now = *z
			}
			serials[i] = uint32(now.Serial)
			now.Serial = now.Serial.Next()
			if err := s.Commit(Update{Zone: &now, Now: noon}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if serials[0] == serials[1] {
			t.Errorf("serial %d was forgotten", serials[0])
		}
	})
}

func BenchmarkKnown(b *testing.B) {
	known := map[resolve.Question]*resolve.Known{}
	estimates := resolve.Estimates{}
	for i := range 100_000 {
		q := question(fmt.Sprintf("target-%d.cdn.example.net.", i), typeA, "")
		chain := []resolve.Link{{Owner: q.Target, Type: typeCNAME, Target: name(fmt.Sprintf("edge-%d.example.org.", i)), TTL: 300}}
		known[q] = &resolve.Known{Addresses: addrs("192.0.2.1", "192.0.2.2"), TTL: 60, Chain: chain, Resolver: "udp://192.0.2.53", Seen: noon, Since: noon}
		estimates[resolve.LinkKey{Owner: q.Target, Type: typeCNAME}] = resolve.Estimate{TTL: 300, Seen: resolve.MomentOf(noon), Expires: resolve.MomentOf(noon)}
	}
	dir := b.TempDir()
	b.Run("commit", func(b *testing.B) {
		for b.Loop() {
			s := open(b, b.TempDir(), Options{})
			commit(b, s, Update{Known: known, Estimates: estimates, Now: noon})
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	s := open(b, dir, Options{})
	commit(b, s, Update{Known: known, Estimates: estimates, Now: noon})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if err := open(b, dir, Options{}).Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	s = open(b, dir, Options{})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if len(s.AllKnown()) != len(known) {
				b.Fatal("not all is known")
			}
		}
	})
	b.Run("estimates", func(b *testing.B) {
		for b.Loop() {
			if len(s.Estimates()) != len(estimates) {
				b.Fatal("not all is known")
			}
		}
	})
	b.Run("commit again", func(b *testing.B) {
		for b.Loop() {
			commit(b, s, Update{Known: known, Estimates: estimates, Now: noon})
		}
	})
}
