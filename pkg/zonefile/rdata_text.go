package zonefile

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// AppendRDATAText appends an RDATA in presentation format, on one line, with
// absolute names: a form that BIND, NSD and Knot read back to the same octets.
// Octets that do not fit their type come out in the generic form (RFC 3597 §5).
func AppendRDATAText(dst []byte, t uint16, rdata []byte) []byte {
	layout := layoutOf(t)
	if layout == nil || !printsPlainly(t) || !checkWire(t, rdata, false) || isOddForm(t, rdata) {
		return appendForeignText(dst, t, rdata)
	}
	at := 0
	for i, f := range layout {
		n := wireLen(f, rdata, at)
		if i > 0 && (n > 0 || f == fieldLongText || f == fieldLongQuoted) {
			dst = append(dst, ' ')
		}
		dst = appendFieldText(dst, f, rdata[at:at+n])
		at += n
	}
	return dst
}

// printsPlainly tells whether all three servers read the presentation format
// of a type. Knot 3.2 and NSD 4.6 do not know the others, or not all of their
// forms.
func printsPlainly(t uint16) bool {
	switch t {
	case typeMB, typeMG, typeMR, typeNSAPPTR, typeSIG, typePX, typeNINFO, typeTALINK, typeAVC, typeRESINFO,
		typeWALLET, typeTA, typeDLV:
		return false
	default:
		return true
	}
}

// isOddForm tells whether an RDATA is one of the few whose text BIND reads and
// NSD or Knot does not: a KEY without a key, an SSHFP without a fingerprint, an
// NSEC with type 0.
func isOddForm(t uint16, rdata []byte) bool {
	switch t {
	case typeKEY:
		return len(rdata) == 4
	case typeSSHFP:
		return len(rdata) == 2
	case typeNSEC:
		bitmap := rdata[zone.WireNameLen(rdata):]
		return bitmap[0] == 0 && bitmap[2]&0x80 != 0
	default:
		return false
	}
}

// appendFieldText prints one field. It is a flat switch over the kinds.
func appendFieldText(dst []byte, f field, b []byte) []byte {
	switch f {
	case fieldName, fieldQuotedName, fieldSigner:
		return zone.AppendNameText(dst, b)
	case fieldU8, fieldProtocol, fieldAlgorithm, fieldDigestType, fieldHashType:
		return appendDecimal(dst, uint64(b[0]))
	case fieldU16, fieldCertType, fieldKeyFlags:
		return appendDecimal(dst, u16(b))
	case fieldU32, fieldPeriod:
		return appendDecimal(dst, u32(b))
	case fieldA:
		return appendIPv4Text(dst, b)
	case fieldAAAA:
		return appendIPv6Text(dst, b)
	case fieldString, fieldRegexp:
		return appendQuotedText(dst, b[1:])
	case fieldStrings:
		for i := 0; i < len(b); i += 1 + int(b[i]) {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = appendQuotedText(dst, b[i+1:i+1+int(b[i])])
		}
		return dst
	case fieldTag:
		return append(dst, b[1:]...)
	case fieldLongText, fieldLongQuoted:
		return appendQuotedText(dst, b)
	case fieldHex, fieldDSDigest, fieldSSHDigest, fieldZoneDigest:
		return appendHex(dst, b)
	case fieldBase64, fieldKeyBase64:
		return base64.StdEncoding.AppendEncode(dst, b)
	case fieldType:
		return appendPortableType(dst, uint16(u16(b)))
	case fieldTime:
		return time.Unix(int64(u32(b)), 0).UTC().AppendFormat(dst, "20060102150405")
	case fieldSalt:
		if len(b) == 1 {
			return append(dst, '-')
		}
		return appendHex(dst, b[1:])
	case fieldNextHash:
		return appendBase32Text(dst, b[1:])
	case fieldTypes, fieldTypesNeeded:
		return appendBitmapText(dst, b)
	case fieldEUI48, fieldEUI64:
		return appendHexGroups(dst, b, '-', 1)
	case fieldLocator64:
		return appendHexGroups(dst, b, ':', 2)
	case fieldSvcParams:
		return appendParamsText(dst, b)
	case fieldLocation:
		return appendLocation(dst, b)
	default:
		panic("aliasflat: internal error: RDATA field without a printer")
	}
}

func appendIPv4Text(dst, b []byte) []byte {
	for i, c := range b[:4] {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = appendDecimal(dst, uint64(c))
	}
	return dst
}

// appendIPv6Text prints an address as RFC 5952 §4 wants it: the longest run of
// two or more zero groups, the first of equals, becomes two colons. No part is
// printed in dotted form.
func appendIPv6Text(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	gap, gapLen := -1, 1
	for i := 0; i < 8; i++ {
		n := 0
		for i+n < 8 && b[2*(i+n)] == 0 && b[2*(i+n)+1] == 0 {
			n++
		}
		if n > gapLen {
			gap, gapLen = i, n
		}
		i += n
	}
	for i := 0; i < 8; i++ {
		if i == gap {
			dst = append(dst, ':', ':')
			i += gapLen - 1
			continue
		}
		if i > 0 && i != gap+gapLen || i > 0 && gap < 0 {
			dst = append(dst, ':')
		}
		v := u16(b[2*i:])
		for shift := 12; shift >= 0; shift -= 4 {
			if v>>shift != 0 || shift == 0 {
				dst = append(dst, digits[v>>shift&15])
			}
		}
	}
	return dst
}

// appendQuotedText prints octets in quotes, as a character-string.
func appendQuotedText(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		dst = appendTextOctet(dst, c)
	}
	return append(dst, '"')
}

