package state

import (
	"cmp"
	"context"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// lockFirst begins the first line of every lock file; the version follows.
const lockFirst = "; aliasflat lock file v"

const lockVersion = 1

// lockTarget begins the comment that names a target.
const lockTarget = "; target:"

// lockComment is what the file says of itself.
const lockComment = `; What each ALIAS target had when this file was written. A comment that names a
; target and its types is followed by the chain that leads to its addresses, in
; order, and by these, with original TTLs. A type that is named and has no address
; had none (NODATA). "aliasflat compile --update-lock" writes this file anew, and
; "aliasflat compile --locked" resolves from it alone.
`

// Lock is what the targets of a run had, in a form that people review: zone-file syntax, sorted,
// and without any time, so that it changes only when the world does.
//
// It is a [resolve.Lookuper] that answers from what is listed alone. It never blocks, and may
// be used concurrently once nothing is added any more.
type Lock struct {
	Name string // of the file; what answers give as their resolver

	entries map[resolve.Question]locked
}

// locked is what a target has of one type.
type locked struct {
	chain     []resolve.Link // with original TTLs
	addresses []netip.Addr   // sorted, unique; empty: NODATA
	ttl       uint32         // seconds, of the addresses
}

var _ resolve.SubnetLookuper = (*Lock)(nil)

// NewLock makes a lock with nothing in it.
func NewLock(name string) *Lock {
	return &Lock{Name: name, entries: map[resolve.Question]locked{}}
}

// Add lists the answer to a question in place of what was listed. The TTLs are taken for the
// original ones, see [resolve.Estimates.Apply]. What has no addresses is listed as NODATA. A
// failure says nothing that could be listed: it gives false, and what was listed stays.
func (l *Lock) Add(q resolve.Question, a *resolve.Answer) bool {
	if a.Outcome == resolve.Failure || a.Outcome == 0 {
		return false
	}
	e := locked{chain: slices.Clone(a.Chain)}
	for i := range e.chain {
		link := &e.chain[i]
		link.TTL, link.OriginalTTL = original(link.TTL, link.OriginalTTL), 0
	}
	if a.Outcome == resolve.Addresses {
		e.addresses, e.ttl = a.Addresses, original(a.AddressTTL, a.OriginalTTL)
	}
	l.entries[q] = e
	return true
}

// original is an original TTL: that of an RRSIG where one is known.
func original(ttl, signed uint32) uint32 { return min(cmp.Or(signed, ttl), resolve.MaxTTL) }

// Keep lists what another lock has for a question, and tells whether that has anything.
func (l *Lock) Keep(other *Lock, q resolve.Question) bool {
	e, ok := other.entries[q]
	if ok {
		l.entries[q] = e
	}
	return ok
}

// Has tells whether a question is listed.
func (l *Lock) Has(q resolve.Question) bool {
	_, ok := l.entries[q]
	return ok
}

// Len is how many questions are listed.
func (l *Lock) Len() int { return len(l.entries) }

// Questions gives all questions that are listed, in no order.
func (l *Lock) Questions() iter.Seq[resolve.Question] { return maps.Keys(l.entries) }

// Same tells whether two locks list the same for a question, or both nothing.
func (l *Lock) Same(other *Lock, q resolve.Question) bool {
	a, b := l.entries[q], other.entries[q]
	return l.Has(q) == other.Has(q) && a.ttl == b.ttl && slices.Equal(a.chain, b.chain) && slices.Equal(a.addresses, b.addresses)
}

// Observe has estimates take the TTLs that are listed for the original ones.
func (l *Lock) Observe(e resolve.Estimates, now time.Time) {
	for q := range l.entries {
		e.Observe(l.answer(q), now)
	}
}

// Lookup answers from what is listed; ctx is not needed. What is not listed is a failure with
// [resolve.ReasonNotLocked].
func (l *Lock) Lookup(_ context.Context, target zone.Name, qtype uint16) resolve.Answer {
	return l.answer(resolve.Question{Target: target, Type: qtype})
}

// For gives a Lookuper for what is listed for a client subnet.
func (l *Lock) For(subnet resolve.Subnet) resolve.Lookuper { return lockedFor{l, subnet} }

// lockedFor is a lock for a client subnet.
type lockedFor struct {
	lock   *Lock
	subnet resolve.Subnet
}

// Lookup is [Lock.Lookup] for the subnet.
func (f lockedFor) Lookup(_ context.Context, target zone.Name, qtype uint16) resolve.Answer {
	return f.lock.answer(resolve.Question{Target: target, Type: qtype, Subnet: f.subnet})
}

func (l *Lock) answer(q resolve.Question) resolve.Answer {
	a := resolve.Answer{Target: q.Target, Type: q.Type, Last: q.Target}
	e, ok := l.entries[q]
	if !ok {
		a.Outcome, a.Reason, a.Detail = resolve.Failure, resolve.ReasonNotLocked, "not in the lock file "+l.Name
		if p := q.Subnet.Prefix(); p.IsValid() {
			a.Detail += " for " + p.String()
		}
		return a
	}
	a.Resolver, a.Authoritative, a.Chain = l.Name, true, e.chain
	a.Last, _ = endOf(q.Target, e.chain)
	if len(e.chain) > 0 {
		a.TTL = resolve.MaxTTL
	}
	for _, link := range e.chain {
		a.TTL = min(a.TTL, link.TTL)
	}
	a.Outcome, a.Confirmed = resolve.NoData, true // it was reviewed
	if len(e.addresses) > 0 {
		a.Confirmed = false
		a.Outcome, a.Addresses, a.AddressTTL = resolve.Addresses, e.addresses, e.ttl
		if len(e.chain) == 0 || e.ttl < a.TTL {
			a.TTL = e.ttl
		}
	}
	return a
}

// endOf follows a chain from a target, and tells whether each link leads on from the one
// before.
func endOf(name zone.Name, chain []resolve.Link) (zone.Name, bool) {
	for _, l := range chain {
		switch {
		case l.Type == typeCNAME && l.Owner == name:
			name = l.Target
		case l.Type == typeDNAME && name.IsBelow(l.Owner):
			next, ok := name.Replace(l.Owner, l.Target)
			if !ok {
				return name, false
			}
			name = next
		default:
			return name, false
		}
	}
	return name, true
}

// WriteTo writes the text of the file.
func (l *Lock) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(l.Append(nil))
	return int64(n), err
}

