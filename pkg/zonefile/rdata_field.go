package zonefile

import (
	"bytes"
	"encoding/binary"
	"time"
)

// ipv4 reads an IPv4 address: four decimal parts without leading zeros.
func (r *rdataReader) ipv4() *Fault {
	tok, fault := r.bare(fieldA)
	if fault != nil {
		return fault
	}
	dst, ok := appendIPv4(r.dst, tok)
	if !ok {
		return r.badIPv4(tok)
	}
	r.dst = dst
	return nil
}

func appendIPv4(dst, text []byte) ([]byte, bool) {
	if len(text) < 7 || len(text) > 15 {
		return dst, false
	}
	var octets [4]byte
	part, digits, v := 0, 0, 0
	for _, c := range text {
		if c == '.' {
			if digits == 0 || part == 3 {
				return dst, false
			}
			octets[part] = byte(v)
			part++
			digits, v = 0, 0
			continue
		}
		d := int(c) - '0'
		if d < 0 || d > 9 || digits > 0 && v == 0 {
			return dst, false
		}
		digits++
		if v = v*10 + d; v > 255 {
			return dst, false
		}
	}
	if part != 3 || digits == 0 {
		return dst, false
	}
	octets[3] = byte(v)
	return append(dst, octets[:]...), true
}

// ipv6 reads an IPv6 address: RFC 4291 §2.2, an IPv4 tail allowed, no zone.
func (r *rdataReader) ipv6() *Fault {
	tok, fault := r.bare(fieldAAAA)
	if fault != nil {
		return fault
	}
	dst, ok := appendIPv6(r.dst, tok)
	if !ok {
		return r.badIPv6(tok)
	}
	r.dst = dst
	return nil
}

func appendIPv6(dst, text []byte) ([]byte, bool) {
	var octets [16]byte
	n, gap, i := 0, -1, 0
	if len(text) >= 2 && text[0] == ':' && text[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(text) {
		if n == 16 {
			return dst, false
		}
		v, digits := 0, 0
		for i+digits < len(text) && digits < 5 {
			d := hexDigit(text[i+digits])
			if d > 15 {
				break
			}
			v = v<<4 | int(d)
			digits++
		}
		if digits == 0 || digits == 5 {
			return dst, false
		}
		if i+digits < len(text) && text[i+digits] == '.' {
			if n > 12 {
				return dst, false
			}
			if _, ok := appendIPv4(octets[:n], text[i:]); !ok {
				return dst, false
			}
			n += 4
			break
		}
		octets[n], octets[n+1] = byte(v>>8), byte(v)
		n, i = n+2, i+digits
		if i == len(text) {
			break
		}
		if text[i] != ':' || i+1 == len(text) {
			return dst, false
		}
		if i++; text[i] == ':' {
			if gap >= 0 {
				return dst, false
			}
			gap = n
			i++
		}
	}
	if gap < 0 && n != 16 || gap >= 0 && n == 16 || len(text) == 0 {
		return dst, false
	}
	if gap >= 0 {
		copy(octets[16-(n-gap):], octets[gap:n])
		clear(octets[gap : 16-(n-gap)])
	}
	return append(dst, octets[:]...), true
}

// hexDigit is the value of a hex digit; above 15 it is none.
func hexDigit(c byte) byte { return hexValue[c] }

// hexValue is the value of each byte as a hex digit, or 0xff.
var hexValue = makeHexValue()

func makeHexValue() *[256]byte {
	values := new([256]byte)
	for c := range values {
		switch {
		case '0' <= c && c <= '9':
			values[c] = byte(c - '0')
		case 'a' <= c && c <= 'f':
			values[c] = byte(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			values[c] = byte(c - 'A' + 10)
		default:
			values[c] = 0xff
		}
	}
	return values
}

// textStatus is how the reading of a character-string ended.
type textStatus uint8

const (
	textOK textStatus = iota
	textBadEscape
	textTooLong
)

// appendUnescaped appends what a text says: \DDD is an octet, \X is X.
func appendUnescaped(dst, text []byte, limit int) ([]byte, textStatus) {
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		if len(text) > limit {
			return dst, textTooLong
		}
		return append(dst, text...), textOK
	}
	start := len(dst)
	dst = append(dst, text[:i]...)
	for ; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			octet, used := unescapeOctet(text[i:])
			if used == 0 {
				return dst[:start], textBadEscape
			}
			c = octet
			i += used - 1
		}
		dst = append(dst, c)
	}
	if len(dst)-start > limit {
		return dst[:start], textTooLong
	}
	return dst, textOK
}

