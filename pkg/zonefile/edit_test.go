package zonefile

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// editCase is an edit of a zone file, in words: add, set or delete, owner name, type and, behind
// a colon each, RDATA; ttl=N may stand behind the type.
type editCase struct {
	name     string
	before   string
	edits    []string
	after    string // empty: refused
	found    string // codes of the diagnostics
	explicit int
	files    fstest.MapFS
}

func parseEdit(t *testing.T, text string, apex zone.Name) RRsetChange {
	t.Helper()
	parts := strings.Split(text, " : ")
	words := strings.Fields(parts[0])
	owner, d := ParseOwner(words[1], apex)
	if d != nil {
		t.Fatal(d)
	}
	typ, ok := ParseType(words[2])
	if !ok {
		t.Fatalf("%s is no type", words[2])
	}
	c := RRsetChange{Owner: owner, Type: typ, RDATA: parts[1:]}
	if len(words) > 3 {
		ttl, err := ParseTTL(strings.TrimPrefix(words[3], "ttl="))
		if err != nil {
			t.Fatal(err)
		}
		c.TTL = &ttl
	}
	switch {
	case words[0] == "add":
		c.Kind = AddRecords
	case words[0] == "set":
		c.Kind = ReplaceRRset
	case len(c.RDATA) > 0:
		c.Kind = DeleteRecords
	default:
		c.Kind = DeleteRRset
	}
	return c
}

const editHead = `$ORIGIN example.com.
$TTL 3600
@       IN  SOA ns.example.net. hostmaster 7 7200 900 1209600 300
@       IN  NS  ns.example.net.
`

const noTTLHead = `$ORIGIN example.com.
@ 3600 SOA ns.example.net. hostmaster 7 7200 900 1209600 300
@ 3600 NS ns.example.net.
`

