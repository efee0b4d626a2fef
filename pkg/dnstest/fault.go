package dnstest

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Fault is a way to go wrong. Several may be combined; the zero Fault changes nothing. The
// comments give the words of [ParseFault].
type Fault struct {
	// When.
	Turn      int    // nth=N: only the Nth question for the name and type; 0 means each
	Transport string // udp, tcp: only over this one; empty means both

	// Instead of an answer.
	Rcode   int  // servfail, refused, formerr, notimp, nxdomain, yxdomain or rcode=N; 0 leaves it
	Drop    bool // drop: no reply
	Garbage bool // garbage: octets that are no message behind the right identifier
	Hangup  bool // hangup: TCP is closed; as drop over UDP

	// To the answer.
	Delay         time.Duration   // delay=200ms
	Truncate      bool            // truncate: TC over UDP, without records
	TruncateTCP   bool            // truncate-tcp: over TCP too
	WrongID       bool            // wrong-id
	WrongPort     bool            // wrong-port: from another source address; no reply over TCP
	WrongQuestion bool            // wrong-question: that of another name
	WrongCase     bool            // wrong-case: every letter of the question in the other case
	First         bool            // first: the right answer follows behind one that is wrong
	NoEDNS        bool            // no-edns: FORMERR to questions with EDNS
	TwoCNAMEs     bool            // two-cnames: the owner has a second CNAME
	CNAMEAndA     bool            // cname-and-address: a CNAME beside the addresses
	Lame          bool            // lame: neither AA nor RA
	Referral      bool            // referral: NS records and nothing else
	NoSOA         bool            // no-soa
	Extra         bool            // extra: unrelated records in every section
	CutChain      bool            // cut-chain: the first link alone
	Reverse       bool            // reverse: the records of the answer in the opposite order
	EDE           []dns.EDNS0_EDE // ede=CODE or ede=CODE:TEXT, without a comma; may be repeated
}

// words are the faults that need no value.
var words = map[string]func(*Fault){
	"udp":               func(f *Fault) { f.Transport = "udp" },
	"tcp":               func(f *Fault) { f.Transport = "tcp" },
	"servfail":          func(f *Fault) { f.Rcode = dns.RcodeServerFailure },
	"refused":           func(f *Fault) { f.Rcode = dns.RcodeRefused },
	"formerr":           func(f *Fault) { f.Rcode = dns.RcodeFormatError },
	"notimp":            func(f *Fault) { f.Rcode = dns.RcodeNotImplemented },
	"nxdomain":          func(f *Fault) { f.Rcode = dns.RcodeNameError },
	"yxdomain":          func(f *Fault) { f.Rcode = dns.RcodeYXDomain },
	"drop":              func(f *Fault) { f.Drop = true },
	"garbage":           func(f *Fault) { f.Garbage = true },
	"hangup":            func(f *Fault) { f.Hangup = true },
	"truncate":          func(f *Fault) { f.Truncate = true },
	"truncate-tcp":      func(f *Fault) { f.Truncate, f.TruncateTCP = true, true },
	"wrong-id":          func(f *Fault) { f.WrongID = true },
	"wrong-port":        func(f *Fault) { f.WrongPort = true },
	"wrong-question":    func(f *Fault) { f.WrongQuestion = true },
	"wrong-case":        func(f *Fault) { f.WrongCase = true },
	"first":             func(f *Fault) { f.First = true },
	"no-edns":           func(f *Fault) { f.NoEDNS = true },
	"two-cnames":        func(f *Fault) { f.TwoCNAMEs = true },
	"cname-and-address": func(f *Fault) { f.CNAMEAndA = true },
	"lame":              func(f *Fault) { f.Lame = true },
	"referral":          func(f *Fault) { f.Referral = true },
	"no-soa":            func(f *Fault) { f.NoSOA = true },
	"extra":             func(f *Fault) { f.Extra = true },
	"cut-chain":         func(f *Fault) { f.CutChain = true },
	"reverse":           func(f *Fault) { f.Reverse = true },
}

