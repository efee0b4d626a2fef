package dnstest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

const cacheWorld = `
example.net.   3600 IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 20
a.example.net.   10 IN A 192.0.2.1
c.example.net.   30 IN CNAME a.example.net.
d.example.net.   30 IN DNAME example.net.
`

func TestCountdown(t *testing.T) {
	type event struct {
		after time.Duration // since the event before
		ask   string
		want  string
	}
	tests := []struct {
		faults []string
		events []event
	}{
		{[]string{"countdown"}, []event{
			{0, "a A", "10:192.0.2.1"},
			{4 * time.Second, "a A", "6:192.0.2.1"},
			{5500 * time.Millisecond, "a A", "1:192.0.2.1"},
			{500 * time.Millisecond, "A A", "0:192.0.2.1"},
			{1 * time.Second, "a A", "10:192.0.2.1"},
			{3 * time.Second, "c A", "30:a.example.net. 7:192.0.2.1"},
			// The CNAME is one entry, whatever type is asked.
			{2 * time.Second, "c AAAA", "28:a.example.net. ns: 20:SOA(example.net.)"},
			{2 * time.Second, "c CNAME", "26:a.example.net."},
			{5 * time.Second, "a AAAA", "ns: 13:SOA(example.net.)"},
			{1 * time.Second, "none A", "NXDOMAIN ns: 20:SOA(example.net.)"},
			{9 * time.Second, "none A", "NXDOMAIN ns: 11:SOA(example.net.)"},
			{0, "a.d A", "30:example.net. 30:a.example.net. 10:192.0.2.1"},
			{3 * time.Second, "a.d A", "27:example.net. 27:a.example.net. 7:192.0.2.1"},
		}},
		{[]string{"countdown=7s"}, []event{
			{0, "a A", "3:192.0.2.1"},
			{4 * time.Second, "a A", "10:192.0.2.1"},
		}},
		{[]string{"countdown=1h"}, []event{{0, "a A", "0:192.0.2.1"}}},
		{[]string{"countdown", "rrsig"}, []event{
			{0, "a A", "10:192.0.2.1 10:RRSIG(A,10)"},
			{4 * time.Second, "a A", "6:192.0.2.1 6:RRSIG(A,10)"},
		}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(1)
			s := n.Start(t, serverAddr, cacheWorld)
			setFault(t, s, "", tt.faults...)
			for i, e := range tt.events {
				time.Sleep(e.after)
				name, qtype, _ := strings.Cut(e.ask, " ")
				q := query(name+".example.net.", dns.StringToType[qtype])
				q.IsEdns0().SetDo()
				got := strings.TrimPrefix(askNetwork(t, n, "udp", q), "NOERROR ")
				if got = strings.Replace(got, "not-aa ", "", 1); got != e.want {
					t.Errorf("%v, event %d, %s: got %q, want %q", tt.faults, i+1, e.ask, got, e.want)
				}
			}
		})
	}
}

// Several caches that fill at different times show several TTLs, and old data until each
// has run out. Clearing the faults empties them.
func TestCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		s := n.Start(t, serverAddr, "a.test. 100 IN A 192.0.2.1")
		setFault(t, s, "", "countdown,caches=4")
		must(t, s.SetWorldAt(30*time.Second, "a.test. 100 IN A 192.0.2.9"))
		seen := map[string]bool{}
		for second := range 200 {
			got := askNetwork(t, n, "udp", query("a.test.", dns.TypeA))
			if second == 29 || second == 60 {
				seen[got] = true
			}
			if strings.HasSuffix(got, "192.0.2.1") && second > 130 {
				t.Errorf("after %d s: %s", second, got)
			}
			time.Sleep(time.Second)
		}
		fills := map[time.Time]bool{}
		for k, c := range s.caches {
			if k.cache < 0 || k.cache > 3 {
				t.Errorf("cache %d", k.cache)
			}
			fills[c.filled] = true
		}
		if len(s.caches) != 4 || len(fills) < 3 || len(seen) != 2 {
			t.Errorf("%d caches, %d fill times, %v", len(s.caches), len(fills), seen)
		}
		s.ClearFaults()
		if got := askNetwork(t, n, "udp", query("a.test.", dns.TypeA)); got != "NOERROR 100:192.0.2.9" || len(s.caches) != 0 {
			t.Errorf("got %q", got)
		}
	})
}

