package dnstest

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// ParseFault reads a fault as text: words with commas between them, for example
// "servfail,ede=22:no server reached,nth=1".
//
// When:
//
//	nth=2, nth=1-3, nth=4-  these questions for the name and type, counted from 1
//	udp tcp tls https quic  only over this transport
//	at=30s, until=60s       so long after the start of the server
//	chance=0.3              of that share of the questions
//	over=500                where more queries than that came within a second
//
// Instead of an answer:
//
//	servfail refused formerr notimp nxdomain yxdomain badvers badcookie rcode=N
//	drop                    no reply
//	garbage                 octets that are no message behind the right identifier
//	noise, noise=N          random octets, of a random size or N of them
//
// To the time and the size:
//
//	delay=200ms, delay=10ms-1s  the reply is late, by a random time
//	truncate                TC over UDP, without records
//	truncate-tcp            over TCP too
//	oversize                not cut to what the client takes
//	pad=N                   an EDNS padding option of N octets, whatever the client takes
//	cut, cut=N              the message ends early, at a random place or behind N octets
//	flip=N                  N random bits are the other way round
//
// To the header and the question:
//
//	wrong-id                another identifier
//	wrong-port              from another source address; no reply over TCP
//	wrong-question          another name
//	wrong-type wrong-class wrong-opcode
//	wrong-case              every letter of the name in the other case
//	query-bit               QR is clear
//	no-question             the question section is empty
//	first                   the right answer follows behind one that is wrong
//	no-edns                 FORMERR to questions with EDNS
//	no-opt                  no OPT in the reply
//	lame                    neither AA nor RA
//	ede=CODE, ede=CODE:TEXT an extended error, text without a comma; may be repeated
//
// To the records:
//
//	referral                NS records and nothing else
//	no-soa                  an empty authority section
//	extra                   unrelated records in every section
//	two-cnames              the owner has a second CNAME
//	cname-and-address       a CNAME beside the addresses
//	loop                    two CNAMEs that point at each other
//	self                    a CNAME that points at itself
//	chain=N                 N CNAMEs in front of the answer
//	endless-chain           one CNAME to a name that was not asked before
//	cut-chain               the first link alone
//	addresses=N             that many addresses
//	reverse                 the records of the answer in the opposite order
//	shuffle                 in a random order
//	ttl=N, ttl=max, ttl=300/200/100  for all records; one after the other by turn
//	mixed-ttl               each further record of the answer has one second more
//
// To a connection:
//
//	hangup                  it is closed instead of a reply; as drop over UDP. Over HTTPS
//	                        and QUIC a stream is closed by this, half-close and partial
//	reset                   the same with a RST; over QUIC the connection ends
//	half-close              the server ends its side instead of a reply and reads on
//	slow=10ms               the reply comes octet by octet, so long apart
//	partial=N               it is closed behind N octets of the reply and its length
//	close-after=K           it is closed behind the reply to its Kth query; not over HTTPS
//	out-of-order            the reply waits for that of the next query, up to 100 ms
//
// To an answer over HTTPS:
//
//	http=429                the status; 3xx has a Location
//	content-type=text/html  what the body is called
//	body=N                  N octets of junk instead of a message
//	age=N                   the Age of a copy from a cache of HTTP, in seconds
//
// These are no mistakes. They hold beside a mistake and beside each other, while of several
// faults with mistakes only the first counts:
//
//	authoritative           no recursion: its zones and delegations, REFUSED for the rest
//	recursive               AA is clear
//	countdown, countdown=30s  from a cache that was filled by the first question, or so
//	                        long before it; AA is clear, and TTLs end with a second of 0
//	caches=4                one of so many caches, at random
//	rotate                  the addresses start with another one each turn
//	subset=N                N addresses at a time, going on from turn to turn
//	cookies                 DNS cookies (RFC 7873)
//	cookies=require         BADCOOKIE over UDP to a client cookie without a valid server cookie
//	cookies=wrong           the client's cookie comes back wrong
//	cookies=omit            no cookie in the reply
//	dns64=64:ff9b::/96      AAAA made from A where there is none (RFC 6147, RFC 7050)
//	rewrite=203.0.113.80    an address instead of NXDOMAIN; one of each family may be given
//	ad                      AD is set for those who asked with AD or DO
//	rrsig                   signatures with the original TTL for those who asked with DO; they
//	                        verify nothing
//	ecs, ecs=N              the client subnet comes back, with its own scope or N (RFC 7871)
func ParseFault(text string) (Fault, error) {
	var f Fault
	for text := range strings.SplitSeq(text, ",") {
		name, value, hasValue := strings.Cut(strings.TrimSpace(text), "=")
		w, ok := words[name]
		switch {
		case !ok:
			return Fault{}, fmt.Errorf("fault %q: unknown word %q", text, name)
		case hasValue && w.read == nil:
			return Fault{}, fmt.Errorf("fault %q: %s takes no value", text, name)
		case !hasValue && w.set == nil:
			return Fault{}, fmt.Errorf("fault %q: %s needs a value", text, name)
		case !hasValue:
			w.set(&f)
			continue
		}
		if err := w.read(&f, value); err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	return f, nil
}

// word is what ParseFault does about a word: without a value, and with one. One of both may
// be nil.
type word struct {
	set  func(*Fault)
	read func(f *Fault, value string) error
}

func flag(field func(*Fault) *bool) word {
	return word{set: func(f *Fault) { *field(f) = true }}
}

func rcode(n int) word { return word{set: func(f *Fault) { f.Rcode = n }} }

func over(transport string) word {
	return word{set: func(f *Fault) { f.Transport = transport }}
}

// number reads one from 1 on.
func number(most int, field func(*Fault) *int) word {
	return word{read: func(f *Fault, value string) error {
		n, err := readInt(value, 1, most)
		*field(f) = n
		return err
	}}
}

func duration(field func(*Fault) *time.Duration) word {
	return word{read: func(f *Fault, value string) error {
		d, err := readDuration(value)
		*field(f) = d
		return err
	}}
}

func readInt(value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err == nil && (n < least || n > most) {
		err = fmt.Errorf("%d is not in %d to %d", n, least, most)
	}
	return n, err
}

func readDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d < 0 {
		err = fmt.Errorf("%s is in the past", value)
	}
	return d, err
}

