package api

import (
	"net/http"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// powerDNSVersion is what clients take the server for: whose answers these are, as a test holds
// them against that version.
const powerDNSVersion = "4.7.3"

const (
	powerDNSServer = "/api/v1/servers/localhost"
	powerDNSZones  = powerDNSServer + "/zones"
)

// powerDNS is the face with the API of PowerDNS's authoritative server, for its clients: what they
// read and edit are the records of sources. Zones are made by the configuration alone.
type powerDNS struct{ face }

func (f *Faces) powerdns(mux *http.ServeMux) {
	p := &powerDNS{face{Faces: f, via: "powerdns", fail: failPowerDNS}}
	own := http.NewServeMux() // what it does not know is answered with 404 and 405 in plain text, as PowerDNS does
	for pattern, r := range p.routes() {
		own.HandleFunc(pattern, p.to(r.scope, r.answer))
	}
	mux.Handle("/api", own)
	mux.Handle("/api/", own)
}

type powerDNSRoute struct {
	scope  Scope
	answer func(w http.ResponseWriter, r *http.Request, c *Caller) error
}

// routes are the requests by their pattern.
func (p *powerDNS) routes() map[string]powerDNSRoute {
	return map[string]powerDNSRoute{
		"GET /api":                                  {ScopeRead, p.versions},
		"GET /api/v1":                               {ScopeRead, p.version},
		"GET /api/v1/servers":                       {ScopeRead, p.servers},
		"GET " + powerDNSServer:                     {ScopeRead, p.server},
		"GET " + powerDNSServer + "/config":         {ScopeRead, p.config},
		"GET " + powerDNSServer + "/search-data":    {ScopeRead, p.search},
		"GET " + powerDNSZones:                      {ScopeRead, p.zones},
		"POST " + powerDNSZones:                     {ScopeRecords, p.makeZone},
		"GET " + powerDNSZones + "/{id}":            {ScopeRead, p.zone},
		"PATCH " + powerDNSZones + "/{id}":          {ScopeRecords, p.patch},
		"PUT " + powerDNSZones + "/{id}":            {ScopeRecords, p.setZone},
		"DELETE " + powerDNSZones + "/{id}":         {ScopeRecords, p.setZone},
		"PUT " + powerDNSZones + "/{id}/notify":     {ScopeRead, p.notify},
		"GET " + powerDNSZones + "/{id}/export":     {ScopeRead, p.export},
		"GET " + powerDNSZones + "/{id}/metadata":   {ScopeRead, p.nothing},
		"GET " + powerDNSZones + "/{id}/cryptokeys": {ScopeRead, p.nothing},
	}
}

// failPowerDNS answers as PowerDNS does: some statuses in plain text, the others with a document,
// since its clients read one where it sends one.
func failPowerDNS(w http.ResponseWriter, status int, err error) {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound:
		http.Error(w, http.StatusText(status)+": "+err.Error(), status)
	default:
		reply(w, status, powerDNSErrorOf(err))
	}
}

func (p *powerDNS) versions(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	reply(w, http.StatusOK, []map[string]any{{"url": "/api/v1", "version": 1}})
	return nil
}

func (p *powerDNS) version(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	reply(w, http.StatusOK, []map[string]any{{"api_features": []string{}, "server_url": "/api/v1/servers{/server}"}})
	return nil
}

// serverForm is the one server that there is.
func serverForm() map[string]any {
	return map[string]any{
		"type": "Server", "id": "localhost", "daemon_type": "authoritative", "version": powerDNSVersion,
		"url":               powerDNSServer,
		"config_url":        powerDNSServer + "/config{/config_setting}",
		"zones_url":         powerDNSServer + "/zones{/zone}",
		"autoprimaries_url": powerDNSServer + "/autoprimaries{/autoprimary}",
	}
}

func (p *powerDNS) servers(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	reply(w, http.StatusOK, []map[string]any{serverForm()})
	return nil
}

func (p *powerDNS) server(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	reply(w, http.StatusOK, serverForm())
	return nil
}

// config tells the settings of PowerDNS that clients may look for and that mean something here.
func (p *powerDNS) config(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	primary := "no"
	if p.Daemon != nil && p.Daemon.Snapshot().Serving != nil {
		primary = "yes"
	}
	list := []map[string]string{}
	for _, s := range [][2]string{{"api", "yes"}, {"default-soa-edit", ""}, {"dnsupdate", "no"}, {"expand-alias", "yes"}, {"master", primary}, {"webserver", "yes"}} {
		list = append(list, map[string]string{"type": "ConfigSetting", "name": s[0], "value": s[1]})
	}
	reply(w, http.StatusOK, list)
	return nil
}

