package dnstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

const serverAddr = "192.0.2.53:53"

// attach makes a network with one server.
func attach(t *testing.T) (*Network, *Server) {
	t.Helper()
	n := NewNetwork(1)
	return n, n.Start(t, serverAddr, testWorld)
}

func dialServer(t *testing.T, n *Network, network string) net.Conn {
	t.Helper()
	c, err := n.Dial(t.Context(), network, serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func query(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.SetEdns0(1232, false)
	return m
}

func send(t *testing.T, c net.Conn, m *dns.Msg) {
	t.Helper()
	packet := pack(m)
	if c.LocalAddr().Network() == "tcp" {
		packet = frame(packet)
	}
	if _, err := c.Write(packet); err != nil {
		t.Fatal(err)
	}
}

// next is the next reply within a time, as rcode and RDATA of the answer, or the error.
func next(t *testing.T, c net.Conn, wait time.Duration) string {
	t.Helper()
	m, err := receiveMsg(t, c, wait)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case err != nil:
		return err.Error()
	}
	words := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		words = append(words, dns.Field(rr, 1))
	}
	return strings.Join(words, " ")
}

func receiveMsg(t *testing.T, c net.Conn, wait time.Duration) (*dns.Msg, error) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	var packet []byte
	var err error
	if c.LocalAddr().Network() == "tcp" {
		packet, err = readMessage(c)
	} else {
		packet = make([]byte, maxPacket)
		var n int
		n, err = c.Read(packet)
		packet = packet[:n]
	}
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		t.Fatal(err)
	}
	return m, nil
}

func TestNetworkAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		n.SetLink("", Link{Latency: 10 * time.Millisecond})
		for _, network := range []string{"udp", "tcp"} {
			start := time.Now()
			c := dialServer(t, n, network)
			connected := time.Since(start)
			send(t, c, query("c.example.net.", dns.TypeA))
			if got, want := next(t, c, time.Second), "NOERROR a.example.net. 192.0.2.1"; got != want {
				t.Errorf("%s: got %q, want %q", network, got, want)
			}
			want := 20 * time.Millisecond
			if network == "tcp" {
				want = 40 * time.Millisecond
			}
			if took := time.Since(start); took != want {
				t.Errorf("%s: took %v (connected after %v), want %v", network, took, connected, want)
			}
		}
		conns, queries := n.Conns(), s.Queries()
		if len(conns) != 2 || len(queries) != 2 {
			t.Fatalf("%d sockets and %d queries", len(conns), len(queries))
		}
		for i, q := range queries {
			if q.LocalAddr != conns[i].LocalAddr || q.RemoteAddr.String() != serverAddr || conns[i].Queries != 1 || !conns[i].Open {
				t.Errorf("query %+v on socket %+v", q, conns[i])
			}
			if q.Transport != conns[i].Network || !q.RD || q.UDPSize != 1232 {
				t.Errorf("query %+v", q)
			}
		}
	})
}

