package dnstest

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Fault is a way to go wrong, and when. Several may be combined; the zero Fault changes
// nothing. [ParseFault] has the words for all of it.
type Fault struct {
	Condition
	Mistake
	Behavior
}

// Condition says when a fault applies. All of it has to hold; the zero Condition always
// does.
type Condition struct {
	FirstTurn, LastTurn int           // of the questions for the name and type, from 1; 0 means no bound
	Transport           string        // as in [Query]; empty means any
	At, Until           time.Duration // since the server started; 0 means no bound
	Chance              float64       // from 0 to 1; 0 means always
	Over                int           // more queries than this, of any kind, came within a second; 0 means always
}

// Mistake is what a server should not do.
type Mistake struct {
	// Instead of an answer.
	Rcode     int
	Drop      bool
	Garbage   bool // behind the right identifier
	Noise     bool
	NoiseSize int // octets; 0 means a random size

	// To the reply.
	Delay, DelayMax                                               time.Duration // DelayMax 0 means Delay
	Truncate, TruncateTCP, Oversize                               bool
	Pad                                                           int // octets
	WrongID, WrongPort, WrongQuestion, WrongType, WrongClass      bool
	WrongCase, WrongOpcode, QueryBit, NoQuestion, First           bool
	NoEDNS, NoOPT                                                 bool
	Lame, Referral, NoSOA, Extra                                  bool
	TwoCNAMEs, CNAMEAndA, CutChain, Loop, SelfCNAME, EndlessChain bool
	Chain                                                         int // links; 0 means as in the world
	Addresses                                                     int // 0 means as in the world
	Reverse, Shuffle                                              bool
	TTLs                                                          []uint32 // by turn, the last one ever after
	MixedTTL                                                      bool
	EDE                                                           []dns.EDNS0_EDE
	Cut                                                           bool
	CutSize                                                       int // octets that are left; 0 means a random number
	Flip                                                          int // bits

	// To a connection.
	Hangup, Reset, HalfClose, OutOfOrder bool
	Slow                                 time.Duration // between octets
	Partial                              int           // octets, with those of the length; 0 means all
	CloseAfter                           int           // queries; 0 means the limit of the server

	// To an answer over HTTP.
	Status      int // 0 means 200
	ContentType string
	Body        int // octets of junk instead of a message; 0 means the message
	HTTPAge     int // seconds in a cache of HTTP
}

// Behavior is how a server may well be. It is told from a Mistake because that of every
// fault that applies counts, where of mistakes only one does.
type Behavior struct {
	Authoritative bool // no recursion: its zones with their delegations and nothing else
	Recursive     bool // AA is clear
	Countdown     bool // answers from a cache
	Age           time.Duration
	Caches        int // that take turns at random; 0 means 1
	Rotate        bool
	Subset        int // addresses at a time; 0 means all
	Cookies       CookieMode
	DNS64         netip.Prefix
	Rewrite       []netip.Addr // instead of NXDOMAIN
	AD            bool
	RRSIG         bool
	ECS           bool
	ECSScope      int // 0 means as long as the client's prefix
}

// add takes from other what b leaves open.
func (b *Behavior) add(other *Behavior) {
	b.Authoritative = b.Authoritative || other.Authoritative
	b.Recursive = b.Recursive || other.Recursive
	b.Rotate = b.Rotate || other.Rotate
	b.AD = b.AD || other.AD
	b.RRSIG = b.RRSIG || other.RRSIG
	if !b.Countdown {
		b.Countdown, b.Age = other.Countdown, other.Age
	}
	if b.Caches == 0 {
		b.Caches = other.Caches
	}
	if b.Subset == 0 {
		b.Subset = other.Subset
	}
	if b.Cookies == CookiesNone {
		b.Cookies = other.Cookies
	}
	if !b.DNS64.IsValid() {
		b.DNS64 = other.DNS64
	}
	if b.Rewrite == nil {
		b.Rewrite = other.Rewrite
	}
	if !b.ECS {
		b.ECS, b.ECSScope = other.ECS, other.ECSScope
	}
}

// holds tells whether the condition is met.
func (c *Condition) holds(o *occasion) bool {
	since := o.query.Time.Sub(o.server.started)
	switch {
	case o.turn < c.FirstTurn, c.LastTurn > 0 && o.turn > c.LastTurn:
		return false
	case c.Transport != "" && c.Transport != o.query.Transport:
		return false
	case since < c.At, c.Until > 0 && since >= c.Until:
		return false
	case c.Over > 0 && o.inSecond <= c.Over:
		return false
	}
	return c.Chance == 0 || o.random().Float64() < c.Chance
}
