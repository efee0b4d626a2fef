package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// maxAsked is how many RRsets are asked for one by one; more are seen in a transfer.
const maxAsked = 64

// verify asks the server until it has a later serial and all that was changed, and gives the
// serial.
func (p *pushing) verify(ctx context.Context, t *todo) (zone.Serial, error) {
	if len(t.changes) == 0 {
		return t.serial, nil
	}
	limit, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	s := p.session()
	defer s.close()
	var last error
	asked := p.askable(t.changes)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		serial, err := p.moved(limit, s, t)
		if err == nil && len(t.changes) > maxAsked {
			err = p.left(limit)
		} else if err == nil {
			asked, err = p.ask(limit, s, asked)
		}
		switch {
		case err == nil:
			return serial, nil
		case limit.Err() == nil || last == nil:
			last = err
		}
		if !sleep(limit, pause) {
			break
		}
	}
	// What somebody else has there may hide what was changed from whoever asks for it.
	serial, err := p.moved(ctx, s, t)
	if err == nil && len(t.changes) <= maxAsked {
		err = p.left(ctx)
		if err == nil {
			return serial, nil
		}
	}
	return 0, last
}

// cnameTime is how long a CNAME is waited for that comes in place of other records.
const cnameTime = 500 * time.Millisecond

// passedOver tells whether the server has made room for a CNAME and not put it there: Knot does so
// where the owner name still has signatures. A second update finds room then.
func (p *pushing) passedOver(ctx context.Context, t *todo) bool {
	var list []zone.Change
	for rest := t.changes; len(rest) > 0; {
		n, alone := group(rest)
		for _, c := range rest[:n] {
			if !alone && c.New != nil && c.New.Type == dns.TypeCNAME {
				list = append(list, c)
			}
		}
		rest = rest[n:]
	}
	if list = p.askable(list); len(list) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, cnameTime)
	defer cancel()
	s := p.session()
	defer s.close()
	for pause := firstPause; ; pause *= 2 {
		var err error
		if list, err = p.ask(ctx, s, list); err == nil {
			return false
		}
		if !sleep(ctx, pause) {
			return true
		}
	}
}

// moved gives the serial of the server, which must be a later one.
func (p *pushing) moved(ctx context.Context, s *session, t *todo) (zone.Serial, error) {
	serial, err := s.serial(ctx, p.Zone, askTime)
	if err == nil && !serial.After(t.serial) {
		err = fmt.Errorf("it still serves serial %d", serial)
	}
	return serial, err
}

// left finds out by a transfer whether anything is still to be changed.
func (p *pushing) left(ctx context.Context) error {
	t, err := p.compareWhole(ctx)
	switch {
	case err != nil:
		return err
	case len(t.changes) > 0:
		return wrongError(&t.changes[0])
	case len(t.clashes) > 0:
		return fmt.Errorf("it has %s in the way", t.clashes[0])
	}
	return nil
}

// wrongError says how an RRset has to be.
func wrongError(c *zone.Change) error {
	set := c.RRset()
	if c.New == nil {
		return fmt.Errorf("it still has %s %s", set.Owner, zonefile.TypeName(set.Type))
	}
	return fmt.Errorf("its %s %s is not as it was sent", set.Owner, zonefile.TypeName(set.Type))
}

// askable gives the changes of which an answer tells. At and below a zone cut it is a referral,
// below a DNAME another name's, and where a wildcard matches it says nothing of what was deleted.
func (p *pushing) askable(changes []zone.Change) []zone.Change {
	var list []zone.Change
	for _, c := range changes {
		owner := c.RRset().Owner
		if !p.want.Cut(owner).IsZero() || !p.want.DNAMEAbove(owner).IsZero() || c.New == nil && p.wild(owner) {
			continue
		}
		list = append(list, c)
	}
	return list
}

// wild tells whether a wildcard may stand for a name.
func (p *pushing) wild(name zone.Name) bool {
	for n := name.Parent(); n.IsIn(p.Zone); n = n.Parent() {
		if w := n.Wildcard(); !w.IsZero() && w != name && p.want.Exists(w) {
			return true
		}
		if n == p.Zone {
			break
		}
	}
	return false
}

// ask asks for RRsets, and gives those that the server does not have as they were sent, the first
// of which the error is about.
func (p *pushing) ask(ctx context.Context, s *session, changes []zone.Change) ([]zone.Change, error) {
	for i := range changes {
		c := &changes[i]
		r, err := s.question(ctx, c.RRset().Owner, c.RRset().Type, askTime)
		if err == nil {
			err = answers(r, c)
		}
		if err != nil {
			return changes[i:], err
		}
	}
	return nil, nil
}

