package watch

import (
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// errNoWire says that a record can be written into a file, and not into a message.
var errNoWire = errors.New("its RDATA has no wire form that is known here")

// Served packs the records of a flattened zone for the hidden primary. The zone may have been
// summarized alone; one with errors is refused.
func Served(z *zonefile.Zone) (*primary.Zone, error) {
	if z.Found.HasErrors() {
		return nil, z.Found.Err()
	}
	b := primary.NewBuilder(z.Name)
	b.Grow(z.Count)
	var failed error
	z.EachRecord(func(owner []byte, typ uint16, ttl uint32, rdata []byte) {
		switch {
		case failed != nil:
		case rdata == nil:
			name := string(zone.AppendNameText(nil, owner))
			failed = fmt.Errorf("serve %s: %s %s: %w", z.Name, name, dns.Type(typ), errNoWire)
		default:
			failed = b.Add(owner, typ, ttl, rdata)
		}
	})
	if failed != nil {
		return nil, failed
	}
	return b.Zone()
}

// Revised gives the generation behind z, which has the records of an earlier result of the same
// source; nil: it has to be packed as a whole.
func Revised(z *primary.Zone, old compile.Flat, r *compile.Result) *primary.Zone {
	changed, ok := r.Since(old)
	if !ok {
		return nil
	}
	sets := make([]primary.RRset, len(changed))
	for i, c := range changed {
		sets[i] = primary.RRset{Owner: c.Owner, Type: c.Type, TTL: c.TTL}
		for _, a := range c.Addresses {
			sets[i].RDATA = append(sets[i].RDATA, a.AsSlice())
		}
	}
	latest, err := z.Replace(r.Serial, sets)
	if err != nil || latest.Records() != r.Content.Count {
		return nil
	}
	return latest
}
