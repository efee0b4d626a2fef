package api

import (
	"fmt"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// UnknownError says that a state knows no zone and no target of a name, so that nothing would
// come of it.
type UnknownError struct {
	Name zone.Name
	Path string // of the state
	Hint string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("the state %s knows no zone and no target %s", e.Path, zoneName(e.Name))
}

// checkKnown refuses names that a state knows nothing of: neither of the name itself nor, with
// under, of one below it.
func checkKnown(s *state.Store, names []zone.Name, under bool) error {
	known := map[zone.Name]bool{}
	for _, z := range s.Zones(zone.Name{}) {
		known[z.Name] = true
	}
	for q, k := range s.AllKnown() {
		known[q.Target] = true
		if !k.Held.Zone.IsZero() {
			known[k.Held.Zone] = true
		}
	}
	for link := range s.Estimates() {
		known[link.Owner] = true
	}
	for _, name := range names {
		if known[name] {
			continue
		}
		var words []string
		below := false
		for n := range known {
			words = append(words, zoneName(n))
			below = below || under && n.IsBelow(name)
		}
		if below {
			continue
		}
		err := &UnknownError{Name: name, Path: s.Path(), Hint: "aliasflat state export prints all that it knows"}
		slices.Sort(words)
		if near := diag.Near(zoneName(name), words); near != "" {
			err.Hint = fmt.Sprintf("did you mean %s?", near)
		}
		return err
	}
	return nil
}
