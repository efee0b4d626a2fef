package resolve

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds of one lookup.
const (
	// MaxLinks is how many CNAME and DNAME links a chain may have.
	MaxLinks = 16
	// MaxTTL caps every TTL, in seconds (RFC 8767 §4).
	MaxTTL = 7 * 24 * 60 * 60
)

// Outcome is what a lookup came to. The zero Outcome is none of them.
type Outcome uint8

// The outcomes, never confused with each other.
const (
	Addresses  Outcome = iota + 1 // at least one address
	NoData                        // the name exists and has no address of the type
	WeakNoData                    // as NoData, but without the SOA that would prove it
	NXDomain                      // the name does not exist
	Failure                       // nothing is known about the name
)

// String is the outcome as operators write it.
func (o Outcome) String() string {
	switch o {
	case Addresses:
		return "addresses"
	case NoData:
		return "NODATA"
	case WeakNoData:
		return "weak NODATA"
	case NXDomain:
		return "NXDOMAIN"
	case Failure:
		return "failure"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Reason is the kind of a failure. The zero Reason means there is none.
type Reason uint8

// The kinds of failure.
const (
	ReasonServfail         Reason = iota + 1 // SERVFAIL
	ReasonRefused                            // REFUSED
	ReasonRcode                              // any other rcode that is no answer
	ReasonTimeout                            // no usable reply in time
	ReasonNetwork                            // the resolver could not be reached, or hung up
	ReasonMalformed                          // a reply that contradicts itself or cannot be read
	ReasonLame                               // neither AA nor RA, or a referral
	ReasonNoSOA                              // NXDOMAIN without the SOA that proves it
	ReasonLoop                               // a chain that comes back to one of its names
	ReasonChainTooLong                       // more than MaxLinks links
	ReasonNameTooLong                        // a DNAME made a name of more than 255 octets
	ReasonTruncated                          // cut short over TCP too
	ReasonBlocked                            // EDE 4, 15, 16 or 17: forged, blocked, censored, filtered
	ReasonStale                              // EDE 19: a stale NXDOMAIN
	ReasonRefusedAddress                     // an address that the policy refuses
	ReasonTooManyAddresses                   // more addresses than the policy lets pass
	ReasonDNS64                              // AAAA made by a DNS64, and no A beside it
	ReasonBadResolver                        // the resolver gives addresses to names that cannot exist
	ReasonDisagree                           // resolvers say different things
	ReasonNotValidated                       // no AD bit where one is required
	ReasonNoServer                           // no authoritative server could be asked
	ReasonCanceled                           // the context ended, or the client was closed
	ReasonCertificate                        // the resolver does not prove to be the one asked for
	ReasonHTTP                               // an HTTP status that is no answer (RFC 8484 §4.2.1)
	ReasonNotLocked                          // a lock file does not list the target
)

// reasonText is indexed by Reason.
var reasonText = [...]string{
	"",
	"SERVFAIL",
	"REFUSED",
	"error code",
	"timeout",
	"network error",
	"malformed answer",
	"lame answer",
	"NXDOMAIN without SOA",
	"loop",
	"chain too long",
	"name too long",
	"truncated answer",
	"blocked",
	"stale NXDOMAIN",
	"refused address",
	"too many addresses",
	"made by DNS64",
	"resolver that invents addresses",
	"disagreement",
	"not validated",
	"no authoritative server",
	"canceled",
	"certificate refused",
	"HTTP error",
	"not locked",
}

// String names the kind in a word or two.
func (r Reason) String() string {
	if int(r) < len(reasonText) {
		return reasonText[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Link is one step of a chain.
type Link struct {
	Owner       zone.Name // for a DNAME its own owner, an ancestor of the name it rewrote
	Type        uint16    // CNAME or DNAME
	Target      zone.Name
	TTL         uint32 // seconds, as seen
	OriginalTTL uint32 // seconds, from its RRSIG; 0 means unknown
}

// EDE is an extended DNS error (RFC 8914).
type EDE struct {
	Code uint16
	Text string // as sent, made safe to print; may be empty
}

// String is the code, its registered meaning and the server's own text.
func (e EDE) String() string {
	s := fmt.Sprintf("EDE %d", e.Code)
	if name, ok := dns.ExtendedErrorCodeToString[e.Code]; ok {
		s += " " + name
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Attempt is one question to one resolver and what came of it.
type Attempt struct {
	Resolver  string // URL
	Transport string // "udp", "tcp", "tls", "https" or "quic"
	Name      zone.Name
	Type      uint16
	Duration  time.Duration
	Rcode     int // -1 without a reply
	EDE       []EDE
	Err       string   // empty when the reply could be used
	Flags     string   // "aa ra ad", those that are set; with [Options.KeepAttempts] only, as what follows
	Records   []string // of the reply, as far as they may count: one a line, TTL behind the owner name
}

// Answer is the result of one lookup. Whoever gets one may share its slices with
// others and must not write to them.
type Answer struct {
	Target  zone.Name
	Type    uint16
	Outcome Outcome
	Reason  Reason // zero unless the outcome is Failure
	Stale   bool   // EDE 3: the resolver could not refresh what it had
	// Authoritative says that no cache had part in the answer, so that its TTLs are
	// original: every reply had AA and none RA. A server that is authoritative for the
	// first name and recurses too gives the rest of a chain from its cache.
	Authoritative bool
	// Confirmed says that a second resolver gave the same kind of negative answer, see
	// [Client.Confirm], or that the answer is of a world that knows all there is.
	Confirmed bool
	// SubnetUnused says that the resolver refused the client subnet, so that the answer is
	// for nobody in particular.
	SubnetUnused bool
	Chain        []Link
	Last         zone.Name    // where the chain ends; Target without one
	Addresses    []netip.Addr // sorted numerically, unique
	Special      []netip.Addr // those of Addresses that only some clients can reach; set by [Policy.Check]
	DNS64        Pref64       // where the AAAA records lay that a DNS64 made; set by [SettleDNS64]
	TTL          uint32       // seconds, the least of every link and the address RRset
	AddressTTL   uint32       // seconds, of the address RRset alone, as seen
	OriginalTTL  uint32       // seconds, of the address RRset, from its RRSIG; 0 means unknown
	NegativeTTL  uint32       // seconds (RFC 2308 §5); 0 means unknown
	Resolver     string       // URL of the resolver whose word this is
	Detail       string       // one clause for people, lower case, no final stop
	// Attempts is how the answer came about, first to last: of one that needs no explaining,
	// only what came before the last attempt, unless [Options.KeepAttempts] says otherwise.
	Attempts []Attempt
}

// LastReply is the rcode and the extended errors of the last reply that the resolver of the
// answer gave; without a reply rcode is empty.
func (a *Answer) LastReply() (rcode string, errors []EDE) {
	for _, t := range slices.Backward(a.Attempts) {
		if t.Resolver == a.Resolver && t.Rcode >= 0 {
			return rcodeName(t.Rcode), t.EDE
		}
	}
	return "", nil
}

// failed gives the answer as a failure. What it knew of the chain stays.
func (a Answer) failed(f failure) Answer {
	a.Outcome, a.Reason, a.Detail = Failure, f.reason, f.detail
	a.Addresses, a.Special = nil, nil
	a.NegativeTTL = 0
	return a
}

// failure is why a lookup came to nothing.
type failure struct {
	reason Reason
	detail string
	own    bool // the lookup has used up what it may cost: that is no news for others
}

func failuref(reason Reason, format string, args ...any) *failure {
	return &failure{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// maxText is how much of a server's own text is kept, in bytes.
const maxText = 200

// printable makes text from the network safe for a terminal and for one line.
func printable(b []byte) string {
	if len(b) > maxText {
		b = b[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimRight(strings.ToValidUTF8(string(b), "?"), "\x00"))
}
