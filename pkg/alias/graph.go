package alias

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// MaxSteps is how many CNAME, DNAME and ALIAS may lie between an ALIAS and its
// addresses.
const MaxSteps = 16

// Member is one zone of the run with its rules.
type Member struct {
	File  *zonefile.Zone
	View  string // a view sees its own zones only
	Rules []Rule
	// Subnet is for whom targets outside the run are looked up (RFC 7871); the zero Prefix
	// says nothing.
	Subnet netip.Prefix
	byOwn  map[zone.Name]int
}

// RuleAt gives the rule at an owner name, or nil.
func (m *Member) RuleAt(owner zone.Name) *Rule {
	if m.byOwn == nil {
		m.byOwn = make(map[zone.Name]int, len(m.Rules))
		for i := range m.Rules {
			if !m.Rules[i].Repeats {
				m.byOwn[m.Rules[i].Owner] = i
			}
		}
	}
	if i, ok := m.byOwn[owner]; ok {
		return &m.Rules[i]
	}
	return nil
}

// Graph knows all zones of the run, so that a target inside them is answered
// from their text and never by a resolver.
type Graph struct {
	members map[string]map[zone.Name]*Member
}

// NewGraph joins the zones of a run.
func NewGraph(members []*Member) *Graph {
	g := &Graph{members: map[string]map[zone.Name]*Member{}}
	for _, m := range members {
		if g.members[m.View] == nil {
			g.members[m.View] = map[zone.Name]*Member{}
		}
		g.members[m.View][m.File.Name] = m
	}
	return g
}

// Serving gives the zone of a view that answers for a name: the deepest that
// contains it. It is nil where no zone of the run does, or the name is at or
// below a zone cut there.
func (g *Graph) Serving(view string, name zone.Name) *Member {
	m := g.Within(view, name)
	if m == nil || !m.File.Cut(name).IsZero() {
		return nil
	}
	return m
}

// Within gives the deepest zone of a view that contains a name, or nil.
func (g *Graph) Within(view string, name zone.Name) *Member {
	zones := g.members[view]
	for n := name; !n.IsZero(); n = n.Parent() {
		if m := zones[n]; m != nil {
			return m
		}
	}
	return nil
}

// End says where a walk came to.
type End uint8

// The ends of a walk.
const (
	EndOutside   End = iota + 1 // Last is for a resolver
	EndAddresses                // Addresses are in a zone of the run
	EndRule                     // Last is the owner of another ALIAS
	EndNoData                   // Last exists and has no address of the type
	EndNXDomain                 // Last does not exist
	EndLoop                     // the names come back to one of themselves
	EndTooLong                  // more than MaxSteps steps
)

// Link is a step of a walk.
type Link struct {
	Owner  zone.Name
	Type   uint16 // CNAME, DNAME or 65401
	Target zone.Name
	TTL    uint32
}

// Walk is the way from a name to what stands at its end.
type Walk struct {
	End       End
	Links     []Link
	Last      zone.Name
	Addresses []netip.Addr
	TTL       uint32 // of the address RRset
	Rule      *Rule  // at EndRule
	Zone      zone.Name
}

// Walk follows a name through the zones of a view as an authoritative server
// does (RFC 1034 §4.3.2, RFC 4592, RFC 6672).
func (g *Graph) Walk(view string, name zone.Name, qtype uint16) Walk {
	w := Walk{Last: name}
	visited := []zone.Name{name}
	for {
		m := g.Serving(view, w.Last)
		if m == nil {
			w.End = EndOutside
			return w
		}
		w.Zone = m.File.Name
		next, done := m.step(&w, qtype)
		if done {
			return w
		}
		w.Last = next
		if slices.Contains(visited, next) {
			w.End = EndLoop
			return w
		}
		if visited = append(visited, next); len(visited) > MaxSteps+1 {
			w.End = EndTooLong
			return w
		}
	}
}

// step answers for w.Last, or gives the name to go on with.
func (m *Member) step(w *Walk, qtype uint16) (next zone.Name, done bool) {
	f, name := m.File, w.Last
	if d := f.DNAMEAbove(name); !d.IsZero() {
		return m.dname(w, d)
	}
	owner := name
	if !f.Exists(name) {
		owner = m.wildcard(name)
		if owner.IsZero() {
			w.End = EndNXDomain
			return next, true
		}
	}
	if r := m.RuleAt(owner); r != nil && r.Asks(qtype) {
		w.End, w.Rule = EndRule, r
		return next, true
	}
	if records := f.Records(owner, qtype); len(records) > 0 {
		w.End = EndAddresses
		w.Addresses, w.TTL = addresses(records)
		return next, true
	}
	if c := f.Records(owner, dns.TypeCNAME); len(c) > 0 {
		target, err := zone.NameFromWire(c[0].RDATA)
		if err == nil {
			w.Links = append(w.Links, Link{name, dns.TypeCNAME, target, c[0].TTL})
			return target, false
		}
	}
	w.End = EndNoData
	return next, true
}

