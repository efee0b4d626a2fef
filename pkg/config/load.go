package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/viper"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

const (
	baseName  = "aliasflat.yaml"
	envPrefix = "ALIASFLAT"
	// keyDelimiter stands between the keys of a mapping and those inside of it, for viper.
	// Its own one, the dot, is part of names.
	keyDelimiter = "::"
)

// written is the file as it was written, with the variables laid over it. Zones
// are a list: viper takes the keys of a mapping apart at dots and folds their
// case, so a zone name can never be a key.
type written struct {
	Resolvers       []string           `mapstructure:"resolvers"`
	IncludeRoot     string             `mapstructure:"include-root"`
	State           string             `mapstructure:"state"`
	MaxAddresses    string             `mapstructure:"max-addresses"`
	GenerateLimit   string             `mapstructure:"generate-limit"`
	AllowNet        []string           `mapstructure:"allow-net"`
	DenyNet         []string           `mapstructure:"deny-net"`
	Timeout         string             `mapstructure:"timeout"`
	Agree           string             `mapstructure:"agree"`
	AgreeMode       string             `mapstructure:"agree-mode"`
	RequireAD       string             `mapstructure:"require-ad"`
	Fresh           string             `mapstructure:"fresh"`
	Rate            string             `mapstructure:"rate"`
	RefreshFloor    string             `mapstructure:"refresh-floor"`
	Poll            string             `mapstructure:"poll"`
	Listen          writtenListen      `mapstructure:"listen"`
	TLS             writtenTLS         `mapstructure:"tls"`
	Keys            []writtenKey       `mapstructure:"keys"`
	Secondaries     []writtenSecondary `mapstructure:"secondaries"`
	Catalog         string             `mapstructure:"catalog"`
	AllowQuery      []string           `mapstructure:"allow-query"`
	AllowUpdate     []writtenUpdate    `mapstructure:"allow-update"`
	writtenSettings `mapstructure:",squash"`
	Zones           []writtenZone `mapstructure:"zones"`
}

type writtenSettings struct {
	Types      []string `mapstructure:"types"`
	Siblings   string   `mapstructure:"siblings"`
	TTLMin     string   `mapstructure:"ttl-min"`
	TTLMax     string   `mapstructure:"ttl-max"`
	MaxStale   string   `mapstructure:"max-stale"`
	OnEmpty    string   `mapstructure:"on-empty"`
	OnStale    string   `mapstructure:"on-stale"`
	Serial     string   `mapstructure:"serial"`
	Style      string   `mapstructure:"style"`
	For        string   `mapstructure:"for"`
	CheckNames string   `mapstructure:"check-names"`
	ECS        string   `mapstructure:"ecs"`
	Strip      string   `mapstructure:"strip-dnssec"`
	Keep       string   `mapstructure:"keep"`
}

type writtenZone struct {
	Name            string             `mapstructure:"name"`
	View            string             `mapstructure:"view"`
	Source          string             `mapstructure:"source"`
	Output          string             `mapstructure:"output"`
	Lock            string             `mapstructure:"lock"`
	VerifyWith      [][]string         `mapstructure:"verify-with"`
	Reload          writtenReload      `mapstructure:"reload"`
	Guard           writtenGuard       `mapstructure:"guard"`
	Hooks           [][]string         `mapstructure:"hooks"`
	HookTimeout     string             `mapstructure:"hook-timeout"`
	Publish         writtenPublish     `mapstructure:"publish"`
	SerialFrom      string             `mapstructure:"serial-from"`
	Secondaries     []writtenSecondary `mapstructure:"secondaries"`
	Editable        string             `mapstructure:"editable"`
	AllowUpdate     []writtenUpdate    `mapstructure:"allow-update"`
	writtenSettings `mapstructure:",squash"`
}

// Load reads the configuration. path is the file to read; empty, the first of
// ./aliasflat.yaml, $XDG_CONFIG_HOME/aliasflat/aliasflat.yaml and
// /etc/aliasflat/aliasflat.yaml that exists, or none.
//
// Mistakes in what was written come as diagnostics, and the configuration is
// then nil. The error is for what no edit of the file mends.
func Load(path string) (*Config, diag.List, error) {
	path, text, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	in := inspect(path, text)
	checkEnv(in)
	if in.found.HasErrors() {
		return nil, in.found, nil
	}
	var w written
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	v.SetConfigType("yaml")
	// Each variable is bound by name: viper asks the environment only for keys
	// that it has met, and its own ways to learn them from a struct leave out
	// embedded ones.
	for _, k := range envKeys() {
		if err := v.BindEnv(k.name, envName(k.name)); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", envName(k.name), err)
		}
	}
	if err := v.ReadConfig(bytes.NewReader(in.plain)); err != nil {
		return nil, nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if err := v.UnmarshalExact(&w); err != nil {
		return nil, nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	c := in.build(path, &w)
	if in.found.HasErrors() {
		return nil, in.found, nil
	}
	return c, in.found, nil
}

// Default is the configuration where there is neither file nor variable.
func Default() *Config { return (&inspector{}).build("", &written{}) }

// read finds and reads the file. No file at all is an empty one.
func read(path string) (string, []byte, error) {
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return path, nil, fmt.Errorf("read configuration: %w", err)
		}
		return path, text, nil
	}
	for _, place := range places() {
		text, err := os.ReadFile(place)
		switch {
		case err == nil:
			return place, text, nil
		case !errors.Is(err, fs.ErrNotExist):
			return place, nil, fmt.Errorf("read configuration: %w", err)
		}
	}
	return "", nil, nil
}

