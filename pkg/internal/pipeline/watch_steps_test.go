package pipeline

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// How long a change takes to be served by every secondary, with and without loss of NOTIFY, in 99
// of 100 steps.
const (
	servedWithin     = 2 * time.Second
	servedWithinLoss = time.Minute
)

// fed is a daemon with BIND, NSD and Knot as its secondaries, and what they should have.
type fed struct {
	*running

	rnd      *rand.Rand
	dir      string
	at       string // where the daemon serves
	secret   string
	resolver *dnstest.Server
	servers  []*judge.Server
	losses   []*loss

	targets [][]netip.Addr    // by target
	extra   map[string]string // by owner: what the author has beside ALIAS
	serial  uint32            // that all serve
}

const fedTargets = 20

// fedSerial wraps after some steps.
const fedSerial = 1<<32 - 6

func startFed(t *testing.T, seed uint64) *fed {
	t.Helper()
	f := &fed{rnd: rand.New(rand.NewPCG(seed, 6)), dir: t.TempDir(), extra: map[string]string{}, serial: fedSerial - 1}
	for range fedTargets {
		f.targets = append(f.targets, f.addresses())
	}
	for i := range 40 {
		f.extra[fmt.Sprintf("h%d", i)] = fmt.Sprintf("TXT \"%d\"", i)
	}
	f.resolver = dnstest.Start(t, f.world())
	if out, err := program(t, f.dir, "tsig", "generate", "xfr").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := os.ReadFile(filepath.Join(f.dir, "xfr.key"))
	if err != nil {
		t.Fatal(err)
	}
	f.secret = strings.TrimSpace(string(secret))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.at = l.Addr().String()
	l.Close()
	var list []string
	for i, name := range []string{"named", "nsd", "knotd"} {
		s := (&judge.Secondary{Program: name, Zones: []string{"example.com"}, Primary: f.at, Key: "xfr", Secret: f.secret}).Start(t)
		before := startLoss(t, s.Addr, seed+uint64(i))
		f.servers, f.losses = append(f.servers, s), append(f.losses, before)
		list = append(list, fmt.Sprintf("  - {address: \"%s\", key: xfr}\n", before.addr))
	}
	f.source(t)
	put(t, f.dir, "aliasflat.yaml", fmt.Sprintf(`resolvers: ["%s"]
state: state
listen: {dns: "%s"}
keys: [{name: xfr, secret-file: xfr.key}]
secondaries:
%szones:
  - name: example.com
    source: example.com.zone
    guard: {change: 100%%, shrink: 100%%, convergence: 0, confirm: 0}
`, f.resolver.URL(), f.at, strings.Join(list, "")))
	f.running = startWatch(t, f.dir)
	return f
}

// addresses gives some at random, of both types: what a target has no more of a type is held.
func (f *fed) addresses() []netip.Addr {
	var list []netip.Addr
	first := f.rnd.IntN(250)
	for i := range 1 + f.rnd.IntN(3) {
		list = append(list, netip.AddrFrom4([4]byte{198, 51, 100, byte(first + i)}))
	}
	for range 1 + f.rnd.IntN(2) {
		list = append(list, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(f.rnd.IntN(256)), 15: byte(f.rnd.IntN(256))}))
	}
	return slices.Compact(list)
}

func typeOf(a netip.Addr) string {
	if a.Is6() {
		return "AAAA"
	}
	return "A"
}

func (f *fed) world() string {
	var text strings.Builder
	text.WriteString("example.net. 3600 IN SOA ns.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n")
	for i, list := range f.targets {
		for _, a := range list {
			fmt.Fprintf(&text, "t%d.example.net. 300 IN %s %s\n", i, typeOf(a), a)
		}
	}
	return text.String()
}

// source writes the zone.
func (f *fed) source(t *testing.T) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster %d 7200 900 1209600 300\n@ NS ns1.example.net.\n", uint32(fedSerial))
	for i := range f.targets {
		fmt.Fprintf(&text, "a%d ALIAS t%d.example.net.\n", i, i)
	}
	for _, owner := range slices.Sorted(maps.Keys(f.extra)) {
		fmt.Fprintf(&text, "%s %s\n", owner, f.extra[owner])
	}
	temporary := put(t, f.dir, "next", text.String())
	if err := os.Rename(temporary, filepath.Join(f.dir, "example.com.zone")); err != nil {
		t.Fatal(err)
	}
}

