package watch

import (
	"net/netip"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Kind is what an event tells, a word that is stable.
type Kind string

// The kinds of events.
const (
	KindStarted   Kind = "started"   // the daemon has begun; Message tells with what
	KindReady     Kind = "ready"     // every zone has been tried once
	KindPublished Kind = "published" // a zone went out under a new serial
	KindChanged   Kind = "changed"   // an address RRset of that zone is another one; told before KindPublished
	KindRewritten Kind = "rewritten" // an output was written anew under its serial
	KindPushed    Kind = "pushed"    // a server was sent what is published, and is seen to have it
	KindFailing   Kind = "failing"   // a zone cannot be published; what was published stands
	KindRecovered Kind = "recovered" // a zone that was failing or holding is as it should be
	KindHolding   Kind = "holding"   // a zone holds last good addresses, or a guard holds something back
	KindTarget    Kind = "target"    // a target fails, or answers again
	KindSource    Kind = "source"    // a source or an include has changed
	KindReloaded  Kind = "reloaded"  // a new configuration was taken in
	KindRefused   Kind = "refused"   // a new configuration was not taken in
	KindRefresh   Kind = "refresh"   // somebody has asked for a refresh
	KindStopping  Kind = "stopping"  // the daemon ends
	KindTrouble   Kind = "trouble"   // something of the daemon itself, such as its memory

	KindTransferred Kind = "transferred" // a secondary has transferred a zone, or its transfer was cut short
	KindFollows     Kind = "follows"     // a secondary serves what is published, or cannot be told or asked
	KindLags        Kind = "lags"        // a secondary does not serve what is published, for long
	KindPulled      Kind = "pulled"      // a zone was transferred from its primary, or that answers again
	KindPullFails   Kind = "pull-fails"  // a primary does not answer, or what it sends cannot be used; the copy is used on
	KindExpired     Kind = "expired"     // the copy of a zone is older than its EXPIRE; what is published stands

	KindEdited Kind = "edited" // somebody has edited records of a source, or was refused
	KindDenied Kind = "denied" // somebody has asked the primary for what he does not get
)

// Event is something that happened. It never changes once it is told.
type Event struct {
	Time     time.Time
	Kind     Kind
	Severity diag.Severity // zero: it is as it should be

	Zone zone.Name // the zero Name: it is about no zone
	View string

	// With KindChanged and KindTarget.
	Owner    zone.Name
	Type     uint16 // A or AAAA
	Target   zone.Name
	From, To []netip.Addr // empty: there was none, or is none
	Resolver string       // URL of who said so

	OldSerial, NewSerial zone.Serial // with KindPublished; OldSerial 0: not known
	Serials              bool        // they are set

	Message string           // one clause, lower case, no final stop; what the fields above say is not in it
	Found   *diag.Diagnostic // the first problem, where there is one
}
