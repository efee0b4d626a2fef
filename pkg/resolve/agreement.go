package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// AgreeMode says when resolvers agree about the addresses of a target.
type AgreeMode uint8

// The modes.
const (
	// AgreeEqual wants the same addresses of each.
	AgreeEqual AgreeMode = iota
	// AgreeOverlap is for targets that give each resolver other addresses of one pool. Where
	// the sets differ, the resolvers are asked again until they have nothing new to say. They
	// agree if all there is hangs together: a resolver's addresses are among those of another,
	// and of no more than a target may have.
	AgreeOverlap
)

// maxRepeats is how often resolvers are asked again for what else is in a pool.
const maxRepeats = 8

// Agreement is a Lookuper that believes resolvers only where several of them say the same.
//
// The first ones of a list are asked; where one cannot tell, the next one is asked in its
// place. Outcomes count as addresses do: no address against some is a disagreement, and so is
// NODATA against NXDOMAIN. What is given is the answer of one resolver, the first in the order
// of the list, so that no RRset is mixed from several; only its TTL is the least of all.
type Agreement struct {
	resolvers    []Lookuper
	wanted       int
	mode         AgreeMode
	maxAddresses int
}

var _ SubnetLookuper = (*Agreement)(nil)

// ErrFewResolvers is what fewer resolvers give than have to agree.
var ErrFewResolvers = errors.New("too few resolvers")

// NewAgreement makes an Agreement of so many of the resolvers, each of which is one resolver
// and not a list of them. maxAddresses bounds what counts as one pool; 0 means 64. It is an
// [ErrFewResolvers] if there are fewer than have to agree.
func NewAgreement(resolvers []Lookuper, wanted int, mode AgreeMode, maxAddresses int) (*Agreement, error) {
	switch {
	case wanted < 1:
		return nil, fmt.Errorf("%w: %d cannot agree", ErrFewResolvers, wanted)
	case wanted > len(resolvers):
		return nil, fmt.Errorf("%w: %d have to agree, and the list has %d", ErrFewResolvers, wanted, len(resolvers))
	case maxAddresses <= 0:
		maxAddresses = DefaultMaxAddresses
	}
	return &Agreement{resolvers: resolvers, wanted: wanted, mode: mode, maxAddresses: maxAddresses}, nil
}

// For gives an Agreement of the same resolvers about what they have for a subnet.
func (g *Agreement) For(subnet Subnet) Lookuper {
	placed := *g
	placed.resolvers = slices.Clone(g.resolvers)
	for i, l := range placed.resolvers {
		if l, ok := l.(SubnetLookuper); ok {
			placed.resolvers[i] = l.For(subnet)
		}
	}
	return &placed
}

// Lookup asks until enough resolvers have answered, and compares what they say.
func (g *Agreement) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	p := &poll{Agreement: g, question: Question{Target: target, Type: qtype}}
	p.gather(ctx)
	a, f := p.judge(ctx)
	if f != nil {
		a = a.failed(*f)
	}
	a.Attempts = p.attempts
	return a
}

// poll is one lookup of an Agreement.
type poll struct {
	*Agreement

	question Question
	opinions []opinion // in the order of the list
	failed   *Answer   // the failure that tells most
	attempts []Attempt
}

// opinion is what one resolver says.
type opinion struct {
	resolver Lookuper
	answer   Answer
	seen     []netip.Addr // in all its answers; sorted
}

// isFirm tells whether an answer is one to rely on where there is a better one.
func isFirm(a *Answer) bool { return a.Outcome != WeakNoData && !a.Stale }

// gather asks as many resolvers as have to agree, and for each that cannot tell the next.
// Answers that are stale or prove nothing count only where there are no better ones.
func (p *poll) gather(ctx context.Context) {
	var weak []opinion
	for rest := p.resolvers; len(rest) > 0 && len(p.opinions) < p.wanted; {
		n := min(p.wanted-len(p.opinions), len(rest))
		for i, a := range p.ask(ctx, rest[:n]) {
			o := opinion{resolver: rest[i], answer: a, seen: a.Addresses}
			switch {
			case a.Outcome == Failure:
				if p.failed == nil || a.TellsMore(p.failed) {
					p.failed = &a
				}
			case isFirm(&a):
				p.opinions = append(p.opinions, o)
			default:
				weak = append(weak, o)
			}
		}
		rest = rest[n:]
		if ctx.Err() != nil {
			return
		}
	}
	p.opinions = append(p.opinions, weak[:min(len(weak), p.wanted-len(p.opinions))]...)
}

// ask asks resolvers side by side.
func (p *poll) ask(ctx context.Context, resolvers []Lookuper) []Answer {
	answers := make([]Answer, len(resolvers))
	var open sync.WaitGroup
	for i := 1; i < len(resolvers); i++ {
		open.Go(func() { answers[i] = resolvers[i].Lookup(ctx, p.question.Target, p.question.Type) })
	}
	answers[0] = resolvers[0].Lookup(ctx, p.question.Target, p.question.Type)
	open.Wait()
	for i := range answers {
		p.attempts = append(p.attempts, answers[i].Attempts...)
	}
	return answers
}

