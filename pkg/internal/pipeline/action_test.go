package pipeline

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// needPrograms skips a test where a program is missing that the runners of GitHub have.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

const actionFile = ".github/action/action.yml"

// runAction runs the composite action with these inputs, as a step of a job.
func (r *runner) runAction(t *testing.T, inputs map[string]string, env ...string) int {
	t.Helper()
	var a ciAction
	readYAML(t, actionFile, &a)
	for name, input := range a.Inputs {
		r.values["inputs."+name] = r.expand(t, input.Default)
	}
	for name, value := range inputs {
		if _, ok := a.Inputs[name]; !ok {
			t.Fatalf("the action has no input %q", name)
		}
		r.values["inputs."+name] = value
	}
	// Outputs of steps that write none are empty.
	for _, output := range a.Outputs {
		r.values[ciExpression.FindStringSubmatch(output.Value)[1]] = ""
	}
	path := filepath.Dir(filepath.Join(root(t), actionFile))
	r.values["github.action_path"] = path
	setUpGo := func(step ciStep) int {
		if _, err := os.Stat(r.expand(t, step.With["go-version-file"])); err != nil {
			t.Error(err)
		}
		return 0
	}
	status := r.steps(t, a.Runs.Steps, map[string]func(ciStep) int{"actions/setup-go@v5": setUpGo}, append(env, "GITHUB_ACTION_PATH="+path)...)
	for name, output := range a.Outputs {
		r.values["outputs."+name] = r.expand(t, output.Value)
	}
	return status
}