// Sizes that a message cannot have are refused, so that no test believes to have seen one.
const (
	maxAddresses = 5000
	maxChain     = 1000
)

var words = map[string]word{
	"nth":    {read: readTurns},
	"udp":    over("udp"),
	"tcp":    over("tcp"),
	"tls":    over("tls"),
	"https":  over("https"),
	"quic":   over("quic"),
	"at":     duration(func(f *Fault) *time.Duration { return &f.At }),
	"until":  duration(func(f *Fault) *time.Duration { return &f.Until }),
	"chance": {read: readChance},
	"over":   number(math.MaxInt32, func(f *Fault) *int { return &f.Over }),

	"servfail":  rcode(dns.RcodeServerFailure),
	"refused":   rcode(dns.RcodeRefused),
	"formerr":   rcode(dns.RcodeFormatError),
	"notimp":    rcode(dns.RcodeNotImplemented),
	"nxdomain":  rcode(dns.RcodeNameError),
	"yxdomain":  rcode(dns.RcodeYXDomain),
	"badvers":   rcode(dns.RcodeBadVers),
	"badcookie": rcode(dns.RcodeBadCookie),
	"rcode":     number(4095, func(f *Fault) *int { return &f.Rcode }),
	"drop":      flag(func(f *Fault) *bool { return &f.Drop }),
	"garbage":   flag(func(f *Fault) *bool { return &f.Garbage }),
	"noise":     {func(f *Fault) { f.Noise = true }, readNoise},

	"delay":        {read: readDelay},
	"truncate":     flag(func(f *Fault) *bool { return &f.Truncate }),
	"truncate-tcp": {set: func(f *Fault) { f.Truncate, f.TruncateTCP = true, true }},
	"oversize":     flag(func(f *Fault) *bool { return &f.Oversize }),
	"pad":          number(maxPacket, func(f *Fault) *int { return &f.Pad }),
	"cut":          {func(f *Fault) { f.Cut = true }, readCut},
	"flip":         number(8*maxPacket, func(f *Fault) *int { return &f.Flip }),

	"wrong-id":       flag(func(f *Fault) *bool { return &f.WrongID }),
	"wrong-port":     flag(func(f *Fault) *bool { return &f.WrongPort }),
	"wrong-question": flag(func(f *Fault) *bool { return &f.WrongQuestion }),
	"wrong-type":     flag(func(f *Fault) *bool { return &f.WrongType }),
	"wrong-class":    flag(func(f *Fault) *bool { return &f.WrongClass }),
	"wrong-opcode":   flag(func(f *Fault) *bool { return &f.WrongOpcode }),
	"wrong-case":     flag(func(f *Fault) *bool { return &f.WrongCase }),
	"query-bit":      flag(func(f *Fault) *bool { return &f.QueryBit }),
	"no-question":    flag(func(f *Fault) *bool { return &f.NoQuestion }),
	"first":          flag(func(f *Fault) *bool { return &f.First }),
	"no-edns":        flag(func(f *Fault) *bool { return &f.NoEDNS }),
	"no-opt":         flag(func(f *Fault) *bool { return &f.NoOPT }),
	"lame":           flag(func(f *Fault) *bool { return &f.Lame }),
	"ede":            {read: readEDE},

	"referral":          flag(func(f *Fault) *bool { return &f.Referral }),
	"no-soa":            flag(func(f *Fault) *bool { return &f.NoSOA }),
	"extra":             flag(func(f *Fault) *bool { return &f.Extra }),
	"two-cnames":        flag(func(f *Fault) *bool { return &f.TwoCNAMEs }),
	"cname-and-address": flag(func(f *Fault) *bool { return &f.CNAMEAndA }),
	"loop":              flag(func(f *Fault) *bool { return &f.Loop }),
	"self":              flag(func(f *Fault) *bool { return &f.SelfCNAME }),
	"chain":             number(maxChain, func(f *Fault) *int { return &f.Chain }),
	"endless-chain":     flag(func(f *Fault) *bool { return &f.EndlessChain }),
	"cut-chain":         flag(func(f *Fault) *bool { return &f.CutChain }),
	"addresses":         number(maxAddresses, func(f *Fault) *int { return &f.Addresses }),
	"reverse":           flag(func(f *Fault) *bool { return &f.Reverse }),
	"shuffle":           flag(func(f *Fault) *bool { return &f.Shuffle }),
	"ttl":               {read: readTTLs},
	"mixed-ttl":         flag(func(f *Fault) *bool { return &f.MixedTTL }),

	"hangup":       flag(func(f *Fault) *bool { return &f.Hangup }),
	"reset":        flag(func(f *Fault) *bool { return &f.Reset }),
	"half-close":   flag(func(f *Fault) *bool { return &f.HalfClose }),
	"slow":         duration(func(f *Fault) *time.Duration { return &f.Slow }),
	"partial":      number(maxPacket, func(f *Fault) *int { return &f.Partial }),
	"close-after":  number(maxOnStream, func(f *Fault) *int { return &f.CloseAfter }),
	"out-of-order": flag(func(f *Fault) *bool { return &f.OutOfOrder }),

	"http":         {read: readStatus},
	"content-type": {read: readContentType},
	"body":         number(1<<26, func(f *Fault) *int { return &f.Body }),
	"age":          number(math.MaxInt32, func(f *Fault) *int { return &f.HTTPAge }),

	"authoritative": flag(func(f *Fault) *bool { return &f.Authoritative }),
	"recursive":     flag(func(f *Fault) *bool { return &f.Recursive }),
	"countdown":     {func(f *Fault) { f.Countdown = true }, readCountdown},
	"caches":        number(1000, func(f *Fault) *int { return &f.Caches }),
	"rotate":        flag(func(f *Fault) *bool { return &f.Rotate }),
	"subset":        number(maxAddresses, func(f *Fault) *int { return &f.Subset }),
	"cookies":       {func(f *Fault) { f.Cookies = CookiesOffered }, readCookies},
	"dns64":         {read: readDNS64},
	"rewrite":       {read: readRewrite},
	"ad":            flag(func(f *Fault) *bool { return &f.AD }),
	"rrsig":         flag(func(f *Fault) *bool { return &f.RRSIG }),
	"ecs":           {func(f *Fault) { f.ECS = true }, readECS},
}

