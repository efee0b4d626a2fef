package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

// scriptPrimary holds the primary of one script.
type scriptPrimary struct{ *dnstest.Primary }

type primaryKey struct{}

func primaryOf(ts *testscript.TestScript, started bool) *scriptPrimary {
	p, ok := ts.Value(primaryKey{}).(*scriptPrimary)
	if !ok || started && p.Primary == nil {
		ts.Fatalf("primary has not been called")
	}
	return p
}

func startPrimary(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "primary ZONE")
	p := primaryOf(ts, false)
	p.Primary = dnstest.StartPrimary(scriptTB{ts}, ts.ReadFile(args[0]))
	ts.Setenv("PRIMARY", p.Addr())
}

func primarySet(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "primary-set ZONE")
	ts.Check(primaryOf(ts, true).Set(ts.ReadFile(args[0])))
}

func primaryFault(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "primary-fault KIND")
	fault, err := dnstest.ParsePrimaryFault(strings.TrimPrefix(args[0], "-"))
	ts.Check(err)
	primaryOf(ts, true).Fault(fault)
}

func primarySay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: primary-say SERIAL...")
	}
	serials := make([]uint32, len(args))
	for i, word := range args {
		n, err := strconv.ParseUint(word, 10, 32)
		ts.Check(err)
		serials[i] = uint32(n)
	}
	primaryOf(ts, true).Say(serials...)
}

// primaryNotify tells a daemon that a zone has changed, as its primary does.
func primaryNotify(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "primary-notify LOG ZONE")
	at := (&scriptSecondary{log: ts.MkAbs(args[0])}).primary()
	if at == "" {
		ts.Fatalf("the daemon of %s does not listen for DNS", args[0])
	}
	client := dns.Client{Timeout: 5 * time.Second}
	answer, _, err := client.Exchange(new(dns.Msg).SetNotify(dns.Fqdn(args[1])), at)
	ts.Check(err)
	ts.Setenv("NOTIFIED", dns.RcodeToString[answer.Rcode])
}
