package publish

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// lines are findings as doctor prints them, with words for what differs from run
// to run.
func lines(found []Finding, b *bench) string {
	var text strings.Builder
	for _, f := range found {
		fmt.Fprintf(&text, "%v %s: %s", f.Level, f.Subject, f.Message)
		if f.Hint != "" {
			text.WriteString(" | " + f.Hint)
		}
		text.WriteString("\n")
	}
	// NSD may have given a secondary up by now.
	settled := strings.ReplaceAll(text.String(), "in state expired", "in state refreshing")
	return strings.NewReplacer(
		strings.Join(b.server.Control, " "), "TOOL", b.server.Addr, "SERVER", filepath.Dir(b.file), "DIR",
	).Replace(settled)
}

func (b *bench) served() Served {
	serial := b.serial
	return Served{
		Zone: zone.MustParseName(b.zone + "."), File: b.file, SelfNumbered: b.selfNumbered, Serial: &serial,
		Reload: Reload{Driver: b.driver, Server: b.server.Addr, Command: b.server.Control},
	}
}

// examines holds what is found about zones against what must be, and holds the
// folder of the files to what it was.
func examines(t *testing.T, b *bench, zones []Served, want string) {
	t.Helper()
	before := listing(t, filepath.Dir(b.file))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got := lines(Examine(ctx, zones), b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if after := listing(t, filepath.Dir(b.file)); !slices.Equal(before, after) {
		t.Errorf("the folder had\n%v\nand has\n%v", before, after)
	}
}

// listing tells what is in a folder, with times.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(e.Name(), " ", info.Size(), " ", info.ModTime()))
	}
	return names
}

func TestExamineBIND(t *testing.T) {
	t.Parallel()
	list := append(slices.Clone(namedSetUps), setUp{zone: "dynamic.test", driver: DriverBIND, options: "allow-update { 127.0.0.1; };"})
	benches := steered(t, list, judge.StartSteeredNamed)
	b := benches[0]
	var zones []Served
	for _, b := range benches {
		zones = append(zones, b.served())
	}
	stranger := b.served()
	stranger.Zone = zone.MustParseName("stranger.test.")
	moved := b.served()
	moved.File = filepath.Join(t.TempDir(), "other.db")
	later, far, earlier, unknown := b.served(), b.served(), b.served(), b.served()
	*later.Serial, *far.Serial, *earlier.Serial, unknown.Serial = 11, 10+1<<31, 9, nil
	zones = append(zones, stranger, moved, later, far, earlier, unknown)
	version := strings.TrimSpace(strings.TrimPrefix(toolSays(t, b, "status", "version: "), "version: "))
	version, _, _ = strings.Cut(version, " (")
	const (
		write = " | write ixfr-from-differences yes; into the zone or into options\n"
		off   = "warning zone plain.test: ixfr-from-differences is off: secondaries transfer the whole zone at every change" + write
	)
	examines(t, b, zones, strings.ReplaceAll(`ok TOOL: VERSION answers
`+off+`ok zone plain.test: SERVER serves serial 10, as the file has
ok zone ixfr.test: ixfr-from-differences is on: secondaries transfer what changed
ok zone ixfr.test: SERVER serves serial 10, as the file has
ok zone inline.test: BIND signs it inline under serials of its own; that of the file counts here
ok zone inline.test: SERVER serves serial 10, as the file has
error zone dynamic.test: dynamic.test is a dynamic zone of BIND, whose file only named may write | take allow-update and update-policy away from the zone, let it have inline-signing yes, or send it updates: publish: update://SERVER?key=NAME
ok zone dynamic.test: SERVER serves serial 10, as the file has
error zone stranger.test: TOOL zonestatus stranger.test: exit status 1: rndc: 'zonestatus' failed: not found; no matching zone 'stranger.test' in any view | write zone "stranger.test" { type primary; file "DIR/plain.test.db"; ixfr-from-differences yes; }; into named.conf
error zone plain.test: BIND reads DIR/plain.test.db, which is not the output `+moved.File+` | let it read the output, or write output: DIR/plain.test.db
`+off+`ok zone plain.test: SERVER serves serial 10, as the file has
`+off+`error zone plain.test: SERVER serves serial 10, and the file has 11: it was not loaded | `+byHand+`
`+off+`error zone plain.test: SERVER serves serial 10, and the file has 2147483658, exactly 2^31 away: neither is the later one | aliasflat serial plan shows the way to one serial for both
`+off+`error zone plain.test: SERVER serves serial 10, which is later than 9 of the file: it would not take the next one | go on from what it serves with serial-from: dns://SERVER
`+off+`warning zone plain.test: SERVER serves serial 10, and nothing tells the serial of the file | aliasflat compile writes it; where other records are served, begin with --serial-from dns://SERVER
`, "VERSION", version))
}

