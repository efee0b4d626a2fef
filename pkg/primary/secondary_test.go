package primary

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

var programs = []string{"named", "nsd", "knotd"}

// secondariesOf starts the three servers, which take zones from address, and sets them up.
func secondariesOf(t *testing.T, address string, st *Setup, names ...string) []*judge.Server {
	t.Helper()
	var servers []*judge.Server
	for _, program := range programs {
		s := judge.Secondary{Program: program, Zones: names, Primary: address, Key: "xfr.test", Secret: secret}
		servers = append(servers, s.Start(t))
	}
	for i := range st.Zones {
		st.Zones[i].Secondaries = nil
		for _, server := range servers {
			st.Zones[i].Secondaries = append(st.Zones[i].Secondaries, Secondary{Address: netip.MustParseAddrPort(server.Addr), Key: keyName})
		}
	}
	return servers
}

// same makes sure that a secondary has exactly the records of text.
func same(t *testing.T, server *judge.Server, text string) {
	t.Helper()
	want := lines(wholeRRsets(parse(t, example, text)))
	got := server.Transfer(t, "example.com")
	for i := range want {
		want[i] = strings.Join(strings.Fields(want[i]), " ")
	}
	if !slices.Equal(judge.Records(strings.Join(want, "\n")), got) {
		t.Errorf("%s has:\n%s\nwant:\n%s", server.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSecondaries has BIND, NSD and Knot follow a zone that changes, at once and by TSIG: they get
// it whole, then what has changed, and again what has changed behind a restart of the primary.
func TestSecondaries(t *testing.T) {
	st := setup(t, example)
	history := newMemory()
	limits := Limits{Poll: time.Second}
	s := start(t, Options{History: history, Limits: limits}, st)
	servers := secondariesOf(t, s.addr, &st, "example.com")
	if err := s.Configure(st); err != nil {
		t.Fatal(err)
	}
	rz := newRandomZone(7)
	serial := zone.Serial(1<<32 - 4)
	took := make([][]time.Duration, len(servers))
	step := func() {
		rz.change()
		rz.change()
		serial = serial.Next()
		text := rz.text(serial)
		z := zoneOf(t, example, text)
		begun := time.Now()
		s.publish(t, z)
		for i, server := range servers {
			server.WaitServes(t, "example.com", uint32(serial))
			took[i] = append(took[i], time.Since(begun))
			same(t, server, text)
		}
	}
	steps := 4
	if judge.Deep() {
		steps = 200
	}
	for range steps {
		step()
	}
	for i, list := range took {
		slices.Sort(list)
		t.Logf("%s serves a change after %v in the middle, %v at most", programs[i], list[len(list)/2], list[len(list)-1])
	}
	count := func() (incremental, whole int) {
		for _, tr := range s.seen.transfers {
			if tr.Incremental {
				incremental++
			} else {
				whole++
			}
		}
		return incremental, whole
	}
	s.seen.wait(t, "they follow by IXFR", func() bool { n, _ := count(); return n >= 9 })
	s.seen.wait(t, "all have reached it", func() bool {
		n := 0
		for _, f := range s.seen.follows {
			if f.Kind == FollowReached && f.Serial == serial {
				n++
			}
		}
		return n == len(servers)
	})
	for _, status := range s.Status()[0].Secondaries {
		if !status.Reached || status.Serial != serial || !status.Behind.IsZero() || status.Err != nil {
			t.Errorf("status: %+v", status)
		}
	}
	text := rz.text(serial)
	s.stop()
	s = start(t, Options{Listen: []string{s.addr}, History: history, Limits: limits}, st)
	s.publish(t, zoneOf(t, example, text))
	step()
	s.seen.wait(t, "they go on by IXFR", func() bool { n, whole := count(); return n >= 3 && whole == 0 })
}

// TestSecondariesLossy drops every second NOTIFY over UDP: they go over TCP then.
func TestSecondariesLossy(t *testing.T) {
	st := setup(t, example)
	s := start(t, Options{Limits: Limits{Poll: time.Second}}, st)
	servers := secondariesOf(t, s.addr, &st, "example.com")
	for i, server := range servers {
		st.Zones[0].Secondaries[i].Address = lossy(t, server.Addr)
		st.Zones[0].Access = append(st.Zones[0].Access, Access{From: loop, Key: keyName})
	}
	if err := s.Configure(st); err != nil {
		t.Fatal(err)
	}
	for serial := range 6 {
		text := soaLine(serial+1) + fmt.Sprintf("a A 192.0.2.%d\n", serial)
		s.publish(t, zoneOf(t, example, text))
		for _, server := range servers {
			server.WaitServes(t, "example.com", uint32(serial+1))
			same(t, server, text)
		}
	}
}

// lossy passes on every second datagram, and all connections.
func lossy(t *testing.T, to string) netip.AddrPort {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close(); udp.Close() })
	go datagrams(udp, to, func(n int) bool { return n%2 == 0 })
	go relay(tcp, to)
	return netip.MustParseAddrPort(tcp.Addr().String())
}
