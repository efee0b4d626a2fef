// Package alias gives ALIAS entries their meaning: an entry becomes a rule, a
// rule is checked against the zone it stands in, and targets inside the zones
// of the run are followed there.
//
// An ALIAS entry is the line in the zone file. A rule is what was understood
// of it. The package asks no resolver and writes nothing.
package alias

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Siblings says what explicit A and AAAA records at the owner of an ALIAS
// mean, for each address type that the ALIAS asks for.
type Siblings uint8

// The ways to treat siblings.
const (
	SiblingsError    Siblings = iota // they are an error
	SiblingsFallback                 // they serve while the target has no addresses to give
	SiblingsOverride                 // they win; ALIAS fills the other type
	SiblingsMerge                    // they are joined with the target's
)

// OnEmpty says what confirmed NXDOMAIN or NODATA of a target does.
type OnEmpty uint8

// The ways to treat a target without addresses.
const (
	EmptyHold OnEmpty = iota // keep the last good addresses until max-stale, then drop
	EmptyKeep                // keep them
	EmptyDrop                // drop them
)

// OnStale says what failure past max-stale does.
type OnStale uint8

// The ways to treat stale addresses.
const (
	StaleHold OnStale = iota // keep them, with an error
	StaleFail                // write nothing
	StaleDrop                // drop them
)

// Settings are the parameters of a rule. The zero value has the defaults of
// the language except MaxStale.
type Settings struct {
	OnlyA, OnlyAAAA bool // types=A, types=AAAA; both false asks for both
	Siblings        Siblings
	TTLMin, TTLMax  uint32 // seconds; 0 means none
	MaxStale        uint32 // seconds
	OnEmpty         OnEmpty
	OnStale         OnStale
}

// Asks tells whether the rule wants addresses of a type, A or AAAA.
func (s *Settings) Asks(qtype uint16) bool {
	if qtype == dns.TypeA {
		return !s.OnlyAAAA
	}
	return !s.OnlyA
}

// DefaultMaxStale is how long last good addresses are kept, in seconds.
const DefaultMaxStale = 3 * 86400

// Rule is an ALIAS entry as understood.
type Rule struct {
	Settings
	Entry    *zonefile.AliasEntry
	Owner    zone.Name
	Target   zone.Name
	Explicit map[uint16][]zonefile.Record // sibling address records by type, for types it asks for
	Repeats  bool                         // an identical entry stands before it
}

// Wants tells whether the target's addresses of a type are needed.
func (r *Rule) Wants(qtype uint16) bool {
	return !r.Repeats && r.Asks(qtype) && (r.Siblings != SiblingsOverride || len(r.Explicit[qtype]) == 0)
}

// Rules reads and checks the ALIAS entries of a zone. defaults are what holds
// where an entry does not say otherwise. A rule with an error is left out of
// the rules; its problem is in the list.
func Rules(z *zonefile.Zone, defaults Settings) ([]Rule, diag.List) {
	entries := z.Aliases()
	rules := make([]Rule, 0, len(entries))
	c := checker{zone: z, first: make(map[zone.Name]int, len(entries))}
	for i := range entries {
		rule, ok := c.rule(&entries[i], defaults)
		if !ok {
			continue
		}
		if c.check(&rule, rules) {
			rules = append(rules, rule)
		}
	}
	return rules, c.found
}

type checker struct {
	zone  *zonefile.Zone
	first map[zone.Name]int // index of the first rule at an owner
	loops map[string]bool   // those that are reported
	found diag.List
}

func (c *checker) report(p zonefile.Place, d *diag.Diagnostic) {
	c.found = append(c.found, p.Report(d))
}

// rule understands one entry.
func (c *checker) rule(e *zonefile.AliasEntry, defaults Settings) (Rule, bool) {
	rule := Rule{Settings: defaults, Entry: e, Owner: e.Owner}
	var rest []zonefile.Field
	var ok bool
	if e.Target.Text == `\#` && !e.Target.Quoted {
		rule.Target, ok = c.generic(e)
	} else {
		rule.Target, ok = c.target(e)
		rest = e.Fields
	}
	if !ok || !c.parameters(&rule, rest) {
		return rule, false
	}
	switch {
	case rule.Target.IsRoot():
		c.report(e.Target.Place, problemTarget("the root has no addresses", "write the name whose addresses are wanted"))
	case rule.Target == rule.Owner:
		c.report(e.Target.Place, problemLoop([]zone.Name{rule.Owner, rule.Owner}))
	default:
		return rule, true
	}
	return rule, false
}