func (p *powerDNS) zones(w http.ResponseWriter, r *http.Request, c *Caller) error {
	query := r.URL.Query()
	var only zone.Name
	if text := query.Get("zone"); text != "" {
		var err error
		if only, err = canonicalName(text); err != nil {
			return err
		}
	}
	served := p.served()
	list := []powerDNSZone{}
	for _, z := range p.Records.List(c) {
		if !only.IsZero() && z.Name != only {
			continue
		}
		entry := served.form(&z)
		if query.Get("dnssec") == "false" {
			entry.DNSSEC, entry.EditedSerial = nil, nil
		}
		list = append(list, entry)
	}
	reply(w, http.StatusOK, list)
	return nil
}

// find gives the zone of a request, by the form that PowerDNS gives to names in a path: =2F is a
// slash.
func (p *powerDNS) find(r *http.Request, c *Caller) (EditableZone, error) {
	id, ok := unescapeID(r.PathValue("id"))
	if !ok {
		return EditableZone{}, &Error{Status: http.StatusBadRequest, Message: "the zone ID has an equals sign without two hexadecimal digits behind it"}
	}
	text, view, _ := strings.Cut(id, "..")
	name, err := zone.ParseName(text, zone.Root)
	if err != nil {
		return EditableZone{}, Refusef(ReasonUnknown, "there is no editable zone %q", id)
	}
	z := EditableZone{Name: name, View: strings.TrimSuffix(view, ".")}
	return p.Records.Find(c, z.ID())
}

func (p *powerDNS) zone(w http.ResponseWriter, r *http.Request, c *Caller) error {
	query := r.URL.Query()
	rrsets := query.Get("rrsets")
	if rrsets != "" && rrsets != "true" && rrsets != "false" {
		return Refusef(ReasonInvalid, "'rrsets' request parameter value '%s' is not supported", rrsets)
	}
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	reading, err := p.Records.Read(c, z)
	if err != nil {
		return err
	}
	out := p.served().whole(&z)
	if rrsets != "false" {
		out.RRsets = rrsetForms(reading, query.Get("rrset_name"), query.Get("rrset_type"))
	}
	setETag(w, reading)
	reply(w, http.StatusOK, out)
	return nil
}

func (p *powerDNS) export(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	reading, err := p.Records.Read(c, z)
	if err != nil {
		return err
	}
	text := exportText(reading)
	setETag(w, reading)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		reply(w, http.StatusOK, map[string]string{"zone": text})
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	_, _ = w.Write([]byte(text))
	return nil
}

// notify is no edit: secondaries are told of what is served, which is of the records that are
// published.
func (p *powerDNS) notify(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	// Clients that edit records ask for this behind each edit, so their scope is enough.
	if !c.Grant.Allows(ScopeRefresh, z.Name) && !c.Grant.Allows(ScopeRecords, z.Name) {
		return Refusef(ReasonForbidden, "the token does not let tell the secondaries of %s", z.Name)
	}
	if p.Notify != nil {
		p.Notify(z.Name)
	}
	reply(w, http.StatusOK, map[string]string{"result": "Notification queued"})
	return nil
}

// nothing is the list of what no zone has here.
func (p *powerDNS) nothing(w http.ResponseWriter, r *http.Request, c *Caller) error {
	if _, err := p.find(r, c); err != nil {
		return err
	}
	reply(w, http.StatusOK, []string{})
	return nil
}

func (p *powerDNS) makeZone(http.ResponseWriter, *http.Request, *Caller) error {
	return Refusef(ReasonInvalid, "zones are made by the configuration of aliasflat, not by this API")
}

func (p *powerDNS) setZone(_ http.ResponseWriter, r *http.Request, c *Caller) error {
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	return Refusef(ReasonInvalid, "the configuration of aliasflat says what %s is and that it is there, not this API; its records can be edited", z.Name)
}

// canonicalName reads a name as PowerDNS has clients write them: with the final dot.
func canonicalName(text string) (zone.Name, error) {
	if !strings.HasSuffix(text, ".") {
		return zone.Name{}, Refusef(ReasonInvalid, "DNS Name '%s' is not canonical", excerpt(text))
	}
	return ownerName(text)
}
