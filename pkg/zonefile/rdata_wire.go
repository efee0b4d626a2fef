package zonefile

import (
	"encoding/binary"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// checkWire tells whether octets are the RDATA of a type with a layout, as
// BIND reads them from a message. With fold it makes the names in them lower
// case.
func checkWire(t uint16, rdata []byte, fold bool) bool {
	at := 0
	for _, f := range layoutOf(t) {
		n := wireLen(f, rdata, at)
		if n < 0 {
			return false
		}
		if fold && (f == fieldName || f == fieldQuotedName || f == fieldSigner) {
			zone.FoldCase(rdata[at : at+n])
		}
		at += n
	}
	return at == len(rdata)
}

// wireLen is the length of the field that starts at an offset, or -1 where
// the octets do not fit it. It is a flat switch over the kinds.
func wireLen(f field, rdata []byte, at int) int {
	b := rdata[at:]
	switch f {
	case fieldName, fieldQuotedName, fieldSigner:
		return need(zone.WireNameLen(b) > 0, zone.WireNameLen(b))
	case fieldU8, fieldProtocol, fieldAlgorithm, fieldDigestType, fieldHashType:
		return fixedLen(b, 1)
	case fieldU16, fieldCertType, fieldKeyFlags, fieldType:
		return fixedLen(b, 2)
	case fieldU32, fieldPeriod, fieldTime, fieldA:
		return fixedLen(b, 4)
	case fieldEUI48:
		return fixedLen(b, 6)
	case fieldEUI64, fieldLocator64:
		return fixedLen(b, 8)
	case fieldAAAA:
		return fixedLen(b, 16)
	case fieldString, fieldSalt:
		return counted(b)
	case fieldStrings:
		return stringsLen(b)
	case fieldRegexp:
		n := counted(b)
		return need(n > 0 && isSubstitution(b[1:max(n, 1)]), n)
	case fieldTag:
		n := counted(b)
		return need(n > 1 && isTag(b[1:max(n, 1)]), n)
	case fieldNextHash:
		n := counted(b)
		return need(n > 1 && (rdata[0] != hashSHA1 || n == 1+sizeSHA1), n)
	case fieldLongText, fieldLongQuoted:
		return len(b)
	case fieldHex, fieldBase64:
		return need(len(b) > 0, len(b))
	case fieldKeyBase64:
		return need((len(b) == 0) == (rdata[0]&0xc0 == 0xc0), len(b))
	case fieldDSDigest, fieldSSHDigest, fieldZoneDigest:
		return digestLen(f, b, rdata[at-1])
	case fieldTypes:
		return need(checkBitmap(b), len(b))
	case fieldTypesNeeded:
		return need(len(b) > 0 && checkBitmap(b), len(b))
	case fieldSvcParams:
		return need(checkSvcParams(b), len(b))
	case fieldLocation:
		return need(checkLocation(b), 16)
	default:
		panic("aliasflat: internal error: RDATA field without a length")
	}
}

func need(ok bool, n int) int {
	if !ok {
		return -1
	}
	return n
}

func fixedLen(b []byte, n int) int { return need(len(b) >= n, n) }

// counted is the length of a field that starts with its own length.
func counted(b []byte) int {
	if len(b) == 0 || 1+int(b[0]) > len(b) {
		return -1
	}
	return 1 + int(b[0])
}

func stringsLen(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	for rest := b; len(rest) > 0; {
		n := counted(rest)
		if n < 0 {
			return -1
		}
		rest = rest[n:]
	}
	return len(b)
}

func digestLen(f field, b []byte, typ byte) int {
	size := digestSize(f, typ)
	switch {
	case size > 0:
		return need(len(b) == size, size)
	case f == fieldZoneDigest:
		return need(len(b) >= minZoneDigest, len(b))
	default:
		return need(len(b) > 0 || f == fieldSSHDigest, len(b))
	}
}

// checkBitmap tells whether octets are windows in order, none with a zero at
// its end (RFC 4034 §4.1.2).
func checkBitmap(b []byte) bool {
	last := -1
	for len(b) > 0 {
		if len(b) < 3 || int(b[0]) <= last || b[1] < 1 || b[1] > 32 || 2+int(b[1]) > len(b) || b[1+b[1]] == 0 {
			return false
		}
		last = int(b[0])
		b = b[2+int(b[1]):]
	}
	return true
}

func checkSvcParams(b []byte) bool {
	last := -1
	for rest := b; len(rest) > 0; {
		key, value, more, ok := nextParam(rest)
		if !ok || int(key) <= last || !checkParam(key, value) {
			return false
		}
		last = int(key)
		rest = more
	}
	fault, _ := relateParams(b)
	return fault == paramsOK
}

// u16 and u32 read a number of a field that is known to be long enough.
func u16(b []byte) uint64 { return uint64(binary.BigEndian.Uint16(b)) }
func u32(b []byte) uint64 { return uint64(binary.BigEndian.Uint32(b)) }
