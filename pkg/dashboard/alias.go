package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Steps of a form.
const (
	stepPreview = "preview"
	stepSave    = "save"
	stepBack    = "back"
)

// aliasPage is the form of an ALIAS record, and what would come of it.
type aliasPage struct {
	ID         string
	Zone       string
	Kind       string // add, replace or delete-rrset
	Owner      string
	Target     string
	Parameters string
	TTL        string
	ETag       string // of the source that was looked at

	Preview *api.Edited // nil: it was not asked for, or is not good
	Problem *api.Error  // why it is not good
	Changed bool        // the source is another one than that which was looked at
}

// asError is an error to be shown.
func asError(err error) *api.Error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	return &api.Error{Message: err.Error()}
}

func parseZone(name string) (zone.Name, error) { return zone.ParseName(name, zone.Root) }

// title is what the form is for.
func (p *aliasPage) Title() string {
	switch p.Kind {
	case "add":
		return "Add an ALIAS"
	case "replace":
		return "Change the ALIAS of " + p.shortOwner()
	}
	return "Delete the ALIAS of " + p.shortOwner()
}

func (p *aliasPage) shortOwner() string {
	if p.Owner == "@" {
		return p.Zone
	}
	return plainName(p.Owner)
}

// form shows an empty form, or that of a record.
func (d *dashboard) form(w http.ResponseWriter, r *http.Request, v *visit) {
	page := &aliasPage{ID: r.PathValue("zone"), Kind: "add", Owner: "@"}
	var detail api.ZoneDetail
	if err := d.ask(r, v, question{path: []string{"zones", page.ID}}, &detail); err != nil {
		d.fail(w, r, v, http.StatusInternalServerError, err)
		return
	}
	page.Zone = detail.Name
	if !detail.Editable || !d.may(v, api.ScopeRecords, detail.Name) {
		d.fail(w, r, v, http.StatusForbidden, &api.Error{Message: "your token does not let edit " + detail.Name})
		return
	}
	if owner := r.FormValue("owner"); owner != "" {
		var one api.OneAlias
		if err := d.ask(r, v, question{path: []string{"zones", page.ID, "aliases", owner}}, &one); err != nil {
			d.fail(w, r, v, http.StatusInternalServerError, err)
			return
		}
		page.Kind, page.Owner, page.Target, page.Parameters = "replace", one.Owner, one.Target, one.Parameters
		if r.FormValue("delete") != "" {
			page.Kind = "delete-rrset"
			d.preview(w, r, v, page)
			return
		}
	}
	d.show(w, r, v, http.StatusOK, "alias", page)
}

// edit previews what a form asks for, or does it.
func (d *dashboard) edit(w http.ResponseWriter, r *http.Request, v *visit) {
	page := &aliasPage{
		ID: r.PathValue("zone"), Kind: r.PostFormValue("kind"), Owner: strings.TrimSpace(r.PostFormValue("owner")),
		Target: strings.TrimSpace(r.PostFormValue("target")), Parameters: strings.TrimSpace(r.PostFormValue("parameters")),
		TTL: strings.TrimSpace(r.PostFormValue("ttl")), ETag: r.PostFormValue("etag"),
	}
	page.Zone = plainName(page.ID)
	switch r.PostFormValue("step") {
	case stepSave:
		d.save(w, r, v, page)
	case stepPreview:
		d.preview(w, r, v, page)
	case stepBack:
		d.show(w, r, v, http.StatusOK, "alias", page)
	default:
		d.fail(w, r, v, http.StatusBadRequest, &api.Error{Message: "the form has no such step"})
	}
}

// request is what a form asks for.
func (p *aliasPage) request() (*api.EditRequest, error) {
	change := api.ChangeRequest{Kind: p.Kind, Owner: p.Owner, Type: "ALIAS"}
	switch p.Kind {
	case "delete-rrset":
		return &api.EditRequest{Changes: []api.ChangeRequest{change}}, nil
	case "add", "replace":
	default:
		return nil, &api.Error{Message: "the form has no such kind of edit"}
	}
	if p.Owner == "" || p.Target == "" {
		return nil, &api.Error{Message: "the name and the target are needed", Hint: "the name of the zone itself is @"}
	}
	if p.TTL != "" {
		ttl, err := zonefile.ParseTTL(p.TTL)
		if err != nil {
			return nil, &api.Error{Message: "TTL: " + err.Error(), Hint: "write seconds, or units as in 1h30m; without one it is that of the lines around it"}
		}
		change.TTL = &ttl
	}
	change.RDATA = []string{absolute(p.Target)}
	if p.Parameters != "" {
		change.RDATA[0] += " " + p.Parameters
	}
	return &api.EditRequest{Changes: []api.ChangeRequest{change}}, nil
}

// absolute gives a target its final dot: people leave it out, and mean no name of the zone. A
// single label is one.
func absolute(target string) string {
	if strings.Contains(target, ".") && !strings.HasSuffix(target, ".") {
		return target + "."
	}
	return target
}

// preview shows what would come of an edit.
func (d *dashboard) preview(w http.ResponseWriter, r *http.Request, v *visit, page *aliasPage) {
	status := http.StatusOK
	request, err := page.request()
	if err == nil {
		var edited api.Edited
		err = d.ask(r, v, question{method: http.MethodPost, path: []string{"zones", page.ID, "edits"}, body: request, dryRun: true}, &edited)
		page.Preview = &edited
	}
	if err == nil {
		var detail api.ZoneDetail
		err = d.ask(r, v, question{path: []string{"zones", page.ID}}, &detail)
		page.Zone, page.ETag = detail.Name, detail.ETag
	}
	if err != nil {
		page.Preview, page.Problem, status = nil, asError(err), http.StatusUnprocessableEntity
		if page.Problem.Status != 0 {
			status = page.Problem.Status
		}
	}
	d.show(w, r, v, status, "alias", page)
}

// save makes an edit, if the source still is the one that was looked at.
func (d *dashboard) save(w http.ResponseWriter, r *http.Request, v *visit, page *aliasPage) {
	request, err := page.request()
	if err == nil && page.ETag == "" {
		err = &api.Error{Message: "nothing was looked at yet", Hint: "look at what would change first"}
	}
	if err == nil {
		var edited api.Edited
		err = d.ask(r, v, question{method: http.MethodPost, path: []string{"zones", page.ID, "edits"}, body: request, etag: page.ETag}, &edited)
	}
	if err == nil {
		http.Redirect(w, r, Path+"zones/"+url.PathEscape(page.ID)+"?saved=1", http.StatusSeeOther)
		return
	}
	if e := asError(err); e.Status == http.StatusPreconditionFailed {
		page.Changed = true
		d.preview(w, r, v, page)
		return
	}
	page.Problem = asError(err)
	status := page.Problem.Status
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	d.show(w, r, v, status, "alias", page)
}
