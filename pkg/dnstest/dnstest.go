// Package dnstest is a name server for tests: it answers from a zone file given as text
// and goes wrong where a test tells it to.
//
// It behaves as an authoritative server for everything in its world that also offers
// recursion (AA and RA are set): CNAME chains across zones, DNAME, wildcards, and NODATA
// and NXDOMAIN with their SOA. It listens on the loopback interface only, UDP and TCP on
// one port that the system chooses.
//
// It does no transfers, no DNSSEC and no caching: TTLs are those of the world.
package dnstest

import (
	"context"
	"errors"
	"net"
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

// Query is a question that the server received.
type Query struct {
	Name      string // in the letter case sent
	Type      uint16
	Transport string // "udp" or "tcp"
	EDNS      bool
}

// key is what faults and counts are kept by. The name is in lower case.
type key struct {
	name  string
	qtype uint16
}

// Server answers from its world until the test ends. Its methods may be called at any time
// from any goroutine.
type Server struct {
	addr string

	mu      sync.Mutex
	world   *world
	faults  []scripted
	counts  map[key]int
	queries []Query
	quiet   bool

	closing chan struct{} // ends delays
}

// scripted is a fault and the questions it is for.
type scripted struct {
	key
	fault Fault
}

// Start runs a server for a world: a zone file with absolute names, one record a line. It
// is gone when the test is.
func Start(tb TB, zoneText string) *Server {
	tb.Helper()
	w, err := newWorld(zoneText)
	if err != nil {
		tb.Fatalf("dnstest: world: %v", err)
	}
	packets, streams, err := listen()
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	s := &Server{addr: packets.LocalAddr().String(), world: w, counts: map[key]int{}, closing: make(chan struct{})}

	var running sync.WaitGroup
	servers := []*dns.Server{
		{PacketConn: packets, Handler: dns.HandlerFunc(s.serve), MsgInvalidFunc: ignoreInvalid},
		{Listener: streams, Handler: dns.HandlerFunc(s.serve), MsgInvalidFunc: ignoreInvalid},
	}
	for _, server := range servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		running.Go(func() {
			// An error here means the socket is closed, and the test sees no replies.
			_ = server.ActivateAndServe()
		})
		<-started
	}
	tb.Cleanup(func() {
		close(s.closing)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
		defer cancel()
		for _, server := range servers {
			if err := server.ShutdownContext(ctx); err != nil {
				tb.Fatalf("dnstest: shutdown: %v", err)
			}
		}
		running.Wait()
	})
	return s
}

const shutdownLimit = 10 * time.Second

func ignoreInvalid([]byte, error) {}

// listen finds a port that is free for UDP and TCP.
func listen() (net.PacketConn, net.Listener, error) {
	var config net.ListenConfig
	ctx := context.Background()
	var problems []error
	for range 20 {
		streams, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		packets, err := config.ListenPacket(ctx, "udp", streams.Addr().String())
		if err == nil {
			if c, ok := packets.(*net.UDPConn); ok {
				// A smaller buffer loses bursts, which clients make good.
				_ = c.SetReadBuffer(4 << 20)
			}
			return packets, streams, nil
		}
		problems = append(problems, err)
		streams.Close()
	}
	return nil, nil, errors.Join(problems...)
}

// Addr is where the server listens, as host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the server as a resolver URL for UDP.
func (s *Server) URL() string { return "udp://" + s.addr }

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

// Queries is what the server received so far, in order.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Query(nil), s.queries...)
}

// Count tells how many questions for a name and type came in so far, over both transports.
func (s *Server) Count(name string, qtype uint16) int {
	n := 0
	for _, q := range s.Queries() {
		if dns.CanonicalName(q.Name) == dns.CanonicalName(name) && q.Type == qtype {
			n++
		}
	}
	return n
}

// StopLog ends the log of queries, for benchmarks.
func (s *Server) StopLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = true
}

// receive logs a question and gives the world and the fault to answer it with.
func (s *Server) receive(q dns.Question, transport string, edns bool) (*world, *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.quiet {
		s.queries = append(s.queries, Query{Name: q.Name, Type: q.Qtype, Transport: transport, EDNS: edns})
	}
	k := key{dns.CanonicalName(q.Name), q.Qtype}
	s.counts[k]++
	for i := range s.faults {
		f := &s.faults[i]
		if (f.name == "" || f.name == k.name) && (f.qtype == 0 || f.qtype == k.qtype) && f.fault.applies(s.counts[k], transport) {
			return s.world, &f.fault
		}
	}
	return s.world, nil
}

func (s *Server) serve(w dns.ResponseWriter, r *dns.Msg) {
	if len(r.Question) != 1 {
		return
	}
	transport := w.LocalAddr().Network()
	opt := r.IsEdns0()
	world, fault := s.receive(r.Question[0], transport, opt != nil)

	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative, m.RecursionAvailable = true, true
	world.answer(m)
	if opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, false)
	}
	if fault != nil {
		s.serveFault(w, m, fault, transport)
		return
	}
	if transport == "udp" {
		size := dns.MinMsgSize
		if opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
		m.Truncate(size)
	}
	m.Compress = true
	// A client that has gone away is no concern of the server.
	_ = w.WriteMsg(m)
}
