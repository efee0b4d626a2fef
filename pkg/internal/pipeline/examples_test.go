package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// pipeline is a primary with a real name server and a checked out repository with
// the configuration of an example.
type pipeline struct {
	*runner

	server *judge.Server
	output string
}

// startPipeline publishes the zone for the first time and starts the server that
// serves it.
func startPipeline(t *testing.T, config string, start func(testing.TB, map[string]judge.Steered) *judge.Server, options string) *pipeline {
	t.Helper()
	p := &pipeline{runner: newRunner(t)}
	p.output = filepath.Join(p.temp, "example.com.db")
	text, err := os.ReadFile(filepath.Join(root(t), "examples/ci", config))
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, "zones/example.com.zone", "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n@ ALIAS cdn.example.net.\n")
	p.answer(t, 1)
	p.put(t, "aliasflat.yaml", p.local(t, string(text),
		"udp://127.0.0.1", "file:answers.zone", "/var/lib/aliasflat", filepath.Join(p.temp, "state"), "reload: {", "reload: none #"))
	if status := p.shell(t, "aliasflat compile"); status != 0 {
		t.Fatal(p.log.String())
	}
	p.server = start(t, map[string]judge.Steered{"example.com": {File: p.output, Options: options}})
	p.server.WaitReady(t, "example.com")
	control := strings.Join(p.server.Control, ", ")
	p.put(t, "aliasflat.yaml", p.local(t, string(text),
		"udp://127.0.0.1", "file:answers.zone", "/var/lib/aliasflat", filepath.Join(p.temp, "state"),
		"127.0.0.1:53", p.server.Addr, "[rndc]", "["+control+"]", "[nsd-control]", "["+control+"]"))
	return p
}

// local puts what this machine has in place of what the example names; each pair is
// a text and what stands for it, and the output is always another.
func (p *pipeline) local(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for _, folder := range []string{"/var/lib/bind/example.com.db", "/var/lib/nsd/example.com.db"} {
		pairs = append(pairs, folder, p.output)
	}
	out := strings.NewReplacer(pairs...).Replace(text)
	if !strings.Contains(out, p.output) || strings.Contains(out, "/var/") || !strings.Contains(out, "file:answers.zone") {
		t.Fatalf("the example is not as the test takes it:\n%s", out)
	}
	return out
}

// answer lets the target have another address.
func (p *pipeline) answer(t *testing.T, last byte) {
	t.Helper()
	p.put(t, "answers.zone", fmt.Sprintf("cdn.example.net. 60 IN A 192.0.2.%d\n", last))
}

// serves fails where the server has another address or serial.
func (p *pipeline) serves(t *testing.T, last byte, serial uint32) {
	t.Helper()
	answer := p.server.Query(t, "example.com", dns.TypeA).Answer
	if want := fmt.Sprint("192.0.2.", last); len(answer) != 1 || dns.Field(answer[0], 1) != want {
		t.Errorf("the server has %v, want %s: %s", answer, want, p.log.String())
	}
	if got := p.server.WaitReady(t, "example.com"); got != serial {
		t.Errorf("the server has serial %d, want %d: %s", got, serial, p.log.String())
	}
}

// wantStatus fails where a command ended otherwise.
func (p *pipeline) wantStatus(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: status %d, want %d: %s", what, got, want, p.log.String())
	}
}

