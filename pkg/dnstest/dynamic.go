package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// DynamicFault is how a [Dynamic] goes wrong.
type DynamicFault string

// The faults of a server that takes updates.
const (
	DynamicRight      DynamicFault = ""
	DynamicRefused    DynamicFault = "refused"     // REFUSED to updates
	DynamicServFail   DynamicFault = "servfail"    // SERVFAIL to updates
	DynamicNotZone    DynamicFault = "notzone"     // NOTZONE to updates
	DynamicNotAuth    DynamicFault = "notauth"     // NOTAUTH to all, without TSIG
	DynamicNotImp     DynamicFault = "notimp"      // NOTIMP to updates
	DynamicFormErr    DynamicFault = "formerr"     // FORMERR to updates
	DynamicBadSig     DynamicFault = "badsig"      // BADSIG to all
	DynamicBadTime    DynamicFault = "badtime"     // BADTIME to all, with a clock that is an hour late
	DynamicBadTrunc   DynamicFault = "badtrunc"    // BADTRUNC to all
	DynamicUnsigned   DynamicFault = "unsigned"    // answers to updates are not signed
	DynamicForged     DynamicFault = "forged"      // answers to updates are signed with another secret
	DynamicSilent     DynamicFault = "silent"      // no answer to updates, which are made
	DynamicIgnores    DynamicFault = "ignores"     // updates are answered and not made
	DynamicBlind      DynamicFault = "blind"       // prerequisites are not looked at
	DynamicLowTTL     DynamicFault = "low-ttl"     // what is added has TTL 60 at most
	DynamicRace       DynamicFault = "race"        // what is about to be updated is changed by somebody else, each time
	DynamicNoTransfer DynamicFault = "no-transfer" // REFUSED to transfers
	DynamicCut        DynamicFault = "cut"         // transfers end before the last SOA
	DynamicNoAA       DynamicFault = "no-aa"       // answers as of a cache
)

// dynamicFaults is every fault.
var dynamicFaults = []DynamicFault{
	DynamicRight, DynamicRefused, DynamicServFail, DynamicNotZone, DynamicNotAuth, DynamicNotImp, DynamicFormErr, DynamicBadSig,
	DynamicBadTime, DynamicBadTrunc, DynamicUnsigned, DynamicForged, DynamicSilent, DynamicIgnores, DynamicBlind, DynamicLowTTL,
	DynamicRace, DynamicNoTransfer, DynamicCut, DynamicNoAA,
}

// ParseDynamicFault reads the word for a fault.
func ParseDynamicFault(word string) (DynamicFault, error) {
	if f := DynamicFault(word); slices.Contains(dynamicFaults, f) {
		return f, nil
	}
	return DynamicRight, fmt.Errorf("dynamic fault %q is none of %q", word, dynamicFaults)
}

// The key that a [Dynamic] knows, of hmac-sha256.
const (
	DynamicKey    = "xfr."
	DynamicSecret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// Dynamic is a primary of one zone that takes updates (RFC 2136) over TCP, signed with its key. It
// is gone when the test is.
type Dynamic struct {
	addr string

	mu      sync.Mutex
	soa     *dns.SOA
	records []dns.RR // without the SOA
	fault   DynamicFault
	updates []string // the update section of each update that was made, one record a line
	counts  map[string]int
}

// StartDynamic starts such a primary on the loopback interface for a zone file with absolute names.
func StartDynamic(tb TB, zoneText string) *Dynamic {
	tb.Helper()
	d := &Dynamic{counts: map[string]int{}}
	if err := d.Set(zoneText); err != nil {
		tb.Fatalf("dnstest: dynamic: %v", err)
	}
	streams, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	d.addr = streams.Addr().String()
	ready := make(chan struct{})
	s := &dns.Server{
		Listener: streams, Handler: dns.HandlerFunc(d.serve), TsigSecret: map[string]string{DynamicKey: DynamicSecret},
		MsgAcceptFunc:     func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept },
		NotifyStartedFunc: func() { close(ready) },
	}
	var running sync.WaitGroup
	running.Go(func() { _ = s.ActivateAndServe() }) // it ends when it is shut down
	<-ready
	tb.Cleanup(func() { _ = s.ShutdownContext(canceled()) })
	return d
}

