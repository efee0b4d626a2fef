package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// scriptUpdatable holds the server of one script that takes updates.
type scriptUpdatable struct{ *dnstest.Dynamic }

type updatableKey struct{}

func updatableOf(ts *testscript.TestScript, started bool) *scriptUpdatable {
	u, ok := ts.Value(updatableKey{}).(*scriptUpdatable)
	if !ok || started && u.Dynamic == nil {
		ts.Fatalf("updatable has not been called")
	}
	return u
}

func startUpdatable(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "updatable ZONE")
	u := updatableOf(ts, false)
	u.Dynamic = dnstest.StartDynamic(scriptTB{ts}, ts.ReadFile(args[0]))
	ts.Setenv("UPDATABLE", u.Addr())
}

func updatableFault(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "updatable-fault KIND")
	fault, err := dnstest.ParseDynamicFault(strings.TrimPrefix(args[0], "-"))
	ts.Check(err)
	updatableOf(ts, true).Fault(fault)
}

func updatableAdd(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "updatable-add RECORD")
	ts.Check(updatableOf(ts, true).Add(args[0]))
}

func updatableRemove(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "updatable-remove OWNER")
	updatableOf(ts, true).Remove(args[0])
}

// updatableHas waits until the server has records, or has none that begin with the texts.
func updatableHas(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: [!] updatable-has RECORD...")
	}
	u := updatableOf(ts, true)
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text = "\n" + strings.Join(u.Records(), "\n") + "\n"
		right := true
		for _, a := range args {
			right = right && strings.Contains(text, "\n"+a) != neg
		}
		if right {
			return
		}
	}
	ts.Fatalf("the server has\n%s", text)
}

func updatableCount(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "updatable-count UPDATES TRANSFERS")
	u := updatableOf(ts, true)
	updates := u.Updates()
	if got := strconv.Itoa(len(updates)); got != args[0] {
		ts.Fatalf("%s updates, want %s:\n%s", got, args[0], strings.Join(updates, "\n\n"))
	}
	if got := strconv.Itoa(u.Transfers()); got != args[1] {
		ts.Fatalf("%s transfers, want %s", got, args[1])
	}
}
