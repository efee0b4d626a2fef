package resolve

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// chain is a walk from a target along CNAME and DNAME links, over as many replies as it
// takes.
type chain struct {
	target zone.Name
	qtype  uint16
	last   zone.Name // where the walk stands
	links  []Link
	been   []zone.Name // every name before last
	ttl    uint32      // the least of the links
	stale  bool        // a reply on the way was stale
	// cached is whether a cache may have had part in a reply on the way.
	cached bool
}

func newChain(target zone.Name, qtype uint16) chain {
	return chain{target: target, qtype: qtype, last: target, ttl: MaxTTL}
}

// follow takes one link, to the name next.
func (c *chain) follow(link Link, next zone.Name) *failure {
	if len(c.links) == MaxLinks {
		return failuref(ReasonChainTooLong, "the chain has more than %d links", MaxLinks)
	}
	c.been = append(c.been, c.last)
	c.links = append(c.links, link)
	c.ttl = min(c.ttl, link.TTL)
	c.last = next
	if slices.Contains(c.been, next) {
		return failuref(ReasonLoop, "the chain is a loop: %s", c.path())
	}
	return nil
}

// followDNAME rewrites last as a DNAME does (RFC 6672 §2.2).
func (c *chain) followDNAME(link Link) *failure {
	next, ok := c.last.Replace(link.Owner, link.Target)
	if !ok {
		return failuref(ReasonNameTooLong, "the DNAME at %s makes a name of more than %d octets of %s", link.Owner, zone.MaxNameLen, c.last)
	}
	return c.follow(link, next)
}

func (c *chain) path() string {
	var b strings.Builder
	for _, name := range c.been {
		b.WriteString(name.String())
		b.WriteString(" -> ")
	}
	return b.String() + c.last.String()
}

// answer is what the walk has come to so far.
func (c *chain) answer() Answer {
	a := Answer{Target: c.target, Type: c.qtype, Chain: c.links, Last: c.last}
	if len(c.links) > 0 {
		a.TTL = c.ttl
	}
	return a
}

// found makes the answer one with addresses.
func found(a Answer, addrs []netip.Addr, ttl uint32) Answer {
	slices.SortFunc(addrs, netip.Addr.Compare)
	a.Outcome = Addresses
	a.Addresses = slices.Compact(addrs)
	a.AddressTTL = ttl
	if len(a.Chain) > 0 {
		ttl = min(ttl, a.TTL)
	}
	a.TTL = ttl
	return a
}

// walk goes on with one reply. It gives the answer, or false where the reply ends in a link
// and the last name has to be asked for.
func (c *chain) walk(m *message) (Answer, bool) {
	if f := m.refusal(); f != nil {
		return c.answer().failed(*f), true
	}
	before := len(c.links)
	c.cached = c.cached || !m.aa || m.ra
	c.stale = c.stale || slices.ContainsFunc(m.ede, func(e EDE) bool { return e.Code == dns.ExtendedErrorCodeStaleAnswer })
	addrs, ttl, f := c.walkRecords(m.answer)
	a := c.answer()
	a.Stale, a.Authoritative = c.stale, !c.cached
	negativeTTL, proven := m.negativeTTL(c.last)
	switch {
	case f != nil:
		return a.failed(*f), true
	case len(addrs) > 0 && m.rcode != dns.RcodeSuccess:
		return a.failed(*failuref(ReasonMalformed, "NXDOMAIN with addresses")), true
	case len(addrs) > 0:
		a.OriginalTTL = originalTTL(m.answer, c.last, c.qtype)
		return found(a, addrs, ttl), true
	case proven:
		a.Outcome, a.NegativeTTL = NoData, negativeTTL
		if m.rcode == dns.RcodeNameError {
			a.Outcome = NXDomain
		}
		return a, true
	case len(c.links) > before:
		return Answer{}, false
	case m.rcode == dns.RcodeNameError:
		return a.failed(*failuref(ReasonNoSOA, "NXDOMAIN without SOA%s", m.edeText())), true
	case m.hasNS:
		return a.failed(*failuref(ReasonLame, "a referral instead of an answer")), true
	}
	a.Outcome = WeakNoData
	return a, true
}

// walkRecords follows the links of an answer section as far as they go, whatever the order
// of its records, and gives the addresses at the end and their least TTL.
func (c *chain) walkRecords(records []record) ([]netip.Addr, uint32, *failure) {
	for {
		at, f := recordsAt(records, c.last, c.qtype)
		if f != nil {
			return nil, 0, f
		}
		switch {
		case at.dname != nil:
			link := Link{Owner: at.dname.owner, Type: dns.TypeDNAME, Target: at.dname.target, TTL: at.dname.ttl}
			link.OriginalTTL = originalTTL(records, link.Owner, link.Type)
			if f := c.followDNAME(link); f != nil {
				return nil, 0, f
			}
			if at.cname != nil && at.cname.target != c.last {
				return nil, 0, failuref(ReasonMalformed, "the CNAME at %s is not what the DNAME at %s makes", at.cname.owner, link.Owner)
			}
		case at.cname != nil:
			link := Link{Owner: c.last, Type: dns.TypeCNAME, Target: at.cname.target, TTL: at.cname.ttl}
			link.OriginalTTL = originalTTL(records, link.Owner, link.Type)
			if f := c.follow(link, at.cname.target); f != nil {
				return nil, 0, f
			}
		default:
			return at.addrs, at.ttl, nil
		}
	}
}

// found at one name.
type nameRecords struct {
	cname, dname *record
	twice        *record // a DNAME or CNAME beside one of these that leads elsewhere
	addrs        []netip.Addr
	ttl          uint32
}

