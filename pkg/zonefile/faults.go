package zonefile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// One constructor for each thing that can be wrong with an entry. Places are
// added by whoever reports them.

func problem(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Error, Code: code, Message: message, Hint: hint}
}

func notice(code diag.Code, message, hint string) *diag.Diagnostic {
	return &diag.Diagnostic{Severity: diag.Warning, Code: code, Message: message, Hint: hint}
}

// quote shows what was read, cut to a bearable length.
func quote(text []byte) string { return quoteText(text) }

func nameText(wire []byte) string { return string(zone.AppendNameText(nil, wire)) }

func faultScan(f scanFault, entry []byte) *diag.Diagnostic {
	switch f {
	case scanUnclosedParen:
		return problem(diag.CodeUnclosedParen, "parenthesis is never closed", "add the closing parenthesis, or delete this one")
	case scanUnopenedParen:
		return problem(diag.CodeUnopenedParen, "closing parenthesis without an opening one", "delete it, or add the opening parenthesis")
	case scanUnclosedQuote:
		return problem(diag.CodeUnclosedQuote, "quotation mark is not closed on its line", "close it before the line ends; a string may be split into several")
	case scanBareCR:
		return problem(diag.CodeBareCR, "carriage return that no line feed follows", "end lines with a line feed, with or without a carriage return before it")
	case scanOK:
	}
	panic("aliasflat: internal error: no fault in " + quote(entry))
}

func faultNoOwner() *diag.Diagnostic {
	return problem(diag.CodeNoOwner, "line begins with white space, and there is no owner name to repeat", "begin the line with an owner name, or with @ for the origin")
}

func faultInheritedAfterOrigin(owner, origin []byte) *diag.Diagnostic {
	return notice(diag.CodeInheritedOwnerAfterOrigin,
		fmt.Sprintf("record behind $ORIGIN %s belongs to %s, the owner name before it", nameText(origin), nameText(owner)),
		"write the owner name; @ is the origin")
}

func faultName(text []byte, err error) *diag.Diagnostic {
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		return faultByteOrderMark()
	}
	q := quote(text)
	switch {
	case errors.Is(err, zone.ErrBadEscape):
		return problem(diag.CodeBadEscape, "name "+q+" has an escape that stands for no octet", `an escape is \ and one character that is no digit, or \ and three digits up to 255`)
	case errors.Is(err, zone.ErrEmptyLabel):
		return problem(diag.CodeEmptyLabel, "name "+q+" has an empty label", "write one dot between labels")
	case errors.Is(err, zone.ErrLabelTooLong):
		return problem(diag.CodeLabelTooLong, "name "+q+" has a label of more than 63 octets", "is a dot missing?")
	case errors.Is(err, zone.ErrNameTooLong):
		return problem(diag.CodeNameTooLong, "name "+q+" is longer than 255 octets with its origin", "end it with a dot if it is absolute")
	default:
		return problem(diag.CodeBadName, "name "+q+" cannot be an owner name", "write an octet 0 as \\000")
	}
}

func faultByteOrderMark() *diag.Diagnostic {
	return problem(diag.CodeByteOrderMark, "file begins with a UTF-8 byte order mark", "save it without one: no name server reads it")
}

func faultRelativeLooking(text, wire []byte) *diag.Diagnostic {
	return notice(diag.CodeRelativeLooking, fmt.Sprintf("name %s means %s", quote(text), nameText(wire)), "end it with a dot if it is absolute")
}

func faultNoType(entry []byte) *diag.Diagnostic {
	d := problem(diag.CodeMissingRDATA, "record ends before its type", "a record is: owner name, TTL, class, type, RDATA")
	return withOddBytes(d, entry)
}

// withOddBytes turns a fault into what caused it: bytes that look like white
// space and are none.
func withOddBytes(d *diag.Diagnostic, entry []byte) *diag.Diagnostic {
	switch at, n := oddBytes(entry); n {
	case 3:
		return faultByteOrderMark()
	case 2:
		return problem(diag.CodeNoBreakSpace, "no-break space between fields", "replace U+00A0, which comes from copied web pages, by a space")
	case 1:
		return problem(diag.CodeControlCharacter, fmt.Sprintf("control character %#02x among the fields", entry[at]), "only space and tab separate fields")
	}
	return d
}

