package api

import (
	"context"
	"net/http"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Planner tells what the next publication of an output would change: by the source as it is, and
// the answers that the daemon has. It asks nobody. An error says why that cannot be told.
type Planner func(ctx context.Context, source, output string) (*Planned, error)

// Planned is what the next publication of an output would change.
type Planned struct {
	Old, New   *zone.Serial // that are published, and would be; nil: there is none, or nothing would be
	Changed    bool
	Difference zone.Difference // of the records, the serial aside
	Waiting    []zone.Name     // targets without an answer yet; where there are any, the rest is not known
	Held       bool
	Stale      bool
	Guarded    bool
	Problems   diag.List
}

// plan tells what the next publication of a zone would change.
func (n *native) plan(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, s, err := n.find(r, c)
	if err != nil {
		return err
	}
	if n.Plan == nil {
		return refuse(http.StatusNotFound, "the daemon makes no plans")
	}
	out := &PlanDocument{Schema: SchemaPlan, Zone: zoneName(z.name), Outputs: []PlanOutput{}}
	for _, i := range z.outputs {
		of := &s.Zones[i]
		p, err := n.Plan(r.Context(), of.Source, of.Output)
		if err != nil {
			return err
		}
		form := PlanOutput{
			View: of.View, Output: of.Output, Changed: p.Changed, Difference: differenceForm(p.Difference), Waiting: []string{},
			Held: p.Held, Stale: p.Stale, Guarded: p.Guarded, Problems: problemForms(p.Problems),
		}
		if p.Old != nil {
			form.Serial = serial(*p.Old)
		}
		if p.New != nil {
			form.Next = serial(*p.New)
		}
		for _, target := range p.Waiting {
			form.Waiting = append(form.Waiting, target.String())
		}
		out.Outputs = append(out.Outputs, form)
	}
	reply(w, http.StatusOK, out)
	return nil
}
