package primary

import (
	"net/netip"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Observer is told what happens. Each function may be nil, and may be called by several
// goroutines at once; it must not block, and must not call the server.
type Observer struct {
	// Refused is told of each request that did not get what it asked for, one for the changes
	// since a serial that is not reached here among them.
	Refused func(Refusal)
	// Transferred is told of each transfer that has ended.
	Transferred func(Transfer)
	// Followed is told how secondaries follow.
	Followed func(Follow)
	// Notified is told of each NOTIFY that was taken for a zone of [Setup.Sources].
	Notified func(name zone.Name, client netip.AddrPort)
	// Problem is told what goes wrong without keeping a zone from being served: history that
	// is not kept, a socket that fails.
	Problem func(error)
}

func (o *Observer) refused(r Refusal) {
	if o.Refused != nil {
		o.Refused(r)
	}
}

func (o *Observer) transferred(t Transfer) {
	if o.Transferred != nil {
		o.Transferred(t)
	}
}

func (o *Observer) followed(f Follow) {
	if o.Followed != nil {
		o.Followed(f)
	}
}

func (o *Observer) notified(name zone.Name, client netip.AddrPort) {
	if o.Notified != nil {
		o.Notified(name, client)
	}
}

func (o *Observer) problem(err error) {
	if o.Problem != nil {
		o.Problem(err)
	}
}

// Refusal is a request that did not get what it asked for.
type Refusal struct {
	Client  netip.AddrPort // not valid where it is not known
	Network string         // udp, tcp or tls; empty where it is not known
	Update  bool           // it is an UPDATE of the zone Name
	Name    string         // that it asked for, in presentation format; empty: that was not read
	Type    uint16
	Key     string // the name of the key that it was signed with, whether it is right or not
	Rcode   int    // that was answered; 0: the SOA alone was; -1: nothing was
	Error   uint16 // that of the TSIG record in the answer; 0: none
	Reason  string // in a clause
}

// Transfer is a transfer that has ended.
type Transfer struct {
	Client      netip.AddrPort
	Network     string
	Zone        zone.Name
	Key         zone.Name
	Incremental bool
	From        zone.Serial // that the client had; it holds with Incremental
	Serial      zone.Serial // that it gets
	Messages    int
	Records     int
	Bytes       int64
	Took        time.Duration
	Err         error // what cut it short; nil: it is whole
}

// FollowKind is what a [Follow] tells.
type FollowKind uint8

// What is told of secondaries.
const (
	FollowReached FollowKind = iota // it serves the serial that it should
	FollowFailed                    // NOTIFY was not acknowledged, or its SOA not told
	FollowLagging                   // it has not served the serial for [Limits.Lag]; told once until it does
)

// String gives the kind as one word.
func (k FollowKind) String() string { return [...]string{"reached", "failed", "lagging"}[k] }

// Follow is what came of telling or asking a secondary.
type Follow struct {
	Kind      FollowKind
	Zone      zone.Name
	Secondary netip.AddrPort
	Serial    zone.Serial   // that it should serve
	Lag       time.Duration // since that is served here
	Err       error         // with FollowFailed
}
