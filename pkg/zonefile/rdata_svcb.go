package zonefile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// The keys of service parameters (RFC 9460 §14.3.2, RFC 9461 §5).
const (
	keyMandatory     = 0
	keyALPN          = 1
	keyNoDefaultALPN = 2
	keyPort          = 3
	keyIPv4Hint      = 4
	keyECH           = 5
	keyIPv6Hint      = 6
	keyDoHPath       = 7
)

// paramNames are the names of the keys from 0 on.
var paramNames = []string{
	"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath",
}

// svcParams reads the parameters to the end of the RDATA and puts them in the
// order of their keys (RFC 9460 §2.2).
func (r *rdataReader) svcParams() *Fault {
	at, sorted, last := len(r.dst), true, -1
	for r.next < len(r.tokens) {
		first := r.next
		start := len(r.dst)
		if fault := r.svcParam(); fault != nil {
			return fault
		}
		if len(r.dst)-at > maxRDATALen {
			return r.badLength(len(r.dst) - r.start)
		}
		key := int(binary.BigEndian.Uint16(r.dst[start:]))
		if key == last {
			return r.badParamTwice(first, key)
		}
		sorted = sorted && key > last
		last = key
	}
	if !sorted {
		if key := sortParams(r.dst[at:]); key >= 0 {
			return r.badParamTwice(len(r.tokens)-1, key)
		}
	}
	return r.checkParams(r.dst[at:])
}

// svcParam reads one parameter. A value in quotes is a token of its own that
// is glued to the token that ends in an equals sign.
func (r *rdataReader) svcParam() *Fault {
	tok, fault := r.bare(fieldSvcParams)
	if fault != nil {
		return fault
	}
	name, value, has := bytes.Cut(tok, []byte{'='})
	if has && len(value) == 0 && r.next < len(r.tokens) && r.tokens[r.next].Quoted && r.tokens[r.next].Glued {
		value = r.tokens[r.next].content(r.text)
		r.next++
	}
	key, named, ok := paramKey(name)
	if !ok {
		return r.badParamName(name)
	}
	at := len(r.dst)
	r.dst = append(r.dst, byte(key>>8), byte(key), 0, 0)
	if named {
		ok = r.namedValue(key, value)
	} else {
		var status textStatus
		r.dst, status = appendUnescaped(r.dst, value, maxRDATALen)
		ok = status == textOK && checkParam(key, r.dst[at+4:])
	}
	if !ok {
		return r.badParamValue(name, value)
	}
	n := len(r.dst) - at - 4
	if n > maxRDATALen {
		return r.badLength(n)
	}
	binary.BigEndian.PutUint16(r.dst[at+2:], uint16(n))
	return nil
}

// paramKey reads the name of a key: a registered one, lower case, or keyNNNNN
// without leading zeros.
func paramKey(name []byte) (key uint16, named, ok bool) {
	for i, known := range paramNames {
		if string(name) == known {
			return uint16(i), true, true
		}
	}
	if len(name) < 4 || string(name[:3]) != "key" || name[3] == '0' && len(name) > 4 {
		return 0, false, false
	}
	v, ok := decimal(name[3:], 65535)
	return uint16(v), false, ok
}

// namedValue reads the value of a key given by name.
func (r *rdataReader) namedValue(key uint16, value []byte) bool {
	at := len(r.dst)
	ok := true
	switch key {
	case keyMandatory:
		return r.mandatoryValue(value)
	case keyALPN:
		return r.alpnValue(value)
	case keyNoDefaultALPN:
		return len(value) == 0
	case keyPort:
		var v uint64
		v, ok = decimal(value, 65535)
		r.dst = binary.BigEndian.AppendUint16(r.dst, uint16(v))
		return ok
	case keyIPv4Hint, keyIPv6Hint:
		for rest, more := value, true; ok && more; {
			var address []byte
			address, rest, more = bytes.Cut(rest, []byte{','})
			if key == keyIPv4Hint {
				r.dst, ok = appendIPv4(r.dst, address)
			} else {
				r.dst, ok = appendIPv6(r.dst, address)
			}
		}
		return ok
	case keyECH:
		var d base64Decoder
		for part := range bytes.FieldsSeq(value) {
			if r.dst, ok = d.decode(r.dst, part); !ok {
				return false
			}
		}
		r.dst, ok = d.finish(r.dst)
		return ok
	default:
		var status textStatus
		r.dst, status = appendUnescaped(r.dst, value, maxRDATALen)
		return status == textOK && checkParam(key, r.dst[at:])
	}
}

// mandatoryValue reads a list of keys, any letter case for the names, and puts
// it in order.
func (r *rdataReader) mandatoryValue(value []byte) bool {
	at := len(r.dst)
	for rest, more := value, true; more; {
		var name []byte
		name, rest, more = bytes.Cut(rest, []byte{','})
		key, ok := mandatoryKey(name)
		if !ok {
			return false
		}
		r.dst = binary.BigEndian.AppendUint16(r.dst, key)
	}
	list := r.dst[at:]
	for i := 2; i < len(list); i += 2 {
		for j := i; j > 0 && bytes.Compare(list[j-2:j], list[j:j+2]) > 0; j -= 2 {
			list[j-2], list[j-1], list[j], list[j+1] = list[j], list[j+1], list[j-2], list[j-1]
		}
	}
	return checkParam(keyMandatory, list)
}

func mandatoryKey(name []byte) (uint16, bool) {
	for i, known := range paramNames {
		if len(name) == len(known) && bytes.EqualFold(name, []byte(known)) {
			return uint16(i), true
		}
	}
	key, _, ok := paramKey(name)
	return key, ok
}

