package api

import (
	"cmp"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Why is what led to what is published for a name.
type Why struct {
	Schema string     `json:"schema"`
	Name   string     `json:"name"`
	RRsets []WhyRRset `json:"rrsets"`
}

// WhyRRset is what led to one flattened RRset.
type WhyRRset struct {
	Zone   string `json:"zone,omitempty"` // empty: only the target is known
	View   string `json:"view,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Type   string `json:"type"`
	Target string `json:"target"`

	Published  *Published `json:"published,omitempty"`  // left out where no output shows it
	Answer     *Answer    `json:"answer,omitempty"`     // left out where none is remembered
	LastChange *Change    `json:"lastChange,omitempty"` // left out where the history has none
	Held       *Held      `json:"held,omitempty"`       // what a guard holds back
	Missing    *Missing   `json:"missing,omitempty"`    // a negative answer that came since

	// WorstCase is how old addresses may get that clients have, in seconds: the TTL of the
	// target, which may just have been asked, and the published one, which a cache may just
	// have taken. The transfer to the secondaries comes on top. Left out where one is unknown.
	WorstCase *uint64 `json:"worstCase,omitempty"`
}

// Published is what an output shows.
type Published struct {
	Addresses []netip.Addr `json:"addresses"` // empty: there is none
	TTL       uint32       `json:"ttl"`       // seconds
	Serial    uint32       `json:"serial"`
	Output    string       `json:"output"`
	Time      time.Time    `json:"time"` // of the output
}

// Answer is the last good answer.
type Answer struct {
	Addresses []netip.Addr `json:"addresses"`
	TTL       uint32       `json:"ttl"` // seconds, the least on the way
	Subnet    netip.Prefix `json:"subnet,omitzero"`
	Chain     []Link       `json:"chain,omitempty"`
	Resolver  string       `json:"resolver,omitempty"`
	Seen      time.Time    `json:"seen,omitzero"`  // when an answer confirmed them last
	Since     time.Time    `json:"since,omitzero"` // when they were published first
}

// Held is an address set that a guard holds back.
type Held struct {
	Addresses []netip.Addr `json:"addresses"`
	Guard     string       `json:"guard"`
	First     time.Time    `json:"first,omitzero"`
	Times     int          `json:"times"`
	Accepted  bool         `json:"accepted"`
}

// Missing is a negative answer.
type Missing struct {
	Outcome   string    `json:"outcome"`
	First     time.Time `json:"first,omitzero"`
	Resolver  string    `json:"resolver,omitempty"`
	Confirmed bool      `json:"confirmed"`
}

// whyKey tells one flattened RRset from others.
type whyKey struct {
	zone   zone.Name
	view   string
	owner  zone.Name
	qtype  uint16
	target zone.Name
}

// WhyOf tells what led to what is published for an owner name, or because of a target: by the
// outputs, as far as they can be read and are in source style, what is remembered of the
// targets, and the history. It finds nothing where the name is neither.
func WhyOf(s *state.Store, name zone.Name) *Why {
	found := map[whyKey]*WhyRRset{}
	last := lastChanges(s, name)
	for _, z := range s.Zones(zone.Name{}) {
		_, named := last.zones[whyKey{zone: z.Name, view: z.View}]
		if named || name.IsIn(z.Name) {
			findPublished(&z, name, found)
		}
	}
	last.add(found)
	if len(found) == 0 {
		findTarget(s, name, found)
	}
	out := &Why{Schema: SchemaWhy, Name: name.String(), RRsets: []WhyRRset{}}
	for key, w := range found {
		w.Zone, w.View, w.Owner = zoneName(key.zone), key.view, nameText(key.owner)
		w.Type, w.Target = typeText(key.qtype), nameText(key.target)
		w.remembered(s, key)
		if w.Published != nil && w.Answer != nil {
			sum := uint64(w.Published.TTL) + uint64(w.Answer.TTL)
			w.WorstCase = &sum
		}
		out.RRsets = append(out.RRsets, *w)
	}
	slices.SortFunc(out.RRsets, func(a, b WhyRRset) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.View, b.View), cmp.Compare(a.Owner, b.Owner),
			cmp.Compare(a.Type, b.Type), cmp.Compare(a.Target, b.Target))
	})
	return out
}

func entry(found map[whyKey]*WhyRRset, key whyKey) *WhyRRset {
	w := found[key]
	if w == nil {
		w = &WhyRRset{}
		found[key] = w
	}
	return w
}

// findPublished reads what an output shows for an owner name, or because of a target.
func findPublished(z *state.Zone, name zone.Name, found map[whyKey]*WhyRRset) {
	file, err := os.Open(z.Output)
	if err != nil {
		return
	}
	defer file.Close()
	at := z.Published
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		at = info.ModTime()
	} else {
		return // reading something else may never end
	}
	_ = zonefile.FindFlattened(file, func(f zonefile.Flattened) { // what could be read counts
		if f.Owner != name && f.Target != name {
			return
		}
		types := []uint16{f.Type}
		if f.Type == 0 {
			types = []uint16{dns.TypeA, dns.TypeAAAA}
		}
		for _, t := range types {
			w := entry(found, whyKey{z.Name, z.View, f.Owner, t, f.Target})
			if w.Published == nil {
				w.Published = &Published{Addresses: []netip.Addr{}, TTL: f.TTL, Serial: uint32(z.Serial), Output: z.Output, Time: at.UTC()}
			}
			if f.Address.IsValid() {
				w.Published.Addresses = append(w.Published.Addresses, f.Address)
			}
		}
	})
}

// changes are the last changes of RRsets.
type changes struct {
	list  []state.Change
	zones map[whyKey]bool // by zone and view
}

// lastChanges finds the last change of each RRset, by its owner name or its target.
func lastChanges(s *state.Store, name zone.Name) changes {
	last := changes{zones: map[whyKey]bool{}}
	seen := map[whyKey]bool{}
	for c := range s.Changes(state.Filter{Name: name}) {
		rrset := whyKey{zone: c.Zone, view: c.View, owner: c.Owner, qtype: c.Type}
		if c.Owner != name && c.Target != name || seen[rrset] {
			continue
		}
		seen[rrset] = true
		last.list = append(last.list, c)
		last.zones[whyKey{zone: c.Zone, view: c.View}] = true
	}
	return last
}

// add adds the changes to what was found. Where the output shows other RRsets of the name,
// one that it does not show is one that the source has no more, and no part of an answer.
func (l *changes) add(found map[whyKey]*WhyRRset) {
	shown := map[whyKey]bool{}
	for key := range found {
		shown[whyKey{zone: key.zone, view: key.view}] = true
	}
	for i := range l.list {
		c := &l.list[i]
		key := whyKey{c.Zone, c.View, c.Owner, c.Type, c.Target}
		if found[key] == nil && len(c.To) > 0 && shown[whyKey{zone: c.Zone, view: c.View}] {
			continue
		}
		form := changeForm(c)
		entry(found, key).LastChange = &form
	}
}

// findTarget adds what is remembered of a name that is a target and no more is known of.
func findTarget(s *state.Store, name zone.Name, found map[whyKey]*WhyRRset) {
	for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if _, ok := s.Known(resolve.Question{Target: name, Type: t}); ok {
			entry(found, whyKey{qtype: t, target: name})
		}
	}
}

// remembered adds what is remembered of the target.
func (w *WhyRRset) remembered(s *state.Store, key whyKey) {
	q := resolve.Question{Target: key.target, Type: key.qtype}
	known, ok := s.Known(q)
	if !ok {
		if q, known, ok = forSubnet(s, q); !ok {
			return
		}
	}
	if len(known.Addresses) > 0 {
		w.Answer = &Answer{
			Addresses: known.Addresses, TTL: known.TTL, Subnet: q.Subnet.Prefix(), Chain: chainForm(known.Chain),
			Resolver: known.Resolver, Seen: known.Seen.UTC(), Since: known.Since.UTC(),
		}
	}
	if h := known.Held; h.Times > 0 {
		w.Held = &Held{Addresses: addresses(h.Addresses), Guard: h.Guard, First: h.First.UTC(), Times: h.Times, Accepted: h.Accepted}
	}
	if m := known.Missing; m.Outcome != 0 {
		w.Missing = &Missing{Outcome: m.Outcome.String(), First: m.First.UTC(), Resolver: m.Resolver, Confirmed: m.Confirmed}
	}
}

// forSubnet finds a question that is asked on behalf of clients elsewhere only.
func forSubnet(s *state.Store, q resolve.Question) (resolve.Question, *resolve.Known, bool) {
	var (
		first resolve.Question
		known *resolve.Known
	)
	for other, k := range s.AllKnown() {
		if other.Target != q.Target || other.Type != q.Type {
			continue
		}
		if known == nil || other.Subnet.Prefix().String() < first.Subnet.Prefix().String() {
			first, known = other, k
		}
	}
	return first, known, known != nil
}
