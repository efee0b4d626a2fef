package config

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TLS names the files of transfers and HTTP over TLS.
type TLS struct {
	Certificate string // and what leads to its root, in PEM; empty: there is none
	Key         string // of the certificate
	ClientCA    string // that vouches for secondaries; empty: they show no certificate
}

// Key is a TSIG key. Its secret stays in its file until [Config.ReadKeys].
type Key struct {
	Name       zone.Name
	Algorithm  string
	SecretFile string
	Span       diag.Span // of secret-file, or of the entry
	Line       string    // of the file, at Span
}

// Secondary is a name server that is fed.
type Secondary struct {
	Address netip.AddrPort
	Key     zone.Name // the zero Name: its address is proof enough
	Notify  bool      // it is told of changes, and asked for what it serves
	Catalog bool      // it may follow the catalog, if it is one of all zones
}

type writtenTLS struct {
	Certificate string `mapstructure:"certificate"`
	Key         string `mapstructure:"key"`
	ClientCA    string `mapstructure:"client-ca"`
}

type writtenKey struct {
	Name       string `mapstructure:"name"`
	Algorithm  string `mapstructure:"algorithm"`
	SecretFile string `mapstructure:"secret-file"`
}

type writtenSecondary struct {
	Address string `mapstructure:"address"`
	Key     string `mapstructure:"key"`
	Notify  string `mapstructure:"notify"`
	Catalog string `mapstructure:"catalog"`
}

// noKey is the word of a secondary that signs with no key.
const noKey = "none"

// KeyAlgorithms are those that a key may have (RFC 8945 §6), the usual one first.
var KeyAlgorithms = []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"}

func tlsKeys() []key {
	return []key{
		{"certificate", scalar, checkAny},
		{"key", scalar, checkAny},
		{"client-ca", scalar, checkAny},
	}
}

func tsigKeyKeys() []key {
	return []key{
		{"name", scalar, CheckKeyName},
		{"algorithm", scalar, oneOf(KeyAlgorithms)},
		{"secret-file", scalar, checkFilled},
	}
}

func secondaryKeys() []key {
	return []key{
		{"address", scalar, checkServer},
		{"key", scalar, checkFilled},
		{"notify", scalar, oneOf(boolWords)},
		{"catalog", scalar, oneOf(boolWords)},
	}
}

// CheckKeyName tells what is wrong with the name of a key; see [Hint].
func CheckKeyName(text string) error {
	if text == noKey {
		return valueError{message: fmt.Sprintf("%q is the word for no key", text), hint: "give the key another name"}
	}
	if _, err := zone.ParseName(text, zone.Root); err != nil || text == "" {
		return valueError{message: fmt.Sprintf("%q is no name of a key", text), hint: "it is written as a domain name, as in xfr or primary-secondary.example"}
	}
	return nil
}

// checkCatalog takes nothing at all, which switches it off.
func checkCatalog(text string) error {
	if text == "" {
		return nil
	}
	return checkName(text)
}

// files makes the paths relative to the file.
func (w *writtenTLS) files(path string) TLS {
	return TLS{Certificate: beside(path, w.Certificate), Key: beside(path, w.Key), ClientCA: beside(path, w.ClientCA)}
}

// keys takes the keys of TSIG.
func (in *inspector) keys(c *Config, list []writtenKey) {
	seen := map[zone.Name]bool{}
	for i := range list {
		w := &list[i]
		prefix := fmt.Sprintf("keys[%d]", i)
		at := in.places[prefix]
		if w.Name == "" {
			in.add(diag.CodeConfigServe, at, "the key has no name", "")
			continue
		}
		k := Key{Algorithm: or(w.Algorithm, KeyAlgorithms[0]), SecretFile: beside(c.File, w.SecretFile), Span: at}
		k.Name, _ = parseName(w.Name)
		if own, ok := in.places[prefix+".secret-file"]; ok {
			k.Span = own
		}
		if 0 < k.Span.Line && k.Span.Line <= len(in.lines) {
			k.Line = in.lines[k.Span.Line-1]
		}
		switch {
		case seen[k.Name]:
			in.add(diag.CodeConfigServe, in.places[prefix+".name"], fmt.Sprintf("key %s stands twice", w.Name), "")
		case w.SecretFile == "":
			in.add(diag.CodeConfigServe, at, fmt.Sprintf("key %s has no secret-file", w.Name), fmt.Sprintf("aliasflat tsig generate %s writes one", w.Name))
		}
		seen[k.Name] = true
		c.Keys = append(c.Keys, k)
	}
}