// oddBytes gives the place and number of such bytes: a byte order mark, a
// no-break space, or a control character.
func oddBytes(entry []byte) (at, n int) {
	if i := bytes.Index(entry, []byte("\xef\xbb\xbf")); i >= 0 {
		return i, 3
	}
	if i := bytes.Index(entry, []byte("\u00a0")); i >= 0 {
		return i, 2
	}
	if i := bytes.IndexFunc(entry, func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' && c != '\r' }); i >= 0 {
		return i, 1
	}
	return 0, 0
}

// failOdd reports a fault that odd bytes in the entry may have caused, at
// these.
func (r *reader) failOdd(e *Entry, start, end int32, d *diag.Diagnostic) {
	switch d.Code {
	case diag.CodeByteOrderMark, diag.CodeNoBreakSpace, diag.CodeControlCharacter:
		at, n := oddBytes(r.text[e.Start:e.End])
		start, end = e.Start+int32(at), e.Start+int32(at+n)
	}
	r.fail(start, end, d)
}

func faultQuoted(text []byte) *diag.Diagnostic {
	return problem(diag.CodeQuotedField, quoteContent(text)+" in quotes where TTL, class or type belongs", "remove the quotation marks")
}

func faultQuotedOrigin(text []byte) *diag.Diagnostic {
	return problem(diag.CodeQuotedField, quoteContent(text)+" in quotes where an origin belongs", "remove the quotation marks")
}

func faultMetaType(text []byte) *diag.Diagnostic {
	return problem(diag.CodeMetaType, "type "+quote(text)+" exists in queries only, not in zones", "delete the record")
}

func faultUnknownType(text, entry []byte) *diag.Diagnostic {
	if text[0] == '$' {
		return problem(diag.CodeIndentedDirective, "control entry "+quote(text)+" does not begin in the first column", "remove what stands before it")
	}
	if text[0] == '#' {
		return problem(diag.CodeUnknownType, "type "+quote(text)+" is unknown", "; starts a comment")
	}
	if _, ok := parseClass(text); ok {
		return problem(diag.CodeBadClass, "class "+quote(text)+" where a type belongs", "a record has one class; write its type")
	}
	if len(text) > 5 && foldEqual(text[:5], "CLASS") && !bytes.ContainsFunc(text[5:], func(c rune) bool { return c < '0' || c > '9' }) {
		return problem(diag.CodeBadClass, "class "+quote(text)+" does not exist", "class numbers go to 65535; write IN")
	}
	hint := "an unknown type is written as TYPE and its number"
	if near := diag.Near(string(text), typeNames()); near != "" {
		hint = "did you mean " + near + "?"
	}
	return withOddBytes(problem(diag.CodeUnknownType, "type "+quote(text)+" is unknown", hint), entry)
}

func faultClass(text []byte) *diag.Diagnostic {
	return problem(diag.CodeClassMismatch, "class "+quote(text)+" is not IN", "only zones of class IN are handled")
}

func faultTwoTTLs(text []byte) *diag.Diagnostic {
	return problem(diag.CodeBadTTL, "second TTL "+quote(text), "a record has one TTL")
}

func faultTTL(text []byte, status ttlStatus) *diag.Diagnostic {
	if status == ttlTooBig {
		return problem(diag.CodeTTLTooBig, "TTL "+quote(text)+" is larger than 2147483647", "RFC 2181 section 8 allows 31 bits; BIND reads more as 0")
	}
	return problem(diag.CodeBadTTL, quote(text)+" is neither a TTL nor a type", "a TTL is seconds, or numbers each with one of w, d, h, m, s: 1h30m")
}

func faultNoTTL() *diag.Diagnostic {
	return problem(diag.CodeNoTTL, "record has no TTL, and none stands before it", "write $TTL at the top of the zone")
}

func faultDirectiveTTL(text []byte, status ttlStatus) *diag.Diagnostic {
	d := faultTTL(text, status)
	if status != ttlTooBig {
		d.Message = quote(text) + " is no TTL"
	}
	return d
}

func faultUnverified(typ uint16) *diag.Diagnostic {
	return notice(diag.CodeUnverifiedRDATA, "could not verify the RDATA of type "+TypeName(typ), "it is passed through as written")
}

