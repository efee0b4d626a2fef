package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/delay"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
)

// dnsperfText is what dnsperf 2.10.0 prints, in part.
const dnsperfText = `DNS Performance Testing Tool
Version 2.10.0

[Status] Testing complete (end of file)

Statistics:

  Queries sent:         %d
  Queries completed:    %d (100.00%%)
  Queries lost:         %d (0.00%%)

  Response codes:       NOERROR %d (100.00%%)
  Average packet size:  request 32, response 64
  Run time (s):         1.531860
  Queries per second:   130560.233964

  Average Latency (s):  0.000711 (min 0.000018, max 0.007604)
`

// peerForTest plays a program that asks, far enough for its output to be read.
func peerForTest(name string, args []string) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	for _, f := range []string{"s", "p", "d", "n", "q", "c", "t", "r", "o", "w"} {
		if name == "massdns" && f == "q" {
			flags.Bool(f, false, "")
			continue
		}
		flags.String(f, "", "")
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if name == "dnsperf" {
		questions, err := os.ReadFile(flags.Lookup("d").Value.String())
		n := bytes.Count(questions, []byte("\n"))
		_, printed := fmt.Printf(dnsperfText, n, n, 0, n)
		return status(errors.Join(err, printed))
	}
	names, err := os.ReadFile(flags.Arg(0))
	var text strings.Builder
	for line := range strings.Lines(string(names)) {
		owner := strings.TrimSpace(line)
		fmt.Fprintf(&text, "%[1]s A 192.0.2.1\n%[1]s A 192.0.2.2\n%[1]s AAAA 2001:db8::1\n", owner)
	}
	return status(errors.Join(err, os.WriteFile(flags.Lookup("w").Value.String(), []byte(text.String()), 0o600)))
}

