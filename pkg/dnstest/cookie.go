package dnstest

import (
	"encoding/hex"

	"github.com/miekg/dns"
)

// cookieOctets is what a COOKIE option holds.
func cookieOctets(o *dns.EDNS0_COOKIE) []byte {
	octets, err := hex.DecodeString(o.Cookie)
	if err != nil {
		panic("dnstest: " + err.Error()) // the library made the digits
	}
	return octets
}
