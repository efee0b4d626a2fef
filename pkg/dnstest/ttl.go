package dnstest

import (
	"time"

	"github.com/miekg/dns"
)

// cacheKey is an RRset, or the absence of one, in one of the server's caches.
type cacheKey struct {
	cache int
	key
}

// cached is what stood at a name when a cache asked.
type cached struct {
	step
	filled time.Time
	ttl    uint32
}

// step is what stands at a name, and how many seconds ago that was found out.
func (o *occasion) step(name string, qtype uint16) (step, uint32) {
	b := &o.fault.Behavior
	if !b.Countdown {
		return o.world.step(name, qtype), 0
	}
	cache := 0
	if b.Caches > 1 {
		cache = o.random().IntN(b.Caches)
	}
	s := o.server
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fromCache(cache, o, key{dns.CanonicalName(name), qtype})
}

// fromCache fills a cache where it has nothing or what is there has run out. It is called
// with mu held.
func (s *Server) fromCache(cache int, o *occasion, k key) (step, uint32) {
	known := false
	for _, qtype := range []uint16{dns.TypeCNAME, k.qtype} {
		c, ok := s.caches[cacheKey{cache, key{k.name, qtype}}]
		if qtype == dns.TypeCNAME && k.qtype != dns.TypeCNAME && c.next == "" {
			continue // only a link answers for other types
		}
		// An entry is used through its last second, in which its TTL is 0, as Unbound does.
		age := o.query.Time.Sub(c.filled) / time.Second
		if ok && age <= time.Duration(c.ttl) {
			return c.asked(k.qtype), uint32(age)
		}
		known = known || ok
	}
	c := cached{step: o.world.step(k.name, k.qtype), filled: o.query.Time}
	c.ttl = c.lifetime()
	if !known {
		c.filled = c.filled.Add(-min(o.fault.Age, time.Duration(c.ttl)*time.Second))
	}
	entry := k
	if cname, ok := c.link(); ok {
		c.next = cname.Target
		entry.qtype = dns.TypeCNAME
	}
	s.caches[cacheKey{cache, entry}] = c
	return c.asked(k.qtype), uint32(o.query.Time.Sub(c.filled) / time.Second)
}

// link is the CNAME that an entry ends with.
func (c *cached) link() (*dns.CNAME, bool) {
	if len(c.records) == 0 {
		return nil, false
	}
	cname, ok := c.records[len(c.records)-1].(*dns.CNAME)
	return cname, ok
}

// asked is an entry as the answer to a question of some type: one for a CNAME itself does not
// go on.
func (c *cached) asked(qtype uint16) step {
	st := c.step
	if len(st.records) == 1 && qtype == dns.TypeCNAME {
		st.next = ""
	}
	return st
}

// lifetime is how many seconds a step may be kept (RFC 2308 §5). For the absence of records
// the SOA gets that as its TTL.
func (c *cached) lifetime() uint32 {
	if c.soa != nil {
		c.soa.Hdr.Ttl = min(c.soa.Hdr.Ttl, c.soa.Minttl)
		return c.soa.Hdr.Ttl
	}
	ttl := c.records[0].Header().Ttl
	for _, rr := range c.records {
		ttl = min(ttl, rr.Header().Ttl)
	}
	return ttl
}

// signature is an RRSIG over the RRset of a record. It has everything but a signature.
func signature(rr dns.RR, original uint32, now time.Time) dns.RR {
	h := rr.Header()
	const day = 24 * time.Hour
	return &dns.RRSIG{
		Hdr:         dns.RR_Header{Name: h.Name, Rrtype: dns.TypeRRSIG, Class: h.Class, Ttl: h.Ttl},
		TypeCovered: h.Rrtype,
		Algorithm:   dns.ECDSAP256SHA256,
		Labels:      uint8(dns.CountLabel(h.Name)),
		OrigTtl:     original,
		Expiration:  uint32(now.Add(14 * day).Unix()),
		Inception:   uint32(now.Add(-day).Unix()),
		KeyTag:      1,
		SignerName:  parent(dns.CanonicalName(h.Name)),
		Signature:   "AAAA",
	}
}
