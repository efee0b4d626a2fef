package dnstest

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// mismatch is what a forged packet has wrong, by comparison with its query.
func mismatch(q, m *dns.Msg) []Field {
	var wrong []Field
	say := func(f Field, differs bool) {
		if differs {
			wrong = append(wrong, f)
		}
	}
	asked, told := q.Question[0], m.Question[0]
	sameName := dns.CanonicalName(told.Name) == dns.CanonicalName(asked.Name)
	say(ForgedID, m.Id != q.Id)
	say(ForgedName, !sameName)
	say(ForgedType, told.Qtype != asked.Qtype)
	say(ForgedClass, told.Qclass != asked.Qclass)
	say(ForgedCase, sameName && told.Name != asked.Name)
	say(ForgedQR, !m.Response)
	say(ForgedOpcode, m.Opcode != q.Opcode)
	return wrong
}

func TestForge(t *testing.T) {
	tests := []struct {
		name   string
		qtype  uint16
		fields []Field
	}{
		{"a.example.net.", dns.TypeA, nil},
		{"C.eXamPle.net.", dns.TypeAAAA, nil},
		{"a.example.net.", dns.TypeA, []Field{ForgedCase, ForgedName}},
		{".", dns.TypeA, []Field{ForgedID}},
		{"1.2.", dns.TypeA, []Field{ForgedID, ForgedCase}}, // without letters
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			n, s := attach(t)
			const count = 700
			n.Forge(Forger{Count: count, Fields: tt.fields})
			n.SetLink("", Link{Queue: 10, Latency: time.Millisecond})
			c := dialServer(t, n, "udp")
			q := query(tt.name, tt.qtype)
			send(t, c, q)
			found := map[Field]int{}
			for i := range count {
				m, err := receiveMsg(t, c, time.Second)
				if err != nil {
					t.Fatal(i, err)
				}
				wrong := mismatch(q, m)
				if len(wrong) != 1 || len(m.Answer) != 1 {
					t.Fatalf("wrong in %v, %d records: %v", wrong, len(m.Answer), m)
				}
				if addr, ok := address(m.Answer[0]); !ok || addr != Forged4 && addr != Forged6 || addr.Is4() != (tt.qtype == dns.TypeA) {
					t.Errorf("the forger says %v", addr)
				}
				found[wrong[0]]++
			}
			kinds := len(tt.fields)
			if kinds == 0 {
				kinds = int(fieldCount)
			} else if tt.name == "1.2." {
				kinds = 1
			}
			if len(found) != kinds {
				t.Errorf("%s: fields %v", tt.name, found)
			}
			if len(s.Queries()) != 0 {
				t.Error("the query was faster than the forger")
			}
			if m, err := receiveMsg(t, c, time.Second); err != nil || mismatch(q, m) != nil {
				t.Errorf("the right answer: %v, %v", m, err)
			}
			if stats := n.Conns()[0]; stats.Forged != count || stats.Received != count+1 || stats.Overflowed != 0 || stats.Queries != 1 {
				t.Errorf("%+v", stats)
			}
			n.Forge(Forger{})
			send(t, c, q)
			if m, err := receiveMsg(t, c, time.Second); err != nil || mismatch(q, m) != nil {
				t.Errorf("without a forger: %v, %v", m, err)
			}
		})
	}
}

// The forger is done with a socket that is closed and with a server that goes away, and has
// nothing to say to what is no query.
func TestForgerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		var tb recordTB
		s := n.Start(&tb, serverAddr, testWorld)
		n.Forge(Forger{Count: 1e9})
		c := dialServer(t, n, "udp")
		send(t, c, query("a.example.net.", dns.TypeA))
		synctest.Wait()
		c.Close()
		synctest.Wait()
		c = dialServer(t, n, "udp")
		send(t, c, query("a.example.net.", dns.TypeA))
		synctest.Wait()
		tb.end()
		c2 := n.dialPackets(serverAddr, serverPort)
		send(t, c2, query("a.example.net.", dns.TypeA))
		if _, err := c2.Write(make([]byte, 12)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		must(t, c2.Close())
		if got := n.Conns()[2]; got.Received != 0 || len(s.Queries()) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A million forged packets go by in seconds, and a client that compares everything accepts
// none.
func TestForgeMany(t *testing.T) {
	queries, each := 1000, 1000
	if testing.Short() {
		queries = 50
	}
	synctest.Test(t, func(t *testing.T) {
		n, _ := attach(t)
		n.Forge(Forger{Count: each})
		c := dialServer(t, n, "udp")
		accepted, forged := 0, 0
		for id := range queries {
			q := query(fmt.Sprintf("N%d.w.example.net.", id), dns.TypeA)
			q.Id = uint16(id * 60)
			good, bad := acceptOne(t, c, pack(q))
			accepted += good
			forged += bad
		}
		if accepted != queries || forged != queries*each || n.Conns()[0].Forged != forged {
			t.Errorf("%d answers to %d queries, %d forged", accepted, queries, forged)
		}
	})
}

// acceptOne sends a query and reads until the server's answer, which is the only packet with
// the header and question it must have.
func acceptOne(t *testing.T, c net.Conn, q []byte) (accepted, refused int) {
	t.Helper()
	if _, err := c.Write(q); err != nil {
		t.Fatal(err)
	}
	question := bytes.IndexByte(q[12:], 0) + 12 + 5
	buf := make([]byte, 1500)
	for {
		k, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if k > question && bytes.Equal(buf[:2], q[:2]) && buf[2]&0xf8 == 0x80 && bytes.Equal(buf[12:question], q[12:question]) {
			if bytes.Contains(buf[:k], Forged4.AsSlice()) {
				t.Fatal("a forged packet is accepted")
			}
			return 1, refused
		}
		refused++
	}
}
