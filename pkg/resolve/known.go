package resolve

import (
	"net/netip"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// MaxEarlier is how many earlier address sets of a question are remembered.
const MaxEarlier = 16

// Known is what is remembered of the answers to one question. The zero Known is nothing.
// It is a plain value: a run reads it and hands a new one over to be kept. Its slices are
// shared and not written to.
type Known struct {
	// Addresses are the last good ones, sorted and unique: those that were published last.
	// Empty: none are known.
	Addresses []netip.Addr
	TTL       uint32    // seconds, that they were published with before the bounds of any ALIAS
	Raised    bool      // TTL is that of a ttl-min: an output shows it, and what is below is not known
	Chain     []Link    // by which they were found; may be nil
	Resolver  string    // URL of who gave them; empty: not known
	Seen      time.Time // when they were confirmed by an answer last; zero: their age is not known
	Since     time.Time // when this set was published first; zero: not known

	// Earlier are the address sets before, newest first, each once, at most MaxEarlier.
	Earlier [][]netip.Addr

	Missing Missing // the negative answer that came after Seen; zero: none did
	Held    Held    // what a guard keeps from being published; zero: nothing
	Gone    bool    // a negative answer was confirmed, and no address has been accepted since
	Dropped bool    // Addresses are not published any more
}

// Seen is that a question was answered with addresses.
type Seen struct {
	Addresses []netip.Addr // sorted and unique
	Time      time.Time
}

// Missing is a negative answer that is not acted on yet, or was.
type Missing struct {
	Outcome     Outcome   // NoData or NXDomain; zero: there is none
	First       time.Time // when it was seen first, without another answer in between
	Last        time.Time
	NegativeTTL uint32 // seconds, of the first; the same answer after that confirms it (RFC 2308 §5)
	Resolver    string // URL of who gave the first
	Confirmed   bool
}

// Held is an address set that a guard holds back.
type Held struct {
	Addresses []netip.Addr
	Guard     string    // which guard: a word that is stable
	Zone      zone.Name // in which zone of the run it was noticed first; zero: not known
	First     time.Time // when it was seen first
	Last      time.Time // when it was counted last
	Times     int       // how often it was seen, at least one TTL apart; 0: nothing is held
	Accepted  bool      // somebody has accepted it; the next run publishes it
}

// IsZero tells whether nothing at all is known.
func (k *Known) IsZero() bool {
	return k == nil || len(k.Addresses) == 0 && len(k.Earlier) == 0 && k.Missing.Outcome == 0 && k.Held.Times == 0 && !k.Gone
}

// Accept lets through what is not acted on yet: addresses that a guard holds back, and a
// negative answer that is not confirmed. It tells whether there was any.
func (k *Known) Accept() bool {
	held, missing := k.Held.Times > 0 && !k.Held.Accepted, k.Missing.Outcome != 0 && !k.Missing.Confirmed
	k.Held.Accepted = k.Held.Accepted || held
	k.Missing.Confirmed = k.Missing.Confirmed || missing
	return held || missing
}

// Had tells whether any address is one of the last good ones or of an earlier set.
func (k *Known) Had(addresses []netip.Addr) bool {
	return shares(k.Addresses, addresses) || slices.ContainsFunc(k.Earlier, func(set []netip.Addr) bool { return shares(set, addresses) })
}

// shares tells whether two sorted sets have an address in common.
func shares(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(addr netip.Addr) bool {
		_, ok := slices.BinarySearchFunc(b, addr, netip.Addr.Compare)
		return ok
	})
}

// LastGood gives what is known as an answer to a question: that what was good stays.
func (k *Known) LastGood(target zone.Name, qtype uint16) Answer {
	return Answer{Target: target, Type: qtype, Outcome: Addresses, Chain: k.Chain, Last: target, Addresses: k.Addresses, TTL: k.TTL, AddressTTL: k.TTL, Resolver: k.Resolver}
}
