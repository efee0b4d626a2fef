package publish

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReadStable reads a file that somebody writes to: never a half of it, and an error where
// the writing does not end.
func TestReadStable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	whole := bytes.Repeat([]byte("a line of a zone\n"), 4096)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ReadStable(path, nil); err != nil || !bytes.Equal(text, whole) {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	grow := func(times int) func(string, []byte) ([]byte, error) {
		return func(path string, buf []byte) ([]byte, error) {
			text, err := ReadRegular(path, buf)
			if times--; err != nil || times < 0 {
				return text, err
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return nil, err
			}
			_, err = f.WriteString("more\n")
			return text, errors.Join(err, f.Close())
		}
	}
	if text, err := readStable(path, nil, grow(2)); err != nil || len(text) != len(whole)+2*len("more\n") {
		t.Errorf("a file that grows twice gives %d bytes, %v", len(text), err)
	}
	if _, err := readStable(path, nil, grow(stableReads)); !errors.Is(err, ErrChanging) {
		t.Errorf("a file that grows all the time gives %v", err)
	}
	if _, err := ReadStable(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file gives %v", err)
	}
}
