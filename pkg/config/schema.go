package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// shape is the form of a value.
type shape uint8

const (
	scalar      shape = iota
	list              // of scalars; one scalar alone is a list of one
	lists             // of argument lists
	zones             // of zone entries
	reload            // a driver, or keys with values
	push              // a server, or keys with values
	guard             // keys with values
	listen            // keys with values
	tlsFiles          // keys with values
	tsigKeys          // a list of keys with values
	secondaries       // a list of keys with values
	updates           // a list of keys with values
)

// isMapping tells whether a shape is one mapping; other shapes with keys are lists of them.
func (s shape) isMapping() bool { return s == guard || s == listen || s == tlsFiles }

// inner gives the keys of the mappings of a shape.
func (s shape) inner() []key {
	switch s {
	case guard:
		return guardKeys()
	case listen:
		return listenKeys()
	case tlsFiles:
		return tlsKeys()
	case tsigKeys:
		return tsigKeyKeys()
	case secondaries:
		return secondaryKeys()
	case updates:
		return updateKeys()
	case zones:
		return zoneKeys()
	case reload:
		return reloadKeys()
	case push:
		return pushKeys()
	case scalar, list, lists:
	}
	return nil
}

// key is one key of the file.
type key struct {
	name  string
	shape shape
	check func(text string) error // of each scalar
}

// settingKeys may stand for all zones and in each.
func settingKeys() []key {
	return []key{
		{"types", list, checkType},
		{"siblings", scalar, oneOf(siblingsWords)},
		{"ttl-min", scalar, checkTTL},
		{"ttl-max", scalar, checkTTL},
		{"max-stale", scalar, checkDuration},
		{"on-empty", scalar, oneOf(onEmptyWords)},
		{"on-stale", scalar, oneOf(onStaleWords)},
		{"serial", scalar, checkSerial},
		{"style", scalar, oneOf(styleWords)},
		{"for", scalar, oneOf(forWords)},
		{"check-names", scalar, oneOf(checkNamesWords)},
		{"ecs", scalar, checkSubnet},
		{"strip-dnssec", scalar, oneOf(boolWords)},
		{"keep", scalar, count(0, maxKeep)},
	}
}

func topKeys() []key {
	return append([]key{
		{"resolvers", list, checkFilled},
		{"include-root", scalar, checkFilled},
		{"state", scalar, checkFilled},
		{"max-addresses", scalar, count(1, 100)},
		{"generate-limit", scalar, count(1, 1<<31-1)},
		{"allow-net", list, checkNet},
		{"deny-net", list, checkNet},
		{"timeout", scalar, checkDuration},
		{"agree", scalar, count(1, maxAgree)},
		{"agree-mode", scalar, oneOf(agreeWords)},
		{"require-ad", scalar, oneOf(boolWords)},
		{"fresh", scalar, oneOf(freshWords)},
		{"rate", scalar, checkRate},
		{"refresh-floor", scalar, checkWait},
		{"poll", scalar, checkWait},
		{"listen", listen, nil},
		{"tls", tlsFiles, nil},
		{"keys", tsigKeys, nil},
		{"secondaries", secondaries, nil},
		{"catalog", scalar, checkCatalog},
		{"allow-query", list, checkPrefix},
		{"allow-update", updates, nil},
		{"zones", zones, nil},
	}, settingKeys()...)
}

func zoneKeys() []key {
	return append([]key{
		{"name", scalar, checkName},
		{"view", scalar, checkAny},
		{"source", scalar, checkSource},
		{"output", scalar, checkFilled},
		{"lock", scalar, checkFilled},
		{"verify-with", lists, checkFilled},
		{"reload", reload, nil},
		{"hooks", lists, checkFilled},
		{"hook-timeout", scalar, checkWait},
		{"guard", guard, nil},
		{"publish", push, nil},
		{"serial-from", scalar, checkSerialFrom},
		{"secondaries", secondaries, nil},
		{"editable", scalar, oneOf(boolWords)},
		{"allow-update", updates, nil},
	}, settingKeys()...)
}

