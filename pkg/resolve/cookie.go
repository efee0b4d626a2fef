package resolve

import (
	"bytes"
	"crypto/rand"
	"sync/atomic"
)

// Lengths of cookies in octets (RFC 7873 §4).
const (
	clientCookieLen = 8
	maxCookieLen    = 40 // client and server cookie together
)

// cookies keeps what a resolver and we recognize each other by (RFC 7873): our part, which
// no other resolver sees, and the resolver's part, once it has sent one.
type cookies struct {
	client [clientCookieLen]byte
	both   atomic.Pointer[[]byte] // client and server cookie; nil before the resolver sent its part
}

func newCookies() *cookies {
	c := &cookies{}
	rand.Read(c.client[:]) // never fails, see randomness
	return c
}

// current is the cookie to send. Whoever gets it does not write to it.
func (c *cookies) current() []byte {
	if both := c.both.Load(); both != nil {
		return *both
	}
	return c.client[:]
}

// known tells whether the resolver has sent its part, so that a reply without one is odd.
func (c *cookies) known() bool { return c.both.Load() != nil }

// learn takes the cookie of a reply that fits its query.
func (c *cookies) learn(cookie []byte) {
	if len(cookie) <= clientCookieLen || !c.ours(cookie) {
		return
	}
	if both := c.both.Load(); both != nil && bytes.Equal(*both, cookie) {
		return
	}
	cookie = bytes.Clone(cookie)
	c.both.Store(&cookie)
}

// ours tells whether a cookie begins with our part, as only the resolver can know it.
func (c *cookies) ours(cookie []byte) bool {
	return bytes.HasPrefix(cookie, c.client[:])
}

// forget takes back what was learned: the resolver no longer sends cookies.
func (c *cookies) forget() { c.both.Store(nil) }
