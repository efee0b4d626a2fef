package zonefile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// goodGenerates are what stands after the word $GENERATE.
var goodGenerates = []string{
	"1-3 x${5}-$ A 192.0.2.$", `1-2 x$ TXT "a b"`, `1-2 x$ MX "10 a$"`, `1-2 x$ TXT "\"a $\" b"`, `1-2 x$ TXT "a ; b $"`,
	"1-2 x$ 5 IN TXT a", "1-2 x$ in 5 TXT a", "1-2 x$ 1h TXT a", "1-2/1x x$ TXT a", "1-2x x$ TXT a", "+1-+2 x$ TXT a",
	"01-02 x$ TXT a", "2147483646-2147483647 x$ TXT a", "0-2147483647/2147483647 x$ TXT a", "0-9/4 x$ TXT a",
	"1-2 x$ NS a$", "1-2 x$ TYPE16 a", `1-2 x$ A "\# 4 c000020$"`, "1-2 x${0,2} TXT a", "1-2 x${-1,2,d} TXT a",
	"1-2 x${-3,2,d} TXT a", "1-2 x${-3,0,d} TXT a", "1-2 x${-3,4,x} TXT a", "1-2 x${-3,4,n} TXT a", "1-2 x${-3} TXT a",
	"1-2 x${+3} TXT a", "1-2 x${03,4} TXT a", "1-2 ${0,63,d} TXT a", "1-2 ${0,127,n} TXT a", "1-2 x TXT ${0,127,d}",
	"1-2 x TXT ${0,+5,d}", "1-2 x TXT a$$b", `1-2 x TXT a\$b`, "1-2 $$x$ TXT a", `1-2 \$x$ TXT a`, `1-2 x$ TXT a\\$`,
	"1-20 x$ TXT ${0,0,n}", "10-12 x$ TXT ${0,1,N}", "10-12 x$ TXT ${0,2,N}", "10-12 x$ TXT ${0,3,N}", "10-12 x$ TXT ${0,4,n}",
	"10-12 x$ TXT ${0,0,X}", "200-201 x$ TXT ${0,0,n}", "200-201 x$ TXT ${0,3,o}", "200-201 x$ TXT ${-300,3,o}",
	"1-2 @ TXT a$", `1-2 x$ TXT "a\032b"`, `1-2 x$ TXT "${ 5, 3,d}"`, "65534-65537 $.${0,8,n} PTR h$.", `1-2 x$ TXT "( a $ )"`,
	"1-2 x$ CNAME $.t", "254-257 h${0,4,X} A 192.0.2.1", "1-2 x$ TXT a${-5,4}b", "0-3 ${0,1,o}x TXT ${1,3,X}$",
}

