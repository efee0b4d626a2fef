package dashboard

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
)

const (
	zonesShown   = 50 // on a page
	aliasesShown = 50
	recordsShown = 200
	changesShown = 20
)

// zonesPage is a page of zones.
type zonesPage struct {
	Zones  []api.ZoneSummary
	Filter string
	First  bool   // it is the first page
	Next   string // query of the next one; empty: there is none
}

// zones shows the zones whose name has a text.
func (d *dashboard) zones(w http.ResponseWriter, r *http.Request, v *visit) {
	page := &zonesPage{Filter: strings.TrimSpace(r.FormValue("name")), First: r.FormValue("after") == ""}
	query := url.Values{"limit": {strconv.Itoa(zonesShown)}}
	for _, key := range []string{"after", "name"} {
		if value := strings.TrimSpace(r.FormValue(key)); value != "" {
			query.Set(key, value)
		}
	}
	var list api.Zones
	if err := d.ask(r, v, question{path: []string{"zones"}, query: query}, &list); err != nil {
		d.fail(w, r, v, http.StatusInternalServerError, err)
		return
	}
	page.Zones = list.Zones
	if list.Next != "" {
		next := url.Values{"after": {list.Next}}
		if page.Filter != "" {
			next.Set("name", page.Filter)
		}
		page.Next = next.Encode()
	}
	d.show(w, r, v, http.StatusOK, "zones", page)
}

// zonePage is all about a zone.
type zonePage struct {
	Zone      api.ZoneDetail
	Aliases   []aliasRow
	Offset    int
	Next      *int // offset of the next page of ALIAS records
	Changes   []api.Change
	MayEdit   bool
	MayAsk    bool   // may have its targets asked again
	Refreshed string // what came of that; empty: it was not asked for
	Saved     bool
	Problem   *api.Error // why the ALIAS records cannot be told
}

// aliasRow is an ALIAS record with its history as a picture.
type aliasRow struct {
	api.Alias
	Timelines []timeline
}

// zone shows a zone.
func (d *dashboard) zone(w http.ResponseWriter, r *http.Request, v *visit) {
	page := &zonePage{Saved: r.FormValue("saved") != "", Refreshed: refreshedText(r.FormValue("refreshed"))}
	id := r.PathValue("zone")
	if err := d.ask(r, v, question{path: []string{"zones", id}}, &page.Zone); err != nil {
		d.fail(w, r, v, http.StatusInternalServerError, err)
		return
	}
	page.Offset, _ = strconv.Atoi(r.FormValue("offset")) // of something else it is 0
	page.Offset = max(page.Offset, 0)
	var list api.Aliases
	query := url.Values{"limit": {strconv.Itoa(aliasesShown)}, "offset": {strconv.Itoa(page.Offset)}}
	if err := d.ask(r, v, question{path: []string{"zones", id, "aliases"}, query: query}, &list); err != nil {
		page.Problem = asError(err)
	}
	page.Next = list.Next
	var history api.History
	query = url.Values{"limit": {"1000"}}
	if err := d.ask(r, v, question{path: []string{"zones", id, "history"}, query: query}, &history); err != nil && page.Problem == nil {
		page.Problem = asError(err)
	}
	now := time.Now()
	byOwner := map[string][]api.Change{}
	for _, c := range history.Changes {
		byOwner[c.Owner] = append(byOwner[c.Owner], c)
	}
	for i := range list.Aliases {
		a := &list.Aliases[i]
		page.Aliases = append(page.Aliases, aliasRow{*a, timelines(a, byOwner[a.Owner], now)})
	}
	page.Changes = history.Changes[:min(len(history.Changes), changesShown)]
	page.MayEdit = page.Zone.Editable && d.may(v, api.ScopeRecords, page.Zone.Name)
	page.MayAsk = d.may(v, api.ScopeRefresh, page.Zone.Name)
	d.show(w, r, v, http.StatusOK, "zone", page)
}

// recordsPage is a page of the records of a source.
type recordsPage struct {
	ID      string
	Records api.SourceRecords
	Offset  int
}

// records shows the records of a source.
func (d *dashboard) records(w http.ResponseWriter, r *http.Request, v *visit) {
	page := &recordsPage{ID: r.PathValue("zone")}
	page.Offset, _ = strconv.Atoi(r.FormValue("offset")) // of something else it is 0
	page.Offset = max(page.Offset, 0)
	query := url.Values{"limit": {strconv.Itoa(recordsShown)}, "offset": {strconv.Itoa(page.Offset)}}
	if err := d.ask(r, v, question{path: []string{"zones", page.ID, "records"}, query: query}, &page.Records); err != nil {
		d.fail(w, r, v, http.StatusInternalServerError, err)
		return
	}
	d.show(w, r, v, http.StatusOK, "records", page)
}

// refresh has the targets of a zone asked again.
func (d *dashboard) refresh(w http.ResponseWriter, r *http.Request, v *visit) {
	id := r.PathValue("zone")
	var done api.Refreshed
	if err := d.ask(r, v, question{method: http.MethodPost, path: []string{"zones", id, "refresh"}}, &done); err != nil {
		d.fail(w, r, v, http.StatusInternalServerError, err)
		return
	}
	http.Redirect(w, r, Path+"zones/"+url.PathEscape(id)+"?refreshed="+strconv.Itoa(done.Targets), http.StatusSeeOther)
}

// refreshedText tells how many targets are asked again.
func refreshedText(number string) string {
	n, err := strconv.ParseUint(number, 10, 32)
	switch {
	case err != nil:
		return ""
	case n == 1:
		return "1 target is asked again."
	}
	return strconv.FormatUint(n, 10) + " targets are asked again."
}

// may tells whether somebody may do something in a zone.
func (d *dashboard) may(v *visit, scope api.Scope, name string) bool {
	parsed, err := parseZone(name)
	return err == nil && v.caller.Grant.Allows(scope, parsed)
}