// Addr is where it listens, as host:port.
func (d *Dynamic) Addr() string { return d.addr }

// Set makes it serve another zone.
func (d *Dynamic) Set(zoneText string) error {
	var soa *dns.SOA
	var records []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(zoneText), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if s, is := rr.(*dns.SOA); is {
			soa = s
			continue
		}
		records = append(records, rr)
	}
	if err := parser.Err(); err != nil {
		return err
	}
	if soa == nil {
		return errors.New("the zone has no SOA")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.soa, d.records = soa, records
	return nil
}

// Add adds a record, as somebody else does.
func (d *Dynamic) Add(text string) error {
	rr, err := dns.NewRR(text)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = append(d.records, rr)
	d.soa.Serial++
	return nil
}

// Remove removes every record of an owner name, as somebody else does.
func (d *Dynamic) Remove(owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = slices.DeleteFunc(d.records, func(rr dns.RR) bool { return strings.EqualFold(rr.Header().Name, owner) })
	d.soa.Serial++
}

// Fault makes it go wrong from here on.
func (d *Dynamic) Fault(f DynamicFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// Records gives its records, one a line, sorted, without the SOA.
func (d *Dynamic) Records() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, rr := range d.records {
		list = append(list, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	slices.Sort(list)
	return list
}

// Updates gives the update section of each update that was made.
func (d *Dynamic) Updates() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.updates)
}

// Transfers is how many transfers were begun.
func (d *Dynamic) Transfers() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts["AXFR"]
}

// serve answers one message.
func (d *Dynamic) serve(w dns.ResponseWriter, r *dns.Msg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = d.fault != DynamicNoAA
	t := r.IsTsig()
	if t == nil || w.TsigStatus() != nil || d.rejects(t) != 0 {
		m.Rcode = dns.RcodeNotAuth
		if t != nil && d.fault != DynamicNotAuth {
			d.reject(m, t, w.TsigStatus())
		}
		_ = w.WriteMsg(m) // a client that has gone away is no concern of the server
		return
	}
	q := r.Question[0]
	switch {
	case r.Opcode == dns.OpcodeUpdate:
		d.counts["UPDATE"]++
		if !d.update(m, r) {
			return
		}
	case q.Qtype == dns.TypeAXFR && d.fault != DynamicNoTransfer:
		d.counts["AXFR"]++
		m.Answer = d.whole()
	case q.Qtype == dns.TypeAXFR:
		m.Rcode = dns.RcodeRefused
	default:
		d.answer(m, q)
	}
	if r.Opcode != dns.OpcodeUpdate || d.fault != DynamicUnsigned {
		m.SetTsig(t.Hdr.Name, t.Algorithm, t.Fudge, time.Now().Unix())
	}
	if r.Opcode == dns.OpcodeUpdate && d.fault == DynamicForged {
		d.forge(w, m, t)
		return
	}
	_ = w.WriteMsg(m)
	if q.Qtype == dns.TypeAXFR && d.fault == DynamicCut {
		_ = w.Close()
	}
}

// whole is all of the zone, between its SOA twice.
func (d *Dynamic) whole() []dns.RR {
	all := slices.Concat([]dns.RR{d.soa}, d.records)
	if d.fault != DynamicCut {
		all = append(all, d.soa)
	}
	for i := range all {
		all[i] = dns.Copy(all[i])
	}
	return all
}