// want gives what the zone has beside SOA and NS, without TTLs.
func (f *fed) want() []string {
	var list []string
	for i, addresses := range f.targets {
		for _, a := range addresses {
			list = append(list, fmt.Sprintf("a%d.example.com. IN %s %s", i, typeOf(a), a))
		}
	}
	for owner, rest := range f.extra {
		list = append(list, fmt.Sprintf("%s.example.com. IN %s", owner, rest))
	}
	slices.Sort(list)
	return list
}

// pull gives what the daemon serves: all records, those of want, and the serial; nil: nothing yet.
func (f *fed) pull() (all, beside []string, serial uint32) {
	transfer := dns.Transfer{TsigSecret: map[string]string{"xfr.": f.secret}}
	m := new(dns.Msg).SetAxfr("example.com.")
	m.SetTsig("xfr.", dns.HmacSHA256, 300, time.Now().Unix())
	envelopes, err := transfer.In(m, f.at)
	if err != nil {
		return nil, nil, 0
	}
	var text strings.Builder
	for e := range envelopes {
		if e.Error != nil {
			return nil, nil, 0
		}
		for _, rr := range e.RR {
			fmt.Fprintln(&text, rr)
			switch rr := rr.(type) {
			case *dns.SOA:
				serial = rr.Serial
			case *dns.NS:
			default:
				fields := strings.Fields(rr.String())
				beside = append(beside, strings.Join(append(fields[:1:1], fields[2:]...), " "))
			}
		}
	}
	slices.Sort(beside)
	return slices.Compact(judge.Records(text.String())), beside, serial
}

// shown is the serial that the daemon serves; 0: none.
func (f *fed) shown() uint32 {
	client := dns.Client{Timeout: time.Second, TsigSecret: map[string]string{"xfr.": f.secret}}
	m := new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)
	m.SetTsig("xfr.", dns.HmacSHA256, 300, time.Now().Unix())
	answer, _, err := client.Exchange(m, f.at)
	if err != nil || len(answer.Answer) != 1 {
		return 0
	}
	soa, _ := answer.Answer[0].(*dns.SOA)
	return soa.Serial
}

// changeTargets has the addresses of some targets changed, and the daemon ask for them.
func (f *fed) changeTargets(t *testing.T) {
	t.Helper()
	var names []zone.Name
	for range 1 + f.rnd.IntN(3) {
		i := f.rnd.IntN(len(f.targets))
		before := f.targets[i]
		for slices.Equal(f.targets[i], before) {
			f.targets[i] = f.addresses()
		}
		names = append(names, zone.MustParseName(fmt.Sprintf("t%d.example.net", i)))
	}
	if err := f.resolver.SetWorld(f.world()); err != nil {
		t.Fatal(err)
	}
	client := api.NewClient(filepath.Join(f.dir, "state", "control.sock"))
	until(t, "the daemon is asked to refresh", func() bool {
		_, err := client.Refresh(t.Context(), names)
		return err == nil
	})
}

// edit adds a record to the source, takes one out, or changes one.
func (f *fed) edit(t *testing.T) {
	t.Helper()
	owner := fmt.Sprintf("h%d", f.rnd.IntN(60))
	if _, there := f.extra[owner]; there && f.rnd.IntN(2) == 0 {
		delete(f.extra, owner)
	} else {
		f.extra[owner] = fmt.Sprintf("TXT \"%d\"", f.rnd.Uint64())
	}
	f.source(t)
}

// step is one change; calm: nothing was started anew.
func (f *fed) step(t *testing.T) (what string, calm bool, begun time.Time) {
	t.Helper()
	switch n := f.rnd.IntN(100); {
	case n < 65:
		begun = time.Now()
		f.changeTargets(t)
		return "targets", true, begun
	case n < 85:
		begun = time.Now()
		f.edit(t)
		return "source", true, begun
	case n < 95:
		s := f.servers[f.rnd.IntN(len(f.servers))]
		begun = time.Now()
		f.changeTargets(t)
		s.Restart(t)
		return "restart of " + s.Name, false, begun
	default:
		begun = time.Now()
		if err := f.stop(t); err != nil {
			t.Fatalf("%v\n%s", err, f.log)
		}
		f.edit(t)
		f.running = startWatch(t, f.dir)
		f.changeTargets(t)
		return "restart of the daemon", false, begun
	}
}

