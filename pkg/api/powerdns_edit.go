package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// The changetypes. EXTEND and PRUNE are of PowerDNS 5.
const (
	changeReplace = "REPLACE"
	changeDelete  = "DELETE"
	changeExtend  = "EXTEND"
	changePrune   = "PRUNE"
)

// rrsetRequest is a change that a client asks for. What is nil is not there.
type rrsetRequest struct {
	Name       *string           `json:"name"`
	Type       *string           `json:"type"`
	TTL        json.RawMessage   `json:"ttl"` // seconds, as a number or a string of digits
	ChangeType *string           `json:"changetype"`
	Records    []recordRequest   `json:"records"`
	Comments   []json.RawMessage `json:"comments"`
}

type recordRequest struct {
	Content  *string `json:"content"`
	Disabled bool    `json:"disabled"`
}

// patched is the answer to a dry run.
type patched struct {
	DryRun   bool            `json:"dry_run"`
	RRsets   []powerDNSRRset `json:"rrsets"` // that would change, each as it would be
	Warnings []string        `json:"warnings,omitempty"`
}

// patch edits RRsets: all of them, or none.
func (p *powerDNS) patch(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	var request struct {
		RRsets []rrsetRequest `json:"rrsets"`
	}
	if err := powerDNSBody(r, &request); err != nil {
		return err
	}
	if request.RRsets == nil {
		return Refusef(ReasonInvalid, "No rrsets given in update request")
	}
	dry := dryRun(r)
	out, err := p.Records.Edit(r.Context(), c, &Edit{Zone: z, IfMatch: ifMatch(r), DryRun: dry, Changes: func(reading *Reading) ([]zonefile.RRsetChange, error) {
		return changesOfPatch(reading, request.RRsets)
	}})
	if err != nil {
		return err
	}
	if dry {
		answer := patched{DryRun: true, RRsets: differenceForms(out.Difference)}
		for _, d := range out.Problems {
			answer.Warnings = append(answer.Warnings, string(d.Code)+": "+d.Message)
		}
		setETag(w, out.Before)
		reply(w, http.StatusOK, &answer)
		return nil
	}
	setETag(w, out.After)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// powerDNSBody takes the JSON body of a request, whatever its media type is called. A field of
// another type than it should have is told with status 422, as PowerDNS does.
func powerDNSBody(r *http.Request, to any) error {
	var text bytes.Buffer
	if _, err := text.ReadFrom(r.Body); err != nil {
		return err
	}
	err := json.Unmarshal(text.Bytes(), to)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := wrong.Field
		if what == "" || what == "rrsets" {
			return Refusef(ReasonInvalid, "No rrsets given in update request")
		}
		return Refusef(ReasonInvalid, "Key '%s' is a JSON %s, which it must not be", what, wrong.Value)
	}
	if err != nil {
		return &Error{Status: http.StatusBadRequest, Message: "the body is no JSON document: " + err.Error()}
	}
	return nil
}

// changesOfPatch reads what a client asks for, with the messages of PowerDNS where it has one.
func changesOfPatch(reading *Reading, requests []rrsetRequest) ([]zonefile.RRsetChange, error) {
	type asked struct {
		rrsetKey
		how string
	}
	seen := map[asked]bool{}
	var changes []zonefile.RRsetChange
	for i := range requests {
		q := &requests[i]
		c, how, err := q.read(reading.Zone.Name)
		if err != nil {
			return nil, err
		}
		key := asked{rrsetKey{c.Owner, c.Type}, how}
		if seen[key] && (how == changeReplace || how == changeDelete) {
			return nil, Refusef(ReasonInvalid, "Duplicate %s with changetype: %s", rrsetText(c.Owner, *q.Type), how)
		}
		seen[key] = true
		if c.Kind == 0 {
			continue
		}
		if c.Type == dns.TypeSOA {
			if !isThatSOA(reading, c) {
				return nil, Refusef(ReasonInvalid, "%s: the SOA is that of the source, and the serial is counted by aliasflat; it cannot be edited here", rrsetText(c.Owner, *q.Type))
			}
			continue
		}
		keepParameters(reading, c)
		changes = append(changes, *c)
	}
	return changes, nil
}

