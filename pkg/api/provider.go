package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// zoneSpace is the namespace of the UUIDs of zones (RFC 9562 §5.5). Clients keep them.
const zoneSpace = "798082aa-6519-45b5-a864-b4c6b31f25d2"

// provider is the face for clients of hosted providers: records one by one, zones by UUIDs, and
// every answer in an envelope of status and data.
type provider struct{ face }

// provider adds the routes of the provider-style face.
func (f *Faces) provider(mux *http.ServeMux) {
	p := &provider{face{Faces: f, via: "provider", fail: failProvider}}
	const zones, records = "/v1/zones", "/v1/zones/{zone}/records"
	allowed := map[string][]string{}
	for _, route := range []struct {
		method, path string
		scope        Scope
		answer       func(w http.ResponseWriter, r *http.Request, c *Caller) error
	}{
		{"GET", zones, ScopeRead, p.zones},
		{"GET", zones + "/{zone}", ScopeRead, p.zone},
		{"GET", records, ScopeRead, p.records},
		{"POST", records, ScopeRecords, p.create},
		{"GET", records + "/{record}", ScopeRead, p.record},
		{"PUT", records + "/{record}", ScopeRecords, p.replace},
		{"DELETE", records + "/{record}", ScopeRecords, p.remove},
		{"DELETE", records + "/by-name/{name}/{type}", ScopeRecords, p.removeNamed},
	} {
		mux.HandleFunc(route.method+" "+route.path, p.to(route.scope, route.answer))
		allowed[route.path] = append(allowed[route.path], route.method)
	}
	for path, methods := range allowed {
		mux.HandleFunc(path, p.to(ScopeRead, func(w http.ResponseWriter, r *http.Request, _ *Caller) error {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			err := &Error{Status: http.StatusMethodNotAllowed, Message: r.Method + " is not for this path"}
			if !strings.HasPrefix(path, records) {
				err.Message, err.Hint = "zones are made by the configuration", "a zone with editable: true is there from the next reload on"
			}
			return err
		}))
	}
	mux.HandleFunc("/v1/", p.to(ScopeRead, func(http.ResponseWriter, *http.Request, *Caller) error {
		return &Error{Status: http.StatusNotFound, Message: "there is no such path"}
	}))
}

// find gives the zone that a path has, by its UUID or its ID.
func (p *provider) find(r *http.Request, c *Caller) (EditableZone, error) {
	id := r.PathValue("zone")
	if want, err := uuid.Parse(id); err == nil {
		for _, z := range p.Records.List(c) {
			if uuidOf(&z) == want {
				return z, nil
			}
		}
	}
	return p.Records.Find(c, id)
}

func uuidOf(z *EditableZone) uuid.UUID {
	return uuid.NewSHA1(uuid.MustParse(zoneSpace), []byte(z.ID()))
}

// read gives the source of the zone that a path has.
func (p *provider) read(w http.ResponseWriter, r *http.Request, c *Caller) (*Reading, error) {
	z, err := p.find(r, c)
	if err != nil {
		return nil, err
	}
	reading, err := p.Records.Read(c, z)
	if err == nil {
		setETag(w, reading)
	}
	return reading, err
}

func (p *provider) zones(w http.ResponseWriter, r *http.Request, c *Caller) error {
	list := p.Records.List(c)
	if name := r.URL.Query().Get("name"); name != "" {
		list = slices.DeleteFunc(list, func(z EditableZone) bool { return !strings.EqualFold(zoneName(z.Name), strings.TrimSuffix(name, ".")) })
	}
	from, to, page, err := providerPage(r, len(list))
	if err != nil {
		return err
	}
	page.Zones = make([]providerZone, 0, to-from)
	for i := range list[from:to] {
		page.Zones = append(page.Zones, providerZoneForm(&list[from+i]))
	}
	page.Items = page.Zones
	succeed(w, http.StatusOK, page)
	return nil
}

func (p *provider) zone(w http.ResponseWriter, r *http.Request, c *Caller) error {
	reading, err := p.read(w, r, c)
	if err != nil {
		return err
	}
	form := providerZoneForm(&reading.Zone)
	form.Records = new(len(reading.Records))
	succeed(w, http.StatusOK, providerZoneData{providerZone: form, Zone: form})
	return nil
}

func (p *provider) records(w http.ResponseWriter, r *http.Request, c *Caller) error {
	reading, err := p.read(w, r, c)
	if err != nil {
		return err
	}
	list, err := filtered(r, reading)
	if err != nil {
		return err
	}
	from, to, page, err := providerPage(r, len(list))
	if err != nil {
		return err
	}
	page.Records = make([]providerRecord, 0, to-from)
	for i := range list[from:to] {
		page.Records = append(page.Records, providerRecordForm(&list[from+i]))
	}
	page.Items = page.Records
	succeed(w, http.StatusOK, page)
	return nil
}

// filtered gives the records that a request asks for by name and type.
func filtered(r *http.Request, reading *Reading) ([]zonefile.SourceRecord, error) {
	query := r.URL.Query()
	var owner zone.Name
	var typ uint16
	var err error
	if query.Has("name") {
		owner, err = providerOwner(query.Get("name"), reading.Zone.Name)
	}
	if err == nil && query.Has("type") {
		typ, err = providerType(query.Get("type"))
	}
	if err != nil || owner.IsZero() && typ == 0 {
		return reading.Records, err
	}
	return slices.DeleteFunc(slices.Clone(reading.Records), func(s zonefile.SourceRecord) bool {
		return !owner.IsZero() && s.Owner != owner || typ != 0 && s.Type != typ
	}), nil
}

// recordOf finds a record by its ID.
func recordOf(reading *Reading, id string) (*zonefile.SourceRecord, error) {
	for i := range reading.Records {
		if s := &reading.Records[i]; recordID(s.Owner, s.Type, s.Data) == id {
			return s, nil
		}
	}
	return nil, Refusef(ReasonNoRecord, "there is no record %q", id)
}

func (p *provider) record(w http.ResponseWriter, r *http.Request, c *Caller) error {
	reading, err := p.read(w, r, c)
	if err != nil {
		return err
	}
	s, err := recordOf(reading, r.PathValue("record"))
	if err != nil {
		return err
	}
	succeed(w, http.StatusOK, providerRecordData{Record: new(providerRecordForm(s))})
	return nil
}