// Root, top-level domain and zone, each on a server of its own.
var hierarchy = []struct{ addr, world string }{
	{"192.0.2.1:53", `
.               3600 IN SOA a.root.test. hostmaster.test. 1 3600 600 86400 60
.               3600 IN NS a.root.test.
net.            3600 IN NS ns.net.
net.            3600 IN DS 1 13 2 00
ns.net.         3600 IN A 192.0.2.2
`},
	{"192.0.2.2:53", `
net.            3600 IN SOA ns.net. hostmaster.net. 1 3600 600 86400 60
net.            3600 IN NS ns.net.
ns.net.         3600 IN A 192.0.2.2
example.net.    1800 IN NS ns1.example.net.
example.net.    1800 IN NS ns.elsewhere.test.
ns1.example.net. 1800 IN A 192.0.2.3
ns1.example.net. 1800 IN AAAA 2001:db8::3
`},
	{"192.0.2.3:53", `
example.net.    900 IN SOA ns1.example.net. hostmaster.example.net. 1 3600 600 86400 60
example.net.    900 IN NS ns1.example.net.
ns1.example.net. 900 IN A 192.0.2.3
www.example.net. 60 IN CNAME edge.example.net.
edge.example.net. 50 IN A 192.0.2.80
out.example.net. 60 IN CNAME www.example.org.
below.example.net. 60 IN CNAME host.sub.example.net.
sub.example.net. 40 IN NS ns1.example.net.
other.example.net. 60 IN CNAME host.other.test.
other.test.     900 IN SOA ns.other.test. hostmaster.other.test. 1 3600 600 86400 60
host.other.test. 70 IN A 192.0.2.81
`},
}

func TestAuthoritative(t *testing.T) {
	tests := []struct {
		server int
		ask    string
		want   string
	}{
		{0, "www.example.net. A", "NOERROR not-aa not-ra ns: 3600:ns.net. extra: 3600:192.0.2.2"},
		{0, "ns.net. A", "NOERROR not-aa not-ra ns: 3600:ns.net. extra: 3600:192.0.2.2"},
		{0, "net. DS", "NOERROR not-ra 3600:1"},
		{0, "none. A", "NXDOMAIN not-ra ns: 3600:SOA(.)"},
		{0, ". NS", "NOERROR not-ra 3600:a.root.test."},
		{0, ". DS", "NOERROR not-ra ns: 3600:SOA(.)"},
		{1, "www.example.net. A", "NOERROR not-aa not-ra ns: 1800:ns1.example.net. 1800:ns.elsewhere.test. extra: 1800:192.0.2.3 1800:2001:db8::3"},
		{1, "example.net. DS", "NOERROR not-ra ns: 3600:SOA(net.)"},
		{1, "net. DS", "NOERROR not-ra ns: 3600:SOA(net.)"},
		{1, "www.example.org. A", "REFUSED not-aa not-ra"},
		{2, "www.example.net. A", "NOERROR not-ra 60:edge.example.net. 50:192.0.2.80"},
		{2, "edge.example.net. AAAA", "NOERROR not-ra ns: 900:SOA(example.net.)"},
		{2, "out.example.net. A", "NOERROR not-ra 60:www.example.org."},
		{2, "other.example.net. A", "NOERROR not-ra 60:host.other.test. 70:192.0.2.81"},
		{2, "below.example.net. A", "NOERROR not-ra 60:host.sub.example.net. ns: 40:ns1.example.net. extra: 900:192.0.2.3"},
		{2, "net. A", "REFUSED not-aa not-ra"},
	}
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		for _, h := range hierarchy {
			setFault(t, n.Start(t, h.addr, h.world), "", "authoritative")
		}
		for _, tt := range tests {
			name, qtype, _ := strings.Cut(tt.ask, " ")
			c, err := n.Dial(t.Context(), "udp", hierarchy[tt.server].addr)
			if err != nil {
				t.Fatal(err)
			}
			q := query(name, dns.StringToType[qtype])
			q.RecursionDesired = false
			if got := askConn(t, c, q); got != tt.want {
				t.Errorf("server %d, %s\ngot  %s\nwant %s", tt.server, tt.ask, got, tt.want)
			}
			c.Close()
		}
	})
}