func readTurns(f *Fault, value string) error {
	first, last, isRange := strings.Cut(value, "-")
	var err error
	if f.FirstTurn, err = readInt(first, 1, math.MaxInt32); err != nil {
		return err
	}
	switch {
	case !isRange:
		f.LastTurn = f.FirstTurn
	case last != "":
		f.LastTurn, err = readInt(last, f.FirstTurn, math.MaxInt32)
	}
	return err
}

func readChance(f *Fault, value string) error {
	p, err := strconv.ParseFloat(value, 64)
	if err == nil && !(p > 0 && p <= 1) {
		err = errors.New("a chance is above 0 and at most 1")
	}
	f.Chance = p
	return err
}

func readNoise(f *Fault, value string) error {
	var err error
	f.Noise = true
	f.NoiseSize, err = readInt(value, 1, maxPacket)
	return err
}

func readDelay(f *Fault, value string) error {
	least, most, isRange := strings.Cut(value, "-")
	var err error
	if f.Delay, err = readDuration(least); err == nil && isRange {
		if f.DelayMax, err = readDuration(most); err == nil && f.DelayMax < f.Delay {
			err = errors.New("the longest delay is below the shortest")
		}
	}
	return err
}

func readCut(f *Fault, value string) error {
	var err error
	f.Cut = true
	f.CutSize, err = readInt(value, 1, maxPacket)
	return err
}

