package main

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// TestMain lets the test binary stand in for aliasflat: a script runs it as a
// process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"aliasflat": func() {
			if os.Getenv(oneThread) != "" {
				runtime.LockOSThread()
			}
			os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// oneThread is a variable that lets a run make its calls to files in one thread:
// strace counts the calls of each thread.
const oneThread = "ALIASFLAT_TEST_ONE_THREAD"

const scripts = "../../testdata/script"

func TestScript(t *testing.T) {
	if found, _ := filepath.Glob(filepath.Join(scripts, "*.txtar")); len(found) == 0 {
		t.Fatalf("no scripts in %s", scripts)
	}
	if testing.Short() {
		testscript.Run(t, params(somewhatConcurrent(t)))
		return
	}
	testscript.Run(t, params(scripts))
}

// somewhatConcurrent gives a folder with the scripts in which much runs side by side, for the
// race detector.
func somewhatConcurrent(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, pattern := range []string{"watch*", "state-daemon", "status*", "events", "refresh", "compile-dns", "compile-interrupt"} {
		found, err := filepath.Glob(filepath.Join(scripts, pattern+".txtar"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no script is %s: %v", pattern, err)
		}
		for _, script := range found {
			text, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(script)), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// params are the settings of every script. The scripts know, beside aliasflat:
//
//	dns-server WORLD [VAR]  start a name server that serves the zone file; $DNS is its URL.
//	                        With VAR another one, whose URL is $VAR and which is always right
//	dns-set WORLD [PREFIX]  serve another zone file from here on; with PREFIX to clients in there
//	dns-fault NAME KIND     go wrong for a name; KIND as dnstest.ParseFault reads it, "-" is every name
//	dns-heal                be right again
//	primary ZONE            start a server that serves one zone and its transfer; $PRIMARY is its host:port
//	primary-set ZONE        serve another zone file from here on
//	primary-say SERIAL...   answer with one serial after the other, and go on with the last; 0 is SERVFAIL
//	primary-fault KIND      go wrong; KIND as dnstest.ParsePrimaryFault reads it, "-" is right again
//	primary-notify LOG ZONE send NOTIFY for a zone to the daemon of that log; $NOTIFIED is the code of its answer
//	updatable ZONE          start a server of one zone that takes updates signed with the key xfr; $UPDATABLE is its host:port
//	updatable-fault KIND    go wrong; KIND as dnstest.ParseDynamicFault reads it, "-" is right again
//	updatable-add RECORD    have somebody else add a record there
//	updatable-remove OWNER  have somebody else remove all of an owner name
//	updatable-has RECORD... wait until it has records that begin like that; with ! until it has none
//	updatable-count UPDATES TRANSFERS
//	                        how many there were must be these
//	secondary LOG           start a secondary, $SECONDARY, that takes what it is told of from the daemon with that log
//	secondary-has ZONE [SERIAL [TEXT...]]
//	                        wait until it has a zone, and those texts in it
//	secondary-deaf          let it answer nothing; with ! it answers again
//	hold-state DIR          have the state in a folder open; $HOLDER is who has
//	free-state              close it again
//	stamp-state DIR TIME    write to the state in a folder as if it were that time
//	daemon STATE [WORD...]  stand in for aliasflat watch with the state in a folder; each WORD says
//	                        what is wrong: failing, held, stale, guarded, hung, refused
//	daemon-tells TEXT...    have events happen in it: a trouble for each TEXT, and a change
//	daemon-stop             end it
//	await FILE TEXT [TIMES] wait until another process has written a text to a file, so many times
//	start LOG CMD...        start a command, its error output at the end of a file, and go on
//	signal HUP|TERM|KILL    send it a signal
//	ended STATUS SECONDS    wait so long at most for its end, with an exit status, or killed
//	exit-status N CMD...    run a command that must end with this exit status
//	readme WORD FILE        write the block of the README with that word behind its "sh" to a file
//
// and those of script_files_test.go.
func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       flag.Lookup("update").Value.String() == "true",
		Setup: func(env *testscript.Env) error {
			// Nothing of whoever runs the tests shows through.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
			env.Setenv("ESC", "\x1b")
			env.Values[serverKey{}] = &server{}
			env.Values[updatableKey{}] = &scriptUpdatable{}
			env.Values[secondaryKey{}] = &scriptSecondary{}
			env.Values[primaryKey{}] = &scriptPrimary{}
			env.Values[memoryKey{}] = map[string]string{}
			env.Values[heldKey{}] = &held{}
			env.Values[daemonKey{}] = &scriptDaemon{}
			env.Values[runningKey{}] = &running{}
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"dns-server":       dnsServer,
			"dns-set":          dnsSet,
			"dns-fault":        dnsFault,
			"dns-heal":         dnsHeal,
			"primary":          startPrimary,
			"primary-set":      primarySet,
			"primary-say":      primarySay,
			"primary-fault":    primaryFault,
			"primary-notify":   primaryNotify,
			"updatable":        startUpdatable,
			"updatable-fault":  updatableFault,
			"updatable-add":    updatableAdd,
			"updatable-remove": updatableRemove,
			"updatable-has":    updatableHas,
			"updatable-count":  updatableCount,
			"secondary":        startSecondary,
			"secondary-deaf":   secondaryDeaf,
			"secondary-has":    secondaryHas,
			"primary-gives":    primaryGives,
			"exit-status":      exitStatus,
			"readme":           readmeTo,
			"unprivileged":     unprivileged,
			"interrupt":        interrupt,
			"remember":         remember,
			"untouched":        untouched,
			"hostile":          hostile,
			"hold-state":       holdState,
			"free-state":       freeState,
			"stamp-state":      stampState,
			"daemon":           startDaemon,
			"daemon-tells":     daemonTells,
			"daemon-stop":      stopDaemon,
			"await":            await,
			"start":            startProcess,
			"signal":           signalProcess,
			"ended":            ended,
			"http":             askHTTP,
		},
	}
}

// server holds the name server of one script.
type server struct{ *dnstest.Server }

type serverKey struct{}

// scriptTB lets a name server live as long as its script.
type scriptTB struct{ ts *testscript.TestScript }

func (s scriptTB) Helper()                           {}
func (s scriptTB) Fatalf(format string, args ...any) { s.ts.Fatalf(format, args...) }
func (s scriptTB) Logf(format string, args ...any)   { s.ts.Logf(format, args...) }
func (s scriptTB) Cleanup(f func())                  { s.ts.Defer(f) }

func serverOf(ts *testscript.TestScript, started bool) *server {
	s, ok := ts.Value(serverKey{}).(*server)
	if !ok || started && s.Server == nil {
		ts.Fatalf("dns-server has not been called")
	}
	return s
}

func usage(ts *testscript.TestScript, neg bool, args []string, count int, text string) {
	if neg || len(args) != count {
		ts.Fatalf("usage: %s", text)
	}
}

func dnsServer(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 2 && !neg {
		ts.Setenv(args[1], dnstest.Start(scriptTB{ts}, ts.ReadFile(args[0])).URL())
		return
	}
	usage(ts, neg, args, 1, "dns-server WORLD [VAR]")
	s := serverOf(ts, false)
	s.Server = dnstest.Start(scriptTB{ts}, ts.ReadFile(args[0]))
	ts.Setenv("DNS", s.URL())
}

func dnsSet(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 2 && !neg {
		prefix, err := netip.ParsePrefix(args[1])
		ts.Check(err)
		ts.Check(serverOf(ts, true).SetWorldFor(prefix, ts.ReadFile(args[0])))
		return
	}
	usage(ts, neg, args, 1, "dns-set WORLD [PREFIX]")
	ts.Check(serverOf(ts, true).SetWorld(ts.ReadFile(args[0])))
}

func dnsFault(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "dns-fault NAME KIND")
	fault, err := dnstest.ParseFault(args[1])
	ts.Check(err)
	serverOf(ts, true).Fault(strings.TrimPrefix(args[0], "-"), 0, fault)
}