func editCases() []editCase {
	return []editCase{
		{
			name:   "a first record stands beside the others of its owner name, in their columns",
			before: editHead + "        IN  MX  10 mail\n\n; hosts\nwww     IN  A   192.0.2.1 ; web\nmail    IN  A   192.0.2.2\n",
			edits:  []string{"set @ ALIAS : cdn.provider.net.", "add www AAAA ttl=60 : 2001:db8::1"},
			after:  editHead + "        IN  MX  10 mail\n        IN  ALIAS cdn.provider.net.\n\n; hosts\nwww     IN  A   192.0.2.1 ; web\n        60 IN  AAAA 2001:db8::1\nmail    IN  A   192.0.2.2\n",
		},
		{
			name:   "a new owner name stands at the end of what is below its origin",
			before: editHead + "www\tIN\tA\t192.0.2.1\n$ORIGIN sub.example.com.\na\tIN\tA\t192.0.2.2\n",
			edits:  []string{"add mail A : 192.0.2.3", "add b.sub A : 192.0.2.4", "add sub.example.com. TXT : hello"},
			after:  editHead + "www\tIN\tA\t192.0.2.1\nmail\tIN\tA\t192.0.2.3\n$ORIGIN sub.example.com.\na\tIN\tA\t192.0.2.2\nb\tIN\tA\t192.0.2.4\n@\tIN\tTXT\thello\n",
		},
		{
			name:     "a record below one that goes says its owner name, also behind one that is outside of the zone",
			before:   editHead + "ns.example.net. A 192.0.2.9\nwww A 192.0.2.1\n    TXT x\n",
			edits:    []string{"delete www A"},
			after:    editHead + "ns.example.net. A 192.0.2.9\nwww TXT x\n",
			explicit: 1,
		},
		{
			name:   "a record in place of another says its owner name, also behind one that is outside of the zone",
			before: editHead + "ns.example.net. A 192.0.2.9\nwww A 192.0.2.1\n    TXT x\n    MX 5 mx\n",
			edits:  []string{"delete www A", "delete www TXT", "set www MX : 10 mx"},
			after:  editHead + "ns.example.net. A 192.0.2.9\nwww MX 10 mx\n",
		},
		{
			name:   "one for one keeps place and comment",
			before: editHead + "www     IN  A   192.0.2.1   ; first\n        IN  A   192.0.2.2\t; second\n        TXT x\n",
			edits:  []string{"set www A : 192.0.2.9 : 192.0.2.2"},
			after:  editHead + "www     IN  A   192.0.2.9   ; first\n        IN  A   192.0.2.2\t; second\n        TXT x\n",
		},
		{
			name:   "a comment does not pass to a record that it was not about",
			before: editHead + "www 300 IN  A   192.0.2.1   ; first\n        IN  A   192.0.2.2\t; second\n        TXT x\n",
			edits:  []string{"set www A : 192.0.2.9"},
			after:  editHead + "www 300 IN  A   192.0.2.9\n        TXT x\n",
		},
		{
			name:   "each record says a TTL that is not the usual one, whatever BIND makes of those beside it",
			before: editHead + "www     IN  TXT x\n        IN  MX  10 mail\n",
			edits:  []string{"add www TXT ttl=60 : y"},
			after:  editHead + "www     60 IN  TXT x\n        60 IN  TXT y\n        IN  MX  10 mail\n",
		},
		{
			name:     "a blank owner name is said by the line behind the one that goes",
			before:   editHead + "www     IN  A   192.0.2.1\n        IN  TXT x\n        IN  MX  10 mail\n",
			edits:    []string{"delete www A"},
			after:    editHead + "www     IN  TXT x\n        IN  MX  10 mail\n",
			explicit: 1,
		},
		{
			name:     "a TTL is said where the line that had it goes",
			before:   noTTLHead + "www 60 A 192.0.2.1\n    TXT x\nmail A 192.0.2.2\n",
			edits:    []string{"delete www A : 192.0.2.1"},
			after:    noTTLHead + "www 60 TXT x\nmail A 192.0.2.2\n",
			explicit: 1,
		},
		{
			name:     "a TTL that comes does not pass to the lines behind it",
			before:   noTTLHead + "www 60 A 192.0.2.1\nmail A 192.0.2.2\n",
			edits:    []string{"add www AAAA ttl=300 : 2001:db8::1"},
			after:    noTTLHead + "www 60 A 192.0.2.1\nwww 300 AAAA 2001:db8::1\nmail 60 A 192.0.2.2\n",
			explicit: 1,
		},
		{
			name:   "a TTL is that of the whole RRset",
			before: editHead + "www 300 A 192.0.2.1\nwww A 192.0.2.2\n",
			edits:  []string{"add www A ttl=60 : 192.0.2.3"},
			after:  editHead + "www 60 A 192.0.2.1\nwww 60 A 192.0.2.2\nwww 60 A 192.0.2.3\n",
		},
		{
			name:   "RRsets in several places, and several TTLs: that of the last is the RRset's",
			before: editHead + "www 300 A 192.0.2.1\nmail A 192.0.2.9\nwww 60 A 192.0.2.2\n",
			edits:  []string{"delete www A : 192.0.2.2"},
			after:  editHead + "www 60 A 192.0.2.1\nmail A 192.0.2.9\n",
		},
		{
			name:   "records that merge into one run have one TTL",
			before: editHead + "www 300 A 192.0.2.1\nmail A 192.0.2.9\nwww 60 A 192.0.2.2\n",
			edits:  []string{"delete mail A"},
			found:  "edit-meaning",
		},
		{
			name:   "parentheses become one line, comments and all",
			before: editHead + "www IN TXT ( \"a\" ; one\n  \"b\" ; two\n  ) ; three\nmail A 192.0.2.1\n",
			edits:  []string{"set www TXT : \"c; d\""},
			after:  editHead + "; one\n; two\nwww IN TXT \"c; d\" ; three\nmail A 192.0.2.1\n",
		},
		{
			name:   "what is relative is below the zone name, whatever the origin",
			before: editHead + "www CNAME web.example.net.\n$ORIGIN sub.example.com.\na CNAME b\n",
			edits:  []string{"set a.sub CNAME : mail"},
			after:  editHead + "www CNAME web.example.net.\n$ORIGIN sub.example.com.\na CNAME mail.example.com.\n",
		},
		{
			name:   "an ALIAS is called as the file does",
			before: editHead + "www aname cdn.example.net. ; why\n",
			edits:  []string{"set www ALIAS : other types=A", "add w3 ALIAS : cdn.example.net."},
			after:  editHead + "www aname other types=A ; why\nw3 aname cdn.example.net.\n",
		},
		{
			name:   "in generic form too, unless it has parameters",
			before: editHead + "www TYPE65401 \\# 5 0363646e00\n",
			edits:  []string{"set www ALIAS : cdn. types=A", "add w3 ALIAS : cdn."},
			after:  editHead + "www ALIAS cdn. types=A\nw3 TYPE65401 \\# 5 0363646e00\n",
		},
		{
			name:   "lower case and CR LF, and no last line end",
			before: strings.ReplaceAll(editHead+"www in a 192.0.2.1", "\n", "\r\n"),
			edits:  []string{"add www A : 192.0.2.2", "add mail MX : 10 mail"},
			after:  strings.ReplaceAll(editHead+"www in a 192.0.2.1\nwww in a 192.0.2.2\nmail in mx 10 mail", "\n", "\r\n"),
		},
		{
			name:   "the last line goes, and no line end comes",
			before: editHead + "www A 192.0.2.1\nmail A 192.0.2.2",
			edits:  []string{"delete mail A"},
			after:  editHead + "www A 192.0.2.1",
		},
		{
			name:   "nothing to do",
			before: editHead + "www A 192.0.2.1\n",
			edits:  []string{"add www A : 192.0.2.1", "delete mail A", "delete www A : 192.0.2.2", "set www A : 192.0.2.1"},
			after:  editHead + "www A 192.0.2.1\n",
		},
		{
			name:   "add and delete of one RRset are one edit",
			before: editHead + "www A 192.0.2.1\n",
			edits:  []string{"delete www A : 192.0.2.1", "add www A : 192.0.2.2"},
			after:  editHead + "www A 192.0.2.2\n",
		},
		{
			name:   "a record that stands twice goes twice",
			before: editHead + "www A 192.0.2.1\nmail A 192.0.2.2\nwww A 192.0.2.1\n",
			edits:  []string{"delete www A : 192.0.2.1"},
			after:  editHead + "mail A 192.0.2.2\n",
		},
		{
			name:   "the file is absolute, and so are new lines",
			before: "example.com. 60 IN SOA ns.example.net. hm.example.com. 1 2 3 4 5\nexample.com. 60 IN NS ns.example.net.\nwww.example.com. 60 IN A 192.0.2.1\n",
			edits:  []string{"add mail A : 192.0.2.1"},
			after:  "example.com. 60 IN SOA ns.example.net. hm.example.com. 1 2 3 4 5\nexample.com. 60 IN NS ns.example.net.\nwww.example.com. 60 IN A 192.0.2.1\nmail.example.com. 60 IN A 192.0.2.1\n",
		},
		{
			name:   "records of an $INCLUDE are not edited",
			before: editHead + "$INCLUDE more\nmail A 192.0.2.2\n",
			files:  fstest.MapFS{"more": {Data: []byte("www A 192.0.2.1\n")}},
			edits:  []string{"delete www A"},
			found:  "edit-included",
		},
		{
			name:   "but others stand beside them",
			before: editHead + "$INCLUDE more\n$GENERATE 1-2 h$ A 192.0.2.$\nmail A 192.0.2.2\n",
			files:  fstest.MapFS{"more": {Data: []byte("www A 192.0.2.1\n")}},
			edits:  []string{"add www A : 192.0.2.3", "add h1 TXT : x"},
			after:  editHead + "$INCLUDE more\n$GENERATE 1-2 h$ A 192.0.2.$\nmail A 192.0.2.2\nwww A 192.0.2.3\nh1 TXT x\n",
		},
		{
			name:   "their TTL stays too",
			before: editHead + "$INCLUDE more\nmail A 192.0.2.2\n",
			files:  fstest.MapFS{"more": {Data: []byte("www A 192.0.2.1\n")}},
			edits:  []string{"add www A ttl=60 : 192.0.2.3"},
			found:  "edit-included",
		},
		{
			name:   "so do records of a $GENERATE",
			before: editHead + "$GENERATE 1-2 h$ A 192.0.2.$\n",
			edits:  []string{"set h1 A : 192.0.2.9"},
			found:  "edit-included",
		},
		{
			name:   "an $INCLUDE that inherits keeps the line before it",
			before: editHead + "www A 192.0.2.1\n$INCLUDE more\n",
			files:  fstest.MapFS{"more": {Data: []byte(" TXT x\n")}},
			edits:  []string{"delete www A"},
			found:  "edit-meaning",
		},
		{
			name:   "an $INCLUDE between two edits is read along",
			before: noTTLHead + "www 60 A 192.0.2.1\n$INCLUDE more\nmail A 192.0.2.2\n",
			files:  fstest.MapFS{"more": {Data: []byte("a 77 A 192.0.2.1\n")}},
			edits:  []string{"delete www A", "add mail TXT : x"},
			after:  noTTLHead + "$INCLUDE more\nmail A 192.0.2.2\nmail TXT x\n",
		},
		{
			name:   "the zone must be good afterwards",
			before: editHead + "www A 192.0.2.1\n",
			edits:  []string{"add www CNAME : mail"},
			found:  "cname-and-other",
		},
		{name: "RDATA is checked", before: editHead, edits: []string{"add www A : 192.0.2.256"}, found: "bad-address"},
		{name: "a backslash at the end", before: editHead, edits: []string{"add www NULL : a\\"}, found: "edit-text"},
		{name: "parentheses", before: editHead, edits: []string{"add www TXT : (x)"}, found: "edit-text"},
		{name: "line ends", before: editHead, edits: []string{"add www TXT : x\n$INCLUDE /etc/passwd"}, found: "edit-text"},
		{name: "line ends in quotes", before: editHead, edits: []string{"add www TXT : \"x\\\ny\""}, found: "edit-text"},
		{name: "comments", before: editHead, edits: []string{"add www A : 192.0.2.1 ; x"}, found: "edit-text"},
		{name: "quotes", before: editHead, edits: []string{"add www TXT : \"x"}, found: "unclosed-quote"},
		{name: "nothing", before: editHead, edits: []string{"add www TXT :  "}, found: "missing-rdata"},
		{name: "an ALIAS target", before: editHead, edits: []string{"add www ALIAS : a..b"}, found: "empty-label"},
		{name: "an ALIAS payload", before: editHead, edits: []string{"add www ALIAS : \\# 1 01"}, found: "alias-payload"},
		{name: "an ALIAS in another generic form", before: editHead, edits: []string{"add www ALIAS : \\# 2 01"}, found: "generic-length"},
		{name: "the SOA", before: editHead, edits: []string{"delete @ SOA"}, found: "edit-soa"},
		{name: "another zone", before: editHead, edits: []string{"add www.example.net. A : 192.0.2.1"}, found: "out-of-zone"},
		{name: "no type of records", before: editHead, edits: []string{"delete www AXFR"}, found: "meta-type"},
		{name: "a TTL of more than 31 bits", before: editHead, edits: []string{"add www A ttl=2147483647 : 192.0.2.1"}, after: editHead + "www     2147483647 IN  A   192.0.2.1\n"},
		{name: "more records than anybody loads", before: editHead, edits: []string{"add www A" + strings.Repeat(" : 192.0.2.1", 1001)}, found: "rrset-too-big"},
		{name: "broken before", before: editHead + "www A (\n", edits: []string{"add mail A : 192.0.2.1"}, found: "unclosed-paren"},
		{
			name:   "RDATA that could not be verified stays below the zone name",
			before: editHead + "$ORIGIN sub.example.com.\na A 192.0.2.1\n",
			edits:  []string{"add a.sub A6 : 0 2001:db8::1 x"},
			found:  "edit-meaning",
		},
		{
			name:   "no record is there to stand beside",
			before: "$TTL 5\n",
			edits:  []string{"add www A : 192.0.2.1"},
			found:  "edit-meaning",
		},
		{
			name:   "an edit mends a zone",
			before: editHead + "www A 192.0.2.1\nwww CNAME mail\n",
			edits:  []string{"delete www CNAME"},
			after:  editHead + "www A 192.0.2.1\n",
		},
	}
}

