package compile

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"

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
	clients []*resolve.Client
}

// OpenResolvers opens the resolvers that URLs name, in their order; without
// any, those of the system. readFile reads what file: names. Problems are
// those of such a file. Close ends what it started.
func OpenResolvers(urls []string, options resolve.Options, readFile func(string) ([]byte, error)) (*Resolvers, diag.List, error) {
	r := &Resolvers{}
	var network []string
	flush := func() error {
		if len(network) == 0 && (len(r.list) > 0 || len(urls) > 0) {
			return nil
		}
		c, err := resolve.New(network, options)
		if err != nil {
			return err
		}
		r.clients = append(r.clients, c)
		r.list = append(r.list, c)
		network = nil
		return nil
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
	if err := flush(); err != nil {
		r.Close()
		return nil, nil, err
	}
	return r, nil, nil
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

// Lookuper is what to ask: the list itself, or the one that the list consists of.
func (r *Resolvers) Lookuper() resolve.Lookuper {
	if len(r.list) == 1 {
		return r.list[0]
	}
	return r
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

// Problems tells which resolvers invent addresses and were not used, as far as
// lookups have shown it. It is an error where no other resolver is left.
func (r *Resolvers) Problems() diag.List {
	var bad []resolve.BadResolver
	left := len(r.list) - len(r.clients)
	for _, c := range r.clients {
		p := c.Probed()
		bad = append(bad, p.Bad...)
		left += len(p.Resolvers) - len(p.Bad)
	}
	var list diag.List
	for _, b := range bad {
		d := warning(diag.CodeResolverInvents, fmt.Sprintf("resolver %s is not used: %s", b.Resolver, b), "")
		if left == 0 {
			d.Severity, d.Err = diag.Error, flatten.ErrUnresolved
			d.Hint = "no other resolver is left; --resolver names another"
		}
		list = append(list, d)
	}
	return list
}

// Confirm asks further resolvers of the list about a negative answer, as
// [resolve.Client.Confirm] does. Worlds in memory confirm nothing.
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
	for _, c := range r.clients {
		c.Close()
	}
}
