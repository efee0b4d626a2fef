package dnstest

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Query is a question that the server received.
type Query struct {
	Time      time.Time // of arrival
	Name      string    // in the letter case sent
	Type      uint16
	Class     uint16
	Transport string // "udp", "tcp", "tls", "https" or "quic"

	// LocalAddr is the client's socket and RemoteAddr the server's, as the client names them.
	LocalAddr, RemoteAddr netip.AddrPort

	ServerName string // what the client names in the TLS handshake; it names no address

	ID             uint16
	RD, AD, CD, DO bool
	EDNS           bool
	UDPSize        uint16       // what EDNS offers; 0 without
	Cookie         []byte       // the COOKIE option; nil without (RFC 7873)
	Subnet         netip.Prefix // the client subnet option; the zero Prefix without (RFC 7871)
	Padding        int          // octets of the padding option, -1 without (RFC 7830)
}

func newQuery(r *dns.Msg, from origin, now time.Time) Query {
	q := Query{
		Time:       now,
		Name:       r.Question[0].Name,
		Type:       r.Question[0].Qtype,
		Class:      r.Question[0].Qclass,
		Transport:  from.transport,
		LocalAddr:  from.client,
		RemoteAddr: from.server,
		ServerName: from.serverName,
		ID:         r.Id,
		RD:         r.RecursionDesired,
		AD:         r.AuthenticatedData,
		CD:         r.CheckingDisabled,
		Padding:    -1,
	}
	opt := r.IsEdns0()
	if opt == nil {
		return q
	}
	q.EDNS, q.DO, q.UDPSize = true, opt.Do(), opt.UDPSize()
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_COOKIE:
			q.Cookie = cookieOctets(o)
		case *dns.EDNS0_SUBNET:
			if addr, ok := netip.AddrFromSlice(o.Address); ok {
				q.Subnet = netip.PrefixFrom(addr.Unmap(), int(o.SourceNetmask))
			}
		case *dns.EDNS0_PADDING:
			q.Padding = len(o.Padding)
		}
	}
	return q
}

// Queries is what the server received so far, in order.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Query(nil), s.queries...)
}

// Count tells how many questions for a name and type came in so far, over all transports.
func (s *Server) Count(name string, qtype uint16) int {
	n := 0
	for _, q := range s.Queries() {
		if dns.CanonicalName(q.Name) == dns.CanonicalName(name) && q.Type == qtype {
			n++
		}
	}
	return n
}

// Peak is the largest number of queries that came in within any stretch of time of the
// length given, so that a rate can be asserted.
func (s *Server) Peak(window time.Duration) int {
	queries := s.Queries()
	peak, first := 0, 0
	for i, q := range queries {
		for q.Time.Sub(queries[first].Time) >= window {
			first++
		}
		peak = max(peak, i-first+1)
	}
	return peak
}

// StopLog ends the log of queries, for benchmarks.
func (s *Server) StopLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = true
}
