package publish

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// maxUpdate is how many octets the records of one update have, which leaves room for the header
// and the signature in a message of 64 KiB.
const maxUpdate = 64000

// step is changes that one message makes together. It goes through only where the zone is as it
// was thought to be (RFC 2136 §2.4).
type step struct {
	prerequisites []dns.RR
	// In this order: an RRset goes before another one comes that cannot stand beside it, and
	// those of the apex NS RRset go last, since it is never empty (RFC 2136 §3.4.2.4).
	deletions, additions, removals []dns.RR
	sets                           []rrsetName // that are changed
}

// size is how many octets the records have, uncompressed.
func (s *step) size() int {
	n := 0
	for _, list := range [][]dns.RR{s.prerequisites, s.deletions, s.additions, s.removals} {
		for _, rr := range list {
			n += dns.Len(rr)
		}
	}
	return n
}

// add joins another step to this one.
func (s *step) add(o *step) {
	s.prerequisites = append(s.prerequisites, o.prerequisites...)
	s.deletions = append(s.deletions, o.deletions...)
	s.additions = append(s.additions, o.additions...)
	s.removals = append(s.removals, o.removals...)
	s.sets = append(s.sets, o.sets...)
}

// message is the update that makes the step.
func (s *step) message(apex zone.Name) *dns.Msg {
	m := new(dns.Msg).SetUpdate(apex.String())
	m.Answer = s.prerequisites
	m.Ns = append(append(append(m.Ns, s.deletions...), s.additions...), s.removals...)
	return m
}

// tooLargeError says that an RRset does not fit into a message with what it was before.
type tooLargeError struct{ set rrsetName }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s is too large for one message of 64 KiB together with what it was before", e.set)
}

// messages makes steps of changes in canonical order, as few as the size of a message lets.
func messages(changes []zone.Change, apex zone.Name) ([]*step, error) {
	var list []*step
	room := 0
	put := func(s *step) {
		if size := s.size(); len(list) > 0 && size <= room {
			list[len(list)-1].add(s)
			room -= size
		} else {
			list, room = append(list, s), maxUpdate-size
		}
	}
	for len(changes) > 0 {
		n, alone := group(changes)
		together, err := newStep(changes[:n], apex, alone)
		if err != nil {
			return nil, err
		}
		if together.size() <= maxUpdate {
			put(together)
			changes = changes[n:]
			continue
		}
		for i := range changes[:n] {
			s, err := newStep(changes[i:i+1], apex, alone)
			if err != nil {
				return nil, err
			}
			if set := changes[i].RRset(); s.size() > maxUpdate || n > 1 && set.Type == dns.TypeCNAME {
				return nil, &tooLargeError{rrsetName{set.Owner, set.Type}}
			}
			put(s)
		}
		changes = changes[n:]
	}
	return list, nil
}

// group gives how many of the changes are about the first owner name, and whether nothing of ours
// was there before.
func group(changes []zone.Change) (n int, alone bool) {
	owner := changes[0].RRset().Owner
	alone = true
	for n < len(changes) && changes[n].RRset().Owner == owner {
		alone = alone && changes[n].Old == nil
		n++
	}
	return n, alone
}