// answers tells whether an answer has an RRset as it was sent.
func answers(r *dns.Msg, c *zone.Change) error {
	set := c.RRset()
	var got []dns.RR
	for _, rr := range r.Answer {
		if h := rr.Header(); h.Rrtype == set.Type && sameName(h.Name, set.Owner) {
			got = append(got, rr)
		}
	}
	if c.New == nil {
		if len(got) > 0 {
			return wrongError(c)
		}
		return nil
	}
	if len(got) != len(c.New.RDATA) {
		return wrongError(c)
	}
	want, err := typedRecords(c.New)
	if err != nil {
		return err
	}
	for _, rr := range got {
		if ttl := rr.Header().Ttl; ttl != c.New.TTL {
			return fmt.Errorf("its %s %s has TTL %d, not %d", set.Owner, zonefile.TypeName(set.Type), ttl, c.New.TTL)
		}
		found := false
		for _, w := range want {
			found = found || dns.IsDuplicate(rr, w)
		}
		if !found {
			return wrongError(c)
		}
	}
	return nil
}

// typedRecords gives the records of an RRset as the library reads them from an answer.
func typedRecords(set *zone.RRset) ([]dns.RR, error) {
	list, err := recordsOf(set, dns.ClassINET, set.TTL)
	if err != nil {
		return nil, err
	}
	for i, rr := range list {
		wire := make([]byte, dns.Len(rr)+1)
		end, err := dns.PackRR(rr, wire, 0, nil, false)
		if err == nil {
			list[i], _, err = dns.UnpackRR(wire[:end], 0)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", set.Owner, zonefile.TypeName(set.Type), err)
		}
	}
	return list, nil
}

// Examine finds out whether the server can be reached, takes the key, gives its zone and lets it
// be changed. It sends an update that can never go through, and so changes nothing.
func (p *Pusher) Examine(ctx context.Context, name zone.Name) []Finding {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	subject := "publish " + displayName(name.String()) + " at " + p.Server
	s := p.session()
	defer s.close()
	serial, err := s.serial(ctx, name, askTime)
	if err != nil {
		return []Finding{p.red(subject, "", err)}
	}
	found := []Finding{green(subject, fmt.Sprintf("it takes the key and serves serial %d", serial))}
	if err := tryTransfer(ctx, p.Server, name, p.Key); err != nil {
		found = append(found, p.red(subject, "", err))
	}
	// The apex of a zone is always in use.
	m := (&step{
		prerequisites: []dns.RR{bare(name, dns.TypeANY, dns.ClassNONE)},
		deletions:     []dns.RR{bare(name, dns.TypeA, dns.ClassANY)},
	}).message(name)
	_, err = s.exchange(ctx, m, askTime)
	switch no, ok := errors.AsType[*refusal](err); {
	case ok && no.conflict():
		return append(found, green(subject, "it takes updates with the key"))
	case err == nil:
		return append(found, red(subject, "it makes changes whose prerequisites are not met", "updates are not safe there: give it the zone another way"))
	default:
		return append(found, p.red(subject, "update: ", err))
	}
}

// red is a finding of an error.
func (p *Pusher) red(subject, what string, err error) Finding {
	hint := pushHint(err, &p.Key)
	if hint == "" {
		hint = "let it be reached from here over TCP, and look into its log"
	}
	return red(subject, what+err.Error(), hint)
}

// pushHint is what to do about an error of a server.
func pushHint(err error, key *Key) string {
	name := strings.TrimSuffix(key.Name.String(), ".")
	_, transfer := errors.AsType[*transferError](err)
	r, refused := errors.AsType[*refusal](err)
	switch {
	case transfer && refused && !r.allowed():
		return fmt.Sprintf("let the key transfer the zone, so that it can be compared: allow-transfer { key %s; }; of BIND, or an acl with key: %s and action: transfer of Knot", name, name)
	case refused && !r.allowed() || refused && r.rcode == dns.RcodeNotImplemented:
		return fmt.Sprintf("let the key change the zone: allow-update { key %s; }; or update-policy { grant %s zonesub ANY; }; of BIND, or an acl with key: %s and action: update of Knot", name, name, name)
	case refused && (r.tsig == dns.RcodeBadKey || r.tsig == dns.RcodeBadSig):
		return fmt.Sprintf("give the server a key of the same name, algorithm and secret: %s, %s", name, key.Algorithm)
	case refused && r.tsig == dns.RcodeBadTime:
		return "set the clock that is wrong"
	case refused && r.tsig == 0 && r.rcode == dns.RcodeNotAuth:
		return "name the primary of the zone, which has it under that name and knows the key " + name
	case refused:
		return "the log of the name server says why"
	case errors.Is(err, ErrNotServed):
		return "name a server that is primary of the zone"
	case errors.Is(err, errUnsigned):
		return "the server answers without TSIG: it has to know the key " + name
	}
	return ""
}
