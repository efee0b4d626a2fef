package primary

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// ShrinkError says that a catalog was to lose more members at once than it may. A secondary
// drops what leaves its catalog, so that is done on purpose alone.
type ShrinkError struct {
	Catalog zone.Name
	Gone    []zone.Name // that are not set up any more
	Members int         // that it had
}

// Error tells the numbers.
func (e *ShrinkError) Error() string {
	return fmt.Sprintf("catalog %s: %d of its %d members would go, %s first", e.Catalog, len(e.Gone), e.Members, e.Gone[0])
}

// Timers of a catalog in seconds; nothing in it is asked for by the world.
const (
	catalogTTL     = 3600
	catalogRefresh = 3600
	catalogRetry   = 600
	catalogExpire  = 28 * 86400
)

// Catalog makes a catalog zone of version 2 (RFC 9432 §4). The label of a member is made of its
// name, so that it is the same always and everywhere.
func Catalog(name zone.Name, serial zone.Serial, members []zone.Name) (*Zone, error) {
	b := NewBuilder(name)
	apex := []byte(name.Wire())
	invalid := []byte("\x07invalid\x00")
	soa := append(append([]byte(nil), invalid...), invalid...)
	for _, v := range [...]uint32{uint32(serial), catalogRefresh, catalogRetry, catalogExpire, catalogTTL} {
		soa = append(soa, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	add := func(owner []byte, typ uint16, rdata []byte) error { return b.Add(owner, typ, catalogTTL, rdata) }
	if err := add(apex, dns.TypeSOA, soa); err != nil {
		return nil, err
	}
	if err := add(apex, dns.TypeNS, invalid); err != nil {
		return nil, err
	}
	if err := add(append([]byte("\x07version"), apex...), dns.TypeTXT, []byte("\x012")); err != nil {
		return nil, err
	}
	for _, m := range members {
		owner := append(memberLabel(m), "\x05zones"...)
		if err := add(append(owner, apex...), dns.TypePTR, []byte(m.Wire())); err != nil {
			return nil, err
		}
	}
	return b.Zone()
}

// memberLabel is the unique label of a member, with its length.
func memberLabel(member zone.Name) []byte {
	sum := sha256.Sum256([]byte(member.Wire()))
	return hex.AppendEncode([]byte{32}, sum[:16])
}

// members gives the members that a catalog lists.
func (z *Zone) members() []zone.Name {
	var list []zone.Name
	for c := z.open(place{}); c.valid(); c.move() {
		if c.current.typ == dns.TypePTR {
			if n, err := zone.NameFromWire(c.current.rdata); err == nil {
				list = append(list, n)
			}
		}
	}
	slices.SortFunc(list, zone.Name.Compare)
	return list
}

// publishCatalog serves the catalog of a setup. Its members are the zones that are set up,
// whether they are loaded or not.
func (s *Server) publishCatalog(r *rules) error {
	old, kept := s.Generation(r.catalog), false
	if old == nil {
		old = s.keptCatalog(r.catalog)
		kept = old != nil
	}
	var shrunk error
	if old != nil {
		before := old.members()
		gone := without(before, r.members)
		if !r.shrink && len(gone) > max(1, len(before)/10) {
			shrunk = &ShrinkError{Catalog: r.catalog, Gone: gone, Members: len(before)}
		}
		if shrunk != nil || slices.Equal(before, r.members) {
			if kept {
				return errors.Join(s.publish(r, old, nil), shrunk)
			}
			return shrunk
		}
	}
	z, err := s.nextCatalog(r, old)
	if err != nil {
		return fmt.Errorf("catalog %s: %w", r.catalog, err)
	}
	if h := s.options.History; h != nil {
		if err := h.Keep(z.name, encodeCatalog(z), 1); err != nil {
			return fmt.Errorf("keep catalog %s: %w", z.name, err)
		}
	}
	return s.publish(r, z, nil)
}

// nextCatalog makes the catalog behind another, which may be nil. Its serial is the time, so
// that it goes on even where nobody knows what it was.
func (s *Server) nextCatalog(r *rules, old *Zone) (*Zone, error) {
	policy, now := zone.Policy{Style: zone.SerialUnixTime}, s.options.Now()
	var last *zone.Serial
	if old != nil {
		last = &old.serial
	}
	c, err := policy.Choose(1, last, true, now)
	if err != nil {
		return nil, err
	}
	return Catalog(r.catalog, c.Serial, r.members)
}

// A catalog is kept as: version, serial, and the names of its members in wire form. Its version
// is none of a step.
const (
	catalogVersion = 0x80
	catalogHead    = 1 + 4
)

func encodeCatalog(z *Zone) []byte {
	b := binary.BigEndian.AppendUint32([]byte{catalogVersion}, uint32(z.serial))
	for _, m := range z.members() {
		b = append(b, m.Wire()...)
	}
	return b
}

// keptCatalog gives the catalog that was served before a restart; nil: it is not known.
func (s *Server) keptCatalog(name zone.Name) *Zone {
	h := s.options.History
	if h == nil {
		return nil
	}
	entries, err := h.Load(name)
	var z *Zone
	if n := len(entries); err == nil && n > 0 {
		z, err = decodeCatalog(name, entries[n-1])
	}
	if err != nil {
		s.options.Observer.problem(fmt.Errorf("catalog %s: %w", name, err))
		return nil
	}
	return z
}

var errCatalog = errors.New("what is kept is no catalog")

func decodeCatalog(name zone.Name, b []byte) (*Zone, error) {
	if len(b) < catalogHead || b[0] != catalogVersion {
		return nil, errCatalog
	}
	var members []zone.Name
	for rest := b[catalogHead:]; len(rest) > 0; rest = rest[zone.WireNameLen(rest):] {
		n, err := zone.NameFromWire(rest)
		if err != nil {
			return nil, errCatalog
		}
		members = append(members, n)
	}
	return Catalog(name, zone.Serial(binary.BigEndian.Uint32(b[1:])), members)
}

// without gives what is in list and not in other, both in canonical order.
func without(list, other []zone.Name) []zone.Name {
	var rest []zone.Name
	for _, n := range list {
		if _, found := slices.BinarySearchFunc(other, n, zone.Name.Compare); !found {
			rest = append(rest, n)
		}
	}
	return rest
}
