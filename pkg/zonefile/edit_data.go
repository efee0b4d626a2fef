package zonefile

import (
	"bytes"
	"fmt"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// recordData reads the RDATA in some tokens: a key that is the same for equal RDATA, and what it is
// for people.
func recordData(typ uint16, text []byte, tokens []Token, origin []byte) (key string, data zone.RDATA, fault *Fault) {
	if typ == typeALIAS {
		return aliasData(text, tokens, origin)
	}
	wire, verified, fault := appendRDATA(nil, typ, text, tokens, origin, true)
	switch {
	case fault != nil:
		return "", zone.RDATA{}, fault
	case verified:
		return string(wire), zone.RDATA{Wire: string(wire)}, nil
	}
	return "\x00" + string(unverified(nil, origin, text, tokens)), zone.RDATA{Text: string(appendTokens(nil, text, tokens))}, nil
}

// aliasData is recordData for an ALIAS: its target, in text or generic form, and its parameters.
func aliasData(text []byte, tokens []Token, origin []byte) (key string, data zone.RDATA, fault *Fault) {
	if len(tokens) == 0 {
		d := faultAliasNoTarget()
		return "", data, &Fault{Code: d.Code, Message: d.Message, Hint: d.Hint}
	}
	rest := tokens[1:]
	var wire []byte
	if string(tokens[0].raw(text)) == `\#` {
		wire, _, fault = appendRDATA(nil, typeALIAS, text, tokens, origin, false)
		if fault != nil {
			return "", data, fault
		}
		if n := zone.WireNameLen(wire); n == 0 || n != len(wire) {
			return "", data, &Fault{Code: diag.CodeAliasPayload, Message: "data is not exactly one domain name", Hint: "write the name whose addresses are wanted: cdn.example.net."}
		}
		rest = nil
	} else {
		var err error
		wire, err = zone.AppendName(nil, tokens[0].content(text), origin)
		if err != nil {
			d := faultName(tokens[0].content(text), err)
			return "", data, &Fault{Code: d.Code, Message: d.Message, Hint: d.Hint}
		}
	}
	shown := appendBehind(zone.AppendNameText(nil, wire), text, rest)
	folded := bytes.Clone(wire)
	zone.FoldCase(folded)
	return string(appendBehind(folded, text, rest)), zone.RDATA{Text: string(shown)}, nil
}

// appendBehind appends tokens behind others, with a blank where they have white space.
func appendBehind(dst, text []byte, tokens []Token) []byte {
	for _, tok := range tokens {
		if !tok.Glued {
			dst = append(dst, ' ')
		}
		dst = append(dst, tok.raw(text)...)
	}
	return dst
}

// appendGiven appends RDATA that somebody gave, so that it means the same below an origin. False
// where there is no way to write it there. A generic ALIAS is what the file calls TYPE65401.
func (w *wantedRecord) appendGiven(dst []byte, typ uint16, apex, origin []byte, generic bool) ([]byte, bool) {
	tokens, text := w.tokens, w.text
	if typ == typeALIAS {
		wire := aliasTarget(text, tokens, apex)
		switch {
		case generic:
			return fmt.Appendf(dst, `\# %d %x`, len(wire), wire), true
		case string(tokens[0].raw(text)) == `\#`:
			return zone.AppendNameText(dst, wire), true
		}
	}
	key, _, fault := recordData(typ, text, tokens, origin)
	if fault == nil && key == w.key {
		return appendBehind(append(dst, tokens[0].raw(text)...), text, tokens[1:]), true
	}
	if typ == typeALIAS {
		return appendBehind(zone.AppendNameText(dst, aliasTarget(text, tokens, apex)), text, tokens[1:]), true
	}
	wire, verified, fault := appendRDATA(nil, typ, text, tokens, apex, false)
	if !verified || fault != nil {
		return dst, false
	}
	return AppendRDATAText(dst, typ, wire), true
}

// aliasTarget is the target of an ALIAS that was read before, in wire form.
func aliasTarget(text []byte, tokens []Token, origin []byte) []byte {
	if string(tokens[0].raw(text)) == `\#` {
		wire, _, _ := appendRDATA(nil, typeALIAS, text, tokens, origin, false)
		return wire
	}
	wire, _ := zone.AppendName(nil, tokens[0].content(text), origin)
	return wire
}

// SourceRecord is a record as the source has it.
type SourceRecord struct {
	Owner   zone.Name
	Type    uint16
	TTL     uint32
	Data    zone.RDATA // of an ALIAS its target, absolute, and parameters, as text
	Written string     // RDATA as it stands, on one line; relative names are below the $ORIGIN there
	Place   Place
	Comment string // behind it, from its semicolon; empty without
	// Included tells that the zone file itself does not hold it, but what $INCLUDE or $GENERATE
	// makes of it.
	Included bool
}

// SourceRecords gives the records of the source in the order of the text, ALIAS records as such:
// those of an owner name, unless it is zero, and of a type, unless that is 0.
func (z *Zone) SourceRecords(owner zone.Name, typ uint16) []SourceRecord {
	var list []SourceRecord
	if len(z.segs) == 0 {
		return nil
	}
	var last zone.Name
	z.walk(func(r *reader, e *Entry, h *head) {
		lower := r.lower[:r.lowerLen]
		if typ != 0 && h.typ != typ || !owner.IsZero() && string(lower) != owner.Wire() {
			return
		}
		if string(lower) != last.Wire() {
			last, _ = zone.NameFromWire(lower)
		}
		tokens := e.Tokens[h.typeAt+1:]
		_, data, fault := recordData(h.typ, r.text, tokens, r.ctx.origin)
		if fault != nil {
			data.Text = string(appendTokens(nil, r.text, tokens)) // an ALIAS that is judged elsewhere
		}
		written := bytes.TrimPrefix(appendBehind(nil, r.text, tokens), []byte(" "))
		rec := SourceRecord{Owner: last, Type: h.typ, TTL: h.ttl, Data: data, Written: string(written), Place: Place{r.place(e)}, Included: r.seg != z.segs[0]}
		if c := e.comments(r.text); len(c) > 0 && c[len(c)-1][0] >= int(e.lastEnd()) {
			rec.Comment = string(r.text[c[len(c)-1][0]:c[len(c)-1][1]])
		}
		list = append(list, rec)
	})
	return list
}
