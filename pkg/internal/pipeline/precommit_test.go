package pipeline

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// preCommitHook is an entry of .pre-commit-hooks.yaml.
type preCommitHook struct {
	ID            string   `yaml:"id"`
	Name          string   `yaml:"name"`
	Description   string   `yaml:"description"`
	Language      string   `yaml:"language"`
	Entry         string   `yaml:"entry"`
	Types         []string `yaml:"types"`
	Files         string   `yaml:"files"`
	RequireSerial bool     `yaml:"require_serial"`
}

const (
	preCommitGood = "$ORIGIN example.org.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS www.example.com.\n"
	preCommitBad  = "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\nwww A 192.0.2.300\n"
)

// The hook takes zone files, all in one run, and fails where one is wrong.
func TestPreCommitHooks(t *testing.T) {
	t.Parallel()
	var hooks []preCommitHook
	readYAML(t, ".pre-commit-hooks.yaml", &hooks)
	if len(hooks) != 1 {
		t.Fatalf("%d hooks", len(hooks))
	}
	hook := hooks[0]
	if hook.ID != "aliasflat-check" || hook.Name == "" || hook.Language != "golang" || !slices.Equal(hook.Types, []string{"file"}) || !hook.RequireSerial {
		t.Errorf("the hook is %+v", hook)
	}
	files := regexp.MustCompile(hook.Files)
	for name, want := range map[string]bool{
		"example.com.zone": true, "zones/example.com.db": true, "db.example.com": false, "zone": false, "a.zone.txt": false, "a.zone~": false, "azone": false,
	} {
		if files.MatchString(name) != want {
			t.Errorf("%s is taken: %v", name, !want)
		}
	}
	r := newRunner(t)
	r.put(t, "example.org.zone", preCommitGood)
	r.put(t, "zones/example.com.zone", preCommitBad)
	if status := r.shell(t, hook.Entry+" example.org.zone"); status != 0 {
		t.Errorf("status %d: %s", status, r.log.String())
	}
	if status := r.shell(t, hook.Entry+" example.org.zone zones/example.com.zone"); status != 1 || !strings.Contains(r.log.String(), "zones/example.com.zone:5:7: error: ") {
		t.Errorf("status %d: %s", status, r.log.String())
	}
}

// The program pre-commit itself builds the hook from a clone of the project, and runs
// it on what is committed.
func TestPreCommit(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	t.Parallel()
	needPrograms(t, "pre-commit", "git", "go")
	project, r := newRunner(t), newRunner(t)
	for _, name := range []string{"go.mod", "go.sum", ".pre-commit-hooks.yaml", "cmd", "pkg", "examples"} {
		copyTree(t, filepath.Join(root(t), name), filepath.Join(project.dir, name))
	}
	env := append(goEnvironment(t, "GOCACHE", "GOMODCACHE"), "GOPROXY=off", "GOFLAGS=-buildvcs=false", "PRE_COMMIT_HOME="+r.temp)
	for _, side := range []*runner{project, r} {
		side.env = append(side.env, append(env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")...)
	}
	if status := project.shell(t, "git init -q && git add . && git commit -qm project"); status != 0 {
		t.Fatal(project.log.String())
	}
	config, err := os.ReadFile(filepath.Join(root(t), "examples/ci/pre-commit-config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	head, err := exec.CommandContext(t.Context(), "git", "-C", project.dir, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "https://github.com/aliasflat/aliasflat", project.dir, 1)
	r.put(t, ".pre-commit-config.yaml", strings.Replace(text, "rev: main", "rev: "+strings.TrimSpace(string(head)), 1))
	r.put(t, "example.org.zone", preCommitGood)
	r.put(t, "notes.txt", "no zone\n")
	if status := r.shell(t, "git init -q && git add . && pre-commit install -f && git commit -qm zones"); status != 0 || !strings.Contains(r.log.String(), "Passed") {
		t.Fatalf("status %d: %s", status, r.log.String())
	}
	r.put(t, "zones/example.com.zone", preCommitBad)
	if status := r.shell(t, "git add . && git commit -qm broken"); status == 0 || !strings.Contains(r.log.String(), "zones/example.com.zone:5:7: error: ") {
		t.Errorf("status %d: %s", status, r.log.String())
	}
}

// copyTree copies a file, or the files of a folder that a build needs.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		case entry.IsDir(), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
