package primary

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Setup says what is served to whom. It can be replaced while the server runs; see
// [Server.Configure].
type Setup struct {
	Keys  []Key
	Zones []ZoneSetup // each name once
	// Sources are zones of other primaries, whose NOTIFY is taken; a name may stand several times.
	Sources []Source
	// Updates says whose UPDATE is handed to [Options.Updater]. A zone need not be among Zones.
	Updates []Updates
	// Catalog is the zone that lists Zones (RFC 9432); with the zero Name there is none.
	Catalog ZoneSetup
	// Shrink lets the catalog lose any number of members at once. Without it one may go, or a
	// tenth of them.
	Shrink bool
}

// ZoneSetup is one zone that is served.
type ZoneSetup struct {
	Name        zone.Name
	Secondaries []Secondary
	Access      []Access // of others
}

// Secondary is a name server that follows a zone: it may transfer it, is told of changes, and is
// asked which serial it has.
type Secondary struct {
	Address netip.AddrPort // where it takes NOTIFY, and from which address it transfers
	// Key is the name of the key it signs with, and is told of changes with.
	Key zone.Name
	// Unsigned says that its address alone is enough, and Key is the zero Name.
	Unsigned bool
	// Silent says that it is neither told nor asked.
	Silent bool
}

// Access lets others at a zone.
type Access struct {
	From netip.Prefix
	Key  zone.Name // that they sign with
	// Unsigned says that the address alone is enough, and Key is the zero Name.
	Unsigned bool
	// Lookup lets them ask for the data of the zone, and not transfer it.
	Lookup bool
}

// Source is a zone that somebody else is the primary of.
type Source struct {
	Name zone.Name
	From netip.Addr
	// Key is the name of the key that NOTIFY is signed with.
	Key zone.Name
	// Unsigned says that the address alone is enough, and Key is the zero Name.
	Unsigned bool
}

// Updates lets somebody send UPDATE for a zone.
type Updates struct {
	Zone zone.Name
	From netip.Prefix
	Key  zone.Name // that it is signed with
}

// rules are a setup as requests are judged by it. They never change.
type rules struct {
	ring    keyring
	zones   map[zone.Name]*zoneRules
	sources map[zone.Name][]Access // whose NOTIFY is taken
	updates map[zone.Name][]Access // whose UPDATE is taken
	known   map[netip.Prefix]bool  // every address that may do anything
	catalog zone.Name
	members []zone.Name // of the catalog, in canonical order
	shrink  bool
}

// zoneRules are those of one zone.
type zoneRules struct {
	access      []Access
	secondaries []Secondary // that are told and asked
	served      *served
}

// newRules makes sure that a setup is one. Errors are joined.
func newRules(setup *Setup) (*rules, error) {
	r := &rules{ring: keyring{}, zones: map[zone.Name]*zoneRules{}, sources: map[zone.Name][]Access{}, updates: map[zone.Name][]Access{}, known: map[netip.Prefix]bool{}, catalog: setup.Catalog.Name, shrink: setup.Shrink}
	var problems []error
	for i := range setup.Keys {
		k := &setup.Keys[i]
		switch {
		case k.algorithm == nil:
			problems = append(problems, fmt.Errorf("key %s was not made by NewKey", k.Name))
		case r.ring[k.Name] != nil:
			problems = append(problems, fmt.Errorf("key %s: there are two", k.Name))
		default:
			r.ring[k.Name] = k
		}
	}
	for i := range setup.Zones {
		problems = append(problems, r.add(&setup.Zones[i]))
		r.members = append(r.members, setup.Zones[i].Name)
	}
	for i := range setup.Sources {
		problems = append(problems, r.follow(&setup.Sources[i]))
	}
	for _, u := range setup.Updates {
		problems = append(problems, r.take(u))
	}
	slices.SortFunc(r.members, zone.Name.Compare)
	if !r.catalog.IsZero() {
		problems = append(problems, r.add(&setup.Catalog))
	}
	return r, errors.Join(problems...)
}

