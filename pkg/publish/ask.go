package publish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	askTime    = 2 * time.Second // for one answer
	maxCompare = 64              // generated RRsets that are asked for
)

// Addresses is an address RRset that was generated for an ALIAS.
type Addresses struct {
	Owner     zone.Name
	Type      uint16 // A or AAAA
	Addresses []netip.Addr
}

// word is what a name server says about a zone.
type word struct {
	serial   zone.Serial // where it serves the zone
	serves   bool
	servfail bool  // it has the zone and could not load it
	err      error // why nothing is known, where neither is true
}

// String is for messages: what the server does.
func (w word) String() string {
	switch {
	case w.serves:
		return fmt.Sprintf("serves serial %d", w.serial)
	case w.servfail:
		return "answers SERVFAIL"
	case w.err != nil:
		return "gave no serial: " + w.err.Error()
	default:
		return "gave no answer in time"
	}
}

var (
	errNotAuthority = errors.New("it is no authority for the zone")
	errNoSOA        = errors.New("its answer has no SOA")
)

// askSOA asks a name server for the serial of a zone.
func askSOA(ctx context.Context, server string, name zone.Name) word {
	m, err := ask(ctx, server, name, dns.TypeSOA)
	switch {
	case err != nil:
		return word{err: err}
	case m.Rcode == dns.RcodeServerFailure:
		return word{servfail: true}
	case m.Rcode != dns.RcodeSuccess:
		return word{err: errors.New(dns.RcodeToString[m.Rcode])}
	case !m.Authoritative:
		return word{err: errNotAuthority}
	}
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return word{serial: zone.Serial(soa.Serial), serves: true}
		}
	}
	return word{err: errNoSOA}
}

// askAddresses tells whether a name server serves the generated RRsets, as many
// as are asked for.
func askAddresses(ctx context.Context, server string, sets []Addresses) error {
	for i := range sets[:min(len(sets), maxCompare)] {
		want := &sets[i]
		m, err := ask(ctx, server, want.Owner, want.Type)
		if err != nil {
			return err
		}
		var got []netip.Addr
		for _, rr := range m.Answer {
			if rr.Header().Rrtype != want.Type {
				continue
			}
			if a, err := netip.ParseAddr(dns.Field(rr, 1)); err == nil {
				got = append(got, a)
			}
		}
		slices.SortFunc(got, netip.Addr.Compare)
		if !slices.Equal(got, slices.SortedFunc(slices.Values(want.Addresses), netip.Addr.Compare)) {
			return fmt.Errorf("%s %s is %v, not %v", want.Owner, dns.TypeToString[want.Type], got, want.Addresses)
		}
	}
	return nil
}

// ask sends one question over UDP, and over TCP where that brings no whole
// answer.
func ask(ctx context.Context, server string, name zone.Name, qtype uint16) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name.String(), qtype)
	question.RecursionDesired = false
	question.SetEdns0(1232, false)
	m, err := exchange(ctx, "udp", server, question)
	if err == nil && !m.Truncated || ctx.Err() != nil {
		return m, err
	}
	m, err = exchange(ctx, "tcp", server, question)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func exchange(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	client := dns.Client{Net: network, Timeout: askTime}
	m, _, err := client.ExchangeContext(ctx, question, server)
	return m, err
}
