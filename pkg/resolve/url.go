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
	SchemeTLS    Scheme = "tls"    // DNS over TLS (RFC 7858)
	SchemeHTTPS  Scheme = "https"  // DNS over HTTPS (RFC 8484)
	SchemeQUIC   Scheme = "quic"   // DNS over QUIC (RFC 9250)
	SchemeFile   Scheme = "file"   // a world read from a zone file of absolute names
	SchemeDemo   Scheme = "demo"   // the world of [Demo]
)

const supported = "system, udp://HOST[:PORT], tcp://HOST[:PORT], tls://HOST[:PORT][#NAME], " +
	"https://HOST[:PORT]/PATH[#NAME], " + doqForm + "file:PATH and demo:"

// Where name servers listen.
const (
	dnsPort    = 53
	dotPort    = 853 // over TLS (RFC 7858 §3.1) and QUIC (RFC 9250 §4.1.1)
	httpsPort  = 443
	dohDefault = "/dns-query" // the path that most servers have (RFC 8484 §4.1)
)

func (s Scheme) port() uint16 {
	switch s {
	case SchemeTLS, SchemeQUIC:
		return dotPort
	case SchemeHTTPS:
		return httpsPort
	case SchemeUDP, SchemeTCP, SchemeSystem, SchemeFile, SchemeDemo:
	}
	return dnsPort
}

// URL says where answers come from.
type URL struct {
	Scheme Scheme
	Host   string // address or name to connect to, IPv6 without brackets; none for system, file and demo
	Port   uint16 // none for system, file and demo
	Name   string // for tls, https and quic: whose certificate the server must have; empty means Host
	Path   string // for file; for https the path as a request has it, with its query
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
	case SchemeUDP, SchemeTCP, SchemeTLS, SchemeHTTPS, SchemeQUIC:
	}
	s := string(u.Scheme) + "://" + authority(strings.ReplaceAll(u.Host, "%", "%25"), u.Port, u.Scheme) + u.Path
	if u.Name != "" {
		s += "#" + u.Name
	}
	return s
}

// authority is a host and a port as they stand in a URL.
func authority(host string, port uint16, scheme Scheme) string {
	switch {
	case port != scheme.port():
		return net.JoinHostPort(host, strconv.Itoa(int(port)))
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	}
	return host
}

// InMemory tells whether the answers come from a world in memory, see [NewMemory] and
// [Demo], and not from a server that [New] would ask.
func (u URL) InMemory() bool { return u.Scheme == SchemeFile || u.Scheme == SchemeDemo }

// encrypted tells whether the resolver proves who it is, so that nobody forges or reads
// what it is asked.
func (u URL) encrypted() bool {
	return u.Scheme == SchemeTLS || u.Scheme == SchemeHTTPS || u.Scheme == SchemeQUIC
}

// isSecure tells whether nobody on the way can change what a resolver says.
func (u URL) isSecure() bool {
	switch u.Scheme {
	case SchemeUDP, SchemeTCP:
		addr, err := netip.ParseAddr(u.Host)
		return err == nil && addr.Unmap().IsLoopback()
	case SchemeSystem, SchemeFile, SchemeDemo, SchemeTLS, SchemeHTTPS, SchemeQUIC:
	}
	return true
}

// serverName is what has to stand in the certificate of the server, a name or an address.
func (u URL) serverName() string {
	if u.Name != "" {
		return u.Name
	}
	host, _, _ := strings.Cut(u.Host, "%") // certificates know no zones of IPv6 addresses
	return host
}

// ParseURL reads the URL of a resolver. A host name instead of an address is allowed; it is
// looked up when a connection is opened, see [Options]. For tls, https and quic the name in
// the certificate may stand behind the address (https://192.0.2.53/dns-query#dns.example);
// for https the two may change places.
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
	switch s := Scheme(strings.ToLower(scheme)); s {
	case SchemeUDP, SchemeTCP:
		return parseServer(s, rest)
	case SchemeTLS, SchemeHTTPS, SchemeQUIC:
		if s == SchemeQUIC && !haveDoQ {
			return URL{}, errors.New("this build has no DNS over QUIC; use tls:// or https://")
		}
		return parseEncrypted(s, rest)
	case SchemeSystem, SchemeDemo, SchemeFile:
	}
	if meant, ok := otherSchemes[strings.ToLower(scheme)]; ok {
		return URL{}, fmt.Errorf("unknown scheme %q; write %s://%s", scheme, meant, rest)
	}
	return URL{}, fmt.Errorf("unknown scheme %q; supported are %s", scheme, supported)
}

// otherSchemes are what other programs call the schemes.
var otherSchemes = map[string]Scheme{
	"dns": SchemeUDP, "dot": SchemeTLS, "doh": SchemeHTTPS, "h2": SchemeHTTPS, "http": SchemeHTTPS, "doq": SchemeQUIC,
}

// parseServer reads HOST[:PORT] after udp:// or tcp://.
func parseServer(scheme Scheme, rest string) (URL, error) {
	p, err := url.Parse("//" + rest)
	switch {
	case err != nil:
		return URL{}, errors.New("not a host with an optional port")
	case p.User != nil, p.RawQuery != "", p.ForceQuery, p.Fragment != "", p.Path != "" && p.Path != "/":
		return URL{}, errors.New("only a host and a port may follow the scheme")
	}
	return parseHost(scheme, p)
}

// parseHost reads the host and the port of a URL.
func parseHost(scheme Scheme, p *url.URL) (URL, error) {
	u := URL{Scheme: scheme, Host: p.Hostname(), Port: scheme.port()}
	if u.Host == "" {
		return URL{}, errors.New("no host")
	}
	if text := p.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return URL{}, fmt.Errorf("port %q is not in 1 to 65535", text)
		}
		u.Port = uint16(port)
	}
	if isAddress(u.Host) {
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

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
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
