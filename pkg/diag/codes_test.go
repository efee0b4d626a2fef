package diag

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// declaredCodes reads the constants of type Code from the source, since a
// constant that was left out of the table cannot be found at run time.
func declaredCodes(t *testing.T) map[Code]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[Code]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no literal", spec.Names[0].Name)
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := codes[Code(text)]; twice {
			t.Errorf("%s and %s are both %q", other, spec.Names[0].Name, text)
		}
		codes[Code(text)] = spec.Names[0].Name
		return true
	})
	if len(codes) < 100 {
		t.Fatalf("found %d code constants in codes.go, expected more", len(codes))
	}
	return codes
}

func TestCodesTable(t *testing.T) {
	declared := declaredCodes(t)
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[Code]bool{}
	for _, info := range Codes {
		name, ok := declared[info.Code]
		if !ok {
			t.Errorf("%s is in the table and has no constant", info.Code)
		}
		if want := "Code" + strings.ReplaceAll(string(info.Code), "-", ""); !strings.EqualFold(name, want) {
			t.Errorf("constant %s does not spell its code %s", name, info.Code)
		}
		if seen[info.Code] {
			t.Errorf("%s is twice in the table", info.Code)
		}
		seen[info.Code] = true
		if !kebab.MatchString(string(info.Code)) {
			t.Errorf("%s is not in kebab case", info.Code)
		}
		if info.Severity != Error && info.Severity != Warning {
			t.Errorf("%s has severity %v", info.Code, info.Severity)
		}
		checkProse(t, info)
	}
	for code, name := range declared {
		if !seen[code] {
			t.Errorf("%s (%s) is not in the table", name, code)
		}
	}
}

// checkProse holds the texts to what explain prints: a title that fits into a
// list, a paragraph that says something, an indented example.
func checkProse(t *testing.T, info Info) {
	t.Helper()
	if info.Title == "" || len(info.Title) > 80 || strings.HasSuffix(info.Title, ".") {
		t.Errorf("%s: title %q", info.Code, info.Title)
	}
	text := strings.TrimPrefix(info.Text, "\n")
	prose, example, ok := strings.Cut(text, "\n\n    ")
	if !ok || example == "" {
		t.Errorf("%s: the text ends without an example", info.Code)
	}
	if len(prose) < 80 || len(text) > 900 {
		t.Errorf("%s: the text has %d bytes before its example and %d in all", info.Code, len(prose), len(text))
	}
	if !strings.HasSuffix(prose, ".") {
		t.Errorf("%s: the text does not end with a sentence", info.Code)
	}
	for line := range strings.Lines(text) {
		if len(line) > 90 || strings.Contains(line, "\t") {
			t.Errorf("%s: line %q is too long or has a tab", info.Code, line)
		}
	}
}

func TestLookup(t *testing.T) {
	info, ok := Lookup(CodeAliasSibling)
	if !ok || info.Code != CodeAliasSibling {
		t.Errorf("Lookup(%s) = %v, %v", CodeAliasSibling, info.Code, ok)
	}
	if _, ok := Lookup("no-such-code"); ok {
		t.Error("Lookup found a code that does not exist")
	}
}
