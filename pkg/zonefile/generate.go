package zonefile

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// Bounds of one $GENERATE.
const (
	defaultGenerateLimit = 65536    // records, where the caller gives no limit
	maxGenerateText      = 64 << 20 // bytes of expanded text
	maxModifierLen       = 127      // what BIND has room for
)

// generator is a $GENERATE that has been understood.
type generator struct {
	start, stop, step int64
	lhs               []byte // the owner name, escapes as written
	fields            []byte // TTL, class and type, a blank after each
	rhs               []byte // the RDATA, quotation marks around the whole taken off
	lhsToken          int
	rhsToken          int
}

// generateReader reads the tokens after the word $GENERATE.
type generateReader struct {
	text   []byte
	tokens []Token
	next   int
}

// expandGenerate appends the records that a $GENERATE stands for, one line
// each: owner, TTL and class where given, type, RDATA. The tokens are those
// after the word itself; count is the number of records. It reads as BIND 9.18
// does. One thing is refused that BIND lets pass: a number that does not fit
// 31 bits, which BIND wraps around.
//
// With limit 0 the limit is 65536 records, with a negative one none. Above the limit nothing is
// expanded; with a fault nothing is appended.
func expandGenerate(dst, text []byte, tokens []Token, limit int) (out []byte, count int, fault *Fault) {
	if limit == 0 {
		limit = defaultGenerateLimit
	}
	r := generateReader{text: text, tokens: tokens}
	g, fault := r.read()
	if fault != nil {
		return dst, 0, fault
	}
	if n := (g.stop-g.start)/g.step + 1; n > int64(limit) {
		return dst, 0, badGenerateLimit(n, limit)
	}
	start := len(dst)
	for i := g.start; i <= g.stop; i += g.step {
		at := len(dst)
		dst, fault = g.appendSide(dst, g.lhs, i, true)
		if fault == nil {
			dst = append(append(dst, ' '), g.fields...)
			rhsAt := len(dst)
			dst, fault = g.appendSide(dst, g.rhs, i, false)
			if fault == nil && i == g.start {
				fault = g.checkLine(dst[at:rhsAt], dst[rhsAt:])
			}
		}
		if fault == nil && len(dst)-start > maxGenerateText {
			fault = badGenerateText()
		}
		if fault != nil {
			return dst[:start], 0, fault
		}
		dst = append(dst, '\n')
		count++
		if i == g.start {
			// Room for all, so that long texts are not copied again and again.
			each := int64(len(dst)-start) + 8
			dst = slices.Grow(dst, int(min(each*((g.stop-g.start)/g.step), maxGenerateText+each)))
		}
	}
	return dst, count, nil
}

// take gives the next token, which must be there; only the last of the entry
// may be in quotes.
func (r *generateReader) take(what string, quoted bool) (Token, *Fault) {
	if r.next >= len(r.tokens) {
		return Token{}, badGenerateMissing(len(r.tokens), what)
	}
	tok := r.tokens[r.next]
	if tok.Quoted && !quoted {
		return Token{}, badGenerateQuoted(r.next, tok.content(r.text), what)
	}
	r.next++
	return tok, nil
}

func (r *generateReader) read() (g generator, fault *Fault) {
	tok, fault := r.take("a range such as 1-10", false)
	if fault != nil {
		return g, fault
	}
	if fault := g.readRange(tok.raw(r.text)); fault != nil {
		return g, fault
	}
	if tok, fault = r.take("an owner name such as host$", false); fault != nil {
		return g, fault
	}
	g.lhs, g.lhsToken = tok.raw(r.text), r.next-1
	if fault := r.readType(&g); fault != nil {
		return g, fault
	}
	if tok, fault = r.take("the right-hand side", true); fault != nil {
		return g, fault
	}
	g.rhs, g.rhsToken = tok.raw(r.text), r.next-1
	if tok.Quoted {
		g.rhs = unquote(tok.content(r.text))
	}
	if r.next < len(r.tokens) {
		return g, badGenerateExtra(r.next, r.tokens[r.next].content(r.text))
	}
	return g, nil
}

