package state

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// The types that a store knows, by their numbers (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 6672 §2.1).
const (
	typeA     = 1
	typeCNAME = 5
	typeAAAA  = 28
	typeDNAME = 39
)

// typeText is a type as in a zone file; of others, which a store does not hold, in the form of
// RFC 3597.
func typeText(t uint16) string {
	switch t {
	case typeA:
		return "A"
	case typeAAAA:
		return "AAAA"
	case typeCNAME:
		return "CNAME"
	case typeDNAME:
		return "DNAME"
	}
	return fmt.Sprintf("TYPE%d", t)
}

func parseType(text string) (uint16, bool) {
	for _, t := range [...]uint16{typeA, typeAAAA, typeCNAME, typeDNAME} {
		if typeText(t) == text {
			return t, true
		}
	}
	return 0, false
}

// knownJSON is an answer that is known, in the form of an export.
type knownJSON struct {
	Target    string         `json:"target"`
	Type      string         `json:"type"`
	Subnet    netip.Prefix   `json:"subnet,omitzero"`
	Addresses []netip.Addr   `json:"addresses,omitempty"`
	TTL       uint32         `json:"ttl,omitempty"`
	Chain     []linkJSON     `json:"chain,omitempty"`
	Resolver  string         `json:"resolver,omitempty"`
	Seen      time.Time      `json:"seen,omitzero"`
	Since     time.Time      `json:"since,omitzero"`
	Earlier   [][]netip.Addr `json:"earlier,omitempty"`
	Missing   *missingJSON   `json:"missing,omitempty"`
	Held      *heldJSON      `json:"held,omitempty"`
	Gone      bool           `json:"gone,omitempty"`
	Dropped   bool           `json:"dropped,omitempty"`
}

type missingJSON struct {
	Outcome     string    `json:"outcome"`
	First       time.Time `json:"first,omitzero"`
	Last        time.Time `json:"last,omitzero"`
	NegativeTTL uint32    `json:"negative_ttl,omitempty"`
	Resolver    string    `json:"resolver,omitempty"`
	Confirmed   bool      `json:"confirmed,omitempty"`
}

type heldJSON struct {
	Addresses []netip.Addr `json:"addresses"`
	Guard     string       `json:"guard"`
	Zone      string       `json:"zone,omitempty"`
	First     time.Time    `json:"first,omitzero"`
	Last      time.Time    `json:"last,omitzero"`
	Times     int          `json:"times"`
	Accepted  bool         `json:"accepted,omitempty"`
}

func knownForm(q resolve.Question, k *resolve.Known) knownJSON {
	f := knownJSON{
		Target: q.Target.String(), Type: typeText(q.Type), Subnet: q.Subnet.Prefix(),
		Addresses: k.Addresses, TTL: k.TTL, Chain: chainForm(k.Chain), Resolver: k.Resolver,
		Seen: k.Seen.UTC(), Since: k.Since.UTC(), Earlier: k.Earlier, Gone: k.Gone, Dropped: k.Dropped,
	}
	if m := k.Missing; m.Outcome != 0 {
		f.Missing = &missingJSON{m.Outcome.String(), m.First.UTC(), m.Last.UTC(), m.NegativeTTL, m.Resolver, m.Confirmed}
	}
	if h := k.Held; h.Times > 0 {
		f.Held = &heldJSON{h.Addresses, h.Guard, h.Zone.String(), h.First.UTC(), h.Last.UTC(), h.Times, h.Accepted}
	}
	return f
}

