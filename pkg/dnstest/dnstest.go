// Package dnstest is a name server for tests: it answers from a zone file given as text
// and goes wrong where a test tells it to.
//
// It behaves as an authoritative server for everything in its world that also offers
// recursion (AA and RA are set): CNAME chains across zones, DNAME, wildcards, and NODATA
// and NXDOMAIN with their SOA. It listens on the loopback interface only, on ports that the
// system chooses, over UDP and TCP, TLS, HTTPS or QUIC; or on a [Network] in memory, where
// time may be that of a synctest bubble. What goes wrong is a [Fault], and [ParseFault] has
// the table of all words for it.
//
// All that looks random comes from a seed and from what is asked, never from the order in
// which goroutines run: a test that fails does so again.
//
// It does no DNSSEC, and it caches only where a fault says so. It does no transfers either:
// these are what a [Primary] is for.
package dnstest

import (
	"crypto/tls"
	"encoding/binary"
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
	path   string // of its URL
	seed   uint64

	started time.Time
	secret  []byte        // of the server cookies
	tls     *tls.Config   // nil means plain TCP
	closing chan struct{} // ends delays
	late    line
	running sync.WaitGroup

	mu      sync.Mutex
	eras    []era // by time; the first one begins with the server
	subnets []subnet
	faults  []scripted
	counts  map[key]int
	caches  map[cacheKey]cached
	queries []Query
	quiet   bool
	rated   bool        // some fault depends on the rate
	recent  []time.Time // queries within the last second, where rated
	closed  bool
	open    map[io.Closer]struct{} // sockets
}

// scripted is a fault and the questions it is for.
type scripted struct {
	key
	fault    Fault
	mistaken bool // it is more than a behavior
}

func newServer(tb TB, addr, zoneText string, seed uint64) *Server {
	tb.Helper()
	w, err := newWorld(zoneText)
	if err != nil {
		tb.Fatalf("dnstest: world: %v", err)
	}
	now := time.Now()
	s := &Server{
		addr:    addr,
		scheme:  "udp",
		seed:    seed,
		started: now,
		secret:  binary.BigEndian.AppendUint64(nil, seed),
		closing: make(chan struct{}),
		eras:    []era{{now, w}},
		counts:  map[key]int{},
		caches:  map[cacheKey]cached{},
		open:    map[io.Closer]struct{}{},
	}
	s.late.deliver = func(it item) {
		if !isClosed(s.closing) {
			it.do()
		}
	}
	return s
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
// closes first. What is due at one instant is called in the order asked for. It must not
// block.
func (s *Server) after(delay time.Duration, f func()) {
	if delay <= 0 {
		f()
		return
	}
	s.late.send(item{do: f}, delay)
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
func (s *Server) URL() string { return s.scheme + "://" + s.addr + s.path }

// Fault makes the server go wrong for questions about a name. The empty name stands for
// every name, the type 0 for every type; turns are those of one name and type all the same.
// Of several faults for one question the first with a [Mistake] that applies counts, and the
// [Behavior] of all; of behaviors that contradict each other, again the first.
func (s *Server) Fault(name string, qtype uint16, f Fault) {
	if name != "" {
		name = dns.CanonicalName(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, scripted{key{name, qtype}, f, isMistaken(f)})
	s.rated = s.rated || f.Over > 0
}

// ClearFaults makes the server right again; turns are counted from 1 anew, and caches are
// empty.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.rated, s.recent = nil, false, nil
	clear(s.counts)
	clear(s.caches)
}

// origin is how a query reached the server.
type origin struct {
	transport      string
	client, server netip.AddrPort
	serverName     string // in the TLS handshake
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
	m.RecursionAvailable = !o.fault.Authoritative
	if o.answerEDNS(r, m) {
		o.answer(r, m)
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
