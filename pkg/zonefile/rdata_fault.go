package zonefile

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// One constructor per kind of fault. They run only on failure, so they may
// allocate. The token that a reader has taken is the one before r.next.

func (r *rdataReader) at(token int, code diag.Code, message, hint string) *Fault {
	return &Fault{Token: token, Code: code, Message: message, Hint: hint}
}

// describe says what a field wants.
func describe(f field) string {
	switch f {
	case fieldName, fieldQuotedName, fieldSigner:
		return "a domain name"
	case fieldU8:
		return "a number from 0 to 255"
	case fieldU16:
		return "a number from 0 to 65535"
	case fieldU32:
		return "a number from 0 to 4294967295"
	case fieldPeriod:
		return "a number of seconds"
	case fieldA:
		return "an IPv4 address"
	case fieldAAAA:
		return "an IPv6 address"
	case fieldString, fieldStrings:
		return "a character-string"
	case fieldRegexp:
		return "a substitution such as !^.*$!sip:info@example.com!"
	case fieldTag:
		return "a tag of letters and digits such as issue"
	case fieldLongText:
		return "a value"
	case fieldLongQuoted:
		return "a target in quotation marks"
	case fieldHex:
		return "hex digits"
	case fieldDSDigest, fieldZoneDigest:
		return "a digest in hex digits"
	case fieldSSHDigest:
		return "a fingerprint in hex digits"
	case fieldBase64, fieldKeyBase64:
		return "base64"
	case fieldKeyFlags:
		return "the flags of a key, such as 257"
	case fieldProtocol:
		return "a protocol number"
	case fieldAlgorithm:
		return "a DNSSEC algorithm"
	case fieldDigestType:
		return "a digest type"
	case fieldHashType:
		return "a hash algorithm"
	case fieldCertType:
		return "a certificate type"
	case fieldType, fieldTypes, fieldTypesNeeded:
		return "a record type"
	case fieldTime:
		return "a time of 14 digits, YYYYMMDDHHMMSS"
	case fieldSalt:
		return "a salt in hex digits, or - for none"
	case fieldNextHash:
		return "a hashed owner name in base32hex"
	case fieldEUI48:
		return "an EUI-48 address such as 00-00-5e-00-53-2a"
	case fieldEUI64:
		return "an EUI-64 address such as 00-00-5e-ef-10-00-00-2a"
	case fieldLocator64:
		return "four groups of hex digits with colons"
	case fieldSvcParams:
		return "a parameter such as alpn=h2"
	case fieldLocation:
		return "a location such as 52 22 23.000 N 4 53 32.000 E 2.00m"
	default:
		return "a field"
	}
}

// quoteText shows a piece of the text; a long one is cut short.
func quoteText(b []byte) string {
	const most = 60
	if len(b) > most {
		return strconv.Quote(string(b[:most])) + "..."
	}
	return `"` + printable(b) + `"`
}

// printable is the text itself where it is plain, so that escapes read as the
// author wrote them.
func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			quoted := strconv.Quote(string(b))
			return quoted[1 : len(quoted)-1]
		}
	}
	return string(b)
}

func (r *rdataReader) badMissing(f field) *Fault {
	message := "the RDATA of " + TypeName(r.typ) + " ends where " + describe(f) + " belongs"
	return r.at(len(r.tokens), diag.CodeMissingRDATA, message, r.missingHint())
}

func (r *rdataReader) missingHint() string {
	switch {
	case len(r.tokens) == 0:
		return ""
	case r.typ == typeSOA:
		return "an SOA has two names, then serial, refresh, retry, expire and minimum"
	case r.typ == typeSRV:
		return "an SRV has priority, weight, port and target"
	case r.typ == typeCAA:
		return `a CAA has flags, tag and value, such as 0 issue "ca.example.net"`
	default:
		return ""
	}
}

func (r *rdataReader) badQuoted(f field) *Fault {
	raw := r.tokens[r.next].raw(r.text)
	hint := "leave the quotation marks out"
	if f == fieldSvcParams {
		hint = `quote only the value, as in alpn="h2,h3"`
	}
	return r.at(r.next, diag.CodeQuotedField, quoteContent(raw)+" in quotes where "+describe(f)+" belongs", hint)
}

// quoteContent shows a token that has quotation marks of its own.
func quoteContent(raw []byte) string { return quoteText(raw[1 : len(raw)-1]) }

func (r *rdataReader) badUnquoted(tok Token) *Fault {
	message := quoteText(tok.raw(r.text)) + " without quotes where " + describe(fieldLongQuoted) + " belongs"
	return r.at(r.next-1, diag.CodeBadRDATA, message, "put it in quotation marks")
}

