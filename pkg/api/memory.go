package api

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Accepted is what was let through.
type Accepted struct {
	Schema   string      `json:"schema"`
	Accepted []Accepting `json:"accepted"`
}

// Accepting is one question of which something was let through.
type Accepting struct {
	Target    string       `json:"target"`
	Type      string       `json:"type"`
	Gone      bool         `json:"gone"`                // that there are none any more
	Addresses []netip.Addr `json:"addresses,omitempty"` // unless it is that
}

// Accept lets through what guards hold back of zones and targets, and takes negative answers
// for confirmed. That nothing is held back is no error, but a name that the state does not know
// is: an [*UnknownError], and then nothing is accepted.
func Accept(s *state.Store, names []zone.Name) (*Accepted, error) {
	if err := checkKnown(s, names, false); err != nil {
		return nil, err
	}
	accepted := map[resolve.Question]*resolve.Known{}
	for q, known := range s.AllKnown() {
		if (slices.Contains(names, q.Target) || slices.Contains(names, known.Held.Zone)) && known.Accept() {
			accepted[q] = known
		}
	}
	out := &Accepted{Schema: SchemaAccepted, Accepted: []Accepting{}}
	if len(accepted) == 0 {
		return out, nil
	}
	if err := s.Commit(state.Update{Known: accepted}); err != nil {
		return nil, err
	}
	for q, known := range accepted {
		a := Accepting{Target: q.Target.String(), Type: typeText(q.Type), Gone: known.Held.Times == 0}
		if !a.Gone {
			a.Addresses = known.Held.Addresses
		}
		out.Accepted = append(out.Accepted, a)
	}
	slices.SortFunc(out.Accepted, func(a, b Accepting) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Type, b.Type))
	})
	return out, nil
}

// Forgotten counts what was forgotten.
type Forgotten struct {
	Schema    string `json:"schema"`
	Zones     int    `json:"zones"`
	Answers   int    `json:"answers"`
	Estimates int    `json:"estimates"`
}

// Forget forgets zones and targets, and with under all below their names. With an error some
// may be forgotten, but with an [*UnknownError] nothing is.
func Forget(s *state.Store, names []zone.Name, under bool) (*Forgotten, error) {
	if err := checkKnown(s, names, under); err != nil {
		return nil, err
	}
	out := &Forgotten{Schema: SchemaForgotten}
	for _, name := range names {
		f, err := s.Forget(name, under)
		if err != nil {
			return nil, err
		}
		out.Zones, out.Answers, out.Estimates = out.Zones+f.Zones, out.Answers+f.Known, out.Estimates+f.Estimates
	}
	return out, nil
}

// History is what was published in another form than before, newest first.
type History struct {
	Schema  string   `json:"schema"`
	Name    string   `json:"name"`
	More    bool     `json:"more"` // there are older ones
	Changes []Change `json:"changes"`
}

// Change is one address RRset that was published in another form than before.
type Change struct {
	Time      time.Time    `json:"time"`
	Zone      string       `json:"zone"`
	View      string       `json:"view,omitempty"`
	Owner     string       `json:"owner"`
	Type      string       `json:"type"`
	Target    string       `json:"target,omitempty"`
	From      []netip.Addr `json:"from"` // empty: there was none
	To        []netip.Addr `json:"to"`   // empty: there is none
	OldSerial *uint32      `json:"oldSerial,omitempty"`
	NewSerial *uint32      `json:"newSerial,omitempty"`
	Chain     []Link       `json:"chain,omitempty"`
	Resolver  string       `json:"resolver,omitempty"`
	Reason    string       `json:"reason,omitempty"`
}

// HistoryOf gives the changes of a zone, an owner name or a target, at most limit of them; 0
// means all.
func HistoryOf(s *state.Store, name zone.Name, limit int) *History {
	out := &History{Schema: SchemaHistory, Name: name.String(), Changes: []Change{}}
	for c := range s.Changes(state.Filter{Name: name}) {
		if limit > 0 && len(out.Changes) == limit {
			out.More = true
			break
		}
		out.Changes = append(out.Changes, changeForm(&c))
	}
	return out
}

// historyOf gives the changes that a filter lets pass and that wanted takes, newest first: at
// most limit of them, and those that are of the same moment as the last.
func historyOf(s *state.Store, f state.Filter, limit int, wanted func(*state.Change) bool) *History {
	out := &History{Schema: SchemaHistory, Name: f.Zone.String(), Changes: []Change{}}
	for c := range s.Changes(f) {
		if !wanted(&c) {
			continue
		}
		if n := len(out.Changes); n >= limit && !out.Changes[n-1].Time.Equal(c.Time) {
			out.More = true
			break
		}
		out.Changes = append(out.Changes, changeForm(&c))
	}
	return out
}

func changeForm(c *state.Change) Change {
	out := Change{
		Time: c.Time.UTC(), Zone: zoneName(c.Zone), View: c.View, Owner: nameText(c.Owner), Type: typeText(c.Type),
		Target: nameText(c.Target), From: addresses(c.From), To: addresses(c.To),
		Chain: chainForm(c.Chain), Resolver: c.Resolver, Reason: c.Reason,
	}
	if c.OldSerial != 0 {
		out.OldSerial = serial(c.OldSerial)
	}
	if c.NewSerial != 0 {
		out.NewSerial = serial(c.NewSerial)
	}
	return out
}

// addresses is a list that is there, empty or not.
func addresses(list []netip.Addr) []netip.Addr {
	if list == nil {
		return []netip.Addr{}
	}
	return list
}
