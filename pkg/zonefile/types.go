package zonefile

import (
	"slices"
	"sync"
)

// Record types that the code names. The numbers are those of the IANA registry.
const (
	typeA          = 1
	typeNS         = 2
	typeMD         = 3
	typeMF         = 4
	typeCNAME      = 5
	typeSOA        = 6
	typeMB         = 7
	typeMG         = 8
	typeMR         = 9
	typePTR        = 12
	typeHINFO      = 13
	typeMINFO      = 14
	typeMX         = 15
	typeTXT        = 16
	typeRP         = 17
	typeAFSDB      = 18
	typeRT         = 21
	typeNSAPPTR    = 23
	typeSIG        = 24
	typeKEY        = 25
	typePX         = 26
	typeAAAA       = 28
	typeLOC        = 29
	typeSRV        = 33
	typeNAPTR      = 35
	typeKX         = 36
	typeCERT       = 37
	typeA6         = 38
	typeDNAME      = 39
	typeOPT        = 41
	typeAPL        = 42
	typeDS         = 43
	typeSSHFP      = 44
	typeIPSECKEY   = 45
	typeRRSIG      = 46
	typeNSEC       = 47
	typeDNSKEY     = 48
	typeDHCID      = 49
	typeNSEC3      = 50
	typeNSEC3PARAM = 51
	typeTLSA       = 52
	typeSMIMEA     = 53
	typeNINFO      = 56
	typeTALINK     = 58
	typeCDS        = 59
	typeCDNSKEY    = 60
	typeOPENPGPKEY = 61
	typeCSYNC      = 62
	typeZONEMD     = 63
	typeSVCB       = 64
	typeHTTPS      = 65
	typeSPF        = 99
	typeNID        = 104
	typeL32        = 105
	typeL64        = 106
	typeLP         = 107
	typeEUI48      = 108
	typeEUI64      = 109
	typeURI        = 256
	typeCAA        = 257
	typeAVC        = 258
	typeRESINFO    = 261
	typeWALLET     = 262
	typeTA         = 32768
	typeDLV        = 32769
)

// typeEntry pairs a mnemonic with its number.
type typeEntry struct {
	name string
	typ  uint16
}

// typeEntries are the mnemonics that BIND 9.18 reads, and the two spellings of
// our own type. ALIAS stands before ANAME: the first name of a number is the
// one that is printed.
var typeEntries = [...]typeEntry{
	{"A", typeA},
	{"NS", typeNS},
	{"MD", typeMD},
	{"MF", typeMF},
	{"CNAME", typeCNAME},
	{"SOA", typeSOA},
	{"MB", typeMB},
	{"MG", typeMG},
	{"MR", typeMR},
	{"NULL", 10},
	{"WKS", 11},
	{"PTR", typePTR},
	{"HINFO", typeHINFO},
	{"MINFO", typeMINFO},
	{"MX", typeMX},
	{"TXT", typeTXT},
	{"RP", typeRP},
	{"AFSDB", typeAFSDB},
	{"X25", 19},
	{"ISDN", 20},
	{"RT", typeRT},
	{"NSAP", 22},
	{"NSAP-PTR", typeNSAPPTR},
	{"SIG", typeSIG},
	{"KEY", typeKEY},
	{"PX", typePX},
	{"GPOS", 27},
	{"AAAA", typeAAAA},
	{"LOC", typeLOC},
	{"NXT", 30},
	{"EID", 31},
	{"NIMLOC", 32},
	{"SRV", typeSRV},
	{"ATMA", 34},
	{"NAPTR", typeNAPTR},
	{"KX", typeKX},
	{"CERT", typeCERT},
	{"A6", typeA6},
	{"DNAME", typeDNAME},
	{"SINK", 40},
	{"OPT", typeOPT},
	{"APL", typeAPL},
	{"DS", typeDS},
	{"SSHFP", typeSSHFP},
	{"IPSECKEY", typeIPSECKEY},
	{"RRSIG", typeRRSIG},
	{"NSEC", typeNSEC},
	{"DNSKEY", typeDNSKEY},
	{"DHCID", typeDHCID},
	{"NSEC3", typeNSEC3},
	{"NSEC3PARAM", typeNSEC3PARAM},
	{"TLSA", typeTLSA},
	{"SMIMEA", typeSMIMEA},
	{"HIP", 55},
	{"NINFO", typeNINFO},
	{"RKEY", 57},
	{"TALINK", typeTALINK},
	{"CDS", typeCDS},
	{"CDNSKEY", typeCDNSKEY},
	{"OPENPGPKEY", typeOPENPGPKEY},
	{"CSYNC", typeCSYNC},
	{"ZONEMD", typeZONEMD},
	{"SVCB", typeSVCB},
	{"HTTPS", typeHTTPS},
	{"DSYNC", 66},
	{"HHIT", 67},
	{"BRID", 68},
	{"SPF", typeSPF},
	{"UINFO", 100},
	{"UID", 101},
	{"GID", 102},
	{"UNSPEC", 103},
	{"NID", typeNID},
	{"L32", typeL32},
	{"L64", typeL64},
	{"LP", typeLP},
	{"EUI48", typeEUI48},
	{"EUI64", typeEUI64},
	{"TKEY", 249},
	{"TSIG", 250},
	{"IXFR", 251},
	{"AXFR", 252},
	{"MAILB", 253},
	{"MAILA", 254},
	{"ANY", 255},
	{"URI", typeURI},
	{"CAA", typeCAA},
	{"AVC", typeAVC},
	{"DOA", 259},
	{"AMTRELAY", 260},
	{"RESINFO", typeRESINFO},
	{"WALLET", typeWALLET},
	{"TA", typeTA},
	{"DLV", typeDLV},
	{"KEYDATA", 65533},
	{"ALIAS", typeALIAS},
	{"ANAME", typeALIAS},
}