// recordsAt collects what an answer section says about one name. A CNAME that a DNAME
// comes with may have any TTL (RFC 6672 §3.1), so the DNAME's own counts. Nothing is judged
// before all records are seen, so that their order does not count.
func recordsAt(records []record, name zone.Name, qtype uint16) (nameRecords, *failure) {
	at := nameRecords{ttl: MaxTTL}
	hasAddress := false
	for i := range records {
		r := &records[i]
		switch {
		case r.typ == dns.TypeDNAME:
			if name.IsBelow(r.owner) {
				at.addDNAME(r)
			}
		case r.owner != name, r.typ == dns.TypeRRSIG:
		case r.typ == dns.TypeCNAME:
			at.cname = at.only(at.cname, r)
		default:
			hasAddress = true
			if r.typ == qtype {
				if at.addrs == nil {
					at.addrs = make([]netip.Addr, 0, countType(records[i:], qtype))
				}
				at.addrs = append(at.addrs, r.addr)
				at.ttl = min(at.ttl, r.ttl)
			}
		}
	}
	switch {
	case at.twice != nil:
		return nameRecords{}, failuref(ReasonMalformed, "two different %s records at %s", dns.TypeToString[at.twice.typ], at.twice.owner)
	case hasAddress && at.cname != nil:
		return nameRecords{}, failuref(ReasonMalformed, "a CNAME and an address at %s", name)
	case hasAddress && at.dname != nil:
		return nameRecords{}, failuref(ReasonMalformed, "an address at %s, below the DNAME at %s", name, at.dname.owner)
	}
	return at, nil
}

func countType(records []record, typ uint16) int {
	n := 0
	for i := range records {
		if records[i].typ == typ {
			n++
		}
	}
	return n
}

// originalTTL is what the RRSIG of an RRset says its TTL is where no cache counts it down
// (RFC 4034 §3.1.4), the least of several but for 0, or 0 without one. It is as good as the resolver's
// word for the addresses: nothing is validated here.
func originalTTL(records []record, owner zone.Name, typ uint16) uint32 {
	ttl := uint32(0)
	for _, r := range records {
		if r.typ == dns.TypeRRSIG && r.covered == typ && r.owner == owner && r.original != 0 && (ttl == 0 || r.original < ttl) {
			ttl = r.original
		}
	}
	return ttl
}

// addDNAME keeps the DNAME nearest to the name; what stands above it is of no account.
func (at *nameRecords) addDNAME(r *record) {
	switch have := at.dname; {
	case have == nil || r.owner.IsBelow(have.owner):
		at.dname = at.only(nil, r)
		if at.twice != nil && at.twice.typ == dns.TypeDNAME {
			at.twice = nil
		}
	case have.owner == r.owner:
		at.dname = at.only(have, r)
	}
}

// only lets one owner have one CNAME or DNAME alone; a repeated one lowers the TTL. Of two
// faults that of the CNAME is told.
func (at *nameRecords) only(have, r *record) *record {
	if have == nil {
		copied := *r
		return &copied
	}
	if have.target != r.target && (at.twice == nil || r.typ == dns.TypeCNAME) {
		at.twice = r
	}
	have.ttl = min(have.ttl, r.ttl)
	return have
}

// refusal is why a reply says nothing about the name, or nil.
func (m *message) refusal() *failure {
	for _, e := range m.ede {
		switch e.Code {
		case dns.ExtendedErrorCodeForgedAnswer, dns.ExtendedErrorCodeBlocked,
			dns.ExtendedErrorCodeCensored, dns.ExtendedErrorCodeFiltered:
			return &failure{reason: ReasonBlocked, detail: m.rcodeText()}
		case dns.ExtendedErrorCodeStaleNXDOMAINAnswer:
			return &failure{reason: ReasonStale, detail: m.rcodeText()}
		}
	}
	switch m.rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	case dns.RcodeServerFailure:
		return &failure{reason: ReasonServfail, detail: m.rcodeText()}
	case dns.RcodeRefused:
		return &failure{reason: ReasonRefused, detail: m.rcodeText()}
	case dns.RcodeYXDomain:
		return &failure{reason: ReasonNameTooLong, detail: m.rcodeText() + ": a DNAME makes the name too long"}
	default:
		return &failure{reason: ReasonRcode, detail: m.rcodeText()}
	}
	if !m.aa && !m.ra {
		return failuref(ReasonLame, "the server neither is authoritative (AA) nor offers recursion (RA)%s", m.edeText())
	}
	return nil
}

// negativeTTL finds the SOA that proves there is nothing at name (RFC 2308 §2): that of a
// zone the name is in.
func (m *message) negativeTTL(name zone.Name) (uint32, bool) {
	for _, s := range m.soas {
		if name.IsIn(s.owner) {
			return s.ttl, true
		}
	}
	return 0, false
}

// rcodeText is the rcode, with the extended errors in parentheses.
func (m *message) rcodeText() string {
	return rcodeName(m.rcode) + m.edeText()
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok && rcode != dns.RcodeBadVers {
		return name
	}
	if rcode == dns.RcodeBadVers {
		return "BADVERS"
	}
	return fmt.Sprintf("rcode %d", rcode)
}

func (m *message) edeText() string {
	if len(m.ede) == 0 {
		return ""
	}
	texts := make([]string, len(m.ede))
	for i, e := range m.ede {
		texts[i] = e.String()
	}
	return " (" + strings.Join(texts, "; ") + ")"
}