// readType reads the fields before the right-hand side: class and TTL in
// either order, then the type.
func (r *generateReader) readType(g *generator) *Fault {
	hasTTL, hasClass := false, false
	for {
		tok, fault := r.take("a record type", false)
		if fault != nil {
			return fault
		}
		text := tok.raw(r.text)
		if class, ok := parseClass(text); ok && !hasClass {
			if class != 1 {
				return badGenerateClass(r.next-1, text)
			}
			hasClass = true
			g.fields = append(g.fields, "IN "...)
			continue
		}
		if ttl, status := parseTTL(text); status != notTTL && !hasTTL {
			if status == ttlTooBig {
				return badGenerateTTL(r.next-1, text)
			}
			hasTTL = true
			g.fields = append(appendDecimal(g.fields, uint64(ttl)), ' ')
			continue
		}
		typ, ok := parseType(text)
		switch {
		case !ok:
			return badGenerateType(r.next-1, text)
		case isMetaType(typ):
			return badGenerateMeta(r.next-1, text)
		}
		g.fields = append(append(g.fields, text...), ' ')
		return nil
	}
}

// readRange reads start-stop or start-stop/step. BIND overlooks what follows
// the numbers unless it is a slash.
func (g *generator) readRange(text []byte) *Fault {
	var ok bool
	rest := text
	if g.start, rest, ok = cutNumber(rest); !ok || len(rest) == 0 || rest[0] != '-' {
		return badGenerateRange(text)
	}
	if g.stop, rest, ok = cutNumber(rest[1:]); !ok {
		return badGenerateRange(text)
	}
	g.step = 1
	if len(rest) > 0 && rest[0] == '/' {
		if g.step, _, ok = cutNumber(rest[1:]); !ok {
			return badGenerateRange(text)
		}
	}
	if g.start < 0 || g.stop < g.start || g.step < 1 {
		return badGenerateRange(text)
	}
	return nil
}

// cutNumber cuts a number that may have a sign off the front of b.
func cutNumber(b []byte) (v int64, rest []byte, ok bool) {
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		negative = b[0] == '-'
		i++
	}
	first := i
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if v = v*10 + int64(b[i]-'0'); v > 1<<31-1 {
			return 0, nil, false
		}
	}
	if negative {
		v = -v
	}
	return v, b[i:], i > first
}

// unquote takes the escapes off the quotation marks within a quoted text and
// leaves all others.
func unquote(content []byte) []byte {
	out := make([]byte, 0, len(content))
	for i := 0; i < len(content); i++ {
		if content[i] == '\\' && i+1 < len(content) {
			if content[i+1] != '"' {
				out = append(out, '\\')
			}
			i++
		}
		out = append(out, content[i])
	}
	return out
}

// appendSide expands one side for one step of the range. An owner name must
// not start with a bare dollar sign, which would open a control entry.
func (g *generator) appendSide(dst, side []byte, i int64, owner bool) ([]byte, *Fault) {
	offset := int64(0) // stays for the rest of the side, as in BIND
	for at := 0; at < len(side); at++ {
		switch c := side[at]; {
		case c == '\\' && at+1 < len(side):
			dst = append(dst, c, side[at+1])
			at++
		case c != '$':
			dst = append(dst, c)
		case at+1 < len(side) && side[at+1] == '$':
			if owner {
				dst = append(dst, '\\')
			}
			dst = append(dst, '$')
			at++
		case at+1 < len(side) && side[at+1] == '{':
			end := bytes.IndexByte(side[at:], '}')
			if end < 0 {
				return dst, g.badModifier(owner, side[at:])
			}
			m, ok := parseModifier(side[at+2 : at+end])
			if !ok {
				return dst, g.badModifier(owner, side[at:at+end+1])
			}
			offset = m.offset
			if i+offset > 1<<31-1 {
				return dst, g.badOverflow(owner, side[at:at+end+1], i)
			}
			n := len(dst)
			if dst = m.append(dst, i+offset); len(dst)-n > maxModifierLen {
				return dst, g.badModifier(owner, side[at:at+end+1])
			}
			at += end
		default:
			if i+offset > 1<<31-1 {
				return dst, g.badOverflow(owner, side[at:at+1], i)
			}
			dst = strconv.AppendInt(dst, i+offset, 10)
		}
	}
	return dst, nil
}

