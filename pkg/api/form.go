package api

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The schemas of the documents. Fields are only ever added within one version.
const (
	SchemaStatus    = "aliasflat/status/v1"
	SchemaTargets   = "aliasflat/targets/v1"
	SchemaEvent     = "aliasflat/event/v1"
	SchemaHistory   = "aliasflat/history/v1"
	SchemaWhy       = "aliasflat/why/v1"
	SchemaRefreshed = "aliasflat/refreshed/v1"
	SchemaNotified  = "aliasflat/notified/v1"
	SchemaAccepted  = "aliasflat/accepted/v1"
	SchemaForgotten = "aliasflat/forgotten/v1"
	SchemaReloaded  = "aliasflat/reloaded/v1"
	SchemaError     = "aliasflat/error/v1"
)

// Status is the state of a daemon and its zones. Names of zones have no final dot unless it is
// the root; all other names are absolute.
type Status struct {
	Schema  string       `json:"schema"`
	Version string       `json:"version"`
	PID     int          `json:"pid"`
	Time    time.Time    `json:"time"`
	Started time.Time    `json:"started"`
	Loaded  time.Time    `json:"loaded,omitzero"`   // when the configuration was taken in last
	Problem string       `json:"problem,omitempty"` // why a newer one was not
	Beat    time.Time    `json:"beat,omitzero"`
	Hung    bool         `json:"hung"` // the scheduler does nothing any more
	Targets TargetCounts `json:"targets"`
	Lookups Lookups      `json:"lookups"`
	Zones   []Zone       `json:"zones"`

	Resolvers []Resolver `json:"resolvers,omitempty"` // in their order, those on the network
	Serving   []Serving  `json:"serving,omitempty"`   // what secondaries are served, in canonical order
}

// Serving is how a zone is served to secondaries.
type Serving struct {
	Zone        string      `json:"zone"`
	Catalog     bool        `json:"catalog,omitempty"` // it is the catalog
	Serial      *uint32     `json:"serial,omitempty"`  // that is served; absent: nothing is yet
	Whole       uint64      `json:"whole"`             // transfers of all of it since the start
	Incremental uint64      `json:"incremental"`       // transfers of what has changed
	Cut         uint64      `json:"cut"`               // transfers that ended early
	Secondaries []Secondary `json:"secondaries"`
}

// Secondary is how a secondary follows a zone.
type Secondary struct {
	Address  string  `json:"address"`
	Serial   *uint32 `json:"serial,omitempty"` // that it served when it was asked last
	Current  bool    `json:"current"`          // that is the one that is served to it
	Lag      float64 `json:"lag,omitempty"`    // seconds for which it is behind
	Alarm    bool    `json:"alarm,omitempty"`  // somebody should look after it
	Failures uint64  `json:"failures"`         // attempts to tell or ask it that came to nothing
	Problem  string  `json:"problem,omitempty"`
}

// Resolver is how one resolver does.
type Resolver struct {
	URL       string  `json:"url"`
	Up        bool    `json:"up"`                  // it answers, as far as is known
	Down      float64 `json:"down,omitempty"`      // seconds for which it has been silent
	RoundTrip float64 `json:"roundTrip,omitempty"` // seconds that its answers take, smoothed
	Answered  uint64  `json:"answered"`            // queries
	Silent    uint64  `json:"silent"`              // queries
	Invents   bool    `json:"invents,omitempty"`   // it gives addresses to names that cannot exist, and is not used
}

// TargetCounts counts the distinct questions of all zones.
type TargetCounts struct {
	Total    int `json:"total"`
	Failing  int `json:"failing"`
	InFlight int `json:"inFlight"`
}

// Lookups counts lookups since the start by what came of them.
type Lookups struct {
	Addresses uint64 `json:"addresses"`
	NoData    uint64 `json:"nodata"`
	NXDomain  uint64 `json:"nxdomain"`
	Weak      uint64 `json:"weak"`
	Failures  uint64 `json:"failures"`
}

// Zone is the state of one zone.
type Zone struct {
	Name        string               `json:"name"` // empty: the source does not tell it
	View        string               `json:"view,omitempty"`
	Source      string               `json:"source"`
	Output      string               `json:"output"`
	Phase       string               `json:"phase"`  // as [watch.Phase.String] gives it
	Serial      *uint32              `json:"serial"` // nil: not known
	Aliases     int                  `json:"aliases"`
	Targets     int                  `json:"targets"`
	LastAttempt time.Time            `json:"lastAttempt,omitzero"`
	LastSuccess time.Time            `json:"lastSuccess,omitzero"`
	LastChange  time.Time            `json:"lastChange,omitzero"`
	NextRefresh time.Time            `json:"nextRefresh,omitzero"`
	Oldest      time.Time            `json:"oldest,omitzero"` // when the oldest held addresses were seen last
	Changes     uint64               `json:"changes"`
	Attempts    uint64               `json:"attempts"`
	Failures    map[diag.Code]uint64 `json:"failures,omitempty"`
	Held        bool                 `json:"held"`
	Stale       bool                 `json:"stale"`
	Guarded     bool                 `json:"guarded"`
	Problems    []Problem            `json:"problems,omitempty"`
	Pulled      *Pulled              `json:"pulled,omitempty"` // absent: the source is a file
}

