package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Pull is a source that is transferred from another primary.
type Pull struct {
	Primary netip.AddrPort
	Zone    zone.Name // the zero Name: that of the zone in the configuration
	Key     zone.Name // that is signed with; the zero Name: none is
}

// pullForm is how such a source is written.
const pullForm = "axfr://192.0.2.1/example.com?key=xfr"

// IsPull tells whether a source is no file but one that is transferred.
func IsPull(source string) bool { return strings.HasPrefix(source, publish.SchemeAXFR+"://") }

// ParsePull reads axfr://ADDRESS[:PORT][/ZONE][?key=NAME]; see [Hint].
func ParsePull(text string) (Pull, error) {
	rest, query, asked := strings.Cut(text, "?")
	server, err := publish.ParseServer(rest, publish.SchemeAXFR)
	if err != nil {
		return Pull{}, valueError{message: err.Error(), hint: "as in " + pullForm}
	}
	p := Pull{Zone: server.Zone}
	if p.Primary, err = netip.ParseAddrPort(server.Addr); err != nil {
		return Pull{}, valueError{message: fmt.Sprintf("%q does not name the primary by its address", text), hint: "NOTIFY is taken from that address alone: " + pullForm}
	}
	p.Primary = netip.AddrPortFrom(p.Primary.Addr().Unmap(), p.Primary.Port())
	if !asked {
		return p, nil
	}
	name, ok := strings.CutPrefix(query, "key=")
	if p.Key, err = parseName(name); !ok || name == "" || err != nil {
		return Pull{}, valueError{message: fmt.Sprintf("%q is not key=NAME", query), hint: "as in " + pullForm}
	}
	return p, nil
}

// URL is the source as it is written, in one form whatever ports and dots were left out.
func (p *Pull) URL() string {
	text := pull.URL(p.Primary, p.Zone)
	if !p.Key.IsZero() {
		text += "?key=" + strings.TrimSuffix(p.Key.String(), ".")
	}
	return text
}

// pulled settles where a zone is pulled from. false is that it is wrong.
func (in *inspector) pulled(prefix string, z *Zone, w *writtenZone, keys []Key) bool {
	at := in.places[prefix+".source"]
	p, err := ParsePull(w.Source)
	if err != nil {
		return false // it was reported where it was written
	}
	switch {
	case p.Zone.IsZero() && z.Name.IsZero():
		in.add(diag.CodeConfigZone, at, "the source does not name its zone", "as in "+pullForm)
		return false
	case p.Zone.IsZero():
		p.Zone = z.Name
	case z.Name.IsZero():
		z.Name = p.Zone
	case z.Name != p.Zone:
		in.add(diag.CodeConfigZone, at, fmt.Sprintf("the source is zone %s, not %s", p.Zone, z.Name), "a zone is pulled under its own name")
		return false
	}
	if !p.Key.IsZero() && !in.hasKey(at, p.Key, keys) {
		return false
	}
	z.Pull, z.Source = &p, p.URL()
	return true
}

// hasKey refuses a key that is not listed.
func (in *inspector) hasKey(at diag.Span, name zone.Name, keys []Key) bool {
	text := strings.TrimSuffix(name.String(), ".")
	found, hint := findKeyNamed(name, text, keys)
	if !found {
		in.add(diag.CodeConfigServe, at, fmt.Sprintf("there is no key %q", text), hint)
	}
	return found
}

// findKeyNamed tells whether a key is listed, and if not, what to do about it.
func findKeyNamed(name zone.Name, text string, keys []Key) (found bool, hint string) {
	var names []string
	for i := range keys {
		if keys[i].Name == name {
			return true, ""
		}
		names = append(names, strings.TrimSuffix(keys[i].Name.String(), "."))
	}
	if near := diag.Near(text, names); near != "" {
		return false, fmt.Sprintf("did you mean %s?", near)
	}
	if len(names) > 0 {
		return false, "keys lists " + strings.Join(names, ", ")
	}
	return false, "keys lists none"
}
