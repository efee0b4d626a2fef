package publish

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

const editedSource = "$TTL 60\n@ SOA ns.example.net. hm 1 2 3 4 5\n@ NS ns.example.net.\n"

// editedText adds a record to editedSource.
func editedText(t *testing.T) *zonefile.Text {
	t.Helper()
	z := zonefile.Read("zone", []byte(editedSource), zonefile.Options{Origin: zone.MustParseName("example.com.")})
	edited, found := z.Edit([]zonefile.RRsetChange{{Kind: zonefile.AddRecords, Owner: z.Name, Type: zonefile.TypeALIAS, RDATA: []string{"cdn.example.net."}}})
	if edited == nil {
		t.Fatal(found)
	}
	return edited.Text
}

func editedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zone.db")
	if err := os.WriteFile(path, []byte(editedSource), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// leftOver lists what is beside a file.
func leftOver(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestWriteEdited(t *testing.T) {
	path := editedFile(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteEdited(link, editedText(t), ETag([]byte(editedSource))); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != editedSource+"@ ALIAS cdn.example.net.\n" {
		t.Errorf("edited:\n%s", got)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if names := leftOver(t, path); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

// TestWriteEditedMeanwhile has somebody write the file before the replacement.
func TestWriteEditedMeanwhile(t *testing.T) {
	path := editedFile(t)
	err := WriteEdited(path, editedText(t), ETag([]byte("another text")))
	if !errors.Is(err, ErrEdited) || content(t, path) != editedSource {
		t.Errorf("another ETag: %v, %q", err, content(t, path))
	}
	if names := leftOver(t, path); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

// TestStillIs finds what was written between the last look and the replacement: it is in the file
// that was replaced.
func TestStillIs(t *testing.T) {
	path := editedFile(t)
	etag := ETag([]byte(editedSource))
	if err := stillIs(path, etag); err != nil {
		t.Fatal(err)
	}
	previous, err := keep(path)
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Replace(editedSource, "60", "90", 1)
	if err := os.WriteFile(path, []byte(theirs), 0o640); err != nil { // in place, as some editors do
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(filepath.Dir(editedFile(t)), "zone.db"), path); err != nil {
		t.Fatal(err)
	}
	err = undoEdit(previous, etag)
	if !errors.Is(err, ErrEdited) || content(t, path) != theirs {
		t.Errorf("%v, and the file is %q", err, content(t, path))
	}
	if names := leftOver(t, path); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestWriteEditedFails(t *testing.T) {
	path := editedFile(t)
	missing := filepath.Join(filepath.Dir(path), "missing", "zone.db")
	if err := WriteEdited(missing, editedText(t), ETag(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if err := WriteEdited(filepath.Dir(path), editedText(t), ETag(nil)); !errors.Is(err, errNotRegular) {
		t.Errorf("a folder: %v", err)
	}
	gone := filepath.Join(filepath.Dir(path), "gone.db")
	if err := WriteEdited(gone, editedText(t), ETag(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if names := leftOver(t, path); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
	previous := &Previous{path: path, name: filepath.Join(filepath.Dir(path), "not-there")}
	if err := undoEdit(previous, ETag(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was replaced is gone: %v", err)
	}
}

func TestETag(t *testing.T) {
	if a, b := ETag([]byte("a")), ETag([]byte("b")); a == b || len(a) != 32 || a != ETag([]byte("a")) {
		t.Errorf("%s, %s", a, b)
	}
}