// secondaries takes a list of secondaries, whose keys are among those that are given.
func (in *inspector) secondaries(path string, list []writtenSecondary, keys []Key) []Secondary {
	var secondaries []Secondary
	seen := map[netip.AddrPort]bool{}
	for i := range list {
		w := &list[i]
		prefix := fmt.Sprintf("%s[%d]", path, i)
		if w.Address == "" {
			in.add(diag.CodeConfigServe, in.places[prefix], "the secondary has no address", `write it as {address: "192.0.2.54:53", key: xfr}`)
			continue
		}
		text, _ := parseServer(w.Address)
		s := Secondary{Notify: w.Notify != boolWords[1], Catalog: w.Catalog != boolWords[1]}
		s.Address, _ = netip.ParseAddrPort(text)
		s.Key = in.keyOf(prefix, w, keys)
		if seen[s.Address] {
			in.add(diag.CodeConfigServe, in.places[prefix+".address"], fmt.Sprintf("the secondary %s stands twice", s.Address), "")
		}
		seen[s.Address] = true
		secondaries = append(secondaries, s)
	}
	return secondaries
}

// keyOf finds the key of a secondary; the zero Name is none.
func (in *inspector) keyOf(prefix string, w *writtenSecondary, keys []Key) zone.Name {
	if w.Key == noKey {
		return zone.Name{}
	}
	if w.Key == "" {
		in.add(diag.CodeConfigServe, in.places[prefix], fmt.Sprintf("the secondary %s has no key", w.Address),
			"name one of keys, or say key: none where its address is proof enough")
		return zone.Name{}
	}
	return in.keyNamed(in.places[prefix+".key"], w.Key, keys)
}

// keyNamed finds a key that is named at a place.
func (in *inspector) keyNamed(at diag.Span, word string, keys []Key) zone.Name {
	name, err := parseName(word)
	found, hint := findKeyNamed(name, word, keys)
	if found && err == nil {
		return name
	}
	in.add(diag.CodeConfigServe, at, fmt.Sprintf("there is no key %q", word), hint)
	return zone.Name{}
}

// feed settles which secondaries a zone has.
func (in *inspector) feed(prefix string, z *Zone, w *writtenZone, c *Config) {
	at, own := in.places[prefix+".secondaries"]
	list := c.Secondaries
	if own {
		list = in.secondaries(prefix+".secondaries", w.Secondaries, c.Keys)
	}
	switch {
	case !c.Listen.Serves():
		if len(list) > 0 && own {
			in.add(diag.CodeConfigServe, at, "nothing says where the zone is served", "listen: {dns: \"192.0.2.1:53\"} does, with an address of this machine")
		}
		return
	case len(list) > 0 && z.Settings.Serial == "keep":
		place, ok := in.places[prefix+".serial"]
		if !ok || os.Getenv(envName("serial")) != "" {
			place = z.Span
		}
		in.add(diag.CodeConfigServe, place, "serial: keep does not go with secondaries, which take a change under a later serial only",
			"leave it out, or say secondaries: [] for this zone")
	}
	z.Secondaries = list
}

// serving refuses what does not go together for all zones.
func (in *inspector) serving(c *Config, w *written) {
	refuse := func(key, message, hint string) { in.add(diag.CodeConfigServe, in.place(key), message, hint) }
	c.Catalog, _ = parseCatalog(w.Catalog)
	in.servedOnce(c)
	fed, told := false, false // NOTIFY of a primary and UPDATE are something to listen for too
	for i := range c.Zones {
		z := &c.Zones[i]
		fed, told = fed || len(z.Secondaries) > 0, told || z.Pull != nil || len(z.Updates) > 0
	}
	switch {
	case !c.Listen.Serves() && len(c.Secondaries) > 0:
		refuse("secondaries", "nothing says where zones are served", "listen: {dns: \"192.0.2.1:53\"} does, with an address of this machine")
	case !c.Listen.Serves() && !c.Catalog.IsZero():
		refuse("catalog", "nothing says where the catalog is served", "listen: {dns: \"192.0.2.1:53\"} does, with an address of this machine")
	case c.Listen.Serves() && !fed && !told && !in.found.HasErrors():
		refuse("listen", "no zone has secondaries, so that nobody may ask for anything", "list them: secondaries: [{address: \"192.0.2.54:53\", key: xfr}]")
	}
	if !c.Catalog.IsZero() && c.Listen.Serves() && !anyCatalog(c.Secondaries) {
		refuse("catalog", "no secondary follows the catalog", "those that do are listed at the top of the file, in secondaries")
	}
	switch t := &c.TLS; {
	case c.Listen.DNSTLS != "" && t.Certificate == "":
		refuse("listen.dns-tls", "dns-tls needs a certificate", "tls: {certificate: primary.pem, key: primary.key}")
	case c.Listen.HTTPS != "" && t.Certificate == "":
		refuse("listen.https", "https needs a certificate", "tls: {certificate: primary.pem, key: primary.key}")
	case t.Certificate != "" && t.Key == "":
		refuse("tls.certificate", "the certificate has no key", "tls: {certificate: primary.pem, key: primary.key}")
	case t.Certificate == "" && (t.Key != "" || t.ClientCA != ""):
		refuse("tls", "there is no certificate", "tls: {certificate: primary.pem, key: primary.key}")
	case t.Certificate != "" && c.Listen.DNSTLS == "" && c.Listen.HTTPS == "":
		refuse("tls", "nothing is served over TLS", "listen: {dns-tls: \"192.0.2.1:853\"} says where, or https")
	case t.ClientCA != "" && c.Listen.DNSTLS == "":
		refuse("tls.client-ca", "no secondary is served over TLS", "client-ca vouches for secondaries; https asks for tokens")
	}
}

