package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out bytes.Buffer
	a := &app{format: "text"}
	c, err := a.settings(&out)
	if err != nil || c == nil || out.Len() > 0 {
		t.Fatalf("no file at all: %v, %v, %q", c, err, out.String())
	}

	if err := os.WriteFile("aliasflat.yaml", []byte("timeuot: 1s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var reported reportedError
	if _, err = a.settings(&out); !errors.As(err, &reported) || reported.outcome != outcomeUsage {
		t.Errorf("a mistake gave %v", err)
	}
	if !strings.HasPrefix(out.String(), "aliasflat.yaml:1:1: error: unknown key") {
		t.Errorf("the mistake was shown as %q", out.String())
	}

	a.configFile = "none.yaml"
	var usage usageError
	if _, err = a.settings(&out); !errors.As(err, &usage) {
		t.Errorf("a file that does not exist gave %v", err)
	}
}

func TestSameFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a.zone", "b.zone"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.zone", "link.zone"); err != nil {
		t.Skip("no links on this system: ", err)
	}
	same := sameFile("./a.zone")
	for source, want := range map[string]bool{"a.zone": true, "link.zone": true, "b.zone": false, "none.zone": false} {
		if got := same(source); got != want {
			t.Errorf("sameFile(a.zone)(%s) = %v", source, got)
		}
	}
	if !sameFile("none.zone")("./none.zone") {
		t.Error("two spellings of a path that does not exist are not the same")
	}
}
