package dnstest

import (
	"net/netip"

	"github.com/miekg/dns"
)

// answer fills in the right answer, as the server's behavior has it.
func (o *occasion) answer(r, m *dns.Msg) {
	b := &o.fault.Behavior
	q := m.Question[0]
	if b.Authoritative {
		o.answerFromZones(m)
	} else {
		m.Authoritative = !b.Recursive && !b.Countdown
		o.recurse(m, q.Qtype)
		o.synthesize(m)
	}
	if len(b.Rewrite) > 0 && m.Rcode == dns.RcodeNameError {
		rewriteNXDOMAIN(m, b.Rewrite)
	}
	if opt := r.IsEdns0(); b.AD && (r.AuthenticatedData || opt != nil && opt.Do()) {
		m.AuthenticatedData = true
	}
	o.spread(m)
}

// recurse follows the chain from the question's name to its end.
func (o *occasion) recurse(m *dns.Msg, qtype uint16) {
	name := m.Question[0].Name
	for range maxLinks {
		st, age := o.step(name, qtype)
		m.Answer = append(m.Answer, o.emit(name, st, age)...)
		m.Rcode = st.rcode
		if st.next == "" {
			if st.soa != nil {
				soa := *st.soa
				soa.Hdr.Ttl = older(soa.Hdr.Ttl, age)
				m.Ns = append(m.Ns, &soa)
			}
			return
		}
		name = st.next
	}
}

// emit is the records of a step for an answer: with the name as asked, their age taken from
// the TTL, and signed where that is asked for.
func (o *occasion) emit(name string, st step, age uint32) []dns.RR {
	var rrs []dns.RR
	for i, rr := range st.records {
		rr = dns.Copy(rr)
		h := rr.Header()
		if h.Rrtype != dns.TypeDNAME {
			h.Name = name
		}
		original := h.Ttl
		h.Ttl = older(original, age)
		rrs = append(rrs, rr)
		if o.fault.RRSIG && o.query.DO && st.endsRRset(i) {
			rrs = append(rrs, signature(rr, original, o.query.Time))
		}
	}
	return rrs
}

// endsRRset tells whether a record is the last of an RRset that a zone has. The CNAME made
// from a DNAME is in none (RFC 6672 §5.3.1).
func (st *step) endsRRset(i int) bool {
	if st.records[0].Header().Rrtype == dns.TypeDNAME {
		return i == 0
	}
	return i == len(st.records)-1
}

// older is a TTL after so many seconds.
func older(ttl, age uint32) uint32 { return ttl - min(ttl, age) }

// rewriteNXDOMAIN answers with addresses as a resolver that sells mistyped names does:
// NOERROR for the other types too, and no SOA.
func rewriteNXDOMAIN(m *dns.Msg, addrs []netip.Addr) {
	q := m.Question[0]
	m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, nil
	for _, addr := range addrs {
		if rr := addressRecord(q.Name, addr, 60); rr.Header().Rrtype == q.Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
}

func addressRecord(name string, addr netip.Addr, ttl uint32) dns.RR {
	h := dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}
	if addr.Is4() {
		return &dns.A{Hdr: h, A: addr.AsSlice()}
	}
	h.Rrtype = dns.TypeAAAA
	return &dns.AAAA{Hdr: h, AAAA: addr.AsSlice()}
}

// spread gives the addresses of an answer in an order and a number that change from turn to
// turn, as servers do to share load out.
func (o *occasion) spread(m *dns.Msg) {
	b := &o.fault.Behavior
	if !b.Rotate && b.Subset == 0 {
		return
	}
	var links, addrs []dns.RR
	for _, rr := range m.Answer {
		if _, ok := address(rr); ok {
			addrs = append(addrs, rr)
		} else {
			links = append(links, rr)
		}
	}
	if len(addrs) == 0 {
		return
	}
	size := len(addrs)
	start := o.turn - 1
	if b.Subset > 0 && b.Subset < size {
		size = b.Subset
		start *= size
	}
	m.Answer = links
	for i := range size {
		m.Answer = append(m.Answer, addrs[(start+i)%len(addrs)])
	}
}
