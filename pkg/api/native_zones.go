package api

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// shownZone is a zone as the native face has it: a source, and all that is made of it.
type shownZone struct {
	id       string // see [EditableZone.ID]
	name     zone.Name
	view     string // as in id
	source   string
	editable *EditableZone // nil: it is not
	outputs  []int         // indexes in [watch.Snapshot.Zones]
}

type sourceKey struct {
	name   zone.Name
	source string
}

// shown gives the zones that a caller may see, in canonical order.
func (n *native) shown(c *Caller, s *watch.Snapshot) []shownZone {
	places := map[sourceKey]int{}
	sources := map[zone.Name]int{}
	var list []shownZone
	put := func(name zone.Name, source, view string) *shownZone {
		key := sourceKey{name, source}
		at, ok := places[key]
		if !ok {
			at = len(list)
			places[key] = at
			sources[name]++
			list = append(list, shownZone{name: name, view: view, source: source})
		}
		return &list[at]
	}
	for _, e := range n.Records.List(c) {
		z := put(e.Name, e.Path, e.View)
		z.editable, z.id = &e, e.ID()
	}
	for i := range s.Zones {
		z := &s.Zones[i]
		if !z.Name.IsZero() && c.Grant.Allows(ScopeRead, z.Name) {
			z := put(z.Name, z.Source, z.View)
			z.outputs = append(z.outputs, i)
		}
	}
	for i := range list {
		z := &list[i]
		if z.editable == nil {
			if sources[z.name] == 1 {
				z.view = ""
			}
			z.id = (&EditableZone{Name: z.name, View: z.view}).ID()
		}
	}
	slices.SortFunc(list, func(a, b shownZone) int { return cmp.Or(a.name.Compare(b.name), cmp.Compare(a.view, b.view)) })
	return list
}

// find gives the zone that a request is about, and the snapshot that it is in.
func (n *native) find(r *http.Request, c *Caller) (*shownZone, *watch.Snapshot, error) {
	s := n.Daemon.Snapshot()
	list := n.shown(c, s)
	id := r.PathValue("zone")
	i := slices.IndexFunc(list, func(z shownZone) bool { return z.id == id || z.id == id+"." })
	if i < 0 {
		return nil, nil, Refusef(ReasonUnknown, "there is no zone %q", id)
	}
	return &list[i], s, nil
}

// summary is what a list tells of a zone.
func (z *shownZone) summary(s *watch.Snapshot) ZoneSummary {
	out := ZoneSummary{ID: z.id, Name: zoneName(z.name), View: z.view, Editable: z.editable != nil, Source: z.source, Phase: watch.PhaseStarting.String()}
	phase := watch.PhasePublished
	for _, i := range z.outputs {
		of := &s.Zones[i]
		phase = min(phase, of.Phase)
		out.Phase = phase.String()
		if out.Serial == nil && of.Published {
			out.Serial = serial(of.Serial)
		}
		out.Aliases = max(out.Aliases, of.Aliases)
		out.Held, out.Stale, out.Guarded = out.Held || of.Held, out.Stale || of.Stale, out.Guarded || of.Guarded
		out.NextRefresh = sooner(out.NextRefresh, of.NextRefresh.UTC())
		out.Oldest = sooner(out.Oldest, of.Oldest.UTC())
		if of.LastChange.After(out.LastChange) {
			out.LastChange = of.LastChange.UTC()
		}
	}
	return out
}

// sooner is the earlier of two times that may not be known.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// listZones gives the zones behind the one that after names.
func (n *native) listZones(w http.ResponseWriter, r *http.Request, c *Caller) error {
	limit, err := limited(r)
	if err != nil {
		return err
	}
	s := n.Daemon.Snapshot()
	list := n.shown(c, s)
	if part := strings.ToLower(r.FormValue("name")); part != "" {
		list = slices.DeleteFunc(list, func(z shownZone) bool { return !strings.Contains(z.id, part) })
	}
	if after := r.FormValue("after"); after != "" {
		i := slices.IndexFunc(list, func(z shownZone) bool { return z.id == after })
		if i < 0 {
			return refuse(http.StatusBadRequest, "after: there is no zone %q", after)
		}
		list = list[i+1:]
	}
	out := &Zones{Schema: SchemaZones, Zones: []ZoneSummary{}}
	for i := range list[:min(limit, len(list))] {
		out.Zones = append(out.Zones, list[i].summary(s))
	}
	if len(list) > limit {
		out.Next = list[limit-1].id
	}
	reply(w, http.StatusOK, out)
	return nil
}