// loopback is who may ask where nobody says otherwise: those on the machine itself.
var loopback = []string{"127.0.0.0/8", "::1/128"}

// queries settles who may ask for the data of the zones that are served.
func (in *inspector) queries(c *Config, w *written) {
	const name = "allow-query"
	list := w.AllowQuery
	switch _, written := in.places[name]; {
	case len(list) == 0 && !written && c.Listen.Serves():
		list = loopback
	case len(list) > 0 && !c.Listen.Serves():
		in.add(diag.CodeConfigServe, in.place(name), "nothing says where zones are served", "listen: {dns: \"192.0.2.1:53\"} does, with an address of this machine")
		return
	}
	for _, text := range list {
		network, _ := parsePrefix(text) // it was checked where it was written
		c.AllowQuery = append(c.AllowQuery, network)
	}
}

// place is where a key stands in the file, or the variable that stands for it.
func (in *inspector) place(key string) diag.Span {
	if at, ok := in.places[key]; ok {
		return at
	}
	if name := envName(key); os.Getenv(strings.ReplaceAll(name, ".", "_")) != "" {
		return diag.Span{Pos: diag.Pos{File: strings.ReplaceAll(name, ".", "_")}}
	}
	return diag.Span{Pos: diag.Pos{File: in.file}}
}

func parseCatalog(text string) (zone.Name, error) {
	if text == "" {
		return zone.Name{}, nil
	}
	return parseName(text)
}

func anyCatalog(list []Secondary) bool {
	for i := range list {
		if list[i].Catalog {
			return true
		}
	}
	return false
}

// servedOnce refuses two zones of one name that are served: a secondary knows no views.
func (in *inspector) servedOnce(c *Config) {
	served := map[zone.Name]*Zone{}
	for i := range c.Zones {
		z := &c.Zones[i]
		if len(z.Secondaries) == 0 || z.Name.IsZero() {
			continue
		}
		switch first := served[z.Name]; {
		case z.Name == c.Catalog:
			in.add(diag.CodeConfigServe, z.Span, fmt.Sprintf("zone %s is the catalog too", z.Name), "give the catalog a name of its own")
		case first != nil:
			in.add(diag.CodeConfigServe, z.Span, fmt.Sprintf("zone %s would be served twice", z.Name), "say secondaries: [] for all but one of its views")
			d := in.found[len(in.found)-1]
			d.Related = append(d.Related, diag.Note{Span: first.Span, Message: "the other is here"})
		default:
			served[z.Name] = z
		}
	}
}

// maxSecretFile is how much a file with a secret may hold; a key takes some tens of bytes.
const maxSecretFile = 4096

// ReadKeys reads the secrets of all keys. What is wrong with a file is told at its key, and
// nothing of what is in it.
func (c *Config) ReadKeys() ([]primary.Key, diag.List) {
	var keys []primary.Key
	var found diag.List
	for i := range c.Keys {
		k := &c.Keys[i]
		name := strings.TrimSuffix(k.Name.String(), ".")
		secret, err := readSecret(k.SecretFile)
		var made primary.Key
		if err == nil {
			if made, err = primary.NewKey(k.Name, k.Algorithm, secret); err != nil {
				err = valueError{
					message: fmt.Sprintf("%s: %s", k.SecretFile, strings.TrimPrefix(err.Error(), "key "+k.Name.String()+": ")),
					hint:    "the file holds the secret alone, in base64, as aliasflat tsig generate writes it",
				}
			}
		} else if os.IsNotExist(err) {
			err = valueError{message: err.Error(), hint: fmt.Sprintf("aliasflat tsig generate %s --out %s writes it", name, k.SecretFile)}
		}
		if err != nil {
			found = append(found, &diag.Diagnostic{
				Severity: diag.Error, Code: diag.CodeConfigSecret, Err: err, Span: k.Span, Source: k.Line,
				Message: fmt.Sprintf("key %s: %v", name, err), Hint: Hint(err),
			})
			continue
		}
		keys = append(keys, made)
	}
	return keys, found
}

// readSecret reads a file that nobody but its owner and group may read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", valueError{message: path + " is no file"}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0:
		return "", valueError{message: fmt.Sprintf("%s can be read or written by everybody (mode %#o)", path, info.Mode().Perm()), hint: "chmod o= " + path}
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err == nil && len(text) > maxSecretFile {
		err = valueError{message: path + " is too large for a secret"}
	}
	return string(text), err
}