// Pulled is how the source of a zone is transferred from its primary.
type Pulled struct {
	Serial      *uint32   `json:"serial,omitempty"`     // of the copy; absent: there is none
	Attempted   time.Time `json:"attempted,omitzero"`   // when the primary was asked last
	Checked     time.Time `json:"checked,omitzero"`     // when it last was known to have what is kept
	Transferred time.Time `json:"transferred,omitzero"` // when it was transferred last by this daemon
	Next        time.Time `json:"next,omitzero"`        // left out while it is being asked
	Expires     time.Time `json:"expires,omitzero"`     // when the copy is too old
	Expired     bool      `json:"expired"`              // it is; what is published stands
	Failed      int       `json:"failed"`               // attempts running
	Checks      uint64    `json:"checks"`               // since the start
	Failures    uint64    `json:"failures"`             // of those
	Whole       uint64    `json:"whole"`                // transfers of all of it
	Incremental uint64    `json:"incremental"`          // transfers of what has changed
	Problem     *Problem  `json:"problem,omitempty"`
}

// Problem is a diagnostic.
type Problem struct {
	Severity string    `json:"severity"`
	Code     diag.Code `json:"code"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint,omitempty"`
	File     string    `json:"file,omitempty"`
	Line     int       `json:"line,omitempty"`
	Column   int       `json:"column,omitempty"` // bytes from 1
}

// Targets are the questions of a zone.
type Targets struct {
	Schema  string   `json:"schema"`
	Zone    string   `json:"zone"`
	View    string   `json:"view,omitempty"`
	Targets []Target `json:"targets"`
}

// Target is the state of one question.
type Target struct {
	Target    string       `json:"target"`
	Type      string       `json:"type"`
	Subnet    netip.Prefix `json:"subnet,omitzero"`
	Outcome   string       `json:"outcome,omitempty"` // empty: it was not asked yet
	Reason    string       `json:"reason,omitempty"`  // of a failure
	Addresses []netip.Addr `json:"addresses,omitempty"`
	TTL       uint32       `json:"ttl,omitempty"` // seconds
	Chain     []Link       `json:"chain,omitempty"`
	Resolver  string       `json:"resolver,omitempty"`
	Detail    string       `json:"detail,omitempty"`
	Asked     time.Time    `json:"asked,omitzero"`
	Due       time.Time    `json:"due,omitzero"` // left out while it is being asked
	Failed    int          `json:"failed"`       // failures running
}

// Link is one step of a chain.
type Link struct {
	Owner  string `json:"owner"`
	Type   string `json:"type"`
	Target string `json:"target"`
	TTL    uint32 `json:"ttl"` // seconds
}

// Event is something that happened.
type Event struct {
	Schema    string       `json:"schema"`
	Number    uint64       `json:"number"`         // counts from the start of the daemon
	Lost      uint64       `json:"lost,omitempty"` // events before this one that the reader was too slow for
	Time      time.Time    `json:"time"`
	Kind      watch.Kind   `json:"kind"`
	Severity  string       `json:"severity,omitempty"` // empty: it is as it should be
	Zone      string       `json:"zone,omitempty"`
	View      string       `json:"view,omitempty"`
	Owner     string       `json:"owner,omitempty"`
	Type      string       `json:"type,omitempty"`
	Target    string       `json:"target,omitempty"`
	From      []netip.Addr `json:"from,omitempty"`
	To        []netip.Addr `json:"to,omitempty"`
	Resolver  string       `json:"resolver,omitempty"`
	OldSerial *uint32      `json:"oldSerial,omitempty"`
	NewSerial *uint32      `json:"newSerial,omitempty"`
	Message   string       `json:"message,omitempty"`
	Problem   *Problem     `json:"problem,omitempty"`
}

// zoneName is the name of a zone without its final dot, unless it is the root; of the zero
// Name nothing.
func zoneName(n zone.Name) string {
	switch {
	case n.IsZero():
		return ""
	case n.IsRoot():
		return "."
	}
	return strings.TrimSuffix(n.String(), ".")
}

func nameText(n zone.Name) string {
	if n.IsZero() {
		return ""
	}
	return n.String()
}

func typeText(t uint16) string {
	if t == 0 {
		return ""
	}
	return dns.Type(t).String()
}

