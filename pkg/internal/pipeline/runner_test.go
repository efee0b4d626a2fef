package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// ciStep is a step of a GitHub job or of a composite action, as far as steps are
// run here.
type ciStep struct {
	Name  string            `yaml:"name"`
	ID    string            `yaml:"id"`
	If    string            `yaml:"if"`
	Uses  string            `yaml:"uses"`
	Shell string            `yaml:"shell"`
	Run   string            `yaml:"run"`
	Env   map[string]string `yaml:"env"`
	With  map[string]string `yaml:"with"`
}

// ciAction is an action.yml.
type ciAction struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Inputs      map[string]struct {
		Description string `yaml:"description"`
		Default     string `yaml:"default"`
	} `yaml:"inputs"`
	Outputs map[string]struct {
		Description string `yaml:"description"`
		Value       string `yaml:"value"`
	} `yaml:"outputs"`
	Runs struct {
		Using string   `yaml:"using"`
		Steps []ciStep `yaml:"steps"`
	} `yaml:"runs"`
}

// ciWorkflow is a workflow of GitHub.
type ciWorkflow struct {
	Name        string            `yaml:"name"`
	On          map[string]any    `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency map[string]string `yaml:"concurrency"`
	Jobs        map[string]struct {
		If          string            `yaml:"if"`
		Needs       string            `yaml:"needs"`
		RunsOn      any               `yaml:"runs-on"`
		Environment string            `yaml:"environment"`
		Permissions map[string]string `yaml:"permissions"`
		Outputs     map[string]string `yaml:"outputs"`
		Steps       []ciStep          `yaml:"steps"`
	} `yaml:"jobs"`
}

// programs is a folder with the built program.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "aliasflat-pipeline"); err != nil {
		panic(err)
	}
	status := m.Run()
	if err := os.RemoveAll(programs); err != nil {
		panic(err)
	}
	os.Exit(status)
}

// build builds the program, once for all tests.
var build = sync.OnceValue(func() error {
	// Results of tests are kept until a file that the test itself has looked at
	// changes, and the compiler looks at those of the program unseen.
	for _, folder := range []string{"cmd", "pkg"} {
		if err := fs.WalkDir(os.DirFS("../../.."), folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			_, err = os.Stat(filepath.Join("../../..", path))
			return err
		}); err != nil {
			return err
		}
	}
	said, err := exec.Command("go", "build", "-o", programs, "../../../cmd/aliasflat").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the program: %w: %s", err, said)
	}
	return nil
})

// root is where the files of the project are.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// readYAML reads a file of the project into v; what v does not know is a failure.
func readYAML(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// runner does what a runner of GitHub does for one job: it runs steps in one
// folder, with the files and expressions that GitHub gives them.
type runner struct {
	dir    string            // the checked out repository
	temp   string            // $RUNNER_TEMP
	path   string            // $PATH
	values map[string]string // of expressions
	env    []string          // of the machine
	log    strings.Builder
}

// newRunner gives a runner with an empty repository. Programs are those of this
// machine.
func newRunner(t *testing.T) *runner {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	path := programs + string(filepath.ListSeparator) + os.Getenv("PATH")
	r := &runner{dir: t.TempDir(), temp: t.TempDir(), path: path, values: map[string]string{"github.token": "s3cret"}}
	r.env = append(os.Environ(), "HOME="+r.temp, "XDG_CONFIG_HOME="+r.temp, "RUNNER_TEMP="+r.temp)
	return r
}

func (r *runner) put(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var ciExpression = regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`)

// expand puts values in place of expressions. One without a value is a failure: a
// name that is written wrong is empty on GitHub, without a word.
func (r *runner) expand(t *testing.T, text string) string {
	t.Helper()
	return ciExpression.ReplaceAllStringFunc(text, func(found string) string {
		name := ciExpression.FindStringSubmatch(found)[1]
		value, ok := r.values[name]
		if !ok {
			t.Fatalf("expression %q has no value", name)
		}
		return value
	})
}

// holds evaluates a condition: terms joined with &&, each a name, or a name compared
// with a string.
func (r *runner) holds(t *testing.T, condition string) bool {
	t.Helper()
	if condition == "" {
		return true
	}
	for term := range strings.SplitSeq(condition, " && ") {
		fields := strings.Fields(term)
		value, ok := r.values[fields[0]]
		if !ok {
			t.Fatalf("condition %q: %q has no value", condition, fields[0])
		}
		switch {
		case len(fields) == 1 && value == "":
			return false
		case len(fields) == 1:
		case len(fields) != 3:
			t.Fatalf("condition %q", condition)
		case (fields[1] == "==") != (value == strings.Trim(fields[2], "'")):
			return false
		}
	}
	return true
}

// shell runs a script as a step does, and gives its exit status.
func (r *runner) shell(t *testing.T, script string, env ...string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", script)
	cmd.Dir = r.dir
	cmd.Env = append(append(append([]string{}, r.env...), "PATH="+r.path), env...)
	cmd.Stdout, cmd.Stderr = &r.log, &r.log
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// steps runs steps up to the first that fails, and gives its exit status. actions
// are what is run for those that use an action.
func (r *runner) steps(t *testing.T, steps []ciStep, actions map[string]func(ciStep) int, env ...string) int {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"} {
		files[name] = filepath.Join(r.temp, name)
		env = append(env, name+"="+files[name])
	}
	for _, step := range steps {
		if !r.holds(t, step.If) {
			continue
		}
		if step.Uses != "" {
			action := actions[step.Uses]
			if action == nil {
				t.Fatalf("nobody knows the action %q", step.Uses)
			}
			if status := action(step); status != 0 {
				return status
			}
			continue
		}
		if step.Run == "" || ciExpression.MatchString(step.Run) {
			t.Fatalf("step %q: expressions belong into env, not into a script", step.Name)
		}
		own := append([]string{}, env...)
		for name, value := range step.Env {
			own = append(own, name+"="+r.expand(t, value))
		}
		for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_PATH"} {
			if err := os.WriteFile(files[name], nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		status := r.shell(t, step.Run, own...)
		maps.Copy(r.values, r.outputs(t, step.ID, files["GITHUB_OUTPUT"]))
		added, err := os.ReadFile(files["GITHUB_PATH"])
		if err != nil {
			t.Fatal(err)
		}
		for dir := range strings.Lines(string(added)) {
			r.path = strings.TrimSpace(dir) + string(filepath.ListSeparator) + r.path
		}
		if status != 0 {
			return status
		}
	}
	return 0
}

// outputs reads what a step has written for those that follow.
func (r *runner) outputs(t *testing.T, id, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || id == "" {
			t.Fatalf("step %q: output %q", id, line)
		}
		found["steps."+id+".outputs."+name] = value
	}
	return found
}

// summary is the text of the job's summary.
func (r *runner) summary(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.temp, "GITHUB_STEP_SUMMARY"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}
