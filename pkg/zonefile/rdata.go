package zonefile

import (
	"encoding/binary"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// maxRDATALen is what the length field of a record can say (RFC 1035 §3.2.1).
const maxRDATALen = 65535

// field is one part of an RDATA: how its text is read, what octets it becomes,
// and how these are printed again.
type field uint8

const (
	fieldName        field = iota + 1 // a domain name
	fieldQuotedName                   // a domain name that may stand in quotes
	fieldSigner                       // the signer's name of an RRSIG
	fieldU8                           // a decimal number of one octet
	fieldU16                          // of two octets
	fieldU32                          // of four octets
	fieldPeriod                       // seconds in four octets, TTL units allowed
	fieldA                            // an IPv4 address
	fieldAAAA                         // an IPv6 address
	fieldString                       // one character-string
	fieldStrings                      // one or more character-strings, to the end
	fieldRegexp                       // the substitution of a NAPTR, a character-string
	fieldTag                          // the tag of a CAA
	fieldLongText                     // text to the end of the RDATA, without a length
	fieldLongQuoted                   // the same, quotes required
	fieldHex                          // octets in hex to the end, at least one
	fieldDSDigest                     // a digest in hex; the octet before it is the DS digest type
	fieldSSHDigest                    // the same for the SSHFP fingerprint type
	fieldZoneDigest                   // the same for the ZONEMD hash algorithm
	fieldBase64                       // octets in base64 to the end, at least one
	fieldKeyBase64                    // the same; none where the flags of a KEY say so
	fieldKeyFlags                     // the flags of a DNSKEY
	fieldProtocol                     // the protocol of a DNSKEY
	fieldAlgorithm                    // a DNSSEC algorithm
	fieldDigestType                   // a DS digest type
	fieldHashType                     // an NSEC3 hash algorithm
	fieldCertType                     // the type of a CERT
	fieldType                         // a record type
	fieldTime                         // a date and time, or seconds since 1970
	fieldSalt                         // the salt of an NSEC3
	fieldNextHash                     // the next hashed owner name of an NSEC3
	fieldTypes                        // a type bitmap (RFC 4034 §4.1.2)
	fieldTypesNeeded                  // a type bitmap that is not empty
	fieldEUI48                        // an EUI-48 address
	fieldEUI64                        // an EUI-64 address
	fieldLocator64                    // four groups of hex digits (RFC 6742 §2.1.1)
	fieldSvcParams                    // the parameters of an SVCB or HTTPS
	fieldLocation                     // the whole of a LOC
)

// Layouts that several types share.
var (
	layoutName     = []field{fieldName}
	layoutTwoNames = []field{fieldName, fieldName}
	layoutHost     = []field{fieldU16, fieldName}
	layoutStrings  = []field{fieldStrings}
	layoutDS       = []field{fieldU16, fieldAlgorithm, fieldDigestType, fieldDSDigest}
	layoutDNSKEY   = []field{fieldKeyFlags, fieldProtocol, fieldAlgorithm, fieldBase64}
	layoutTLSA     = []field{fieldU8, fieldU8, fieldU8, fieldHex}
	layoutSVCB     = []field{fieldU16, fieldQuotedName, fieldSvcParams}
)

// layouts says, for the types with a checker of our own, what their RDATA is
// made of.
var layouts = [...][]field{
	typeA:       {fieldA},
	typeNS:      layoutName,
	typeCNAME:   layoutName,
	typeSOA:     {fieldName, fieldName, fieldU32, fieldPeriod, fieldPeriod, fieldPeriod, fieldPeriod},
	typeMB:      layoutName,
	typeMG:      layoutName,
	typeMR:      layoutName,
	typePTR:     layoutName,
	typeHINFO:   {fieldString, fieldString},
	typeMINFO:   layoutTwoNames,
	typeMX:      layoutHost,
	typeTXT:     layoutStrings,
	typeRP:      layoutTwoNames,
	typeAFSDB:   layoutHost,
	typeRT:      layoutHost,
	typeNSAPPTR: layoutName,
	typeSIG: {
		fieldType, fieldAlgorithm, fieldU8, fieldU32, fieldTime, fieldTime, fieldU16, fieldName, fieldBase64,
	},
	typeKEY:   {fieldKeyFlags, fieldProtocol, fieldAlgorithm, fieldKeyBase64},
	typePX:    {fieldU16, fieldName, fieldName},
	typeAAAA:  {fieldAAAA},
	typeLOC:   {fieldLocation},
	typeSRV:   {fieldU16, fieldU16, fieldU16, fieldName},
	typeNAPTR: {fieldU16, fieldU16, fieldString, fieldString, fieldRegexp, fieldName},
	typeKX:    layoutHost,
	typeCERT:  {fieldCertType, fieldU16, fieldAlgorithm, fieldBase64},
	typeDNAME: layoutName,
	typeDS:    layoutDS,
	typeSSHFP: {fieldU8, fieldU8, fieldSSHDigest},
	typeRRSIG: {
		fieldType, fieldAlgorithm, fieldU8, fieldU32, fieldTime, fieldTime, fieldU16, fieldSigner, fieldBase64,
	},
	typeNSEC:       {fieldName, fieldTypesNeeded},
	typeDNSKEY:     layoutDNSKEY,
	typeDHCID:      {fieldBase64},
	typeNSEC3:      {fieldHashType, fieldU8, fieldU16, fieldSalt, fieldNextHash, fieldTypes},
	typeNSEC3PARAM: {fieldHashType, fieldU8, fieldU16, fieldSalt},
	typeTLSA:       layoutTLSA,
	typeSMIMEA:     layoutTLSA,
	typeNINFO:      layoutStrings,
	typeTALINK:     layoutTwoNames,
	typeCDS:        layoutDS,
	typeCDNSKEY:    layoutDNSKEY,
	typeOPENPGPKEY: {fieldBase64},
	typeCSYNC:      {fieldU32, fieldU16, fieldTypes},
	typeZONEMD:     {fieldU32, fieldU8, fieldU8, fieldZoneDigest},
	typeSVCB:       layoutSVCB,
	typeHTTPS:      layoutSVCB,
	typeSPF:        layoutStrings,
	typeNID:        {fieldU16, fieldLocator64},
	typeL32:        {fieldU16, fieldA},
	typeL64:        {fieldU16, fieldLocator64},
	typeLP:         layoutHost,
	typeEUI48:      {fieldEUI48},
	typeEUI64:      {fieldEUI64},
	typeURI:        {fieldU16, fieldU16, fieldLongQuoted},
	typeCAA:        {fieldU8, fieldTag, fieldLongText},
	typeAVC:        layoutStrings,
	typeRESINFO:    layoutStrings,
	typeWALLET:     layoutStrings,
}

// layoutOf is nil for the types without a checker of our own.
func layoutOf(t uint16) []field {
	switch {
	case int(t) < len(layouts):
		return layouts[t]
	case t == typeTA, t == typeDLV:
		return layoutDS
	default:
		return nil
	}
}

// rdataReader reads the tokens of one RDATA from left to right.
type rdataReader struct {
	dst    []byte // the wire form so far, after what the caller had there
	start  int    // where in dst the RDATA starts
	text   []byte
	tokens []Token
	next   int // the token to read next
	typ    uint16
	fold   bool
	origin []byte
}

// appendRDATA appends the wire form of an RDATA, uncompressed. The tokens are
// those after the type; origin, a wire name, completes relative names. With
// fold the domain names inside become lower case, so that equal RDATA have
// equal octets.
//
// A type without a checker of our own is shown to miekg/dns. What that refuses
// may still be right: verified is false then, nothing is appended, and there
// is no fault. With a fault nothing is appended either.
func appendRDATA(dst []byte, t uint16, text []byte, tokens []Token, origin []byte, fold bool) (
	out []byte, verified bool, fault *Fault,
) {
	r := rdataReader{dst: dst, start: len(dst), text: text, tokens: tokens, typ: t, fold: fold, origin: origin}
	if r.isGeneric() {
		return r.generic()
	}
	layout := layoutOf(t)
	if layout == nil {
		if _, known := typeTexts()[t]; !known {
			return dst, false, r.badUnknownType()
		}
		return r.foreign()
	}
	for _, f := range layout {
		if fault := r.field(f); fault != nil {
			return dst, false, fault
		}
	}
	if r.next < len(tokens) {
		return dst, false, r.badExtra()
	}
	if n := len(r.dst) - r.start; n > maxRDATALen {
		return dst, false, r.badLength(n)
	}
	return r.dst, true, nil
}

// field reads one field. It is a flat switch over the kinds.
func (r *rdataReader) field(f field) *Fault {
	switch f {
	case fieldName:
		return r.name()
	case fieldSigner:
		return r.signer()
	case fieldQuotedName:
		return r.quotedName()
	case fieldU8:
		return r.number(f, 1<<8-1)
	case fieldU16:
		return r.number(f, 1<<16-1)
	case fieldU32:
		return r.number(f, 1<<32-1)
	case fieldPeriod:
		return r.period()
	case fieldA:
		return r.ipv4()
	case fieldAAAA:
		return r.ipv6()
	case fieldString:
		return r.charString()
	case fieldStrings:
		return r.charStrings()
	case fieldRegexp:
		return r.regexp()
	case fieldTag:
		return r.tag()
	case fieldLongText, fieldLongQuoted:
		return r.longText(f)
	case fieldHex, fieldDSDigest, fieldSSHDigest, fieldZoneDigest:
		return r.hex(f)
	case fieldBase64, fieldKeyBase64:
		return r.base64(f)
	case fieldKeyFlags:
		return r.keyFlags()
	case fieldProtocol, fieldAlgorithm, fieldDigestType, fieldHashType, fieldCertType:
		return r.mnemonic(f)
	case fieldType:
		return r.coveredType()
	case fieldTime:
		return r.time()
	case fieldSalt:
		return r.salt()
	case fieldNextHash:
		return r.nextHash()
	case fieldTypes, fieldTypesNeeded:
		return r.types(f)
	case fieldEUI48:
		return r.eui(f, 6)
	case fieldEUI64:
		return r.eui(f, 8)
	case fieldLocator64:
		return r.locator64()
	case fieldSvcParams:
		return r.svcParams()
	case fieldLocation:
		return r.location()
	default:
		panic("aliasflat: internal error: RDATA field without a reader")
	}
}

// bare takes the next token, which must be there and without quotes.
func (r *rdataReader) bare(f field) ([]byte, *Fault) {
	if r.next >= len(r.tokens) {
		return nil, r.badMissing(f)
	}
	tok := r.tokens[r.next]
	if tok.Quoted {
		return nil, r.badQuoted(f)
	}
	r.next++
	return r.text[tok.Start:tok.End], nil
}

// name reads a domain name.
func (r *rdataReader) name() *Fault {
	tok, fault := r.bare(fieldName)
	if fault != nil {
		return fault
	}
	return r.appendName(tok)
}

// quotedName reads a domain name that may stand in quotes.
func (r *rdataReader) quotedName() *Fault {
	if r.next >= len(r.tokens) {
		return r.badMissing(fieldQuotedName)
	}
	r.next++
	return r.appendName(r.tokens[r.next-1].content(r.text))
}

// signer reads the signer's name of an RRSIG. It has no more labels than the
// owner, whose number stands in the fourth octet (RFC 4034 §3.1.3).
func (r *rdataReader) signer() *Fault {
	at := len(r.dst)
	if fault := r.name(); fault != nil {
		return fault
	}
	labels := 0
	for b := r.dst[at:]; b[0] != 0; b = b[b[0]+1:] {
		labels++
	}
	if labels > int(r.dst[r.start+3]) {
		return r.badSigner(r.dst[r.start+3])
	}
	return nil
}

func (r *rdataReader) appendName(text []byte) *Fault {
	at := len(r.dst)
	dst, err := zone.AppendName(r.dst, text, r.origin)
	if err != nil {
		return r.badName(text, err)
	}
	if r.fold {
		zone.FoldCase(dst[at:])
	}
	r.dst = dst
	return nil
}

// number reads a decimal number and appends as many octets as limit has.
func (r *rdataReader) number(f field, limit uint64) *Fault {
	tok, fault := r.bare(f)
	if fault != nil {
		return fault
	}
	v, ok := decimal(tok, limit)
	if !ok {
		return r.badNumber(f, tok, limit)
	}
	r.appendUint(v, limit)
	return nil
}

func (r *rdataReader) appendUint(v, limit uint64) {
	switch limit {
	case 1<<8 - 1:
		r.dst = append(r.dst, byte(v))
	case 1<<16 - 1:
		r.dst = binary.BigEndian.AppendUint16(r.dst, uint16(v))
	default:
		r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(v))
	}
}