// places are where a configuration is looked for, the nearest first.
func places() []string {
	list := []string{baseName}
	folder := os.Getenv("XDG_CONFIG_HOME")
	if home, err := os.UserHomeDir(); folder == "" && err == nil {
		folder = filepath.Join(home, ".config")
	}
	if folder != "" {
		list = append(list, filepath.Join(folder, "aliasflat", baseName))
	}
	return append(list, filepath.Join("/etc/aliasflat", baseName))
}

func envName(key string) string {
	return envPrefix + "_" + strings.ToUpper(strings.NewReplacer("-", "_", keyDelimiter, "_").Replace(key))
}

// envKeys are the keys that a variable can set. Those of listen and tls have the names of both, as in
// ALIASFLAT_LISTEN_HTTP.
func envKeys() []key {
	var keys []key
	for _, k := range topKeys() {
		switch {
		case k.shape.isMapping():
			for _, inner := range k.shape.inner() {
				inner.name = k.name + keyDelimiter + inner.name
				keys = append(keys, inner)
			}
		case k.shape.inner() == nil:
			keys = append(keys, k)
		}
	}
	return keys
}

// checkEnv holds the variables to the same rules as the file. Their place is
// the name of the variable.
func checkEnv(in *inspector) {
	for _, k := range envKeys() {
		text := os.Getenv(envName(k.name))
		if text == "" {
			continue
		}
		items := []string{text}
		if k.shape == list {
			items = strings.Split(text, ",")
		}
		for _, item := range items {
			if err := k.check(item); err != nil {
				in.wrong(diag.Span{Pos: diag.Pos{File: envName(k.name)}}, strings.ReplaceAll(k.name, keyDelimiter, "."), err)
			}
		}
	}
}

// build makes what is needed from what was written. Values were checked where
// they were written, so that only what several of them say together can be
// wrong here.
func (in *inspector) build(path string, w *written) *Config {
	c := &Config{
		File:          path,
		MaxAddresses:  number(w.MaxAddresses, DefaultMaxAddresses),
		GenerateLimit: number(w.GenerateLimit, DefaultGenerateLimit),
		AllowNet:      nets(w.AllowNet),
		DenyNet:       nets(w.DenyNet),
		IncludeRoot:   beside(path, w.IncludeRoot),
		State:         beside(path, w.State),
		Agree:         number(w.Agree, DefaultAgree),
		AgreeMode:     or(w.AgreeMode, agreeWords[0]),
		RequireAD:     w.RequireAD == boolWords[0],
		Fresh:         or(w.Fresh, freshWords[0]),
		Listen:        w.Listen.listen(path),
		TLS:           w.TLS.files(path),
		Settings:      w.settings(defaults()),
	}
	c.Timeout, _ = ParseDuration(or(w.Timeout, "0"))
	c.Rate, _ = ParseRate(w.Rate)
	c.RefreshFloor, _ = ParseDuration(or(w.RefreshFloor, DefaultRefreshFloor.String()))
	c.Poll, _ = ParseDuration(or(w.Poll, DefaultPoll.String()))
	for _, r := range w.Resolvers {
		if file, ok := strings.CutPrefix(r, "file:"); ok {
			r = "file:" + beside(path, file)
		}
		c.Resolvers = append(c.Resolvers, r)
	}
	in.bounds("", c.Settings)
	in.privacy("", c.Settings)
	in.keys(c, w.Keys)
	c.Secondaries = in.secondaries("secondaries", w.Secondaries, c.Keys)
	c.Updates = in.updates("allow-update", w.AllowUpdate, c.Keys)
	named := map[string]bool{}
	for i := range w.Zones {
		if !isPattern(w.Zones[i].Source) && !IsPull(w.Zones[i].Source) {
			named[beside(path, w.Zones[i].Source)] = true
		}
	}
	for i := range w.Zones {
		c.Zones = append(c.Zones, in.zone(path, i, &w.Zones[i], w.settings(defaults()), named, c)...)
	}
	in.clashes(c.Zones)
	in.pushedOnce(c.Zones)
	in.serving(c, w)
	in.updating(c)
	in.queries(c, w)
	return c
}