// unescapeOctet reads the escape that b starts with and tells how many bytes
// it took: 0 if it is none (RFC 1035 §5.1).
func unescapeOctet(b []byte) (octet byte, used int) {
	if len(b) < 2 {
		return 0, 0
	}
	if b[1] < '0' || b[1] > '9' {
		return b[1], 2
	}
	if len(b) < 4 {
		return 0, 0
	}
	v, ok := decimal(b[1:4], 255)
	if !ok {
		return 0, 0
	}
	return byte(v), 4
}

// charString reads one character-string.
func (r *rdataReader) charString() *Fault {
	if r.next >= len(r.tokens) {
		return r.badMissing(fieldString)
	}
	tok := r.tokens[r.next]
	r.next++
	at := len(r.dst)
	dst, status := appendUnescaped(append(r.dst, 0), tok.content(r.text), 255)
	if status != textOK {
		return r.badText(tok, status)
	}
	dst[at] = byte(len(dst) - at - 1)
	r.dst = dst
	return nil
}

// charStrings reads one or more character-strings.
func (r *rdataReader) charStrings() *Fault {
	for {
		if fault := r.charString(); fault != nil {
			return fault
		}
		if r.next == len(r.tokens) {
			return nil
		}
	}
}

// longText reads text that has no length of its own.
func (r *rdataReader) longText(f field) *Fault {
	if r.next >= len(r.tokens) {
		return r.badMissing(f)
	}
	tok := r.tokens[r.next]
	if f == fieldLongQuoted && !tok.Quoted {
		r.next++
		return r.badUnquoted(tok)
	}
	r.next++
	dst, status := appendUnescaped(r.dst, tok.content(r.text), maxRDATALen)
	if status != textOK {
		return r.badText(tok, status)
	}
	r.dst = dst
	return nil
}

// tag reads the tag of a CAA: letters and digits (RFC 8659 §4.1).
func (r *rdataReader) tag() *Fault {
	tok, fault := r.bare(fieldTag)
	if fault != nil {
		return fault
	}
	if !isTag(tok) {
		return r.badField(fieldTag, tok)
	}
	r.dst = append(append(r.dst, byte(len(tok))), tok...)
	return nil
}

