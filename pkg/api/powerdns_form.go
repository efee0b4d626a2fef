package api

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// powerDNSError is what PowerDNS says of a request that came to nothing.
type powerDNSError struct {
	Error  string   `json:"error"`
	Errors []string `json:"errors,omitempty"` // each diagnostic, with its code
}

func powerDNSErrorOf(err error) powerDNSError {
	out := powerDNSError{Error: err.Error()}
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok {
		return out
	}
	if refused.Hint != "" {
		out.Error += ": " + refused.Hint
	}
	for _, d := range refused.Problems {
		text := fmt.Sprintf("%s: %s", d.Code, d.Message)
		if d.Hint != "" {
			text += " (" + d.Hint + ")"
		}
		out.Errors = append(out.Errors, text)
	}
	return out
}

// powerDNSZone is a zone in a list.
type powerDNSZone struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	URL            string   `json:"url"`
	Kind           string   `json:"kind"` // Master: it is transferred from here; else Native
	Account        string   `json:"account"`
	Catalog        string   `json:"catalog"`
	Masters        []string `json:"masters"`
	LastCheck      int      `json:"last_check"`
	Serial         uint32   `json:"serial"` // that is published; 0: none is
	EditedSerial   *uint32  `json:"edited_serial,omitempty"`
	NotifiedSerial uint32   `json:"notified_serial"` // of which secondaries were told
	DNSSEC         *bool    `json:"dnssec,omitempty"`
}

// powerDNSWhole is a zone by itself. What nobody can set here is as it is in a new zone of PowerDNS.
type powerDNSWhole struct {
	powerDNSZone

	APIRectify        bool            `json:"api_rectify"`
	PrimaryTSIGKeys   []string        `json:"master_tsig_key_ids"`
	SecondaryTSIGKeys []string        `json:"slave_tsig_key_ids"`
	NSEC3Narrow       bool            `json:"nsec3narrow"`
	NSEC3Param        string          `json:"nsec3param"`
	SOAEdit           string          `json:"soa_edit"`
	SOAEditAPI        string          `json:"soa_edit_api"`
	RRsets            []powerDNSRRset `json:"rrsets,omitzero"`
}

// powerDNSRRset is an RRset of a source, and in the answer to a dry run one that would change.
type powerDNSRRset struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	TTL        uint32           `json:"ttl"`
	ChangeType string           `json:"changetype,omitempty"`
	Records    []powerDNSRecord `json:"records"`
	Comments   []string         `json:"comments"` // none: those of the source are not of an RRset
}

type powerDNSRecord struct {
	Content  string `json:"content"`
	Disabled bool   `json:"disabled"`
}

// servedZones is what the daemon publishes at the time of a request.
type servedZones struct {
	serials map[sourceOf]zone.Serial
	serving map[zone.Name]*watch.Serving
}

// sourceOf tells zones of one name apart.
type sourceOf struct {
	name zone.Name
	path string
}

func (p *powerDNS) served() *servedZones {
	s := &servedZones{serials: map[sourceOf]zone.Serial{}, serving: map[zone.Name]*watch.Serving{}}
	if p.Daemon == nil {
		return s
	}
	snapshot := p.Daemon.Snapshot()
	for i := range snapshot.Zones {
		if z := &snapshot.Zones[i]; z.Published {
			s.serials[sourceOf{z.Name, z.Source}] = z.Serial
		}
	}
	for i := range snapshot.Serving {
		if z := &snapshot.Serving[i]; !z.Catalog {
			s.serving[z.Zone] = z
		}
	}
	return s
}

func (s *servedZones) form(z *EditableZone) powerDNSZone {
	serial, signed := uint32(s.serials[sourceOf{z.Name, z.Path}]), false
	out := powerDNSZone{
		ID: z.ID(), Name: z.Name.String(), URL: powerDNSZones + "/" + escapeID(z.ID()), Kind: "Native",
		Masters: []string{}, Serial: serial, EditedSerial: &serial, DNSSEC: &signed,
	}
	if served := s.serving[z.Name]; served != nil {
		out.Kind = "Master"
		if served.Loaded {
			out.NotifiedSerial = uint32(served.Serial)
		}
	}
	return out
}