// judge gives the answer of the first resolver and, if it is not to be believed, why.
func (p *poll) judge(ctx context.Context) (Answer, *failure) {
	if len(p.opinions) < p.wanted {
		return p.tooFew()
	}
	a := p.opinions[0].answer
	for i := range p.opinions {
		o := &p.opinions[i]
		if sense(o.answer.Outcome) != sense(a.Outcome) {
			return p.disagree(&p.opinions[0], o)
		}
	}
	if a.Outcome == Addresses {
		if a, f := p.compare(ctx); f != nil {
			return a, f
		}
	}
	for i := range p.opinions {
		other := &p.opinions[i].answer
		a.TTL, a.AddressTTL = min(a.TTL, other.TTL), min(a.AddressTTL, other.AddressTTL)
		a.NegativeTTL = min(a.NegativeTTL, other.NegativeTTL)
		a.Stale = a.Stale || other.Stale
		a.SubnetUnused = a.SubnetUnused || other.SubnetUnused
		a.Authoritative = a.Authoritative && other.Authoritative
		if other.Outcome == WeakNoData {
			a.Outcome = WeakNoData
		}
	}
	return a, nil
}

// sense is an outcome but for what proves it.
func sense(o Outcome) Outcome {
	if o == WeakNoData {
		return NoData
	}
	return o
}

// tooFew is for a lookup that fewer resolvers could answer than have to agree.
func (p *poll) tooFew() (Answer, *failure) {
	a := *p.failed // one has failed, or there would be enough
	if a.Reason == ReasonCanceled {
		return a, &failure{reason: a.Reason, detail: a.Detail}
	}
	return a, failuref(a.Reason, "%d resolvers have to agree, and %d answered: %s", p.wanted, len(p.opinions), a.Detail)
}

// compare holds the address sets of all against each other.
func (p *poll) compare(ctx context.Context) (Answer, *failure) {
	first := &p.opinions[0]
	differs := slices.IndexFunc(p.opinions, func(o opinion) bool { return !slices.Equal(o.seen, first.seen) })
	switch {
	case differs < 0:
		return first.answer, nil
	case p.mode == AgreeEqual:
		return p.disagree(first, &p.opinions[differs])
	}
	if a, f := p.explore(ctx); f != nil {
		return a, f
	}
	if apart := p.apart(); apart != nil {
		return p.disagree(first, apart)
	}
	return first.answer, nil
}

// explore asks all again until none has a new address to give.
func (p *poll) explore(ctx context.Context) (Answer, *failure) {
	first := &p.opinions[0]
	resolvers := make([]Lookuper, len(p.opinions))
	var pool []netip.Addr
	for i := range p.opinions {
		resolvers[i] = p.opinions[i].resolver
		pool = union(pool, p.opinions[i].seen)
	}
	for range maxRepeats {
		if len(pool) > p.maxAddresses {
			return p.disputed(first, failuref(ReasonDisagree, "the resolvers have more than %d addresses together", p.maxAddresses))
		}
		before := len(pool)
		for i, a := range p.ask(ctx, resolvers) {
			o := &p.opinions[i]
			switch a.Outcome {
			case Addresses:
				o.seen = union(o.seen, a.Addresses)
				pool = union(pool, a.Addresses)
				o.answer.TTL = min(o.answer.TTL, a.TTL)
			case NoData, WeakNoData, NXDomain:
				return p.disagree(o, &opinion{answer: a})
			case Failure: // it has nothing to add
			}
		}
		if err := ctx.Err(); err != nil {
			return p.disputed(first, failuref(ReasonCanceled, "%s", canceledText(err)))
		}
		if len(pool) == before {
			return first.answer, nil
		}
	}
	return p.disputed(first, failuref(ReasonDisagree, "the resolvers still give new addresses after %d answers of each", maxRepeats+1))
}

// union gives the addresses of both sets, sorted.
func union(a, b []netip.Addr) []netip.Addr {
	both := slices.Concat(a, b)
	slices.SortFunc(both, netip.Addr.Compare)
	return slices.Compact(both)
}

// apart finds a resolver whose addresses do not hang together with those of the first one,
// through those of the others if need be.
func (p *poll) apart() *opinion {
	together := p.opinions[0].seen
	rest := make([]*opinion, 0, len(p.opinions))
	for i := range p.opinions[1:] {
		rest = append(rest, &p.opinions[1+i])
	}
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(o *opinion) bool {
			return slices.ContainsFunc(o.seen, func(addr netip.Addr) bool { return slices.Contains(together, addr) })
		})
		if i < 0 {
			return rest[0]
		}
		together = union(together, rest[i].seen)
		rest = slices.Delete(rest, i, i+1)
	}
	return nil
}

// disagree is for two resolvers that say different things.
func (p *poll) disagree(a, b *opinion) (Answer, *failure) {
	return p.disputed(a, failuref(ReasonDisagree, "the resolvers do not agree: %s; %s", a, b))
}

// disputed is for an answer that is no single resolver's fault.
func (p *poll) disputed(o *opinion, f *failure) (Answer, *failure) {
	a := o.answer
	a.Resolver = ""
	return a, f
}

// maxShown is how many addresses of a side are shown.
const maxShown = 4

// String says what the resolver says, for people.
func (o *opinion) String() string {
	addrs := o.seen
	switch sense(o.answer.Outcome) {
	case NoData:
		return o.answer.Resolver + " has none"
	case NXDomain:
		return o.answer.Resolver + " says that there is no such name"
	case Addresses, Failure, WeakNoData:
	}
	words := make([]string, 0, maxShown)
	for _, addr := range addrs[:min(len(addrs), maxShown)] {
		words = append(words, addr.String())
	}
	text := o.answer.Resolver + " has " + strings.Join(words, ", ")
	if more := len(addrs) - len(words); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