// Each property of a link shows in what 200 queries bring back.
func TestLink(t *testing.T) {
	tests := []struct {
		name string
		link Link
		want string
	}{
		{"none", Link{}, "200 replies in order, the last after 0s"},
		{"latency", Link{Latency: 50 * time.Millisecond}, "200 replies in order, the last after 100ms"},
		{"black hole", Link{BlackHoleUDP: true}, "0 replies"},
		{"all lost there", Link{LossTo: 1}, "0 replies"},
		{"all lost back", Link{LossFrom: 1}, "0 replies"},
		{"queue", Link{Queue: 50}, "50 replies in order, the last after 0s"},
		{"twice", Link{Duplicate: 1}, "800 replies"},
		{"small", Link{MaxDatagram: 50}, "0 replies"},
		{"reorder", Link{Reorder: 1, ReorderDelay: 30 * time.Millisecond}, "200 replies in order, the last after 60ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, _ := attach(t)
				tt.link.Queue = max(tt.link.Queue, 0)
				if tt.link.Queue == 0 {
					tt.link.Queue = 1000
				}
				n.SetLink(serverAddr, tt.link)
				got := manyQueries(t, n)
				if !strings.HasPrefix(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// manyQueries sends 200 queries at once and sums up what comes back.
func manyQueries(t *testing.T, n *Network) string {
	t.Helper()
	c := dialServer(t, n, "udp")
	start := time.Now()
	for id := range 200 {
		m := query(fmt.Sprintf("n%d.w.example.net.", id), dns.TypeA)
		m.Id = uint16(id)
		send(t, c, m)
	}
	var ids []uint16
	var last time.Duration
	for {
		m, err := receiveMsg(t, c, time.Second)
		if err != nil {
			break
		}
		ids = append(ids, m.Id)
		last = time.Since(start)
	}
	if len(ids) == 0 {
		return "0 replies"
	}
	order := "in order"
	for i := range ids[1:] {
		if ids[i] > ids[i+1] {
			order = "out of order"
		}
	}
	return fmt.Sprintf("%d replies %s, the last after %v; %v", len(ids), order, last, ids)
}

// Loss, jitter and reordering are those of the seed: the same in each run, other ones with
// another seed.
func TestSeed(t *testing.T) {
	runWith := func(seed uint64) (got string) {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(seed)
			n.Start(t, serverAddr, testWorld)
			n.SetLink("", Link{
				LossTo: 0.2, LossFrom: 0.3, Reorder: 0.1, Duplicate: 0.1,
				Latency: 5 * time.Millisecond, Jitter: 10 * time.Millisecond,
			})
			got = manyQueries(t, n)
		})
		return got
	}
	first, again, other := runWith(7), runWith(7), runWith(8)
	if first != again {
		t.Errorf("the same seed gives\n%s\nand\n%s", first, again)
	}
	if first == other {
		t.Error("another seed gives the same")
	}
	var replies int
	if _, err := fmt.Sscan(first, &replies); err != nil || replies < 90 || replies > 160 {
		t.Errorf("%d of 200 replies at 44 %% loss and 20 %% doubled", replies)
	}
	if !strings.Contains(first, "out of order") {
		t.Error("nothing is reordered")
	}
}

func TestDialErrors(t *testing.T) {
	tests := []struct {
		network, address string
		link             Link
		want             error
		after            time.Duration
	}{
		{"udp", "192.0.2.54:53", Link{}, syscall.ENETUNREACH, 0},
		{"tcp", "192.0.2.54:53", Link{}, syscall.ENETUNREACH, 0},
		{"tcp", serverAddr, Link{RefuseTCP: true, Latency: time.Millisecond}, syscall.ECONNREFUSED, 2 * time.Millisecond},
		{"tcp", serverAddr, Link{BlackHoleTCP: true}, context.DeadlineExceeded, time.Minute},
		{"tcp", serverAddr, Link{LossTo: 1}, context.DeadlineExceeded, time.Minute},
		{"unix", serverAddr, Link{}, net.UnknownNetworkError("unix"), 0},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n, _ := attach(t)
			n.SetLink(serverAddr, tt.link)
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := n.Dial(ctx, tt.network, tt.address)
			if !errors.Is(err, tt.want) || time.Since(start) != tt.after {
				t.Errorf("%s %s: %v after %v, want %v after %v", tt.network, tt.address, err, time.Since(start), tt.want, tt.after)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		if _, err := n.Dial(t.Context(), "udp", "nowhere"); err == nil {
			t.Error("an address that is none is dialed")
		}
		n.SetLink(serverAddr, Link{BlackHoleTCP: true})
		start := time.Now()
		if _, err := n.Dial(t.Context(), "tcp", serverAddr); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(start) != maxConnect {
			t.Errorf("without a limit: %v after %v", err, time.Since(start))
		}
	})
}

func TestRefusedUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		n.SetLink("", Link{RefuseUDP: true, Latency: time.Millisecond})
		c := dialServer(t, n, "udp")
		send(t, c, query("a.example.net.", dns.TypeA))
		if _, err := c.Read(make([]byte, 512)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("reads give %v", err)
		}
		send(t, c, query("a.example.net.", dns.TypeA))
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("writes give %v", err)
		}
	})
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		c := dialServer(t, n, "tcp")
		n.Reset(serverAddr)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reads give %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writes give %v", err)
		}
		n.SetLink("", Link{ResetTCP: true})
		c = dialServer(t, n, "tcp")
		send(t, c, query("a.example.net.", dns.TypeA))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reads behind the first octets give %v", err)
		}
	})
}

// A connection into a black hole is stuck; what it carried before arrived.
func TestStuckConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		c := dialServer(t, n, "tcp")
		send(t, c, query("a.example.net.", dns.TypeA))
		if got := next(t, c, time.Second); got != "NOERROR 192.0.2.1" {
			t.Errorf("got %q", got)
		}
		n.SetLink("", Link{BlackHoleTCP: true})
		send(t, c, query("a.example.net.", dns.TypeA))
		if got := next(t, c, time.Minute); got != "timeout" {
			t.Errorf("got %q", got)
		}
		n.SetLink("", Link{})
		send(t, c, query("a.example.net.", dns.TypeA))
		if got := next(t, c, time.Minute); got != "timeout" || s.Count("a.example.net.", dns.TypeA) != 1 {
			t.Errorf("got %q, %d queries", got, s.Count("a.example.net.", dns.TypeA))
		}
	})
}

