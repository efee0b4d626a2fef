package dnstest

import "github.com/miekg/dns"

// answerFromZones answers as a server that is authoritative for the zones of its world, each
// of which begins at an SOA: delegations are referred to, and other names are refused.
func (o *occasion) answerFromZones(m *dns.Msg) {
	q := m.Question[0]
	name := q.Name
	apex := o.world.apex(name, q.Qtype)
	if apex == "" {
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	for range maxLinks {
		if cut := o.world.cut(name, apex, q.Qtype); cut != "" {
			// AA is about the first owner of the answer (RFC 1035 §4.1.1).
			m.Authoritative = len(m.Answer) > 0
			o.world.refer(m, cut)
			return
		}
		st := o.world.step(name, q.Qtype)
		m.Answer = append(m.Answer, o.emit(name, st, 0)...)
		m.Rcode = st.rcode
		if st.next == "" {
			if st.soa != nil {
				m.Ns = append(m.Ns, st.soa)
			}
			return
		}
		name = st.next
		if apex = o.world.apex(name, q.Qtype); apex == "" {
			return
		}
	}
}

// apex is that of the zone of the world that answers for a name, or nothing. For the type DS
// it is that of the parent (RFC 4035 §3.1.4.1).
func (w *world) apex(name string, qtype uint16) string {
	name = dns.CanonicalName(name)
	if qtype == dns.TypeDS && name != "." {
		if above := w.apex(parent(name), dns.TypeNone); above != "" {
			return above
		}
	}
	for ; ; name = parent(name) {
		if w.has(name, dns.TypeSOA) {
			return name
		}
		if name == "." {
			return ""
		}
	}
}

// cut is the highest delegation between a name and the apex above it, or nothing. The DS
// RRset of a delegation lies above the cut.
func (w *world) cut(name, apex string, qtype uint16) string {
	highest := ""
	name = dns.CanonicalName(name)
	if qtype == dns.TypeDS && name != apex {
		name = parent(name)
	}
	for ; name != apex; name = parent(name) {
		if w.has(name, dns.TypeNS) {
			highest = name
		}
	}
	return highest
}

func (w *world) has(name string, rrtype uint16) bool {
	for _, rr := range w.records[name] {
		if rr.Header().Rrtype == rrtype {
			return true
		}
	}
	return false
}

// refer fills in a delegation: its NS records, and the addresses of their hosts as far as
// the world has them.
func (w *world) refer(m *dns.Msg, cut string) {
	for _, rr := range w.records[cut] {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		m.Ns = append(m.Ns, dns.Copy(ns))
		for _, glue := range w.records[dns.CanonicalName(ns.Ns)] {
			if _, ok := address(glue); ok {
				m.Extra = append(m.Extra, dns.Copy(glue))
			}
		}
	}
}
