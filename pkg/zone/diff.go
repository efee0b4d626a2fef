package zone

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// RRset is the records of one owner name and type.
type RRset struct {
	Owner Name
	Type  uint16
	TTL   uint32
	RDATA []RDATA // in their order, each once; never empty
}

// RDATA is what one record says beside owner name, type and TTL.
type RDATA struct {
	Wire string // uncompressed, names in lower case
	Text string // in presentation format, for a type whose wire form is not known; Wire is empty then
}

// Compare orders RDATA as octets (RFC 4034 §6.3), those without wire form last.
func (d RDATA) Compare(other RDATA) int {
	return cmp.Or(cmp.Compare(d.Text, other.Text), cmp.Compare(d.Wire, other.Wire))
}

// Compare orders RRsets by owner name, canonically (RFC 4034 §6.1), and type,
// an SOA first.
func (r *RRset) Compare(other *RRset) int {
	if c := r.Owner.Compare(other.Owner); c != 0 {
		return c
	}
	return cmp.Compare(typeOrder(r.Type), typeOrder(other.Type))
}

func typeOrder(typ uint16) int {
	if typ == dns.TypeSOA {
		return -1
	}
	return int(typ)
}

// Equal tells whether both are the same RRset with the same records and TTL.
func (r *RRset) Equal(other *RRset) bool {
	return r.Owner == other.Owner && r.Type == other.Type && r.TTL == other.TTL && slices.Equal(r.RDATA, other.RDATA)
}

// Change is the difference in one RRset.
type Change struct {
	Old *RRset // nil: it was not there
	New *RRset // nil: it is not there any more
}

// RRset is the one that the change is about, as it was where there is a choice.
func (c *Change) RRset() *RRset {
	if c.Old != nil {
		return c.Old
	}
	return c.New
}

// Records gives the records that go and those that come. An RRset of another
// TTL goes and comes as a whole, as its records do in the text of a zone.
func (c *Change) Records() (gone, come []RDATA) {
	switch {
	case c.New == nil:
		return c.Old.RDATA, nil
	case c.Old == nil:
		return nil, c.New.RDATA
	case c.Old.TTL != c.New.TTL:
		return c.Old.RDATA, c.New.RDATA
	}
	return without(c.Old.RDATA, c.New.RDATA), without(c.New.RDATA, c.Old.RDATA)
}

// Gone is how many records of the old set the new one has not, under any TTL. An address in
// the place of another, of the same owner name and type, is none: targets move.
func (d Difference) Gone() int {
	n := 0
	for i := range d {
		switch c := &d[i]; {
		case c.Old == nil:
		case c.New == nil:
			n += len(c.Old.RDATA)
		case c.Old.Type == dns.TypeA || c.Old.Type == dns.TypeAAAA:
			n += max(0, len(c.Old.RDATA)-len(c.New.RDATA))
		default:
			n += len(without(c.Old.RDATA, c.New.RDATA))
		}
	}
	return n
}

// without gives what is in list and not in other, both in order.
func without(list, other []RDATA) []RDATA {
	var rest []RDATA
	for _, d := range list {
		if _, found := slices.BinarySearchFunc(other, d, RDATA.Compare); !found {
			rest = append(rest, d)
		}
	}
	return rest
}

// Difference is what turns one set of RRsets into another, in the order of
// [RRset.Compare].
type Difference []Change

// Diff gives the difference between two sets of RRsets. Both must be in the
// order of [RRset.Compare], each RRset once; see [SortRRsets].
func Diff(old, latest []RRset) Difference {
	var diff Difference
	for len(old) > 0 || len(latest) > 0 {
		var c int
		switch {
		case len(latest) == 0:
			c = -1
		case len(old) == 0:
			c = 1
		default:
			c = old[0].Compare(&latest[0])
		}
		switch {
		case c < 0:
			diff = append(diff, Change{Old: &old[0]})
			old = old[1:]
		case c > 0:
			diff = append(diff, Change{New: &latest[0]})
			latest = latest[1:]
		default:
			if !old[0].Equal(&latest[0]) {
				diff = append(diff, Change{Old: &old[0], New: &latest[0]})
			}
			old, latest = old[1:], latest[1:]
		}
	}
	return diff
}

// ErrOtherBase says that a difference was made from another set of RRsets.
var ErrOtherBase = errors.New("the difference was made from other RRsets")

// Apply makes the changes to a set of RRsets in the order of [RRset.Compare].
// For the set that the difference was made from it gives the other one; where
// an RRset is not as it was then, the error is [ErrOtherBase].
func (d Difference) Apply(old []RRset) ([]RRset, error) {
	result := make([]RRset, 0, len(old)+len(d))
	for i := range d {
		about := d[i].RRset()
		for len(old) > 0 && old[0].Compare(about) < 0 {
			result = append(result, old[0])
			old = old[1:]
		}
		there := len(old) > 0 && old[0].Compare(about) == 0
		if there != (d[i].Old != nil) || there && !old[0].Equal(d[i].Old) {
			return nil, fmt.Errorf("%w: at %s", ErrOtherBase, about.Owner)
		}
		if there {
			old = old[1:]
		}
		if d[i].New != nil {
			result = append(result, *d[i].New)
		}
	}
	return append(result, old...), nil
}

// SortRRsets puts records that were gathered in any order into the form that
// [Diff] takes, in place: each RRset once, each of its records once. Where the
// parts of an RRset have different TTLs the last one counts.
func SortRRsets(list []RRset) []RRset {
	slices.SortStableFunc(list, func(a, b RRset) int { return a.Compare(&b) })
	last := 0
	for i := range list {
		if i > 0 && list[last-1].Compare(&list[i]) == 0 {
			set := &list[last-1]
			set.TTL, set.RDATA = list[i].TTL, append(slices.Clip(set.RDATA), list[i].RDATA...)
			continue
		}
		list[last] = list[i]
		last++
	}
	list = list[:last]
	for i := range list {
		set := &list[i]
		if !slices.IsSortedFunc(set.RDATA, RDATA.Compare) {
			set.RDATA = slices.Clone(set.RDATA)
			slices.SortFunc(set.RDATA, RDATA.Compare)
		}
		set.RDATA = slices.Compact(set.RDATA)
	}
	return list
}
