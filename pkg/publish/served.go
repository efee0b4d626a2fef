package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Server is a name server as flags and settings name it.
type Server struct {
	Addr string    // host and port to connect to
	Zone zone.Name // of axfr:// alone; zero: the zone that is asked for
}

// The schemes of servers.
const (
	SchemeDNS  = "dns"  // dns://HOST[:PORT]: its SOA is asked for
	SchemeAXFR = "axfr" // axfr://HOST[:PORT][/ZONE]: the zone is transferred
)

// ParseServer reads dns://HOST[:PORT] or axfr://HOST[:PORT][/ZONE]. HOST is a
// name or an address, IPv6 in brackets.
func ParseServer(text, scheme string) (Server, error) {
	form := scheme + "://HOST[:PORT]"
	if scheme == SchemeAXFR {
		form += "[/ZONE]"
	}
	wrong := fmt.Errorf("%q is not %s", text, form)
	rest, ok := strings.CutPrefix(text, scheme+"://")
	if !ok || rest == "" || strings.ContainsAny(rest, "?#@ ") {
		return Server{}, wrong
	}
	authority, name, slash := strings.Cut(rest, "/")
	if slash && scheme != SchemeAXFR {
		return Server{}, wrong
	}
	var s Server
	if name != "" {
		n, err := zone.ParseName(name, zone.Root)
		if err != nil {
			return Server{}, fmt.Errorf("%w: %w", wrong, err)
		}
		s.Zone = n
	}
	host, port, err := splitAuthority(authority)
	if err != nil {
		return Server{}, fmt.Errorf("%w: %w", wrong, err)
	}
	s.Addr = net.JoinHostPort(host, port)
	return s, nil
}

func splitAuthority(authority string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(authority)
	if err != nil {
		host, port = authority, "53"
		if inner, ok := strings.CutPrefix(authority, "["); ok && strings.HasSuffix(inner, "]") {
			host = strings.TrimSuffix(inner, "]")
			if _, err := netip.ParseAddr(host); err != nil {
				return "", "", errors.New("this is no address in brackets")
			}
		} else if strings.ContainsAny(authority, ":[]") {
			return "", "", errors.New("an IPv6 address stands in brackets")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is no port", port)
	}
	if host == "" {
		return "", "", errors.New("the host is missing")
	}
	return host, port, nil
}

// asks are the tries to ask a server, each with its time limit.
var asks = [...]struct {
	network string
	limit   time.Duration
}{{"udp", time.Second / 2}, {"udp", time.Second}, {"udp", 2 * time.Second}, {"tcp", tcpLimit}}

const tcpLimit = 3 * time.Second

// ErrNotServed says that a server answers, and does not serve the zone.
var ErrNotServed = errors.New("does not serve the zone")

// ServedSerial asks a server, host:port, which serial of a zone it serves: over
// UDP several times, and over TCP where an answer is cut short or none comes.
// The answer must be authoritative; where it is another one the error is
// [ErrNotServed].
func ServedSerial(ctx context.Context, server string, name zone.Name) (zone.Serial, error) {
	var problem error
	for _, ask := range asks {
		answer, err := askSerial(ctx, ask.network, ask.limit, server, name)
		if err == nil && answer.Truncated {
			answer, err = askSerial(ctx, "tcp", tcpLimit, server, name)
		}
		if err == nil {
			serial, err := serialIn(answer, name)
			if err != nil {
				return 0, fmt.Errorf("ask %s for the serial of %s: %w", server, name, err)
			}
			return serial, nil
		}
		problem = err
		if ctx.Err() != nil {
			break
		}
	}
	return 0, fmt.Errorf("ask %s for the serial of %s: %w", server, name, plainNetError(problem))
}

// exchange sends one query for the SOA.
func askSerial(ctx context.Context, network string, limit time.Duration, server string, name zone.Name) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(name.String(), dns.TypeSOA)
	query.RecursionDesired = false
	query.SetEdns0(1232, false)
	client := dns.Client{Net: network, Timeout: limit}
	answer, _, err := client.ExchangeContext(ctx, query, server)
	if err != nil {
		return nil, err
	}
	if len(answer.Question) != 1 || !sameName(answer.Question[0].Name, name) || answer.Question[0].Qtype != dns.TypeSOA {
		return nil, errors.New("the answer is to another question")
	}
	return answer, nil
}

// serialIn finds the serial in the answer of a server that has the zone.
func serialIn(answer *dns.Msg, name zone.Name) (zone.Serial, error) {
	switch {
	case answer.Rcode != dns.RcodeSuccess:
		return 0, fmt.Errorf("%w: it answers %s", ErrNotServed, dns.RcodeToString[answer.Rcode])
	case !answer.Authoritative:
		return 0, fmt.Errorf("%w: its answer is not authoritative", ErrNotServed)
	}
	for _, rr := range answer.Answer {
		if soa, ok := rr.(*dns.SOA); ok && sameName(soa.Hdr.Name, name) {
			return zone.Serial(soa.Serial), nil
		}
	}
	return 0, fmt.Errorf("%w: its answer has no SOA", ErrNotServed)
}

func sameName(text string, name zone.Name) bool {
	n, err := zone.ParseName(text, zone.Root)
	return err == nil && n == name
}

// plainNetError names a timeout without the addresses of the sockets.
func plainNetError(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errNoAnswer
	}
	return err
}

var errNoAnswer = errors.New("no answer")
