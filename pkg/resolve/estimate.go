package resolve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// LinkKey names an RRset on the way from a target to its addresses: a CNAME, a DNAME, A or
// AAAA.
type LinkKey struct {
	Owner zone.Name
	Type  uint16
}

// MarshalText gives the owner and the type, as in "www.example.net. CNAME".
func (k LinkKey) MarshalText() ([]byte, error) {
	return []byte(k.Owner.String() + " " + dns.Type(k.Type).String()), nil
}

// UnmarshalText reads what MarshalText gives.
func (k *LinkKey) UnmarshalText(text []byte) error {
	owner, typ, ok := strings.Cut(string(text), " ")
	qtype, known := dns.StringToType[typ]
	if !ok || !known {
		return fmt.Errorf("%q is no owner and type", text)
	}
	name, err := zone.ParseName(owner, zone.Name{})
	if err != nil {
		return err
	}
	*k = LinkKey{Owner: name, Type: qtype}
	return nil
}

// Estimate is what is known of the original TTL of one RRset: the TTL that it has where no
// cache counts it down.
type Estimate struct {
	TTL uint32 `json:"ttl"` // seconds; the original is this or more, unless it was lowered

	Seen    Moment `json:"seen"`    // when it was observed last
	Expires Moment `json:"expires"` // when every cache has dropped all that was observed

	Lower uint32 `json:"lower,omitempty"` // a lower value that was seen after expiry,
	Times uint8  `json:"times,omitempty"` // so often running; 0: none was
	Noise uint8  `json:"noise,omitempty"` // how many such runs another value has ended
}

// Estimates is the estimates of all RRsets that answers went through. It is a plain value, so
// that it can be kept between runs, and what it does depends on its arguments alone.
//
// A cache counts the TTL down, so what is seen is a lower bound of the original, and what was
// seen before stays true when the addresses change. An estimate rises at once. It falls at
// once to what is exact: the original TTL in an RRSIG, or the TTL in an authoritative answer.
// Otherwise it falls only after the same lower value was seen three times running, each time
// after all that was seen before had expired, and lower than a cache could have counted down
// since. No countdown does that to a resolver that we alone ask, however many caches it has.
// Several caches that others keep filled may do it by chance, which cannot be told from a TTL
// that was lowered: each run that does not last shows that there are several, and has the next
// one be longer.
type Estimates map[LinkKey]Estimate

const (
	// lowerTimes is how often a lower value is seen running before it is believed.
	lowerTimes = 3
	// maxNoise bounds how much longer a run of lower values has to be.
	maxNoise = 16
)

// Observe takes in the TTLs of an answer that was given at a time. A stale answer, and one
// that failed, say nothing.
func (e Estimates) Observe(a Answer, now time.Time) {
	if a.Stale || a.Outcome == Failure {
		return
	}
	for _, l := range a.Chain {
		e.observe(LinkKey{l.Owner, l.Type}, l.TTL, l.OriginalTTL, a.Authoritative, now)
	}
	if a.Outcome == Addresses {
		e.observe(LinkKey{a.Last, a.Type}, a.AddressTTL, a.OriginalTTL, a.Authoritative, now)
	}
}

// TTL gives the TTL to publish an answer's addresses with, in seconds: the least estimate on
// the way, or the TTL as seen where nothing was observed.
func (e Estimates) TTL(a Answer) uint32 { return e.Apply(a).TTL }

// Apply gives the answer with every TTL replaced by its estimate, where there is one. The
// slices of the answer stay as they are.
func (e Estimates) Apply(a Answer) Answer {
	ttl := uint32(MaxTTL)
	a.Chain = slices.Clone(a.Chain)
	for i := range a.Chain {
		l := &a.Chain[i]
		l.TTL = e.of(LinkKey{l.Owner, l.Type}, l.TTL)
		ttl = min(ttl, l.TTL)
	}
	if a.Outcome == Addresses {
		a.AddressTTL = e.of(LinkKey{a.Last, a.Type}, a.AddressTTL)
		ttl = min(ttl, a.AddressTTL)
	}
	if a.Outcome == Addresses || len(a.Chain) > 0 {
		a.TTL = ttl
	}
	return a
}

func (e Estimates) of(k LinkKey, seen uint32) uint32 {
	if known, ok := e[k]; ok {
		return known.TTL
	}
	return seen
}

// Forget drops the estimates of what was not observed since a time.
func (e Estimates) Forget(since time.Time) {
	for k, known := range e {
		if known.Seen < MomentOf(since) {
			delete(e, k)
		}
	}
}

func (e Estimates) observe(k LinkKey, seen, original uint32, authoritative bool, now time.Time) {
	known, ok := e[k]
	switch {
	case original != 0:
		known = exactly(original, seen, now)
	case authoritative, !ok:
		known = exactly(seen, seen, now)
	default:
		known = known.after(seen, now)
	}
	e[k] = known
}

// exactly is the estimate for a TTL that is beyond doubt, or the only one known.
func exactly(ttl, seen uint32, now time.Time) Estimate {
	return Estimate{TTL: ttl, Seen: MomentOf(now), Expires: MomentOf(now.Add(lifetime(seen)))}
}

// lifetime is how long a cache may keep what it gave a TTL for: TTLs are whole seconds.
func lifetime(ttl uint32) time.Duration { return time.Duration(ttl+1) * time.Second }

// after is the estimate once a cache gave a TTL.
func (e Estimate) after(seen uint32, now time.Time) Estimate {
	if latest := MomentOf(now.Add(lifetime(e.TTL))); e.Expires > latest {
		e.Expires = latest // the clock was set back
	}
	late := now.Sub(e.Expires.Time())
	switch {
	case seen < e.TTL && late < 0:
		// It may be counted down from what was seen before.
	case seen >= e.TTL || seen+secondsUp(late)+2 >= e.TTL:
		// It is the original, or others had it fetched since then, and it is counted down from
		// that. One second is for the rounding of each, the TTL and the time of expiry.
		e.endRun()
		e.TTL = max(e.TTL, seen)
	default:
		if seen != e.Lower {
			e.endRun()
		}
		e.Lower = seen
		e.Times++
	}
	e.Expires = max(e.Expires, MomentOf(now.Add(lifetime(seen))))
	e.Seen = MomentOf(now)
	if e.Times >= lowerTimes+e.Noise {
		e.TTL, e.Lower, e.Times = seen, 0, 0
	}
	return e
}

// endRun counts a run of lower values that did not last.
func (e *Estimate) endRun() {
	if e.Times > 0 {
		e.Noise = min(e.Noise+1, maxNoise)
	}
	e.Lower, e.Times = 0, 0
}

// secondsUp is a duration in seconds, rounded up.
func secondsUp(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }
