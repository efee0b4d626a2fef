package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The demo shows all that its world does: the daemon, its files and its memory are those of
// watch, and only the world is faster.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out, complaints bytes.Buffer
	a := &app{stdout: &out, stderr: &complaints}
	cmd := newDemoCommand(a)
	cmd.SetContext(t.Context())
	began := time.Now()
	if err := (&demoCommand{app: a, speed: 4}).demo(cmd); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < demoPeriod/4 || took > demoPeriod {
		t.Errorf("it took %v", took)
	}
	if complaints.Len() > 0 {
		t.Errorf("it complains: %s", &complaints)
	}
	text := out.String()
	for _, want := range []string{
		"    old   ALIAS  old.example.net. ",
		"+example.com. 0 IN A 198.51.100.11\n",
		"+old.example.com. 0 IN A 192.0.2.80\n",
		"-shop.example.com. 0 IN A 203.0.113.20\n      +shop.example.com. 0 IN A 203.0.113.21\n",
		"+shop.example.com. 0 IN AAAA 2001:db8:300::21\n",
		"-example.com. 0 IN AAAA 2001:db8:100::10\n      +example.com. 0 IN AAAA 2001:db8:200::20\n",
		"out there: old.example.net is deleted (NXDOMAIN)\n",
		"example.com keeps the last good addresses: ALIAS old.example.com.: target old.example.net. does not exist, which is confirmed",
		"all is well again: example.com is published as source and targets have it\n",
		"example.com keeps the last good addresses: ALIAS api.example.com.: target api.example.net. A: no reply in 1s",
		"    aliasflat watch --state state -o out/ example.com.zone",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"-old.", "-api.", "IN SOA", "IN NS"} {
		if strings.Contains(text, never) {
			t.Errorf("it has %q", never)
		}
	}
	steps := regexp.MustCompile(`serial (\d+) -> (\d+)\n      [-+]`).FindAllStringSubmatch(text, -1)
	if len(steps) < 3 || !strings.Contains(text, "It was published "+strconv.Itoa(len(steps)+1)+" times") {
		t.Errorf("%d publications show what they change", len(steps)+1)
	}
	for i, step := range steps {
		if step[1] != strconv.Itoa(i+1) || step[2] != strconv.Itoa(i+2) {
			t.Errorf("publication %d: serial %s -> %s", i+2, step[1], step[2])
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A world that cannot be is an error, at the start and later.
func TestDemoWorldIsWrong(t *testing.T) {
	wrong := demoMove{name: "lb.example.net", records: "CNAME a.example.net.\nCNAME b.example.net."}
	for _, m := range []demoMove{wrong, {name: "lb.example.net", records: "A nothing"}, {name: "lb..example.net"}} {
		if _, _, err := newDemoWorld([]demoMove{m}, 1); err == nil {
			t.Errorf("%+v is taken", m)
		}
	}
	w, moves, err := newDemoWorld([]demoMove{{at: 1, name: wrong.name, records: wrong.records, say: "nonsense"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	if err := w.play(t.Context(), moves, func(say string) { said += say }); err == nil || said != "nonsense" {
		t.Errorf("%v, %q", err, said)
	}
}