func faultRDATATooLong(n int) *diag.Diagnostic {
	return problem(diag.CodeRDATATooLong, "RDATA of "+strconv.Itoa(n)+" octets", "65535 are the most")
}

func faultBadHost(owner bool, typ uint16, wire []byte) *diag.Diagnostic {
	what := "RDATA of " + TypeName(typ)
	if owner {
		what = "owner name of " + TypeName(typ)
	}
	return problem(diag.CodeBadHostname, what+" "+nameText(wire)+" is not a host name",
		"host names have letters, digits and inner hyphens (RFC 952, RFC 1123); check-names: warn accepts it")
}

func faultWildcardNS() *diag.Diagnostic {
	return problem(diag.CodeWildcardNS, "NS record at a wildcard", "delegate each name by itself: name servers refuse this (RFC 4592 section 4.2)")
}

func faultSOANotApex(owner, apex []byte) *diag.Diagnostic {
	return problem(diag.CodeSOANotApex, "SOA record at "+nameText(owner)+", which is not the apex "+nameText(apex), "is this the file of another zone? --origin names the zone")
}

func faultUnknownDirective(text []byte) *diag.Diagnostic {
	hint := `an owner name that begins with $ is written \$`
	if near := diag.Near(string(text), []string{"$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"}); near != "" {
		hint = "did you mean " + near + "?"
	}
	return problem(diag.CodeUnknownDirective, "control entry "+quote(text)+" is unknown", hint)
}

func faultDirectiveArgument(directive []byte, want string) *diag.Diagnostic {
	return problem(diag.CodeDirectiveArgument, strings.ToUpper(string(directive))+" without "+want, "")
}

func faultDirectiveJunk(directive, text []byte) *diag.Diagnostic {
	return problem(diag.CodeDirectiveJunk, quote(text)+" behind the argument of "+strings.ToUpper(string(directive)), "delete it, or put ; before it")
}

func faultGenerateText() *diag.Diagnostic {
	return problem(diag.CodeGenerateLimit, "the records of all $GENERATE entries together are longer than 64 MiB", "write fewer or shorter ones")
}

func faultNoLineEnd(directive []byte) *diag.Diagnostic {
	return problem(diag.CodeDirectiveJunk, "file ends behind "+strings.ToUpper(string(directive))+" without a line end", "end the last line with a line feed: BIND refuses a control entry without one")
}

func faultInclude(code diag.Code, path, message, hint string) *diag.Diagnostic {
	return problem(code, "$INCLUDE "+strconv.Quote(path)+" "+message, hint)
}

func faultMoreWarnings(counts map[diag.Code]int) *diag.Diagnostic {
	var parts []string
	n := 0
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		n += counts[code]
		parts = append(parts, strconv.Itoa(counts[code])+" "+string(code))
	}
	more := strconv.Itoa(n) + " more warnings are not shown"
	if n == 1 {
		more = "1 more warning is not shown"
	}
	return notice(diag.CodeMoreWarnings, more+": "+strings.Join(parts, ", "), "they are of the kinds above")
}

func faultMore(n int) *diag.Diagnostic {
	more := strconv.Itoa(n) + " more errors are not shown"
	if n == 1 {
		more = "1 more error is not shown"
	}
	return problem(diag.CodeMoreErrors, more, "mend the ones above first")
}

// faultPortable is a place that some servers read otherwise than BIND, said
// where the output is for none of them.
func faultPortable(code diag.Code, what string, differ Servers) *diag.Diagnostic {
	hint := "write it in the common way if PowerDNS reads the file"
	if names := strings.ToLower((differ & (NSD | Knot)).String()); names != "" {
		hint = "--for " + strings.ReplaceAll(names, " and ", ", ") + " or any puts it right in the output"
	}
	return notice(code, what+": "+differ.String()+" "+differ.verb("read")+" it otherwise, or not at all", hint)
}

// faultBelowDNAME is a record that a DNAME answers for (RFC 6672 §2.4).
func faultBelowDNAME(servers Servers) *diag.Diagnostic {
	d := notice(diag.CodePortableBelowDNAME, "record below a DNAME: BIND ignores it, NSD and Knot refuse the zone", "delete it: the DNAME answers for the name")
	if servers&(NSD|Knot) != 0 {
		d.Severity = diag.Error
	}
	return d
}