// rejects is the error code of a signature that is well; 0: it is taken.
func (d *Dynamic) rejects(*dns.TSIG) uint16 {
	switch d.fault { //nolint:exhaustive // The others are about other things.
	case DynamicNotAuth:
		return dns.RcodeNotAuth
	case DynamicBadSig:
		return dns.RcodeBadSig
	case DynamicBadTime:
		return dns.RcodeBadTime
	case DynamicBadTrunc:
		return dns.RcodeBadTrunc
	}
	return 0
}

// reject tells what is wrong with a signature (RFC 8945 §5.3.2).
func (d *Dynamic) reject(m *dns.Msg, t *dns.TSIG, unsound error) {
	code := d.rejects(t)
	switch {
	case errors.Is(unsound, dns.ErrSecret):
		code = dns.RcodeBadKey
	case unsound != nil:
		code = dns.RcodeBadSig
	}
	m.SetTsig(t.Hdr.Name, t.Algorithm, t.Fudge, int64(t.TimeSigned))
	answer := m.IsTsig()
	answer.Error = code
	if code == dns.RcodeBadTime {
		answer.OtherData, answer.OtherLen = fmt.Sprintf("%012x", t.TimeSigned-3600), 6
	}
}

// forge sends an answer that is signed with another secret.
func (d *Dynamic) forge(w dns.ResponseWriter, m *dns.Msg, t *dns.TSIG) {
	wire, _, err := dns.TsigGenerate(m, "b3RoZXIgc2VjcmV0IG9mIHRoZSBzYW1lIGxlbmd0aC4=", t.MAC, false)
	if err == nil {
		_, _ = w.Write(wire) // a client that has gone away is no concern of the server
	}
}

// answer answers a question for one RRset.
func (d *Dynamic) answer(m *dns.Msg, q dns.Question) {
	zone := d.soa.Hdr.Name
	if !dns.IsSubDomain(zone, q.Name) {
		m.Authoritative, m.Rcode = false, dns.RcodeRefused
		return
	}
	if q.Qtype == dns.TypeSOA && strings.EqualFold(q.Name, zone) {
		m.Answer = []dns.RR{dns.Copy(d.soa)}
		return
	}
	m.Rcode = dns.RcodeNameError
	for _, rr := range d.records {
		h := rr.Header()
		if !strings.EqualFold(h.Name, q.Name) {
			continue
		}
		m.Rcode = dns.RcodeSuccess
		if h.Rrtype == q.Qtype || h.Rrtype == dns.TypeCNAME {
			m.Answer = append(m.Answer, dns.Copy(rr))
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{dns.Copy(d.soa)}
	}
}

// update makes an update, and is false where nobody is told what came of it.
func (d *Dynamic) update(m, r *dns.Msg) bool {
	m.Question = r.Question
	switch d.fault { //nolint:exhaustive // The others are about other things.
	case DynamicRefused:
		m.Rcode = dns.RcodeRefused
	case DynamicServFail:
		m.Rcode = dns.RcodeServerFailure
	case DynamicNotZone:
		m.Rcode = dns.RcodeNotZone
	case DynamicNotImp:
		m.Rcode = dns.RcodeNotImplemented
	case DynamicFormErr:
		m.Rcode = dns.RcodeFormatError
	case DynamicRace:
		d.race(r)
	}
	if m.Rcode != dns.RcodeSuccess {
		return true
	}
	if d.fault != DynamicBlind {
		m.Rcode = d.prerequisites(r.Answer)
	}
	if m.Rcode != dns.RcodeSuccess || d.fault == DynamicIgnores {
		return true
	}
	var lines []string
	for _, rr := range r.Ns {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
		d.apply(rr)
	}
	d.soa.Serial++
	d.updates = append(d.updates, strings.Join(lines, "\n"))
	return d.fault != DynamicSilent
}

// race changes what an update is about before it is made.
func (d *Dynamic) race(r *dns.Msg) {
	h := r.Ns[0].Header()
	rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN TXT \"%d\"", h.Name, d.counts["UPDATE"]))
	if h.Rrtype == dns.TypeA {
		rr, err = dns.NewRR(fmt.Sprintf("%s 60 IN A 203.0.113.%d", h.Name, d.counts["UPDATE"]))
	}
	if err == nil {
		d.records = append(d.records, rr)
		d.soa.Serial++
	}
}

