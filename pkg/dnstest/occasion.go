package dnstest

import (
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/miekg/dns"
)

// occasion is one query with all that decides about its answer.
type occasion struct {
	server   *Server
	query    Query
	world    *world
	scope    int  // of the client subnet: how much of it decided about the world
	bySubnet bool // the server has worlds for subnets
	fault    Fault
	turn     int // of the name and type, from 1
	inSecond int // queries of any kind within the last second, with this one
	numbers  *rand.Rand
}

// random gives numbers that depend on the server's seed and on the name, type and turn.
func (o *occasion) random() *rand.Rand {
	if o.numbers == nil {
		o.numbers = numbers(o.server.seed, dns.CanonicalName(o.query.Name)+" "+dns.TypeToString[o.query.Type], uint64(o.turn))
	}
	return o.numbers
}

// receive logs a query and finds the world and the faults to answer it with.
func (s *Server) receive(r *dns.Msg, from origin) *occasion {
	now := time.Now()
	o := &occasion{server: s, query: newQuery(r, from, now)}
	k := key{dns.CanonicalName(o.query.Name), o.query.Type}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.quiet {
		s.queries = append(s.queries, o.query)
	}
	s.counts[k]++
	o.turn = s.counts[k]
	if s.rated {
		s.recent = append(s.recent, now)
		for now.Sub(s.recent[0]) >= time.Second {
			s.recent = s.recent[1:]
		}
		o.inSecond = len(s.recent)
	}
	o.world, o.scope = s.worldFor(o.query.Subnet, now)
	o.bySubnet = len(s.subnets) > 0

	mistaken := false
	for i := range s.faults {
		f := &s.faults[i]
		switch {
		case f.name != "" && f.name != k.name, f.qtype != 0 && f.qtype != k.qtype:
		case mistaken && f.mistaken:
		case f.fault.holds(o):
			o.fault.add(&f.fault.Behavior)
			if f.mistaken {
				mistaken = true
				o.fault.Mistake = f.fault.Mistake
			}
		}
	}
	return o
}

// isMistaken tells whether a fault is more than a behavior.
func isMistaken(f Fault) bool { return !reflect.ValueOf(f.Mistake).IsZero() }

// plan is a right answer put wrong the way the fault has it.
func (o *occasion) plan(r, m *dns.Msg) plan {
	f := &o.fault
	p := plan{delay: f.Delay, fault: *f}
	if f.DelayMax > f.Delay {
		p.delay += time.Duration(o.random().Int64N(int64(f.DelayMax-f.Delay) + 1))
	}
	if f.Drop || f.Hangup || f.Reset || f.HalfClose {
		return p
	}
	m.Compress = true
	var right *dns.Msg
	if f.First {
		right = m.Copy()
	}
	o.change(m)
	if !f.Oversize || o.query.Transport != "udp" {
		o.fit(m, r)
	}
	o.pad(m)
	p.replies = append(p.replies, reply{packet: o.mangle(pack(m)), stray: f.WrongPort})
	if right != nil {
		o.fit(right, r)
		p.replies = append(p.replies, reply{packet: pack(right)})
	}
	return p
}

// fit cuts a message to what the client or the transport takes.
func (o *occasion) fit(m, r *dns.Msg) {
	size := maxPacket
	if o.query.Transport == "udp" {
		size = dns.MinMsgSize
		if opt := r.IsEdns0(); opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
	}
	m.Truncate(size)
	m.Compress = true
}

// pad adds a padding option as far as a message has room.
func (o *occasion) pad(m *dns.Msg) {
	if o.fault.Pad == 0 {
		return
	}
	opt := optOf(m)
	const optionHeader = 4
	size := min(o.fault.Pad, maxPacket-m.Len()-optionHeader)
	opt.Option = append(opt.Option, &dns.EDNS0_PADDING{Padding: make([]byte, max(size, 0))})
}

// optOf is the OPT record of a message, which gets one if it has none.
func optOf(m *dns.Msg) *dns.OPT {
	if opt := m.IsEdns0(); opt != nil {
		return opt
	}
	return m.SetEdns0(dns.DefaultMsgSize, false).IsEdns0()
}
