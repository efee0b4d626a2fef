package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	zone, world := filepath.Join(dir, "zone"), filepath.Join(dir, "world")
	var stdout, stderr bytes.Buffer
	if err := run([]string{"-records", "100", "-aliases", "3", "-o", zone, "-world", world}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(zone)
	if err != nil || bytes.Count(source, []byte("ALIAS")) != 3 || stdout.Len() > 0 {
		t.Errorf("%v, %d bytes on standard output:\n%s", err, stdout.Len(), source)
	}
	answers, err := os.ReadFile(world)
	if err != nil || !bytes.Contains(answers, []byte("t2.cdn.example.net. ")) {
		t.Errorf("%v\n%s", err, answers)
	}
	if err := run([]string{"-kind", "plain", "-records", "100", "-aliases", "3"}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if stdout.Len() == 0 || bytes.Contains(stdout.Bytes(), []byte("ALIAS")) {
		t.Errorf("plain:\n%s", stdout.String())
	}
	for kind, last := range map[string]string{"aliases": "\na2 ALIAS t2.target.test.\n", "targets": "\nt2 AAAA 2001:db8::2\n"} {
		stdout.Reset()
		if err := run([]string{"-kind", kind, "-aliases", "3"}, &stdout, &stderr); err != nil || !strings.HasSuffix(stdout.String(), last) {
			t.Errorf("%s: %v\n%s", kind, err, stdout.String())
		}
	}
}

func TestRunErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no", "file")
	for want, args := range map[string][]string{
		"-kind odd":           {"-kind", "odd"},
		"count from 0":        {"-records", "-1"},
		`"zone"`:              {"-records", "20", "zone"},
		"no such file":        {"-o", missing},
		"flag provided but":   {"-unknown"},
		missing + ": no such": {"-records", "20", "-world", missing},
	} {
		var stdout, stderr bytes.Buffer
		if err := run(args, &stdout, &stderr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
