package dnstest

import (
	"strings"

	"github.com/miekg/dns"
)

// maxLinks ends a chain that is a loop; the answer then holds what was met so far.
const maxLinks = 20

// world is records by owner, names in lower case.
type world struct {
	records map[string][]dns.RR
	exists  map[string]bool // owners and every name above one
}

func newWorld(text string) (*world, error) {
	w := &world{records: map[string][]dns.RR{}, exists: map[string]bool{".": true}}
	p := dns.NewZoneParser(strings.NewReader(text), "", "world")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name := dns.CanonicalName(rr.Header().Name)
		w.records[name] = append(w.records[name], rr)
		for ; name != "."; name = parent(name) {
			w.exists[name] = true
		}
	}
	return w, p.Err()
}

// parent is a name without its first label; that of the root is the root.
func parent(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// answer fills in a reply for its question.
func (w *world) answer(m *dns.Msg) {
	q := m.Question[0]
	name := q.Name
	for range maxLinks {
		next, found := w.step(m, name, q.Qtype)
		if next != "" {
			name = next
			continue
		}
		if !found {
			m.Ns = append(m.Ns, w.soa(name))
		}
		return
	}
}

// step adds what stands at a name to the answer. It gives the name to go on with, or
// whether the question is answered.
func (w *world) step(m *dns.Msg, name string, qtype uint16) (string, bool) {
	if d := w.dnameAbove(name); d != nil {
		next, ok := rewrite(name, d)
		m.Answer = append(m.Answer, d)
		if !ok {
			m.Rcode = dns.RcodeYXDomain
			return "", true
		}
		m.Answer = append(m.Answer, &dns.CNAME{
			Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl},
			Target: next,
		})
		return next, false
	}
	source := w.source(name)
	if source == "" {
		m.Rcode = dns.RcodeNameError
		return "", false
	}
	found := false
	for _, rr := range w.records[source] {
		h := rr.Header()
		cname, isCNAME := rr.(*dns.CNAME)
		if h.Rrtype != qtype && !isCNAME {
			continue
		}
		rr = dns.Copy(rr)
		rr.Header().Name = name
		m.Answer = append(m.Answer, rr)
		if isCNAME && qtype != dns.TypeCNAME {
			return cname.Target, false
		}
		found = true
	}
	return "", found
}

// source is the owner that answers for a name: itself, or a wildcard (RFC 4592 §3.3.1), or
// nothing.
func (w *world) source(name string) string {
	name = dns.CanonicalName(name)
	if w.exists[name] {
		return name
	}
	for name != "." {
		name = parent(name)
		if w.exists[name] {
			star := "*." + strings.TrimPrefix(name, ".")
			if w.exists[star] {
				return star
			}
			return ""
		}
	}
	return ""
}

// dnameAbove is the highest DNAME above a name, or nil.
func (w *world) dnameAbove(name string) *dns.DNAME {
	var highest *dns.DNAME
	for name = dns.CanonicalName(name); name != "."; {
		name = parent(name)
		for _, rr := range w.records[name] {
			if d, ok := rr.(*dns.DNAME); ok {
				highest = d
			}
		}
	}
	return highest
}

// rewrite moves a name from below a DNAME to its target, or gives false where that is too
// long.
func rewrite(name string, d *dns.DNAME) (string, bool) {
	labels := dns.SplitDomainName(name)
	keep := labels[:len(labels)-dns.CountLabel(d.Hdr.Name)]
	next := strings.Join(keep, ".") + "." + strings.TrimPrefix(d.Target, ".")
	_, ok := dns.IsDomainName(next)
	return next, ok
}

// soa is that of the closest zone of the world that holds a name, or one for the root.
func (w *world) soa(name string) dns.RR {
	for name = dns.CanonicalName(name); ; name = parent(name) {
		for _, rr := range w.records[name] {
			if soa, ok := rr.(*dns.SOA); ok {
				return soa
			}
		}
		if name == "." {
			break
		}
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "ns.test.", Mbox: "hostmaster.test.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 60,
	}
}
