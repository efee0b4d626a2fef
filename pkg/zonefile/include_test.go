package zonefile

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// FuzzInclude reads a zone with two files that it may include, each of which
// may include the others: it ends, everything it says has a place in one of
// them, nothing but them is read, and what it has no complaint about reads the
// same with all of it inlined.
func FuzzInclude(f *testing.F) {
	const head = "$ORIGIN example.org.\n$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
	seeds := [][3]string{
		{head + "$INCLUDE one\n A 192.0.2.2\n", "a A 192.0.2.3\n", ""},
		{head + "$INCLUDE one sub\nb TXT x\n", "a A 192.0.2.3\n$INCLUDE sub/two other.\n c A 192.0.2.4\n", " TXT y\n$TTL 5\n$ORIGIN x\n"},
		{head + "$INCLUDE \"one\"\n", "$INCLUDE zone\n", ""},
		{head + "$INCLUDE ../one\n$INCLUDE /etc/passwd\n$INCLUDE sub\n", "", ""},
		{head + "$INCLUDE one ; comment\n( $INCLUDE one )\n", "a TXT ( x", "\"y"},
		{"$INCLUDE one\n$INCLUDE sub/two\n", head, "$GENERATE 1-3 h$ A 192.0.2.$\n"},
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, main, one, two string) {
		if len(main)+len(one)+len(two) > 1<<12 {
			return
		}
		files := fstest.MapFS{
			"zone":    &fstest.MapFile{Data: []byte(main)},
			"one":     &fstest.MapFile{Data: []byte(one)},
			"sub/two": &fstest.MapFile{Data: []byte(two)},
		}
		options := Options{Origin: zone.MustParseName("example.org."), Includes: files, IncludeRoot: "root", Path: "zone", GenerateLimit: 100}
		z := Read("zone", []byte(main), options)
		for _, d := range z.Found {
			name := strings.TrimPrefix(d.Span.File, "root/")
			file := files[name]
			if file == nil {
				t.Fatalf("%s: a file that is none of ours", d.Span.File)
			}
			if d.Span.Offset > len(file.Data) || d.Span.Line > strings.Count(string(file.Data), "\n")+1 {
				t.Fatalf("%s is not in the file: %s", d.Span, d.Message)
			}
		}
		if z.Found.HasErrors() || len(z.Aliases()) > 0 {
			return
		}
		text, _ := z.Rewrite(Rewrite{})
		inlined := Summarize("inlined", text.Bytes(), Options{Origin: options.Origin, GenerateLimit: 100})
		if want := z.Content(nil, nil); !want.Mixed && (inlined.Found.HasErrors() || inlined.Sum != want.Raw || inlined.Count != want.Lines) {
			t.Fatalf("inlined it has %d records, not %d:\n%s\n%s", inlined.Count, want.Lines, text.Bytes(), listing(inlined.Found))
		}
	})
}