// target reads the target of an entry.
func (c *checker) target(e *zonefile.AliasEntry) (zone.Name, bool) {
	t := e.Target
	if t.Quoted {
		c.report(t.Place, problemTarget("target is quoted", "remove the quotation marks"))
		return zone.Name{}, false
	}
	if a, err := netip.ParseAddr(strings.TrimSuffix(t.Text, ".")); err == nil {
		typ := "A"
		if a.Is6() {
			typ = "AAAA"
		}
		c.report(t.Place, problemTarget("target "+t.Text+" is an address", "an address is written as "+typ+" record"))
		return zone.Name{}, false
	}
	if strings.Contains(t.Text, "=") && !strings.HasSuffix(t.Text, ".") {
		c.report(t.Place, problemTarget("parameter "+t.Text+" stands before the target", "the target comes first: @ ALIAS cdn.example.net. "+t.Text))
		return zone.Name{}, false
	}
	n, err := zone.ParseName(t.Text, e.Origin)
	if err != nil {
		c.report(t.Place, problemTargetName(t.Text, err))
		return zone.Name{}, false
	}
	return n, true
}

// generic reads a target in the form of RFC 3597 §5: one wire name.
func (c *checker) generic(e *zonefile.AliasEntry) (zone.Name, bool) {
	n, err := genericName(e.Fields)
	if err != nil {
		d := problemPayload(err.Error())
		d.Err = err
		c.report(e.Target.Place, d)
		return zone.Name{}, false
	}
	return n, true
}

// check judges a rule against its zone and the rules before it.
func (c *checker) check(r *Rule, rules []Rule) bool {
	e := r.Entry
	if i, ok := c.first[r.Owner]; ok {
		first := &rules[i]
		if first.Target != r.Target || first.Settings != r.Settings {
			d := problemTwice(r.Owner)
			d.Related = append(d.Related, first.Entry.Place.Note("the first one is here"))
			c.report(e.Place, d)
			return false
		}
		c.report(e.Place, warnTwice(r.Owner))
		r.Repeats = true
		return true
	}
	if cut := c.zone.Cut(r.Owner); !cut.IsZero() {
		c.reportWith(e.Place, problemAtCut(r.Owner, cut), cut, dns.TypeNS, "the delegation is here")
		return false
	}
	if d := c.zone.DNAMEAbove(r.Owner); !d.IsZero() {
		c.reportWith(e.Place, problemBelowDNAME(r.Owner, d), d, dns.TypeDNAME, "the DNAME is here")
		return false
	}
	if c.zone.Has(r.Owner, dns.TypeCNAME) {
		c.reportWith(e.Place, problemCNAME(r.Owner), r.Owner, dns.TypeCNAME, "the CNAME is here")
		return false
	}
	if !c.siblings(r) {
		return false
	}
	c.first[r.Owner] = len(rules)
	return true
}

func (c *checker) reportWith(p zonefile.Place, d *diag.Diagnostic, name zone.Name, typ uint16, note string) {
	if other, ok := c.zone.PlaceOf(name, typ); ok {
		d.Related = append(d.Related, other.Note(note))
	}
	c.report(p, d)
}

// siblings looks for explicit addresses beside the ALIAS.
func (c *checker) siblings(r *Rule) bool {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if !r.Asks(qtype) || !c.zone.Has(r.Owner, qtype) {
			continue
		}
		if r.Siblings == SiblingsError {
			c.reportWith(r.Entry.Place, problemSibling(r.Owner, qtype), r.Owner, qtype, "the "+dns.TypeToString[qtype]+" record is here")
			return false
		}
		if r.Explicit == nil {
			r.Explicit = map[uint16][]zonefile.Record{}
		}
		r.Explicit[qtype] = c.zone.Records(r.Owner, qtype)
	}
	return true
}
