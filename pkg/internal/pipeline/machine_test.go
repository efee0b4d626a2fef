//go:build linux

package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// machineTime is how long a machine may take, on a busy host.
const machineTime = 6 * time.Minute

// inMachine runs a script of testdata in a machine that is thrown away, see machine.sh, with
// files beside it, and gives what it said. Where no such machine can be made, the test is
// skipped.
func inMachine(t *testing.T, script string, files map[string]string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: only root can mount a copy of this machine")
	}
	shared, group := t.TempDir(), fmt.Sprintf("aliasflat-%d-%s", os.Getpid(), t.Name())
	t.Cleanup(func() { throwAway(t, group) })
	files["inside.sh"] = filepath.Join("testdata", script)
	for name, from := range files {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(shared, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, shared, "name", group)
	ctx, cancel := context.WithTimeout(t.Context(), machineTime)
	defer cancel()
	log := &judge.Buffer{}
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--net", "sh", "testdata/machine.sh", shared)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	said := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(shared, name)) // it may not be there
		return string(text)
	}
	for {
		select {
		case err := <-ended:
			if said("said") == "" && ctx.Err() == nil {
				t.Skipf("NOT TESTED: no machine can be made here: %v: %s", err, log)
			}
			t.Fatalf("the machine has ended: %v: %s\n%s", err, log, said("said"))
		case <-time.After(50 * time.Millisecond):
		}
		if status := said("done"); status != "" {
			// Its first process ends with the one that waits for it, and all others with that.
			cancel()
			if err := <-ended; err == nil {
				t.Error("the machine has ended before it was killed")
			}
			if status != "0\n" {
				t.Fatalf("status %s%s", status, said("said"))
			}
			return said("said")
		}
	}
}

// throwAway removes the control groups of a machine. Its files were in memory.
func throwAway(t *testing.T, group string) {
	t.Helper()
	script := `mount -t cgroup2 cgroup2 "$1" && cd "$1" && [ ! -d "$2" ] || find "$2" -depth -type d -exec rmdir {} +`
	folder := t.TempDir()
	var said []byte
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if said, err = exec.Command("unshare", "--mount", "sh", "-c", script, "sh", folder, group).CombinedOutput(); err == nil {
			break // the last of its processes may take a moment to end
		}
	}
	if err != nil {
		t.Errorf("its control groups stay: %v: %s", err, said)
	}
}

// packages are the built packages, by their suffix.
func packages(t *testing.T) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("packages take minutes to build")
	}
	found, err := buildPackages()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// buildPackages has the packages built, once for all tests.
var buildPackages = sync.OnceValues(func() (map[string]string, error) {
	if err := build(); err != nil { // which looks at the code that is in them
		return nil, err
	}
	for _, folder := range []string{"examples", ".ci", ".tools"} {
		if err := fs.WalkDir(os.DirFS("../../.."), folder, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(filepath.Join("../../..", path))
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(programs, "packages")
	cmd := exec.Command("sh", "../../../.ci/package.sh", dir)
	cmd.Env = append(os.Environ(), "VERSION=v1.2.3")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the packages: %w: %s", err, said)
	}
	found := map[string]string{}
	for _, suffix := range []string{"deb", "rpm"} {
		list, err := filepath.Glob(filepath.Join(dir, "*."+suffix))
		if err != nil || len(list) != 1 {
			return nil, fmt.Errorf("%s: %q, %w", suffix, list, err)
		}
		found[suffix] = list[0]
	}
	return found, nil
})
