package primary

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// cutter passes on connections, and ends them behind some messages of the server.
type cutter struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	after int // messages that are passed on; below 0: all
	cuts  int
	heard chan struct{}
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, to: to, after: -1, heard: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); udp.Close(); wg.Wait() })
	wg.Go(func() { datagrams(udp, to, func(int) bool { return false }) })
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.pass(in) })
		}
	})
	return c
}

func (c *cutter) set(after int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after, c.cuts = after, 0
	select {
	case <-c.heard:
	default:
	}
}

func (c *cutter) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in); out.Close() }()
	buf := make([]byte, 1<<16)
	for n := 0; ; n++ {
		var length [2]byte
		if _, err := io.ReadFull(out, length[:]); err != nil {
			return
		}
		m := buf[:binary.BigEndian.Uint16(length[:])]
		if _, err := io.ReadFull(out, m); err != nil {
			return
		}
		// Answers with the SOA alone are passed on.
		c.mu.Lock()
		cut := c.after >= 0 && n >= c.after && len(m) > 1000
		if cut {
			c.cuts++
		}
		c.mu.Unlock()
		if cut {
			select {
			case c.heard <- struct{}{}:
			default:
			}
			_, _ = in.Write(append(length[:], m[:len(m)/2]...))
			return
		}
		if _, err := in.Write(append(length[:], m...)); err != nil {
			return
		}
	}
}

// TestTransferCut ends transfers behind each message: a secondary keeps what it has, and has the
// zone as soon as one comes through.
func TestTransferCut(t *testing.T) {
	text := func(serial int) string {
		var b strings.Builder
		b.WriteString(soaLine(serial))
		for i := range 300 { // each record another, so that changes are as long as the zone
			fmt.Fprintf(&b, "h%d TXT \"%d %s\"\n", i, serial, strings.Repeat("x", 150))
		}
		return b.String()
	}
	st := setup(t, example)
	s := start(t, Options{}, st)
	c := newCutter(t, s.addr)
	s.publish(t, zoneOf(t, example, text(1)))
	messages := len(s.Generation(example).messages)
	if messages < 3 {
		t.Fatalf("%d messages", messages)
	}
	for after := range messages {
		c.set(after)
		via := &running{Server: s.Server, addr: c.listener.Addr().String(), seen: s.seen}
		if rrs, err := via.tryPull(t, axfr(example)); err == nil {
			t.Errorf("cut behind %d messages: %d records", after, len(rrs))
		}
	}
	c.set(-1)
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			serial := int(s.Generation(example).Serial())
			server := (&judge.Secondary{Program: program, Zones: []string{"example.com"}, Primary: c.listener.Addr().String(), Key: "xfr.test", Secret: secret}).Start(t)
			st.Zones[0].Secondaries = []Secondary{{Address: netip.MustParseAddrPort(server.Addr), Key: keyName}}
			if err := s.Configure(st); err != nil {
				t.Fatal(err)
			}
			server.WaitServes(t, "example.com", uint32(serial))
			places := []int{0, 1, messages - 1}
			if judge.Deep() {
				places = places[:0]
				for after := range messages {
					places = append(places, after)
				}
			}
			for _, after := range places {
				old := text(serial)
				serial++
				c.set(after)
				s.publish(t, zoneOf(t, example, text(serial)))
				<-c.heard // the test as a whole has a time limit
				same(t, server, old)
				c.set(-1)
				s.Notify(example)
				server.WaitServes(t, "example.com", uint32(serial))
				same(t, server, text(serial))
			}
		})
	}
}