// rrsetText names an RRset as PowerDNS does in its messages.
func rrsetText(owner zone.Name, typ string) string {
	return "RRset " + owner.String() + " IN " + excerpt(typ)
}

// recordText names a record as PowerDNS does in its messages.
func recordText(owner zone.Name, typ, text string) string {
	return fmt.Sprintf("Record %s/%s '%s'", owner, excerpt(typ), excerpt(text))
}

// excerpt is what a message has of a text that a client sends.
func excerpt(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}

// read gives the change. Its kind is 0 where it changes nothing.
func (q *rrsetRequest) read(apex zone.Name) (c *zonefile.RRsetChange, how string, err error) {
	for _, key := range []struct {
		name string
		text *string
	}{{"name", q.Name}, {"type", q.Type}, {"changetype", q.ChangeType}} {
		if key.text == nil {
			return nil, "", Refusef(ReasonInvalid, "Key '%s' not present or not a String", key.name)
		}
	}
	c, how = &zonefile.RRsetChange{From: "content"}, strings.ToUpper(*q.ChangeType)
	if c.Owner, err = canonicalName(*q.Name); err != nil {
		return nil, "", err
	}
	text := rrsetText(c.Owner, *q.Type)
	var known bool
	if c.Type, known = zonefile.ParseType(*q.Type); !known {
		return nil, "", Refusef(ReasonInvalid, "%s: unknown type given", text)
	}
	if !c.Owner.IsIn(apex) {
		return nil, "", Refusef(ReasonInvalid, "%s: Name is out of zone", text)
	}
	switch how {
	case changeDelete:
		c.Kind = zonefile.DeleteRRset
		return c, how, nil
	case changeReplace, changeExtend, changePrune:
	default:
		return nil, "", Refusef(ReasonInvalid, "Changetype not understood")
	}
	switch {
	case len(q.Comments) > 0:
		return nil, "", Refusef(ReasonInvalid, "%s: comments are those of the source, and cannot be edited here", text)
	case q.Records == nil && q.Comments == nil, len(q.Records) == 0 && how != changeReplace:
		return nil, "", Refusef(ReasonInvalid, "No change for %s", text)
	case q.Records == nil:
		return c, how, nil
	}
	return c, how, q.readRecords(c, how)
}

// readRecords takes records and TTL into a change.
func (q *rrsetRequest) readRecords(c *zonefile.RRsetChange, how string) error {
	if how == changeReplace || how == changeExtend && q.TTL != nil {
		ttl, err := strconv.ParseUint(strings.Trim(string(q.TTL), `"`), 10, 31)
		if err != nil {
			return Refusef(ReasonInvalid, "Key 'ttl' not an Integer or not present")
		}
		seconds := uint32(ttl)
		c.TTL = &seconds
	}
	c.Kind = map[string]zonefile.ChangeKind{changeReplace: zonefile.ReplaceRRset, changeExtend: zonefile.AddRecords, changePrune: zonefile.DeleteRecords}[how]
	var all []zone.RDATA
	for _, rec := range q.Records {
		if rec.Content == nil {
			return Refusef(ReasonInvalid, "Key 'content' not present or not a String")
		}
		text := *rec.Content
		if hasStrings(c.Type) {
			text = splitStrings(text)
		}
		data, err := readContent(c, *q.Type, text)
		switch {
		case err != nil:
			return err
		case rec.Disabled:
			return Refusef(ReasonInvalid, "%s: a record cannot be disabled here; delete it", recordText(c.Owner, *q.Type, text))
		case slices.Contains(all, data):
			return Refusef(ReasonInvalid, "Duplicate record in %s with content %q", rrsetText(c.Owner, *q.Type), excerpt(text))
		}
		all = append(all, data)
		c.RDATA = append(c.RDATA, text)
	}
	if len(all) == 0 { // an RRset without records is none
		c.Kind, c.TTL = zonefile.DeleteRRset, nil
	}
	return nil
}