// ParseFault reads a fault as text: words with commas between them, for example
// "servfail,ede=22:no server reached,nth=1".
func ParseFault(text string) (Fault, error) {
	var f Fault
	for word := range strings.SplitSeq(text, ",") {
		if err := f.set(strings.TrimSpace(word)); err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	return f, nil
}

func (f *Fault) set(word string) error {
	if set, ok := words[word]; ok {
		set(f)
		return nil
	}
	name, value, _ := strings.Cut(word, "=")
	var err error
	switch name {
	case "nth":
		if f.Turn, err = strconv.Atoi(value); err == nil && f.Turn < 1 {
			err = errors.New("nth counts from 1")
		}
	case "rcode":
		if f.Rcode, err = strconv.Atoi(value); err == nil && (f.Rcode < 1 || f.Rcode > 4095) {
			err = errors.New("rcode is not in 1 to 4095")
		}
	case "delay":
		f.Delay, err = time.ParseDuration(value)
	case "ede":
		number, info, _ := strings.Cut(value, ":")
		var code uint64
		code, err = strconv.ParseUint(number, 10, 16)
		f.EDE = append(f.EDE, dns.EDNS0_EDE{InfoCode: uint16(code), ExtraText: info})
	default:
		err = fmt.Errorf("unknown word %q", word)
	}
	return err
}

func (f *Fault) applies(o *occasion) bool {
	return (f.Turn == 0 || f.Turn == o.turn) && (f.Transport == "" || f.Transport == o.query.Transport)
}

// change does to a reply what can be done to a message.
func (f *Fault) change(m *dns.Msg, transport string) {
	if f.Rcode != 0 {
		m.Rcode, m.Answer, m.Ns = f.Rcode, nil, nil
	}
	if f.NoEDNS && m.IsEdns0() != nil {
		m.Rcode, m.Answer, m.Ns, m.Extra = dns.RcodeFormatError, nil, nil, nil
	}
	if f.Truncate && (transport == "udp" || f.TruncateTCP) {
		m.Truncated, m.Answer, m.Ns = true, nil, nil
	}
	if f.WrongID {
		m.Id ^= 0x5555
	}
	if f.WrongQuestion {
		m.Question[0].Name = "other.test."
	}
	if f.WrongCase {
		m.Question[0].Name = swapCase(m.Question[0].Name)
	}
	if f.Lame {
		m.Authoritative, m.RecursionAvailable = false, false
	}
	f.changeRecords(m)
	if len(f.EDE) == 0 && m.Rcode <= 15 {
		return
	}
	opt := m.IsEdns0()
	if opt == nil {
		opt = m.SetEdns0(dns.DefaultMsgSize, false).IsEdns0()
	}
	for i := range f.EDE {
		opt.Option = append(opt.Option, &f.EDE[i])
	}
}

func (f *Fault) changeRecords(m *dns.Msg) {
	header := dns.RR_Header{Name: m.Question[0].Name, Class: dns.ClassINET, Ttl: 60}
	if f.TwoCNAMEs || f.CNAMEAndA {
		header.Rrtype = dns.TypeCNAME
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: header, Target: "second.test."})
	}
	if f.CNAMEAndA {
		header.Rrtype = dns.TypeA
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.IPv4(192, 0, 2, 99)})
	}
	if f.Referral {
		header.Rrtype = dns.TypeNS
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, []dns.RR{&dns.NS{Hdr: header, Ns: "ns.test."}}
	}
	if f.NoSOA {
		m.Ns = nil
	}
	if f.CutChain && len(m.Answer) > 0 {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, m.Answer[:1], nil
	}
	if f.Extra {
		header.Name, header.Rrtype = "unrelated.test.", dns.TypeA
		a := &dns.A{Hdr: header, A: net.IPv4(192, 0, 2, 66)}
		m.Answer = append([]dns.RR{a}, m.Answer...)
		m.Ns = append(m.Ns, a)
		m.Extra = append(m.Extra, a)
	}
	if f.Reverse {
		for i, j := 0, len(m.Answer)-1; i < j; i, j = i+1, j-1 {
			m.Answer[i], m.Answer[j] = m.Answer[j], m.Answer[i]
		}
	}
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