// Append appends the text of the file. The same contents give the same bytes.
func (l *Lock) Append(dst []byte) []byte {
	dst = append(dst, lockFirst+strconv.Itoa(lockVersion)+"\n"+lockComment...)
	for _, s := range l.sections() {
		dst = append(dst, '\n')
		dst = s.append(dst)
	}
	return dst
}

// section is the part of a file about one target: its types, which share their chain.
type section struct {
	target zone.Name
	subnet resolve.Subnet
	types  []uint16
	each   []locked // of each type
}

// sections gives the parts of the file in their order: by target, by subnet, A before AAAA.
func (l *Lock) sections() []section {
	questions := make([]resolve.Question, 0, len(l.entries))
	for q := range l.entries {
		questions = append(questions, q)
	}
	slices.SortFunc(questions, func(a, b resolve.Question) int {
		return cmp.Or(a.Target.Compare(b.Target), a.Subnet.Prefix().Compare(b.Subnet.Prefix()), cmp.Compare(a.Type, b.Type))
	})
	var list []section
	for _, q := range questions {
		e := l.entries[q]
		if n := len(list); n > 0 {
			last := &list[n-1]
			if last.target == q.Target && last.subnet == q.Subnet && slices.Equal(last.each[0].chain, e.chain) {
				last.types, last.each = append(last.types, q.Type), append(last.each, e)
				continue
			}
		}
		list = append(list, section{q.Target, q.Subnet, []uint16{q.Type}, []locked{e}})
	}
	return list
}

func (s *section) append(dst []byte) []byte {
	dst = append(dst, s.head()...)
	dst = append(dst, '\n')
	last, _ := endOf(s.target, s.each[0].chain)
	for _, l := range s.each[0].chain {
		dst = appendRecord(dst, l.Owner, l.TTL, l.Type, l.Target.String())
	}
	for i, e := range s.each {
		for _, a := range e.addresses {
			dst = appendRecord(dst, last, e.ttl, s.types[i], a.String())
		}
	}
	return dst
}

// head is the comment that names a target.
func (s *section) head() string {
	words := []string{lockTarget, s.target.String()}
	for _, t := range s.types {
		words = append(words, typeText(t))
	}
	if p := s.subnet.Prefix(); p.IsValid() {
		words = append(words, "for", p.String())
	}
	return strings.Join(words, " ")
}

func appendRecord(dst []byte, owner zone.Name, ttl uint32, t uint16, rdata string) []byte {
	dst = append(dst, owner.String()...)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(ttl), 10)
	dst = append(dst, " IN "...)
	dst = append(dst, typeText(t)...)
	dst = append(dst, ' ')
	dst = append(dst, rdata...)
	return append(dst, '\n')
}
