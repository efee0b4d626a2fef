package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/examples"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// initCommand is the work of aliasflat init.
type initCommand struct {
	*app

	what      map[string]*bool // by flag, of initWords
	secondary string           // for which one of several
	primary   string           // under which address it finds this one
}

// Words of what is printed.
const (
	initBIND    = "bind"
	initNSD     = "nsd"
	initKnot    = "knot"
	initSystemd = "systemd"
	initGitHub  = "github"
)

func newInitCommand(a *app) *cobra.Command {
	c := &initCommand{app: a, what: map[string]*bool{}}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Print configurations to begin with, here and at secondaries",
		Long: `init prints a configuration to begin with, or what a flag names: the part of a
secondary's configuration by which it follows the zones that are served here
(listen.dns and secondaries), the unit of systemd, or a workflow of GitHub Actions.
It writes no file, and prints no secret: SECRET stands for the text of the key's file.`,
		Example: `  aliasflat init > aliasflat.yaml
  aliasflat init --bind
  aliasflat init --knot --secondary 192.0.2.54 --primary 192.0.2.1:5353
  aliasflat init --systemd > /etc/systemd/system/aliasflat.service`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{message: fmt.Sprintf("init takes no arguments, but %q", args[0]), hint: "what is printed is said by flags, as in aliasflat init --bind"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	flags := cmd.Flags()
	for _, f := range []struct{ word, help string }{
		{initBIND, "print what a secondary with BIND has in named.conf"},
		{initNSD, "print what a secondary with NSD has in nsd.conf"},
		{initKnot, "print what a secondary with Knot has in knot.conf"},
		{initSystemd, "print the unit for aliasflat watch"},
		{initGitHub, "print a workflow that reviews and publishes zones"},
	} {
		c.what[f.word] = flags.Bool(f.word, false, f.help)
	}
	flags.StringVar(&c.secondary, "secondary", "", "print it for the secondary at `ADDRESS`, which the configuration lists (default: for all, where they have one key)")
	flags.StringVar(&c.primary, "primary", "", "`ADDRESS[:PORT]` under which secondaries find this primary (default: listen.dns)")
	return cmd
}

func (c *initCommand) run(cmd *cobra.Command) error {
	var words []string
	for _, word := range []string{initBIND, initNSD, initKnot, initSystemd, initGitHub} {
		if *c.what[word] {
			words = append(words, word)
		}
	}
	if len(words) > 1 {
		return usageError{message: fmt.Sprintf("--%s and --%s do not go together", words[0], words[1]), hint: "print one after the other"}
	}
	text := examples.Configuration
	switch {
	case len(words) == 0:
	case words[0] == initSystemd:
		text = examples.Unit
	case words[0] == initGitHub:
		text = examples.Workflow
	default:
		f, err := c.following(cmd)
		if err != nil {
			return err
		}
		text = map[string]func() string{initBIND: f.bind, initNSD: f.nsd, initKnot: f.knot}[words[0]]()
		_, err = fmt.Fprint(c.stdout, text)
		return err
	}
	if c.secondary != "" || c.primary != "" {
		return usageError{message: "--secondary and --primary are for --bind, --nsd and --knot"}
	}
	_, err := fmt.Fprint(c.stdout, text)
	return err
}

// following is what a secondary has to know.
type following struct {
	primary netip.AddrPort
	name    string      // of the key; empty: there is none
	key     *config.Key // nil: there is none
	zones   []string    // without final dots
	catalog string      // empty: it may not follow one
	whose   string      // for whom it is, in a comment
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
	var all []config.Secondary
	for _, j := range jobs {
		mine := c.among(j.secondaries)
		if len(mine) == 0 {
			continue
		}
		name := j.zoneName(nil)
		if name.IsZero() {
			return nil, usageError{message: fmt.Sprintf("%s does not tell the name of its zone, under which it is served", j.path), hint: "say it in the configuration, as in name: example.com"}
		}
		f.zones = append(f.zones, plainName(name))
		all = append(all, mine...)
	}
	slices.Sort(f.zones)
	if f.zones = slices.Compact(f.zones); len(f.zones) == 0 {
		return nil, c.nobody(conf)
	}
	if !conf.Catalog.IsZero() && slices.ContainsFunc(c.among(conf.Secondaries), func(s config.Secondary) bool { return s.Catalog }) {
		f.catalog = plainName(conf.Catalog)
	}
	return f, f.sign(conf, all)
}

// plainName is a name without its final dot.
func plainName(name zone.Name) string { return strings.TrimSuffix(name.String(), ".") }

// address is where secondaries find the primary.
func (c *initCommand) address(conf *config.Config) (netip.AddrPort, error) {
	if conf.Listen.DNS == "" {
		return netip.AddrPort{}, usageError{
			message: "nothing is served to secondaries: the configuration has no listen.dns",
			hint:    `say listen: {dns: "192.0.2.1:53"} in it, and secondaries; aliasflat tsig generate makes their key`,
		}
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

// sign finds the one key of the secondaries.
func (f *following) sign(conf *config.Config, list []config.Secondary) error {
	var addresses []string
	for _, s := range list {
		if s.Key != list[0].Key {
			return usageError{message: fmt.Sprintf("%s and %s have different keys", list[0].Address, s.Address), hint: "say which of them it is for with --secondary ADDRESS"}
		}
		if text := s.Address.Addr().String(); !slices.Contains(addresses, text) {
			addresses = append(addresses, text)
		}
	}
	f.whose = strings.Join(addresses, ", ")
	for i := range conf.Keys {
		if k := &conf.Keys[i]; !list[0].Key.IsZero() && k.Name == list[0].Key {
			f.key, f.name = k, plainName(k.Name)
		}
	}
	return nil
}

// head is the comment that begins a text.
func (f *following) head(file string) string {
	text := fmt.Sprintf("# In %s of the secondary at %s.\n", file, f.whose)
	if f.key != nil {
		text += fmt.Sprintf("# SECRET stands for the text of %s.\n", f.key.SecretFile)
	}
	return text
}

func (f *following) bind() string {
	var b strings.Builder
	b.WriteString(f.head("named.conf"))
	from := f.primary.Addr().String()
	if f.primary.Port() != 53 {
		from += fmt.Sprintf(" port %d", f.primary.Port())
	}
	if f.key != nil {
		fmt.Fprintf(&b, "key \"%s\" { algorithm %s; secret \"SECRET\"; };\n", f.name, f.key.Algorithm)
		from += fmt.Sprintf(" key \"%s\"", f.name)
	}
	zones := f.zones
	if f.catalog != "" {
		zones = []string{f.catalog}
		fmt.Fprintf(&b, "# This stands in the one options { } that there is:\noptions {\n    catalog-zones { zone \"%s\" default-primaries { %s; }; };\n};\n", f.catalog, from)
	}
	for _, name := range zones {
		fmt.Fprintf(&b, "zone \"%s\" {\n    type secondary;\n    file \"%s.secondary\";\n    primaries { %s; };\n};\n", name, fileName(name), from)
	}
	return b.String()
}

// fileName is a name as part of a file's.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == '"' {
			return '_'
		}
		return r
	}, name)
}

