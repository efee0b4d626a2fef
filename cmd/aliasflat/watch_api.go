package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/dashboard"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// apiPaths is where the record API answers on listen.http.
var apiPaths = []string{"/v1/", "/api", "/api/", "/aliasflat/"}

// records are the sources of the zones that may be edited, as the configuration in use has them.
// Edits go to an audit log beside what the daemon remembers.
func (c *watchCommand) records(statePath string) *api.Records {
	log := api.OpenAuditLog(filepath.Join(filepath.Dir(statePath), api.AuditName))
	return &api.Records{
		Zones: func() []api.EditableZone { return *c.editable.Load() },
		Audit: func(a api.Audit) { c.audit(log, &a) },
	}
}

// tokensOf is where the tokens of a daemon are: with what it remembers.
func tokensOf(statePath string) *api.Tokens {
	return api.OpenTokens(filepath.Join(filepath.Dir(statePath), api.TokensName))
}

// mounts are what is answered on listen.http beside what only shows: nothing as long as no zone may
// be edited.
func (c *watchCommand) mounts(o *api.Faces) map[string]http.Handler {
	faces := o.Handler()
	page := dashboard.Handler(dashboard.Options{API: faces, Tokens: o.Tokens, Version: o.Version})
	mounts := map[string]http.Handler{dashboard.Path: c.whereEditable(page)}
	for _, path := range apiPaths {
		mounts[path] = c.whereEditable(faces)
	}
	return mounts
}

// whereEditable answers only where some zone may be edited.
func (c *watchCommand) whereEditable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.dashboardPath() == "" {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// dashboardPath is where the dashboard is; empty: no zone may be edited, and there is none.
func (c *watchCommand) dashboardPath() string {
	if len(*c.editable.Load()) == 0 {
		return ""
	}
	return dashboard.Path
}

// preview looks up a target by the resolvers in use.
func (c *watchCommand) preview(ctx context.Context, target zone.Name) []resolve.Answer {
	return c.asking.Load().preview(ctx, target)
}

// editableOf finds the zones that may be edited. Several entries of the configuration with one source and
// one name are one: all of them have to be good after an edit.
func editableOf(jobs []*job) []api.EditableZone {
	type source struct {
		path string
		name zone.Name
	}
	groups := map[source][]*job{}
	var order []source
	for _, j := range jobs {
		if !j.editable || j.pull != nil {
			continue
		}
		key := source{j.path, j.source.Origin}
		if key.name.IsZero() {
			key.name = j.zoneName(nil)
		}
		if key.name.IsZero() {
			continue // the daemon tells what is wrong with it
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], j)
	}
	zones := make([]api.EditableZone, 0, len(order))
	for _, key := range order {
		z := api.EditableZone{Name: key.name, Path: key.path, Load: loaderOf(groups[key])}
		for other := range groups {
			if other.name == key.name && other.path != key.path {
				z.View = groups[key][0].view
			}
		}
		zones = append(zones, z)
	}
	slices.SortFunc(zones, func(a, b api.EditableZone) int { return cmp.Or(a.Name.Compare(b.Name), cmp.Compare(a.View, b.View)) })
	return zones
}

// loaderOf reads a source for each of some jobs. It keeps what they say of it, since the daemon
// works on the jobs themselves.
func loaderOf(jobs []*job) func() ([]compile.Source, func(), diag.List) {
	settled := make([]compile.Source, len(jobs))
	for i, j := range jobs {
		settled[i] = j.source
		settled[i].IncludeRoot = j.root
	}
	path := jobs[0].path
	return func() ([]compile.Source, func(), diag.List) {
		roots := roots{}
		sources := make([]compile.Source, len(settled))
		for i := range settled {
			j := job{path: path, source: settled[i]}
			if i == 0 {
				if j.load(nil, roots); len(j.problems) > 0 {
					return nil, roots.close, j.problems
				}
			} else {
				j.source.Name, j.source.Text = sources[0].Name, sources[0].Text
				j.includes(roots)
			}
			sources[i] = j.source
		}
		return sources, roots.close, nil
	}
}

// audit tells of an edit, once it is in the audit log. That it cannot be written there keeps no edit.
func (c *watchCommand) audit(log *api.AuditLog, a *api.Audit) {
	if err := log.Write(a); err != nil {
		c.tell(watch.Event{Time: a.Time, Kind: watch.KindTrouble, Severity: diag.Error, Zone: a.Zone, View: a.View, Message: err.Error()})
	}
	if a.Err != nil && a.Caller.Via == api.ViaUpdate {
		return // the primary tells of it
	}
	who := fmt.Sprintf("by %s over %s", a.Caller.Who, a.Caller.Via)
	if a.Caller.Peer.IsValid() {
		who += " from " + a.Caller.Peer.Addr().String()
	}
	e := watch.Event{Time: a.Time, Kind: watch.KindEdited, Zone: a.Zone, View: a.View}
	switch {
	case a.Err != nil:
		e.Severity, e.Message = diag.Warning, "an edit was refused, "+who+": "+a.Err.Error()
	case len(a.Difference) == 0:
		e.Message = "an edit changed nothing, " + who
	default:
		e.Message = a.Path + " was edited " + who + ": " + counted(len(a.Difference), "RRset")
	}
	c.tell(e)
}
