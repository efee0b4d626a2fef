package dnstest

import (
	"time"

	"github.com/miekg/dns"
)

// occasion is one query with all that decides about its answer.
type occasion struct {
	query Query
	world *world
	fault Fault
	turn  int // of the name and type, from 1
}

// receive logs a query and finds the world and the fault to answer it with.
func (s *Server) receive(r *dns.Msg, from origin) *occasion {
	o := &occasion{query: newQuery(r, from, time.Now())}
	k := key{dns.CanonicalName(o.query.Name), o.query.Type}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.quiet {
		s.queries = append(s.queries, o.query)
	}
	s.counts[k]++
	o.turn, o.world = s.counts[k], s.world
	for i := range s.faults {
		f := &s.faults[i]
		if (f.name == "" || f.name == k.name) && (f.qtype == 0 || f.qtype == k.qtype) && f.fault.applies(o) {
			o.fault = f.fault
			break
		}
	}
	return o
}

// plan is a right answer put wrong the way the fault has it.
func (o *occasion) plan(r, m *dns.Msg) plan {
	f := &o.fault
	p := plan{delay: f.Delay, fault: *f}
	if f.Drop || f.Hangup {
		return p
	}
	m.Compress = true
	var right *dns.Msg
	if f.First {
		right = m.Copy()
	}
	f.change(m, o.query.Transport)
	if o.query.Transport == "udp" {
		fitUDP(m, r)
	}
	packet := pack(m)
	if f.Garbage {
		packet = append(packet[:2:2], 0xff, 0xff, 0xff, 0xff, 0xff)
	}
	p.replies = append(p.replies, reply{packet: packet, stray: f.WrongPort})
	if right != nil {
		if o.query.Transport == "udp" {
			fitUDP(right, r)
		}
		p.replies = append(p.replies, reply{packet: pack(right)})
	}
	return p
}