// TestEditLimits refuses what no text of a zone file gives.
func TestEditLimits(t *testing.T) {
	z := Read("zone", []byte(editHead), Options{Origin: zone.MustParseName("example.com.")})
	c := RRsetChange{Kind: AddRecords, Owner: z.Name, Type: typeA, TTL: new(uint32(1 << 31)), RDATA: []string{"192.0.2.1"}}
	if _, found := z.Edit([]RRsetChange{c}); len(found) != 1 || found[0].Code != diag.CodeTTLTooBig {
		t.Errorf("a TTL of 2^31: %s", listing(found))
	}
	marked := Read("zone", []byte("\xef\xbb\xbf"+editHead), Options{Origin: z.Name})
	c.TTL = nil
	if _, found := marked.Edit([]RRsetChange{c}); len(found) != 1 || found[0].Code != diag.CodeByteOrderMark {
		t.Errorf("a byte order mark: %s", listing(found))
	}
	nameless := Read("zone", []byte("www 60 A 192.0.2.1\n"), Options{})
	if _, found := nameless.Edit([]RRsetChange{c}); len(found) != 1 || found[0].Code != diag.CodeNoZoneName {
		t.Errorf("no zone name: %s", listing(found))
	}
	long := strings.Repeat("a.", 100) + strings.Repeat("b", 60)
	if _, d := ParseOwner(long, z.Name); d == nil || d.Code != diag.CodeNameTooLong {
		t.Errorf("a name that is too long: %v", d)
	}
}