// toolSays gives the line of what the control tool says that begins so.
func toolSays(t *testing.T, b *bench, command, begin string) string {
	t.Helper()
	p := program{args: append(slices.Clone(b.server.Control), command)}
	said, err := p.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	t.Fatalf("%s says %s", command, said)
	return ""
}

func TestExamineNSD(t *testing.T) {
	t.Parallel()
	list := append(slices.Clone(nsdSetUps),
		setUp{zone: "secondary.test", driver: DriverNSD, options: "\trequest-xfr: AXFR 127.0.0.1@9 NOKEY\n"},
		setUp{zone: "broken.test", driver: DriverNSD})
	dir := t.TempDir()
	zones := map[string]judge.Steered{}
	var benches []*bench
	for _, s := range list {
		b := &bench{setUp: s, file: filepath.Join(dir, s.zone+".db"), serial: 10}
		text := made(t, b.zone, zoneText(b.zone, 10, 1, ""), "").Bytes()
		if s.zone == "broken.test" {
			text = append(text, "broken ALIAS target\n"...)
		}
		if err := os.WriteFile(b.file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		zones[s.zone] = judge.Steered{File: b.file, Options: s.options}
		benches = append(benches, b)
	}
	server := judge.StartSteeredNSD(t, zones)
	server.WaitReady(t, "nsd.test")
	var served []Served
	for _, b := range benches {
		b.server = server
		served = append(served, b.served())
	}
	b := benches[0]
	stranger := b.served()
	stranger.Zone = zone.MustParseName("stranger.test.")
	served = append(served, stranger)
	version := strings.TrimSpace(strings.TrimPrefix(toolSays(t, b, "status", "version: "), "version: "))
	examines(t, b, served, `ok TOOL: NSD `+version+` answers
ok zone nsd.test: NSD has it as primary
ok zone nsd.test: SERVER serves serial 10, as the file has
error zone secondary.test: NSD has it as secondary, in state refreshing, and takes no file of it | take request-xfr away from the zone there
ok zone broken.test: NSD has it as primary
error zone broken.test: SERVER answers SERVFAIL: it has the zone and could not load it | its log says why; what it reads must be the output: DIR/broken.test.db
error zone stranger.test: TOOL zonestatus stranger.test: exit status 1: error zone stranger.test not configured | write zone: with name: "stranger.test" and zonefile: "DIR/nsd.test.db" into nsd.conf, and run nsd-control reconfig
`)
}

func TestExamineKnot(t *testing.T) {
	t.Parallel()
	list := append(slices.Clone(knotSetUps),
		setUp{zone: "sync.test", driver: DriverKnot, options: "    zonefile-sync: 0\n    zonefile-load: difference\n    journal-content: all\n"},
		setUp{zone: "signed.test", driver: DriverKnot, options: "    zonefile-sync: 1h\n    zonefile-load: difference\n    journal-content: all\n    dnssec-signing: on\n"},
		setUp{zone: "keep.test", driver: DriverKnot, selfNumbered: true},
		setUp{zone: "numbers.test", driver: DriverKnot, options: "    zonefile-load: difference-no-serial\n    journal-content: all\n"},
	)
	benches := steered(t, list, judge.StartSteeredKnot)
	b := benches[0]
	var zones []Served
	for _, b := range benches {
		zones = append(zones, b.served())
	}
	*zones[2].Serial = 7 // of a server that counts on its own
	stranger := b.served()
	stranger.Zone = zone.MustParseName("stranger.test.")
	moved := b.served()
	moved.File = filepath.Join(t.TempDir(), "other.db")
	zones = append(zones, stranger, moved)
	const (
		noSync = "Knot does not write into the output (zonefile-sync: -1)\n"
		whole  = "Knot has zonefile-load: whole: secondaries transfer the whole zone at every change | write zonefile-load: difference and journal-content: all\n"
		same   = "SERVER serves serial 10, as the file has\n"
		change = "Knot has zonefile-load: difference: secondaries transfer what changed\n"
	)
	signed := benches[4].server.WaitReady(t, "signed.test")
	want := `ok TOOL: Knot DNS answers
ok zone plain.test: ` + noSync + `warning zone plain.test: ` + whole + `ok zone plain.test: ` + same +
		`ok zone serial.test: ` + noSync + `ok zone serial.test: ` + change + `ok zone serial.test: ` + same +
		`ok zone difference.test: ` + noSync + `ok zone difference.test: Knot has zonefile-load: difference-no-serial: secondaries transfer what changed
ok zone difference.test: SERVER serves serial 10 of its own, the file has 7
warning zone sync.test: Knot may write into the output (zonefile-sync: 0) | write zonefile-sync: -1 into the zone or its template
ok zone sync.test: ` + change + `ok zone sync.test: ` + same +
		`error zone signed.test: Knot writes what it serves into the output (zonefile-sync: 3600), and that is not what aliasflat wrote | write zonefile-sync: -1 into the zone or its template
ok zone signed.test: ` + change + fmt.Sprintf("error zone signed.test: SERVER serves serial %d, which is later than 10 of the file: it would not take the next one | go on from what it serves with serial-from: dns://SERVER\n", signed) +
		`ok zone keep.test: ` + noSync + `warning zone keep.test: Knot has zonefile-load: whole with serial: keep: a change without a new serial in the source reaches no secondary | write zonefile-load: difference-no-serial and journal-content: all there, or take serial: keep away
ok zone keep.test: ` + same +
		`ok zone numbers.test: ` + noSync + `warning zone numbers.test: Knot has zonefile-load: difference-no-serial: it numbers the zone itself, and its serials may pass those of the output | write serial: keep for the zone into aliasflat.yaml, or zonefile-load: difference there
ok zone numbers.test: ` + same +
		`error zone stranger.test: TOOL -- zone-status stranger.test: exit status 1: error: [stranger.test] (no such zone found) | write - domain: stranger.test with file: DIR/plain.test.db, zonefile-sync: -1, zonefile-load: difference and journal-content: all below zone: in knot.conf
error zone plain.test: Knot reads DIR/plain.test.db, which is not the output ` + moved.File + ` | let it read the output, or write output: DIR/plain.test.db
ok zone plain.test: ` + noSync + `warning zone plain.test: ` + whole + `ok zone plain.test: ` + same
	examines(t, b, zones, want)
}

// Tools that say other things than those of running servers.
func TestExamineTools(t *testing.T) {
	t.Parallel()
	nobodyThere := nobody(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "example.com.db")
	// says is a control tool with an answer for each command; no answer is a failure.
	says := func(answers string) []string {
		script := `case " $* " in ` + answers + ` *) echo unknown; exit 1 ;; esac`
		return []string{"sh", "-c", script, "sh"}
	}
	conf := filepath.Join(dir, "named.conf")
	const secondary = `*" status "*) echo "version: 1" ;; *" zonestatus "*) echo "type: secondary" ;;`
	named := func(status string) string {
		return `*" status "*) echo "version: BIND 9"; echo "` + status + `" ;; *" zonestatus "*) echo "type: primary" ;;`
	}
	silent := nobodyThere + " gave no serial: "
	tests := []struct {
		name   string
		reload Reload
		want   []string // beginnings of lines, a star behind what may go on
	}{
		{"no tool", Reload{Driver: DriverBIND, Command: []string{filepath.Join(dir, "rndc")}}, []string{
			"error DIR/rndc: DIR/rndc status: *",
		}},
		{"no tool by name", Reload{Driver: DriverNSD, Command: []string{"no-such-nsd-control"}}, []string{
			`error no-such-nsd-control: no-such-nsd-control status: exec: "no-such-nsd-control": executable file not found in $PATH | install it, or name it with its first arguments: reload: {driver: nsd, command: [...]}`,
			"error zone example.com: " + silent + "*",
		}},
		{"not rndc", Reload{Driver: DriverBIND, Command: says(`*) echo hello ;; `)}, []string{
			"error *: hello | the server must run, *",
		}},
		{"not nsd-control", Reload{Driver: DriverNSD, Command: says(`*) echo hello ;; `)}, []string{
			"error *: hello | *", "error zone example.com: " + silent + "*",
		}},
		{"not knotc", Reload{Driver: DriverKnot, Command: says(`*) echo hello ;; `)}, []string{
			"error *: hello | *", "error zone example.com: " + silent + "*",
		}},
		{"a secondary of BIND", Reload{Driver: DriverBIND, Command: says(secondary)}, []string{
			"ok *: 1 answers", "error zone example.com: BIND has it as secondary, and takes no file of it | *",
		}},
		{"a view of BIND", Reload{Driver: DriverBIND, View: "in", Command: says(secondary)}, []string{
			"ok *", "error zone example.com in view in: BIND has it as secondary, *",
		}},
		{"a secondary of Knot", Reload{Driver: DriverKnot, Command: says(`*" status "*) echo Running ;; *" zone-status "*) echo "[example.com.] role: slave | serial: 1" ;;`)}, []string{
			"ok *: Knot DNS answers", "error zone example.com: Knot has it as secondary, *",
		}},
		{"Knot tells no settings", Reload{Driver: DriverKnot, Command: says(`*" status "*) echo Running ;; *" zone-status "*) echo "role: master" ;;`)}, []string{
			"ok *", "warning zone example.com: how Knot has it could not be found out: *", "error zone example.com: " + silent + "*",
		}},
		{"Knot without a template", Reload{Driver: DriverKnot, Command: says(`*" status "*) echo Running ;; *" zone-status "*) echo "role: master" ;; *template*) echo "error: (invalid identifier)"; exit 1 ;; *" conf-read "*) echo "zone[example.com.].zonefile-load = none" ;;`)}, []string{
			"ok *", "warning zone example.com: Knot may write into the output (zonefile-sync: 0) | *",
			"error zone example.com: Knot has zonefile-load: none: it never reads the output | *", "error zone example.com: " + silent + "*",
		}},
		{"BIND names no configuration", Reload{Driver: DriverBIND, Command: says(named(""))}, []string{
			"ok *", "warning zone example.com: whether ixfr-from-differences is on could not be found out: rndc status does not name the configuration file | *",
			"error zone example.com: " + silent + "*",
		}},
		{"BIND is elsewhere", Reload{Driver: DriverBIND, Command: append(says(named("configuration file: "+conf)), "rndc", "-s", "192.0.2.1")}, []string{
			"ok *", "warning zone example.com: * named runs on another machine | *", "error *",
		}},
		{"named.conf is not to be had", Reload{Driver: DriverBIND, Command: append(says(named("configuration file: "+conf)), "rndc", "-s", "127.0.0.1")}, []string{
			"ok *", "warning zone example.com: whether ixfr-from-differences is on could not be found out: * named-checkconf -px DIR/named.conf: exit status 1: unknown | *", "error *",
		}},
		{"named.conf is not understood", Reload{Driver: DriverBIND, Command: append(says(named("configuration file: "+conf)+` *" named-checkconf -px "*) echo "zone {" ;;`), "rndc")}, []string{
			"ok *", "warning * could not be found out: what named-checkconf prints is not understood | *", "error *",
		}},
		{"named.conf has no such zone", Reload{Driver: DriverBIND, Command: append(says(named("configuration file: "+conf)+` *" named-checkconf -px "*) echo "options { };" ;;`), "rndc")}, []string{
			"ok *", "warning * could not be found out: named.conf does not have the zone | *", "error *",
		}},
		{"rndc on the way to another machine", Reload{Driver: DriverBIND, Command: append(says(named("configuration file: "+conf)+` *" named-checkconf -px "*) echo "zone example.com { ixfr-from-differences yes; };" ;;`), "rndc", "-s", "127.0.0.1")}, []string{
			"ok *", "ok zone example.com: ixfr-from-differences is on: *", "error *",
		}},
		{"not seen to be rndc", Reload{Driver: DriverBIND, Command: says(named("configuration file: " + conf))}, []string{
			"ok *", "warning zone example.com: * named runs on another machine | *", "error *",
		}},
		{"a program of one's own", Reload{Driver: DriverExec, Command: []string{"sh", "-c", "exit 1"}, Server: nobodyThere}, []string{
			"ok reload: *sh is there; what it does is not tried", "error zone example.com: " + silent + "*",
		}},
		{"a program of one's own alone", Reload{Driver: DriverExec, Command: []string{"sh"}}, []string{"ok reload: *"}},
		{"no program", Reload{Driver: DriverExec, Command: []string{"no-such-program"}}, []string{
			"error reload: no-such-program: executable file not found in $PATH | install it, or name another one",
		}},
		{"nothing", Reload{Driver: DriverNone}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reload := tt.reload
			if reload.Driver != DriverExec {
				reload.Server = nobodyThere
			}
			b := &bench{file: file, server: &judge.Server{Addr: "no address", Control: []string{"no tool"}}}
			got := strings.SplitAfter(lines(Examine(t.Context(), []Served{{Zone: zone.MustParseName("example.com."), File: file, Reload: reload}}), b), "\n")
			got = got[:len(got)-1]
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !globs(want+"\n", got[i]) {
					t.Errorf("got\n%swant\n%s", got[i], want)
				}
			}
		})
	}
}

