package zonefile

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// checkRecord judges one record by itself; false means it is refused.
func (r *reader) checkRecord(e *Entry, h *head, wire []byte) bool {
	owner := r.lower[:r.lowerLen]
	switch h.typ {
	case dns.TypeSOA:
		if !bytes.Equal(owner, r.apex) {
			r.fail(e.Start, e.Start+1, faultSOANotApex(r.ctx.ownerName(), r.apex))
			return false
		}
	case dns.TypeNS:
		if owner[0] == 1 && owner[1] == '*' {
			tok := e.Tokens[h.typeAt]
			r.fail(tok.Start, tok.End, faultWildcardNS())
			return false
		}
	}
	if !r.checkNames(e, h, wire) {
		return false
	}
	if offset, ok := targetOffset(h.typ); ok && offset < len(wire) && bytes.HasSuffix(wire, r.doubled) {
		tok := e.Tokens[len(e.Tokens)-1]
		if text := tok.raw(r.text); text[len(text)-1] != '.' {
			r.warn(tok.Start, tok.End, faultRelativeLooking(text, wire[offset:]))
		}
	}
	r.checkTTL(e, h)
	return true
}

// checkTTL looks for TTLs that are hardly meant.
func (r *reader) checkTTL(e *Entry, h *head) {
	if h.explicit && (h.ttl == 0 || h.ttl > 7*86400) && h.typ != dns.TypeSOA {
		tok := e.Tokens[h.ttlAt]
		r.warn(tok.Start, tok.End, faultTTLOdd(h.ttl))
	}
}

// faultRunTTL is for a record right behind another of its RRset, where BIND
// takes the TTL of the first.
func faultRunTTL(ttl, first uint32, typ uint16) *diag.Diagnostic {
	return notice(diag.CodeTTLMismatch, fmt.Sprintf("TTL %d is not the %d of the first %s record of its RRset: BIND takes that, NSD and Knot may not", ttl, first, TypeName(typ)),
		"all records of an RRset have one TTL (RFC 2181 section 5.2)")
}

func faultTTLOdd(ttl uint32) *diag.Diagnostic {
	if ttl == 0 {
		return notice(diag.CodeTTLOdd, "TTL 0: no resolver caches this", "write a TTL of some seconds at least")
	}
	return notice(diag.CodeTTLOdd, "TTL of more than a week", "resolvers cap it; a change takes that long to be seen")
}

// hostName tells whether a name is one that a host may have, once known.
type hostName uint8

const (
	hostUnknown hostName = iota
	hostYes
	hostNo
)

// ownerIsHost tells whether the owner name is a host name, or a wildcard.
func (r *reader) ownerIsHost() bool {
	if r.ownerHost == hostUnknown {
		r.ownerHost = hostNo
		if isHostName(r.lower[:r.lowerLen], true) {
			r.ownerHost = hostYes
		}
	}
	return r.ownerHost == hostYes
}

func (r *reader) checkNames(e *Entry, h *head, wire []byte) bool {
	switch h.typ {
	case dns.TypeA, dns.TypeAAAA:
		if r.ownerIsHost() {
			return true
		}
	case dns.TypeCNAME, dns.TypeTXT:
		return true
	}
	badOwner, badRDATA := checkHostNames(h.typ, r.lower[:r.lowerLen], wire)
	if badRDATA && string(e.Tokens[h.typeAt+1].raw(r.text)) == `\#` {
		badRDATA = false // BIND looks into text alone
	}
	if !badOwner && !badRDATA {
		return true
	}
	start, end := e.Tokens[0].Start, e.Tokens[0].End
	name := r.ctx.ownerName()
	if !badOwner {
		start, end = e.Tokens[h.typeAt+1].Start, e.lastEnd()
		offset, _ := targetOffset(h.typ)
		name = wire[offset:]
		name = name[:zone.WireNameLen(name)]
	}
	d := faultBadHost(badOwner, h.typ, name)
	d.Severity = r.options.CheckNames
	if d.Severity != diag.Error {
		d.Severity = diag.Warning
		r.warn(start, end, d)
		return true
	}
	r.fail(start, end, d)
	return false
}

// warnTTL tells that servers give a record without TTL different ones, once
// for a stretch of text, and remembers each such record where it matters.
func (r *reader) warnTTL(e *Entry, h *head) {
	tok := e.Tokens[h.typeAt]
	if r.seen[diag.CodePortableNoTTL] == 0 && r.servers&(NSD|Knot) == 0 {
		r.warn(tok.Start, tok.End, faultPortable(diag.CodePortableNoTTL, "record without TTL and no $TTL before it", NSD|Knot|PowerDNS))
	}
	r.needsRepair = h.typ != typeALIAS // what stands in its place has TTLs
}

