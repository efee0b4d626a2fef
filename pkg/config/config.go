// Package config turns flags' companions, the file aliasflat.yaml and the
// ALIASFLAT_ variables, into settings that need no more reading.
//
// It works in two steps: what was written, then what is needed. A mistake in
// the file is a diagnostic with its line and column. The package opens no zone
// file and asks no network; it does look which files a pattern names.
package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Defaults, where neither flag nor variable nor file says otherwise.
const (
	DefaultMaxStale      = 3 * 24 * time.Hour
	DefaultMaxAddresses  = 64
	DefaultGenerateLimit = 65536
	DefaultAgree         = 1
	DefaultKeep          = 5
	DefaultRefreshFloor  = 30 * time.Second
	DefaultPoll          = 30 * time.Second
)

// Config is the whole configuration, every default filled in.
type Config struct {
	File string // where it came from; empty: there is no file

	Resolvers     []string          // in order of preference; empty: those of the system
	IncludeRoot   string            // empty: the folder of each source
	State         string            // folder of what is remembered between runs; empty: none
	MaxAddresses  int               // for one target and type
	GenerateLimit int               // records that one $GENERATE may make
	AllowNet      []resolve.NetRule // published although refused or reported by default
	DenyNet       []resolve.NetRule // refused
	Timeout       time.Duration     // of a whole run; 0: as long as it takes
	Agree         int               // resolvers that have to say the same
	AgreeMode     string            // equal or overlap
	RequireAD     bool              // answers have to be validated by the resolver
	Fresh         string            // cached or authoritative
	Rate          float64           // queries a second to one resolver; 0: auto
	RefreshFloor  time.Duration     // a daemon asks for no target more often
	Poll          time.Duration     // how often it looks at sources that the system does not tell of
	Listen        Listen
	TLS           TLS
	Keys          []Key       // of TSIG
	Secondaries   []Secondary // of the zones that list none, and of the catalog
	Catalog       zone.Name   // that lists the zones that are served; the zero Name: none does

	AllowQuery []netip.Prefix // who may ask for the data of the zones that are served, and transfer none
	Updates    []Update       // who may update the zones that may be edited and list nobody

	Settings Settings // of sources that are no configured zone
	Zones    []Zone   // patterns expanded, in the order of the file
}

// Settings are what may be said for all zones and for each.
type Settings struct {
	Types     []string       // A, AAAA or both
	Siblings  string         // error, fallback, override or merge
	TTLMin    *uint32        // seconds; nil: no bound
	TTLMax    *uint32        // seconds; nil: no bound
	MaxStale  time.Duration  // how long last good addresses may serve
	OnEmpty   string         // hold, keep or drop
	OnStale   string         // hold, fail or drop
	Serial    string         // auto, increment, date, unixtime, keep or a number
	Style     string         // source or canonical
	For       string         // bind, nsd, knot or any
	CheckName CheckNamesMode // what a bad host name is
	ECS       netip.Prefix   // for whom targets are looked up; the zero Prefix: nobody in particular
	Strip     bool           // DNSSEC records of a signed source are taken out
	Keep      int            // how many earlier generations of the output are kept with the state
}

// CheckNamesMode says what an owner of A, AAAA or MX that is no host name does.
type CheckNamesMode string

// The two modes, spelled as named.conf does.
const (
	CheckNamesFail CheckNamesMode = "fail"
	CheckNamesWarn CheckNamesMode = "warn"
)

// Zone is one source with what is to be made of it.
type Zone struct {
	Name        zone.Name  // the zero Name: the source tells
	View        string     // zones of one name are told apart by it
	Source      string     // a file, or with Pull its URL
	Pull        *Pull      // where the source is transferred from; nil: it is a file
	Output      string     // may hold {zone}: use OutputFor; empty: none
	Lock        string     // the lock file, which may hold {zone}: use LockFor; empty: none
	VerifyWith  [][]string // argument lists of external checkers, which may hold {zone} and {file}
	Reload      publish.Reload
	Guards      flatten.Guards
	Hooks       [][]string    // argument lists, run behind a verified reload
	HookTimeout time.Duration // of each hook
	Publish     Publish
	SerialFrom  string      // the server whose serial counts as published, as dns://192.0.2.1; empty: none
	Secondaries []Secondary // that are fed from here; nil: the zone is not served
	Editable    bool        // its source may be edited by those who have a token for it
	Updates     []Update    // who may edit it by UPDATE too; nil: nobody
	Settings    Settings
	Span        diag.Span // the entry in the file
}

// OutputFor is the output with {zone} replaced by the name, lower case and
// without its final dot. Bytes that could lead to another folder, or that a
// file name had better not have, are written as %XX.
func (z *Zone) OutputFor(name zone.Name) string { return fill(z.Output, name) }

// LockFor is the lock file with {zone} replaced, as OutputFor does.
func (z *Zone) LockFor(name zone.Name) string { return fill(z.Lock, name) }

// zonePlace is where a path has the zone name.
const zonePlace = "{zone}"

func fill(path string, name zone.Name) string {
	return strings.ReplaceAll(path, zonePlace, fileName(name))
}

func fileName(name zone.Name) string {
	if name.IsRoot() {
		return "root"
	}
	var b strings.Builder
	for _, c := range []byte(strings.TrimSuffix(name.String(), ".")) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Find gives the zones whose source is the file.
func (c *Config) Find(sameFile func(source string) bool) []*Zone {
	var found []*Zone
	for i := range c.Zones {
		if sameFile(c.Zones[i].Source) {
			found = append(found, &c.Zones[i])
		}
	}
	return found
}

// Named gives the zones that were given this name in the file.
func (c *Config) Named(name zone.Name) []*Zone {
	var found []*Zone
	for i := range c.Zones {
		if c.Zones[i].Name == name {
			found = append(found, &c.Zones[i])
		}
	}
	return found
}