// typeSlots is how many places the table of mnemonics has: a power of two, a
// few times the number of mnemonics so that most look-ups need one probe.
const typeSlots = 512

// typeSlot holds a mnemonic as two words, upper case, its length included; an
// empty slot has length 0.
type typeSlot struct {
	lo, hi uint64
	typ    uint16
}

var (
	typeTable = makeTypeTable()
	typeTexts = sync.OnceValue(makeTypeText)
	typeNames = sync.OnceValue(makeTypeNames)
)

func makeTypeTable() *[typeSlots]typeSlot {
	table := new([typeSlots]typeSlot)
	for _, e := range typeEntries {
		lo, hi := packWord([]byte(e.name))
		at := hashWord(lo, hi)
		for table[at].hi != 0 {
			at = (at + 1) % typeSlots
		}
		table[at] = typeSlot{lo, hi, e.typ}
	}
	return table
}

func makeTypeText() map[uint16]string {
	text := make(map[uint16]string, len(typeEntries))
	for _, e := range typeEntries {
		if text[e.typ] == "" {
			text[e.typ] = e.name
		}
	}
	return text
}

func makeTypeNames() []string {
	var names []string
	for _, e := range typeEntries {
		if !isMetaType(e.typ) {
			names = append(names, e.name)
		}
	}
	return slices.Clip(names)
}

// packWord packs up to fifteen bytes, letters upper case, and their number
// into two words; hi is 0 only for what cannot be packed.
func packWord(b []byte) (lo, hi uint64) {
	if len(b) == 0 || len(b) > 15 {
		return 0, 0
	}
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if i < 8 {
			lo |= uint64(c) << (8 * i)
		} else {
			hi |= uint64(c) << (8 * (i - 8))
		}
	}
	return lo, hi | uint64(len(b))<<56
}

func hashWord(lo, hi uint64) int {
	return int((lo*0x9e3779b97f4a7c15 ^ hi*0xc2b2ae3d27d4eb4f) >> 55 % typeSlots)
}

// parseType reads a record type: a mnemonic in any letter case, or TYPE with a
// number of up to five digits (RFC 3597 §5).
func parseType(tok []byte) (t uint16, ok bool) {
	lo, hi := packWord(tok)
	if hi == 0 {
		return 0, false
	}
	for at := hashWord(lo, hi); typeTable[at].hi != 0; at = (at + 1) % typeSlots {
		if typeTable[at].lo == lo && typeTable[at].hi == hi {
			return typeTable[at].typ, true
		}
	}
	return numberedWord(tok, "TYPE")
}

// numberedWord reads a word such as TYPE65401 or CLASS1.
func numberedWord(tok []byte, prefix string) (n uint16, ok bool) {
	digits := len(tok) - len(prefix)
	if digits < 1 || digits > 5 || !equalFold(tok[:len(prefix)], prefix) {
		return 0, false
	}
	v, ok := decimal(tok[len(prefix):], 65535)
	return uint16(v), ok
}

// equalFold compares with an upper-case word, whatever the letter case of b.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// TypeName is the mnemonic of a record type, or TYPE and its number.
func TypeName(t uint16) string {
	if name, ok := typeTexts()[t]; ok {
		return name
	}
	return string(appendTypeNumber(nil, t))
}

func appendTypeNumber(dst []byte, t uint16) []byte {
	return appendDecimal(append(dst, "TYPE"...), uint64(t))
}

// isMetaType tells whether a type stands for a question or a message, so that
// no zone can hold it (RFC 6895 §3.1).
func isMetaType(t uint16) bool {
	return t == 0 || t == typeOPT || 128 <= t && t <= 255
}

// parseClass reads a class as BIND does: by name, by an older name, or CLASS
// with a number of up to five digits. RESERVED0 is not read as one: BIND takes
// it for no class given.
func parseClass(tok []byte) (class uint16, ok bool) {
	switch {
	case equalFold(tok, "IN"):
		return 1, true
	case equalFold(tok, "CH"), equalFold(tok, "CHAOS"):
		return 3, true
	case equalFold(tok, "HS"), equalFold(tok, "HESIOD"):
		return 4, true
	case equalFold(tok, "NONE"):
		return 254, true
	case equalFold(tok, "ANY"):
		// A type that no zone can hold has this name too, and BIND reads it as
		// the class where both may stand.
		return 255, true
	}
	return numberedWord(tok, "CLASS")
}