// zone gives all that is known of a zone.
func (n *native) zone(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, s, err := n.find(r, c)
	if err != nil {
		return err
	}
	out := &ZoneDetail{Schema: SchemaZone, ZoneSummary: z.summary(s), Outputs: []Zone{}, Secondaries: []Secondary{}, Problems: []Problem{}}
	for _, i := range z.outputs {
		out.Outputs = append(out.Outputs, zoneForm(&s.Zones[i]))
		out.add(s.Zones[i].Problems.Sorted())
	}
	for i := range s.Serving {
		if s.Serving[i].Zone == z.name && !s.Serving[i].Catalog {
			form := servingForm(&s.Serving[i])
			out.Served, out.Secondaries = form.Serial, form.Secondaries
		}
	}
	if z.editable != nil {
		reading, err := n.Records.Read(c, *z.editable)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			out.add(refused.Problems)
		} else if err != nil {
			return err
		} else {
			setETag(w, reading)
			out.ETag, out.SourceSerial = reading.ETag, serial(reading.Serial)
		}
	}
	reply(w, http.StatusOK, out)
	return nil
}

// records gives the records of a source.
func (n *native) records(w http.ResponseWriter, r *http.Request, c *Caller) error {
	reading, err := n.read(r, c)
	if err != nil {
		return err
	}
	owner, typ, err := rrsetOf(r.FormValue("owner"), r.FormValue("type"), reading.Zone.Name)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(reading.Records, func(rec zonefile.SourceRecord) bool {
		return !owner.IsZero() && rec.Owner != owner || typ != 0 && rec.Type != typ
	})
	part, next, err := paged(r, list)
	if err != nil {
		return err
	}
	out := &SourceRecords{Schema: SchemaRecords, Zone: zoneName(reading.Zone.Name), Source: reading.Zone.Path, ETag: reading.ETag, Next: next, Records: []SourceRecord{}}
	for i := range part {
		out.Records = append(out.Records, RecordForm(&part[i]))
	}
	setETag(w, reading)
	reply(w, http.StatusOK, out)
	return nil
}

// editable finds the zone that a request is about, where it may be edited.
func (n *native) editable(r *http.Request, c *Caller) (EditableZone, error) {
	z, _, err := n.find(r, c)
	switch {
	case err != nil:
		return EditableZone{}, err
	case z.editable == nil:
		return EditableZone{}, &RefusedError{
			Reason: ReasonForbidden, Message: zoneName(z.name) + " is not editable, so its records are not shown",
			Hint: "editable: true of the zone in the configuration lets them be",
		}
	}
	return *z.editable, nil
}

func (n *native) read(r *http.Request, c *Caller) (*Reading, error) {
	z, err := n.editable(r, c)
	if err != nil {
		return nil, err
	}
	return n.Records.Read(c, z)
}

// rrsetOf reads owner name and type, either of which may be empty.
func rrsetOf(ownerText, typeWord string, apex zone.Name) (owner zone.Name, typ uint16, err error) {
	if ownerText != "" {
		name, problem := zonefile.ParseOwner(ownerText, apex)
		if problem != nil {
			return name, 0, &RefusedError{Reason: ReasonInvalid, Message: "owner: " + problem.Message, Hint: problem.Hint, Problems: diag.List{problem}}
		}
		owner = name
	}
	if typeWord != "" {
		var known bool
		if typ, known = zonefile.ParseType(typeWord); !known {
			refused := Refusef(ReasonInvalid, "type: %q is no record type", typeWord)
			refused.Hint = "a type is a word such as ALIAS, A or MX, or TYPE and a number"
			return owner, 0, refused
		}
	}
	return owner, typ, nil
}

