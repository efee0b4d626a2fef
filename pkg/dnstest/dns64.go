package dnstest

import (
	"net/netip"

	"github.com/miekg/dns"
)

// ipv4only is the name that has no AAAA except through DNS64, and the addresses it has
// (RFC 7050 §8).
const ipv4only = "ipv4only.arpa."

var ipv4onlyAddrs = []netip.Addr{netip.MustParseAddr("192.0.0.170"), netip.MustParseAddr("192.0.0.171")}

// synthesize makes AAAA from A where the chain has an end without any (RFC 6147 §5.1).
func (o *occasion) synthesize(m *dns.Msg) {
	prefix := o.fault.DNS64
	q := m.Question[0]
	if !prefix.IsValid() || q.Qclass != dns.ClassINET {
		return
	}
	if dns.CanonicalName(q.Name) == ipv4only && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA) {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, nil
		for _, addr := range ipv4onlyAddrs {
			if q.Qtype == dns.TypeAAAA {
				addr = embed(prefix, addr)
			}
			m.Answer = append(m.Answer, addressRecord(q.Name, addr, 60))
		}
		return
	}
	if q.Qtype != dns.TypeAAAA || m.Rcode != dns.RcodeSuccess || hasAddress(m.Answer) {
		return
	}
	var v4 dns.Msg
	v4.Question = []dns.Question{q}
	o.recurse(&v4, dns.TypeA)
	if !hasAddress(v4.Answer) {
		return
	}
	m.Answer, m.Ns = nil, nil
	for _, rr := range v4.Answer {
		if addr, ok := address(rr); ok {
			rr = addressRecord(rr.Header().Name, embed(prefix, addr), rr.Header().Ttl)
		} else if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == dns.TypeA {
			continue
		}
		m.Answer = append(m.Answer, rr)
	}
}

func hasAddress(rrs []dns.RR) bool {
	for _, rr := range rrs {
		if _, ok := address(rr); ok {
			return true
		}
	}
	return false
}

// embed is the IPv6 address for an IPv4 address under a prefix. Octet 8 stays zero
// (RFC 6052 §2.2).
func embed(prefix netip.Prefix, addr netip.Addr) netip.Addr {
	v6, at := prefix.Addr().As16(), prefix.Bits()/8
	for _, b := range addr.As4() {
		if at == 8 {
			at++
		}
		v6[at] = b
		at++
	}
	return netip.AddrFrom16(v6)
}
