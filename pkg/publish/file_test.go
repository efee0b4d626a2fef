package publish

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

const source = "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n NS ns\nns A 192.0.2.53\n"

// textOf gives a zone as the text of a rewrite that changes nothing.
func textOf(t *testing.T, zoneText string) (*zonefile.Text, Meant) {
	t.Helper()
	z := zonefile.Read("zone", []byte(zoneText), zonefile.Options{})
	if z.Found.HasErrors() {
		t.Fatal(z.Found.Err())
	}
	text, _ := z.Rewrite(zonefile.Rewrite{})
	serial, _ := z.Serial()
	return text, Meant{Origin: z.Name, Content: z.Content(nil, nil), Serial: serial}
}

func write(t *testing.T, path, zoneText string) (bool, error) {
	t.Helper()
	text, meant := textOf(t, zoneText)
	return Write(path, text, Verify(meant, text, nil))
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// only fails where a folder holds anything but the names.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	changed, err := write(t, path, source)
	if err != nil || !changed || content(t, path) != source {
		t.Fatalf("first: %v, %v, %q", changed, err, content(t, path))
	}
	old := time.Unix(1e9, 0)
	if err := errors.Join(os.Chtimes(path, old, old), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	if changed, err = write(t, path, source); err != nil || changed {
		t.Fatalf("the same again: %v, %v", changed, err)
	}
	if info, _ := os.Stat(path); !info.ModTime().Equal(old) {
		t.Error("an unchanged file was touched")
	}
	other := strings.Replace(source, " 7 ", " 8 ", 1)
	if changed, err = write(t, path, other); err != nil || !changed || content(t, path) != other {
		t.Fatalf("changed: %v, %v", changed, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 || info.ModTime().Equal(old) {
		t.Errorf("mode %v, time %v", info.Mode(), info.ModTime())
	}
	only(t, dir, "zone.db")
}

func TestWriteFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	if _, err := write(t, link, source); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "file" || content(t, file) != source {
		t.Errorf("link to %q, %v; file has %q", to, err, content(t, file))
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nothing", dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, dangling, filepath.Join(dir, "no", "folder")} {
		if changed, err := write(t, path, source); err == nil || changed {
			t.Errorf("%s was written", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not name %s", err, path)
		}
	}
	only(t, dir, "dangling")
}

// TestWriteJudges keeps the old file when what was written is refused.
func TestWriteJudges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	if _, err := write(t, path, source); err != nil {
		t.Fatal(err)
	}
	text, meant := textOf(t, strings.Replace(source, "192.0.2.53", "192.0.2.54", 1))
	for name, wrong := range map[string]func(*Meant){
		"records": func(m *Meant) { m.Content.Raw++ },
		"count":   func(m *Meant) { m.Content.Lines++ },
		"serial":  func(m *Meant) { m.Serial++ },
		"origin":  func(m *Meant) { m.Origin = zone.MustParseName("example.net.") },
	} {
		m := meant
		wrong(&m)
		if changed, err := Write(path, text, Verify(m, text, nil)); changed || !errors.Is(err, ErrVerify) {
			t.Errorf("%s: %v, %v", name, changed, err)
		}
	}
	if content(t, path) != source {
		t.Error("the old file does not stand")
	}
	only(t, dir, "zone.db")
}

func TestVerifyText(t *testing.T) {
	_, meant := textOf(t, source)
	if err := VerifyText(meant, []byte(source)); err != nil {
		t.Error(err)
	}
	for name, written := range map[string]string{
		"broken": source + "x A 192.0.2\n",
		"ALIAS":  source + "x ALIAS cdn.example.net.\n",
		"cut":    source[:len(source)-20],
		"empty":  "",
	} {
		if err := VerifyText(meant, []byte(written)); !errors.Is(err, ErrVerify) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyBefore judges a text that differs by some addresses from one that was read: its bytes
// are looked at all the same, and what it is meant to have.
func TestVerifyBefore(t *testing.T) {
	z := zonefile.Read("zone", []byte(source+"www ALIAS cdn.example.net.\n"), zonefile.Options{})
	rewrite := func(serial zone.Serial, address string) (*zonefile.Text, Meant) {
		text, _ := z.Rewrite(zonefile.Rewrite{Aliases: [][]byte{[]byte("www 60 IN A " + address + "\n")}, Serial: &serial})
		content := zonefile.Read("zone", text.Bytes(), zonefile.Options{}).Content(nil, nil)
		return text, Meant{Origin: z.Name, Content: content, Serial: serial}
	}
	old, was := rewrite(8, "192.0.2.1")
	text, meant := rewrite(9, "192.0.2.2")
	meant.Before = Verified{Text: old, Content: was.Content}
	if !text.Follows(old, was.Content, meant.Content, 9) {
		t.Fatal("it has to be read")
	}
	path := filepath.Join(t.TempDir(), "zone.db")
	verify := func(m Meant, written []byte) error {
		if err := os.WriteFile(path, written, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return Verify(m, text, nil)(f)
	}
	good := text.Bytes()
	if err := verify(meant, good); err != nil {
		t.Error(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] = '#'
		if err := verify(meant, bad); !errors.Is(err, ErrVerify) {
			t.Errorf("byte %d is another: %v", i, err)
		}
	}
	if err := verify(meant, old.Bytes()); !errors.Is(err, ErrVerify) {
		t.Errorf("the old text: %v", err)
	}
	for name, wrong := range map[string]func(*Meant){
		"records": func(m *Meant) { m.Content.Raw++ },
		"count":   func(m *Meant) { m.Content.Lines++ },
		"serial":  func(m *Meant) { m.Serial++ },
	} {
		m := meant
		wrong(&m)
		if err := verify(m, good); !errors.Is(err, ErrVerify) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyReadsTheFile finds bytes that are not those that were written, and
// bytes that are missing, anywhere.
func TestVerifyReadsTheFile(t *testing.T) {
	text, meant := textOf(t, source)
	path := filepath.Join(t.TempDir(), "zone.db")
	verify := func(written string) error {
		if err := os.WriteFile(path, []byte(written), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return Verify(meant, text, nil)(f)
	}
	if err := verify(source); err != nil {
		t.Error(err)
	}
	for i := range len(source) {
		if err := verify(source[:i] + "#" + source[i+1:]); !errors.Is(err, ErrVerify) {
			t.Errorf("byte %d is another: %v", i, err)
		}
		if err := verify(source[:i]); !errors.Is(err, ErrVerify) {
			t.Errorf("the file ends at %d: %v", i, err)
		}
	}
}

func TestSame(t *testing.T) {
	text, _ := textOf(t, source)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"same":    {source, true},
		"shorter": {source[:10], false},
		"other":   {strings.ToUpper(source), false},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if same, err := Same(path, text); err != nil || same != c.same {
			t.Errorf("%s: %v, %v", name, same, err)
		}
	}
	if same, err := Same(filepath.Join(dir, "nothing"), text); err != nil || same {
		t.Errorf("no file: %v, %v", same, err)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone.db")
	if b, err := Read(path, nil); b != nil || err != nil {
		t.Errorf("no file: %q, %v", b, err)
	}
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	want := strings.Repeat(source, 1<<20/len(source)+1)
	if err := os.WriteFile(large, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(large, nil); string(b) != want || err != nil {
		t.Errorf("a large file: %d bytes, %v", len(b), err)
	}
	for _, buf := range [][]byte{nil, make([]byte, 3), make([]byte, 1<<16)} {
		if b, err := Read(path, buf); string(b) != source || err != nil {
			t.Errorf("%d bytes of memory: %q, %v", len(buf), b, err)
		}
	}
	if _, err := Read(filepath.Dir(path), nil); err == nil {
		t.Error("a folder was read")
	}
}

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone.db")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	good := []string{"named-checkzone", "{zone}", "{file}"}
	if err := Check(t.Context(), [][]string{good, {}}, "example.com", path); err != nil {
		t.Error(err)
	}
	err := Check(t.Context(), [][]string{{"named-checkzone", "example.net", "{file}"}}, "example.com", path)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "named-checkzone example.net "+path) {
		t.Errorf("another zone: %v", err)
	}
	if err := Check(t.Context(), [][]string{{"/nowhere/checker"}}, "example.com", path); !errors.Is(err, ErrRefused) || strings.HasSuffix(err.Error(), ": ") {
		t.Errorf("no checker: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Check(ctx, [][]string{good}, "example.com", path); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	exchange := []string{"sh", "-c", `cp "$1" "$1.new" && mv "$1.new" "$1"`, "sh", "{file}"}
	if err := Check(t.Context(), [][]string{exchange, good}, "example.com", path); !errors.Is(err, ErrReplaced) {
		t.Errorf("another file: %v", err)
	}
	for range 2 {
		if err := Check(t.Context(), [][]string{{"rm", "-f", "{file}"}}, "example.com", path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
	}
}

// TestReadPublished reads what was published in the ways that need not have it
// in memory.
func TestReadPublished(t *testing.T) {
	text, meant := textOf(t, source)
	dir := t.TempDir()
	path := filepath.Join(dir, "zone.db")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if head, err := ReadHead(path); string(head) != source || err != nil {
		t.Errorf("head: %q, %v", head, err)
	}
	if _, known, err := SameRecords(path, text); known || err != nil {
		t.Errorf("a text without a serial part is compared: %v, %v", known, err)
	}
	found, known, err := Summarize(path, zonefile.Options{Origin: meant.Origin})
	if !known || err != nil || found.Sum != meant.Content.Raw || found.Serial != meant.Serial {
		t.Errorf("summary: %v, %v, %v", found, known, err)
	}
	missing := filepath.Join(dir, "missing")
	if head, err := ReadHead(missing); head != nil || err != nil {
		t.Errorf("head of no file: %q, %v", head, err)
	}
	for _, path := range []string{missing, dir} {
		if _, _, err := SameRecords(path, text); err == nil {
			t.Errorf("%s is compared", path)
		}
		if _, _, err := Summarize(path, zonefile.Options{Origin: meant.Origin}); err == nil {
			t.Errorf("%s is summarized", path)
		}
	}
	if _, err := ReadHead(dir); err == nil {
		t.Error("the head of a folder was read")
	}
}
