package api

import (
	"fmt"
	"net/http"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// providerChanges gives what an edit asks for, and the record that comes of it; nil: none does.
type providerChanges func(read *Reading) ([]zonefile.RRsetChange, *givenRecord, error)

// edit makes an edit, and answers it.
func (p *provider) edit(w http.ResponseWriter, r *http.Request, c *Caller, z EditableZone, status int, message string, changes providerChanges) error {
	var given *givenRecord
	e := &Edit{Zone: z, IfMatch: ifMatch(r), DryRun: dryRun(r)}
	e.Changes = func(read *Reading) (list []zonefile.RRsetChange, err error) {
		list, given, err = changes(read)
		return list, err
	}
	out, err := p.Records.Edit(r.Context(), c, e)
	if err != nil {
		return err
	}
	data := providerRecordData{Message: message}
	if given != nil {
		data.Record = new(given.form(out.After))
	}
	data.Warnings = detailsOf(out.Problems)
	if e.DryRun {
		status, data.Message, data.DryRun, data.Diff = http.StatusOK, "nothing is written", true, new(out.Diff())
	} else {
		setETag(w, out.After)
	}
	succeed(w, status, data)
	return nil
}

func (p *provider) create(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, in, err := p.input(r, c)
	if err != nil {
		return err
	}
	return p.edit(w, r, c, z, http.StatusCreated, "the record is created", func(read *Reading) ([]zonefile.RRsetChange, *givenRecord, error) {
		given, err := in.record(z.Name)
		if err != nil {
			return nil, nil, err
		}
		if given.find(read) != nil {
			return nil, nil, recordExists(given)
		}
		return []zonefile.RRsetChange{given.change(zonefile.AddRecords)}, given, nil
	})
}

// input gives the zone and the body of a request.
func (p *provider) input(r *http.Request, c *Caller) (z EditableZone, in providerInput, err error) {
	if z, err = p.find(r, c); err == nil {
		err = body(r, &in)
	}
	return z, in, err
}

func (p *provider) replace(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, in, err := p.input(r, c)
	if err != nil {
		return err
	}
	return p.edit(w, r, c, z, http.StatusOK, "the record is replaced", func(read *Reading) ([]zonefile.RRsetChange, *givenRecord, error) {
		old, err := recordOf(read, r.PathValue("record"))
		if err != nil {
			return nil, nil, err
		}
		in.complete(old)
		given, err := in.record(z.Name)
		if err != nil {
			return nil, nil, err
		}
		was := recordID(old.Owner, old.Type, old.Data)
		if given.find(read) != nil && given.id() != was {
			return nil, nil, recordExists(given)
		}
		if given.owner != old.Owner || given.typ != old.Type {
			return []zonefile.RRsetChange{
				{Kind: zonefile.DeleteRecords, Owner: old.Owner, Type: old.Type, RDATA: []string{dataText(old)}},
				given.change(zonefile.AddRecords),
			}, given, nil
		}
		change := given.change(zonefile.ReplaceRRset)
		change.RDATA = nil
		for i := range read.Records {
			s := &read.Records[i]
			switch {
			case s.Owner != old.Owner || s.Type != old.Type:
			case recordID(s.Owner, s.Type, s.Data) == was:
				change.RDATA = append(change.RDATA, given.text)
			default:
				change.RDATA = append(change.RDATA, dataText(s))
			}
		}
		return []zonefile.RRsetChange{change}, given, nil
	})
}

func (p *provider) remove(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	return p.edit(w, r, c, z, http.StatusOK, "the record is deleted", func(read *Reading) ([]zonefile.RRsetChange, *givenRecord, error) {
		s, err := recordOf(read, r.PathValue("record"))
		if err != nil {
			return nil, nil, err
		}
		return []zonefile.RRsetChange{{Kind: zonefile.DeleteRecords, Owner: s.Owner, Type: s.Type, RDATA: []string{dataText(s)}}}, nil, nil
	})
}

// removeNamed deletes an RRset, or the record of it that has a content.
func (p *provider) removeNamed(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, err := p.find(r, c)
	if err != nil {
		return err
	}
	return p.edit(w, r, c, z, http.StatusOK, "the records are deleted", func(read *Reading) ([]zonefile.RRsetChange, *givenRecord, error) {
		owner, err := providerOwner(r.PathValue("name"), z.Name)
		if err != nil {
			return nil, nil, err
		}
		typ, err := providerType(r.PathValue("type"))
		if err != nil {
			return nil, nil, err
		}
		change := zonefile.RRsetChange{Kind: zonefile.DeleteRRset, Owner: owner, Type: typ}
		if !r.URL.Query().Has("content") {
			for i := range read.Records {
				if s := &read.Records[i]; s.Owner == owner && s.Type == typ {
					return []zonefile.RRsetChange{change}, nil, nil
				}
			}
			return nil, nil, Refusef(ReasonNoRecord, "there is no %s record of %s", zonefile.TypeName(typ), owner)
		}
		content := r.URL.Query().Get("content")
		given, err := (&providerInput{Name: new(r.PathValue("name")), Type: new(r.PathValue("type")), Content: &content}).record(z.Name)
		if err != nil {
			return nil, nil, err
		}
		if given.find(read) == nil {
			return nil, nil, Refusef(ReasonNoRecord, "there is no such %s record of %s", zonefile.TypeName(typ), owner)
		}
		change.Kind, change.RDATA = zonefile.DeleteRecords, []string{given.text}
		return []zonefile.RRsetChange{change}, nil, nil
	})
}

func recordExists(g *givenRecord) error {
	return &providerError{code: "RECORD_EXISTS", err: &Error{
		Status: http.StatusConflict, Message: fmt.Sprintf("%s has this %s record already", g.owner, zonefile.TypeName(g.typ)), Hint: "PUT changes a record",
	}}
}

// dataText is the RDATA of a record in presentation format.
func dataText(s *zonefile.SourceRecord) string {
	return string(zonefile.AppendData(nil, s.Type, s.Data))
}

// refusal is that what was given is wrong.
func refusal(d *diag.Diagnostic) error {
	return &RefusedError{Reason: ReasonInvalid, Message: d.Message, Hint: d.Hint, Problems: diag.List{d}}
}
