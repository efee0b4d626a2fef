package delay

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline bounds a wait for what has to come.
const deadline = 20 * time.Second

// listen opens a UDP socket on loopback until the test ends.
func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := errors.Join(conn.SetReadBuffer(socketBuffer), conn.SetDeadline(time.Now().Add(deadline))); err != nil {
		t.Fatal(err)
	}
	return conn
}

func addrPort(conn *net.UDPConn) netip.AddrPort {
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

// echo is a server that answers with what it was asked, until the test ends.
func echo(t *testing.T) string {
	t.Helper()
	conn := listen(t)
	var running sync.WaitGroup
	running.Go(func() {
		var packet [maxPacket]byte
		for {
			n, from, err := conn.ReadFromUDPAddrPort(packet[:])
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(packet[:n], from)
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		running.Wait()
	})
	return conn.LocalAddr().String()
}

func start(t *testing.T, server string, hold time.Duration) *Forwarder {
	t.Helper()
	f, err := Start(server, hold)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// await returns when it is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(deadline); !so(); runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("not within %s", deadline)
		}
	}
}

// numbered makes a query with an identifier, and a number as its text.
func numbered(id uint16, number uint32) []byte {
	packet := make([]byte, headerLen+4)
	binary.BigEndian.PutUint16(packet, id)
	binary.BigEndian.PutUint32(packet[headerLen:], number)
	return packet
}

// receive gives the identifier and the number of the next answer.
func receive(t *testing.T, conn *net.UDPConn) (uint16, uint32) {
	t.Helper()
	var packet [64]byte
	n, err := conn.Read(packet[:])
	if err != nil || n != headerLen+4 {
		t.Fatalf("an answer of %d octets, %v", n, err)
	}
	return binary.BigEndian.Uint16(packet[:]), binary.BigEndian.Uint32(packet[headerLen:])
}