// TestEditJudge has the check of an edited text find what is not as it was meant.
func TestEditJudge(t *testing.T) {
	z := Read("zone", []byte(editHead+"www A 192.0.2.1\nmail A 192.0.2.2\n"), Options{Origin: zone.MustParseName("example.com.")})
	change := RRsetChange{Kind: ReplaceRRset, Owner: zone.MustParseName("www.example.com."), Type: typeA, TTL: new(uint32(60)), RDATA: []string{"192.0.2.9"}}
	for _, text := range []string{
		"www 60 A 192.0.2.9\nmail A 192.0.2.3\n", // another record
		"www 60 A 192.0.2.9\n",                   // one is lost
		"www 60 A 192.0.2.8\nmail A 192.0.2.2\n", // other RDATA
		"www 61 A 192.0.2.9\nmail A 192.0.2.2\n", // another TTL
	} {
		ed := &editor{zone: z, top: z.segs[0], sets: map[rrsetName]*editedRRset{}}
		ed.admit(&change)
		ed.look()
		ed.change(&change)
		found := ed.judge([]byte(editHead + text))
		if len(found) != 1 || found[0].Code != diag.CodeEditCheck {
			t.Errorf("%q: %s", text, listing(found))
		}
	}
}

func TestEdit(t *testing.T) {
	apex := zone.MustParseName("example.com.")
	for _, c := range editCases() {
		t.Run(c.name, func(t *testing.T) {
			options := Options{Origin: apex, Includes: c.files, IncludeRoot: "/zones", Path: "zone"}
			if c.files == nil {
				options.Includes = nil
			}
			z := Read("zone", []byte(c.before), options)
			var changes []RRsetChange
			for _, e := range c.edits {
				changes = append(changes, parseEdit(t, e, apex))
			}
			edited, found := z.Edit(changes)
			var codes []string
			for _, d := range found {
				if d.Severity == diag.Error {
					codes = append(codes, string(d.Code))
				}
			}
			if got := strings.Join(codes, " "); got != c.found {
				t.Fatalf("found %q, want %q:\n%s", got, c.found, listing(found))
			}
			if c.found != "" {
				if edited != nil {
					t.Error("there is a text all the same")
				}
				return
			}
			if got := string(edited.Text.Bytes()); got != c.after {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.after)
			}
			if edited.Changed() != (c.before != c.after) {
				t.Errorf("changed: %t", edited.Changed())
			}
			if len(edited.Explicit) != c.explicit {
				t.Errorf("%d entries were made explicit, want %d", len(edited.Explicit), c.explicit)
			}
		})
	}
}