// reloadKeys are those of a reload that says more than its driver.
func reloadKeys() []key {
	return []key{
		{"driver", scalar, oneOf(driverWords)},
		{"server", scalar, checkServer},
		{"timeout", scalar, checkWait},
		{"command", list, checkFilled},
		{"view", scalar, checkFilled},
	}
}

// inspector walks the nodes of a file, which know their places, before viper
// sees the text: viper lets unknown keys and wrong kinds pass, or reports them
// without a place.
type inspector struct {
	file   string
	lines  []string             // of the file, without their ends
	starts []int                // offset of each line
	places map[string]diag.Span // of each value that was written: key, or zones[0].key
	plain  []byte               // the file with every value as a string
	found  diag.List
}

func inspect(file string, text []byte) *inspector {
	in := &inspector{file: file, places: map[string]diag.Span{}}
	offset := 0
	for line := range strings.Lines(string(text)) {
		in.lines = append(in.lines, strings.TrimRight(line, "\r\n"))
		in.starts = append(in.starts, offset)
		offset += len(line)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		in.syntax(err)
		return in
	}
	if len(document.Content) == 0 {
		return in // an empty file says nothing, which is allowed
	}
	in.mapping("", document.Content[0], topKeys())
	if in.found.HasErrors() {
		return in
	}
	asStrings(&document)
	plain, err := yaml.Marshal(&document)
	if err != nil {
		in.syntax(err)
	}
	in.plain = plain
	return in
}

// asStrings takes the types away that YAML reads into plain words: the argument
// true is the word "true", and a view 010 is not 8.
func asStrings(node *yaml.Node) {
	switch {
	case node.Kind != yaml.ScalarNode:
	case node.Tag == "!!null":
		node.Value = "null" // nothing at all may be written as an empty string
	default:
		node.SetString(node.Value)
	}
	for _, n := range node.Content {
		asStrings(n)
	}
}

// syntax reports an error of the YAML reader, which gives a line in its text.
func (in *inspector) syntax(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, after, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(number)
			message = after
		}
	}
	span := diag.Span{Pos: diag.Pos{File: in.file}}
	if 0 < line && line <= len(in.lines) {
		span.Pos = diag.Pos{File: in.file, Line: line, Column: 1, Offset: in.starts[line-1]}
	}
	in.add(diag.CodeConfigSyntax, span, "this is no YAML: "+message, "")
}

func (in *inspector) mapping(prefix string, node *yaml.Node, keys []key) {
	node = target(node)
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		in.add(diag.CodeConfigValue, in.span(node), "keys with values belong here, not "+kindWord(node), "")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], target(node.Content[i+1])
		k, ok := findKey(keys, name.Value)
		switch {
		case !ok:
			in.unknown(name, keys)
		case seen[k.name]:
			in.add(diag.CodeConfigUnknownKey, in.span(name), fmt.Sprintf("key %q stands twice", k.name), "")
		default:
			seen[k.name] = true
			in.places[prefix+k.name] = in.span(value)
			in.value(prefix+k.name, k, value)
		}
	}
}