// modifier is what stands in braces after a dollar sign.
type modifier struct {
	offset int64
	width  int
	base   byte // d, o, x, X, n or N
}

// parseModifier reads offset[,width[,base]]. White space may stand before a
// number, as C's scanf has it.
func parseModifier(b []byte) (m modifier, ok bool) {
	m.base = 'd'
	if m.offset, b, ok = cutNumber(bytes.TrimLeft(b, " \t")); !ok || len(b) == 0 {
		return m, ok
	}
	if b[0] != ',' {
		return m, false
	}
	width, b, ok := cutNumber(bytes.TrimLeft(b[1:], " \t"))
	if !ok || width < 0 || width > maxModifierLen {
		return m, false
	}
	m.width = int(width)
	switch {
	case len(b) == 0:
		return m, true
	case len(b) == 2 && b[0] == ',' && bytes.IndexByte([]byte("doxXnN"), b[1]) >= 0:
		m.base = b[1]
		return m, true
	default:
		return m, false
	}
}

// append prints a number. Octal and hex show a negative one as 32 bits.
func (m modifier) append(dst []byte, v int64) []byte {
	switch m.base {
	case 'n', 'N':
		return m.appendNibbles(dst, uint32(v))
	case 'o':
		return m.appendPadded(dst, strconv.FormatUint(uint64(uint32(v)), 8))
	case 'x':
		return m.appendPadded(dst, strconv.FormatUint(uint64(uint32(v)), 16))
	case 'X':
		digits := strconv.FormatUint(uint64(uint32(v)), 16)
		return m.appendPadded(dst, string(bytes.ToUpper([]byte(digits))))
	}
	if v >= 0 {
		return m.appendPadded(dst, strconv.FormatInt(v, 10))
	}
	m.width--
	return m.appendPadded(append(dst, '-'), strconv.FormatInt(-v, 10))
}

func (m modifier) appendPadded(dst []byte, digits string) []byte {
	for range m.width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendNibbles prints hex digits, the lowest first, with dots between them,
// as the reverse mapping of IPv6 has them. The width counts the dots too.
func (m modifier) appendNibbles(dst []byte, v uint32) []byte {
	digits := "0123456789abcdef"
	if m.base == 'N' {
		digits = "0123456789ABCDEF"
	}
	for width := m.width; ; {
		dst = append(dst, digits[v&15])
		v >>= 4
		width--
		if width > 0 || v != 0 {
			dst = append(dst, '.')
			width--
		}
		if width <= 0 && v == 0 {
			return dst
		}
	}
}

// checkLine refuses a line that would not end where it ends: an expanded line
// is read as an entry of its own. The number in it makes no difference.
func (g *generator) checkLine(owner, rhs []byte) *Fault {
	if bytes.IndexByte(owner, '\n') >= 0 || bytes.IndexByte(owner, '\r') >= 0 {
		return badGenerateLine(g.lhsToken, "the owner name goes on over a line end")
	}
	if bytes.IndexByte(rhs, '\n') >= 0 || bytes.IndexByte(rhs, '\r') >= 0 {
		return badGenerateLine(g.rhsToken, "the right-hand side goes on over a line end")
	}
	depth, quoted, used := 0, false, false
	for i := 0; i < len(rhs); i++ {
		switch c := rhs[i]; {
		case c == '\\':
			if i++; i == len(rhs) {
				return badGenerateLine(g.rhsToken, "the right-hand side ends in a backslash")
			}
			used = true
		case c == '"':
			quoted = !quoted
			used = true
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return badGenerateLine(g.rhsToken, "the right-hand side has a closing parenthesis without an opening one")
			}
		case c == ';':
			i = len(rhs)
		case c != ' ' && c != '\t':
			used = true
		}
	}
	switch {
	case quoted:
		return badGenerateLine(g.rhsToken, "the right-hand side has a quotation mark that is never closed")
	case depth > 0:
		return badGenerateLine(g.rhsToken, "the right-hand side has a parenthesis that is never closed")
	case !used:
		return badGenerateLine(g.rhsToken, "the right-hand side is empty")
	}
	return nil
}