// follow waits until the daemon and then all secondaries serve what they should, and tells when.
func (f *fed) follow(t *testing.T, what string) time.Time {
	t.Helper()
	want := f.want()
	var all, beside []string
	serial := f.serial
	deadline := time.Now().Add(time.Minute)
	for !slices.Equal(beside, want) {
		if now := f.shown(); now == 0 || now == serial {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the daemon serves\n%s\nwant\n%s", what, strings.Join(beside, "\n"), strings.Join(want, "\n"))
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		all, beside, serial = f.pull()
	}
	if serial-f.serial-1 >= 1<<31-1 {
		t.Errorf("%s: serial %d behind %d", what, serial, f.serial)
	}
	f.serial = serial
	for _, s := range f.servers {
		untilWithin(t, 2*time.Minute, s.Name+" follows "+what, func() bool { return soaOf(t, s, "example.com.") == serial })
	}
	done := time.Now()
	for _, s := range f.servers {
		var got []string
		// For a moment an old process of NSD transfers what it had before.
		until(t, s.Name+" transfers "+what, func() bool {
			got = s.Transfer(t, "example.com")
			return slices.Contains(got, all[soaAt(all)])
		})
		if !slices.Equal(got, all) {
			t.Fatalf("%s: %s has\n%s\nwant\n%s", what, s.Name, strings.Join(got, "\n"), strings.Join(all, "\n"))
		}
	}
	return done
}

// soaAt is where the SOA stands in records.
func soaAt(records []string) int {
	return slices.IndexFunc(records, func(line string) bool { return strings.Contains(line, " IN SOA ") })
}

// most is how long the longest of 99 in 100 took.
func most(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[(len(list)*99+99)/100-1]
}

// Three secondaries have the same records as the daemon behind every step: other addresses, other
// sources, serials that wrap, restarts of each side; in the second half of the steps every second
// NOTIFY is lost.
func TestWatchFeedsInSteps(t *testing.T) {
	t.Parallel()
	steps := 8
	switch {
	case judge.Deep():
		steps = 200
	case testing.Short():
		steps = 2
	}
	f := startFed(t, 6)
	f.follow(t, "the start")
	took, restarts := map[bool][]time.Duration{}, map[bool][]time.Duration{}
	wrapped := false
	for i := range steps {
		lossy := i >= steps/2
		for _, l := range f.losses {
			l.loses.Store(lossy)
		}
		before := f.serial
		what, calm, begun := f.step(t)
		if i == steps/4 && calm { // one restart at least, however few steps there are
			f.servers[i%len(f.servers)].Restart(t)
			calm = false
		}
		d := f.follow(t, fmt.Sprintf("step %d, %s", i, what)).Sub(begun)
		wrapped = wrapped || f.serial < before
		if calm {
			took[lossy] = append(took[lossy], d)
		} else {
			restarts[lossy] = append(restarts[lossy], d)
		}
	}
	var lost int64
	for _, l := range f.losses {
		lost += l.lost.Load()
	}
	for _, lossy := range []bool{false, true} {
		if list := took[lossy]; len(list) > 0 {
			p99 := most(list)
			t.Logf("lossy %v: %d steps, p50 %v, p99 %v, most %v", lossy, len(list), list[(len(list)-1)/2], p99, list[len(list)-1])
			if limit := map[bool]time.Duration{false: servedWithin, true: servedWithinLoss}[lossy]; judge.Deep() && p99 > limit {
				t.Errorf("lossy %v: p99 %v, want %v at most", lossy, p99, limit)
			}
		}
		if list := restarts[lossy]; len(list) > 0 {
			t.Logf("lossy %v: %d restarts, most %v", lossy, len(list), slices.Max(list))
		}
	}
	if err := f.stop(t); err != nil {
		t.Errorf("%v\n%s", err, f.log)
	}
	t.Logf("%d NOTIFY were lost, the serial is %d", lost, f.serial)
	if steps >= 8 && (!wrapped || lost == 0) {
		t.Errorf("the serial has wrapped: %v; %d NOTIFY were lost", wrapped, lost)
	}
}
