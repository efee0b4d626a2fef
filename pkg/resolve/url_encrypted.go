package resolve

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// parseEncrypted reads HOST[:PORT][#NAME] after tls:// or quic://, and HOST[:PORT]/PATH[#NAME]
// or NAME[:PORT]/PATH[#ADDRESS] after https://.
func parseEncrypted(scheme Scheme, rest string) (URL, error) {
	place, fragment, hasFragment := strings.Cut(rest, "#")
	if scheme == SchemeHTTPS {
		// The template of RFC 8484 §4.1.1; a query that is posted fills nothing in.
		place = strings.TrimSuffix(place, "{?dns}")
	}
	p, err := url.Parse("//" + place)
	switch {
	case err != nil:
		return URL{}, errors.New("not a host with an optional port")
	case p.User != nil:
		return URL{}, errors.New("no user may stand before the host")
	case hasFragment && fragment == "":
		return URL{}, errors.New("no name after #")
	case scheme != SchemeHTTPS && (p.RawQuery != "" || p.ForceQuery || p.Path != "" && p.Path != "/"):
		return URL{}, errors.New("only a host, a port and #NAME may follow the scheme")
	}
	u, err := parseHost(scheme, p)
	if err != nil {
		return URL{}, err
	}
	if !isAddress(u.Host) {
		if u.Host, err = certificateName(u.Host); err != nil {
			return URL{}, err
		}
	}
	if scheme == SchemeHTTPS {
		if u.Path, err = requestPath(p); err != nil {
			return URL{}, err
		}
	}
	if !hasFragment {
		return u, nil
	}
	return u.withFragment(fragment)
}

// withFragment adds what stands after #: the name in the certificate or, for https, the
// address of the host.
func (u URL) withFragment(fragment string) (URL, error) {
	if address, err := url.PathUnescape(fragment); err == nil && isAddress(address) {
		switch {
		case isAddress(u.Host):
			return URL{}, errors.New("an address on both sides of #; one of them has to be the name in the certificate")
		case u.Scheme != SchemeHTTPS:
			u.Host, u.Name = address, u.Host
			return URL{}, fmt.Errorf("after # stands the name in the certificate; write %s", u)
		}
		u.Host, u.Name = address, u.Host
		return u, nil
	}
	name, err := certificateName(fragment)
	if err != nil {
		return URL{}, err
	}
	if name != u.Host {
		u.Name = name
	}
	return u, nil
}

// requestPath is the path with its query as HTTP sends it.
func requestPath(p *url.URL) (string, error) {
	path := p.EscapedPath()
	if path == "" {
		path = dohDefault
	}
	if p.RawQuery == "" {
		return path, nil
	}
	for _, c := range p.RawQuery {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("write %q in the query as %s", c, url.QueryEscape(string(c)))
		}
	}
	return path + "?" + p.RawQuery, nil
}

// certificateName gives a host name the form that certificates have: lower case, without a
// final dot.
func certificateName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		case c > '~':
			return "", fmt.Errorf("%q is not in ASCII; write the name in its xn-- form", s)
		default:
			return "", fmt.Errorf("%q is not a host name", s)
		}
	}
	if strings.Trim(name, "0123456789.") == "" {
		return "", fmt.Errorf("%q is not a host name", s)
	}
	if _, err := zone.ParseName(name, zone.Root); err != nil {
		return "", err
	}
	return name, nil
}
