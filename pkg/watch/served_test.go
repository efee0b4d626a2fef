package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

var servedName = zone.MustParseName("example.com")

func servedText(tb testing.TB, records int) []byte {
	tb.Helper()
	var text bytes.Buffer
	if err := zonegen.Plain(&text, records, records/1000); err != nil {
		tb.Fatal(err)
	}
	return text.Bytes()
}

func TestServed(t *testing.T) {
	text := servedText(t, 2000)
	z := zonefile.Summarize("zone", text, zonefile.Options{Origin: servedName})
	served, err := Served(z)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := z.Serial()
	if served.Records() != z.Count || served.Serial() != serial || served.Name() != servedName {
		t.Errorf("%d records, serial %d; want %d, %d", served.Records(), served.Serial(), z.Count, serial)
	}
}

func TestServedRefused(t *testing.T) {
	const head = "@ 300 SOA ns.example.net. h.example.net. 1 300 60 86400 60\n@ 300 NS ns.example.net.\n"
	for want, text := range map[string]string{
		"no wire form": head + "a 300 NSAP-PTR x.\nb 300 APL 1:oops\n",
		"example.com":  head + "a 300 A 192.0.2.300\n",
		"has no SOA":   "@ 300 NS ns.example.net.\n",
	} {
		z := zonefile.Summarize("example.com", []byte(text), zonefile.Options{Origin: servedName})
		if _, err := Served(z); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// answersOf answers with what a map has for a target, and with NODATA else.
type answersOf map[resolve.Question][]netip.Addr

// Lookup is that of [resolve.Lookuper].
func (m answersOf) Lookup(_ context.Context, target zone.Name, qtype uint16) resolve.Answer {
	a := resolve.Answer{Target: target, Type: qtype, Last: target, Outcome: resolve.NoData, Confirmed: true, TTL: 60, AddressTTL: 60}
	if list := m[resolve.Question{Target: target, Type: qtype}]; len(list) > 0 {
		a.Outcome, a.Addresses = resolve.Addresses, list
		a.TTL = 60 + 60*uint32(len(list)%2)
		a.AddressTTL = a.TTL
	}
	return a
}

// transferOf gives what AXFR of a zone carries: every record as it is spelled.
func transferOf(t *testing.T, z *primary.Zone) []string {
	t.Helper()
	name := z.Name()
	server, err := primary.New(primary.Options{Listen: []string{"127.0.0.1:0"}}, primary.Setup{
		Zones: []primary.ZoneSetup{{Name: name, Access: []primary.Access{{From: netip.MustParsePrefix("127.0.0.0/8"), Unsigned: true}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	if err := server.Publish(z); err != nil {
		t.Fatal(err)
	}
	envelopes, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr(name.String()), server.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		for _, rr := range e.RR {
			list = append(list, rr.String())
		}
	}
	return list
}

// revisions is a zone whose targets change.
type revisions struct {
	rnd     *rand.Rand
	session *compile.Session
	answers answersOf
	targets []zone.Name
	at      zone.Serial // that is published
}

const revisedZone = `$ORIGIN example.com.
$TTL 300
@ SOA ns hostmaster 7 7200 900 1209600 300
@ NS ns
ns A 192.0.2.53
@ ALIAS t0.example.net.
@ MX 10 mail
Mixed.Case ALIAS t1.example.net.
four ALIAS t2.example.net. types=A
four AAAA 2001:db8::4
six ALIAS t3.example.net. types=AAAA
six A 192.0.2.6
both ALIAS t4.example.net. siblings=merge
both A 192.0.2.7
both A 192.0.2.8
back ALIAS t5.example.net. siblings=fallback
back A 192.0.2.9
twice ALIAS t6.example.net.
  TXT "behind it"
twice ALIAS t6.example.net.
`

func newRevisions(t *testing.T, style compile.Style, more int) *revisions {
	t.Helper()
	text := revisedZone
	v := &revisions{rnd: rand.New(rand.NewPCG(12, uint64(style))), session: compile.NewSession(1), answers: answersOf{}, at: 7}
	for i := range 7 + more {
		v.targets = append(v.targets, zone.MustParseName(fmt.Sprintf("t%d.example.net", i)))
		if i >= 7 {
			text += fmt.Sprintf("h%d ALIAS t%d.example.net. \nh%[1]d TXT \"beside %[1]d\"\n", i, i)
		}
	}
	for _, target := range v.targets {
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
			v.answers[resolve.Question{Target: target, Type: typ}] = v.addresses(typ, 1)
		}
	}
	v.session.Read([]int{0}, []compile.Source{{Name: "zone", Text: []byte(text), Style: style}}, nil)
	return v
}

// move changes some targets. Each keeps an address of a type that is asked for.
func (v *revisions) move() {
	for range 1 + v.rnd.IntN(4) {
		i := v.rnd.IntN(len(v.targets))
		target := v.targets[i]
		six, four := v.addresses(dns.TypeAAAA, v.rnd.IntN(3)), v.addresses(dns.TypeA, v.rnd.IntN(4))
		if i == 3 || len(four) == 0 {
			six = v.addresses(dns.TypeAAAA, 1)
		}
		if i == 2 {
			four = v.addresses(dns.TypeA, 1)
		}
		v.answers[resolve.Question{Target: target, Type: dns.TypeA}] = four
		v.answers[resolve.Question{Target: target, Type: dns.TypeAAAA}] = six
	}
}

// addresses gives so many of a type, in order.
func (v *revisions) addresses(typ uint16, n int) []netip.Addr {
	var list []netip.Addr
	first := v.rnd.IntN(200)
	for i := range n {
		if typ == dns.TypeA {
			list = append(list, netip.AddrFrom4([4]byte{198, 51, 100, byte(first + i)}))
		} else {
			list = append(list, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(first + i)}))
		}
	}
	return list
}

// compile gives the result behind the one before.
func (v *revisions) compile(t *testing.T) *compile.Result {
	t.Helper()
	v.session.Publishes(0, &compile.Published{Serial: v.at, Same: func(*zonefile.Text, zonefile.Content) (bool, error) { return false, nil }}, true)
	r := &v.session.Run(t.Context(), []int{0}, compile.Options{Lookup: v.answers, Now: time.Unix(1_800_000_000, 0), Force: true})[0]
	if !r.OK() {
		t.Fatal(r.Problems[0])
	}
	v.at = r.Serial
	return r
}

// A generation that is made of the one before is the one that is packed as a whole, to the letter
// case.
func TestRevised(t *testing.T) {
	steps := 60
	if judge.Deep() {
		steps = 2000
	}
	for _, style := range []compile.Style{compile.StyleSource, compile.StyleCanonical} {
		v := newRevisions(t, style, 400)
		var z *primary.Zone
		var last compile.Flat
		revised := 0
		for step := range steps {
			v.move()
			r := v.compile(t)
			text := r.Text.Bytes()
			whole, err := Served(zonefile.Summarize("zone", text, zonefile.Options{Origin: servedName}))
			if err != nil {
				t.Fatal(err)
			}
			next := whole
			if z != nil {
				if latest := Revised(z, last, r); latest != nil {
					next = latest
					revised++
				}
			}
			if got, want := transferOf(t, next), transferOf(t, whole); !slices.Equal(got, want) {
				t.Fatalf("step %d: transferred\n%s\nwant\n%s\nof\n%s", step, strings.Join(got, "\n"), strings.Join(want, "\n"), text)
			}
			z, last = next, r.Flat()
		}
		if revised < steps/2 {
			t.Errorf("%d of %d generations are made of the one before", revised, steps)
		}
	}
}

// What else may have changed is packed as a whole.
func TestRevisedNot(t *testing.T) {
	v := newRevisions(t, compile.StyleSource, 0)
	v.move()
	r := v.compile(t)
	z, err := Served(zonefile.Summarize("zone", r.Text.Bytes(), zonefile.Options{Origin: servedName}))
	if err != nil {
		t.Fatal(err)
	}
	if latest := Revised(z, compile.Flat{}, r); latest != nil {
		t.Error("of no result")
	}
	last := r.Flat()
	own := resolve.Question{Target: v.targets[4], Type: dns.TypeA} // which the author has addresses beside
	v.answers[own] = []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")}
	if latest := Revised(z, last, v.compile(t)); latest != nil {
		t.Error("of an entry that the author has addresses beside")
	}
	v = newRevisions(t, compile.StyleSource, 0)
	if latest := Revised(z, last, v.compile(t)); latest != nil {
		t.Error("of another reading of the source")
	}
	r = v.compile(t)
	r.Content.Count++
	if latest := Revised(z, r.Flat(), r); latest != nil {
		t.Error("of a zone that had other records")
	}
}

// The primary reads a result that is the first one, and those that it cannot make of the one before.
func TestPublishResult(t *testing.T) {
	setup := primary.Setup{Zones: []primary.ZoneSetup{{Name: servedName, Access: []primary.Access{{From: netip.MustParsePrefix("127.0.0.0/8"), Unsigned: true}}}}}
	p, err := NewPrimary(primary.Options{}, setup, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	v := newRevisions(t, compile.StyleSource, 10)
	reads := 0
	publish := func(r *compile.Result) error {
		return p.PublishResult(r, func() *zonefile.Zone {
			reads++
			return zonefile.Summarize("zone", r.Text.Bytes(), zonefile.Options{Origin: servedName})
		})
	}
	expect := func(what string, want int) {
		t.Helper()
		v.answers[resolve.Question{Target: v.targets[9], Type: dns.TypeA}] = v.addresses(dns.TypeA, 3)
		r := v.compile(t)
		if err := publish(r); err != nil || reads != want || !p.Serves(servedName, r.Serial) {
			t.Errorf("%s: %v, %d readings, want %d", what, err, reads, want)
		}
	}
	expect("the first", 1)
	expect("what has changed", 1)
	if err := p.Configure(primary.Setup{}); err != nil {
		t.Fatal(err)
	}
	if err := publish(v.compile(t)); !errors.Is(err, primary.ErrNotConfigured) {
		t.Errorf("a zone that is not served: %v", err)
	}
	if err := p.Configure(setup); err != nil {
		t.Fatal(err)
	}
	reads = 0
	expect("the first behind another setup", 1)
	expect("what has changed since", 1)
	r := v.compile(t)
	if err := p.PublishResult(&compile.Result{Name: servedName}, func() *zonefile.Zone {
		return zonefile.Read("zone", []byte(revisedZone), zonefile.Options{Origin: servedName})
	}); err == nil || !strings.Contains(err.Error(), "it is not flattened") {
		t.Errorf("a zone with ALIAS: %v", err)
	}
	r.Serial = 1
	if err := publish(r); !errors.Is(err, primary.ErrSerialNotLater) {
		t.Errorf("an earlier serial: %v", err)
	}
	expect("the first behind an error", 2)
}

func BenchmarkServed(b *testing.B) {
	text := servedText(b, 1_000_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		z := zonefile.Summarize("zone", text, zonefile.Options{Origin: servedName})
		served, err := Served(z)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(served.Size())/float64(served.Records()), "B/record")
	}
}
