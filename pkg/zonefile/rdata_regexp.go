package zonefile

import "bytes"

// regexp reads the substitution of a NAPTR (RFC 3402 §3.2): empty, or a
// delimiter, an extended regular expression, the delimiter, what to put in its
// place, the delimiter, and perhaps flags.
func (r *rdataReader) regexp() *Fault {
	at, first := len(r.dst), r.next
	if fault := r.charString(); fault != nil {
		return fault
	}
	if !isSubstitution(r.dst[at+1:]) {
		r.next = first + 1
		return r.badField(fieldRegexp, r.tokens[first].raw(r.text))
	}
	return nil
}

func isSubstitution(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	delimiter := b[0]
	if delimiter <= '9' && delimiter >= '0' || delimiter == '\\' || delimiter == 'i' || bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	part, groups := 0, 0
	parts := [3][]byte{}
	start := 1
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == delimiter:
			if part == 2 {
				return false
			}
			parts[part] = b[start:i]
			part, start = part+1, i+1
		case part == 2:
			if b[i] != 'i' {
				return false
			}
		case b[i] == '\\':
			if i++; i == len(b) {
				return false
			}
			if part == 1 {
				if b[i] == '0' {
					return false
				}
				if b[i] >= '1' && b[i] <= '9' {
					groups = max(groups, int(b[i]-'0'))
				}
			}
		}
	}
	if part != 2 {
		return false
	}
	has, ok := regexpGroups(parts[0])
	return ok && groups <= has
}

// regexpGroups counts the groups of a POSIX extended regular expression, or
// says that it is none. It is as forgiving as BIND's check: a closing
// parenthesis without its opening one passes, repeating a repetition does not.
func regexpGroups(re []byte) (groups int, ok bool) {
	open, atom, repeated, emptyOK := 0, false, false, false
	for i := 0; i < len(re); {
		n := 1
		switch c := re[i]; c {
		case '\\':
			if i+1 == len(re) || re[i+1] >= '1' && re[i+1] <= '9' && int(re[i+1]-'0') > groups {
				return 0, false
			}
			n, atom, repeated = 2, true, false
		case '[':
			if n = bracketLen(re[i:]); n == 0 {
				return 0, false
			}
			atom, repeated = true, false
		case '(':
			open++
			groups++
			atom, repeated, emptyOK = false, false, true
		case ')':
			if open > 0 && !atom && !emptyOK {
				return 0, false
			}
			open = max(open-1, 0)
			atom, repeated = true, false
		case '|':
			if !atom {
				return 0, false
			}
			atom, repeated, emptyOK = false, false, false
		case '^', '$':
			atom, repeated = true, true
		case '+', '*', '?':
			if !atom || repeated {
				return 0, false
			}
			repeated = true
		case '{':
			if i+1 == len(re) || re[i+1] < '0' || re[i+1] > '9' {
				atom, repeated = true, false
				break
			}
			if n = boundLen(re[i:]); n == 0 || !atom || repeated {
				return 0, false
			}
			repeated = true
		default:
			atom, repeated = true, false
		}
		i += n
	}
	return groups, open == 0 && atom
}

// boundLen is the length of a bound such as {2,5}, or 0 if it is none.
func boundLen(re []byte) int {
	end := bytes.IndexByte(re, '}')
	if end < 0 {
		return 0
	}
	low, high, comma := bytes.Cut(re[1:end], []byte{','})
	from, ok := decimal(low, 255)
	if !ok {
		return 0
	}
	if comma && len(high) > 0 {
		if to, ok := decimal(high, 255); !ok || to < from {
			return 0
		}
	}
	return end + 1
}

// bracketLen is the length of a bracket expression, or 0 if it is none.
func bracketLen(re []byte) int {
	i := 1
	if i < len(re) && re[i] == '^' {
		i++
	}
	low, inRange := -1, false // low is the element that a range can start from
	for first := true; i < len(re); first = false {
		c := re[i]
		if c == ']' && !first {
			return i + 1
		}
		if c == '-' && !first && !inRange && i+1 < len(re) && re[i+1] != ']' {
			if low < 0 {
				return 0
			}
			inRange = true
			i++
			continue
		}
		value, n := int(c), 1
		if c == '[' && i+1 < len(re) && bytes.IndexByte([]byte(".=:"), re[i+1]) >= 0 {
			size := bytes.Index(re[i+2:], []byte{re[i+1], ']'})
			if size < 1 || re[i+1] != '.' && inRange || re[i+1] == ':' && !isCharacterClass(re[i+2:i+2+size]) {
				return 0
			}
			if value = int(re[i+2]); size > 1 {
				value = 256
			}
			n = size + 4
		}
		if inRange && value < low {
			return 0
		}
		if low = value; inRange {
			low = -1
		}
		inRange = false
		i += n
	}
	return 0
}

func isCharacterClass(name []byte) bool {
	switch string(name) {
	case "alnum", "digit", "punct", "alpha", "graph", "space", "blank", "lower", "upper", "cntrl", "print", "xdigit":
		return true
	default:
		return false
	}
}
