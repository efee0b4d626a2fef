package judge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Case is one tiny zone of testdata/matrix.jsonl and what name servers made of
// it: BIND 9.18.49, NSD 4.6.1 and Knot 3.2.6. The zone is example.org.
type Case struct {
	ID    string            `json:"id"`
	Note  string            `json:"note"`
	Zone  Octets            `json:"zone"`
	Files map[string]Octets `json:"files"` // what the zone includes, by name
	BIND  struct {
		Verdict string   `json:"verdict"` // ok or error
		Records []string `json:"records"` // without SOA, apex NS and the address of ns.example.org.
		Msg     string   `json:"msg"`
	} `json:"bind"`
	NSD  Opinion `json:"nsd"`
	Knot Opinion `json:"knot"`
}

// Opinion is a verdict without records.
type Opinion struct {
	Verdict string `json:"verdict"` // ok or error
}

// Octets is a text in which every character stands for the octet of its
// number, so that JSON can hold what is not UTF-8.
type Octets []byte

// UnmarshalJSON reads a JSON string, one octet a character.
func (o *Octets) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*o = make([]byte, 0, len(text))
	for _, r := range text {
		*o = append(*o, byte(r))
	}
	return nil
}

// Matrix reads all cases.
func Matrix(tb testing.TB) []Case {
	tb.Helper()
	_, source, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(source), "..", "..", "..", "testdata", "matrix.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var cases []Case
	for line := range strings.Lines(string(data)) {
		var c Case
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		tb.Fatalf("%s holds no cases", path)
	}
	return cases
}

// Write puts the zone of a case and what it includes into dir and gives the
// path of the zone file.
func (c *Case) Write(tb testing.TB, dir string) string {
	tb.Helper()
	file := filepath.Join(dir, c.ID+".zone")
	if err := os.WriteFile(file, c.Zone, 0o644); err != nil {
		tb.Fatal(err)
	}
	for name, text := range c.Files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return file
}
