//go:build unix

package api

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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