// prerequisites looks whether the zone is as it has to be (RFC 2136 §3.2).
func (d *Dynamic) prerequisites(list []dns.RR) int {
	wanted := map[string][]dns.RR{}
	for _, rr := range list {
		h := rr.Header()
		found := d.find(h.Name, h.Rrtype)
		switch {
		case h.Class == dns.ClassINET:
			key := strings.ToLower(h.Name) + " " + dns.Type(h.Rrtype).String()
			wanted[key] = append(wanted[key], rr)
		case h.Class == dns.ClassANY && len(found) == 0 && h.Rrtype == dns.TypeANY:
			return dns.RcodeNameError
		case h.Class == dns.ClassANY && len(found) == 0:
			return dns.RcodeNXRrset
		case h.Class == dns.ClassNONE && len(found) > 0 && h.Rrtype == dns.TypeANY:
			return dns.RcodeYXDomain
		case h.Class == dns.ClassNONE && len(found) > 0:
			return dns.RcodeYXRrset
		}
	}
	for _, want := range wanted {
		found := d.find(want[0].Header().Name, want[0].Header().Rrtype)
		if len(found) != len(want) {
			return dns.RcodeNXRrset
		}
		for _, rr := range found {
			if !slices.ContainsFunc(want, func(w dns.RR) bool { return dns.IsDuplicate(rr, w) }) {
				return dns.RcodeNXRrset
			}
		}
	}
	return dns.RcodeSuccess
}

// find gives the records of a type at an owner name, or all of them.
func (d *Dynamic) find(name string, typ uint16) []dns.RR {
	var list []dns.RR
	for _, rr := range d.records {
		if h := rr.Header(); strings.EqualFold(h.Name, name) && (typ == dns.TypeANY || h.Rrtype == typ) {
			list = append(list, rr)
		}
	}
	if strings.EqualFold(name, d.soa.Hdr.Name) && (typ == dns.TypeANY || typ == dns.TypeSOA) {
		list = append(list, d.soa)
	}
	return list
}

// apply makes one change (RFC 2136 §3.4.2).
func (d *Dynamic) apply(change dns.RR) {
	h := change.Header()
	apexNS := h.Rrtype == dns.TypeNS && strings.EqualFold(h.Name, d.soa.Hdr.Name)
	switch h.Class {
	case dns.ClassANY:
		if !apexNS {
			d.records = slices.DeleteFunc(d.records, func(rr dns.RR) bool {
				return strings.EqualFold(rr.Header().Name, h.Name) && rr.Header().Rrtype == h.Rrtype
			})
		}
	case dns.ClassNONE:
		gone := dns.Copy(change)
		gone.Header().Class = dns.ClassINET
		d.records = slices.DeleteFunc(d.records, func(rr dns.RR) bool {
			return dns.IsDuplicate(rr, gone) && (!apexNS || len(d.find(h.Name, dns.TypeNS)) > 1)
		})
	default:
		d.insert(change)
	}
}

// insert adds a record, unless that is a CNAME with company.
func (d *Dynamic) insert(added dns.RR) {
	h := added.Header()
	for _, rr := range d.find(h.Name, dns.TypeANY) {
		if (rr.Header().Rrtype == dns.TypeCNAME) != (h.Rrtype == dns.TypeCNAME) {
			return
		}
	}
	if d.fault == DynamicLowTTL {
		h.Ttl = min(h.Ttl, 60)
	}
	for _, rr := range d.find(h.Name, h.Rrtype) {
		rr.Header().Ttl = h.Ttl
	}
	if !slices.ContainsFunc(d.records, func(rr dns.RR) bool { return dns.IsDuplicate(rr, added) }) {
		d.records = append(d.records, added)
	}
}
