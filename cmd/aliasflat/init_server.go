package main

import (
	"fmt"
	"strings"
)

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

// fileName is a name as part of a file's, with what means something else there as its number.
func fileName(name string) string {
	if name == "." {
		return "root"
	}
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(`/\"%`, name[i]) >= 0 {
			fmt.Fprintf(&b, "%%%02x", name[i])
		} else {
			b.WriteByte(name[i])
		}
	}
	return b.String()
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
		fmt.Fprintf(&b, "key:\n  - id: %s\n    algorithm: %s\n    secret: SECRET\n", knotText(f.name), f.key.Algorithm)
		sign = "    key: " + knotText(f.name) + "\n"
	}
	fmt.Fprintf(&b, "remote:\n  - id: aliasflat\n    address: %s\n%sacl:\n  - id: aliasflat\n    remote: aliasflat\n    action: notify\n", from, sign)
	const follows = "    master: aliasflat\n    acl: aliasflat\n"
	if f.catalog != "" {
		// Knot tells nobody else which serial of a catalog it has.
		fmt.Fprintf(&b, "  - id: aliasflat-catalog\n    address: %s\n    action: transfer\ntemplate:\n  - id: aliasflat\n%s", f.primary.Addr(), follows)
		fmt.Fprintf(&b, "zone:\n  - domain: %s\n    master: aliasflat\n    acl: [aliasflat, aliasflat-catalog]\n    catalog-role: interpret\n    catalog-template: aliasflat\n", knotText(f.catalog))
		return b.String()
	}
	b.WriteString("zone:\n")
	for _, name := range f.zones {
		fmt.Fprintf(&b, "  - domain: %s\n%s", knotText(name), follows)
	}
	return b.String()
}

// knotText is a name as a value of knot.conf, in quotes where it is not plain.
func knotText(name string) string {
	if isPlain(name) {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
