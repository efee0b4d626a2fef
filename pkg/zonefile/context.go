package zonefile

import "github.com/aliasflat/aliasflat/pkg/zone"

// context is what the entries before a place mean for the entry at it: the
// origin, the owner name that a blank owner field repeats, and the TTL that a
// record without one gets.
//
// The TTL rules are BIND's (RFC 1035 §5.1, RFC 2308 §4): $TTL wins, without it
// the last TTL is repeated, and a first record that is an SOA lends its
// MINIMUM. BIND also gives all records of one type that stand together at an
// owner the first one's TTL, and repeats that one; run is there for it.
type context struct {
	origin     []byte // wire form, case as written; never changed in place
	owner      [zone.MaxNameLen]byte
	ownerLen   uint8
	hasOwner   bool
	broken     bool // the owner name of the last record that had one cannot be read
	outside    bool // the owner is out of zone, so its records do not count
	hasDefault bool // $TTL, or an SOA's MINIMUM in its place
	minimum    bool // it is the SOA's MINIMUM
	hasTTL     bool // some TTL was written
	defaultTTL uint32
	ttl        uint32 // of the last record
	newOrigin  bool   // no record since the last $ORIGIN

	// A piece read ahead does not know what stands before it.
	guessed   bool // origin and $TTL are guessed, all else is unknown until a record sets it
	setTTL    bool // the piece set ttl
	runLen    uint8
	run       [maxRun]typeTTL
	firstHash uint64 // of the first owner name the piece set
}

// maxRun is how many types at one owner the TTL rule of BIND is followed for.
const maxRun = 12

type typeTTL struct {
	typ uint16
	ttl uint32
}

func (c *context) ownerName() []byte { return c.owner[:c.ownerLen] }

// runTTL gives the TTL that a record of a type gets at the current owner: the
// one of the first record of that type in this run of records.
func (c *context) runTTL(typ uint16, ttl uint32) uint32 {
	for i := range c.run[:c.runLen] {
		if c.run[i].typ == typ {
			return c.run[i].ttl
		}
	}
	if c.runLen < maxRun {
		c.run[c.runLen] = typeTTL{typ, ttl}
		c.runLen++
	}
	return ttl
}

// sameOwner tells whether a blank owner field means the same in both.
func (c *context) sameOwner(other *context) bool {
	return c.hasOwner == other.hasOwner && string(c.ownerName()) == string(other.ownerName())
}
