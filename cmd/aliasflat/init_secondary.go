package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// following is what a secondary has to know.
type following struct {
	primary netip.AddrPort
	key     *config.Key // nil: there is none
	name    string      // of the key
	zones   []string    // as they are shown
	catalog string      // that it follows instead; empty: it follows none
	whose   string      // for whom it is, in a comment
}

// follower is a secondary and what it may transfer.
type follower struct {
	config.Secondary

	zones  []string // sorted
	served []string // by the catalog, if it may follow that
	other  zone.Name
	mixed  bool // it has the key other, too
}

// following finds out of the configuration what there is to follow.
func (c *initCommand) following(cmd *cobra.Command) (*following, error) {
	conf, err := c.settings(c.stderr)
	if err != nil {
		return nil, err
	}
	f := &following{}
	if f.primary, err = c.address(conf); err != nil {
		return nil, err
	}
	servedOutputs(conf, "")
	jobs, err := new(sourceFlags).jobs(cmd, conf, nil)
	if err != nil {
		return nil, err
	}
	all, err := c.followers(conf, jobs)
	if err != nil {
		return nil, err
	}
	return f, f.takes(conf, all)
}

// followers are the secondaries for which it is printed; there is one at least.
func (c *initCommand) followers(conf *config.Config, jobs []*job) ([]*follower, error) {
	var all []*follower
	var members []string
	for _, j := range jobs {
		if len(j.secondaries) == 0 {
			continue
		}
		name := j.zoneName(nil)
		if name.IsZero() {
			return nil, usageError{message: fmt.Sprintf("%s does not tell the name of its zone, under which it is served", j.path), hint: "say it in the configuration, as in name: example.com"}
		}
		members = append(members, displayName(name))
		for _, s := range c.among(j.secondaries) {
			at := slices.IndexFunc(all, func(other *follower) bool { return other.Address == s.Address })
			if at < 0 {
				at, all = len(all), append(all, &follower{Secondary: s})
			}
			if f := all[at]; f.Key != s.Key {
				f.other, f.mixed = s.Key, true
			}
			all[at].zones = append(all[at].zones, displayName(name))
		}
	}
	if len(all) == 0 {
		return nil, c.nobody(conf)
	}
	slices.Sort(members)
	for _, f := range all {
		slices.Sort(f.zones)
		if slices.ContainsFunc(conf.Secondaries, func(s config.Secondary) bool { return s.Address == f.Address && s.Catalog }) && !conf.Catalog.IsZero() {
			f.served = members
		}
	}
	return all, nil
}

// takes has it be what all of some secondaries follow.
func (f *following) takes(conf *config.Config, all []*follower) error {
	first := all[0]
	var addresses []string
	for _, s := range all {
		differ := ""
		switch {
		case s.mixed:
			return usageError{message: fmt.Sprintf("%s has the key %s for one zone and %s for another", s.Address, keyName(s.Key), keyName(s.other)), hint: "init prints it with one: give it the same in both"}
		case s.Key != first.Key:
			differ = "have different keys"
		case !slices.Equal(s.zones, first.zones):
			differ = "follow different zones"
		case (s.served == nil) != (first.served == nil):
			differ = "do not both follow the catalog"
		}
		if differ != "" {
			return usageError{message: fmt.Sprintf("%s and %s %s", first.Address, s.Address, differ), hint: "say which of them it is for with --secondary ADDRESS"}
		}
		if text := s.Address.Addr().String(); !slices.Contains(addresses, text) {
			addresses = append(addresses, text)
		}
	}
	f.whose = strings.Join(addresses, ", ")
	f.zones = first.zones
	// One that may not transfer all that the catalog lists would ask in vain for the rest.
	if first.served != nil && slices.Equal(first.served, first.zones) {
		f.catalog = displayName(conf.Catalog)
	}
	for i := range conf.Keys {
		if k := &conf.Keys[i]; !first.Key.IsZero() && k.Name == first.Key {
			f.key, f.name = k, displayName(k.Name)
		}
	}
	return nil
}

// keyName is a key as the configuration names it.
func keyName(key zone.Name) string {
	if key.IsZero() {
		return "none"
	}
	return displayName(key)
}

// address is where secondaries find the primary.
func (c *initCommand) address(conf *config.Config) (netip.AddrPort, error) {
	if conf.Listen.DNS == "" {
		e := usageError{
			message: "nothing is served to secondaries: the configuration has no listen.dns",
			hint:    `say listen: {dns: "192.0.2.1:53"} in it, and secondaries; aliasflat tsig generate makes their key`,
		}
		if conf.Listen.DNSTLS != "" {
			e = usageError{message: "secondaries are served over TLS alone, for which nothing is printed: the configuration has no listen.dns", hint: "say listen.dns too, print it, and add to it how they are to verify the certificate"}
		}
		return netip.AddrPort{}, e
	}
	text := conf.Listen.DNS
	override(&text, c.primary)
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		var addr netip.Addr
		addr, err = netip.ParseAddr(text)
		at = netip.AddrPortFrom(addr, 53)
	}
	switch {
	case err != nil && c.primary != "":
		return at, usageError{message: fmt.Sprintf("--primary: %q is no address", c.primary), hint: "write it as 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:5353"}
	case err != nil, at.Addr().IsUnspecified(), at.Port() == 0:
		if c.primary != "" {
			return at, usageError{message: fmt.Sprintf("--primary: %s is nowhere that a secondary finds", text), hint: "say the address and the port of this machine"}
		}
		return at, usageError{message: fmt.Sprintf("listen.dns is %s, under which no secondary finds it", text), hint: "say the address of this machine with --primary ADDRESS[:PORT]"}
	}
	return at, nil
}

// among gives those of some secondaries for which it is printed.
func (c *initCommand) among(list []config.Secondary) []config.Secondary {
	return slices.DeleteFunc(slices.Clone(list), func(s config.Secondary) bool {
		return c.secondary != "" && s.Address.String() != c.secondary && s.Address.Addr().String() != c.secondary
	})
}

// nobody says that there is no such secondary.
func (c *initCommand) nobody(conf *config.Config) error {
	if c.secondary == "" {
		return usageError{message: "no zone of the configuration has secondaries", hint: `say secondaries: [{address: "192.0.2.54:53", key: xfr}] in it`}
	}
	var listed []string
	for _, s := range conf.Secondaries {
		listed = append(listed, s.Address.String())
	}
	hint := "secondaries lists none for all zones"
	if len(listed) > 0 {
		hint = "secondaries lists " + strings.Join(listed, ", ")
	}
	return usageError{message: fmt.Sprintf("no zone has a secondary at %s", c.secondary), hint: hint}
}
