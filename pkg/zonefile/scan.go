package zonefile

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Character classes of a zone file (RFC 1035 §5.1). Only space and tab
// separate fields; a carriage return does so before a line feed, and counts
// as a blank here so that CRLF files need no special path.
const (
	classOther = iota
	classControl
	classEscape // the last of those that belong to an unquoted token
	classBlank
	classNewline
	classComment
	classQuote
	classOpen
	classClose
)

var classes = [256]uint8{
	' ': classBlank, '\t': classBlank, '\r': classBlank,
	'\n': classNewline,
	';':  classComment,
	'"':  classQuote,
	'(':  classOpen, ')': classClose,
	'\\': classEscape,
	0:    classControl, 1: classControl, 2: classControl, 3: classControl, 4: classControl, 5: classControl,
	6: classControl, 7: classControl, 8: classControl, 11: classControl, 12: classControl, 14: classControl,
	15: classControl, 16: classControl, 17: classControl, 18: classControl, 19: classControl, 20: classControl,
	21: classControl, 22: classControl, 23: classControl, 24: classControl, 25: classControl, 26: classControl,
	27: classControl, 28: classControl, 29: classControl, 30: classControl, 31: classControl, 127: classControl,
}

// scanFault is what broke an entry while it was cut into tokens.
type scanFault uint8

const (
	scanOK scanFault = iota
	scanUnclosedParen
	scanUnopenedParen
	scanUnclosedQuote
	scanBareCR
)

// Entry is one logical line of a zone file: from the start of a line to the
// line feed outside parentheses and quotes, or to the end of the text. The
// entries of a text, joined, are the text.
type Entry struct {
	Start, End int32   // span in the text, line end included
	Tokens     []Token // without parentheses and comments
	Blank      bool    // begins with white space: the owner name is inherited
	Parens     bool    // has parentheses
	Nested     bool    // has parentheses inside parentheses
	odd        bool    // some token has quotes, escapes or control characters, or touches another
	fault      scanFault
	faultAt    int32 // where the fault is
}

// maxTokens is how many tokens of an entry are kept. No record has half as
// many, so what is cut off changes no verdict: 65535 octets of RDATA are at
// most 131070 digits.
const maxTokens = 1 << 18

// scanEntry cuts the entry that starts at pos out of text. Tokens of e are
// reused. An entry that does not close what it opens ends at the end of the
// line it opened it on, so that reading can go on behind it.
func scanEntry(text []byte, pos int, e *Entry) {
	e.Start, e.End = int32(pos), int32(len(text))
	e.Parens, e.Nested, e.odd, e.fault = false, false, false, scanOK
	tokens := e.Tokens[:0]
	e.Tokens = tokens
	if pos >= len(text) {
		return
	}
	first := text[pos]
	e.Blank = first == ' ' || first == '\t'
	depth, opened := 0, 0
	glued := false
	for i := pos; i < len(text); {
		c := text[i]
		if c == ' ' || c == '\t' {
			i++
			glued = false
			continue
		}
		switch classes[c] {
		case classOther, classEscape, classControl:
			start := i
			if i+16 <= len(text) {
				n := firstSpecial(binary.LittleEndian.Uint64(text[i:]))
				behind := firstSpecial(binary.LittleEndian.Uint64(text[i+8:]))
				if n == 8 {
					n += behind
				}
				i += n
			}
			if i == len(text) || classes[text[i]] <= classEscape {
				i = e.scanBare(text, i)
			}
			e.odd = e.odd || glued
			if len(tokens) < maxTokens {
				tokens = append(tokens, Token{Start: int32(start), End: int32(i), Glued: glued})
			}
			glued = true
		case classBlank: // a carriage return
			if i+1 == len(text) || text[i+1] != '\n' {
				e.Tokens = tokens
				e.fail(text, scanBareCR, i)
				return
			}
			i++
			glued = false
		case classNewline:
			i++
			glued = false
			if depth == 0 {
				e.Tokens, e.End = tokens, int32(i)
				return
			}
		case classComment:
			i = lineEnd(text, i)
		case classQuote:
			end := scanQuoted(text, i)
			if end < 0 {
				e.Tokens = tokens
				e.fail(text, scanUnclosedQuote, i)
				return
			}
			if len(tokens) < maxTokens {
				tokens = append(tokens, Token{Start: int32(i), End: int32(end), Quoted: true, Glued: glued})
			}
			i = end
			glued, e.odd = true, true
		case classOpen:
			if depth == 0 {
				opened = i
			}
			depth++
			e.Parens = true
			e.Nested = e.Nested || depth > 1
			i++
			glued = false
		case classClose:
			if depth == 0 {
				e.Tokens = tokens
				e.fail(text, scanUnopenedParen, i)
				return
			}
			depth--
			i++
			glued = false
		}
	}
	e.Tokens = tokens
	if depth > 0 {
		e.fail(text, scanUnclosedParen, opened)
	}
}

