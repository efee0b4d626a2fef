package primary

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestRate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := newRate(10, now)
	count := func(address string, n int) (taken int) {
		for range n {
			if r.take(netip.MustParseAddr(address), now) {
				taken++
			}
		}
		return taken
	}
	for _, c := range []struct {
		what    string
		after   time.Duration
		address string
		asks    int
		want    int
	}{
		{"at once", 0, "192.0.2.1", 50, 20},
		{"its neighbor", 0, "192.0.2.200", 5, 0},
		{"another network", 0, "198.51.100.1", 5, 5},
		{"half a second behind", 500 * time.Millisecond, "192.0.2.1", 50, 5},
		{"the clock goes back", -time.Hour, "192.0.2.1", 5, 0},
		{"and on", time.Second, "192.0.2.1", 50, 10},
		{"full again, and not more", time.Hour, "192.0.2.1", 50, 20},
		{"version 6", 0, "2001:db8:0:1::1", 30, 20},
		{"its neighbor", 0, "2001:db8:0:ff::1", 5, 0},
		{"another one", 0, "2001:db8:0:100::1", 5, 5},
	} {
		now = now.Add(c.after)
		if got := count(c.address, c.asks); got != c.want {
			t.Errorf("%s: %d of %d, want %d", c.what, got, c.asks, c.want)
		}
	}
	if r.take(netip.Addr{}, now) {
		t.Error("no address at all")
	}
}

// However many networks ask, memory is bounded, and those that have a bucket keep it.
func TestRateBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := newRate(10, now)
	address := func(i int) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(i)<<8)
		return netip.AddrFrom4(b)
	}
	taken := 0
	for i := range 10 * mostNetworks {
		if r.take(address(i), now) {
			taken++
		}
	}
	if len(r.networks) != mostNetworks || taken != mostNetworks+20 {
		t.Errorf("%d networks, %d answers", len(r.networks), taken)
	}
	if !r.take(address(0), now) {
		t.Error("one that has a bucket gets nothing for the others")
	}
	now = now.Add(2 * time.Second)
	if !r.take(address(20*mostNetworks), now) || len(r.networks) != 1 {
		t.Errorf("%d networks behind a pause", len(r.networks))
	}
}

// Over UDP a network gets as many answers as it may, and those that are not known fewer, under a
// clock that stands still; over TCP it goes on.
func TestAnswersBounded(t *testing.T) {
	st := setup(t, example)
	st.Zones[0].Access = []Access{{From: netip.MustParsePrefix("127.0.0.1/32"), Unsigned: true}}
	var clock atomic.Int64
	clock.Store(time.Now().Unix())
	s := start(t, Options{Limits: Limits{Answers: 30, Refusals: 3}, Now: func() time.Time { return time.Unix(clock.Load(), 0) }}, st)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	asks := func(from string, n int) (answers int) {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(t.Context(), "udp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		wire, err := new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 512)
		for range n {
			if _, err := c.Write(wire); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(buf); err == nil {
				answers++
			}
		}
		return answers
	}
	for _, c := range []struct {
		from      string
		asks, get int
		rcode     int
	}{{"127.0.0.1", 70, 60, 0}, {"127.0.9.9", 10, 6, dns.RcodeRefused}} {
		s.seen.takeRefusals()
		if got := asks(c.from, c.asks); got < c.get-2 || got > c.get {
			t.Errorf("%s: %d answers of %d, want %d", c.from, got, c.asks, c.get)
		}
		dropped := 0
		for _, r := range s.seen.takeRefusals() {
			if r.Rcode == -1 && r.Reason == "too many questions over UDP from its network" && r.Network == "udp" {
				dropped++
			}
		}
		if dropped != c.asks-c.get {
			t.Errorf("%s: %d are told of, want %d", c.from, dropped, c.asks-c.get)
		}
	}
	if answer := s.ask(t, "tcp", new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)); len(answer.Answer) != 1 {
		t.Errorf("over TCP:\n%v", answer)
	}
	clock.Add(1)
	if got := asks("127.0.0.1", 5); got < 4 {
		t.Errorf("%d answers of 5 a second later", got)
	}
}