func TestActionFile(t *testing.T) {
	var a ciAction
	readYAML(t, actionFile, &a)
	if a.Name == "" || a.Description == "" || a.Runs.Using != "composite" || len(a.Runs.Steps) == 0 {
		t.Errorf("%s has no name, no description, or nothing to run", actionFile)
	}
	used, err := os.ReadFile(filepath.Join(root(t), actionFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, input := range a.Inputs {
		if input.Description == "" || !strings.Contains(string(used), "inputs."+name) {
			t.Errorf("input %s has no description, or nobody uses it", name)
		}
	}
	for _, step := range a.Runs.Steps {
		if step.Run != "" && step.Shell == "" {
			t.Errorf("step %q has no shell; a composite action needs one", step.Name)
		}
	}
}

const (
	actionZone = `$ORIGIN example.com.
$TTL 300
@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300
@ NS ns1.example.net.
@ ALIAS cdn.example.net.
`
	actionWorld     = "cdn.example.net. 60 IN A 192.0.2.2\n"
	actionPublished = `example.com. 300 IN SOA ns1.example.net. hostmaster.example.com. 7 7200 900 1209600 300
example.com. 300 IN NS ns1.example.net.
example.com. 60 IN A 192.0.2.1
`
)

// newActionRunner gives a runner with a repository of zones, at a pull request.
func newActionRunner(t *testing.T) *runner {
	t.Helper()
	r := newRunner(t)
	r.put(t, "zones/example.com.zone", actionZone)
	r.put(t, "answers.zone", actionWorld)
	r.put(t, "published.db", actionPublished)
	r.values["github.event.pull_request.number"] = "7"
	return r
}

func TestAction(t *testing.T) {
	t.Parallel()
	installed := map[string]string{"version": "installed", "comment": "false", "sources": "zones/*.zone", "diff-arguments": "--resolver file:answers.zone"}
	with := func(more ...string) map[string]string {
		inputs := maps.Clone(installed)
		for i := 0; i < len(more); i += 2 {
			inputs[more[i]] = more[i+1]
		}
		return inputs
	}
	const warned = "www 60 A 192.0.2.3\nwww 120 A 192.0.2.4\n"
	for name, test := range map[string]struct {
		zone    string // "" is that with an ALIAS
		inputs  map[string]string
		status  int
		changed string
		log     []string
		summary []string // nothing: there is none
	}{
		"a change": {
			inputs: with("against", "published.db"), changed: "true",
			summary: []string{"example.com: serial 7 -> 8, 1 RRset changed", "-example.com. 60 IN A 192.0.2.1\n+example.com. 60 IN A 192.0.2.2\n"},
		},
		"no change": {
			inputs: with("against", "published.db", "diff-arguments", "--resolver file:same.zone"), changed: "false",
			summary: []string{"example.com: serial 7, no record changes"},
		},
		"nothing published": {inputs: with("diff-arguments", "--resolver file:answers.zone -o out/"), changed: "true", summary: []string{"nothing is published"}},
		"an error in a source": {
			zone: "@ SOA\n", inputs: with("against", "published.db"), status: 1, changed: "false",
			log: []string{"::error file=zones/example.com.zone,line=1,"}, summary: []string{"error: "},
		},
		"a target that fails": {
			inputs: with("diff-arguments", "--resolver file:nothing.zone", "against", "published.db"), status: 4, changed: "false",
			summary: []string{"[target-nxdomain]"},
		},
		"a warning":                {zone: actionZone + warned, inputs: with("against", "published.db"), changed: "true", log: []string{"::warning file=zones/example.com.zone,line=7,"}, summary: []string{"[ttl-mismatch]"}},
		"a warning that counts":    {zone: actionZone + warned, inputs: with("against", "published.db", "fail-on", "warning"), status: 1, changed: "false", summary: []string{"[ttl-mismatch]"}},
		"an unknown flag":          {inputs: with("arguments", "--nonsense"), status: 2, changed: "false", log: []string{"--nonsense"}},
		"a name that is no flag":   {inputs: with("sources", "--version", "against", "published.db"), status: 1, changed: "false", log: []string{"::error file=--version,"}, summary: []string{"error: "}},
		"words that are no shell":  {inputs: with("arguments", "--origin $(touch${IFS}bad);touch bad *"), status: 2, changed: "false", log: []string{"origin"}},
		"a version that is no one": {inputs: with("version", "v1;touch bad"), status: 2, log: []string{`::error::version: "v1;touch bad" is no version`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newActionRunner(t)
			if test.zone != "" {
				r.put(t, "zones/example.com.zone", test.zone)
			}
			r.put(t, "same.zone", "cdn.example.net. 60 IN A 192.0.2.1\n")
			r.put(t, "nothing.zone", "example.net. 60 IN SOA ns.example.net. x.example.net. 1 2 3 4 5\n")
			if status := r.runAction(t, test.inputs); status != test.status || r.values["outputs.changed"] != test.changed {
				t.Errorf("status %d, changed %q: %s", status, r.values["outputs.changed"], r.log.String())
			}
			for _, want := range test.log {
				if !strings.Contains(r.log.String(), want) {
					t.Errorf("the log has no %q: %s", want, r.log.String())
				}
			}
			summary := r.summary(t)
			for _, want := range test.summary {
				if !strings.Contains(summary, want) {
					t.Errorf("the summary has no %q: %s", want, summary)
				}
			}
			if len(test.summary) == 0 && summary != "" {
				t.Errorf("there is a summary: %s", summary)
			}
			if plan := r.values["outputs.plan"]; test.changed == "true" && len(plan) != 40 {
				t.Errorf("plan %q", plan)
			}
			if _, err := os.Stat(filepath.Join(r.dir, "bad")); err == nil {
				t.Error("an input was run")
			}
		})
	}
}

// The difference becomes a comment, and a failure too.
func TestActionComments(t *testing.T) {
	t.Parallel()
	needPrograms(t, "curl", "jq")
	g := startGitHub(t)
	inputs := map[string]string{
		"version": "installed", "sources": "zones/example.com.zone", "diff-arguments": "--resolver file:answers.zone", "against": "published.db",
	}
	r := newActionRunner(t)
	env := []string{"GITHUB_API_URL=" + g.url, "GITHUB_REPOSITORY=example/zones"}
	if status := r.runAction(t, inputs, env...); status != 0 || len(g.comments) != 1 {
		t.Fatalf("status %d, %d comments: %s", status, len(g.comments), r.log.String())
	}
	ours := g.comments[0]
	if !strings.HasPrefix(ours.Body, diffMarker) || !strings.Contains(ours.Body, "+example.com. 60 IN A 192.0.2.2\n") || !strings.HasSuffix(ours.Body, "plan `"+r.values["outputs.plan"]+"`\n") {
		t.Errorf("comment:\n%s", ours.Body)
	}
	r.put(t, "zones/example.com.zone", actionZone+"www A 192.0.2.300\n")
	if status := r.runAction(t, inputs, env...); status != 1 || len(g.comments) != 1 || !strings.Contains(ours.Body, "zones/example.com.zone:6:7: error: ") {
		t.Errorf("status %d: %s\n%s", status, r.log.String(), ours.Body)
	}
	// A push has no pull request.
	calls := len(g.calls)
	r = newActionRunner(t)
	r.values["github.event.pull_request.number"] = ""
	if status := r.runAction(t, inputs, env...); status != 0 || len(g.calls) != calls {
		t.Errorf("status %d, calls %q: %s", status, g.calls[calls:], r.log.String())
	}
}

// What is published may be what a server serves.
func TestActionAgainstServer(t *testing.T) {
	t.Parallel()
	primary := dnstest.StartPrimary(t, actionPublished)
	r := newActionRunner(t)
	status := r.runAction(t, map[string]string{
		"version": "installed", "comment": "false", "sources": "zones/*.zone", "diff-arguments": "--resolver file:answers.zone", "against": "axfr://" + primary.Addr(),
	})
	if status != 0 || r.values["outputs.changed"] != "true" || !strings.Contains(r.summary(t), "-example.com. 60 IN A 192.0.2.1\n") {
		t.Errorf("status %d: %s\n%s", status, r.log.String(), r.summary(t))
	}
}

// The action builds the version that it came with, or has go install another one.
func TestActionInstalls(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	t.Parallel()
	needPrograms(t, "go")
	r := newActionRunner(t)
	cache := goEnvironment(t, "GOCACHE", "GOMODCACHE", "GOPATH")
	r.env = append(r.env, cache...)
	inputs := map[string]string{"comment": "false", "sources": "zones/*.zone", "diff-arguments": "--resolver file:answers.zone", "against": "published.db"}
	before := r.path
	if status := r.runAction(t, inputs); status != 0 || r.values["outputs.changed"] != "true" {
		t.Fatalf("status %d: %s", status, r.log.String())
	}
	if bin := filepath.Join(r.temp, "aliasflat/bin"); r.path != bin+":"+before {
		t.Errorf("PATH is %s", r.path)
	}

	// A go of the test's own tells what it was asked for.
	tools := t.TempDir()
	script := "#!/bin/sh\necho \"$GOBIN $*\" >\"" + tools + "/asked\"\nexit 1\n"
	if err := os.WriteFile(filepath.Join(tools, "go"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r = newActionRunner(t)
	r.path = tools + ":" + r.path
	inputs["version"] = "v1.2.3"
	status := r.runAction(t, inputs)
	asked, err := os.ReadFile(filepath.Join(tools, "asked"))
	if want := r.temp + "/aliasflat/bin install github.com/aliasflat/aliasflat/cmd/aliasflat@v1.2.3\n"; status != 1 || err != nil || string(asked) != want {
		t.Errorf("status %d, asked %q, %v, want %q", status, asked, err, want)
	}
}

// goEnvironment gives settings of go as variables, for a process with another home.
func goEnvironment(t *testing.T, names ...string) []string {
	t.Helper()
	values, err := exec.CommandContext(t.Context(), "go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(values)), "\n")
	if len(lines) != len(names) || slices.Contains(lines, "") {
		t.Fatalf("go env: %q", values)
	}
	for i := range lines {
		lines[i] = names[i] + "=" + lines[i]
	}
	return lines
}
