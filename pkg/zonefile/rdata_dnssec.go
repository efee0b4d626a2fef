package zonefile

import (
	"bytes"
	"encoding/binary"
)

// word is a mnemonic of a number.
type word struct {
	name  string
	value uint8
}

// The mnemonics that BIND 9.18 reads in DNSSEC records and CERT.
var (
	algorithmWords = []word{
		{"RSAMD5", 1},
		{"DH", 2},
		{"DSA", 3},
		{"RSASHA1", 5},
		{"NSEC3DSA", 6},
		{"NSEC3RSASHA1", 7},
		{"RSASHA256", 8},
		{"RSASHA512", 10},
		{"ECCGOST", 12},
		{"ECDSAP256SHA256", 13},
		{"ECDSAP384SHA384", 14},
		{"ED25519", 15},
		{"ED448", 16},
		{"INDIRECT", 252},
		{"PRIVATEDNS", 253},
		{"PRIVATEOID", 254},
	}
	digestWords = []word{
		{"SHA-1", 1}, {"SHA1", 1}, {"SHA-256", 2}, {"SHA256", 2}, {"GOST", 3}, {"SHA-384", 4}, {"SHA384", 4},
	}
	hashWords     = []word{{"SHA-1", 1}}
	protocolWords = []word{{"NONE", 0}, {"TLS", 1}, {"EMAIL", 2}, {"DNSSEC", 3}, {"IPSEC", 4}, {"ALL", 255}}
	certWords     = []word{
		{"PKIX", 1},
		{"SPKI", 2},
		{"PGP", 3},
		{"IPKIX", 4},
		{"ISPKI", 5},
		{"IPGP", 6},
		{"ACPKIX", 7},
		{"IACPKIX", 8},
		{"URI", 253},
		{"OID", 254},
	}
)

// fieldWords are the mnemonics that may stand for the number of a field.
var fieldWords = map[field][]word{
	fieldAlgorithm:  algorithmWords,
	fieldDigestType: digestWords,
	fieldHashType:   hashWords,
	fieldCertType:   certWords,
	fieldProtocol:   protocolWords,
}

// mnemonic reads a number or a mnemonic for one. The number of a CERT type has
// two octets, all others one.
func (r *rdataReader) mnemonic(f field) *Fault {
	tok, fault := r.bare(f)
	if fault != nil {
		return fault
	}
	limit := uint64(1<<8 - 1)
	if f == fieldCertType {
		limit = 1<<16 - 1
	}
	if len(tok) <= 12 && allDigits(tok) {
		v, ok := decimal(tok, limit)
		if !ok {
			return r.badNumber(f, tok, limit)
		}
		r.appendUint(v, limit)
		return nil
	}
	for _, w := range fieldWords[f] {
		if equalFold(tok, w.name) {
			r.appendUint(uint64(w.value), limit)
			return nil
		}
	}
	return r.badField(f, tok)
}

// flagWord is a name for bits of the flags of a KEY.
type flagWord struct {
	name  string
	value uint16
}

// flagWords are the names that BIND 9.18 reads, from RFC 2535 §3.1.2 and RFC
// 4034 §2.1.1.
var flagWords = []flagWord{
	{"NOCONF", 0x4000},
	{"NOAUTH", 0x8000},
	{"NOKEY", 0xc000},
	{"FLAG2", 0x2000},
	{"EXTEND", 0x1000},
	{"FLAG4", 0x0800},
	{"FLAG5", 0x0400},
	{"USER", 0},
	{"ZONE", 0x0100},
	{"HOST", 0x0200},
	{"NTYP3", 0x0300},
	{"FLAG8", 0x0080},
	{"FLAG9", 0x0040},
	{"FLAG10", 0x0020},
	{"FLAG11", 0x0010},
	{"SIG0", 0},
	{"SIG1", 1},
	{"SIG2", 2},
	{"SIG3", 3},
	{"SIG4", 4},
	{"SIG5", 5},
	{"SIG6", 6},
	{"SIG7", 7},
	{"SIG8", 8},
	{"SIG9", 9},
	{"SIG10", 10},
	{"SIG11", 11},
	{"SIG12", 12},
	{"SIG13", 13},
	{"SIG14", 14},
	{"SIG15", 15},
	{"KSK", 1},
}

// keyFlags reads the flags of a key: a number, decimal or hex with 0x, or
// names with bars between them.
func (r *rdataReader) keyFlags() *Fault {
	tok, fault := r.bare(fieldKeyFlags)
	if fault != nil {
		return fault
	}
	if tok[0] >= '0' && tok[0] <= '9' {
		v, ok := keyFlagsNumber(tok)
		if !ok {
			return r.badNumber(fieldKeyFlags, tok, 65535)
		}
		r.dst = binary.BigEndian.AppendUint16(r.dst, v)
		return nil
	}
	var flags uint16
	for rest, more := tok, true; more; {
		var name []byte
		name, rest, more = bytes.Cut(rest, []byte{'|'})
		if len(name) == 0 && len(rest) == 0 && !more {
			break // BIND lets a bar stand at the end
		}
		w := findFlag(name)
		if w == nil {
			return r.badField(fieldKeyFlags, tok)
		}
		flags |= w.value
	}
	r.dst = binary.BigEndian.AppendUint16(r.dst, flags)
	return nil
}

func keyFlagsNumber(tok []byte) (uint16, bool) {
	if len(tok) > 2 && tok[0] == '0' && tok[1]|0x20 == 'x' {
		v := 0
		for _, c := range tok[2:] {
			d := hexDigit(c)
			if v = v<<4 | int(d); d > 15 || v > 65535 {
				return 0, false
			}
		}
		return uint16(v), true
	}
	v, ok := decimal(tok, 65535)
	return uint16(v), ok
}

func findFlag(name []byte) *flagWord {
	for i := range flagWords {
		if equalFold(name, flagWords[i].name) {
			return &flagWords[i]
		}
	}
	return nil
}
