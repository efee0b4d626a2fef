package api

import (
	"cmp"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// aliasList is the ALIAS records of a zone: those of the source where that may be read, and else
// those that the outputs tell of.
type aliasList struct {
	reading   *Reading // nil: the zone is not editable
	entries   []aliasEntry
	published map[aliasKey][]Flattened
}

type aliasKey struct{ owner, target zone.Name }

type aliasEntry struct {
	aliasKey

	parameters string
	record     *zonefile.SourceRecord // nil: it is known from an output
}

// aliasesOf finds the ALIAS records of a zone.
func (n *native) aliasesOf(c *Caller, z *shownZone, s *watch.Snapshot) (*aliasList, error) {
	list := &aliasList{published: map[aliasKey][]Flattened{}}
	var order []aliasKey
	for _, i := range z.outputs {
		order = append(order, list.publishedIn(&s.Zones[i])...)
	}
	if z.editable == nil {
		seen := map[aliasKey]bool{}
		for _, key := range order {
			if !seen[key] {
				seen[key] = true
				list.entries = append(list.entries, aliasEntry{aliasKey: key})
			}
		}
		return list, nil
	}
	var err error
	if list.reading, err = n.Records.Read(c, *z.editable); err != nil {
		return nil, err
	}
	for i := range list.reading.Records {
		r := &list.reading.Records[i]
		if r.Type != zonefile.TypeALIAS {
			continue
		}
		if target, parameters, err := aliasOf(r.Data); err == nil { // as the source has no errors
			list.entries = append(list.entries, aliasEntry{aliasKey{r.Owner, target}, parameters, r})
		}
	}
	return list, nil
}

// publishedIn notes what an output has in place of ALIAS records, and gives those in its order.
// What cannot be read has nothing.
func (l *aliasList) publishedIn(z *watch.Zone) (order []aliasKey) {
	file, err := os.Open(z.Output)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // nothing was written
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil // reading something else may never end
	}
	sets := map[aliasKey]map[uint16]*Flattened{}
	_ = zonefile.FindFlattened(file, func(f zonefile.Flattened) { // what could be read counts
		key := aliasKey{f.Owner, f.Target}
		if sets[key] == nil {
			sets[key] = map[uint16]*Flattened{}
			order = append(order, key)
		}
		if f.Type == 0 || f.Own {
			return
		}
		set := sets[key][f.Type]
		if set == nil {
			set = &Flattened{View: z.View, Type: typeText(f.Type), Addresses: []netip.Addr{}, TTL: f.TTL}
			sets[key][f.Type] = set
		}
		set.Addresses = append(set.Addresses, f.Address)
	})
	for key, types := range sets {
		for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if set := types[t]; set != nil {
				l.published[key] = append(l.published[key], *set)
			}
		}
	}
	return order
}

// lookups gives what the daemon knows of the targets of a zone, by target.
func (n *native) lookups(z *shownZone) map[zone.Name][]Lookup {
	seen := map[resolve.Question]bool{}
	list := map[zone.Name][]Lookup{}
	for _, i := range z.outputs {
		targets := n.Daemon.Targets(i)
		for t := range targets {
			q := targets[t].Question
			if !seen[q] {
				seen[q] = true
				list[q.Target] = append(list[q.Target], lookupForm(&targets[t]))
			}
		}
	}
	for _, of := range list {
		slices.SortFunc(of, func(a, b Lookup) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), a.Subnet.Addr().Compare(b.Subnet.Addr()))
		})
	}
	return list
}

// form gives the document of one of them.
func (l *aliasList) form(e *aliasEntry, lookups map[zone.Name][]Lookup) Alias {
	out := Alias{Owner: e.owner.String(), Target: e.target.String(), Parameters: e.parameters, Published: l.published[e.aliasKey], Lookups: lookups[e.target]}
	if out.Published == nil {
		out.Published = []Flattened{}
	}
	if out.Lookups == nil {
		out.Lookups = []Lookup{}
	}
	if e.record != nil {
		at := e.record.Place.Note("")
		out.File, out.Line, out.Editable = at.File, at.Line, !e.record.Included
	}
	for _, found := range out.Lookups {
		if found.Problem != "" {
			out.Problem = found.Type + ": " + found.Problem
			break
		}
	}
	return out
}

// aliases gives the ALIAS records of a zone and what has become of them.
func (n *native) aliases(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, list, err := n.listed(r, c)
	if err != nil {
		return err
	}
	part, next, err := paged(r, list.entries)
	if err != nil {
		return err
	}
	out := &Aliases{Schema: SchemaAliases, Zone: zoneName(z.name), Next: next, Aliases: []Alias{}}
	lookups := n.lookups(z)
	for i := range part {
		out.Aliases = append(out.Aliases, list.form(&part[i], lookups))
	}
	if list.reading != nil {
		out.ETag = list.reading.ETag
		setETag(w, list.reading)
	}
	reply(w, http.StatusOK, out)
	return nil
}

// alias gives the ALIAS record of an owner name.
func (n *native) alias(w http.ResponseWriter, r *http.Request, c *Caller) error {
	z, list, err := n.listed(r, c)
	if err != nil {
		return err
	}
	owner, _, err := rrsetOf(r.PathValue("owner"), "", z.name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list.entries, func(e aliasEntry) bool { return e.owner == owner })
	if i < 0 {
		return Refusef(ReasonNoRecord, "%s has no ALIAS", owner)
	}
	out := &OneAlias{Schema: SchemaAlias, Zone: zoneName(z.name), Alias: list.form(&list.entries[i], n.lookups(z))}
	if list.reading != nil {
		out.ETag = list.reading.ETag
		setETag(w, list.reading)
	}
	reply(w, http.StatusOK, out)
	return nil
}

func (n *native) listed(r *http.Request, c *Caller) (*shownZone, *aliasList, error) {
	z, s, err := n.find(r, c)
	if err != nil {
		return nil, nil, err
	}
	list, err := n.aliasesOf(c, z, s)
	return z, list, err
}

// lookupForm gives the document of what is known of a question.
func lookupForm(t *watch.Target) Lookup {
	out := Lookup{Target: targetForm(t), Problem: plainly(t)}
	a := t.Answer
	if a == nil {
		return out
	}
	if a.Outcome == resolve.Addresses && !t.Asked.IsZero() {
		out.Expires = t.Asked.Add(time.Duration(a.TTL) * time.Second).UTC()
	}
	if a.Outcome == resolve.Failure && a.Reason == resolve.ReasonNotValidated {
		out.AD = new(bool)
	} else if n := len(a.Attempts); n > 0 && a.Attempts[n-1].Flags != "" {
		ad := slices.Contains(strings.Fields(a.Attempts[n-1].Flags), "ad")
		out.AD = &ad
	}
	return out
}

// plainly says in plain words what is wrong with the last answer to a question; empty: nothing is.
func plainly(t *watch.Target) string {
	a := t.Answer
	switch {
	case a == nil:
		return "it was not asked yet"
	case a.Outcome == resolve.Addresses && a.Stale:
		return "the resolver could not ask for it, and gives what it had before"
	case a.Outcome == resolve.Addresses:
		return ""
	case a.Outcome == resolve.NoData:
		return "the name exists, and has no address of this type"
	case a.Outcome == resolve.WeakNoData:
		return "there is no address of this type, as the resolver says without a proof"
	case a.Outcome == resolve.NXDomain:
		return "the name does not exist"
	}
	text := "nobody could tell: " + a.Reason.String()
	if a.Detail != "" {
		text += ", " + a.Detail
	}
	return text
}