// Lost pieces of a stream come later, and in order.
func TestStreamLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		c := dialServer(t, n, "tcp")
		n.SetLink("", Link{LossTo: 0.3, LossFrom: 0.3, Latency: time.Millisecond, Jitter: 5 * time.Millisecond})
		start := time.Now()
		for id := range 100 {
			m := query(fmt.Sprintf("n%d.w.example.net.", id), dns.TypeA)
			m.Id = uint16(id)
			send(t, c, m)
		}
		for id := range 100 {
			m, err := receiveMsg(t, c, time.Hour)
			if err != nil || m.Id != uint16(id) {
				t.Fatalf("reply %d: %v, %v", id, m, err)
			}
		}
		if took := time.Since(start); took < firstRetransmission {
			t.Errorf("took %v with a third of all lost", took)
		}
	})
}

func TestDeadlinesAndClose(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, _ := attach(t)
				c := dialServer(t, n, network)
				read := func() <-chan error {
					result := make(chan error, 1)
					go func() {
						_, err := c.Read(make([]byte, 1))
						result <- err
					}()
					synctest.Wait()
					return result
				}
				result := read()
				must(t, c.SetReadDeadline(time.Now().Add(time.Hour)))
				must(t, c.SetReadDeadline(time.Now().Add(time.Second)))
				start := time.Now()
				var timeout net.Error
				if err := <-result; !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				must(t, c.SetDeadline(time.Now()))
				if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("writes after the deadline give %v", err)
				}
				must(t, c.SetDeadline(time.Time{}))
				must(t, c.SetWriteDeadline(time.Now().Add(time.Minute)))
				result = read()
				c.Close()
				if err := <-result; !errors.Is(err, net.ErrClosed) {
					t.Errorf("a closed socket gives %v", err)
				}
				if _, err := c.Read(nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("reads give %v", err)
				}
				if _, err := c.Write(nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("writes give %v", err)
				}
				if err := c.Close(); err != nil || n.Conns()[0].Open {
					t.Errorf("closed again: %v, open %v", err, n.Conns()[0].Open)
				}
			})
		})
	}
}

// A writer waits while nobody reads, and what was written before the end still arrives.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		n.SetLink("", Link{Latency: time.Millisecond})
		client, server := n.pair(serverAddr, serverPort)
		written := make(chan error, 1)
		go func() {
			_, err := client.Write(make([]byte, window+1000))
			must(t, client.Close())
			written <- err
		}()
		synctest.Wait()
		select {
		case err := <-written:
			t.Fatalf("written at once: %v", err)
		default:
		}
		got, err := io.ReadAll(server)
		if len(got) != window+1000 || err != nil || <-written != nil {
			t.Errorf("%d octets, %v", len(got), err)
		}
		if _, err := server.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to one who is gone gives %v", err)
		}
		must(t, server.Close())
		client, server = n.pair(serverAddr, serverPort)
		must(t, client.SetWriteDeadline(time.Now().Add(time.Second)))
		if k, err := client.Write(make([]byte, window+1)); k != window || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets, %v", k, err)
		}
		must(t, client.Close())
		must(t, server.Close())
	})
}

var serverPort = netip.MustParseAddrPort(serverAddr)

func TestServerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		var tb recordTB
		n.Start(&tb, serverAddr, testWorld)
		n.Start(&tb, serverAddr, testWorld)
		n.Start(&tb, "nowhere", testWorld)
		n.Start(&tb, "192.0.2.54:53", "x A x")
		if len(tb.problems) != 3 {
			t.Errorf("%q", tb.problems)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		var tb recordTB
		s := n.Start(&tb, "192.0.2.54:53", testWorld)
		f, err := ParseFault("delay=1h")
		if err != nil {
			t.Fatal(err)
		}
		s.Fault("", 0, f)
		packets, err := n.Dial(t.Context(), "udp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer packets.Close()
		stream, err := n.Dial(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		send(t, packets, query("a.example.net.", dns.TypeA))
		send(t, stream, query("a.example.net.", dns.TypeA))
		synctest.Wait()
		tb.end()
		if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection gives %v", err)
		}
		send(t, packets, query("a.example.net.", dns.TypeA))
		if got := next(t, packets, 2*time.Hour); got != "timeout" {
			t.Errorf("got %q", got)
		}
	})
}

// recordTB is a test that goes on after a fatal problem and ends when told to.
type recordTB struct {
	problems []string
	cleanups []func()
}

func (tb *recordTB) Helper() {}

func (tb *recordTB) Fatalf(format string, args ...any) {
	tb.problems = append(tb.problems, fmt.Sprintf(format, args...))
}

func (tb *recordTB) Cleanup(f func()) { tb.cleanups = append(tb.cleanups, f) }

func (tb *recordTB) end() {
	for _, f := range slices.Backward(tb.cleanups) {
		f()
	}
}
