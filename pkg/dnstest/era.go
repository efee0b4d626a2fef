package dnstest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// era is a world from some time on.
type era struct {
	from  time.Time
	world *world
}

// subnet is a world for some clients.
type subnet struct {
	prefix netip.Prefix
	world  *world
}

// SetWorld replaces the world and every later one. Faults, caches and the log of queries
// stay.
func (s *Server) SetWorld(zoneText string) error {
	return s.setWorldFrom(time.Now(), zoneText)
}

// SetWorldAt replaces the world, and every later one, so long after the start of the server.
func (s *Server) SetWorldAt(after time.Duration, zoneText string) error {
	return s.setWorldFrom(s.started.Add(after), zoneText)
}

func (s *Server) setWorldFrom(from time.Time, zoneText string) error {
	w, err := newWorld(zoneText)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.eras) > 1 && !s.eras[len(s.eras)-1].from.Before(from) {
		s.eras = s.eras[:len(s.eras)-1]
	}
	s.eras = append(s.eras, era{from, w})
	return nil
}

// SetWorldFor gives clients whose client subnet option lies in a prefix a world of their
// own; of several prefixes the longest counts. The server answers the option then
// (RFC 7871).
func (s *Server) SetWorldFor(prefix netip.Prefix, zoneText string) error {
	w, err := newWorld(zoneText)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subnets = append(s.subnets, subnet{prefix.Masked(), w})
	slices.SortStableFunc(s.subnets, func(a, b subnet) int { return b.prefix.Bits() - a.prefix.Bits() })
	return nil
}

// worldFor is the world for a client at a time, and how much of the client's subnet decided
// about that. It is called with mu held.
func (s *Server) worldFor(client netip.Prefix, at time.Time) (*world, int) {
	for _, n := range s.subnets {
		if client.IsValid() && n.prefix.Bits() <= client.Bits() && n.prefix.Contains(client.Addr()) {
			return n.world, n.prefix.Bits()
		}
	}
	return s.worldAt(at), 0
}

// worldAt is called with mu held.
func (s *Server) worldAt(at time.Time) *world {
	for _, e := range slices.Backward(s.eras) {
		if !e.from.After(at) {
			return e.world
		}
	}
	return s.eras[0].world
}

// Truth is the addresses that a name really has at a time, in order, whatever the server
// says about it. A test can tell a wrong address by it.
func (s *Server) Truth(name string, qtype uint16, at time.Time) []netip.Addr {
	s.mu.Lock()
	w := s.worldAt(at)
	s.mu.Unlock()
	var addrs []netip.Addr
	for range maxLinks {
		st := w.step(name, qtype)
		if st.next != "" {
			name = st.next
			continue
		}
		for _, rr := range st.records {
			if addr, ok := address(rr); ok {
				addrs = append(addrs, addr)
			}
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		return addrs
	}
	return nil
}

// address is that of an A or AAAA record.
func address(rr dns.RR) (netip.Addr, bool) {
	var ip []byte
	switch rr := rr.(type) {
	case *dns.A:
		ip = rr.A
	case *dns.AAAA:
		ip = rr.AAAA
		addr, ok := netip.AddrFromSlice(ip)
		return addr, ok
	default:
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}
