//go:build unix

package api

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/publish"
)

// What root makes is the daemon's, which is the owner of the folder.
func TestTokensOfRootAreOfTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	tokens := OpenTokens(filepath.Join(dir, TokensName))
	for range 2 { // the file is made, and then replaced
		if _, _, err := tokens.Create(t.Context(), Grant{Scopes: Scopes}, "", time.Now(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, TokensName))
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Uid != nobody || s.Gid != nobody || info.Mode().Perm() != 0o600 {
			t.Errorf("the file is of %d:%d with mode %v", s.Uid, s.Gid, info.Mode())
		}
	}
}

// The socket for HTTP is for the group of its folder, and for nobody else.
func TestSharedSocketIsTheGroups(t *testing.T) {
	const other = 65534
	dir := t.TempDir()
	gid := os.Getgid()
	if os.Geteuid() == 0 {
		gid = other
		if err := os.Chown(dir, -1, gid); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "http.sock")
	s, err := ListenShared(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Gid) != gid || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is of group %d with mode %v", st.Gid, info.Mode())
	}
	if _, err := ListenShared(t.Context(), path); !errors.Is(err, publish.ErrLocked) {
		t.Errorf("a second daemon: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	made := filepath.Join(dir, "run", "http.sock")
	if s, err = ListenShared(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // the test is over
	if m := mode(t, filepath.Dir(made)); m.Perm() != 0o750 {
		t.Errorf("its folder has mode %v", m)
	}
	if s.Listener().Addr().String() != made {
		t.Errorf("it listens at %v", s.Listener().Addr())
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenShared(t.Context(), path); err == nil {
		t.Error("a file was replaced")
	}
}
