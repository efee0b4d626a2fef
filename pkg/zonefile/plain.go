package zonefile

import (
	"encoding/binary"
	"math/bits"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Most names and RDATA are written plainly. This file reads those, and those
// only: where anything is unusual or wrong it gives up, and the readers that
// know every form, and what to say about each mistake, begin anew.

// plainSlack is how many octets behind a name appendPlainName may overwrite.
const plainSlack = 8

// appendPlainName appends the wire form, lower case, of the name that stands
// at an offset of text and has no escapes. The origin is lower case. Capitals
// tells whether there were any. It goes eight bytes at a time.
func appendPlainName(dst, text []byte, start, end int, origin []byte) (out []byte, capitals, ok bool) {
	const each, high = 0x0101010101010101, 0x8080808080808080
	n, from := end-start, len(dst)
	if n == 1 && text[start] == '@' {
		return append(dst, origin...), false, true
	}
	size := from + 1 + n + len(origin)
	if n < 1 || n > zone.MaxNameLen-2 || end+plainSlack > len(text) || size+plainSlack > cap(dst) {
		return dst, false, false
	}
	wire := dst[from : size+plainSlack]
	label, upper := 0, uint64(0) // where the length of the current label stands
	for i := 0; i < n; i += 8 {
		w := binary.LittleEndian.Uint64(text[start+i:])
		if n-i < 8 {
			w &= 1<<(8*(n-i)) - 1
		}
		low := w &^ high
		up := ((low + (0x80-'A')*each) ^ (low + (0x7f-'Z')*each)) &^ w & high
		upper |= up
		binary.LittleEndian.PutUint64(wire[1+i:], w|up>>2)
		x := w ^ '.'*each
		for dots := ^(x&^high + ^uint64(high) | x) & high; dots != 0; dots &= dots - 1 {
			at := i + bits.TrailingZeros64(dots)>>3
			length := at - label
			if length < 1 || length > zone.MaxLabelLen {
				return dst, false, false
			}
			wire[label] = byte(length)
			label = at + 1
		}
	}
	length := n - label
	if length > zone.MaxLabelLen || length == 0 && n == 1 {
		return dst, false, false
	}
	wire[label] = byte(length)
	used := n + 1
	if length > 0 {
		used += copy(wire[used:], origin)
	}
	if used > zone.MaxNameLen || length > 0 && len(origin) == 0 {
		return dst, false, false
	}
	return dst[:from+used], upper != 0, true
}

// appendPlainRDATA appends the RDATA of the most frequent types, names in lower
// case. The tokens have no quotes and no escapes.
func appendPlainRDATA(dst []byte, typ uint16, text []byte, tokens []Token, origin []byte) ([]byte, bool) {
	numbers := 0
	switch typ {
	case dns.TypeA:
		if len(tokens) != 1 {
			return dst, false
		}
		return appendIPv4(dst, tokens[0].raw(text))
	case dns.TypeAAAA:
		if len(tokens) != 1 {
			return dst, false
		}
		return appendIPv6(dst, tokens[0].raw(text))
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR:
	case dns.TypeMX:
		numbers = 1
	case dns.TypeSRV:
		numbers = 3
	default:
		return dst, false
	}
	if len(tokens) != numbers+1 {
		return dst, false
	}
	for _, tok := range tokens[:numbers] {
		v, ok := decimal(tok.raw(text), 1<<16-1)
		if !ok {
			return dst, false
		}
		dst = append(dst, byte(v>>8), byte(v))
	}
	tok := tokens[numbers]
	dst, _, ok := appendPlainName(dst, text, int(tok.Start), int(tok.End), origin)
	return dst, ok
}
