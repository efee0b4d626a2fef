package compile_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// TestCompileReloads goes the whole way for each server: the world changes, and
// the server has it. Then a serial is in the way.
func TestCompileReloads(t *testing.T) {
	t.Parallel()
	aliasflat := buildProgram(t)
	for _, server := range []struct {
		driver  string
		start   func(testing.TB, map[string]judge.Steered) *judge.Server
		options string
	}{
		{"bind", judge.StartSteeredNamed, "ixfr-from-differences yes;"},
		{"nsd", judge.StartSteeredNSD, ""},
		{"knot", judge.StartSteeredKnot, ""},
	} {
		t.Run(server.driver, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put := func(name, text string) string {
				t.Helper()
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return path
			}
			compile := func(config string, more ...string) (int, string) {
				cmd := exec.CommandContext(t.Context(), string(aliasflat), append([]string{"compile", "--config", config}, more...)...)
				said, err := cmd.CombinedOutput()
				if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
					t.Fatal(err)
				}
				return cmd.ProcessState.ExitCode(), string(said)
			}
			put("example.com.zone", "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n@ ALIAS cdn.example.net.\n")
			put("answers.zone", "cdn.example.net. 60 IN A 192.0.2.1\n")
			settings := "resolvers: [\"file:answers.zone\"]\nzones:\n  - source: example.com.zone\n    output: example.com.db\n    for: " + server.driver + "\n"
			if status, said := compile(put("first.yaml", settings)); status != 0 {
				t.Fatal(said)
			}
			running := server.start(t, map[string]judge.Steered{"example.com": {File: filepath.Join(dir, "example.com.db"), Options: server.options}})
			running.WaitReady(t, "example.com")
			config := put("aliasflat.yaml", settings+fmt.Sprintf("    reload: {driver: %s, server: %q, command: [%s]}\n", server.driver, running.Addr, strings.Join(running.Control, ", ")))

			put("answers.zone", "cdn.example.net. 60 IN A 192.0.2.2\n")
			if status, said := compile(config); status != 0 || !strings.HasSuffix(said, ", serial 7 -> 8, reloaded\n") {
				t.Fatalf("status %d: %s", status, said)
			}
			answer := running.Query(t, "example.com", dns.TypeA)
			if serial := running.WaitReady(t, "example.com"); serial != 8 || len(answer.Answer) != 1 || dns.Field(answer.Answer[0], 1) != "192.0.2.2" {
				t.Errorf("serial %d, %v", serial, answer.Answer)
			}
			if status, said := compile(config, "--reload"); status != 0 || !strings.HasSuffix(said, ", serial 8, unchanged, reloaded\n") {
				t.Errorf("status %d: %s", status, said)
			}

			// The file that was published is lost, and with it the serial.
			if err := os.Remove(filepath.Join(dir, "example.com.db")); err != nil {
				t.Fatal(err)
			}
			put("answers.zone", "cdn.example.net. 60 IN A 192.0.2.3\n")
			status, said := compile(config)
			if status != 4 || !strings.Contains(said, "serves example.com with serial 8, which is later than the serial 7") ||
				!strings.Contains(said, "--serial-from dns://"+running.Addr) {
				t.Errorf("status %d: %s", status, said)
			}
			if _, err := os.Stat(filepath.Join(dir, "example.com.db")); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}
