package zonefile

import (
	"bytes"
	"encoding/binary"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// checkHostNames tells what a primary BIND 9.18 refuses by its check-names:
// an owner that must be a host name and is none, a name in the RDATA that must
// be one. Both arguments are in wire form, any letter case.
func checkHostNames(t uint16, owner, rdata []byte) (badOwner, badRDATA bool) {
	switch t {
	case typeA:
		return !isHostName(owner, true) && !isCatalogName(owner) && !isSPFName(owner), false
	case typeAAAA:
		return !isHostName(owner, true) && !isCatalogName(owner), false
	case typeA6, 11: // WKS
		return !isHostName(owner, true), false
	case typeMX:
		return !isHostName(owner, true), !hostAt(rdata, 2)
	case typeNS:
		return false, !hostAt(rdata, 0)
	case typeAFSDB, typeRT:
		return false, !hostAt(rdata, 2)
	case typeSRV:
		return false, !hostAt(rdata, 6)
	case typeSVCB, typeHTTPS:
		// The target of AliasMode may be any name.
		return false, len(rdata) > 2 && binary.BigEndian.Uint16(rdata) != 0 && !hostAt(rdata, 2)
	case typeSOA:
		second := zone.WireNameLen(rdata)
		return false, !hostAt(rdata, 0) || !isMailbox(rdata[second:])
	case typeRP:
		return false, !isMailbox(rdata)
	case typeMINFO:
		second := zone.WireNameLen(rdata)
		return false, !isMailbox(rdata) || !isMailbox(rdata[second:])
	case typePTR:
		return false, isReverseName(owner) && !isBrowsingName(owner) && !hostAt(rdata, 0)
	case typeNSEC3:
		return !isHashedName(owner), false
	default:
		return false, false
	}
}

// hostAt tells whether the name at an offset is a host name.
func hostAt(rdata []byte, offset int) bool {
	return offset >= len(rdata) || isHostName(rdata[offset:], false)
}

// isHostName tells whether a wire name is made of letters, digits and inner
// hyphens only (RFC 952, RFC 1123 §2.1). The root is one.
func isHostName(wire []byte, wildcard bool) bool {
	if wildcard && len(wire) > 1 && wire[0] == 1 && wire[1] == '*' {
		wire = wire[2:]
	}
	for len(wire) > 0 && wire[0] != 0 {
		n := int(wire[0])
		label := wire[1 : n+1]
		if label[0] == '-' || label[n-1] == '-' {
			return false
		}
		host := true
		for _, c := range label {
			host = host && hostByte[c]
		}
		if !host {
			return false
		}
		wire = wire[n+1:]
	}
	return true
}

// hostByte has the letters, the digits and the hyphen.
var hostByte = makeHostByte()

func makeHostByte() *[256]bool {
	table := new([256]bool)
	for c := range table {
		table[c] = c == '-' || isAlphanumeric(byte(c))
	}
	return table
}

// isMailbox tells whether a wire name is a mail address in the form of SOA and
// RP: any visible characters in the first label, a host name after it.
func isMailbox(wire []byte) bool {
	if len(wire) == 0 || wire[0] == 0 {
		return true
	}
	n := int(wire[0])
	for _, c := range wire[1 : n+1] {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return isHostName(wire[n+1:], false)
}

// isCatalogName tells whether a name is gc._msdcs and a host name, which
// Active Directory uses for addresses.
func isCatalogName(wire []byte) bool {
	const prefix = "\x02gc\x06_msdcs"
	return len(wire) > len(prefix) && bytes.EqualFold(wire[:len(prefix)], []byte(prefix)) &&
		isHostName(wire[len(prefix):], false)
}

// isSPFName tells whether a name has a label that sets the targets of an SPF
// exists apart (RFC 7208 §5.7, appendix D.1), not among its last.
func isSPFName(wire []byte) bool {
	labels := 0
	for at := 0; at < len(wire) && wire[at] != 0; at += int(wire[at]) + 1 {
		labels++
	}
	for at := 0; labels > 1 && wire[at] != 0; at += int(wire[at]) + 1 {
		label := wire[at+1 : at+1+int(wire[at])]
		if equalFold(label, "_SPF") || equalFold(label, "_SPF_RATE") || equalFold(label, "_SPF_VERIFY") {
			return true
		}
		labels--
	}
	return false
}

// isReverseName tells whether a name is at or below one of the trees of
// reverse mapping.
func isReverseName(wire []byte) bool {
	for at := 0; at < len(wire) && wire[at] != 0; at += int(wire[at]) + 1 {
		switch rest := wire[at:]; len(rest) {
		case len("\x07in-addr\x04arpa\x00"):
			if bytes.EqualFold(rest, []byte("\x07in-addr\x04arpa\x00")) {
				return true
			}
		case len("\x03ip6\x04arpa\x00"):
			if bytes.EqualFold(rest, []byte("\x03ip6\x04arpa\x00")) {
				return true
			}
		case len("\x03ip6\x03int\x00"):
			if bytes.EqualFold(rest, []byte("\x03ip6\x03int\x00")) {
				return true
			}
		}
	}
	return false
}

// isBrowsingName tells whether a name asks for the domains to browse, whose
// PTR records point at domains (RFC 6763 §11).
func isBrowsingName(wire []byte) bool {
	for _, prefix := range [...]string{"\x01b", "\x02db", "\x01r", "\x02dr", "\x02lb"} {
		const service = "\x07_dns-sd\x04_udp"
		n := len(prefix) + len(service)
		if len(wire) > n && bytes.EqualFold(wire[:len(prefix)], []byte(prefix)) &&
			bytes.EqualFold(wire[len(prefix):n], []byte(service)) {
			return true
		}
	}
	return false
}

// isHashedName tells whether the first label of a name is base32hex.
func isHashedName(wire []byte) bool {
	if len(wire) == 0 || wire[0] == 0 {
		return false
	}
	var octets [64]byte
	_, ok := appendBase32(octets[:0], wire[1:1+int(wire[0])])
	return ok
}