// period reads one of the timers of an SOA.
func (r *rdataReader) period() *Fault {
	tok, fault := r.bare(fieldPeriod)
	if fault != nil {
		return fault
	}
	v, status := parsePeriod(tok)
	if status != ttlOK {
		return r.badPeriod(tok, status)
	}
	r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(v))
	return nil
}

// decimal reads a number of digits only, up to limit.
func decimal(b []byte, limit uint64) (v uint64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		if v = v*10 + uint64(d); v > limit {
			return 0, false
		}
	}
	return v, true
}

// allDigits tells whether b is a number, however large.
func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// appendDecimal appends a number in decimal.
func appendDecimal(dst []byte, v uint64) []byte {
	var digits [20]byte
	at := len(digits)
	for {
		at--
		digits[at] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return append(dst, digits[at:]...)
		}
	}
}

// isGeneric tells whether the RDATA has the form \# length hex (RFC 3597 §5).
// In a TXT a word \# without a number after it is a string, as in BIND.
func (r *rdataReader) isGeneric() bool {
	if len(r.tokens) == 0 {
		return false
	}
	tok := r.tokens[0]
	if tok.End-tok.Start != 2 || r.text[tok.Start] != '\\' || r.text[tok.Start+1] != '#' {
		return false
	}
	if r.typ != typeTXT {
		return true
	}
	return len(r.tokens) > 1 && !r.tokens[1].Quoted && allDigits(r.tokens[1].raw(r.text))
}

