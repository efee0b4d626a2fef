package watch

import (
	"errors"
	"fmt"

	"github.com/miekg/dns"

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