const generateForm = "$GENERATE start-stop[/step] owner [TTL] [class] type rdata"

func (g *generator) side(owner bool) int {
	if owner {
		return g.lhsToken
	}
	return g.rhsToken
}

func (g *generator) badModifier(owner bool, text []byte) *Fault {
	return &Fault{
		g.side(owner), diag.CodeGenerateSyntax, quoteText(text) + " is no modifier",
		"write ${offset}, ${offset,width} or ${offset,width,base} with base d, o, x, X, n or N; width is at most 127",
	}
}

func (g *generator) badOverflow(owner bool, text []byte, i int64) *Fault {
	message := quoteText(text) + " goes above 2147483647 at " + strconv.FormatInt(i, 10)
	return &Fault{g.side(owner), diag.CodeGenerateRange, message, ""}
}

func badGenerateRange(text []byte) *Fault {
	return &Fault{
		0, diag.CodeGenerateRange, quoteText(text) + " is no range",
		"write start-stop or start-stop/step, with 0 to 2147483647, start not above stop, step from 1",
	}
}

func badGenerateLimit(n int64, limit int) *Fault {
	message := "the range gives " + strconv.FormatInt(n, 10) + " records; the limit is " + strconv.Itoa(limit)
	return &Fault{0, diag.CodeGenerateLimit, message, "raise --generate-limit if this is meant"}
}

func badGenerateText() *Fault {
	return &Fault{0, diag.CodeGenerateLimit, "the records together are longer than 64 MiB", "split the range"}
}

func badGenerateMissing(token int, what string) *Fault {
	return &Fault{token, diag.CodeGenerateSyntax, "$GENERATE ends where " + what + " belongs", generateForm}
}

func badGenerateQuoted(token int, text []byte, what string) *Fault {
	message := quoteText(text) + " in quotes where " + what + " belongs"
	return &Fault{token, diag.CodeQuotedField, message, "leave the quotation marks out"}
}

func badGenerateExtra(token int, text []byte) *Fault {
	message := quoteText(text) + " stands after the right-hand side"
	return &Fault{token, diag.CodeExtraText, message, "put the whole right-hand side in quotation marks"}
}

func badGenerateClass(token int, text []byte) *Fault {
	return &Fault{token, diag.CodeClassMismatch, "class " + quoteText(text) + " in a zone of class IN", ""}
}

func badGenerateTTL(token int, text []byte) *Fault {
	return &Fault{token, diag.CodeTTLTooBig, "TTL " + quoteText(text) + " is above 2147483647", ""}
}

func badGenerateType(token int, text []byte) *Fault {
	message := quoteText(text) + " is no record type"
	return &Fault{token, diag.CodeUnknownType, message, didYouMean(diag.Near(string(text), typeNames()))}
}

func badGenerateMeta(token int, text []byte) *Fault {
	return &Fault{token, diag.CodeMetaType, quoteText(text) + " is a type that no zone can hold", ""}
}

func badGenerateLine(token int, message string) *Fault {
	return &Fault{token, diag.CodeGenerateSyntax, message, ""}
}
