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
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		for err == nil {
			select {
			case <-stop:
				stopped <- f.Close()
				return
			default:
				_, err = f.WriteString("x")
			}
		}
		stopped <- err
	}()
	_, err := ReadStable(path, nil)
	close(stop)
	if writeErr := <-stopped; writeErr != nil {
		t.Fatal(writeErr)
	}
	if !errors.Is(err, ErrChanging) {
		t.Errorf("a file that grows all the time gives %v", err)
	}
	if _, err := ReadStable(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file gives %v", err)
	}
}
