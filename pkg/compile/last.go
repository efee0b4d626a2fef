package compile

import (
	"io"
	"net/netip"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// lastKey is an ALIAS as an output shows it.
type lastKey struct {
	owner, target zone.Name
	qtype         uint16
}

// last is the RRset that an ALIAS was published with last.
type last struct {
	ttl       uint32
	raised    bool // ttl is that of a ttl-min
	addresses []netip.Addr
}

// LastOf gives what [Published].Last says of an output.
func LastOf(output io.Reader) (func(owner, target zone.Name, qtype uint16) *resolve.Known, error) {
	all, err := readLast(output)
	return func(owner, target zone.Name, qtype uint16) *resolve.Known {
		if l := all[lastKey{owner, target, qtype}]; l != nil {
			return &resolve.Known{Addresses: l.addresses, TTL: l.ttl, Raised: l.raised}
		}
		if all[lastKey{owner, target, 0}] != nil {
			return &resolve.Known{Gone: true}
		}
		return nil
	}, err
}

func readLast(output io.Reader) (map[lastKey]*last, error) {
	all := map[lastKey]*last{}
	err := zonefile.FindFlattened(output, func(f zonefile.Flattened) {
		if f.Own {
			return
		}
		k := lastKey{f.Owner, f.Target, f.Type}
		l := all[k]
		if l == nil {
			l = &last{ttl: f.TTL}
			all[k] = l
		}
		l.ttl, l.raised = min(l.ttl, f.TTL), l.raised || f.Raised
		if f.Address.IsValid() {
			l.addresses = append(l.addresses, f.Address)
		}
	})
	for _, l := range all {
		slices.SortFunc(l.addresses, netip.Addr.Compare)
		l.addresses = slices.Compact(l.addresses)
	}
	return all, err
}
