package resolve

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPair is a connected socket, and its peer.
func socketPair(t *testing.T) (p packetConn, peer *net.UDPConn) {
	t.Helper()
	peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", peer.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = peer.Close(), conn.Close() })
	p = newPacketConn(conn)
	if p.batch == nil || !p.batch.segments {
		t.Skip("the kernel does not cut datagrams out of longer ones (UDP_SEGMENT, Linux 4.18)")
	}
	return p, peer
}

// datagramsOf makes datagrams of these lengths, no two of them equal.
func datagramsOf(lengths ...int) [][]byte {
	list := make([][]byte, len(lengths))
	for i, n := range lengths {
		list[i] = bytes.Repeat([]byte{byte(i)}, n)
	}
	return list
}

// sent sends datagrams and gives what has come of them, in the order of their octets.
func sent(t *testing.T, p packetConn, peer *net.UDPConn, o *outbox, repeated int, list [][]byte) [][]byte {
	t.Helper()
	o.clear()
	for i, d := range list {
		o.add(d, i < repeated)
	}
	if err := p.send(o); err != nil {
		t.Fatal(err)
	}
	if err := peer.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for range list {
		room := make([]byte, packetBuffer)
		n, err := peer.Read(room)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(got), len(list), err)
		}
		got = append(got, room[:n])
	}
	slices.SortFunc(got, bytes.Compare)
	return got
}

func TestSegments(t *testing.T) {
	full := make([]int, batchLen)
	for i := range full {
		full[i] = 40 + i/8
	}
	tests := []struct {
		lengths        []int
		repeated, want int // datagrams that the kernel gets
	}{
		{[]int{40}, 0, 1},
		{[]int{40, 40, 40}, 0, 1},
		{[]int{40, 40, 30}, 0, 1},             // the last one may be shorter
		{[]int{30, 40, 40}, 0, 1},             // so the longest go first
		{[]int{30, 40, 29, 41, 29, 40}, 0, 3}, // 41 40, 40 30, 29 29
		{[]int{40, 40, 40, 40}, 2, 3},         // what was lost goes alone
		{[]int{40, 40}, 2, 2},
		{full, 0, 8}, // 8 of one length and 1 of the next, 7 and 1, ...
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(len(tt.lengths), tt.repeated), func(t *testing.T) {
			p, peer := socketPair(t)
			o := &outbox{}
			list := datagramsOf(tt.lengths...)
			if got := sent(t, p, peer, o, tt.repeated, slices.Clone(list)); !slices.EqualFunc(got, list, bytes.Equal) {
				t.Errorf("got %x", got)
			}
			if o.batch.end != tt.want || !p.batch.segments {
				t.Errorf("the kernel got %d datagrams, want %d", o.batch.end, tt.want)
			}
		})
	}
}

// A device that does not compute checksums cuts nothing either, and so it is where nobody
// wants them.
func TestSegmentsRefused(t *testing.T) {
	p, peer := socketPair(t)
	var failed error
	if err := p.batch.raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	o := &outbox{}
	for range 2 {
		list := datagramsOf(40, 40, 41, 60, 40)
		if got := sent(t, p, peer, o, 1, slices.Clone(list)); !slices.EqualFunc(got, list, bytes.Equal) {
			t.Errorf("got %x", got)
		}
		if p.batch.segments {
			t.Error("the kernel is asked again for what it refuses")
		}
	}
}