func (m *Member) dname(w *Walk, owner zone.Name) (next zone.Name, done bool) {
	d := m.File.Records(owner, dns.TypeDNAME)
	if len(d) > 0 {
		if to, err := zone.NameFromWire(d[0].RDATA); err == nil {
			if target, ok := w.Last.Replace(owner, to); ok {
				w.Links = append(w.Links, Link{w.Last, dns.TypeDNAME, target, d[0].TTL})
				return target, false
			}
		}
	}
	w.End = EndNXDomain
	return next, true
}

// wildcard gives the wildcard that answers for a name that does not exist, or
// the zero Name (RFC 4592 §3.3.1).
func (m *Member) wildcard(name zone.Name) zone.Name {
	n := name.Parent()
	for n != m.File.Name && !m.File.Exists(n) {
		n = n.Parent()
	}
	if w := n.Wildcard(); !w.IsZero() && len(m.File.Types(w)) > 0 {
		return w
	}
	return zone.Name{}
}

// addresses gives the addresses of an RRset and the least of its TTLs.
func addresses(records []zonefile.Record) ([]netip.Addr, uint32) {
	var addrs []netip.Addr
	ttl := records[0].TTL
	for _, r := range records {
		if a, ok := netip.AddrFromSlice(r.RDATA); ok {
			addrs = append(addrs, a)
		}
		ttl = min(ttl, r.TTL)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), ttl
}

// Addresses gives the explicit addresses of a type and the least of their TTLs.
func (r *Rule) Addresses(qtype uint16) ([]netip.Addr, uint32) {
	if len(r.Explicit[qtype]) == 0 {
		return nil, 0
	}
	return addresses(r.Explicit[qtype])
}

// Check follows every rule of a zone through the zones of the run and reports
// loops and in-domain targets that cannot give addresses.
func (g *Graph) Check(m *Member) diag.List {
	c := checker{zone: m.File}
	for i := range m.Rules {
		r := &m.Rules[i]
		if !r.Repeats {
			g.checkRule(&c, m, r)
		}
	}
	return c.found
}

func (g *Graph) checkRule(c *checker, m *Member, r *Rule) {
	empty := 0
	var last Walk
	var asked []string
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if !r.Wants(qtype) {
			continue
		}
		asked = append(asked, dns.TypeToString[qtype])
		path, w := g.follow(m.View, r, qtype)
		switch w.End {
		case EndLoop:
			c.loop(r, cycle(path))
			return
		case EndTooLong:
			c.report(r.Entry.Target.Place, problemChain(path))
			return
		case EndNoData, EndNXDomain:
			empty++
			last = w
		case EndOutside, EndAddresses, EndRule:
		}
	}
	if len(asked) > 0 && empty == len(asked) {
		c.report(r.Entry.Target.Place, problemInDomain(r.Target, last.Zone, last.Last, last.End == EndNoData, strings.Join(asked, " or ")))
	}
}

// follow walks from a rule through other rules to an end that is none, and
// gives the names on the way.
func (g *Graph) follow(view string, r *Rule, qtype uint16) ([]zone.Name, Walk) {
	path := []zone.Name{r.Owner}
	target := r.Target
	for {
		w := g.Walk(view, target, qtype)
		path = append(path, target)
		for _, l := range w.Links {
			path = append(path, l.Target)
		}
		if w.End == EndLoop || w.End == EndTooLong {
			return path, w
		}
		if w.End != EndRule {
			return path, w
		}
		if w.Rule == r || slices.Contains(path[:len(path)-1], w.Rule.Owner) {
			if w.Rule.Owner != path[len(path)-1] {
				path = append(path, w.Rule.Owner)
			}
			w.End = EndLoop
			return path, w
		}
		if len(path) > MaxSteps+1 {
			w.End = EndTooLong
			return path, w
		}
		if w.Rule.Siblings == SiblingsOverride && len(w.Rule.Explicit[qtype]) > 0 {
			w.End = EndAddresses
			return path, w
		}
		if w.Rule.Owner != path[len(path)-1] {
			path = append(path, w.Rule.Owner)
		}
		target = w.Rule.Target
	}
}

// loop reports a loop at the first rule that leads into it.
func (c *checker) loop(r *Rule, names []zone.Name) {
	members := slices.Clone(names[:len(names)-1])
	slices.SortFunc(members, zone.Name.Compare)
	key := arrows(members)
	if c.loops[key] {
		return
	}
	if c.loops == nil {
		c.loops = map[string]bool{}
	}
	c.loops[key] = true
	c.report(r.Entry.Target.Place, problemLoop(names))
}

// cycle gives the part of a path that repeats, from a name to itself.
func cycle(path []zone.Name) []zone.Name {
	last := path[len(path)-1]
	if i := slices.Index(path, last); i < len(path)-1 {
		return path[i:]
	}
	return append(slices.Clone(path), path[0])
}

// Through gives the zones of the run that a rule's targets lead through.
func (g *Graph) Through(m *Member, r *Rule) []*Member {
	var zones []*Member
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if !r.Wants(qtype) {
			continue
		}
		path, _ := g.follow(m.View, r, qtype)
		for _, n := range path[1:] {
			if s := g.Serving(m.View, n); s != nil && !slices.Contains(zones, s) {
				zones = append(zones, s)
			}
		}
	}
	return zones
}
