package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/publish"
)

const (
	// TokenPrefix begins every secret, so that those who look for leaked ones find it.
	TokenPrefix = "af_"
	// TokensName is the name of the file of tokens in the folder of the state.
	TokensName = "tokens.json"
	// SchemaTokens names the form of that file.
	SchemaTokens = "aliasflat/tokens/v1"

	maxTokens     = 1000
	maxTokensFile = 1 << 20 // bytes
	tokenWait     = 10 * time.Second

	// expiredKept is how long a token whose time is over is listed, so that somebody who wonders
	// about it finds it.
	expiredKept = 30 * 24 * time.Hour
)

// Token is what a secret allows. The secret itself is not in it.
type Token struct {
	Grant

	ID      string    `json:"id"`             // tells tokens apart, in lists and in the audit log
	Note    string    `json:"note,omitempty"` // what it is for, in somebody's words
	Hash    string    `json:"hash"`           // SHA-256 of the secret, in hexadecimal digits
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Expired tells whether the time of a token is over.
func (t *Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

type tokenFile struct {
	Schema string  `json:"schema"`
	Tokens []Token `json:"tokens"`
}

// Tokens are the tokens of a daemon, in a file that only its owner may read. The file may be
// changed by other processes meanwhile: what it says holds at once. Its methods may be called
// concurrently.
type Tokens struct {
	path string

	mu   sync.Mutex
	seen fs.FileInfo // of the file that list was read from; nil: there was none
	list []Token
}

// OpenTokens gives the tokens in a file, which need not be there.
func OpenTokens(path string) *Tokens { return &Tokens{path: path} }

// List gives the tokens in the order of their creation.
func (t *Tokens) List() ([]Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.look(); err != nil {
		return nil, err
	}
	return slices.Clone(t.list), nil
}

// look reads the file where it is another one than before.
func (t *Tokens) look() error {
	info, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.seen, t.list = nil, nil
		return nil
	case err != nil:
		return fmt.Errorf("tokens: %w", err)
	case info.Size() == 0: // made a moment ago
		t.seen, t.list = info, nil
		return nil
	case info.Size() > maxTokensFile:
		return fmt.Errorf("tokens: %s has more than %d bytes", t.path, maxTokensFile)
	case t.seen != nil && os.SameFile(t.seen, info) && t.seen.ModTime().Equal(info.ModTime()) && t.seen.Size() == info.Size():
		return nil
	}
	text, err := publish.ReadRegular(t.path, nil)
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	var file tokenFile
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("tokens: %s: %w", t.path, err)
	}
	if file.Schema != SchemaTokens {
		return fmt.Errorf("tokens: %s has the schema %q, and not %q", t.path, file.Schema, SchemaTokens)
	}
	t.seen, t.list = info, file.Tokens
	return nil
}

// Verify gives the token of a secret. It is an ErrNoToken that there is none, or that its time
// is over. How long it takes tells nothing about the secrets that there are.
func (t *Tokens) Verify(secret string, now time.Time) (Token, error) {
	list, err := t.List()
	if err != nil {
		return Token{}, err
	}
	hash := []byte(hashOf(secret))
	found := -1
	for i := range list {
		if subtle.ConstantTimeCompare([]byte(list[i].Hash), hash) == 1 {
			found = i
		}
	}
	if found < 0 || list[found].Expired(now) {
		return Token{}, ErrNoToken
	}
	return list[found], nil
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Create makes a token and gives it with its secret, which nobody can be told again. Tokens that
// have expired long ago are dropped.
func (t *Tokens) Create(ctx context.Context, g Grant, note string, now, expires time.Time) (Token, string, error) {
	secret := TokenPrefix + rand.Text() + rand.Text()
	made := Token{
		Grant: g, ID: strings.ToLower(rand.Text()[:8]), Note: note, Hash: hashOf(secret),
		Created: now.UTC().Truncate(time.Second), Expires: expires,
	}
	err := t.change(ctx, func() error {
		t.list = slices.DeleteFunc(t.list, func(k Token) bool { return k.Expired(now.Add(-expiredKept)) })
		if len(t.list) >= maxTokens {
			return fmt.Errorf("tokens: there are %d, revoke some first", len(t.list))
		}
		t.list = append(t.list, made)
		return nil
	})
	if err != nil {
		return Token{}, "", err
	}
	return made, secret, nil
}

// ErrNoToken says that there is no token of an ID.
var ErrNoToken = errors.New("there is no such token")

// Revoke takes the token of an ID away. Requests that are under way with it go on.
func (t *Tokens) Revoke(ctx context.Context, id string) error {
	return t.change(ctx, func() error {
		i := slices.IndexFunc(t.list, func(k Token) bool { return k.ID == id })
		if i < 0 {
			return fmt.Errorf("token %q: %w", id, ErrNoToken)
		}
		t.list = slices.Delete(t.list, i, i+1)
		return nil
	})
}

// change applies a change to the file while no other process does.
func (t *Tokens) change(ctx context.Context, f func() error) (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lock, err := publish.TakeLock(ctx, t.path, tokenWait)
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	t.seen = nil
	if err := t.look(); err != nil {
		return err
	}
	t.list, t.seen = slices.Clone(t.list), nil
	if err := f(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(tokenFile{SchemaTokens, t.list}, "", "  ")
	if err != nil {
		return err
	}
	if _, err := os.Lstat(t.path); errors.Is(err, fs.ErrNotExist) {
		// The mode of a file that is replaced is kept, so an empty one comes first.
		file, err := os.OpenFile(t.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("tokens: %w", err)
		}
		if err := errors.Join(ownAsFolder(file), file.Close()); err != nil {
			return fmt.Errorf("tokens: %w", errors.Join(err, os.Remove(t.path)))
		}
	}
	if _, err := publish.WriteBytes(t.path, append(text, '\n')); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	return nil
}