// scanBare gives the end of the unquoted token that starts at i. A backslash
// takes the next byte along, but never a line end (as BIND reads it).
func (e *Entry) scanBare(text []byte, i int) int {
	for i < len(text) {
		if i+8 <= len(text) {
			n := firstSpecial(binary.LittleEndian.Uint64(text[i:]))
			i += n
			if n == 8 {
				continue
			}
		}
		switch classes[text[i]] {
		case classOther:
			i++
		case classControl:
			e.odd = true
			i++
		case classEscape:
			e.odd = true
			i++
			if i < len(text) && text[i] != '\n' && text[i] != '\r' {
				i++
			}
		default:
			return i
		}
	}
	return i
}

// firstSpecial gives the place, from 0, of the first of eight bytes that may
// not be of classOther, or 8. Each term marks the high bit of the bytes that
// it looks for: those below '#', parentheses, the semicolon, the backslash and
// the delete character. What stands behind the first mark is of no account.
func firstSpecial(w uint64) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	marks := w - '#'*each
	marks |= w&^each ^ '('*each - each
	marks |= w ^ ';'*each - each
	marks |= w ^ '\\'*each - each
	marks |= w + each
	return bits.TrailingZeros64(marks&^w&high) >> 3
}

// scanQuoted gives the end of the quoted token that starts at i, its closing
// quote included, or -1 where the line ends first. An escaped line feed
// belongs to the token.
func scanQuoted(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		case '\n':
			return -1
		}
	}
	return -1
}

// lineEnd gives the offset of the line feed that ends the line at i, or the
// end of the text.
func lineEnd(text []byte, i int) int {
	if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(text)
}

// fail marks the entry as broken at a place and ends it with that line.
func (e *Entry) fail(text []byte, fault scanFault, at int) {
	e.fault, e.faultAt = fault, int32(at)
	end := lineEnd(text, at)
	if end < len(text) {
		end++
	}
	e.End = int32(end)
	for n := len(e.Tokens); n > 0 && e.Tokens[n-1].End > e.End; n-- {
		e.Tokens = e.Tokens[:n-1]
	}
}

// directive tells whether the entry is a control entry.
func (e *Entry) directive(text []byte) bool {
	return len(e.Tokens) > 0 && !e.Blank && !e.Tokens[0].Quoted && text[e.Tokens[0].Start] == '$'
}

// unended tells whether the text ends without a line feed behind the entry.
func (e *Entry) unended(text []byte) bool {
	return int(e.End) == len(text) && e.End > e.Start && text[e.End-1] != '\n'
}

// comments gives the spans of the entry's comments, each from its semicolon
// to before the line end.
func (e *Entry) comments(text []byte) [][2]int {
	var found [][2]int
	for i := int(e.Start); i < int(e.End); {
		switch classes[text[i]] {
		case classComment:
			end := min(lineEnd(text, i), int(e.End))
			stop := end
			if stop > i && text[stop-1] == '\r' {
				stop--
			}
			found = append(found, [2]int{i, stop})
			i = end
		case classQuote:
			if end := scanQuoted(text, i); end > 0 {
				i = end
			} else {
				i = int(e.End)
			}
		case classOther, classEscape, classControl:
			i = e.scanBare(text, i)
		default:
			i++
		}
	}
	return found
}
