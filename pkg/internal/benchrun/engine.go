package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	dnszone "github.com/aliasflat/aliasflat/pkg/zone"
)

// engineCost is what asking alone cost, in a process of its own.
type engineCost struct {
	Wall   time.Duration // from the first question to the last answer
	CPU    time.Duration // from the start of the process to the last answer
	Memory int64         // largest resident set in bytes
	Lost   int64         // questions without an answer
	Again  int64         // answers that took more than one attempt
}

// engine asks a resolver for A and AAAA of all targets, as compile would for
// its zone, and prints the cost as JSON. A wrong answer is an error.
func engine(ctx context.Context, out io.Writer, url string, targets int) error {
	// As the program itself has it.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
	questions := make([]resolve.Question, 0, 2*targets)
	for n := range targets {
		name, err := dnszone.ParseName(zonegen.TargetName(n), dnszone.Root)
		if err != nil {
			return err
		}
		questions = append(questions, resolve.Question{Target: name, Type: dns.TypeA}, resolve.Question{Target: name, Type: dns.TypeAAAA})
	}
	client, err := resolve.New([]string{url}, resolve.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	start := time.Now()
	answers := resolve.All(ctx, client, questions, compile.DefaultInFlight, nil)
	cost := engineCost{Wall: time.Since(start)}
	cost.CPU, cost.Memory = ownUsage()
	for i, a := range answers {
		if a.Outcome == resolve.Failure {
			cost.Lost++
			continue
		}
		// The attempt that brought an answer is kept only where it needs explaining.
		if len(a.Attempts) > 1 || len(a.Attempts) == 1 && a.Outcome == resolve.Addresses && !a.Stale {
			cost.Again++
		}
		if want := addressesOf(i/2, questions[i].Type); !slices.Equal(sorted(a.Addresses), sorted(want)) {
			return fmt.Errorf("%s: %s %v, want %v", zonegen.TargetName(i/2), a.Outcome, a.Addresses, want)
		}
	}
	return json.NewEncoder(out).Encode(cost)
}

// addressesOf gives the addresses of a target of one type.
func addressesOf(n int, qtype uint16) []netip.Addr {
	return slices.DeleteFunc(zonegen.TargetAddresses(n), func(a netip.Addr) bool { return a.Is6() != (qtype == dns.TypeAAAA) })
}

func sorted(addresses []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(addresses), netip.Addr.Compare)
}
