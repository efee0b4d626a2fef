package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What encoding/json says of a value that does not fit names types of this program. A person
// has the names of the fields, and wants to know what belongs there.

// misfit is why a line could not be decoded into a form, which points to a struct.
func misfit(line []byte, form any, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field, value := fieldPath(wrong.Field), valueWord(wrong.Value)
		if field == "" {
			return fmt.Errorf("this is no object of JSON, but %s", value)
		}
		return fmt.Errorf("%s: %s is expected, not %s", field, expects(wrong.Type), value)
	}
	var fields map[string]json.RawMessage
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok || json.Unmarshal(line, &fields) != nil {
		if ok {
			return fmt.Errorf("this is no object of JSON: %w", syntax)
		}
		return fmt.Errorf("this is no object of JSON: %w", err)
	}
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		alone, _ := json.Marshal(map[string]json.RawMessage{name: fields[name]}) // it was decoded before
		if wrong := json.Unmarshal(alone, reflect.New(reflect.TypeOf(form).Elem()).Interface()); wrong != nil {
			return fmt.Errorf("%s: %s", name, textMisfit(wrong))
		}
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// fieldPath is the path to a field without the structs that only hold fields together.
func fieldPath(path string) string {
	parts := slices.DeleteFunc(strings.Split(path, "."), func(part string) bool {
		return part == "" || strings.HasSuffix(part, "JSON")
	})
	return strings.Join(parts, ".")
}

// expects is what a type of a form takes, in words.
func expects(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Time]():
		return timeWords
	case reflect.TypeFor[netip.Addr]():
		return addressWords
	case reflect.TypeFor[netip.Prefix]():
		return prefixWords
	}
	switch t.Kind() { //nolint:exhaustive // the forms have no others
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint32:
		return "a whole number from 0 to 4294967295"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

const (
	timeWords    = "a time as in 2026-03-01T12:00:00Z"
	addressWords = "an IP address"
	prefixWords  = "a network as in 198.51.100.0/24"
)

// valueWord is a value of JSON with its article. Of a number that does not fit its digits are
// known.
func valueWord(value string) string {
	switch {
	case value == "array":
		return "a list"
	case value == "object":
		return "an object"
	case value == "bool":
		return "true or false"
	case strings.HasPrefix(value, "number "):
		return strings.TrimPrefix(value, "number ")
	}
	return "a " + value
}

// textMisfit is why a value that reads its own text could not.
func textMisfit(err error) string {
	text := err.Error()
	_, quoted, _ := strings.Cut(text, "(")
	quoted, _, _ = strings.Cut(quoted, ")")
	at, isTime := errors.AsType[*time.ParseError](err)
	switch {
	case isTime:
		return timeWords + " is expected, not " + strconv.Quote(at.Value)
	case strings.HasPrefix(text, "Time."):
		return timeWords + " is expected"
	case strings.HasPrefix(text, "ParseAddr("):
		return addressWords + " is expected, not " + quoted
	case strings.HasPrefix(text, "netip.ParsePrefix("):
		return prefixWords + " is expected, not " + quoted
	}
	return text
}
