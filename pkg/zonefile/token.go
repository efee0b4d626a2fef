package zonefile

// Token is one field of an entry: a span of the source text.
type Token struct {
	Start, End int32 // offsets into the text; a quoted token's span includes its quotes
	Quoted     bool  // the span starts with a quotation mark, and ends with one
	Glued      bool  // no white space or parenthesis stands before it
}

// content is what the token says: its bytes without the quotes, escapes as
// written.
func (t Token) content(text []byte) []byte {
	if t.Quoted {
		return text[t.Start+1 : t.End-1]
	}
	return text[t.Start:t.End]
}

// raw is the token as it stands in the text.
func (t Token) raw(text []byte) []byte { return text[t.Start:t.End] }