// askConn describes the next reply on a datagram socket.
func askConn(t *testing.T, c net.Conn, q *dns.Msg) string {
	t.Helper()
	start := time.Now()
	send(t, c, q)
	must(t, c.SetReadDeadline(start.Add(5*time.Second)))
	packet := make([]byte, maxPacket)
	k, err := c.Read(packet)
	return describe(q, packet[:k], err, time.Since(start))
}

func cookieOf(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	for _, o := range m.IsEdns0().Option {
		if o, ok := o.(*dns.EDNS0_COOKIE); ok {
			return cookieOctets(o)
		}
	}
	return nil
}

// cookieQuery asks with a COOKIE option of these octets.
func cookieQuery(octets []byte) *dns.Msg {
	m := query("a.example.net.", dns.TypeA)
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(octets)})
	return m
}

func TestCookies(t *testing.T) {
	client := []byte("client-1")
	junk := append(slices.Clone(client), make([]byte, 16)...)
	const good = "NOERROR 60:192.0.2.1"
	tests := []struct {
		faults  []string
		network string
		cookie  []byte // "" plus the server's last one where it is nil
		wait    time.Duration
		want    string
	}{
		{nil, "udp", client, 0, good},
		{[]string{"cookies"}, "udp", client, 0, good + " cookie=24"},
		{[]string{"cookies"}, "udp", nil, 0, good + " cookie=24"},
		{[]string{"cookies"}, "udp", junk, 0, good + " cookie=24"},
		{[]string{"cookies"}, "udp", client[:7], 0, "FORMERR not-aa"},
		{[]string{"cookies"}, "udp", junk[:15], 0, "FORMERR not-aa"},
		{[]string{"cookies"}, "udp", append(slices.Clone(junk), make([]byte, 17)...), 0, "FORMERR not-aa"},
		{[]string{"cookies=require"}, "udp", client, 0, "BADCOOKIE not-aa cookie=24"},
		{[]string{"cookies=require"}, "udp", junk, 0, "BADCOOKIE not-aa cookie=24"},
		{[]string{"cookies=require"}, "udp", junk[:16], 0, "BADCOOKIE not-aa cookie=24"},
		{[]string{"cookies=require"}, "udp", nil, 0, good + " cookie=24"},
		{[]string{"cookies=require"}, "udp", nil, time.Hour, good + " cookie=24"},
		{[]string{"cookies=require"}, "udp", nil, time.Hour + time.Second, "BADCOOKIE not-aa cookie=24"},
		{[]string{"cookies=require"}, "tcp", client, 0, good + " cookie=24"},
		{[]string{"cookies=omit", "cookies"}, "udp", client, 0, good},
		{[]string{"cookies=wrong"}, "udp", client, 0, good + " cookie=24"},
	}
	for i, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n, s := attach(t)
			setFault(t, s, "", "cookies,nth=1")
			setFault(t, s, "", tt.faults...)
			c := dialServer(t, n, "udp")
			send(t, c, cookieQuery(client))
			m, err := receiveMsg(t, c, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			full := cookieOf(t, m)
			if i > 0 && tt.faults[0] == "cookies=omit" {
				full = append(slices.Clone(client), 1)
			}
			if !strings.HasPrefix(string(full), string(client)) {
				t.Fatalf("cookie %x", full)
			}
			time.Sleep(tt.wait)
			if tt.cookie == nil {
				tt.cookie = full
			}
			if got := askNetwork(t, n, tt.network, cookieQuery(tt.cookie)); got != tt.want {
				t.Errorf("%v with %x over %s: got %q, want %q", tt.faults, tt.cookie, tt.network, got, tt.want)
			}
			if q := s.Queries(); string(q[1].Cookie) != string(tt.cookie) {
				t.Errorf("logged %x", q[1].Cookie)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		setFault(t, s, "", "cookies=wrong")
		c := dialServer(t, n, "udp")
		send(t, c, cookieQuery(client))
		m, err := receiveMsg(t, c, time.Second)
		if err != nil || string(cookieOf(t, m)[:8]) == string(client) || len(cookieOf(t, m)) != 24 {
			t.Errorf("%v, %v", m, err)
		}
	})
}

func subnetQuery(prefix string) *dns.Msg {
	p := netip.MustParsePrefix(prefix)
	family := uint16(1)
	if p.Addr().Is6() {
		family = 2
	}
	m := query("a.example.net.", dns.TypeA)
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice(),
	})
	return m
}

