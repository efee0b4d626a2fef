package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

const (
	maxEditChanges = 1000 // of one edit
	maxPreviews    = 20   // targets of one dry run
	previewTime    = 10 * time.Second
)

// changeKinds are the kinds of changes by their words.
var changeKinds = map[string]zonefile.ChangeKind{
	"add": zonefile.AddRecords, "replace": zonefile.ReplaceRRset, "delete": zonefile.DeleteRecords, "delete-rrset": zonefile.DeleteRRset,
}

// strictBody takes the JSON body of a request that has no other fields than are known: one that
// is misspelled is better refused than passed over.
func strictBody(r *http.Request, to any) error {
	var text json.RawMessage
	if err := body(r, &text); err != nil {
		return err
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(to); err != nil {
		return refuse(http.StatusBadRequest, "the body: %v", err)
	}
	return nil
}

// replace makes an RRset the one that is given.
func (n *native) replace(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var request RRsetRequest
	if err := strictBody(r, &request); err != nil {
		return err
	}
	return n.edit(w, r, c, []ChangeRequest{{Kind: "replace", Owner: r.PathValue("owner"), Type: r.PathValue("type"), TTL: request.TTL, RDATA: request.RDATA}}, nil)
}

// delete takes an RRset out, which has to be there.
func (n *native) delete(w http.ResponseWriter, r *http.Request, c *Caller) error {
	return n.edit(w, r, c, []ChangeRequest{{Kind: "delete-rrset", Owner: r.PathValue("owner"), Type: r.PathValue("type")}}, isThere)
}

// isThere refuses changes of RRsets that the source does not have.
func isThere(reading *Reading, changes []zonefile.RRsetChange) error {
	for i := range changes {
		want := &changes[i]
		if !slices.ContainsFunc(reading.Records, func(r zonefile.SourceRecord) bool { return r.Owner == want.Owner && r.Type == want.Type }) {
			return Refusef(ReasonNoRecord, "%s has no record of type %s", want.Owner, zonefile.TypeName(want.Type))
		}
	}
	return nil
}

// edits makes several changes at once.
func (n *native) edits(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var request EditRequest
	if err := strictBody(r, &request); err != nil {
		return err
	}
	if len(request.Changes) == 0 || len(request.Changes) > maxEditChanges {
		return refuse(http.StatusUnprocessableEntity, "%d changes, and not 1 to %d", len(request.Changes), maxEditChanges)
	}
	return n.edit(w, r, c, request.Changes, nil)
}

// edit makes changes that check, which may be nil, lets pass.
func (n *native) edit(w http.ResponseWriter, r *http.Request, c *Caller, wanted []ChangeRequest, check func(*Reading, []zonefile.RRsetChange) error) error {
	z, err := n.editable(r, c)
	if err != nil {
		return err
	}
	out, err := n.Records.Edit(r.Context(), c, &Edit{Zone: z, IfMatch: ifMatch(r), DryRun: dryRun(r), Changes: func(reading *Reading) ([]zonefile.RRsetChange, error) {
		changes, err := changesOf(wanted, z.Name)
		if err == nil && check != nil {
			err = check(reading, changes)
		}
		return changes, err
	}})
	if err != nil {
		return err
	}
	form := &Edited{
		Schema: SchemaEdited, Zone: zoneName(z.Name), DryRun: dryRun(r), Written: out.Written, ETag: out.After.ETag,
		Difference: differenceForm(out.Difference), Diagnostics: problemForms(out.Problems), Targets: []Previewed{},
	}
	if form.DryRun {
		form.Diff = out.Diff()
		if form.Targets, err = n.previews(r.Context(), c, z.Name, out.Difference); err != nil {
			return err
		}
		setETag(w, out.Before)
	} else {
		setETag(w, out.After)
	}
	reply(w, http.StatusOK, form)
	return nil
}

// changesOf reads what is asked for.
func changesOf(wanted []ChangeRequest, apex zone.Name) ([]zonefile.RRsetChange, error) {
	var changes []zonefile.RRsetChange
	for i := range wanted {
		change, err := wanted[i].change(apex)
		if err != nil {
			return nil, err
		}
		if len(wanted) > 1 {
			change.From = fmt.Sprintf("changes[%d].rdata", i)
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (c *ChangeRequest) change(apex zone.Name) (zonefile.RRsetChange, error) {
	out := zonefile.RRsetChange{Kind: changeKinds[c.Kind], TTL: c.TTL, RDATA: c.RDATA}
	switch {
	case out.Kind == 0:
		return out, Refusef(ReasonInvalid, "kind: %q is none of add, replace, delete and delete-rrset", c.Kind)
	case c.Owner == "" || c.Type == "":
		return out, Refusef(ReasonInvalid, "a change names an owner name and a type")
	case out.Kind == zonefile.DeleteRRset && len(c.RDATA) > 0:
		return out, &RefusedError{Reason: ReasonInvalid, Message: "delete-rrset takes no RDATA", Hint: "delete takes single records out"}
	case out.Kind != zonefile.DeleteRRset && len(c.RDATA) == 0:
		return out, &RefusedError{Reason: ReasonInvalid, Message: c.Kind + " takes RDATA, and there is none", Hint: "an RRset is taken out with DELETE, or delete-rrset"}
	}
	var err error
	out.Owner, out.Type, err = rrsetOf(c.Owner, c.Type, apex)
	return out, err
}

// previews looks up the targets of ALIAS records that come. The caller may name them: the edit
// would be made.
func (n *native) previews(ctx context.Context, c *Caller, apex zone.Name, d zone.Difference) ([]Previewed, error) {
	targets := comingTargets(d)
	if len(targets) == 0 || n.Preview == nil {
		return []Previewed{}, nil
	}
	if err := n.mayAsk(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	targets = targets[:min(len(targets), maxPreviews)]
	list := make([]Previewed, len(targets))
	var asking sync.WaitGroup
	for i, target := range targets {
		p := &list[i]
		*p = Previewed{Target: target.String(), Inside: target.IsIn(apex), Lookups: []Lookup{}}
		if p.Inside || !c.Grant.AllowsTarget(target) {
			continue
		}
		asking.Go(func() {
			for _, a := range n.Preview(ctx, target) {
				p.Lookups = append(p.Lookups, lookupForm(&watch.Target{Question: resolve.Question{Target: target, Type: a.Type}, Answer: &a, Asked: time.Now()}))
			}
		})
	}
	asking.Wait()
	return list, nil
}

// comingTargets are the targets of ALIAS records that a difference brings, each once.
func comingTargets(d zone.Difference) []zone.Name {
	var targets []zone.Name
	for i := range d {
		if d[i].RRset().Type != zonefile.TypeALIAS {
			continue
		}
		_, come := d[i].Records()
		for _, data := range come {
			if target, _, err := aliasOf(data); err == nil && !slices.Contains(targets, target) {
				targets = append(targets, target)
			}
		}
	}
	return targets
}

// aliasOf reads target and parameters of an ALIAS.
func aliasOf(data zone.RDATA) (target zone.Name, parameters string, err error) {
	text, parameters, _ := strings.Cut(data.Text, " ")
	target, err = zone.ParseName(text, zone.Root)
	return target, parameters, err
}