func defaults() Settings {
	return Settings{
		Types:     typeWords,
		Siblings:  "error",
		MaxStale:  DefaultMaxStale,
		OnEmpty:   "hold",
		OnStale:   "hold",
		Serial:    "auto",
		Style:     "source",
		For:       "bind",
		CheckName: CheckNamesFail,
		Keep:      DefaultKeep,
	}
}

// settings lays what was written over the base.
func (w *writtenSettings) settings(base Settings) Settings {
	s := base
	if len(w.Types) > 0 {
		s.Types = nil
		for _, t := range w.Types {
			s.Types = append(s.Types, strings.ToUpper(t))
		}
	}
	s.Siblings = or(w.Siblings, s.Siblings)
	s.OnEmpty = or(w.OnEmpty, s.OnEmpty)
	s.OnStale = or(w.OnStale, s.OnStale)
	s.Serial = or(w.Serial, s.Serial)
	s.Style = or(w.Style, s.Style)
	s.For = or(w.For, s.For)
	s.CheckName = CheckNamesMode(or(w.CheckNames, string(s.CheckName)))
	if ttl, err := parseTTL(w.TTLMin); err == nil {
		s.TTLMin = &ttl
	}
	if ttl, err := parseTTL(w.TTLMax); err == nil {
		s.TTLMax = &ttl
	}
	if d, err := ParseDuration(w.MaxStale); err == nil {
		s.MaxStale = d
	}
	if w.ECS != "" {
		s.ECS, _ = ParseSubnet(w.ECS)
	}
	if w.Strip != "" {
		s.Strip = w.Strip == boolWords[0]
	}
	s.Keep = number(w.Keep, s.Keep)
	return s
}

// overridden is what was written for a zone without the keys that a variable
// sets: a variable wins over the file, wherever in the file the key stands.
func (w writtenSettings) overridden() writtenSettings {
	for _, f := range []struct {
		key   string
		value *string
	}{
		{"siblings", &w.Siblings},
		{"ttl-min", &w.TTLMin},
		{"ttl-max", &w.TTLMax},
		{"max-stale", &w.MaxStale},
		{"on-empty", &w.OnEmpty},
		{"on-stale", &w.OnStale},
		{"serial", &w.Serial},
		{"style", &w.Style},
		{"for", &w.For},
		{"check-names", &w.CheckNames},
		{"ecs", &w.ECS},
		{"strip-dnssec", &w.Strip},
		{"keep", &w.Keep},
	} {
		if os.Getenv(envName(f.key)) != "" {
			*f.value = ""
		}
	}
	if os.Getenv(envName("types")) != "" {
		w.Types = nil
	}
	return w
}

// zone makes the zones of one entry: one, or one for each file of a pattern. A
// pattern leaves out the files that other entries name.
func (in *inspector) zone(path string, i int, w *writtenZone, base Settings, named map[string]bool, c *Config) []Zone {
	prefix := fmt.Sprintf("zones[%d]", i)
	own := w.overridden()
	z := Zone{
		View:       w.View,
		Source:     beside(path, w.Source),
		Output:     beside(path, w.Output),
		Lock:       beside(path, w.Lock),
		VerifyWith: w.VerifyWith,
		SerialFrom: w.SerialFrom,
		Settings:   own.settings(base),
		Guards:     w.Guard.guards(),
		Span:       in.places[prefix],
	}
	if w.Name != "" {
		z.Name, _ = parseName(w.Name)
	}
	if w.Source == "" {
		in.add(diag.CodeConfigZone, z.Span, "the zone has no source", "")
		return nil
	}
	if IsPull(w.Source) && !in.pulled(prefix, &z, w, c.Keys) {
		return nil
	}
	z.Editable = w.Editable == boolWords[0]
	if z.Editable && z.Pull != nil {
		in.add(diag.CodeConfigZone, in.places[prefix+".editable"], "a zone that is pulled cannot be edited here", "edit it at its primary")
	}
	in.deliver(prefix, &z, w)
	in.publish(prefix, &z, w, c)
	in.feed(prefix, &z, w, c)
	in.allowUpdate(prefix, &z, w, c)
	in.bounds(prefix+".", z.Settings)
	if own.ECS != "" {
		in.privacy(prefix+".", z.Settings)
	}
	if z.Pull != nil || !isPattern(w.Source) {
		return []Zone{z}
	}
	at := in.places[prefix+".source"]
	files, err := filepath.Glob(z.Source)
	switch {
	case err != nil:
		in.add(diag.CodeConfigValue, at, fmt.Sprintf("source: %q is no pattern", w.Source), "a [ needs its ]")
		return nil
	case len(files) == 0:
		in.add(diag.CodeConfigZone, at, fmt.Sprintf("no file matches %q", z.Source), "")
		return nil
	case w.Name != "":
		in.add(diag.CodeConfigZone, in.places[prefix+".name"], "a pattern may match many files, which cannot all have one name",
			"leave the name out; each file tells its own")
		return nil
	}
	var list []Zone
	for _, file := range files {
		if !named[file] {
			each := z
			each.Source = file
			list = append(list, each)
		}
	}
	for _, f := range []struct{ key, path, what, example string }{
		{"output", z.Output, "output", "out/{zone}.db"},
		{"lock", z.Lock, "lock file", "locks/{zone}.lock"},
	} {
		if len(list) > 1 && f.path != "" && !strings.Contains(f.path, "{zone}") {
			in.add(diag.CodeConfigZone, in.places[prefix+"."+f.key], fmt.Sprintf("%d sources would have one %s", len(list), f.what),
				"put {zone} into it, as in "+f.example)
			return nil
		}
	}
	return list
}

