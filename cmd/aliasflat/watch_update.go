package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// updatable is a zone that takes UPDATE.
type updatable struct {
	api.EditableZone

	by []config.Update
}

// updatableZones finds the zones that take UPDATE, which names a zone and no view.
func updatableZones(jobs []*job) (map[zone.Name]updatable, error) {
	zones := map[zone.Name]updatable{}
	editable := editableOf(jobs)
	for _, j := range jobs {
		if len(j.updates) == 0 {
			continue
		}
		name := j.zoneName(nil)
		at := slices.IndexFunc(editable, func(z api.EditableZone) bool { return z.Name == name && z.Path == j.path })
		switch other, twice := zones[name]; {
		case name.IsZero() || at < 0:
			return nil, usageError{message: fmt.Sprintf("%s does not tell the name of its zone, under which it is updated", j.path), hint: "say it in the configuration, as in name: example.com"}
		case twice && other.Path == j.path && reflect.DeepEqual(other.by, j.updates):
			continue // two views of one source
		case twice:
			return nil, usageError{message: fmt.Sprintf("%s and %s would both be updated as %s", other.Path, j.path, displayName(name)), hint: "say allow-update: [] for all but one"}
		}
		zones[name] = updatable{editable[at], j.updates}
	}
	return zones, nil
}

// updatesOf says from where, and with which keys, zones are updated.
func updatesOf(zones map[zone.Name]updatable) []primary.Updates {
	var list []primary.Updates
	for _, name := range slices.SortedFunc(maps.Keys(zones), zone.Name.Compare) {
		for _, by := range zones[name].by {
			for _, from := range by.From {
				list = append(list, primary.Updates{Zone: name, From: from, Key: by.Key})
			}
		}
	}
	return list
}

// granted is what a key may edit in a zone, as the configuration in use has it.
func (c *watchCommand) granted(zoneName, key zone.Name) (api.EditableZone, api.Grant, bool) {
	z := (*c.updatable.Load())[zoneName]
	for _, by := range z.by {
		if by.Key == key {
			g := api.Grant{Scopes: []api.Scope{api.ScopeRecords}, Names: by.Names, Types: by.Types, Targets: by.Targets}
			return z.EditableZone, g, true
		}
	}
	return z.EditableZone, api.Grant{}, false
}
