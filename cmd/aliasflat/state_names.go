package main

import (
	"fmt"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// remembered refuses names that a state knows no zone and no target of, since nothing would
// come of them: none of the name itself, or with under none below it.
func remembered(s *state.Store, names []zone.Name, under bool) error {
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
			words = append(words, displayName(n))
			below = below || under && n.IsBelow(name)
		}
		if below {
			continue
		}
		err := usageError{message: fmt.Sprintf("the state %s knows no zone and no target %s", s.Path(), displayName(name)), hint: "aliasflat state export prints all that it knows"}
		slices.Sort(words)
		if near := diag.Near(displayName(name), words); near != "" {
			err.hint = fmt.Sprintf("did you mean %s?", near)
		}
		return err
	}
	return nil
}
