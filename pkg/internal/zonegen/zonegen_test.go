package zonegen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

var aliasWord = regexp.MustCompile(`\bALIAS\b`)

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func file(t *testing.T, zone string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(name, []byte(zone), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPlainIsAcceptedAndCounted(t *testing.T) {
	for _, c := range []struct{ records, aliases, want int }{
		{0, 0, 16},
		{16, 0, 16},
		{20, 1, 20},
		{500, 100, 500},
		{10, 10, 26},
		{30000, 30, 30000},
	} {
		t.Run(fmt.Sprint(c.records, c.aliases), func(t *testing.T) {
			zone := file(t, written(t, func(w io.Writer) error { return Plain(w, c.records, c.aliases) }))
			accepted(t, "example.com", zone)
			lines := judge.NamedCompile(t, "example.com", zone)
			if len(lines) != c.want {
				t.Errorf("%d records, want %d", len(lines), c.want)
			}
			if got := judge.NSDPrint(t, "example.com", zone); len(got) != c.want {
				t.Errorf("NSD reads %d records", len(got))
			}
			if got := judge.LDNSRead(t, zone); len(got) != c.want {
				t.Errorf("ldns reads %d records", len(got))
			}
		})
	}
}

func accepted(t *testing.T, origin, zone string) {
	t.Helper()
	if v := judge.NamedCheck(t, origin, zone); !v.OK || strings.Contains(v.Output, "warning") {
		t.Errorf("BIND: %s", v.Output)
	}
	if v := judge.NSDCheck(t, origin, zone); !v.OK {
		t.Errorf("NSD: %s", v.Output)
	}
	if v := judge.KnotCheck(t, origin, zone); !v.OK {
		t.Errorf("Knot: %s", v.Output)
	}
}

// TestPlainDiffersInAliasesOnly holds the two forms of the zone side by side.
func TestPlainDiffersInAliasesOnly(t *testing.T) {
	const aliases = 25
	source := written(t, func(w io.Writer) error { return Realistic(w, 2000, aliases) })
	plain := written(t, func(w io.Writer) error { return Plain(w, 2000, aliases) })
	a, b := strings.Split(source, "\n"), strings.Split(plain, "\n")
	if len(a) != len(b) {
		t.Fatalf("%d and %d lines", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] && !aliasWord.MatchString(a[i]) && !strings.Contains(a[i], ".cdn.example.net.") {
			t.Errorf("line %d: %q became %q", i+1, a[i], b[i])
		}
	}
	if got := len(aliasWord.FindAllString(source, -1)); got != aliases {
		t.Errorf("%d ALIAS records", got)
	}
	if aliasWord.MatchString(plain) {
		t.Error("the plain zone has an ALIAS record")
	}
}

func TestShape(t *testing.T) {
	source := written(t, func(w io.Writer) error { return Realistic(w, 30000, 30) })
	for _, part := range []string{
		"\tA\t", "\tAAAA\t", "\tNS\t", "CNAME\t", "\tMX\t", "\tTXT\t", "SRV\t", "\tCAA\t", "\tHTTPS\t", "\tDS\t",
		"\tPTR\t", "\tTLSA\t", "\tSSHFP\t", "$ORIGIN site", "$TTL", "(\n", "\n\t", `\"`, `; p=`, " ; rack ",
	} {
		if !strings.Contains(source, part) {
			t.Errorf("no %q in the zone", part)
		}
	}
	if size := len(source) / 30000; size < 35 || size > 50 {
		t.Errorf("%d bytes a record", size)
	}
}

func TestWorld(t *testing.T) {
	const aliases = 200
	source := written(t, func(w io.Writer) error { return Realistic(w, 1000, aliases) })
	world := written(t, func(w io.Writer) error { return World(w, aliases) })
	changed := written(t, func(w io.Writer) error { return ChangedWorld(w, aliases) })
	if world == changed || strings.Count(changed, "198.51.100.255\n") != aliases/5 {
		t.Error("not every fifth target changed")
	}
	for i := range aliases {
		target := fmt.Sprintf("t%d.cdn.example.net.", i)
		if strings.Count(source, target) != 1 {
			t.Errorf("%s is not used once", target)
		}
		for name, answers := range map[string]string{"world": world, "changed": changed} {
			v4 := strings.Count(answers, "\n"+target+" ") - aaaa(answers, target)
			if v4 < 1 || v4 > 4 || aaaa(answers, target) > 2 {
				t.Errorf("%s: %s has %d A and %d AAAA", name, target, v4, aaaa(answers, target))
			}
		}
	}
	// The answers are a zone but for the NS records at its apex.
	zone := file(t, world+"example.net. 300 IN NS ns.example.org.\n")
	if v := judge.NSDCheck(t, "example.net", zone); !v.OK {
		t.Error(v.Output)
	}
	records := len(judge.NamedCompile(t, "example.net", zone))
	if lines := strings.Count(world, "\n") + 1; records != lines {
		t.Errorf("%d of %d records are different ones", records, lines)
	}
}

// aaaa counts the AAAA records of a target.
func aaaa(answers, target string) int {
	return len(regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+` \d+ IN AAAA`).FindAllString(answers, -1))
}

func TestDelegations(t *testing.T) {
	for _, records := range []int{6, 7, 8, 1000, 20000} {
		zone := file(t, written(t, func(w io.Writer) error { return Delegations(w, records) }))
		accepted(t, "test", zone)
		if got := len(judge.NamedCompile(t, "test", zone)); got != records {
			t.Errorf("%d records, want %d", got, records)
		}
	}
}

func TestSameBytes(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"realistic":   func(w io.Writer) error { return Realistic(w, 3000, 30) },
		"world":       func(w io.Writer) error { return World(w, 30) },
		"delegations": func(w io.Writer) error { return Delegations(w, 3000) },
	} {
		once, again := written(t, write), written(t, write)
		if once != again {
			t.Errorf("%s differs from one time to the next", name)
		}
	}
}

type fullDisk struct{}

var errFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	for name, err := range map[string]error{
		"realistic":   Realistic(fullDisk{}, 10, 1),
		"world":       World(fullDisk{}, 1),
		"delegations": Delegations(fullDisk{}, 10),
		"aliases":     Aliases(fullDisk{}, 10),
		"targets":     Targets(fullDisk{}, 10),
	} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
