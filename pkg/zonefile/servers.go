package zonefile

import (
	"fmt"
	"strings"
)

// Servers is a set of name servers that read zone files.
type Servers uint8

// The servers whose reading is known by test.
const (
	BIND Servers = 1 << iota
	NSD
	Knot
	PowerDNS

	// AnyServer is what a zone is written for that all of them must read.
	AnyServer = BIND | NSD | Knot
)

var serverNames = []struct {
	server Servers
	name   string
}{{BIND, "BIND"}, {NSD, "NSD"}, {Knot, "Knot"}, {PowerDNS, "PowerDNS"}}

// ParseServers reads the value of --for.
func ParseServers(s string) (Servers, error) {
	switch strings.ToLower(s) {
	case "", "bind":
		return BIND, nil
	case "nsd":
		return NSD, nil
	case "knot":
		return Knot, nil
	case "any":
		return AnyServer, nil
	default:
		return 0, fmt.Errorf("server %q is none of bind, nsd, knot, any", s)
	}
}

// String lists the servers as a sentence does: NSD and Knot.
func (s Servers) String() string {
	var names []string
	for _, n := range serverNames {
		if s&n.server != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// verb gives a verb the form that fits the number of servers.
func (s Servers) verb(plural string) string {
	if s&(s-1) == 0 {
		return plural + "s"
	}
	return plural
}
