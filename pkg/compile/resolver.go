package compile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Resolvers is an ordered list of resolvers: where one cannot tell, the next
// is asked.
type Resolvers struct {
	list    []resolve.Lookuper
	agreed  *resolve.Agreement // nil where one resolver is enough
	clients []*resolve.Client  // that the list asks, over the network
	closers []io.Closer
}

// ResolverOptions says how resolvers are asked, and when they are believed.
type ResolverOptions struct {
	resolve.Options

	Agree         int // how many have to say the same; 0 means 1
	AgreeMode     resolve.AgreeMode
	Authoritative bool           // the authoritative servers are asked; resolvers only name them
	Policy        resolve.Policy // of what is published; servers at other addresses are not asked
}

// ErrNotValidated is what asking authoritative servers for validated answers
// gives.
var ErrNotValidated = errors.New("authoritative servers do not validate: fresh answers and require-ad do not go together")

// OpenResolvers opens the resolvers that URLs name, in their order; without
// any, those of the system. Worlds in memory count as resolvers where several
// have to agree, and as validated and authoritative: they are the user's own.
// readFile reads what file: names. Problems are those of such a file. Close ends
// what it started.
func OpenResolvers(urls []string, options ResolverOptions, readFile func(string) ([]byte, error)) (*Resolvers, diag.List, error) {
	if options.Authoritative && options.RequireAD {
		return nil, nil, ErrNotValidated
	}
	r := &Resolvers{}
	var network []string
	flush := func() error {
		if len(network) == 0 && (len(r.list) > 0 || len(urls) > 0) {
			return nil
		}
		err := r.openNetwork(network, &options)
		network = nil
		return err
	}
	for _, text := range urls {
		u, err := resolve.ParseURL(text)
		if err != nil {
			r.Close()
			return nil, nil, err
		}
		if !u.InMemory() {
			network = append(network, text)
			continue
		}
		if err := flush(); err != nil {
			r.Close()
			return nil, nil, err
		}
		if u.Scheme == resolve.SchemeDemo {
			r.list = append(r.list, resolve.Demo())
			continue
		}
		world, problems, err := openWorld(u, readFile)
		if err != nil || problems.HasErrors() {
			r.Close()
			return nil, problems, err
		}
		r.list = append(r.list, world)
	}
	err := flush()
	if err == nil && options.Agree > 1 {
		r.agreed, err = resolve.NewAgreement(r.list, options.Agree, options.AgreeMode, options.Policy.MaxAddresses)
	}
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return r, nil, nil
}

// openNetwork opens resolvers on the network: one client for all, or one for
// each where they have to agree.
func (r *Resolvers) openNetwork(urls []string, options *ResolverOptions) error {
	clients := [][]string{urls}
	if options.Agree > 1 {
		servers, err := options.Servers(urls)
		if err != nil {
			return err
		}
		clients = nil
		for _, u := range servers {
			clients = append(clients, []string{u.String()})
		}
	}
	for _, of := range clients {
		c, err := resolve.New(of, options.Options)
		if err != nil {
			return err
		}
		r.clients = append(r.clients, c)
		r.closers = append(r.closers, c)
		if !options.Authoritative {
			r.list = append(r.list, c)
			continue
		}
		a := resolve.NewAuthority(c, options.Policy)
		r.closers = append(r.closers, a)
		r.list = append(r.list, a)
	}
	return nil
}

// openWorld reads a file of records that answers in place of a resolver.
func openWorld(u resolve.URL, readFile func(string) ([]byte, error)) (*resolve.Memory, diag.List, error) {
	text, err := readFile(u.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("resolver %s: %w", u, err)
	}
	records, problems := zonefile.Records(u.Path, text)
	if problems.HasErrors() {
		return nil, problems, nil
	}
	world, err := resolve.NewMemory(records)
	if err != nil {
		return nil, nil, fmt.Errorf("resolver %s: %w", u, err)
	}
	world.Name = u.String()
	return world, nil, nil
}

// Lookuper is what to ask: those who have to agree, the list itself, or the one
// that the list consists of.
func (r *Resolvers) Lookuper() resolve.Lookuper {
	switch {
	case r.agreed != nil:
		return r.agreed
	case len(r.list) == 1:
		return r.list[0]
	}
	return r
}

