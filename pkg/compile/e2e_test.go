package compile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	e2eRecords = 2000
	e2eAliases = 25
)

// TestServed compiles zones for each name server, starts the real one with
// them, and holds what it answers against the outputs. Then targets change, and
// what is compiled anew is later.
func TestServed(t *testing.T) {
	t.Parallel()
	aliasflat := buildProgram(t)
	for _, server := range []struct {
		name  string // for --for
		start func(testing.TB, map[string]string) *judge.Server
	}{
		{"bind", judge.StartNamed}, {"nsd", judge.StartNSD}, {"knot", judge.StartKnot},
	} {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			upstream := dnstest.Start(t, generated(t, func(b *bytes.Buffer) error { return zonegen.World(b, e2eAliases) })+manyAddresses())
			dir := t.TempDir()
			sources := e2eSources(t)
			outputs := map[string]string{}
			for _, s := range sources {
				forServer := server.name
				if s.any {
					forServer = "any"
				}
				source := filepath.Join(dir, s.zone+".zone")
				writeFile(t, source, s.text)
				outputs[s.zone] = filepath.Join(dir, s.zone+".db")
				aliasflat.compile(t, forServer, s.resolver(upstream), source, outputs[s.zone])
			}
			running := server.start(t, outputs)
			serials := map[string]uint32{}
			for _, s := range sources {
				serials[s.zone] = served(t, aliasflat, running, s.zone, outputs[s.zone])
			}

			if err := upstream.SetWorld(generated(t, func(b *bytes.Buffer) error { return zonegen.ChangedWorld(b, e2eAliases) }) + manyAddresses()); err != nil {
				t.Fatal(err)
			}
			const changed = "example.com"
			aliasflat.compile(t, server.name, upstream.URL(), filepath.Join(dir, changed+".zone"), outputs[changed])
			again := server.start(t, map[string]string{changed: outputs[changed]})
			serial := served(t, aliasflat, again, changed, outputs[changed])
			if !zone.Serial(serial).After(zone.Serial(serials[changed])) {
				t.Errorf("%s: serial %d follows %d", changed, serial, serials[changed])
			}
		})
	}
}

// e2eSource is a source of TestServed.
type e2eSource struct {
	zone string
	text string
	any  bool // compiled for any server, not for the one that serves it
	demo bool // with the built-in resolver
}

func (s e2eSource) resolver(upstream *dnstest.Server) string {
	if s.demo {
		return "demo:"
	}
	return upstream.URL()
}

func e2eSources(t *testing.T) []e2eSource {
	t.Helper()
	realistic := generated(t, func(b *bytes.Buffer) error { return zonegen.Realistic(b, e2eRecords, e2eAliases) })
	quickstart, err := os.ReadFile("../../examples/quickstart/example.com.zone")
	if err != nil {
		t.Fatal(err)
	}
	const apex = "$ORIGIN %s.\n$TTL 3600\n@ SOA ns.example.net. hostmaster 1 7200 900 1209600 300\n@ NS ns.example.net.\n"
	return []e2eSource{
		{zone: "example.com", text: realistic},
		{zone: "example.edu", text: strings.ReplaceAll(realistic, "example.com", "example.edu"), any: true},
		{zone: "example.org", text: strings.ReplaceAll(string(quickstart), "example.com", "example.org"), demo: true},
		// RRsets at the bound of what a target may have, and a wildcard.
		{zone: "many.test", text: fmt.Sprintf(apex, "many.test") + "@ ALIAS many.example.net.\n*.wild ALIAS many.example.net. types=AAAA\n"},
		// Inside of the run: a name that is an ALIAS itself, by way of a CNAME.
		{zone: "inside.test", text: fmt.Sprintf(apex, "inside.test") + "@ ALIAS www\nwww CNAME site\nsite 120 ALIAS t1.cdn.example.net.\n", any: true},
	}
}

// manyAddresses is a world with a target of 100 addresses of each type.
func manyAddresses() string {
	var b strings.Builder
	for i := 1; i <= 100; i++ {
		fmt.Fprintf(&b, "many.example.net. 60 IN A 198.51.100.%d\nmany.example.net. 60 IN AAAA 2001:db8::%x\n", i, i)
	}
	return b.String()
}

func generated(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// program is aliasflat, built for the test.
type program string

func buildProgram(t *testing.T) program {
	t.Helper()
	// Results of tests are kept until a file that the test itself has looked at
	// changes, and the compiler looks at those of the command unseen.
	files, err := filepath.Glob("../../cmd/aliasflat/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no command: %v", err)
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "aliasflat")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/aliasflat").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return program(path)
}

// run gives the standard output.
func (p program) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), string(p), args...)
	cmd.Dir = t.TempDir() // where there is no configuration
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+cmd.Dir)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("aliasflat %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

func (p program) compile(t *testing.T, server, resolver, source, output string) {
	t.Helper()
	p.run(t, "compile", "-q", "--for", server, "--resolver", resolver, "--max-addresses", "100", "-o", output, source)
}

// served holds what a server answers for a zone against the output that it was
// started with, and gives the serial.
func served(t *testing.T, aliasflat program, server *judge.Server, origin, output string) uint32 {
	t.Helper()
	want := recordsOf(t, aliasflat.run(t, "compile", "-q", "--style", "canonical", "--resolver", "demo:", "--origin", origin, output))
	serial := server.WaitReady(t, origin)
	if diff := cmp.Diff(want, server.Transfer(t, origin)); diff != "" {
		t.Errorf("%s: transfer of %s (-output +%[1]s):\n%s", server.Name, origin, diff)
	}
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	sets := flattened(t, string(text))
	if len(sets) == 0 {
		t.Fatalf("%s: no flattened RRset in the output", origin)
	}
	for key, addresses := range sets {
		answer := server.Query(t, strings.Replace(key.name, "*", "any.name", 1), key.qtype)
		var got []string
		for _, record := range answer.Answer {
			got = append(got, fmt.Sprint(record.Header().Ttl, " ", dns.Field(record, 1)))
		}
		slices.Sort(got)
		slices.Sort(addresses)
		if !slices.Equal(got, addresses) || !answer.Authoritative {
			t.Errorf("%s: %s %s: %v, want %v", server.Name, key.name, dns.TypeToString[key.qtype], got, addresses)
		}
	}
	return serial
}

// recordsOf brings canonical output into the form of transfers.
func recordsOf(t *testing.T, canonical string) []string {
	t.Helper()
	var printed strings.Builder
	parser := dns.NewZoneParser(strings.NewReader(canonical), "", "")
	for record, ok := parser.Next(); ok; record, ok = parser.Next() {
		fmt.Fprintln(&printed, record)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return judge.Records(printed.String())
}

type rrsetKey struct {
	name  string
	qtype uint16
}

// flattened finds the RRsets below the comments that say where addresses come
// from, as lists of TTL and address.
func flattened(t *testing.T, output string) map[rrsetKey][]string {
	t.Helper()
	sets := map[rrsetKey][]string{}
	inside := false
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "; ALIAS ") {
			inside = true
			continue
		}
		fields := strings.Fields(line)
		inside = inside && len(fields) == 5 && strings.HasSuffix(fields[0], ".") && fields[2] == "IN" && (fields[3] == "A" || fields[3] == "AAAA")
		if inside {
			key := rrsetKey{fields[0], dns.StringToType[fields[3]]}
			sets[key] = append(sets[key], fields[1]+" "+fields[4])
		}
	}
	return sets
}
