package publish

import (
	"errors"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// clause is a statement of named.conf: words, and what stands in braces behind
// them.
type clause struct {
	words []string // without quotes
	block []clause
}

var errNamedConf = errors.New("what named-checkconf prints is not understood")

// parseNamedConf reads what named-checkconf -p prints, which has no comments and
// no includes.
func parseNamedConf(text string) ([]clause, error) {
	const deepest = 32
	open := []*clause{{}} // the blocks that are open, outermost first
	var now clause
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			break
		}
		inner := open[len(open)-1]
		switch text[0] {
		case '{':
			if len(open) == deepest {
				return nil, errNamedConf
			}
			open, text = append(open, &clause{words: now.words}), text[1:]
			now = clause{}
		case '}':
			if len(open) == 1 {
				return nil, errNamedConf
			}
			now, open, text = *inner, open[:len(open)-1], text[1:]
		case ';':
			inner.block, text = append(inner.block, now), text[1:]
			now = clause{}
		default:
			word, rest, ok := namedWord(text)
			if !ok {
				return nil, errNamedConf
			}
			now.words, text = append(now.words, word), rest
		}
	}
	if len(open) != 1 || len(now.words) > 0 {
		return nil, errNamedConf // it was cut short
	}
	return open[0].block, nil
}

// namedWord takes the first word of a text.
func namedWord(text string) (word, rest string, ok bool) {
	if text[0] != '"' {
		end := strings.IndexAny(text, " \t\r\n{};\"")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}

// makesDifferences tells whether named compares a new file of a primary zone with
// the old one: the innermost ixfr-from-differences counts. It is not found where
// the configuration has no such zone, as those that rndc has added.
func makesDifferences(conf []clause, name zone.Name, view string) (on, found bool) {
	outer := false
	for _, c := range conf {
		if len(c.words) > 0 && c.words[0] == "options" {
			outer = differences(c.block, outer)
		}
	}
	for _, c := range conf {
		if len(c.words) < 2 || c.words[0] != "view" || view != "" && c.words[1] != view {
			continue
		}
		if z := findZone(c.block, name); z != nil {
			return differences(z.block, differences(c.block, outer)), true
		}
	}
	if z := findZone(conf, name); z != nil {
		return differences(z.block, outer), true
	}
	return false, false
}

func findZone(block []clause, name zone.Name) *clause {
	for i := range block {
		c := &block[i]
		if len(c.words) < 2 || c.words[0] != "zone" {
			continue
		}
		if n, err := zone.ParseName(c.words[1], zone.Root); err == nil && n == name {
			return c
		}
	}
	return nil
}

// differences is the value of ixfr-from-differences for primaries in a block,
// and that of the outer one where it has none.
func differences(block []clause, outer bool) bool {
	for _, c := range block {
		if len(c.words) != 2 || c.words[0] != "ixfr-from-differences" {
			continue
		}
		switch c.words[1] {
		case "yes", "true", "1", "primary", "master":
			outer = true
		default:
			outer = false
		}
	}
	return outer
}
