package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible makes text from a file or from the network safe for a terminal:
// control characters become their pictures, and characters that turn the
// writing direction or take no room become their numbers. A message or a
// summary is one line afterwards.
func visible(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = ' ' <= s[i] && s[i] < 0x7f
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		b.WriteString(shown(c, s[i], size))
		i += size
	}
	return b.String()
}

// shown is how one character appears. octet is its first byte, which stands for
// itself where the text is no UTF-8.
func shown(c rune, octet byte, size int) string {
	switch {
	case c == utf8.RuneError && size == 1:
		return fmt.Sprintf("<%02X>", octet)
	case c < ' ':
		return string(rune(0x2400) + c)
	case c == 0x7f:
		return "\u2421"
	case !unicode.IsPrint(c):
		return fmt.Sprintf("<U+%04X>", c)
	default:
		return string(c)
	}
}

// excerpt is the line as it is shown, at most width columns of it, and what
// stands before the caret under the byte at column (from 1). A tab is kept in
// both, so that the caret lines up whatever the terminal's tab stops are; in a
// line that has to be cut it counts as one blank, since its width is unknown.
func excerpt(line string, column, width int) (text, caret string) {
	const ellipsis = "\u2026"
	width = max(width, 20)
	at := min(max(column-1, 0), len(line))
	for at > 0 && at < len(line) && !utf8.RuneStart(line[at]) {
		at--
	}
	if len(line) <= width {
		text, _ = showTabs(line, -1, true)
		caret, _ = showTabs(line[:at], -1, true)
		if utf8.RuneCountInString(text) <= width {
			return text, blanks(caret)
		}
	}
	// Half of the room goes to what is before the caret, which is where the
	// reader looks for the reason; the rest to what follows.
	start := at
	for n := 0; n < width/2 && start > 0; n++ {
		_, size := utf8.DecodeLastRuneInString(line[:start])
		start -= size
	}
	before, _ := showTabs(line[start:at], -1, false)
	for utf8.RuneCountInString(before) > width-2 {
		_, size := utf8.DecodeRuneInString(line[start:])
		start += size
		before, _ = showTabs(line[start:at], -1, false)
	}
	if start > 0 {
		before = ellipsis + before
	}
	after, used := showTabs(line[at:], width-1-utf8.RuneCountInString(before), false)
	if at+used < len(line) {
		after += ellipsis
	}
	return before + after, blanks(before)
}

// showTabs makes a stretch visible, at most limit columns of it unless limit is
// negative, and tells how many bytes of it that took.
func showTabs(s string, limit int, keepTabs bool) (text string, used int) {
	var b strings.Builder
	columns := 0
	for used < len(s) {
		c, size := utf8.DecodeRuneInString(s[used:])
		piece := shown(c, s[used], size)
		switch {
		case c == '\t' && keepTabs:
			piece = "\t"
		case c == '\t':
			piece = " "
		}
		n := utf8.RuneCountInString(piece)
		if limit >= 0 && columns+n > limit {
			break
		}
		b.WriteString(piece)
		columns += n
		used += size
	}
	return b.String(), used
}

// blanks replaces all but tabs by blanks.
func blanks(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, s)
}
