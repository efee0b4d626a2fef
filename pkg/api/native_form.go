package api

import (
	"net/netip"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// The schemas of the documents that the native face alone has.
const (
	SchemaZones   = "aliasflat/zones/v1"
	SchemaZone    = "aliasflat/zone/v1"
	SchemaRecords = "aliasflat/records/v1"
	SchemaEdited  = "aliasflat/edited/v1"
	SchemaAliases = "aliasflat/aliases/v1"
	SchemaAlias   = "aliasflat/alias/v1"
	SchemaPlan    = "aliasflat/plan/v1"
)

// Zones are a page of zones, in canonical order.
type Zones struct {
	Schema string        `json:"schema"`
	Zones  []ZoneSummary `json:"zones"`
	Next   string        `json:"next,omitempty"` // for after; empty: it is the last page
}

// ZoneSummary is what a list tells of a zone: a source, and all that is made of it.
type ZoneSummary struct {
	ID          string    `json:"id"` // for paths
	Name        string    `json:"name"`
	View        string    `json:"view,omitempty"` // zones of one name and several sources are told apart by it
	Source      string    `json:"source"`
	Editable    bool      `json:"editable"`
	Phase       string    `json:"phase"`            // the worst of its outputs
	Serial      *uint32   `json:"serial,omitempty"` // that is published; absent: it is not known
	Aliases     int       `json:"aliases"`
	Held        bool      `json:"held"`
	Stale       bool      `json:"stale"`
	Guarded     bool      `json:"guarded"`
	NextRefresh time.Time `json:"nextRefresh,omitzero"`
	LastChange  time.Time `json:"lastChange,omitzero"`
	Oldest      time.Time `json:"oldest,omitzero"` // when the oldest held addresses were seen last
}

// ZoneDetail is all that is known of a zone.
type ZoneDetail struct {
	Schema string `json:"schema"`
	ZoneSummary

	ETag         string      `json:"etag,omitempty"`         // of the source; empty: it is not editable, or cannot be read
	SourceSerial *uint32     `json:"sourceSerial,omitempty"` // that the source has
	Served       *uint32     `json:"served,omitempty"`       // the serial that secondaries are served
	Secondaries  []Secondary `json:"secondaries"`
	Problems     []Problem   `json:"problems"`
	Outputs      []Zone      `json:"outputs"`
}

// add adds problems that are not there yet.
func (z *ZoneDetail) add(problems diag.List) {
	for _, d := range problems {
		if p := *problemForm(d); !slices.Contains(z.Problems, p) {
			z.Problems = append(z.Problems, p)
		}
	}
}

// SourceRecords are records of a source, in the order of the text.
type SourceRecords struct {
	Schema  string         `json:"schema"`
	Zone    string         `json:"zone"`
	Source  string         `json:"source"`
	ETag    string         `json:"etag"`
	Next    *int           `json:"next,omitempty"` // for offset; absent: it is the last page
	Records []SourceRecord `json:"records"`
}

// SourceRecord is one record of a source. ALIAS is a type as any other.
type SourceRecord struct {
	Owner    string `json:"owner"`
	Type     string `json:"type"`
	TTL      uint32 `json:"ttl"` // seconds
	RDATA    string `json:"rdata"`
	Comment  string `json:"comment,omitempty"` // behind it, with its semicolon
	File     string `json:"file"`
	Line     int    `json:"line"`
	Editable bool   `json:"editable"` // false: $INCLUDE or $GENERATE makes it
}

// RecordForm gives the document of a record.
func RecordForm(r *zonefile.SourceRecord) SourceRecord {
	at := r.Place.Note("")
	return SourceRecord{
		Owner: r.Owner.String(), Type: zonefile.TypeName(r.Type), TTL: r.TTL, RDATA: string(zonefile.AppendData(nil, r.Type, r.Data)),
		Comment: r.Comment, File: at.File, Line: at.Line, Editable: !r.Included,
	}
}

// RRsetRequest is what an RRset is to become.
type RRsetRequest struct {
	TTL   *uint32  `json:"ttl,omitempty"` // seconds; absent: as it is
	RDATA []string `json:"rdata"`
}

// EditRequest is an edit: all of its changes are made, or none.
type EditRequest struct {
	Changes []ChangeRequest `json:"changes"`
}

// ChangeRequest is what is to become of one RRset.
type ChangeRequest struct {
	Kind  string   `json:"kind"` // add, replace, delete or delete-rrset
	Owner string   `json:"owner"`
	Type  string   `json:"type"`
	TTL   *uint32  `json:"ttl,omitempty"` // seconds, of the whole RRset; absent: as it is
	RDATA []string `json:"rdata,omitempty"`
}

// RefreshRequest names what is to be asked again.
type RefreshRequest struct {
	Target string `json:"target"`
}

// Edited is what came of an edit, or would.
type Edited struct {
	Schema      string        `json:"schema"`
	Zone        string        `json:"zone"`
	DryRun      bool          `json:"dryRun"`
	Written     bool          `json:"written"`
	ETag        string        `json:"etag"`       // of the source as the edit leaves it, or would
	Difference  []RRsetChange `json:"difference"` // of the source
	Diff        string        `json:"diff"`       // of its text, unified; with a dry run alone
	Diagnostics []Problem     `json:"diagnostics"`
	Targets     []Previewed   `json:"targets"` // of ALIAS records that come; with a dry run alone
}

// RRsetChange is the difference in one RRset.
type RRsetChange struct {
	Owner string `json:"owner"`
	Type  string `json:"type"`
	Old   *RRset `json:"old,omitempty"` // absent: it was not there
	New   *RRset `json:"new,omitempty"` // absent: it is not there any more
}

// RRset is the records of an owner name and type.
type RRset struct {
	TTL   uint32   `json:"ttl"` // seconds
	RDATA []string `json:"rdata"`
}

// differenceForm gives the document of a difference.
func differenceForm(d zone.Difference) []RRsetChange {
	out := []RRsetChange{}
	for i := range d {
		set := d[i].RRset()
		out = append(out, RRsetChange{Owner: set.Owner.String(), Type: zonefile.TypeName(set.Type), Old: rrsetForm(d[i].Old), New: rrsetForm(d[i].New)})
	}
	return out
}

func rrsetForm(s *zone.RRset) *RRset {
	if s == nil {
		return nil
	}
	out := &RRset{TTL: s.TTL, RDATA: []string{}}
	for _, d := range s.RDATA {
		out.RDATA = append(out.RDATA, string(zonefile.AppendData(nil, s.Type, d)))
	}
	return out
}

func problemForms(list diag.List) []Problem {
	out := []Problem{}
	for _, d := range list.Sorted() {
		out = append(out, *problemForm(d))
	}
	return out
}

// Previewed is what the target of an ALIAS has now.
type Previewed struct {
	Target  string   `json:"target"`
	Inside  bool     `json:"inside,omitempty"` // it lies in the zone itself, which has its addresses
	Lookups []Lookup `json:"lookups"`
}

// Aliases are a page of the ALIAS records of a zone.
type Aliases struct {
	Schema  string  `json:"schema"`
	Zone    string  `json:"zone"`
	ETag    string  `json:"etag,omitempty"` // of the source; empty: the zone is not editable, and what is told is what is published
	Next    *int    `json:"next,omitempty"` // for offset; absent: it is the last page
	Aliases []Alias `json:"aliases"`
}

// OneAlias is one of them.
type OneAlias struct {
	Schema string `json:"schema"`
	Zone   string `json:"zone"`
	ETag   string `json:"etag,omitempty"`
	Alias
}

// Alias is an ALIAS record and what has become of it.
type Alias struct {
	Owner      string      `json:"owner"`
	Target     string      `json:"target"`
	Parameters string      `json:"parameters,omitempty"` // behind the target, as in the source
	File       string      `json:"file,omitempty"`       // of the record; empty: it is known from what is published
	Line       int         `json:"line,omitempty"`
	Editable   bool        `json:"editable"`
	Published  []Flattened `json:"published"`         // by output and type
	Lookups    []Lookup    `json:"lookups"`           // empty: the target lies in a zone of the daemon, or is not known to it yet
	Problem    string      `json:"problem,omitempty"` // the first of the lookups, in plain words
}

// Flattened is an address RRset that is published in place of an ALIAS.
type Flattened struct {
	View      string       `json:"view,omitempty"`
	Type      string       `json:"type"`
	Addresses []netip.Addr `json:"addresses"` // empty: there are none
	TTL       uint32       `json:"ttl"`       // seconds
}

// Lookup is the state of one question about a target.
type Lookup struct {
	Target
	Expires time.Time `json:"expires,omitzero"`  // when the last answer is older than its TTL
	AD      *bool     `json:"ad,omitempty"`      // whether DNSSEC proves it, as the resolver says; absent: it was not kept
	Problem string    `json:"problem,omitempty"` // in plain words; empty: there are addresses
}

// PlanDocument is what the next publication of a zone would change.
type PlanDocument struct {
	Schema  string       `json:"schema"`
	Zone    string       `json:"zone"`
	Outputs []PlanOutput `json:"outputs"`
}

// PlanOutput is what would change in one output.
type PlanOutput struct {
	View       string        `json:"view,omitempty"`
	Output     string        `json:"output"`
	Serial     *uint32       `json:"serial,omitempty"` // that is published; absent: none is
	Next       *uint32       `json:"next,omitempty"`   // that would be; absent: nothing would
	Changed    bool          `json:"changed"`
	Difference []RRsetChange `json:"difference"` // of the records, the serial aside
	Waiting    []string      `json:"waiting"`    // targets without an answer yet, for want of which the rest is not known
	Held       bool          `json:"held"`
	Stale      bool          `json:"stale"`
	Guarded    bool          `json:"guarded"` // a guard would hold something back
	Problems   []Problem     `json:"problems"`
}