func findKey(keys []key, name string) (key, bool) {
	for _, k := range keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

func (in *inspector) unknown(name *yaml.Node, keys []key) {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	hint := otherLevel(name.Value, names)
	if near := diag.Near(name.Value, names); hint == "" && near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	in.add(diag.CodeConfigUnknownKey, in.span(name), fmt.Sprintf("unknown key %q", name.Value), hint)
}

// otherLevel tells when a key is right and only its level is wrong.
func otherLevel(name string, here []string) string {
	if _, ok := findKey(zoneKeys(), name); ok {
		return name + " belongs into an entry of zones"
	}
	if _, ok := findKey(topKeys(), name); ok && len(here) > 0 {
		return name + " belongs to the top of the file"
	}
	return ""
}

func (in *inspector) value(path string, k key, node *yaml.Node) {
	null := node.Kind == yaml.ScalarNode && node.Tag == "!!null"
	switch {
	case null:
		// A key without value is as good as left out.
	case k.shape == scalar || k.shape == list && node.Kind == yaml.ScalarNode:
		in.scalar(k, node)
	case k.shape == reload || k.shape == push:
		in.short(path, k.shape.inner(), node)
	case k.shape.isMapping():
		in.mapping(path+".", node, k.shape.inner())
	case node.Kind != yaml.SequenceNode:
		in.add(diag.CodeConfigValue, in.span(node), fmt.Sprintf("%s takes a list, not %s", k.name, kindWord(node)), "")
	case k.shape == list:
		for _, item := range node.Content {
			in.scalar(k, target(item))
		}
	case k.shape == lists:
		for _, item := range node.Content {
			in.arguments(k, target(item))
		}
	default:
		for i, item := range node.Content {
			prefix := fmt.Sprintf("%s[%d].", path, i)
			in.places[strings.TrimSuffix(prefix, ".")] = in.span(item)
			in.mapping(prefix, item, k.shape.inner())
		}
	}
}

// short takes a value alone for a mapping of the first key, as a driver or a server.
func (in *inspector) short(path string, keys []key, node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: keys[0].name, Line: node.Line, Column: node.Column}
		value := *node
		*node = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: node.Line, Column: node.Column, Content: []*yaml.Node{name, &value}}
	}
	in.mapping(path+".", node, keys)
}

func (in *inspector) arguments(k key, node *yaml.Node) {
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		example := `write [["program", "argument"]]`
		if k.name == "verify-with" {
			example = `write [["named-checkzone", "{zone}", "{file}"]]`
		}
		in.add(diag.CodeConfigValue, in.span(node), fmt.Sprintf("%s takes lists of arguments, not %s", k.name, kindWord(node)), example)
		return
	}
	for _, item := range node.Content {
		in.scalar(k, target(item))
	}
}

func (in *inspector) scalar(k key, node *yaml.Node) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		in.add(diag.CodeConfigValue, in.span(node), fmt.Sprintf("%s takes one value, not %s", k.name, kindWord(node)), "")
		return
	}
	if err := k.check(node.Value); err != nil {
		in.wrong(in.span(node), k.name, err)
	}
}

func (in *inspector) wrong(span diag.Span, name string, err error) {
	var value valueError
	errors.As(err, &value)
	in.add(diag.CodeConfigValue, span, name+": "+err.Error(), value.hint)
}

func (in *inspector) add(code diag.Code, span diag.Span, message, hint string) {
	in.report(&diag.Diagnostic{Severity: diag.Error, Code: code, Span: span, Message: message, Hint: hint})
}

// report takes a diagnostic with the line of the file that it is about.
func (in *inspector) report(d *diag.Diagnostic) {
	span := d.Span
	if 0 < span.Line && span.Line <= len(in.lines) {
		d.Source = in.lines[span.Line-1]
	}
	in.found = append(in.found, d)
}

// span is the place of a node. YAML counts columns in characters, we in bytes.
func (in *inspector) span(node *yaml.Node) diag.Span {
	span := diag.Span{Pos: diag.Pos{File: in.file, Line: node.Line}}
	if node.Line < 1 || node.Line > len(in.lines) {
		span.Line = 0
		return span
	}
	line := in.lines[node.Line-1]
	before, characters := len(line), 0
	for i := range line {
		if characters == node.Column-1 {
			before = i
			break
		}
		characters++
	}
	span.Column = before + 1
	span.Offset = in.starts[node.Line-1] + before
	if node.Kind == yaml.ScalarNode && strings.HasPrefix(line[before:], node.Value) {
		span.Len = len(node.Value)
	}
	return span
}

// target follows a YAML alias (*name) to what it stands for.
func target(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func kindWord(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Kind == yaml.MappingNode:
		return "keys with values"
	case node.Tag == "!!null":
		return "nothing"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}
