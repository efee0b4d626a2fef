package state

import (
	"slices"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Diff gives what another lock has that this one has not, and the other way round, as lines of
// the file: a target's comment with a blank before it, then its lines that go, with "-", and
// those that come, with "+". A target that is not listed any more, or was not before, is told
// by its comment with the sign. Nothing differs: nothing is given.
func (l *Lock) Diff(other *Lock) []string {
	type place struct {
		target zone.Name
		subnet resolve.Subnet
	}
	before, after := map[place][]string{}, map[place][]string{}
	var places []place
	for _, side := range []struct {
		lock  *Lock
		lines map[place][]string
	}{{l, before}, {other, after}} {
		for _, s := range side.lock.sections() {
			p := place{s.target, s.subnet}
			places = append(places, p)
			text := strings.TrimSuffix(string(s.append(nil)), "\n")
			side.lines[p] = append(side.lines[p], strings.Split(text, "\n")...)
		}
	}
	slices.SortStableFunc(places, func(a, b place) int {
		if c := a.target.Compare(b.target); c != 0 {
			return c
		}
		return a.subnet.Prefix().Compare(b.subnet.Prefix())
	})
	var diff []string
	for _, p := range slices.Compact(places) {
		diff = append(diff, diffLines(before[p], after[p])...)
	}
	return diff
}

// diffLines compares the lines about one target.
func diffLines(before, after []string) []string {
	var gone, come, heads []string
	for _, line := range before {
		if !slices.Contains(after, line) {
			gone = append(gone, "-"+line)
		} else if strings.HasPrefix(line, "; ") {
			heads = append(heads, " "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			come = append(come, "+"+line)
		}
	}
	if len(gone)+len(come) == 0 {
		return nil
	}
	return slices.Concat(heads, gone, come)
}
