package primary

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// bigZone has some hundred messages.
func bigZone(tb testing.TB, serial int) *Zone {
	tb.Helper()
	var text strings.Builder
	text.WriteString(soaLine(serial))
	for i := range 20_000 {
		fmt.Fprintf(&text, "h%d TXT \"%s\"\n", i, strings.Repeat("x", 200))
	}
	return zoneOf(tb, example, text.String())
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn) //nolint:errcheck // It was dialed as one.
}

// ended waits until the server ends a connection.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("it goes on")
	}
}

// TestConnections fills every place: what is too much is closed, and others are served.
func TestConnections(t *testing.T) {
	st := setup(t, example)
	s := start(t, Options{Limits: Limits{Connections: 30, PerAddress: 20}}, st)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	var open []net.Conn
	for range 20 {
		open = append(open, dial(t, s.addr))
	}
	s.seen.takeRefusals()
	ended(t, dial(t, s.addr))
	s.seen.wait(t, "it is told", func() bool {
		return len(s.seen.refusals) == 1 && s.seen.refusals[0].Reason == "too many connections from its address" && s.seen.refusals[0].Rcode == -1
	})
	for _, c := range open {
		c.Close()
	}
	s.eventually(t, func() error { _, err := s.tryPull(t, axfr(example)); return err })
}

// eventually waits for what happens in another goroutine of the server.
func (s *running) eventually(t *testing.T, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for err := f(); err != nil; err = f() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func TestConnectionsInAll(t *testing.T) {
	s := start(t, Options{Limits: Limits{Connections: 3}}, setup(t, example))
	for range 3 {
		dial(t, s.addr)
	}
	ended(t, dial(t, s.addr))
	s.seen.wait(t, "it is told", func() bool { return len(s.seen.refusals) == 1 && s.seen.refusals[0].Reason == "too many connections" })
}

// TestStrangersKeepNobodyOut: who is not known gets few places.
func TestStrangersKeepNobodyOut(t *testing.T) {
	st := setup(t, example)
	st.Zones[0].Access[0].From = netip.MustParsePrefix("127.0.0.1/32")
	s := start(t, Options{Limits: Limits{Strangers: 2}}, st)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	stranger := func() net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		c, err := d.DialContext(t.Context(), "tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	stranger()
	stranger()
	ended(t, stranger())
	s.seen.wait(t, "it is told", func() bool {
		return len(s.seen.refusals) == 1 && s.seen.refusals[0].Reason == "too many connections of strangers"
	})
	if rrs := s.pull(t, axfr(example)); len(rrs) != 3 {
		t.Errorf("%v", rrs)
	}
}

// TestSlowClients: one that sends nothing, one that sends half a request, and one that takes
// nothing are ended, while others transfer.
func TestSlowClients(t *testing.T) {
	s := start(t, Options{Limits: Limits{Idle: 300 * time.Millisecond, Write: 300 * time.Millisecond}}, setup(t, example))
	s.publish(t, bigZone(t, 1))
	idle, half, slow := dial(t, s.addr), dial(t, s.addr), dial(t, s.addr)
	if err := slow.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	request := signedRaw(t, testKey(t), axfr(example), time.Now())
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)
	if _, err := half.Write(framed[:20]); err != nil {
		t.Fatal(err)
	}
	for range 40 { // more than all buffers hold
		if _, err := slow.Write(framed); err != nil {
			t.Fatal(err)
		}
	}
	if rrs := s.pull(t, axfr(example)); len(rrs) != 20_003 {
		t.Errorf("%d records", len(rrs))
	}
	ended(t, idle)
	ended(t, half)
	s.seen.wait(t, "it is told", func() bool {
		return slices.ContainsFunc(s.seen.transfers, func(tr Transfer) bool {
			var timeout net.Error
			return errors.As(tr.Err, &timeout) && timeout.Timeout()
		})
	})
}

// TestManyConnections: hundreds of connections at once that ask for everything and take nothing
// leave others as they are.
func TestManyConnections(t *testing.T) {
	st := setup(t, example)
	st.Zones[0].Access[0].From = netip.MustParsePrefix("127.0.0.0/28")
	s := start(t, Options{}, st)
	s.publish(t, bigZone(t, 1))
	request := signedRaw(t, testKey(t), axfr(example), time.Now())
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)
	var open []net.Conn
	connect := func(from string, n int) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		for range n {
			c, err := d.DialContext(t.Context(), "tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil { //nolint:errcheck // It was dialed as one.
				t.Fatal(err)
			}
			_, _ = c.Write(framed) // it may be turned away already
			open = append(open, c)
		}
	}
	took := func() time.Duration {
		begun := time.Now()
		if rrs := s.pull(t, axfr(example)); len(rrs) != 20_003 {
			t.Errorf("%d records", len(rrs))
		}
		if answer := s.ask(t, "udp", sign(new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA))); len(answer.Answer) != 1 {
			t.Errorf("answered:\n%v", answer)
		}
		return time.Since(begun)
	}
	alone := took()
	for i := range 4 { // 396 that may, and 200 strangers, who get 50 places
		connect(fmt.Sprint("127.0.0.", 2+i), 99)
		connect(fmt.Sprint("127.0.0.", 20+i), 50)
	}
	beside := took()
	t.Logf("%d connections: a transfer takes %v, and %v without them", len(open), beside, alone)
	if beside > 10*time.Second {
		t.Errorf("a transfer takes %v", beside)
	}
}

