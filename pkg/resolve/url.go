package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Scheme is the kind of a resolver.
type Scheme string

// The kinds of resolver.
const (
	SchemeSystem Scheme = "system" // what resolv.conf names
	SchemeUDP    Scheme = "udp"    // UDP, and TCP where an answer is cut short
	SchemeTCP    Scheme = "tcp"    // TCP alone
	SchemeFile   Scheme = "file"   // a world read from a zone file of absolute names
	SchemeDemo   Scheme = "demo"   // the world of [Demo]
)

const supported = "system, udp://HOST[:PORT], tcp://HOST[:PORT], file:PATH and demo:"

// dnsPort is where name servers listen.
const dnsPort = 53

// URL says where answers come from.
type URL struct {
	Scheme Scheme
	Host   string // address or name, IPv6 without brackets; for udp and tcp
	Port   uint16 // for udp and tcp
	Path   string // for file
}

// String is the URL as [ParseURL] reads it; the default port is left out.
func (u URL) String() string {
	switch u.Scheme {
	case SchemeSystem:
		return "system"
	case SchemeDemo:
		return "demo:"
	case SchemeFile:
		return "file:" + u.Path
	case SchemeUDP, SchemeTCP:
	}
	host := strings.ReplaceAll(u.Host, "%", "%25")
	switch {
	case u.Port != dnsPort:
		host = net.JoinHostPort(host, strconv.Itoa(int(u.Port)))
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return string(u.Scheme) + "://" + host
}

// InMemory tells whether the answers come from a world in memory, see [NewMemory] and
// [Demo], and not from a server that [New] would ask.
func (u URL) InMemory() bool { return u.Scheme == SchemeFile || u.Scheme == SchemeDemo }

// isSecure tells whether nobody on the way can change what a resolver says.
func (u URL) isSecure() bool {
	switch u.Scheme {
	case SchemeUDP, SchemeTCP:
		addr, err := netip.ParseAddr(u.Host)
		return err == nil && addr.Unmap().IsLoopback()
	case SchemeSystem, SchemeFile, SchemeDemo:
	}
	return true
}

// hostPort is what a dialer takes.
func (u URL) hostPort() string { return net.JoinHostPort(u.Host, strconv.Itoa(int(u.Port))) }

// ParseURL reads the URL of a resolver. A host name instead of an address is allowed; the
// system looks it up when a connection is opened.
func ParseURL(s string) (URL, error) {
	u, err := parseURL(s)
	if err != nil {
		return URL{}, fmt.Errorf("resolver %q: %w", s, err)
	}
	return u, nil
}

func parseURL(s string) (URL, error) {
	switch {
	case s == "":
		return URL{}, fmt.Errorf("empty; supported are %s", supported)
	case s == "system", s == "system:":
		return URL{Scheme: SchemeSystem}, nil
	case s == "demo", s == "demo:":
		return URL{Scheme: SchemeDemo}, nil
	case strings.HasPrefix(s, "file:"):
		path := strings.TrimPrefix(s, "file:")
		if rest, ok := strings.CutPrefix(path, "//"); ok {
			if !strings.HasPrefix(rest, "/") {
				return URL{}, errors.New("file: takes a path, not a host; write file:PATH or file:///PATH")
			}
			path = rest
		}
		if path == "" {
			return URL{}, errors.New("file: needs the path of a zone file")
		}
		return URL{Scheme: SchemeFile, Path: path}, nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if _, err := netip.ParseAddr(s); err == nil {
			return URL{}, errors.New("no scheme; write " + URL{Scheme: SchemeUDP, Host: s, Port: dnsPort}.String())
		}
		return URL{}, fmt.Errorf("unknown kind of resolver; supported are %s", supported)
	}
	switch Scheme(strings.ToLower(scheme)) {
	case SchemeUDP, SchemeTCP:
		return parseServer(Scheme(strings.ToLower(scheme)), rest)
	case SchemeSystem, SchemeDemo, SchemeFile:
	}
	return URL{}, fmt.Errorf("unknown scheme %q; supported are %s", scheme, supported)
}

// parseServer reads HOST[:PORT] after udp:// or tcp://.
func parseServer(scheme Scheme, rest string) (URL, error) {
	p, err := url.Parse("//" + rest)
	switch {
	case err != nil:
		return URL{}, errors.New("not a host with an optional port")
	case p.User != nil, p.RawQuery != "", p.ForceQuery, p.Fragment != "", p.Path != "" && p.Path != "/":
		return URL{}, errors.New("only a host and a port may follow the scheme")
	case p.Hostname() == "":
		return URL{}, errors.New("no host")
	}
	u := URL{Scheme: scheme, Host: p.Hostname(), Port: dnsPort}
	if text := p.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return URL{}, fmt.Errorf("port %q is not in 1 to 65535", text)
		}
		u.Port = uint16(port)
	}
	if _, err := netip.ParseAddr(u.Host); err == nil {
		return u, nil
	}
	if strings.Contains(u.Host, ":") || strings.Trim(u.Host, "0123456789.") == "" {
		return URL{}, fmt.Errorf("%q is not an address", u.Host)
	}
	if _, err := zone.ParseName(u.Host, zone.Root); err != nil {
		return URL{}, err
	}
	return u, nil
}

// maxSystem is how many name servers of resolv.conf count (resolv.conf(5), MAXNS).
const maxSystem = 3

// systemResolvers reads the name servers of a resolv.conf. Without the file or without
// a server in it the local machine is asked, as resolv.conf(5) has it.
func systemResolvers(path string) ([]URL, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("resolver system: %w", err)
	}
	scheme := SchemeUDP
	var urls []URL
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if _, err := netip.ParseAddr(fields[1]); err != nil {
				return nil, fmt.Errorf("resolver system: %s: nameserver %q is not an address", path, fields[1])
			}
			if len(urls) < maxSystem {
				urls = append(urls, URL{Host: fields[1], Port: dnsPort})
			}
		case "options":
			for _, option := range fields[1:] {
				if option == "use-vc" {
					scheme = SchemeTCP
				}
			}
		}
	}
	if len(urls) == 0 {
		urls = []URL{{Host: "127.0.0.1", Port: dnsPort}}
	}
	for i := range urls {
		urls[i].Scheme = scheme
	}
	return urls, nil
}