// TestParseRDATA has RDATA that is given be what the source has, in another form too.
func TestParseRDATA(t *testing.T) {
	apex := zone.MustParseName("example.com.")
	z := Read("zone", []byte(editHead+"www A 192.0.2.1\n@ MX 10 Mail\n@ ALIAS cdn.example.net. siblings=merge\nt TXT \"a b\"\n"), Options{Origin: apex})
	for _, c := range []struct{ typ, text string }{
		{"A", "192.0.2.1"},
		{"A", `\# 4 c0000201`},
		{"MX", "10 mail"},
		{"MX", "010   MAIL.example.com."},
		{"ALIAS", "cdn.example.net.  siblings=merge"},
		{"TXT", `a\ b`},
	} {
		typ, _ := ParseType(c.typ)
		records := z.SourceRecords(zone.Name{}, typ)
		if data, d := ParseRDATA(typ, c.text, "", apex); d != nil || len(records) != 1 || data != records[0].Data {
			t.Errorf("%s %s is %+v, %v; the source has %+v", c.typ, c.text, data, d, records)
		}
	}
	for text, want := range map[string]diag.Code{
		"192.0.2":                     diag.CodeBadAddress,
		"192.0.2.1 ; a comment":       diag.CodeEditText,
		"192.0.2.1\n$INCLUDE secrets": diag.CodeEditText,
		"":                            diag.CodeMissingRDATA,
	} {
		data, d := ParseRDATA(typeA, text, "content", apex)
		if d == nil || d.Code != want || d.Span.File != "content" || data != (zone.RDATA{}) {
			t.Errorf("%q is %+v, %v", text, data, d)
		}
	}
}

func TestSourceRecordWritten(t *testing.T) {
	z := Read("zone", []byte(editHead+"$ORIGIN in\n@ MX ( 010 ; a comment\n Mail )\nt TXT \"a ;b\"c\ns SVCB 1 . alpn=\"h2\"\n"), Options{Origin: zone.MustParseName("example.com.")})
	var got []string
	for _, r := range z.SourceRecords(zone.Name{}, 0) {
		if r.Owner.IsIn(zone.MustParseName("in.example.com.")) {
			got = append(got, r.Written)
		}
	}
	if want := []string{"010 Mail", `"a ;b"c`, `1 . alpn="h2"`}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