// bounds refuses a least TTL above the greatest.
func (in *inspector) bounds(prefix string, s Settings) {
	if s.TTLMin == nil || s.TTLMax == nil || *s.TTLMin <= *s.TTLMax {
		return
	}
	at, ok := in.places[prefix+"ttl-min"]
	if !ok {
		at, ok = in.places[prefix+"ttl-max"]
	}
	if prefix != "" && !ok {
		return // it is all written for all zones, and was reported there
	}
	in.add(diag.CodeConfigValue, at, fmt.Sprintf("ttl-min %d is above ttl-max %d", *s.TTLMin, *s.TTLMax), "")
}

// privacy warns of a client subnet that tells too much.
func (in *inspector) privacy(prefix string, s Settings) {
	d := JudgeSubnet(s.ECS)
	if d == nil {
		return
	}
	at, ok := in.places[prefix+"ecs"]
	if os.Getenv(envName("ecs")) != "" || !ok {
		at = diag.Span{Pos: diag.Pos{File: envName("ecs")}}
	}
	d.Span = at
	in.report(d)
}

// clashes refuses zones that would overwrite each other or a source, and zones
// of one name that nothing tells apart.
func (in *inspector) clashes(list []Zone) {
	type identity struct{ name, view string }
	views, sources := map[identity]int{}, map[string]bool{}
	names := map[string]int{}
	for i := range list {
		sources[list[i].Source] = true
	}
	for i := range list {
		z := &list[i]
		if !z.Name.IsZero() {
			name := z.Name.String()
			first, twice := names[name]
			_, same := views[identity{name, z.View}]
			if twice && (same || z.View == "" || list[first].View == "") {
				in.clash(z, &list[first], fmt.Sprintf("zone %s stands twice", name), "give each a view of its own")
			}
			if !twice {
				names[name] = i
			}
			views[identity{name, z.View}] = i
		}
	}
	in.filesApart(list, sources)
}

// filesApart refuses two zones that would write to one file, and a file that is a source.
func (in *inspector) filesApart(list []Zone, sources map[string]bool) {
	type file struct {
		zone int
		what string
	}
	files := map[string]file{}
	for i := range list {
		z := &list[i]
		for _, f := range []struct{ path, what string }{{z.Output, "output"}, {z.Lock, "lock file"}} {
			if f.path == "" {
				continue
			}
			path := f.path
			switch {
			case !z.Name.IsZero():
				path = fill(path, z.Name)
			case strings.Contains(path, zonePlace):
				continue // the source tells the name, and with it the file
			}
			first, taken := files[path]
			switch {
			case taken && first.what != f.what:
				in.clash(z, &list[first.zone], fmt.Sprintf("the %s %s is the %s of a zone too", f.what, path, first.what), "")
			case taken && list[first.zone].Span != z.Span:
				in.clash(z, &list[first.zone], fmt.Sprintf("two zones have the %s %s", f.what, path), "")
			}
			if sources[path] {
				in.add(diag.CodeConfigZone, z.Span, fmt.Sprintf("the %s %s is a source", f.what, path), "")
			}
			files[path] = file{i, f.what}
		}
	}
}

func (in *inspector) clash(z, first *Zone, message, hint string) {
	in.add(diag.CodeConfigZone, z.Span, message, hint)
	d := in.found[len(in.found)-1]
	d.Related = append(d.Related, diag.Note{Span: first.Span, Message: "the other is here"})
}

// beside makes a path relative to the file of the configuration. Without a
// file it is relative to where the program runs.
func beside(file, path string) string {
	if path == "" || file == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

func isPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

func nets(texts []string) []resolve.NetRule {
	var list []resolve.NetRule
	for _, text := range texts {
		if rule, err := parseNet(text); err == nil {
			list = append(list, rule)
		}
	}
	return list
}
