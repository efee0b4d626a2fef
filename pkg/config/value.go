package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The words that a key takes.
var (
	typeWords       = []string{"A", "AAAA"}
	siblingsWords   = []string{"error", "fallback", "override", "merge"}
	onEmptyWords    = []string{"hold", "keep", "drop"}
	onStaleWords    = []string{"hold", "fail", "drop"}
	serialWords     = []string{"auto", "increment", "date", "unixtime", "keep"}
	styleWords      = []string{"source", "canonical"}
	forWords        = []string{"bind", "nsd", "knot", "any"}
	checkNamesWords = []string{string(CheckNamesFail), string(CheckNamesWarn)}
)

const maxTTL = 1<<31 - 1 // RFC 2181 §8

// valueError is what is wrong with one value.
type valueError struct {
	message string
	hint    string // may be empty
}

func (e valueError) Error() string { return e.message }

// oneOf makes the check of a key that takes one of some words.
func oneOf(words []string) func(string) error {
	return func(text string) error { return checkWord(text, words) }
}

func checkWord(text string, words []string) error {
	if slices.Contains(words, text) {
		return nil
	}
	err := valueError{message: fmt.Sprintf("%q is none of %s", text, strings.Join(words, ", "))}
	if near := diag.Near(text, words); near != "" {
		err.hint = fmt.Sprintf("did you mean %s?", near)
	}
	return err
}

func checkSerial(text string) error {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil && n > 0 {
		return nil
	}
	if text != "" && '0' <= text[0] && text[0] <= '9' {
		return valueError{message: fmt.Sprintf("%q is no serial from 1 to 4294967295", text)}
	}
	return checkWord(text, serialWords)
}

func checkType(text string) error { return checkWord(strings.ToUpper(text), typeWords) }

func checkAny(string) error { return nil }

func checkFilled(text string) error {
	if text == "" {
		return valueError{message: "the value is empty"}
	}
	return nil
}

func checkSource(text string) error {
	switch {
	case text == "":
		return valueError{message: "the value is empty"}
	case text == "-":
		return valueError{message: "a configured source is a file, not standard input"}
	case strings.Contains(text, "://"):
		return valueError{message: fmt.Sprintf("%q is no file", text), hint: "a source is a zone file, or a pattern such as zones/*.zone"}
	default:
		return nil
	}
}

func checkName(text string) error {
	_, err := parseName(text)
	return err
}

func checkTTL(text string) error {
	_, err := parseTTL(text)
	return err
}

func checkDuration(text string) error {
	_, err := parseDuration(text)
	return err
}

func checkNet(text string) error {
	_, err := parseNet(text)
	return err
}

// count makes the check of a whole number within bounds.
func count(low, high int) func(string) error {
	return func(text string) error {
		if n, err := strconv.Atoi(text); err == nil && low <= n && n <= high {
			return nil
		}
		return valueError{message: fmt.Sprintf("%q is no number from %d to %d", text, low, high)}
	}
}

func parseName(text string) (zone.Name, error) {
	name, err := zone.ParseName(text, zone.Root)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner
		}
		return zone.Name{}, valueError{message: fmt.Sprintf("%q is no zone name: %v", text, err)}
	}
	return name, nil
}

// parseDuration reads a duration as Go writes it (1h30m, 1.5s), with the units
// of TTLs (3d, 1w2d), or as plain seconds.
func parseDuration(text string) (time.Duration, error) {
	wrong := valueError{
		message: fmt.Sprintf("%q is no duration", text),
		hint:    "write seconds, or numbers with units as in 30s, 1h30m or 3d",
	}
	if seconds, ok := ttlSeconds(text); ok {
		if seconds > uint64(1<<62/time.Second) {
			return 0, wrong
		}
		return time.Duration(seconds) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, wrong
	}
	return d, nil
}

// parseTTL is parseDuration for what ends up in a record: whole seconds that
// fit into 31 bits.
func parseTTL(text string) (uint32, error) {
	d, err := parseDuration(text)
	switch {
	case err != nil:
		return 0, err
	case d%time.Second != 0:
		return 0, valueError{message: fmt.Sprintf("%q is no whole number of seconds", text)}
	case d/time.Second > maxTTL:
		return 0, valueError{message: fmt.Sprintf("%q is more than %d seconds", text, maxTTL)}
	default:
		return uint32(d / time.Second), nil
	}
}

// ttlSeconds reads digits, or groups of digits each with one of the units
// w, d, h, m and s.
func ttlSeconds(text string) (seconds uint64, ok bool) {
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return n, true
	}
	units := map[byte]uint64{'w': 7 * 86400, 'd': 86400, 'h': 3600, 'm': 60, 's': 1}
	for text != "" {
		digits := 0
		for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
			digits++
		}
		n, err := strconv.ParseUint(text[:digits], 10, 32)
		if err != nil || digits == len(text) {
			return 0, false
		}
		unit := units[text[digits]|0x20]
		if unit == 0 || digits+1 < len(text) && (text[digits+1] < '0' || text[digits+1] > '9') {
			return 0, false // "ms" is one unit of Go's, not two of ours
		}
		seconds += n * unit
		ok = true
		text = text[digits+1:]
	}
	return seconds, ok
}

func parseNet(text string) (resolve.NetRule, error) {
	rule, err := resolve.ParseNetRule(text)
	if wrong, ok := errors.AsType[*resolve.NetRuleError](err); ok {
		return rule, valueError{message: wrong.Message, hint: wrong.Hint}
	}
	return rule, err
}