func TestSubnets(t *testing.T) {
	worlds := map[string]string{"198.51.100.0/24": "192.0.2.24", "198.51.0.0/16": "192.0.2.16", "2001:db8::/32": "192.0.2.32"}
	tests := []struct {
		worlds bool
		fault  string
		subnet string
		want   string
	}{
		{false, "", "198.51.100.0/24", "NOERROR 60:192.0.2.1"},
		{false, "ecs", "198.51.100.0/24", "NOERROR 60:192.0.2.1 ecs=198.51.100.0/24/24"},
		{false, "ecs=20", "198.51.100.0/24", "NOERROR 60:192.0.2.1 ecs=198.51.100.0/24/20"},
		{true, "", "198.51.100.0/24", "NOERROR 60:192.0.2.24 ecs=198.51.100.0/24/24"},
		{true, "", "198.51.101.0/24", "NOERROR 60:192.0.2.16 ecs=198.51.101.0/24/16"},
		{true, "", "198.0.0.0/8", "NOERROR 60:192.0.2.1 ecs=198.0.0.0/8/0"},
		{true, "", "203.0.113.0/24", "NOERROR 60:192.0.2.1 ecs=203.0.113.0/24/0"},
		{true, "", "2001:db8:1::/48", "NOERROR 60:192.0.2.32 ecs=2001:db8:1::/48/32"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n, s := attach(t)
			if tt.fault != "" {
				setFault(t, s, "", tt.fault)
			}
			if tt.worlds {
				for prefix, addr := range worlds {
					must(t, s.SetWorldFor(netip.MustParsePrefix(prefix), "a.example.net. 60 IN A "+addr))
				}
			}
			if got := askNetwork(t, n, "udp", subnetQuery(tt.subnet)); got != tt.want {
				t.Errorf("%+v: got %q", tt, got)
			}
			if q := s.Queries()[0]; q.Subnet.String() != tt.subnet {
				t.Errorf("logged %s", q.Subnet)
			}
			if err := s.SetWorldFor(netip.MustParsePrefix("192.0.2.0/24"), "x A x"); err == nil {
				t.Error("a broken world is accepted")
			}
		})
	}
}

func TestWorldsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		world := func(last int) string {
			return fmt.Sprintf("a.test. 60 IN A 192.0.2.%d\nc.test. 60 IN CNAME a.test.\nl.test. 60 IN CNAME l.test.\na.test. 60 IN AAAA 2001:db8::%d", last, last)
		}
		s := n.Start(t, serverAddr, world(1))
		start := time.Now()
		must(t, s.SetWorldAt(10*time.Second, world(2)))
		must(t, s.SetWorldAt(20*time.Second, world(3)))
		for second := range 40 {
			switch second {
			case 15:
				must(t, s.SetWorld(world(4))) // which takes the place of 3
			case 30:
				must(t, s.SetWorldAt(25*time.Second, world(5))) // in effect at once
			}
			want := map[bool]int{second < 10: 1, second >= 10 && second < 15: 2, second >= 15 && second < 30: 4, second >= 30: 5}[true]
			if got := askNetwork(t, n, "udp", query("c.test.", dns.TypeA)); got != fmt.Sprintf("NOERROR 60:a.test. 60:192.0.2.%d", want) {
				t.Errorf("after %d s: %s", second, got)
			}
			time.Sleep(time.Second)
		}
		for second, want := range map[int]string{-5: "[192.0.2.1]", 0: "[192.0.2.1]", 9: "[192.0.2.1]", 14: "[192.0.2.2]", 24: "[192.0.2.4]", 39: "[192.0.2.5]"} {
			if got := fmt.Sprint(s.Truth("c.test.", dns.TypeA, start.Add(time.Duration(second)*time.Second))); got != want {
				t.Errorf("the truth after %d s is %s, want %s", second, got, want)
			}
		}
		if got := fmt.Sprint(s.Truth("a.test.", dns.TypeAAAA, start), s.Truth("none.test.", dns.TypeA, start), s.Truth("l.test.", dns.TypeA, start)); got != "[2001:db8::1] [] []" {
			t.Errorf("got %s", got)
		}
		if err := s.SetWorldAt(0, "x A x"); err == nil {
			t.Error("a broken world is accepted")
		}
	})
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		c := dialServer(t, n, "udp")
		start := time.Now()
		q := query("A.example.net.", dns.TypeA)
		q.AuthenticatedData, q.CheckingDisabled, q.RecursionDesired = true, true, false
		q.IsEdns0().SetDo()
		q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_PADDING{Padding: make([]byte, 7)})
		for range 5 {
			send(t, c, q)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		plain := query("a.example.net.", dns.TypeA)
		plain.Extra = nil
		send(t, c, plain)
		// What is no query is not logged.
		for _, packet := range []string{"", "x", strings.Repeat("\x00", 12)} {
			if _, err := c.Write([]byte(packet)); err != nil {
				t.Error(err)
			}
		}
		plain.Response = true
		send(t, c, plain)

		log := s.Queries()
		if len(log) != 6 {
			t.Fatalf("%d queries", len(log))
		}
		want := Query{
			Time: start.Add(100 * time.Millisecond), Name: "A.example.net.", Type: dns.TypeA, Class: dns.ClassINET,
			Transport: "udp", LocalAddr: addrPort(c.LocalAddr()), RemoteAddr: serverPort, ID: q.Id,
			AD: true, CD: true, DO: true, EDNS: true, UDPSize: 1232, Padding: 7,
		}
		if fmt.Sprintf("%+v", log[1]) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v\nwant %+v", log[1], want)
		}
		if l := log[5]; l.EDNS || l.Padding != -1 || l.UDPSize != 0 || !l.RD || l.AD || l.CD || l.DO {
			t.Errorf("%+v", l)
		}
		for window, peak := range map[time.Duration]int{time.Millisecond: 1, 300 * time.Millisecond: 3, time.Second: 5, time.Hour: 6} {
			if got := s.Peak(window); got != peak {
				t.Errorf("a peak of %d in %v, want %d", got, window, peak)
			}
		}
		s.StopLog()
		send(t, c, q)
		if len(s.Queries()) != 6 {
			t.Error("the log goes on")
		}
		q.Opcode = dns.OpcodeStatus
		if got := askNetwork(t, n, "udp", q); got != "NOTIMP not-aa not-ra no-opt" {
			t.Errorf("another opcode brings %q", got)
		}
	})
}

