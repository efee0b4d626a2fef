package zonefile

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// matrixCase is one of the zones that eight parsers were asked about.
type matrixCase struct {
	ID    string            `json:"id"`
	Note  string            `json:"note"`
	Zone  string            `json:"zone"`
	Files map[string]string `json:"files"`
	BIND  struct {
		Verdict string `json:"verdict"`
	} `json:"bind"`
}

// departures are the cases where our verdict is not BIND's, and why.
var departures = map[string]string{
	"ttl5": "a TTL above 2^31-1 is an error: BIND makes it 0",
	"nl2":  "a bare carriage return is an error: servers read it differently",
	"al1":  "ALIAS is what the tool is for",
	"gen6": "ALIAS in $GENERATE too",
	"g1":   "type 65401 is ALIAS: pkg/alias judges the payload",
	"g2":   "type 65401 is ALIAS: pkg/alias judges the payload",
	"g2b":  "type 65401 is ALIAS: pkg/alias judges the payload",
	"g2c":  "type 65401 is ALIAS: pkg/alias judges the payload",
	"g3":   "type 65401 is ALIAS: pkg/alias judges the payload",
	"al2":  "type 65401 is ALIAS, which canonical output leaves out",
}

func matrix(t *testing.T) []matrixCase {
	t.Helper()
	f, err := os.Open("../../testdata/matrix.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []matrixCase
	s := bufio.NewScanner(f)
	s.Buffer(nil, 4<<20)
	for s.Scan() {
		var c matrixCase
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) != 205 {
		t.Fatalf("%d cases, want 205", len(cases))
	}
	return cases
}

// latin1 gives the bytes that a string of the matrix stands for.
func latin1(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// TestMatrix holds our reading against BIND's: the verdict of the recorded
// run, and the records that the installed BIND loads.
func TestMatrix(t *testing.T) {
	origin := zone.MustParseName("example.org.")
	for _, c := range matrix(t) {
		t.Run(c.ID, func(t *testing.T) {
			files := fstest.MapFS{}
			dir := t.TempDir()
			for name, text := range c.Files {
				files[name] = &fstest.MapFile{Data: latin1(text)}
				writeFile(t, filepath.Join(dir, name), latin1(text))
			}
			text := latin1(c.Zone)
			files[c.ID+".zone"] = &fstest.MapFile{Data: text}
			z := Read(c.ID+".zone", text, Options{
				Origin: origin, Includes: files, IncludeRoot: ".", Path: c.ID + ".zone", CheckNames: diag.Warning,
			})
			ok := c.BIND.Verdict == "ok"
			if why, departs := departures[c.ID]; departs {
				if z.Found.HasErrors() == !ok && c.ID != "g1" && c.ID != "al2" {
					t.Errorf("agrees with BIND now, but is listed as departure: %s", why)
				}
				return
			}
			if z.Found.HasErrors() == ok {
				t.Fatalf("BIND says %s (%s); we found:\n%s", c.BIND.Verdict, c.Note, listing(z.Found))
			}
			for _, d := range z.Found {
				if d.Severity == diag.Error && (d.Span.Line == 0 || d.Message == "" || d.Code == "") {
					t.Errorf("diagnostic without place, message or code: %+v", d)
				}
			}
			if !ok {
				return
			}
			zf := filepath.Join(dir, c.ID+".zone")
			writeFile(t, zf, text)
			t.Chdir(dir)
			want := judge.NamedCompile(t, "example.org", zf)
			canonical := filepath.Join(dir, "canonical")
			writeFile(t, canonical, z.Canonical(nil, nil).Text(nil).Bytes())
			if got := judge.NamedCompile(t, "example.org", canonical); !slices.Equal(got, want) {
				t.Errorf("records differ\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		})
	}
}

func listing(l diag.List) string {
	var b strings.Builder
	for _, d := range l {
		b.WriteString("\t" + d.Span.String() + ": " + d.Severity.String() + ": " + d.Message + " [" + string(d.Code) + "]\n")
	}
	return b.String()
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
