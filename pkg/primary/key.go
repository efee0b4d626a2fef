package primary

import (
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Owner names are ordered by keys: octets whose plain order is the canonical order of the names
// of one zone (RFC 4034 §6.1). A key has the labels below the apex from the top down, in lower
// case, each ended by a zero octet. So the key of a name is a prefix of the keys of all names
// below it, and that of the apex is empty.
//
// Zero and one inside a label are written as two octets, which keeps the order.
const (
	keyEnd    = 0
	keyEscape = 1
)

// maxLabels is how many labels a name can have, the root not counted.
const maxLabels = zone.MaxNameLen / 2

// appendKey appends the key of an uncompressed wire name at or below an apex, whose wire form
// has apexLen octets.
func appendKey(dst, name []byte, apexLen int) []byte {
	var starts [maxLabels]int
	n := 0
	for i := 0; i < len(name)-apexLen; i += int(name[i]) + 1 {
		starts[n] = i
		n++
	}
	for n--; n >= 0; n-- {
		at := starts[n]
		dst = appendKeyLabel(dst, name[at+1:at+1+int(name[at])])
	}
	return dst
}

func appendKeyLabel(dst, label []byte) []byte {
	for _, c := range label {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c <= keyEscape:
			dst = append(dst, keyEscape)
			c++
		}
		dst = append(dst, c)
	}
	return append(dst, keyEnd)
}
