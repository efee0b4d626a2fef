package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// maxNote is how long the note of a token may be, in bytes.
const maxNote = 200

// scopeWords are the scopes in a sentence.
func scopeWords() string {
	var words []string
	for _, s := range api.Scopes {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

// granted checks what a token is to allow, and gives it in the form in which it is kept.
func (c *tokenCommand) granted() (api.Grant, error) {
	var g api.Grant
	if len(c.scopes) == 0 {
		return g, usageError{message: "nothing says what the token allows", hint: "--scope takes " + scopeWords() + ", or several of them"}
	}
	for _, word := range values(c.scopes) {
		scope := api.Scope(word)
		if !slices.Contains(api.Scopes, scope) {
			return g, wordError("--scope", word, strings.Split(scopeWords(), ", "))
		}
		if !slices.Contains(g.Scopes, scope) {
			g.Scopes = append(g.Scopes, scope)
		}
	}
	if !slices.Contains(g.Scopes, api.ScopeRecords) {
		for _, f := range []struct {
			flag string
			list []string
		}{{"--name", c.grant.Names}, {"--type", c.grant.Types}, {"--target", c.grant.Targets}} {
			if len(f.list) > 0 {
				return g, usageError{message: f.flag + " limits edits, which the token does not allow", hint: "--scope records lets edit; --zone limits every scope"}
			}
		}
	}
	for _, f := range []struct {
		flag string
		list []string
		to   *[]string
		read func(text string) (string, error)
	}{
		{"--zone", c.grant.Zones, &g.Zones, zonePattern},
		{"--name", c.grant.Names, &g.Names, namePattern},
		{"--type", c.grant.Types, &g.Types, typeName},
		{"--target", c.grant.Targets, &g.Targets, targetSuffix},
	} {
		for _, text := range values(f.list) {
			value, err := f.read(text)
			if err != nil {
				return g, flagMistake(f.flag, err)
			}
			if !slices.Contains(*f.to, value) {
				*f.to = append(*f.to, value)
			}
		}
	}
	return g, nil
}

// values are those of a flag that may be given several times, each time with several values. An
// empty one stays one: of a variable of a shell that is not set it must not make no limit at all.
func values(given []string) []string {
	var list []string
	for _, text := range given {
		for value := range strings.SplitSeq(text, ",") {
			list = append(list, strings.TrimSpace(value))
		}
	}
	return list
}

// flagMistake says which flag a mistake is in.
func flagMistake(flag string, err error) error {
	if usage, ok := errors.AsType[usageError](err); ok {
		return usageError{message: flag + ": " + usage.message, hint: usage.hint}
	}
	return usageError{message: flag + ": " + err.Error(), hint: "write an absolute name, as example.com"}
}

// zonePattern reads a pattern of names, in which * may stand in labels.
func zonePattern(text string) (string, error) {
	if text == "@" {
		return "", usageError{message: "@ is no absolute name", hint: "write the whole name, as example.com"}
	}
	name, err := zone.ParseName(text, zone.Root)
	if err != nil {
		return "", err
	}
	return displayName(name), nil
}

// namePattern reads a pattern of owner names. A single label is meant as a relative name, which
// would fit nothing.
func namePattern(text string) (string, error) {
	if !strings.ContainsAny(text, ".*") && text != "" {
		return "", usageError{message: fmt.Sprintf("%q is no absolute name", text), hint: "write the whole name, as www.example.com, or www.* for every zone"}
	}
	return zonePattern(text)
}

// targetSuffix reads a name at or below which targets are allowed.
func targetSuffix(text string) (string, error) {
	if strings.Contains(text, "*") || strings.HasPrefix(text, ".") && text != "." {
		return "", usageError{message: fmt.Sprintf("%q is no name", text), hint: "write a name without *, as provider.example: it and all names below it are allowed"}
	}
	return zonePattern(text)
}

// typeName reads a record type.
func typeName(text string) (string, error) {
	code, ok := zonefile.ParseType(text)
	if !ok {
		return "", usageError{message: fmt.Sprintf("%q is no record type", text), hint: "a type is a word such as ALIAS, A or MX, or TYPE and a number"}
	}
	return zonefile.TypeName(code), nil
}

// expiry reads when a token ends.
func expiry(text string, now time.Time) (time.Time, error) {
	wrong := usageError{
		message: fmt.Sprintf("--expires: %q is neither a duration nor a date", text),
		hint:    "write a duration as 90d or 12h, or a date as 2027-01-31 or 2027-01-31T12:00:00Z",
	}
	var end time.Time
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			end = t.UTC()
		}
	}
	if end.IsZero() {
		// Digits alone are seconds elsewhere, and here somebody means days.
		if _, err := strconv.ParseUint(text, 10, 64); err == nil {
			return time.Time{}, wrong
		}
		d, err := config.ParseDuration(text)
		if err != nil {
			return time.Time{}, wrong
		}
		end = now.Add(d).UTC().Truncate(time.Second)
	}
	if !end.After(now) {
		return time.Time{}, usageError{message: fmt.Sprintf("--expires: %s is over", text), hint: "name a time that is to come"}
	}
	return end, nil
}

// checkNote takes a note that is one short line.
func checkNote(text string) error {
	switch {
	case len(text) > maxNote:
		return usageError{message: fmt.Sprintf("--note has %d bytes, and may have %d", len(text), maxNote), hint: "say it in fewer words"}
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return usageError{message: "--note has characters that are no text", hint: "write one line of text"}
	}
	return nil
}

// scopesOf are the scopes of a grant in one word.
func scopesOf(g *api.Grant) string {
	var words []string
	for _, s := range g.Scopes {
		words = append(words, string(s))
	}
	return strings.Join(words, ",")
}

// limits are those of a grant; empty: there are none.
func limits(g *api.Grant) string {
	var parts []string
	for _, l := range []struct {
		word string
		list []string
	}{{"zone", g.Zones}, {"name", g.Names}, {"type", g.Types}, {"target", g.Targets}} {
		if len(l.list) > 0 {
			parts = append(parts, l.word+" "+strings.Join(l.list, ","))
		}
	}
	return strings.Join(parts, "; ")
}

// allowed tells what a grant allows.
func allowed(g *api.Grant) string {
	if text := limits(g); text != "" {
		return scopesOf(g) + ", " + text
	}
	return scopesOf(g) + " in every zone"
}

// expiryWords tell when a token ends.
func expiryWords(t *api.Token) string {
	if t.Expires.IsZero() {
		return "it never expires"
	}
	return "it expires on " + moment(t.Expires)
}