// TestTransferTooLong ends a transfer that takes more time than it may.
func TestTransferTooLong(t *testing.T) {
	s := start(t, Options{Limits: Limits{Transfer: time.Nanosecond}}, setup(t, example))
	s.publish(t, zoneOf(t, example, soaLine(1)))
	if _, err := s.tryPull(t, axfr(example)); err == nil {
		t.Error("it is whole")
	}
	s.seen.wait(t, "it is told", func() bool { return len(s.seen.transfers) == 1 && errors.Is(s.seen.transfers[0].Err, errTooLong) })
}

// TestShutdown: a server ends although a transfer is stuck.
func TestShutdown(t *testing.T) {
	s := start(t, Options{}, setup(t, example))
	s.publish(t, bigZone(t, 1))
	slow := dial(t, s.addr)
	request := signedRaw(t, testKey(t), axfr(example), time.Now())
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)
	for range 40 {
		if _, err := slow.Write(framed); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := slow.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s.stop()
	if took := time.Since(begun); took > stopGrace+5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestTransferDuringPublish: every transfer is of one generation, while others are published.
func TestTransferDuringPublish(t *testing.T) {
	s := start(t, Options{}, setup(t, example))
	text := func(serial int) string {
		var b strings.Builder
		b.WriteString(soaLine(serial))
		for i := range 3000 {
			fmt.Fprintf(&b, "h%d TXT \"serial %d\"\n", i, serial)
		}
		return b.String()
	}
	s.publish(t, zoneOf(t, example, text(1)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for serial := 2; serial <= 12; serial++ {
			if err := s.Publish(zoneOf(t, example, text(serial))); err != nil {
				t.Error(err)
			}
		}
	}()
	for transfers := 0; ; transfers++ {
		rrs := s.pull(t, axfr(example))
		soa, _ := rrs[0].(*dns.SOA)
		want := fmt.Sprintf("serial %d", soa.Serial)
		for _, rr := range rrs {
			if txt, ok := rr.(*dns.TXT); ok && txt.Txt[0] != want {
				t.Fatalf("%v in a transfer of %s", rr, want)
			}
		}
		if len(rrs) != 3003 {
			t.Fatalf("%d records", len(rrs))
		}
		select {
		case <-done:
			if transfers == 0 {
				t.Error("nothing was transferred meanwhile")
			}
			return
		default:
		}
	}
}

// TestPublishRefused: a serial never goes back, and content does not change under one.
func TestPublishRefused(t *testing.T) {
	s := start(t, Options{}, setup(t, example))
	z := zoneOf(t, example, soaLine(5)+"a A 192.0.2.1\n")
	s.publish(t, z)
	s.publish(t, zoneOf(t, example, soaLine(5)+"a A 192.0.2.1\n"))
	for _, text := range []string{soaLine(5) + "a A 192.0.2.2\n", soaLine(4) + "a A 192.0.2.1\n", strings.Replace(soaLine(5), "86400", "86401", 1) + "a A 192.0.2.1\n"} {
		if err := s.Publish(zoneOf(t, example, text)); !errors.Is(err, ErrSerialNotLater) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if s.Generation(example) != z || s.Generation(zone.MustParseName("else.test")) != nil {
		t.Error("another generation")
	}
}