// history gives what was published of a zone in another form than before.
func (n *native) history(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, s, err := n.find(r, c)
	if err != nil {
		return err
	}
	limit, err := limited(r)
	if err != nil {
		return err
	}
	owner, _, err := rrsetOf(r.FormValue("owner"), "", z.name)
	if err != nil {
		return err
	}
	before := time.Time{}
	if text := r.FormValue("before"); text != "" {
		if before, err = time.Parse(time.RFC3339, text); err != nil {
			return refuse(http.StatusBadRequest, "before: %q is no time as in 2006-01-02T15:04:05Z", text)
		}
	}
	if n.Store == nil {
		return refuse(http.StatusConflict, "the daemon has no state")
	}
	views := map[string]bool{}
	for _, i := range z.outputs {
		views[s.Zones[i].View] = true
	}
	reply(w, http.StatusOK, historyOf(n.Store, state.Filter{Zone: z.name, Owner: owner}, limit, func(c *state.Change) bool {
		return views[c.View] && (before.IsZero() || c.Time.Before(before))
	}))
	return nil
}

// why tells what led to what is published for a name, in the zones that the caller may see.
func (n *native) why(w http.ResponseWriter, r *http.Request, c *Caller) error {
	name, err := zone.ParseName(r.FormValue("name"), zone.Root)
	if err != nil {
		return refuse(http.StatusBadRequest, "name: %v", err)
	}
	if n.Store == nil {
		return refuse(http.StatusConflict, "the daemon has no state")
	}
	out := WhyOf(n.Store, name)
	out.RRsets = slices.DeleteFunc(out.RRsets, func(w WhyRRset) bool {
		if w.Zone == "" {
			return !c.seesAll()
		}
		of, err := zone.ParseName(w.Zone, zone.Root)
		return err != nil || !c.Grant.Allows(ScopeRead, of)
	})
	reply(w, http.StatusOK, out)
	return nil
}

// mayAsk refuses what has the resolvers asked too often.
func (n *native) mayAsk() error {
	if n.asks.Allow() {
		return nil
	}
	return &Error{Status: http.StatusTooManyRequests, Message: "too many requests that have the resolvers asked", Hint: "try again in a second"}
}

// refreshZone has the targets of a zone asked again.
func (n *native) refreshZone(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, _, err := n.findFor(ScopeRefresh, r, c)
	if err != nil {
		return err
	}
	if err := n.mayAsk(); err != nil {
		return err
	}
	zones, targets := n.Daemon.Refresh(z.name)
	reply(w, http.StatusOK, &Refreshed{Schema: SchemaRefreshed, Zones: zones, Targets: targets})
	return nil
}

// refreshTarget has a target asked again that a zone of the caller hangs on.
func (n *native) refreshTarget(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var body RefreshRequest
	if err := strictBody(r, &body); err != nil {
		return err
	}
	target, err := zone.ParseName(body.Target, zone.Root)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "target: %v", err)
	}
	s := n.Daemon.Snapshot()
	known := false
	for i := range s.Zones {
		allowed := !s.Zones[i].Name.IsZero() && c.Grant.Allows(ScopeRefresh, s.Zones[i].Name)
		if s.Zones[i].Name == target && !allowed {
			return Refusef(ReasonUnknown, "%s is no target", target) // it is a zone too, which would be refreshed
		}
		known = known || allowed && slices.ContainsFunc(n.Daemon.Targets(i), func(t watch.Target) bool { return t.Question.Target == target })
	}
	if !known {
		return Refusef(ReasonUnknown, "%s is no target", target)
	}
	if err := n.mayAsk(); err != nil {
		return err
	}
	zones, targets := n.Daemon.Refresh(target)
	reply(w, http.StatusOK, &Refreshed{Schema: SchemaRefreshed, Zones: zones, Targets: targets})
	return nil
}

// findFor is find for another scope than read, which may be without that one.
func (n *native) findFor(scope Scope, r *http.Request, c *Caller) (*shownZone, *watch.Snapshot, error) {
	reader := *c
	reader.Grant.Scopes = append(slices.Clone(c.Grant.Scopes), ScopeRead)
	z, s, err := n.find(r, &reader)
	if err == nil && !c.Grant.Allows(scope, z.name) {
		err = Refusef(ReasonUnknown, "there is no zone %q", r.PathValue("zone"))
	}
	return z, s, err
}
