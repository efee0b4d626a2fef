package watch

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// level is what a process holds.
type level struct {
	heap        uint64
	goroutines  int
	descriptors int // 0 where the system does not tell
}

// leastLevel is the least of some looks at it, between which lookups come and go.
func leastLevel() level {
	least := level{heap: 1 << 62, goroutines: 1 << 30, descriptors: 1 << 30}
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for range 20 {
		<-tick.C
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		open, _ := os.ReadDir("/proc/self/fd") // another system tells nothing
		least.heap = min(least.heap, m.HeapAlloc)
		least.goroutines = min(least.goroutines, runtime.NumGoroutine())
		least.descriptors = min(least.descriptors, len(open))
	}
	return least
}

// soakWorld is a world of targets that have moved so often.
func soakWorld(targets, moves int) string {
	var b strings.Builder
	b.WriteString("example.net. 3600 IN SOA ns.example.net. h.example.net. 1 2 3 4 1\n")
	for i := range targets {
		generation := (moves + i) / 10 // a tenth of them moves each time
		fmt.Fprintf(&b, "t%d.example.net. %d IN A %s\n", i, i%3, documented(7*generation+i))
		if i%4 != 0 || moves%20 < 15 {
			fmt.Fprintf(&b, "t%d.example.net. %d IN AAAA 2001:db8::%x:%x\n", i, i%3, i, generation%1000)
		}
	}
	return b.String()
}

// A daemon that asks a resolver with faults over the network takes no more memory, goroutines
// and descriptors in the end than it did at first.
func TestSoak(t *testing.T) {
	const targets, zones = 40, 4
	length := 5 * time.Second
	if judge.Deep() {
		length = 10 * time.Minute
	}
	server := dnstest.Start(t, soakWorld(targets, 0))
	server.StopLog()
	for _, text := range []string{
		"servfail,chance=0.05", "drop,chance=0.05", "truncate,chance=0.05", "garbage,chance=0.03", "wrong-id,first,chance=0.03",
		"hangup,tcp,chance=0.2", "reset,tcp,chance=0.2", "no-soa,chance=0.03", "delay=1ms-300ms,chance=0.1", "refused,chance=0.03",
	} {
		f, err := dnstest.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		server.Fault("", 0, f)
	}
	client, err := resolve.New([]string{server.URL()}, resolve.Options{QueryTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for z := range zones {
		var names []string
		for i := range targets / zones {
			names = append(names, fmt.Sprintf("t%d.example.net.", z*targets/zones+i))
		}
		sources = append(sources, source(fmt.Sprintf("z%d.example.com.", z), names...))
	}
	h := newHost(sources...)
	h.guards = &flatten.Guards{Change: 1, Confirm: 1, Shrink: 1} // nothing is held back: much is to happen
	work := &Work{
		Host: h, Floor: 100 * time.Millisecond,
		Options: compile.Options{Lookup: client, Confirm: client.Confirm, Known: h.knownOf, Estimates: resolve.Estimates{}, Policy: resolve.Policy{MaxAddresses: 64}},
		Close:   func() { client.Close() },
	}
	for i := range sources {
		work.Zones = append(work.Zones, Zone{Source: fmt.Sprintf("%d.zone", i)})
	}
	d := New(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx, work)
	}()
	move := time.NewTicker(250 * time.Millisecond)
	defer move.Stop()
	moves := 0
	passes := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			<-move.C
			moves++
			// From the start on, so that the server keeps no worlds of the past.
			if err := server.SetWorldAt(0, soakWorld(targets, moves)); err != nil {
				t.Fatal(err)
			}
		}
	}
	passes(length / 5)
	before, asked := leastLevel(), d.Snapshot().Lookups
	passes(length * 4 / 5)
	after := leastLevel()
	s := d.Snapshot()
	cancel()
	<-done
	writes := 0
	for _, n := range h.written() {
		writes += n
	}
	t.Logf("%s: %+v, %d failing, %d publications; before %+v, after %+v", length, s.Lookups, s.Failing, writes, before, after)
	if s.Lookups.Addresses < asked.Addresses+targets || s.Lookups.Failures == 0 || writes < 2*zones {
		t.Error("too little has happened")
	}
	if after.heap > before.heap+before.heap/5+2<<20 || after.goroutines > before.goroutines+10 || after.descriptors > before.descriptors+10 {
		t.Errorf("it grows from %+v to %+v", before, after)
	}
}