// alpnValue reads a list of protocol names. The value is a character-string,
// in which a list is written with commas; a comma within a name has a
// backslash of the list's own (RFC 9460 §7.1.1, appendix A.1).
func (r *rdataReader) alpnValue(value []byte) bool {
	lengthAt := len(r.dst)
	r.dst = append(r.dst, 0)
	escaped := false
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '\\' {
			octet, used := unescapeOctet(value[i:])
			if used == 0 {
				return false
			}
			c = octet
			i += used - 1
		}
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
			continue
		case c == ',':
			if !r.closeALPN(lengthAt) {
				return false
			}
			lengthAt = len(r.dst)
			r.dst = append(r.dst, 0)
			continue
		}
		r.dst = append(r.dst, c)
	}
	return !escaped && r.closeALPN(lengthAt)
}

func (r *rdataReader) closeALPN(lengthAt int) bool {
	n := len(r.dst) - lengthAt - 1
	if n < 1 || n > 255 {
		return false
	}
	r.dst[lengthAt] = byte(n)
	return true
}

// checkParam tells whether octets can be the value of a key.
func checkParam(key uint16, value []byte) bool {
	switch key {
	case keyMandatory:
		if len(value) == 0 || len(value)%2 != 0 {
			return false
		}
		for i := 2; i < len(value); i += 2 {
			if bytes.Compare(value[i-2:i], value[i:i+2]) >= 0 {
				return false
			}
		}
		return true
	case keyALPN:
		for i := 0; i < len(value); i += 1 + int(value[i]) {
			if value[i] == 0 || i+1+int(value[i]) > len(value) {
				return false
			}
		}
		return len(value) > 0
	case keyNoDefaultALPN:
		return len(value) == 0
	case keyPort:
		return len(value) == 2
	case keyIPv4Hint:
		return len(value) > 0 && len(value)%4 == 0
	case keyIPv6Hint:
		return len(value) > 0 && len(value)%16 == 0
	case keyDoHPath:
		return isDoHPath(value)
	default:
		return true
	}
}

// isDoHPath tells whether octets are a relative URI template with the variable
// dns (RFC 9461 §5, RFC 6570).
func isDoHPath(b []byte) bool {
	if len(b) == 0 || b[0] != '/' || !utf8.Valid(b) {
		return false
	}
	found := false
	for len(b) > 0 {
		open := bytes.IndexAny(b, "{}")
		if open < 0 {
			break
		}
		end := bytes.IndexByte(b, '}')
		if b[open] == '}' || end < open+2 {
			return false
		}
		list := b[open+1 : end]
		if bytes.IndexByte([]byte("+#./;?&"), list[0]) >= 0 {
			list = list[1:]
		}
		for v := range bytes.SplitSeq(list, []byte{','}) {
			v = bytes.TrimSuffix(v, []byte{'*'})
			v, _, _ = bytes.Cut(v, []byte{':'})
			found = found || string(v) == "dns"
		}
		b = b[end+1:]
	}
	return found
}

// sortParams puts parameters in the order of their keys. It gives a key that
// stands twice, or -1.
func sortParams(params []byte) int {
	type span struct{ key, start, end int }
	var spans []span
	for at := 0; at < len(params); {
		end := at + 4 + int(binary.BigEndian.Uint16(params[at+2:]))
		spans = append(spans, span{int(binary.BigEndian.Uint16(params[at:])), at, end})
		at = end
	}
	slices.SortStableFunc(spans, func(a, b span) int { return a.key - b.key })
	sorted := make([]byte, 0, len(params))
	for i, s := range spans {
		if i > 0 && s.key == spans[i-1].key {
			return s.key
		}
		sorted = append(sorted, params[s.start:s.end]...)
	}
	copy(params, sorted)
	return -1
}

// nextParam cuts the first parameter off; false if the octets hold none.
func nextParam(params []byte) (key uint16, value, rest []byte, ok bool) {
	if len(params) < 4 {
		return 0, nil, nil, false
	}
	end := 4 + int(binary.BigEndian.Uint16(params[2:]))
	if end > len(params) {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint16(params), params[4:end], params[end:], true
}

// paramsFault is what is wrong with parameters taken together.
type paramsFault uint8

const (
	paramsOK paramsFault = iota
	paramsNoALPN
	paramsMandatoryMissing
	paramsMandatoryItself
)

// relateParams checks sorted parameters against each other. The key concerned
// is one that mandatory names.
func relateParams(params []byte) (fault paramsFault, key uint16) {
	var mandatory []byte
	hasALPN := false
	for rest := params; len(rest) > 0; {
		key, value, more, ok := nextParam(rest)
		if !ok {
			break
		}
		switch {
		case key == keyMandatory:
			mandatory = value
		case key == keyALPN:
			hasALPN = true
		case key == keyNoDefaultALPN && !hasALPN:
			return paramsNoALPN, key
		}
		if len(mandatory) >= 2 && key == binary.BigEndian.Uint16(mandatory) {
			if key == keyMandatory {
				return paramsMandatoryItself, key
			}
			mandatory = mandatory[2:]
		}
		rest = more
	}
	if len(mandatory) >= 2 {
		return paramsMandatoryMissing, binary.BigEndian.Uint16(mandatory)
	}
	return paramsOK, 0
}

func (r *rdataReader) checkParams(params []byte) *Fault {
	if fault, key := relateParams(params); fault != paramsOK {
		return r.badParams(fault, key)
	}
	return nil
}
