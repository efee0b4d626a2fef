package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// providerInput is a record as a client gives it. What is absent stays as it is, where there is a
// record already.
type providerInput struct {
	Name     *string `json:"name"` // relative to the zone, @, or absolute with a final dot or without
	Type     *string `json:"type"`
	Content  *string `json:"content"`
	TTL      *int64  `json:"ttl"`      // seconds, of the whole RRset
	Priority *uint16 `json:"priority"` // of MX and SRV, where the content has none
	Disabled bool    `json:"disabled"`
}

// givenRecord is a record that was given.
type givenRecord struct {
	owner zone.Name
	typ   uint16
	data  zone.RDATA
	text  string // of data, as it was given
	ttl   *uint32
}

func (g *givenRecord) id() string { return recordID(g.owner, g.typ, g.data) }

// find gives the record where a source has it; else nil.
func (g *givenRecord) find(in *Reading) *zonefile.SourceRecord {
	for i := range in.Records {
		if s := &in.Records[i]; s.Owner == g.owner && s.Type == g.typ && recordID(s.Owner, s.Type, s.Data) == g.id() {
			return s
		}
	}
	return nil
}

// form is the form of the record in a source that has it.
func (g *givenRecord) form(in *Reading) providerRecord {
	if s := g.find(in); s != nil {
		return providerRecordForm(s)
	}
	return providerRecordForm(&zonefile.SourceRecord{Owner: g.owner, Type: g.typ, Data: g.data})
}

func (g *givenRecord) change(kind zonefile.ChangeKind) zonefile.RRsetChange {
	return zonefile.RRsetChange{Kind: kind, Owner: g.owner, Type: g.typ, TTL: g.ttl, RDATA: []string{g.text}, From: "content"}
}

// recordID is what a record is known by: it is the same as long as owner name, type and RDATA are.
func recordID(owner zone.Name, typ uint16, data zone.RDATA) string {
	text := data.Text
	if typ == zonefile.TypeALIAS {
		text = strings.ToLower(text)
	}
	sum := sha256.Sum256([]byte(owner.Wire() + strconv.Itoa(int(typ)) + "|" + text + "|" + data.Wire))
	return hex.EncodeToString(sum[:16])
}

// complete takes what is absent from the record that is there.
func (in *providerInput) complete(s *zonefile.SourceRecord) {
	sameType := in.Type == nil || strings.EqualFold(*in.Type, zonefile.TypeName(s.Type))
	if in.Name == nil {
		in.Name = new(s.Owner.String())
	}
	if in.Type == nil {
		in.Type = new(zonefile.TypeName(s.Type))
	}
	if in.Content == nil && sameType {
		in.Content = new(dataText(s))
	}
}

// record reads a record that was given. Its error is a [*RefusedError].
func (in *providerInput) record(apex zone.Name) (*givenRecord, error) {
	for _, field := range []struct {
		name string
		text *string
	}{{"name", in.Name}, {"type", in.Type}, {"content", in.Content}} {
		if field.text == nil {
			return nil, Refusef(ReasonInvalid, "the record has no %s", field.name)
		}
	}
	if in.Disabled {
		refused := Refusef(ReasonInvalid, "a record cannot be disabled")
		refused.Hint = "delete it: a zone file has no records that are not in the zone"
		return nil, refused
	}
	g := &givenRecord{}
	var err error
	if g.owner, err = providerOwner(*in.Name, apex); err != nil {
		return nil, err
	}
	if g.typ, err = providerType(*in.Type); err != nil {
		return nil, err
	}
	if in.TTL != nil {
		if *in.TTL < 0 || *in.TTL > 1<<31-1 {
			return nil, refusal(&diag.Diagnostic{Severity: diag.Error, Code: diag.CodeTTLTooBig, Message: fmt.Sprintf("a TTL is not %d", *in.TTL), Hint: "write seconds, 2147483647 at most"})
		}
		g.ttl = new(uint32(*in.TTL))
	}
	if g.text, err = in.content(g.typ); err != nil {
		return nil, err
	}
	data, d := zonefile.ParseRDATA(g.typ, g.text, "content", apex)
	if d != nil {
		return nil, refusal(d)
	}
	g.data = data
	return g, nil
}

// providerOwner reads an owner name, which is absolute with a final dot, or where it is that of
// the zone or below it.
func providerOwner(text string, apex zone.Name) (zone.Name, error) {
	if text == "" || text == "@" {
		return apex, nil
	}
	name, d := zonefile.ParseOwner(text, apex)
	if d != nil {
		return zone.Name{}, refusal(d)
	}
	if whole, d := zonefile.ParseOwner(text+".", apex); d == nil && whole.IsIn(apex) {
		return whole, nil
	}
	return name, nil
}

func providerType(word string) (uint16, error) {
	typ, ok := zonefile.ParseType(word)
	if !ok {
		return 0, refusal(&diag.Diagnostic{
			Severity: diag.Error, Code: diag.CodeUnknownType, Message: fmt.Sprintf("%q is no record type", word), Hint: "a type is a word such as ALIAS, A or MX, or TYPE and a number",
		})
	}
	return typ, nil
}

// content is the RDATA that a client means, as a zone file has it: clients of providers give the
// priority beside it, leave out the quotation marks of TXT, and the final dot of names.
func (in *providerInput) content(typ uint16) (string, error) {
	text := *in.Content
	switch {
	case (typ == dns.TypeTXT || typ == dns.TypeSPF) && strings.Trim(text, " \t") != "" && !strings.Contains(text, `"`) && !strings.HasPrefix(text, `\#`):
		text = `"` + text + `"`
	case in.Priority == nil || strings.HasPrefix(text, `\#`):
	case typ != dns.TypeMX && typ != dns.TypeSRV:
		if *in.Priority != 0 {
			return "", Refusef(ReasonInvalid, "a record of type %s has no priority", zonefile.TypeName(typ))
		}
	default:
		priority := strconv.Itoa(int(*in.Priority))
		fields := strings.Fields(text)
		if has := len(fields) > hostField(typ); !has {
			text = priority + " " + text
		} else if fields[0] != priority {
			return "", Refusef(ReasonInvalid, "the priority is %s, and that of the content %q", priority, fields[0])
		}
	}
	return absoluteHost(typ, text), nil
}

// hostField is which field of RDATA names a host, from 0; -1: none does.
func hostField(typ uint16) int {
	switch typ {
	case zonefile.TypeALIAS, dns.TypeCNAME, dns.TypeDNAME, dns.TypeNS, dns.TypePTR:
		return 0
	case dns.TypeMX, dns.TypeSVCB, dns.TypeHTTPS:
		return 1
	case dns.TypeSRV:
		return 3
	}
	return -1
}

// absoluteHost ends the name of a host in RDATA with a dot: providers take one with a dot within
// as absolute. One without any is below the zone name, as in a zone file.
func absoluteHost(typ uint16, text string) string {
	end := 0
	for field := hostField(typ); field >= 0; field-- {
		start := end + len(text[end:]) - len(strings.TrimLeft(text[end:], " \t"))
		end = start + strings.IndexAny(text[start:]+" ", " \t")
		if field > 0 {
			continue
		}
		name := text[start:end]
		_, err := netip.ParseAddr(name) // no name, which the check is to say
		if strings.Contains(name, ".") && !strings.HasSuffix(name, ".") && !strings.ContainsAny(name, `\"`) && err != nil {
			return text[:end] + "." + text[end:]
		}
	}
	return text
}
