package compile

import (
	"testing"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// TestEdit checks an edited zone as a run does: ALIAS rules too, for each way in which the text
// is read, and with the warnings that come along alone.
func TestEdit(t *testing.T) {
	const text = "$TTL 60\n@ SOA ns.example.net. hm 1 2 3 4 5\n@ NS ns.example.net.\n@ MX 10 nobody\nwww A 192.0.2.1\n"
	name := zone.MustParseName("example.com.")
	strict := Source{Name: "zone", Text: []byte(text), Origin: name, View: "strict"}
	lenient := strict
	lenient.View, lenient.Settings.Siblings = "lenient", alias.SiblingsFallback
	www := zonefile.RRsetChange{
		Kind: zonefile.AddRecords, Owner: zone.MustParseName("www.example.com."), Type: zonefile.TypeALIAS, RDATA: []string{"cdn.example.net."},
	}
	broken := strict
	broken.Text = []byte(text + "www ALIAS cdn.example.net.\n")
	for _, c := range []struct {
		name    string
		sources []Source
		change  zonefile.RRsetChange
		found   []diag.Code
		edited  bool
	}{
		{"refused beside an address", []Source{strict}, www, []diag.Code{diag.CodeAliasSibling}, false},
		{"let through by the settings", []Source{lenient}, www, nil, true},
		{"refused by one of two views", []Source{lenient, strict}, www, []diag.Code{diag.CodeAliasSibling}, false},
		{
			"a warning that comes along",
			[]Source{strict},
			zonefile.RRsetChange{Kind: zonefile.AddRecords, Owner: www.Owner, Type: 15, RDATA: []string{"10 other"}},
			[]diag.Code{diag.CodeHostWithoutAddress},
			true,
		},
		{
			"what was wrong before",
			[]Source{strict},
			zonefile.RRsetChange{Kind: zonefile.AddRecords, Owner: www.Owner, Type: 16, RDATA: []string{"x"}},
			nil,
			true,
		},
		{"RDATA", []Source{strict}, zonefile.RRsetChange{Kind: zonefile.AddRecords, Owner: www.Owner, Type: 1, RDATA: []string{"x"}}, []diag.Code{diag.CodeBadAddress}, false},
		{"nothing to do", []Source{strict}, zonefile.RRsetChange{Kind: zonefile.DeleteRRset, Owner: name, Type: 16}, nil, true},
		{"nothing to do in a zone with an error", []Source{broken}, zonefile.RRsetChange{Kind: zonefile.DeleteRRset, Owner: name, Type: 16}, []diag.Code{diag.CodeAliasSibling}, false},
	} {
		edited, found := Edit(t.Context(), c.sources, []zonefile.RRsetChange{c.change})
		var codes []diag.Code
		for _, d := range found {
			codes = append(codes, d.Code)
		}
		if (edited != nil) != c.edited || len(codes) != len(c.found) || len(codes) > 0 && codes[0] != c.found[0] {
			t.Errorf("%s: edited %t, found %v; want %t, %v", c.name, edited != nil, codes, c.edited, c.found)
		}
	}
}