// readContent reads the content of a record.
func readContent(c *zonefile.RRsetChange, typ, text string) (zone.RDATA, error) {
	data, missing, d := parseContent(c.Type, text)
	switch {
	case d != nil:
		err := Refusef(ReasonInvalid, "%s: Parsing record content: %s", recordText(c.Owner, typ, text), d.Message)
		err.Problems = append(err.Problems, d)
		return data, err
	case missing != "":
		return data, Refusef(ReasonInvalid, "%s: Not in expected format (parsed as '%s'): %s missing", recordText(c.Owner, typ, text),
			excerpt(string(zonefile.AppendData(nil, c.Type, data))), missing)
	}
	return data, nil
}

// parseContent reads RDATA in the form in which clients write it. What is missing has to be there:
// names are absolute and strings quoted, since a client means the name that it writes, which would
// be another one in a zone file.
func parseContent(typ uint16, text string) (data zone.RDATA, missing string, d *diag.Diagnostic) {
	data, d = zonefile.ParseRDATA(typ, text, "content", zone.Root)
	if d != nil {
		return data, "", d
	}
	below, long := zonefile.ParseRDATA(typ, text, "content", elsewhere) // a name may be too long there
	switch {
	case long != nil || below != data:
		missing = "trailing dot"
	case hasStrings(typ) && !isQuoted(text):
		missing = "quotes"
	}
	return data, missing, nil
}

// hasStrings tells whether records of a type are strings alone.
func hasStrings(typ uint16) bool { return typ == dns.TypeTXT || typ == dns.TypeSPF }

// elsewhere is an origin that shows which RDATA has relative names.
var elsewhere = zone.MustParseName("relative.invalid.")

// isQuoted tells whether all strings of some RDATA, which can be read, stand in quotation marks.
func isQuoted(text string) bool {
	inside := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			inside = !inside
		case inside && text[i] == '\\':
			i++
		case !inside && text[i] != ' ' && text[i] != '\t':
			return false
		}
	}
	return true
}

// splitStrings splits what stands in quotation marks where it is longer than the 255 octets that a
// string can have (RFC 1035 §3.3): clients leave that to PowerDNS.
func splitStrings(text string) string {
	var out strings.Builder
	inside, octets := false, 0
	for i := 0; i < len(text); {
		n := 1
		if text[i] == '\\' {
			n = 2
			if i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9' {
				n = 4
			}
			n = min(n, len(text)-i)
		}
		switch {
		case text[i] == '"':
			inside, octets = !inside, 0
		case inside && octets == 255:
			out.WriteString(`" "`)
			octets = 1
		default:
			octets++
		}
		out.WriteString(text[i : i+n])
		i += n
	}
	return out.String()
}

// ownerName reads an absolute name.
func ownerName(text string) (zone.Name, error) {
	name, d := zonefile.ParseOwner(text, zone.Root)
	if d != nil {
		err := Refusef(ReasonInvalid, "Unable to parse DNS Name '%s'", excerpt(text))
		err.Problems = append(err.Problems, d)
		return name, err
	}
	return name, nil
}

// isThatSOA tells whether a change would leave the SOA as it is.
func isThatSOA(reading *Reading, c *zonefile.RRsetChange) bool {
	if c.Kind != zonefile.ReplaceRRset || len(c.RDATA) != 1 {
		return false
	}
	data, d := zonefile.ParseRDATA(c.Type, c.RDATA[0], c.From, zone.Root)
	return d == nil && slices.ContainsFunc(reading.Records, func(r zonefile.SourceRecord) bool {
		return r.Type == c.Type && r.Owner == c.Owner && r.Data == data && r.TTL == *c.TTL
	})
}

// keepParameters has an ALIAS that comes without parameters keep those that the one in its place
// has: clients do not see them.
func keepParameters(reading *Reading, c *zonefile.RRsetChange) {
	if c.Type != zonefile.TypeALIAS {
		return
	}
	for i := range reading.Records {
		r := &reading.Records[i]
		if r.Type != c.Type || r.Owner != c.Owner {
			continue
		}
		target, parameters, some := strings.Cut(r.Data.Text, " ")
		for j, text := range c.RDATA {
			if some && !strings.ContainsAny(text, " \t") && (c.Kind == zonefile.ReplaceRRset || strings.EqualFold(text, target)) {
				c.RDATA[j] = text + " " + parameters
			}
		}
	}
}
