package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Memory is a world of records that is complete: a name that is not in it does not exist.
// It is a [Lookuper] that never blocks and never changes.
type Memory struct {
	// Name is what answers give as their resolver; set it before the first lookup.
	Name string

	nodes    map[zone.Name]*node
	hasDNAME bool
}

var _ Lookuper = (*Memory)(nil)

// node is a name that exists: it owns records, or a name below it does.
type node struct {
	a, aaaa      rrset
	cname, dname *Link
	soa          *soa
	hasOther     bool // records of other types than CNAME and what may stand beside it
	hasWildcard  bool // a wildcard label stands directly below
}

// rrset is the addresses of one type.
type rrset struct {
	addrs []netip.Addr
	ttl   uint32
}

// NewMemory makes a world of records with absolute names, of any zones in any order. It
// refuses what no name server would load: a CNAME beside other data, two CNAMEs or two
// DNAMEs at one owner, and classes other than IN.
func NewMemory(records []dns.RR) (*Memory, error) {
	m := &Memory{Name: "memory", nodes: make(map[zone.Name]*node, len(records)+1)}
	m.nodes[zone.Root] = &node{}
	for _, rr := range records {
		if err := m.add(rr); err != nil {
			h := rr.Header()
			return nil, fmt.Errorf("%s %s: %w", h.Name, dns.TypeToString[h.Rrtype], err)
		}
	}
	return m, nil
}

func (m *Memory) add(rr dns.RR) error {
	h := rr.Header()
	if h.Class != dns.ClassINET {
		return fmt.Errorf("class %s; only IN is answered", dns.Class(h.Class))
	}
	owner, err := absolute(h.Name)
	if err != nil {
		return err
	}
	n := m.at(owner)
	ttl := capTTL(h.Ttl)
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok := netip.AddrFromSlice(rr.A.To4())
		if !ok {
			return fmt.Errorf("%v is no IPv4 address", rr.A)
		}
		n.a.add(addr, ttl)
	case *dns.AAAA:
		addr, ok := netip.AddrFromSlice(rr.AAAA.To16())
		if !ok {
			return fmt.Errorf("%v is no IPv6 address", rr.AAAA)
		}
		n.aaaa.add(addr, ttl)
	case *dns.CNAME:
		err = setLink(&n.cname, Link{Owner: owner, Type: dns.TypeCNAME, TTL: ttl}, rr.Target)
	case *dns.DNAME:
		m.hasDNAME = true
		n.hasOther = true
		err = setLink(&n.dname, Link{Owner: owner, Type: dns.TypeDNAME, TTL: ttl}, rr.Target)
	case *dns.SOA:
		n.hasOther = true
		n.soa = &soa{owner: owner, ttl: min(ttl, capTTL(rr.Minttl))}
	case *dns.RRSIG, *dns.NSEC, *dns.KEY, *dns.SIG: // these may stand beside a CNAME
	default:
		n.hasOther = true
	}
	if err == nil && n.cname != nil && (n.hasOther || len(n.a.addrs) > 0 || len(n.aaaa.addrs) > 0) {
		err = errors.New("a CNAME and other data at one owner")
	}
	return err
}

// absolute reads a name that has to end in a dot.
func absolute(text string) (zone.Name, error) {
	return zone.ParseName(text, zone.Name{})
}

func setLink(have **Link, link Link, target string) error {
	name, err := absolute(target)
	if err != nil {
		return err
	}
	link.Target = name
	if *have == nil {
		*have = &link
		return nil
	}
	if (*have).Target != name {
		return fmt.Errorf("two different targets, %s and %s", (*have).Target, name)
	}
	(*have).TTL = min((*have).TTL, link.TTL)
	return nil
}

func (r *rrset) add(addr netip.Addr, ttl uint32) {
	if len(r.addrs) == 0 {
		r.ttl = ttl
	}
	r.ttl = min(r.ttl, ttl)
	r.addrs = append(r.addrs, addr)
}

// at gives the node of a name and makes it and every name above it exist.
func (m *Memory) at(name zone.Name) *node {
	n := m.nodes[name]
	if n != nil {
		return n
	}
	n = &node{}
	m.nodes[name] = n
	for !name.IsRoot() {
		parent := name.Parent()
		above := m.nodes[parent]
		existed := above != nil
		if !existed {
			above = &node{}
			m.nodes[parent] = above
		}
		above.hasWildcard = above.hasWildcard || name.IsWildcard()
		if existed {
			break
		}
		name = parent
	}
	return n
}

// Lookup answers from the world; ctx is not needed.
func (m *Memory) Lookup(_ context.Context, target zone.Name, qtype uint16) Answer {
	c := newChain(target, qtype)
	a, f := m.walk(&c)
	a.Target, a.Type, a.Resolver, a.Authoritative = target, qtype, m.Name, true
	if f != nil {
		return a.failed(*f)
	}
	a.Confirmed = a.Outcome == NoData || a.Outcome == NXDomain // there is nobody else to ask
	return a
}

// walk follows links to their end, as chain.walk does with replies.
func (m *Memory) walk(c *chain) (Answer, *failure) {
	for {
		var f *failure
		n := m.nodes[c.last]
		if d := m.dnameAbove(c.last); d != nil {
			f = c.followDNAME(*d)
		} else {
			if n == nil {
				n = m.wildcard(c.last)
			}
			if n == nil || n.cname == nil {
				return m.end(c, n), nil
			}
			link := *n.cname
			link.Owner = c.last // a wildcard's CNAME stands at the name asked for
			f = c.follow(link, link.Target)
		}
		if f != nil {
			return c.answer(), f
		}
	}
}

// end is the answer where the chain ends at a node, or at nil.
func (m *Memory) end(c *chain, n *node) Answer {
	a := c.answer()
	if n != nil {
		set := rrset{}
		switch c.qtype {
		case dns.TypeA:
			set = n.a
		case dns.TypeAAAA:
			set = n.aaaa
		}
		if len(set.addrs) > 0 {
			return found(a, append([]netip.Addr(nil), set.addrs...), set.ttl)
		}
	}
	a.Outcome = NXDomain
	if n != nil {
		a.Outcome = NoData
	}
	for name := c.last; !name.IsZero(); name = name.Parent() {
		if n := m.nodes[name]; n != nil && n.soa != nil {
			a.NegativeTTL = n.soa.ttl
			break
		}
	}
	return a
}

// dnameAbove finds the DNAME that rewrites a name. The highest one does: what stands below
// it is occluded (RFC 6672 §2.3).
func (m *Memory) dnameAbove(name zone.Name) *Link {
	if !m.hasDNAME {
		return nil
	}
	var highest *Link
	for name = name.Parent(); !name.IsZero(); name = name.Parent() {
		if n := m.nodes[name]; n != nil && n.dname != nil {
			highest = n.dname
		}
	}
	return highest
}

// wildcard finds the source of synthesis for a name that does not exist: the wildcard
// directly below its closest encloser (RFC 4592 §3.3.1).
func (m *Memory) wildcard(name zone.Name) *node {
	for name = name.Parent(); !name.IsZero(); name = name.Parent() {
		if n := m.nodes[name]; n != nil {
			if n.hasWildcard {
				return m.nodes[name.Wildcard()]
			}
			return nil
		}
	}
	return nil
}
