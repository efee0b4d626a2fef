package dashboard

import (
	"slices"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
)

const (
	timelineWidth = 1000 // units of the picture
	timelineLeast = 5 * time.Minute
	colors        = 6 // of address sets, in the order in which they come
)

// timeline is the picture of what addresses of one type an owner name had, and when.
type timeline struct {
	Type     string
	Since    time.Time // where the picture begins
	Segments []segment
}

// segment is the time for which one address set was published.
type segment struct {
	X, Width  int // in units of the picture
	Color     int // that of the set; 0: there were no addresses
	From      time.Time
	To        time.Time // zero: it still is
	Addresses string
}

// timelines draws what is published in place of an ALIAS, out of its changes, the latest first.
func timelines(a *api.Alias, changes []api.Change, now time.Time) []timeline {
	begin := now.Add(-timelineLeast)
	if n := len(changes); n > 0 {
		first := changes[n-1].Time
		if lead := first.Add(-now.Sub(first) / 20); lead.Before(begin) { // some of what was before it
			begin = lead
		}
	}
	var list []timeline
	for _, typ := range []string{"A", "AAAA"} {
		t := timeline{Type: typ, Since: begin}
		have := slices.IndexFunc(a.Published, func(f api.Flattened) bool { return f.Type == typ })
		of := slices.DeleteFunc(slices.Clone(changes), func(c api.Change) bool { return c.Type != typ })
		if have < 0 && len(of) == 0 {
			continue
		}
		slices.Reverse(of)
		var sets []string
		add := func(from, to time.Time, addresses string) {
			s := segment{From: from, To: to, Addresses: addresses}
			end := to
			if to.IsZero() {
				end = now
			}
			at := func(t time.Time) int {
				return int(timelineWidth * max(t.Sub(begin), 0) / max(now.Sub(begin), 1))
			}
			s.X, s.Width = at(from), max(at(end)-at(from), 2)
			if addresses != "none" {
				k := slices.Index(sets, addresses)
				if k < 0 {
					k, sets = len(sets), append(sets, addresses)
				}
				s.Color = 1 + k%colors
			}
			t.Segments = append(t.Segments, s)
		}
		last := begin
		for i := range of {
			c := &of[i]
			if c.Time.After(last) {
				add(last, c.Time, addressList(c.From))
			}
			last = c.Time
		}
		switch {
		case len(of) > 0:
			add(last, time.Time{}, addressList(of[len(of)-1].To))
		default:
			add(begin, time.Time{}, addressList(a.Published[have].Addresses))
		}
		list = append(list, t)
	}
	return list
}

// Label tells in words what the picture shows.
func (t *timeline) Label() string {
	var b strings.Builder
	b.WriteString(t.Type + " records: ")
	for i, s := range t.Segments {
		if i > 0 {
			b.WriteString("; then ")
		}
		b.WriteString(s.Addresses)
	}
	return b.String()
}