func dnsHeal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "dns-heal")
	serverOf(ts, true).ClearFaults()
}

func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit-status N COMMAND [ARG...]")
	}
	checkStatus(ts, args[0], ts.Exec(args[1], args[2:]...))
}

// checkStatus holds the end of a command against what it must be. The message
// of exec.ExitError is "exit status N"; a command that could not be started has
// another one.
func checkStatus(ts *testscript.TestScript, want string, err error) {
	got := "exit status 0"
	if err != nil {
		got = err.Error()
	}
	if got != "exit status "+want {
		ts.Fatalf("%s, want exit status %s", got, want)
	}
}

// readmeBlock is a block of shell commands in the README that says what
// becomes of it: one without a word after "sh" is not run.
var readmeBlock = regexp.MustCompile("(?ms)^```sh run\n(.*?)^```$")

// readmeTo writes a block of the README that is run in surroundings of its own.
func readmeTo(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "readme WORD FILE")
	text, err := os.ReadFile("../../README.md")
	ts.Check(err)
	block := regexp.MustCompile("(?ms)^```sh " + regexp.QuoteMeta(args[0]) + "\n(.*?)^```$").FindSubmatch(text)
	if block == nil {
		ts.Fatalf("the README has no block %q", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), block[1], 0o600))
}

// TestReadme runs the commands that the README shows, each block as a shell
// script in a copy of the examples.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := readmeBlock.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no block that can be run")
	}
	dir := t.TempDir()
	for i, block := range blocks {
		commands := block[1]
		if strings.Contains(commands, "make ") {
			continue // they build and test the whole repository, which runs this test
		}
		name := filepath.Join(dir, "readme"+string(rune('a'+i))+".txtar")
		script := "cd examples/quickstart\nexec sh -e ../../block.sh\n-- block.sh --\n" + commands
		for _, file := range []string{"examples/quickstart/example.com.zone", "examples/config/aliasflat.yaml"} {
			text, err := os.ReadFile(filepath.Join("../..", file))
			if err != nil {
				t.Fatal(err)
			}
			script += "-- " + file + " --\n" + string(text)
		}
		if err := os.WriteFile(name, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, params(dir))
}
