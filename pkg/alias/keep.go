package alias

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TypeALIAS is the type number of an ALIAS record.
const TypeALIAS = 65401

// HostsApex tells whether an owner name is the host of an apex NS record.
func (m *Member) HostsApex(owner zone.Name) bool {
	for _, rec := range m.File.Records(m.File.Name, dns.TypeNS) {
		if host, err := zone.NameFromWire(rec.RDATA); err == nil && host == owner {
			return true
		}
	}
	return false
}

// Uncovers tells whether a wildcard would answer for the owner of a rule if nothing stood
// in place of the ALIAS (RFC 4592 §3.3.1).
func (m *Member) Uncovers(r *Rule) bool {
	owner := r.Owner
	if owner == m.File.Name {
		return false
	}
	other := slices.ContainsFunc(m.File.Types(owner), func(typ uint16) bool { return typ != TypeALIAS })
	return !other && !m.wildcard(owner).IsZero()
}
