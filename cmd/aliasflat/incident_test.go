package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// incidents holds a script for each incident that docs/incidents.md lists under this
// package.
const incidents = "../../testdata/incident"

// incident runs the script of one. It has a test function of its own, so that the
// page names what runs it.
func incident(t *testing.T, name string) {
	t.Helper()
	if testing.Short() {
		t.Skip("what its commands run is run by other scripts too")
	}
	p := params("")
	p.Files = []string{filepath.Join(incidents, name+".txtar")}
	testscript.Run(t, p)
}

func TestIncidentPowerDNS11503(t *testing.T)      { incident(t, "pdns-11503") }
func TestIncidentPowerDNS11510(t *testing.T)      { incident(t, "pdns-11510") }
func TestIncidentPowerDNS6666(t *testing.T)       { incident(t, "pdns-6666") }
func TestIncidentPowerDNS13360(t *testing.T)      { incident(t, "pdns-13360") }
func TestIncidentPowerDNS15174(t *testing.T)      { incident(t, "pdns-15174") }
func TestIncidentPowerDNS16864(t *testing.T)      { incident(t, "pdns-16864") }
func TestIncidentCloudflareMaxTTL(t *testing.T)   { incident(t, "cloudflare-flattening") }
func TestIncidentCloudflare20231004(t *testing.T) { incident(t, "cloudflare-2023") }
func TestIncidentCloudflare20260108(t *testing.T) { incident(t, "cloudflare-2026") }
func TestIncidentSE20091012(t *testing.T)         { incident(t, "se-2009") }
func TestIncidentDE20100512(t *testing.T)         { incident(t, "de-2010") }
func TestIncidentAU2002(t *testing.T)             { incident(t, "au-2002") }
func TestIncidentAWS20251019(t *testing.T)        { incident(t, "aws-2025") }
func TestIncidentExternalDNS3841(t *testing.T)    { incident(t, "external-dns-3841") }
func TestIncidentAcmeNonce(t *testing.T)          { incident(t, "acme-nonce") }
func TestIncidentBIND20241737(t *testing.T)       { incident(t, "bind-2024-1737") }

// incidentRow is a row of the table: its last column is a command.
var incidentRow = regexp.MustCompile("(?m)^\\| .* \\| `go test (\\S+) -run '\\^(TestIncident\\w+)\\$'` \\|$")

// Each row of docs/incidents.md has a command that runs a test, each test has its
// row, and each script is run by one.
func TestTableOfIncidents(t *testing.T) {
	page, err := os.ReadFile("../../docs/incidents.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range incidentRow.FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1]+" "+row[2])
	}
	if lines := regexp.MustCompile(`(?m)^\| [^|]* \| [^|]* \| [^|]* \| `).FindAllString(string(page), -1); len(listed) == 0 || len(listed) != len(lines)-strings.Count(string(page), "| incident |") {
		t.Errorf("%d of %d rows have a command", len(listed), len(lines))
	}
	tests := incidentTests(t)
	slices.Sort(listed)
	slices.Sort(tests)
	if diff := cmp.Diff(tests, listed); diff != "" {
		t.Errorf("what there is and what is listed (-test +row):\n%s", diff)
	}

	source, err := os.ReadFile("incident_test.go")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(incidents, "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in %s: %v", incidents, err)
	}
	for _, script := range scripts {
		if name := strings.TrimSuffix(filepath.Base(script), ".txtar"); !strings.Contains(string(source), `incident(t, "`+name+`")`) {
			t.Errorf("no test runs %s", script)
		}
	}
}

// incidentTests gives the package and the name of each test of an incident.
func incidentTests(t *testing.T) []string {
	t.Helper()
	var found []string
	root := os.DirFS("../..")
	for _, folder := range []string{"cmd", "pkg"} {
		err := fs.WalkDir(root, folder, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", name), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "TestIncident") {
					found = append(found, "./"+path.Dir(name)+" "+f.Name.Name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
