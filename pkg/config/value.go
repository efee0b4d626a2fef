package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
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
	agreeWords      = []string{"equal", "overlap"}
	freshWords      = []string{"cached", "authoritative"}
	boolWords       = []string{"true", "false"}
	driverWords     = []string{"bind", "nsd", "knot", "exec", "none"}
	checkNamesWords = []string{string(CheckNamesFail), string(CheckNamesWarn)}
)

// noSubnet is the word that takes a client subnet back for one zone.
const noSubnet = "none"

const (
	maxAgree = 16  // nobody has more resolvers that are worth it
	maxRate  = 1e6 // queries a second, which no resolver takes
	maxKeep  = 1000
)

const maxTTL = 1<<31 - 1 // RFC 2181 §8

// valueError is what is wrong with one value.
type valueError struct {
	message string
	hint    string // may be empty
}

func (e valueError) Error() string { return e.message }

// Hint is what to do about an error of a value; it may be empty.
func Hint(err error) string {
	var value valueError
	errors.As(err, &value)
	return value.hint
}

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

// checkSerialFrom takes a server, or nothing for none.
func checkSerialFrom(text string) error {
	if text == "" {
		return nil
	}
	if _, err := publish.ParseServer(text, publish.SchemeDNS); err != nil {
		return valueError{message: err.Error(), hint: "as in dns://192.0.2.1"}
	}
	return nil
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
	case IsPull(text):
		_, err := ParsePull(text)
		return err
	case strings.Contains(text, "://"):
		return valueError{message: fmt.Sprintf("%q is no file", text), hint: "a source is a zone file, a pattern such as zones/*.zone, or a zone of another primary as in " + pullForm}
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
	_, err := ParseDuration(text)
	return err
}

func checkSubnet(text string) error {
	_, err := ParseSubnet(text)
	return err
}

func checkRate(text string) error {
	_, err := ParseRate(text)
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

// ParseDuration reads a duration as Go writes it (1h30m, 1.5s), with the units
// of TTLs (3d, 1w2d), or as plain seconds.
func ParseDuration(text string) (time.Duration, error) {
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

// parseTTL is ParseDuration for what ends up in a record: whole seconds that
// fit into 31 bits.
func parseTTL(text string) (uint32, error) {
	d, err := ParseDuration(text)
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

// ParseSubnet reads a client subnet: a network, or none or nothing for the zero
// Prefix.
func ParseSubnet(text string) (netip.Prefix, error) {
	if text == "" || text == noSubnet {
		return netip.Prefix{}, nil
	}
	prefix, err := parsePrefix(text)
	if err == nil && prefix.Addr().Is4In6() {
		err = valueError{message: fmt.Sprintf("%q is an IPv4 network in an IPv6 one", text), hint: "write it as one of IPv4"}
	}
	return prefix, err
}

// JudgeSubnet gives a warning if a client subnet tells more about a network than
// servers need to know (RFC 7871 section 11.1), or nil.
func JudgeSubnet(prefix netip.Prefix) *diag.Diagnostic {
	most := resolve.MaxSubnet4
	if prefix.Addr().Is6() {
		most = resolve.MaxSubnet6
	}
	if prefix.Bits() <= most {
		return nil
	}
	return &diag.Diagnostic{
		Severity: diag.Warning, Code: diag.CodeConfigPrivacy,
		Message: fmt.Sprintf("ecs: the servers of every target are told the network %s", prefix),
		Hint:    fmt.Sprintf("a prefix of %d bits is enough for them: %s", most, netip.PrefixFrom(prefix.Addr(), most).Masked()),
	}
}

// ParseRate reads queries a second; 0 stands for auto, and for nothing.
func ParseRate(text string) (float64, error) {
	if text == "" || text == "auto" {
		return 0, nil
	}
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || !(rate > 0 && rate <= maxRate) {
		return 0, valueError{
			message: fmt.Sprintf("%q is neither auto nor a number of queries a second", text),
			hint:    "auto adapts to resolvers in this network, and asks others 500 times a second at most",
		}
	}
	return rate, nil
}

// parsePrefix reads a network; an address stands for itself.
func parsePrefix(text string) (netip.Prefix, error) {
	rule, err := parseNet(text)
	if err == nil && !rule.Suffix.IsZero() {
		err = valueError{message: fmt.Sprintf("%q is no network", text), hint: "write an address and the length of its prefix, as in 198.51.100.0/24"}
	}
	return rule.Prefix, err
}

func checkPrefix(text string) error {
	_, err := parsePrefix(text)
	return err
}

func parseNet(text string) (resolve.NetRule, error) {
	rule, err := resolve.ParseNetRule(text)
	if wrong, ok := errors.AsType[*resolve.NetRuleError](err); ok {
		return rule, valueError{message: wrong.Message, hint: wrong.Hint}
	}
	return rule, err
}
