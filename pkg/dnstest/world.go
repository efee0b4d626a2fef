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

// step is what stands at a name.
type step struct {
	records []dns.RR // one RRset, or a DNAME and the CNAME made from it; TTLs are original
	next    string   // the name to go on with, where they are a link
	rcode   int
	soa     *dns.SOA // where nothing of the type is there
}

// step finds what answers a question at a name. The records are copies.
func (w *world) step(name string, qtype uint16) step {
	if d := w.dnameAbove(name); d != nil {
		return stepDNAME(name, d)
	}
	source := w.source(name)
	if source == "" {
		return step{rcode: dns.RcodeNameError, soa: w.soa(name)}
	}
	var st step
	for _, rr := range w.records[source] {
		cname, isCNAME := rr.(*dns.CNAME)
		if rr.Header().Rrtype != qtype && !isCNAME {
			continue
		}
		rr = dns.Copy(rr)
		rr.Header().Name = name
		st.records = append(st.records, rr)
		if isCNAME && qtype != dns.TypeCNAME {
			st.next = cname.Target
			break
		}
	}
	if len(st.records) == 0 {
		st.soa = w.soa(name)
	}
	return st
}

func stepDNAME(name string, d *dns.DNAME) step {
	st := step{records: []dns.RR{dns.Copy(d)}}
	next, ok := rewrite(name, d)
	if !ok {
		st.rcode = dns.RcodeYXDomain
		return st
	}
	st.next = next
	st.records = append(st.records, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl},
		Target: next,
	})
	return st
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
func (w *world) soa(name string) *dns.SOA {
	for name = dns.CanonicalName(name); ; name = parent(name) {
		for _, rr := range w.records[name] {
			if soa, ok := rr.(*dns.SOA); ok {
				copied := *soa
				return &copied
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
