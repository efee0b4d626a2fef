package resolve

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Nothing of the query that had the memory before is left in the one that has it now.
func TestQueryTakesRoom(t *testing.T) {
	name := zone.MustParseName("www.example.net.")
	long := zone.MustParseName("a-long-name-for-more-room.www.example.net.")
	subnet := netip.MustParsePrefix("198.51.100.0/24")
	for _, tt := range []struct {
		name   zone.Name
		style  style
		cookie []byte
		shares bool
	}{
		{name, style{anyCase: true}, nil, true},
		{name, style{anyCase: true, plain: true}, nil, true},
		{name, style{anyCase: true, iterative: true, signed: true}, make([]byte, clientCookieLen), true},
		{long, style{anyCase: true, subnet: subnet, pad: true}, make([]byte, clientCookieLen), false},
	} {
		room := newQuery(nil, name, dns.TypeAAAA, &style{anyCase: true, ad: true}, bytes.Repeat([]byte{255}, maxCookieLen)).packet
		for i := range room {
			room[i] = 255
		}
		want := newQuery(nil, tt.name, dns.TypeA, &tt.style, tt.cookie)
		got := newQuery(room, tt.name, dns.TypeA, &tt.style, tt.cookie)
		if !bytes.Equal(got.packet, want.packet) {
			t.Errorf("%s: %x, want %x", tt.name, got.packet, want.packet)
		}
		if shares := &got.packet[0] == &room[0]; shares != tt.shares {
			t.Errorf("%s: takes the room: %t, want %t", tt.name, shares, tt.shares)
		}
	}
}