func status(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// buildProgram builds aliasflat itself.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aliasflat")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../../cmd/aliasflat").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestResolvePart runs all of it at a small size, with the program itself and
// a real name server. The test program plays the peers that are not installed,
// but for PowerDNS.
func TestResolvePart(t *testing.T) {
	peers := t.TempDir()
	for _, name := range []string{"dnsperf", "massdns"} {
		if err := os.Symlink(self(t), filepath.Join(peers, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+peers)
	var out bytes.Buffer
	err := run(t.Context(), []string{"-aliasflat", buildProgram(t), "-part", partResolve, "-rounds", "1", "-targets", "100", "-long"}, &out, io.Discard)
	rows := []string{
		"100 targets, A and AAAA of each", "x dnsperf", "Cost by number of targets", compileRow, engineRow, "dnsperf", "massdns",
		"\n1 ALIAS records, every answer after 20ms", "\n10 ALIAS records, every answer after 20ms", "queries were held back",
	}
	if _, missing := exec.LookPath(sbin("pdns_server")); missing == nil {
		rows = append(rows, "one AXFR from PowerDNS")
	} else if err == nil || !strings.Contains(err.Error(), "pdns_server is not installed") {
		t.Errorf("without PowerDNS: %v", err)
	} else {
		err = nil
	}
	if err != nil {
		t.Error(err)
	}
	for _, row := range rows {
		if !strings.Contains(out.String(), row) {
			t.Errorf("no %q in\n%s", row, out.String())
		}
	}
	if strings.Contains(out.String(), "Start-up") {
		t.Error("the other part ran too")
	}
}

// TestResolvePartWrongOutput has a program in the part of aliasflat that leaves
// the ALIAS records as they are.
func TestResolvePartWrongOutput(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-aliasflat", self(t), "-part", partResolve, "-rounds", "1", "-targets", "10", "-powerdns=false"}, &out, io.Discard)
	for _, part := range []string{compileRow + ": ", `"ALIAS" at line: 6`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
	if !strings.Contains(out.String(), engineRow) || strings.Contains(out.String(), "PowerDNS") {
		t.Errorf("printed\n%s", out.String())
	}
}

// world gives the zone of the targets with absolute names, as package dnstest
// reads it.
func world(t *testing.T, targets int) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("target.test. 300 IN SOA ns.target.test. hostmaster.target.test. 1 7200 900 1209600 300\n")
	for n := range targets {
		for _, address := range zonegen.TargetAddresses(n) {
			fmt.Fprintf(&text, "%s 300 IN %s %s\n", zonegen.TargetName(n), map[bool]string{true: "AAAA", false: "A"}[address.Is6()], address)
		}
	}
	return text.String()
}

func TestEngine(t *testing.T) {
	server := dnstest.Start(t, world(t, 5))
	ask := func(targets string) (engineCost, error) {
		var out bytes.Buffer
		err := run(t.Context(), []string{"-engine", server.URL(), "-targets", targets}, &out, io.Discard)
		var cost engineCost
		if err == nil {
			err = json.Unmarshal(out.Bytes(), &cost)
		}
		return cost, err
	}
	if cost, err := ask("5"); err != nil || cost.Wall <= 0 || cost.CPU <= 0 || cost.Memory <= 0 || cost.Lost != 0 || cost.Again != 0 {
		t.Errorf("%+v, %v", cost, err)
	}
	if cost, err := ask("6"); err == nil || !strings.Contains(err.Error(), "t5.target.test.: NXDOMAIN [], want [192.0.2.6") {
		t.Errorf("a name without addresses: %+v, %v", cost, err)
	}
	fail := func(name string, qtype uint16, text string) {
		t.Helper()
		f, err := dnstest.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		server.Fault(name, qtype, f)
	}
	fail(zonegen.TargetName(2), dns.TypeA, "servfail")
	next := server.Count(zonegen.TargetName(3), dns.TypeAAAA) + 1
	fail(zonegen.TargetName(3), dns.TypeAAAA, fmt.Sprintf("servfail,nth=%d", next))
	if cost, err := ask("5"); err != nil || cost.Lost != 1 || cost.Again != 1 {
		t.Errorf("after SERVFAIL: %+v, %v", cost, err)
	}
	if err := engine(t.Context(), io.Discard, "no resolver", 1); err == nil {
		t.Error("no resolver is one")
	}
}

func TestFlattened(t *testing.T) {
	good := "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 300\nns A 192.0.2.1\n" +
		"a1 A 198.51.100.1\n A 192.0.2.2\n AAAA 2001:db8::1\na0 AAAA 2001:db8::\n A 192.0.2.1\n A 198.51.100.1\n"
	for _, c := range []struct{ old, with, want string }{
		{"", "", ""},
		{"$TTL", "; a comment of dig\n$TTL", ""},
		{" AAAA 2001:db8::1\n", "\n", "it has 5 A and 1 AAAA records, want 5 and 2"},
		{"192.0.2.2", "192.0.2.3", "its addresses are not those"},
		{"a1 ", "a2 ", "its addresses are not those"},
		{"a1 A", "a1 ALIAS", `"ALIAS" at line: 5`},
	} {
		file := filepath.Join(t.TempDir(), "zone")
		if err := os.WriteFile(file, []byte(strings.Replace(good, c.old, c.with, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		err := flattened(file, 2)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %v, want %q", c.with, c.old, err, c.want)
		}
	}
	if err := flattened(filepath.Join(t.TempDir(), "none"), 2); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestReadDnsperf(t *testing.T) {
	var u usage
	if err := readDnsperf(fmt.Sprintf(dnsperfText, 20, 18, 2, 18), 20, &u); err != nil || u.lost != 2 || u.wall != 1531860*time.Microsecond {
		t.Errorf("%+v, %v", u, err)
	}
	for want, text := range map[string]string{
		"of 20 questions it has 20 answers, 19 of them NOERROR, and lost 0": fmt.Sprintf(dnsperfText, 20, 20, 0, 19),
		"of 20 questions it has 10 answers":                                 fmt.Sprintf(dnsperfText, 10, 10, 0, 10),
		`does not tell "Queries lost"`:                                      "  Queries completed: 20 (100.00%)\n",
		"Queries completed: ":                                               "  Queries completed: 1.2.3\n",
	} {
		if err := readDnsperf(text, 20, &u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestReadMassdns(t *testing.T) {
	var u usage
	text := "t0.target.test. A 192.0.2.1\nt0.target.test. A 198.51.100.1\nt0.target.test. AAAA 2001:db8::\n"
	if err := readMassdns(strings.NewReader(text), 2, &u); err != nil || u.lost != 2 {
		t.Errorf("lost %d, %v", u.lost, err)
	}
	if err := readMassdns(strings.NewReader(text+text), 1, &u); err == nil || !strings.Contains(err.Error(), "4 A and 2 AAAA records for 1 targets") {
		t.Errorf("too many: %v", err)
	}
	if err := readMassdns(strings.NewReader(strings.Repeat("x", 1<<20)), 1, &u); err == nil {
		t.Error("an endless line is read")
	}
}

// TestPeersWithoutOutput has the reports look for files that are not there.
func TestPeersWithoutOutput(t *testing.T) {
	a := &asking{bench: &bench{dir: t.TempDir()}}
	for _, c := range []command{a.dnsperf("", 0), a.massdns("", "", 0), a.engine("", 0)} {
		if err := c.report(new(usage)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestQuestionTable(t *testing.T) {
	results := []result{
		{name: "quick", usage: usage{wall: time.Second, cpu: time.Second, memory: 10 << 20, arrived: 200_400}},
		{name: "slow", usage: usage{wall: 2 * time.Second, cpu: time.Second, memory: 1 << 20, lost: 3, again: -1}},
		{name: "broken", err: errors.New("broken: exit status 1")},
	}
	var out bytes.Buffer
	if err := questionTable(&out, "Zone", results, "slow", 100_000); err != nil {
		t.Fatal(err)
	}
	want := `Zone

  queries/s  x slow  CPU us/query  wall s   MiB  lost  again  packets/query  command
     100000   2.000         10.00  1.0000  10.0     0      0          2.004  quick
      50000   1.000         10.00  2.0000   1.0     3      -              -  slow
          -       -             -       -     -     -      -              -  broken: exit status 1
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestComplete(t *testing.T) {
	if err := complete(result{name: engineRow}, 9); err != nil {
		t.Error(err)
	}
	err := complete(result{name: engineRow, usage: usage{lost: 2}}, 9)
	if err == nil || err.Error() != "its engine alone: of 9 targets it lost up to 2 questions a round" {
		t.Error(err)
	}
}

// TestLostOnce has one round of three lose questions.
func TestLostOnce(t *testing.T) {
	turn := int64(0)
	c := command{name: "x", args: []string{self(t), "say"}, report: func(u *usage) error {
		turn++
		u.lost = turn % 2 * 5
		return nil
	}}
	results, err := measure(t.Context(), []command{c}, 3)
	if err != nil || results[0].lost != 5 || results[0].again != -1 {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestDelayed(t *testing.T) {
	var out bytes.Buffer
	if err := delayed(&out, delay.Counts{Queries: 30, Answers: 28, Held: 7}); err != nil ||
		out.String() != "\n30 queries were held back, up to 7 at a time; without an answer were 2\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	if err := delayed(&out, delay.Counts{Queries: 30, Answers: 30, Lost: 1}); err == nil || !strings.Contains(err.Error(), "lost 1 packets itself") {
		t.Errorf("%v", err)
	}
}

func TestSNMPCounter(t *testing.T) {
	const text = "Ip: Forwarding InReceives\nIp: 1 2\nUdp: InDatagrams NoPorts OutDatagrams\nUdp: 5 6 7\nUdpLite: OutDatagrams\nUdpLite: 9\nBad: n\nBad: x\n"
	for _, c := range []struct {
		protocol, name string
		want           int64
	}{{"Udp:", "OutDatagrams", 7}, {"Ip:", "Forwarding", 1}, {"Udp:", "InErrors", 0}, {"Tcp:", "OutSegs", 0}, {"Bad:", "n", 0}} {
		if got := snmpCounter(text, c.protocol, c.name); got != c.want {
			t.Errorf("%s %s is %d, want %d", c.protocol, c.name, got, c.want)
		}
	}
}

func TestCountDatagrams(t *testing.T) {
	broken := errors.New("broken")
	order := []string{}
	c := command{
		prepare: func() error { order = append(order, "prepare"); return broken },
		report:  func(*usage) error { order = append(order, "report"); return nil },
	}
	c.countDatagrams()
	if err := c.prepare(); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := c.report(new(usage)); err != nil || !slices.Equal(order, []string{"prepare", "report"}) {
		t.Errorf("%v, %v", order, err)
	}
}

func TestOnStage(t *testing.T) {
	var order []string
	var dir string
	err := onStage(t.Context(), func(tb testing.TB) error {
		tb.Helper()
		dir = tb.TempDir()
		tb.Cleanup(func() { order = append(order, "first") })
		tb.Cleanup(func() { order = append(order, "second") })
		if tb.Context() != t.Context() {
			t.Error("another context")
		}
		tb.Fatalf("no %s", "port")
		return nil
	})
	if err == nil || err.Error() != "no port" || !slices.Equal(order, []string{"second", "first"}) {
		t.Errorf("%v, %v", err, order)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is still there: %v", err)
	}
	broken := errors.New("broken")
	if err := onStage(t.Context(), func(testing.TB) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if err := onStage(t.Context(), func(tb testing.TB) error { tb.Helper(); tb.TempDir(); return nil }); err == nil {
		t.Error("a folder where there is none")
	}
	defer func() {
		if recover() == nil {
			t.Error("a panic is swallowed")
		}
	}()
	_ = onStage(t.Context(), func(testing.TB) error { panic("a fault of the program") })
}