func TestGenerateOfBIND(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "zone")
	load := func(body string) []string {
		if err := os.WriteFile(file, []byte(zoneHead+body), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded := filepath.Join(dir, "loaded")
		if out, ok := runTool(t, "named-compilezone", "-i", "none", "-k", "ignore", "-s", "full", "-o", loaded, "example.com", file); !ok {
			t.Errorf("%s: %s", body, out)
			return nil
		}
		text, err := os.ReadFile(loaded)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		slices.Sort(lines)
		return lines
	}
	for _, line := range goodGenerates {
		text, tokens := cutTokens(line)
		out, count, fault := expandGenerate(nil, text, tokens, 0)
		if fault != nil {
			t.Errorf("%s: %s", line, fault.Message)
			continue
		}
		if n := strings.Count(string(out), "\n"); n != count || n == 0 {
			t.Errorf("%s: %d records counted, %d lines", line, count, n)
		}
		if ours, theirs := load(string(out)), load("$GENERATE "+line+"\n"); !slices.Equal(ours, theirs) {
			t.Errorf("%s expands to\n%swhich loads as\n%s\nBIND has\n%s",
				line, out, strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
		}
	}
}

func TestGenerateFaults(t *testing.T) {
	cases := []struct {
		line   string
		token  int
		code   diag.Code
		onlyUs bool // BIND lets it pass, or it depends on our limit
	}{
		{"", 0, diag.CodeGenerateSyntax, false},
		{"1-2", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x$", 2, diag.CodeGenerateSyntax, false},
		{"1-2 x$ TXT", 3, diag.CodeGenerateSyntax, false},
		{"1-2 x$ ANY a", 2, diag.CodeClassMismatch, false},
		{"1-2 x$ A 192.0.2.$ foo", 4, diag.CodeExtraText, false},
		{`"1-2" x$ TXT a`, 0, diag.CodeQuotedField, false},
		{`1-2 "x$" TXT a`, 1, diag.CodeQuotedField, false},
		{`1-2 x$ "TXT" a`, 2, diag.CodeQuotedField, false},
		{"1 x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"2-1 x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"-1-2 x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"1--2 x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"1-2/0 x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"1-2/ x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"1-x x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"2147483646-2147483648 x$ TXT a", 0, diag.CodeGenerateRange, false},
		{"0-4294967297 x$ TXT a", 0, diag.CodeGenerateRange, true},
		{"0-65536 x$ TXT a", 0, diag.CodeGenerateLimit, true},
		{"0-2147483647 x$ TXT a", 0, diag.CodeGenerateLimit, true},
		{"1-2 x$ FOO a", 2, diag.CodeUnknownType, false},
		{"1-2 x$ IN 5 IN TXT a", 4, diag.CodeUnknownType, false},
		{"1-2 x$ 5 5 TXT a", 3, diag.CodeUnknownType, false},
		{"1-2 x$ CH TXT a", 2, diag.CodeClassMismatch, false},
		{"1-2 x$ AXFR a", 2, diag.CodeMetaType, false},
		{"1-2 x$ 2147483648 TXT a", 2, diag.CodeTTLTooBig, true},
		{"1-2 x${0 TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${x} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${0,} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${0,2,} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${0,2,z} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${0,2,dd} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x${0,,d} TXT a", 1, diag.CodeGenerateSyntax, false},
		{"1-2 x TXT ${0,128,d}", 3, diag.CodeGenerateSyntax, false},
		{"1-2 x TXT ${0,128,n}", 3, diag.CodeGenerateSyntax, false},
		{"1-2 x TXT ${0,-5,d}", 3, diag.CodeGenerateSyntax, false},
		{`1-2 x TXT "${ 5, 3, d}"`, 3, diag.CodeGenerateSyntax, false},
		{`1-2 x TXT "${5 ,3,d}"`, 3, diag.CodeGenerateSyntax, false},
		{"1-2 x TXT ${2147483647}", 3, diag.CodeGenerateRange, false},
		{"1-2 x TXT ${2147483646}$", 3, diag.CodeGenerateRange, false},
		{`1-2 x$ TXT "( a $"`, 3, diag.CodeGenerateSyntax, false},
		{`1-2 x$ TXT "a ) $"`, 3, diag.CodeGenerateSyntax, false},
		{`1-2 x$ TXT "\"a $"`, 3, diag.CodeGenerateSyntax, false},
		{`1-2 x$ TXT ""`, 3, diag.CodeGenerateSyntax, false},
		{`1-2 x$ TXT "; a"`, 3, diag.CodeGenerateSyntax, false},
	}
	file := filepath.Join(t.TempDir(), "zone")
	for _, c := range cases {
		text, tokens := cutTokens(c.line)
		out, _, fault := expandGenerate([]byte("before"), text, tokens, 0)
		if fault == nil || fault.Token != c.token || fault.Code != c.code || string(out) != "before" {
			t.Errorf("%s: %+v, out %q, want [%s] at token %d", c.line, fault, out, c.code, c.token)
		}
		if c.onlyUs {
			continue
		}
		if err := os.WriteFile(file, []byte(zoneHead+"$GENERATE "+c.line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := runTool(t, "named-checkzone", "-i", "none", "-k", "ignore", "example.com", file); ok {
			t.Errorf("BIND takes %s", c.line)
		}
	}
}

func TestGenerateBounds(t *testing.T) {
	text, tokens := cutTokens("1-3 x$ TXT a")
	if _, _, fault := expandGenerate(nil, text, tokens, 2); fault == nil || fault.Code != diag.CodeGenerateLimit {
		t.Errorf("limit 2: %+v", fault)
	}
	if _, count, fault := expandGenerate(nil, text, tokens, 3); fault != nil || count != 3 {
		t.Errorf("limit 3: %d, %+v", count, fault)
	}
	if _, _, fault := expandGenerate(nil, text, tokens, -1); fault == nil {
		t.Error("limit -1: no fault")
	}
	text, tokens = cutTokens("1-65536 x$ TXT " + strings.Repeat("${0,127}", 10))
	if _, _, fault := expandGenerate(nil, text, tokens, 0); fault == nil || fault.Code != diag.CodeGenerateLimit {
		t.Errorf("long text: %+v", fault)
	}
	for _, c := range []struct {
		text   string
		tokens []Token
	}{
		{"1-2 a\\\nb TXT x", []Token{{Start: 0, End: 3}, {Start: 4, End: 8}, {Start: 9, End: 12}, {Start: 13, End: 14}}},
		{"1-2 ab TXT x\\\ny", []Token{{Start: 0, End: 3}, {Start: 4, End: 6}, {Start: 7, End: 10}, {Start: 11, End: 15}}},
	} {
		if _, _, fault := expandGenerate(nil, []byte(c.text), c.tokens, 0); fault != nil && fault.Code == diag.CodeGenerateSyntax {
			continue
		}
		t.Errorf("%q: a line end passed", c.text)
	}
}

func FuzzGenerate(f *testing.F) {
	for _, line := range goodGenerates {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		text, tokens := cutTokens(line)
		out, count, fault := expandGenerate(nil, text, tokens, 100)
		if fault != nil {
			if len(out) != 0 || fault.Token < 0 || fault.Token > len(tokens) {
				t.Fatalf("%q: fault %+v with %q", line, fault, out)
			}
			return
		}
		if n := strings.Count(string(out), "\n"); n != count || count < 1 || count > 100 {
			t.Fatalf("%q: %d records, %d lines", line, count, n)
		}
		for l := range strings.Lines(string(out)) {
			if l[0] == '$' || l[0] == ' ' {
				t.Fatalf("%q: the line %q does not start with an owner name", line, l)
			}
		}
	})
}
