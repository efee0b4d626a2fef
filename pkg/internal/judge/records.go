package judge

import (
	"slices"
	"strings"
)

// Records brings what a tool prints into one form: sorted lines of owner, TTL,
// class, type and RDATA with single spaces between them, without comments.
// It understands what printers write (relative owners below $ORIGIN, blank
// owners, parentheses, quoted strings) and is no reader of zone files at large.
func Records(printed string) []string {
	var (
		lines  []string
		fields []string
		origin = "."
		owner  string
		depth  int
		blank  bool
	)
	for line := range strings.Lines(printed) {
		if depth == 0 {
			fields = fields[:0]
			blank = line[0] == ' ' || line[0] == '\t'
		}
		fields, depth = splitFields(fields, line, depth)
		if depth > 0 || len(fields) == 0 {
			continue
		}
		if !blank && fields[0] == "$ORIGIN" && len(fields) == 2 {
			origin = fields[1]
			continue
		}
		if blank {
			fields = slices.Insert(fields, 0, owner)
		}
		owner = absolute(fields[0], origin)
		fields[0] = owner
		lines = append(lines, strings.Join(fields, " "))
	}
	slices.Sort(lines)
	return lines
}

// absolute completes an owner name with the origin.
func absolute(name, origin string) string {
	switch {
	case name == "@":
		return origin
	case strings.HasSuffix(name, "."):
		return name
	case origin == ".":
		return name + "."
	}
	return name + "." + origin
}

// splitFields appends the fields of one printed line and tells how deep in
// parentheses the line ends. A quoted string stays in one field, quotes kept.
func splitFields(fields []string, line string, depth int) ([]string, int) {
	start := -1
	quoted := false
	end := func(i int) {
		if start >= 0 {
			fields = append(fields, line[start:i])
			start = -1
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			end(i)
			continue
		case ';':
			end(i)
			return fields, depth
		case '(':
			end(i)
			depth++
			continue
		case ')':
			end(i)
			depth--
			continue
		}
		if start < 0 {
			start = i
		}
		switch c {
		case '\\':
			i++
		case '"':
			quoted = true
		}
	}
	end(len(line))
	return fields, depth
}