func (r *rules) add(z *ZoneSetup) error {
	if z.Name.IsZero() {
		return errors.New("a zone without a name")
	}
	if r.zones[z.Name] != nil {
		return fmt.Errorf("zone %s: it is served already", z.Name)
	}
	var problems []error
	zr := &zoneRules{served: new(served)}
	for _, s := range z.Secondaries {
		if !s.Address.IsValid() || s.Address.Port() == 0 {
			problems = append(problems, fmt.Errorf("zone %s: a secondary needs an address and a port", z.Name))
			continue
		}
		address := s.Address.Addr().Unmap().WithZone("")
		s.Address = netip.AddrPortFrom(s.Address.Addr().Unmap(), s.Address.Port())
		a := Access{From: netip.PrefixFrom(address, address.BitLen()), Key: s.Key, Unsigned: s.Unsigned}
		problems = append(problems, r.allow(zr, z.Name, a))
		if !s.Silent {
			zr.secondaries = append(zr.secondaries, s)
		}
	}
	for _, a := range z.Access {
		problems = append(problems, r.allow(zr, z.Name, a))
	}
	r.zones[z.Name] = zr
	return errors.Join(problems...)
}

// follow adds a zone whose NOTIFY is taken.
func (r *rules) follow(s *Source) error {
	from := s.From.Unmap().WithZone("")
	a := Access{From: netip.PrefixFrom(from, from.BitLen()), Key: s.Key, Unsigned: s.Unsigned}
	if err := r.judge(s.Name, a); err != nil {
		return err
	}
	r.sources[s.Name] = append(r.sources[s.Name], a)
	r.known[a.From] = true
	return nil
}

// take adds a zone whose UPDATE is taken.
func (r *rules) take(u Updates) error {
	if u.Zone.IsZero() {
		return errors.New("UPDATE for a zone without a name")
	}
	a := Access{From: u.From, Key: u.Key}
	if err := r.judge(u.Zone, a); err != nil {
		return err
	}
	a.From = a.From.Masked()
	r.updates[u.Zone] = append(r.updates[u.Zone], a)
	r.known[a.From] = true
	return nil
}

// allow adds one rule.
func (r *rules) allow(zr *zoneRules, name zone.Name, a Access) error {
	if err := r.judge(name, a); err != nil {
		return err
	}
	a.From = a.From.Masked()
	zr.access = append(zr.access, a)
	r.known[a.From] = true
	return nil
}

// judge makes sure that a rule is one.
func (r *rules) judge(name zone.Name, a Access) error {
	switch {
	case !a.From.IsValid():
		return fmt.Errorf("zone %s: who may ask is no range of addresses", name)
	case a.Key.IsZero() && !a.Unsigned:
		return fmt.Errorf("zone %s: %s has no key", name, a.From)
	case !a.Key.IsZero() && a.Unsigned:
		return fmt.Errorf("zone %s: %s has a key and needs none", name, a.From)
	case !a.Key.IsZero() && r.ring[a.Key] == nil:
		return fmt.Errorf("zone %s: there is no key %s", name, a.Key)
	}
	return nil
}

// knows tells whether an address may do anything at all.
func (r *rules) knows(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for p := range r.known {
		if p.Contains(address) {
			return true
		}
	}
	return false
}

// may tells whether an address may look a zone up, and whether it may transfer it. The zero key
// is that of a request without a signature.
func (z *zoneRules) may(address netip.Addr, key zone.Name) (lookup, transfer bool) {
	address = address.Unmap().WithZone("")
	for i := range z.access {
		a := &z.access[i]
		if a.From.Contains(address) && (a.Unsigned || a.Key == key) {
			lookup, transfer = true, transfer || !a.Lookup
		}
	}
	return lookup, transfer
}

// enclosing gives the zone that a name is in, the lowest one.
func (r *rules) enclosing(name zone.Name) (zone.Name, *zoneRules) {
	for ; !name.IsZero(); name = name.Parent() {
		if z := r.zones[name]; z != nil {
			return name, z
		}
	}
	return name, nil
}
