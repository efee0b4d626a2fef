package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// PrimaryFault is how a [Primary] goes wrong.
type PrimaryFault string

// The faults of a primary.
const (
	PrimaryRight     PrimaryFault = ""
	PrimarySilent    PrimaryFault = "silent"     // no answer, and no connection goes on
	PrimaryRefused   PrimaryFault = "refused"    // REFUSED to all
	PrimaryNoAA      PrimaryFault = "no-aa"      // answers as of a cache
	PrimaryNoSOA     PrimaryFault = "no-soa"     // NODATA
	PrimaryOther     PrimaryFault = "other-name" // answers with the SOA of another zone
	PrimaryTruncated PrimaryFault = "truncated"  // over UDP
	PrimaryTCPOnly   PrimaryFault = "tcp-only"   // silent over UDP
	PrimaryCut       PrimaryFault = "cut"        // a transfer ends before its last SOA
	PrimaryTwo       PrimaryFault = "two"        // a transfer ends with another serial
	PrimaryOutside   PrimaryFault = "outside"    // a transfer has a record that is not in the zone
	PrimaryEmpty     PrimaryFault = "empty"      // a transfer has no record
)

// primaryFaults is every fault.
var primaryFaults = []PrimaryFault{
	PrimaryRight, PrimarySilent, PrimaryRefused, PrimaryNoAA, PrimaryNoSOA, PrimaryOther, PrimaryTruncated,
	PrimaryTCPOnly, PrimaryCut, PrimaryTwo, PrimaryOutside, PrimaryEmpty,
}

// ParsePrimaryFault reads the word for a fault.
func ParsePrimaryFault(word string) (PrimaryFault, error) {
	if f := PrimaryFault(word); slices.Contains(primaryFaults, f) {
		return f, nil
	}
	return PrimaryRight, fmt.Errorf("primary fault %q is none of %q", word, primaryFaults)
}

// Primary serves one zone as the primary of secondaries does: its SOA, and the
// whole of it by AXFR. It is gone when the test is.
type Primary struct {
	addr string

	mu      sync.Mutex
	zone    []dns.RR // the SOA first
	fault   PrimaryFault
	serials []uint32 // that it says; empty: that of the zone
	queries int
}

// StartPrimary starts a primary on the loopback interface for a zone file with
// absolute names.
func StartPrimary(tb TB, zoneText string) *Primary {
	tb.Helper()
	p := &Primary{}
	if err := p.Set(zoneText); err != nil {
		tb.Fatalf("dnstest: primary: %v", err)
	}
	packets, streams, err := listen()
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	p.addr = packets.LocalAddr().String()
	var running sync.WaitGroup
	for _, s := range []*dns.Server{
		{PacketConn: packets, Handler: dns.HandlerFunc(p.serve)},
		{Listener: streams, Handler: dns.HandlerFunc(p.serve)},
	} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		running.Go(func() { _ = s.ActivateAndServe() }) // it ends when it is shut down
		<-ready
		tb.Cleanup(func() { _ = s.ShutdownContext(canceled()) })
	}
	return p
}

// canceled is a context that nobody waits for: connections are left to end.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Addr is where the primary listens, as host:port.
func (p *Primary) Addr() string { return p.addr }

// Set makes it serve another zone.
func (p *Primary) Set(zoneText string) error {
	var zone []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(zoneText), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		zone = append(zone, rr)
	}
	if err := parser.Err(); err != nil {
		return err
	}
	at := slices.IndexFunc(zone, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA })
	if at < 0 {
		return errors.New("the zone has no SOA")
	}
	zone[0], zone[at] = zone[at], zone[0]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.zone = zone
	return nil
}

// Fault makes the primary go wrong from here on.
func (p *Primary) Fault(f PrimaryFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Say makes it answer for its SOA with one serial after the other, and go on with the last; 0
// is SERVFAIL. Without any it says its own again.
func (p *Primary) Say(serials ...uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serials = slices.Clone(serials)
}

// soa is the answer for the SOA; nil is SERVFAIL. The primary is locked.
func (p *Primary) soa() []dns.RR {
	if len(p.serials) == 0 {
		return p.zone[:1]
	}
	serial := p.serials[0]
	if len(p.serials) > 1 {
		p.serials = p.serials[1:]
	}
	soa, ok := dns.Copy(p.zone[0]).(*dns.SOA)
	if !ok || serial == 0 {
		return nil
	}
	soa.Serial = serial
	return []dns.RR{soa}
}

// Queries is how many queries have come.
func (p *Primary) Queries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queries
}

// serve answers one query.
func (p *Primary) serve(w dns.ResponseWriter, r *dns.Msg) {
	p.mu.Lock()
	zone, fault := p.zone, p.fault
	var soa []dns.RR
	if q := r.Question[0]; q.Qtype == dns.TypeSOA && strings.EqualFold(q.Name, zone[0].Header().Name) {
		soa = p.soa()
	}
	p.queries++
	p.mu.Unlock()
	_, overUDP := w.RemoteAddr().(*net.UDPAddr)
	if fault == PrimarySilent || fault == PrimaryTCPOnly && overUDP {
		return
	}
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = fault != PrimaryNoAA
	q := r.Question[0]
	switch {
	case fault == PrimaryRefused || !strings.EqualFold(q.Name, zone[0].Header().Name):
		m.Authoritative, m.Rcode = false, dns.RcodeRefused
	case (q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR) && !overUDP:
		transferOut(w, r, zone, fault) // the whole zone answers IXFR too (RFC 1995 §4)
		return
	case q.Qtype != dns.TypeSOA && q.Qtype != dns.TypeIXFR || fault == PrimaryNoSOA:
	case fault == PrimaryTruncated && overUDP:
		m.Truncated = true
	case fault == PrimaryOther:
		soa := dns.Copy(zone[0])
		soa.Header().Name = "other.test."
		m.Answer = []dns.RR{soa}
	case q.Qtype == dns.TypeSOA && soa == nil:
		m.Rcode = dns.RcodeServerFailure
	case q.Qtype == dns.TypeSOA:
		m.Answer = soa
	default:
		m.Answer = zone[:1]
	}
	_ = w.WriteMsg(m) // a client that has gone away is no concern of the server
}

// perMessage is how many records one message of a transfer has.
const perMessage = 100

// transferOut sends a zone as some messages.
func transferOut(w dns.ResponseWriter, r *dns.Msg, zone []dns.RR, fault PrimaryFault) {
	last := dns.Copy(zone[0])
	records := slices.Concat(zone, []dns.RR{last})
	switch fault {
	case PrimaryCut:
		records = zone
	case PrimaryEmpty:
		records = nil
	case PrimaryTwo:
		if soa, ok := last.(*dns.SOA); ok {
			soa.Serial++
		}
	case PrimaryOutside:
		stray := &dns.A{Hdr: dns.RR_Header{Name: "outside.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, 1)}
		records = slices.Insert(records, 1, dns.RR(stray))
	case PrimaryRight, PrimarySilent, PrimaryRefused, PrimaryNoAA, PrimaryNoSOA, PrimaryOther, PrimaryTruncated, PrimaryTCPOnly:
	}
	for {
		n := min(len(records), perMessage)
		m := new(dns.Msg).SetReply(r)
		m.Authoritative, m.Answer = true, records[:n]
		if w.WriteMsg(m) != nil {
			return
		}
		if records = records[n:]; len(records) == 0 {
			break
		}
	}
	if fault == PrimaryCut {
		_ = w.Close()
	}
}
