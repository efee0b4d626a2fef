package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// ViaUpdate is the face of those who edit by UPDATE (RFC 2136).
const ViaUpdate = "update"

// Updater has UPDATE edit the sources of zones, as the other faces do. An answer of NOERROR says
// that the source is on disk; what is made of it is served once the daemon has compiled it.
type Updater struct {
	Records *Records
	// Granted gives the zone that an UPDATE of a name is for, and what a key may edit there;
	// false: nothing.
	Granted func(zoneName, key zone.Name) (EditableZone, Grant, bool)
}

var _ primary.Updater = (*Updater)(nil)

// unmetError is a prerequisite that does not hold.
type unmetError struct{ rcode int }

func (e *unmetError) Error() string { return dns.RcodeToString[e.rcode] }

// Update makes the edit that an UPDATE asks for.
func (u *Updater) Update(ctx context.Context, up *primary.Update) (rcode int, problem string) {
	z, grant, ok := u.Granted(up.Zone, up.Key)
	if !ok {
		return dns.RcodeRefused, "its key may edit nothing in this zone"
	}
	caller := &Caller{Grant: grant, Who: up.Key.String(), Via: ViaUpdate, Peer: up.Peer}
	_, err := u.Records.Edit(ctx, caller, &Edit{Zone: z, Changes: func(r *Reading) ([]zonefile.RRsetChange, error) {
		return updateChanges(r, up)
	}})
	if err == nil {
		return dns.RcodeSuccess, ""
	}
	return updateRcode(err), err.Error()
}

// updateRcode is the code for an error of the records: a zone that would not be good is refused,
// as what the key may not do.
func updateRcode(err error) int {
	if unmet, ok := errors.AsType[*unmetError](err); ok {
		return unmet.rcode
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok && (refused.Reason == ReasonForbidden || refused.Reason == ReasonInvalid) {
		return dns.RcodeRefused
	}
	return dns.RcodeServerFailure
}

// updateChanges holds an UPDATE against the source, and gives the changes of the RRsets in it.
func updateChanges(r *Reading, up *primary.Update) ([]zonefile.RRsetChange, error) {
	at := map[zone.Name][]int{}
	for i := range r.Records {
		at[r.Records[i].Owner] = append(at[r.Records[i].Owner], i)
	}
	replaced, rcode, problem := up.Apply(func(owner zone.Name) []primary.UpdateRecord {
		var list []primary.UpdateRecord
		for _, i := range at[owner] {
			list = append(list, updateRecord(&r.Records[i], i))
		}
		return list
	})
	if rcode != dns.RcodeSuccess {
		return nil, &RefusedError{Reason: ReasonChanged, Message: problem, Err: &unmetError{rcode}}
	}
	var changes []zonefile.RRsetChange
	for i := range replaced {
		changes = append(changes, rrsetChanges(r, &replaced[i])...)
	}
	return changes, nil
}

// updateRecord gives a record of the source as an UPDATE would, of an ALIAS the target alone.
func updateRecord(r *zonefile.SourceRecord, of int) primary.UpdateRecord {
	out := primary.UpdateRecord{Type: r.Type, TTL: r.TTL, RDATA: r.Data.Wire, Known: r.Data.Wire != "", Of: of}
	if r.Type == zonefile.TypeALIAS {
		target, _, _ := strings.Cut(r.Data.Text, " ")
		if name, err := zone.ParseName(target, zone.Root); err == nil {
			out.RDATA, out.Known = name.Wire(), true
		}
	}
	return out
}

// rrsetChanges says what becomes of one RRset so that records that stay are not touched.
func rrsetChanges(r *Reading, c *primary.RRsetReplacement) []zonefile.RRsetChange {
	of := zonefile.RRsetChange{Owner: c.Owner, Type: c.Type}
	if len(c.Stay)+len(c.Come) == 0 {
		of.Kind = zonefile.DeleteRRset
		return []zonefile.RRsetChange{of}
	}
	gone, come := of, of
	gone.Kind, come.Kind, come.TTL = zonefile.DeleteRecords, zonefile.AddRecords, c.TTL
	for _, record := range c.Gone {
		gone.RDATA = append(gone.RDATA, string(zonefile.AppendData(nil, c.Type, r.Records[record.Of].Data)))
	}
	for _, record := range c.Come {
		come.RDATA = append(come.RDATA, updateText(c.Type, record.RDATA))
	}
	return slices.DeleteFunc([]zonefile.RRsetChange{gone, come}, func(c zonefile.RRsetChange) bool { return len(c.RDATA) == 0 && c.TTL == nil })
}

// updateText is RDATA from the wire in presentation format.
func updateText(typ uint16, rdata string) string {
	if typ == zonefile.TypeALIAS {
		return string(zone.AppendNameText(nil, []byte(rdata)))
	}
	return string(zonefile.AppendRDATAText(nil, typ, []byte(rdata)))
}