// warnRunTTL tells that BIND gives a record another TTL than it has, and
// remembers it for servers that do not.
func (r *reader) warnRunTTL(e *Entry, h *head, first uint32) {
	if r.hashOnly {
		return
	}
	tok := e.Tokens[h.typeAt]
	if h.explicit {
		tok = e.Tokens[h.ttlAt]
	}
	r.warn(tok.Start, tok.End, faultRunTTL(r.ctx.ttl, first, h.typ))
	r.needsRepair = h.typ != typeALIAS
}

// portable finds what BIND reads and others do not, or read otherwise.
func (r *reader) portable(e *Entry, h *head) {
	if r.hashOnly {
		return
	}
	if r.agreed(e, h) {
		return
	}
	code, what, differ := r.portableProblem(e, h)
	kind := kindOf(h.typ, r.strip)
	stays := kind == 0 || kind == MarkSOA
	if r.needsRepair {
		r.needsRepair = false
		if stays && r.servers&(NSD|Knot) != 0 && r.servers&differ == 0 {
			if m := r.mark(e, h, MarkRepair); m != nil {
				m.differ, m.code = NSD|Knot, diag.CodePortableNoTTL
			}
		}
	}
	if differ != 0 && stays {
		if servers := unknownTo(h.typ); servers != 0 && !r.hasWire(e, h) {
			tok := e.Tokens[h.typeAt]
			if r.servers&servers != 0 {
				r.fail(tok.Start, tok.End, faultNoGeneric(h.typ, r.servers&servers))
				return
			}
			d := faultNoGeneric(h.typ, servers)
			d.Severity = diag.Warning
			r.warn(tok.Start, tok.End, d)
			if differ &^= servers; differ == 0 {
				return
			}
		}
		r.repair(e, MarkRepair, code, what, differ)
	}
}

// agreed tells at a glance that no server reads a record otherwise.
func (r *reader) agreed(e *Entry, h *head) bool {
	return !e.Parens && !e.odd && !r.seg.high && !r.needsRepair && !r.ctx.outside &&
		(!h.explicit || e.Tokens[h.ttlAt].End-e.Tokens[h.ttlAt].Start < 4 || !combinedUnits(e.Tokens[h.ttlAt].raw(r.text))) &&
		(h.classAt < 0 || e.Tokens[h.classAt].End-e.Tokens[h.classAt].Start == 2) && plainType(h.typ) && !numbered(e.Tokens[h.typeAt].raw(r.text))
}

// hasWire tells whether the RDATA of a record can be written in generic form.
func (r *reader) hasWire(e *Entry, h *head) bool {
	_, verified, fault := appendRDATA(nil, h.typ, r.text, e.Tokens[h.typeAt+1:], r.ctx.origin, false)
	return verified && fault == nil
}

func faultNoGeneric(typ uint16, servers Servers) *diag.Diagnostic {
	return problem(diag.CodePortableType, "type "+TypeName(typ)+" is unknown to "+servers.String(),
		"write it as TYPE"+strconv.Itoa(int(typ))+` with generic RDATA: \# length data`)
}

// portableProblem gives the first thing in a record that servers differ on.
func (r *reader) portableProblem(e *Entry, h *head) (diag.Code, string, Servers) {
	text := r.text
	var differ Servers
	var code diag.Code
	var what string
	note := func(c diag.Code, w string, s Servers) {
		if differ == 0 {
			code, what = c, w
		}
		differ |= s
	}
	if r.ctx.outside {
		note(diag.CodeOutOfZone, "out-of-zone record", NSD)
	}
	if e.Parens {
		open := bytes.IndexByte(text[e.Start:e.End], '(') + int(e.Start)
		switch {
		case text[e.Start] == '(':
			note(diag.CodePortableParen, "parenthesis in the first column", NSD|Knot|PowerDNS)
		case e.Nested:
			note(diag.CodePortableParen, "parenthesis inside parentheses", NSD|Knot)
		case e.Blank && open < int(e.Tokens[0].Start):
			note(diag.CodePortableParen, "parenthesis in place of the owner name", NSD|PowerDNS)
		case open < int(e.Tokens[h.typeAt].Start):
			note(diag.CodePortableParen, "parenthesis before the type", PowerDNS)
		}
	}
	if h.explicit && combinedUnits(e.Tokens[h.ttlAt].raw(text)) {
		note(diag.CodePortableTTLUnits, "TTL "+quote(e.Tokens[h.ttlAt].raw(text))+" with several units", NSD|PowerDNS)
	}
	if h.classAt >= 0 && e.Tokens[h.classAt].End-e.Tokens[h.classAt].Start > 2 {
		note(diag.CodePortableClass, "class as a number", Knot)
	}
	if !e.Blank && e.Tokens[0].Quoted {
		note(diag.CodePortableQuotedOwner, "quoted owner name", Knot|PowerDNS)
	}
	r.portableTokens(e, h, note)
	return code, what, differ
}

