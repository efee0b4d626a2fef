package zonefile

import (
	"fmt"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// action is what happens to an entry.
type action struct {
	gone  bool
	put   *draft // stands in its place
	ttl   *uint32
	after []*draft // new lines behind it
}

// draft is a record that is to be written.
type draft struct {
	set      *editedRRset
	record   *wantedRecord
	template line // the line whose form it takes; zero length: there is none
	replaces bool
	bare     bool // the comments of the line that it replaces go
}

// plan turns what the RRsets are to be into actions on entries.
func (ed *editor) plan() {
	ed.actions = map[int32]*action{}
	for _, s := range ed.order {
		ed.planRRset(s)
	}
}

func (ed *editor) action(at int32) *action {
	a := ed.actions[at]
	if a == nil {
		a = &action{}
		ed.actions[at] = a
	}
	return a
}

// planRRset pairs the records that go with those that come.
func (ed *editor) planRRset(s *editedRRset) {
	var goes, stays []*sourceRecord
	for i := range s.had {
		rec := &s.had[i]
		switch {
		case hasKey(s.want, rec.key):
			stays = append(stays, rec)
		case rec.place.seg != ed.top:
			ed.refuseIncluded(s, rec, "cannot be taken out or replaced here")
		default:
			goes = append(goes, rec)
		}
	}
	var comes []*wantedRecord
	for _, w := range s.want {
		if !w.old {
			comes = append(comes, w)
		}
	}
	ed.planTTLs(s, stays, len(comes) > 0 || len(goes) > 0)
	paired := min(len(goes), len(comes))
	bare := len(goes) > len(comes) && ed.anyComment(goes[paired:])
	for i, rec := range goes {
		a := ed.action(rec.place.start)
		if i >= paired {
			a.gone = true
			continue
		}
		a.put = &draft{set: s, record: comes[i], template: line{start: rec.place.start, end: rec.place.end}, replaces: true, bare: bare}
	}
	ed.planNew(s, comes[paired:])
}

// planTTLs gives the records that stay the TTL that they are to have. The last one decides which
// one the RRset has, so it keeps that of the RRset.
func (ed *editor) planTTLs(s *editedRRset, stays []*sourceRecord, changes bool) {
	for i, rec := range stays {
		last := changes && i == len(stays)-1
		if !s.uniform && !last || rec.ttl == *s.ttl {
			continue
		}
		if rec.place.seg != ed.top {
			ed.refuseIncluded(s, rec, "cannot get another TTL here")
			continue
		}
		ed.action(rec.place.start).ttl = s.ttl
	}
}

// anyComment tells whether one of some records has a comment.
func (ed *editor) anyComment(records []*sourceRecord) bool {
	var e Entry
	for _, rec := range records {
		scanEntry(ed.top.text, int(rec.place.start), &e)
		if len(e.comments(ed.top.text)) > 0 {
			return true
		}
	}
	return false
}

// planNew finds the place for new records: behind the RRset, else behind the owner name's other
// records, else behind those that stand below the same origin.
func (ed *editor) planNew(s *editedRRset, comes []*wantedRecord) {
	if len(comes) == 0 {
		return
	}
	var at, template line
	for i := range s.had {
		if rec := &s.had[i]; rec.place.seg == ed.top {
			at = line{rec.place.start, rec.place.end, rec.columns}
			if rec.plain {
				template = at
			}
		}
	}
	if o := ed.survey.owners[s.owner.Wire()]; at.end == 0 {
		at, template = o.last, o.plain
	}
	near, ok := ed.survey.around(s.owner)
	if !ok {
		ed.found = append(ed.found, ed.at(place{seg: ed.top}, problem(diag.CodeEditMeaning, fmt.Sprintf("there is no record beside which one of %s could stand", s.owner), "write the first records into the file itself")))
		return
	}
	if at.end == 0 {
		at = near.last
	}
	if template.end == 0 {
		template = near.plain
	}
	a := ed.action(at.start)
	for _, w := range comes {
		a.after = append(a.after, &draft{set: s, record: w, template: template})
	}
}

func (ed *editor) refuseIncluded(s *editedRRset, rec *sourceRecord, what string) {
	ed.found = append(ed.found, ed.at(rec.place, faultEditIncluded(&s.rrsetName, what, rec.place.seg.made)))
}

// at puts a diagnostic at a place.
func (ed *editor) at(p place, d *diag.Diagnostic) *diag.Diagnostic { return Place{p}.Report(d) }