func isTag(b []byte) bool {
	for _, c := range b {
		if !isAlphanumeric(c) {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// hex reads octets in hex to the end of the RDATA, or as many as the digest
// type before them asks for.
func (r *rdataReader) hex(f field) *Fault {
	size := 0
	if f != fieldHex {
		size = digestSize(f, r.dst[len(r.dst)-1])
	}
	if size > 0 {
		return r.hexOctets(size)
	}
	// BIND lets an SSHFP of an unknown fingerprint type be empty.
	if r.next >= len(r.tokens) && f != fieldSSHDigest {
		return r.badMissing(f)
	}
	at := len(r.dst)
	if fault := r.hexOctets(-1); fault != nil {
		return fault
	}
	if f == fieldZoneDigest && len(r.dst)-at < minZoneDigest {
		return r.badDigestLength(len(r.dst)-at, minZoneDigest)
	}
	return nil
}

// minZoneDigest is the least length of a ZONEMD digest (RFC 8976 §2.2.4).
const minZoneDigest = 12

// digestSize is the length of the digest of a type, or 0 where any will do.
func digestSize(f field, typ byte) int {
	switch {
	case f == fieldDSDigest && typ == 1, f == fieldSSHDigest && typ == 1:
		return 20
	case f == fieldDSDigest && typ == 2, f == fieldSSHDigest && typ == 2:
		return 32
	case f == fieldDSDigest && typ == 4, f == fieldZoneDigest && typ == 1:
		return 48
	case f == fieldZoneDigest && typ == 2:
		return 64
	default:
		return 0
	}
}

// hexOctets reads octets in hex: size of them, or with -1 all to the end. The
// digits may be parted anywhere.
func (r *rdataReader) hexOctets(size int) *Fault {
	at, half, high := len(r.dst), false, byte(0)
	for size < 0 && r.next < len(r.tokens) || size >= 0 && len(r.dst)-at < size {
		tok, fault := r.bare(fieldHex)
		if fault != nil {
			if r.next >= len(r.tokens) {
				return r.badDigestLength(len(r.dst)-at, size)
			}
			return fault
		}
		rest := tok
		for ; !half && len(rest) >= 2; rest = rest[2:] {
			first, second := hexValue[rest[0]], hexValue[rest[1]]
			if first|second > 15 {
				break
			}
			r.dst = append(r.dst, first<<4|second)
		}
		for _, c := range rest {
			d := hexDigit(c)
			if d > 15 {
				return r.badField(fieldHex, tok)
			}
			if half {
				r.dst = append(r.dst, high<<4|d)
			}
			half, high = !half, d
		}
	}
	if half {
		return r.badOddHex()
	}
	if n := len(r.dst) - at; size >= 0 && n != size {
		return r.badDigestLength(n, size)
	}
	return nil
}

// base64Value is the value of each byte as a digit of base64, or 0xff.
var base64Value = makeBase64Value()

func makeBase64Value() *[256]byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	values := new([256]byte)
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(digits) {
		values[digits[i]] = byte(i)
	}
	return values
}

// base64Decoder holds what one token leaves for the next.
type base64Decoder struct {
	bits   uint32
	digits int // of the group at hand
	pads   int
}

// decode appends the octets of a piece of text; false if it is no base64.
func (d *base64Decoder) decode(dst, text []byte) ([]byte, bool) {
	for _, c := range text {
		if c == '=' {
			if d.digits < 2 || d.digits+d.pads >= 4 {
				return dst, false
			}
			d.pads++
			continue
		}
		v := base64Value[c]
		if v > 63 || d.pads > 0 {
			return dst, false
		}
		d.bits = d.bits<<6 | uint32(v)
		if d.digits++; d.digits == 4 {
			dst = append(dst, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
			d.bits, d.digits = 0, 0
		}
	}
	return dst, true
}

// finish appends the octets of a padded group; false if bits are left over.
func (d *base64Decoder) finish(dst []byte) ([]byte, bool) {
	switch {
	case d.digits == 0:
		return dst, d.pads == 0
	case d.digits+d.pads != 4:
		return dst, false
	case d.digits == 2:
		return append(dst, byte(d.bits>>4)), d.bits&0xf == 0
	default:
		return append(dst, byte(d.bits>>10), byte(d.bits>>2)), d.bits&3 == 0
	}
}

// base64 reads octets in base64 to the end of the RDATA.
func (r *rdataReader) base64(f field) *Fault {
	if f == fieldKeyBase64 && r.noKey() {
		return nil
	}
	if r.next >= len(r.tokens) {
		return r.badMissing(fieldBase64)
	}
	var d base64Decoder
	for r.next < len(r.tokens) {
		tok, fault := r.bare(fieldBase64)
		if fault != nil {
			return fault
		}
		dst, ok := d.decode(r.dst, tok)
		if !ok {
			return r.badField(fieldBase64, tok)
		}
		r.dst = dst
	}
	dst, ok := d.finish(r.dst)
	if !ok {
		return r.badField(fieldBase64, r.tokens[r.next-1].raw(r.text))
	}
	r.dst = dst
	return nil
}

// noKey tells whether the flags of a KEY, read already, say that there is no
// key (RFC 2535 §3.1.2).
func (r *rdataReader) noKey() bool { return r.dst[r.start]&0xc0 == 0xc0 }

// coveredType reads the type that an RRSIG covers; BIND also takes a number.
func (r *rdataReader) coveredType() *Fault {
	tok, fault := r.bare(fieldType)
	if fault != nil {
		return fault
	}
	t, ok := parseType(tok)
	if !ok {
		var v uint64
		if v, ok = decimal(tok, 65535); !ok {
			return r.badType(tok)
		}
		t = uint16(v)
	}
	r.dst = binary.BigEndian.AppendUint16(r.dst, t)
	return nil
}

// time reads a date and time of 14 digits, or up to 10 digits of seconds.
func (r *rdataReader) time() *Fault {
	tok, fault := r.bare(fieldTime)
	if fault != nil {
		return fault
	}
	if len(tok) <= 10 {
		v, ok := decimal(tok, 1<<32-1)
		if !ok {
			return r.badField(fieldTime, tok)
		}
		r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(v))
		return nil
	}
	if len(tok) != 14 || !allDigits(tok) {
		return r.badField(fieldTime, tok)
	}
	var part [6]int
	for i, at := range [...]int{0, 4, 6, 8, 10, 12} {
		end := at + 2
		if i == 0 {
			end = 4
		}
		v, _ := decimal(tok[at:end], 9999)
		part[i] = int(v)
	}
	year, month, day := part[0], time.Month(part[1]), part[2]
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if month < 1 || month > 12 || day < 1 || day > last || part[3] > 23 || part[4] > 59 || part[5] > 60 {
		return r.badField(fieldTime, tok)
	}
	seconds := time.Date(year, month, day, part[3], part[4], part[5], 0, time.UTC).Unix()
	r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(seconds))
	return nil
}

// salt reads the salt of an NSEC3: hex, or a hyphen for none.
func (r *rdataReader) salt() *Fault {
	tok, fault := r.bare(fieldSalt)
	if fault != nil {
		return fault
	}
	if len(tok) == 1 && tok[0] == '-' {
		r.dst = append(r.dst, 0)
		return nil
	}
	if len(tok)%2 != 0 || len(tok) > 2*255 {
		return r.badField(fieldSalt, tok)
	}
	r.dst = append(r.dst, byte(len(tok)/2))
	for i := 0; i < len(tok); i += 2 {
		high, low := hexDigit(tok[i]), hexDigit(tok[i+1])
		if high > 15 || low > 15 {
			return r.badField(fieldSalt, tok)
		}
		r.dst = append(r.dst, high<<4|low)
	}
	return nil
}

// nextHash reads the next hashed owner name of an NSEC3, base32hex without
// padding (RFC 5155 §3.3).
func (r *rdataReader) nextHash() *Fault {
	tok, fault := r.bare(fieldNextHash)
	if fault != nil {
		return fault
	}
	at := len(r.dst)
	dst, ok := appendBase32(append(r.dst, 0), tok)
	n := len(dst) - at - 1
	if !ok || n == 0 || n > 255 || r.dst[r.start] == hashSHA1 && n != sizeSHA1 {
		return r.badField(fieldNextHash, tok)
	}
	dst[at] = byte(n)
	r.dst = dst
	return nil
}

// The only hash algorithm of NSEC3 there is, and the length of its result.
const (
	hashSHA1 = 1
	sizeSHA1 = 20
)

// appendBase32 appends the octets of a text in base32hex (RFC 4648 §7).
func appendBase32(dst, text []byte) ([]byte, bool) {
	bits, have := uint32(0), 0
	for _, c := range text {
		var v uint32
		switch {
		case '0' <= c && c <= '9':
			v = uint32(c - '0')
		case 'a' <= c && c <= 'v':
			v = uint32(c-'a') + 10
		case 'A' <= c && c <= 'V':
			v = uint32(c-'A') + 10
		default:
			return dst, false
		}
		bits = bits<<5 | v
		if have += 5; have >= 8 {
			have -= 8
			dst = append(dst, byte(bits>>have))
			bits &= 1<<have - 1
		}
	}
	return dst, have < 5 && bits == 0
}

// types reads the types of a bitmap. It sets the bits in windows on the stack,
// so that the order of the types does not matter.
func (r *rdataReader) types(f field) *Fault {
	if f == fieldTypesNeeded && r.next >= len(r.tokens) {
		return r.badMissing(f)
	}
	var windows [256 / 8]byte // which windows are in use
	for window := 0; window < 256; window++ {
		var bitmap [32]byte
		size := 0
		for i := r.next; i < len(r.tokens); i++ {
			tok := r.tokens[i]
			if tok.Quoted {
				r.next = i
				return r.badQuoted(f)
			}
			t, ok := parseType(tok.raw(r.text))
			if !ok {
				r.next = i + 1
				return r.badType(tok.raw(r.text))
			}
			windows[t>>8>>3] |= 1 << (t >> 8 & 7)
			if int(t>>8) == window {
				low := int(t & 0xff)
				bitmap[low/8] |= 0x80 >> (low % 8)
				size = max(size, low/8+1)
			}
		}
		if size > 0 {
			r.dst = append(append(r.dst, byte(window), byte(size)), bitmap[:size]...)
		}
		if window = nextWindow(&windows, window); window < 0 {
			break
		}
	}
	r.next = len(r.tokens)
	return nil
}

// nextWindow is one less than the window in use that follows, or -1.
func nextWindow(windows *[256 / 8]byte, window int) int {
	for w := window + 1; w < 256; w++ {
		if windows[w>>3]&(1<<(w&7)) != 0 {
			return w - 1
		}
	}
	return -1
}

// eui reads an EUI-48 or EUI-64 address: groups of hex digits with hyphens
// (RFC 7043 §3.2, §4.2).
func (r *rdataReader) eui(f field, size int) *Fault {
	tok, fault := r.bare(f)
	if fault != nil {
		return fault
	}
	if !r.hexGroups(tok, '-', size, 2) {
		return r.badField(f, tok)
	}
	return nil
}

// locator64 reads four groups of hex digits with colons.
func (r *rdataReader) locator64() *Fault {
	tok, fault := r.bare(fieldLocator64)
	if fault != nil {
		return fault
	}
	if !r.hexGroups(tok, ':', 4, 4) {
		return r.badField(fieldLocator64, tok)
	}
	return nil
}

// hexGroups reads count groups of one to digits hex digits; a group has two
// digits for each octet.
func (r *rdataReader) hexGroups(text []byte, separator byte, count, digits int) bool {
	v, have, groups := 0, 0, 0
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == separator {
			if have == 0 || groups == count {
				return false
			}
			if digits == 4 {
				r.dst = append(r.dst, byte(v>>8))
			}
			r.dst = append(r.dst, byte(v))
			v, have = 0, 0
			groups++
			continue
		}
		d := hexDigit(text[i])
		if have++; d > 15 || have > digits {
			return false
		}
		v = v<<4 | int(d)
	}
	return groups == count
}