func TestAnswersAreHeldBackInOrder(t *testing.T) {
	const hold, queries = 50 * time.Millisecond, 10
	f := start(t, echo(t), hold)
	to := netip.MustParseAddrPort(f.Addr())
	// Two clients use the same identifiers.
	clients := []*net.UDPConn{listen(t), listen(t)}
	began := time.Now()
	for number := range uint32(queries) {
		for c, conn := range clients {
			if _, err := conn.WriteToUDPAddrPort(numbered(uint16(number%3), number+100*uint32(c)), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	for number := range uint32(queries) {
		for c, conn := range clients {
			if id, got := receive(t, conn); id != uint16(number%3) || got != number+100*uint32(c) {
				t.Errorf("client %d: answer %d with the identifier %d, want %d", c, got, id, number)
			}
			if passed := time.Since(began); passed < hold {
				t.Errorf("an answer after %s", passed)
			}
		}
	}
	counts := f.Counts()
	if counts.Queries != 2*queries || counts.Lost != 0 || counts.Held < 2 || counts.Held > 2*queries {
		t.Errorf("counted %+v", counts)
	}
}

// TestManyInFlight asks as a fast client does, and as often as a zone of 10,000
// ALIAS records takes.
func TestManyInFlight(t *testing.T) {
	const queries, inFlight, hold = 20_000, 2000, 20 * time.Millisecond
	f := start(t, echo(t), hold)
	to := netip.MustParseAddrPort(f.Addr())
	conn := listen(t)
	ask := func(number int) {
		if _, err := conn.WriteToUDPAddrPort(numbered(uint16(number), uint32(number)), to); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for number := range inFlight {
		ask(number)
	}
	seen := make([]bool, queries)
	for answered := range queries {
		id, number := receive(t, conn)
		if id != uint16(number) || number >= queries || seen[number] {
			t.Fatalf("answer %d with the identifier %d", number, id)
		}
		seen[number] = true
		if next := answered + inFlight; next < queries {
			ask(next)
		}
	}
	passed := time.Since(began)
	counts := f.Counts()
	if counts.Queries != queries || counts.Lost != 0 {
		t.Errorf("counted %+v", counts)
	}
	if slices.Contains(seen, false) || passed < queries/inFlight*hold {
		t.Errorf("all answered after %s", passed)
	}
	t.Logf("%d queries, %d at a time, in %s: %+v", queries, inFlight, passed, counts)
}

// TestStrayPackets sends what no client and no server should.
func TestStrayPackets(t *testing.T) {
	server := listen(t)
	f := start(t, server.LocalAddr().String(), 0)
	to := netip.MustParseAddrPort(f.Addr())
	conn := listen(t)
	for _, packet := range [][]byte{{}, {1, 2, 3}, numbered(7, 1)} {
		if _, err := conn.WriteToUDPAddrPort(packet, to); err != nil {
			t.Fatal(err)
		}
	}
	var packet [64]byte
	n, from, err := server.ReadFromUDPAddrPort(packet[:])
	if err != nil || n != headerLen+4 {
		t.Fatalf("the server got %d octets, %v", n, err)
	}
	stray := numbered(binary.BigEndian.Uint16(packet[:])+1, 2)
	for _, answer := range [][]byte{{1}, stray, packet[:n], packet[:n]} {
		if _, err := server.WriteToUDPAddrPort(answer, from); err != nil {
			t.Fatal(err)
		}
	}
	if id, number := receive(t, conn); id != 7 || number != 1 {
		t.Errorf("answer %d with the identifier %d", number, id)
	}
	if counts := f.Counts(); counts.Queries != 1 || counts.Held != 1 {
		t.Errorf("counted %+v", counts)
	}
}

// TestServerComesBack asks while no server is there, which the system tells the
// forwarder of.
func TestServerComesBack(t *testing.T) {
	gone := listen(t)
	address := net.UDPAddrFromAddrPort(addrPort(gone))
	_ = gone.Close()
	f := start(t, address.String(), 0)
	to := netip.MustParseAddrPort(f.Addr())
	conn := listen(t)
	for number := range uint32(3) {
		if _, err := conn.WriteToUDPAddrPort(numbered(1, number), to); err != nil {
			t.Fatal(err)
		}
	}
	back, err := net.ListenUDP("udp", address)
	if err != nil {
		t.Skipf("another program took the port: %v", err)
	}
	defer func() { _ = back.Close() }()
	if err := back.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WriteToUDPAddrPort(numbered(2, 3), to); err != nil {
		t.Fatal(err)
	}
	var packet [64]byte
	for {
		n, from, err := back.ReadFromUDPAddrPort(packet[:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := back.WriteToUDPAddrPort(packet[:n], from); err != nil {
			t.Fatal(err)
		}
		if id, number := receive(t, conn); id == 2 && number == 3 {
			return
		}
	}
}

// TestServerLosesQueries has a server that keeps silent until it has been given
// up on.
func TestServerLosesQueries(t *testing.T) {
	server := listen(t)
	f := start(t, server.LocalAddr().String(), 0)
	to := netip.MustParseAddrPort(f.Addr())
	conn := listen(t)
	for number := range uint32(atServer + 1) {
		if _, err := conn.WriteToUDPAddrPort(numbered(uint16(number), number), to); err != nil {
			t.Fatal(err)
		}
	}
	var packet [64]byte
	var first time.Time
	for number := range uint32(atServer + 1) {
		n, from, err := server.ReadFromUDPAddrPort(packet[:])
		if err != nil {
			t.Fatal(err)
		}
		switch number {
		case 0:
			first = time.Now()
		case atServer:
			if waited := time.Since(first); waited < patience/2 {
				t.Errorf("one more after %s", waited)
			}
			if _, err := server.WriteToUDPAddrPort(packet[:n], from); err != nil {
				t.Fatal(err)
			}
		}
	}
	if id, number := receive(t, conn); id != atServer || number != atServer {
		t.Errorf("answer %d with the identifier %d", number, id)
	}
	if counts := f.Counts(); counts.Queries != atServer+1 || counts.Lost != 0 {
		t.Errorf("counted %+v", counts)
	}
}

// TestCloseWhileWaiting has more queries than the server takes.
func TestCloseWhileWaiting(t *testing.T) {
	server := listen(t)
	f, err := Start(server.LocalAddr().String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	conn := listen(t)
	for number := range uint32(2 * atServer) {
		if _, err := conn.WriteToUDPAddrPort(numbered(1, number), netip.MustParseAddrPort(f.Addr())); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { return f.Counts().Queries == atServer })
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseWhileHolding(t *testing.T) {
	f, err := Start(echo(t), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	conn := listen(t)
	if _, err := conn.WriteToUDPAddrPort(numbered(1, 1), netip.MustParseAddrPort(f.Addr())); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return f.Counts().Held == 1 })
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestBadAddress(t *testing.T) {
	if f, err := Start("127.0.0.1:no-port", 0); err == nil {
		t.Error("started", f.Close())
	}
}

func TestSendFailureIsCounted(t *testing.T) {
	f := start(t, listen(t).LocalAddr().String(), 0)
	f.mu.Lock()
	// Nobody can be sent to at port 0.
	f.asked[9] = query{from: netip.MustParseAddrPort("127.0.0.1:0")}
	f.mu.Unlock()
	f.keep(numbered(9, 1))
	await(t, func() bool { return f.Counts().Lost == 1 })
}

func TestLostAt(t *testing.T) {
	const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1000: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 5
 1001: 0100007F:BEEF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 12
`
	for port, want := range map[int]int{53: 5, 0xbeef: 12, 54: 0} {
		if got := lostAt(table, port); got != want {
			t.Errorf("port %d lost %d, want %d", port, got, want)
		}
	}
}

// TestOverflowIsSeen fills the buffer of a socket that nobody reads.
func TestOverflowIsSeen(t *testing.T) {
	if _, err := os.Stat(socketTable); err != nil {
		t.Skip("the system does not tell")
	}
	full, conn := listen(t), listen(t)
	if err := full.SetReadBuffer(1); err != nil {
		t.Fatal(err)
	}
	to := addrPort(full)
	for range 1000 {
		if _, err := conn.WriteToUDPAddrPort(make([]byte, 1000), to); err != nil {
			t.Fatal(err)
		}
	}
	if lost := overflowed(full); lost < 500 || lost > 1000 {
		t.Errorf("%d of 1000 lost", lost)
	}
}