// generic reads the generic form. The octets of a known type are checked.
func (r *rdataReader) generic() (out []byte, verified bool, fault *Fault) {
	dst := r.dst
	r.next = 1
	tok, fault := r.bare(fieldU16)
	if fault != nil {
		return dst, false, fault
	}
	n, ok := decimal(tok, maxRDATALen)
	if !ok {
		return dst, false, r.badNumber(fieldU16, tok, maxRDATALen)
	}
	if fault := r.hexOctets(int(n)); fault != nil {
		return dst, false, fault
	}
	if r.next < len(r.tokens) {
		return dst, false, r.badGenericLength(int(n))
	}
	rdata := r.dst[r.start:]
	_, known := typeTexts()[r.typ]
	if !known || r.typ == typeALIAS {
		return r.dst, true, nil
	}
	if layoutOf(r.typ) == nil {
		if _, _, err := dns.UnpackRR(packedRecord(r.typ, rdata), 0); err != nil {
			return dst, false, nil
		}
		return r.dst, true, nil
	}
	if !checkWire(r.typ, rdata, r.fold) {
		return dst, false, r.badGeneric()
	}
	return r.dst, true, nil
}

// packedRecord is a whole record in wire form, at the root, for miekg/dns.
func packedRecord(t uint16, rdata []byte) []byte {
	b := make([]byte, 0, 11+len(rdata))
	b = binary.BigEndian.AppendUint16(append(b, 0), t)
	b = append(b, 0, 1, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	return append(b, rdata...)
}

// foreign lets miekg/dns read an RDATA, from one line made of the tokens: it
// misreads line ends and comments inside parentheses. It is never let near
// $INCLUDE.
func (r *rdataReader) foreign() (out []byte, verified bool, fault *Fault) {
	line := make([]byte, 0, 64)
	line = append(line, ". 0 IN "...)
	line = append(line, TypeName(r.typ)...)
	for _, tok := range r.tokens {
		line = append(append(line, ' '), tok.raw(r.text)...)
	}
	if strings.ContainsAny(string(line), "\n\r") {
		return r.dst, false, nil
	}
	line = append(line, '\n')
	origin := string(zone.AppendNameText(nil, r.origin))
	parser := dns.NewZoneParser(strings.NewReader(string(line)), origin, "")
	parser.SetIncludeAllowed(false)
	rr, ok := parser.Next()
	if !ok || rr == nil || parser.Err() != nil || rr.Header().Rrtype != r.typ {
		return r.dst, false, nil
	}
	rdata, ok := packRDATA(rr)
	if !ok || len(rdata) == 0 && r.typ != typeAPL || !readsBack(r.typ, rdata) {
		return r.dst, false, nil
	}
	return append(r.dst, rdata...), true, nil
}

// packRDATA is the RDATA of a record of miekg/dns in wire form.
func packRDATA(rr dns.RR) ([]byte, bool) {
	buf := make([]byte, dns.Len(rr)+64)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, false
	}
	_, at, err := dns.UnpackDomainName(buf, 0)
	if err != nil || at+10 > end {
		return nil, false
	}
	return buf[at+10 : end], true
}

// readsBack tells whether miekg/dns takes its own octets, which it does not
// for some of what it accepts as text.
func readsBack(t uint16, rdata []byte) bool {
	_, _, err := dns.UnpackRR(packedRecord(t, rdata), 0)
	return err == nil
}

// targetOffset tells where in the wire form of an RDATA the name of the host
// stands that the record points at.
func targetOffset(t uint16) (offset int, ok bool) {
	switch t {
	case typeNS, typeCNAME, typeDNAME, typePTR:
		return 0, true
	case typeMX, typeKX, typeAFSDB, typeSVCB, typeHTTPS:
		return 2, true
	case typeSRV:
		return 6, true
	default:
		return 0, false
	}
}

// Fault is what is wrong with an RDATA or a control entry.
type Fault struct {
	Token         int // index of the token concerned; the number of tokens means after the last
	Code          diag.Code
	Message, Hint string
}