// newStep makes the step of some changes at one owner name; alone tells that nothing of ours was
// there before, so that nothing says that no CNAME of somebody else's is in the way.
func newStep(changes []zone.Change, apex zone.Name, alone bool) (*step, error) {
	s := &step{}
	owner := changes[0].RRset().Owner
	if alone && changes[0].RRset().Type == dns.TypeCNAME {
		s.prerequisites = append(s.prerequisites, bare(owner, dns.TypeANY, dns.ClassNONE)) // the name is not in use
	} else if alone {
		s.prerequisites = append(s.prerequisites, bare(owner, dns.TypeCNAME, dns.ClassNONE))
	}
	for i := range changes {
		if !alone && changes[i].New != nil && changes[i].New.Type == dns.TypeCNAME {
			s.lonely(owner, changes)
		}
		if err := s.change(&changes[i], apex); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// company are the types of which somebody else may have records at an owner name.
var company = []uint16{
	dns.TypeA, dns.TypeNS, dns.TypePTR, dns.TypeHINFO, dns.TypeMX, dns.TypeTXT, dns.TypeRP, dns.TypeAAAA, dns.TypeLOC,
	dns.TypeSRV, dns.TypeNAPTR, dns.TypeDNAME, dns.TypeDS, dns.TypeSSHFP, dns.TypeTLSA, dns.TypeSMIMEA, dns.TypeOPENPGPKEY,
	dns.TypeSVCB, dns.TypeHTTPS, dns.TypeSPF, dns.TypeURI, dns.TypeCAA,
}

// lonely has nothing changed where a CNAME would not be alone: a server passes over it then, and
// what made room for it would be gone.
func (s *step) lonely(owner zone.Name, changes []zone.Change) {
	for _, typ := range company {
		ours := slices.ContainsFunc(changes, func(c zone.Change) bool { return c.RRset().Type == typ })
		if !ours {
			s.prerequisites = append(s.prerequisites, bare(owner, typ, dns.ClassNONE))
		}
	}
}

func (s *step) change(c *zone.Change, apex zone.Name) error {
	set := c.RRset()
	s.sets = append(s.sets, rrsetName{set.Owner, set.Type})
	var before, after []dns.RR
	var err error
	if c.Old != nil {
		if before, err = recordsOf(c.Old, dns.ClassINET, 0); err != nil {
			return err
		}
		s.prerequisites = append(s.prerequisites, before...)
	} else {
		s.prerequisites = append(s.prerequisites, bare(set.Owner, set.Type, dns.ClassNONE))
	}
	if c.New != nil {
		if after, err = recordsOf(c.New, dns.ClassINET, c.New.TTL); err != nil {
			return err
		}
		s.additions = append(s.additions, after...)
	}
	switch {
	case c.Old == nil:
	case set.Type == dns.TypeNS && set.Owner == apex && c.New != nil:
		return s.changeApexNS(c)
	default:
		s.deletions = append(s.deletions, bare(set.Owner, set.Type, dns.ClassANY))
	}
	return nil
}

// changeApexNS takes the records of the apex NS RRset away one by one, behind those that come.
func (s *step) changeApexNS(c *zone.Change) error {
	before := *c.Old
	before.TTL = c.New.TTL
	gone, come := (&zone.Change{Old: &before, New: c.New}).Records()
	if c.Old.TTL != c.New.TTL && len(come) == 0 {
		// Servers give the RRset the TTL of a record that is added, and Knot passes over one that
		// is there already. So one comes and goes, which nobody sees.
		passing := zone.RDATA{Wire: c.New.Owner.Wire()}
		if slices.Contains(before.RDATA, passing) {
			passing = zone.RDATA{Wire: zone.Root.Wire()}
		}
		added, err := recordsOf(&zone.RRset{Owner: c.New.Owner, Type: dns.TypeNS, RDATA: []zone.RDATA{passing}}, dns.ClassINET, c.New.TTL)
		if err != nil {
			return err
		}
		s.additions = append(s.additions, added...)
		gone = append(slices.Clone(gone), passing)
	}
	if len(gone) == 0 {
		return nil
	}
	removals, err := recordsOf(&zone.RRset{Owner: c.New.Owner, Type: dns.TypeNS, RDATA: gone}, dns.ClassNONE, 0)
	s.removals = append(s.removals, removals...)
	return err
}

// bare is a record that stands for an RRset without saying what is in it.
func bare(owner zone.Name, typ, class uint16) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: owner.String(), Rrtype: typ, Class: class}}
}

// recordsOf gives the records of an RRset. Their RDATA goes out as it is, whatever the library
// makes of the type.
func recordsOf(set *zone.RRset, class uint16, ttl uint32) ([]dns.RR, error) {
	list := make([]dns.RR, 0, len(set.RDATA))
	header := dns.RR_Header{Name: set.Owner.String(), Rrtype: set.Type, Class: class, Ttl: ttl}
	for _, d := range set.RDATA {
		if d.Text != "" {
			return nil, fmt.Errorf("%s %s: its RDATA has no wire form that is known here", set.Owner, zonefile.TypeName(set.Type))
		}
		list = append(list, &dns.RFC3597{Hdr: header, Rdata: hex.EncodeToString([]byte(d.Wire))})
	}
	return list, nil
}

// send makes the changes.
func (p *pushing) send(ctx context.Context, t *todo) error {
	steps, err := messages(t.changes, p.Zone)
	if err != nil {
		return err
	}
	s := p.session()
	s.known = true
	defer s.close()
	for _, step := range steps {
		if _, err := s.exchange(ctx, step.message(p.Zone), p.timeout); err != nil {
			return err
		}
		for _, name := range step.sets {
			p.sent[name] = true
		}
		p.result.RRsets = len(p.sent)
	}
	return nil
}