func readEDE(f *Fault, value string) error {
	code, text, _ := strings.Cut(value, ":")
	n, err := strconv.ParseUint(code, 10, 16)
	f.EDE = append(f.EDE, dns.EDNS0_EDE{InfoCode: uint16(n), ExtraText: text})
	return err
}

func readTTLs(f *Fault, value string) error {
	f.TTLs = nil
	for word := range strings.SplitSeq(value, "/") {
		if word == "max" {
			f.TTLs = append(f.TTLs, math.MaxInt32)
			continue
		}
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return err
		}
		f.TTLs = append(f.TTLs, uint32(n))
	}
	return nil
}

func readStatus(f *Fault, value string) error {
	var err error
	f.Status, err = readInt(value, 200, 599)
	return err
}

func readContentType(f *Fault, value string) error {
	if value == "" {
		return errors.New("no content type")
	}
	f.ContentType = value
	return nil
}

func readCountdown(f *Fault, value string) error {
	var err error
	f.Countdown = true
	f.Age, err = readDuration(value)
	return err
}

func readCookies(f *Fault, value string) error {
	modes := map[string]CookieMode{"require": CookiesRequired, "wrong": CookiesWrong, "omit": CookiesOmitted}
	mode, ok := modes[value]
	if !ok {
		return errors.New("cookies may be require, wrong or omit")
	}
	f.Cookies = mode
	return nil
}

func readDNS64(f *Fault, value string) error {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return err
	}
	switch bits := p.Bits(); {
	case p.Addr().Is4() || p != p.Masked():
		return errors.New("no IPv6 prefix")
	case bits != 96 && (bits < 32 || bits > 64 || bits%8 != 0):
		return errors.New("the prefix length is not in RFC 6052 §2.2")
	}
	f.DNS64 = p
	return nil
}

func readRewrite(f *Fault, value string) error {
	addr, err := netip.ParseAddr(value)
	f.Rewrite = append(f.Rewrite, addr)
	return err
}

func readECS(f *Fault, value string) error {
	var err error
	f.ECS = true
	f.ECSScope, err = readInt(value, 1, 128)
	return err
}
