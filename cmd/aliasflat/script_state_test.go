package main

import (
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aliasflat/aliasflat/pkg/state"
)

// held is the state that a script has open.
type held struct{ *state.Store }

type heldKey struct{}

func heldOf(ts *testscript.TestScript) *held {
	h, ok := ts.Value(heldKey{}).(*held)
	if !ok {
		ts.Fatalf("no state can be held")
	}
	return h
}

func holdState(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "hold-state DIR")
	s, err := state.Open(ts.MkAbs(args[0]), state.Options{})
	ts.Check(err)
	ts.Defer(func() { _ = s.Close() })
	heldOf(ts).Store = s
	ts.Setenv("HOLDER", strconv.Itoa(os.Getpid()))
}

func freeState(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "free-state")
	ts.Check(heldOf(ts).Close())
}

func stampState(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "stamp-state DIR TIME")
	at, err := time.Parse(time.RFC3339, args[1])
	ts.Check(err)
	s, err := state.Open(ts.MkAbs(args[0]), state.Options{})
	ts.Check(err)
	ts.Check(s.Commit(state.Update{Now: at}))
	ts.Check(s.Close())
}
