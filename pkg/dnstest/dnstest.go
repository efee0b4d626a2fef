// Package dnstest is a name server for tests: it answers from a zone file given as text
// and goes wrong where a test tells it to.
//
// It behaves as an authoritative server for everything in its world that also offers
// recursion (AA and RA are set): CNAME chains across zones, DNAME, wildcards, and NODATA
// and NXDOMAIN with their SOA. It listens on the loopback interface only, UDP and TCP on
// one port that the system chooses, or on a [Network] in memory, where time may be that of
// a synctest bubble. What goes wrong is a [Fault], and the table there has every word.
//
// All that looks random comes from a seed and from what is asked, never from the order in
// which goroutines run: a test that fails does so again.
//
// It does no transfers and no DNSSEC, and it caches only where a fault says so.
package dnstest

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// TB is what Start needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// key is what faults and counts are kept by. The name is in lower case.
type key struct {
	name  string
	qtype uint16
}

// Server answers from its world until the test ends. Its methods may be called at any time
// from any goroutine.
type Server struct {
	addr   string
	scheme string // of its URL
	dice   *dice

	mu      sync.Mutex
	world   *world
	faults  []scripted
	counts  map[key]int
	queries []Query
	quiet   bool

	closing chan struct{} // ends delays
	running sync.WaitGroup
	closed  bool
	open    map[io.Closer]struct{} // sockets, under mu
}

// scripted is a fault and the questions it is for.
type scripted struct {
	key
	fault Fault
}

func newServer(tb TB, addr, zoneText string, seed uint64) *Server {
	tb.Helper()
	w, err := newWorld(zoneText)
	if err != nil {
		tb.Fatalf("dnstest: world: %v", err)
	}
	return &Server{
		addr:    addr,
		scheme:  "udp",
		dice:    newDice(seed),
		world:   w,
		counts:  map[key]int{},
		closing: make(chan struct{}),
		open:    map[io.Closer]struct{}{},
	}
}

// start runs f in a goroutine that close waits for, or gives false once closed. The sockets
// are closed when the server is.
func (s *Server) start(f func(), sockets ...io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	for _, c := range sockets {
		s.open[c] = struct{}{}
	}
	s.running.Go(func() {
		f()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range sockets {
			delete(s.open, c)
		}
	})
	return true
}

// close ends everything that start began and waits for it.
func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	close(s.closing)
	var sockets []io.Closer
	for c := range s.open {
		sockets = append(sockets, c)
	}
	s.mu.Unlock()
	for _, c := range sockets {
		// A socket that is being closed has nothing left to tell.
		_ = c.Close()
	}
	s.running.Wait()
}

// after calls f after a delay: at once where there is none, and never where the server
// closes first.
func (s *Server) after(delay time.Duration, f func()) {
	if delay <= 0 {
		f()
		return
	}
	s.start(func() {
		if s.sleep(delay) {
			f()
		}
	})
}

// sleep is false where the server closes first.
func (s *Server) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}

// Addr is where the server listens, as host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the server as a resolver URL, for UDP where it has several transports.
func (s *Server) URL() string { return s.scheme + "://" + s.addr }

// SetWorld replaces the world. Faults and the log of queries stay.
func (s *Server) SetWorld(zoneText string) error {
	w, err := newWorld(zoneText)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world = w
	return nil
}

// Fault makes the server go wrong for questions about a name. The empty name stands for
// every name, the type 0 for every type; turns are those of one name and type all the same.
// Of several faults for one question the first that applies to its turn counts.
func (s *Server) Fault(name string, qtype uint16, f Fault) {
	if name != "" {
		name = dns.CanonicalName(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, scripted{key{name, qtype}, f})
}

// ClearFaults makes the server right again; turns are counted from 1 anew.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	clear(s.counts)
}

// origin is how a query reached the server.
type origin struct {
	transport      string
	client, server netip.AddrPort
}

// plan is what the server does about a query.
type plan struct {
	delay   time.Duration
	replies []reply // one after the other
	fault   Fault   // for what the transport has to do
}

// reply is a message as octets.
type reply struct {
	packet []byte
	stray  bool // from another address than the one asked
}

// handle decides about a query. Octets that are no query are passed over.
func (s *Server) handle(packet []byte, from origin) (plan, bool) {
	r := new(dns.Msg)
	if r.Unpack(packet) != nil || r.Response || len(r.Question) != 1 {
		return plan{}, false
	}
	o := s.receive(r, from)
	m := new(dns.Msg)
	m.SetReply(r)
	if r.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeNotImplemented
		return plan{replies: []reply{{packet: pack(m)}}}, true
	}
	m.Authoritative, m.RecursionAvailable = true, true
	o.world.answer(m)
	if r.IsEdns0() != nil {
		m.SetEdns0(dns.DefaultMsgSize, false)
	}
	return o.plan(r, m), true
}

func pack(m *dns.Msg) []byte {
	packet, err := m.Pack()
	if err != nil {
		panic("dnstest: " + err.Error())
	}
	return packet
}

// fitUDP cuts a message to what the client takes.
func fitUDP(m, r *dns.Msg) {
	size := dns.MinMsgSize
	if opt := r.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
	}
	m.Truncate(size)
}
