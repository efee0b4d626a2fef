package primary

import (
	"bytes"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// mostHops bounds how many CNAME and DNAME records an answer follows.
const mostHops = 16

// lookup answers a question for the data of a zone, as its authoritative server does (RFC 1034
// §4.3.2, RFC 4592, RFC 6672).
func (r *request) lookup(z *Zone, name zone.Name) {
	m := new(dns.Msg).SetReply(r.msg)
	m.RecursionDesired = false
	f := &finding{zone: z, msg: m, qtype: r.msg.Question[0].Qtype}
	m.Authoritative = true
	for hops := 0; hops < mostHops && f.find(name); hops++ {
		name = f.next
	}
	r.reply(m, 0)
}

// finding fills an answer.
type finding struct {
	zone  *Zone
	msg   *dns.Msg
	qtype uint16
	next  zone.Name // where a CNAME or DNAME leads to, in the zone
}

// find looks one name up, and tells whether to go on with the next one.
func (f *finding) find(name zone.Name) bool {
	f.next = zone.Name{}
	apexLen := len(f.zone.name.Wire())
	key := appendKey(nil, []byte(name.Wire()), apexLen)
	encloser := 0 // how much of the key is that of the closest encloser
	for end := 0; ; {
		p := f.zone.search(key[:end])
		found, ok := f.zone.keyAt(p, nil)
		if !ok || !bytes.HasPrefix(found, key[:end]) {
			return f.wildcard(name, key[:encloser])
		}
		encloser = end
		exact := len(found) == end
		last := end == len(key)
		if exact && end > 0 && f.zone.has(p, dns.TypeNS) && (!last || f.qtype != dns.TypeDS) {
			f.referral(p)
			return false
		}
		if exact && !last {
			if rrs := f.zone.rrs(p, dns.TypeDNAME); len(rrs) > 0 {
				return f.dname(name, rrs)
			}
		}
		if last {
			if !exact {
				f.negative(dns.RcodeSuccess) // an empty non-terminal
				return false
			}
			return f.node(p, name)
		}
		end += bytes.IndexByte(key[end:], keyEnd) + 1
	}
}

// wildcard answers for a name that does not exist, by the wildcard at its closest encloser.
func (f *finding) wildcard(name zone.Name, encloser []byte) bool {
	key := append(bytes.Clone(encloser), '*', keyEnd)
	p := f.zone.search(key)
	if found, ok := f.zone.keyAt(p, nil); ok && bytes.Equal(found, key) {
		return f.node(p, name)
	}
	f.negative(dns.RcodeNameError)
	return false
}

// node answers from the records of one owner name, as those of name.
func (f *finding) node(p place, name zone.Name) bool {
	var rrs []dns.RR
	if f.qtype == dns.TypeANY {
		rrs = f.zone.rrs(p, 0)
	} else {
		rrs = f.zone.rrs(p, f.qtype)
		if cname := f.zone.rrs(p, dns.TypeCNAME); len(rrs) == 0 && len(cname) > 0 {
			f.add(cname, name)
			return f.follow(cname[0])
		}
	}
	if len(rrs) == 0 {
		f.negative(dns.RcodeSuccess)
		return false
	}
	f.add(rrs, name)
	return false
}

// add adds records to the answer. Those of a wildcard are given the name that was asked for.
func (f *finding) add(rrs []dns.RR, name zone.Name) {
	for _, rr := range rrs {
		if owner, err := zone.ParseName(rr.Header().Name, zone.Root); err != nil || owner != name {
			rr.Header().Name = name.String()
		}
		f.msg.Answer = append(f.msg.Answer, rr)
	}
}

// follow goes where a CNAME leads to, as long as that is in the zone.
func (f *finding) follow(rr dns.RR) bool {
	cname, ok := rr.(*dns.CNAME)
	if !ok {
		return false
	}
	target, err := zone.ParseName(cname.Target, zone.Root)
	if err != nil || !target.IsIn(f.zone.name) {
		return false
	}
	f.next = target
	return true
}

// dname answers for a name below a DNAME, with the CNAME that it makes.
func (f *finding) dname(name zone.Name, rrs []dns.RR) bool {
	f.msg.Answer = append(f.msg.Answer, rrs...)
	d, ok := rrs[0].(*dns.DNAME)
	if !ok {
		return false
	}
	owner, err := zone.ParseName(d.Hdr.Name, zone.Root)
	if err != nil {
		return false
	}
	to, err := zone.ParseName(d.Target, zone.Root)
	if err != nil {
		return false
	}
	target, fits := name.Replace(owner, to)
	if !fits {
		f.msg.Rcode = dns.RcodeYXDomain
		return false
	}
	cname := &dns.CNAME{Hdr: dns.RR_Header{Name: name.String(), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl}, Target: target.String()}
	f.msg.Answer = append(f.msg.Answer, cname)
	return f.qtype != dns.TypeCNAME && f.qtype != dns.TypeANY && f.follow(cname)
}

// referral points at the servers of a delegated zone, with the addresses known here.
func (f *finding) referral(p place) {
	f.msg.Authoritative = len(f.msg.Answer) > 0
	f.msg.Ns = f.zone.rrs(p, dns.TypeNS)
	for _, rr := range f.msg.Ns {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		host, err := zone.ParseName(ns.Ns, zone.Root)
		if err != nil || !host.IsIn(f.zone.name) {
			continue
		}
		key := appendKey(nil, []byte(host.Wire()), len(f.zone.name.Wire()))
		at := f.zone.search(key)
		if found, ok := f.zone.keyAt(at, nil); ok && bytes.Equal(found, key) {
			f.msg.Extra = append(f.msg.Extra, f.zone.rrs(at, dns.TypeA)...)
			f.msg.Extra = append(f.msg.Extra, f.zone.rrs(at, dns.TypeAAAA)...)
		}
	}
}

// negative says that there is nothing, and for how long (RFC 2308 §3).
func (f *finding) negative(rcode int) {
	f.msg.Rcode = rcode
	f.msg.Ns = f.zone.rrs(f.zone.search(nil), dns.TypeSOA)
	for _, rr := range f.msg.Ns {
		rr.Header().Ttl = min(rr.Header().Ttl, soaMinimum(f.zone.soa.rdata))
	}
}

// has tells whether an owner name has records of a type.
func (z *Zone) has(p place, typ uint16) bool {
	found := false
	z.each(p, func(_ *message, _ int, r *record) { found = found || r.typ == typ })
	return found
}

// rrs gives the records of a type at an owner name; type 0 is all of them.
func (z *Zone) rrs(p place, typ uint16) []dns.RR {
	var rrs []dns.RR
	z.each(p, func(m *message, at int, r *record) {
		if typ != 0 && r.typ != typ {
			return
		}
		if rr, _, err := dns.UnpackRR(m.wire, at); err == nil {
			rrs = append(rrs, rr)
		}
	})
	return rrs
}

// each goes through the records of an owner name.
func (z *Zone) each(p place, f func(m *message, at int, r *record)) {
	c := z.open(p)
	if !c.valid() {
		return
	}
	key := bytes.Clone(c.key)
	for ; c.valid() && bytes.Equal(c.key, key); c.move() {
		f(c.message(), c.at, &c.current)
	}
}
