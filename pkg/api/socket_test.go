package api

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/publish"
)

// listenAt opens a socket that must be free.
func listenAt(t *testing.T, path string) *Socket {
	t.Helper()
	s, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestSocketIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "aliasflat", SocketName)
	s := listenAt(t, path)
	if runtime.GOOS != "windows" {
		if m := mode(t, path); m.Perm() != 0o600 {
			t.Errorf("the socket has mode %v", m)
		}
		if m := mode(t, filepath.Dir(path)); m.Perm() != 0o700 {
			t.Errorf("the folder has mode %v", m)
		}
	}
	if s.Path() != path {
		t.Errorf("path %s", s.Path())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestSocketOfTheLivingIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	s := listenAt(t, path)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err := Listen(t.Context(), path)
	held, ok := errors.AsType[*publish.LockedError](err)
	if !ok || held.PID != os.Getpid() || held.Path != path {
		t.Errorf("a second daemon: %v", err)
	}
	if m := mode(t, path); m.Type() != fs.ModeSocket {
		t.Errorf("the socket of the first is %v", m)
	}
}

func TestSocketOfTheDeadIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("a socket that nobody listens on: %v", err)
	}
	s := listenAt(t, path)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketOfAnotherProgramIsLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := Listen(t.Context(), path); !errors.Is(err, publish.ErrLocked) {
		t.Errorf("a socket of another program: %v", err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the other program is cut off: %v", err)
	} else {
		conn.Close()
	}
}

func TestSocketDoesNotReplaceFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), path); err == nil || !strings.Contains(err.Error(), "something else than a socket") {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	if held, _, err := publish.LockHolder(path + ".held"); held || err != nil {
		t.Errorf("the lock is kept: %v, %v", held, err)
	}
}

func TestSocketPathTooLong(t *testing.T) {
	_, err := Listen(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("x", 100)))
	if err == nil || !strings.Contains(err.Error(), "no more than 103") {
		t.Error(err)
	}
}

func TestSocketFolderCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), filepath.Join(file, SocketName)); err == nil {
		t.Error("a socket below a file")
	}
}

// What a request uses may be closed when Serve has returned.
func TestServeWaitsForRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	s := listenAt(t, path)
	d := &fakeDaemon{loading: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	served, asked := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(ctx, Options{Daemon: d}) }()
	go func() {
		_, err := NewClient(path).Reload(t.Context())
		asked <- err
	}()
	<-d.loading
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if d.reloaded != 1 {
		t.Error("the request is still under way")
	}
	if err := <-asked; errors.Is(err, ErrNoDaemon) {
		t.Error(err) // the request was there before the end
	}
	var g gate
	g.close()
	w := httptest.NewRecorder()
	g.guard(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a request behind a closed gate: %d", w.Code)
	}
}

// That the daemon ends while somebody follows its events ends both.
func TestServeEndsWithItsReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	s := listenAt(t, path)
	feed := newFeed(1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, Options{Daemon: &fakeDaemon{}, Feed: feed}) }()
	seen := 0
	err := NewClient(path).Events(t.Context(), Following{Last: -1, Follow: true}, func(*Event) error {
		seen++
		cancel()
		return nil
	})
	if err != nil || seen != 1 {
		t.Errorf("%d events, %v", seen, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}