func statusForm(s *watch.Snapshot, now time.Time) *Status {
	out := &Status{
		Schema: SchemaStatus, Time: s.Time.UTC(), Started: s.Started.UTC(), Loaded: s.Loaded.UTC(), Problem: s.Problem,
		Beat: s.Beat.UTC(), Hung: s.Hung(now),
		Targets: TargetCounts{Total: s.Targets, Failing: s.Failing, InFlight: s.InFlight},
		Lookups: Lookups(s.Lookups),
		Zones:   make([]Zone, 0, len(s.Zones)),
	}
	for i := range s.Zones {
		out.Zones = append(out.Zones, zoneForm(&s.Zones[i]))
	}
	for _, h := range s.Resolvers {
		out.Resolvers = append(out.Resolvers, Resolver{
			URL: h.Resolver, Up: h.Up, Down: h.Down.Seconds(), RoundTrip: h.RoundTrip.Seconds(), Answered: h.Answered, Silent: h.Silent, Invents: h.Invents,
		})
	}
	for i := range s.Serving {
		out.Serving = append(out.Serving, servingForm(&s.Serving[i]))
	}
	return out
}

func servingForm(s *watch.Serving) Serving {
	out := Serving{
		Zone: zoneName(s.Zone), Catalog: s.Catalog, Whole: s.Whole, Incremental: s.Incremental, Cut: s.Cut,
		Secondaries: make([]Secondary, 0, len(s.Secondaries)),
	}
	if s.Loaded {
		out.Serial = serial(s.Serial)
	}
	for i := range s.Secondaries {
		f := &s.Secondaries[i]
		one := Secondary{
			Address: f.Address.String(), Current: f.Current, Lag: f.Lag.Seconds(), Alarm: f.Lags(), Failures: f.Failures, Problem: f.Problem,
		}
		if f.Known {
			one.Serial = serial(f.Serial)
		}
		out.Secondaries = append(out.Secondaries, one)
	}
	return out
}

func zoneForm(z *watch.Zone) Zone {
	out := Zone{
		Name: zoneName(z.Name), View: z.View, Source: z.Source, Output: z.Output, Phase: z.Phase.String(),
		Aliases: z.Aliases, Targets: z.Targets,
		LastAttempt: z.LastAttempt.UTC(), LastSuccess: z.LastSuccess.UTC(), LastChange: z.LastChange.UTC(),
		NextRefresh: z.NextRefresh.UTC(), Oldest: z.Oldest.UTC(),
		Changes: z.Changes, Attempts: z.Attempts, Failures: z.Failures,
		Held: z.Held, Stale: z.Stale, Guarded: z.Guarded,
	}
	if z.Published {
		out.Serial = serial(z.Serial)
	}
	for _, d := range z.Problems.Sorted() {
		out.Problems = append(out.Problems, *problemForm(d))
	}
	if p := z.Pulled; p != nil {
		out.Pulled = &Pulled{
			Attempted: p.Attempted.UTC(), Checked: p.Checked.UTC(), Transferred: p.Transferred.UTC(), Next: p.Next.UTC(), Expires: p.Expires.UTC(),
			Expired: p.Expired, Failed: p.Failed, Checks: p.Checks, Failures: p.Failures, Whole: p.Whole, Incremental: p.Incremental,
			Problem: problemForm(p.Problem),
		}
		if p.Known {
			out.Pulled.Serial = serial(p.Serial)
		}
	}
	return out
}

func serial(s zone.Serial) *uint32 {
	n := uint32(s)
	return &n
}

func problemForm(d *diag.Diagnostic) *Problem {
	if d == nil {
		return nil
	}
	return &Problem{
		Severity: d.Severity.String(), Code: d.Code, Message: d.Message, Hint: d.Hint,
		File: d.Span.File, Line: d.Span.Line, Column: d.Span.Column,
	}
}

func targetForm(t *watch.Target) Target {
	out := Target{
		Target: nameText(t.Question.Target), Type: typeText(t.Question.Type), Subnet: t.Question.Subnet.Prefix(),
		Asked: t.Asked.UTC(), Due: t.Due.UTC(), Failed: t.Failed,
	}
	if a := t.Answer; a != nil {
		out.Outcome, out.Addresses, out.TTL, out.Chain = a.Outcome.String(), a.Addresses, a.TTL, chainForm(a.Chain)
		out.Resolver, out.Detail = a.Resolver, a.Detail
		if a.Outcome == resolve.Failure {
			out.Reason = a.Reason.String()
		}
	}
	return out
}

func chainForm(chain []resolve.Link) []Link {
	var out []Link
	for _, l := range chain {
		out = append(out, Link{Owner: l.Owner.String(), Type: typeText(l.Type), Target: l.Target.String(), TTL: l.TTL})
	}
	return out
}

// EventForm gives the document of an event.
func EventForm(e *watch.Event, number uint64) *Event {
	out := &Event{
		Schema: SchemaEvent, Number: number, Time: e.Time.UTC(), Kind: e.Kind,
		Zone: zoneName(e.Zone), View: e.View, Owner: nameText(e.Owner), Type: typeText(e.Type), Target: nameText(e.Target),
		From: slices.Clone(e.From), To: slices.Clone(e.To), Resolver: e.Resolver, Message: e.Message, Problem: problemForm(e.Found),
	}
	if e.Severity != 0 {
		out.Severity = e.Severity.String()
	}
	if e.Serials {
		out.NewSerial = serial(e.NewSerial)
		if e.OldSerial != 0 {
			out.OldSerial = serial(e.OldSerial)
		}
	}
	return out
}
