package zonefile

import (
	"fmt"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// difference gives what the edit changes in records.
func (ed *editor) difference() zone.Difference {
	var old, latest []zone.RRset
	for _, s := range ed.order {
		var before, after zone.RRset
		for i := range s.had {
			before.RDATA = append(before.RDATA, s.had[i].data)
			before.TTL = s.had[i].ttl
		}
		for _, w := range s.want {
			after.RDATA = append(after.RDATA, w.data)
			after.TTL = *s.ttl
		}
		if len(before.RDATA) > 0 {
			before.Owner, before.Type = s.owner, s.typ
			old = append(old, before)
		}
		if len(after.RDATA) > 0 {
			after.Owner, after.Type = s.owner, s.typ
			latest = append(latest, after)
		}
	}
	return zone.Diff(zone.SortRRsets(old), zone.SortRRsets(latest))
}

// judge reads the edited text as a zone, and holds its records against what was meant: the RRsets
// that were to change are as they were to be, and all others as they were.
func (ed *editor) judge(text []byte) diag.List {
	options := *ed.zone.options
	options.Origin = ed.zone.Name
	after := Read(ed.top.name, text, options)
	if after.Found.HasErrors() {
		return after.Found
	}
	was, now := ed.others(ed.zone, nil), ed.others(after, ed.noteAfter())
	if was != now {
		return ed.failed(fmt.Sprintf("%d other records, with the sum %x, were %d, with %x", now.count, now.sum, was.count, was.sum))
	}
	for _, s := range ed.order {
		if what := s.differs(ed.after[s.rrsetName]); what != "" {
			return ed.failed(fmt.Sprintf("%s of %s %s", TypeName(s.typ), s.owner, what))
		}
	}
	return nil
}

func (ed *editor) failed(what string) diag.List {
	return diag.List{ed.at(place{seg: ed.top}, faultEditJudge(what))}
}

// otherRecords sums up records whatever their order.
type otherRecords struct {
	sum   uint64
	count int
}

// others sums up the records of the RRsets that do not change, and hands over the others.
func (ed *editor) others(z *Zone, changed func(*editedRRset, *reader, *Entry, *head)) otherRecords {
	var o otherRecords
	var text []byte
	z.walk(func(r *reader, e *Entry, h *head) {
		if s := ed.sets[rrsetName{nameOf(ed, r.lower[:r.lowerLen]), h.typ}]; s != nil {
			if changed != nil {
				changed(s, r, e, h)
			}
			return
		}
		text = unverified(text[:0], r.ctx.origin, r.text, e.Tokens[h.typeAt+1:])
		o.sum += hashRecord(r.ownerHash, hashRDATA(h.typ, text), h.ttl)
		o.count++
	})
	return o
}

// noteAfter gives a function that gathers the records of RRsets that change.
func (ed *editor) noteAfter() func(*editedRRset, *reader, *Entry, *head) {
	ed.after = map[rrsetName][]sourceRecord{}
	return func(s *editedRRset, r *reader, e *Entry, h *head) {
		var found editedRRset
		found.note(r, e, h)
		ed.after[s.rrsetName] = append(ed.after[s.rrsetName], found.had...)
	}
}

// differs tells how records are not what the RRset was to be; empty where they are.
func (s *editedRRset) differs(after []sourceRecord) string {
	var keys []string
	for i := range after {
		keys = append(keys, after[i].key)
		if s.uniform && after[i].ttl != *s.ttl {
			return fmt.Sprintf("has TTL %d, not %d", after[i].ttl, *s.ttl)
		}
	}
	var want []string
	for _, w := range s.want {
		want = append(want, w.key)
	}
	slices.Sort(keys)
	slices.Sort(want)
	switch {
	case !slices.Equal(slices.Compact(keys), slices.Compact(want)):
		return fmt.Sprintf("has %d records, not %d, or others", len(keys), len(want))
	case len(after) > 0 && after[len(after)-1].ttl != *s.ttl:
		return fmt.Sprintf("has TTL %d, not %d", after[len(after)-1].ttl, *s.ttl)
	}
	return ""
}
