package state

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Zone is what was published of a zone last, in one output.
type Zone struct {
	Name   zone.Name
	View   string // empty: the zone has none
	Output string // the file; empty: it went to standard output

	Serial zone.Serial
	// Sum, Count and Size are of the file as it was written, by which an edit by hand is
	// noticed: a checksum that the publisher chooses, its records, its bytes.
	Sum   uint64
	Count int
	Size  int64
	// Records is a sum over the records with their TTLs, the serial apart, that every process
	// makes alike; 0: it is not known, as releases before it did not keep it.
	Records uint64

	Published time.Time
	Owed      json.RawMessage // what delivery has still to do, in its own form; nil: nothing
}

// Change is one address RRset that was published in another form than before.
type Change struct {
	Time                 time.Time
	Zone                 zone.Name
	View                 string
	Owner                zone.Name
	Type                 uint16       // A or AAAA
	From, To             []netip.Addr // empty: there was none, or is none
	OldSerial, NewSerial zone.Serial  // 0: not known
	Target               zone.Name
	Chain                []resolve.Link
	Resolver             string // URL of who gave the new addresses; empty: nobody did
	Reason               string // why, in a clause
}

// The forms in which zones and changes are stored, and with the others exported. Names and
// types are written as in a zone file.
type (
	zoneJSON struct {
		Zone      string          `json:"zone"`
		View      string          `json:"view,omitempty"`
		Output    string          `json:"output,omitempty"`
		Serial    uint32          `json:"serial"`
		Sum       string          `json:"sum,omitempty"` // hexadecimal: more bits than a number of JSON is sure to have
		Count     int             `json:"count,omitempty"`
		Size      int64           `json:"size,omitempty"`
		Records   string          `json:"records,omitempty"` // hexadecimal
		Published time.Time       `json:"published,omitzero"`
		Owed      json.RawMessage `json:"owed,omitempty"`
	}
	changeJSON struct {
		Time      time.Time    `json:"time"`
		Zone      string       `json:"zone"`
		View      string       `json:"view,omitempty"`
		Owner     string       `json:"owner"`
		Type      string       `json:"type"`
		From      []netip.Addr `json:"from,omitempty"`
		To        []netip.Addr `json:"to,omitempty"`
		OldSerial uint32       `json:"old_serial,omitempty"`
		NewSerial uint32       `json:"new_serial,omitempty"`
		Target    string       `json:"target,omitempty"`
		Chain     []linkJSON   `json:"chain,omitempty"`
		Resolver  string       `json:"resolver,omitempty"`
		Reason    string       `json:"reason,omitempty"`
	}
	linkJSON struct {
		Owner       string `json:"owner"`
		Type        string `json:"type"`
		Target      string `json:"target"`
		TTL         uint32 `json:"ttl"`
		OriginalTTL uint32 `json:"original_ttl,omitempty"`
	}
)

// key is the key of a zone: the outputs of one zone stand together.
func (z *Zone) key() []byte {
	e := encoder{[]byte(z.Name.Wire())}
	e.text(z.View)
	e.text(z.Output)
	return e.b
}

func (z *Zone) form() zoneJSON {
	f := zoneJSON{
		Zone: z.Name.String(), View: z.View, Output: z.Output, Serial: uint32(z.Serial),
		Count: z.Count, Size: z.Size, Published: z.Published.UTC(), Owed: z.Owed,
	}
	if z.Sum != 0 {
		f.Sum = strconv.FormatUint(z.Sum, 16)
	}
	if z.Records != 0 {
		f.Records = strconv.FormatUint(z.Records, 16)
	}
	return f
}

func (f *zoneJSON) value() (Zone, error) {
	r := reader{}
	z := Zone{
		Name: r.name("zone", f.Zone), View: f.View, Output: f.Output, Serial: zone.Serial(f.Serial),
		Count: f.Count, Size: f.Size, Published: r.time("published", f.Published), Owed: f.Owed,
	}
	z.Sum, z.Records = r.sum("sum", f.Sum), r.sum("records", f.Records)
	if f.Serial == 0 {
		r.failf("serial: 0 is never published")
	}
	if f.Count < 0 || f.Size < 0 {
		r.failf("count and size: not below 0")
	}
	return z, r.err
}

// sum reads a hexadecimal number of 64 bits; an empty text is 0.
func (r *reader) sum(field, text string) uint64 {
	if text == "" {
		return 0
	}
	sum, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		r.failf("%s: %q is no hexadecimal number of 64 bits", field, text)
	}
	return sum
}

func (c *Change) form() changeJSON {
	return changeJSON{
		Time: c.Time.UTC(), Zone: c.Zone.String(), View: c.View, Owner: c.Owner.String(), Type: typeText(c.Type),
		From: c.From, To: c.To, OldSerial: uint32(c.OldSerial), NewSerial: uint32(c.NewSerial),
		Target: c.Target.String(), Chain: chainForm(c.Chain), Resolver: c.Resolver, Reason: c.Reason,
	}
}

func (f *changeJSON) value() (Change, error) {
	r := reader{}
	c := Change{
		Time: r.time("time", f.Time), Zone: r.name("zone", f.Zone), View: f.View, Owner: r.name("owner", f.Owner),
		Type: r.addressType(f.Type), OldSerial: zone.Serial(f.OldSerial), NewSerial: zone.Serial(f.NewSerial),
		Chain: r.chain(f.Chain), Resolver: f.Resolver, Reason: f.Reason,
	}
	c.From, c.To = r.addresses("from", c.Type, f.From), r.addresses("to", c.Type, f.To)
	if f.Target != "" {
		c.Target = r.name("target", f.Target)
	}
	return c, r.err
}

func chainForm(chain []resolve.Link) []linkJSON {
	if len(chain) == 0 {
		return nil
	}
	links := make([]linkJSON, len(chain))
	for i, l := range chain {
		links[i] = linkJSON{Owner: l.Owner.String(), Type: typeText(l.Type), Target: l.Target.String(), TTL: l.TTL, OriginalTTL: l.OriginalTTL}
	}
	return links
}