var _ resolve.SubnetLookuper = (*Resolvers)(nil)

// For gives the list as it is for a client subnet.
func (r *Resolvers) For(subnet resolve.Subnet) resolve.Lookuper {
	placed := &Resolvers{list: slices.Clone(r.list)}
	for i, l := range placed.list {
		if l, ok := l.(resolve.SubnetLookuper); ok {
			placed.list[i] = l.For(subnet)
		}
	}
	return placed
}

// Lookup asks the resolvers in order until one knows. Where none does, the one
// that tells most is believed.
func (r *Resolvers) Lookup(ctx context.Context, target zone.Name, qtype uint16) resolve.Answer {
	var best resolve.Answer
	var attempts []resolve.Attempt
	for i, l := range r.list {
		a := l.Lookup(ctx, target, qtype)
		attempts = append(attempts, a.Attempts...)
		if i == 0 || a.TellsMore(&best) {
			best = a
		}
		if best.Known() {
			break
		}
	}
	best.Attempts = attempts
	return best
}

// Pref64s gives the prefixes of the DNS64 of a resolver, as far as its answers
// have shown them.
func (r *Resolvers) Pref64s(resolver string) []netip.Prefix {
	for _, c := range r.clients {
		if prefixes := c.Pref64s(resolver); prefixes != nil {
			return prefixes
		}
	}
	return nil
}

// Examine asks every resolver on the network about itself, see
// [resolve.Client.Examine], in the order of the list.
func (r *Resolvers) Examine(ctx context.Context) []resolve.Examined {
	of := make([][]resolve.Examined, len(r.clients))
	var all sync.WaitGroup
	for i, c := range r.clients {
		all.Go(func() { of[i] = c.Examine(ctx) })
	}
	all.Wait()
	return slices.Concat(of...)
}

// Health tells how each resolver on the network does, in the order of the list.
func (r *Resolvers) Health() []resolve.Health {
	var list []resolve.Health
	for _, c := range r.clients {
		list = append(list, c.Health()...)
	}
	return list
}

// Problems tells which resolvers invent addresses and were not used, as far as
// lookups have shown it. It is an error where no other resolver is left.
func (r *Resolvers) Problems() diag.List {
	_, list := r.Inventing()
	return list
}

// Inventing gives the URLs of the resolvers that invent addresses, and what there is to say of
// each, as Problems has it.
func (r *Resolvers) Inventing() (urls []string, problems diag.List) {
	var bad []resolve.BadResolver
	left := len(r.list) - len(r.clients)
	for _, c := range r.clients {
		p := c.Probed()
		bad = append(bad, p.Bad...)
		left += len(p.Resolvers) - len(p.Bad)
	}
	for _, b := range bad {
		d := warning(diag.CodeResolverInvents, fmt.Sprintf("resolver %s is not used: %s", b.Resolver, b), "")
		if left == 0 {
			d.Severity, d.Err = diag.Error, flatten.ErrUnresolved
			d.Hint = "no other resolver is left; --resolver names another"
		}
		urls, problems = append(urls, b.Resolver), append(problems, d)
	}
	return urls, problems
}

// Probe finds out anew which resolvers invent addresses, as [resolve.Client.Probe] does.
func (r *Resolvers) Probe(ctx context.Context) {
	var all sync.WaitGroup
	for _, c := range r.clients {
		all.Go(func() { c.Probe(ctx) })
	}
	all.Wait()
}

// Confirm asks further resolvers of the list about a negative answer, as
// [resolve.Client.Confirm] does. Worlds in memory are not asked.
func (r *Resolvers) Confirm(ctx context.Context, a resolve.Answer) resolve.Answer {
	for _, c := range r.clients {
		detail := a.Detail
		if a = c.Confirm(ctx, a); a.Confirmed || a.Detail != detail {
			break
		}
	}
	return a
}

// InFlight is how many lookups at once are of use: very many over a network,
// few where all answers are in memory.
func (r *Resolvers) InFlight() int {
	if len(r.clients) == 0 {
		return 2 * runtime.GOMAXPROCS(0)
	}
	return DefaultInFlight
}

// Close ends the resolvers' sockets.
func (r *Resolvers) Close() {
	for _, c := range slices.Backward(r.closers) {
		_ = c.Close() // there is nothing to lose
	}
}