func appendTextOctet(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c < ' ' || c > '~':
		return append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
	default:
		return append(dst, c)
	}
}

func appendHex(dst, b []byte) []byte { return hex.AppendEncode(dst, b) }

func appendHexGroups(dst, b []byte, separator byte, size int) []byte {
	for i := 0; i < len(b); i += size {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = appendHex(dst, b[i:i+size])
	}
	return dst
}

func appendBase32Text(dst, b []byte) []byte {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	bits, have := uint32(0), 0
	for _, c := range b {
		bits = bits<<8 | uint32(c)
		for have += 8; have >= 5; {
			have -= 5
			dst = append(dst, digits[bits>>have&31])
		}
		bits &= 1<<have - 1
	}
	if have > 0 {
		dst = append(dst, digits[bits<<(5-have)&31])
	}
	return dst
}

func appendBitmapText(dst, b []byte) []byte {
	first := true
	for len(b) > 0 {
		window, size := uint16(b[0])<<8, int(b[1])
		for i, octet := range b[2 : 2+size] {
			for bit := range 8 {
				if octet&(0x80>>bit) == 0 {
					continue
				}
				if !first {
					dst = append(dst, ' ')
				}
				first = false
				dst = appendPortableType(dst, window|uint16(i*8+bit))
			}
		}
		b = b[2+size:]
	}
	return dst
}

// appendPortableType prints a mnemonic that BIND, NSD and Knot all know, or
// the number.
func appendPortableType(dst []byte, t uint16) []byte {
	name := typeTexts()[t]
	portable := t == typeURI || t == typeCAA || t == typeSPF ||
		t <= typeHTTPS && layoutOf(t) != nil && printsPlainly(t) || typeNID <= t && t <= typeEUI64
	if name == "" || !portable {
		return appendTypeNumber(dst, t)
	}
	return append(dst, name...)
}

// appendParamsText prints service parameters in the order they stand in.
func appendParamsText(dst, b []byte) []byte {
	for first := true; len(b) > 0; first = false {
		key, value, rest, _ := nextParam(b)
		if !first {
			dst = append(dst, ' ')
		}
		dst = appendParamText(dst, key, value)
		b = rest
	}
	return dst
}

func appendParamText(dst []byte, key uint16, value []byte) []byte {
	if key == keyNoDefaultALPN {
		return append(dst, paramNames[key]...)
	}
	// Knot 3.2 does not know the name dohpath, and only BIND takes an ech
	// without a value.
	if key >= keyDoHPath || key == keyECH && len(value) == 0 {
		dst = appendDecimal(append(dst, "key"...), uint64(key))
		if len(value) == 0 {
			return dst
		}
		return appendQuotedText(append(dst, '='), value)
	}
	dst = append(append(dst, paramNames[key]...), '=')
	switch key {
	case keyMandatory:
		for i := 0; i < len(value); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendParamName(dst, binary.BigEndian.Uint16(value[i:]))
		}
	case keyALPN:
		dst = appendALPNText(dst, value)
	case keyPort:
		dst = appendDecimal(dst, u16(value))
	case keyIPv4Hint:
		for i := 0; i < len(value); i += 4 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendIPv4Text(dst, value[i:])
		}
	case keyECH:
		dst = base64.StdEncoding.AppendEncode(dst, value)
	case keyIPv6Hint:
		for i := 0; i < len(value); i += 16 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendIPv6Text(dst, value[i:])
		}
	}
	return dst
}

func appendParamName(dst []byte, key uint16) []byte {
	if key < keyDoHPath {
		return append(dst, paramNames[key]...)
	}
	return appendDecimal(append(dst, "key"...), uint64(key))
}

// appendALPNText prints a list of protocol names. A comma or backslash within
// a name is escaped for the list, and that escape for the string.
func appendALPNText(dst, value []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(value); i += 1 + int(value[i]) {
		if i > 0 {
			dst = append(dst, ',')
		}
		for _, c := range value[i+1 : i+1+int(value[i])] {
			if c == ',' || c == '\\' {
				dst = append(dst, '\\', '\\')
			}
			dst = appendTextOctet(dst, c)
		}
	}
	return append(dst, '"')
}

// appendForeignText prints an RDATA by miekg/dns if that reads its own text
// back to the same octets, else in the generic form.
func appendForeignText(dst []byte, t uint16, rdata []byte) []byte {
	if _, known := typeTexts()[t]; known && layoutOf(t) == nil && prettyForeign(t) {
		if text, ok := foreignText(t, rdata); ok {
			return append(dst, text...)
		}
	}
	dst = appendDecimal(append(dst, `\# `...), uint64(len(rdata)))
	if len(rdata) == 0 {
		return dst
	}
	return appendHex(append(dst, ' '), rdata)
}

// prettyForeign tells which types without a printer of our own have a form
// that all three servers read.
func prettyForeign(t uint16) bool { return t == typeAPL || t == typeIPSECKEY }

func foreignText(t uint16, rdata []byte) (string, bool) {
	rr, _, err := dns.UnpackRR(packedRecord(t, rdata), 0)
	if err != nil {
		return "", false
	}
	text := strings.TrimPrefix(rr.String(), rr.Header().String())
	if text == "" || strings.ContainsAny(text, "\n\r\t;()") {
		return "", false
	}
	line := text + "\n"
	parser := dns.NewZoneParser(strings.NewReader(". 0 IN "+TypeName(t)+" "+line), ".", "")
	parser.SetIncludeAllowed(false)
	again, ok := parser.Next()
	if !ok {
		return "", false
	}
	back, ok := packRDATA(again)
	return text, ok && string(back) == string(rdata)
}