func (f *knownJSON) value() (resolve.Question, *resolve.Known, error) {
	r := reader{}
	q := resolve.Question{Target: r.name("target", f.Target), Type: r.addressType(f.Type), Subnet: resolve.NewSubnet(f.Subnet)}
	k := &resolve.Known{
		Addresses: r.addresses("addresses", q.Type, f.Addresses), TTL: r.ttl("ttl", f.TTL), Chain: r.chain(f.Chain),
		Resolver: f.Resolver, Seen: r.time("seen", f.Seen), Since: r.time("since", f.Since), Gone: f.Gone, Dropped: f.Dropped,
	}
	if len(f.Earlier) > resolve.MaxEarlier {
		r.failf("earlier: %d sets, of which %d are remembered", len(f.Earlier), resolve.MaxEarlier)
	}
	for _, set := range f.Earlier {
		k.Earlier = append(k.Earlier, r.addresses("earlier", q.Type, set))
	}
	if m := f.Missing; m != nil {
		k.Missing = resolve.Missing{
			Outcome: r.negative(m.Outcome), First: r.time("first", m.First), Last: r.time("last", m.Last),
			NegativeTTL: m.NegativeTTL, Resolver: m.Resolver, Confirmed: m.Confirmed,
		}
	}
	if h := f.Held; h != nil {
		k.Held = resolve.Held{
			Addresses: r.addresses("held", q.Type, h.Addresses), Guard: h.Guard, First: r.time("first", h.First),
			Last: r.time("last", h.Last), Times: h.Times, Accepted: h.Accepted,
		}
		if h.Zone != "" {
			k.Held.Zone = r.name("zone", h.Zone)
		}
		if h.Times < 1 || h.Guard == "" {
			r.failf("held: no guard, or seen %d times", h.Times)
		}
	}
	if r.err == nil && k.IsZero() {
		r.failf("it says nothing")
	}
	return q, k, r.err
}

// estimateJSON is an estimate in the form of an export.
type estimateJSON struct {
	Owner string `json:"owner"`
	Type  string `json:"type"`
	resolve.Estimate
}

func (f *estimateJSON) value() (resolve.LinkKey, resolve.Estimate, error) {
	r := reader{}
	k := resolve.LinkKey{Owner: r.name("owner", f.Owner)}
	var ok bool
	if k.Type, ok = parseType(f.Type); !ok {
		r.failf("type: %q is none of A, AAAA, CNAME and DNAME", f.Type)
	}
	v := f.Estimate
	v.TTL = r.ttl("ttl", v.TTL)
	v.Seen, v.Expires = resolve.MomentOf(r.time("seen", v.Seen.Time())), resolve.MomentOf(r.time("expires", v.Expires.Time()))
	return k, v, r.err
}

// reader turns the fields of a form into values and keeps the first fault.
type reader struct{ err error }

func (r *reader) failf(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) name(field, text string) zone.Name {
	n, err := zone.ParseName(text, zone.Name{})
	if err != nil {
		r.failf("%s: %w", field, err)
	}
	return n
}

func (r *reader) addressType(text string) uint16 {
	t, ok := parseType(text)
	if !ok || t != typeA && t != typeAAAA {
		r.failf("type: %q is neither A nor AAAA", text)
	}
	return t
}

func (r *reader) negative(text string) resolve.Outcome {
	for _, o := range [...]resolve.Outcome{resolve.NoData, resolve.NXDomain} {
		if o.String() == text {
			return o
		}
	}
	r.failf("outcome: %q is neither NODATA nor NXDOMAIN", text)
	return 0
}

func (r *reader) ttl(field string, ttl uint32) uint32 {
	if ttl > resolve.MaxTTL {
		r.failf("%s: %d is above %d", field, ttl, resolve.MaxTTL)
	}
	return ttl
}

// time takes times that every form can hold.
func (r *reader) time(field string, t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	if y := t.UTC().Year(); y < 1970 || y > 9998 {
		r.failf("%s: the year %d", field, y)
	}
	return t.UTC()
}

// addresses takes a set of one family, sorted and unique as it has to be.
func (r *reader) addresses(field string, qtype uint16, list []netip.Addr) []netip.Addr {
	for i, a := range list {
		switch {
		case a.Is4() != (qtype == typeA) || !a.IsValid() || a.Zone() != "":
			r.failf("%s: %q is no address of type %s", field, a, typeText(qtype))
		case i > 0 && !list[i-1].Less(a):
			r.failf("%s: the addresses are not sorted, or one stands twice", field)
		}
	}
	return slices.Clone(list)
}

func (r *reader) chain(forms []linkJSON) []resolve.Link {
	if len(forms) > resolve.MaxLinks {
		r.failf("chain: more than %d links", resolve.MaxLinks)
		return nil
	}
	var chain []resolve.Link
	for _, f := range forms {
		t, ok := parseType(f.Type)
		if !ok || t != typeCNAME && t != typeDNAME {
			r.failf("chain: %q is neither CNAME nor DNAME", f.Type)
		}
		chain = append(chain, resolve.Link{
			Owner: r.name("chain", f.Owner), Type: t, Target: r.name("chain", f.Target),
			TTL: r.ttl("chain", f.TTL), OriginalTTL: r.ttl("chain", f.OriginalTTL),
		})
	}
	return chain
}
