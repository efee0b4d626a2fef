// Package zone holds DNS data that never changes once built: names, serials,
// records and the difference between two sets of them.
//
// It knows nothing of files, of ALIAS, or of the network.
package zone

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a domain name in wire form (RFC 1035 §2.3.4).
const (
	MaxNameLen  = 255 // octets, the root label included
	MaxLabelLen = 63  // octets
)

// What is wrong with the text of a name.
var (
	ErrEmptyName    = errors.New("empty name")
	ErrEmptyLabel   = errors.New("empty label")
	ErrLabelTooLong = errors.New("label longer than 63 octets")
	ErrNameTooLong  = errors.New("name longer than 255 octets")
	ErrBadEscape    = errors.New("bad escape")
	ErrRelativeName = errors.New("relative name without an origin")
)

// Name is an absolute domain name in canonical form (RFC 4034 §6.2): letters
// lower case, one spelling for each octet. Two names are the same name exactly
// when == says so. The zero Name is no name; it is not the root.
type Name struct {
	wire string
}

// Root is the name of the root zone.
var Root = Name{wire: "\x00"}

// ParseName reads a name in presentation format (RFC 1035 §5.1). A relative
// name is completed with origin; "@" is origin itself. With the zero origin a
// relative name is ErrRelativeName.
func ParseName(text string, origin Name) (Name, error) {
	var buf [MaxNameLen]byte
	wire, err := AppendName(buf[:0], []byte(text), []byte(origin.wire))
	if err != nil {
		return Name{}, fmt.Errorf("name %q: %w", text, err)
	}
	FoldCase(wire)
	return Name{wire: string(wire)}, nil
}

// MustParseName is ParseName for absolute names that are known to be right.
func MustParseName(text string) Name {
	n, err := ParseName(text, Root)
	if err != nil {
		panic("aliasflat: internal error: " + err.Error())
	}
	return n
}

// NameFromWire takes a name in uncompressed wire form; what follows the root
// label is left alone.
func NameFromWire(wire []byte) (Name, error) {
	n := WireNameLen(wire)
	if n == 0 {
		return Name{}, errors.New("name in wire form is cut short")
	}
	b := []byte(string(wire[:n]))
	FoldCase(b)
	return Name{wire: string(b)}, nil
}

// IsZero tells whether n is no name at all.
func (n Name) IsZero() bool { return n.wire == "" }

// IsRoot tells whether n is the root.
func (n Name) IsRoot() bool { return n.wire == "\x00" }

// Wire is the uncompressed wire form, lower case.
func (n Name) Wire() string { return n.wire }

// String is the name in presentation format, absolute, with canonical escapes.
func (n Name) String() string {
	if n.wire == "" {
		return ""
	}
	return string(AppendNameText(nil, []byte(n.wire)))
}

// Labels is the number of labels, the root not counted.
func (n Name) Labels() int {
	count := 0
	for i := 0; i < len(n.wire) && n.wire[i] != 0; i += int(n.wire[i]) + 1 {
		count++
	}
	return count
}

// Parent is n without its first label. The root's parent is the zero Name.
func (n Name) Parent() Name {
	if n.wire == "" || n.wire[0] == 0 {
		return Name{}
	}
	return Name{wire: n.wire[int(n.wire[0])+1:]}
}

// IsIn tells whether n is at or below zone (in-domain, RFC 9499).
func (n Name) IsIn(zone Name) bool {
	if n.wire == "" || zone.wire == "" || !strings.HasSuffix(n.wire, zone.wire) {
		return false
	}
	cut := len(n.wire) - len(zone.wire)
	for i := 0; i <= cut; i += int(n.wire[i]) + 1 {
		if i == cut {
			return true
		}
	}
	return false
}

// IsBelow tells whether n is strictly below other.
func (n Name) IsBelow(other Name) bool { return n != other && n.IsIn(other) }

// IsWildcard tells whether the first label of n is an asterisk (RFC 4592 §2.1.1).
func (n Name) IsWildcard() bool { return strings.HasPrefix(n.wire, "\x01*") }

// Wildcard is the name *.n, or the zero Name where that would be too long.
func (n Name) Wildcard() Name {
	if n.wire == "" || len(n.wire)+2 > MaxNameLen {
		return Name{}
	}
	return Name{wire: "\x01*" + n.wire}
}

// Replace gives n with its suffix from moved under to, as a DNAME at from does
// (RFC 6672 §2.2), or false where the result is too long. n must be below from.
func (n Name) Replace(from, to Name) (Name, bool) {
	head := n.wire[:len(n.wire)-len(from.wire)]
	if len(head)+len(to.wire) > MaxNameLen {
		return Name{}, false
	}
	return Name{wire: head + to.wire}, true
}

// Compare orders names canonically (RFC 4034 §6.1).
func (n Name) Compare(other Name) int {
	var a, b [MaxNameLen / 2]int
	la, lb := labelOffsets(n.wire, &a), labelOffsets(other.wire, &b)
	for la > 0 && lb > 0 {
		la--
		lb--
		if c := strings.Compare(label(n.wire, a[la]), label(other.wire, b[lb])); c != 0 {
			return c
		}
	}
	return la - lb
}

