package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Update lets those who have a TSIG key edit the records of a zone by UPDATE (RFC 2136).
type Update struct {
	Key     zone.Name
	From    []netip.Prefix // addresses from which it may come
	Names   []string       // patterns of owner names, as www.example.com or *.example.com; none: every name
	Types   []string       // of records, as a zone file has them; none: every type
	Targets []string       // names that an ALIAS has to be at or below; none: any target
}

type writtenUpdate struct {
	Key     string   `mapstructure:"key"`
	From    []string `mapstructure:"from"`
	Names   []string `mapstructure:"names"`
	Types   []string `mapstructure:"types"`
	Targets []string `mapstructure:"targets"`
}

func updateKeys() []key {
	return []key{
		{"key", scalar, checkFilled},
		{"from", list, checkPrefix},
		{"names", list, checkNamePattern},
		{"types", list, checkRecordType},
		{"targets", list, checkTarget},
	}
}

// checkNamePattern takes a pattern of owner names. A single label is meant as a relative name, which
// would fit nothing.
func checkNamePattern(text string) error {
	if _, err := zone.ParseName(text, zone.Root); err != nil || !strings.ContainsAny(text, ".*") {
		return valueError{message: fmt.Sprintf("%q is no pattern of names", text), hint: "write the whole name, as www.example.com, or with * for any run of characters, as _acme-challenge.*"}
	}
	return nil
}

func checkRecordType(text string) error {
	if _, ok := zonefile.ParseType(text); !ok {
		return valueError{message: fmt.Sprintf("%q is no record type", text), hint: "a type is a word such as ALIAS, A or MX, or TYPE and a number"}
	}
	return nil
}

func checkTarget(text string) error {
	if _, err := zone.ParseName(text, zone.Root); err != nil || text == "@" || strings.Contains(text, "*") {
		return valueError{message: fmt.Sprintf("%q is no name of a target", text), hint: "write a name without *, as provider.example: it and all names below it are allowed"}
	}
	return nil
}

// updates takes a list of those who may update, whose keys are among those that are given.
func (in *inspector) updates(path string, list []writtenUpdate, keys []Key) []Update {
	var updates []Update
	seen := map[zone.Name]bool{}
	for i := range list {
		w := &list[i]
		at := in.places[fmt.Sprintf("%s[%d]", path, i)]
		if w.Key == "" {
			in.add(diag.CodeConfigServe, at, "who may update has no key", "name one of keys, as {key: ddns}; an UPDATE has to be signed")
			continue
		}
		u := Update{Key: in.keyNamed(in.places[fmt.Sprintf("%s[%d].key", path, i)], w.Key, keys), Names: w.Names, Targets: w.Targets}
		if seen[u.Key] {
			in.add(diag.CodeConfigServe, at, fmt.Sprintf("key %s stands twice", w.Key), "give each its own key, or say all that the key may edit at once")
		}
		seen[u.Key] = true
		from := w.From
		if len(from) == 0 {
			from = loopback
		}
		for _, text := range from {
			network, _ := parsePrefix(text) // it was checked where it was written
			u.From = append(u.From, network)
		}
		for _, text := range w.Types {
			typ, _ := zonefile.ParseType(text)
			u.Types = append(u.Types, zonefile.TypeName(typ))
		}
		updates = append(updates, u)
	}
	return updates
}

// allowUpdate settles who may update a zone: those that it lists, or where it lists none those of
// all zones that may be edited.
func (in *inspector) allowUpdate(prefix string, z *Zone, w *writtenZone, c *Config) {
	at, own := in.places[prefix+".allow-update"]
	if !own {
		if z.Editable {
			z.Updates = c.Updates
		}
		return
	}
	z.Updates = in.updates(prefix+".allow-update", w.AllowUpdate, c.Keys)
	switch {
	case len(z.Updates) == 0:
	case !z.Editable:
		in.add(diag.CodeConfigServe, at, "UPDATE edits the source, and this one may not be edited", "say editable: true for the zone")
	case !c.Listen.Serves():
		in.add(diag.CodeConfigServe, at, "nothing says where UPDATE is taken", "listen: {dns: \"192.0.2.1:53\"} does, with an address of this machine")
	}
}

// updating refuses what does not go together for all zones.
func (in *inspector) updating(c *Config) {
	const name = "allow-update"
	editable := false
	for i := range c.Zones {
		editable = editable || c.Zones[i].Editable
	}
	switch {
	case len(c.Updates) == 0:
	case !c.Listen.Serves():
		in.add(diag.CodeConfigServe, in.place(name), "nothing says where UPDATE is taken", "listen: {dns: \"192.0.2.1:53\"} does, with an address of this machine")
	case !editable && !in.found.HasErrors():
		in.add(diag.CodeConfigServe, in.place(name), "UPDATE edits sources, and no zone may be edited", "say editable: true for those that may")
	}
}