// globs tells whether a text is as a pattern says, in which a star stands for
// anything.
func globs(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	for _, part := range parts {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return text == ""
}

func TestElsewhere(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{
		"": false, "-p 953 -k key": false, "-s 127.0.0.1": false, "-s ::1": false, "-s localhost": false, "-s127.0.0.1": false,
		"-s 192.0.2.1": true, "-s ns.example.com": true, "-s192.0.2.1": true,
	} {
		if got := elsewhere(strings.Fields(args)); got != want {
			t.Errorf("%q: %v", args, got)
		}
	}
}

func TestKnotFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ zone, template, want string }{
		{"", "", ""},
		{"zone[a.].file = /srv/a.zone\n", "", "/srv/a.zone"},
		{"zone[a.].file = \"/srv/a.zone\"\n", "template[default].file = /srv/b.zone\n", "/srv/a.zone"},
		{"zone[a.].file = a.zone\n", "template[default].storage = /srv\n", "/srv/a.zone"},
		{"zone[a.].file = a.zone\n", "template.id = default\n", ""},
		{"", "template[default].file = /srv/%s.zone\n", ""},
	} {
		s := knotSettings{}
		s.add(tt.zone)
		s.add(tt.template)
		if got := s.file(); got != tt.want {
			t.Errorf("%q, %q: %q, want %q", tt.zone, tt.template, got, tt.want)
		}
	}
}