func labelOffsets(wire string, offsets *[MaxNameLen / 2]int) int {
	count := 0
	for i := 0; i < len(wire) && wire[i] != 0; i += int(wire[i]) + 1 {
		offsets[count] = i
		count++
	}
	return count
}

func label(wire string, i int) string { return wire[i+1 : i+1+int(wire[i])] }

// WireNameLen is the length of the uncompressed wire name that b starts with,
// the root label included, or 0 if b does not start with one.
func WireNameLen(b []byte) int {
	for i := 0; i < len(b) && i < MaxNameLen; i += int(b[i]) + 1 {
		if b[i] == 0 {
			return i + 1
		}
		if b[i] > MaxLabelLen {
			return 0
		}
	}
	return 0
}

// FoldCase makes the letters of a wire name, or of any octets, lower case in
// place. Length octets are below 64 and so are never letters.
func FoldCase(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// AppendName appends the wire form of the name that text spells, letter case
// as written. A relative name is completed with origin, a wire name; with an
// empty origin it is ErrRelativeName. The errors are the plain values above.
func AppendName(dst, text, origin []byte) ([]byte, error) {
	switch {
	case len(text) == 0:
		return dst, ErrEmptyName
	case len(text) == 1 && text[0] == '@':
		if len(origin) == 0 {
			return dst, ErrRelativeName
		}
		return append(dst, origin...), nil
	case len(text) == 1 && text[0] == '.':
		return append(dst, 0), nil
	}
	start, lengthAt := len(dst), len(dst)
	dst = append(dst, 0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '.':
			if err := closeLabel(dst[lengthAt:]); err != nil {
				return dst[:start], err
			}
			lengthAt = len(dst)
			dst = append(dst, 0)
			continue
		case '\\':
			octet, used := unescape(text[i:])
			if used == 0 || used == 2 && octet == '[' && len(dst) == lengthAt+1 {
				return dst[:start], ErrBadEscape // \[ opens a bit-string label, obsoleted by RFC 6891
			}
			i += used - 1
			c = octet
		}
		dst = append(dst, c)
		if len(dst)-start > MaxNameLen+1 {
			return dst[:start], nameLengthError(text)
		}
	}
	if len(dst) > lengthAt+1 {
		if err := closeLabel(dst[lengthAt:]); err != nil {
			return dst[:start], err
		}
		if len(origin) == 0 {
			return dst[:start], ErrRelativeName
		}
		dst = append(dst, origin...)
	}
	if len(dst)-start > MaxNameLen {
		return dst[:start], ErrNameTooLong
	}
	return dst, nil
}

// closeLabel writes the length octet in front of a label that is complete.
func closeLabel(label []byte) error {
	n := len(label) - 1
	if n == 0 {
		return ErrEmptyLabel
	}
	if n > MaxLabelLen {
		return ErrLabelTooLong
	}
	label[0] = byte(n)
	return nil
}

// nameLengthError says which of the two limits a text broke that is too long
// in any case.
func nameLengthError(text []byte) error {
	run := 0
	for _, c := range text {
		if c == '.' {
			run = 0
			continue
		}
		if run++; run > 4*MaxLabelLen {
			return ErrLabelTooLong
		}
	}
	return ErrNameTooLong
}

// unescape reads one \X or \DDD at the start of b and tells how many bytes it
// took: 0 for a bad escape (RFC 1035 §5.1).
func unescape(b []byte) (octet byte, used int) {
	if len(b) < 2 {
		return 0, 0
	}
	if b[1] < '0' || b[1] > '9' {
		return b[1], 2
	}
	if len(b) < 4 {
		return 0, 0
	}
	v := 0
	for _, d := range b[1:4] {
		if d < '0' || d > '9' {
			return 0, 0
		}
		v = v*10 + int(d-'0')
	}
	if v > 255 {
		return 0, 0
	}
	return byte(v), 4
}

// AppendNameText appends a wire name in presentation format, absolute, letter
// case as it stands. Octets that would end a token or start a comment, a
// control entry or an escape are escaped, so that every server reads the
// same name back.
func AppendNameText(dst, wire []byte) []byte {
	if len(wire) == 0 {
		return dst
	}
	if wire[0] == 0 {
		return append(dst, '.')
	}
	for i := 0; i < len(wire) && wire[i] != 0; {
		n := int(wire[i])
		for _, c := range wire[i+1 : i+1+n] {
			dst = appendEscaped(dst, c)
		}
		dst = append(dst, '.')
		i += n + 1
	}
	return dst
}

func appendEscaped(dst []byte, c byte) []byte {
	switch {
	case c == '.' || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' || c == '$':
		return append(dst, '\\', c)
	case c <= ' ' || c >= 0x7f:
		return append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
	default:
		return append(dst, c)
	}
}