func (r *rdataReader) badExtra() *Fault {
	tok := r.tokens[r.next]
	message := quoteText(tok.content(r.text)) + " stands after the RDATA of " + TypeName(r.typ)
	hint := ""
	switch c := r.text[tok.Start]; {
	case c == '#' || c == '/':
		hint = "; starts a comment"
	case r.typ == typeCAA && !tok.Quoted:
		hint = "put the value in quotation marks"
	case r.typ == typeA || r.typ == typeAAAA:
		hint = "write one record for each address"
	case isNameType(r.typ):
		hint = "write one record for each name; ; starts a comment"
	}
	return r.at(r.next, diag.CodeExtraText, message, hint)
}

func isNameType(t uint16) bool {
	offset, ok := targetOffset(t)
	return ok && offset <= 2
}

func (r *rdataReader) badLength(n int) *Fault {
	message := "the RDATA has " + strconv.Itoa(n) + " octets; a record holds at most 65535"
	return r.at(0, diag.CodeRDATATooLong, message, "")
}

func (r *rdataReader) badName(text []byte, err error) *Fault {
	token := r.next - 1
	switch {
	case errors.Is(err, zone.ErrEmptyLabel):
		return r.at(token, diag.CodeEmptyLabel, quoteText(text)+" has an empty label", "take out the extra dot")
	case errors.Is(err, zone.ErrLabelTooLong):
		return r.at(token, diag.CodeLabelTooLong, quoteText(text)+" has a label longer than 63 octets", "")
	case errors.Is(err, zone.ErrNameTooLong):
		return r.at(token, diag.CodeNameTooLong, quoteText(text)+" is longer than 255 octets as a whole name", "")
	case errors.Is(err, zone.ErrBadEscape):
		return r.at(token, diag.CodeBadEscape, quoteText(text)+" has a bad escape",
			`write \X for a character, \DDD for an octet from 000 to 255`)
	case errors.Is(err, zone.ErrRelativeName):
		return r.at(token, diag.CodeBadName, quoteText(text)+" is relative and no origin is known", "end the name with a dot")
	default:
		return r.at(token, diag.CodeBadName, quoteText(text)+" is no domain name", "")
	}
}

func (r *rdataReader) badSigner(labels byte) *Fault {
	message := quoteText(r.tokens[r.next-1].raw(r.text)) + " has more labels than the owner's " + strconv.Itoa(int(labels))
	return r.at(r.next-1, diag.CodeBadRDATA, message, "the signer is the zone that the owner is in")
}

func (r *rdataReader) badNumber(f field, tok []byte, limit uint64) *Fault {
	token := r.next - 1
	if allDigits(tok) {
		message := quoteText(tok) + " is above " + strconv.FormatUint(limit, 10)
		return r.at(token, diag.CodeNumberRange, message, "")
	}
	message := quoteText(tok) + " where " + describe(f) + " belongs"
	hint := ""
	switch {
	case token != 0:
	case r.typ == typeMX:
		hint = "an MX has a preference before the host, such as 10 mail.example.com."
	case r.typ == typeSVCB || r.typ == typeHTTPS:
		hint = "the priority comes first: 0 for an alias, else 1 and up"
	case r.typ == typeSRV:
		hint = "an SRV has priority, weight, port and target"
	}
	return r.at(token, diag.CodeBadRDATA, message, hint)
}

func (r *rdataReader) badPeriod(tok []byte, status ttlStatus) *Fault {
	if status == ttlTooBig {
		return r.at(r.next-1, diag.CodeNumberRange, quoteText(tok)+" is above 4294967295 seconds", "")
	}
	message := quoteText(tok) + " where " + describe(fieldPeriod) + " belongs"
	return r.at(r.next-1, diag.CodeBadRDATA, message, "write seconds, or units such as 1h30m")
}

func (r *rdataReader) badIPv4(tok []byte) *Fault {
	var hint string
	switch address, err := netip.ParseAddr(string(tok)); {
	case err == nil && address.Is6():
		hint = "use AAAA for an IPv6 address"
	case bytes.HasSuffix(tok, []byte{'.'}) && isIPv4(tok[:len(tok)-1]):
		hint = "leave out the dot at the end"
	case looksNumeric(tok):
		hint = "four numbers from 0 to 255, without leading zeros"
	default:
		hint = "use CNAME or ALIAS for a host name"
	}
	return r.at(r.next-1, diag.CodeBadAddress, quoteText(tok)+" is no IPv4 address", hint)
}

func (r *rdataReader) badIPv6(tok []byte) *Fault {
	hint := ""
	switch {
	case isIPv4(tok):
		hint = "use A for an IPv4 address"
	case bytes.IndexByte(tok, '%') >= 0:
		hint = "leave out the zone after %"
	case bytes.IndexByte(tok, ':') < 0:
		hint = "use CNAME or ALIAS for a host name"
	}
	return r.at(r.next-1, diag.CodeBadAddress, quoteText(tok)+" is no IPv6 address", hint)
}

func isIPv4(b []byte) bool {
	_, ok := appendIPv4(nil, b)
	return ok
}