func (r *reader) portableTokens(e *Entry, h *head, note func(diag.Code, string, Servers)) {
	text := r.text
	svcb := h.typ == dns.TypeSVCB || h.typ == dns.TypeHTTPS
	generic := h.typeAt+1 < len(e.Tokens) && string(e.Tokens[h.typeAt+1].raw(text)) == `\#`
	if numbered(e.Tokens[h.typeAt].raw(text)) && !generic {
		note(diag.CodePortableType, "type as a number with ordinary RDATA", Knot)
	}
	if servers := unknownTo(h.typ); servers != 0 && !numbered(e.Tokens[h.typeAt].raw(text)) {
		note(diag.CodePortableType, "type "+TypeName(h.typ), servers)
	}
	for i, tok := range e.Tokens {
		raw := tok.raw(text)
		r.portableBytes(raw, note)
		if tok.Glued && !svcb && (tok.Quoted || e.Tokens[i-1].Quoted) {
			note(diag.CodePortableStrings, "strings without white space between them", Knot)
		}
		if i <= h.typeAt {
			continue
		}
		if generic && i > h.typeAt+2 && len(raw)%2 == 1 {
			note(diag.CodePortableHex, "odd number of hexadecimal digits in a field", Knot)
		}
		if (h.typ == dns.TypeTXT || h.typ == dns.TypeSPF) && string(raw) == "@" {
			note(diag.CodePortableStrings, "bare @ as a string", NSD|PowerDNS)
		}
		if raw[0] == '$' {
			note(diag.CodePortableStrings, "field that begins with $", NSD)
		}
		if svcb && bytes.HasPrefix(raw, []byte("dohpath=")) {
			note(diag.CodePortableType, "service parameter dohpath", Knot)
		}
	}
}

// portableBytes looks at bytes that servers treat differently wherever they
// stand.
func (r *reader) portableBytes(raw []byte, note func(diag.Code, string, Servers)) {
	switch {
	case !hasControl(raw):
	case bytes.IndexByte(raw, '\n') >= 0:
		note(diag.CodePortableNewline, "line end inside quotes", NSD|Knot)
	default:
		note(diag.CodePortable8Bit, "control character in a string", Knot|NSD)
	}
	if r.seg.high && hasHighByte(raw) {
		note(diag.CodePortable8Bit, "bytes above 127", Knot)
	}
}

// numbered tells whether a type is written as TYPEn.
func numbered(typ []byte) bool { return len(typ) > 4 && foldEqual(typ[:4], "TYPE") }

// plainType tells whether servers agree on a type whatever its RDATA.
func plainType(typ uint16) bool {
	switch typ {
	case dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypeMX, dns.TypeSRV, dns.TypePTR, dns.TypeCAA,
		dns.TypeDS, dns.TypeSSHFP, dns.TypeTLSA, dns.TypeDNSKEY, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeSOA:
		return true
	}
	return false
}

// hasControl tells whether a token holds control characters.
func hasControl(raw []byte) bool {
	for _, c := range raw {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}

// unknownTo gives the servers that have no mnemonic for a type that BIND knows
// by one. They read it as TYPE and its number with generic RDATA.
func unknownTo(typ uint16) Servers {
	switch typ {
	case dns.TypeNSAPPTR, dns.TypeGPOS, dns.TypeEID, dns.TypeNIMLOC, dns.TypeHIP, dns.TypeNINFO, dns.TypeRKEY,
		dns.TypeTALINK, dns.TypeUINFO, dns.TypeUID, dns.TypeGID, dns.TypeTA, dns.TypeAMTRELAY:
		return NSD | Knot
	case dns.TypeMD, dns.TypeMF, dns.TypeMB, dns.TypeMG, dns.TypeMR, dns.TypeNULL, dns.TypeX25, dns.TypeISDN,
		dns.TypePX, dns.TypeNXT, dns.TypeAPL, dns.TypeAVC, dns.TypeDLV, dns.TypeKEY, dns.TypeSIG:
		return Knot
	}
	switch typ { // types without a constant in miekg/dns
	case 34, 38, 40, 259, 261, 262: // ATMA, A6, SINK, DOA, RESINFO, WALLET
		return NSD | Knot
	case 11, 22: // WKS, NSAP
		return Knot
	}
	return 0
}

// outOfZone notes that records at an owner are not in the zone.
func (r *reader) outOfZone(tok Token) {
	if !r.hashOnly {
		r.warn(tok.Start, tok.End, faultOutOfZone(r.ctx.ownerName(), r.apex))
	}
}

func faultOutOfZone(owner, apex []byte) *diag.Diagnostic {
	return notice(diag.CodeOutOfZone, "owner name "+nameText(owner)+" is not in zone "+nameText(apex)+": BIND and Knot ignore the record, NSD refuses the zone", "delete it, or add the missing dot; --for nsd leaves it out")
}
