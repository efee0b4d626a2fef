package resolve

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

var update = flag.Bool("update", false, "write what came out into testdata/scenario where it does not depend on chance; read it before it is committed")

// scenarioDir holds the scenarios: what the resolver does in a network where things go wrong,
// in time that runs by itself.
const scenarioDir = "../../testdata/scenario"

// loadScenarios reads all of them; none is a failure.
func loadScenarios(t *testing.T, dir string) ([]*scenario, error) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no scenario in %s", dir)
	}
	all := make([]*scenario, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if all[i], err = parseScenario(path, data); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func TestScenarios(t *testing.T) {
	all, err := loadScenarios(t, scenarioDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		t.Run(strings.TrimSuffix(filepath.Base(s.file), ".txt"), s.run)
	}
}

// run performs the scenario with each of its seeds.
func (s *scenario) run(t *testing.T) {
	for seed := range s.seeds() {
		synctest.Test(t, func(t *testing.T) {
			problems, blocks := perform(t, s, seed+1)
			if *update {
				if err := os.WriteFile(s.file, s.rewrite(blocks), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, text := range problems {
				t.Errorf("seed %d: %s", seed+1, text)
			}
		})
		if *update {
			break // what differs by seed is a range
		}
	}
}

// seeds is how often a scenario is run: once where tests have to be short.
func (s *scenario) seeds() uint64 {
	if testing.Short() {
		return 1
	}
	for _, c := range s.commands {
		if n, err := strconv.ParseUint(c.words[len(c.words)-1], 10, 16); c.words[0] == "seeds" && err == nil {
			return n
		}
	}
	return 1
}

// rowsElsewhere is the rows of the table of threats that are no matter of asking, with the
// test that has them.
var rowsElsewhere = map[string]string{
	"R16": "pkg/resolve/special_test.go TestRegistries",
	"R23": "pkg/compile/zones_test.go TestZones",
}

// rowsLater is those that no test can have before the part of the program that they are about
// is there: what happens to a target that was gone for a while is for the watch mode.
var rowsLater = []string{"R18"}

// threatRows is how many rows the table has.
const threatRows = 25

// Every threat to an answer has a scenario, or a test elsewhere.
func TestScenarioRows(t *testing.T) {
	all, err := loadScenarios(t, scenarioDir)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, s := range all {
		rows = append(rows, s.rows...)
	}
	for i := range threatRows {
		row := fmt.Sprintf("R%d", i+1)
		places := 0
		for _, is := range []bool{slices.Contains(rows, row), rowsElsewhere[row] != "", slices.Contains(rowsLater, row)} {
			if is {
				places++
			}
		}
		if places != 1 {
			t.Errorf("%s has %d places; it is in scenarios, tested elsewhere or for later", row, places)
		}
	}
	for row, where := range rowsElsewhere {
		file, test, _ := strings.Cut(where, " ")
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil || !regexp.MustCompile(`(?m)^func `+test+`\(`).Match(text) {
			t.Errorf("%s: no %s in %s", row, test, file)
		}
	}
}

// A scenario that does not hold, or does not say what it wants, fails and tells where.
func TestScenarioRunner(t *testing.T) {
	const world = "\n-- world --\na.example.net. 60 IN A 192.0.2.1\n"
	const good = "# It works.\nserver 192.0.2.53 world\nclient udp://192.0.2.53\nlookup a.example.net A\n    addresses 192.0.2.1\n    ttl 60\n    by udp://192.0.2.53\n"
	tests := []struct{ text, want string }{
		{good + world, ""},
		{good + "asked 192.0.2.53 * * 1\nsockets * udp opened 1-2\n" + world, ""},

		{"server 192.0.2.53 world\n" + world, "x.txt:1: the first line is a sentence behind #"},
		{"# Too short\n" + world, "x.txt:1: the first line is a sentence behind #"},
		{"# Nothing.\nserver 192.0.2.53 world\n" + world, "x.txt:1: nothing is expected"},
		{good, "x.txt:2: no world \"world\""},
		{good + world + "-- other --\n", "x.txt:1: no server has the world \"other\""},
		{good + world + "-- world --\n", "x.txt:1: two worlds \"world\""},
		{good + "sevrer 192.0.2.54 world\n" + world, "x.txt:8: unknown word \"sevrer\""},
		{good + "wait\n" + world, "x.txt:8: use: wait TIME"},
		{good + "\n    attempts 1\n" + world, "x.txt:9: an expectation that is not right below its command"},
		{good + "wait 1s\n    attempts 1\n" + world, "x.txt:9: nothing to expect here"},

		{good + "wait soon\n" + world, "x.txt:8: time: invalid duration \"soon\""},
		{good + "link 192.0.2.54\n" + world, "x.txt:8: no server at 192.0.2.54"},
		{good + "link 192.0.2.53 slow\n" + world, "x.txt:8: unknown property \"slow\" of a link"},
		{good + "server 192.0.2.53 world\n" + world, "x.txt:8: there is a server at 192.0.2.53"},
		{good + "fault 192.0.2.53 * * servfial\n" + world, "x.txt:8: fault \"servfial\": unknown word \"servfial\""},
		{good + "fault 192.0.2.53 b.example.net A drop\n" + world, "x.txt:8: nothing met this fault"},
		{good + "forger 9 ttl\n" + world, "x.txt:8: unknown field \"ttl\""},
		{good + "client udp://192.0.2.53 fast=1\n" + world, "x.txt:8: unknown option \"fast\""},
		{good + "begin a.example.net A\n" + world, "x.txt:8: nothing is expected of the lookup of a.example.net."},
		{good + "answer a.example.net A\n    NODATA\n" + world, "x.txt:8: no lookup of a.example.net A is under way"},
		{good + "lookup a.example.net MX\n    NODATA\n" + world, "x.txt:8: type \"MX\" is neither A nor AAAA"},
		{good + "lookups n=0 a.example.net A\n    addresses 1\n" + world, "x.txt:8: use: lookups n=N"},
		{good + "asked 192.0.2.53 * * many\n" + world, "x.txt:8: strconv.Atoi"},
		{good + "sockets * udp closed 1\n" + world, "x.txt:8: unknown word \"closed\""},

		{good + "asked 192.0.2.53 * * 2\n" + world, "x.txt:8: got 1, want 2"},
		{good + "asked 192.0.2.53 * * tcp 1-3\n" + world, "x.txt:8: got 0, want 1-3"},
		{good + "lookup a.example.net A\n" + world, "x.txt:8: nothing is expected of this"},
		{good + "lookup a.example.net A\n    addresses 192.0.2.2\n    ttl 60\n    by udp://192.0.2.53\n" + world, "got  addresses 192.0.2.1\n    want addresses 192.0.2.2"},
		{good + "lookup a.example.net A\n    addresses 192.0.2.1\n    by udp://192.0.2.53\n" + world, "got  ttl 60"},
		{good + "lookup a.example.net A\n    addresses 192.0.2.1\n    ttl 60-61\n    by udp://192.0.2.53\n    stale\n" + world, "want stale"},
		{good + "lookup a.example.net A\n    addresses 192.0.2.1\n    ttl 60\n    by udp://192.0.2.53\n    took 1s-\n" + world, "got  took 0s\n    want took 1s-"},
		{good + "lookups n=2 a.example.net A\n    addresses 1\n" + world, "got  addresses 2\n    want addresses 1"},
		{good + "lookups n=2 a.example.net A\n    NODATA 0-2\n" + world, "got  addresses 2"},
		{good + "fault 192.0.2.53 * * addresses=2\nlookups n=1 a.example.net A\n    addresses 1\n" + world, "got  wrong 1"},
		{good + "lookups n=1 a.example.net A\n    addresses 1\n    took 1h-2h\n" + world, "got  took 0s"},
		{good + "queries 192.0.2.53\n    query tcp a.example.net. A rd\n" + world, "got  query udp a.example.net. A rd edns=1232 cookie=8"},
	}
	for _, tt := range tests {
		problems := problemsOf(t, tt.text)
		if tt.want == "" {
			if problems != "" {
				t.Errorf("%s\nfails with %s", tt.text, problems)
			}
			continue
		}
		if !strings.Contains(problems, tt.want) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, problems, tt.want)
		}
	}
	if _, err := loadScenarios(t, t.TempDir()); err == nil {
		t.Error("a folder without a scenario is accepted")
	}
}

// problemsOf is what goes against a scenario, where it is written wrong or when it runs.
func problemsOf(t *testing.T, text string) string {
	t.Helper()
	s, err := parseScenario("x.txt", []byte(text))
	if err != nil {
		return err.Error()
	}
	var problems []string
	synctest.Test(t, func(t *testing.T) { problems, _ = perform(t, s, 1) })
	return strings.Join(problems, "\n")
}

// What is rewritten holds, keeps ranges, times and remarks, and is then left alone.
func TestScenarioUpdate(t *testing.T) {
	const before = `# It works.
# R1
server 192.0.2.53 world
client udp://192.0.2.53

lookup a.example.net A
    NXDOMAIN
    took 0s-1s
    ttl 1-100
    attempts 7
# A remark.
lookups n=2 a.example.net A
    NODATA 2
asked 192.0.2.53 * * 1-9
asked 192.0.2.53 * * udp 9

-- world --
a.example.net. 60 IN A 192.0.2.1
`
	const after = `# It works.
# R1
server 192.0.2.53 world
client udp://192.0.2.53

lookup a.example.net A
    addresses 192.0.2.1
    ttl 1-100
    by udp://192.0.2.53
    took 0s-1s
    attempts 1
# A remark.
lookups n=2 a.example.net A
    addresses 2
asked 192.0.2.53 * * 1-9
asked 192.0.2.53 * * udp 2

-- world --
a.example.net. 60 IN A 192.0.2.1
`
	text := before
	for range 2 {
		s, err := parseScenario("x.txt", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			_, blocks := perform(t, s, 1)
			text = string(s.rewrite(blocks))
		})
		if text != after {
			t.Fatalf("got %s", text)
		}
	}
	if problems := problemsOf(t, after); problems != "" {
		t.Error(problems)
	}
}
