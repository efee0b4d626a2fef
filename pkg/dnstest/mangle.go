package dnstest

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// change does to a reply what can be done to a message.
func (o *occasion) change(m *dns.Msg) {
	f := &o.fault
	if f.Rcode != 0 {
		m.Rcode, m.Answer, m.Ns = f.Rcode, nil, nil
	}
	if f.NoEDNS && m.IsEdns0() != nil {
		m.Rcode, m.Answer, m.Ns, m.Extra = dns.RcodeFormatError, nil, nil, nil
	}
	if f.Truncate && (o.query.Transport == "udp" || f.TruncateTCP) {
		m.Truncated, m.Answer, m.Ns = true, nil, nil
	}
	if f.Lame {
		m.Authoritative, m.RecursionAvailable = false, false
	}
	o.changeRecords(m)
	f.changeTTLs(m, o.turn)
	f.changeHeader(m)
	for i := range f.EDE {
		opt := optOf(m)
		opt.Option = append(opt.Option, &f.EDE[i])
	}
	if f.NoOPT {
		m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
		m.Rcode &= 0xf
	} else if m.Rcode > 0xf {
		optOf(m)
	}
}

// changeHeader is about what a client compares with its query.
func (f *Fault) changeHeader(m *dns.Msg) {
	q := &m.Question[0]
	if f.WrongID {
		m.Id ^= 0x5555
	}
	if f.WrongOpcode {
		m.Opcode = dns.OpcodeStatus
	}
	if f.QueryBit {
		m.Response = false
	}
	if f.WrongQuestion {
		q.Name = "other.test."
	}
	if f.WrongCase {
		q.Name = swapCase(q.Name)
	}
	if f.WrongType {
		q.Qtype = dns.TypeTXT
	}
	if f.WrongClass {
		q.Qclass = dns.ClassCHAOS
	}
	if f.NoQuestion {
		m.Question = nil
	}
}

func (o *occasion) changeRecords(m *dns.Msg) {
	f := &o.fault
	name := m.Question[0].Name
	if f.Addresses > 0 {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, manyAddresses(name, m.Question[0].Qtype, f.Addresses), nil
	}
	if f.Chain > 0 || f.EndlessChain || f.Loop || f.SelfCNAME {
		f.changeChain(m)
	}
	if f.TwoCNAMEs || f.CNAMEAndA {
		m.Answer = append(m.Answer, link(name, "second.test."))
	}
	if f.CNAMEAndA {
		m.Answer = append(m.Answer, addressRecord(name, netip.AddrFrom4([4]byte{192, 0, 2, 99}), 60))
	}
	if f.Referral {
		h := dns.RR_Header{Name: name, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, []dns.RR{&dns.NS{Hdr: h, Ns: "ns.test."}}
	}
	if f.NoSOA {
		m.Ns = nil
	}
	if f.CutChain && len(m.Answer) > 0 {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, m.Answer[:1], nil
	}
	if f.Extra {
		a := &dns.A{
			Hdr: dns.RR_Header{Name: "unrelated.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A:   net.IPv4(192, 0, 2, 66),
		}
		m.Answer = append([]dns.RR{a}, m.Answer...)
		m.Ns = append(m.Ns, a)
		m.Extra = append(m.Extra, a)
	}
	if f.Reverse {
		slices.Reverse(m.Answer)
	}
	if f.Shuffle {
		o.random().Shuffle(len(m.Answer), func(i, j int) { m.Answer[i], m.Answer[j] = m.Answer[j], m.Answer[i] })
	}
}

// chainZone is where the targets of chains that faults make lie: 1.chain.test. and so on.
const chainZone = "chain.test."

// changeChain puts CNAMEs in front of an answer, or in its place where they lead nowhere.
func (f *Fault) changeChain(m *dns.Msg) {
	name := m.Question[0].Name
	switch {
	case f.SelfCNAME:
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, []dns.RR{link(name, name)}, nil
	case f.Loop:
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, []dns.RR{link(name, "loop.test."), link("loop.test.", name)}, nil
	case f.EndlessChain:
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, []dns.RR{link(name, nextInChain(name))}, nil
	default:
		var links []dns.RR
		end := name
		for range f.Chain {
			next := nextInChain(end)
			links = append(links, link(end, next))
			end = next
		}
		for _, rr := range m.Answer {
			rr = dns.Copy(rr)
			if dns.CanonicalName(rr.Header().Name) == dns.CanonicalName(name) {
				rr.Header().Name = end
			}
			links = append(links, rr)
		}
		m.Answer = links
	}
}

func link(owner, target string) dns.RR {
	h := dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}
	return &dns.CNAME{Hdr: h, Target: target}
}

// nextInChain is 1.chain.test. for every name but those of the chain, which count on.
func nextInChain(name string) string {
	first, rest, _ := strings.Cut(dns.CanonicalName(name), ".")
	n, err := strconv.Atoi(first)
	if err != nil || rest != chainZone {
		n = 0
	}
	return fmt.Sprintf("%d.%s", n+1, chainZone)
}

// blocks4 is where the addresses of addresses=N come from: those for documentation, then
// those for benchmarks (RFC 5737, RFC 2544).
var blocks4 = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
}

// manyAddresses is an RRset of n addresses, or nothing for other types.
func manyAddresses(name string, qtype uint16, n int) []dns.RR {
	var rrs []dns.RR
	if qtype == dns.TypeAAAA {
		addr := netip.MustParseAddr("2001:db8::1")
		for range n {
			rrs = append(rrs, addressRecord(name, addr, 60))
			addr = addr.Next()
		}
	}
	if qtype != dns.TypeA {
		return rrs
	}
	for _, block := range blocks4 {
		for addr := block.Addr().Next(); len(rrs) < n && block.Contains(addr); addr = addr.Next() {
			rrs = append(rrs, addressRecord(name, addr, 60))
		}
	}
	return rrs
}

// changeTTLs sets those of all records but OPT, where they are something else.
func (f *Fault) changeTTLs(m *dns.Msg, turn int) {
	if len(f.TTLs) > 0 {
		ttl := f.TTLs[min(turn, len(f.TTLs))-1]
		for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
			for _, rr := range section {
				if rr.Header().Rrtype != dns.TypeOPT {
					rr.Header().Ttl = ttl
				}
			}
		}
	}
	if f.MixedTTL {
		for i, rr := range m.Answer {
			rr.Header().Ttl += uint32(i)
		}
	}
}

// mangle does to a reply what can be done to octets.
func (o *occasion) mangle(packet []byte) []byte {
	f := &o.fault
	switch {
	case f.Garbage:
		return append(packet[:2:2], 0xff, 0xff, 0xff, 0xff, 0xff)
	case f.Noise:
		size := f.NoiseSize
		if size == 0 {
			size = o.random().IntN(1500)
		}
		packet = make([]byte, size)
		for i := range packet {
			packet[i] = byte(o.random().Uint32())
		}
		return packet
	}
	for range f.Flip {
		bit := o.random().IntN(8 * len(packet))
		packet[bit/8] ^= 1 << (bit % 8)
	}
	if f.Cut {
		size := f.CutSize
		if size == 0 {
			size = o.random().IntN(len(packet))
		}
		packet = packet[:min(size, len(packet))]
	}
	return packet
}

func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}