// What a message cannot do without faults.
func TestEdges(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 50)+".", 4)
	world := testWorld + `
d2.test.   60 IN DNAME a-name-that-is-longer-than-the-owner.of-the-dname.test.
l.test.    60 IN CNAME l2.test.
l2.test.   60 IN CNAME l.test.
m.test.    60 IN CNAME many.test.
many.test. 60 IN A 192.0.2.11
many.test. 60 IN A 192.0.2.12
`
	tests := []struct{ fault, name, want string }{
		{"recursive", long + "d2.test.", "YXDOMAIN not-aa 60:a-name-that-is-longer-than-the-owner.of-the-dname.test."},
		{"authoritative", "l.test.", "REFUSED not-aa not-ra"},
		{"recursive", "l.test.", "NOERROR not-aa 20 records"},
		{"rotate,nth=1", "m.test.", "NOERROR 60:many.test. 60:192.0.2.11 60:192.0.2.12"},
		{"rotate", "l.test.", "NOERROR 20 records"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(1)
			s := n.Start(t, serverAddr, world)
			setFault(t, s, "", tt.fault)
			if got := askNetwork(t, n, "udp", query(tt.name, dns.TypeA)); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n, s := attach(t)
		setFault(t, s, "", "drop,over=1")
		for range 3 { // one query a second is not too much
			if got := askNetwork(t, n, "udp", query("a.example.net.", dns.TypeA)); got != "NOERROR 60:192.0.2.1" {
				t.Errorf("got %q", got)
			}
			time.Sleep(time.Second)
		}
		q := query("a.example.net.", dns.TypeA)
		q.IsEdns0().SetVersion(1)
		if got := askNetwork(t, n, "udp", q); got != "BADSIG not-aa" {
			t.Errorf("EDNS version 1 brings %q", got)
		}
		time.Sleep(time.Second)
		c := dialServer(t, n, "udp")
		if _, err := c.Write(make([]byte, maxPacket+1)); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("a datagram over all bounds gives %v", err)
		}
		stream := dialServer(t, n, "tcp")
		junk := frame([]byte("junk"))
		if _, err := stream.Write(append(junk, frame(pack(query("a.example.net.", dns.TypeA)))...)); err != nil {
			t.Error(err)
		}
		if got := next(t, stream, time.Second); got != "NOERROR 192.0.2.1" {
			t.Errorf("behind junk comes %q", got)
		}
	})
}
