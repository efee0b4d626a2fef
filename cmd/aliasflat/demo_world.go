package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// The world of the demo. All names and addresses are those set aside for documentation.
const (
	demoTTL    = 3 * time.Second // of every record
	demoSilent = time.Second     // that a name which does not answer is waited for
	demoPeriod = time.Minute     // after which the script begins anew
)

// demoZone is the source that is flattened.
const demoZone = `$ORIGIN example.com.
$TTL 300
@     SOA    ns1.example.net. hostmaster 1 7200 900 1209600 300
@     NS     ns1.example.net.
@     ALIAS  cdn.example.net.   ; a content delivery network, behind two CNAMEs
shop  ALIAS  lb.example.net.    ; a load balancer
api   ALIAS  api.example.net.   ; a host that will not answer for a while
old   ALIAS  old.example.net.   ; a name that will be deleted
`

// demoMove is a change of the world. What it says of a name holds until the next one of that name.
type demoMove struct {
	at      time.Duration // from the start of the script
	say     string
	name    string // whose records change
	records string // all that it has from here on, one a line, without owner and TTL; empty: it does not exist
	silent  bool   // its servers do not answer
}

// demoScript is what happens, in this order, and once more from the front after demoPeriod: the
// last moves lead back to the world of the first ones.
var demoScript = []demoMove{
	{name: "example.net", records: "SOA ns1 hostmaster 1 7200 900 1209600 3\nNS ns1"},
	{name: "cdn.example.net", records: "CNAME customer.edge.example.net."},
	{name: "customer.edge.example.net", records: "CNAME pop1.example.net."},
	{name: "pop1.example.net", records: "A 198.51.100.10\nA 198.51.100.11\nAAAA 2001:db8:100::10"},
	{name: "pop2.example.net", records: "A 198.51.100.20\nAAAA 2001:db8:200::20"},
	{name: "lb.example.net", records: "A 203.0.113.20"},
	{name: "api.example.net", records: "A 192.0.2.40"},
	{name: "old.example.net", records: "A 192.0.2.80"},
	{at: 6 * time.Second, say: "lb.example.net moves to another address", name: "lb.example.net", records: "A 203.0.113.21"},
	{at: 12 * time.Second, say: "lb.example.net has IPv6 too", name: "lb.example.net", records: "A 203.0.113.21\nAAAA 2001:db8:300::21"},
	{at: 18 * time.Second, say: "a CNAME on the way of cdn.example.net leads elsewhere", name: "customer.edge.example.net", records: "CNAME pop2.example.net."},
	{at: 24 * time.Second, say: "old.example.net is deleted (NXDOMAIN)", name: "old.example.net"},
	{at: 31 * time.Second, say: "old.example.net is there again", name: "old.example.net", records: "A 192.0.2.80"},
	{at: 36 * time.Second, say: "the servers of api.example.net fall silent", name: "api.example.net", silent: true},
	{at: 41 * time.Second, say: "they answer again, with another address", name: "api.example.net", records: "A 192.0.2.41"},
	{at: 49 * time.Second, say: "lb.example.net moves back", name: "lb.example.net", records: "A 203.0.113.20"},
	{at: 54 * time.Second, say: "cdn.example.net and api.example.net move back", name: "customer.edge.example.net", records: "CNAME pop1.example.net."},
	{at: 54 * time.Second, name: "api.example.net", records: "A 192.0.2.40"},
}

// demoWorld is a world that moves as a script says. It is a [resolve.Lookuper].
type demoWorld struct {
	speed float64 // of its time, beside that of the clock

	mu     sync.RWMutex
	now    *resolve.Memory
	names  map[string]string // records, each with owner and TTL, by name
	silent map[zone.Name]bool
}

var _ resolve.Lookuper = (*demoWorld)(nil)

// newDemoWorld gives a world in which nothing has happened yet, and the moves that are to come.
func newDemoWorld(script []demoMove, speed float64) (*demoWorld, []demoMove, error) {
	w := &demoWorld{speed: speed, names: map[string]string{}, silent: map[zone.Name]bool{}}
	first := slices.IndexFunc(script, func(m demoMove) bool { return m.at > 0 })
	if first < 0 {
		first = len(script)
	}
	return w, script[first:], w.move(script[:first]...)
}

// scaled is a time of the world by the clock.
func (w *demoWorld) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.speed)
}

// move lets moves happen together.
func (w *demoWorld) move(moves ...demoMove) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	ttl := int(w.scaled(demoTTL) / time.Second)
	for _, m := range moves {
		name, err := zone.ParseName(m.name, zone.Root)
		if err != nil {
			return err
		}
		w.silent[name] = m.silent
		var b strings.Builder
		for line := range strings.Lines(m.records) {
			fmt.Fprintf(&b, "%s %d IN %s\n", name, ttl, strings.TrimSpace(line))
		}
		w.names[m.name] = b.String()
	}
	text := strings.Join(slices.Sorted(maps.Values(w.names)), "")
	records, found := zonefile.Records("the world of the demo", []byte(text))
	if found.HasErrors() {
		return errors.New(found[0].Error())
	}
	now, err := resolve.NewMemory(records)
	if err != nil {
		return err
	}
	now.Name = string(resolve.SchemeDemo) + ":"
	w.now = now
	return nil
}

// Lookup answers from the world as it is now. A name whose servers are silent takes its time.
func (w *demoWorld) Lookup(ctx context.Context, target zone.Name, qtype uint16) resolve.Answer {
	w.mu.RLock()
	now, silent := w.now, w.silent[target]
	w.mu.RUnlock()
	if !silent {
		return now.Lookup(ctx, target, qtype)
	}
	select {
	case <-ctx.Done():
	case <-time.After(w.scaled(demoSilent)):
	}
	return resolve.Answer{
		Target: target, Type: qtype, Last: target, Resolver: now.Name,
		Outcome: resolve.Failure, Reason: resolve.ReasonTimeout, Detail: "no reply in " + demoSilent.String(),
	}
}

// play lets the world move until ctx ends. tell is told of each move before it happens.
func (w *demoWorld) play(ctx context.Context, script []demoMove, tell func(say string)) error {
	start := time.Now()
	for i := 0; len(script) > 0; i++ {
		m := script[i%len(script)]
		at := m.at + time.Duration(i/len(script))*demoPeriod
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(start.Add(w.scaled(at)))):
		}
		if m.say != "" {
			tell(m.say)
		}
		if err := w.move(m); err != nil {
			return err
		}
	}
	return nil
}
