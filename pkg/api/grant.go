package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Scope is a kind of request that a grant allows.
type Scope string

// The scopes.
const (
	ScopeRead    Scope = "read"    // see zones, records, targets, history and events
	ScopeRefresh Scope = "refresh" // have targets asked again
	ScopeRecords Scope = "records" // edit records; what is edited may be read
)

// Scopes are all of them.
var Scopes = []Scope{ScopeRead, ScopeRefresh, ScopeRecords}

// Grant is what somebody may do, and where. The zero Grant allows nothing.
type Grant struct {
	Scopes []Scope `json:"scopes"`
	// Zones are patterns of zone names: absolute names in lower case without their final dot, in
	// which * stands for any run of bytes, dots too. None: every zone.
	Zones []string `json:"zones,omitempty"`
	// Names are such patterns of owner names that may be edited. None: every name.
	Names []string `json:"names,omitempty"`
	// Types may be edited, by their names in a zone file. None: every type.
	Types []string `json:"types,omitempty"`
	// Targets are names that an ALIAS has to be at or below: whoever names a target has the
	// resolvers ask for it. None: any target.
	Targets []string `json:"targets,omitempty"`
}

// Allows tells whether requests of a scope are allowed in a zone. The zero Name asks about
// any zone at all.
func (g *Grant) Allows(scope Scope, zoneName zone.Name) bool {
	has := slices.Contains(g.Scopes, scope) || scope == ScopeRead && slices.Contains(g.Scopes, ScopeRecords)
	return has && (zoneName.IsZero() || matchesName(g.Zones, zoneName))
}

// forbids says why whoever holds the grant, a token or a key, may not make a change in a zone that
// may be edited; empty: it is allowed.
func (g *Grant) forbids(c *zone.Change, holder string) string {
	set := c.RRset()
	typ := zonefile.TypeName(set.Type)
	switch {
	case !matchesName(g.Names, set.Owner):
		return fmt.Sprintf("the %s is not for the owner name %s", holder, set.Owner)
	case len(g.Types) > 0 && !slices.ContainsFunc(g.Types, func(t string) bool { return strings.EqualFold(t, typ) }):
		return fmt.Sprintf("the %s is not for records of type %s", holder, typ)
	case set.Type != zonefile.TypeALIAS || len(g.Targets) == 0 || c.New == nil:
		return ""
	}
	for _, r := range c.New.RDATA {
		target, _, _ := strings.Cut(r.Text, " ")
		if name, err := zone.ParseName(target, zone.Root); err != nil || !g.AllowsTarget(name) {
			return fmt.Sprintf("the %s is not for the target %s", holder, target)
		}
	}
	return ""
}

// AllowsTarget tells whether an ALIAS may have a target.
func (g *Grant) AllowsTarget(target zone.Name) bool {
	return len(g.Targets) == 0 || slices.ContainsFunc(g.Targets, func(suffix string) bool {
		above, err := zone.ParseName(suffix, zone.Root)
		return err == nil && target.IsIn(above)
	})
}

// matchesName tells whether one of some patterns fits a name; where there is none every name fits.
func matchesName(patterns []string, name zone.Name) bool {
	text := strings.TrimSuffix(name.String(), ".")
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		return matches(strings.ToLower(strings.TrimSuffix(p, ".")), text)
	})
}

// matches tells whether a pattern, in which * is any run of bytes, fits a text.
func matches(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, fits := strings.CutPrefix(text, first)
	for fits {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		_, text, fits = strings.Cut(text, part)
		rest = more
	}
	return false
}