// The script for cron and Jenkins, with either server: what is planned is published,
// what is not is refused, and what the judge refuses leaves all as it was.
func TestPipelineScript(t *testing.T) {
	t.Parallel()
	script := "sh " + filepath.Join(root(t), "examples/ci/publish.sh")
	for _, test := range []struct {
		config  string
		start   func(testing.TB, map[string]judge.Steered) *judge.Server
		options string
		judge   string
	}{
		{"bind.yaml", judge.StartSteeredNamed, "ixfr-from-differences yes;", "named-checkzone"},
		{"nsd.yaml", judge.StartSteeredNSD, "\tstore-ixfr: yes\n\tcreate-ixfr: yes\n", "nsd-checkzone"},
	} {
		t.Run(test.config, func(t *testing.T) {
			t.Parallel()
			p := startPipeline(t, test.config, test.start, test.options)
			p.wantStatus(t, "usage", p.shell(t, script+" help"), 2)
			p.wantStatus(t, "no sum", p.shell(t, script+" apply"), 2)

			p.answer(t, 2)
			p.wantStatus(t, "plan", p.shell(t, script+" plan"), 0)
			if !strings.Contains(p.log.String(), "+example.com. 60 IN A 192.0.2.2\n") {
				t.Errorf("the plan is not shown: %s", p.log.String())
			}
			p.serves(t, 1, 7)
			p.answer(t, 3)
			p.wantStatus(t, "an old plan", p.shell(t, script+` apply "$(cat plan.sum)"`), 5)
			p.serves(t, 1, 7)
			p.answer(t, 2)
			p.wantStatus(t, "the plan", p.shell(t, script+` apply "$(cat plan.sum)"`), 0)
			p.serves(t, 2, 8)

			// From cron it is silent.
			p.answer(t, 4)
			said := p.log.Len()
			p.wantStatus(t, "cron", p.shell(t, script), 0)
			if p.log.Len() != said {
				t.Errorf("it says %q", p.log.String()[said:])
			}
			p.serves(t, 4, 9)

			p.answer(t, 5)
			judged := t.TempDir()
			if err := os.WriteFile(filepath.Join(judged, test.judge), []byte("#!/bin/sh\necho refused; exit 1\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			p.wantStatus(t, "a judge that refuses", p.shell(t, "PATH="+judged+":$PATH; "+script), 4)
			p.serves(t, 4, 9)
			p.put(t, "zones/example.com.zone", "@ SOA broken\n")
			p.wantStatus(t, "a broken source", p.shell(t, script), 1)
			p.wantStatus(t, "a broken source", p.shell(t, script+" plan"), 1)
			if _, err := os.Stat(filepath.Join(p.dir, "plan.sum")); err == nil {
				t.Error("a plan is left of the run before")
			}
			p.serves(t, 4, 9)
		})
	}
}

// The workflow of GitHub: a pull request is reviewed, what is merged is planned, and
// published as planned.
func TestPipelineGitHub(t *testing.T) {
	t.Parallel()
	var w ciWorkflow
	readYAML(t, "examples/ci/github.yml", &w)
	nothing := func(ciStep) int { return 0 }
	actions := map[string]func(ciStep) int{"actions/checkout@v4": nothing}

	review := w.Jobs["review"]
	if review.If != "github.event_name == 'pull_request'" || review.Permissions["pull-requests"] != "write" || w.Permissions["contents"] != "read" {
		t.Errorf("the review is %+v", review)
	}
	t.Run("review", func(t *testing.T) {
		t.Parallel()
		needPrograms(t, "curl", "jq")
		g, primary, r := startGitHub(t), dnstest.StartPrimary(t, actionPublished), newActionRunner(t)
		here := map[string]func(ciStep) int{"actions/checkout@v4": nothing, "aliasflat/aliasflat/" + filepath.Dir(actionFile) + "@main": func(step ciStep) int {
			inputs := map[string]string{"version": "installed"}
			for name, value := range step.With {
				inputs[name] = strings.NewReplacer("tls://192.0.2.53#dns.example", "file:answers.zone", "192.0.2.1", primary.Addr()).Replace(value)
			}
			return r.runAction(t, inputs, "GITHUB_API_URL="+g.url, "GITHUB_REPOSITORY=example/zones")
		}}
		if status := r.steps(t, review.Steps, here); status != 0 || len(g.comments) != 1 || !strings.Contains(g.comments[0].Body, "+example.com. 60 IN A 192.0.2.2\n") {
			t.Errorf("status %d, %d comments: %s", status, len(g.comments), r.log.String())
		}
	})

	plan, publish := w.Jobs["plan"], w.Jobs["publish"]
	if plan.If != "github.event_name == 'push'" || publish.Needs != "plan" || publish.Environment == "" {
		t.Errorf("plan %+v, publish %+v", plan, publish)
	}
	p := startPipeline(t, "bind.yaml", judge.StartSteeredNamed, "ixfr-from-differences yes;")
	p.answer(t, 2)
	p.wantStatus(t, "plan", p.steps(t, plan.Steps, actions), 0)
	if !strings.Contains(p.summary(t), "+example.com. 60 IN A 192.0.2.2\n") {
		t.Errorf("summary: %s", p.summary(t))
	}
	for name, output := range plan.Outputs {
		p.values["needs.plan.outputs."+name] = p.expand(t, output)
	}
	p.serves(t, 1, 7)
	p.answer(t, 3)
	p.wantStatus(t, "another plan", p.steps(t, publish.Steps, actions), 5)
	p.serves(t, 1, 7)
	p.answer(t, 2)
	p.wantStatus(t, "publish", p.steps(t, publish.Steps, actions), 0)
	p.serves(t, 2, 8)
	p.put(t, "zones/example.com.zone", "@ SOA broken\n")
	p.wantStatus(t, "a broken source", p.steps(t, plan.Steps, actions), 1)
}

// gitLabJob is a job of a pipeline of GitLab.
type gitLabJob struct {
	Stage         string              `yaml:"stage"`
	Image         string              `yaml:"image"`
	Tags          []string            `yaml:"tags"`
	Needs         []string            `yaml:"needs"`
	Environment   string              `yaml:"environment"`
	ResourceGroup string              `yaml:"resource_group"`
	BeforeScript  []string            `yaml:"before_script"`
	Script        []string            `yaml:"script"`
	Rules         []map[string]string `yaml:"rules"`
	Artifacts     struct {
		Paths   []string          `yaml:"paths"`
		Reports map[string]string `yaml:"reports"`
	} `yaml:"artifacts"`
}

// The pipeline of GitLab, its jobs one after the other.
func TestPipelineGitLab(t *testing.T) {
	t.Parallel()
	var file map[string]yaml.Node
	readYAML(t, "examples/ci/gitlab-ci.yml", &file)
	var stages []string
	jobs := map[string]gitLabJob{}
	for name, node := range file {
		if name == "stages" {
			if err := node.Decode(&stages); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var job gitLabJob
		if err := node.Decode(&job); err != nil {
			t.Fatal(err)
		}
		if len(job.Script) == 0 || len(job.Rules) == 0 {
			t.Errorf("job %s has no script, or no rules", name)
		}
		jobs[name] = job
	}
	for name, job := range jobs {
		if !slices.Contains(stages, job.Stage) {
			t.Errorf("job %s has the stage %q", name, job.Stage)
		}
	}
	if publish := jobs["publish"]; publish.Rules[0]["when"] != "manual" || !slices.Equal(publish.Needs, []string{"plan"}) {
		t.Errorf("publish is %+v", publish)
	}

	p := startPipeline(t, "bind.yaml", judge.StartSteeredNamed, "ixfr-from-differences yes;")
	primary := dnstest.StartPrimary(t, actionPublished)
	run := func(name string, env ...string) int {
		script := strings.Join(jobs[name].Script, "\n")
		return p.shell(t, strings.NewReplacer("tls://192.0.2.53#dns.example", "file:answers.zone", "axfr://192.0.2.1", "axfr://"+primary.Addr()).Replace(script), env...)
	}
	p.answer(t, 2)
	p.wantStatus(t, "check", run("check"), 0)
	p.wantStatus(t, "review", run("review"), 0)
	if !strings.Contains(p.log.String(), "+example.com. 60 IN A 192.0.2.2\n") {
		t.Errorf("the log has no difference: %s", p.log.String())
	}
	p.wantStatus(t, "plan", run("plan"), 0)
	for _, name := range jobs["plan"].Artifacts.Paths {
		if _, err := os.Stat(filepath.Join(p.dir, name)); err != nil {
			t.Error(err)
		}
	}
	// GitLab hands the variables in this file to the jobs that need this one.
	variables, err := os.ReadFile(filepath.Join(p.dir, jobs["plan"].Artifacts.Reports["dotenv"]))
	if err != nil || !strings.HasPrefix(string(variables), "PLAN=") {
		t.Fatalf("variables %q, %v", variables, err)
	}
	p.serves(t, 1, 7)
	p.answer(t, 3)
	p.wantStatus(t, "another plan", run("publish", strings.TrimSpace(string(variables))), 5)
	p.answer(t, 2)
	p.wantStatus(t, "publish", run("publish", strings.TrimSpace(string(variables))), 0)
	p.serves(t, 2, 8)
	p.put(t, "zones/example.com.zone", "@ SOA broken\n")
	for _, name := range []string{"check", "review", "plan"} {
		p.wantStatus(t, name+" of a broken source", run(name), 1)
	}
}