func looksNumeric(b []byte) bool {
	for _, c := range b {
		if c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (r *rdataReader) badText(tok Token, status textStatus) *Fault {
	text := quoteText(tok.content(r.text))
	if status == textTooLong {
		return r.at(r.next-1, diag.CodeStringTooLong, text+" is longer than 255 octets",
			"split it into several strings: readers put them together again")
	}
	return r.at(r.next-1, diag.CodeBadEscape, text+" has a bad escape",
		`write \X for a character, \DDD for an octet from 000 to 255`)
}

// badField is for a token that is not what its field wants.
func (r *rdataReader) badField(f field, tok []byte) *Fault {
	return r.at(r.next-1, diag.CodeBadRDATA, quoteText(tok)+" where "+describe(f)+" belongs", nearWord(f, tok))
}

// nearWord offers the mnemonic that a token is nearly.
func nearWord(f field, tok []byte) string {
	var names []string
	for _, w := range fieldWords[f] {
		names = append(names, w.name)
	}
	if f == fieldKeyFlags {
		for _, w := range flagWords {
			names = append(names, w.name)
		}
	}
	return didYouMean(diag.Near(string(tok), names))
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return "did you mean " + near + "?"
}

func (r *rdataReader) badType(tok []byte) *Fault {
	message := quoteText(tok) + " is no record type"
	return r.at(r.next-1, diag.CodeUnknownType, message, didYouMean(diag.Near(string(tok), typeNames())))
}

func (r *rdataReader) badOddHex() *Fault {
	return r.at(r.next-1, diag.CodeBadRDATA, "an odd number of hex digits", "each octet is two digits")
}

func (r *rdataReader) badDigestLength(have, want int) *Fault {
	code, what := diag.CodeBadRDATA, "the digest has "
	if r.isGeneric() {
		code, what = diag.CodeGenericLength, "the RDATA has "
	}
	return r.at(min(r.next, len(r.tokens)), code,
		what+strconv.Itoa(have)+" octets where "+strconv.Itoa(want)+" belong", "")
}

func (r *rdataReader) badGenericLength(want int) *Fault {
	message := "there are more than the " + strconv.Itoa(want) + " octets that the length says"
	return r.at(r.next, diag.CodeGenericLength, message, "")
}

func (r *rdataReader) badGeneric() *Fault {
	return r.at(0, diag.CodeBadRDATA, "these octets are no RDATA of "+TypeName(r.typ), "")
}

func (r *rdataReader) badUnknownType() *Fault {
	message := "the RDATA of " + TypeName(r.typ) + " has no form but the generic one"
	return r.at(0, diag.CodeBadRDATA, message, `write \# and the length, then the octets in hex (RFC 3597)`)
}

func (r *rdataReader) badParamName(name []byte) *Fault {
	message := quoteText(name) + " is no key of a service parameter"
	hint := didYouMean(diag.Near(string(name), paramNames))
	if bytes.IndexByte(name, '#') == 0 {
		hint = "; starts a comment"
	} else if lower := bytes.ToLower(name); !bytes.Equal(lower, name) {
		if _, _, ok := paramKey(lower); ok {
			hint = "keys are written in lower case"
		}
	}
	return r.at(r.next-1, diag.CodeBadRDATA, message, hint)
}

func (r *rdataReader) badParamValue(name, value []byte) *Fault {
	key, _, _ := paramKey(name)
	message := quoteText(value) + " is no value for " + string(name)
	hint := ""
	switch key {
	case keyMandatory:
		hint = "list other keys, each once, with commas"
	case keyALPN:
		hint = "list protocol names with commas, as in alpn=h2,h3"
	case keyNoDefaultALPN:
		hint = "it takes no value"
	case keyPort:
		hint = "a number from 0 to 65535"
	case keyIPv4Hint:
		hint = "list IPv4 addresses with commas"
	case keyIPv6Hint:
		hint = "list IPv6 addresses with commas"
	case keyECH:
		hint = "base64"
	case keyDoHPath:
		hint = "a path with the variable dns, such as /dns-query{?dns}"
	}
	return r.at(r.next-1, diag.CodeBadRDATA, message, hint)
}

func (r *rdataReader) badParamTwice(token, key int) *Fault {
	name := string(appendParamName(nil, uint16(key)))
	return r.at(token, diag.CodeBadRDATA, name+" is given twice", "each key may stand once")
}

func (r *rdataReader) badParams(fault paramsFault, key uint16) *Fault {
	name := string(appendParamName(nil, key))
	token := min(2, len(r.tokens)-1)
	switch fault {
	case paramsNoALPN:
		return r.at(token, diag.CodeBadRDATA, name+" stands without alpn", "add alpn, or take it out")
	case paramsMandatoryItself:
		return r.at(token, diag.CodeBadRDATA, "mandatory lists itself", "list other keys only")
	case paramsMandatoryMissing:
		return r.at(token, diag.CodeBadRDATA, "mandatory lists "+name+", which is not given", "")
	case paramsOK:
	}
	panic("aliasflat: internal error: a fault was made of good parameters")
}