func (f *following) nsd() string {
	var b strings.Builder
	b.WriteString(f.head("nsd.conf"))
	key, from := "NOKEY", f.primary.Addr().String()
	if f.primary.Port() != 53 {
		from += fmt.Sprintf("@%d", f.primary.Port())
	}
	if f.key != nil {
		key = f.name
		fmt.Fprintf(&b, "key:\n    name: \"%s\"\n    algorithm: %s\n    secret: \"SECRET\"\n", f.name, f.key.Algorithm)
	}
	if f.catalog != "" {
		b.WriteString("# NSD follows catalog zones from release 4.9 on; this names each zone.\n")
	}
	for _, name := range f.zones {
		fmt.Fprintf(&b, "zone:\n    name: \"%s\"\n    allow-notify: %s %s\n    request-xfr: %s %s\n", name, f.primary.Addr(), key, from, key)
	}
	return b.String()
}

func (f *following) knot() string {
	var b strings.Builder
	b.WriteString(f.head("knot.conf"))
	from := f.primary.Addr().String()
	if f.primary.Port() != 53 {
		from += fmt.Sprintf("@%d", f.primary.Port())
	}
	sign := ""
	if f.key != nil {
		fmt.Fprintf(&b, "key:\n  - id: %s\n    algorithm: %s\n    secret: SECRET\n", f.name, f.key.Algorithm)
		sign = "    key: " + f.name + "\n"
	}
	fmt.Fprintf(&b, "remote:\n  - id: aliasflat\n    address: %s\n%sacl:\n  - id: aliasflat\n    remote: aliasflat\n    action: notify\n", from, sign)
	const follows = "    master: aliasflat\n    acl: aliasflat\n"
	if f.catalog != "" {
		// Knot tells nobody else which serial of a catalog it has.
		fmt.Fprintf(&b, "  - id: aliasflat-catalog\n    address: %s\n    action: transfer\ntemplate:\n  - id: aliasflat\n%s", f.primary.Addr(), follows)
		fmt.Fprintf(&b, "zone:\n  - domain: %s\n    master: aliasflat\n    acl: [aliasflat, aliasflat-catalog]\n    catalog-role: interpret\n    catalog-template: aliasflat\n", f.catalog)
		return b.String()
	}
	b.WriteString("zone:\n")
	for _, name := range f.zones {
		fmt.Fprintf(&b, "  - domain: %s\n%s", name, follows)
	}
	return b.String()
}
