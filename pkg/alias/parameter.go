package alias

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// parameterKeys are the keys that may follow a target.
var parameterKeys = []string{"types", "siblings", "ttl-min", "ttl-max", "max-stale", "on-empty", "on-stale"}

// parameters reads what follows the target, in the presentation of SvcParams
// (RFC 9460 §2.1).
func (c *checker) parameters(r *Rule, fields []zonefile.Field) bool {
	seen := map[string]bool{}
	bounds := r.Entry.Place // the parameter that sets the second bound of the TTL
	for i := 0; i < len(fields); i++ {
		f := fields[i]
		key, value, found := strings.Cut(f.Text, "=")
		if f.Quoted || !found {
			c.report(f.Place, problemExtra(f.Text))
			return false
		}
		if value == "" && i+1 < len(fields) && fields[i+1].Glued && fields[i+1].Quoted {
			i++
			value = fields[i].Text
		}
		key = strings.ToLower(key)
		if !slices.Contains(parameterKeys, key) {
			c.report(f.Place, problemUnknownParameter(key))
			return false
		}
		if seen[key] {
			c.report(f.Place, problemParameterTwice(key))
			return false
		}
		seen[key] = true
		if key == "ttl-min" || key == "ttl-max" {
			bounds = f.Place
		}
		if err := r.Set(key, value); err != nil {
			c.report(f.Place, problemParameter(key, err))
			return false
		}
	}
	if r.TTLMax != 0 && r.TTLMin > r.TTLMax {
		c.report(bounds, problemTTLBounds(r.TTLMin, r.TTLMax))
		return false
	}
	return true
}

// Set gives one parameter its value. The keys and values are those of the
// language and of the configuration.
func (s *Settings) Set(key, value string) error {
	switch key {
	case "types":
		return s.setTypes(value)
	case "siblings":
		return choose(key, value, &s.Siblings, "error", "fallback", "override", "merge")
	case "on-empty":
		return choose(key, value, &s.OnEmpty, "hold", "keep", "drop")
	case "on-stale":
		return choose(key, value, &s.OnStale, "hold", "fail", "drop")
	case "ttl-min":
		return setTTL(key, value, &s.TTLMin)
	case "ttl-max":
		return setTTL(key, value, &s.TTLMax)
	case "max-stale":
		return setTTL(key, value, &s.MaxStale)
	}
	return fmt.Errorf("key %q is unknown", key)
}

func (s *Settings) setTypes(value string) error {
	a, aaaa := false, false
	for t := range strings.SplitSeq(value, ",") {
		switch strings.ToUpper(strings.TrimSpace(t)) {
		case "A":
			a = true
		case "AAAA":
			aaaa = true
		default:
			return fmt.Errorf("types is %q, not A, AAAA or A,AAAA", value)
		}
	}
	s.OnlyA, s.OnlyAAAA = !aaaa, !a
	return nil
}

func setTTL(key, value string, to *uint32) error {
	ttl, err := zonefile.ParseTTL(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	*to = ttl
	return nil
}

// choose sets an enumeration to the index of value among words.
func choose[T ~uint8](key, value string, to *T, words ...string) error {
	i := slices.Index(words, strings.ToLower(value))
	if i < 0 {
		hint := ""
		if near := diag.Near(value, words); near != "" {
			hint = "; did you mean " + near + "?"
		}
		return fmt.Errorf("%s is %q, not one of %s%s", key, value, strings.Join(words, ", "), hint)
	}
	*to = T(i)
	return nil
}

// genericName reads \# length hex... as one name in wire form. The fields are
// those behind \#.
func genericName(fields []zonefile.Field) (zone.Name, error) {
	if len(fields) < 2 {
		return zone.Name{}, errors.New("generic RDATA has no length or no data")
	}
	length, err := strconv.ParseUint(fields[0].Text, 10, 16)
	if err != nil {
		return zone.Name{}, fmt.Errorf("length %q is no number of octets", fields[0].Text)
	}
	var digits strings.Builder
	for _, f := range fields[1:] {
		digits.WriteString(f.Text)
	}
	wire, err := hex.DecodeString(digits.String())
	if err != nil {
		return zone.Name{}, fmt.Errorf("data %q is not pairs of hexadecimal digits", digits.String())
	}
	if len(wire) != int(length) {
		return zone.Name{}, fmt.Errorf("length is %d, the data has %d octets", length, len(wire))
	}
	if n := zone.WireNameLen(wire); n == 0 || n != len(wire) {
		return zone.Name{}, errors.New("data is not exactly one domain name")
	}
	return zone.NameFromWire(wire)
}
