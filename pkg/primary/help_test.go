package primary

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

var (
	example = zone.MustParseName("example.com")
	keyName = zone.MustParseName("xfr.test")
	loop    = netip.MustParsePrefix("127.0.0.0/8")
)

const secret = "dGhpcyBpcyBubyBzZWNyZXQgYXQgYWxs"

func testKey(tb testing.TB) Key {
	tb.Helper()
	k, err := NewKey(keyName, "hmac-sha256", secret)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// zoneOf packs a zone of text; $ORIGIN is its name.
func zoneOf(tb testing.TB, name zone.Name, text string) *Zone {
	tb.Helper()
	b := NewBuilder(name)
	for _, rr := range parse(tb, name, text) {
		if err := addRR(b, rr); err != nil {
			tb.Fatal(err)
		}
	}
	z, err := b.Zone()
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func addRR(b *Builder, rr dns.RR) error {
	wire := make([]byte, dns.Len(rr)+16)
	n, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		return err
	}
	owner := zone.WireNameLen(wire)
	h := rr.Header()
	return b.Add(wire[:owner], h.Rrtype, h.Ttl, wire[owner+recordFixed:n])
}

func parse(tb testing.TB, name zone.Name, text string) []dns.RR {
	tb.Helper()
	p := dns.NewZoneParser(strings.NewReader(text), name.String(), "")
	p.SetDefaultTTL(300)
	var list []dns.RR
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		list = append(list, rr)
	}
	if err := p.Err(); err != nil {
		tb.Fatal(err)
	}
	if len(list) == 0 {
		tb.Fatal("a zone without records")
	}
	return list
}

// soaLine is the SOA of a test zone.
func soaLine(serial int) string {
	return fmt.Sprintf("@ 300 SOA ns.example.net. hostmaster.example.net. %d 300 60 86400 60\n@ NS ns.example.net.\n", serial)
}

// lines gives records as sorted text, the second SOA of a transfer apart.
func lines(rrs []dns.RR) []string {
	list := make([]string, len(rrs))
	for i, rr := range rrs {
		list[i] = strings.ReplaceAll(rr.String(), "\t", " ")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// witness notes what a server tells.
type witness struct {
	mu        sync.Mutex
	refusals  []Refusal
	transfers []Transfer
	follows   []Follow
	problems  []error
	heard     chan struct{}
}

func newWitness() *witness { return &witness{heard: make(chan struct{}, 1000)} }

func (w *witness) observer() Observer {
	note := func(f func()) {
		w.mu.Lock()
		f()
		w.mu.Unlock()
		select {
		case w.heard <- struct{}{}:
		default:
		}
	}
	return Observer{
		Refused:     func(r Refusal) { note(func() { w.refusals = append(w.refusals, r) }) },
		Transferred: func(r Transfer) { note(func() { w.transfers = append(w.transfers, r) }) },
		Followed:    func(r Follow) { note(func() { w.follows = append(w.follows, r) }) },
		Problem:     func(err error) { note(func() { w.problems = append(w.problems, err) }) },
	}
}

// wait waits until what was told satisfies a condition.
func (w *witness) wait(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		ok := holds()
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-w.heard:
		case <-deadline:
			tb.Fatalf("%s: not within 20 s", what)
		}
	}
}

// takeRefusals gives the refusals since the last call.
func (w *witness) takeRefusals() []Refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.refusals
	w.refusals = nil
	return list
}

// running is a server that runs until the test ends.
type running struct {
	*Server
	addr string
	seen *witness
	stop func()
}

// setup lets 127.0.0.0/8 transfer with the key.
func setup(tb testing.TB, names ...zone.Name) Setup {
	tb.Helper()
	s := Setup{Keys: []Key{testKey(tb)}}
	for _, name := range names {
		s.Zones = append(s.Zones, ZoneSetup{Name: name, Access: []Access{{From: loop, Key: keyName}}})
	}
	return s
}

func start(tb testing.TB, o Options, s Setup) *running {
	tb.Helper()
	w := newWitness()
	notified := o.Observer.Notified
	o.Observer = w.observer()
	o.Observer.Notified = notified
	if o.Listen == nil {
		o.Listen = []string{"127.0.0.1:0"}
	}
	server, err := New(o, s)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("run: %v", err)
		}
	})
	tb.Cleanup(stop)
	return &running{server, server.Addrs()[0].String(), w, stop}
}

func (s *running) publish(tb testing.TB, z *Zone) {
	tb.Helper()
	if err := s.Publish(z); err != nil {
		tb.Fatal(err)
	}
}

func ring(tb testing.TB) keyring {
	tb.Helper()
	k := testKey(tb)
	return keyring{k.Name: &k}
}

func sign(m *dns.Msg) *dns.Msg {
	m.SetTsig(keyName.String(), dns.HmacSHA256, fudge, time.Now().Unix())
	return m
}

// pull transfers a zone with the key, as a list of messages.
func (s *running) pull(tb testing.TB, m *dns.Msg) []dns.RR {
	tb.Helper()
	rrs, err := s.tryPull(tb, m)
	if err != nil {
		tb.Fatal(err)
	}
	return rrs
}

func (s *running) tryPull(tb testing.TB, m *dns.Msg) ([]dns.RR, error) {
	tb.Helper()
	transfer := dns.Transfer{TsigProvider: ring(tb), ReadTimeout: 20 * time.Second}
	envelopes, err := transfer.In(sign(m), s.addr)
	if err != nil {
		return nil, err
	}
	var rrs []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			return nil, e.Error
		}
		rrs = append(rrs, e.RR...)
	}
	return rrs, nil
}

func axfr(name zone.Name) *dns.Msg { return new(dns.Msg).SetAxfr(name.String()) }

func ixfr(name zone.Name, serial uint32) *dns.Msg {
	return new(dns.Msg).SetIxfr(name.String(), serial, "ns.example.net.", "hostmaster.example.net.")
}

// ask sends one message and gives the answer.
func (s *running) ask(tb testing.TB, network string, m *dns.Msg) *dns.Msg {
	tb.Helper()
	client := dns.Client{Net: network, Timeout: 5 * time.Second, TsigProvider: ring(tb)}
	answer, _, err := client.Exchange(m, s.addr)
	if answer == nil {
		tb.Fatalf("%s: %v", network, err)
	}
	return answer
}

// raw sends octets over UDP and gives the answer.
func (s *running) raw(tb testing.TB, wire []byte) []byte {
	tb.Helper()
	c, err := net.Dial("udp", s.addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	if _, err := c.Write(wire); err != nil {
		tb.Fatal(err)
	}
	buf := make([]byte, 65535)
	n, err := c.Read(buf)
	if err != nil {
		tb.Fatal(err)
	}
	return buf[:n]
}
