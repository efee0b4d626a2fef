package dnstest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// sendMany sends queries of the identifiers 0 to count-1 on one connection, all at once.
func sendMany(t *testing.T, c net.Conn, count int) {
	t.Helper()
	var octets []byte
	for id := range count {
		m := query(fmt.Sprintf("n%d.w.example.net.", id), dns.TypeA)
		m.Id = uint16(id)
		octets = append(octets, frame(pack(m))...)
	}
	if _, err := c.Write(octets); err != nil {
		t.Fatal(err)
	}
}

// ids is the identifiers of the replies until none comes, and what ended that.
func ids(t *testing.T, c net.Conn) ([]uint16, error) {
	t.Helper()
	var got []uint16
	for {
		m, err := receiveMsg(t, c, time.Minute)
		if err != nil {
			return got, err
		}
		got = append(got, m.Id)
	}
}

func TestStreamOrder(t *testing.T) {
	tests := []struct {
		faults []string
		count  int
		want   string
	}{
		{nil, 3, "[0 1 2] timeout"},
		{[]string{"out-of-order"}, 4, "[1 0 3 2] timeout"},
		{[]string{"out-of-order"}, 5, "[1 0 3 2 4] timeout"},
		{[]string{"close-after=2"}, 5, "[0 1] end"},
		{[]string{"close-after=2,delay=1s"}, 5, "[0 1] end"},
		{[]string{"delay=5ms-500ms"}, 5, "[3 4 1 0 2] timeout"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n, s := attach(t)
			setFault(t, s, "", tt.faults...)
			c := dialServer(t, n, "tcp")
			sendMany(t, c, tt.count)
			got, err := ids(t, c)
			end := "timeout"
			if errors.Is(err, io.EOF) {
				end = "end"
			} else if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			if text := fmt.Sprint(got) + " " + end; text != tt.want {
				t.Errorf("%v: got %s, want %s", tt.faults, text, tt.want)
			}
		})
	}
}

// A connection carries 128 queries, and the replies under way still come.
func TestStreamLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		setFault(t, s, "", "delay=1s")
		c := dialServer(t, n, "tcp")
		sendMany(t, c, 200)
		got, err := ids(t, c)
		if len(got) != maxOnStream || !errors.Is(err, io.EOF) {
			t.Errorf("%d replies, %v", len(got), err)
		}
		if conns := n.Conns(); conns[0].Queries != maxOnStream {
			t.Errorf("%+v", conns[0])
		}
	})
}

// Behind a half-close the server still reads, and answers nothing.
func TestHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		setFault(t, s, "n0.w.example.net.", "half-close")
		c := dialServer(t, n, "tcp")
		sendMany(t, c, 3)
		if got, err := ids(t, c); len(got) != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%v, %v", got, err)
		}
		synctest.Wait()
		if k := len(s.Queries()); k != 3 {
			t.Errorf("the server read %d queries", k)
		}
	})
}

// The same faults on real sockets.
func TestRealStreams(t *testing.T) {
	tests := []struct{ fault, want string }{
		{"hangup", "end"},
		{"half-close", "end"},
		{"reset", "reset"},
		{"partial=10", "end within a message"},
		{"slow=1ms", "NOERROR 60:192.0.2.1"},
		{"out-of-order", "NOERROR 60:192.0.2.1"},
	}
	for _, tt := range tests {
		s := Start(t, testWorld)
		setFault(t, s, "", tt.fault)
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		q := query("a.example.net.", dns.TypeA)
		send(t, c, q)
		must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		packet, err := readMessage(c)
		if got := describe(q, packet, err, 0); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.fault, got, tt.want)
		}
		c.Close()
	}
}

// A datagram from another port reaches sockets that are not connected, and only those.
func TestRealWrongPort(t *testing.T) {
	s := Start(t, testWorld)
	setFault(t, s, "", "wrong-port,first")
	var config net.ListenConfig
	c, err := config.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to, err := net.ResolveUDPAddr("udp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo(pack(query("a.example.net.", dns.TypeA)), to); err != nil {
		t.Fatal(err)
	}
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	buf := make([]byte, 512)
	fromServer := 0
	for range 2 {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		if from.String() == s.Addr() {
			fromServer++
		}
	}
	if fromServer != 1 {
		t.Errorf("%d of 2 datagrams came from the server's port", fromServer)
	}
	if got, want := ask(t, s, "udp", "a.example.net.", dns.TypeA), "NOERROR aa ra 192.0.2.1"; got != want {
		t.Errorf("a connected socket got %q, want %q", got, want)
	}
}