func (s *servedZones) whole(z *EditableZone) *powerDNSWhole {
	return &powerDNSWhole{powerDNSZone: s.form(z), PrimaryTSIGKeys: []string{}, SecondaryTSIGKeys: []string{}}
}

// rrsetForms are the RRsets of a source in the order of its text: all, those of an owner name, or
// one of them. A type without a name says nothing, as in PowerDNS.
func rrsetForms(r *Reading, owner, typ string) []powerDNSRRset {
	list := []powerDNSRRset{}
	at := map[rrsetKey]int{}
	for i := range r.Records {
		rec := &r.Records[i]
		key := rrsetKey{rec.Owner, rec.Type}
		form := powerDNSRRset{Name: rec.Owner.String(), Type: zonefile.TypeName(rec.Type), TTL: rec.TTL, Comments: []string{}}
		if owner != "" && (!strings.EqualFold(form.Name, owner) || typ != "" && !strings.EqualFold(form.Type, typ)) {
			continue
		}
		if _, ok := at[key]; !ok {
			at[key] = len(list)
			list = append(list, form)
		}
		set := &list[at[key]]
		set.TTL = rec.TTL // BIND takes the last one of an RRset
		set.Records = append(set.Records, powerDNSRecord{Content: contentOf(rec)})
	}
	return list
}

// rrsetKey is an RRset by its name and type.
type rrsetKey struct {
	owner zone.Name
	typ   uint16
}

// content is RDATA as PowerDNS has it. Of an ALIAS it is the target alone: its clients know of no
// parameters, and would find a difference each time.
func content(typ uint16, data zone.RDATA) string {
	text := string(zonefile.AppendData(nil, typ, data))
	if typ == zonefile.TypeALIAS {
		text, _, _ = strings.Cut(text, " ")
	}
	return text
}

// contentOf is the content of a record of a source. Where the source has it in the form in which
// clients write it, that is what they get back, letter by letter, so that they find no difference.
func contentOf(r *zonefile.SourceRecord) string {
	text := content(r.Type, r.Data)
	if r.Type == zonefile.TypeALIAS || r.Written == text {
		return text
	}
	if strings.EqualFold(r.Written, text) {
		return r.Written
	}
	// The others have but one form, or those of a zone file, as 1h for 3600.
	if hasStrings(r.Type) || r.Type == dns.TypeSVCB || r.Type == dns.TypeHTTPS {
		if data, missing, d := parseContent(r.Type, r.Written); d == nil && missing == "" && data == r.Data {
			return r.Written
		}
	}
	return text
}

// exportText is a source as PowerDNS exports a zone: a line for each record, in the order of bytes.
func exportText(r *Reading) string {
	lines := make([]string, 0, len(r.Records))
	for i := range r.Records {
		rec := &r.Records[i]
		lines = append(lines, fmt.Sprintf("%s\t%d\tIN\t%s\t%s\n", rec.Owner, rec.TTL, zonefile.TypeName(rec.Type), contentOf(rec)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// differenceForms are the changes of an edit in the form in which a client asks for them.
func differenceForms(d zone.Difference) []powerDNSRRset {
	list := make([]powerDNSRRset, 0, len(d))
	for i := range d {
		c := &d[i]
		set := c.RRset()
		form := powerDNSRRset{
			Name: set.Owner.String(), Type: zonefile.TypeName(set.Type), TTL: set.TTL, ChangeType: changeDelete,
			Records: []powerDNSRecord{}, Comments: []string{},
		}
		if c.New != nil {
			form.ChangeType = changeReplace
			for _, data := range c.New.RDATA {
				form.Records = append(form.Records, powerDNSRecord{Content: content(set.Type, data)})
			}
		}
		list = append(list, form)
	}
	return list
}

// unescapeID reads a zone ID in a path, where =2F is a slash.
func unescapeID(text string) (string, bool) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "=")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		if len(rest) < 2 {
			return "", false
		}
		octet, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", false
		}
		out.Write(octet)
		text = rest[2:]
	}
}

// escapeID writes a zone ID for a path.
func escapeID(id string) string {
	var out strings.Builder
	for _, c := range []byte(id) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._", c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "=%02X", c)
		}
	}
	return out.String()
}
